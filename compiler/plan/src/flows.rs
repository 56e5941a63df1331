//! Numbers for flows: where a NIC tells its host which entries of flow tables a packet's flow has had.
//!
//! The host owns the tables, and every packet goes to it; a number only shortens look-ups (see the book's chapter on the
//! cut). So this is decided when the cut is made, from what that leaves of the NIC's rules and insertions, and makes no plan
//! worse: where it is no gain, or nothing says how many flows there are, there are no numbers. What it gains is not in
//! the plan's prediction.

use crate::analysis::Slot;
use crate::analysis::flow_fields;
use crate::cut::{Problem, Solution};
use crate::facts::Facts;
use crate::machines::Machines;
use crate::pgraph::PGraph;
use crate::site::{ServerId, Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trisect_ir::{Entity, NodeId, NodeKind, StdMeta, TableId};
use trisect_policy::policy::Flows;
use trisect_target::{FlowNumbers, HINTED_TABLES, HintCycles, Refusal, resource};

/// Packets of a flow before those with a number: the first adds its entries, the second finds them.
const BEFORE: f64 = 2.0;
/// Changes of a NIC's rules per flow: a rule is inserted, and later removed.
const CHANGES: f64 = 2.0;

/// The flow tables of a server's host, and what its NIC does for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerFlows {
    /// The server.
    pub server: ServerId,
    /// Its host's name.
    pub host: String,
    /// Its NIC's name.
    pub nic: String,
    /// The tables, in the order in which numbers stand for them.
    pub tables: Vec<TableFlows>,
    /// Whether flows have numbers.
    pub numbers: Numbers,
}

/// A flow table of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableFlows {
    /// Its name.
    pub table: String,
    /// Expected entries.
    pub entries: u64,
    /// Cycles of a look-up.
    pub look_up: u64,
    /// Cycles of one by the flow's number.
    pub hinted: u64,
    /// Why numbers do not stand for its entries, if they would not although flows have numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// Why numbers do not stand for the entries of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOut {
    /// A packet's entry is not that of the packet before in its flow.
    KeyChanges,
    /// A look-up is as cheap.
    NoGain,
    /// A number stands for so many tables only.
    TooMany,
}

/// Whether, and to which effect, a NIC numbers the flows of its host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbers {
    /// It does.
    Yes(Gain),
    /// Nothing says how many flows there are.
    Unknown,
    /// The NIC cannot.
    Unable(Refusal),
    /// It would be no gain.
    NoGain(Gain),
}

/// What numbers are expected to do at the offered load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gain {
    /// Rules that all flows would take at a time.
    pub wanted_rules: u64,
    /// Rules that are set aside.
    pub rules: u64,
    /// Changes of rules per second that all flows would take.
    pub wanted_changes: f64,
    /// Changes of rules per second that the NIC has left; `None`: not known, or no limit.
    pub changes: Option<f64>,
    /// The part of the host's packets that come with a number.
    pub numbered: f64,
    /// Host cycles per packet of the rack that look-ups take less.
    pub saved: f64,
    /// Host cycles per packet of the rack that rules, and packets without a number, take more.
    pub spent: f64,
}

/// What is decided for all servers whose hosts have flow tables.
pub(crate) fn flows(
    facts: &Facts,
    problem: &Problem,
    machines: &Machines,
    graph: &PGraph,
    solution: &Solution,
) -> Vec<ServerFlows> {
    let servers = (0..machines.servers.len()).map(|s| ServerId(s as u16));
    let context = Context {
        facts,
        problem,
        machines,
        graph,
        solution,
    };
    servers.filter_map(|s| context.server(s)).collect()
}

struct Context<'a, 'f> {
    facts: &'a Facts<'f>,
    problem: &'a Problem,
    machines: &'a Machines,
    graph: &'a PGraph,
    solution: &'a Solution,
}

/// A flow table with its nodes.
struct Used {
    table: TableId,
    nodes: Vec<NodeId>,
    cycles: HintCycles,
}

