//! What an element reports about a sampled packet.

use serde::{Deserialize, Serialize};
use trisect_ir::Bits;
use trisect_ir::state::{State, Touched};
use twox_hash::XxHash3_64;

/// Where at an element a packet was seen, and so what became of it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Point {
    /// On arrival.
    In,
    /// On departure.
    Out,
    /// It ended here.
    Drop,
}

/// One observation of a sampled packet at an element (a switch, a NIC, or a server's cores).
///
/// A visit of an element has two records: [`Point::In`], then [`Point::Out`] or [`Point::Drop`]. Both have
/// the same `visit`. The second has `work`, if the element says what it did.
///
/// All times are nanoseconds of the element's own clock, all lengths bytes. As JSON, byte strings are
/// lower-case hexadecimal digits; as IPFIX, all numbers are big-endian (see `trisect_collect`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Identity of the packet's trajectory: the same in all records of the packet, whatever happens to
    /// its headers. It is `tag` if there is one, else what the element computed ([`crate::Verdict::id`]).
    pub id: u64,
    /// Name of the element.
    pub element: String,
    /// Number of the visit at the element, from 0, counted over all packets, sampled or not.
    pub visit: u64,
    /// Where at the element.
    pub point: Point,
    /// Port that it came in on, or left by, in the element's numbering; 0 for a drop.
    pub port: u16,
    /// When.
    pub time_ns: u64,
    /// Length of the frame, from its Ethernet header on, without frame check sequence.
    pub len: u32,
    /// Digest of the whole frame ([`digest`]): links do not change it, so what leaves one element and
    /// arrives at the next is recognised.
    pub digest: u64,
    /// What travels beside the frame from NIC to host: where to go on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mark: u32,
    /// What travels beside the frame from NIC to host: live metadata.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub meta: u32,
    /// The identity that the packet got at the chain's entry and carries with it, where an NF changes
    /// what is hashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<u64>,
    /// The first bytes of the frame, as many as was agreed. A dropped packet is shown as it came in.
    #[serde(default, with = "hex", skip_serializing_if = "Vec::is_empty")]
    pub packet: Vec<u8>,
    /// What the element did, in the second record of a visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Box<Work>>,
}

/// What an element did with a packet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Why it was dropped; empty if it was not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The look-ups, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lookups: Vec<Lookup>,
    /// The state that was read and written.
    #[serde(default, skip_serializing_if = "Touched::is_empty")]
    pub state: Touched,
    /// What was used up.
    pub used: Used,
}

/// A look-up in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// Name of the table.
    pub table: String,
    /// The key: values in P4 notation, joined by commas ([`trisect_ir::state::key_text`]).
    pub key: String,
    /// What was found.
    pub found: Found,
    /// Name of the action that ran.
    pub action: String,
}

/// What a look-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// Nothing: the default action ran.
    Miss,
    /// The entry at this position of the table, from 0.
    Entry(u32),
    /// The flow entry with the key.
    Flow,
}

/// What a visit used up: what is billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// Cycles of host cores; 0 where time does not depend on the work.
    pub cycles: u64,
    /// Bytes over the element's ports: of the frame as it came in and, if it left, as it left.
    pub bytes: u64,
    /// Bytes of the state that the packet left behind where it read or wrote ([`state_bytes`] of
    /// [`Touched::after`]).
    pub memory: u64,
}

/// Bytes that a state takes: of a flow entry key and arguments, each value in whole bytes, and two times;
/// of a counter's cell two numbers, of a meter's three; of a register's cell its value; of an allocator's
/// number itself and its last use; of a message its values; of a source of random numbers its position.
/// Numbers and times have 8 bytes.
#[must_use]
pub fn state_bytes(state: &State) -> u64 {
    let bytes = |v: &Bits| u64::from(v.width().div_ceil(8));
    let key = |text: &str| -> u64 {
        let values = text.split(',').filter_map(|v| v.parse::<Bits>().ok());
        values.map(|v| bytes(&v)).sum()
    };
    let flows = state.flows.values().flatten();
    let flows = flows.map(|(k, f)| key(k) + f.args.iter().map(bytes).sum::<u64>() + 16);
    let cells = |n: usize, each: u64| n as u64 * each;
    let registers = state.registers.values().flat_map(|r| r.values().map(bytes));
    let messages = state.messages.values().flatten().flatten().map(bytes);
    flows.sum::<u64>()
        + cells(state.counters.values().flatten().count(), 16)
        + cells(state.meters.values().flatten().count(), 24)
        + registers.sum::<u64>()
        + cells(state.allocators.values().flatten().count(), 16)
        + messages.sum::<u64>()
        + cells(state.draws.len(), 8)
}

