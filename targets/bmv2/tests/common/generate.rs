//! Generated programs: every operator, and control graphs of any shape.

use std::collections::BTreeMap;

use crate::common::Numbers;
use trisect_ir::{
    Action, ActionCall, BinOp, Bits, CountUnit, Entity, Entry, Expr, Field, FieldKind,
    HashAlgorithm, Header, HeaderId, HeaderType, Index, Key, KeySet, LValue, MatchKind, MetaId,
    MeterConfig, Node, NodeId, NodeKind, Object, ObjectId, ObjectKind, Op, Origin, Param,
    ParseTarget, ParserOp, ParserState, Program, SelectCase, StdMeta, Successors, SumTerm, Table,
    TableId, Transition, UnOp,
};

const WIDTHS: [u32; 8] = [1, 3, 8, 13, 16, 32, 48, 67];

struct Generator {
    program: Program,
    numbers: Numbers,
    headers: [HeaderId; 4],
    metas: [MetaId; 8],
    counter: ObjectId,
    meter: ObjectId,
    register: ObjectId,
}

fn header_type(name: &str, widths: &[u32], varbit: Option<u32>) -> HeaderType {
    let fixed = widths.iter().enumerate().map(|(at, width)| Field {
        name: format!("f{at}"),
        kind: FieldKind::Fixed(*width),
    });
    let rest = varbit.map(|max| Field {
        name: "rest".into(),
        kind: FieldKind::Varbit(max),
    });
    HeaderType {
        name: name.into(),
        fields: fixed.chain(rest).collect(),
    }
}

impl Generator {
    /// Headers, a parser that takes them by what lies ahead, metadata and objects.
    fn new(seed: u64) -> Self {
        let mut program = Program::new("generated");
        let plain = program
            .header_types
            .push(header_type("plain", &[8, 3, 13, 48], None));
        let long = program
            .header_types
            .push(header_type("long", &[16, 8], Some(64)));
        let names = [("a", plain), ("b", plain), ("c[0]", long), ("c[1]", long)];
        let headers = names.map(|(name, ty)| {
            program.headers.push(Header {
                name: name.into(),
                ty,
            })
        });
        let metas = WIDTHS.map(|width| program.add_meta(format!("m.{width}"), width));
        let counter = ObjectKind::Counter {
            size: Some(8),
            unit: CountUnit::PacketsAndBytes,
        };
        let rates = MeterConfig {
            cir: 10,
            cbs: 2,
            pir: 20,
            pbs: 3,
        };
        let unit = CountUnit::Packets;
        let meter = ObjectKind::Meter {
            size: Some(4),
            unit,
            default: rates,
            cells: BTreeMap::new(),
        };
        let register = ObjectKind::Register {
            width: 13,
            size: 5,
            init: Bits::new(13, 9u32),
        };
        let mut object = |name: &str, kind| {
            program.objects.push(Object {
                name: name.into(),
                kind,
            })
        };
        let (counter, meter, register) = (
            object("x.count", counter),
            object("x.meter", meter),
            object("reg", register),
        );
        program.drop_reason("first reason");
        program.drop_reason("second reason");
        let mut generator = Self {
            program,
            numbers: Numbers(seed),
            headers,
            metas,
            counter,
            meter,
            register,
        };
        generator.parser();
        generator.program.deparser = headers.to_vec();
        generator
    }

    fn parser(&mut self) {
        let look = Expr::Lookahead {
            offset: 6,
            width: 2,
        };
        for (at, header) in self.headers.into_iter().enumerate() {
            let length = |bits| {
                Expr::binary(
                    BinOp::Shl,
                    Expr::Resize(Box::new(bits), 32),
                    Expr::num(8, 3),
                )
            };
            let varbit = (at >= 2).then(|| {
                length(Expr::Lookahead {
                    offset: 20,
                    width: 4,
                })
            });
            let next = |to: usize| match to {
                4 => ParseTarget::Accept,
                to => ParseTarget::State(trisect_ir::StateId::new(to)),
            };
            let case = |set, target| SelectCase {
                sets: vec![set],
                target,
            };
            let cases = vec![
                case(KeySet::Exact(Bits::new(2, 1u32)), next(at + 1)),
                case(
                    KeySet::Mask(Bits::new(2, 2u32), Bits::new(2, 2u32)),
                    next(4.min(at + 2)),
                ),
                case(KeySet::Any, ParseTarget::Reject),
            ];
            let to = LValue::meta(self.metas[2]);
            self.program.parser.states.push(ParserState {
                name: format!("take {at}"),
                ops: vec![
                    ParserOp::Extract { header, varbit },
                    ParserOp::Set(to, Expr::num(8, at as u64)),
                ],
                next: Transition::Select(vec![look.clone()], cases),
            });
        }
        self.program.parser.start = Some(trisect_ir::StateId::new(0));
    }

