//! A program with everything that the cut derives from it, computed once.

use crate::analysis::{Clean, Effects, Graph, Purity, Slot};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::analysis::liveness;
use trisect_ir::{
    Entity, MetaId, MetaKind, NodeId, NodeKind, ObjectId, ObjectKind, Op, Program, StdMeta, TableId,
};
use trisect_target::wire;

/// An uncut program and what is known about it.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its control graph.
    pub graph: Graph,
    /// Effects by node index.
    pub effects: Vec<Effects>,
    /// Where a crossing changes nothing.
    pub clean: Clean,
    /// Which decisions are the same for a whole flow.
    pub purity: Purity,
    /// Nodes that use one stateful thing, by thing. Only what is bound to one device.
    pub shared: BTreeMap<Stateful, Vec<NodeId>>,
    /// By node index: live metadata.
    live_in: Vec<BTreeSet<MetaId>>,
    /// By node index: metadata that may have been assigned before the node.
    set_before: Vec<BTreeSet<MetaId>>,
}

/// What gives packets their tag.
#[derive(Clone, Copy, Debug)]
pub struct Tagging<'a> {
    /// The node.
    pub node: NodeId,
    /// The metadata that holds the tag.
    pub tag: MetaId,
    /// What it does: hashes the packet's fields, and finds from the tag whether the packet is sampled.
    pub ops: &'a [Op],
    /// The node behind it.
    pub next: NodeId,
}

impl Tagging<'_> {
    /// What finds from the tag whether the packet is sampled.
    pub fn verdict(&self) -> Option<&Op> {
        self.ops.last()
    }
}

/// Something with state, or that is stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stateful {
    /// A table: its entries are on one device.
    Table(TableId),
    /// An object.
    Object(ObjectId),
}

