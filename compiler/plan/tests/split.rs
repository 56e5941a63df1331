//! The law, in small: the pieces of a cut program, chained, do what the uncut program does.

mod common;

use common::{Headers, base, compare, frame};
use proptest::prelude::*;
use trisect_interp::Packet;
use trisect_ir::{
    Action, ActionCall, ActionId, BinOp, Bits, CountUnit, Entity, Entry, Expr, FlowTable, Index,
    Key, KeySet, LValue, MatchKind, MetaId, Node, NodeId, NodeKind, Object, ObjectId, ObjectKind,
    Op, Origin, Param, Program, StdMeta, Successors, Table,
};
use trisect_plan::analysis::Graph;
use trisect_plan::facts::Facts;
use trisect_plan::legal;
use trisect_plan::site::{Assignment, ServerId, Site};
use trisect_plan::split::{Ports, split};

/// What a random node does.
#[derive(Clone, Debug)]
enum Step {
    /// Metadata from a field.
    Copy(u8, u8),
    /// Metadata from metadata.
    Add(u8, u8),
    /// Arithmetic on the TTL.
    Ttl,
    /// Writes what the parser selects on.
    Protocol,
    /// Removes a header.
    NoUdp,
    Reparse,
    /// By a field.
    IfField(u8, u8),
    /// By metadata.
    IfMeta(u8, u8),
    /// By the frame's length and a byte of it.
    IfFrame(u16, u8),
    /// By time and length.
    IfStandard,
    Register(u8),
    Count(u8),
    Search(u8),
    Allocate(u8),
    Table(u8),
    Flow(u8),
    Drop(u8),
}

#[derive(Clone, Debug)]
struct Recipe {
    steps: Vec<(Step, u8, u8)>,
    moves: Vec<(u8, u8)>,
    packets: Vec<(u8, u8, u8, u8, Vec<u8>, u16)>,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Copy(a, b)),
        (any::<u8>(), any::<u8>()).prop_map(|(a, b)| Step::Add(a, b)),
        Just(Step::Ttl),
        Just(Step::Protocol),
        Just(Step::NoUdp),
        Just(Step::Reparse),
        (any::<u8>(), 0u8..4).prop_map(|(a, b)| Step::IfField(a, b)),
        (any::<u8>(), 0u8..4).prop_map(|(a, b)| Step::IfMeta(a, b)),
        (0u16..40, any::<u8>()).prop_map(|(a, b)| Step::IfFrame(a, b)),
        Just(Step::IfStandard),
        any::<u8>().prop_map(Step::Register),
        any::<u8>().prop_map(Step::Count),
        any::<u8>().prop_map(Step::Search),
        any::<u8>().prop_map(Step::Allocate),
        any::<u8>().prop_map(Step::Table),
        any::<u8>().prop_map(Step::Flow),
        any::<u8>().prop_map(Step::Drop),
    ]
}

fn recipe() -> impl Strategy<Value = Recipe> {
    (
        prop::collection::vec((step(), any::<u8>(), any::<u8>()), 1..14),
        prop::collection::vec((any::<u8>(), any::<u8>()), 0..40),
        prop::collection::vec(
            (
                0u8..4,
                0u8..4,
                0u8..4,
                0u8..4,
                prop::collection::vec(0u8..5, 0..12),
                any::<u16>(),
            ),
            1..25,
        ),
    )
        .prop_map(|(steps, moves, packets)| Recipe {
            steps,
            moves,
            packets,
        })
}

struct Maker {
    program: Program,
    headers: Headers,
    metas: Vec<MetaId>,
    register: ObjectId,
    counter: ObjectId,
    patterns: ObjectId,
    allocator: ObjectId,
    nop: ActionId,
}

const WIDTHS: [u32; 6] = [8, 16, 1, 32, 16, 130];

