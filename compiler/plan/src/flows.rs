//! Numbers for flows: where a NIC tells its host which entries of flow tables a packet's flow has had.
//!
//! The host owns the tables, and every packet goes to it; a number only shortens look-ups (see the book's chapter on the
//! cut). Whether it does is decided for a cut, from what that leaves of the NIC's rules and insertions; and a cut is also
//! looked for with numbers taken for granted, for which NICs then keep rules free. Where numbers are no gain, or nothing says
//! how many flows there are, there are none.

use crate::analysis::Slot;
use crate::analysis::flow_fields;
use crate::cut::{Numbered, Problem};

use crate::facts::Facts;
use crate::machines::Machines;
use crate::pgraph::PGraph;
use crate::site::{Assignment, ServerId, Site};
use crate::split::Pieces;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trisect_ir::{Entity, NodeId, NodeKind, StdMeta, TableId};
use trisect_policy::policy::Flows;
use trisect_target::{FlowNumbers, HINTED_TABLES, HintCycles, Refusal, Resources, resource};

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
    /// It would be one at the offered load, but less could be carried, or a packet without number would take longer than
    /// promised.
    Worse(Gain),
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

/// By server: what its NIC's numbers change, if it has any.
pub(crate) type ByServer = Vec<Option<Numbered>>;

/// What numbers of flows depend on.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a, 'f> {
    pub facts: &'a Facts<'f>,
    /// The problem, without numbers.
    pub problem: &'a Problem,
    pub machines: &'a Machines,
    pub graph: &'a PGraph,
}

/// A NIC's numbers for the flows of its host, at the offered load and at others.
#[derive(Clone, Debug)]
pub(crate) struct Numbering {
    /// By node that looks up one of the tables: cycles that a look-up by number takes less.
    less: BTreeMap<NodeId, f64>,
    reach: BTreeSet<NodeId>,
    cycles: HintCycles,
    /// By class: packets of a flow, if they are known.
    packets: Vec<Option<f64>>,
    /// Flows at a time and, by class, those that begin in a second at the offered load.
    flows: f64,
    begin: Vec<f64>,
    /// Rules for flows that the NIC holds.
    rules: u64,
    /// Changes of rules per second that the NIC takes, and those that are not for flows; `None`: no limit.
    changes: Option<(u64, u64)>,
}

