//! Other people's packet tests are read: those of the folder that `TRISECT_P4_SUITE` names. They are run by
//! `tests/packet_suite.rs` of the workspace.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::path::{Path, PathBuf};
use trisect_v1model::stf;

/// The packet tests of the suite; `None` without one.
fn scripts() -> Option<Vec<PathBuf>> {
    let Some(folder) = std::env::var_os("TRISECT_P4_SUITE").map(PathBuf::from) else {
        eprintln!("SKIPPED: TRISECT_P4_SUITE is not set; no foreign packet tests were run");
        return None;
    };
    // The suite is the whole test data, or its folder of programs.
    let inner = folder.join("p4_16_samples");
    let folder = if inner.is_dir() { inner } else { folder };
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the suite's folder can be read")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "stf"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no packet tests in {}", folder.display());
    Some(files)
}

/// Bytes that are no UTF-8 can only stand in comments.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).expect("a file that can be read")).into_owned()
}

#[test]
fn every_packet_test_of_the_suite_is_read_and_printed() {
    let Some(files) = scripts() else {
        return;
    };
    for file in &files {
        let script = stf::parse(&text(file));
        let script = script.unwrap_or_else(|errors| panic!("{}: {errors:?}", file.display()));
        let again = stf::parse(&script.to_string()).expect("what was printed");
        assert_eq!(again.to_string(), script.to_string(), "{}", file.display());
    }
    eprintln!("{} packet tests read", files.len());
}
