//! The problem as one of assignment (`trisect_optimise`): what groups use where, what crossings cost,
//! what is promised to classes.
//!
//! | quantity | kind | what |
//! |---|---|---|
//! | `QUANTITY of DEVICE` | space | every budget of a device but stages: chains of dependent nodes come as rules |
//! | `table updates of DEVICE` | rate | changes of tables by the control plane, if some come with packets: then all are taken to grow |
//! | `SERVER` | work | cycles per second of its cores |
//! | `link to SERVER`, `bus of SERVER` | rate | bits per second, each way the same |
//! | `port NAME` | rate | bits per second that leave, whatever the cut |
//! | `header bytes` | header bytes | outer headers on links |
//! | `visits of SERVER` | bounces | packets that the switch sends there |
//! | `expected latency of CLASS` | latency | nanoseconds, without queueing and the switch's own |
//!
//! What is promised about latency is that of the longest way (`ways`).

use super::look_ups;
use super::problem::{Problem, header_bytes};
use super::rules::rules;
use super::updates;
use super::ways::ways;
use crate::facts::Facts;
use crate::machines::Machines;
use crate::pgraph::PGraph;
use crate::site::{ServerId, Site};
use std::collections::BTreeMap;
use trisect_ir::{Entity, NodeId, NodeKind};
use trisect_optimise as optimise;
use trisect_optimise::{Choice, Class, Crossing, Demand, Edge, Kind, Quantity, Region, Unit, Way};
use trisect_policy::rack::Rack;
use trisect_target::resource;

/// Where the quantities of the model are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Places {
    /// By server: cycles, link, bus, visits.
    servers: Vec<[usize; 4]>,
    header: usize,
    /// By class: its latency.
    latency: Vec<usize>,
    /// Budgets by site and name.
    budgets: BTreeMap<(Site, String), usize>,
    /// By site: changes of tables that grow with the rates.
    updates: BTreeMap<Site, usize>,
}

impl Places {
    /// The position of what a server's cores do.
    pub fn work(&self, server: ServerId) -> usize {
        self.servers[usize::from(server.0)][0]
    }
    /// The position of the visits of a server.
    pub fn visits(&self, server: ServerId) -> usize {
        self.servers[usize::from(server.0)][3]
    }
    /// The position of a class's expected latency.
    pub fn latency(&self, class: usize) -> usize {
        self.latency[class]
    }
    /// What a position is a budget of, if it is one.
    pub fn budget(&self, quantity: usize) -> Option<(Site, &str)> {
        let found = self.budgets.iter().find(|(_, q)| **q == quantity);
        found.map(|((site, name), _)| (*site, name.as_str()))
    }
}

/// What the model is made from.
pub(crate) struct Sources<'a, 'f> {
    pub facts: &'a Facts<'f>,
    pub problem: &'a Problem,
    pub machines: &'a Machines,
    pub rack: &'a Rack,
    pub graph: &'a PGraph,
    /// Mean bytes of a frame.
    pub packet_bytes: u32,
}

/// The number of a site in the model.
pub(crate) fn number(site: Site) -> usize {
    match site {
        Site::Switch => 0,
        Site::Nic(ServerId(s)) => 1 + 2 * usize::from(s),
        Site::Host(ServerId(s)) => 2 + 2 * usize::from(s),
    }
}

/// The model. Units are the problem's groups, and their choices the groups' sites, in the same order.
pub(crate) fn model(sources: &Sources<'_, '_>) -> (optimise::Problem, Places) {
    let mut builder = Builder {
        sources,
        model: optimise::Problem::default(),
        places: Places::default(),
    };
    builder.sites();
    builder.classes();
    builder.quantities();
    builder.units();
    builder.edges();
    builder.model.ways = ways(sources);
    builder.model.rules = rules(sources.facts, sources.problem, sources.machines);
    (builder.model, builder.places)
}

