use super::{right, wrong};

#[test]
fn parameters_have_types_that_can_be_passed() {
    wrong("E0163", "x", "extern void f(in string x);");
    wrong("E0163", "x", "control T(); control C(T x) { apply { } }");
    wrong("E0163", "x", "package Q(); control C()(Q x) { apply { } }");
    right("extern E { } extern void f(E x, string y, int z); control C(E x);");
    right("control T(); control C()(T x) { apply { } }");
}

#[test]
fn generic_parameters_are_looked_at_when_used() {
    let call = |arg: &str| {
        format!("extern void f<T>(in T x); control C(in bit<8> a) {{ apply {{ f({arg}); }} }}")
    };
    wrong("E0163", "f(\"text\")", &call("\"text\""));
    right(&call("a"));
}

#[test]
fn results_have_values_at_run_time() {
    wrong("E0163", "f", "extern int f();");
    wrong("E0163", "f", "control T(); extern T f();");
    right("extern E { } extern E f();");
}

#[test]
fn types_within_types() {
    wrong("E0163", "x", "extern E { } extern void f(tuple<E> x);");
    wrong(
        "E0163",
        "c",
        "header H { varbit<8> b; varbit<8> c; } control C(in H x);",
    );
    right("header H<T> { T f; } control C(in H<bit<8>> x);");
}
