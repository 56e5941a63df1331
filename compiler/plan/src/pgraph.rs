//! The policy graph (E2, section 4.1): one node per NF instance of the policy, shared by all
//! pipelines that name it; edges carry conditions and expected rates. A program that is the whole
//! pipeline has the smallest such graph: one NF that all external ports feed.

use crate::error::PlanError;
use crate::profile::Profiled;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trisect_policy::Profile;
use trisect_policy::filter::Filter;
use trisect_policy::nf::{Affinity, NfDescription};
use trisect_policy::policy::{self, Condition, Flows, Policy, Share, Updates};
use trisect_policy::rack::Rack;

/// The policy graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PGraph {
    /// NF instances, in the policy's order; only those that some pipeline uses.
    pub nfs: Vec<PNf>,
    /// Pipelines, in the policy's order: the first whose class takes a packet has it.
    pub pipelines: Vec<PPipeline>,
    /// What was taken from a profile; `None`: all figures are estimates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profiled>,
}

/// An NF instance of the policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PNf {
    /// Its name in the policy.
    pub name: String,
    /// The function in the library.
    pub function: String,
    /// Which packets must meet the same instance.
    pub affinity: Affinity,
    /// Estimated cycles per packet on one host core.
    pub cycles: u64,
    /// Most instances.
    pub max_instances: Option<u32>,
    /// Offered load of all pipelines, in packets per second.
    pub pps: f64,
    /// Tables whose entries the control plane changes while packets run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<PUpdates>,
}

/// How often the control plane changes a table's entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PUpdates {
    /// The table, as the NF's program names it.
    pub table: String,
    /// Entries per second, whatever the traffic.
    pub per_second: f64,
    /// Entries per packet that looks the table up.
    pub per_packet: f64,
}

/// A pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PPipeline {
    /// Its name.
    pub name: String,
    /// Ports of the class, by their numbers; empty: all.
    pub ports: Vec<u16>,
    /// Packet filter of the class.
    pub filter: Filter,
    /// Offered load in packets per second.
    pub pps: f64,
    /// How many flows there are, if the policy says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<Flows>,
    /// What a plan has to reach for the class.
    #[serde(default, skip_serializing_if = "PSlo::is_empty")]
    pub slo: PSlo,
    /// Edges, in the policy's order.
    pub edges: Vec<PEdge>,
}

/// Service-level objectives of a class. What is `None` is not asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PSlo {
    /// Packets per second that must be carried.
    pub min_pps: Option<f64>,
    /// Packets per second above which more is worth nothing.
    pub max_pps: Option<f64>,
    /// Longest time from external port to external port, without queues, in microseconds.
    pub max_latency_us: Option<f64>,
    /// What a packet of this class is worth, relative to those of other classes.
    pub weight: Option<f64>,
}

impl PSlo {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
    /// The weight; 1 if the policy gives none.
    pub fn weight(&self) -> f64 {
        self.weight.unwrap_or(1.0)
    }
}

/// A node of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PNode {
    /// Where the class's packets come in.
    In,
    /// An NF, by position in [`PGraph::nfs`].
    Nf(usize),
    /// An external port, by number.
    Port(u16),
    /// The external port that the NF has chosen itself (`egress_port`).
    Chosen,
    /// Where packets end.
    Drop,
}

/// An edge of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PEdge {
    /// From.
    pub from: PNode,
    /// To.
    pub to: PNode,
    /// Which packets; `None`: all that earlier edges left.
    pub condition: Option<Condition>,
    /// Expected load in packets per second.
    pub pps: f64,
}

/// The name of the pipeline that a program is on its own.
const OF_PROGRAM: &str = "all";

/// Assumptions for sizing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Mean length of a frame in bytes, to turn bit rates into packet rates.
    pub packet_bytes: u32,
}

impl Default for Traffic {
    /// 512 bytes: between a carrier's mean (700 to 900) and what stresses a CPU.
    fn default() -> Self {
        Self { packet_bytes: 512 }
    }
}

