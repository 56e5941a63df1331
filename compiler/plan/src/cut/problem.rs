//! The cut as a problem: groups of nodes that must share a site, the sites that each can have, what
//! it uses there, how often it runs.

use super::look_ups::{self, Numbered};
use super::updates;
use crate::error::PlanError;
use crate::facts::Facts;
use crate::legal;
use crate::machines::Machines;
use crate::merge::Merged;
use crate::pgraph::PGraph;
use crate::place::Placement;
use crate::site::{Assignment, ServerId, Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::analysis::levels;
use trisect_ir::{Entity, NodeId, NodeKind, TableId};
use trisect_target::{Refusal, Resources, Use, Verdict, resource};

/// Bytes in front of the original frame on a server link, without context.
const OUTER_BYTES: f64 = 22.0;
/// Up to so many groups times servers every group may be on any server; on larger racks each stays on the
/// server where its instance was placed.
const JOINT: usize = 400;

/// Nodes that must have the same site.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The nodes, in topological order.
    pub nodes: Vec<NodeId>,
    /// The sites that all of them can have. Never empty.
    pub sites: Vec<Site>,
    /// The server on which the instance was placed to which the first node belongs or next to which it
    /// stands.
    pub home: ServerId,
}

/// The problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The groups.
    pub groups: Vec<Group>,
    /// By node index: what each site that comes into question says. Empty for `Emit` and `Drop`.
    pub verdicts: Vec<BTreeMap<Site, Verdict>>,
    /// By node index: expected packets per second, as a part of all packets.
    pub frequency: Vec<f64>,
    /// Budgets of the devices.
    pub budgets: BTreeMap<Site, Resources>,
    /// Per server: host cycles that receiving and sending a packet takes.
    pub io_cycles: Vec<f64>,
    /// Offered packets per second.
    pub pps: f64,
    group_of: Vec<Option<usize>>,
    shares: BTreeMap<(NodeId, NodeId), f64>,
    /// By node index: the classes of its packets, with their parts.
    class_parts: Vec<Vec<(usize, f64)>>,
    /// By class: the node at which its packets begin.
    pub(super) starts: Vec<NodeId>,
    /// Tables that the control plane changes, and whether some changes come with packets.
    changing: (BTreeSet<TableId>, bool),
    /// By table that packets fill: expected entries.
    pub(super) entries: BTreeMap<TableId, u64>,
    /// By server: what its NIC's numbers for flows change. Empty if no NIC numbers flows.
    pub(super) numbers: Vec<Option<Numbered>>,
}

/// What a cut costs, per packet that enters the rack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Host cycles in all.
    pub cycles: f64,
    /// Of these, cycles for receiving and sending.
    pub io: f64,
    /// Host cycles by server.
    pub by_server: Vec<f64>,
    /// Visits of servers.
    pub stays: f64,
    /// Visits by server.
    pub stays_by_server: Vec<f64>,
    /// Bytes of outer headers to servers, per packet.
    pub header_bytes: f64,
}

impl Problem {
    /// The problem of a merged program.
    ///
    /// # Errors
    /// A node or group that can run nowhere.
    pub fn new(
        facts: &Facts,
        merged: &Merged,
        placement: &Placement,
        machines: &Machines,
        graph: &PGraph,
    ) -> Result<Self, PlanError> {
        let leaders = leaders(facts);
        let groups: BTreeSet<usize> = facts.sited().map(|n| leaders[n.index()]).collect();
        let joint = groups.len() * machines.servers.len() <= JOINT;
        let mut verdicts = verdicts(facts, merged, placement, machines, joint);
        let frequency = frequency(facts, &merged.shares);
        let sites = machines.sites().into_iter();
        let budgets = sites
            .filter_map(|s| Some((s, machines.device(s)?.budget())))
            .collect();
        updates::book(&mut verdicts, facts, merged, &frequency, &budgets);
        let class_parts = class_parts(facts, merged, graph);
        let entries = look_ups::entries(facts, graph, &class_parts);
        look_ups::book(&mut verdicts, facts, merged, machines, &entries);
        let mut problem = Self {
            groups: Vec::new(),
            frequency,
            budgets,
            io_cycles: machines
                .servers
                .iter()
                .map(|s| s.io_cycles as f64)
                .collect(),
            pps: merged.pps,
            group_of: vec![None; verdicts.len()],
            shares: merged.shares.clone(),
            class_parts,
            starts: merged.starts.clone(),
            changing: (
                merged.updates.keys().copied().collect(),
                merged.updates.values().any(|u| u.per_packet > 0.0),
            ),
            entries,
            numbers: Vec::new(),
            verdicts,
        };
        let mut number: BTreeMap<usize, usize> = BTreeMap::new();
        for node in facts.sited() {
            let next = problem.groups.len();
            let g = *number.entry(leaders[node.index()]).or_insert(next);
            if g == next {
                problem.groups.push(Group {
                    nodes: Vec::new(),
                    sites: Vec::new(),
                    home: home(merged, placement, node),
                });
            }
            problem.groups[g].nodes.push(node);
            problem.group_of[node.index()] = Some(g);
        }
        for g in 0..problem.groups.len() {
            problem.groups[g].sites =
                problem.sites_of(facts, machines, &problem.groups[g].nodes)?;
        }
        Ok(problem)
    }

