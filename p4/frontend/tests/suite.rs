//! Other people's P4 programs: all of those in the folder that `TRISECT_P4_SUITE` names must parse and be right
//! in names and types, with our architecture files alone.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;

use trisect_p4::{Options, check_file, parse_file};

/// Programs that are refused, with the reason.
const REFUSED: &[(&str, &str)] = &[
    (
        "issue3699.p4",
        "declares functions twice with the same parameters, which the specification forbids (6.8)",
    ),
    ("minsize.p4", "indexes a stack without elements"),
];

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

#[test]
fn every_program_of_the_suite_is_right_in_names_and_types() {
    let Some(files) = common::suite_programs() else {
        return;
    };
    let mut failed = Vec::new();
    let mut refused = 0;
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let (_, sources, diagnostics) = check_file(file, &Options::default());
        let error = diagnostics.iter().find(|diagnostic| diagnostic.is_error());
        let expected = REFUSED.iter().any(|(known, _)| *known == name);
        refused += usize::from(expected && error.is_some());
        match error {
            Some(error) if !expected => failed.push(error.one_line(&sources)),
            None if expected => failed.push(format!("{name} is accepted now: shorten the list")),
            _ => {}
        }
    }
    eprintln!(
        "{} programs, {} accepted, {refused} known to be refused",
        files.len(),
        files.len() - failed.len() - refused
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