impl Context<'_, '_> {
    fn server(&self, server: ServerId) -> Option<ServerFlows> {
        let (host, nic) = (Site::Host(server), Site::Nic(server));
        let used = self.tables(host);
        if used.is_empty() {
            return None;
        }
        let mut tables: Vec<TableFlows> = used.iter().map(|used| self.listed(used)).collect();
        let piece = self.solution.pieces.at(nic);
        let numbers = match self.machines.device(nic)?.flow_numbers(piece)? {
            _ if self.graph.pipelines.iter().all(|p| p.flows.is_none()) => Numbers::Unknown,
            Err(refusal) => Numbers::Unable(refusal),
            Ok(room) => {
                let taken = leave_out(&mut tables);
                let used: Vec<&Used> = taken.iter().filter_map(|at| used.get(*at)).collect();
                let gain = self.gain(server, &used, room);
                match gain.saved > gain.spent {
                    true => Numbers::Yes(gain),
                    false => Numbers::NoGain(gain),
                }
            }
        };
        Some(ServerFlows {
            server,
            host: self.machines.name(host),
            nic: self.machines.name(nic),
            tables,
            numbers,
        })
    }

    /// The flow tables that a host looks up, with what numbers are worth to it.
    fn tables(&self, host: Site) -> Vec<Used> {
        let program = self.facts.program;
        let mut by_table: BTreeMap<TableId, Vec<NodeId>> = BTreeMap::new();
        for node in self.facts.sited() {
            if let NodeKind::Apply(table, _) = program.control.nodes[node].kind
                && self.solution.assignment.site(node) == host
                && program.tables[table].flow.is_some()
            {
                by_table.entry(table).or_default().push(node);
            }
        }
        let used = by_table.into_iter().filter_map(|(table, nodes)| {
            let entries = self.entries(table, &nodes);
            let device = self.machines.device(host)?;
            let cycles = device.flow_hints(program, table, entries)?;
            Some(Used {
                table,
                nodes,
                cycles,
            })
        });
        used.collect()
    }

    fn listed(&self, used: &Used) -> TableFlows {
        let gains = used.cycles.hinted < used.cycles.look_up;
        TableFlows {
            table: self.facts.program.tables[used.table].name.clone(),
            entries: self.entries(used.table, &used.nodes),
            look_up: used.cycles.look_up,
            hinted: used.cycles.hinted,
            left_out: match (self.key_changes(used.table), gains) {
                (true, _) => Some(LeftOut::KeyChanges),
                (_, false) => Some(LeftOut::NoGain),
                (false, true) => None,
            },
        }
    }

    /// What a class's flows are, if the policy says so.
    fn class(&self, class: usize) -> Option<Flows> {
        self.graph.pipelines.get(class)?.flows
    }

    /// Entries that a table is expected to have: one for each flow whose packets look it up.
    fn entries(&self, table: TableId, nodes: &[NodeId]) -> u64 {
        let parts = nodes
            .iter()
            .flat_map(|node| self.problem.class_parts(*node));
        let classes: BTreeSet<usize> = parts.map(|(class, _)| *class).collect();
        let flows = classes.into_iter().filter_map(|class| self.class(class));
        let all: u64 = flows.map(|flows| flows.at_once).sum();
        all.min(u64::from(self.facts.program.tables[table].size))
    }

    /// Whether its key has what differs between packets of one flow, as far as its expressions say.
    fn key_changes(&self, table: TableId) -> bool {
        let program = self.facts.program;
        let fields = flow_fields(program);
        let own = [StdMeta::Timestamp.id(), StdMeta::PacketLength.id()];
        let mut slots = program.tables[table]
            .exprs()
            .flat_map(|e| crate::analysis::Effects::of_expr(program, e));
        slots.any(|slot| match slot {
            Slot::Meta(meta) => own.contains(&meta),
            Slot::Frame => true,
            Slot::Field(_) => {
                let written = self.facts.effects.iter().any(|e| e.writes.contains(&slot));
                !written && !fields.contains(&slot)
            }
            Slot::Valid(_) => false,
        })
    }

