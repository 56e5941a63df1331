use super::{control, right, wrong};

#[test]
fn no_declaration_hides_a_parameter() {
    wrong("E0158", "a", &control("", "bit<8> a = 1; b = (bit<16>) a;"));
    wrong("E0158", "x", "action f(in bit<8> x) { bit<8> x = 1; }");
    right(&control("", "bit<8> c = 1; b = (bit<16>) c;"));
}

/// A program whose control has the declarations, in an architecture with one control.
fn program(inner: &str, locals: &str, apply: &str) -> String {
    format!(
        "#include <core.p4>\n{inner}\n\
         control C(inout bit<8> a) {{\n{locals}\napply {{ {apply} }}\n}}\n\
         control T(inout bit<8> a); package A(T t); A(C()) main;\n"
    )
}

#[test]
fn names_of_the_control_plane_differ() {
    let two = |first: &str, second: &str| {
        let locals = format!(
            "@name(\"{first}\") action one() {{ a = 1; }}\n\
             @name(\"{second}\") action two() {{ a = 2; }}\n\
             table t {{ key = {{ a: exact; }} actions = {{ one; two; NoAction; }} }}"
        );
        program("", &locals, "t.apply();")
    };
    wrong("E0167", "two", &two("same", "same"));
    wrong("E0167", "two", &two("same", ".C.same"));
    right(&two("same", "other"));
    right(&two("same", ".same"));
}

#[test]
fn a_table_with_a_complete_name_exists_once() {
    let inner = |name: &str| {
        format!(
            "control Inner(inout bit<8> a) {{\n\
             @name(\"{name}\") table t {{ key = {{ a: exact; }} actions = {{ NoAction; }} }}\n\
             apply {{ t.apply(); }}\n}}"
        )
    };
    let instances = "Inner() one; Inner() two;";
    let apply = "one.apply(a); two.apply(a);";
    wrong("E0167", "t", &program(&inner(".t"), instances, apply));
    right(&program(&inner("t"), instances, apply));
}
