//! Match-action tables and their entries.

use crate::{ActionId, Bits, Expr, HashAlgorithm};
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
    /// Set for a range key that is a signed number: `expr` is the number with its sign bit flipped, so that bounds
    /// compare as unsigned numbers. In entries, too, the sign bit of both bounds is flipped
    /// ([`Bits::flip_sign`]); only people write them in two's complement.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub signed: bool,
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
    /// Further members of the entry's group, behind `call`: a hit runs the one that the table's selector
    /// chooses. Only in tables with a selector.
    pub members: Vec<ActionCall>,
    /// Who put it there.
    pub origin: Origin,
}

impl Entry {
    /// What a hit may run: `call`, then the further members.
    pub fn calls(&self) -> impl Iterator<Item = &ActionCall> {
        std::iter::once(&self.call).chain(&self.members)
    }
    /// The same, to change.
    pub fn calls_mut(&mut self) -> impl Iterator<Item = &mut ActionCall> {
        std::iter::once(&mut self.call).chain(&mut self.members)
    }
    /// What a hit runs if the selector's hash has this value: the member with the number of its remainder,
    /// `call` being number 0.
    pub fn member(&self, hash: u64) -> &ActionCall {
        let number = hash % (1 + self.members.len() as u64);
        self.calls().nth(number as usize).unwrap_or(&self.call)
    }
}

/// How a hit chooses among the members of its entry: by a hash, evaluated at the look-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// The hash.
    pub algorithm: HashAlgorithm,
    /// Its inputs, as of [`Expr::Hash`].
    pub inputs: Vec<Expr>,
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
    /// Set for tables whose entries are groups. Not in flow tables.
    pub selector: Option<Selector>,
}

impl Table {
    /// The expressions that a look-up evaluates: the keys, then the selector's inputs.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        let inputs = self.selector.iter().flat_map(|s| &s.inputs);
        self.keys.iter().map(|key| &key.expr).chain(inputs)
    }
    /// The same, to change.
    pub fn exprs_mut(&mut self) -> impl Iterator<Item = &mut Expr> {
        let inputs = self.selector.iter_mut().flat_map(|s| &mut s.inputs);
        self.keys.iter_mut().map(|key| &mut key.expr).chain(inputs)
    }
}
