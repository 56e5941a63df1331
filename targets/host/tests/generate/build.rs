//! Programs.

use super::Random;
use std::collections::BTreeMap;
use trisect_ir::*;

const UN_OPS: [UnOp; 2] = [UnOp::Not, UnOp::Neg];

const BIN_OPS: [BinOp; 25] = {
    use BinOp::*;
    [
        Add, Sub, Mul, Div, Rem, AddSat, SubSat, SAddSat, SSubSat, And, Or, Xor, Shl, Shr, Sar, Eq,
        Ne, Lt, Le, Gt, Ge, SLt, SLe, SGt, SGe,
    ]
};

/// Headers with a varbit: the first among those with other fields, the others with no other.
const VARBITS: [HeaderId; 3] = [HeaderId(3), HeaderId(7), HeaderId(8)];

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Here<'a> {
    params: &'a [Param],
    parser: bool,
    /// The frame has not been changed since it was parsed.
    clean: bool,
}

const CONTROL: Here<'static> = Here {
    params: &[],
    parser: false,
    clean: false,
};

struct Generator<'r> {
    random: &'r mut Random,
    program: Program,
    /// Objects by kind.
    counters: Vec<ObjectId>,
    meters: Vec<ObjectId>,
    registers: Vec<ObjectId>,
    patterns: Vec<ObjectId>,
    allocators: Vec<ObjectId>,
    messages: Vec<ObjectId>,
    randoms: Vec<ObjectId>,
    /// Set in programs that never change a header, so that `Frame` may stand anywhere.
    read_only: bool,
}

/// A program. With `structural` headers may come and go.
pub fn program(random: &mut Random, structural: bool) -> Program {
    let read_only = random.one_in(4);
    let mut generator = Generator {
        random,
        program: Program::new("generated"),
        counters: vec![],
        meters: vec![],
        registers: vec![],
        patterns: vec![],
        allocators: vec![],
        messages: vec![],
        randoms: vec![],
        read_only,
    };
    generator.entities();
    generator.parser(structural);
    generator.deparser(structural);
    generator.objects();
    generator.tables(structural && !read_only);
    generator.control(structural && !read_only);
    generator.program
}

