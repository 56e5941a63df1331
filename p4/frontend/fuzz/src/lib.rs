//! What the fuzz targets of the P4-16 front end check, and the mutator they share. See the README.

mod mutate;

pub use mutate::mutate;

use trisect_p4::{Diagnostic, Options, SourceMap, check_str, parse_str, pp, printer, render_all};

/// The text of an input, and options under which it can include itself.
fn input(data: &[u8]) -> (String, Options) {
    let text = String::from_utf8_lossy(data).into_owned();
    let options = Options::default().with_file("self.p4", text.clone());
    (text, options)
}

/// Preprocesses the input. Every token stands where its span says, and the last one is the end.
pub fn lex(data: &[u8]) {
    let (text, options) = input(data);
    let mut sources = SourceMap::default();
    let mut diagnostics = Vec::new();
    let tokens = pp::preprocess("f.p4", &text, &options, &mut sources, &mut diagnostics);
    let (last, others) = tokens.split_last().expect("there is an end");
    assert_eq!(last.tok, trisect_p4::lexer::Tok::Eof);
    for token in others {
        let place = sources.text(token.span.file).get(token.span.range());
        assert!(place.is_some(), "{token:?} stands nowhere");
    }
    report(&diagnostics, &sources);
}

/// Parses the input. What has no errors is printed, and the print parses to what prints the same.
pub fn parse(data: &[u8]) {
    let (text, options) = input(data);
    let (program, sources, diagnostics) = parse_str("f.p4", &text, &options);
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

/// Checks the types of the input.
pub fn check(data: &[u8]) {
    let (text, options) = input(data);
    let (_, sources, diagnostics) = check_str("f.p4", &text, &options);
    report(&diagnostics, &sources);
}

/// Renders what was found; there is a limit to how much that is.
fn report(diagnostics: &[Diagnostic], sources: &SourceMap) {
    assert!(diagnostics.len() < 500, "{} findings", diagnostics.len());
    let _ = render_all(diagnostics, sources);
}