impl Numbering {
    /// Changes of rules per second that all flows would take, and that are left, when each class goes so many times its
    /// offered rate.
    fn changes(&self, growth: &[f64], others_grow: bool) -> (f64, Option<f64>) {
        let begin = self.begin.iter().zip(growth);
        let wanted: f64 = begin.map(|(begin, growth)| CHANGES * begin * growth).sum();
        let most = match others_grow {
            true => growth.iter().copied().fold(1.0, f64::max),
            false => 1.0,
        };
        let left = |(all, others): (u64, u64)| (all as f64 - others as f64 * most).max(0.0);
        (wanted, self.changes.map(left))
    }
    /// The part of the flows that get a rule then.
    fn served(&self, growth: &[f64], others_grow: bool) -> f64 {
        let (wanted, left) = self.changes(growth, others_grow);
        let of_changes = left.map_or(1.0, |left| part(left, wanted));
        part(self.rules as f64, self.flows) * of_changes
    }
    /// The part of a class's packets that come with a number, if such a part of its flows has a rule.
    fn with_number(&self, class: usize, served: f64) -> f64 {
        let packets = self.packets.get(class).copied().flatten();
        packets.map_or(0.0, |packets| served * (1.0 - BEFORE / packets).max(0.0))
    }
    /// Cycles for rules per packet of a class.
    fn asking(&self, class: usize, served: f64) -> f64 {
        let packets = self.packets.get(class).copied().flatten();
        packets.map_or(0.0, |packets| {
            served * self.cycles.insertion as f64 / packets
        })
    }
    /// Cycles more for a packet of a class that looks up one of the tables.
    fn visit(&self, class: usize, served: f64) -> f64 {
        let without = 1.0 - self.with_number(class, served);
        without * self.cycles.unnumbered as f64 + self.asking(class, served)
    }
    /// What the numbers change when each class goes so many times its offered rate.
    pub fn at(&self, growth: &[f64], others_grow: bool) -> Numbered {
        let served = self.served(growth, others_grow);
        let (wanted, _) = self.changes(growth, others_grow);
        let classes = 0..self.packets.len();
        let less = self.less.iter().map(|(node, less)| {
            let of_class = |class| less * self.with_number(class, served);
            (*node, classes.clone().map(of_class).collect())
        });
        let rules = (self.flows.ceil() as u64).min(self.rules);
        Numbered {
            less: less.collect(),
            reach: self.reach.clone(),
            visits: classes
                .clone()
                .map(|class| self.visit(class, served))
                .collect(),
            unnumbered: self.cycles.unnumbered as f64,
            holds: Resources::new()
                .with(resource::RULES, rules)
                .with(resource::INSERTIONS, (served * wanted).floor() as u64),
        }
    }
    /// What they change at most, whatever the cut. Where a node is, there are all flows of its packets, so no more of them
    /// than rules allow have a number; and of what a visit takes more, each of its look-ups bears a part.
    fn most(&self, sources: Sources<'_, '_>) -> Numbered {
        let Sources { problem, graph, .. } = sources;
        let classes = 0..self.packets.len();
        let look_ups: Vec<f64> = classes
            .clone()
            .map(|class| self.look_ups(sources, class))
            .collect();
        let less = self.less.iter().map(|(node, less)| {
            let (mut flows, mut begin) = (0.0, vec![0.0; self.packets.len()]);
            for (class, part) in problem.class_parts(*node) {
                let (pipeline, pps) = (
                    &graph.pipelines[*class],
                    part * problem.frequency[node.index()] * problem.pps,
                );
                if let Some(known) = pipeline.flows.filter(|_| pipeline.pps > 0.0) {
                    flows += known.at_once as f64 * pps / pipeline.pps;
                    begin[*class] = pps / known.packets as f64;
                }
            }
            let here = Self {
                flows,
                begin,
                ..self.clone()
            };
            let served = here.served(&vec![1.0; self.packets.len()], false);
            let of_class = |class: usize| {
                let saved = less * self.with_number(class, served);
                (saved - self.visit(class, served) / look_ups[class].max(1.0)).max(0.0)
            };
            (*node, classes.clone().map(of_class).collect())
        });
        Numbered {
            less: less.collect(),
            ..Numbered::default()
        }
    }
    /// Look-ups in these tables of a class's packet on the way with the most.
    fn look_ups(&self, sources: Sources<'_, '_>, class: usize) -> f64 {
        let Sources { facts, problem, .. } = sources;
        let mut behind: BTreeMap<NodeId, u32> = BTreeMap::new();
        for &node in facts.graph.order.iter().rev() {
            if problem.class_parts(node).iter().any(|(of, _)| *of == class) {
                let next = facts.graph.succs(node).iter();
                let most = next.filter_map(|next| behind.get(next)).max().copied();
                let own = u32::from(self.less.contains_key(&node));
                behind.insert(node, most.unwrap_or(0) + own);
            }
        }
        f64::from(behind.into_values().max().unwrap_or(0))
    }
}

/// The part of what is wanted that there is.
fn part(have: f64, wanted: f64) -> f64 {
    if wanted > have { have / wanted } else { 1.0 }
}

/// By server, what is decided for a cut where its host has flow tables; and the numbers, where they are a gain at the
/// offered load.
pub(crate) fn flows(
    sources: Sources<'_, '_>,
    assignment: &Assignment,
    pieces: &Pieces,
) -> (Vec<ServerFlows>, Vec<Option<Numbering>>) {
    let context = Context {
        sources,
        assignment,
        pieces,
    };
    let mut all = Vec::new();
    let servers = 0..sources.machines.servers.len();
    let numbers = servers.map(|s| {
        let (flows, numbering) = context.server(ServerId(s as u16))?;
        all.push(flows);
        numbering
    });
    let numbers = numbers.collect();
    (all, numbers)
}

