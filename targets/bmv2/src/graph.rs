//! The shape of the control graph: order, joins, dominators.

use std::collections::BTreeMap;

use trisect_ir::{NodeId, NodeKind, PrimaryMap, Program};

/// What structured code needs to know of an acyclic graph.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    /// All reachable nodes, every one before its successors.
    pub order: Vec<NodeId>,
    /// Nodes that several edges lead to, by the node that dominates them immediately, in order.
    joins: BTreeMap<NodeId, Vec<NodeId>>,
    is_join: PrimaryMap<NodeId, bool>,
}

impl Graph {
    pub(crate) fn new(program: &Program) -> Self {
        let nodes = &program.control.nodes;
        let order = topological(program);
        let mut position: PrimaryMap<NodeId, usize> = nodes.values().map(|_| usize::MAX).collect();
        for (at, node) in order.iter().enumerate() {
            position[*node] = at;
        }
        let mut incoming: PrimaryMap<NodeId, usize> = nodes.values().map(|_| 0).collect();
        let mut dominator: PrimaryMap<NodeId, Option<NodeId>> =
            nodes.values().map(|_| None).collect();
        for node in &order {
            for next in nodes[*node].kind.successors() {
                incoming[next] += 1;
                dominator[next] = Some(match dominator[next] {
                    None => *node,
                    Some(other) => common(&dominator, &position, other, *node),
                });
            }
        }
        // Emit and Drop are written wherever control gets there.
        let is_end = |node: NodeId| matches!(nodes[node].kind, NodeKind::Emit | NodeKind::Drop);
        let is_join: PrimaryMap<NodeId, bool> = nodes
            .keys()
            .map(|node| incoming[node] > 1 && !is_end(node))
            .collect();
        let mut joins: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for node in &order {
            if let Some(above) = dominator[*node].filter(|_| is_join[*node]) {
                joins.entry(above).or_default().push(*node);
            }
        }
        Self {
            order,
            joins,
            is_join,
        }
    }

    pub(crate) fn is_join(&self, node: NodeId) -> bool {
        self.is_join[node]
    }

    /// The joins that a node dominates immediately, in order.
    pub(crate) fn joins_below(&self, node: NodeId) -> &[NodeId] {
        self.joins.get(&node).map_or(&[], Vec::as_slice)
    }
}

fn common(
    dominator: &PrimaryMap<NodeId, Option<NodeId>>,
    position: &PrimaryMap<NodeId, usize>,
    a: NodeId,
    b: NodeId,
) -> NodeId {
    let (mut a, mut b) = (a, b);
    while a != b {
        let later = if position[a] > position[b] {
            &mut a
        } else {
            &mut b
        };
        match dominator[*later] {
            Some(above) => *later = above,
            None => return *later,
        }
    }
    a
}

/// Reverse postorder from the entry.
fn topological(program: &Program) -> Vec<NodeId> {
    let nodes = &program.control.nodes;
    let mut seen: PrimaryMap<NodeId, bool> = nodes.values().map(|_| false).collect();
    let mut order = Vec::new();
    let mut stack: Vec<(NodeId, Vec<NodeId>)> = Vec::new();
    if let Some(entry) = program.control.entry {
        seen[entry] = true;
        stack.push((entry, nodes[entry].kind.successors()));
    }
    while let Some((node, rest)) = stack.last_mut() {
        match rest.pop() {
            Some(next) if !seen[next] => {
                seen[next] = true;
                stack.push((next, nodes[next].kind.successors()));
            }
            Some(_) => {}
            None => {
                order.push(*node);
                stack.pop();
            }
        }
    }
    order.reverse();
    order
}
