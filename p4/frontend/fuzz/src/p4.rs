//! What must hold for any P4 text. The tests in `tests/fuzzed.rs` of the front end use these functions, too.

use trisect_p4::{Diagnostic, Options, SourceMap, check_str, parse_str, pp, printer, render_all};

/// Options under which an input can include itself, and which have small architecture files: reading and checking
/// the real ones takes ten times as long as what is usual for an input.
fn options(text: &str) -> Options {
    Options::default()
        .with_file("self.p4", text)
        .with_file("core.p4", include_str!("../programs/core.p4"))
        .with_file("v1model.p4", include_str!("../programs/v1model.p4"))
}

/// Preprocesses the input. Every token stands where its span says, and the last one is the end.
pub fn lex(text: &str) {
    let mut sources = SourceMap::default();
    let mut diagnostics = Vec::new();
    let options = options(text);
    let tokens = pp::preprocess("f.p4", text, &options, &mut sources, &mut diagnostics);
    let (last, others) = tokens.split_last().expect("there is an end");
    assert_eq!(last.tok, trisect_p4::lexer::Tok::Eof);
    for token in others {
        let place = sources.text(token.span.file).get(token.span.range());
        assert!(place.is_some(), "{token:?} stands nowhere");
    }
    report(&diagnostics, &sources);
}

/// Parses the input. What has no errors is printed, and the print parses to what prints the same.
pub fn parse(text: &str) {
    let (program, sources, diagnostics) = parse_str("f.p4", text, &options(text));
    report(&diagnostics, &sources);
    let program = program.expect("text is always read");
    let printed = printer::program(&program);
    if diagnostics.iter().any(Diagnostic::is_error) {
        return;
    }
    let (again, sources, diagnostics) = parse_str("p.p4", &printed, &Options::default());
    let errors: Vec<Diagnostic> = diagnostics
        .into_iter()
        .filter(Diagnostic::is_error)
        .collect();
    assert!(
        errors.is_empty(),
        "{printed}\n{}",
        render_all(&errors, &sources)
    );
    let again = printer::program(&again.expect("text is always read"));
    assert_eq!(printed, again, "printing again changes the text");
}

/// Checks the types of the input. What has no errors and a `main` is elaborated; what comes out passes the verifier,
/// or elaboration says what it cannot do.
pub fn check(text: &str) {
    let options = options(text);
    let (program, sources, diagnostics) = check_str("f.p4", text, &options);
    report(&diagnostics, &sources);
    let whole = program.is_some_and(|program| program.main.is_some());
    if whole && !diagnostics.iter().any(Diagnostic::is_error) {
        match trisect_p4::compile_passes_str("f.p4", text, &options) {
            Ok(compiled) => {
                if let Err(errors) = trisect_ir::verify(&compiled.program) {
                    panic!("{errors}");
                }
            }
            Err(findings) => assert!(!findings.is_empty(), "it is refused without a reason"),
        }
    }
}

/// Renders what was found; there is a limit to how much that is.
fn report(diagnostics: &[Diagnostic], sources: &SourceMap) {
    assert!(diagnostics.len() < 500, "{} findings", diagnostics.len());
    let _ = render_all(diagnostics, sources);
    let _ = trisect_p4::to_json(diagnostics, sources);
}
