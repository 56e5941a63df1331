//! All NFs and pipelines in one uncut program: what the policy means, and what a cut is held
//! against.
//!
//! Per pipeline, from its end to its beginning: each NF instance gets a copy of its control nodes
//! (its tables and objects are there once), its exits lead to the conditions of the edges behind it,
//! those to the next NFs. In front stand the classes of the pipelines. A packet's place in the
//! control graph says which pipeline it belongs to, so no tag has to travel for that: the
//! continuation of a cut is the tag.

mod conditions;
mod spread;

use crate::analysis::{Clean, Effects, Graph, Slot};
use crate::error::PlanError;
use crate::igraph::IGraph;
use crate::pgraph::{PGraph, PNode, PPipeline, PUpdates};
use crate::sampling;
use conditions::Attributes;
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::transform::{import, prune_parser, remove_unreachable};
use trisect_ir::{
    BinOp, Entity, Expr, LValue, Node, NodeId, NodeKind, Op, PrimaryMap, Program, StdMeta,
    Successors, TableId,
};
use trisect_policy::nf::NfDescription;
use trisect_sample::SampleSpec;

/// The merged program and what is known about its nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// The uncut program.
    pub program: Program,
    /// By node index: the instance that the node belongs to or stands next to, by position in
    /// [`IGraph::instances`]. Its server is where the node can run off the switch.
    pub near: Vec<Option<usize>>,
    /// Expected part of a node's packets that take an edge, where the policy says something about it.
    pub shares: BTreeMap<(NodeId, NodeId), f64>,
    /// By pipeline: the node at which its packets begin. What is behind it is of that pipeline alone.
    pub starts: Vec<NodeId>,
    /// Offered load in packets per second.
    pub pps: f64,
    /// Tables whose entries the control plane changes. Every instance has the same entries, so each
    /// sees all changes.
    pub updates: BTreeMap<TableId, PUpdates>,
    /// Entries that tables which packets fill had when the cycles of their nodes were measured; none if these are
    /// estimates.
    pub measured_entries: BTreeMap<TableId, u64>,
}

/// What is merged.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The policy graph.
    pub graph: &'a PGraph,
    /// The instance graph.
    pub instances: &'a IGraph,
    /// NF programs by the NF's name in the policy.
    pub programs: &'a BTreeMap<String, Program>,
    /// Descriptions by function.
    pub library: &'a BTreeMap<String, NfDescription>,
    /// NFs (by position) whose split is not kept by what is behind them.
    pub rewrites: &'a BTreeSet<usize>,
    /// The external ports: all numbers from 0 on, without gaps.
    pub ports: &'a BTreeSet<u16>,
    /// Sampling that gives packets a tag, if there is any.
    pub sampling: Option<&'a SampleSpec>,
}

/// NFs (by position in the policy graph) that may change the fields by which flows are told apart.
///
/// # Errors
/// A missing program.
pub fn rewriting(
    graph: &PGraph,
    programs: &BTreeMap<String, Program>,
) -> Result<BTreeSet<usize>, PlanError> {
    let mut found = BTreeSet::new();
    for (i, nf) in graph.nfs.iter().enumerate() {
        let program = programs
            .get(&nf.name)
            .ok_or_else(|| PlanError::NoProgram(nf.name.clone()))?;
        let flow = crate::analysis::flow_fields(program);
        let changes = program.control.nodes.keys().any(|node| {
            let effects = Effects::of_node(program, node);
            !matches!(program.control.nodes[node].kind, NodeKind::Reparse(_))
                && effects.writes.iter().any(|slot| flow.contains(slot))
        });
        if changes {
            found.insert(i);
        }
    }
    Ok(found)
}

/// Merges everything.
///
/// # Errors
/// Missing or unfit programs, unknown attributes.
pub fn merge(sources: Sources<'_>) -> Result<Merged, PlanError> {
    let mut merger = Merger::new(sources)?;
    // Where a parser would find something else after an NF than it did before, the NF's end must
    // parse again. That cleans the headers for all that follows, so: the first such place, then
    // look again.
    let mut reparse = BTreeSet::new();
    loop {
        let assembled = merger.assemble(&reparse)?;
        merger.program.control = assembled.control;
        match merger.first_unclean(&assembled.ends, &reparse) {
            Some(end) => reparse.insert(end),
            None => return Ok(merger.finish(assembled.notes)),
        };
    }
}