/// By server: numbers taken for granted, if all flows came to each server and its NIC had nothing else to do; and what
/// they could change at most. `None` if no NIC can number flows, or nothing says how many there are.
pub(crate) fn expected(sources: Sources<'_, '_>) -> Option<(ByServer, ByServer)> {
    if sources.graph.pipelines.iter().all(|p| p.flows.is_none()) {
        return None;
    }
    let servers = 0..sources.machines.servers.len();
    let even = vec![1.0; sources.graph.pipelines.len()];
    let grow = sources.problem.changes_grow();
    let both = servers.map(|s| {
        let numbering = |most: usize| expected_of(sources, ServerId(s as u16), most);
        let expected = numbering(HINTED_TABLES)?.at(&even, grow);
        Some((expected, numbering(usize::MAX)?.most(sources)))
    });
    let both: Vec<Option<(Numbered, Numbered)>> = both.collect();
    both.iter()
        .any(Option::is_some)
        .then(|| both.into_iter().map(Option::unzip).unzip())
}

/// Numbers of a server's NIC that stand for so many tables at most.
fn expected_of(sources: Sources<'_, '_>, server: ServerId, most: usize) -> Option<Numbering> {
    let Sources {
        facts,
        problem,
        graph,
        ..
    } = sources;
    let nic = sources.machines.device(Site::Nic(server))?;
    let room = nic.flow_numbers(None)?.ok()?;
    let able = |node: NodeId| problem.used(node, Site::Host(server)).is_some();
    let used = tables(sources, Site::Host(server), able);
    let mut listed: Vec<TableFlows> = used.iter().map(|used| sources.listed(used)).collect();
    let taken = leave_out(&mut listed, most);
    let used: Vec<&Used> = taken.iter().filter_map(|at| used.get(*at)).collect();
    let flows = graph.pipelines.iter().filter_map(|p| p.flows);
    let begin = graph.pipelines.iter();
    let begin = begin.map(|p| p.flows.map_or(0.0, |f| p.pps / f.packets as f64));
    Some(Numbering {
        less: less(&used),
        reach: reach(facts, &used, |_| true),
        cycles: used.first()?.cycles,
        packets: sources.packets(),
        flows: flows.map(|f| f.at_once as f64).sum(),
        begin: begin.collect(),
        rules: room.flows,
        changes: room.per_second.map(|n| (n, 0)),
    })
}

/// A flow table with its nodes.
struct Used {
    table: TableId,
    nodes: Vec<NodeId>,
    cycles: HintCycles,
}

/// The flow tables of these nodes that a host looks up, with what numbers are worth to it.
fn tables(sources: Sources<'_, '_>, host: Site, of: impl Fn(NodeId) -> bool) -> Vec<Used> {
    let program = sources.facts.program;
    let mut by_table: BTreeMap<TableId, Vec<NodeId>> = BTreeMap::new();
    for node in sources.facts.sited().filter(|node| of(*node)) {
        if let NodeKind::Apply(table, _) = program.control.nodes[node].kind
            && program.tables[table].flow.is_some()
        {
            by_table.entry(table).or_default().push(node);
        }
    }
    let used = by_table.into_iter().filter_map(|(table, nodes)| {
        let entries = sources.problem.flow_entries(table).unwrap_or(0);
        let device = sources.machines.device(host)?;
        let cycles = device.flow_hints(program, table, entries)?;
        Some(Used {
            table,
            nodes,
            cycles,
        })
    });
    used.collect()
}

/// By node: cycles that a look-up by number takes less.
fn less(used: &[&Used]) -> BTreeMap<NodeId, f64> {
    let nodes = used.iter().flat_map(|used| {
        let HintCycles {
            look_up, hinted, ..
        } = used.cycles;
        let less = look_up.saturating_sub(hinted) as f64;
        used.nodes.iter().map(move |node| (*node, less))
    });
    nodes.collect()
}

