//! Programs that are made to take for ever, or all memory.

use std::fmt::Write as _;

use trisect_p4::{Options, check_str};

/// The codes of all errors.
fn codes(text: &str) -> Vec<&'static str> {
    let (_, _, found) = check_str("test.p4", text, &Options::default());
    let errors = found.into_iter().filter(|finding| finding.is_error());
    errors.map(|error| error.code).collect()
}

#[test]
fn types_that_double_end() {
    let mut text = "typedef tuple<bit<8>, bit<8>> T0;\n".to_owned();
    for at in 1..60 {
        let _ = writeln!(text, "typedef tuple<T{0}, T{0}> T{at};", at - 1);
    }
    assert_eq!(codes(&text), ["E0121"]);
}

#[test]
fn inferred_types_that_double_end() {
    let calls = "dup(".repeat(60) + "x" + &")".repeat(60);
    let text = format!(
        "extern tuple<T, T> dup<T>(in T x); extern void f<T>(in T x);\n\
         control C(in bit<8> x) {{ apply {{ f({calls}); }} }}"
    );
    assert_eq!(codes(&text), ["E0121"]);
}

#[test]
fn structs_that_double_end() {
    let mut text = "struct S0 { bit<8> a; bit<8> b; }\n".to_owned();
    for at in 1..60 {
        let _ = writeln!(text, "struct S{at} {{ S{0} a; S{0} b; }}", at - 1);
    }
    assert!(codes(&text).contains(&"E0121"));
}

#[test]
fn chains_of_structs_end() {
    let mut text = "struct S0 { bit<8> a; }\n".to_owned();
    for at in 1..5000 {
        let _ = writeln!(text, "struct S{at} {{ S{} a; }}", at - 1);
    }
    assert!(codes(&text).contains(&"E0121"));
}

#[test]
fn constants_that_double_are_not_written_out() {
    let mut text =
        "const tuple<bit<8>, bit<8>> c0 = { 1, 2 };\ntypedef tuple<bit<8>, bit<8>> T0;\n"
            .to_owned();
    for at in 1..11 {
        let before = at - 1;
        let _ = writeln!(
            text,
            "typedef tuple<T{before}, T{before}> T{at}; const T{at} c{at} = {{ c{before}, c{before} }};"
        );
    }
    assert!(codes(&text).is_empty());
}

#[test]
fn numbers_without_end_are_refused() {
    assert_eq!(codes("const int a = 1 << 1000000000000;"), ["E0172"]);
    let mut text = "const int a0 = 3;\n".to_owned();
    for at in 1..60 {
        let _ = writeln!(text, "const int a{at} = a{0} * a{0};", at - 1);
    }
    assert!(codes(&text).contains(&"E0172"));
    assert!(codes("const bit<16777216> a = ~0;").contains(&"E0132"));
    assert!(codes("const bit<16777216> a = -1; const bit<16777216> b = a << 5;").is_empty());
    assert_eq!(codes("typedef bit<99999999> T;"), ["E0133"]);
}

#[test]
fn deep_nesting_is_no_overflow() {
    let deep = "(".repeat(120) + "x" + &")".repeat(120);
    assert!(
        codes(&format!(
            "control C(inout bit<8> x) {{ apply {{ x = {deep}; }} }}"
        ))
        .is_empty()
    );
    let sum = vec!["x"; 390].join(" + ");
    assert!(
        codes(&format!(
            "control C(inout bit<8> x) {{ apply {{ x = {sum}; }} }}"
        ))
        .is_empty()
    );
    let blocks = "{".repeat(100) + &"}".repeat(100);
    assert!(codes(&format!("control C() {{ apply {{ {blocks} }} }}")).is_empty());
}

#[test]
fn generic_blocks_that_multiply_end() {
    let mut text = "control C0<T>(inout T x) { apply { } }\n".to_owned();
    for at in 1..40 {
        let before = at - 1;
        let _ = writeln!(
            text,
            "control C{at}<T>(inout T x) {{ tuple<T, bit<1>> a; tuple<T, bit<2>> b; \
             apply {{ C{before}<tuple<T, bit<1>>>.apply(a); C{before}<tuple<T, bit<2>>>.apply(b); }} }}"
        );
    }
    text.push_str("control M(inout bit<8> x) { apply { C39<bit<8>>.apply(x); } }");
    assert!(codes(&text).contains(&"E0121"));
}

#[test]
fn errors_are_cut_off() {
    let text = "const int a = b;\n".repeat(200);
    let found = codes(&text);
    assert_eq!(found.len(), Options::default().max_errors + 1);
    assert_eq!(found.last(), Some(&"E0199"));
}
