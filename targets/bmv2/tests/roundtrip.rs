//! Emitted programs do what the piece does: read back by our own front end and run on the interpreter,
//! and accepted by the P4 compiler where there is one.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

#[path = "common/back.rs"]
mod back;
mod common;
#[path = "common/library.rs"]
mod library;

use back::{compare, p4_compiler_accepts};
use common::Numbers;
use library::{fill, library, packets};
use trisect_bmv2::lower;

/// NFs of the library that v1model cannot run as a whole, with the code of the reason.
const REFUSED: [(&str, u16); 4] = [
    ("ids", 441),
    ("load-balancer", 444),
    ("monitor", 440),
    ("source-nat", 440),
];

#[test]
fn the_library_does_the_same_when_read_back() {
    let packets = packets();
    let mut numbers = Numbers(1);
    let mut compared = 0;
    for mut program in library() {
        fill(&mut program, &mut numbers);
        match REFUSED.iter().find(|(name, _)| *name == program.name) {
            Some((_, code)) => match lower(&program) {
                Err(trisect_target::LowerError::Refused { refusal, .. }) => {
                    assert_eq!(refusal.code.0, *code)
                }
                other => panic!("{}: {other:?}", program.name),
            },
            None => {
                compare(&program, &packets);
                compared += 1;
            }
        }
    }
    assert!(compared >= 6, "only {compared} NFs were compared");
}

#[test]
fn the_p4_compiler_accepts_what_is_emitted() {
    let mut numbers = Numbers(1);
    for mut program in library() {
        fill(&mut program, &mut numbers);
        if let Ok((text, _)) = lower(&program) {
            p4_compiler_accepts(&program.name, &text);
        }
    }
}
