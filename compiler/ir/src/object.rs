//! Stateful objects.

use crate::{Bits, MeterConfig};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A stateful object. It lives on exactly one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Unique name.
    pub name: String,
    /// What it is.
    pub kind: ObjectKind,
}

/// What a counter or meter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CountUnit {
    /// Packets.
    Packets,
    /// Bytes: the `packet_length` metadata.
    Bytes,
    /// Both (counters only).
    PacketsAndBytes,
}

/// The kinds of objects. An index past the size is ignored: reads give 0, meters green.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// Counters of packets and bytes (both are always kept; `unit` says what is reported).
    Counter {
        /// Number of cells; `None` for a direct counter, one per table entry.
        size: Option<u32>,
        /// What is reported.
        unit: CountUnit,
    },
    /// Two-rate three-colour meters (RFC 2698): 0 green, 1 yellow, 2 red.
    Meter {
        /// Number of cells; `None` for a direct meter.
        size: Option<u32>,
        /// What is metered (packets or bytes).
        unit: CountUnit,
        /// Rates of the cells that `cells` does not name.
        default: MeterConfig,
        /// Rates by index.
        cells: BTreeMap<u32, MeterConfig>,
    },
    /// An array of values.
    Register {
        /// Width of a cell in bits.
        width: u32,
        /// Number of cells.
        size: u32,
        /// Initial value of every cell.
        init: Bits,
    },
    /// Byte strings to search for.
    PatternSet {
        /// The patterns; none is empty. A search reports the lowest index that occurs, plus one.
        patterns: Vec<Vec<u8>>,
    },
    /// Hands out numbers `base .. base + size`. `Allocate` gives the number whose last use is longest
    /// ago (never used first, then by time, then lowest), if that was at least `idle_ns` ago;
    /// `Touch` renews the last use of a number that was handed out before, however long ago.
    Allocator {
        /// Width of a number in bits.
        width: u32,
        /// The lowest number.
        base: u64,
        /// How many there are.
        size: u32,
        /// Idle time in nanoseconds after which a number is free again.
        idle_ns: u64,
    },
    /// What is told to the control plane. Messages are kept in the order of sending until the control
    /// plane takes them; of more than [`MESSAGE_LIMIT`] the oldest are dropped.
    Message {
        /// What it is for.
        kind: MessageKind,
        /// What it says: a format, or the name of a digest.
        text: String,
        /// Names and widths in bits of its values.
        fields: Vec<(String, u32)>,
    },
    /// Random numbers, the same in every run: see [`crate::random::draw`].
    Random {
        /// Where the sequence starts.
        seed: u64,
    },
}

/// How many messages of one object are kept.
pub const MESSAGE_LIMIT: usize = 65_536;

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageKind {
    /// Values that the control plane acts on (v1model's `digest`).
    Digest,
    /// A line for people (`log_msg`).
    Log,
    /// Something that should never happen (`assert`, `assume`).
    Assert,
}