    fn gain(&self, server: ServerId, used: &[&Used], room: FlowNumbers) -> Gain {
        let Some(first) = used.first() else {
            return Gain::default();
        };
        let pps = self.problem.pps.max(1.0);
        let (entering, all) = self.entering(server, used);
        let (mut rules, mut begin) = (0.0, 0.0);
        for (class, of_class) in &entering {
            if let Some(flows) = self.class(*class) {
                // Of a class whose packets come in part, so do its flows; of one whose packets come twice, each twice.
                let offered = self.graph.pipelines[*class].pps / pps;
                let times = if offered > 0.0 {
                    of_class / offered
                } else {
                    0.0
                };
                rules += flows.at_once as f64 * times;
                begin += of_class * pps / flows.packets as f64;
            }
        }
        let budget = self
            .problem
            .uses(self.facts, &self.solution.assignment, Site::Nic(server));
        let booked = budget.get(resource::INSERTIONS).unwrap_or(0);
        let changes = room.per_second.map(|n| n.saturating_sub(booked) as f64);
        let wanted_changes = begin * CHANGES;
        let part = |have: f64, wanted: f64| if wanted > have { have / wanted } else { 1.0 };
        let served =
            part(room.flows as f64, rules) * changes.map_or(1.0, |c| part(c, wanted_changes));
        let numbered_of = |class: usize| {
            let flows = self.class(class);
            flows.map_or(0.0, |f| served * (1.0 - BEFORE / f.packets as f64).max(0.0))
        };
        let mut saved = 0.0;
        for table in used {
            let less = (table.cycles.look_up - table.cycles.hinted) as f64;
            for node in &table.nodes {
                let often = self.problem.frequency[node.index()];
                let parts = self.problem.class_parts(*node).iter();
                let numbered: f64 = parts.map(|(class, part)| part * numbered_of(*class)).sum();
                saved += often * numbered * less;
            }
        }
        let numbered: f64 = entering
            .iter()
            .map(|(c, of_class)| of_class * numbered_of(*c))
            .sum();
        let without = (all - numbered).max(0.0) * first.cycles.unnumbered as f64;
        Gain {
            wanted_rules: rules.ceil() as u64,
            rules: (rules.ceil() as u64).min(room.flows),
            wanted_changes,
            changes,
            numbered: if all > 0.0 { numbered / all } else { 0.0 },
            saved,
            spent: without + served * begin / pps * first.cycles.insertion as f64,
        }
    }

    /// By class, packets that come to a server and may look such a table up there, and all that come, as parts of
    /// the rack's.
    fn entering(&self, server: ServerId, used: &[&Used]) -> (BTreeMap<usize, f64>, f64) {
        let tables: BTreeSet<NodeId> = used.iter().flat_map(|u| u.nodes.iter().copied()).collect();
        let on = |node: NodeId| self.solution.assignment.site(node).server() == Some(server);
        let (mut by_class, mut all) = (BTreeMap::new(), 0.0);
        for continuation in &self.solution.pieces.continuations {
            let node = continuation.node;
            if continuation.site.server() != Some(server) {
                continue;
            }
            let from = self
                .facts
                .graph
                .preds(node)
                .iter()
                .filter(|from| !on(**from));
            let mut often: f64 = from
                .map(|from| self.problem.edge_frequency(self.facts, *from, node))
                .sum();
            if self.facts.program.control.entry == Some(node) {
                often += 1.0;
            }
            all += often;
            if !self.reaches(node, &tables, &on) {
                continue;
            }
            for (class, part) in self.problem.class_parts(node) {
                *by_class.entry(*class).or_default() += often * part;
            }
        }
        (by_class, all)
    }

    /// Whether a node leads to one of these without leaving the nodes that are `on` the same server.
    fn reaches(
        &self,
        from: NodeId,
        wanted: &BTreeSet<NodeId>,
        on: &impl Fn(NodeId) -> bool,
    ) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(node) = open.pop() {
            if !on(node) || self.facts.is_terminal(node) || !seen.insert(node) {
                continue;
            }
            if wanted.contains(&node) {
                return true;
            }
            open.extend(self.facts.graph.succs(node));
        }
        false
    }
}

/// Puts the tables with the largest gain per look-up in front, as many as numbers can stand for; gives the old places
/// of those.
fn leave_out(tables: &mut [TableFlows]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tables.len()).collect();
    let gain = |t: &TableFlows| match t.left_out {
        None => t.look_up.saturating_sub(t.hinted),
        Some(_) => 0,
    };
    order.sort_by_key(|at| std::cmp::Reverse(gain(&tables[*at])));
    let mut sorted: Vec<TableFlows> = order.iter().map(|at| tables[*at].clone()).collect();
    let able = sorted.iter().filter(|t| t.left_out.is_none()).count();
    for table in sorted.iter_mut().take(able).skip(HINTED_TABLES) {
        table.left_out = Some(LeftOut::TooMany);
    }
    tables.clone_from_slice(&sorted);
    order.truncate(able.min(HINTED_TABLES));
    order
}