    /// The same problem with these servers' flows numbered.
    pub(super) fn with_numbers(&self, numbers: Vec<Option<Numbered>>) -> Self {
        Self {
            numbers,
            ..self.clone()
        }
    }

    /// Sites at which all these nodes can run.
    fn sites_of(
        &self,
        facts: &Facts,
        machines: &Machines,
        nodes: &[NodeId],
    ) -> Result<Vec<Site>, PlanError> {
        let mut sites: Option<Vec<Site>> = None;
        for node in nodes {
            let able: Vec<Site> = self.verdicts[node.index()]
                .iter()
                .filter(|(_, v)| v.able().is_some())
                .map(|(s, _)| *s)
                .collect();
            let common = match sites {
                None => able,
                Some(sites) => sites.into_iter().filter(|s| able.contains(s)).collect(),
            };
            if common.is_empty() {
                return Err(PlanError::NowhereToRun {
                    node: facts.program.control.nodes[*node].name.clone(),
                    reasons: self.verdicts[node.index()]
                        .iter()
                        .map(|(site, verdict)| match verdict {
                            Verdict::Able(_) => format!(
                                "{}: another node with which it shares state cannot",
                                machines.name(*site)
                            ),
                            Verdict::Unable(why) => format!(
                                "{}: {}",
                                machines.name(*site),
                                why.iter()
                                    .map(Refusal::to_string)
                                    .collect::<Vec<_>>()
                                    .join(", ")
                            ),
                        })
                        .collect(),
                });
            }
            sites = Some(common);
        }
        Ok(sites.unwrap_or_default())
    }

