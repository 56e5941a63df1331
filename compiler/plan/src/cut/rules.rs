//! What the law asks of a cut, as linear rules over "group `g` is at site `s`":
//!
//! - a packet does not go from a host back to its NIC;
//! - what a NIC node reads is set on that NIC, since it cannot read live metadata;
//! - metadata that a NIC has set and that is wider than META does not leave it;
//! - a thing whose order of use matters, if on the switch, is met either before all visits or after
//!   one on every way;
//! - where packets of one flow may part on the switch, either no way behind it visits a server or
//!   all do;
//! - and, unless it is given up ([`forward_only`]), a packet that has left a server does not come back
//!   to it.

use super::model::number;
use super::problem::Problem;
use crate::analysis::Slot;
use crate::facts::Facts;
use crate::machines::Machines;
use crate::site::{ServerId, Site};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{MetaId, NodeId, NodeKind};
use trisect_optimise::{Row, Rules, Var};
use trisect_target::wire::META_BITS;

/// A sum of variables.
type Terms = Vec<(Var, f64)>;

/// The rules that always hold.
pub(crate) fn rules(facts: &Facts<'_>, problem: &Problem, machines: &Machines) -> Rules {
    let mut builder = Builder::new(facts, problem, machines, Rules::default());
    builder.no_way_back_to_nic();
    builder.nic_reads();
    builder.nic_carries();
    builder.histories();
    builder.reorder();
    builder.rules
}

/// These, and: once left, a server is not entered again.
pub(crate) fn forward_only(
    facts: &Facts<'_>,
    problem: &Problem,
    machines: &Machines,
    rules: Rules,
) -> Rules {
    let mut builder = Builder::new(facts, problem, machines, rules);
    builder.forward_only();
    builder.rules
}

struct Builder<'a, 'f> {
    facts: &'a Facts<'f>,
    problem: &'a Problem,
    servers: Vec<ServerId>,
    rules: Rules,
}

/// The sum times a factor.
fn times(terms: &Terms, factor: f64) -> Terms {
    terms.iter().map(|(v, f)| (*v, f * factor)).collect()
}

