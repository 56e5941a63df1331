//! Which decisions are the same for all packets of a flow.
//!
//! A *flow* is all packets with the same ingress port, Ethernet addresses and type, VLAN tags, MPLS
//! labels, addresses, protocol and transport ports, and with the same of these headers present. A
//! datagram's first fragment, which has ports, and its later ones, which have none, are two flows:
//! whoever asks for ports treats them differently. All else (other fields, state, payload, time,
//! length) may differ from packet to packet, and a decision that depends on it is *impure*: it may
//! send packets of one flow different ways.

use super::flow::same_in_flow;
use super::{Effects, Graph, Slot};
use std::collections::BTreeSet;
use trisect_ir::{BinOp, Entity, Expr, FieldRef, MetaKind, NodeId, NodeKind, Op, Program, StdMeta};

/// Purity of a program's decisions.
#[derive(Clone, Debug)]
pub struct Purity {
    impure: Vec<bool>,
}

impl Purity {
    /// Forward over the graph: which places hold what may differ within a flow.
    pub fn new(program: &Program, graph: &Graph, effects: &[Effects]) -> Self {
        let rejoin = graph.rejoin();
        let mut taint_in: Vec<BTreeSet<Slot>> = vec![BTreeSet::new(); effects.len()];
        if let Some(entry) = program.control.entry {
            taint_in[entry.index()] = initially_impure(program);
        }
        let mut split = vec![false; effects.len()];
        let mut impure = vec![false; effects.len()];
        for &node in &graph.order {
            let taint = taint_in[node.index()].clone();
            let own = &effects[node.index()];
            let outcome = impure_outcome(program, node, &taint);
            let after = transfer(program, node, own, taint, outcome || split[node.index()]);
            let living = graph.living_succs(node).count();
            if living > 1 && outcome {
                impure[node.index()] = true;
                // Which way a packet went shows in everything done before the ways meet again.
                mark_until(graph, node, rejoin[node.index()], &mut split);
            }
            for next in graph.succs(node) {
                taint_in[next.index()].extend(after.iter().copied());
            }
        }
        Self { impure }
    }
    /// Whether the node may send packets of one flow to different successors that both end in
    /// `Emit`.
    pub fn splits_flows(&self, node: NodeId) -> bool {
        self.impure[node.index()]
    }
}

fn initially_impure(program: &Program) -> BTreeSet<Slot> {
    let pure = same_in_flow(program);
    let mut slots = BTreeSet::from([Slot::Frame]);
    for (id, meta) in program.metas.iter() {
        if meta.kind == MetaKind::Standard
            && ![StdMeta::IngressPort, StdMeta::EgressPort, StdMeta::Drop]
                .iter()
                .any(|s| s.id() == id)
        {
            slots.insert(Slot::Meta(id));
        }
    }
    for header in program.headers.keys() {
        slots.insert(Slot::Valid(header));
        for field in 0..program.header_type(header).fields.len() {
            slots.insert(Slot::Field(FieldRef {
                header,
                field: field as u32,
            }));
        }
    }
    slots.retain(|slot| !pure.contains(slot));
    slots
}

/// Whether the choice of successor (and of action) may differ within a flow.
fn impure_outcome(program: &Program, node: NodeId, taint: &BTreeSet<Slot>) -> bool {
    match &program.control.nodes[node].kind {
        NodeKind::Apply(table, _) => {
            let table = &program.tables[*table];
            table.flow.is_some() || table.exprs().any(|e| impure(program, e, taint))
        }
        NodeKind::Branch(cond, ..) => impure(program, cond, taint),
        _ => false,
    }
}

fn impure(program: &Program, expr: &Expr, taint: &BTreeSet<Slot>) -> bool {
    if is_first_fragment(program, expr) {
        return false;
    }
    match expr {
        Expr::Binary(..) | Expr::Unary(..) | Expr::Mux(..) => expr
            .children()
            .into_iter()
            .any(|child| impure(program, child, taint)),
        _ => Effects::of_expr(program, expr)
            .iter()
            .any(|s| taint.contains(s)),
    }
}