    /// The group of a node; `None` for `Emit` and `Drop`.
    pub fn group_of(&self, node: NodeId) -> Option<usize> {
        self.group_of.get(node.index()).copied().flatten()
    }
    /// The expected part of all packets that take an edge.
    pub fn edge_frequency(&self, facts: &Facts, from: NodeId, to: NodeId) -> f64 {
        self.frequency[from.index()] * share(facts, &self.shares, from, to)
    }
    /// What a node uses at a site where it is able to run.
    pub fn used(&self, node: NodeId, site: Site) -> Option<&Use> {
        self.verdicts[node.index()].get(&site)?.able()
    }
    /// What a group uses at a site. On the switch and on hosts a table is there once, however many
    /// nodes apply it; a NIC has rules of their own for each.
    pub fn group_use(&self, facts: &Facts, group: usize, site: Site) -> Resources {
        let mut sum = Resources::new();
        let mut counted = BTreeSet::new();
        for &node in &self.groups[group].nodes {
            let Some(used) = self.used(node, site) else {
                continue;
            };
            let applied = match &facts.program.control.nodes[node].kind {
                NodeKind::Apply(table, _) => Some(*table),
                _ => None,
            };
            let again = applied.is_some_and(|table| !counted.insert(table));
            if again && !matches!(site, Site::Nic(_)) {
                continue;
            }
            sum.add(&used.resources);
        }
        sum
    }
    /// The largest part of any budget that a group uses at a site, in millionths.
    pub fn weight(&self, group: usize, site: Site) -> u64 {
        let Some(budget) = self.budgets.get(&site) else {
            return 0;
        };
        let nodes = &self.groups[group].nodes;
        let parts = nodes
            .iter()
            .filter_map(|n| self.used(*n, site))
            .flat_map(|used| {
                used.resources.iter().map(|(name, amount)| {
                    let available = budget.get(name).unwrap_or(u64::MAX).max(1);
                    (u128::from(amount) * 1_000_000 / u128::from(available)) as u64
                })
            });
        parts.max().unwrap_or(0)
    }
    /// The nodes of a group that apply a table which the control plane changes.
    pub(super) fn changing<'a>(
        &'a self,
        facts: &'a Facts,
        group: usize,
    ) -> impl Iterator<Item = NodeId> + 'a {
        let nodes = self.groups[group].nodes.iter().copied();
        nodes.filter(|n| {
            let table = updates::applied(facts.program, *n);
            table.is_some_and(|table| self.changing.0.contains(&table))
        })
    }
    /// Whether some changes of tables come with packets, so that there are more of them with more traffic.
    pub(crate) fn changes_grow(&self) -> bool {
        self.changing.1
    }
    /// The classes (pipelines, by position) of the packets that reach a node, with their parts; in sum 1.
    pub fn class_parts(&self, node: NodeId) -> &[(usize, f64)] {
        self.class_parts
            .get(node.index())
            .map_or(&[], Vec::as_slice)
    }
    /// The expected part of a node's packets that take an edge.
    pub fn edge_share(&self, facts: &Facts, from: NodeId, to: NodeId) -> f64 {
        share(facts, &self.shares, from, to)
    }
    /// The assignment of a choice of site per group.
    pub fn assignment(&self, sites: &[Site]) -> Assignment {
        let mut assignment = Assignment::all(self.group_of.len(), Site::Switch);
        for (group, site) in self.groups.iter().zip(sites) {
            for node in &group.nodes {
                assignment.set(*node, *site);
            }
        }
        assignment
    }
    /// What an assignment costs.
    pub fn cost(&self, facts: &Facts, assignment: &Assignment) -> Cost {
        let servers = self.io_cycles.len();
        let mut cost = Cost {
            by_server: vec![0.0; servers],
            stays_by_server: vec![0.0; servers],
            ..Cost::default()
        };
        for node in facts.sited() {
            let site = assignment.site(node);
            if let Site::Host(server) = site {
                let cycles = self.frequency[node.index()] * self.mean_cycles(node, server);
                cost.by_server[usize::from(server.0)] += cycles;
            }
        }
        let begin = |cost: &mut Cost, server: ServerId, to: NodeId, often: f64| {
            let s = usize::from(server.0);
            cost.stays += often;
            cost.stays_by_server[s] += often;
            let io = often * self.mean_visit(server, to);
            cost.by_server[s] += io;
            cost.io += io;
            cost.header_bytes += often * header_bytes(facts, to);
        };
        if let Some(entry) = facts.program.control.entry
            && !facts.is_terminal(entry)
            && let Some(server) = legal::stay(Site::Switch, assignment.site(entry))
        {
            begin(&mut cost, server, entry, 1.0);
        }
        for (a, b) in facts.graph.edges() {
            let often = self.edge_frequency(facts, a, b);
            let from = assignment.site(a);
            match (&facts.program.control.nodes[b].kind, from) {
                (NodeKind::Drop, Site::Nic(ServerId(s))) => {
                    // The host never sees it.
                    let s = usize::from(s);
                    cost.by_server[s] -= often * self.io_cycles[s];
                    cost.io -= often * self.io_cycles[s];
                }
                (NodeKind::Drop | NodeKind::Emit, _) => {}
                _ => {
                    if let Some(server) = legal::stay(from, assignment.site(b)) {
                        begin(&mut cost, server, b, often);
                    }
                }
            }
        }
        cost.cycles = cost.by_server.iter().sum();
        cost
    }
    /// What the nodes of an assignment, and numbers of flows, use on a device; stages as the longest chain.
    pub fn uses(&self, facts: &Facts, assignment: &Assignment, site: Site) -> Resources {
        let mut sum = Resources::new();
        for (g, group) in self.groups.iter().enumerate() {
            if group
                .nodes
                .first()
                .is_some_and(|n| assignment.site(*n) == site)
            {
                sum.add(&self.group_use(facts, g, site));
            }
        }
        if let Site::Nic(server) = site
            && let Some(numbered) = self.numbered(server)
        {
            sum.add(&numbered.holds);
        }
        if sum.get(resource::STAGES).is_some() {
            let (_, stages) = self.longest_chain(facts, assignment);
            sum = sum.overridden_by(&Resources::new().with(resource::STAGES, stages));
        }
        sum
    }
    /// The chain of dependent nodes on the switch that takes the most stages, and how many.
    pub(crate) fn longest_chain(
        &self,
        facts: &Facts,
        assignment: &Assignment,
    ) -> (Vec<NodeId>, u64) {
        let takes = |node: NodeId| {
            if facts.is_terminal(node) || assignment.site(node) != Site::Switch {
                return None;
            }
            let used = self.used(node, Site::Switch)?;
            Some(used.resources.get(resource::STAGES).unwrap_or(0))
        };
        let (stages, chain) = levels(facts.program, takes).deepest();
        (chain, stages)
    }
    /// A chain of dependent nodes that takes more than `most` stages: groups with their stages.
    pub(crate) fn too_long(
        &self,
        facts: &Facts,
        assignment: &Assignment,
        most: u64,
    ) -> Option<Vec<(usize, u64)>> {
        let (chain, sum) = self.longest_chain(facts, assignment);
        if sum <= most {
            return None;
        }
        let mut by_group: BTreeMap<usize, u64> = BTreeMap::new();
        for node in chain {
            let stages = self
                .used(node, Site::Switch)?
                .resources
                .get(resource::STAGES);
            *by_group.entry(self.group_of(node)?).or_default() += stages.unwrap_or(0);
        }
        Some(by_group.into_iter().collect())
    }
}

