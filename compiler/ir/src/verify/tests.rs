//! One broken program per invariant, each made from a sound one.

use super::{Invariant, MAX_WIDTH, verify};
use crate::*;
use std::collections::BTreeSet;

fn sound() -> Program {
    include_str!("../text/example.tri").parse().unwrap()
}

fn action(p: &Program, name: &str) -> ActionId {
    p.actions.find(|a| a.name == name).unwrap()
}

fn table<'a>(p: &'a mut Program, name: &str) -> &'a mut Table {
    let id = p.tables.find(|t| t.name == name).unwrap();
    &mut p.tables[id]
}

fn node<'a>(p: &'a mut Program, name: &str) -> &'a mut Node {
    let id = p.control.nodes.find(|n| n.name == name).unwrap();
    &mut p.control.nodes[id]
}

/// The operations of the one `Exec` node.
fn calc(p: &mut Program) -> &mut Vec<Op> {
    match &mut node(p, "calc").kind {
        NodeKind::Exec(ops, _) => ops,
        _ => unreachable!(),
    }
}

fn object(p: &Program, name: &str) -> ObjectId {
    p.objects.find(|o| o.name == name).unwrap()
}

fn set(meta: StdMeta, expr: Expr) -> Op {
    Op::Set(LValue::meta(meta.id()), expr)
}

type Break = fn(&mut Program);

