//! The interpreter on a small program built by hand. The filetests say much more.

use trisect_interp::{Interpreter, Packet};
use trisect_ir::{
    Action, ActionCall, Expr, Field, FieldKind, FlowTable, Header, HeaderType, Key, LValue,
    MatchKind, Node, NodeKind, Op, Param, ParseTarget, ParserOp, ParserState, Program, StdMeta,
    Successors, Table, Transition,
};

/// Extracts `h { bit<8> key; }` and looks it up in a flow table of two entries: a miss adds the key
/// with the action `known(port 7)` and sends to port 1.
fn flows() -> Program {
    let mut p = Program::new("flows");
    let ty = p.header_types.push(HeaderType {
        name: "h_t".into(),
        fields: vec![Field {
            name: "key".into(),
            kind: FieldKind::Fixed(8),
        }],
    });
    let h = p.headers.push(Header {
        name: "h".into(),
        ty,
    });
    p.parser.start = Some(p.parser.states.push(ParserState {
        name: "start".into(),
        ops: vec![ParserOp::Extract {
            header: h,
            varbit: None,
        }],
        next: Transition::Goto(ParseTarget::Accept),
    }));
    p.deparser = vec![h];
    let egress = LValue::meta(StdMeta::EgressPort.id());
    let known = p.actions.push(Action {
        name: "known".into(),
        params: vec![Param {
            name: "port".into(),
            width: 16,
        }],
        ops: vec![Op::Set(egress, Expr::Param(0))],
    });
    let table = trisect_ir::TableId(0);
    let learn = p.actions.push(Action {
        name: "learn".into(),
        params: vec![],
        ops: vec![
            Op::Set(egress, Expr::num(16, 1)),
            Op::AddEntry {
                table,
                action: known,
                args: vec![Expr::num(16, 7)],
                profile: Expr::num(8, 0),
            },
        ],
    });
    p.tables.push(Table {
        name: "flows".into(),
        keys: vec![Key {
            name: "key".into(),
            expr: Expr::field(h, 0),
            kind: MatchKind::Exact,
            signed: false,
        }],
        actions: vec![known, learn],
        default: ActionCall {
            action: learn,
            args: vec![],
        },
        const_default: true,
        entries: vec![],
        size: 2,
        selector: None,
        flow: Some(FlowTable {
            timeouts_ns: vec![100],
        }),
    });
    let node = |name: &str, kind| Node {
        name: name.into(),
        nf: String::new(),
        kind,
    };
    let emit = p.control.nodes.push(node("emit", NodeKind::Emit));
    let apply = NodeKind::Apply(table, Successors::Always(emit));
    p.control.entry = Some(p.control.nodes.push(node("apply", apply)));
    p
}

fn port(i: &mut Interpreter, time_ns: u64, bytes: &[u8]) -> Option<u16> {
    let outcome = i.run(Packet::new(3, time_ns, bytes));
    let (port, out) = outcome.emitted()?;
    assert_eq!(out, bytes, "nothing was written");
    Some(port)
}

#[test]
fn flow_entries_are_added_hit_refreshed_and_expire() {
    let mut i = Interpreter::new(&flows());
    assert_eq!(port(&mut i, 0, b"ax"), Some(1));
    assert_eq!(port(&mut i, 99, b"ax"), Some(7));
    assert_eq!(port(&mut i, 198, b"a"), Some(7), "refreshed at 99");
    assert_eq!(port(&mut i, 298, b"a"), Some(1), "gone after exactly 100");
    assert_eq!(port(&mut i, 300, b"b"), Some(1));
    assert_eq!(port(&mut i, 301, b"c"), Some(1));
    assert_eq!(port(&mut i, 302, b"c"), Some(1), "the table was full");
    let state = i.state(302);
    let keys: Vec<_> = state.flows["flows"].keys().cloned().collect();
    assert_eq!(keys, ["8w0x61", "8w0x62"]);
    assert_eq!(port(&mut i, 398, b"c"), Some(1), "the room of `a` is taken");
    assert_eq!(port(&mut i, 399, b"c"), Some(7));
    assert!(i.state(10_000).flows.is_empty());
    assert_eq!(i.visits().values().copied().max(), Some(9));
}

#[test]
fn an_empty_packet_is_all_payload_with_a_parser_error() {
    let mut i = Interpreter::new(&flows());
    let outcome = i.run(Packet::new(0, 5, b""));
    assert_eq!(outcome.emitted(), Some((1, &b""[..])));
    assert_eq!(
        outcome.metadata()[StdMeta::ParserError.id()].low_u64(),
        u64::from(trisect_ir::parser::PACKET_TOO_SHORT)
    );
}

#[test]
fn the_trace_tells_hits() {
    let mut i = Interpreter::new(&flows());
    i.run(Packet::new(0, 0, b"a"));
    let (_, trace) = i.run_traced(Packet::new(0, 1, b"a"));
    assert_eq!(trace.states.len(), 1);
    let hit = trace.steps[0].hit.as_ref().unwrap();
    assert_eq!(hit.entry, Some(trisect_interp::EntryRef::Flow));
    assert_eq!(trace.steps.len(), 2);
}