/// Bytes of the outer headers of packets that go on at a node on another device.
pub(crate) fn header_bytes(facts: &Facts, to: NodeId) -> f64 {
    let bits = facts.live_bits(to);
    OUTER_BYTES
        + match bits {
            0 => 0.0,
            1..=128 => 16.0,
            more => f64::from(4 + more.div_ceil(32) * 4),
        }
}

/// What every site says to every node, with the rules that hold for all devices of a kind.
fn verdicts(
    facts: &Facts,
    merged: &Merged,
    placement: &Placement,
    machines: &Machines,
    joint: bool,
) -> Vec<BTreeMap<Site, Verdict>> {
    let mut verdicts = vec![BTreeMap::new(); facts.effects.len()];
    for node in facts.sited() {
        let home = home(merged, placement, node);
        let near = |site: &Site| joint || site.server().is_none_or(|s| s == home);
        for site in machines.sites().into_iter().filter(near) {
            let Some(device) = machines.device(site) else {
                continue;
            };
            let reparse = matches!(facts.program.control.nodes[node].kind, NodeKind::Reparse(_));
            let verdict = if reparse && !matches!(site, Site::Host(_)) {
                Verdict::Unable(vec![Refusal {
                    code: trisect_ir::diag::Code(320),
                    operation: "parse the packet again".to_owned(),
                    capability: "only a host parses twice".to_owned(),
                    hint: "the crossing to the host parses again anyway".to_owned(),
                }])
            } else if site != Site::Switch && facts.gives_tag(node) {
                Verdict::Unable(vec![Refusal {
                    code: trisect_ir::diag::Code(321),
                    operation: "give packets their sampling tag".to_owned(),
                    capability: "they have it from where they enter the rack, which is the switch"
                        .to_owned(),
                    hint: String::new(),
                }])
            } else {
                device.check(facts.program, node)
            };
            verdicts[node.index()].insert(site, verdict);
        }
    }
    verdicts
}

/// The server of the instance to which a node belongs or next to which it stands.
fn home(merged: &Merged, placement: &Placement, node: NodeId) -> ServerId {
    let instance = merged.near[node.index()];
    let server = instance.and_then(|i| placement.get(i).copied());
    server.unwrap_or(ServerId(0))
}

