//! What can be known about a program without running it. All of it is for verified programs.

mod clean;
mod effects;
pub mod graph;
mod identity;
mod invariance;
mod levels;
mod liveness;
mod owners;

pub use clean::{Cleanness, Headers, clean};
pub use effects::{Effects, node_effects, op_effects};
pub use identity::{NotIdentity, deparse_identity, parser_fields};
pub(crate) use identity::{emitted_at, extracts, ordered_from};
pub use invariance::{FlowInvariance, Variant, standard_flow_fields};
pub use levels::{Levels, dependencies, levels};
pub use liveness::{Live, Liveness, liveness};
pub use owners::direct_owners;

use crate::{NodeId, Program};

/// The nodes that control can get to, each before its successors.
pub fn topological(program: &Program) -> Vec<NodeId> {
    match program.control.entry {
        Some(entry) => graph::topological(entry, |n| program.control.nodes[n].kind.successors()),
        None => Vec::new(),
    }
}
