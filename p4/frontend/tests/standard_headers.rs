//! The standard parser and deparser give every packet back as it was.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_p4::{Options, compile_str};

/// A program that only parses and deparses.
const NOTHING: &str = "
#include <core.p4>
#include <pna.p4>
#include <trisect.p4>
struct metadata_t { }
#include <trisect/std.p4>
control Nothing(inout headers_t hdr, inout metadata_t meta, in pna_main_input_metadata_t istd,
                inout pna_main_output_metadata_t ostd) {
    apply { }
}
PNA_NIC(StdParser(), StdPreControl(), Nothing(), StdDeparser()) main;
";

fn nothing() -> Interpreter {
    let program = compile_str("nothing.p4", NOTHING, &Options::default()).expect("compiles");
    Interpreter::new(&program)
}

fn unchanged(nf: &mut Interpreter, frame: &[u8]) -> bool {
    match nf.run(Packet::new(0, 0, frame)) {
        Outcome::Emit { bytes, .. } => bytes == frame,
        Outcome::Drop { .. } => false,
    }
}

/// The frames of a little-endian classic capture.
fn frames(capture: &[u8]) -> Vec<&[u8]> {
    assert_eq!(capture.get(..4), Some(&[0xd4, 0xc3, 0xb2, 0xa1][..]));
    let mut out = Vec::new();
    let mut rest = &capture[24..];
    while rest.len() >= 16 {
        let length = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize;
        let Some(frame) = rest.get(16..16 + length) else {
            break;
        };
        out.push(frame);
        rest = &rest[16 + length..];
    }
    out
}

/// The captures, if the folder is there.
fn traces() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: no captures at {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "pcap"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn real_packets_come_back_as_they_were() {
    let mut nf = nothing();
    for path in traces() {
        let capture = std::fs::read(&path).expect("readable");
        for (number, frame) in frames(&capture).into_iter().enumerate() {
            assert!(
                unchanged(&mut nf, frame),
                "{}: packet {}",
                path.display(),
                number + 1
            );
        }
    }
}

#[test]
fn every_prefix_of_a_real_packet_comes_back() {
    let mut nf = nothing();
    for path in traces() {
        let capture = std::fs::read(&path).expect("readable");
        for frame in frames(&capture).into_iter().take(3) {
            for end in 0..frame.len().min(160) {
                assert!(
                    unchanged(&mut nf, &frame[..end]),
                    "{} cut to {end}",
                    path.display()
                );
            }
        }
    }
}

/// Starts of frames behind which the parser goes on, so that random bytes reach deep states.
fn starts() -> impl Strategy<Value = Vec<u8>> {
    let ethernet = |kind: [u8; 2]| [&[2u8; 12][..], &kind].concat();
    let kinds = [
        [0x08, 0x00],
        [0x86, 0xdd],
        [0x81, 0x00],
        [0x88, 0xa8],
        [0x88, 0x47],
        [0x89, 0x4f],
        [0x08, 0x06],
        [0x12, 0x34],
    ];
    (0..kinds.len(), 0..6u8, 0..8usize).prop_map(move |(kind, version, protocol)| {
        let mut frame = ethernet(kinds[kind]);
        let protocol = [6, 17, 1, 47, 0, 43, 44, 51][protocol];
        match kinds[kind] {
            [0x08, 0x00] => {
                frame.extend([0x45 + version, 0, 0, 60, 0, 0, 0, 0, 64, protocol]);
            }
            [0x86, 0xdd] => frame.extend([0x60, 0, 0, 0, 0, 9, protocol, 64]),
            [0x81, 0x00] | [0x88, 0xa8] => frame.extend([0, 5, 0x08, 0x00, 0x45]),
            _ => {}
        }
        frame
    })
}

proptest! {
    #[test]
    fn random_packets_come_back_as_they_were(
        start in starts(),
        rest in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        thread_local!(static NF: std::cell::RefCell<Interpreter> = nothing().into());
        let frame = [start, rest].concat();
        prop_assert!(NF.with(|nf| unchanged(&mut nf.borrow_mut(), &frame)));
    }
}