impl<'a, 'f> Builder<'a, 'f> {
    fn new(facts: &'a Facts<'f>, problem: &'a Problem, machines: &Machines, rules: Rules) -> Self {
        Self {
            facts,
            problem,
            servers: (0..machines.servers.len())
                .map(|s| ServerId(s as u16))
                .collect(),
            rules,
        }
    }
    fn row(&mut self, sums: &[&Terms], most: f64) {
        let terms: Terms = sums.iter().flat_map(|s| s.iter().copied()).collect();
        self.rules.rows.push(Row { terms, most });
    }
    fn helper(&mut self, binary: bool) -> Terms {
        vec![(self.rules.helper(binary), 1.0)]
    }
    fn may_be(&self, node: NodeId, site: Site) -> bool {
        let group = self.problem.group_of(node);
        group.is_some_and(|g| self.problem.groups[g].sites.contains(&site))
    }
    /// 1 if the node is at the site.
    fn at(&self, node: NodeId, site: Site) -> Terms {
        let group = self.problem.group_of(node);
        let there = group.filter(|_| self.may_be(node, site));
        there
            .map(|g| (Var::At(g, number(site)), 1.0))
            .into_iter()
            .collect()
    }
    /// 1 if the node is on the server, NIC or host.
    fn on(&self, node: NodeId, server: ServerId) -> Terms {
        let mut sum = self.at(node, Site::Nic(server));
        sum.extend(self.at(node, Site::Host(server)));
        sum
    }
    /// 1 if the node is on any server.
    fn off_switch(&self, node: NodeId) -> Terms {
        let servers = self.servers.iter();
        servers.flat_map(|s| self.on(node, *s)).collect()
    }
    fn together(&self, a: NodeId, b: NodeId) -> bool {
        self.problem.group_of(a) == self.problem.group_of(b)
    }
    /// Edges between nodes that have a site.
    fn edges(&self) -> Vec<(NodeId, NodeId)> {
        let edges = self.facts.graph.edges();
        edges
            .filter(|(a, b)| !self.facts.is_terminal(*b) && !self.together(*a, *b))
            .collect()
    }
    fn no_way_back_to_nic(&mut self) {
        for (a, b) in self.edges() {
            for server in self.servers.clone() {
                let host = self.at(a, Site::Host(server));
                let nic = self.at(b, Site::Nic(server));
                if !host.is_empty() && !nic.is_empty() {
                    self.row(&[&host, &nic], 1.0);
                }
            }
        }
    }
    fn forward_only(&mut self) {
        let edges: Vec<(NodeId, NodeId)> = self
            .facts
            .graph
            .edges()
            .filter(|(_, b)| !self.facts.is_terminal(*b))
            .collect();
        for server in self.servers.clone() {
            let mut left: BTreeMap<NodeId, Terms> = BTreeMap::new();
            for &(a, b) in &edges {
                let here = self.on(a, server);
                let before = left.get(&a).cloned();
                let may_leave = !self.together(a, b) && !here.is_empty();
                if before.is_none() && !may_leave {
                    continue;
                }
                let behind = match left.get(&b) {
                    Some(known) => known.clone(),
                    None => {
                        let new = self.helper(false);
                        left.insert(b, new.clone());
                        new
                    }
                };
                let there = self.on(b, server);
                if may_leave {
                    self.row(&[&here, &times(&there, -1.0), &times(&behind, -1.0)], 0.0);
                }
                if let Some(before) = before {
                    self.row(&[&before, &times(&behind, -1.0)], 0.0);
                    self.row(&[&there, &before], 1.0);
                }
            }
        }
    }
    fn nic_reads(&mut self) {
        let nodes: Vec<NodeId> = self.facts.sited().collect();
        for node in nodes {
            for server in self.servers.clone() {
                let nic = Site::Nic(server);
                if !self.may_be(node, nic) {
                    continue;
                }
                let mut readers = vec![node];
                readers.extend(self.facts.graph.succs(node).iter().copied().filter(|n| {
                    matches!(self.facts.program.control.nodes[*n].kind, NodeKind::Drop)
                }));
                for reader in readers {
                    self.nic_read(node, reader, nic);
                }
            }
        }
    }
    fn nic_read(&mut self, node: NodeId, reader: NodeId, nic: Site) {
        let metas: Vec<MetaId> = self.facts.metas_read(reader).collect();
        for meta in metas {
            if reader != node && self.facts.effects(node).kills.contains(&meta) {
                continue;
            }
            let writers: Vec<NodeId> = self
                .facts
                .graph
                .ancestors(node)
                .into_iter()
                .filter(|n| self.facts.effects(*n).writes.contains(&Slot::Meta(meta)))
                .collect();
            let here = self.at(node, nic);
            if writers.is_empty() && !self.facts.initial_known(meta) {
                self.row(&[&here], 0.0);
            }
            for writer in writers {
                let there = self.at(writer, nic);
                self.row(&[&here, &times(&there, -1.0)], 0.0);
            }
        }
    }
    fn nic_carries(&mut self) {
        let writers: Vec<NodeId> = self.facts.sited().collect();
        for writer in writers {
            let wide: Vec<MetaId> = self
                .facts
                .effects(writer)
                .writes
                .iter()
                .filter_map(|slot| match slot {
                    Slot::Meta(meta) if self.facts.program.metas[*meta].width > META_BITS => {
                        Some(*meta)
                    }
                    _ => None,
                })
                .collect();
            if wide.is_empty() {
                continue;
            }
            let mut from: Vec<NodeId> = self.facts.graph.descendants(writer).into_iter().collect();
            from.push(writer);
            for server in self.servers.clone() {
                let nic = Site::Nic(server);
                if self.may_be(writer, nic) {
                    self.leaves(writer, &wide, &from, nic);
                }
            }
        }
    }
    /// What `writer` sets on the NIC does not go from any of these nodes to one elsewhere.
    fn leaves(&mut self, writer: NodeId, wide: &[MetaId], from: &[NodeId], nic: Site) {
        for &a in from {
            if !self.may_be(a, nic) {
                continue;
            }
            for b in self.facts.graph.succs(a).to_vec() {
                let live = self.facts.live_in(b);
                if !wide.iter().any(|m| live.contains(m)) {
                    continue;
                }
                let (set, stays) = (self.at(writer, nic), times(&self.at(b, nic), -1.0));
                if a == writer {
                    self.row(&[&set, &stays], 0.0);
                } else {
                    let here = self.at(a, nic);
                    self.row(&[&set, &stays, &here], 1.0);
                }
            }
        }
    }
    fn histories(&mut self) {
        let mut groups: BTreeSet<usize> = BTreeSet::new();
        for (thing, users) in &self.facts.shared {
            if self.facts.order_matters(*thing) {
                groups.extend(users.iter().filter_map(|n| self.problem.group_of(*n)));
            }
        }
        groups.retain(|g| self.problem.groups[*g].sites.contains(&Site::Switch));
        if groups.is_empty() {
            return;
        }
        let visited = self.visited_on_all_ways();
        for g in groups {
            let here = vec![(Var::At(g, number(Site::Switch)), 1.0)];
            let after = self.helper(true);
            for node in self.problem.groups[g].nodes.clone() {
                match visited.get(&node) {
                    Some(v) => self.row(&[&after, &here, &times(v, -1.0)], 1.0),
                    None => self.row(&[&after, &here], 1.0),
                }
                for before in self.facts.graph.ancestors(node) {
                    let off = self.off_switch(before);
                    self.row(&[&off, &here, &times(&after, -1.0)], 1.0);
                }
            }
        }
    }
    /// Per node: at most 1 if every way to it visits a server, else at most 0.
    fn visited_on_all_ways(&mut self) -> BTreeMap<NodeId, Terms> {
        let mut visited: BTreeMap<NodeId, Terms> = BTreeMap::new();
        for node in self.facts.graph.order.clone() {
            if self.facts.program.control.entry == Some(node) {
                continue;
            }
            let v = self.helper(false);
            for before in self.facts.graph.preds(node).to_vec() {
                let mut bound = self.off_switch(before);
                bound.extend(visited.get(&before).into_iter().flatten().copied());
                self.row(&[&v, &times(&bound, -1.0)], 0.0);
            }
            visited.insert(node, v);
        }
        visited
    }
    fn reorder(&mut self) {
        let order = self.facts.graph.order.clone();
        let parting: Vec<NodeId> = order
            .iter()
            .copied()
            .filter(|n| self.facts.purity.splits_flows(*n))
            .filter(|n| self.may_be(*n, Site::Switch))
            .collect();
        for node in parting {
            self.parts_flows(node, &order);
        }
    }
    fn parts_flows(&mut self, node: NodeId, order: &[NodeId]) {
        let here = self.at(node, Site::Switch);
        let visit = self.helper(true);
        // `must`: every way from here on has to visit a server before it ends.
        let mut must: BTreeMap<NodeId, Terms> = BTreeMap::new();
        let behind = self.facts.graph.descendants(node);
        for &at in order.iter().filter(|n| **n == node || behind.contains(n)) {
            if self.facts.is_terminal(at) {
                continue;
            }
            let m = self.helper(false);
            let less = times(&m, -1.0);
            if at == node {
                self.row(&[&here, &visit, &less], 1.0);
            } else {
                let off = self.off_switch(at);
                self.row(&[&off, &here, &times(&visit, -1.0)], 1.0);
                for before in self.facts.graph.preds(at).to_vec() {
                    if let Some(earlier) = must.get(&before) {
                        let earlier = earlier.clone();
                        self.row(&[&earlier, &times(&off, -1.0), &less], 0.0);
                    }
                }
            }
            let ends = self
                .facts
                .graph
                .succs(at)
                .iter()
                .any(|n| matches!(self.facts.program.control.nodes[*n].kind, NodeKind::Emit));
            if ends {
                self.row(&[&m], 0.0);
            }
            must.insert(at, m);
        }
    }
}
