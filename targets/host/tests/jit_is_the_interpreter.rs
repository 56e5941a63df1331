//! The law for the host: compiled code does what the interpreter does, packet for packet and state
//! for state.
//!
//! Two sources of programs: the IR's own, which shrinks and has values up to 2,048 bits, and
//! `generate`, which is wilder in the parser (loops, lookahead, lengths, selects on wide keys).

mod generate;

use generate::{Random, frame, program};
use proptest::prelude::*;
use trisect_host::{HostProgram, Options, Outcome, Packet};
use trisect_interp::Interpreter;
use trisect_ir::arbitrary::{self, Choices, Shape};
use trisect_ir::{Bits, NodeKind, ParserOp, Place, Program, StdMeta, verify};

/// With hints for all flow tables: what they say is up to the packets.
fn with_hints(program: &Program) -> Options {
    let flows = program.tables.values().filter(|t| t.flow.is_some());
    Options {
        hinted: flows.map(|t| t.name.clone()).collect(),
        ..Options::default()
    }
}

/// Runs both over the same packets and says where they differ first.
fn compare(program: &Program, packets: &[Packet], batch: usize) -> Result<(), String> {
    let mut host =
        HostProgram::compile(program, &with_hints(program)).map_err(|e| e.to_string())?;
    // Of the numbers that packets bring some stand for nothing, and some for several flows.
    (0..HINTS / 2).for_each(|hint| host.clear_hint(hint));
    let mut interpreter = Interpreter::new(program);
    let mark = program.meta_named("nic.mark");
    let mut compiled: Vec<Packet> = packets.to_vec();
    for chunk in compiled.chunks_mut(batch) {
        host.run_batch(chunk);
    }
    for (i, (packet, got)) in packets.iter().zip(&compiled).enumerate() {
        let mut input = trisect_interp::Packet::new(packet.port, packet.time_ns, packet.frame());
        if let Some(mark) = mark {
            input = input.with_metadata(mark, Bits::new(32, packet.mark));
        }
        let want = interpreter.run(input);
        let final_mark = mark.map(|m| want.metadata()[m].low_u64() as u32);
        let same = match &want {
            trisect_interp::Outcome::Emit { port, bytes, .. } => {
                got.outcome() == Outcome::Emit
                    && got.egress_port() == Some(*port)
                    && got.frame() == bytes
            }
            trisect_interp::Outcome::Drop { reason, .. } => got.outcome() == Outcome::Drop(*reason),
        };
        if !same || final_mark.is_some_and(|m| m != got.mark) {
            return Err(format!(
                "packet {i} {packet:?}\ninterpreter: {want:?}\ncompiled: {got:?} {:?} mark {}",
                got.egress_port(),
                got.mark
            ));
        }
    }
    let now = packets.last().map_or(0, |p| p.time_ns);
    for now in [now, now + 1000] {
        let (want, got) = (interpreter.state(now), host.state(now));
        if want != got {
            return Err(format!(
                "state at {now}\ninterpreter: {want:#?}\ncompiled: {got:#?}"
            ));
        }
    }
    Ok(())
}

/// Hints of the packets are below this.
const HINTS: u32 = 6;

fn packets(random: &mut Random, count: usize) -> Vec<Packet> {
    let mut now = 1_000;
    // Few distinct frames, so that flows hit.
    let frames: Vec<Vec<u8>> = (0..8).map(|_| frame(random, 120)).collect();
    (0..count)
        .map(|_| {
            now += random.below(700) as u64;
            let late = if random.one_in(10) { 500 } else { 0 };
            let mut packet = Packet::new(&random.pick(&frames))
                .on_port(random.below(4) as u16)
                .at_time(now - late);
            packet.mark = random.below(3) as u32;
            packet.hint = random.below(HINTS as usize) as u32;
            packet
        })
        .collect()
}

fn check(seed: u64, structural: bool) -> Result<(), String> {
    let random = &mut Random::new(seed);
    let program = program(random, structural);
    if let Err(errors) = verify::verify(&program) {
        return Err(format!("the generator is at fault: {errors:?}"));
    }
    let packets = packets(random, 40);
    compare(&program, &packets, 1 + random.below(40))
        .map_err(|e| format!("seed {seed}, structural {structural}: {e}\n{program}"))
}

