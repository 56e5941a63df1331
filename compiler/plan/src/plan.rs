//! The plan: everything that run, explain, check and deploy need, and the one way to it.

use crate::cut::{self, Cost, Objective, Problem, Proof, Search, Solution, Strategy};
use crate::error::PlanError;
use crate::explain::{self, NodePlan};
use crate::facts::Facts;
use crate::flows::ServerFlows;
use crate::igraph::IGraph;
use crate::legal;
use crate::machines::{Machines, ServerFigures};
use crate::merge::{self, Merged, Sources};
use crate::pgraph::{PGraph, Traffic};
use crate::place::{self, Capacity, Placement};
use crate::profile;
use crate::sampling::{self, Sampling};
use crate::site::{Assignment, ServerId, Site};
use crate::split::{Pieces, Ports};
use crate::whole;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use trisect_ir::{MetaId, NodeKind, Program};
use trisect_policy::Profile;
use trisect_policy::nf::NfDescription;
use trisect_policy::policy::Policy;
use trisect_policy::rack::Rack;
use trisect_target::{Registry, Resources, TargetKind, Whole, resource};

/// What the pipeline of a plan is.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Network functions that a policy puts together.
    Policy {
        /// The policy, checked.
        policy: &'a Policy,
        /// Descriptions by function name.
        library: &'a BTreeMap<String, NfDescription>,
        /// Configured programs by the NF's name in the policy.
        programs: &'a BTreeMap<String, Program>,
    },
    /// One program, configured, that takes the packets of all external ports and chooses the port by
    /// which each leaves; the external ports of the rack have the numbers from 0 on.
    Program {
        /// What it is called in the plan: a letter, then letters, digits, `_` and `-`.
        name: &'a str,
        /// The program.
        program: &'a Program,
    },
    /// The same for a program that copies packets, which the switch runs whole.
    Whole {
        /// What it is called in the plan.
        name: &'a str,
        /// The program, of several passes.
        program: &'a Program,
        /// What the switch needs beside it.
        whole: &'a Whole,
    },
}

/// What a plan is made from.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Name of the project.
    pub name: &'a str,
    /// The pipeline.
    pub source: Source<'a>,
    /// The rack.
    pub rack: &'a Rack,
    /// The targets.
    pub registry: &'a Registry,
    /// How the cut is chosen.
    pub strategy: Strategy,
    /// Assumptions about the traffic.
    pub traffic: Traffic,
    /// What is wanted first of a cut.
    pub objective: Objective,
    /// Wall-clock time after which the best cut so far is taken. Without it a search ends after so much work,
    /// at the same cut on every machine.
    pub time_limit: Option<Duration>,
    /// What was measured, in place of estimates.
    pub profile: Option<&'a Profile>,
}

/// What is read off a cut.
struct Sketch {
    nodes: Vec<NodePlan>,
    devices: Vec<DevicePlan>,
    crossings: Vec<Crossing>,
    prediction: Prediction,
}

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Name of the project.
    pub name: String,
    /// How the cut was chosen.
    pub strategy: Strategy,
    /// What was wanted first of it.
    #[serde(default, skip_serializing_if = "Objective::is_default")]
    pub objective: Objective,
    /// Assumptions about the traffic.
    pub traffic: Traffic,
    /// The rack.
    pub rack: Rack,
    /// The policy graph.
    pub pgraph: PGraph,
    /// The instance graph.
    pub igraph: IGraph,
    /// The server of each instance.
    pub placement: Placement,
    /// Figures of the servers.
    pub servers: Vec<ServerFigures>,
    /// Which switch port leads to which server.
    pub ports: Ports,
    /// What the policy means: the program that the rack is held against.
    pub uncut: Program,
    /// Where each node of the uncut program runs.
    pub assignment: Assignment,
    /// Why it runs there, and not elsewhere.
    pub nodes: Vec<NodePlan>,
    /// One program per device, and how packets go from one to the other.
    pub pieces: Pieces,
    /// Set if the switch's piece is a program that copies packets, of several passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Whole>,
    /// The devices, the switch first, then NIC and host of each server.
    pub devices: Vec<DevicePlan>,
    /// The edges of the uncut program that are cut.
    pub crossings: Vec<Crossing>,
    /// What sampling hashes, and which classes carry tags.
    pub sampling: Sampling,
    /// What the cut costs.
    pub cost: Cost,
    /// What the cut reaches, and what is proven about that.
    pub proof: Proof,
    /// The strategy that found the cut: another one than was asked for where that found nothing, or
    /// nothing as good.
    pub found_by: Strategy,
    /// What limits the rack.
    pub prediction: Prediction,
    /// By server whose host has flow tables: whether its NIC numbers flows for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<ServerFlows>,
}

