//! Match-action tables and their entries.

use crate::{ActionId, Bits, Expr};
use serde::{Deserialize, Serialize};

/// Match kinds, as in P4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MatchKind {
    /// Equal.
    Exact,
    /// Longest prefix.
    Lpm,
    /// Value and mask.
    Ternary,
    /// Inclusive range.
    Range,
    /// A value, or anything.
    Optional,
}

/// One key of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Name, as the control plane knows it.
    pub name: String,
    /// What is looked up.
    pub expr: Expr,
    /// How it is matched.
    pub kind: MatchKind,
}

/// A set of values of one key: in entries and in parser selects.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeySet {
    /// Every value.
    Any,
    /// One value (exact, optional).
    Exact(Bits),
    /// `value` with prefix length in bits (lpm).
    Prefix(Bits, u32),
    /// `value &&& mask` (ternary).
    Mask(Bits, Bits),
    /// `lo..=hi`, unsigned (range).
    Range(Bits, Bits),
}

impl KeySet {
    /// Whether the set contains the value (of the same width).
    pub fn contains(&self, value: &Bits) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(want) => value == want,
            Self::Prefix(want, len) => value.matches(want, &Bits::prefix_mask(value.width(), *len)),
            Self::Mask(want, mask) => value.matches(want, mask),
            Self::Range(lo, hi) => lo <= value && value <= hi,
        }
    }
}

/// An action with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionCall {
    /// The action.
    pub action: ActionId,
    /// One value per parameter, of its width.
    pub args: Vec<Bits>,
}

/// Who put an entry there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// `const entries` of the program.
    Const,
    /// `entries` of the program, which the control plane may change.
    Static,
    /// The control plane.
    Control,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// One set per key.
    pub keys: Vec<KeySet>,
    /// Largest wins, as in P4Runtime. Not looked at where lpm alone decides.
    pub priority: u32,
    /// What to run.
    pub call: ActionCall,
    /// Who put it there.
    pub origin: Origin,
}

/// What makes a table a flow table: entries added from the data path, which age.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTable {
    /// Idle timeouts in nanoseconds by expire-time profile (PNA's `ExpireTimeProfileId_t`). Never
    /// empty; a profile beyond the end takes the last.
    pub timeouts_ns: Vec<u64>,
}

/// A match-action table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Unique name.
    pub name: String,
    /// Keys, in order; none means that every lookup misses.
    pub keys: Vec<Key>,
    /// The actions that entries and the default may name.
    pub actions: Vec<ActionId>,
    /// What runs on a miss.
    pub default: ActionCall,
    /// Whether the control plane may not change the default.
    pub const_default: bool,
    /// Entries of the program and of the control plane.
    pub entries: Vec<Entry>,
    /// How many entries it must hold. For a flow table also the limit at which `AddEntry` fails (live
    /// entries only).
    pub size: u32,
    /// Set for flow tables: all keys exact.
    pub flow: Option<FlowTable>,
}
