//! Names and scopes.

use super::{body, message, right, wrong};

#[test]
fn a_misspelt_name_is_corrected() {
    let text = body("writen = 1;");
    wrong(&text, &[("E0130", "writen")]);
    assert!(message(&text).contains("did you mean `written`?"));
    let text = body("h.aa = 1;");
    assert!(message(&text).contains("`H` has no field `aa`"));
    assert!(message(&text).contains("declared here"));
}

#[test]
fn one_mistake_is_said_once() {
    wrong(
        &body("bit<8> x = nothing + 1; x = x + nothing.field; v = f(nothing); v = x;"),
        &[
            ("E0130", "nothing"),
            ("E0130", "nothing"),
            ("E0130", "f"),
            ("E0130", "nothing"),
        ],
    );
}

#[test]
fn several_errors_are_found_in_one_run() {
    wrong(
        &body("v = true; t = 1; w = v;"),
        &[("E0132", "true"), ("E0132", "1"), ("E0133", "v")],
    );
}

#[test]
fn names_are_declared_before_they_are_used() {
    wrong("const int a = b; const int b = 1;", &[("E0130", "b")]);
    wrong("typedef T U; typedef bit<8> T;", &[("E0130", "T")]);
    right("parser P() { state start { transition later; } state later { transition accept; } }");
}

#[test]
fn a_scope_has_each_name_once() {
    wrong("const int a = 1; const int a = 2;", &[("E0131", "a")]);
    wrong(&body("bit<8> x; bit<8> x;"), &[("E0131", "x")]);
    right(&body("{ bit<8> x; } { bit<8> x; }"));
    wrong("struct S { bit<8> a; bit<8> a; }", &[("E0131", "a")]);
    wrong("enum E { A, A }", &[("E0131", "A")]);
    wrong("error { A } error { A }", &[("E0131", "A")]);
    wrong("match_kind { a } match_kind { a }", &[("E0131", "a")]);
}

#[test]
fn errors_and_match_kinds_grow_over_declarations() {
    right("error { A } const error x = error.A; error { B } const error y = error.B;");
    wrong("error { A } const error x = error.C;", &[("E0130", "C")]);
}

#[test]
fn a_leading_dot_is_the_top_level() {
    right("const bit<8> c = 1; control C(out bit<8> x) { const bit<16> c = 2; apply { x = .c; } }");
}

#[test]
fn types_and_values_are_told_apart() {
    wrong(
        "const int c = 1; control C() { apply { c x; } }",
        &[("E0130", "c")],
    );
    wrong(&body("v = ask;"), &[("E0132", "ask")]);
    wrong(&body("v();"), &[("E0132", "v")]);
}

#[test]
fn enum_members_are_found_by_type() {
    right("enum E { A, B } const E e = E.B;");
    wrong("enum E { Alpha } const E e = E.Alfa;", &[("E0130", "Alfa")]);
    right("enum bit<8> E { A = 1, B = A + 1 } const bit<8> b = E.B;");
}

#[test]
fn functions_of_one_name_differ_in_their_parameters() {
    right("extern void f(in bit<8> a); extern void f(in bit<8> a, in bit<8> b);");
    wrong(
        "extern void f(in bit<8> a); extern void f(in bit<16> a);",
        &[("E0131", "f")],
    );
}

#[test]
fn nothing_uses_itself() {
    wrong("bit<8> f(in bit<8> x) { return f(x); }", &[("E0183", "f")]);
    wrong("struct S { S inner; }", &[("E0183", "S")]);
    wrong("extern E { void take(E other); }", &[("E0183", "E")]);
    wrong("control C() { C() c; apply { } }", &[("E0183", "C")]);
}

#[test]
fn the_name_main_is_the_programs_own() {
    wrong("extern main { }", &[("E0123", "main")]);
    wrong("const int main = 1;", &[("E0123", "main")]);
    wrong("control main() { apply { } }", &[("E0123", "main")]);
    right("void main() { }");
    right("struct S { bit<8> main; } control C() { apply { bit<8> main = 1; } }");
}
