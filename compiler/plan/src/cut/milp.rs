//! The cut as a mixed integer program (good_lp, solved by microlp).
//!
//! Variables: `x[g, s]`, binary: group `g` is at site `s`; `z[e]` in 0..1: on edge `e` a visit of a
//! server begins. Objective: host cycles per packet, i.e. node cycles where a group is at a host,
//! plus what every visit costs, less what a NIC saves by dropping. Constraints:
//!
//! - each group has one site;
//! - what the groups at a site use fits its budget (stages: chains, added as they turn out too long);
//! - `z[e] >= x(target at server) - x(source at the same server)`; none begins from host to its NIC;
//! - forward only: a packet that has left a server does not come back to it;
//! - what a NIC node reads is set on that NIC, since it cannot read live metadata;
//! - metadata that a NIC has set and that is wider than META does not leave it;
//! - a thing whose order of use matters, if on the switch, is met either before all visits or after
//!   one on every way;
//! - where packets of one flow may part on the switch, either no way behind it visits a server or
//!   all do.

use super::{Problem, Restrictions};
use crate::analysis::Slot;
use crate::facts::Facts;
use crate::site::{ServerId, Site};
use good_lp::{
    Expression, ProblemVariables, ResolutionError, Solution as _, SolverModel, Variable,
    WithMipGap, WithTimeLimit, constraint, solvers::microlp::microlp, variable,
};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{NodeId, NodeKind};
use trisect_target::resource;
use trisect_target::wire::META_BITS;

/// Seconds after which the best solution so far is taken. A backstop: what is usual takes a few
/// hundredths.
const TIME_LIMIT: f64 = 20.0;
/// Relative gap at which a solution counts as optimal.
const GAP: f32 = 1e-4;

/// A solution.
pub(super) struct Solved {
    /// A site for each group.
    pub sites: Vec<Site>,
    /// No solution costs less, in host cycles per packet.
    pub bound: f64,
}

/// Solves the problem under restrictions.
pub(super) fn solve(
    facts: &Facts,
    problem: &Problem,
    restrictions: &Restrictions,
) -> Result<Solved, ResolutionError> {
    let mut model = Model {
        facts,
        problem,
        vars: ProblemVariables::new(),
        x: BTreeMap::new(),
        objective: Expression::default(),
        constraints: Vec::new(),
    };
    model.sites(restrictions);
    model.budgets();
    model.stays();
    if !restrictions.may_return {
        model.forward_only();
    }
    model.nic_reads();
    model.nic_carries();
    model.histories();
    model.reorder();
    model.learnt(restrictions);
    model.solve()
}

struct Model<'a, 'f> {
    facts: &'a Facts<'f>,
    problem: &'a Problem,
    vars: ProblemVariables,
    x: BTreeMap<(usize, Site), Variable>,
    objective: Expression,
    constraints: Vec<good_lp::Constraint>,
}