impl Maker {
    fn new() -> Self {
        let (mut program, headers) = base();
        let metas = WIDTHS
            .iter()
            .enumerate()
            .map(|(i, w)| program.add_meta(format!("m{i}"), *w))
            .collect();
        let mut object = |name: &str, kind| {
            program.objects.push(Object {
                name: name.to_owned(),
                kind,
            })
        };
        let register = object(
            "register",
            ObjectKind::Register {
                width: 16,
                size: 4,
                init: Bits::zero(16),
            },
        );
        let counter = object(
            "counter",
            ObjectKind::Counter {
                size: Some(4),
                unit: CountUnit::PacketsAndBytes,
            },
        );
        let patterns = object(
            "patterns",
            ObjectKind::PatternSet {
                patterns: vec![vec![1, 2], vec![3]],
            },
        );
        let allocator = object(
            "allocator",
            ObjectKind::Allocator {
                width: 16,
                base: 100,
                size: 3,
                idle_ns: 5_000,
            },
        );
        let nop = program.actions.push(Action {
            name: "nop".to_owned(),
            params: vec![],
            ops: vec![],
        });
        Self {
            program,
            headers,
            metas,
            register,
            counter,
            patterns,
            allocator,
            nop,
        }
    }
    fn meta(&self, n: u8) -> MetaId {
        self.metas[usize::from(n) % self.metas.len()]
    }
    fn of_width(&self, n: u8, value: Expr) -> Op {
        let meta = self.meta(n);
        let width = self.program.metas[meta].width;
        Op::Set(LValue::meta(meta), Expr::Resize(Box::new(value), width))
    }
    fn field(&self, n: u8) -> Expr {
        let fields = [
            Expr::field(self.headers.ipv4, 0),
            Expr::field(self.headers.ipv4, 2),
            Expr::field(self.headers.ipv4, 3),
            Expr::field(self.headers.udp, 0),
            Expr::field(self.headers.udp, 1),
        ];
        fields[usize::from(n) % fields.len()].clone()
    }
    fn table(&mut self, at: usize, n: u8, flow: bool) -> trisect_ir::TableId {
        let meta = self.meta(n);
        let width = self.program.metas[meta].width;
        let set = self.program.actions.push(Action {
            name: format!("set{at}"),
            params: vec![Param {
                name: "v".to_owned(),
                width: 8,
            }],
            ops: vec![Op::Set(
                LValue::meta(meta),
                Expr::Resize(Box::new(Expr::Param(0)), width),
            )],
        });
        let key = self.field(n / 8);
        let key_width = self.program.width(&key, &[]);
        let id = trisect_ir::TableId::new(self.program.tables.len());
        let (default, entries) = if flow {
            let learn = self.program.actions.push(Action {
                name: format!("learn{at}"),
                params: vec![],
                ops: vec![Op::AddEntry {
                    table: id,
                    action: set,
                    args: vec![Expr::field(self.headers.ipv4, 0)],
                    profile: Expr::num(8, 0),
                }],
            });
            (learn, vec![])
        } else {
            let entry = |value: u64, arg: u64| Entry {
                keys: vec![KeySet::Exact(Bits::new(key_width, value))],
                priority: 0,
                call: ActionCall {
                    action: set,
                    args: vec![Bits::new(8, arg)],
                },
                members: Vec::new(),
                origin: Origin::Control,
            };
            (self.nop, vec![entry(1, 3), entry(2, 1)])
        };
        self.program.tables.push(Table {
            name: format!("table{at}"),
            keys: vec![Key {
                name: "k".to_owned(),
                expr: key,
                kind: MatchKind::Exact,
                signed: false,
            }],
            actions: vec![set, default],
            default: ActionCall {
                action: default,
                args: vec![],
            },
            const_default: true,
            entries,
            size: 4,
            selector: None,
            flow: flow.then(|| FlowTable {
                timeouts_ns: vec![3_000],
            }),
        })
    }
    /// A node whose successors are `next` and perhaps `other`.
    fn kind(&mut self, at: usize, step: &Step, next: NodeId, other: NodeId) -> NodeKind {
        let Headers { ipv4, udp, .. } = self.headers;
        let exec = |op| NodeKind::Exec(vec![op], next);
        match step {
            Step::Copy(a, b) => exec(self.of_width(*a, self.field(*b))),
            Step::Add(a, b) => exec(self.of_width(*a, Expr::Meta(self.meta(*b)))),
            Step::Ttl => exec(Op::Set(
                LValue::field(ipv4, 0),
                Expr::binary(BinOp::Sub, Expr::field(ipv4, 0), Expr::num(8, 1)),
            )),
            Step::Protocol => exec(Op::Set(LValue::field(ipv4, 1), Expr::num(8, 6))),
            Step::NoUdp => exec(Op::SetInvalid(udp)),
            Step::Reparse => NodeKind::Reparse(next),
            Step::IfField(a, v) => {
                let field = self.field(*a);
                let width = self.program.width(&field, &[]);
                NodeKind::Branch(field.equals(Expr::num(width, u64::from(*v))), next, other)
            }
            Step::IfMeta(a, v) => {
                let meta = self.meta(*a);
                let width = self.program.metas[meta].width;
                let cond = Expr::Meta(meta).equals(Expr::num(width, u64::from(*v)));
                NodeKind::Branch(cond, next, other)
            }
            Step::IfFrame(offset, v) => {
                let byte = Expr::Frame {
                    offset: Box::new(Expr::num(32, u64::from(*offset))),
                    len: 1,
                };
                let long = Expr::binary(BinOp::Gt, Expr::FrameLen, Expr::num(32, 33));
                let cond = Expr::binary(BinOp::Gt, byte, Expr::num(8, u64::from(*v))).and(long);
                NodeKind::Branch(cond, next, other)
            }
            Step::IfStandard => {
                let time = StdMeta::Timestamp.get();
                let early = Expr::binary(BinOp::Lt, time, Expr::num(64, 20_000));
                let length = StdMeta::PacketLength.get();
                let short = Expr::binary(BinOp::Lt, length, Expr::num(32, 34));
                let port = StdMeta::IngressPort.get().equals(Expr::num(16, 1));
                NodeKind::Branch(early.and(short).or(port), next, other)
            }
            Step::Register(a) => {
                let index = Expr::field(ipv4, 0);
                let dst = self.metas[1 + usize::from(*a % 2) * 3];
                NodeKind::Exec(
                    vec![
                        Op::Read {
                            object: self.register,
                            index: index.clone(),
                            dst: LValue::meta(dst),
                        },
                        Op::Write {
                            object: self.register,
                            index,
                            value: Expr::binary(BinOp::Add, Expr::Meta(dst), Expr::num(16, 1)),
                        },
                    ],
                    next,
                )
            }
            Step::Count(a) => exec(Op::Count(
                self.counter,
                Index::At(Expr::num(32, u64::from(*a % 4))),
            )),
            Step::Search(a) => exec(Op::Search {
                object: self.patterns,
                after: ipv4,
                dst: LValue::meta(self.metas[1 + usize::from(*a % 2) * 3]),
            }),
            Step::Allocate(a) => exec(Op::Allocate {
                object: self.allocator,
                ok: LValue::meta(self.metas[2]),
                value: LValue::meta(self.metas[1 + usize::from(*a % 2) * 3]),
            }),
            Step::Table(n) => {
                let table = self.table(at, *n, false);
                let hit_miss = Successors::HitMiss {
                    hit: next,
                    miss: other,
                };
                NodeKind::Apply(table, hit_miss)
            }
            Step::Flow(n) => {
                let table = self.table(at, *n, true);
                let successors = if n % 2 == 0 {
                    Successors::Always(next)
                } else {
                    Successors::HitMiss {
                        hit: next,
                        miss: other,
                    }
                };
                NodeKind::Apply(table, successors)
            }
            Step::Drop(n) => {
                let reason = self.program.drop_reason(&format!("drop {}", n % 3));
                exec(Op::Set(
                    LValue::meta(StdMeta::Drop.id()),
                    Expr::num(16, u64::from(reason.number())),
                ))
            }
        }
    }
    fn make(mut self, steps: &[(Step, u8, u8)]) -> Program {
        let count = steps.len();
        // Nodes of the steps, then `send`, then `emit`, then `drop`.
        let (emit, drop) = (NodeId::new(count + 1), NodeId::new(count + 2));
        for (at, (step, a, b)) in steps.iter().enumerate() {
            let later = |n: u8| NodeId::new((at + 1 + usize::from(n) % 3).min(count));
            let next = later(0);
            let mut other = later(*a);
            if b % 7 == 0 {
                other = drop;
            }
            let kind = self.kind(at, step, next, other);
            self.node(format!("step{at}"), kind);
        }
        let meta = Expr::Resize(Box::new(Expr::Meta(self.metas[0])), 16);
        let port = Expr::binary(BinOp::And, meta, Expr::num(16, 7));
        let egress = LValue::meta(StdMeta::EgressPort.id());
        self.node(
            "send".to_owned(),
            NodeKind::Exec(vec![Op::Set(egress, port)], emit),
        );
        self.node("emit".to_owned(), NodeKind::Emit);
        self.node("drop".to_owned(), NodeKind::Drop);
        self.program.control.entry = Some(NodeId::new(0));
        reachable(self.program)
    }
    fn node(&mut self, name: String, kind: NodeKind) {
        self.program.control.nodes.push(Node {
            name,
            nf: "test".to_owned(),
            kind,
        });
    }
}

