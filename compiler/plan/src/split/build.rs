//! What the pieces of all devices have in common: a copy of the uncut program with another control
//! graph, in which edges to other devices end in exits.

use super::Cut;
use super::encapsulation::Encapsulation;
use crate::legal;
use crate::site::Site;
use std::collections::BTreeMap;
use trisect_ir::transform::{prune_parser, remove_unreachable};
use trisect_ir::{
    BinOp, Control, Entity, Expr, LValue, MetaId, Node, NodeId, NodeKind, Op, PrimaryMap, Program,
    StdMeta,
};

pub(super) struct Builder<'c, 'f> {
    pub cut: &'c Cut<'f>,
    pub site: Site,
    pub program: Program,
    pub wire: Encapsulation,
    nodes: Vec<Option<Node>>,
    /// Copies of the uncut program's nodes.
    local: BTreeMap<NodeId, NodeId>,
    /// Nodes that are made once, by name.
    named: BTreeMap<String, NodeId>,
    /// Bytes in front of the original frame, where the piece reads the frame.
    shift: Option<MetaId>,
}

impl<'c, 'f> Builder<'c, 'f> {
    pub fn new(cut: &'c Cut<'f>, site: Site, name: String) -> Self {
        let uncut = cut.facts.program;
        let mut program = Program {
            name,
            control: Control::default(),
            attributes: Vec::new(),
            ..uncut.clone()
        };
        if site == Site::Switch && legal::left_whole(cut.facts, cut.assignment) {
            program.parser.states = PrimaryMap::new();
            program.parser.start = None;
            program.deparser.clear();
        }
        let wire = Encapsulation::declare(&mut program, cut.tlv_bytes);
        let nodes = cut.nodes_at(site);
        let reads_frame = nodes.iter().any(|n| cut.facts.reads_raw_frame(*n));
        let shift = reads_frame.then(|| program.add_meta("cut.shift", 32));
        let mut builder = Self {
            cut,
            site,
            program,
            wire,
            nodes: Vec::new(),
            local: BTreeMap::new(),
            named: BTreeMap::new(),
            shift,
        };
        for node in nodes {
            let id = builder.reserve();
            builder.local.insert(node, id);
        }
        if let Some(shift) = builder.shift {
            builder.shift_frame_reads(shift);
        }
        builder
    }
    fn reserve(&mut self) -> NodeId {
        self.nodes.push(None);
        NodeId::new(self.nodes.len() - 1)
    }
    /// A node that the compiler puts in.
    pub fn add(&mut self, name: String, kind: NodeKind) -> NodeId {
        self.nodes.push(Some(Node {
            name,
            nf: String::new(),
            kind,
        }));
        NodeId::new(self.nodes.len() - 1)
    }
    /// A node that the compiler puts in once: `kind` is asked only the first time.
    pub fn once(&mut self, name: &str, kind: impl FnOnce(&mut Self) -> NodeKind) -> NodeId {
        self.memo(name, |b| {
            let kind = kind(b);
            b.add(name.to_owned(), kind)
        })
    }
    /// What was made under the name, or what is made now.
    pub fn memo(&mut self, name: &str, make: impl FnOnce(&mut Self) -> NodeId) -> NodeId {
        if let Some(id) = self.named.get(name) {
            return *id;
        }
        let id = make(self);
        self.named.insert(name.to_owned(), id);
        id
    }
    pub fn emit(&mut self) -> NodeId {
        self.once("cut.emit", |_| NodeKind::Emit)
    }
    /// Sends to an external port: without outer headers. They stay on until here because removing
    /// them is a write, after which nobody may read the frame.
    fn send(&mut self) -> NodeId {
        self.once("cut.strip", |b| {
            let emit = b.emit();
            NodeKind::Exec(b.wire.strip(), emit)
        })
    }
    /// Drops what cannot come: a frame from a server with a continuation that is not known here.
    pub fn stray(&mut self) -> NodeId {
        self.once("cut.stray", |b| {
            let reason = b.program.drop_reason("unknown continuation");
            let ops = vec![Op::Set(
                LValue::meta(StdMeta::Drop.id()),
                Expr::num(16, u64::from(reason.number())),
            )];
            let drop = b.once("cut.drop", |_| NodeKind::Drop);
            NodeKind::Exec(ops, drop)
        })
    }
    /// The local copy of a node of this site.
    pub fn local(&self, node: NodeId) -> Option<NodeId> {
        self.local.get(&node).copied()
    }
    /// Copies all nodes of the site; `exit` makes the node that leads off to another site, for an
    /// edge from the first to the second node.
    pub fn body(&mut self, mut exit: impl FnMut(&mut Self, NodeId, NodeId) -> NodeId) {
        let copies: Vec<(NodeId, NodeId)> = self.local.iter().map(|(a, b)| (*a, *b)).collect();
        for (old, new) in copies {
            let mut node = self.cut.facts.program.control.nodes[old].clone();
            let targets: Vec<NodeId> = node
                .kind
                .successors()
                .into_iter()
                .map(|next| self.target(old, next, &mut exit))
                .collect();
            for (slot, target) in node.kind.successors_mut().into_iter().zip(targets) {
                *slot = target;
            }
            if let Some(shift) = self.shift {
                node_exprs_mut(&mut node.kind, &mut |e| shift_frame(e, shift));
            }
            self.nodes[new.index()] = Some(node);
        }
    }
    /// Where control goes from a node of this site to a successor of the uncut program.
    fn target(
        &mut self,
        from: NodeId,
        to: NodeId,
        exit: &mut impl FnMut(&mut Self, NodeId, NodeId) -> NodeId,
    ) -> NodeId {
        match self.here(to) {
            Some(node) => node,
            None => exit(self, from, to),
        }
    }
    /// The node to go on with on this device, if `to` is on it.
    pub fn here(&mut self, to: NodeId) -> Option<NodeId> {
        let original = &self.cut.facts.program.control.nodes[to];
        match original.kind {
            NodeKind::Drop => Some(self.once(&original.name.clone(), |_| NodeKind::Drop)),
            NodeKind::Emit if self.site == Site::Switch => Some(self.send()),
            _ => self.local(to),
        }
    }
    /// A chain of branches: the target of the first condition that holds, else the last.
    pub fn chain(
        &mut self,
        name: &str,
        cases: Vec<(u32, Expr, NodeId)>,
        otherwise: NodeId,
    ) -> NodeId {
        let mut next = otherwise;
        for (number, cond, target) in cases.into_iter().rev() {
            next = self.add(
                format!("{name}.{number}"),
                NodeKind::Branch(cond, target, next),
            );
        }
        next
    }
    /// Operations with which the device takes a packet over: live metadata, how far the original frame is
    /// shifted, and whether the packet is sampled.
    pub fn take_over(&self, layout: &super::Layout) -> Vec<Op> {
        let mut ops = self.wire.load(layout);
        ops.extend(self.note_shift(layout));
        // Without a tag, what the switch has found when it looked at the packet holds. A host's driver looks at
        // packets before its piece has them.
        if let (Some(tagging), Site::Switch) = (self.cut.facts.tagging(), self.site)
            && layout.metas().any(|meta| meta == tagging.tag)
        {
            ops.extend(tagging.verdict().cloned());
        }
        ops
    }
    /// How far the original frame is shifted, where the piece must know.
    pub fn note_shift(&self, layout: &super::Layout) -> Option<Op> {
        let bytes = u64::from(self.wire.bytes(layout));
        self.shift
            .map(|shift| Op::Set(LValue::meta(shift), Expr::num(32, bytes)))
    }
    fn shift_frame_reads(&mut self, shift: MetaId) {
        for table in self.program.tables.values_mut() {
            for key in &mut table.keys {
                key.expr.walk_mut(&mut |e| shift_frame(e, shift));
            }
        }
        for action in self.program.actions.values_mut() {
            ops_exprs_mut(&mut action.ops, &mut |e| {
                e.walk_mut(&mut |e| shift_frame(e, shift));
            });
        }
    }
    /// The finished piece.
    pub fn finish(mut self, entry: NodeId) -> Program {
        let nodes: PrimaryMap<NodeId, Node> = self
            .nodes
            .into_iter()
            .map(|node| {
                node.unwrap_or_else(|| Node {
                    name: String::new(),
                    nf: String::new(),
                    kind: NodeKind::Drop,
                })
            })
            .collect();
        self.program.control = Control {
            nodes,
            entry: Some(entry),
        };
        remove_unreachable(&mut self.program);
        prune_parser(&mut self.program);
        self.program
    }
}