impl Model<'_, '_> {
    fn sites(&mut self, restrictions: &Restrictions) {
        for (g, group) in self.problem.groups.iter().enumerate() {
            let mut sum = Expression::default();
            for &site in &group.sites {
                if restrictions.never.contains(&(g, site)) {
                    continue;
                }
                let x = self.vars.add(variable().binary());
                self.x.insert((g, site), x);
                sum += x;
                let cycles: f64 = group
                    .nodes
                    .iter()
                    .map(|n| self.problem.node_cycles(*n, site))
                    .sum();
                self.objective += cycles * x;
            }
            self.constraints.push(constraint!(sum == 1.0));
        }
    }
    /// 1 if the node is at the site.
    fn at(&self, node: NodeId, site: Site) -> Expression {
        self.problem
            .group_of(node)
            .and_then(|g| self.x.get(&(g, site)))
            .map_or_else(Expression::default, |x| Expression::from(*x))
    }
    fn may_be(&self, node: NodeId, site: Site) -> bool {
        let group = self.problem.group_of(node);
        group.is_some_and(|g| self.x.contains_key(&(g, site)))
    }
    /// 1 if the node is on the server, NIC or host.
    fn on(&self, node: NodeId, server: ServerId) -> Expression {
        self.at(node, Site::Nic(server)) + self.at(node, Site::Host(server))
    }
    /// 1 if the node is on any server.
    fn off_switch(&self, node: NodeId) -> Expression {
        let mut sum = Expression::default();
        for server in self.servers_of(node) {
            sum += self.on(node, server);
        }
        sum
    }
    fn servers_of(&self, node: NodeId) -> Vec<ServerId> {
        let Some(g) = self.problem.group_of(node) else {
            return Vec::new();
        };
        let servers: BTreeSet<ServerId> = self.problem.groups[g]
            .sites
            .iter()
            .filter_map(|s| s.server())
            .collect();
        servers.into_iter().collect()
    }
    fn budgets(&mut self) {
        for (site, budget) in &self.problem.budgets {
            let uses: Vec<(usize, trisect_target::Resources)> = (0..self.problem.groups.len())
                .filter(|g| self.x.contains_key(&(*g, *site)))
                .map(|g| (g, self.problem.group_use(self.facts, g, *site)))
                .collect();
            for (name, available) in budget.iter().filter(|(n, _)| *n != resource::STAGES) {
                let mut sum = Expression::default();
                let mut total = 0.0;
                for (g, used) in &uses {
                    let amount = used.get(name).unwrap_or(0) as f64;
                    if amount > 0.0 {
                        // In parts of the budget, so that the numbers stay small.
                        sum += amount / (available.max(1) as f64) * self.x[&(*g, *site)];
                        total += amount;
                    }
                }
                if total > available as f64 {
                    self.constraints.push(constraint!(sum <= 1.0));
                }
            }
        }
    }
    /// Visits of servers, with their costs.
    fn stays(&mut self) {
        let entry = self.facts.program.control.entry;
        if let Some(entry) = entry {
            for server in self.servers_of(entry) {
                let cost = self.problem.stay_cycles(self.facts, entry, server);
                self.objective += cost * self.on(entry, server);
            }
        }
        let edges: Vec<(NodeId, NodeId)> = self.facts.graph.edges().collect();
        for (a, b) in edges {
            let often = self.problem.edge_frequency(self.facts, a, b);
            match self.facts.program.control.nodes[b].kind {
                NodeKind::Emit => continue,
                NodeKind::Drop => {
                    for server in self.servers_of(a) {
                        let io = self.problem.io_cycles[usize::from(server.0)];
                        let at_nic = self.at(a, Site::Nic(server));
                        self.objective -= often * io * at_nic;
                    }
                    continue;
                }
                _ => {}
            }
            if self.problem.group_of(a) == self.problem.group_of(b) {
                continue;
            }
            for server in self.servers_of(b) {
                let before = self.on(a, server);
                let behind = self.on(b, server);
                let cost = often * self.problem.stay_cycles(self.facts, b, server);
                let z = self.vars.add(variable().min(0.0).max(1.0));
                self.objective += cost * z;
                self.constraints.push(constraint!(z >= behind - before));
                let host = self.at(a, Site::Host(server));
                let nic = self.at(b, Site::Nic(server));
                self.constraints.push(constraint!(host + nic <= 1.0));
            }
        }
    }
    /// Per server: once left, not entered again.
    fn forward_only(&mut self) {
        let servers: BTreeSet<ServerId> = self
            .facts
            .sited()
            .flat_map(|n| self.servers_of(n))
            .collect();
        let edges: Vec<(NodeId, NodeId)> = self
            .facts
            .graph
            .edges()
            .filter(|(_, b)| !self.facts.is_terminal(*b))
            .collect();
        for server in servers {
            let mut left: BTreeMap<NodeId, Variable> = BTreeMap::new();
            for &(a, b) in &edges {
                let same = self.problem.group_of(a) == self.problem.group_of(b);
                let before = left.get(&a).copied();
                let may_leave = !same && self.servers_of(a).contains(&server);
                if before.is_none() && !may_leave {
                    continue;
                }
                let behind = match left.get(&b) {
                    Some(known) => *known,
                    None => {
                        let new = self.vars.add(variable().min(0.0).max(1.0));
                        left.insert(b, new);
                        new
                    }
                };
                let there = self.on(b, server);
                if may_leave {
                    let here = self.on(a, server);
                    self.constraints
                        .push(constraint!(behind >= here - there.clone()));
                }
                if let Some(before) = before {
                    self.constraints.push(constraint!(behind >= before));
                    self.constraints.push(constraint!(there + before <= 1.0));
                }
            }
        }
    }
    fn nic_reads(&mut self) {
        let nodes: Vec<NodeId> = self.facts.sited().collect();
        for node in nodes {
            for server in self.servers_of(node) {
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
        let metas: Vec<_> = self.facts.metas_read(reader).collect();
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
                self.constraints.push(constraint!(here.clone() <= 0.0));
            }
            for writer in writers {
                let there = self.at(writer, nic);
                self.constraints.push(constraint!(here.clone() <= there));
            }
        }
    }
    /// Metadata wider than META does not leave the NIC that has set it.
    fn nic_carries(&mut self) {
        let program = self.facts.program;
        let writers: Vec<NodeId> = self.facts.sited().collect();
        for writer in writers {
            let wide: Vec<_> = self
                .facts
                .effects(writer)
                .writes
                .iter()
                .filter_map(|slot| match slot {
                    Slot::Meta(meta) if program.metas[*meta].width > META_BITS => Some(*meta),
                    _ => None,
                })
                .collect();
            if wide.is_empty() {
                continue;
            }
            let mut from: Vec<NodeId> = self.facts.graph.descendants(writer).into_iter().collect();
            from.push(writer);
            for server in self.servers_of(writer) {
                let nic = Site::Nic(server);
                if !self.may_be(writer, nic) {
                    continue;
                }
                for &a in &from {
                    if !self.may_be(a, nic) {
                        continue;
                    }
                    for &b in self.facts.graph.succs(a) {
                        let live = self.facts.live_in(b);
                        if !wide.iter().any(|m| live.contains(m)) {
                            continue;
                        }
                        let mut sum = self.at(writer, nic) - self.at(b, nic);
                        if a != writer {
                            sum += self.at(a, nic);
                        }
                        let most = if a == writer { 0.0 } else { 1.0 };
                        self.constraints.push(constraint!(sum <= most));
                    }
                }
            }
        }
    }
    /// Things whose order of use matters, on the switch.
    fn histories(&mut self) {
        let mut groups: BTreeSet<usize> = BTreeSet::new();
        for (thing, users) in &self.facts.shared {
            if self.facts.order_matters(*thing) {
                groups.extend(users.iter().filter_map(|n| self.problem.group_of(*n)));
            }
        }
        groups.retain(|g| self.x.contains_key(&(*g, Site::Switch)));
        if groups.is_empty() {
            return;
        }
        let visited = self.visited_on_all_ways();
        for g in groups {
            let here = Expression::from(self.x[&(g, Site::Switch)]);
            let after = self.vars.add(variable().binary());
            for node in self.problem.groups[g].nodes.clone() {
                if let Some(v) = visited.get(&node) {
                    self.constraints
                        .push(constraint!(after + here.clone() <= *v + 1.0));
                } else {
                    self.constraints
                        .push(constraint!(after + here.clone() <= 1.0));
                }
                for before in self.facts.graph.ancestors(node) {
                    let off = self.off_switch(before);
                    self.constraints
                        .push(constraint!(off + here.clone() <= 1.0 + after));
                }
            }
        }
    }
    /// Per node: at most 1 if every way to it visits a server, else at most 0.
    fn visited_on_all_ways(&mut self) -> BTreeMap<NodeId, Variable> {
        let order = self.facts.graph.order.clone();
        let mut visited = BTreeMap::new();
        for node in order {
            if self.facts.program.control.entry == Some(node) {
                continue;
            }
            let v = self.vars.add(variable().min(0.0).max(1.0));
            for &before in self.facts.graph.preds(node) {
                let mut bound = self.off_switch(before);
                if let Some(earlier) = visited.get(&before) {
                    bound += *earlier;
                }
                self.constraints.push(constraint!(v <= bound));
            }
            visited.insert(node, v);
        }
        visited
    }
    /// Where packets of one flow may part on the switch.
    fn reorder(&mut self) {
        let order = self.facts.graph.order.clone();
        let parting: Vec<NodeId> = order
            .iter()
            .copied()
            .filter(|n| self.facts.purity.splits_flows(*n))
            .filter(|n| self.may_be(*n, Site::Switch))
            .collect();
        for node in parting {
            let here = self.at(node, Site::Switch);
            let visit = self.vars.add(variable().binary());
            // `must`: every way from here on has to visit a server before it ends.
            let mut must: BTreeMap<NodeId, Variable> = BTreeMap::new();
            let behind = self.facts.graph.descendants(node);
            for &at in order.iter().filter(|n| **n == node || behind.contains(n)) {
                if self.facts.is_terminal(at) {
                    continue;
                }
                let m = self.vars.add(variable().min(0.0).max(1.0));
                if at == node {
                    self.constraints
                        .push(constraint!(m >= here.clone() + visit - 1.0));
                } else {
                    let off = self.off_switch(at);
                    self.constraints
                        .push(constraint!(off.clone() + here.clone() <= 1.0 + visit));
                    for before in self.facts.graph.preds(at) {
                        if let Some(earlier) = must.get(before) {
                            self.constraints
                                .push(constraint!(m >= *earlier - off.clone()));
                        }
                    }
                }
                let ends =
                    self.facts.graph.succs(at).iter().any(|n| {
                        matches!(self.facts.program.control.nodes[*n].kind, NodeKind::Emit)
                    });
                if ends {
                    self.constraints.push(constraint!(m <= 0.0));
                }
                must.insert(at, m);
            }
        }
    }
    fn learnt(&mut self, restrictions: &Restrictions) {
        for never in &restrictions.never_again {
            let mut sum = Expression::default();
            for choice in &never.choices {
                if let Some(x) = self.x.get(choice) {
                    sum += *x;
                }
            }
            if let Some(x) = never.unless.and_then(|choice| self.x.get(&choice)) {
                sum -= *x;
            }
            let most = never.choices.len() as f64 - 1.0;
            self.constraints.push(constraint!(sum <= most));
        }
        for (chain, most) in &restrictions.chains {
            let mut sum = Expression::default();
            for (g, stages) in chain {
                if let Some(x) = self.x.get(&(*g, Site::Switch)) {
                    sum += *stages as f64 * *x;
                }
            }
            self.constraints.push(constraint!(sum <= *most as f64));
        }
    }
    fn solve(self) -> Result<Solved, ResolutionError> {
        let mut model = self.vars.minimise(self.objective.clone()).using(microlp);
        for constraint in self.constraints {
            model.add_constraint(constraint);
        }
        let solution = model
            .with_mip_gap(GAP)
            .map_err(|_| ResolutionError::Other("the solver takes no gap"))?
            .with_time_limit(TIME_LIMIT)
            .solve()?;
        let sites = self
            .problem
            .groups
            .iter()
            .enumerate()
            .map(|(g, group)| {
                let value = |s: &Site| self.x.get(&(g, *s)).map_or(0.0, |x| solution.value(*x));
                group
                    .sites
                    .iter()
                    .copied()
                    .max_by(|a, b| value(a).total_cmp(&value(b)))
                    .unwrap_or(Site::Switch)
            })
            .collect();
        let cost = solution.eval(&self.objective);
        Ok(Solved {
            sites,
            bound: cost * (1.0 - f64::from(GAP)),
        })
    }
}
