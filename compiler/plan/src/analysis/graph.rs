//! The control graph in topological order, with predecessors.

use std::collections::BTreeSet;
use trisect_ir::{Entity, NodeId, NodeKind, Program};

/// Order and edges of a program's control graph. Only nodes that the entry reaches count.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Reachable nodes, each before its successors.
    pub order: Vec<NodeId>,
    /// Successors by node index, each once, in order of first appearance.
    succs: Vec<Vec<NodeId>>,
    /// Predecessors by node index, each once.
    preds: Vec<Vec<NodeId>>,
    /// By node index: whether a path from the node ends in `Emit`.
    emits: Vec<bool>,
}

impl Graph {
    /// The graph of a verified program.
    pub fn new(program: &Program) -> Self {
        let count = program.control.nodes.len();
        let succs: Vec<Vec<NodeId>> = program
            .control
            .nodes
            .values()
            .map(|node| {
                let mut unique = Vec::new();
                for next in node.kind.successors() {
                    if !unique.contains(&next) {
                        unique.push(next);
                    }
                }
                unique
            })
            .collect();
        let order = topological(program.control.entry, &succs);
        let mut preds = vec![Vec::new(); count];
        for &node in &order {
            for next in &succs[node.index()] {
                preds[next.index()].push(node);
            }
        }
        let mut emits = vec![false; count];
        for &node in order.iter().rev() {
            emits[node.index()] = matches!(program.control.nodes[node].kind, NodeKind::Emit)
                || succs[node.index()].iter().any(|n| emits[n.index()]);
        }
        Self {
            order,
            succs,
            preds,
            emits,
        }
    }
    /// The nodes that may come next, each once.
    pub fn succs(&self, node: NodeId) -> &[NodeId] {
        &self.succs[node.index()]
    }
    /// The reachable nodes that may come just before.
    pub fn preds(&self, node: NodeId) -> &[NodeId] {
        &self.preds[node.index()]
    }
    /// Whether some path from the node ends in `Emit`.
    pub fn emits(&self, node: NodeId) -> bool {
        self.emits[node.index()]
    }
    /// The successors from which `Emit` can be reached.
    pub fn living_succs(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.succs(node).iter().copied().filter(|n| self.emits(*n))
    }
    /// All nodes that control may reach from `node`, without itself.
    pub fn descendants(&self, node: NodeId) -> BTreeSet<NodeId> {
        closure(self.succs(node), |n| self.succs(n))
    }
    /// All nodes from which control may reach `node`, without itself.
    pub fn ancestors(&self, node: NodeId) -> BTreeSet<NodeId> {
        closure(self.preds(node), |n| self.preds(n))
    }
    /// All edges, in topological order of their sources.
    pub fn edges(&self) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        self.order
            .iter()
            .flat_map(|&a| self.succs(a).iter().map(move |&b| (a, b)))
    }
    /// For each node (by index) the nearest node that every path from it to `Emit` passes, if there
    /// is one. Paths that end in `Drop` do not count.
    pub fn rejoin(&self) -> Vec<Option<NodeId>> {
        let count = self.succs.len();
        let mut position = vec![usize::MAX; count];
        for (i, node) in self.order.iter().enumerate() {
            position[node.index()] = i;
        }
        let mut post: Vec<Option<BTreeSet<usize>>> = vec![None; count];
        let mut rejoin = vec![None; count];
        for &node in self.order.iter().rev() {
            let common = self
                .living_succs(node)
                .filter_map(|n| post[n.index()].clone())
                .reduce(|a, b| a.intersection(&b).copied().collect());
            let mut own = common.unwrap_or_default();
            rejoin[node.index()] = own.first().map(|&i| self.order[i]);
            own.insert(position[node.index()]);
            if self.emits(node) {
                post[node.index()] = Some(own);
            }
        }
        rejoin
    }
}

fn closure<'a>(start: &[NodeId], next: impl Fn(NodeId) -> &'a [NodeId]) -> BTreeSet<NodeId> {
    let mut seen = BTreeSet::new();
    let mut work = start.to_vec();
    while let Some(node) = work.pop() {
        if seen.insert(node) {
            work.extend(next(node));
        }
    }
    seen
}

/// Depth-first, iterative, so that long chains do not exhaust the stack.
fn topological(entry: Option<NodeId>, succs: &[Vec<NodeId>]) -> Vec<NodeId> {
    let mut done = vec![false; succs.len()];
    let mut order = Vec::new();
    let mut stack: Vec<(NodeId, usize)> = Vec::new();
    if let Some(entry) = entry {
        done[entry.index()] = true;
        stack.push((entry, 0));
    }
    while let Some((node, at)) = stack.pop() {
        match succs[node.index()].get(at) {
            Some(&next) => {
                stack.push((node, at + 1));
                if !done[next.index()] {
                    done[next.index()] = true;
                    stack.push((next, 0));
                }
            }
            None => order.push(node),
        }
    }
    order.reverse();
    order
}
