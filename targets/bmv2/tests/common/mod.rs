//! What the tests share.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::process::Command;

use trisect_bmv2::{lower, read_back};
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::{Bits, KeySet, MatchKind, Program};

/// A small generator of numbers, the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Values that packets are likely to have, and others.
    pub fn bits(&mut self, width: u32) -> Bits {
        match self.next() % 3 {
            0 => Bits::new(width, self.next() % 4),
            1 => Bits::new(
                width,
                [0x0800_u64, 0x0806, 6, 17, 53, 80, 443][self.next() as usize % 7],
            ),
            _ => Bits::new(width, self.next() << 32 | self.next()),
        }
    }

    pub fn set(&mut self, kind: MatchKind, width: u32) -> KeySet {
        let value = self.bits(width);
        match kind {
            MatchKind::Exact => KeySet::Exact(value),
            MatchKind::Lpm => KeySet::Prefix(value, self.next() as u32 % (width.min(8) + 1)),
            MatchKind::Ternary if self.next().is_multiple_of(2) => KeySet::Any,
            MatchKind::Ternary => KeySet::Mask(value, Bits::new(width, self.next() % 8)),
            MatchKind::Range => {
                let other = self.bits(width);
                if value <= other {
                    KeySet::Range(value, other)
                } else {
                    KeySet::Range(other, value)
                }
            }
            MatchKind::Optional if self.next().is_multiple_of(2) => KeySet::Any,
            MatchKind::Optional => KeySet::Exact(value),
        }
    }
}

/// What leaves, without the metadata, which the two programs number differently.
fn visible(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Emit { port, bytes, .. } => format!("port {port}: {bytes:02x?}"),
        Outcome::Drop { reason, .. } => format!("dropped for {reason}"),
    }
}

/// The piece and what is read back of its emission do the same with these packets.
pub fn compare(piece: &Program, packets: &[Vec<u8>]) {
    let (text, runtime) = lower(piece).unwrap_or_else(|error| panic!("{}: {error}", piece.name));
    let json = serde_json::to_string(&runtime).expect("entries are plain data");
    let runtime = serde_json::from_str(&json).expect("what is written can be read");
    let back = read_back(&text, &runtime).unwrap_or_else(|error| panic!("{}: {error}", piece.name));
    trisect_ir::verify::verify(&back).unwrap_or_else(|error| panic!("{}: {error}", piece.name));
    let mut before = Interpreter::new(piece);
    let mut after = Interpreter::new(&back);
    for (at, bytes) in packets.iter().enumerate() {
        let packet = Packet::new(at as u16 % 8, at as u64 * 1_234_567, bytes.clone());
        let (a, b) = (before.run(packet.clone()), after.run(packet));
        assert_eq!(
            visible(&a),
            visible(&b),
            "{}: packet {at}: {bytes:02x?}",
            piece.name
        );
    }
    let now = packets.len() as u64 * 1_234_567;
    assert_eq!(before.state(now), after.state(now), "{}", piece.name);
}

/// The installed P4 compiler accepts the program; says so if there is none.
pub fn p4_compiler_accepts(name: &str, text: &str) {
    let compiler = ["p4c-bm2-ss", "p4test"].into_iter().find(|name| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    });
    let Some(compiler) = compiler else {
        eprintln!(
            "SKIPPED: neither p4c-bm2-ss nor p4test is installed; {name} was not compiled for BMv2"
        );
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("switch.p4");
    std::fs::write(&file, text).expect("the file can be written");
    let mut command = Command::new(compiler);
    if compiler == "p4c-bm2-ss" {
        command.arg("-o").arg(folder.path().join("switch.json"));
    }
    let output = command.arg(&file).output().expect("the compiler runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{name}: {said}\n{text}");
}