/// The nodes that lead to one of these tables over nodes that are `on` the same server; as if they were there, too.
fn reach(facts: &Facts, used: &[&Used], on: impl Fn(NodeId) -> bool) -> BTreeSet<NodeId> {
    let tables: BTreeSet<NodeId> = used.iter().flat_map(|u| u.nodes.iter().copied()).collect();
    let mut reach = BTreeSet::new();
    for &node in facts.graph.order.iter().rev() {
        let mut next = facts.graph.succs(node).iter();
        if tables.contains(&node) || next.any(|next| on(*next) && reach.contains(next)) {
            reach.insert(node);
        }
    }
    reach.retain(|node| !facts.is_terminal(*node));
    reach
}

impl Sources<'_, '_> {
    fn listed(&self, used: &Used) -> TableFlows {
        let gains = used.cycles.hinted < used.cycles.look_up;
        TableFlows {
            table: self.facts.program.tables[used.table].name.clone(),
            entries: self.problem.flow_entries(used.table).unwrap_or(0),
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
    fn packets(&self) -> Vec<Option<f64>> {
        let pipelines = self.graph.pipelines.iter();
        pipelines
            .map(|p| p.flows.map(|f| f.packets as f64))
            .collect()
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
}

struct Context<'a, 'f> {
    sources: Sources<'a, 'f>,
    assignment: &'a Assignment,
    pieces: &'a Pieces,
}

impl Context<'_, '_> {
    fn server(&self, server: ServerId) -> Option<(ServerFlows, Option<Numbering>)> {
        let (host, nic) = (Site::Host(server), Site::Nic(server));
        let Sources {
            machines, graph, ..
        } = self.sources;
        let used = tables(self.sources, host, |node| {
            self.assignment.site(node) == host
        });
        if used.is_empty() {
            return None;
        }
        let mut tables: Vec<TableFlows> =
            used.iter().map(|used| self.sources.listed(used)).collect();
        let piece = self.pieces.at(nic);
        let mut gains = None;
        let numbers = match machines.device(nic)?.flow_numbers(piece)? {
            _ if graph.pipelines.iter().all(|p| p.flows.is_none()) => Numbers::Unknown,
            Err(refusal) => Numbers::Unable(refusal),
            Ok(room) => {
                let taken = leave_out(&mut tables, HINTED_TABLES);
                let used: Vec<&Used> = taken.iter().filter_map(|at| used.get(*at)).collect();
                match self.gain(server, &used, room) {
                    Some((gain, numbering)) if gain.saved > gain.spent => {
                        gains = Some(numbering);
                        Numbers::Yes(gain)
                    }
                    gain => Numbers::NoGain(gain.map(|(gain, _)| gain).unwrap_or_default()),
                }
            }
        };
        let flows = ServerFlows {
            server,
            host: machines.name(host),
            nic: machines.name(nic),
            tables,
            numbers,
        };
        Some((flows, gains))
    }

    /// What numbers do at the offered load, if they stand for any table.
    fn gain(
        &self,
        server: ServerId,
        used: &[&Used],
        room: FlowNumbers,
    ) -> Option<(Gain, Numbering)> {
        let Sources {
            facts,
            problem,
            graph,
            ..
        } = self.sources;
        let cycles = used.first()?.cycles;
        let pps = problem.pps.max(1.0);
        let on = |node: NodeId| self.assignment.site(node).server() == Some(server);
        let reach = reach(facts, used, on);
        let (entering, all) = self.entering(server, &reach);
        let mut flows = 0.0;
        let mut begin = vec![0.0; graph.pipelines.len()];
        for (class, of_class) in &entering {
            let Some(known) = self.sources.class(*class) else {
                continue;
            };
            // Of a class whose packets come in part, so do its flows; of one whose packets come twice, each twice.
            let offered = graph.pipelines[*class].pps / pps;
            if offered > 0.0 {
                flows += known.at_once as f64 * of_class / offered;
            }
            begin[*class] = of_class * pps / known.packets as f64;
        }
        let budget = problem.uses(facts, self.assignment, Site::Nic(server));
        let booked = budget.get(resource::INSERTIONS).unwrap_or(0);
        let numbering = Numbering {
            less: less(used),
            reach,
            cycles,
            packets: self.sources.packets(),
            flows,
            begin,
            rules: room.flows,
            changes: room.per_second.map(|n| (n, booked)),
        };
        let even = vec![1.0; graph.pipelines.len()];
        let (wanted_changes, changes) = numbering.changes(&even, false);
        let served = numbering.served(&even, false);
        let sum = |parts: &mut dyn Iterator<Item = (usize, f64)>,
                   of: &dyn Fn(usize, f64) -> f64|
         -> f64 { parts.map(|(class, part)| part * of(class, served)).sum() };
        let saved = numbering.less.iter().map(|(node, less)| {
            let mut parts = problem.class_parts(*node).iter().copied();
            let numbered = sum(&mut parts, &|class, served| {
                numbering.with_number(class, served)
            });
            problem.frequency[node.index()] * numbered * less
        });
        let parts = || entering.iter().map(|(class, of_class)| (*class, *of_class));
        let numbered = sum(&mut parts(), &|class, served| {
            numbering.with_number(class, served)
        });
        let asking = sum(&mut parts(), &|class, served| {
            numbering.asking(class, served)
        });
        let gain = Gain {
            wanted_rules: flows.ceil() as u64,
            rules: (flows.ceil() as u64).min(room.flows),
            wanted_changes,
            changes,
            numbered: if all > 0.0 { numbered / all } else { 0.0 },
            saved: saved.sum(),
            spent: (all - numbered).max(0.0) * cycles.unnumbered as f64 + asking,
        };
        Some((gain, numbering))
    }

    /// By class, packets that come to a server and may look such a table up there, and all that come, as parts of
    /// the rack's.
    fn entering(&self, server: ServerId, reach: &BTreeSet<NodeId>) -> (BTreeMap<usize, f64>, f64) {
        let Sources { facts, problem, .. } = self.sources;
        let on = |node: NodeId| self.assignment.site(node).server() == Some(server);
        let (mut by_class, mut all) = (BTreeMap::new(), 0.0);
        for continuation in &self.pieces.continuations {
            let node = continuation.node;
            if continuation.site.server() != Some(server) {
                continue;
            }
            let preds = facts.graph.preds(node).iter();
            let from = preds.filter(|from| !on(**from));
            let mut often: f64 = from
                .map(|from| problem.edge_frequency(facts, *from, node))
                .sum();
            if facts.program.control.entry == Some(node) {
                often += 1.0;
            }
            all += often;
            if !reach.contains(&node) {
                continue;
            }
            for (class, part) in problem.class_parts(node) {
                *by_class.entry(*class).or_default() += often * part;
            }
        }
        (by_class, all)
    }
}

/// Puts the tables with the largest gain per look-up in front, as many as numbers stand for; gives the old places of those.
fn leave_out(tables: &mut [TableFlows], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..tables.len()).collect();
    let gain = |t: &TableFlows| match t.left_out {
        None => t.look_up.saturating_sub(t.hinted),
        Some(_) => 0,
    };
    order.sort_by_key(|at| std::cmp::Reverse(gain(&tables[*at])));
    let mut sorted: Vec<TableFlows> = order.iter().map(|at| tables[*at].clone()).collect();
    let able = sorted.iter().filter(|t| t.left_out.is_none()).count();
    for table in sorted.iter_mut().take(able).skip(most) {
        table.left_out = Some(LeftOut::TooMany);
    }
    tables.clone_from_slice(&sorted);
    order.truncate(able.min(most));
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
            (Numbers::Worse(_), None) => {
                "with them less could be carried, or packets without one would take longer than promised".to_owned()
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
            Numbers::NoGain(gain) | Numbers::Worse(gain) => {
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
