//! Generated programs do the same when they are read back, and the P4 compiler accepts them.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

#[path = "common/back.rs"]
mod back;
mod common;
#[path = "common/generate.rs"]
mod generate;

use back::{compare, p4_compiler_accepts};
use generate::{generate, packets};

#[test]
fn generated_programs_do_the_same_when_read_back() {
    let packets = packets();
    for seed in 0..150 {
        compare(&generate(seed), &packets);
    }
}

#[test]
fn the_p4_compiler_accepts_generated_programs() {
    for seed in 0..12 {
        let program = generate(seed);
        let (text, _) =
            trisect_bmv2::lower(&program).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        p4_compiler_accepts(&format!("seed {seed}"), &text);
    }
}
