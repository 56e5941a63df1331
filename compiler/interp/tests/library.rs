//! The network functions of the library: analyses say of them what they should, and
//! transformations keep their meaning on captured packets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::{NodeKind, ObjectKind, Program, analysis, text, transform, verify};
use trisect_ports::Capture;

/// Most packets of one capture.
const MOST: usize = 300;

fn library() -> Vec<(&'static str, Program)> {
    let options = trisect_p4::Options::default();
    let all = trisect_p4::library::library();
    all.iter()
        .map(|nf| {
            let mut program = nf.compile(&options).unwrap();
            for object in program.objects.values_mut() {
                if let ObjectKind::PatternSet { patterns } = &mut object.kind {
                    *patterns = vec![b"GET ".to_vec(), b"\x00\x00".to_vec()];
                }
            }
            (nf.name, program)
        })
        .collect()
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("SKIPPED: no captures in {folder:?}");
        return vec![];
    };
    let paths = entries.map(|e| e.unwrap().path());
    let mut files: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "pcap"))
        .collect();
    files.sort();
    files
}

fn arrivals() -> Vec<Packet> {
    let mut all = Vec::new();
    for file in captures() {
        let capture = Capture::open(&file).unwrap();
        for packet in capture.packets().flatten().take(MOST) {
            let port = (all.len() % 4) as u16;
            all.push(Packet::new(port, packet.time_ns, packet.data.to_vec()));
        }
    }
    all
}

/// Both programs do the same to the packets and remember the same.
fn same(name: &str, before: &Program, after: &Program, arrivals: &[Packet]) {
    verify(after).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (mut a, mut b) = (Interpreter::new(before), Interpreter::new(after));
    for (i, packet) in arrivals.iter().enumerate() {
        let (x, y) = (a.run(packet.clone()), b.run(packet.clone()));
        let agree = match (&x, &y) {
            (Outcome::Drop { reason: x, .. }, Outcome::Drop { reason: y, .. }) => x == y,
            _ => x.emitted() == y.emitted(),
        };
        assert!(
            agree,
            "{name}, packet {i}:\n{:?}\n{:?}",
            x.emitted(),
            y.emitted()
        );
    }
    let now = arrivals.last().map_or(0, |p| p.time_ns);
    assert_eq!(a.state(now), b.state(now), "{name}");
}

#[test]
fn programs_verify_print_back_and_begin_clean() {
    for (name, program) in library() {
        verify(&program).unwrap_or_else(|e| panic!("{name}: {e}"));
        let printed = program.to_string();
        let again = text::read(name, &printed).unwrap_or_else(|e| panic!("{}", e.render(&printed)));
        assert_eq!(again, program, "{name}");
        assert_eq!(analysis::deparse_identity(&program), Ok(()), "{name}");
        let clean = analysis::clean(&program);
        let entry = program.control.entry.unwrap();
        assert!(
            clean.before[entry].is_clean(),
            "{name}: {:?}",
            clean.before[entry]
        );
    }
}

#[test]
fn transformations_keep_the_meaning_on_captured_packets() {
    let arrivals = arrivals();
    for (name, program) in library() {
        let check = |what: &str, transform: &dyn Fn(&mut Program)| {
            let mut after = program.clone();
            transform(&mut after);
            same(&format!("{name}, {what}"), &program, &after, &arrivals);
            after
        };
        let pruned = check("pruned", &transform::prune_parser);
        println!(
            "{name}: {} of {} parser states and {} of {} headers are needed",
            pruned.parser.states.len(),
            program.parser.states.len(),
            pruned.headers.len(),
            program.headers.len()
        );
        check("folded", &transform::fold_constants);
        check("without dead metadata", &|p| {
            transform::remove_dead_metadata(p, &BTreeSet::new());
            transform::remove_unused_metas(p, &BTreeSet::new());
        });
        check("reparsed wherever it is clean", &reparse_where_clean);
    }
}

/// Puts a reparse in front of every node where the headers are clean.
fn reparse_where_clean(program: &mut Program) {
    let clean = analysis::clean(program);
    let nodes: Vec<_> = program.control.nodes.keys().collect();
    for id in nodes {
        if clean.before[id].is_clean() {
            let mut moved = program.control.nodes[id].clone();
            moved.name += " moved";
            let moved = program.control.nodes.push(moved);
            program.control.nodes[id].kind = NodeKind::Reparse(moved);
        }
    }
}

/// A chain of all functions, each in front of the next: merging keeps them apart.
#[test]
fn all_functions_merge_into_one_chain() {
    let mut chain = Program::new("chain");
    let mut ends = Vec::new();
    for (name, program) in library() {
        let imported = transform::import(&mut chain, &program, name).unwrap();
        if chain.control.entry.is_none() {
            chain.control.entry = Some(imported.entry);
        }
        // Function boundaries are reparses: each function is a box of its own.
        for exit in std::mem::replace(&mut ends, imported.exits) {
            chain.control.nodes[exit].kind = NodeKind::Reparse(imported.entry);
        }
    }
    verify(&chain).unwrap();
    let printed = chain.to_string();
    assert_eq!(text::read("chain", &printed).unwrap(), chain);

    // Packet by packet the chain does what the functions do one after the other.
    let functions = library();
    let mut one_by_one: Vec<_> = functions.iter().map(|(_, p)| Interpreter::new(p)).collect();
    let mut merged = Interpreter::new(&chain);
    let arrivals = arrivals();
    for (i, packet) in arrivals.iter().enumerate() {
        let mut bytes = Some(packet.bytes.clone());
        for function in &mut one_by_one {
            let Some(frame) = bytes.take() else { break };
            // Length and time are those at the chain's entry.
            let length = trisect_ir::Bits::new(32, packet.bytes.len());
            let packet = Packet::new(packet.port, packet.time_ns, frame)
                .with_metadata(trisect_ir::StdMeta::PacketLength.id(), length);
            bytes = function.run(packet).emitted().map(|(_, b)| b.to_vec());
        }
        let outcome = merged.run(packet.clone());
        let sent = outcome.emitted().map(|(_, b)| b.to_vec());
        assert_eq!(sent, bytes, "packet {i}");
    }
}
