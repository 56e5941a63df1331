//! Type arguments.

use super::{body, right, wrong};

const TOP: &str = "extern T id<T>(in T x); extern void two<T>(in T a, in T b);\n\
    extern T make<T>(); extern void any<T>(in T x);\n";

fn call(statements: &str) -> String {
    TOP.to_owned() + &body(statements)
}

#[test]
fn type_arguments_follow_from_arguments() {
    right(&call(
        "v = id(v); w = id<bit<16>>(1); two(v, 1); two(1, w); any({ v, w }); any(h);",
    ));
    wrong(&call("two(v, w);"), &[("E0133", "w")]);
    wrong(&call("w = id(v);"), &[("E0133", "id(v)")]);
}

#[test]
fn what_nothing_says_has_to_be_written() {
    right(&call("v = make<bit<8>>();"));
    wrong(&call("v = make();"), &[("E0171", "make()")]);
    wrong(&call("any(5);"), &[("E0171", "5")]);
    wrong(&call("any({#});"), &[("E0171", "{#}")]);
    wrong(&call("any({ x = v });"), &[("E0171", "any({ x = v })")]);
    wrong(
        &call("v = make<bit<8>, bool>();"),
        &[("E0134", "make<bit<8>, bool>()")],
    );
}

#[test]
fn generic_structs_take_arguments() {
    let top = "struct G<T> { T value; bool set; } ";
    right(&format!(
        "{top} const G<bit<8>> g = {{ 1, true }}; const bit<8> v = g.value;"
    ));
    wrong(
        &format!("{top} control C() {{ G x; apply {{ }} }}"),
        &[("E0171", "G")],
    );
    wrong(
        &format!("{top} const G<bit<8>, bool> g = {{ 1, true }};"),
        &[("E0134", "G<bit<8>, bool>")],
    );
    wrong(
        &format!("{top} const G<bit<8>> g = {{ true, true }};"),
        &[("E0132", "true")],
    );
}

#[test]
fn generic_externs_are_inferred_from_their_constructor() {
    let top = "extern R<T> { R(T first); T read(); void write(in T x); } ";
    right(&format!(
        "{top} control C(out bit<8> x) {{ R(8w1) r; R<bit<8>>(2) q; apply {{ x = r.read(); q.write(x); }} }}"
    ));
    wrong(
        &format!("{top} control C(out bit<16> x) {{ R(8w1) r; apply {{ x = r.read(); }} }}"),
        &[("E0133", "r.read()")],
    );
}

#[test]
fn packages_are_inferred_from_blocks() {
    let top = "control B<H>(inout H h); package P<H>(B<H> a, B<H> b); struct S { bit<8> x; } struct O { }\n\
        control C(inout S s) { apply { } } control D(inout O o) { apply { } } control E(in S s) { apply { } }\n";
    right(&format!("{top} P(C(), C()) main;"));
    wrong(&format!("{top} P(C(), D()) main;"), &[("E0132", "D()")]);
    wrong(&format!("{top} P(C(), E()) main;"), &[("E0132", "E()")]);
    wrong(&format!("{top} P(C()) main;"), &[("E0134", "main")]);
}

#[test]
fn generic_blocks_are_copied_for_their_arguments() {
    let top = "control G<T>(inout T x) { T kept; apply { kept = x; x = kept; } }\n";
    right(&format!(
        "{top} control C(inout bit<8> a, inout bit<16> b) {{ apply {{ G<bit<8>>.apply(a); G<bit<16>>.apply(b); }} }}"
    ));
    wrong(
        &format!("{top} control C(inout bit<8> a) {{ apply {{ G<bit<16>>.apply(a); }} }}"),
        &[("E0133", "a")],
    );
    wrong(
        "control G<T>(inout T x) { apply { x = x + 1; } }",
        &[("E0132", "x + 1")],
    );
}