/// The end of an NF instance in a pipeline: pipeline and instance, by position.
type End = (usize, usize);

struct Merger<'a> {
    sources: Sources<'a>,
    /// Everything but the control graph.
    program: Program,
    /// Control nodes by instance, with ids relative to the first, and the entry.
    templates: Vec<(PrimaryMap<NodeId, Node>, NodeId)>,
    attributes: Attributes,
    /// What gives packets their tag.
    tagging: Option<Vec<Op>>,
    pub pps: f64,
}

/// What is noted about nodes, by name.
#[derive(Default)]
struct Notes {
    near: BTreeMap<String, usize>,
    shares: BTreeMap<(String, String), f64>,
    starts: Vec<String>,
}

struct Assembled {
    control: trisect_ir::Control,
    notes: Notes,
    /// Where each NF ends: the nodes that leave it, and the node behind.
    ends: BTreeMap<End, (Vec<NodeId>, NodeId)>,
}

impl<'a> Merger<'a> {
    fn new(sources: Sources<'a>) -> Result<Self, PlanError> {
        let mut program = Program::new("pipeline");
        let mut templates = Vec::new();
        for instance in &sources.instances.instances {
            let nf = &sources.graph.nfs[instance.nf].name;
            let source = sources
                .programs
                .get(nf)
                .ok_or_else(|| PlanError::NoProgram(nf.clone()))?;
            let imported = import(&mut program, source, &instance.name).map_err(|error| {
                PlanError::Import {
                    nf: nf.clone(),
                    error,
                }
            })?;
            // The nodes are copied into each pipeline; the originals go.
            let nodes = std::mem::take(&mut program.control.nodes);
            templates.push((nodes, imported.entry));
        }
        let attributes = Attributes::declare(&mut program, &sources)?;
        program.add_meta(spread::HASH, 32);
        let tagging = sources.sampling;
        let tagging = tagging.map(|spec| sampling::give_tag(&mut program, spec));
        Self::declare_reasons(&mut program, &sources);
        Ok(Self {
            sources,
            program,
            templates,
            attributes,
            tagging: tagging.transpose()?,
            pps: sources.graph.pipelines.iter().map(|p| p.pps).sum(),
        })
    }

    fn assemble(&mut self, reparse: &BTreeSet<End>) -> Result<Assembled, PlanError> {
        let mut assembly = Assembly {
            merger: self,
            nodes: PrimaryMap::new(),
            notes: Notes::default(),
            ends: BTreeMap::new(),
            reparse,
            emit: NodeId::new(0),
            drop: NodeId::new(0),
        };
        assembly.emit = assembly.add("emit", None, NodeKind::Emit);
        assembly.drop = assembly.add("drop", None, NodeKind::Drop);
        let classes = assembly.classes()?;
        let entry = match &assembly.merger.tagging {
            None => classes,
            Some(ops) => {
                let kind = NodeKind::Exec(ops.clone(), classes);
                assembly.add(sampling::TAG_NODE, None, kind)
            }
        };
        Ok(Assembled {
            control: trisect_ir::Control {
                nodes: assembly.nodes,
                entry: Some(entry),
            },
            notes: assembly.notes,
            ends: assembly.ends,
        })
    }

