//! The generated files of the examples are those that the committed generator writes.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

#[allow(dead_code)] // its `main`, which writes them
#[path = "../examples/generate.rs"]
mod generate;

use std::path::Path;

#[test]
fn the_generator_writes_the_committed_files() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = generate::files().expect("generated");
    assert!(files.len() > 5);
    for (name, bytes) in files {
        let committed = std::fs::read(examples.join(&name)).expect("committed");
        assert!(
            committed == bytes,
            "{name} differs: cargo run --example generate"
        );
    }
}