/// Digest of a frame for [`Record::digest`]: XXH3 with 64 bits, without seed (xxHash specification, version 0.2, "XXH3"), as
/// all its implementations compute it. It tells frames apart, and is no signature: whoever wants to finds two frames with
/// the same one.
#[must_use]
pub fn digest(frame: &[u8]) -> u64 {
    XxHash3_64::oneshot(frame)
}

fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// Byte strings as text.
mod hex {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |four: u8| DIGITS[usize::from(four & 0xf)];
        let mut digits = Vec::with_capacity(2 * bytes.len());
        for byte in bytes {
            digits.extend([digit(byte >> 4), digit(*byte)]);
        }
        // Digits are text.
        let text = String::from_utf8(digits).unwrap_or_default();
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_str(FromDigits)
    }

    /// What each character is worth; 16 and more: it is no digit.
    const WORTH: [u8; 256] = {
        let mut worth = [16; 256];
        let mut value: u8 = 0;
        while value < 16 {
            let digits = b"0123456789abcdef0123456789ABCDEF";
            worth[digits[value as usize] as usize] = value;
            worth[digits[value as usize + 16] as usize] = value;
            value += 1;
        }
        worth
    };

    struct FromDigits;

    impl Visitor<'_> for FromDigits {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string of hexadecimal bytes")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<u8>, E> {
            let (pairs, rest) = text.as_bytes().as_chunks::<2>();
            let worth = |digit: u8| WORTH[usize::from(digit)];
            let mut wrong = !rest.is_empty();
            let byte = |[high, low]: &[u8; 2]| {
                let (high, low) = (worth(*high), worth(*low));
                wrong |= (high | low) > 15;
                high << 4 | low & 15
            };
            let bytes = pairs.iter().map(byte).collect();
            match wrong {
                true => Err(E::custom(format!(
                    "`{text}` is no string of hexadecimal bytes"
                ))),
                false => Ok(bytes),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_ir::state::{Cell, Count, FlowState};

    const DIGESTS: [(usize, u64); 9] = [
        (0, 0x2d06_8005_38d3_94c2),
        (1, 0xc44b_dff4_074e_ecdb),
        (16, 0x8355_e3a6_f617_70db),
        (60, 0x0c5e_8ca8_a3b5_c850),
        (128, 0x85c6_174c_7ff4_c46b),
        (200, 0xf42a_8864_feaf_0703),
        (240, 0x375a_384d_957f_e865),
        (241, 0x02e8_cd95_421c_6d02),
        (1500, 0x011b_f4b1_f03f_b7e7),
    ];

    /// The values of `xxhsum -H3` of xxHash 0.8 for the bytes 0, 1, 2, ...
    #[test]
    fn the_digest_is_the_same_everywhere() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1500).collect();
        for (len, want) in DIGESTS {
            assert_eq!(digest(&bytes[..len]), want, "{len}");
        }
    }

    #[test]
    fn state_has_the_size_that_is_said() {
        let mut state = State::default();
        let flow = FlowState {
            action: "translate".into(),
            args: vec![Bits::new(32, 1u32), Bits::new(9, 1u32)],
            last_hit_ns: 1,
            timeout_ns: 2,
        };
        let key = trisect_ir::state::key_text(&[Bits::new(32, 7u32), Bits::new(16, 7u32)]);
        state
            .flows
            .entry("nat".into())
            .or_default()
            .insert(key, flow);
        let count = Count {
            packets: 1,
            bytes: 2,
        };
        state
            .counters
            .entry("c".into())
            .or_default()
            .insert(Cell::Index(0), count);
        state.draws.insert("r".into(), 1);
        assert_eq!(state_bytes(&state), (6 + 6 + 16) + 16 + 8);
    }
}
