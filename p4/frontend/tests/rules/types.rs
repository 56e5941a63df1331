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

#[test]
fn headers_hold_no_headers() {
    let inner = "header I { bit<8> f; } struct S { bit<8> f; I[2] many; } struct P { bit<8> f; }";
    wrong("E0132", "S", &format!("{inner} header H {{ S f; }}"));
    let generic = format!("{inner} header G<T> {{ T f; }}");
    wrong("E0132", "G<S>", &format!("{generic} typedef G<S> A;"));
    right(&format!("{generic} header H {{ P f; }} typedef G<P> A;"));
}

#[test]
fn enums_stand_on_plain_numbers() {
    wrong("E0132", "N", "type bit<8> N; enum N E { A = 1 }");
    wrong(
        "E0132",
        "T",
        "type bit<8> N; typedef N T; enum T E { A = 1 }",
    );
    right("typedef bit<8> T; enum T E { A = 1 } typedef int<8> S; enum S F { A = -1 }");
}

#[test]
fn unions_are_as_large_as_their_largest_header() {
    let top = "header A { bit<8> f; } header B { bit<24> f; } header_union U { A a; B b; } ";
    right(&format!(
        "{top} control C(in U u, out bit<8> x, out bit<8> y) \
         {{ apply {{ x = u.minSizeInBits(); y = u.maxSizeInBits(); }} }}"
    ));
    wrong(
        "E0166",
        "static_assert(U.maxSizeInBits() == 32)",
        &format!(
            "{top} extern bool static_assert(bool check); const bool c = static_assert(U.maxSizeInBits() == 32);"
        ),
    );
    right(&format!(
        "{top} extern bool static_assert(bool check); \
         const bool c = static_assert(U.minSizeInBits() == 8 && U.maxSizeInBits() == 24);"
    ));
}
