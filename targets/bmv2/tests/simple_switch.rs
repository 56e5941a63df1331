//! Emitted JSON programs on BMv2's simple_switch itself, against the reference interpreter, byte for byte.
//!
//! `TRISECT_SIMPLE_SWITCH` names the program; else it is looked for on the PATH. Without it, nothing is compared.

#![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

mod common;
#[path = "common/control.rs"]
mod control;
#[path = "common/generate.rs"]
mod generate;
#[path = "common/library.rs"]
mod library;
#[path = "common/switch.rs"]
mod switch;
#[path = "common/thrift.rs"]
mod thrift;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::Numbers;
use library::{fill, library};
use switch::Switch;
use trisect_bmv2::json::{Entries, emit};
use trisect_interp::{Interpreter, Outcome, Packet};
use trisect_ir::state::State;
use trisect_ir::{
    Bits, Expr, Field, FieldKind, Header, HeaderType, LValue, MetaId, Node, NodeKind, ObjectId,
    ObjectKind, Op, Program, StdMeta,
};
use trisect_target::LowerError;

/// What leaves for each packet, by port.
type Sent = Vec<Option<(u16, Vec<u8>)>>;

/// What the interpreter sends, by port, and what it leaves.
fn reference(program: &Program, port: u16, packets: &[Vec<u8>]) -> (Sent, State) {
    let mut interpreter = Interpreter::new(program);
    let run = packets.iter().map(|bytes| {
        match interpreter.run(Packet::new(port, 0, bytes.clone())) {
            // The port that means "drop".
            Outcome::Emit { port: 511, .. } | Outcome::Drop { .. } => None,
            Outcome::Emit { port, bytes, .. } => Some((port, bytes)),
        }
    });
    let run = run.collect();
    (run, interpreter.state(0))
}

