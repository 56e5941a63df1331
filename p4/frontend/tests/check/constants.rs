//! What is computed at compile time.

use trisect_p4::typed::{Const, ExprKind, VarKind};

use super::{checked, right, wrong};

/// The value of the constant `x` of a program, as text.
#[track_caller]
fn value(text: &str) -> String {
    let program = checked(text);
    let var = program.vars.values().rfind(|var| var.name == "x");
    let VarKind::Const(value) = &var.expect("the program declares x").kind else {
        panic!("x is no constant");
    };
    match &value.kind {
        ExprKind::Const(Const::Int(value)) => value.to_string(),
        ExprKind::Const(Const::Bool(value)) => value.to_string(),
        ExprKind::Const(Const::Str(value)) => value.clone(),
        other => panic!("x is not computed: {other:?}"),
    }
}

#[test]
fn arithmetic_is_exact_and_wraps_at_widths() {
    assert_eq!(
        value("const int x = (1 << 70) - 1;"),
        "1180591620717411303423"
    );
    assert_eq!(value("const bit<8> x = 255 + 8w2;"), "1");
    assert_eq!(value("const int<8> x = 127 + 8s1;"), "-128");
    assert_eq!(value("const bit<8> x = 8w250 |+| 10;"), "255");
    assert_eq!(value("const int<8> x = -8s100 |-| 100;"), "-128");
    assert_eq!(value("const bit<8> x = ~8w1;"), "254");
    assert_eq!(value("const int x = 7 / 2 * 10 + 7 % 4;"), "33");
    assert_eq!(value("const bit<16> x = 8w0xAB ++ 8w0xCD;"), "43981");
    assert_eq!(value("const bit<4> x = 16w0xABCD[11:8];"), "11");
    assert_eq!(value("const bit<8> x = (bit<8>) (int<8>) -1;"), "255");
    assert_eq!(value("const int<16> x = (int<16>) (int<8>) -1;"), "-1");
    assert_eq!(value("const bit<8> x = 8w1 << 9;"), "0");
    assert_eq!(value("const int<8> x = -8s4 >> 1;"), "-2");
    assert_eq!(value("const string x = \"a\" ++ \"b\" ++ \"c\";"), "abc");
}

#[test]
fn conditions_and_comparisons_are_computed() {
    assert_eq!(
        value("const bool x = 1 < 2 && !(8w3 == 4) || false;"),
        "true"
    );
    assert_eq!(value("const int x = true ? 1 : 2;"), "1");
    assert_eq!(value("enum E { A, B } const bool x = E.A != E.B;"), "true");
    assert_eq!(value("const bool x = (bool) 1w1;"), "true");
}

#[test]
fn parts_of_constants_are_constants() {
    let top = "struct S { bit<8> a; bit<8> b; } const S s = { 1, 2 }; ";
    assert_eq!(value(&format!("{top} const bit<8> x = s.b;")), "2");
    let top = "const tuple<bit<8>, bool> t = { 1, true }; ";
    assert_eq!(value(&format!("{top} const bool x = t[1];")), "true");
    assert_eq!(
        value("struct S { bit<8> a; } const S s = { ... }; const bit<8> x = s.a;"),
        "0"
    );
    assert_eq!(
        value("enum bit<8> E { A = 5 } const bit<8> x = (bit<8>) E.A;"),
        "5"
    );
}

#[test]
fn sizes_are_constants() {
    let top = "header H { bit<8> a; varbit<24> b; bit<3> c; } struct S { H h; bool d; } ";
    assert_eq!(
        value(&format!("{top} const int x = H.minSizeInBits();")),
        "11"
    );
    assert_eq!(
        value(&format!("{top} const int x = H.maxSizeInBits();")),
        "35"
    );
    assert_eq!(
        value(&format!("{top} const int x = S.maxSizeInBytes();")),
        "5"
    );
}

#[test]
fn widths_are_constants() {
    right("const int w = 4; typedef bit<(w * 2)> B; const B b = 8w1;");
    wrong(
        "control C(in bit<8> w) { bit<(w)> x; apply { } }",
        &[("E0135", "w")],
    );
    wrong("typedef bit<(0 - 1)> T;", &[("E0133", "0 - 1")]);
    wrong("typedef int<0> T;", &[("E0133", "0")]);
    right("typedef bit<0> T;");
}

#[test]
fn constants_do_not_depend_on_packets() {
    wrong(
        "control C(in bit<8> a) { const bit<8> c = a; apply { } }",
        &[("E0135", "a")],
    );
    right("control C(out bit<8> a)(bit<8> k) { const bit<8> c = k + 1; apply { a = c; } }");
}

#[test]
fn static_assertions_hold() {
    let top = "extern bool static_assert(bool check, string message); ";
    right(&format!(
        "{top} const bool b = static_assert(1 + 1 == 2, \"sum\");"
    ));
    wrong(
        &format!("{top} const bool b = static_assert(1 == 2, \"sum\");"),
        &[("E0166", "static_assert(1 == 2, \"sum\")")],
    );
}

#[test]
fn meaningless_arithmetic_is_refused() {
    wrong("const int x = 1 / 0;", &[("E0172", "1 / 0")]);
    wrong(
        "const int x = 1 << 1000000000;",
        &[("E0172", "1 << 1000000000")],
    );
    wrong("const int x = -5 % 2;", &[("E0172", "-5")]);
}