/// A device of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DevicePlan {
    /// The site.
    pub site: Site,
    /// Its name.
    pub name: String,
    /// Its role.
    pub kind: TargetKind,
    /// How many nodes of the uncut program it runs.
    pub nodes: usize,
    /// What its piece uses, parser and dispatch included.
    pub uses: Resources,
    /// What it has.
    pub budget: Resources,
    /// Expected packets per second that it handles.
    pub pps: f64,
    /// Expected load as a part of its capacity; for hosts only.
    pub load: Option<f64>,
}

/// A cut edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// Name of the node from which packets go.
    pub from: String,
    /// Where it runs.
    pub from_site: Site,
    /// Name of the node to which they go; empty for what begins at an external port.
    pub to: String,
    /// Where it runs.
    pub to_site: Site,
    /// Live metadata that travels, by name.
    pub live: Vec<String>,
    /// Its bits.
    pub bits: u32,
    /// Expected packets per second.
    pub pps: f64,
}

/// What limits the rack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Offered packets per second.
    pub offered_pps: f64,
    /// By how much the offered load can grow (below 1: must shrink), each class up to its `max`, until something is full;
    /// the largest number there is if nothing will be.
    pub load_factor: f64,
    /// What is full then: `s1`, `link to s1`, `bus of s1`, `port p4`; empty if nothing will be.
    pub bottleneck: String,
    /// Cores' worth of work at the offered load.
    pub cores: f64,
    /// The largest expected latency of a pipeline in microseconds, without queueing and without the switch's
    /// and the NICs' own.
    pub latency_us: f64,
    /// The same of the longest way that a packet can take between external ports.
    #[serde(default)]
    pub longest_us: f64,
    /// Both by pipeline, in the policy's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<ClassLatency>,
    /// By pipeline, in the policy's order: what it can have beside the others, if not all grow in proportion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<ClassRate>,
    /// Expected load of everything that can be full, as a part of its capacity.
    pub loads: BTreeMap<String, f64>,
}

impl Prediction {
    /// What is full first, in words.
    pub fn limit(&self) -> String {
        match self.load_factor < f64::MAX {
            true => format!(
                "{} at {:.2} times the offered load",
                self.bottleneck, self.load_factor
            ),
            false => {
                "none, as every class can have its `max`: growth is unlimited from an offered load"
                    .to_owned()
            }
        }
    }
}

/// The rate of a pipeline, in Gbit/s, with which the weighted sum of all rates above the least ones is the largest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassRate {
    /// The pipeline.
    pub class: String,
    /// What is offered.
    pub offered_gbps: f64,
    /// What it has to have.
    pub least_gbps: f64,
    /// What more than is worth nothing, if the policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_gbps: Option<f64>,
    /// What a bit per second above the least rate is worth.
    pub weight: f64,
    /// What it can have.
    pub gbps: f64,
}

impl std::fmt::Display for ClassRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "rate of {}: {:.3} Gbit/s of {:.3} offered, least {:.3}",
            self.class, self.gbps, self.offered_gbps, self.least_gbps
        )?;
        if let Some(most) = self.most_gbps {
            write!(f, ", most {most:.3}")?;
        }
        write!(f, ", weight {}", self.weight)
    }
}

/// How long packets of a pipeline take in the rack, in microseconds, without queueing and without the switch's
/// and the NICs' own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassLatency {
    /// The pipeline.
    pub class: String,
    /// On average, over all its packets.
    pub expected_us: f64,
    /// On the longest way from external port to external port.
    pub longest_us: f64,
    /// What the longest way may take, if the policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most_us: Option<f64>,
}

impl std::fmt::Display for ClassLatency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "latency of {}: {:.2} us expected, {:.2} us on the longest way",
            self.class, self.expected_us, self.longest_us
        )?;
        match self.most_us {
            Some(most) => write!(f, ", of at most {most:.2}"),
            None => Ok(()),
        }
    }
}

impl Source<'_> {
    /// The programs by NF name, if there is one that is the whole pipeline.
    pub(crate) fn own_program(&self) -> BTreeMap<String, Program> {
        match self {
            Self::Policy { .. } | Self::Whole { .. } => BTreeMap::new(),
            Self::Program { name, program } => {
                BTreeMap::from([((*name).to_owned(), (*program).clone())])
            }
        }
    }
}

