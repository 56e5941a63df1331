//! What is wrong in the text alone is refused, with a code, a place and a way out; and each mistake is
//! reported once, without hiding or causing others.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use trisect_p4::{Diagnostic, Options, SourceMap, parse_str, render_all};

fn errors(text: &str) -> (SourceMap, Vec<Diagnostic>) {
    let (program, sources, diagnostics) = parse_str("m.p4", text, &Options::default());
    assert!(program.is_some(), "text is always read");
    let errors = diagnostics.into_iter().filter(Diagnostic::is_error);
    (sources, errors.collect())
}

/// `line:column code message` of each error.
fn found(text: &str) -> Vec<String> {
    let (sources, errors) = errors(text);
    let line = |d: &Diagnostic| {
        let at = sources.location(d.span);
        format!("{}:{} {} {}", at.line, at.column, d.code, d.message)
    };
    errors.iter().map(line).collect()
}

/// Checks that `text` has exactly one error, that begins like `expected`, and that says what to do.
#[track_caller]
fn one(text: &str, expected: &str) {
    let (sources, errors) = errors(text);
    let found = found(text);
    assert_eq!(found.len(), 1, "{}", render_all(&errors, &sources));
    assert!(found[0].starts_with(expected), "{}", found[0]);
    assert!(errors[0].help.is_some(), "no way out: {}", found[0]);
}

fn in_control(body: &str) -> String {
    format!("control c(inout bit<8> x) {{ apply {{\n{body}\n}} }}\n")
}

fn in_state(body: &str) -> String {
    format!("parser p(inout bit<8> x) {{ state start {{\n{body}\n}} }}\n")
}

// --------------------------------------------------------------------------- one mistake each

#[test]
fn keywords_are_no_names() {
    one(
        "control c() { action default() {} apply {} }",
        "1:22 E0120 expected the action's name, found the keyword `default`",
    );
    one(
        "const bit _ = 1;",
        "1:11 E0120 expected the constant's name",
    );
    one(
        "struct s { bit in; }",
        "1:16 E0120 expected the field's name",
    );
}

#[test]
fn values_of_another_form_are_refused() {
    one(
        &in_control("x = 8w0 + _;"),
        "2:11 E0120 expected an expression, found the keyword `_`",
    );
    one(
        &in_control("x = bit<8>(0);"),
        "2:5 E0120 expected an expression, found the keyword `bit`",
    );
    one(
        "header H {}\nconst H h = { # };",
        "2:15 E0120 expected an expression, found `#`",
    );
    one(
        "header H {}\nconst bool b = H > 3;",
        "2:16 E0120 expected a value, but this is a type",
    );
    one(
        &in_control("x = {2, f = 5};"),
        "2:11 E0123 this list has both values and `name = value` pairs",
    );
    one(
        &in_control("x = {f = 5, 2};"),
        "2:13 E0123 this list has both values and `name = value` pairs",
    );
    one(
        "@a[k = 4, 5]\nconst int x = 1;",
        "1:11 E0123 this annotation has both values and `key = value` pairs",
    );
}

#[test]
fn only_what_is_callable_is_called() {
    one(
        &in_control("t.apply()();"),
        "2:1 E0123 this cannot be called",
    );
    one(&in_control("3(x);"), "2:1 E0123 this cannot be called");
}

#[test]
fn statements_do_something() {
    one(
        &in_control("x + 1;"),
        "2:1 E0123 this expression has no effect",
    );
    one(
        &in_control("{ a, b } = { 10, 20 };"),
        "2:1 E0123 a list cannot be assigned to",
    );
    one(
        &in_control("f(x) = 1;"),
        "2:1 E0123 this cannot be assigned to",
    );
}

#[test]
fn a_loop_declares_its_variable() {
    one(
        &in_control("for (i in 1 .. 6) { x = 1; }"),
        "2:6 E0123 the loop's variable has no type",
    );
}

