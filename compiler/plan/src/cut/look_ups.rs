//! Look-ups in tables that packets fill: the more flows there are the dearer, and cheaper where a NIC numbers flows.

use super::problem::Problem;
use super::updates::applied;
use crate::facts::Facts;
use crate::machines::Machines;
use crate::merge::Merged;
use crate::pgraph::PGraph;
use crate::site::{ServerId, Site};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{Entity, NodeId, TableId};
use trisect_target::{Resources, Use, Verdict, resource};

/// What a NIC's numbers for flows change on its server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbered {
    /// By node that looks up a table for whose entries numbers stand, by class: cycles that it takes less.
    pub less: BTreeMap<NodeId, Vec<f64>>,
    /// Nodes at which packets that look up one of these tables on this server may come to it.
    pub reach: BTreeSet<NodeId>,
    /// By class: cycles of the host that such a packet takes more, for rules or without a number.
    pub visits: Vec<f64>,
    /// Cycles that every other packet takes more: none has a number.
    pub unnumbered: f64,
    /// What rules of flows take of the NIC.
    pub holds: Resources,
}

impl Numbered {
    /// Cycles of the host more for a packet of a class that comes to the server at a node.
    fn more(&self, node: NodeId, class: usize) -> f64 {
        match self
            .visits
            .get(class)
            .filter(|_| self.reach.contains(&node))
        {
            Some(cycles) => *cycles,
            None => self.unnumbered,
        }
    }
}

impl Problem {
    /// What numbers change on a server, if its NIC numbers flows.
    pub fn numbered(&self, server: ServerId) -> Option<&Numbered> {
        self.numbers.get(usize::from(server.0))?.as_ref()
    }
    /// Entries that a flow table is expected to have; `None` if nothing says how many flows there are.
    pub fn flow_entries(&self, table: TableId) -> Option<u64> {
        self.entries.get(&table).copied()
    }
    /// Cycles of a host that a node takes for a packet of a class; 0 where it cannot be.
    pub fn class_cycles(&self, node: NodeId, server: ServerId, class: usize) -> f64 {
        let used = self.used(node, Site::Host(server));
        let cycles = used.map_or(0.0, |used| used.cycles as f64);
        let numbered = self.numbered(server);
        let less = numbered.and_then(|n| n.less.get(&node)?.get(class));
        cycles - less.copied().unwrap_or(0.0)
    }
    /// The same for a packet as likely of a class as packets that reach the node are.
    pub fn mean_cycles(&self, node: NodeId, server: ServerId) -> f64 {
        self.mean(server, node, |class| self.class_cycles(node, server, class))
    }
    /// What something is for a packet as likely of a class as packets that reach the node are; without numbers, all
    /// classes are alike.
    fn mean(&self, server: ServerId, node: NodeId, of: impl Fn(usize) -> f64) -> f64 {
        if self.numbered(server).is_none() {
            return of(0);
        }
        let parts = self.class_parts(node).iter();
        parts.map(|(class, part)| part * of(*class)).sum()
    }
    /// Cycles of receiving and sending a packet of a class that comes to a server at a node.
    pub fn visit_cycles(&self, server: ServerId, node: NodeId, class: usize) -> f64 {
        let io = self.io_cycles[usize::from(server.0)];
        io + self.numbered(server).map_or(0.0, |n| n.more(node, class))
    }
    /// The same as likely of a class as packets that reach the node are.
    pub(super) fn mean_visit(&self, server: ServerId, node: NodeId) -> f64 {
        self.mean(server, node, |class| self.visit_cycles(server, node, class))
    }
    /// The same for the packet that takes the most: one without number.
    pub(super) fn longest_visit(&self, server: ServerId) -> f64 {
        let numbered = self.numbered(server);
        self.io_cycles[usize::from(server.0)] + numbered.map_or(0.0, |n| n.unnumbered)
    }
}

/// By table that packets fill: entries that it is expected to have, one for each flow whose packets look it up, if
/// something says how many there are.
pub(super) fn entries(
    facts: &Facts,
    graph: &PGraph,
    class_parts: &[Vec<(usize, f64)>],
) -> BTreeMap<TableId, u64> {
    let mut classes: BTreeMap<TableId, BTreeSet<usize>> = BTreeMap::new();
    for node in facts.sited() {
        if let Some(table) = applied(facts.program, node)
            && facts.program.tables[table].flow.is_some()
        {
            let of_node = class_parts[node.index()].iter().map(|(class, _)| *class);
            classes.entry(table).or_default().extend(of_node);
        }
    }
    let entries = classes.into_iter().filter_map(|(table, classes)| {
        let flows = classes.into_iter().filter_map(|class| {
            let flows = graph.pipelines.get(class)?.flows?;
            Some(flows.at_once)
        });
        let all = flows.reduce(u64::saturating_add)?;
        Some((table, all.min(u64::from(facts.program.tables[table].size))))
    });
    entries.collect()
}

/// Puts look-ups among so many entries in the place of those in the cache, or of those among as many as there were when
/// their cycles were measured.
pub(super) fn book(
    verdicts: &mut [BTreeMap<Site, Verdict>],
    facts: &Facts<'_>,
    merged: &Merged,
    machines: &Machines,
    entries: &BTreeMap<TableId, u64>,
) {
    for node in facts.sited() {
        let table = applied(facts.program, node);
        let Some((table, flows)) = table.and_then(|t| Some((t, *entries.get(&t)?))) else {
            continue;
        };
        let counted = merged.measured_entries.get(&table).copied().unwrap_or(0);
        for (site, verdict) in &mut verdicts[node.index()] {
            let look_up = |flows: u64| {
                let device = machines.device(*site)?;
                Some(device.flow_hints(facts.program, table, flows)?.look_up)
            };
            if let (Verdict::Able(Use { cycles, .. }), Some(among), Some(before)) =
                (verdict, look_up(flows), look_up(counted))
            {
                *cycles = (*cycles + among).saturating_sub(before);
            }
        }
    }
}

/// Budgets without what rules of flows hold.
pub(super) fn left(problem: &Problem) -> BTreeMap<Site, Resources> {
    let mut budgets = problem.budgets.clone();
    for (site, budget) in &mut budgets {
        let Site::Nic(server) = site else { continue };
        let Some(numbered) = problem.numbered(*server) else {
            continue;
        };
        for name in [resource::RULES, resource::INSERTIONS] {
            if let (Some(all), Some(held)) = (budget.get(name), numbered.holds.get(name)) {
                let rest = Resources::new().with(name, all.saturating_sub(held));
                *budget = std::mem::take(budget).overridden_by(&rest);
            }
        }
    }
    budgets
}
