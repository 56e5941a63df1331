//! Inputs that a fuzzer found, at their smallest: each made the front end panic or hang once.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use trisect_p4::{Diagnostic, Options, check_str, parse_str, printer, render_all, to_json};

/// What the fuzz targets do with an input: see `fuzz/src/lib.rs`.
#[track_caller]
fn survives(text: &str) {
    let options = Options::default().with_file("self.p4", text);
    let (program, sources, diagnostics) = parse_str("f.p4", text, &options);
    let _ = render_all(&diagnostics, &sources);
    let _ = to_json(&diagnostics, &sources);
    let printed = printer::program(&program.expect("text is always read"));
    if !diagnostics.iter().any(Diagnostic::is_error) {
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
        assert_eq!(printed, again);
    }
    let (_, sources, diagnostics) = check_str("f.p4", text, &options);
    let _ = render_all(&diagnostics, &sources);
}

#[test]
fn lines_may_be_numbered_from_zero_and_not_without_end() {
    survives("# 0 \"x.p4\"\nconst\n");
    survives("#line 2147483647\n\n\nconst\n");
    survives("#line 18446744073709551615\n\n\nconst\n");
}