    fn pick(&mut self, below: usize) -> usize {
        self.numbers.next() as usize % below
    }

    fn width(&mut self) -> u32 {
        WIDTHS[self.pick(WIDTHS.len())]
    }

    /// An expression of this width; `params` are the enclosing action's.
    fn expr(&mut self, width: u32, depth: u32, params: &[Param]) -> Expr {
        if depth == 0 {
            return self.leaf(width, params);
        }
        let sub = depth - 1;
        let boxed = |this: &mut Self, width| Box::new(this.expr(width, sub, params));
        match self.pick(13) {
            0 => self.leaf(width, params),
            1 => Expr::Unary(
                if self.pick(2) == 0 {
                    UnOp::Not
                } else {
                    UnOp::Neg
                },
                boxed(self, width),
            ),
            2 | 3 => {
                use BinOp::*;
                let ops = [
                    Add, Sub, Mul, AddSat, SubSat, SAddSat, SSubSat, And, Or, Xor,
                ];
                let op = ops[self.pick(ops.len())];
                Expr::Binary(op, boxed(self, width), boxed(self, width))
            }
            4 => {
                let op = [BinOp::Shl, BinOp::Shr, BinOp::Sar][self.pick(3)];
                let by = self.width();
                Expr::Binary(op, boxed(self, width), boxed(self, by))
            }
            5 => {
                let op = [BinOp::Div, BinOp::Rem][self.pick(2)];
                let divisor = Expr::Const(Bits::new(width, 1u64 << self.pick(4)));
                Expr::Binary(op, boxed(self, width), Box::new(divisor))
            }
            6 => {
                let from = self.width();
                Expr::Resize(boxed(self, from), width)
            }
            7 => {
                let from = self.width();
                Expr::SignResize(boxed(self, from), width)
            }
            8 => {
                let lo = self.pick(9) as u32;
                let inner = boxed(self, width + lo);
                Expr::Slice(inner, width + lo - 1, lo)
            }
            9 if width > 1 => {
                let high = 1 + self.pick(width as usize - 1) as u32;
                Expr::Concat(vec![*boxed(self, high), *boxed(self, width - high)])
            }
            10 => Expr::Mux(boxed(self, 1), boxed(self, width), boxed(self, width)),
            11 => {
                let key = (1..40).collect();
                let algorithms = [
                    HashAlgorithm::Crc32,
                    HashAlgorithm::Crc16,
                    HashAlgorithm::Csum16,
                    HashAlgorithm::Xor16,
                    HashAlgorithm::Identity,
                    HashAlgorithm::Toeplitz(key),
                    HashAlgorithm::HalfSipHash(*b"a secret"),
                ];
                let algorithm = algorithms[self.pick(7)].clone();
                let inputs = (0..1 + self.pick(3)).map(|_| {
                    let width = self.width();
                    self.expr(width, sub, params)
                });
                Expr::Resize(Box::new(Expr::Hash(algorithm, inputs.collect())), width)
            }
            _ => {
                let init = boxed(self, 16);
                let terms = (0..1 + self.pick(3)).map(|_| {
                    let width = self.width();
                    SumTerm {
                        subtract: self.pick(2) == 0,
                        value: self.expr(width, sub, params),
                    }
                });
                Expr::Resize(Box::new(Expr::OnesSum(init, terms.collect())), width)
            }
        }
    }

    fn condition(&mut self, depth: u32, params: &[Param]) -> Expr {
        use BinOp::*;
        match self.pick(4) {
            0 => {
                let at = self.pick(4);
                Expr::Valid(self.headers[at])
            }
            1 if depth > 0 => {
                let op = [And, Or][self.pick(2)];
                Expr::binary(
                    op,
                    self.condition(depth - 1, params),
                    self.condition(depth - 1, params),
                )
            }
            2 if depth > 0 => self.condition(depth - 1, params).not(),
            _ => {
                let op = [Eq, Ne, Lt, Le, Gt, Ge, SLt, SLe, SGt, SGe][self.pick(10)];
                let width = self.width();
                let sub = depth.saturating_sub(1);
                Expr::binary(
                    op,
                    self.expr(width, sub, params),
                    self.expr(width, sub, params),
                )
            }
        }
    }