impl ServerFlows {
    /// Rules that the NIC's driver may insert for flows; `None` if it inserts none.
    pub fn rules(&self) -> Option<u32> {
        match &self.numbers {
            Numbers::Yes(gain) => Some(u32::try_from(gain.rules).unwrap_or(u32::MAX)),
            _ => None,
        }
    }
    /// The tables for whose entries numbers stand.
    pub fn hinted(&self) -> Vec<String> {
        let tables = self.tables.iter().filter(|t| t.left_out.is_none());
        tables.map(|t| t.table.clone()).collect()
    }
    /// Why a table is looked up as it is: one line.
    fn line(&self, table: &TableFlows) -> String {
        let TableFlows {
            table: name,
            entries,
            look_up,
            hinted,
            ..
        } = table;
        let (host, nic) = (&self.host, &self.nic);
        let why = match (&self.numbers, table.left_out) {
            (Numbers::Unknown, _) => {
                "nothing says how many flows there are; `flows 100000 of 40 packets` behind a class does".to_owned()
            }
            (Numbers::Unable(refusal), _) => refusal.to_string(),
            (_, Some(LeftOut::KeyChanges)) => "its key differs between packets of one flow".to_owned(),
            (_, Some(LeftOut::NoGain)) => {
                format!("a look-up among {entries} entries takes an estimated {look_up} cycles, one by number {hinted}")
            }
            (_, Some(LeftOut::TooMany)) => {
                format!("a number stands for at most {HINTED_TABLES} tables, and others gain more")
            }
            (Numbers::NoGain(gain), None) => format!("not worth it{}", gain.short()),
            (Numbers::Yes(_), None) => {
                return format!(
                    "{name} on {host}: looked up by the numbers that {nic} gives to flows: an estimated {hinted} cycles \
                     instead of {look_up}, among {entries} entries"
                );
            }
        };
        format!("{name} on {host}: not looked up by numbers of {nic}: {why}")
    }
    /// Lines for people: of all tables, and of what numbers do together; or of those that `subject` names (a node's table,
    /// an NF or a device).
    pub fn text(&self, subject: Option<&str>) -> String {
        let devices = [&self.host, &self.nic];
        let all = subject.is_none_or(|s| devices.into_iter().any(|device| device == s));
        let named = |table: &str| {
            let of = |s: &str| {
                table
                    .strip_prefix(s)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            all || subject.is_some_and(of)
        };
        let tables = self.tables.iter().filter(|t| named(&t.table));
        let mut lines: Vec<String> = tables.map(|t| self.line(t)).collect();
        let (host, nic) = (&self.host, &self.nic);
        match &self.numbers {
            _ if lines.is_empty() => {}
            Numbers::Yes(gain) => lines.push(format!("{nic} numbers flows for {host}: {gain}")),
            Numbers::NoGain(gain) => {
                lines.push(format!("{nic} numbers no flows for {host}: {gain}"))
            }
            Numbers::Unknown | Numbers::Unable(_) => {}
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Gain {
    /// What is too little for most flows to have numbers, if anything.
    fn short(&self) -> String {
        if self.rules < self.wanted_rules.div_ceil(2) {
            return ": too few rules are left".to_owned();
        }
        match self.changes {
            Some(changes) if changes < self.wanted_changes / 2.0 => {
                ": the NIC inserts too few rules per second".to_owned()
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.1} % of the host's packets would have a number, which saves {:.2} cycles per packet of the rack in look-ups \
             and costs {:.2} for rules and for packets without; {} of {} rules that all flows take, {:.0} changes of rules \
             per second",
            100.0 * self.numbered,
            self.saved,
            self.spent,
            self.rules,
            self.wanted_rules,
            self.wanted_changes,
        )?;
        match self.changes {
            Some(changes) => write!(f, " of {changes:.0} that the NIC has left"),
            None => Ok(()),
        }
    }
}
