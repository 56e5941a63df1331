//! Emitted JSON programs on BMv2's simple_switch itself, against the reference interpreter, byte for byte.
//!
//! `TRISECT_SIMPLE_SWITCH` names the program; else it is looked for on the PATH. Without it, nothing is compared.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;
#[path = "common/generate.rs"]
mod generate;
#[path = "common/library.rs"]
mod library;
#[path = "common/switch.rs"]
mod switch;

use std::collections::BTreeMap;
use std::path::Path;

use common::Numbers;
use library::{fill, library};
use switch::Switch;
use trisect_bmv2::json::{Entries, emit};
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::{
    Bits, Expr, Field, FieldKind, Header, HeaderType, LValue, MetaId, Node, NodeKind, ObjectId,
    ObjectKind, Op, Program, StdMeta,
};

/// What the interpreter sends, by port.
fn reference(program: &Program, port: u16, packets: &[Vec<u8>]) -> Vec<Option<(u16, Vec<u8>)>> {
    let mut interpreter = Interpreter::new(program);
    let run = packets.iter().map(|bytes| {
        match interpreter.run(Packet::new(port, 0, bytes.clone())) {
            // The port that means "drop".
            Outcome::Emit { port: 511, .. } | Outcome::Drop { .. } => None,
            Outcome::Emit { port, bytes, .. } => Some((port, bytes)),
        }
    });
    run.collect()
}

/// Runs the packets through both; gives the number of packets that came out.
fn compare(simple_switch: &Path, program: &Program, port: u16, packets: &[Vec<u8>]) -> usize {
    let json = emit(program, Entries::All)
        .unwrap_or_else(|error| panic!("{}: {error}", program.name));
    let expected = reference(program, port, packets);
    let mut by_port: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    for (port, bytes) in expected.iter().flatten() {
        by_port.entry(*port).or_default().push(bytes.clone());
    }
    let mut ports: Vec<u16> = by_port.keys().copied().chain(0..8).collect();
    ports.sort_unstable();
    ports.dedup();
    let text = serde_json::to_string_pretty(&json).expect("JSON");
    let mut switch = Switch::start(simple_switch, &text, port, &ports);
    let input: Vec<(Vec<u8>, bool)> = packets
        .iter()
        .zip(&expected)
        .map(|(packet, sent)| (packet.clone(), sent.is_some()))
        .collect();
    switch.run(&input);
    let found = switch.finish();
    if found != by_port {
        let folder = std::env::temp_dir().join("trisect-simple-switch");
        let _ = std::fs::create_dir_all(&folder);
        let _ = std::fs::write(folder.join("switch.json"), &text);
        let _ = std::fs::write(folder.join("program.ir"), program.to_string());
        report(program, packets, &expected, &found);
    }
    by_port.values().map(Vec::len).sum()
}

/// Says which packet is the first that differs.
fn report(
    program: &Program,
    packets: &[Vec<u8>],
    expected: &[Option<(u16, Vec<u8>)>],
    found: &BTreeMap<u16, Vec<Vec<u8>>>,
) {
    let mut at: BTreeMap<u16, usize> = BTreeMap::new();
    for (number, (packet, sent)) in packets.iter().zip(expected).enumerate() {
        let Some((port, bytes)) = sent else {
            continue;
        };
        let next = at.entry(*port).or_default();
        let got = found.get(port).and_then(|packets| packets.get(*next));
        assert_eq!(
            got.map(|bytes| format!("{bytes:02x?}")),
            Some(format!("{bytes:02x?}")),
            "{}: packet {number} ({packet:02x?}) on port {port}; the files are in the temporary folder",
            program.name
        );
        *next += 1;
    }
    panic!("{}: simple_switch sends more than it should: {found:02x?}", program.name);
}

