//! What matters behind a node: metadata that is read, headers that are looked at.

use crate::shape::{Set, Shapes, Std, set};
use crate::walk::node_ids;
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{
    Entity, Expr, HeaderId, Index, LValue, MetaId, NodeId, NodeKind, Op, ParserOp, Place,
    PrimaryMap, Program, StdMeta,
};
use trisect_target::wire;

/// What one node reads.
#[derive(Clone, Default)]
struct Reads {
    metas: BTreeSet<MetaId>,
    headers: BTreeSet<HeaderId>,
}

impl Reads {
    fn expr(&mut self, expr: &Expr) {
        expr.walk(&mut |e| match e {
            Expr::Meta(meta) => {
                self.metas.insert(*meta);
            }
            Expr::Field(field) => {
                self.headers.insert(field.header);
            }
            Expr::Valid(header) => {
                self.headers.insert(*header);
            }
            _ => {}
        });
    }

    fn target(&mut self, target: &LValue) {
        match (target.place, target.slice) {
            (Place::Field(field), _) => {
                self.headers.insert(field.header);
            }
            (Place::Meta(meta), Some(_)) => {
                self.metas.insert(meta);
            }
            (Place::Meta(_), None) => {}
        }
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Set(target, value) => {
                self.target(target);
                self.expr(value);
            }
            Op::If(cond, yes, no) => {
                self.expr(cond);
                yes.iter().chain(no).for_each(|op| self.op(op));
            }
            Op::Count(_, index) => {
                self.metas.insert(StdMeta::PacketLength.id());
                if let Index::At(expr) = index {
                    self.expr(expr);
                }
            }
            // Refused, wherever they stand.
            _ => {}
        }
    }

    fn node(&mut self, program: &Program, node: NodeId) {
        match &program.control.nodes[node].kind {
            NodeKind::Apply(table, _) => {
                let table = &program.tables[*table];
                table.keys.iter().for_each(|key| self.expr(&key.expr));
                for action in &table.actions {
                    program.actions[*action]
                        .ops
                        .iter()
                        .for_each(|op| self.op(op));
                }
                let default = &program.actions[table.default.action];
                default.ops.iter().for_each(|op| self.op(op));
            }
            NodeKind::Branch(cond, ..) => self.expr(cond),
            NodeKind::Exec(ops, _) => ops.iter().for_each(|op| self.op(op)),
            NodeKind::Emit => {
                self.metas.insert(StdMeta::EgressPort.id());
                self.metas.extend(program.meta_named(wire::MARK));
                self.metas.extend(program.meta_named(wire::META));
            }
            NodeKind::Drop => {
                self.metas.insert(StdMeta::Drop.id());
            }
            NodeKind::Reparse(_) => {}
        }
    }
}

/// For every node: the metadata that it or a node behind it reads, and the standard headers that
/// matter there, those in front of them in a packet included.
pub fn analyse(
    program: &Program,
    headers: &BTreeMap<HeaderId, Std>,
    shapes: &Shapes,
) -> (
    PrimaryMap<NodeId, BTreeSet<MetaId>>,
    PrimaryMap<NodeId, Set>,
) {
    let mut all: Vec<Option<Reads>> = vec![None; program.control.nodes.len()];
    for node in node_ids(program) {
        reach(program, node, &mut all);
    }
    let reads: Vec<Reads> = all.into_iter().map(Option::unwrap_or_default).collect();
    let relevant = reads
        .iter()
        .map(|r| {
            let named = r
                .headers
                .iter()
                .filter_map(|h| headers.get(h))
                .fold(0, |all, std| all | set(*std));
            shapes.in_front_of(named)
        })
        .collect();
    (reads.into_iter().map(|r| r.metas).collect(), relevant)
}

fn reach(program: &Program, node: NodeId, all: &mut Vec<Option<Reads>>) -> Reads {
    if let Some(done) = &all[node.index()] {
        return done.clone();
    }
    let mut reads = Reads::default();
    reads.node(program, node);
    for next in program.control.nodes[node].kind.successors() {
        let behind = reach(program, next, all);
        reads.metas.extend(behind.metas);
        reads.headers.extend(behind.headers);
    }
    all[node.index()] = Some(reads.clone());
    reads
}

/// Metadata that the parser sets: the NIC's parser sets none.
pub fn parser_metas(program: &Program) -> BTreeSet<MetaId> {
    let ops = program.parser.states.values().flat_map(|s| &s.ops);
    let metas = ops.filter_map(|op| match op {
        ParserOp::Set(to, _) => match to.place {
            Place::Meta(meta) => Some(meta),
            Place::Field(_) => None,
        },
        _ => None,
    });
    metas.collect()
}

/// Metadata of the user that every assignment in the program sets to bits of fields, parameters,
/// constants and other such metadata.
pub fn simple_metas(program: &Program) -> BTreeSet<MetaId> {
    let parsed = parser_metas(program);
    let mut simple: BTreeSet<MetaId> = program
        .metas
        .keys()
        .filter(|id| id.index() >= StdMeta::ALL.len())
        .chain([StdMeta::EgressPort.id(), StdMeta::Drop.id()])
        .filter(|id| !parsed.contains(id))
        .collect();
    loop {
        let mut bad = BTreeSet::new();
        let nodes = program
            .control
            .nodes
            .values()
            .filter_map(|n| match &n.kind {
                NodeKind::Exec(ops, _) => Some(ops),
                _ => None,
            });
        let actions = program.actions.values().map(|a| &a.ops);
        for ops in actions.chain(nodes) {
            ops.iter().for_each(|op| spoil(op, &simple, &mut bad));
        }
        if bad.is_empty() {
            return simple;
        }
        simple.retain(|meta| !bad.contains(meta));
    }
}

fn spoil(op: &Op, simple: &BTreeSet<MetaId>, bad: &mut BTreeSet<MetaId>) {
    let mut lost = |target: &LValue| {
        if let Place::Meta(meta) = target.place
            && simple.contains(&meta)
        {
            bad.insert(meta);
        }
    };
    match op {
        Op::Set(target, value) if !is_simple(value, simple) => lost(target),
        Op::If(_, yes, no) => {
            yes.iter().chain(no).for_each(|op| spoil(op, simple, bad));
        }
        Op::Set(..) => {}
        _ => op.targets().into_iter().for_each(lost),
    }
}

fn is_simple(expr: &Expr, simple: &BTreeSet<MetaId>) -> bool {
    match expr {
        Expr::Const(_) | Expr::Field(_) | Expr::Param(_) | Expr::Valid(_) => true,
        Expr::Meta(meta) => simple.contains(meta),
        Expr::Resize(..) | Expr::Slice(..) | Expr::Concat(_) | Expr::Mux(..) => {
            expr.children().into_iter().all(|e| is_simple(e, simple))
        }
        Expr::Unary(..) | Expr::Binary(..) => expr
            .children()
            .into_iter()
            .all(|e| matches!(e, Expr::Const(_) | Expr::Param(_)) || is_simple(e, simple)),
        _ => false,
    }
}
