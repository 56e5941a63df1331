//! What the documentation says is true: its examples are read, its lists are complete.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod book;
mod error_pages;
mod readers;

use std::path::Path;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
