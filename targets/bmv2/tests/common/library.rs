//! The NF library with entries, and packets of real captures.

use std::path::{Path, PathBuf};

use crate::common::Numbers;
use trisect_ir::{ActionCall, Bits, Entry, Origin, Program};
use trisect_p4::{Options, compile_file};

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files of a folder with this extension, in order.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

/// All NFs of the library.
pub fn library() -> Vec<Program> {
    let files = files(&root().join("p4/nf"), "p4");
    assert!(files.len() > 8, "the NF library is missing");
    let compile = |file: &PathBuf| match compile_file(file, &Options::default()) {
        Ok(program) => program,
        Err(diagnostics) => panic!("{}: {diagnostics:?}", file.display()),
    };
    files.iter().map(compile).collect()
}

/// Fills all tables with random entries.
pub fn fill(program: &mut Program, numbers: &mut Numbers) {
    for id in program.tables.keys().collect::<Vec<_>>() {
        let table = program.tables[id].clone();
        if table.keys.is_empty() || table.actions.is_empty() || !table.entries.is_empty() {
            continue;
        }
        for _ in 0..12 {
            let keys = table.keys.iter();
            let keys = keys
                .map(|key| numbers.set(key.kind, program.width(&key.expr, &[])))
                .collect();
            let action = table.actions[numbers.next() as usize % table.actions.len()];
            let params = &program.actions[action].params;
            let args = params
                .iter()
                .map(|param| Bits::new(param.width, numbers.next() % 300))
                .collect();
            let entry = Entry {
                keys,
                priority: numbers.next() as u32 % 5 + 1,
                call: ActionCall { action, args },
                members: Vec::new(),
                origin: Origin::Control,
            };
            program.tables[id].entries.push(entry);
        }
    }
}

/// Packets of the real captures, and damaged copies of them.
pub fn packets() -> Vec<Vec<u8>> {
    let folder = root().join("../shared/traces");
    let captures = files(&folder, "pcap");
    let mut found = Vec::new();
    for file in &captures {
        let Ok(capture) = trisect_ports::Capture::open(file) else {
            continue;
        };
        found.extend(
            capture
                .packets()
                .take(40)
                .flatten()
                .map(|packet| packet.data.to_vec()),
        );
    }
    if found.is_empty() {
        eprintln!(
            "SKIPPED: no captures in {}; only made-up packets are used",
            folder.display()
        );
    }
    // Ethernet, IPv4, TCP.
    let mut plain = vec![0; 12];
    plain.extend([
        8, 0, 0x45, 0, 0, 44, 0, 1, 0, 0, 64, 6, 0x7a, 0xc9, 10, 0, 0, 1, 10, 0, 0, 2,
    ]);
    plain.extend([
        0, 80, 0, 53, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4,
    ]);
    found.push(plain);
    let mut numbers = Numbers(7);
    let damaged: Vec<Vec<u8>> = found
        .iter()
        .map(|packet| {
            let mut packet = packet.clone();
            if !packet.is_empty() {
                let at = numbers.next() as usize % packet.len().min(60);
                packet[at] = numbers.next() as u8;
                packet.truncate(packet.len() - numbers.next() as usize % packet.len().min(50));
            }
            packet
        })
        .collect();
    found.extend(damaged);
    found
}
