//! How deep a match-action pipeline must be.

use super::graph::reachable;
use super::{Effects, node_effects, topological};
use crate::{NodeId, NodeKind, PrimaryMap, Program};
use std::collections::BTreeSet;

/// Where each node stands in a pipeline of stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// The stage behind each node's last one, counted from 0. 0 for nodes that are not there.
    pub end: PrimaryMap<NodeId, u64>,
    /// The node because of which it cannot be earlier.
    pub after: PrimaryMap<NodeId, Option<NodeId>>,
}

impl Levels {
    /// The number of stages, and the chain of nodes that needs them, first to last.
    pub fn deepest(&self) -> (u64, Vec<NodeId>) {
        let mut last: Option<NodeId> = None;
        for (node, end) in self.end.iter() {
            if *end > last.map_or(0, |n| self.end[n]) {
                last = Some(node);
            }
        }
        let depth = last.map_or(0, |n| self.end[n]);
        let mut chain: Vec<NodeId> =
            std::iter::successors(last, |node| self.after[*node]).collect();
        chain.reverse();
        (depth, chain)
    }
}

/// Assigns stages by dependencies (see [`dependencies`]): `takes` tells how many stages a node takes,
/// `None` if it is not in this pipeline.
pub fn levels(program: &Program, takes: impl Fn(NodeId) -> Option<u64>) -> Levels {
    let nodes = &program.control.nodes;
    let mut levels = Levels {
        end: nodes.values().map(|_| 0).collect(),
        after: nodes.values().map(|_| None).collect(),
    };
    for (node, after) in dependencies(program, |node| takes(node).is_some()) {
        let mut start = (0, None);
        // Later ones first: of equal ends the nearest is named.
        for before in after.into_iter().rev() {
            let end = levels.end[before];
            if end > start.0 {
                start = (end, Some(before));
            }
        }
        levels.end[node] = start.0 + takes(node).unwrap_or(0);
        levels.after[node] = start.1;
    }
    levels
}

/// The nodes of a pipeline in topological order, each with those before it that must be done before it
/// begins (Jose et al., "Compiling Packet Programs to Reconfigurable Switches", NSDI 2015, section
/// 3). A node comes after those before it that write what it reads or writes, or use the same object or
/// table; what a condition reads must be there before any node behind the condition. That a
/// table's result decides whether a node runs costs nothing, as a stage can predicate.
pub fn dependencies(
    program: &Program,
    included: impl Fn(NodeId) -> bool,
) -> Vec<(NodeId, Vec<NodeId>)> {
    let nodes = &program.control.nodes;
    let here: Vec<(NodeId, Effects, BTreeSet<NodeId>)> = topological(program)
        .into_iter()
        .filter(|node| included(*node))
        .map(|node| {
            let behind = reachable(node, |n| nodes[n].kind.successors());
            (node, node_effects(program, node), behind)
        })
        .collect();
    let after = |i: usize| {
        let (node, effects, _) = &here[i];
        let earlier = here[..i].iter().filter(|(before, of_before, behind)| {
            let condition = matches!(nodes[*before].kind, NodeKind::Branch(..));
            (condition || of_before.precede(effects)) && behind.contains(node)
        });
        earlier.map(|(before, ..)| *before).collect()
    };
    (0..here.len()).map(|i| (here[i].0, after(i))).collect()
}

impl Effects {
    /// Whether something with these effects must be done before something with the later ones can
    /// be: it writes what the later one reads or writes, or both use one object or table.
    pub fn precede(&self, later: &Effects) -> bool {
        let meta = |set: &std::collections::BTreeSet<_>| !self.metas_written.is_disjoint(set);
        let field = |set: &std::collections::BTreeSet<_>| !self.fields_written.is_disjoint(set);
        let valid = |set: &std::collections::BTreeSet<_>| !self.validity_written.is_disjoint(set);
        meta(&later.metas_read)
            || meta(&later.metas_written)
            || field(&later.fields_read)
            || field(&later.fields_written)
            || valid(&later.validity_read)
            || valid(&later.validity_written)
            || !self.objects.is_disjoint(&later.objects)
            || (self.table.is_some() && self.table == later.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BinOp, Control, Expr, LValue, Node, Op};

    /// Nodes in a row; each writes metadata `to` from metadata `from`.
    fn row(copies: &[(u32, u32)], metas: u32) -> Program {
        let mut program = Program::new("row");
        let ids: Vec<_> = (0..metas)
            .map(|i| program.add_meta(format!("m{i}"), 8))
            .collect();
        let mut control = Control::default();
        for (i, (to, from)) in copies.iter().enumerate() {
            let op = Op::Set(
                LValue::meta(ids[*to as usize]),
                Expr::binary(BinOp::Add, Expr::Meta(ids[*from as usize]), Expr::num(8, 1)),
            );
            control.nodes.push(Node {
                name: format!("n{i}"),
                nf: String::new(),
                kind: NodeKind::Exec(vec![op], NodeId(i as u32 + 1)),
            });
        }
        control.nodes.push(Node {
            name: "emit".into(),
            nf: String::new(),
            kind: NodeKind::Emit,
        });
        control.entry = Some(NodeId(0));
        program.control = control;
        program
    }

    fn depth(program: &Program) -> (u64, Vec<NodeId>) {
        let exec = |n: NodeId| matches!(program.control.nodes[n].kind, NodeKind::Exec(..));
        levels(program, |n| exec(n).then_some(1)).deepest()
    }

    #[test]
    fn independent_nodes_share_a_stage_and_dependent_ones_do_not() {
        assert_eq!(depth(&row(&[(0, 1), (2, 3)], 4)).0, 1);
        let (stages, chain) = depth(&row(&[(1, 0), (3, 4), (2, 1)], 5));
        assert_eq!(stages, 2);
        assert_eq!(chain, [NodeId(0), NodeId(2)]);
        // What is only read first may be overwritten in the same stage.
        assert_eq!(depth(&row(&[(1, 0), (0, 2)], 3)).0, 1);
    }
}