    fn leaf(&mut self, width: u32, params: &[Param]) -> Expr {
        let source = match self.pick(5) {
            0 => Expr::Const(self.numbers.bits(width)),
            1 if !params.is_empty() => Expr::Param(self.pick(params.len()) as u32),
            2 => self.condition(0, params),
            3 => {
                let at = self.pick(8);
                Expr::Meta(self.metas[at])
            }
            _ => {
                let at = self.pick(4);
                let header = self.headers[at];
                let fields = self.program.header_type(header).fields.iter();
                let fixed = fields
                    .filter(|field| matches!(field.kind, FieldKind::Fixed(_)))
                    .count();
                Expr::field(header, self.pick(fixed) as u32)
            }
        };
        if self.program.width(&source, params) == width {
            source
        } else {
            Expr::Resize(Box::new(source), width)
        }
    }

    fn place(&mut self) -> LValue {
        let mut to = match self.leaf(1, &[]) {
            Expr::Resize(inner, _) => match *inner {
                Expr::Field(field) => LValue::field(field.header, field.field),
                Expr::Meta(meta) => LValue::meta(meta),
                _ => LValue::meta(self.metas[4]),
            },
            _ => LValue::meta(self.metas[5]),
        };
        let width = self.program.lvalue_width(&to);
        if self.pick(4) == 0 {
            let lo = self.pick(width as usize) as u32;
            to.slice = Some((lo + self.pick((width - lo) as usize) as u32, lo));
        }
        to
    }

    fn ops(&mut self, depth: u32, params: &[Param]) -> Vec<Op> {
        (0..1 + self.pick(3))
            .map(|_| self.op(depth, params))
            .collect()
    }

    fn op(&mut self, depth: u32, params: &[Param]) -> Op {
        let at = self.pick(4);
        let header = self.headers[at];
        let index = |this: &mut Self| {
            let width = this.width();
            this.expr(width, 1, params)
        };
        match self.pick(10) {
            0 => Op::SetValid(header),
            1 => Op::SetInvalid(header),
            2 => {
                let pair = [[0, 1], [1, 0], [2, 3], [3, 2]][self.pick(4)];
                Op::Copy {
                    dst: self.headers[pair[0]],
                    src: self.headers[pair[1]],
                }
            }
            3 if depth > 0 => {
                let cond = self.condition(1, params);
                let otherwise = if self.pick(2) == 0 {
                    Vec::new()
                } else {
                    self.ops(depth - 1, params)
                };
                Op::If(cond, self.ops(depth - 1, params), otherwise)
            }
            4 => Op::Count(self.counter, Index::At(index(self))),
            5 => {
                let at = self.pick(4);
                let dst = LValue::meta(self.metas[2 + at]);
                Op::Meter {
                    object: self.meter,
                    index: Index::At(index(self)),
                    color: None,
                    dst,
                }
            }
            6 => {
                let dst = LValue::meta(self.metas[3]);
                Op::Read {
                    object: self.register,
                    index: index(self),
                    dst,
                }
            }
            7 => {
                let value = self.expr(13, 1, params);
                Op::Write {
                    object: self.register,
                    index: index(self),
                    value,
                }
            }
            _ => {
                let to = self.place();
                let width = self.program.lvalue_width(&to);
                Op::Set(to, self.expr(width, 3, params))
            }
        }
    }

    fn table(&mut self, number: usize) -> TableId {
        let actions: Vec<_> = (0..3)
            .map(|at| {
                let params = match at {
                    0 => Vec::new(),
                    _ => vec![
                        Param {
                            name: "x".into(),
                            width: self.width(),
                        },
                        Param {
                            name: "table".into(),
                            width: 16,
                        },
                    ],
                };
                let ops = self.ops(1, &params);
                self.program.actions.push(Action {
                    name: format!("t{number}.do{at}"),
                    params,
                    ops,
                })
            })
            .collect();
        let kinds = [
            MatchKind::Exact,
            MatchKind::Ternary,
            MatchKind::Lpm,
            MatchKind::Range,
            MatchKind::Optional,
        ];
        let kinds = [kinds[self.pick(5)], kinds[self.pick(2)]];
        let keys: Vec<Key> = kinds
            .iter()
            .enumerate()
            .map(|(at, kind)| {
                let width = self.width();
                Key {
                    name: format!("k{at}"),
                    expr: self.expr(width, 2, &[]),
                    kind: *kind,
                    signed: false,
                }
            })
            .collect();
        let origin = if self.pick(2) == 0 {
            Origin::Const
        } else {
            Origin::Control
        };
        let entries = (0..6).map(|_| {
            let widths: Vec<u32> = keys
                .iter()
                .map(|key| self.program.width(&key.expr, &[]))
                .collect();
            let sets = keys
                .iter()
                .zip(widths)
                .map(|(key, width)| self.numbers.set(key.kind, width))
                .collect();
            let action = actions[self.pick(3)];
            let params = self.program.actions[action].params.clone();
            let args = params
                .iter()
                .map(|param| self.numbers.bits(param.width))
                .collect();
            let priority = self.pick(9) as u32 + 1;
            Entry {
                keys: sets,
                priority,
                call: ActionCall { action, args },
                members: Vec::new(),
                origin,
            }
        });
        let entries = entries.collect();
        let const_default = self.pick(2) == 0;
        self.program.tables.push(Table {
            name: format!("t{number}.table"),
            keys,
            default: ActionCall {
                action: actions[0],
                args: Vec::new(),
            },
            actions,
            const_default,
            entries,
            size: 64,
            flow: None,
            selector: None,
        })
    }

