//! A NIC's piece: what it does before the host sees the packet, and what it tells the host.

use super::build::Builder;
use super::{Cut, Mark};
use crate::legal;
use crate::site::{ServerId, Site};
use trisect_ir::{Expr, LValue, MetaId, NodeId, NodeKind, Op, Program, StdMeta};
use trisect_target::wire;

/// `None` if no node runs on the NIC: then it passes everything to the host as it is.
pub(super) fn piece(cut: &Cut<'_>, server: ServerId) -> Option<Program> {
    let site = Site::Nic(server);
    if cut.nodes_at(site).is_empty() {
        return None;
    }
    let name = format!("{}.server{}.nic", cut.facts.program.name, server.0);
    let mut builder = Builder::new(cut, site, name);
    let encapsulation = builder.wire;
    encapsulation.parse(&mut builder.program, None);
    let number = builder.program.add_meta(wire::MARK, 32);
    let value = builder.program.add_meta(wire::META, wire::META_BITS);
    let exits = legal::nic_exits(cut.facts, cut.assignment);
    builder.body(|b, from, to| {
        let mark = exits
            .iter()
            .find(|e| e.server == server && e.from == from && e.to == to)
            .and_then(|e| cut.mark(server, to, &e.carried));
        match mark {
            Some(mark) => hand_over(b, mark, number, value),
            None => b.stray(),
        }
    });
    let mut cases = Vec::new();
    for continuation in cut.continuations.iter().filter(|c| c.site == site) {
        let Some(node) = builder.local(continuation.node) else {
            continue;
        };
        // No load: a NIC cannot read the context.
        let target = match builder.note_shift(&continuation.layout) {
            None => node,
            Some(op) => {
                let name = format!("cut.resume.{}", continuation.spi);
                builder.add(name, NodeKind::Exec(vec![op], node))
            }
        };
        cases.push((continuation.spi, encapsulation.is(continuation.spi), target));
    }
    let pass = builder.emit();
    let entry = builder.chain("cut.dispatch", cases, pass);
    Some(builder.finish(entry))
}

fn hand_over(b: &mut Builder<'_, '_>, mark: &Mark, number: MetaId, value: MetaId) -> NodeId {
    let name = format!("cut.mark.{}", mark.mark);
    b.once(&name, |b| {
        let mut ops = Vec::new();
        if !mark.layout.fields.is_empty() {
            let packed = mark.layout.pack(wire::META_BITS);
            ops.push(Op::Set(LValue::meta(value), packed));
        }
        ops.push(Op::Set(
            LValue::meta(number),
            Expr::num(32, u64::from(mark.mark)),
        ));
        let egress = StdMeta::EgressPort.id();
        if mark.layout.metas().any(|m| m == egress) {
            let host = Expr::num(16, u64::from(wire::NIC_TO_HOST));
            ops.push(Op::Set(LValue::meta(egress), host));
        }
        let emit = b.emit();
        NodeKind::Exec(ops, emit)
    })
}
