//! Arguments and overloads.

use super::{body, message, right, wrong};

const TOP: &str = "extern void f(in bit<8> a, in bit<8> b = 5, @optional in bit<8> c);\n\
    extern void g(in bit<8> a); extern void g(in bit<8> b, in bit<8> c);\n\
    extern void o(out bit<8> x, inout bit<8> y);\n\
    extern void k(bit<8> known);\n";

fn call(statements: &str) -> String {
    TOP.to_owned() + &body(statements)
}

#[test]
fn arguments_are_given_by_place_or_by_name() {
    right(&call(
        "f(v); f(1, 2); f(a = 1, c = 3); f(b = 2, a = 1); f(1, 2, 3);",
    ));
    wrong(&call("f(); "), &[("E0134", "f()")]);
    wrong(&call("f(1, 2, 3, 4);"), &[("E0134", "f(1, 2, 3, 4)")]);
    wrong(&call("f(a = 1, 2);"), &[("E0134", "f(a = 1, 2)")]);
    wrong(&call("f(b = 1);"), &[("E0134", "f(b = 1)")]);
    wrong(&call("f(a = 1, a = 2);"), &[("E0134", "a")]);
    wrong(&call("f(a = 1, d = 2);"), &[("E0134", "d")]);
}

#[test]
fn overloads_are_chosen_by_number_and_names() {
    right(&call("g(1); g(1, 2); g(c = 1, b = 2); g(a = 1);"));
    wrong(&call("g(b = 1);"), &[("E0134", "g(b = 1)")]);
    wrong(&call("g(1, 2, 3);"), &[("E0134", "g(1, 2, 3)")]);
}

#[test]
fn an_argument_has_its_parameters_type() {
    wrong(&call("f(w);"), &[("E0133", "w")]);
    assert!(message(&call("f(w);")).contains("parameter `a` of `f`"));
}

#[test]
fn out_arguments_can_be_written_to() {
    right(&call(
        "o(v, written); o(h.a, s.x); o(_, v); o(w[7:0], w[15:8]);",
    ));
    wrong(&call("o(1, v);"), &[("E0136", "1")]);
    wrong(&call("o(v, read);"), &[("E0136", "read")]);
    wrong(&call("o(v, v + 1);"), &[("E0136", "v + 1")]);
    wrong(&call("o(w, v);"), &[("E0133", "w")]);
    wrong(&call("o(v, _);"), &[("E0134", "_")]);
}

#[test]
fn parameters_without_direction_take_what_is_known() {
    right(&call("k(1 + 2);"));
    wrong(&call("k(v);"), &[("E0135", "v")]);
}

#[test]
fn actions_take_their_data_when_they_are_called() {
    let top = "control C(inout bit<8> x) { action a(inout bit<8> y, bit<8> z) { y = z; } ";
    right(&format!("{top} apply {{ a(x, x); }} }}"));
    wrong(&format!("{top} apply {{ a(x); }} }}"), &[("E0134", "a(x)")]);
}

#[test]
fn methods_belong_to_their_objects() {
    let top = "extern E { E(bit<8> n); void put(in bit<8> a); bit<8> get(); } ";
    right(&format!(
        "{top} control C() {{ E(1) e; apply {{ e.put(e.get()); }} }}"
    ));
    wrong(
        &format!("{top} control C() {{ E(1) e; apply {{ e.putt(1); }} }}"),
        &[("E0130", "putt")],
    );
    wrong(
        &format!("{top} control C() {{ E() e; apply {{ }} }}"),
        &[("E0134", "e")],
    );
}

#[test]
fn headers_have_the_languages_methods_only() {
    right(&body(
        "h.setValid(); h.setInvalid(); t = h.isValid(); t = stack[0].isValid();",
    ));
    wrong(&body("s.setValid();"), &[("E0130", "setValid")]);
    wrong(&body("h.setvalid();"), &[("E0130", "setvalid")]);
    assert!(message(&body("h.setvalid();")).contains("did you mean `setValid`?"));
}

#[test]
fn functions_return_their_type() {
    right("bit<8> f(in bit<8> x) { return x + 1; }");
    wrong("bit<8> f(in bit<16> x) { return x; }", &[("E0133", "x")]);
    wrong("bit<8> f() { return; }", &[("E0132", "return;")]);
    wrong("void f() { return 1; }", &[("E0132", "1")]);
}
