//! Packets against what was expected, and engines against each other.

use super::Played;
use super::report::{Arrival, Expectation, digits};
use crate::stf::Pattern;
use trisect_wire::{Layers, diff};

/// How many differences of a packet are listed.
const MAX_DIFFERENCES: usize = 12;

pub(super) fn expectation(
    line: u32,
    port: u16,
    pattern: Option<&Pattern>,
    received: Option<&Arrival>,
) -> Expectation {
    let differences = match (pattern, received) {
        (Some(pattern), Some(arrival)) => differences(pattern, &arrival.bytes),
        _ => Vec::new(),
    };
    Expectation {
        line,
        port,
        expected: pattern.map(Pattern::to_string).unwrap_or_default(),
        received: received.cloned(),
        ok: received.is_some() && differences.is_empty(),
        differences,
    }
}

/// Where a frame differs from a pattern; empty if and only if it fits.
fn differences(pattern: &Pattern, frame: &[u8]) -> Vec<String> {
    let nibble = |at: usize| {
        let byte = frame.get(at / 2)?;
        Some(if at.is_multiple_of(2) {
            byte >> 4
        } else {
            byte & 15
        })
    };
    let mut out = Vec::new();
    let (wanted, found) = (pattern.digits.len(), 2 * frame.len());
    if found < wanted {
        let bytes = wanted.div_ceil(2);
        out.push(format!(
            "length: at least {bytes} bytes are expected, {} came",
            frame.len()
        ));
    } else if pattern.exact && found > wanted {
        let bytes = wanted.div_ceil(2);
        out.push(format!(
            "length: {bytes} bytes are expected, {} came",
            frame.len()
        ));
    }
    let wrong = pattern.digits.iter().enumerate().find_map(|(at, digit)| {
        let (wanted, found) = ((*digit)?, nibble(at)?);
        (wanted != found).then_some((at, wanted, found))
    });
    if let Some((at, wanted, found)) = wrong {
        out.push(format!(
            "byte {}: digit {} of it is {found:x}, expected is {wanted:x}",
            at / 2,
            1 + at % 2
        ));
    }
    if !out.is_empty() {
        out.extend(fields(pattern, frame));
    }
    out
}

/// The same in terms of the usual headers, where the frame has some.
fn fields(pattern: &Pattern, frame: &[u8]) -> Vec<String> {
    // What the pattern leaves open is taken from the frame.
    let end = if pattern.exact { 0 } else { 2 * frame.len() };
    let digit = |at: usize| {
        let open = || {
            frame.get(at / 2).map(|byte| {
                if at.is_multiple_of(2) {
                    byte >> 4
                } else {
                    byte & 15
                }
            })
        };
        pattern
            .digits
            .get(at)
            .copied()
            .flatten()
            .or_else(open)
            .unwrap_or(0)
    };
    let length = pattern.digits.len().max(end).div_ceil(2);
    let expected: Vec<u8> = (0..length)
        .map(|i| digit(2 * i) << 4 | digit(2 * i + 1))
        .collect();
    if Layers::parse(&expected).layers.len() < 2 {
        return Vec::new();
    }
    diff(&expected, frame)
        .into_iter()
        .filter(|d| d.place != "length")
        .take(MAX_DIFFERENCES)
        .map(|d| format!("{}: expected {}, received {}", d.place, d.a, d.b))
        .collect()
}

/// Where runs differ from the first one: in packets, then in state.
pub(super) fn disagreements(runs: &[Played]) -> Vec<String> {
    let Some((first, others)) = runs.split_first() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for other in others {
        packets(first, other, &mut out);
        if first.state != other.state {
            out.push(state(first, other));
        }
        for (a, b) in first.checks.iter().zip(&other.checks) {
            if a.found != b.found {
                let (x, y) = (first.engine, other.engine);
                out.push(format!(
                    "line {}: {} has {}, {} has {}",
                    a.line, x, a.found, y, b.found
                ));
            }
        }
    }
    out
}

/// The first packet that differs, and how many there are.
fn packets(a: &Played, b: &Played, out: &mut Vec<String>) {
    let differs = a.sent.iter().zip(&b.sent).find(|(x, y)| x != y);
    let text = |played: &Played, arrival: &Arrival| {
        format!(
            "{} sends {} on port {}",
            played.engine,
            digits(&arrival.bytes),
            arrival.port
        )
    };
    if let Some((x, y)) = differs {
        out.push(format!(
            "packet of line {}: {}, {} (packet of line {})",
            x.packet_line,
            text(a, x),
            text(b, y),
            y.packet_line
        ));
    } else if a.sent.len() != b.sent.len() {
        out.push(format!(
            "{} sends {} packets, {} sends {}",
            a.engine,
            a.sent.len(),
            b.engine,
            b.sent.len()
        ));
    }
}

fn state(a: &Played, b: &Played) -> String {
    let (x, y) = (&a.state, &b.state);
    let kinds = [
        ("flow entries", x.flows != y.flows),
        ("counters", x.counters != y.counters),
        ("registers", x.registers != y.registers),
        ("meters", x.meters != y.meters),
        ("allocators", x.allocators != y.allocators),
        ("messages", x.messages != y.messages),
        ("random numbers", x.draws != y.draws),
    ];
    let kinds: Vec<&str> = kinds
        .iter()
        .filter(|(_, d)| *d)
        .map(|(kind, _)| *kind)
        .collect();
    format!(
        "{} and {} leave other {}",
        a.engine,
        b.engine,
        kinds.join(", ")
    )
}