    /// A graph of `count` nodes whose edges go to any later node.
    fn control(&mut self, count: usize) {
        let mut tables = Vec::new();
        for at in 0..count {
            let last = at + 2 >= count;
            let later =
                |this: &mut Self| NodeId::new(at + 1 + this.pick((count - at - 1).clamp(1, 5)));
            let kind = match self.pick(6) {
                _ if at + 1 == count => NodeKind::Emit,
                _ if last => NodeKind::Exec(
                    vec![Op::Set(
                        LValue::meta(StdMeta::EgressPort.id()),
                        Expr::num(16, 5),
                    )],
                    NodeId::new(at + 1),
                ),
                0 if at > 0 => NodeKind::Drop,
                0 | 1 => NodeKind::Exec(self.ops(2, &[]), later(self)),
                2 | 3 => NodeKind::Branch(self.condition(2, &[]), later(self), later(self)),
                _ => {
                    // Sometimes a table that was applied before.
                    let table = match tables.last() {
                        Some(table) if self.pick(3) == 0 => *table,
                        _ => self.table(at),
                    };
                    tables.push(table);
                    let actions = self.program.tables[table].actions.clone();
                    let next = match self.pick(3) {
                        0 => Successors::Always(later(self)),
                        1 => Successors::HitMiss {
                            hit: later(self),
                            miss: later(self),
                        },
                        _ => Successors::ByAction {
                            cases: vec![(actions[1], later(self)), (actions[2], later(self))],
                            default: later(self),
                        },
                    };
                    NodeKind::Apply(table, next)
                }
            };
            self.program.control.nodes.push(Node {
                name: format!("n{at}"),
                nf: String::new(),
                kind,
            });
        }
        self.program.control.entry = Some(NodeId::new(0));
    }
}

/// Packets for them, most of which the parser can take something from.
pub fn packets() -> Vec<Vec<u8>> {
    let mut numbers = Numbers(3);
    let packet = |numbers: &mut Numbers| {
        let len = numbers.next() as usize % 50;
        (0..len)
            .map(|_| {
                if numbers.next().is_multiple_of(3) {
                    1
                } else {
                    numbers.next() as u8
                }
            })
            .collect()
    };
    (0..60).map(|_| packet(&mut numbers)).collect()
}

/// A valid program of this seed.
pub fn generate(seed: u64) -> Program {
    let mut generator = Generator::new(seed);
    let count = 4 + generator.pick(12);
    generator.control(count);
    let Generator { mut program, .. } = generator;
    drop_unreachable(&mut program);
    trisect_ir::verify::verify(&program).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    program
}

/// The verifier wants every node to be reachable.
fn drop_unreachable(program: &mut Program) {
    let nodes = &program.control.nodes;
    let mut reached = vec![false; nodes.len()];
    reached[0] = true;
    for (id, node) in nodes.iter() {
        if reached[id.index()] {
            node.kind
                .successors()
                .iter()
                .for_each(|next| reached[next.index()] = true);
        }
    }
    let numbers: Vec<usize> = (0..reached.len())
        .map(|at| reached[..at].iter().filter(|r| **r).count())
        .collect();
    let kept = nodes.iter().filter(|(id, _)| reached[id.index()]);
    let mut kept: Vec<Node> = kept.map(|(_, node)| node.clone()).collect();
    for node in &mut kept {
        for next in node.kind.successors_mut() {
            *next = NodeId::new(numbers[next.index()]);
        }
    }
    program.control.nodes = kept.into_iter().collect();
}