/// Ways to break each invariant.
const CASES: &[(Invariant, Break)] = &[
    (Invariant::EntityExists, |p| p.deparser.push(HeaderId(99))),
    (Invariant::EntityExists, |p| {
        calc(p).push(set(StdMeta::Drop, Expr::field(HeaderId(0), 77)));
    }),
    (Invariant::EntityExists, |p| {
        node(p, "again").kind = NodeKind::Reparse(NodeId(50))
    }),
    (Invariant::EntityExists, |p| {
        p.parser.start = Some(StateId(9))
    }),
    (Invariant::EntityExists, |p| {
        p.headers.values_mut().for_each(|h| h.ty = HeaderTypeId(8))
    }),
    (Invariant::EntityExists, |p| {
        let op = ParserOp::Verify(Expr::num(1, 1), 200);
        p.parser.states[StateId(0)].ops.push(op);
    }),
    (Invariant::EntityExists, |p| {
        let id = action(p, "out");
        p.actions[id]
            .ops
            .push(set(StdMeta::EgressPort, Expr::Param(1)));
    }),
    (Invariant::UniqueNames, |p| {
        p.headers[HeaderId(1)].name = "h".into()
    }),
    (Invariant::UniqueNames, |p| {
        p.header_types[HeaderTypeId(0)].fields[0].name = "low".into()
    }),
    (Invariant::UniqueNames, |p| {
        node(p, "send").name = String::new()
    }),
    (Invariant::StandardEntities, |p| {
        p.metas[StdMeta::Drop.id()].width = 8
    }),
    (Invariant::StandardEntities, |p| {
        p.metas[MetaId(7)].kind = MetaKind::Standard
    }),
    (Invariant::StandardEntities, |p| p.parser.errors.truncate(3)),
    (Invariant::WidthRange, |p| p.metas[MetaId(7)].width = 0),
    (Invariant::WidthRange, |p| {
        let wide = Expr::Resize(Box::new(Expr::num(1, 1)), MAX_WIDTH + 1);
        calc(p).push(set(StdMeta::Drop, Expr::Resize(Box::new(wide), 16)));
    }),
    (Invariant::WidthRange, |p| {
        p.header_types[HeaderTypeId(0)].fields[0].kind = FieldKind::Fixed(1 << 31);
    }),
    (Invariant::WidthAgrees, |p| {
        calc(p).push(set(StdMeta::Drop, Expr::num(8, 1)))
    }),
    (Invariant::WidthAgrees, |p| {
        let sum = Expr::binary(BinOp::Add, Expr::num(16, 1), Expr::num(17, 1));
        calc(p).push(set(StdMeta::Drop, sum));
    }),
    (Invariant::WidthAgrees, |p| {
        calc(p).push(Op::If(StdMeta::Drop.get(), vec![], vec![]));
    }),
    (Invariant::WidthAgrees, |p| {
        table(p, "acl").entries[0].keys[2] = KeySet::Exact(Bits::zero(8))
    }),
    (Invariant::WidthAgrees, |p| {
        table(p, "flows").entries[0].call.args[0] = Bits::zero(8)
    }),
    (Invariant::SliceInside, |p| {
        let slice = Expr::Slice(Box::new(Expr::num(16, 0)), 16, 1);
        calc(p).push(set(StdMeta::Drop, slice));
    }),
    (Invariant::SliceInside, |p| {
        let to = LValue {
            place: Place::Meta(StdMeta::Drop.id()),
            slice: Some((2, 3)),
        };
        calc(p).push(Op::Set(to, Expr::num(1, 0)));
    }),
    (Invariant::SliceInside, |p| {
        table(p, "routes").entries[0].keys[0] = KeySet::Prefix(Bits::zero(2048), 2049);
    }),
    (Invariant::HeaderWholeBytes, |p| {
        p.header_types[HeaderTypeId(1)].fields[0].kind = FieldKind::Fixed(4);
    }),
    (Invariant::VarbitLast, |p| {
        p.header_types[HeaderTypeId(0)].fields.swap(0, 4)
    }),
    (Invariant::VarbitLast, |p| {
        p.header_types[HeaderTypeId(0)].fields[4].kind = FieldKind::Varbit(12);
    }),
    (Invariant::VarbitUse, |p| {
        calc(p).push(set(StdMeta::Drop, Expr::field(HeaderId(0), 4)))
    }),
    (Invariant::VarbitUse, |p| {
        let op = ParserOp::Extract {
            header: HeaderId(1),
            varbit: Some(Expr::num(32, 8)),
        };
        p.parser.states[StateId(0)].ops.push(op);
    }),
    (Invariant::VarbitUse, |p| {
        let len = Expr::Resize(Box::new(Expr::VarbitLen(HeaderId(1))), 16);
        calc(p).push(set(StdMeta::Drop, len));
    }),
    (Invariant::VarbitUse, |p| {
        let (dst, src) = (HeaderId(0), HeaderId(4));
        p.header_types[HeaderTypeId(2)].fields[0].kind = FieldKind::Varbit(32);
        calc(p).push(Op::CopyVarbit { dst, src });
    }),
    (Invariant::BytesInHash, |p| {
        calc(p).push(set(StdMeta::Drop, Expr::Payload));
    }),
    (Invariant::BytesInHash, |p| {
        let inputs = vec![Expr::Concat(vec![Expr::Varbit(HeaderId(0))])];
        calc(p).push(set(StdMeta::Drop, Expr::Hash(HashAlgorithm::Crc16, inputs)));
    }),
    (Invariant::BytesInHash, |p| {
        let hash = Expr::Hash(HashAlgorithm::Crc16, vec![Expr::Payload]);
        let op = ParserOp::Set(LValue::meta(StdMeta::Drop.id()), hash);
        p.parser.states[StateId(0)].ops.push(op);
    }),
    (Invariant::CrcShape, |p| {
        let algorithm = HashAlgorithm::Crc {
            width: 16,
            polynomial: 0x1_8005,
            init: 0,
            reflect_in: true,
            reflect_out: true,
            xor_out: 0,
        };
        calc(p).push(set(StdMeta::Drop, Expr::Hash(algorithm, vec![])));
    }),
    (Invariant::LookaheadInParser, |p| {
        let ahead = Expr::Lookahead {
            offset: 0,
            width: 16,
        };
        calc(p).push(set(StdMeta::Drop, ahead));
    }),
    (Invariant::ParamInAction, |p| {
        calc(p).push(set(StdMeta::Drop, Expr::Param(0)))
    }),
    (Invariant::FrameClean, |p| {
        let length = Expr::Resize(Box::new(Expr::FrameLen), 16);
        calc(p).push(set(StdMeta::Drop, length));
    }),
    (Invariant::FrameClean, |p| {
        // `choose` reads the frame; without the reparse it does so after `calc` wrote headers.
        let NodeKind::Reparse(choose) = node(p, "again").kind else {
            unreachable!()
        };
        node(p, "again").kind = NodeKind::Exec(vec![], choose);
    }),
    (Invariant::FrameClean, |p| {
        let frame = Expr::Frame {
            offset: Box::new(Expr::num(32, 0)),
            len: 3,
        };
        calc(p).insert(0, set(StdMeta::Drop, Expr::Resize(Box::new(frame), 16)));
    }),
    (Invariant::ParserProgress, |p| {
        let second = StateId(1);
        p.parser.states[second].ops.clear();
        p.parser.states[second].next = Transition::Goto(ParseTarget::State(second));
    }),
    (Invariant::ParserProgress, |p| {
        let zero = ParserOp::Advance(StdMeta::PacketLength.get());
        p.parser.states[StateId(1)].ops = vec![zero];
        p.parser.states[StateId(1)].next = Transition::Goto(ParseTarget::State(StateId(1)));
    }),
    (Invariant::SelectArity, |p| {
        if let Transition::Select(_, cases) = &mut p.parser.states[StateId(0)].next {
            cases[1].sets.pop();
        }
    }),
    (Invariant::ActionCalls, |p| {
        let out = action(p, "out");
        table(p, "acl").default = ActionCall {
            action: out,
            args: vec![Bits::zero(16)],
        };
    }),
    (Invariant::ActionCalls, |p| {
        table(p, "flows").entries[0].call.args.clear()
    }),
    (Invariant::EntryKeys, |p| {
        table(p, "acl").entries[0].keys.push(KeySet::Any)
    }),
    (Invariant::EntryKeys, |p| {
        table(p, "flows").entries[0].keys[0] = KeySet::Any
    }),
    (Invariant::EntryKeys, |p| {
        let (lo, hi) = (Bits::new(13, 5u32), Bits::new(13, 4u32));
        table(p, "acl").entries[0].keys[2] = KeySet::Range(lo, hi);
    }),
    (Invariant::TableShape, |p| table(p, "acl").size = 1),
    (Invariant::TableShape, |p| {
        let table = table(p, "routes");
        table.entries.clear();
        table.keys[1].kind = MatchKind::Lpm;
    }),
    (Invariant::FlowTableShape, |p| {
        table(p, "acl").flow = Some(FlowTable {
            timeouts_ns: vec![1],
        })
    }),
    (Invariant::FlowTableShape, |p| {
        table(p, "flows").flow = Some(FlowTable {
            timeouts_ns: vec![],
        })
    }),
    (Invariant::SelectorShape, |p| {
        table(p, "acl").selector = None
    }),
    (Invariant::SelectorShape, |p| {
        let selector = table(p, "acl").selector.clone();
        table(p, "flows").selector = selector;
    }),
    (Invariant::ActionCalls, |p| {
        table(p, "acl").entries[1].members[0]
            .args
            .push(Bits::zero(8));
    }),
    (Invariant::EntityExists, |p| {
        if let Some(selector) = &mut table(p, "acl").selector {
            selector.inputs.push(Expr::Meta(MetaId(99)));
        }
    }),
    (Invariant::FlowOpInTable, |p| table(p, "flows").flow = None),
    (Invariant::FlowOpInTable, |p| {
        let learn = action(p, "learn");
        table(p, "acl").actions.push(learn);
    }),
    (Invariant::FlowOpInTable, |p| {
        let flows = p.tables.find(|t| t.name == "flows").unwrap();
        calc(p).push(Op::SetExpire {
            table: flows,
            profile: Expr::num(8, 0),
        });
    }),
    (Invariant::ObjectKindFits, |p| {
        let ports = object(p, "ports");
        calc(p).push(Op::Count(ports, Index::At(Expr::num(8, 0))));
    }),
    (Invariant::ObjectShape, |p| {
        let bad = object(p, "bad");
        p.objects[bad].kind = ObjectKind::PatternSet {
            patterns: vec![vec![]],
        };
    }),
    (Invariant::UniqueNames, |p| {
        let said = object(p, "said");
        if let ObjectKind::Message { fields, .. } = &mut p.objects[said].kind {
            fields[0].0 = "low".into();
        }
    }),
    (Invariant::ObjectShape, |p| {
        let said = object(p, "said");
        if let ObjectKind::Message { fields, .. } = &mut p.objects[said].kind {
            fields[0].1 = 0;
        }
    }),
    (Invariant::ObjectKindFits, |p| {
        let ports = object(p, "ports");
        calc(p).push(Op::Notify(ports, vec![]));
    }),
    (Invariant::MessageFields, |p| {
        let said = object(p, "said");
        calc(p).push(Op::Notify(said, vec![Expr::num(8, 0)]));
    }),
    (Invariant::WidthAgrees, |p| {
        let said = object(p, "said");
        let values = vec![Expr::num(8, 0), Expr::num(5, 0)];
        calc(p).push(Op::Notify(said, values));
    }),
    (Invariant::WidthAgrees, |p| {
        let object = object(p, "dice");
        calc(p).push(Op::Random {
            object,
            lo: Expr::num(16, 0),
            hi: Expr::num(17, 0),
            dst: LValue::meta(StdMeta::Drop.id()),
        });
    }),
    (Invariant::ObjectShape, |p| {
        let ports = object(p, "ports");
        if let ObjectKind::Allocator { base, .. } = &mut p.objects[ports].kind {
            *base = 65_500;
        }
    }),
    (Invariant::ObjectShape, |p| {
        let seen = object(p, "seen");
        if let ObjectKind::Register { init, .. } = &mut p.objects[seen].kind {
            *init = Bits::zero(31);
        }
    }),
    (Invariant::ObjectShape, |p| {
        let rate = object(p, "rate");
        if let ObjectKind::Meter { size, .. } = &mut p.objects[rate].kind {
            *size = Some(2);
        }
    }),
    (Invariant::DirectObject, |p| {
        let direct = object(p, "per_entry");
        calc(p).push(Op::Count(direct, Index::Entry));
    }),
    (Invariant::DirectObject, |p| {
        let hits = object(p, "hits");
        let none = action(p, "none");
        p.actions[none].ops.push(Op::Count(hits, Index::Entry));
    }),
    (Invariant::DirectObject, |p| {
        let direct = object(p, "per_entry");
        let none = action(p, "none");
        p.actions[none].ops.push(Op::Count(direct, Index::Entry));
    }),
    (Invariant::CopySameType, |p| {
        calc(p).push(Op::Copy {
            dst: HeaderId(0),
            src: HeaderId(1),
        });
    }),
    (Invariant::CopySameType, |p| {
        let copy = ParserOp::Copy {
            dst: HeaderId(0),
            src: HeaderId(1),
        };
        p.parser.states[StateId(0)].ops.push(copy);
    }),
    (Invariant::EntityExists, |p| {
        let valid = ParserOp::SetValid(HeaderId(99));
        p.parser.states[StateId(0)].ops.push(valid);
    }),
    (Invariant::FrameClean, |p| {
        // `choose` reads the frame, which the parser then no longer leaves as it was.
        let invalid = ParserOp::SetInvalid(HeaderId(0));
        p.parser.states[StateId(0)].ops.push(invalid);
    }),
    (Invariant::SearchEmitted, |p| {
        p.deparser.retain(|h| *h != HeaderId(0))
    }),
    (Invariant::ControlEntry, |p| p.control.entry = None),
    (Invariant::Acyclic, |p| {
        let look = p.control.nodes.find(|n| n.name == "look").unwrap();
        node(p, "again").kind = NodeKind::Reparse(look);
    }),
    (Invariant::Reachable, |p| {
        p.control.nodes.push(Node {
            name: "island".into(),
            nf: String::new(),
            kind: NodeKind::Emit,
        });
    }),
    (Invariant::ActionCases, |p| {
        if let NodeKind::Apply(_, Successors::ByAction { cases, .. }) = &mut node(p, "flow").kind {
            cases[0].0 = cases[1].0;
        }
    }),
    (Invariant::ActionCases, |p| {
        let out = action(p, "out");
        if let NodeKind::Apply(_, next) = &mut node(p, "look").kind {
            let to = next.targets()[0];
            *next = Successors::ByAction {
                cases: vec![(out, to)],
                default: to,
            };
        }
    }),
    (Invariant::AttributeShape, |p| {
        p.attributes[0].values[0].1 = Bits::zero(3)
    }),
];

