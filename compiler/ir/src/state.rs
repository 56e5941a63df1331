//! The state of a program, in one canonical form, so that the interpreter, the JIT and devices can be
//! compared.
//!
//! Everything is by name and sorted. What still has its initial value is left out: counters at 0,
//! registers at their initial value, meters never executed, numbers never allocated, objects that sent no
//! message, sources of random numbers never drawn from. Flow entries
//! that have expired at the time of the dump are left out.
//!
//! A state can be loaded again ([`crate::restore`]), also into an engine of another program with the same
//! tables and objects: that is how entries, defaults and rates are changed between packets.

use crate::Bits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// All mutable state of a program at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Flow entries by table, then by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub flows: BTreeMap<String, BTreeMap<String, FlowState>>,
    /// Counter cells by object, then by cell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<String, BTreeMap<Cell, Count>>,
    /// Register cells by object, then by index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registers: BTreeMap<String, BTreeMap<u32, Bits>>,
    /// Meter cells by object, then by cell.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub meters: BTreeMap<String, BTreeMap<Cell, crate::meter::MeterState>>,
    /// Last use in nanoseconds by allocator, then by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allocators: BTreeMap<String, BTreeMap<u64, u64>>,
    /// Messages sent and not yet taken by the control plane, by object, in the order of sending: at most
    /// [`MESSAGE_LIMIT`](crate::MESSAGE_LIMIT).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub messages: BTreeMap<String, Vec<Vec<Bits>>>,
    /// Numbers drawn, by source of random numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub draws: BTreeMap<String, u64>,
}

/// A cell of a counter or meter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Cell {
    /// By index.
    Index(u32),
    /// Of the table entry with this position in `Table::entries`.
    Entry(u32),
    /// Of the flow entry with this key (see [`key_text`]).
    Flow(String),
}

impl From<Cell> for String {
    fn from(cell: Cell) -> String {
        match cell {
            Cell::Index(i) => format!("[{i}]"),
            Cell::Entry(i) => format!("entry {i}"),
            Cell::Flow(key) => format!("flow {key}"),
        }
    }
}

impl TryFrom<String> for Cell {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let number = |t: &str| t.parse().map_err(|_| format!("`{text}` is not a cell"));
        if let Some(rest) = text.strip_prefix("flow ") {
            Ok(Self::Flow(rest.to_owned()))
        } else if let Some(rest) = text.strip_prefix("entry ") {
            Ok(Self::Entry(number(rest)?))
        } else {
            Ok(Self::Index(number(
                text.trim_start_matches('[').trim_end_matches(']'),
            )?))
        }
    }
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Packets, modulo 2^64.
    pub packets: u64,
    /// Bytes, modulo 2^64.
    pub bytes: u64,
}

/// One flow entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowState {
    /// Name of the action.
    pub action: String,
    /// Its arguments.
    pub args: Vec<Bits>,
    /// Time of the last hit (or of being added) in nanoseconds.
    pub last_hit_ns: u64,
    /// Idle timeout in nanoseconds.
    pub timeout_ns: u64,
}

impl FlowState {
    /// Whether the entry has not expired.
    pub fn is_live(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_hit_ns) < self.timeout_ns
    }
}

/// The part of the state that a packet read or wrote: flow entries, cells of objects, numbers of
/// allocators. A place that is in neither `before` nor `after` was not touched, or had its initial value
/// before and afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// As it was before the packet; of messages, none.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub before: State,
    /// As it is after the packet; of messages, those that the packet sent.
    #[serde(default, skip_serializing_if = "State::is_empty")]
    pub after: State,
    /// Tables that had no room for an entry that the packet would have added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full: Vec<String>,
}

impl Touched {
    /// Whether the packet touched no state.
    pub fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && self.full.is_empty()
    }
}

/// The text of a key, for use in maps: the values in P4 notation, joined by commas.
pub fn key_text(values: &[Bits]) -> String {
    let mut text = String::new();
    for (i, value) in values.iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        // A string takes all that is written to it.
        let _ = write!(text, "{comma}{value}");
    }
    text
}

impl State {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the state of another program (piece); on a name that both have, the other's cells are added.
    pub fn merge(&mut self, other: State) {
        fn extend<K: Ord, V>(
            into: &mut BTreeMap<String, BTreeMap<K, V>>,
            from: BTreeMap<String, BTreeMap<K, V>>,
        ) {
            for (name, cells) in from {
                into.entry(name).or_default().extend(cells);
            }
        }
        extend(&mut self.flows, other.flows);
        extend(&mut self.counters, other.counters);
        extend(&mut self.registers, other.registers);
        extend(&mut self.meters, other.meters);
        extend(&mut self.allocators, other.allocators);
        for (name, messages) in other.messages {
            self.messages.entry(name).or_default().extend(messages);
        }
        self.draws.extend(other.draws);
    }
}
