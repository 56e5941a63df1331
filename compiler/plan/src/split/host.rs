//! A host's piece.

use super::build::Builder;
use super::encapsulation::Direction;
use super::{Cut, Mark};
use crate::site::{ServerId, Site};
use trisect_ir::{Expr, LValue, MetaId, NodeId, NodeKind, Op, Program, StdMeta};
use trisect_target::wire;

/// `None` if nothing is sent to the server.
pub(super) fn piece(cut: &Cut<'_>, server: ServerId) -> Option<Program> {
    let arrives = |site: Site| site.server() == Some(server);
    if !cut.continuations.iter().any(|c| arrives(c.site)) {
        return None;
    }
    let name = format!("{}.server{}", cut.facts.program.name, server.0);
    let mut builder = Builder::new(cut, Site::Host(server), name);
    let encapsulation = builder.wire;
    encapsulation.parse(&mut builder.program, None);
    let number = builder.program.add_meta(wire::MARK, 32);
    let value = builder.program.add_meta(wire::META, wire::META_BITS);
    builder.body(|b, _, to| leave(b, server, to));
    let mut cases = Vec::new();
    for continuation in cut.continuations.iter().filter(|c| arrives(c.site)) {
        let next = match builder.here(continuation.node) {
            Some(node) => node,
            None => after_nic(&mut builder, server, number, value),
        };
        let ops = builder.take_over(&continuation.layout);
        let target = if ops.is_empty() {
            next
        } else {
            let name = format!("cut.resume.{}", continuation.spi);
            builder.add(name, NodeKind::Exec(ops, next))
        };
        cases.push((continuation.spi, encapsulation.is(continuation.spi), target));
    }
    let stray = builder.stray();
    let entry = builder.chain("cut.dispatch", cases, stray);
    Some(builder.finish(entry))
}

/// Goes on where the NIC stopped.
fn after_nic(b: &mut Builder<'_, '_>, server: ServerId, number: MetaId, value: MetaId) -> NodeId {
    b.memo("cut.after_nic", |b| {
        let marks: Vec<Mark> = b
            .cut
            .marks
            .iter()
            .filter(|m| m.server == server)
            .cloned()
            .collect();
        let mut cases = Vec::new();
        for mark in marks {
            let next = match b.here(mark.node) {
                Some(node) => node,
                None => leave(b, server, mark.node),
            };
            let ops = mark.layout.unpack(&Expr::Meta(value), wire::META_BITS);
            let target = if ops.is_empty() {
                next
            } else {
                b.add(format!("cut.meta.{}", mark.mark), NodeKind::Exec(ops, next))
            };
            let is = Expr::Meta(number).equals(Expr::num(32, u64::from(mark.mark)));
            cases.push((mark.mark, is, target));
        }
        let stray = b.stray();
        b.chain("cut.mark", cases, stray)
    })
}

/// From the host to the switch.
fn leave(b: &mut Builder<'_, '_>, server: ServerId, to: NodeId) -> NodeId {
    let Some((spi, layout)) = b.cut.continuation(to).map(|c| (c.spi, c.layout.clone())) else {
        return b.stray();
    };
    b.once(&format!("cut.leave.{spi}"), |b| {
        let mut ops = b.wire.store(spi, &layout, Direction::FromServer(server.0));
        let port = Expr::num(16, u64::from(wire::HOST_PORT));
        ops.push(Op::Set(LValue::meta(StdMeta::EgressPort.id()), port));
        let emit = b.emit();
        NodeKind::Exec(ops, emit)
    })
}
