//! Other people's P4 programs: those that a compiler must reject are rejected, each for a reason with a code and a
//! place, and those that it must accept are accepted. What is known to fail stands in `known_failures.toml`, with the
//! reason; that list may only shrink.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use trisect_p4::{Diagnostic, Options, check, parse_file};

/// Programs that fail, with the reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFailures {
    /// Must be rejected, but are not.
    accepted: BTreeMap<String, String>,
    /// Must be accepted, but are not.
    rejected: BTreeMap<String, String>,
}

fn known_failures() -> KnownFailures {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/known_failures.toml");
    let text = std::fs::read_to_string(file).expect("the list of known failures");
    toml::from_str(&text).expect("the list of known failures reads")
}

/// What the front end says about a program.
enum Outcome {
    Accepted,
    /// The first error, with its code and as text.
    Rejected(&'static str, String),
    Panicked,
}

fn outcome(file: &Path) -> Outcome {
    let run = || {
        let (tree, sources, mut found) = parse_file(file, &Options::default());
        if let Some(tree) = tree.filter(|_| !found.iter().any(Diagnostic::is_error)) {
            found.extend(check::check(&tree).1);
        }
        match found.iter().find(|diagnostic| diagnostic.is_error()) {
            None => Outcome::Accepted,
            Some(error) => Outcome::Rejected(error.code, error.one_line(&sources)),
        }
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(Outcome::Panicked)
}

/// Which part of the front end a code belongs to.
fn part(code: &str) -> &'static str {
    match code.trim_start_matches('E').parse().unwrap_or(0) {
        ..110 => "preprocessor",
        110..120 => "lexer",
        120..130 => "grammar",
        130..150 | 170.. => "names and types",
        _ => "rules",
    }
}

/// Runs the programs; gives those that come out wrong, and prints a table.
fn wrong(files: &[PathBuf], accept: bool) -> BTreeMap<String, String> {
    let mut wrong = BTreeMap::new();
    let mut table: BTreeMap<&str, (usize, BTreeMap<&str, usize>)> = BTreeMap::new();
    for file in files {
        let name = file.file_name().expect("a file").to_string_lossy();
        let (row, code) = match outcome(file) {
            Outcome::Accepted => {
                if !accept {
                    wrong.insert(name.into_owned(), "accepted".to_owned());
                }
                ("accepted", "")
            }
            Outcome::Rejected(code, text) => {
                if accept {
                    wrong.insert(name.into_owned(), text);
                }
                (part(code), code)
            }
            Outcome::Panicked => {
                wrong.insert(name.into_owned(), "panicked".to_owned());
                ("panicked", "")
            }
        };
        let row = table.entry(row).or_default();
        row.0 += 1;
        *row.1.entry(code).or_default() += 1;
    }
    println!("{:<18} {:>8}  by code of the first error", "", "programs");
    for (row, (count, codes)) in &table {
        let codes: Vec<String> = codes
            .iter()
            .filter(|(code, _)| !code.is_empty())
            .map(|(code, count)| format!("{code} {count}"))
            .collect();
        println!("{row:<18} {count:>8}  {}", codes.join(", "));
    }
    println!("{:<18} {:>8}", "all", files.len());
    println!("{:<18} {:>8}", "as they must be", files.len() - wrong.len());
    for (name, outcome) in &wrong {
        println!("wrong: {name}: {outcome}");
    }
    wrong
}

/// The list names exactly what comes out wrong.
fn compare(wrong: &BTreeMap<String, String>, known: &BTreeMap<String, String>) {
    let fails: BTreeSet<&String> = wrong.keys().collect();
    let listed: BTreeSet<&String> = known.keys().collect();
    let new: Vec<_> = fails.difference(&listed).collect();
    let mended: Vec<_> = listed.difference(&fails).collect();
    assert!(new.is_empty(), "not in known_failures.toml: {new:?}");
    assert!(
        mended.is_empty(),
        "take out of known_failures.toml: {mended:?}"
    );
}

#[test]
fn what_must_be_rejected_is() {
    let Some(files) = common::suite_rejects() else {
        return;
    };
    let wrong = wrong(&files, false);
    compare(&wrong, &known_failures().accepted);
    assert!(
        wrong.len() * 20 <= files.len(),
        "less than 95 % are rejected"
    );
}

#[test]
fn what_must_be_accepted_is() {
    let Some(files) = common::suite_programs() else {
        return;
    };
    let wrong = wrong(&files, true);
    compare(&wrong, &known_failures().rejected);
    assert!(
        wrong.len() * 100 <= files.len(),
        "less than 99 % are accepted"
    );
}