impl Traffic {
    /// Packets per second of a bit rate.
    pub fn pps(&self, bits_per_second: u64) -> f64 {
        bits_per_second as f64 / (8.0 * f64::from(self.packet_bytes.max(1)))
    }
}

impl PGraph {
    /// The graph of a checked policy. A profile's measured cycles replace those of the descriptions, and its
    /// counts stand where the policy gives no rates.
    ///
    /// # Errors
    /// Functions and ports that are not there, cycles.
    pub fn new(
        policy: &Policy,
        library: &BTreeMap<String, NfDescription>,
        rack: &Rack,
        traffic: Traffic,
        profile: Option<&Profile>,
    ) -> Result<Self, PlanError> {
        let used: Vec<&policy::NfInstance> = policy
            .nfs
            .iter()
            .filter(|nf| policy.pipelines.iter().any(|p| names(p, &nf.name)))
            .collect();
        let mut graph = Self {
            nfs: Vec::new(),
            pipelines: Vec::new(),
            profile: None,
        };
        for nf in used {
            let function = &nf.function.value;
            let description = library
                .get(function)
                .ok_or_else(|| PlanError::UnknownFunction {
                    nf: nf.name.value.clone(),
                    function: function.clone(),
                })?;
            graph.nfs.push(PNf {
                name: nf.name.value.clone(),
                function: function.clone(),
                affinity: description.affinity,
                cycles: description.cycles_per_packet,
                max_instances: description.scaling.max_instances,
                pps: 0.0,
                updates: updates(nf, description),
            });
        }
        for pipeline in &policy.pipelines {
            let built = graph.pipeline(pipeline, rack, traffic, profile)?;
            for (nf, pps) in graph.nfs.iter_mut().enumerate().map(|(i, nf)| {
                let into = built.edges.iter().filter(|e| e.to == PNode::Nf(i));
                (nf, into.map(|e| e.pps).sum::<f64>())
            }) {
                nf.pps += pps;
            }
            graph.pipelines.push(built);
        }
        if let Some(profile) = profile {
            crate::profile::measured_nfs(&mut graph, profile)?;
        }
        Ok(graph)
    }

    /// The graph of a program that is the whole pipeline: packets of all external ports go through it,
    /// and it chooses the port by which they leave. The ports' rates are the offered load.
    ///
    /// There is one instance of it, so that its state is in one place. `cycles` is its estimate.
    pub fn of_program(name: &str, cycles: u64, rack: &Rack, traffic: Traffic) -> Self {
        let pps = traffic.pps(rack.external_ports().map(|port| port.rate.0).sum());
        let edge = |from, to| PEdge {
            from,
            to,
            condition: None,
            pps,
        };
        Self {
            nfs: vec![PNf {
                name: name.to_owned(),
                function: name.to_owned(),
                affinity: Affinity::None,
                cycles,
                max_instances: Some(1),
                pps,
                updates: Vec::new(),
            }],
            pipelines: vec![PPipeline {
                name: OF_PROGRAM.to_owned(),
                ports: Vec::new(),
                filter: Filter::everything(),
                pps,
                flows: None,
                slo: PSlo::default(),
                edges: vec![
                    edge(PNode::In, PNode::Nf(0)),
                    edge(PNode::Nf(0), PNode::Chosen),
                ],
            }],
            profile: None,
        }
    }

    /// By pipeline: expected packets per second that leave by each external port of the rack. What programs
    /// choose themselves is taken to spread in proportion to the ports' rates.
    pub fn leaving(&self, rack: &Rack) -> Vec<Vec<f64>> {
        let rates: Vec<f64> = rack.external_ports().map(|p| p.rate.0 as f64).collect();
        let all: f64 = rates.iter().sum();
        let of_pipeline = |pipeline: &PPipeline| {
            let mut leaving = vec![0.0; rates.len()];
            for edge in &pipeline.edges {
                match edge.to {
                    PNode::Port(port) => {
                        if let Some(sum) = leaving.get_mut(usize::from(port)) {
                            *sum += edge.pps;
                        }
                    }
                    PNode::Chosen => {
                        for (sum, rate) in leaving.iter_mut().zip(&rates) {
                            *sum += edge.pps * rate / all.max(1.0);
                        }
                    }
                    PNode::In | PNode::Nf(_) | PNode::Drop => {}
                }
            }
            leaving
        };
        self.pipelines.iter().map(of_pipeline).collect()
    }