/// The program without nodes that control never reaches.
fn reachable(mut program: Program) -> Program {
    let order = Graph::new(&program).order;
    let number = |node: NodeId| NodeId::new(order.iter().position(|n| *n == node).unwrap_or(0));
    let nodes = order
        .iter()
        .map(|n| {
            let mut node = program.control.nodes[*n].clone();
            for next in node.kind.successors_mut() {
                *next = number(*next);
            }
            node
        })
        .collect();
    program.control.nodes = nodes;
    program.control.entry = Some(NodeId::new(0));
    program
}

/// Moves nodes one after the other, keeping what is legal.
fn assignment(facts: &Facts, moves: &[(u8, u8)]) -> Assignment {
    let count = facts.program.control.nodes.len();
    let mut assignment = Assignment::all(count, Site::Host(ServerId(0)));
    let sites = [
        Site::Switch,
        Site::Nic(ServerId(0)),
        Site::Host(ServerId(0)),
        Site::Nic(ServerId(1)),
        Site::Host(ServerId(1)),
    ];
    for (node, site) in moves {
        let node = NodeId::new(usize::from(*node) % count);
        let site = sites[usize::from(*site) % sites.len()];
        // A node alone, or with all that shares state with it, or it and all that follows.
        let mut together = vec![node];
        for users in facts.shared.values() {
            if users.contains(&node) {
                together.extend(users);
            }
        }
        let mut moved = assignment.clone();
        for n in &together {
            moved.set(*n, site);
        }
        if legal::check(facts, &moved).is_empty() {
            assignment = moved;
            continue;
        }
        for n in facts.graph.descendants(node) {
            let reparse = matches!(facts.program.control.nodes[n].kind, NodeKind::Reparse(_));
            if !reparse || matches!(site, Site::Host(_)) {
                moved.set(n, site);
            }
        }
        if legal::check(facts, &moved).is_empty() {
            assignment = moved;
        }
    }
    assignment
}

