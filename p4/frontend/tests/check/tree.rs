//! What the typed tree promises to elaboration.

use trisect_p4::typed::{
    Callee, Const, ExprKind, KeySet, Local, StmtKind, Target, Transition, Type,
};

use super::checked;

#[test]
fn arguments_are_in_the_parameters_order() {
    let program = checked(
        "extern void f(in bit<8> a, in bit<16> b = 7, @optional in bit<8> c);\n\
         control C() { apply { f(c = 3, a = 1); } }",
    );
    let control = program.controls.values().next().expect("declared");
    let StmtKind::Call(call) = &control.body[0].kind else {
        panic!("a call");
    };
    let ExprKind::Call(call) = &call.kind else {
        panic!("a call");
    };
    assert!(matches!(call.callee, Callee::Function(_)));
    let number = |at: usize| match &call.args[at].value.as_ref().expect("given").kind {
        ExprKind::Const(Const::Int(value)) => value.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!([number(0), number(1), number(2)], ["1", "7", "3"]);
    assert_eq!(call.order, [2, 0, 1]);
}

#[test]
fn conversions_are_casts() {
    let program = checked(
        "enum bit<8> E { A = 3 } control C(in E e, out bit<8> x) { apply { x = e; x = E.A; } }",
    );
    let control = program.controls.values().next().expect("declared");
    let value = |at: usize| match &control.body[at].kind {
        StmtKind::Assign { value, .. } => value,
        other => panic!("{other:?}"),
    };
    assert_eq!(value(0).ty, Type::Bit(8));
    assert!(matches!(value(0).kind, ExprKind::Cast(_)));
    assert_eq!(value(1).ty, Type::Bit(8));
    assert!(matches!(value(1).kind, ExprKind::Const(Const::Int(_))));
}

#[test]
fn struct_expressions_are_in_the_fields_order() {
    let program = checked(
        "struct S { bit<8> a; bit<16> b; bool c; } control C(out S s) { apply { s = { b = 2, a = 1, ... }; } }",
    );
    let control = program.controls.values().next().expect("declared");
    let StmtKind::Assign { value, .. } = &control.body[0].kind else {
        panic!("an assignment");
    };
    let ExprKind::Aggregate(parts) = &value.kind else {
        panic!("an aggregate");
    };
    let types: Vec<Type> = parts.iter().map(|part| part.ty.clone()).collect();
    assert_eq!(types, [Type::Bit(8), Type::Bit(16), Type::Bool]);
    assert!(matches!(parts[2].kind, ExprKind::Default));
}

#[test]
fn transitions_are_indices() {
    let program = checked(
        "parser P(in bit<8> a) { state start { transition select(a) { 1: last; _: reject; } } \
         state last { } state unused { transition accept; } }",
    );
    let parser = program.parsers.values().next().expect("declared");
    let Transition::Select { cases, .. } = &parser.states[0].next else {
        panic!("a select");
    };
    assert_eq!(cases[0].target, Target::State(1));
    assert!(matches!(cases[1].sets[0], KeySet::Any));
    assert!(matches!(
        parser.states[1].next,
        Transition::Goto(Target::Reject)
    ));
}

#[test]
fn constructor_parameters_stay_open() {
    let program = checked(
        "match_kind { exact } action NoAction() { } control C(inout bit<8> x)(bit<8> k, bit<32> n) { \
         table t { key = { x: exact; } actions = { NoAction; } size = n; } apply { x = k + 1; t.apply(); } }",
    );
    let control = program.controls.values().next().expect("declared");
    let StmtKind::Assign { value, .. } = &control.body[0].kind else {
        panic!("an assignment");
    };
    assert!(matches!(value.kind, ExprKind::Binary(..)));
    let Local::Table(table) = control.locals[0] else {
        panic!("a table");
    };
    assert!(program.tables[table].size.is_none());
    assert!(program.tables[table].size_per_instance.is_some());
}

#[test]
fn generic_blocks_are_instantiated_without_parameters() {
    let program = checked(
        "control G<T>(inout T x) { apply { } } control C(inout bit<8> x) { apply { G<bit<8>>.apply(x); } }",
    );
    let instance = program.instances.values().next().expect("made in place");
    let trisect_p4::typed::InstanceOf::Control(id) = instance.of else {
        panic!("a control");
    };
    let param = program.controls[id].params[0];
    assert_eq!(program.vars[param].ty, Type::Bit(8));
}