/// Runs the packets through both and compares what comes out and what is left; gives the number of packets that came
/// out. What does not stand in the program is loaded as a control plane does.
fn compare(
    simple_switch: &Path,
    program: &Program,
    port: u16,
    packets: &[Vec<u8>],
    entries: Entries,
) -> usize {
    let json = emit(program, entries).unwrap_or_else(|error| panic!("{}: {error}", program.name));
    let (expected, state) = reference(program, port, packets);
    let mut by_port: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    for (port, bytes) in expected.iter().flatten() {
        by_port.entry(*port).or_default().push(bytes.clone());
    }
    let mut ports: Vec<u16> = by_port.keys().copied().chain(0..8).collect();
    ports.sort_unstable();
    ports.dedup();
    let text = serde_json::to_string_pretty(&json).expect("JSON");
    let mut switch = Switch::start(simple_switch, &text, port, &ports);
    if entries == Entries::Const {
        control::load(&mut switch.control(), program, &json);
    }
    let input: Vec<(Vec<u8>, bool)> = packets
        .iter()
        .zip(&expected)
        .map(|(packet, sent)| (packet.clone(), sent.is_some()))
        .collect();
    switch.run(&input);
    switch.settle();
    // Packets that are dropped give no sign; what they leave is waited for.
    let wanted = control::expected(program, &state);
    let mut client = switch.control();
    let start = Instant::now();
    let left = loop {
        let left = control::left(&mut client, program);
        if left == wanted || start.elapsed() > Duration::from_secs(10) {
            break left;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let found = switch.finish();
    if found != by_port || left != wanted {
        let folder = std::env::temp_dir().join("trisect-simple-switch");
        let _ = std::fs::create_dir_all(&folder);
        let _ = std::fs::write(folder.join("switch.json"), &text);
        let _ = std::fs::write(folder.join("program.ir"), program.to_string());
    }
    if found != by_port {
        report(program, packets, &expected, &found);
    }
    assert_eq!(left, wanted, "{}: what is left differs", program.name);
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
    panic!(
        "{}: simple_switch sends more than it should: {found:02x?}",
        program.name
    );
}

/// Whether something flows back into the buckets of a meter: the switch has a clock of its own.
fn depends_on_time(program: &Program) -> bool {
    program.objects.values().any(|object| match &object.kind {
        ObjectKind::Meter { default, cells, .. } => {
            let mut configs = cells.values().chain([default]);
            configs.any(|config| config.cir > 0 || config.pir > 0)
        }
        _ => false,
    })
}

/// Meters become counters, and registers begin with 0: a program cannot say otherwise.
pub fn without_control_plane(program: &mut Program) {
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
        action
            .ops
            .iter_mut()
            .for_each(|op| op.walk_mut(&mut replace));
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
    let widths = shown
        .iter()
        .map(|id| program.metas[*id].width.next_multiple_of(8));
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
        let sets = shown
            .iter()
            .zip(&ty.fields)
            .enumerate()
            .map(|(at, (id, field))| {
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
        sent += compare(
            &simple_switch,
            &program,
            seed as u16 % 8,
            &packets,
            Entries::All,
        );
        programs += 1;
    }
    eprintln!(
        "{programs} generated programs, {} packets each, {sent} sent",
        packets.len()
    );
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
        if depends_on_time(&program) {
            eprintln!(
                "{} is not compared: BMv2's meters have a clock of their own",
                program.name
            );
            continue;
        }
        for entries in [Entries::All, Entries::Const] {
            match emit(&program, entries) {
                Err(error) => eprintln!("{} with {entries:?}: {error}", program.name),
                Ok(_) => {
                    let sent = compare(&simple_switch, &program, 0, &packets, entries);
                    let name = &program.name;
                    eprintln!(
                        "{name} with {entries:?}: {} packets, {sent} sent",
                        packets.len()
                    );
                }
            }
        }
    }
}

/// Packets whose first byte is odd are sampled; those whose second is 9 are dropped.
const SAMPLING: &str = "program sampling
type h_t { odd: 8 kind: 8 }
header h: h_t
start s
state s { extract(h) goto accept }
deparser h
meta sampling.tag: 64
meta sampling.sampled: 1
entry n
node n: exec {
    $sampling.tag = 64w0x7
    $sampling.sampled = h.odd[0:0]
    h.odd = (h.odd + 8w0x10)
    $egress_port = 16w0x1
} -> which
node which: if (h.kind == 8w0x9) -> gone else -> out
node gone: drop
node out: emit
";

/// Sampled packets also come to the collector: as they came in, and, if they leave, as they leave.
#[test]
fn copies_of_sampled_packets_come_to_the_collector() {
    let program: Program = SAMPLING.parse().unwrap_or_else(|e| panic!("{e}"));
    let json = emit(&program, Entries::All).unwrap_or_else(|e| panic!("{e}"));
    let Some(simple_switch) = switch::find() else {
        return;
    };
    let mut switch = Switch::start(&simple_switch, &json.to_string(), 0, &[1, 7]);
    switch.control().mirror(250, 7);
    let packet = |odd: u8, kind: u8| vec![odd, kind, 0xaa, 0xbb];
    let input = [(1, 0), (2, 0), (3, 9), (5, 1), (4, 9)].map(|(odd, kind)| packet(odd, kind));
    let sent = input.iter().map(|p| (p.clone(), p[1] != 9));
    switch.run(&sent.collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(300));
    switch.settle();
    let mut found = switch.finish();
    assert_eq!(
        found[&1],
        [packet(0x11, 0), packet(0x12, 0), packet(0x15, 1)]
    );
    let mut copies = found.remove(&7).unwrap_or_default();
    copies.sort();
    let came = [packet(1, 0), packet(3, 9), packet(5, 1)];
    assert_eq!(
        copies,
        [&came[..], &[packet(0x11, 0), packet(0x15, 1)]].concat()
    );
}

/// Filetests whose programs BMv2 cannot run, with the code of the reason.
const REFUSED_FILETESTS: [(&str, u16); 13] = [
    ("allocator", 442),
    ("clean", 443),
    ("flow_expiry", 440),
    ("flow_invariance", 441),
    ("flow_profiles", 440),
    ("flow_time_backwards", 440),
    ("frame", 441),
    ("messages", 442),
    ("random", 442),
    ("reparse", 443),
    ("search", 441),
    ("selector", 442),
    ("varbit_strings", 441),
];

#[test]
fn the_filetests_do_the_same_on_simple_switch() {
    let Some(simple_switch) = switch::find() else {
        return;
    };
    let refused = in_folder(&simple_switch, "tests/filetests");
    let refused: Vec<(&str, u16)> = refused.iter().map(|(n, c)| (n.as_str(), *c)).collect();
    assert_eq!(refused, REFUSED_FILETESTS);
}

#[test]
fn programs_written_for_bmv2_do_the_same_on_simple_switch() {
    let Some(simple_switch) = switch::find() else {
        return;
    };
    assert_eq!(in_folder(&simple_switch, "targets/bmv2/tests/programs"), []);
}

/// Compares all programs of a folder; gives the refused ones with their codes.
fn in_folder(simple_switch: &Path, folder: &str) -> Vec<(String, u16)> {
    let (mut programs, mut packets_run, mut refused) = (0, 0, Vec::new());
    for file in library::files(&library::root().join(folder), "tri") {
        let text = std::fs::read_to_string(&file).expect("a program");
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut program = match text.parse::<Program>() {
            Ok(program) => program,
            // Some filetests are about mistakes.
            Err(_) if folder.contains("filetests") => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        if trisect_ir::verify(&program).is_err() {
            continue;
        }
        if depends_on_time(&program) {
            continue;
        }
        // As a whole if it can be, else with a control plane.
        let entries = match emit(&program, Entries::All) {
            Ok(_) => Entries::All,
            Err(_) => Entries::Const,
        };
        match emit(&program, entries) {
            Err(LowerError::Refused { refusal, .. }) => {
                refused.push((name, refusal.code.0));
                continue;
            }
            Err(error) => panic!("{name}: {error}"),
            Ok(_) => {}
        }
        let mut packets = packets_in(&text);
        packets.extend(made_up(programs));
        with_metadata_shown(&mut program);
        compare(simple_switch, &program, 3, &packets, entries);
        programs += 1;
        packets_run += packets.len();
    }
    eprintln!("{folder}: {programs} programs, {packets_run} packets; refused: {refused:?}");
    refused
}

/// The packets of a filetest.
fn packets_in(text: &str) -> Vec<Vec<u8>> {
    let lines = text.lines().filter(|line| line.starts_with("; packet"));
    lines
        .filter_map(|line| {
            let digits: String = line.split_once("bytes=")?.1.split(' ').collect();
            let bytes = digits.as_bytes().chunks(2);
            bytes
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect()
        })
        .collect()
}

/// Short packets of small and of random bytes.
fn made_up(seed: u64) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(seed);
    (0..100)
        .map(|_| {
            let length = numbers.next() % 40;
            let small = numbers.next().is_multiple_of(2);
            let byte = |n: &mut Numbers| if small { n.next() % 4 } else { n.next() } as u8;
            (0..length).map(|_| byte(&mut numbers)).collect()
        })
        .collect()
}