/// Runs the first `at` packets, moves the state to new engines (from the interpreter to compiled code and
/// back), and checks that these go on as the old ones do.
fn compare_restored(program: &Program, packets: &[Packet], at: usize) -> Result<(), String> {
    let compile = || HostProgram::compile(program, &Options::default()).map_err(|e| e.to_string());
    let (mut host, mut interpreter) = (compile()?, Interpreter::new(program));
    // The new ones are not new: what they hold must go.
    let (mut new_host, mut new_interpreter) =
        (host_after(compile()?, packets), interpreter.clone());
    for packet in packets.iter().rev() {
        new_interpreter.run(interpreted(packet));
    }
    let (before, after) = packets.split_at(at.min(packets.len()));
    host.run_batch(&mut before.to_vec());
    for packet in before {
        interpreter.run(interpreted(packet));
    }
    let now = before.last().map_or(0, |p| p.time_ns);
    let state = interpreter.state(now);
    let restored = [
        new_host.restore(&state, now),
        new_interpreter.restore(&host.state(now), now),
    ];
    if let Some(error) = restored.into_iter().find_map(Result::err) {
        return Err(error.to_string());
    }
    for got in [new_host.state(now), new_interpreter.state(now)] {
        if got != state {
            return Err(format!("restored {got:#?}\nof {state:#?}"));
        }
    }
    for (i, packet) in after.iter().enumerate() {
        let mut pair = [packet.clone(), packet.clone()];
        let [old, new] = &mut pair;
        host.run_batch(std::slice::from_mut(old));
        new_host.run_batch(std::slice::from_mut(new));
        let same = old.outcome() == new.outcome()
            && old.egress_port() == new.egress_port()
            && (old.outcome() != Outcome::Emit || old.frame() == new.frame());
        let (want, got) = (
            interpreter.run(interpreted(packet)),
            new_interpreter.run(interpreted(packet)),
        );
        if !same || want != got {
            return Err(format!(
                "packet {i} after: {old:?} {new:?}\n{want:?} {got:?}"
            ));
        }
        let now = packet.time_ns;
        let states = [new_host.state(now), new_interpreter.state(now)];
        let want = interpreter.state(now);
        if let Some(got) = states.into_iter().find(|s| *s != want) {
            return Err(format!("state after {i}: {got:#?}\nnot {want:#?}"));
        }
    }
    Ok(())
}

/// Whether the program changes what time it is.
fn assigns_time(program: &Program) -> bool {
    let time = Place::Meta(StdMeta::Timestamp.id());
    let mut found = false;
    let actions = program.actions.values().flat_map(|a| &a.ops);
    let nodes = program.control.nodes.values().flat_map(|n| match &n.kind {
        NodeKind::Exec(ops, _) => &ops[..],
        _ => &[],
    });
    for op in actions.chain(nodes) {
        op.walk(&mut |op| found |= op.targets().iter().any(|to| to.place == time));
    }
    let mut parser = program.parser.states.values().flat_map(|s| &s.ops);
    found || parser.any(|op| matches!(op, ParserOp::Set(to, _) if to.place == time))
}

fn interpreted(packet: &Packet) -> trisect_interp::Packet {
    trisect_interp::Packet::new(packet.port, packet.time_ns, packet.frame())
}

fn host_after(mut host: HostProgram, packets: &[Packet]) -> HostProgram {
    host.run_batch(&mut packets.to_vec());
    host
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_programs_that_keep_the_headers(seed: u64) {
        if let Err(message) = check(seed, false) {
            prop_assert!(false, "{}", message);
        }
    }

    #[test]
    fn on_programs_that_change_the_headers(seed: u64) {
        if let Err(message) = check(seed, true) {
            prop_assert!(false, "{}", message);
        }
    }

    #[test]
    fn on_the_programs_of_the_ir(bytes in proptest::collection::vec(any::<u8>(), 0..2500)) {
        let mut choices = Choices::new(&bytes);
        let program = arbitrary::program(&mut choices, &Shape::default());
        let mut packets: Vec<Packet> = arbitrary::packets(&mut choices, 30)
            .into_iter()
            .map(|p| Packet::new(&p.bytes).on_port(p.port).at_time(p.time_ns))
            .collect();
        for (hint, packet) in (0..).zip(&mut packets) {
            packet.hint = hint % HINTS;
        }
        if let Err(message) = compare(&program, &packets, 7) {
            prop_assert!(false, "{}\n{}", message, program);
        }
    }

    #[test]
    fn a_restored_engine_goes_on_where_the_other_was(
        bytes in proptest::collection::vec(any::<u8>(), 0..2500),
        at in 0usize..25,
    ) {
        let mut choices = Choices::new(&bytes);
        let program = arbitrary::program(&mut choices, &Shape::default());
        let packets: Vec<Packet> = arbitrary::packets(&mut choices, 25)
            .into_iter()
            .map(|p| Packet::new(&p.bytes).on_port(p.port).at_time(p.time_ns))
            .collect();
        if let Err(message) = compare_restored(&program, &packets, at) {
            prop_assert!(false, "{}\n{}", message, program);
        }
    }

    #[test]
    fn also_on_wilder_programs(seed: u64, at in 0usize..25) {
        let random = &mut Random::new(seed);
        let program = program(random, true);
        let mut packets = packets(random, 25);
        packets.iter_mut().for_each(|p| p.mark = 0);
        // What has expired does not come back.
        packets.sort_by_key(|p| p.time_ns);
        if assigns_time(&program) {
            return Ok(());
        }
        if let Err(message) = compare_restored(&program, &packets, at) {
            prop_assert!(false, "seed {}: {}\n{}", seed, message, program);
        }
    }
}