impl Plan {
    /// Makes a plan.
    ///
    /// # Errors
    /// See [`PlanError`].
    pub fn make(input: &Input<'_>) -> Result<Self, PlanError> {
        let mut machines = Machines::new(input.rack, input.registry)?;
        let (own, none) = (input.source.own_program(), BTreeMap::new());
        let (mut pgraph, programs, library) = match input.source {
            Source::Policy {
                policy,
                library,
                programs,
            } => {
                let graph = PGraph::new(policy, library, input.rack, input.traffic, input.profile)?;
                (graph, programs, library)
            }
            Source::Program { name, program } => {
                let measured = input.profile.and_then(|p| p.nf(name)).map(|nf| nf.cycles);
                let cycles = measured.unwrap_or_else(|| host_cycles(program, &machines));
                let graph = PGraph::of_program(name, cycles, input.rack, input.traffic);
                (graph, &own, &none)
            }
            Source::Whole {
                name,
                program,
                whole,
            } => return whole::plan(input, &machines, name, program, whole),
        };
        let rewrites = merge::rewriting(&pgraph, programs)?;
        let slowest = machines
            .servers
            .iter()
            .map(|s| s.hz)
            .fold(f64::INFINITY, f64::min);
        let igraph = IGraph::new(&pgraph, slowest, &rewrites);
        let spec = input.rack.sampling.as_ref().map(|asked| asked.spec());
        let mut merged = merge::merge(Sources {
            graph: &pgraph,
            instances: &igraph,
            programs,
            library,
            rewrites: &rewrites,
            ports: &(0..input.rack.external_ports().count() as u16).collect(),
            sampling: spec.as_ref(),
        })?;
        if let Some(profile) = input.profile {
            let (taken, cycles) = profile::counted(&mut merged, &pgraph, &igraph, profile);
            pgraph.profile = Some(taken);
            machines.measured(&cycles);
        }
        trisect_ir::verify(&merged.program).map_err(|error| PlanError::Invalid {
            what: "the merged pipeline".to_owned(),
            error: error.to_string(),
        })?;
        let mut facts = Facts::new(&merged.program);
        let mut sampling = sampling::sampling(&facts, spec.as_ref(), &merged, &pgraph);
        if let Some(tag) = sampling.tag {
            if facts.clean.only_whole() {
                let why = "the switch must not parse them, since other packets would come out";
                return Err(PlanError::Sampling(why.to_owned()));
            }
            let nodes = sampling::tagged_nodes(&facts, &sampling, &merged);
            facts.travels(tag, &nodes);
        }
        let placement = place(&facts, &merged, &pgraph, &igraph, &machines)?;
        let sources = cut::Sources {
            facts: &facts,
            merged: &merged,
            placement: &placement,
            machines: &machines,
            rack: input.rack,
            graph: &pgraph,
            packet_bytes: input.traffic.packet_bytes,
            objective: input.objective,
            time_limit: input.time_limit,
        };
        let (search, solution) = cut::cut(sources, input.strategy)?;
        for site in machines.sites() {
            if let Some(piece) = solution.pieces.at(site) {
                trisect_ir::verify(piece).map_err(|error| PlanError::Invalid {
                    what: format!("the piece of {}", machines.name(site)),
                    error: error.to_string(),
                })?;
            }
        }
        (sampling.costs, sampling.header_bytes) =
            sampling::costs(&facts, &search.problem, &machines, &solution)?;
        let sketch = Sketch {
            nodes: explain::nodes(&facts, &search, &machines, &solution),
            devices: devices(&facts, &search.problem, &machines, &solution),
            crossings: crossings(&facts, &search.problem, &solution.assignment),
            prediction: predict(&search, &solution),
        };
        drop(search);
        Ok(Self {
            name: input.name.to_owned(),
            strategy: input.strategy,
            objective: input.objective,
            traffic: input.traffic,
            rack: input.rack.clone(),
            placement,
            servers: machines.servers.clone(),
            ports: machines.ports.clone(),
            nodes: sketch.nodes,
            devices: sketch.devices,
            crossings: sketch.crossings,
            sampling,
            prediction: sketch.prediction,
            flows: solution.flows,
            uncut: facts.program.clone(),
            proof: solution.proof,
            found_by: solution.found_by,
            cost: solution.cost,
            assignment: solution.assignment,
            pieces: solution.pieces,
            whole: None,
            pgraph,
            igraph,
        })
    }