fn packets(recipe: &Recipe) -> Vec<Packet> {
    let mut time = 0;
    recipe
        .packets
        .iter()
        .map(|(port, src, ttl, dst, payload, gap)| {
            time += u64::from(gap % 2_000);
            let mut bytes = frame(
                u32::from(*src),
                u32::from(*dst),
                *ttl,
                (u16::from(*src), u16::from(*dst)),
                payload,
            );
            match gap % 11 {
                0 => bytes.truncate(usize::from(gap % 30)),
                1 => bytes[12] = 0x86,
                2 => bytes[15] = 6,
                // As if it came from a server.
                3 => {
                    bytes[12] = 0x89;
                    bytes[13] = 0x4f;
                }
                _ => {}
            }
            Packet::new(u16::from(*port), time, bytes)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn pieces_do_what_the_uncut_program_does(recipe in recipe()) {
        let program = Maker::new().make(&recipe.steps);
        // The frame may be read where a header was written before.
        prop_assume!(trisect_ir::verify(&program).is_ok());
        let facts = Facts::new(&program);
        let assignment = assignment(&facts, &recipe.moves);
        let ports = Ports { servers: vec![10, 11] };
        let pieces = split(&facts, &assignment, &ports).expect("legal");
        compare(&program, &pieces, &ports.servers, &packets(&recipe));
    }
}
