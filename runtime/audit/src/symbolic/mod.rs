//! Whether some state explains what became of a packet, asked of an SMT solver (z3): the feature `z3`.
//!
//! The packet is known, the state is not. The program runs on values of which those that the state decides are terms (`value`);
//! where a term decides the way, each way that is possible is taken (`run`). What is free is bound by what is known of the
//! states that the program can come to (`reach`). If on no way the output can be the recorded one, no state explains it.
//!
//! An answer rests on a fixed amount of the solver's work, not of time, so that it is the same everywhere.

mod packet;
mod parse;
mod run;
#[cfg(test)]
mod tests;
mod value;

use trisect_ir::MetaId;
use trisect_ir::Program;
use trisect_sample::{Point, Record, digest};
use trisect_target::wire;
use z3::ast::{BV, Bool};
use z3::{Params, SatResult, Solver};

use crate::reach::Reach;
use packet::Packet;
use run::{End, Run, Stop};
use value::Value;

/// Most ways through the program that are taken.
const MOST_WAYS: usize = 512;
/// The solver's work per question, in its own unit; a question takes some thousand.
const WORK: u32 = 20_000_000;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Some state explains the output.
    Yes,
    /// No state does.
    No,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// Asks whether some state of the program explains the departure. The packet was recorded whole.
pub(crate) fn explained(program: &Program, arrival: &Record, departure: &Record) -> Answer {
    if departure.point == Point::Out && digest(&departure.packet) != departure.digest {
        return Answer::Unknown("only a part of the packet that left was recorded".into());
    }
    let reach = Reach::of(program);
    let solver = Solver::new();
    let mut params = Params::new();
    params.set_u32("rlimit", WORK);
    solver.set_params(&params);
    let packet = Packet::new(program, &arrived(program, arrival));
    let mut unknown = None;
    let mut ways = vec![Vec::new()];
    let mut taken = 0;
    while let Some(given) = ways.pop() {
        taken += 1;
        if taken > MOST_WAYS {
            return Answer::Unknown("the state decides about too many ways".into());
        }
        solver.push();
        let mut run = Run::new(program, &reach, &solver, packet.clone(), &given);
        let ended = run.run();
        let answer = match ended {
            Err(Stop::Impossible) => SatResult::Unsat,
            Err(Stop::Doubt(what)) => {
                unknown = Some(format!("the state decides {what}"));
                SatResult::Unsat
            }
            Ok(end) => match output(program, &run.packet, &end, departure) {
                None => SatResult::Unsat,
                Some(conditions) => {
                    conditions.iter().for_each(|c| solver.assert(c));
                    solver.check()
                }
            },
        };
        ways.append(&mut run.others);
        solver.pop(1);
        match answer {
            SatResult::Sat => return Answer::Yes,
            SatResult::Unsat => {}
            SatResult::Unknown => unknown = Some("the solver gives up".into()),
        }
    }
    unknown.map_or(Answer::No, Answer::Unknown)
}

/// The packet as the program gets it.
fn arrived(program: &Program, arrival: &Record) -> trisect_interp::Packet {
    let bytes = arrival.packet.clone();
    let mut packet = trisect_interp::Packet::new(arrival.port, arrival.time_ns, bytes);
    for (name, value) in [(wire::MARK, arrival.mark), (wire::META, arrival.meta)] {
        if let Some(meta) = program.meta_named(name) {
            let value = trisect_ir::Bits::new(32, value);
            packet = packet.with_metadata(meta, value);
        }
    }
    packet
}

/// What has to hold for the packet to end as recorded; `None` if it cannot.
fn output(program: &Program, packet: &Packet, end: &End, departure: &Record) -> Option<Vec<Bool>> {
    let End::Emit { port, bytes } = end else {
        return (departure.point == Point::Drop).then(Vec::new);
    };
    if departure.point != Point::Out || bytes.len() != departure.packet.len() {
        return None;
    }
    let number = |value: &Value, is: u64| match value.width() {
        0 => Bool::from_bool(is == 0),
        width => value.term().eq(BV::from_u64(is, width)),
    };
    let mut conditions = vec![number(port, u64::from(departure.port))];
    for (name, is) in [(wire::MARK, departure.mark), (wire::META, departure.meta)] {
        match program.meta_named(name) {
            Some(meta) => conditions.push(number(&low(packet, meta), u64::from(is))),
            None if is != 0 => return None,
            None => {}
        }
    }
    for (byte, is) in bytes.iter().zip(&departure.packet) {
        conditions.push(byte.is(*is)?);
    }
    Some(conditions)
}

/// The lowest 32 bits of a metadata field.
fn low(packet: &Packet, meta: MetaId) -> Value {
    let value = packet.metas.get(meta);
    value.map_or_else(|| Value::zero(32), |v| v.resize(32))
}