    fn pipeline(
        &self,
        pipeline: &policy::Pipeline,
        rack: &Rack,
        traffic: Traffic,
        profile: Option<&Profile>,
    ) -> Result<PPipeline, PlanError> {
        let port = |name: &str| {
            rack.port_number(name)
                .ok_or_else(|| PlanError::UnknownPort(name.to_owned()))
        };
        let ports: Vec<u16> = pipeline
            .class
            .ports
            .iter()
            .map(|name| port(name))
            .collect::<Result<_, _>>()?;
        let line_rate = || {
            rack.external_ports()
                .enumerate()
                .filter(|(i, _)| ports.is_empty() || ports.iter().any(|p| usize::from(*p) == *i))
                .map(|(_, port)| port.rate.0)
                .sum()
        };
        let pps = traffic.pps(pipeline.class.rate.map_or_else(line_rate, |rate| rate.0));
        let node = |node: &policy::Node| -> Result<PNode, PlanError> {
            Ok(match node {
                policy::Node::In => PNode::In,
                policy::Node::Nf(name) => PNode::Nf(
                    self.nfs
                        .iter()
                        .position(|nf| nf.name == *name)
                        .ok_or_else(|| PlanError::NoProgram(name.clone()))?,
                ),
                policy::Node::Port(name) => PNode::Port(port(name)?),
                policy::Node::Drop => PNode::Drop,
            })
        };
        let mut edges = Vec::new();
        let mut shares = Vec::new();
        for edge in &pipeline.edges {
            edges.push(PEdge {
                from: node(&edge.from.value)?,
                to: node(&edge.to.value)?,
                condition: edge.condition.as_ref().map(|c| c.value.clone()),
                pps: 0.0,
            });
            shares.push(edge.share.as_ref().map(|share| match share.value {
                Share::Rate(rate) => Load::Pps(traffic.pps(rate.0)),
                Share::Fraction(millionths) => Load::Fraction(f64::from(millionths) / 1e6),
            }));
        }
        if let Some(profile) = profile {
            counted_shares(pipeline, profile, &mut shares);
        }
        let mut built = PPipeline {
            name: pipeline.name.value.clone(),
            ports,
            filter: pipeline.class.filter.value.clone(),
            pps,
            flows: pipeline.class.flows,
            slo: PSlo {
                min_pps: pipeline
                    .slo
                    .min
                    .as_ref()
                    .map(|min| traffic.pps(min.value.0)),
                max_pps: pipeline
                    .slo
                    .max
                    .as_ref()
                    .map(|max| traffic.pps(max.value.0)),
                max_latency_us: pipeline
                    .slo
                    .latency
                    .as_ref()
                    .map(|l| l.value.0 as f64 / 1e3),
                weight: pipeline.slo.weight.as_ref().map(|w| f64::from(w.value)),
            },
            edges,
        };
        built.spread(&shares)?;
        Ok(built)
    }
}

/// What a policy, or else the description, says about changes of an instance's tables. What is not configured is
/// empty and stays so.
fn updates(nf: &policy::NfInstance, description: &NfDescription) -> Vec<PUpdates> {
    let items = description.config.iter();
    let changed = items.filter_map(|item| {
        let table = item.kind.table()?.to_owned();
        let setting = nf.config.iter().find(|s| s.name.value == item.name)?;
        let (per_second, per_packet) = match setting.updates.as_ref().map(|u| u.value) {
            Some(Updates::PerSecond(entries)) => (entries as f64, 0.0),
            Some(Updates::Fraction(millionths)) => (0.0, f64::from(millionths) / 1e6),
            None => (item.updates_per_second? as f64, 0.0),
        };
        (per_second + per_packet > 0.0).then_some(PUpdates {
            table,
            per_second,
            per_packet,
        })
    });
    changed.collect()
}

