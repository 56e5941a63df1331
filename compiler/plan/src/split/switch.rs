//! The switch's piece: the pipeline's entry, steering to servers, and what comes back from them.

use super::build::Builder;
use super::encapsulation::Direction;
use super::{Continuation, Cut};
use crate::site::Site;
use trisect_ir::{Expr, LValue, NodeId, NodeKind, Op, Program, StdMeta};
use trisect_target::wire;

pub(super) fn piece(cut: &Cut<'_>) -> Program {
    let mut builder = Builder::new(
        cut,
        Site::Switch,
        format!("{}.switch", cut.facts.program.name),
    );
    let wire = builder.wire;
    wire.parse(&mut builder.program, Some(&cut.ports.servers));
    builder.body(|b, _, to| leave(b, to));
    let tagging = cut.facts.tagging();
    // What looks at all packets, whether they come from outside or from a server, comes first.
    let first = tagging.map_or(cut.entry, |tagging| tagging.next);
    let fresh = match builder.here(first) {
        Some(node) => node,
        None => leave(&mut builder, first),
    };
    let mut cases = Vec::new();
    for continuation in &cut.continuations {
        let target = match builder.here(continuation.node) {
            Some(node) => Some(resume(&mut builder, continuation, node)),
            None => passes(cut, continuation).then(|| steer(&mut builder, continuation)),
        };
        if let Some(target) = target {
            cases.push((continuation.spi, wire.is(continuation.spi), target));
        }
    }
    let entry = if cases.is_empty() {
        fresh
    } else {
        let stray = builder.stray();
        let dispatch = builder.chain("cut.dispatch", cases, stray);
        let kind = NodeKind::Branch(wire.present(), dispatch, fresh);
        builder.add("cut.side".to_owned(), kind)
    };
    let entry = match tagging {
        None => entry,
        Some(tagging) => {
            let name = cut.facts.program.control.nodes[tagging.node].name.clone();
            builder.add(name, NodeKind::Exec(tagging.ops.to_vec(), entry))
        }
    };
    builder.finish(entry)
}

/// Whether frames for the continuation come from a server and go on to one.
fn passes(cut: &Cut<'_>, continuation: &Continuation) -> bool {
    cut.facts
        .graph
        .preds(continuation.node)
        .iter()
        .any(|from| cut.site(*from).server().is_some())
}

/// Control goes on here with what a server sent back.
fn resume(b: &mut Builder<'_, '_>, continuation: &Continuation, node: NodeId) -> NodeId {
    let ops = b.take_over(&continuation.layout);
    if ops.is_empty() {
        return node;
    }
    b.add(
        format!("cut.resume.{}", continuation.spi),
        NodeKind::Exec(ops, node),
    )
}

/// From one server to another, as it is.
fn steer(b: &mut Builder<'_, '_>, continuation: &Continuation) -> NodeId {
    let Some(server) = continuation.site.server() else {
        return b.stray();
    };
    let mut ops = b.wire.address(Direction::ToServer(server.0));
    ops.push(to_port(b.cut.ports.servers[usize::from(server.0)]));
    let emit = b.emit();
    b.add(
        format!("cut.steer.{}", continuation.spi),
        NodeKind::Exec(ops, emit),
    )
}

/// From the switch to a server.
fn leave(b: &mut Builder<'_, '_>, to: NodeId) -> NodeId {
    let Some((spi, layout, server)) = b
        .cut
        .continuation(to)
        .and_then(|c| Some((c.spi, c.layout.clone(), c.site.server()?)))
    else {
        return b.stray();
    };
    b.once(&format!("cut.leave.{spi}"), |b| {
        let mut ops = b.wire.store(spi, &layout, Direction::ToServer(server.0));
        let sampled = b.cut.facts.tagging();
        let sampled = sampled.and_then(|_| b.cut.facts.program.meta_named(wire::SAMPLED));
        ops.extend(sampled.map(|sampled| b.wire.say_sampled(sampled)));
        ops.push(to_port(b.cut.ports.servers[usize::from(server.0)]));
        let emit = b.emit();
        NodeKind::Exec(ops, emit)
    })
}

fn to_port(port: u16) -> Op {
    Op::Set(
        LValue::meta(StdMeta::EgressPort.id()),
        Expr::num(16, u64::from(port)),
    )
}
