//! The built `trisect` command: what it prints, writes and ends with, over good and bad input.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod audit;
mod bad_captures;
mod bad_input;
mod commands;
mod compare;
mod models;
mod own_p4;
mod p4_check;
mod p4_emit;
mod packet_tests;
mod records;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The bundled examples.
const EXAMPLES: [&str; 3] = ["central-office", "l3-firewall", "nat-lb"];

/// The folder of an example.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// Runs the command; a panic fails the test whatever else is looked at.
fn trisect<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_trisect"))
        .args(arguments)
        .output()
        .expect("the command starts");
    let errors = stderr(&output);
    assert!(!errors.contains("panicked"), "{errors}");
    assert!(output.status.code().is_some(), "ended by a signal");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a successful command printed.
fn good<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> String {
    let output = trisect(arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// A project of a test's own: a copy of a bundled one.
struct Project {
    folder: TempDir,
}

impl Project {
    fn like(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        copy(&example(name), folder.path());
        Self { folder }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// Replaces the one place of a file that reads `old`.
    fn change(self, file: &str, old: &str, new: &str) -> Self {
        let text = fs::read_to_string(self.path(file)).expect("readable");
        assert!(text.contains(old), "{file} has no `{old}`");
        self.write(file, &text.replacen(old, new, 1))
    }
    fn write(self, file: &str, text: &str) -> Self {
        fs::write(self.path(file), text).expect("written");
        self
    }
    fn folder(&self) -> &str {
        self.folder.path().to_str().expect("a name in UTF-8")
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("readable").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("copied");
        }
    }
}
