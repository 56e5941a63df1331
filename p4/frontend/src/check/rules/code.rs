//! Going through the code of the typed tree: statements and expressions, outer ones before inner ones and in
//! source order. Its depth is bounded by that of the syntax tree, so these functions may recurse.

use std::collections::BTreeSet;

use super::syntax::Place;
use crate::typed::{
    ActionCall, Arg, Expr, FunctionId, KeySet, Local, Program, Stmt, StmtKind, Table, Transition,
    VarKind,
};

/// What code is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// A body, or the initial values beside it.
    Body(Place),
    /// The key of a table, which is computed where the table is applied.
    Key,
    /// The rest of a table: arguments, entries, properties.
    Table,
    /// What is known at compile time: arguments of instances, default values, constants.
    CompileTime,
}

/// A part of the code, and what it is part of.
pub(super) type Part<'a> = (Where, Node<'a>);

/// A part of the code.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    /// A body, whose statements come next.
    Body(&'a [Stmt]),
    /// A statement.
    Stmt(&'a Stmt),
    /// An expression, or a part of one.
    Expr(&'a Expr),
}

/// A body that a function, action, state or control has.
struct Body<'a> {
    /// What it belongs to.
    place: Place,
    /// The statements.
    stmts: &'a [Stmt],
}

/// All bodies of the program.
fn bodies(program: &Program) -> Vec<Body<'_>> {
    let mut all = Vec::new();
    let methods = method_bodies(program);
    for (id, function) in program.functions.iter() {
        if let Some(stmts) = &function.body {
            let place = if methods.contains(&id) {
                Place::Method
            } else {
                Place::Function
            };
            all.push(Body { place, stmts });
        }
    }
    for action in program.actions.values() {
        all.push(Body {
            place: Place::Action,
            stmts: &action.body,
        });
    }
    for state in program.parsers.values().flat_map(|parser| &parser.states) {
        all.push(Body {
            place: Place::State,
            stmts: &state.stmts,
        });
    }
    for control in program.controls.values() {
        all.push(Body {
            place: Place::Apply,
            stmts: &control.body,
        });
    }
    all
}

/// The functions that are bodies of abstract methods.
fn method_bodies(program: &Program) -> BTreeSet<FunctionId> {
    let instances = program.instances.values();
    instances
        .flat_map(|instance| instance.methods.iter().map(|(_, body)| *body))
        .collect()
}

/// Gives every statement and expression of the program to `on`.
pub(super) fn walk<'a>(program: &'a Program, on: &mut dyn FnMut(Part<'a>)) {
    for body in bodies(program) {
        let of = Where::Body(body.place);
        on((of, Node::Body(body.stmts)));
        stmts(body.stmts, &mut |node| on((of, node)));
    }
    for parser in program.parsers.values() {
        let on = &mut |node| on((Where::Body(Place::State), node));
        locals(&parser.locals, on);
        for state in &parser.states {
            transition(&state.next, on);
        }
    }
    for control in program.controls.values() {
        locals(&control.locals, &mut |node| {
            on((Where::Body(Place::Apply), node));
        });
    }
    for table in program.tables.values() {
        for key in &table.keys {
            expr(&key.expr, &mut |node| on((Where::Key, node)));
        }
        self::table(table, &mut |node| on((Where::Table, node)));
    }
    let on = &mut |node| on((Where::CompileTime, node));
    for instance in program.instances.values() {
        args(&instance.args, on);
    }
    for var in program.vars.values() {
        match &var.kind {
            VarKind::Const(value) => expr(value, on),
            VarKind::Param { default, .. } | VarKind::CtorParam { default, .. } => {
                default.iter().for_each(|value| expr(value, on));
            }
            VarKind::Local => {}
        }
    }
}

fn locals<'a>(of: &'a [Local], on: &mut dyn FnMut(Node<'a>)) {
    for local in of {
        if let Local::Var(_, Some(value)) = local {
            expr(value, on);
        }
    }
}

fn transition<'a>(of: &'a Transition, on: &mut dyn FnMut(Node<'a>)) {
    if let Transition::Select { keys, cases } = of {
        exprs(keys, on);
        for case in cases {
            keysets(&case.sets, on);
        }
    }
}

/// All but the key.
fn table<'a>(of: &'a Table, on: &mut dyn FnMut(Node<'a>)) {
    for action in &of.actions {
        args(&action.bound, on);
    }
    if let Some(default) = &of.default {
        action_call(&default.call, on);
    }
    for entry in &of.entries {
        keysets(&entry.keys, on);
        action_call(&entry.call, on);
    }
    for property in &of.properties {
        expr(&property.value, on);
    }
}

fn action_call<'a>(of: &'a ActionCall, on: &mut dyn FnMut(Node<'a>)) {
    exprs(&of.args, on);
}

fn keysets<'a>(of: &'a [KeySet], on: &mut dyn FnMut(Node<'a>)) {
    for set in of {
        match set {
            KeySet::Value(value) => expr(value, on),
            KeySet::Mask(a, b) | KeySet::Range(a, b) => {
                expr(a, on);
                expr(b, on);
            }
            KeySet::Any | KeySet::ValueSet(_) => {}
        }
    }
}

/// Gives these statements and everything in them to `on`.
fn stmts<'a>(of: &'a [Stmt], on: &mut dyn FnMut(Node<'a>)) {
    for each in of {
        stmt(each, on);
    }
}

fn stmt<'a>(of: &'a Stmt, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Stmt(of));
    match &of.kind {
        StmtKind::Block(inner) => stmts(inner, on),
        StmtKind::Var(_, value) | StmtKind::Return(value) => {
            value.iter().for_each(|value| expr(value, on));
        }
        StmtKind::Assign { target, value, .. } => {
            expr(target, on);
            expr(value, on);
        }
        StmtKind::Call(call) => expr(call, on),
        StmtKind::If(cond, then, otherwise) => {
            expr(cond, on);
            stmts(then, on);
            stmts(otherwise, on);
        }
        StmtKind::SwitchAction { cases, .. } => {
            cases.iter().for_each(|case| stmts(&case.body, on));
        }
        StmtKind::SwitchValue { on: value, cases } => {
            expr(value, on);
            for case in cases {
                case.labels
                    .iter()
                    .flatten()
                    .for_each(|label| expr(label, on));
                stmts(&case.body, on);
            }
        }
        StmtKind::For {
            init,
            cond,
            update,
            body,
        } => {
            stmts(init, on);
            expr(cond, on);
            stmts(update, on);
            stmts(body, on);
        }
        StmtKind::ForRange { lo, hi, body, .. } => {
            expr(lo, on);
            expr(hi, on);
            stmts(body, on);
        }
        StmtKind::ForEach {
            collection, body, ..
        } => {
            expr(collection, on);
            stmts(body, on);
        }
        StmtKind::Instance(_) | StmtKind::Break | StmtKind::Continue | StmtKind::Exit => {}
    }
}

fn exprs<'a>(of: &'a [Expr], on: &mut dyn FnMut(Node<'a>)) {
    for each in of {
        expr(each, on);
    }
}

fn args<'a>(of: &'a [Arg], on: &mut dyn FnMut(Node<'a>)) {
    for value in of.iter().filter_map(|arg| arg.value.as_ref()) {
        expr(value, on);
    }
}

/// Gives this expression and all its parts to `on`.
pub(super) fn expr<'a>(of: &'a Expr, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Expr(of));
    for operand in of.operands() {
        expr(operand, on);
    }
}
