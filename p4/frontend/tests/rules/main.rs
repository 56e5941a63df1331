//! The rules of the language beyond names and types: for each a program that breaks it and one that keeps it.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod annotations;
mod code;
mod names;
mod parameters;
mod parsers;
mod tables;
mod types;

use trisect_p4::{Diagnostic, Options, SourceMap, check, parse_str};

/// What the front end finds in a program.
fn findings(text: &str) -> (SourceMap, Vec<Diagnostic>) {
    let (tree, sources, mut found) = parse_str("test.p4", text, &Options::default());
    let tree = tree.expect("text is always read");
    if !found.iter().any(Diagnostic::is_error) {
        found.extend(check::check(&tree).1);
    }
    (sources, found)
}

fn shown(found: &[Diagnostic], sources: &SourceMap) -> String {
    trisect_p4::render_all(found, sources)
}

/// The program has an error with this code that marks this text.
#[track_caller]
fn wrong(code: &str, marked: &str, text: &str) {
    let (sources, found) = findings(text);
    let mut errors = found.iter().filter(|d| d.is_error());
    let marks = |d: &&Diagnostic| text.get(d.span.range()) == Some(marked);
    assert!(
        errors.any(|d| d.code == code && marks(&d)),
        "no {code} at `{marked}`:\n{}",
        shown(&found, &sources)
    );
    for error in found.iter().filter(|d| d.code == code) {
        assert!(error.help.is_some(), "no way out: {}", error.message);
    }
}

/// The program has a warning with this code that marks this text, and no error.
#[track_caller]
fn warned(code: &str, marked: &str, text: &str) {
    let (sources, found) = findings(text);
    let marks = |d: &&Diagnostic| text.get(d.span.range()) == Some(marked);
    assert!(
        found.iter().any(|d| d.code == code && marks(&d)),
        "no {code} at `{marked}`:\n{}",
        shown(&found, &sources)
    );
    assert!(
        !found.iter().any(Diagnostic::is_error),
        "{}",
        shown(&found, &sources)
    );
}

/// Nothing is found in the program.
#[track_caller]
fn right(text: &str) {
    let (sources, found) = findings(text);
    assert!(found.is_empty(), "{}", shown(&found, &sources));
}

/// A control around declarations and statements, with an action and a header at hand.
fn control(locals: &str, apply: &str) -> String {
    format!(
        "#include <core.p4>\n\
         header byte_t {{ bit<8> value; }}\n\
         struct headers_t {{ byte_t one; byte_t[4] many; }}\n\
         control C(inout headers_t hdr, inout bit<8> a, inout bit<16> b) {{\n\
         action mark(bit<8> with) {{ a = with; }}\n\
         action pass() {{ }}\n\
         {locals}\n\
         apply {{ {apply} }}\n\
         }}\n"
    )
}

/// A parser around its states, with a header at hand.
fn parser(states: &str) -> String {
    format!(
        "#include <core.p4>\n\
         header byte_t {{ bit<8> value; }}\n\
         header long_t {{ bit<8> size; varbit<32> rest; }}\n\
         struct headers_t {{ byte_t one; byte_t[4] many; long_t long; }}\n\
         parser P(packet_in b, out headers_t hdr, inout bit<8> a) {{\n{states}\n}}\n"
    )
}
