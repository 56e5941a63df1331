//! What look-ups in flow tables take, without and with a number for the packet's flow.

use std::time::{Duration, Instant};

use trisect_host::{HostProgram, Options, Packet};
use trisect_ir::Program;
use trisect_ir::random::split_mix;
use trisect_policy::rack::LookUp;

use super::BATCH;
use crate::problems::{Problems, RACK_FAILED};

/// Flows in the table: few, whose entries stay in the nearest caches, to as many as leave most of them.
const FLOWS: [u32; 3] = [1 << 10, 1 << 15, 1 << 18];
/// Packets of a round, of random flows.
const PACKETS: usize = 1 << 14;
/// Rounds of which the least counts.
const ROUNDS: usize = 5;
/// Bytes of a frame: Ethernet, IPv4 and UDP, up to the least of Ethernet.
const FRAME: usize = 60;

const FILE: &str = "look_ups.p4";
const SOURCE: &str = include_str!("look_ups.p4");

/// Cycles of look-ups by the size of the table, on a core of so many GHz: what a packet takes more, in batches, than it does
/// without the look-up. A larger table is taken for no faster than a smaller one.
///
/// # Errors
/// There is no code generator for this machine.
pub fn look_ups(ghz: f64) -> Result<Vec<LookUp>, Problems> {
    let without = program(&[])?;
    let with = program(&["LOOK_UP"])?;
    let Some((table, entry)) = with.tables.iter().find(|(_, table)| table.flow.is_some()) else {
        return Ok(Vec::new());
    };
    let entry_bytes = trisect_host::flow_entry_bytes(&with, table);
    let mut known = LookUp {
        bytes: 0,
        cycles: 1,
        by_number: 1,
    };
    let mut found = Vec::new();
    for flows in FLOWS {
        let other = nanoseconds(&without, flows, &[])?;
        let hinted = [entry.name.clone()];
        let cycles = |ns: f64| ((ns - other) * ghz).round().max(1.0) as u64;
        let look_up = cycles(nanoseconds(&with, flows, &[])?);
        let by_number = cycles(nanoseconds(&with, flows, &hinted)?);
        known = LookUp {
            bytes: u64::from(flows) * entry_bytes,
            cycles: look_up.max(known.cycles),
            by_number: by_number.max(known.by_number),
        };
        found.push(known);
    }
    Ok(found)
}

fn program(macros: &[&str]) -> Result<Program, Problems> {
    let options = trisect_p4::Options {
        defines: macros
            .iter()
            .map(|name| ((*name).to_owned(), "1".to_owned()))
            .collect(),
        ..trisect_p4::Options::default()
    };
    trisect_p4::compile_str(FILE, SOURCE, &options)
        .map_err(|found| Problems::of(found, FILE, SOURCE))
}

/// Nanoseconds of a packet of a random one of so many flows, all of which are known; by number if the table is named.
fn nanoseconds(program: &Program, flows: u32, hinted: &[String]) -> Result<f64, Problems> {
    let options = Options {
        hinted: hinted.to_vec(),
        ..Options::default()
    };
    let mut code = HostProgram::compile(program, &options).map_err(|error| {
        let help = "compiled code needs a machine that Cranelift generates code for";
        let why = error.to_string();
        Problems::error(RACK_FAILED, "this machine cannot be measured", why, help)
    })?;
    (1..=flows).for_each(|flow| code.clear_hint(flow));
    let mut buffers: Vec<Packet> = (0..BATCH).map(|_| Packet::new(&[])).collect();
    // The first packet of a flow adds its entry, the second finds it.
    for _ in 0..2 {
        run(&mut code, &mut buffers, 0..flows);
    }
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let random = (0..PACKETS as u64).map(|i| (split_mix(0, i) % u64::from(flows)) as u32);
        best = best.min(run(&mut code, &mut buffers, random));
    }
    Ok(best.as_nanos() as f64 / PACKETS as f64)
}

/// Runs packets of these flows, and says how long the code took, its packets being in the cache.
fn run(
    code: &mut HostProgram,
    buffers: &mut [Packet],
    flows: impl Iterator<Item = u32>,
) -> Duration {
    let mut flows = flows.peekable();
    let mut spent = Duration::ZERO;
    while flows.peek().is_some() {
        let mut filled = 0;
        for (buffer, flow) in buffers.iter_mut().zip(&mut flows) {
            buffer.refill(&frame(flow));
            buffer.hint = flow + 1;
            buffer.time_ns = 1;
            filled += 1;
        }
        let start = Instant::now();
        code.run_batch(&mut buffers[..filled]);
        spent += start.elapsed();
    }
    spent
}

/// A packet of a flow: UDP over IPv4.
fn frame(flow: u32) -> [u8; FRAME] {
    let mut frame = [0; FRAME];
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    frame[14] = 0x45;
    frame[16..18].copy_from_slice(&46u16.to_be_bytes());
    frame[22] = 64;
    frame[23] = 17;
    frame[26..30].copy_from_slice(&flow.wrapping_mul(0x9e37_79b9).to_be_bytes());
    frame[30..34].copy_from_slice(&flow.wrapping_mul(0x85eb_ca6b).to_be_bytes());
    frame[34..38].copy_from_slice(&flow.to_be_bytes());
    frame[38..40].copy_from_slice(&26u16.to_be_bytes());
    frame
}
