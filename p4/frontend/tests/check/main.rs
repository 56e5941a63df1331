//! Names, types, constants, arguments and l-values: for each rule a program that breaks it, with the code and the
//! text that is marked, and one that keeps it.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod arguments;
mod blocks;
mod bounds;
mod constants;
mod inference;
mod names;
mod operators;
mod places;
mod tables;
mod tree;

use trisect_p4::typed::Program;
use trisect_p4::{Diagnostic, Options, check_str, render_all};

/// The checked program; it has to be right.
#[track_caller]
fn checked(text: &str) -> Program {
    let (program, sources, found) = check_str("test.p4", text, &Options::default());
    assert!(
        !found.iter().any(Diagnostic::is_error),
        "{}",
        render_all(&found, &sources)
    );
    program.expect("a program without errors is checked")
}

/// The program has no errors.
#[track_caller]
fn right(text: &str) {
    checked(text);
}

/// The program has exactly these errors, each with the text that it marks.
#[track_caller]
fn wrong(text: &str, errors: &[(&str, &str)]) {
    let (_, sources, found) = check_str("test.p4", text, &Options::default());
    let said: Vec<(&str, &str)> = found
        .iter()
        .filter(|finding| finding.is_error())
        .map(|error| (error.code, text.get(error.span.range()).unwrap_or("")))
        .collect();
    assert_eq!(said, errors, "{}", render_all(&found, &sources));
}

/// The single error of the program, as a person reads it.
#[track_caller]
fn message(text: &str) -> String {
    let (_, sources, found) = check_str("test.p4", text, &Options::default());
    let errors: Vec<Diagnostic> = found.into_iter().filter(Diagnostic::is_error).collect();
    assert_eq!(errors.len(), 1, "{}", render_all(&errors, &sources));
    render_all(&errors, &sources)
}

/// Statements in a control over some variables and headers.
fn body(statements: &str) -> String {
    format!(
        "header H {{ bit<8> a; bit<16> b; }}\n\
         struct S {{ bit<8> x; bool y; }}\n\
         extern bit<8> ask();\n\
         control C(inout H h, inout S s, in bit<8> read, out bit<8> written) {{\n\
         bit<8> v = 0; bit<16> w = 0; int<8> i = 0; bool t = false; H[4] stack;\n\
         apply {{\n{statements}\n}}\n}}\n"
    )
}