    /// The plan as JSON; the same plan gives the same text.
    ///
    /// # Errors
    /// What the serialiser says.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
    /// A plan from JSON.
    ///
    /// # Errors
    /// What the reader says.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
    /// How much better a cut could still be in the first of scale, cores, header bytes and visits in which
    /// that is not ruled out, as a part of it: 0 if this one is optimal.
    pub fn gap(&self) -> f64 {
        self.proof.gap()
    }
    /// The device at a site.
    pub fn device(&self, site: Site) -> Option<&DevicePlan> {
        self.devices.iter().find(|d| d.site == site)
    }
}

/// Expected cycles per packet of a program on a host core, by the host target's estimates.
pub(crate) fn host_cycles(program: &Program, machines: &Machines) -> u64 {
    let facts = Facts::new(program);
    let often = cut::frequency(&facts, &BTreeMap::new());
    let Some(host) = machines.device(Site::Host(ServerId(0))) else {
        return 0;
    };
    let cycles = facts.sited().map(|node| {
        let verdict = host.check(program, node);
        let used = verdict.able().map_or(0, |used| used.cycles);
        often[trisect_ir::Entity::index(node)] * used as f64
    });
    cycles.sum::<f64>().round() as u64
}

/// Places the instances. If keeping everything on hosts would break an order rule, as packets of one
/// flow could take different servers, the instances of pipelines that share one stay together.
fn place(
    facts: &Facts,
    merged: &Merged,
    pgraph: &PGraph,
    igraph: &IGraph,
    machines: &Machines,
) -> Result<Placement, PlanError> {
    let servers: Vec<Capacity> = machines
        .servers
        .iter()
        .map(|s| Capacity {
            cycles: s.capacity(),
        })
        .collect();
    let free = place::place(igraph, &servers, &[])?;
    let on_hosts = |placement: &Placement| {
        let mut assignment = Assignment::all(facts.effects.len(), Site::Switch);
        for node in facts.sited() {
            let own = !facts.program.control.nodes[node].nf.is_empty();
            let reparse = matches!(facts.program.control.nodes[node].kind, NodeKind::Reparse(_));
            if let (true, Some(instance)) =
                (own || reparse, merged.near[trisect_ir::Entity::index(node)])
            {
                assignment.set(node, Site::Host(placement[instance]));
            }
        }
        assignment
    };
    // What is between NFs follows them; with it on the switch, each NF is a visit of its own, which
    // the rules may forbid although a cut exists. So only what concerns servers is looked at.
    let ordered = |placement: &Placement| {
        !legal::check(
            facts,
            &near_hosts(facts, merged, placement, on_hosts(placement)),
        )
        .iter()
        .any(|v| {
            matches!(
                v,
                legal::Violation::Reorder { .. } | legal::Violation::History { .. }
            )
        })
    };
    if ordered(&free) {
        return Ok(free);
    }
    let mut groups: Vec<BTreeSet<usize>> = Vec::new();
    for pipeline in &pgraph.pipelines {
        let mut group = BTreeSet::new();
        for edge in &pipeline.edges {
            if let crate::pgraph::PNode::Nf(nf) = edge.to {
                group.extend(igraph.of_nf[nf].iter().copied());
            }
        }
        groups.push(group);
    }
    place::place(igraph, &servers, &groups)
}

/// The assignment with what stands between NFs on the host of the NF before.
fn near_hosts(
    facts: &Facts,
    merged: &Merged,
    placement: &Placement,
    mut assignment: Assignment,
) -> Assignment {
    for node in facts.sited() {
        let behind_host = facts
            .graph
            .preds(node)
            .iter()
            .any(|p| matches!(assignment.site(*p), Site::Host(_)));
        if behind_host && let Some(instance) = merged.near[trisect_ir::Entity::index(node)] {
            assignment.set(node, Site::Host(placement[instance]));
        }
    }
    assignment
}