#[test]
fn a_state_ends_with_its_transition() {
    one(
        &in_state("return;"),
        "2:1 E0123 `return` cannot stand in a parser's state",
    );
    one(
        &in_state("if (x == 1) { exit; }"),
        "2:15 E0123 `exit` cannot stand in a parser's state",
    );
    one(
        &in_state("switch (x) { 1: {} }"),
        "2:1 E0123 `switch` cannot stand in a parser's state",
    );
}

#[test]
fn externs_have_one_constructor_name_and_methods_a_type() {
    let text = "extern Z {\n m();\n}";
    one(text, "2:2 E0123 method `m` has no return type");
    let (sources, errors) = errors(text);
    assert!(errors[0].render(&sources).contains("only a constructor"));
    one(
        "extern Y<T> {\n Y<T>(in T x);\n}",
        "2:2 E0123 a constructor has no type parameters",
    );
}

#[test]
fn types_stand_where_they_may() {
    one(
        "type struct P { bit<8> x; } Q;",
        "1:6 E0123 `type` cannot declare a structured type on the spot",
    );
    one(
        "bit<8> x;",
        "1:8 E0123 a variable cannot be declared at top level",
    );
}

#[test]
fn defined_annotations_have_their_form() {
    let refused = [
        "@pkginfo",
        "@name",
        "@name(4)",
        "@name(x)",
        "@hidden(\"x\")",
        "@optional[1]",
        "@deprecated",
        "@p4runtime_translation(\"u\", bool)",
        "@p4runtime_translation(\"u\", bit<5+3>)",
        "@p4runtime_translation(bit<8>)",
    ];
    for annotation in refused {
        one(&format!("{annotation}\nconst int x = 1;"), "1:1 E0124 ");
    }
    let accepted = [
        "@name(\"a\")",
        "@name(\"a\" ++ \"b\")",
        "@name[\"a\"]",
        "@hidden",
        "@hidden()",
        "@pkginfo[version = \"1\"]",
        "@pkginfo(version = \"1\")",
        "@p4runtime_translation(\"u\", string)",
        "@p4runtime_translation(\"u\", bit<32>)",
        "@p4runtime_translation(\"u\", 32)",
        "@anything({ ; } \"x\" 3)",
    ];
    for annotation in accepted {
        let text = format!("{annotation}\nconst int x = 1;");
        assert!(found(&text).is_empty(), "{annotation}: {:?}", found(&text));
    }
}

#[test]
fn tables_have_each_property_once() {
    one(
        "control c() { table t { key = {}\n actions = {}\n key = {} } apply {} }",
        "3:2 E0122 the table has two properties `key`",
    );
}

#[test]
fn misspelt_keywords_are_guessed() {
    let cases = [
        ("strcut s { bit<8> x; }", "`struct`"),
        ("contorl c() { apply {} }", "`control`"),
        (
            "control c() { tble t { actions = {} } apply {} }",
            "`table`",
        ),
        ("control c() { acton a() { } apply {} }", "`action`"),
        ("haeder h { bit<8> x; }\nconst int x = 1;", "`header`"),
    ];
    for (text, keyword) in cases {
        one(text, "1:");
        let (_, errors) = errors(text);
        let help = errors[0].help.clone().unwrap_or_default();
        assert!(help.contains(keyword), "{text}: {help}");
    }
}

// ----------------------------------------------------------------------------------- recovery

#[test]
fn a_missing_semicolon_hides_nothing_and_causes_nothing() {
    let text = "struct s {\n bit<8> a\n bit<8> b;\n bit<8> c\n}\n\
                control c(inout bit<8> x) {\n bit<8> y = 1\n action a() { x = 1 }\n apply {\n  x = 2\n  y = = 3;\n  x = 4\n }\n}\n";
    assert_eq!(
        found(text),
        [
            "2:9 E0120 expected `;`, found the keyword `bit`",
            "4:9 E0120 expected `;`, found `}`",
            "7:13 E0120 expected `;`, found the keyword `action`",
            "8:19 E0120 expected `;`, found `}`",
            "10:7 E0120 expected `;`, found `y`",
            "11:7 E0120 expected an expression, found `=`",
            "12:7 E0120 expected `;`, found `}`",
        ]
    );
    one(&in_control("x = 1 2;"), "2:5 E0120 expected `;`");
    one(&in_control("x = a b;"), "2:5 E0120 expected `;`");
}

