//! What comes out of a run, and the way that a packet took.

use trisect_ir::state::Touched;
use trisect_ir::{ActionId, Bits, MetaId, NodeId, PrimaryMap, StateId, TableId};

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It leaves.
    Emit {
        /// On this port (`egress_port`).
        port: u16,
        /// As this frame.
        bytes: Vec<u8>,
        /// The metadata at the end.
        metadata: PrimaryMap<MetaId, Bits>,
    },
    /// It is dropped.
    Drop {
        /// The number of the reason (`drop` metadata, see [`crate::reason_text`]).
        reason: u16,
        /// The metadata at the end.
        metadata: PrimaryMap<MetaId, Bits>,
    },
}

impl Outcome {
    /// The metadata at the end.
    pub fn metadata(&self) -> &PrimaryMap<MetaId, Bits> {
        match self {
            Self::Emit { metadata, .. } | Self::Drop { metadata, .. } => metadata,
        }
    }
    /// Port and bytes of a packet that leaves.
    pub fn emitted(&self) -> Option<(u16, &[u8])> {
        match self {
            Self::Emit { port, bytes, .. } => Some((*port, bytes)),
            Self::Drop { .. } => None,
        }
    }
}

/// The way of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Parser states entered, in order; a reparse appends to them.
    pub states: Vec<StateId>,
    /// Control nodes visited, in order.
    pub steps: Vec<Step>,
    /// The state that the packet read or wrote.
    pub touched: Touched,
}

/// A visit of a control node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node.
    pub node: NodeId,
    /// For a table: what the look-up gave.
    pub hit: Option<Hit>,
}

/// The result of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The table.
    pub table: TableId,
    /// The values of the keys.
    pub key: Vec<Bits>,
    /// The action that ran.
    pub action: ActionId,
    /// The entry; `None` on a miss, where the default ran.
    pub entry: Option<EntryRef>,
}

/// An entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryRef {
    /// The entry at this position of `Table::entries`.
    Static(u32),
    /// The flow entry with the key that was looked up.
    Flow,
}