fn devices(
    facts: &Facts,
    problem: &Problem,
    machines: &Machines,
    solution: &Solution,
) -> Vec<DevicePlan> {
    machines
        .sites()
        .into_iter()
        .filter_map(|site| {
            let device = machines.device(site)?;
            let piece = solution.pieces.at(site);
            let mut uses = piece
                .and_then(|p| device.fit(p).ok())
                .map(|u| u.resources)
                .unwrap_or_default();
            // Of changes by the control plane, and of rules of flows, the piece says nothing.
            if let Site::Nic(server) = site
                && let Some(numbered) = problem.numbered(server)
            {
                uses.add(&numbered.holds);
            }
            let planned = problem.uses(facts, &solution.assignment, site);
            for name in [resource::UPDATES, resource::INSERTIONS] {
                if let Some(amount) = planned.get(name) {
                    uses = uses.with(name, amount);
                }
            }
            let stays = |s: ServerId| problem.pps * solution.cost.stays_by_server[usize::from(s.0)];
            let (kind, pps, load) = match site {
                Site::Switch => (
                    TargetKind::Switch,
                    problem.pps * (1.0 + solution.cost.stays),
                    None,
                ),
                Site::Nic(s) => (TargetKind::Nic, stays(s), None),
                Site::Host(s) => {
                    let cycles = problem.pps * solution.cost.by_server[usize::from(s.0)];
                    let capacity = machines.servers[usize::from(s.0)].capacity();
                    (TargetKind::Host, stays(s), Some(cycles / capacity))
                }
            };
            Some(DevicePlan {
                site,
                name: machines.name(site),
                kind,
                nodes: facts
                    .sited()
                    .filter(|n| solution.assignment.site(*n) == site)
                    .count(),
                uses,
                budget: device.budget(),
                pps,
                load,
            })
        })
        .collect()
}

fn crossings(facts: &Facts, problem: &Problem, assignment: &Assignment) -> Vec<Crossing> {
    let name = |node| facts.program.control.nodes[node].name.clone();
    let metas = &facts.program.metas;
    let names = |live: &BTreeSet<MetaId>| live.iter().map(|m| metas[*m].name.clone()).collect();
    let bits = |live: &BTreeSet<MetaId>| live.iter().map(|m| metas[*m].width).sum();
    let mut found = Vec::new();
    if let Some(entry) = facts.program.control.entry
        && assignment.site(entry) != Site::Switch
        && !facts.is_terminal(entry)
    {
        let live = legal::entry_live(facts, assignment, entry);
        found.push(Crossing {
            from: String::new(),
            from_site: Site::Switch,
            to: name(entry),
            to_site: assignment.site(entry),
            live: names(&live),
            bits: bits(&live),
            pps: problem.pps,
        });
    }
    for (a, b) in facts.graph.edges() {
        let from_site = assignment.site(a);
        let to_site = match facts.program.control.nodes[b].kind {
            NodeKind::Drop => continue,
            NodeKind::Emit => Site::Switch,
            _ => assignment.site(b),
        };
        if from_site != to_site {
            let live = facts.live_in(b);
            found.push(Crossing {
                from: name(a),
                from_site,
                to: name(b),
                to_site,
                live: names(live),
                bits: bits(live),
                pps: problem.pps * problem.edge_frequency(facts, a, b),
            });
        }
    }
    found
}

fn predict(search: &Search<'_>, solution: &Solution) -> Prediction {
    let outcome = &solution.outcome;
    let growing = search.model.quantities.iter().zip(&outcome.loads);
    let loads = growing
        .filter(|(q, _)| q.kind.grows() && q.capacity.is_finite())
        .map(|(q, load)| (q.name.clone(), load / q.capacity.max(1.0)))
        .collect();
    let name = |q: usize| search.model.quantities[q].name.clone();
    let classes = search.model.classes.iter().zip(&search.model.ways);
    let latencies: Vec<ClassLatency> = classes
        .enumerate()
        .map(|(c, (class, ways))| ClassLatency {
            class: class.name.clone(),
            expected_us: outcome.loads[search.places.latency(c)] / 1e3,
            longest_us: outcome.longest_ns[c] / 1e3,
            most_us: ways.most.is_finite().then_some(ways.most / 1e3),
        })
        .collect();
    let longest = latencies.iter().map(|l| l.longest_us);
    let rates = search.rates(&solution.assignment);
    let classes = search.model.classes.iter().zip(&rates);
    let rates = classes.map(|(class, rate)| ClassRate {
        class: class.name.clone(),
        offered_gbps: search.gbps(class.offered),
        least_gbps: search.gbps(class.min),
        most_gbps: class.max.is_finite().then(|| search.gbps(class.max)),
        weight: class.weight,
        gbps: search.gbps(*rate),
    });
    Prediction {
        rates: rates.collect(),
        longest_us: longest.fold(0.0, f64::max),
        latencies,
        offered_pps: search.problem.pps,
        load_factor: outcome.scale.min(f64::MAX),
        bottleneck: outcome.bottleneck.map(name).unwrap_or_default(),
        cores: outcome.cores,
        latency_us: outcome.latency_ns / 1e3,
        loads,
    }
}