impl Generator<'_> {
    fn entities(&mut self) {
        for t in 0..4 {
            let mut fields = Vec::new();
            let mut bits = 0;
            for f in 0..1 + self.random.below(6) {
                let width = self.random.width();
                bits += width;
                fields.push((format!("f{f}"), width));
            }
            let rest = bits.next_multiple_of(8) - bits;
            if rest > 0 {
                fields.push(("pad".into(), rest));
            }
            let mut fields: Vec<Field> = fields
                .into_iter()
                .map(|(name, width)| Field {
                    name,
                    kind: FieldKind::Fixed(width),
                })
                .collect();
            if t == 3 {
                fields.push(Field {
                    name: "tail".into(),
                    kind: FieldKind::Varbit(8 * (1 + self.random.below(20) as u32)),
                });
            }
            self.program.header_types.push(HeaderType {
                name: format!("type{t}"),
                fields,
            });
        }
        for h in 0..7 {
            self.program.headers.push(Header {
                name: format!("h{h}"),
                ty: HeaderTypeId(h % 4),
            });
        }
        // Variables of variable length, as wide as the one header with a varbit.
        let max = self.program.header_type(VARBITS[0]).varbit().unwrap_or(8);
        let ty = self.program.header_types.push(HeaderType {
            name: "bytes".into(),
            fields: vec![Field {
                name: "value".into(),
                kind: FieldKind::Varbit(max),
            }],
        });
        for h in &VARBITS[1..] {
            self.program.headers.push(Header {
                name: format!("{h}"),
                ty,
            });
        }
        for m in 0..6 {
            let width = if m == 0 { 1 } else { self.random.width() };
            self.program.add_meta(format!("m{m}"), width);
        }
        self.program.add_meta("nic.mark", 32);
        self.program.add_meta("nic.meta", 32);
    }
    fn parser(&mut self, structural: bool) {
        let count = 1 + self.random.below(6);
        for s in 0..count {
            let here = Here {
                params: &[],
                parser: true,
                clean: false,
            };
            let mut ops = Vec::new();
            let mut consumes = false;
            for _ in 0..self.random.below(4) {
                ops.push(match self.random.below(8) {
                    0 => {
                        let cond = self.expr(1, 2, here);
                        ParserOp::Verify(cond, self.random.below(7) as u8)
                    }
                    1 => {
                        let (to, width) = self.target(!self.read_only);
                        ParserOp::Set(to, self.expr(width, 2, here))
                    }
                    4 if structural => {
                        let header = self.random.pick(&VARBITS);
                        self.extract(header, here)
                    }
                    3 if structural && !self.read_only => match self.random.below(4) {
                        3 => ParserOp::SetValid(self.random.pick(&VARBITS)),
                        0 => ParserOp::SetValid(HeaderId(self.random.below(7) as u32)),
                        1 => ParserOp::SetInvalid(HeaderId(self.random.below(7) as u32)),
                        _ => {
                            let (dst, src) = self.same_type();
                            ParserOp::Copy { dst, src }
                        }
                    },
                    2 if structural => {
                        let bits = if self.random.one_in(2) {
                            Expr::num(32, 8 * self.random.below(4) as u64)
                        } else {
                            self.expr(32, 1, here)
                        };
                        ParserOp::Advance(bits)
                    }
                    _ => {
                        let header = if structural {
                            HeaderId(self.random.below(7) as u32)
                        } else {
                            HeaderId((s as u32).min(6))
                        };
                        consumes = true;
                        self.extract(header, here)
                    }
                });
            }
            let next = self.transition(s, count, consumes && structural, here);
            self.program.parser.states.push(ParserState {
                name: format!("s{s}"),
                ops,
                next,
            });
        }
        self.program.parser.start = (!self.random.one_in(20)).then_some(StateId(0));
    }
    fn extract(&mut self, header: HeaderId, here: Here<'_>) -> ParserOp {
        let varbit = self.program.header_type(header).varbit().map(|_| {
            let length = Expr::Resize(
                Box::new(Expr::Lookahead {
                    offset: self.random.below(9) as u32,
                    width: 1 + self.random.below(5) as u32,
                }),
                32,
            );
            match self.random.below(4) {
                0 => Expr::num(32, 8 * self.random.below(8) as u64),
                1 => self.expr(32, 1, here),
                _ => Expr::binary(BinOp::Mul, length, Expr::num(32, 8)),
            }
        });
        ParserOp::Extract { header, varbit }
    }
    fn transition(&mut self, s: usize, count: usize, may_loop: bool, here: Here<'_>) -> Transition {
        if self.random.one_in(3) {
            return Transition::Goto(self.parse_target(s, count, may_loop));
        }
        let widths: Vec<u32> = (0..1 + self.random.below(2))
            .map(|_| self.random.width())
            .collect();
        let keys = widths.iter().map(|w| self.expr(*w, 1, here)).collect();
        let exact = widths.len() == 1 && self.random.one_in(2);
        let mut cases: Vec<SelectCase> = (0..self.random.below(9))
            .map(|_| SelectCase {
                sets: widths
                    .iter()
                    .map(|w| {
                        if exact {
                            KeySet::Exact(self.random.bits(*w))
                        } else {
                            self.set(None, *w)
                        }
                    })
                    .collect(),
                target: self.parse_target(s, count, may_loop),
            })
            .collect();
        if self.random.one_in(2) {
            cases.push(SelectCase {
                sets: vec![KeySet::Any; widths.len()],
                target: self.parse_target(s, count, may_loop),
            });
        }
        Transition::Select(keys, cases)
    }
    fn parse_target(&mut self, s: usize, count: usize, may_loop: bool) -> ParseTarget {
        if may_loop && self.random.one_in(4) {
            return ParseTarget::State(StateId(self.random.below(s + 1) as u32));
        }
        if s + 1 < count && !self.random.one_in(4) {
            let next = s + 1 + self.random.below(count - s - 1);
            return ParseTarget::State(StateId(next as u32));
        }
        if self.random.one_in(2) {
            ParseTarget::Accept
        } else {
            ParseTarget::Reject
        }
    }
    fn deparser(&mut self, structural: bool) {
        for h in 0..7 {
            if !structural || !self.random.one_in(6) {
                self.program.deparser.push(HeaderId(h));
            }
        }
        if structural && self.random.one_in(3) {
            self.program.deparser.reverse();
        }
    }
    fn objects(&mut self) {
        let unit = |r: &mut Random| {
            r.pick(&[
                CountUnit::Packets,
                CountUnit::Bytes,
                CountUnit::PacketsAndBytes,
            ])
        };
        for i in 0..3u32 {
            let size = (i > 0).then_some(1 + self.random.below(20) as u32);
            let kind = ObjectKind::Counter {
                size,
                unit: unit(self.random),
            };
            let id = self.object(format!("counter{i}"), kind);
            self.counters.push(id);
            let kind = ObjectKind::Meter {
                size,
                unit: self.random.pick(&[CountUnit::Packets, CountUnit::Bytes]),
                default: self.rates(),
                cells: BTreeMap::from([(0, self.rates())]),
            };
            let id = self.object(format!("meter{i}"), kind);
            self.meters.push(id);
            let width = self.random.width();
            let kind = ObjectKind::Register {
                width,
                size: 1 + self.random.below(9) as u32,
                init: self.random.bits(width),
            };
            let id = self.object(format!("register{i}"), kind);
            self.registers.push(id);
        }
        let patterns = (0..self.random.below(6))
            .map(|_| {
                (0..1 + self.random.below(3))
                    .map(|_| self.random.byte())
                    .collect()
            })
            .collect();
        let id = self.object("patterns".into(), ObjectKind::PatternSet { patterns });
        self.patterns.push(id);
        let kind = ObjectKind::Allocator {
            width: 16,
            base: 1000,
            size: 1 + self.random.below(6) as u32,
            idle_ns: self.random.below(3000) as u64,
        };
        let id = self.object("allocator".into(), kind);
        self.allocators.push(id);
        for i in 0..2 {
            let fields = (0..self.random.below(4))
                .map(|f| (format!("f{f}"), self.random.width()))
                .collect();
            let kind = ObjectKind::Message {
                kind: MessageKind::Log,
                text: String::new(),
                fields,
            };
            let id = self.object(format!("message{i}"), kind);
            self.messages.push(id);
            let seed = self.random.next();
            let id = self.object(format!("random{i}"), ObjectKind::Random { seed });
            self.randoms.push(id);
        }
    }
    fn object(&mut self, name: String, kind: ObjectKind) -> ObjectId {
        self.program.objects.push(Object { name, kind })
    }
    fn rates(&mut self) -> MeterConfig {
        MeterConfig {
            cir: 1_000_000 * self.random.below(50) as u64,
            cbs: self.random.below(200) as u64,
            pir: 1_000_000 * self.random.below(90) as u64,
            pbs: self.random.below(400) as u64,
        }
    }
    /// Tables, each with its own actions; the last ones are flow tables.
    fn tables(&mut self, structural: bool) {
        for t in 0..5u32 {
            let id = TableId(t);
            let flow = t >= 3;
            let count = 1 + self.random.below(3);
            let first = self.program.actions.len() as u32;
            let actions: Vec<ActionId> = (0..count as u32).map(|i| ActionId(first + i)).collect();
            let params: Vec<Vec<Param>> = (0..count)
                .map(|_| {
                    (0..self.random.below(4))
                        .map(|p| Param {
                            name: format!("p{p}"),
                            width: self.random.width(),
                        })
                        .collect()
                })
                .collect();
            for (i, p) in params.iter().enumerate() {
                // Actions that exist so far can be added by flow tables.
                self.program.actions.push(Action {
                    name: format!("t{t}.a{i}"),
                    params: p.clone(),
                    ops: vec![],
                });
            }
            for action in &actions {
                let table = Some((id, flow, t == 0 || t == 3, &actions[..]));
                let params = self.program.actions[*action].params.clone();
                let here = Here {
                    params: &params,
                    parser: false,
                    clean: self.read_only,
                };
                let ops = self.ops(3, 2, table, structural, here);
                if let Some(a) = self.program.actions.get_mut(*action) {
                    a.ops = ops;
                }
            }
            let table = self.table(t, flow, actions);
            self.program.tables.push(table);
        }
    }
    fn table(&mut self, t: u32, flow: bool, actions: Vec<ActionId>) -> Table {
        let kinds: Vec<MatchKind> = if flow {
            vec![MatchKind::Exact; 1 + self.random.below(3)]
        } else {
            let mut kinds: Vec<MatchKind> = (0..self.random.below(4))
                .map(|_| {
                    self.random.pick(&[
                        MatchKind::Exact,
                        MatchKind::Ternary,
                        MatchKind::Range,
                        MatchKind::Optional,
                    ])
                })
                .collect();
            if self.random.one_in(2) {
                if self.random.one_in(2) {
                    kinds.fill(MatchKind::Exact);
                }
                kinds.push(MatchKind::Lpm);
            }
            kinds
        };
        let widths: Vec<u32> = kinds.iter().map(|_| self.random.width()).collect();
        let here = Here {
            clean: self.read_only,
            ..CONTROL
        };
        let keys = kinds
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(i, (kind, width))| Key {
                name: format!("k{i}"),
                expr: self.expr(*width, 1, here),
                kind: *kind,
            })
            .collect();
        let selector = (!flow && self.random.one_in(3)).then(|| Selector {
            algorithm: self
                .random
                .pick(&[HashAlgorithm::Crc16, HashAlgorithm::Identity]),
            inputs: (0..1 + self.random.below(2))
                .map(|_| match self.random.below(3) {
                    0 => Expr::Payload,
                    1 => Expr::Varbit(self.random.pick(&VARBITS)),
                    _ => self.expr(16, 1, here),
                })
                .collect(),
        });
        let entries: Vec<Entry> = (0..self.random.below(if flow { 3 } else { 16 }))
            .map(|_| Entry {
                keys: kinds
                    .iter()
                    .zip(&widths)
                    .map(|(k, w)| self.set(Some(*k), *w))
                    .collect(),
                priority: self.random.below(5) as u32,
                call: self.action_call(&actions),
                members: match &selector {
                    Some(_) => (0..self.random.below(3))
                        .map(|_| self.action_call(&actions))
                        .collect(),
                    None => vec![],
                },
                origin: Origin::Control,
            })
            .collect();
        Table {
            name: format!("t{t}"),
            keys,
            default: self.action_call(&actions),
            actions,
            const_default: false,
            size: entries.len() as u32 + self.random.below(5) as u32,
            entries,
            flow: flow.then(|| FlowTable {
                timeouts_ns: vec![500, 3000, 100_000],
            }),
            selector,
        }
    }
    fn action_call(&mut self, actions: &[ActionId]) -> ActionCall {
        let action = self.random.pick(actions);
        let params = self.program.actions[action].params.clone();
        ActionCall {
            action,
            args: params.iter().map(|p| self.random.bits(p.width)).collect(),
        }
    }
    fn set(&mut self, kind: Option<MatchKind>, width: u32) -> KeySet {
        let v = |r: &mut Random| r.bits(width);
        let shape = match kind {
            Some(MatchKind::Exact) => 0,
            Some(MatchKind::Lpm) => self.random.pick(&[0, 1, 2, 2, 2]),
            Some(MatchKind::Ternary) => self.random.pick(&[0, 1, 3, 3, 3]),
            Some(MatchKind::Range) => self.random.pick(&[0, 1, 4, 4, 4]),
            Some(MatchKind::Optional) => self.random.below(2),
            None => self.random.below(5),
        };
        match shape {
            0 => KeySet::Exact(v(self.random)),
            1 => KeySet::Any,
            2 => KeySet::Prefix(v(self.random), self.random.below(width as usize + 1) as u32),
            3 => KeySet::Mask(v(self.random), v(self.random)),
            _ => {
                let (a, b) = (v(self.random), v(self.random));
                KeySet::Range(a.clone().min(b.clone()), a.max(b))
            }
        }
    }
    fn control(&mut self, structural: bool) {
        let count = 3 + self.random.below(8);
        let ends = [count as u32, count as u32 + 1];
        for n in 0..count as u32 {
            // Every node leads to the next one, so that all are reachable.
            let next = NodeId(n + 1);
            let other = if self.random.one_in(6) {
                NodeId(self.random.pick(&ends))
            } else {
                NodeId(n + 1 + self.random.below((count as u32 - n) as usize) as u32)
            };
            let here = Here {
                clean: self.read_only,
                ..CONTROL
            };
            let kind = match self.random.below(10) {
                0..=4 => {
                    let table = TableId(self.random.below(5) as u32);
                    let actions = self.program.tables[table].actions.clone();
                    let successors = match self.random.below(3) {
                        0 => Successors::Always(next),
                        1 => Successors::HitMiss {
                            hit: other,
                            miss: next,
                        },
                        _ => Successors::ByAction {
                            cases: vec![(actions[0], other)],
                            default: next,
                        },
                    };
                    NodeKind::Apply(table, successors)
                }
                5 | 6 => NodeKind::Branch(self.expr(1, 3, here), next, other),
                7 if structural => NodeKind::Reparse(next),
                _ => NodeKind::Exec(self.ops(4, 2, None, structural, here), next),
            };
            self.node(n, kind);
        }
        // The last node in between leads to both ends.
        let cond = Expr::num(1, u64::from(!self.random.one_in(4)));
        self.node(
            count as u32,
            NodeKind::Branch(
                cond.or(Expr::Meta(MetaId(6))),
                NodeId(count as u32 + 1),
                NodeId(count as u32 + 2),
            ),
        );
        self.node(count as u32 + 1, NodeKind::Emit);
        self.node(count as u32 + 2, NodeKind::Drop);
        self.program.control.entry = Some(NodeId(0));
    }
    fn node(&mut self, n: u32, kind: NodeKind) {
        self.program.control.nodes.push(Node {
            name: format!("n{n}"),
            nf: String::new(),
            kind,
        });
    }
    fn ops(
        &mut self,
        most: usize,
        depth: usize,
        table: Option<(TableId, bool, bool, &[ActionId])>,
        structural: bool,
        here: Here<'_>,
    ) -> Vec<Op> {
        (0..self.random.below(most + 1))
            .map(|_| self.op(depth, table, structural, here))
            .collect()
    }
    fn op(
        &mut self,
        depth: usize,
        table: Option<(TableId, bool, bool, &[ActionId])>,
        structural: bool,
        here: Here<'_>,
    ) -> Op {
        // Direct objects belong to the first table and the first flow table.
        let direct = |i: usize| {
            if table.is_some_and(|t| t.2) {
                i
            } else {
                i.max(1)
            }
        };
        let header = |r: &mut Random| HeaderId(r.below(7) as u32);
        match self.random.below(26) {
            23 if structural => Op::SetValid(self.random.pick(&VARBITS)),
            24 | 25 if structural => Op::CopyVarbit {
                dst: self.random.pick(&VARBITS),
                src: self.random.pick(&VARBITS),
            },
            20 => {
                let object = self.random.pick(&self.messages.clone());
                let widths: Vec<u32> = match &self.program.objects[object].kind {
                    ObjectKind::Message { fields, .. } => fields.iter().map(|f| f.1).collect(),
                    _ => vec![],
                };
                Op::Notify(
                    object,
                    widths.into_iter().map(|w| self.expr(w, 2, here)).collect(),
                )
            }
            21 => {
                let (dst, width) = self.target(!self.read_only);
                Op::Random {
                    object: self.random.pick(&self.randoms.clone()),
                    lo: self.expr(width, 1, here),
                    hi: self.expr(width, 1, here),
                    dst,
                }
            }
            0 if structural => Op::SetValid(header(self.random)),
            1 if structural => Op::SetInvalid(header(self.random)),
            2 if structural => {
                let (dst, src) = self.same_type();
                Op::Copy { dst, src }
            }
            3 | 4 if depth > 0 => Op::If(
                self.expr(1, 2, here),
                self.ops(2, depth - 1, table, structural, here),
                self.ops(2, depth - 1, table, structural, here),
            ),
            5 => {
                let i = self.random.below(3);
                // One table owns each direct object.
                let i = if table.is_some_and(|t| t.0.0 == 0) {
                    direct(i)
                } else {
                    i.max(1)
                };
                Op::Count(self.counters[i], self.index(i, here))
            }
            6 => {
                let i = self.random.below(3);
                let i = if table.is_some_and(|t| t.0.0 == 3) {
                    direct(i)
                } else {
                    i.max(1)
                };
                let color = self.random.one_in(2).then(|| self.expr(8, 1, here));
                let index = self.index(i, here);
                let (dst, _) = self.wide_target(2);
                Op::Meter {
                    object: self.meters[i],
                    index,
                    color,
                    dst,
                }
            }
            7 => {
                let object = self.random.pick(&self.registers.clone());
                let width = self.register_width(object);
                let index_width = self.random.pick(&[4, 8, 70]);
                let Some(dst) = self.target_of(width) else {
                    return Op::Write {
                        object,
                        index: self.expr(index_width, 1, here),
                        value: self.expr(width, 2, here),
                    };
                };
                Op::Read {
                    object,
                    index: self.expr(index_width, 1, here),
                    dst,
                }
            }
            8 => {
                let object = self.random.pick(&self.registers.clone());
                let width = self.register_width(object);
                Op::Write {
                    object,
                    index: self.expr(3, 1, here),
                    value: self.expr(width, 2, here),
                }
            }
            9 | 10 if !self.program.deparser.is_empty() => match self.target_of(16) {
                Some(dst) => Op::Search {
                    object: self.patterns[0],
                    after: self.random.pick(&self.program.deparser.clone()),
                    dst,
                },
                None => Op::SetInvalid(HeaderId(0)),
            },
            11 => match (self.target_of(1), self.target_of(16)) {
                (Some(ok), Some(value)) => Op::Allocate {
                    object: self.allocators[0],
                    ok,
                    value,
                },
                _ => Op::Touch(self.allocators[0], self.expr(16, 1, here)),
            },
            12 => {
                let width = self.random.pick(&[16, 64, 80]);
                let near = Expr::num(width, 1000 + self.random.below(6) as u64);
                Op::Touch(self.allocators[0], near)
            }
            13..=15 => match table {
                Some((table, true, _, actions)) => {
                    let action = self.random.pick(actions);
                    let params = self.program.actions[action].params.clone();
                    Op::AddEntry {
                        table,
                        action,
                        args: params.iter().map(|p| self.expr(p.width, 1, here)).collect(),
                        profile: self.expr(2, 1, here),
                    }
                }
                _ => self.assignment(here),
            },
            16 => match table {
                Some((table, true, ..)) => Op::SetExpire {
                    table,
                    profile: self.expr(70, 1, here),
                },
                _ => self.assignment(here),
            },
            _ => self.assignment(here),
        }
    }
    /// Two headers of one type, or one header twice.
    fn same_type(&mut self) -> (HeaderId, HeaderId) {
        let dst = self.random.below(7) as u32;
        let other = (dst + 4) % 8;
        let src = if self.random.one_in(2) && other <= 6 {
            other
        } else {
            dst
        };
        (HeaderId(dst), HeaderId(src))
    }
    fn assignment(&mut self, here: Here<'_>) -> Op {
        let (to, width) = self.target(!self.read_only);
        Op::Set(to, self.expr(width, 3, here))
    }
    fn register_width(&self, object: ObjectId) -> u32 {
        match self.program.objects[object].kind {
            ObjectKind::Register { width, .. } => width,
            _ => 1,
        }
    }
    fn index(&mut self, i: usize, here: Here<'_>) -> Index {
        if i == 0 {
            return Index::Entry;
        }
        Index::At(match self.random.below(3) {
            0 => Expr::num(32, self.random.below(25) as u64),
            1 => self.expr(66, 1, here),
            _ => self.expr(4, 1, here),
        })
    }
    /// Fields and metadata, by width.
    fn places(&self, fields: bool) -> Vec<(Place, u32)> {
        let mut out: Vec<(Place, u32)> = self
            .program
            .metas
            .iter()
            // Assigning the standard inputs is allowed, too.
            .map(|(id, meta)| (Place::Meta(id), meta.width))
            .collect();
        if fields {
            for (id, header) in self.program.headers.iter() {
                let ty = &self.program.header_types[header.ty];
                for (i, field) in ty.fields.iter().enumerate() {
                    if let FieldKind::Fixed(width) = field.kind {
                        let field = FieldRef {
                            header: id,
                            field: i as u32,
                        };
                        out.push((Place::Field(field), width));
                    }
                }
            }
        }
        out
    }
    fn target(&mut self, fields: bool) -> (LValue, u32) {
        let (place, width) = self.random.pick(&self.places(fields));
        if self.random.one_in(4) {
            let lo = self.random.below(width as usize) as u32;
            let hi = lo + self.random.below((width - lo) as usize) as u32;
            let slice = Some((hi, lo));
            return (LValue { place, slice }, hi - lo + 1);
        }
        (LValue { place, slice: None }, width)
    }
    fn wide_target(&mut self, least: u32) -> (LValue, u32) {
        loop {
            let (to, width) = self.target(!self.read_only);
            if width >= least {
                return (to, width);
            }
        }
    }
    /// A target of exactly this width, perhaps a slice.
    fn target_of(&mut self, width: u32) -> Option<LValue> {
        let places: Vec<(Place, u32)> = self
            .places(!self.read_only)
            .into_iter()
            .filter(|(_, w)| *w >= width)
            .collect();
        if places.is_empty() {
            return None;
        }
        let (place, whole) = self.random.pick(&places);
        let lo = self.random.below((whole - width) as usize + 1) as u32;
        let slice = (whole != width).then_some((lo + width - 1, lo));
        Some(LValue { place, slice })
    }
    /// An expression of exactly this width.
    fn expr(&mut self, width: u32, depth: usize, here: Here<'_>) -> Expr {
        if depth == 0 || self.random.one_in(5) {
            return self.leaf(width, here);
        }
        let sub = |this: &mut Self, w: u32| this.expr(w, depth - 1, here);
        match self.random.below(12) {
            0 => Expr::Unary(self.random.pick(&UN_OPS), Box::new(sub(self, width))),
            1..=4 => {
                let op = self.random.pick(&BIN_OPS);
                if op.is_comparison() {
                    let w = self.random.width();
                    let (a, b) = (sub(self, w), sub(self, w));
                    return self.fit(Expr::binary(op, a, b), 1, width);
                }
                let a = sub(self, width);
                let b = if op.is_shift() {
                    let by = self.random.pick(&[3, 6, 8, 70]);
                    if self.random.one_in(2) {
                        Expr::num(by, self.random.below(2 * width as usize) as u64)
                    } else {
                        sub(self, by)
                    }
                } else {
                    sub(self, width)
                };
                Expr::binary(op, a, b)
            }
            5 => {
                let w = self.random.width();
                let a = sub(self, w);
                if self.random.one_in(2) {
                    Expr::Resize(Box::new(a), width)
                } else {
                    Expr::SignResize(Box::new(a), width)
                }
            }
            6 => {
                let lo = self.random.below(70) as u32;
                let above = self.random.below(70) as u32;
                let a = sub(self, lo + width + above);
                Expr::Slice(Box::new(a), lo + width - 1, lo)
            }
            7 if width > 1 => {
                let low = 1 + self.random.below(width as usize - 1) as u32;
                let (a, b) = (sub(self, width - low), sub(self, low));
                Expr::Concat(vec![a, b])
            }
            8 => {
                let cond = sub(self, 1);
                let (a, b) = (sub(self, width), sub(self, width));
                Expr::Mux(Box::new(cond), Box::new(a), Box::new(b))
            }
            9 => {
                let key = (0..20).map(|_| self.random.byte()).collect();
                let algorithm = self.random.pick(&[
                    HashAlgorithm::Crc32,
                    HashAlgorithm::Crc16,
                    HashAlgorithm::Csum16,
                    HashAlgorithm::Xor16,
                    HashAlgorithm::Identity,
                    HashAlgorithm::Toeplitz(key),
                    HashAlgorithm::Crc {
                        width: 16,
                        polynomial: 0x1021,
                        init: 0xffff,
                        reflect_in: false,
                        reflect_out: true,
                        xor_out: 1,
                    },
                ]);
                let inputs = (0..1 + self.random.below(3))
                    .map(|_| match self.random.below(6) {
                        0 => Expr::Varbit(self.random.pick(&VARBITS)),
                        1 if !here.parser => Expr::Payload,
                        _ => {
                            let w = self.random.width();
                            sub(self, w)
                        }
                    })
                    .collect();
                let from = algorithm.width();
                self.fit(Expr::Hash(algorithm, inputs), from, width)
            }
            10 => {
                let init = sub(self, 16);
                let terms = (0..self.random.below(4))
                    .map(|_| {
                        let w = self.random.width();
                        SumTerm {
                            subtract: self.random.one_in(2),
                            value: sub(self, w),
                        }
                    })
                    .collect();
                self.fit(Expr::OnesSum(Box::new(init), terms), 16, width)
            }
            _ if here.clean => {
                let offset = if self.random.one_in(2) {
                    Expr::num(32, self.random.below(80) as u64)
                } else {
                    sub(self, 32)
                };
                let len = self.random.pick(&[1, 2, 4]);
                let frame = Expr::Frame {
                    offset: Box::new(offset),
                    len,
                };
                let frame = if self.random.one_in(4) {
                    self.fit(Expr::FrameLen, 32, u32::from(len) * 8)
                } else {
                    frame
                };
                self.fit(frame, u32::from(len) * 8, width)
            }
            _ => self.leaf(width, here),
        }
    }
    /// Makes an expression of `from` bits one of `to` bits.
    fn fit(&mut self, expr: Expr, from: u32, to: u32) -> Expr {
        if from == to {
            expr
        } else {
            Expr::Resize(Box::new(expr), to)
        }
    }
    fn leaf(&mut self, width: u32, here: Here<'_>) -> Expr {
        match self.random.below(8) {
            0 | 1 => Expr::Const(self.random.bits(width)),
            2 if here.parser => Expr::Lookahead {
                offset: self.random.below(40) as u32,
                width,
            },
            3 if !here.params.is_empty() => {
                let i = self.random.below(here.params.len());
                self.fit(Expr::Param(i as u32), here.params[i].width, width)
            }
            4 => {
                let header = HeaderId(self.random.below(7) as u32);
                self.fit(Expr::Valid(header), 1, width)
            }
            5 if self.random.one_in(3) => {
                let (a, b) = (self.random.pick(&VARBITS), self.random.pick(&VARBITS));
                if self.random.one_in(2) {
                    self.fit(Expr::VarbitEq(a, b), 1, width)
                } else {
                    self.fit(Expr::VarbitLen(a), 32, width)
                }
            }
            _ => {
                let (place, from) = self.random.pick(&self.places(true));
                let expr = match place {
                    Place::Field(field) => Expr::Field(field),
                    Place::Meta(meta) => Expr::Meta(meta),
                };
                self.fit(expr, from, width)
            }
        }
    }
}