/// By node index: the classes of the packets that reach it. What is behind the start of a pipeline is of its
/// class alone; before, a packet is of a class as likely as it goes there, and what goes to none is
/// taken to be of all in proportion to their load.
fn class_parts(facts: &Facts, merged: &Merged, graph: &PGraph) -> Vec<Vec<(usize, f64)>> {
    let classes = graph.pipelines.len();
    let mut parts: Vec<Vec<f64>> = vec![vec![0.0; classes]; facts.effects.len()];
    for &node in facts.graph.order.iter().rev() {
        let own = merged.starts.iter().position(|s| *s == node);
        if let Some(class) = own.filter(|_| !facts.is_terminal(node)) {
            parts[node.index()][class] = 1.0;
            continue;
        }
        for &next in facts.graph.succs(node) {
            let share = share(facts, &merged.shares, node, next);
            let behind = parts[next.index()].clone();
            for (part, of_next) in parts[node.index()].iter_mut().zip(behind) {
                *part += share * of_next;
            }
        }
    }
    for (class, start) in merged.starts.iter().enumerate() {
        if facts.is_terminal(*start) {
            continue;
        }
        for node in facts.graph.descendants(*start) {
            parts[node.index()] = (0..classes)
                .map(|c| f64::from(u8::from(c == class)))
                .collect();
        }
    }
    let all: f64 = graph.pipelines.iter().map(|p| p.pps).sum();
    for parts in &mut parts {
        let rest = 1.0 - parts.iter().sum::<f64>();
        for (part, pipeline) in parts.iter_mut().zip(&graph.pipelines) {
            let of_all = if all > 0.0 {
                pipeline.pps / all
            } else {
                1.0 / classes as f64
            };
            *part += rest * of_all;
        }
    }
    let some = |parts: Vec<f64>| {
        parts
            .into_iter()
            .enumerate()
            .filter(|(_, p)| *p > 1e-12)
            .collect()
    };
    parts.into_iter().map(some).collect()
}

/// By node index, a number that is the same for nodes which must share a site: users of one table
/// or object, and both ends of an edge on which the headers are not clean.
fn leaders(facts: &Facts) -> Vec<usize> {
    let mut leader: Vec<usize> = (0..facts.effects.len()).collect();
    let mut unite = |a: NodeId, b: NodeId| {
        let (from, to) = (leader[b.index()], leader[a.index()]);
        for l in &mut leader {
            if *l == from {
                *l = to;
            }
        }
    };
    for users in facts.shared.values() {
        for pair in users.windows(2) {
            unite(pair[0], pair[1]);
        }
    }
    for (a, b) in facts.graph.edges() {
        if !facts.clean.may_cross(facts.program, b) && !facts.is_terminal(b) {
            unite(a, b);
        }
    }
    leader
}

/// The part of a node's packets that take an edge: what the policy says; else, ways that only
/// drop are rare and the others equal.
fn share(facts: &Facts, shares: &BTreeMap<(NodeId, NodeId), f64>, from: NodeId, to: NodeId) -> f64 {
    const DROPPED: f64 = 0.05;
    if let Some(share) = shares.get(&(from, to)) {
        return *share;
    }
    let all = facts.graph.succs(from);
    let living = all.iter().filter(|n| facts.graph.emits(**n)).count() as f64;
    let dead = all.len() as f64 - living;
    if living == 0.0 {
        return 1.0 / dead.max(1.0);
    }
    let dropped = if dead == 0.0 { 0.0 } else { DROPPED };
    if facts.graph.emits(to) {
        (1.0 - dropped) / living
    } else {
        dropped / dead
    }
}

/// By node index: expected packets per second, as a part of all packets. `shares` says which part of a
/// node's packets take an edge, where that is known.
pub(crate) fn frequency(facts: &Facts, shares: &BTreeMap<(NodeId, NodeId), f64>) -> Vec<f64> {
    let mut frequency = vec![0.0; facts.effects.len()];
    if let Some(entry) = facts.program.control.entry {
        frequency[entry.index()] = 1.0;
    }
    for (a, b) in facts.graph.edges() {
        frequency[b.index()] += frequency[a.index()] * share(facts, shares, a, b);
    }
    frequency
}
