//! Parsers, controls, packages, instances and abstract methods.

use super::{right, wrong};

#[test]
fn transitions_go_to_states() {
    wrong(
        "parser P() { state start { transition strat; } state begin { transition accept; } }",
        &[("E0130", "strat")],
    );
    wrong(
        "parser P() { state begin { transition accept; } }",
        &[("E0139", "P")],
    );
    wrong(
        "parser P() { state start { transition accept; } state accept { } }",
        &[("E0131", "accept")],
    );
}

#[test]
fn select_sets_have_the_types_of_the_keys() {
    let parser = |cases: &str| {
        format!(
            "parser P(in bit<8> a, in bit<16> b) {{ state start {{ transition select(a, b) {{ {cases} }} }} }}"
        )
    };
    right(&parser(
        "(1, 2): accept; (0 &&& 3, 5 .. 6): accept; (_, 7): reject; default: accept;",
    ));
    wrong(&parser("(1): accept;"), &[("E0134", "(1): accept;")]);
    wrong(&parser("(true, 2): accept;"), &[("E0132", "true")]);
    wrong(&parser("(1, 8w2): accept;"), &[("E0133", "8w2")]);
    wrong(&parser("(a &&& 1, 2): accept;"), &[("E0135", "a")]);
}

#[test]
fn value_sets_hold_the_keys() {
    let parser = |ty: &str, keys: &str| {
        format!(
            "struct S {{ bit<8> x; bit<16> y; }} parser P(in bit<8> a, in bit<16> b) {{ value_set<{ty}>(4) v; \
             state start {{ transition select({keys}) {{ v: accept; default: reject; }} }} }}"
        )
    };
    right(&parser("bit<8>", "a"));
    right(&parser("S", "a, b"));
    right(&parser("tuple<bit<8>, bit<16>>", "a, b"));
    wrong(&parser("bit<16>", "a"), &[("E0132", "v")]);
}

#[test]
fn blocks_are_applied_with_their_parameters() {
    let top = "control D(inout bit<8> x)(bit<8> k) { apply { x = k; } } ";
    right(&format!(
        "{top} control C(inout bit<8> a) {{ D(1) d; apply {{ d.apply(a); }} }}"
    ));
    wrong(
        &format!("{top} control C(inout bit<8> a) {{ D() d; apply {{ d.apply(a); }} }}"),
        &[("E0134", "d")],
    );
    wrong(
        &format!("{top} control C(inout bit<8> a) {{ D(1) d; apply {{ d.apply(5); }} }}"),
        &[("E0136", "5")],
    );
    wrong(
        &format!("{top} control C(inout bit<8> a) {{ D(1) d; apply {{ d(a); }} }}"),
        &[("E0132", "d")],
    );
}

#[test]
fn only_what_has_a_body_or_constructor_is_instantiated() {
    wrong(
        "control T(); control C() { T() t; apply { } }",
        &[("E0173", "t")],
    );
    wrong(
        "extern E { } control C() { E() e; apply { } }",
        &[("E0173", "e")],
    );
    wrong(
        "struct S { } control C() { S() s; apply { } }",
        &[("E0173", "s")],
    );
}

#[test]
fn abstract_methods_get_bodies() {
    let top = "extern E { E(); abstract bit<8> f(in bit<8> x); bit<8> g(); } ";
    right(&format!(
        "{top} control C() {{ E() e = {{ bit<8> f(in bit<8> x) {{ return x + this.g(); }} }}; apply {{ }} }}"
    ));
    wrong(
        &format!("{top} control C() {{ E() e; apply {{ }} }}"),
        &[("E0173", "e")],
    );
    wrong(
        &format!(
            "{top} control C() {{ E() e = {{ bit<8> f(out bit<8> x) {{ return 1; }} }}; apply {{ }} }}"
        ),
        &[("E0173", "f")],
    );
    wrong(
        &format!(
            "{top} control C() {{ E() e = {{ bit<8> f(in bit<8> x) {{ return 1; }} void h() {{ }} }}; apply {{ }} }}"
        ),
        &[("E0173", "h")],
    );
    wrong(
        &format!("{top} control C() {{ apply {{ this.g(); }} }}"),
        &[("E0123", "this")],
    );
}

#[test]
fn constructors_are_told_apart_by_their_parameters() {
    right(
        "control D(out bit<8> x)(bit<8> a) { apply { x = a; } } control D(out bit<8> x)(bit<16> b) { apply { x = 1; } }\n\
         control C(out bit<8> x) { D(b = 1) d; apply { d.apply(x); } }",
    );
}

#[test]
fn objects_stand_in_stacks() {
    right(
        "extern E { E(); bit<8> get(); } control C(in bit<8> i, out bit<8> x) { E() e[4]; apply { x = e[i].get(); } }",
    );
}