    /// The first NF end, in topological order, behind which something reads headers or the frame
    /// although parsing again would find other headers than there are, or the frame has changed.
    fn first_unclean(
        &self,
        ends: &BTreeMap<End, (Vec<NodeId>, NodeId)>,
        done: &BTreeSet<End>,
    ) -> Option<End> {
        let program = &self.program;
        let graph = Graph::new(program);
        let effects: Vec<Effects> = program
            .control
            .nodes
            .keys()
            .map(|n| Effects::of_node(program, n))
            .collect();
        // The parser that counts is the one that is left at the end.
        let mut pruned = program.clone();
        prune_parser(&mut pruned);
        let clean = Clean::new(&pruned);
        // Pruning renumbers nodes; names stay.
        let there: BTreeMap<&str, NodeId> = pruned
            .control
            .nodes
            .iter()
            .map(|(id, node)| (node.name.as_str(), id))
            .collect();
        let pruned_id = |n: &NodeId| {
            let name = program.control.nodes[*n].name.as_str();
            there.get(name).copied()
        };
        let position: BTreeMap<NodeId, usize> = graph
            .order
            .iter()
            .enumerate()
            .map(|(i, n)| (*n, i))
            .collect();
        ends.iter()
            .filter(|(end, _)| !done.contains(end))
            .filter(|(_, (leaving, behind))| {
                let reads = |wanted: fn(&Effects) -> bool| {
                    wanted(&effects[behind.index()])
                        || graph
                            .descendants(*behind)
                            .iter()
                            .any(|n| wanted(&effects[n.index()]))
                };
                let dirty = leaving
                    .iter()
                    .filter_map(pruned_id)
                    .any(|n| clean.dirty_after(n));
                let written = leaving
                    .iter()
                    .filter_map(pruned_id)
                    .any(|n| clean.written_after(n));
                (dirty && reads(reads_headers)) || (written && reads(|e| e.reads_raw_frame))
            })
            .min_by_key(|(_, (_, behind))| position.get(behind).copied())
            .map(|(end, _)| *end)
    }

    fn finish(mut self, notes: Notes) -> Merged {
        remove_unreachable(&mut self.program);
        prune_parser(&mut self.program);
        let nodes = &self.program.control.nodes;
        let id: BTreeMap<&str, NodeId> = nodes.iter().map(|(i, n)| (n.name.as_str(), i)).collect();
        let shares = notes
            .shares
            .iter()
            .filter_map(|((from, to), share)| {
                Some(((*id.get(from.as_str())?, *id.get(to.as_str())?), *share))
            })
            .collect();
        let near = nodes
            .values()
            .map(|node| notes.near.get(&node.name).copied())
            .collect();
        // A class that no packet can be of is not reachable; its place is taken by a node that ends.
        let nowhere = nodes.find(|n| matches!(n.kind, NodeKind::Drop | NodeKind::Emit));
        let starts = notes.starts.iter();
        let starts = starts
            .filter_map(|name| id.get(name.as_str()).copied().or(nowhere))
            .collect();
        let instances = self.sources.instances.instances.iter();
        let updates = instances.flat_map(|instance| {
            let changed = self.sources.graph.nfs[instance.nf].updates.iter();
            changed.map(move |updates| (format!("{}.{}", instance.name, updates.table), updates))
        });
        let tables = &self.program.tables;
        let updates = updates
            .filter_map(|(name, updates)| {
                Some((tables.find(|table| table.name == name)?, updates.clone()))
            })
            .collect();
        Merged {
            updates,
            measured_entries: BTreeMap::new(),
            near,
            shares,
            starts,
            pps: self.pps,
            program: self.program,
        }
    }
}

fn reads_headers(effects: &Effects) -> bool {
    effects
        .reads
        .iter()
        .any(|slot| !matches!(slot, Slot::Meta(_)))
}

struct Assembly<'m, 'a> {
    merger: &'m Merger<'a>,
    nodes: PrimaryMap<NodeId, Node>,
    notes: Notes,
    ends: BTreeMap<End, (Vec<NodeId>, NodeId)>,
    reparse: &'m BTreeSet<End>,
    emit: NodeId,
    drop: NodeId,
}