/// The frame as the uncut program knows it begins behind the outer headers.
fn shift_frame(expr: &mut Expr, shift: MetaId) {
    match expr {
        Expr::Frame { offset, .. } => {
            let inner = std::mem::replace(&mut **offset, Expr::FrameLen);
            // Saturating, so that an offset past the end stays past the end.
            **offset = Expr::binary(BinOp::AddSat, inner, Expr::Meta(shift));
        }
        Expr::FrameLen => {
            *expr = Expr::binary(BinOp::Sub, Expr::FrameLen, Expr::Meta(shift));
        }
        _ => {}
    }
}

fn node_exprs_mut(kind: &mut NodeKind, f: &mut impl FnMut(&mut Expr)) {
    match kind {
        NodeKind::Branch(cond, ..) => cond.walk_mut(f),
        NodeKind::Exec(ops, _) => ops_exprs_mut(ops, &mut |e| e.walk_mut(f)),
        NodeKind::Apply(..) | NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {}
    }
}

/// Calls `f` on every top-level expression of the operations.
fn ops_exprs_mut(ops: &mut [Op], f: &mut impl FnMut(&mut Expr)) {
    for op in ops {
        op.walk_mut(&mut |op| op.exprs_mut().into_iter().for_each(&mut *f));
    }
}