#[test]
fn a_sound_program_verifies() {
    verify(&sound()).unwrap();
    let empty = verify(&Program::new("p")).unwrap_err();
    assert_eq!(empty.0.len(), 1, "only the control is missing: {empty}");
}

#[test]
fn every_broken_program_is_found_and_named() {
    for (i, (invariant, break_it)) in CASES.iter().enumerate() {
        let mut program = sound();
        break_it(&mut program);
        let errors = verify(&program).expect_err(&format!("case {i} breaks {invariant}"));
        assert!(
            errors.0.iter().any(|e| e.invariant == *invariant),
            "case {i} breaks {invariant}, but found:\n{errors}"
        );
        assert!(
            errors
                .0
                .iter()
                .all(|e| !e.place.is_empty() && !e.message.is_empty())
        );
        // Whatever is broken, it can be shown.
        let _ = program.to_string();
    }
}

#[test]
fn every_invariant_has_a_case() {
    let tested: BTreeSet<_> = CASES.iter().map(|c| c.0).collect();
    let all: BTreeSet<_> = Invariant::ALL.iter().copied().collect();
    assert_eq!(tested, all);
    let names: BTreeSet<_> = Invariant::ALL.iter().map(|i| i.name()).collect();
    assert_eq!(names.len(), Invariant::ALL.len());
}