impl<'a> Facts<'a> {
    /// All facts about a verified program.
    pub fn new(program: &'a Program) -> Self {
        let graph = Graph::new(program);
        let effects: Vec<Effects> = program
            .control
            .nodes
            .keys()
            .map(|node| Effects::of_node(program, node))
            .collect();
        Self {
            live_in: live_in(program),
            clean: Clean::new(program),
            purity: Purity::new(program, &graph, &effects),
            shared: shared(&graph, &effects),
            set_before: set_before(&graph, &effects),
            program,
            graph,
            effects,
        }
    }
    /// What a node does.
    pub fn effects(&self, node: NodeId) -> &Effects {
        &self.effects[node.index()]
    }
    /// Whether the node reads bytes of the frame by their offset.
    pub fn reads_raw_frame(&self, node: NodeId) -> bool {
        self.effects(node).reads_raw_frame
    }
    /// Whether a node is `Emit` or `Drop`, which have no site of their own.
    pub fn is_terminal(&self, node: NodeId) -> bool {
        matches!(
            self.program.control.nodes[node].kind,
            NodeKind::Emit | NodeKind::Drop
        )
    }
    /// Reachable nodes that have a site, in topological order.
    pub fn sited(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.graph
            .order
            .iter()
            .copied()
            .filter(|n| !self.is_terminal(*n))
    }
    /// Metadata that may have been assigned when control leaves a node.
    pub fn set_after(&self, node: NodeId) -> BTreeSet<MetaId> {
        let mut metas = self.set_before[node.index()].clone();
        metas.extend(metas_written(self.effects(node)));
        metas
    }
    /// The metadata that a node itself reads.
    pub fn metas_read(&self, node: NodeId) -> impl Iterator<Item = MetaId> + '_ {
        self.effects(node).reads.iter().filter_map(|s| match s {
            Slot::Meta(meta) => Some(*meta),
            _ => None,
        })
    }
    /// Metadata whose value at the node's entry may still be read: what must travel if packets are
    /// moved there. Without `parser_error`, which every parse sets anew.
    pub fn live_in(&self, node: NodeId) -> &BTreeSet<MetaId> {
        &self.live_in[node.index()]
    }
    /// Bits of metadata that are live at a node's entry.
    pub fn live_bits(&self, node: NodeId) -> u32 {
        self.live_in(node)
            .iter()
            .map(|m| self.program.metas[*m].width)
            .sum()
    }
    /// Metadata that also travels to these nodes, though nobody reads it there.
    pub fn travels(&mut self, meta: MetaId, nodes: &BTreeSet<NodeId>) {
        for node in nodes {
            self.live_in[node.index()].insert(meta);
        }
    }
    /// The node that gives packets the tag by which they are sampled: the entry, if there is any.
    pub fn tagging(&self) -> Option<Tagging<'a>> {
        let tag = self.program.meta_named(wire::TAG)?;
        let node = self.program.control.entry?;
        match &self.program.control.nodes[node].kind {
            NodeKind::Exec(ops, next) if self.effects(node).kills.contains(&tag) => Some(Tagging {
                node,
                tag,
                ops,
                next: *next,
            }),
            _ => None,
        }
    }
    /// Whether the node gives packets the tag by which they are sampled.
    pub fn gives_tag(&self, node: NodeId) -> bool {
        self.tagging().is_some_and(|tagging| tagging.node == node)
    }
    /// Whether every device knows the initial value of a metadata field: 0, or set by the parser.
    pub fn initial_known(&self, meta: MetaId) -> bool {
        self.program.metas[meta].kind == MetaKind::User
            || [
                StdMeta::EgressPort.id(),
                StdMeta::Drop.id(),
                StdMeta::ParserError.id(),
            ]
            .contains(&meta)
    }
    /// Whether the order in which packets meet this thing shows in what becomes of them or of it.
    pub fn order_matters(&self, thing: Stateful) -> bool {
        match thing {
            Stateful::Table(table) => self.program.tables[table].flow.is_some(),
            Stateful::Object(object) => match &self.program.objects[object].kind {
                ObjectKind::Meter { .. }
                | ObjectKind::Allocator { .. }
                | ObjectKind::Message { .. }
                | ObjectKind::Random { .. } => true,
                ObjectKind::Register { .. } => self.is_written(object),
                // Counting commutes; patterns do not change.
                ObjectKind::Counter { .. } | ObjectKind::PatternSet { .. } => false,
            },
        }
    }
    fn is_written(&self, object: ObjectId) -> bool {
        fn writes(ops: &[Op], object: ObjectId) -> bool {
            ops.iter().any(|op| match op {
                Op::Write { object: o, .. } => *o == object,
                Op::If(_, a, b) => writes(a, object) || writes(b, object),
                _ => false,
            })
        }
        self.program
            .actions
            .values()
            .any(|a| writes(&a.ops, object))
            || self
                .program
                .control
                .nodes
                .values()
                .any(|node| matches!(&node.kind, NodeKind::Exec(ops, _) if writes(ops, object)))
    }
    /// The name of a table or object, for people.
    pub fn name_of(&self, thing: Stateful) -> String {
        match thing {
            Stateful::Table(table) => format!("table `{}`", self.program.tables[table].name),
            Stateful::Object(object) => format!("object `{}`", self.program.objects[object].name),
        }
    }
}

fn shared(graph: &Graph, effects: &[Effects]) -> BTreeMap<Stateful, Vec<NodeId>> {
    let mut users: BTreeMap<Stateful, Vec<NodeId>> = BTreeMap::new();
    for &node in &graph.order {
        let own = &effects[node.index()];
        for table in &own.tables {
            users.entry(Stateful::Table(*table)).or_default().push(node);
        }
        for object in &own.objects {
            users
                .entry(Stateful::Object(*object))
                .or_default()
                .push(node);
        }
    }
    users
}

fn metas_written(effects: &Effects) -> impl Iterator<Item = MetaId> + '_ {
    effects.writes.iter().filter_map(|slot| match slot {
        Slot::Meta(meta) => Some(*meta),
        _ => None,
    })
}

fn live_in(program: &Program) -> Vec<BTreeSet<MetaId>> {
    liveness(program)
        .before
        .values()
        .map(|live| {
            let mut metas = live.metas.clone();
            metas.remove(&StdMeta::ParserError.id());
            metas
        })
        .collect()
}

fn set_before(graph: &Graph, effects: &[Effects]) -> Vec<BTreeSet<MetaId>> {
    let mut before: Vec<BTreeSet<MetaId>> = vec![BTreeSet::new(); effects.len()];
    for &node in &graph.order {
        let mut after = before[node.index()].clone();
        after.extend(metas_written(&effects[node.index()]));
        for next in graph.succs(node) {
            before[next.index()].extend(after.iter().copied());
        }
    }
    before
}
