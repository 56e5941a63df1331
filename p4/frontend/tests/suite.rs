//! Other people's P4 programs: all of those in the folder that `TRISECT_P4_SUITE` names must parse,
//! with our architecture files alone.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;

use trisect_p4::{Options, parse_file};

#[test]
fn every_program_of_the_suite_parses() {
    let Some(files) = common::suite_programs() else {
        return;
    };
    let mut failed = Vec::new();
    for file in &files {
        let (_, sources, diagnostics) = parse_file(file, &Options::default());
        if let Some(error) = diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
            failed.push(error.one_line(&sources));
        }
    }
    eprintln!(
        "{} programs, {} parsed without errors",
        files.len(),
        files.len() - failed.len()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