impl Assembly<'_, '_> {
    fn add(&mut self, name: &str, near: Option<usize>, kind: NodeKind) -> NodeId {
        if let Some(instance) = near {
            self.notes.near.insert(name.to_owned(), instance);
        }
        self.nodes.push(Node {
            name: name.to_owned(),
            nf: String::new(),
            kind,
        })
    }
    fn name(&self, node: NodeId) -> String {
        self.nodes[node].name.clone()
    }
    /// A branch, with the part of its packets that the condition takes.
    fn branch(
        &mut self,
        name: &str,
        near: Option<usize>,
        cond: Expr,
        (yes, part): (NodeId, f64),
        no: NodeId,
    ) -> NodeId {
        let node = self.add(name, near, NodeKind::Branch(cond, yes, no));
        let part = if part.is_finite() {
            part.clamp(0.0, 1.0)
        } else {
            0.5
        };
        if yes != no {
            let (y, n) = (self.name(yes), self.name(no));
            self.notes.shares.insert((name.to_owned(), y), part);
            self.notes.shares.insert((name.to_owned(), n), 1.0 - part);
        }
        node
    }
    /// Drops for a reason.
    fn dropped(&mut self, name: &str, near: Option<usize>, reason: &str) -> NodeId {
        let number = self.merger.reason(reason);
        let ops = vec![Op::Set(
            LValue::meta(StdMeta::Drop.id()),
            Expr::num(16, u64::from(number)),
        )];
        let drop = self.drop;
        self.add(name, near, NodeKind::Exec(ops, drop))
    }
    /// The classes of all pipelines: the entry of the whole. Ports first, then the filters of the
    /// pipelines that take packets from these ports, in order: so packets of a port are never held
    /// against the filters of others.
    fn classes(&mut self) -> Result<NodeId, PlanError> {
        let merger = self.merger;
        let mut starts = Vec::new();
        for (i, pipeline) in merger.sources.graph.pipelines.iter().enumerate() {
            starts.push(self.pipeline(i, pipeline)?);
        }
        self.notes.starts = starts.iter().map(|s| self.name(*s)).collect();
        let none = self.dropped("class.none", None, NO_CLASS);
        let all: BTreeSet<u16> = merger.sources.ports.clone();
        Ok(self.class(0, &all, &starts, none, &mut BTreeMap::new()))
    }
    /// The class of packets from these ports that the pipelines before `i` did not take.
    fn class(
        &mut self,
        i: usize,
        ports: &BTreeSet<u16>,
        starts: &[NodeId],
        none: NodeId,
        made: &mut BTreeMap<(usize, BTreeSet<u16>), NodeId>,
    ) -> NodeId {
        let merger = self.merger;
        let pipelines = &merger.sources.graph.pipelines;
        let Some(pipeline) = pipelines.get(i) else {
            return none;
        };
        let key = (i, ports.clone());
        if let Some(node) = made.get(&key) {
            return *node;
        }
        let own: BTreeSet<u16> = if pipeline.ports.is_empty() {
            ports.clone()
        } else {
            pipeline
                .ports
                .iter()
                .copied()
                .filter(|p| ports.contains(p))
                .collect()
        };
        let others: BTreeSet<u16> = ports.difference(&own).copied().collect();
        let near = self.first_instance(pipeline);
        let name = format!("class.{}", pipeline.name);
        let number = if made.keys().any(|(k, _)| *k == i) {
            format!(".{}", made.len())
        } else {
            String::new()
        };
        // Expected load of what comes in on some of the ports of a pipeline.
        let load = |from: usize, ports: &BTreeSet<u16>| -> f64 {
            pipelines[from..]
                .iter()
                .map(|p| {
                    let count = if p.ports.is_empty() {
                        merger.sources.ports.len()
                    } else {
                        p.ports.len()
                    };
                    let met = ports
                        .iter()
                        .filter(|port| p.ports.is_empty() || p.ports.contains(port))
                        .count();
                    p.pps * met as f64 / count.max(1) as f64
                })
                .sum()
        };
        let node = if own.is_empty() {
            self.class(i + 1, ports, starts, none, made)
        } else {
            let taken = if pipeline.filter.is_everything() {
                starts[i]
            } else {
                let next = self.class(i + 1, &own, starts, none, made);
                let cond = pipeline.filter.lower(&merger.program).expr;
                let part = 1.0 - load(i + 1, &own) / load(i, &own);
                self.branch(
                    &format!("{name}{number}"),
                    near,
                    cond,
                    (starts[i], part),
                    next,
                )
            };
            match conditions::came_in_on(&own) {
                Some(cond) if !others.is_empty() => {
                    let next = self.class(i + 1, &others, starts, none, made);
                    let part = load(i, &own) / load(i, ports);
                    let name = format!("{name}.ports{number}");
                    self.branch(&name, near, cond, (taken, part), next)
                }
                _ => taken,
            }
        };
        made.insert(key, node);
        node
    }
    fn first_instance(&self, pipeline: &PPipeline) -> Option<usize> {
        pipeline.edges.iter().find_map(|e| match e.to {
            PNode::Nf(nf) => self.merger.sources.instances.of_nf[nf].first().copied(),
            _ => None,
        })
    }
    /// One pipeline, from its end to its beginning.
    fn pipeline(&mut self, p: usize, pipeline: &PPipeline) -> Result<NodeId, PlanError> {
        let mut entries: BTreeMap<usize, NodeId> = BTreeMap::new();
        for node in pipeline.order()?.into_iter().rev() {
            let PNode::Nf(nf) = node else { continue };
            let instances = self.merger.sources.instances.of_nf[nf].clone();
            for (k, instance) in instances.into_iter().enumerate() {
                let behind = self.edges(pipeline, &node, Some((instance, k)), &entries)?;
                let entry = self.instance(p, pipeline, instance, behind);
                entries.insert(instance, entry);
            }
        }
        self.edges(pipeline, &PNode::In, None, &entries)
    }
    /// The conditions of the edges behind a node.
    fn edges(
        &mut self,
        pipeline: &PPipeline,
        node: &PNode,
        from: Option<(usize, usize)>,
        entries: &BTreeMap<usize, NodeId>,
    ) -> Result<NodeId, PlanError> {
        let merger = self.merger;
        let what = match from {
            Some((instance, _)) => merger.sources.instances.instances[instance].name.clone(),
            None => "in".to_owned(),
        };
        let stem = format!("{}.{what}", pipeline.name);
        let near = from.map(|f| f.0).or_else(|| self.first_instance(pipeline));
        let edges: Vec<_> = pipeline.edges_from(node).collect();
        let open = edges.iter().position(|e| e.condition.is_none());
        let used = open.map_or(edges.len(), |i| i + 1);
        let mut next = match open {
            Some(_) => None,
            None => {
                let reason = format!("{what}: no edge takes it");
                Some(self.dropped(&format!("{stem}.no_edge"), near, &reason))
            }
        };
        let mut rest = 0.0;
        for (i, edge) in edges[..used].iter().enumerate().rev() {
            let name = format!("{stem}.{i}");
            let target = match edge.to {
                PNode::Nf(nf) => {
                    let k = from.map_or(0, |f| f.1);
                    let keeps = merger.sources.instances.keeps_split(
                        merger.sources.graph,
                        merger.sources.rewrites,
                        node,
                        nf,
                    );
                    self.spread(&name, near, nf, keeps.then_some(k), entries)
                }
                PNode::Port(port) => self.send(&name, near, port),
                PNode::Chosen => self.send_as_chosen(&name, near),
                PNode::Drop => self.dropped(&format!("{name}.drop"), near, BY_POLICY),
                PNode::In => return Err(PlanError::Cycle(pipeline.name.clone())),
            };
            rest += edge.pps;
            next = Some(match (&edge.condition, next) {
                (Some(condition), Some(no)) => {
                    let cond = merger.attributes.condition(&merger.program, condition)?;
                    self.branch(&name, near, cond, (target, edge.pps / rest), no)
                }
                _ => target,
            });
        }
        next.ok_or_else(|| PlanError::Cycle(pipeline.name.clone()))
    }
    fn send(&mut self, name: &str, near: Option<usize>, port: u16) -> NodeId {
        let ops = vec![Op::Set(
            LValue::meta(StdMeta::EgressPort.id()),
            Expr::num(16, u64::from(port)),
        )];
        let emit = self.emit;
        self.add(&format!("{name}.send"), near, NodeKind::Exec(ops, emit))
    }
    /// Sends by the port that the NF has chosen, if the rack has it: behind other ports of the switch
    /// are the servers.
    fn send_as_chosen(&mut self, name: &str, near: Option<usize>) -> NodeId {
        let ports = self.merger.sources.ports;
        let none = self.dropped(&format!("{name}.no_port"), near, NO_PORT);
        let Some(last) = ports.last() else {
            return none;
        };
        let chosen = StdMeta::EgressPort.get();
        let there = Expr::binary(BinOp::Le, chosen, Expr::num(16, u64::from(*last)));
        let emit = self.emit;
        self.branch(&format!("{name}.port"), near, there, (emit, 1.0), none)
    }
    /// A copy of an instance's control for a pipeline; its entry.
    fn instance(
        &mut self,
        p: usize,
        pipeline: &PPipeline,
        instance: usize,
        behind: NodeId,
    ) -> NodeId {
        let merger = self.merger;
        let name = &merger.sources.instances.instances[instance].name;
        let suffix = if merger.pipelines_with(instance) > 1 {
            format!(".{}", pipeline.name)
        } else {
            String::new()
        };
        let mut behind = behind;
        let exports = merger.attributes.exports(instance);
        if !exports.is_empty() {
            let kind = NodeKind::Exec(exports, behind);
            behind = self.add(&format!("{name}.attributes{suffix}"), Some(instance), kind);
        }
        let end = behind;
        if self.reparse.contains(&(p, instance)) {
            let kind = NodeKind::Reparse(behind);
            behind = self.add(&format!("{name}.reparse{suffix}"), Some(instance), kind);
        }
        let (template, entry) = &merger.templates[instance];
        // Emit nodes of the NF are its ends; all others are copied.
        let mut number = Vec::new();
        let mut count = self.nodes.len();
        for node in template.values() {
            if matches!(node.kind, NodeKind::Emit) {
                number.push(behind);
            } else {
                number.push(NodeId::new(count));
                count += 1;
            }
        }
        let mut leaving = Vec::new();
        for node in template.values() {
            if matches!(node.kind, NodeKind::Emit) {
                continue;
            }
            let mut node = node.clone();
            let mut leaves = false;
            for next in node.kind.successors_mut() {
                *next = number[next.index()];
                leaves |= *next == behind;
            }
            node.name.push_str(&suffix);
            node.nf.clone_from(name);
            self.notes.near.insert(node.name.clone(), instance);
            let id = self.nodes.push(simplified(node));
            if leaves {
                leaving.push(id);
            }
        }
        self.ends.insert((p, instance), (leaving, end));
        let entry = number[entry.index()];
        match merger.attributes.reset(instance) {
            Some(op) => {
                let kind = NodeKind::Exec(vec![op], entry);
                self.add(&format!("{name}.enter{suffix}"), Some(instance), kind)
            }
            None => entry,
        }
    }
}

