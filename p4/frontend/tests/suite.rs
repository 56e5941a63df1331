//! Other people's P4 programs: all of those in the folder that `TRISECT_P4_SUITE` names must parse.
//! (p4c's `testdata/p4_16_samples` is one; its `p4include` is the value of `TRISECT_P4_INCLUDE`.)

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::path::PathBuf;

use trisect_p4::{Options, parse_file};

#[test]
fn every_program_of_the_suite_parses() {
    let Some(folder) = std::env::var_os("TRISECT_P4_SUITE").map(PathBuf::from) else {
        eprintln!("SKIPPED: TRISECT_P4_SUITE is not set; no foreign P4 programs were parsed");
        return;
    };
    let mut options = Options::default();
    if let Some(include) = std::env::var_os("TRISECT_P4_INCLUDE") {
        options = options.with_include_dir(include);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the suite's folder can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.exists() && path.extension().is_some_and(|extension| extension == "p4"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no P4 programs in {}", folder.display());
    let mut failed = Vec::new();
    for file in &files {
        let (_, sources, diagnostics) = parse_file(file, &options);
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