/// Puts counted parts where the policy says nothing about an edge.
fn counted_shares(pipeline: &policy::Pipeline, profile: &Profile, shares: &mut [Option<Load>]) {
    let mut leaving: BTreeMap<&policy::Node, Vec<usize>> = BTreeMap::new();
    for (i, edge) in pipeline.edges.iter().enumerate() {
        leaving.entry(&edge.from.value).or_default().push(i);
    }
    for (node, edges) in leaving {
        let name = match node {
            policy::Node::In => "in",
            policy::Node::Nf(name) => name,
            policy::Node::Port(_) | policy::Node::Drop => continue,
        };
        let conditional: Vec<bool> = edges
            .iter()
            .map(|i| pipeline.edges[*i].condition.is_some())
            .collect();
        let counted =
            crate::profile::edge_shares(profile, &pipeline.name.value, name, &conditional);
        for (i, part) in edges.into_iter().zip(counted.into_iter().flatten()) {
            shares[i].get_or_insert(Load::Fraction(part));
        }
    }
}

fn names(pipeline: &policy::Pipeline, nf: &str) -> bool {
    pipeline
        .edges
        .iter()
        .flat_map(|e| [&e.from.value, &e.to.value])
        .any(|node| matches!(node, policy::Node::Nf(name) if name == nf))
}

/// An edge's declared part of a node's load.
#[derive(Clone, Copy)]
enum Load {
    Pps(f64),
    Fraction(f64),
}

impl PPipeline {
    /// The edges that leave a node, in the order in which they are tried.
    pub fn edges_from<'a>(&'a self, node: &'a PNode) -> impl Iterator<Item = &'a PEdge> {
        self.edges.iter().filter(move |e| e.from == *node)
    }
    /// `In` and the NFs of the pipeline, each after all that come before it.
    ///
    /// # Errors
    /// A cycle.
    pub fn order(&self) -> Result<Vec<PNode>, PlanError> {
        let mut open: Vec<&PNode> = vec![&PNode::In];
        for node in self.edges.iter().flat_map(|e| [&e.from, &e.to]) {
            if matches!(node, PNode::Nf(_)) && !open.contains(&node) {
                open.push(node);
            }
        }
        let mut order = Vec::new();
        while !open.is_empty() {
            let ready = open.iter().position(|n| {
                !self
                    .edges
                    .iter()
                    .any(|e| e.to == **n && open.contains(&&e.from))
            });
            match ready {
                Some(at) => order.push(open.remove(at).clone()),
                None => return Err(PlanError::Cycle(self.name.clone())),
            }
        }
        Ok(order)
    }
    /// Load of a node in packets per second.
    pub fn load(&self, node: &PNode) -> f64 {
        if *node == PNode::In {
            return self.pps;
        }
        self.edges
            .iter()
            .filter(|e| e.to == *node)
            .map(|e| e.pps)
            .sum()
    }
    /// Gives every edge its load: what is declared, and an equal part of the rest where nothing is.
    fn spread(&mut self, shares: &[Option<Load>]) -> Result<(), PlanError> {
        for node in self.order()? {
            let load = self.load(&node);
            let mut rest = load;
            let mut open = Vec::new();
            for (i, share) in shares.iter().enumerate() {
                if self.edges[i].from != node {
                    continue;
                }
                let declared = match share {
                    Some(Load::Pps(pps)) => *pps,
                    Some(Load::Fraction(part)) => load * part,
                    None => {
                        open.push(i);
                        continue;
                    }
                };
                // More than there is cannot go anywhere.
                self.edges[i].pps = declared.min(rest);
                rest -= self.edges[i].pps;
            }
            for &i in &open {
                self.edges[i].pps = rest / open.len() as f64;
            }
        }
        Ok(())
    }
}