/// Whether the expression compares a fragment offset with 0: the same for all packets of a flow.
fn is_first_fragment(program: &Program, expr: &Expr) -> bool {
    let Expr::Binary(BinOp::Eq | BinOp::Ne, a, b) = expr else {
        return false;
    };
    let offset = |e: &Expr| match e {
        Expr::Field(f) => {
            let header = program.headers[f.header].name.as_str();
            let ty = program.header_type(f.header);
            let field = ty.fields.get(f.field as usize).map(|f| f.name.as_str());
            matches!(header, "ipv4" | "ipv6_fragment") && field == Some("fragment_offset")
        }
        _ => false,
    };
    let zero = |e: &Expr| matches!(e, Expr::Const(bits) if bits.is_zero());
    (offset(a) && zero(b)) || (zero(a) && offset(b))
}

fn transfer(
    program: &Program,
    node: NodeId,
    own: &Effects,
    mut taint: BTreeSet<Slot>,
    under: bool,
) -> BTreeSet<Slot> {
    let kind = &program.control.nodes[node].kind;
    if under || own.stateful || matches!(kind, NodeKind::Reparse(_)) {
        taint.extend(own.writes.iter().copied());
        return taint;
    }
    match kind {
        NodeKind::Exec(ops, _) => assign(program, &mut taint, ops, false),
        NodeKind::Apply(table, _) => {
            let table = &program.tables[*table];
            let before = taint.clone();
            for action in table.actions.iter().chain([&table.default.action]) {
                let mut after = before.clone();
                assign(program, &mut after, &program.actions[*action].ops, false);
                taint.extend(after);
            }
        }
        _ => {}
    }
    taint
}

/// Assignments one by one; under an impure condition everything that is written is impure.
fn assign(program: &Program, taint: &mut BTreeSet<Slot>, ops: &[Op], under: bool) {
    for op in ops {
        match op {
            Op::Set(lvalue, value) => {
                let slot = match lvalue.place {
                    trisect_ir::Place::Meta(meta) => Slot::Meta(meta),
                    trisect_ir::Place::Field(field) => Slot::Field(field),
                };
                if under || impure(program, value, taint) {
                    taint.insert(slot);
                } else if lvalue.slice.is_none() {
                    taint.remove(&slot);
                }
            }
            Op::If(cond, then, otherwise) => {
                let under = under || impure(program, cond, taint);
                let mut other = taint.clone();
                assign(program, taint, then, under);
                assign(program, &mut other, otherwise, under);
                taint.extend(other);
            }
            Op::SetValid(header) | Op::SetInvalid(header) if under => {
                taint.insert(Slot::Valid(*header));
            }
            Op::Copy { dst, src } => {
                if under || taint.contains(&Slot::Valid(*src)) {
                    taint.insert(Slot::Valid(*dst));
                }
                let copied: Vec<Slot> = taint
                    .iter()
                    .filter_map(|slot| match slot {
                        Slot::Field(f) if f.header == *src => Some(Slot::Field(FieldRef {
                            header: *dst,
                            field: f.field,
                        })),
                        _ => None,
                    })
                    .collect();
                taint.retain(|slot| !matches!(slot, Slot::Field(f) if f.header == *dst && !under));
                taint.extend(copied);
            }
            Op::CopyVarbit { dst, src } => {
                let mut from = vec![Slot::Valid(*src), Slot::Valid(*dst)];
                from.extend(program.varbit_field(*src).map(Slot::Field));
                if under || from.iter().any(|slot| taint.contains(slot)) {
                    taint.extend(program.varbit_field(*dst).map(Slot::Field));
                }
            }
            // Everything else reads state; nodes with these are handled whole.
            _ => {}
        }
    }
}

fn mark_until(graph: &Graph, node: NodeId, stop: Option<NodeId>, marks: &mut [bool]) {
    let mut work: Vec<NodeId> = graph.succs(node).to_vec();
    let mut seen = BTreeSet::new();
    while let Some(at) = work.pop() {
        if Some(at) != stop && seen.insert(at) {
            marks[at.index()] = true;
            work.extend(graph.succs(at).iter().copied());
        }
    }
}
