//! What is emitted as P4, read back.

use std::process::Command;

use trisect_bmv2::{lower, read_back};
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::Program;

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
