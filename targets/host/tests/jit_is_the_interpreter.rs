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
use trisect_ir::{Bits, Program, verify};

/// Runs both over the same packets and says where they differ first.
fn compare(program: &Program, packets: &[Packet], batch: usize) -> Result<(), String> {
    let mut host = HostProgram::compile(program, &Options::default()).map_err(|e| e.to_string())?;
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
        let packets: Vec<Packet> = arbitrary::packets(&mut choices, 30)
            .into_iter()
            .map(|p| Packet::new(&p.bytes).on_port(p.port).at_time(p.time_ns))
            .collect();
        if let Err(message) = compare(&program, &packets, 7) {
            prop_assert!(false, "{}\n{}", message, program);
        }
    }
}