/// Meters become counters, and registers begin with 0: a program cannot say otherwise.
fn without_control_plane(program: &mut Program) {
    let meters: Vec<ObjectId> = program
        .objects
        .iter()
        .filter(|(_, object)| matches!(object.kind, ObjectKind::Meter { .. }))
        .map(|(id, _)| id)
        .collect();
    for object in program.objects.values_mut() {
        match &mut object.kind {
            ObjectKind::Meter { size, unit, .. } => {
                let (size, unit) = (*size, *unit);
                object.kind = ObjectKind::Counter { size, unit };
            }
            ObjectKind::Register { width, init, .. } => *init = Bits::zero(*width),
            _ => {}
        }
    }
    let mut replace = |op: &mut Op| {
        if let Op::Meter { object, index, .. } = op
            && meters.contains(object)
        {
            *op = Op::Count(*object, index.clone());
        }
    };
    for action in program.actions.values_mut() {
        action.ops.iter_mut().for_each(|op| op.walk_mut(&mut replace));
    }
    for node in program.control.nodes.values_mut() {
        if let NodeKind::Exec(ops, _) = &mut node.kind {
            ops.iter_mut().for_each(|op| op.walk_mut(&mut replace));
        }
    }
}

/// Puts all metadata in front of what is sent, so that it is compared, too.
fn with_metadata_shown(program: &mut Program) {
    // Times differ.
    let shown: Vec<MetaId> = program
        .metas
        .keys()
        .filter(|id| *id != StdMeta::Timestamp.id())
        .collect();
    let field = |(at, width): (usize, u32)| Field {
        name: format!("m{at}"),
        kind: FieldKind::Fixed(width),
    };
    let widths = shown.iter().map(|id| program.metas[*id].width.next_multiple_of(8));
    let fields = widths.enumerate().map(field).collect();
    let ty = program.header_types.push(HeaderType {
        name: "shown".into(),
        fields,
    });
    let header = program.headers.push(Header {
        name: "shown".into(),
        ty,
    });
    program.deparser.insert(0, header);
    let show = |program: &Program| {
        let ty = &program.header_types[ty];
        let sets = shown.iter().zip(&ty.fields).enumerate().map(|(at, (id, field))| {
            let FieldKind::Fixed(width) = field.kind else {
                panic!("all fields are fixed");
            };
            let value = Expr::Resize(Box::new(Expr::Meta(*id)), width);
            Op::Set(LValue::field(header, at as u32), value)
        });
        [Op::SetValid(header)].into_iter().chain(sets).collect()
    };
    for id in program.control.nodes.keys().collect::<Vec<_>>() {
        if matches!(program.control.nodes[id].kind, NodeKind::Emit) {
            let emit = program.control.nodes.push(Node {
                name: format!("{} after all", program.control.nodes[id].name),
                nf: String::new(),
                kind: NodeKind::Emit,
            });
            program.control.nodes[id].kind = NodeKind::Exec(show(program), emit);
        }
    }
}

#[test]
fn generated_programs_do_the_same_on_simple_switch() {
    let Some(simple_switch) = switch::find() else {
        return;
    };
    let packets: Vec<Vec<u8>> = generate::packets();
    let (mut programs, mut sent) = (0, 0);
    for seed in 0..400 {
        let mut program = generate::generate(seed);
        without_control_plane(&mut program);
        with_metadata_shown(&mut program);
        sent += compare(&simple_switch, &program, seed as u16 % 8, &packets);
        programs += 1;
    }
    eprintln!("{programs} generated programs, {} packets each, {sent} sent", packets.len());
}

#[test]
fn the_library_does_the_same_on_simple_switch() {
    let Some(simple_switch) = switch::find() else {
        return;
    };
    let packets = library::packets();
    let mut numbers = Numbers(1);
    for mut program in library() {
        fill(&mut program, &mut numbers);
        match emit(&program, Entries::All) {
            Err(error) => eprintln!("{}: {error}", program.name),
            Ok(_) => {
                let sent = compare(&simple_switch, &program, 0, &packets);
                eprintln!("{}: {} packets, {sent} sent", program.name, packets.len());
            }
        }
    }
}