struct Builder<'a, 'f> {
    sources: &'a Sources<'a, 'f>,
    model: optimise::Problem,
    places: Places,
}

impl Builder<'_, '_> {
    fn sites(&mut self) {
        for site in self.sources.machines.sites() {
            self.model.sites.push(optimise::Site {
                name: self.sources.machines.name(site),
                role: match site {
                    Site::Switch => optimise::Role::Switch,
                    Site::Nic(_) => optimise::Role::Nic,
                    Site::Host(_) => optimise::Role::Host,
                },
                server: site.server().map(|s| usize::from(s.0)),
            });
        }
        for s in 0..self.sources.machines.servers.len() {
            let server = ServerId(s as u16);
            let (nic, host) = (number(Site::Nic(server)), number(Site::Host(server)));
            self.model.regions.push(Region {
                sites: vec![nic, host],
            });
        }
    }
    fn classes(&mut self) {
        for pipeline in &self.sources.graph.pipelines {
            self.model.classes.push(Class {
                name: pipeline.name.clone(),
                offered: pipeline.pps,
                min: pipeline.slo.min_pps.unwrap_or(0.0),
                max: pipeline.slo.max_pps.unwrap_or(f64::INFINITY),
                weight: pipeline.slo.weight(),
                counted: 1.0,
            });
        }
    }
    fn quantity(&mut self, name: String, capacity: f64, kind: Kind) -> usize {
        self.model.quantities.push(Quantity {
            name,
            capacity,
            kind,
            base: Vec::new(),
        });
        self.model.quantities.len() - 1
    }
    fn quantities(&mut self) {
        for (site, budget) in &look_ups::left(self.sources.problem) {
            let device = self.sources.machines.name(*site);
            for (name, amount) in budget.iter().filter(|(n, _)| *n != resource::STAGES) {
                let title = format!("{name} of {device}");
                let q = self.quantity(title, amount as f64, Kind::Space);
                self.places.budgets.insert((*site, name.to_owned()), q);
            }
        }
        self.growing_updates();
        for server in &self.sources.machines.servers {
            let work = Kind::Work {
                per_core: server.hz,
            };
            let name = &server.name;
            let of_server = [
                self.quantity(name.clone(), server.capacity(), work),
                self.quantity(
                    format!("link to {name}"),
                    server.link_bps as f64,
                    Kind::Rate,
                ),
                self.quantity(format!("bus of {name}"), server.bus_bps as f64, Kind::Rate),
                self.quantity(format!("visits of {name}"), f64::INFINITY, Kind::Bounces),
            ];
            self.places.servers.push(of_server);
        }
        self.places.header =
            self.quantity("header bytes".to_owned(), f64::INFINITY, Kind::HeaderBytes);
        for pipeline in &self.sources.graph.pipelines {
            let name = format!("expected latency of {}", pipeline.name);
            let q = self.quantity(name, f64::INFINITY, Kind::Latency);
            self.places.latency.push(q);
        }
        let frame_bits = 8.0 * f64::from(self.sources.packet_bytes);
        let leaving = self.sources.graph.leaving(self.sources.rack);
        for (p, port) in self.sources.rack.external_ports().enumerate() {
            let name = format!("port {}", port.name);
            let q = self.quantity(name, port.rate.0 as f64, Kind::Rate);
            for (class, pps) in leaving.iter().enumerate() {
                let bits = pps.get(p).copied().unwrap_or(0.0) * frame_bits;
                if bits > 0.0 {
                    self.model.quantities[q].base.push((class, bits));
                }
            }
        }
    }
    fn growing_updates(&mut self) {
        let problem = self.sources.problem;
        if !problem.changes_grow() {
            return;
        }
        for (site, budget) in &look_ups::left(problem) {
            let stated = updates::quantity(budget).and_then(|name| budget.get(name));
            if let Some(most) = stated {
                let name = format!("table updates of {}", self.sources.machines.name(*site));
                let q = self.quantity(name, most as f64, Kind::Rate);
                self.places.updates.insert(*site, q);
            }
        }
    }
    /// By class, packets per second that reach a node.
    fn rates(&self, node: NodeId) -> Vec<(usize, f64)> {
        let problem = self.sources.problem;
        let pps = problem.frequency[node.index()] * problem.pps;
        let parts = problem.class_parts(node).iter();
        parts.map(|(class, part)| (*class, part * pps)).collect()
    }
    fn units(&mut self) {
        let (facts, problem) = (self.sources.facts, self.sources.problem);
        for (g, group) in problem.groups.iter().enumerate() {
            let choices = group
                .sites
                .iter()
                .map(|site| Choice {
                    site: number(*site),
                    demands: self.demands(g, *site),
                })
                .collect();
            let first = group.nodes.first();
            let name = first.map_or(String::new(), |n| {
                facts.program.control.nodes[*n].name.clone()
            });
            self.model.units.push(Unit { name, choices });
        }
    }
    fn demands(&self, g: usize, site: Site) -> Vec<Demand> {
        let (facts, problem) = (self.sources.facts, self.sources.problem);
        let mut demands = Sums::default();
        for (name, amount) in problem.group_use(facts, g, site).iter() {
            if let Some(q) = self.places.budgets.get(&(site, name.to_owned())) {
                demands.add(*q, 0, amount as f64);
            }
        }
        self.changes(&mut demands, g, site);
        for &node in &problem.groups[g].nodes {
            if let Site::Host(server) = site {
                self.host_time(&mut demands, node, server);
            }
            if let Site::Nic(server) = site {
                let drops = facts.graph.succs(node).iter();
                let drops = drops
                    .filter(|n| matches!(facts.program.control.nodes[**n].kind, NodeKind::Drop));
                for drop in drops {
                    self.saved_by_drop(&mut demands, node, *drop, server);
                }
            }
        }
        demands.finish()
    }
    /// Changes of a group's tables, as those of the classes whose packets look them up.
    fn changes(&self, demands: &mut Sums, g: usize, site: Site) {
        let (facts, problem) = (self.sources.facts, self.sources.problem);
        let budget = problem.budgets.get(&site);
        let (Some(q), Some(name)) = (
            self.places.updates.get(&site),
            budget.and_then(updates::quantity),
        ) else {
            return;
        };
        let amount = problem.group_use(facts, g, site).get(name).unwrap_or(0) as f64;
        let nodes = problem.changing(facts, g);
        let rates: Vec<(usize, f64)> = nodes.flat_map(|n| self.rates(n)).collect();
        let all: f64 = rates.iter().map(|(_, pps)| pps).sum();
        for (class, pps) in rates.into_iter().filter(|_| all > 0.0) {
            demands.add(*q, class, amount * pps / all);
        }
    }
    /// Cycles of a host for every packet that reaches a node.
    fn host_time(&self, demands: &mut Sums, node: NodeId, server: ServerId) {
        let hz = self.sources.machines.servers[usize::from(server.0)].hz;
        for (class, pps) in self.rates(node) {
            let cycles = self.sources.problem.class_cycles(node, server, class);
            demands.add(self.places.work(server), class, pps * cycles);
            self.latency(demands, class, pps, 1e9 * cycles / hz);
        }
    }
    fn latency(&self, demands: &mut Sums, class: usize, pps: f64, ns: f64) {
        let offered = self.model.classes[class].offered;
        if offered > 0.0 {
            demands.add(self.places.latency[class], class, ns * pps / offered);
        }
    }
    /// What a NIC drops the host never sees: the visit was counted with the host's part.
    fn saved_by_drop(&self, demands: &mut Sums, node: NodeId, drop: NodeId, server: ServerId) {
        let problem = self.sources.problem;
        let part = problem.edge_share(self.sources.facts, node, drop);
        let s = usize::from(server.0);
        let [work, _, bus, _] = self.places.servers[s];
        let frame_bits = 8.0 * f64::from(self.sources.packet_bytes);
        for (class, pps) in self.rates(node) {
            let pps = pps * part;
            demands.add(work, class, -pps * problem.io_cycles[s]);
            demands.add(bus, class, -pps * frame_bits);
            let hz = self.sources.machines.servers[s].hz;
            self.latency(demands, class, pps, -1e9 * problem.io_cycles[s] / hz);
        }
    }
    fn edges(&mut self) {
        let (facts, problem) = (self.sources.facts, self.sources.problem);
        let unit = |node: NodeId| problem.group_of(node);
        if let Some(entry) = facts.program.control.entry
            && let Some(to) = unit(entry)
        {
            let rates = self.rates(entry);
            let crossings = self.visits(entry, to, &rates);
            self.model.edges.push(Edge {
                from: None,
                to: Some(to),
                crossings,
            });
        }
        for (a, b) in facts.graph.edges() {
            let (Some(from), Some(to)) = (unit(a), unit(b)) else {
                continue;
            };
            if from == to {
                continue;
            }
            let often = problem.edge_frequency(facts, a, b) * problem.pps;
            let parts = problem.class_parts(b).iter();
            let rates: Vec<(usize, f64)> = parts.map(|(c, part)| (*c, part * often)).collect();
            let crossings = self.visits(b, to, &rates);
            if !crossings.is_empty() {
                self.model.edges.push(Edge {
                    from: Some(from),
                    to: Some(to),
                    crossings,
                });
            }
        }
    }
    /// What visits of servers cost that begin where control goes on at a node.
    fn visits(&self, node: NodeId, unit: usize, rates: &[(usize, f64)]) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        let bytes = header_bytes(self.sources.facts, node);
        let frame_bits = 8.0 * f64::from(self.sources.packet_bytes);
        for s in 0..self.sources.machines.servers.len() {
            let id = ServerId(s as u16);
            let sites = &self.sources.problem.groups[unit].sites;
            if !sites.iter().any(|site| site.server() == Some(id)) {
                continue;
            }
            let [work, link, bus, visits] = self.places.servers[s];
            let mut demands = Sums::default();
            for (class, pps) in rates {
                let cycles = self.sources.problem.visit_cycles(id, node, *class);
                demands.add(work, *class, pps * cycles);
                demands.add(link, *class, pps * (frame_bits + 8.0 * bytes));
                demands.add(bus, *class, pps * (frame_bits + 8.0 * bytes));
                demands.add(visits, *class, *pps);
                demands.add(self.places.header, *class, pps * bytes);
                let visit = visit_ns(self.sources, s, cycles);
                self.latency(&mut demands, *class, *pps, visit);
            }
            crossings.push(Crossing {
                region: s,
                way: Way::Enter,
                demands: demands.finish(),
            });
        }
        crossings
    }
}

/// Nanoseconds that a visit of a server takes, without what is done there: the link there and back, and so many cycles of I/O.
pub(super) fn visit_ns(sources: &Sources<'_, '_>, server: usize, cycles: f64) -> f64 {
    let figures = &sources.machines.servers[server];
    2.0 * figures.link_ns as f64 + 1e9 * cycles / figures.hz
}

/// Demands, each quantity and class once.
#[derive(Default)]
struct Sums(BTreeMap<(usize, usize), f64>);

impl Sums {
    fn add(&mut self, quantity: usize, class: usize, amount: f64) {
        *self.0.entry((quantity, class)).or_default() += amount;
    }
    fn finish(self) -> Vec<Demand> {
        let demands = self.0.into_iter();
        demands
            .filter(|(_, amount)| *amount != 0.0)
            .map(|((quantity, class), amount)| Demand {
                quantity,
                class,
                amount,
            })
            .collect()
    }
}