/// Ways that all lead to one node are one way.
fn simplified(mut node: Node) -> Node {
    let targets = node.kind.successors();
    if let (NodeKind::Apply(table, successors), Some(first)) = (&node.kind, targets.first())
        && !matches!(successors, Successors::Always(_))
        && targets.iter().all(|t| t == first)
    {
        node.kind = NodeKind::Apply(*table, Successors::Always(*first));
    }
    node
}

/// Why a packet of no class is dropped.
pub const NO_CLASS: &str = "no pipeline takes it";
/// Why a packet is dropped that an edge leads to `drop`.
pub const BY_POLICY: &str = "dropped by the policy";
/// Why a packet is dropped for which a program chose a port that is not an external one.
pub const NO_PORT: &str = "sent to a port that the rack does not have";

impl Merger<'_> {
    /// The number of a drop reason that the merger itself needs.
    fn reason(&self, text: &str) -> u32 {
        self.program
            .drop_reasons
            .find(|r| r == text)
            .map_or(0, trisect_ir::DropReasonId::number)
    }
    fn pipelines_with(&self, instance: usize) -> usize {
        let nf = self.sources.instances.instances[instance].nf;
        self.sources
            .graph
            .pipelines
            .iter()
            .filter(|p| p.edges.iter().any(|e| e.to == PNode::Nf(nf)))
            .count()
    }
    /// All reasons that the merger itself needs.
    fn declare_reasons(program: &mut Program, sources: &Sources<'_>) {
        let mut edges = sources.graph.pipelines.iter().flat_map(|p| &p.edges);
        if edges.any(|e| e.to == PNode::Chosen) {
            program.drop_reason(NO_PORT);
        }
        program.drop_reason(NO_CLASS);
        program.drop_reason(BY_POLICY);
        program.drop_reason("in: no edge takes it");
        for instance in &sources.instances.instances {
            program.drop_reason(&format!("{}: no edge takes it", instance.name));
        }
    }
}
