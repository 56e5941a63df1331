//! Random packets.

use super::Choices;

/// A packet and when and where it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Ingress port.
    pub port: u16,
    /// Time in nanoseconds; most of the time it grows.
    pub time_ns: u64,
    /// The frame, possibly empty.
    pub bytes: Vec<u8>,
}

/// Packets for programs of [`super::program`]: mostly of small bytes, which their parsers select on, from empty
/// to longer than all headers; some again and again, so that flow tables are hit.
pub fn packets(choices: &mut Choices<'_>, count: usize) -> Vec<Arrival> {
    let mut time_ns = 0;
    let mut all: Vec<Arrival> = Vec::new();
    for _ in 0..count {
        time_ns += choices.below(400) as u64;
        let port = choices.below(4) as u16;
        let again = all.len().checked_sub(1 + choices.below(4));
        let bytes = match again.and_then(|i| all.get(i)) {
            Some(earlier) if choices.one_in(2) => earlier.bytes.clone(),
            _ => bytes(choices),
        };
        all.push(Arrival {
            port,
            time_ns,
            bytes,
        });
    }
    all
}

fn bytes(choices: &mut Choices<'_>) -> Vec<u8> {
    let length = match choices.below(4) {
        0 => choices.below(600),
        1 => choices.below(8),
        _ => choices.below(80),
    };
    // Few decisions for many bytes: a short string, repeated with a drift.
    let seed: Vec<u8> = (0..8).map(|_| choices.byte()).collect();
    let small = choices.one_in(2);
    (0..length)
        .map(|i| {
            let byte = seed[i % 8].wrapping_add((i / 8) as u8);
            if small { byte % 5 } else { byte }
        })
        .collect()
}
