//! Live metadata: what a later node may read, and so must travel over a cut.

use super::{Effects, Graph, Slot};
use std::collections::BTreeSet;
use trisect_ir::{Entity, MetaId, NodeId, StdMeta};

/// Live metadata by node.
#[derive(Clone, Debug)]
pub struct Liveness {
    live_in: Vec<BTreeSet<MetaId>>,
}

impl Liveness {
    /// Backward over the graph; `effects` by node index.
    pub fn new(graph: &Graph, effects: &[Effects]) -> Self {
        let mut live_in = vec![BTreeSet::new(); effects.len()];
        for &node in graph.order.iter().rev() {
            let own = &effects[node.index()];
            let mut live: BTreeSet<MetaId> = graph
                .succs(node)
                .iter()
                .flat_map(|n| live_in[n.index()].iter().copied())
                .collect();
            live.retain(|meta| !own.kills.contains(meta));
            live.extend(own.reads.iter().filter_map(|slot| match slot {
                Slot::Meta(meta) => Some(*meta),
                _ => None,
            }));
            // A crossing parses again, which sets it to the same value.
            live.remove(&StdMeta::ParserError.id());
            live_in[node.index()] = live;
        }
        Self { live_in }
    }
    /// Metadata whose value at the node's entry may still be read, in order of ids. Without
    /// `parser_error`, which every parse sets anew.
    pub fn live_in(&self, node: NodeId) -> &BTreeSet<MetaId> {
        &self.live_in[node.index()]
    }
}
