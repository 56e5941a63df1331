//! Every network function of the library over every real capture: compiled code against the
//! interpreter, packet for packet and state for state.

use std::path::{Path, PathBuf};
use trisect_host::{HostProgram, Options, Outcome, Packet};
use trisect_interp::Interpreter;
use trisect_ir::{ActionCall, Bits, Entry, KeySet, MatchKind, ObjectKind, Origin, Program};

/// Most packets of one capture.
const MOST: usize = 3000;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return vec![];
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "pcap"))
        .collect();
    files.sort();
    files
}

/// Puts some entries in every table and patterns in every set, so that more than defaults run.
fn configure(program: &mut Program) {
    for table in 0..program.tables.len() {
        let id = trisect_ir::TableId(table as u32);
        let widths: Vec<u32> = program.tables[id]
            .keys
            .iter()
            .map(|k| program.width(&k.expr, &[]))
            .collect();
        let params: Vec<Vec<u32>> = program
            .actions
            .values()
            .map(|a| a.params.iter().map(|p| p.width).collect())
            .collect();
        let Some(table) = program.tables.get_mut(id) else {
            continue;
        };
        if table.flow.is_some() || !table.entries.is_empty() || table.keys.is_empty() {
            continue;
        }
        for n in 0..12u32.min(table.size) {
            let keys = table
                .keys
                .iter()
                .zip(&widths)
                .map(|(key, width)| {
                    // The first bits of addresses and ports that occur in the captures.
                    let value = Bits::new(*width, [10u64, 192, 172, 6, 17, 80][n as usize % 6]);
                    match key.kind {
                        MatchKind::Exact | MatchKind::Optional => {
                            KeySet::Exact(Bits::new(*width, u64::from(n)))
                        }
                        MatchKind::Lpm => {
                            let top = Bits::new(*width, value.value() << width.saturating_sub(8));
                            KeySet::Prefix(top, (n % 9).min(*width))
                        }
                        MatchKind::Ternary => {
                            KeySet::Mask(value, Bits::new(*width, u64::from(n & 3)))
                        }
                        MatchKind::Range => KeySet::Range(
                            Bits::zero(*width),
                            Bits::new(*width, 1u64 << n.min(width - 1)),
                        ),
                    }
                })
                .collect();
            let action = table.actions[n as usize % table.actions.len()];
            table.entries.push(Entry {
                keys,
                priority: n,
                call: ActionCall {
                    action,
                    args: params[action.0 as usize]
                        .iter()
                        .map(|w| Bits::new(*w, u64::from(n)))
                        .collect(),
                },
                members: Vec::new(),
                origin: Origin::Control,
            });
        }
    }
    for object in program.objects.values_mut() {
        if let ObjectKind::PatternSet { patterns } = &mut object.kind
            && patterns.is_empty()
        {
            patterns.extend([b"HTTP".to_vec(), b"GET /".to_vec(), vec![0, 0, 0, 0]]);
        }
    }
}

fn compare(program: &Program, packets: &[Packet]) -> Result<(), String> {
    let mut host = HostProgram::compile(program, &Options::default()).map_err(|e| e.to_string())?;
    let mut interpreter = Interpreter::new(program);
    let mut compiled = packets.to_vec();
    for batch in compiled.chunks_mut(32) {
        host.run_batch(batch);
    }
    for (i, (packet, got)) in packets.iter().zip(&compiled).enumerate() {
        let input = trisect_interp::Packet::new(packet.port, packet.time_ns, packet.frame());
        let want = interpreter.run(input);
        let same = match &want {
            trisect_interp::Outcome::Emit { port, bytes, .. } => {
                got.egress_port() == Some(*port) && got.frame() == bytes
            }
            trisect_interp::Outcome::Drop { reason, .. } => got.outcome() == Outcome::Drop(*reason),
        };
        if !same {
            return Err(format!(
                "packet {i}: {packet:?}\nwant {want:?}\ngot {got:?}"
            ));
        }
    }
    let now = packets.last().map_or(0, |p| p.time_ns);
    if interpreter.state(now) != host.state(now) {
        return Err(format!(
            "state\nwant {:?}\ngot {:?}",
            interpreter.state(now),
            host.state(now)
        ));
    }
    Ok(())
}

#[test]
fn every_network_function_over_every_capture() {
    let files = captures();
    if files.is_empty() {
        println!("SKIPPED: no captures under ../shared/traces");
        return;
    }
    let mut programs = Vec::new();
    for nf in trisect_p4::library::library() {
        let mut program = nf
            .compile(&trisect_p4::Options::default())
            .unwrap_or_else(|e| panic!("{}: {e:?}", nf.name));
        programs.push(program.clone());
        configure(&mut program);
        trisect_ir::verify::verify(&program).unwrap_or_else(|e| panic!("{}: {e}", nf.name));
        programs.push(program);
    }
    for file in files {
        let capture = trisect_ports::Capture::open(&file).unwrap();
        let packets: Vec<Packet> = capture
            .packets()
            .take(MOST)
            .filter_map(Result::ok)
            .enumerate()
            .map(|(i, p)| {
                Packet::new(p.data)
                    .at_time(p.time_ns)
                    .on_port((i % 8) as u16)
            })
            .collect();
        for program in &programs {
            if let Err(difference) = compare(program, &packets) {
                panic!("{} over {}: {difference}", program.name, file.display());
            }
        }
    }
}