#[test]
fn errors_in_braces_end_with_them() {
    let text = in_control("x = {1, 2 3};\nx = = 1;\nif (x == {1 2}) { x = 1; }\nx = ;");
    assert_eq!(
        found(&text),
        [
            "2:11 E0120 expected `}`, found `3`",
            "3:5 E0120 expected an expression, found `=`",
            "4:13 E0120 expected `}`, found `2`",
            "5:5 E0120 expected an expression, found `;`",
        ]
    );
    let text = "enum E { A; B }\nenum F { A, 3, B };\nheader h { bit<8> = x; bit<4 y; bit<8> z; }\nconst int c = 1;\nconst = 3;\n";
    assert_eq!(
        found(text),
        [
            "1:11 E0120 expected `}`, found `;`",
            "2:13 E0120 expected an enum member, found `3`",
            "3:19 E0120 expected the field's name, found `=`",
            "3:30 E0120 expected `>`, found `y`",
            "5:7 E0120 expected a type, found `=`",
        ]
    );
}

#[test]
fn every_kind_of_body_recovers() {
    let text = "parser p(packet_in b) {\n bit<8> = 1;\n state start { x = ; transition select(x, ) { 1 : ; 2 : a; = : b; } }\n state 1 { }\n state ok { transition ; }\n}\n\
                control c() {\n table t {\n  key = { x; y : exact; }\n  actions = { 1; a; }\n  size = ;\n  entries = { 1 a(); 2 : a(); }\n }\n\
                 apply {\n  switch (x) { 1 2 : {} 3 : { x = ; } }\n  for (bit<8> i = ; i < 3; i = i + 1) { x = ; }\n }\n}\nextern e { void f(; void g(); e(int); }\n";
    let (sources, errors) = errors(text);
    let lines: Vec<usize> = errors
        .iter()
        .map(|d| sources.location(d.span).line)
        .collect();
    assert_eq!(
        lines,
        [2, 3, 3, 3, 4, 5, 9, 10, 11, 12, 15, 15, 16, 16, 19, 19],
        "{}",
        render_all(&errors, &sources)
    );
}

#[test]
fn a_missing_brace_is_one_error() {
    let text = "control a() { apply { x = 1; }\ncontrol b() { apply { x = 1; } }\nstruct s { bit<8> x;\nheader h { bit<8> x; }\n";
    assert_eq!(
        found(text),
        [
            "2:1 E0120 expected `}`, found the keyword `control`",
            "4:1 E0120 expected `}`, found the keyword `header`",
        ]
    );
    one(
        "control a() { apply { if (x) { y = 1; }",
        "1:40 E0120 expected `}`, found end of file",
    );
}

#[test]
fn declarations_out_of_place_are_one_error_each() {
    one(
        "control c() {\n struct s { bit<8> x; }\n bit<8> y;\n apply { y = 1; }\n}",
        "2:2 E0123 `struct` is declared at top level",
    );
    one(
        "control c() {\n apply { }\n action a() { }\n bit<8> y;\n}\nconst int x = 1;",
        "3:2 E0123 this stands behind the control's `apply` block",
    );
    one(
        "parser p() {\n state start { }\n bit<8> y;\n state b { }\n}\nconst int x = 1;",
        "3:2 E0123 this stands behind the parser's first state",
    );
    one(
        "control c() {\n bit<8> y;\n}\nconst int x = 1;",
        "3:1 E0120 expected `apply`",
    );
}

#[test]
fn a_stray_brace_is_one_error() {
    assert_eq!(
        found("const int a = 1;\n}\nconst int b = ;\n"),
        [
            "2:1 E0120 expected a declaration, found `}`",
            "3:15 E0120 expected an expression, found `;`"
        ]
    );
}
