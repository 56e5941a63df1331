//! Programs.

mod code;
mod tables;

use super::Random;
use trisect_ir::*;

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
                    3 if structural && !self.read_only => match self.random.below(6) {
                        4 | 5 => ParserOp::CopyVarbit {
                            dst: self.random.pick(&VARBITS),
                            src: self.random.pick(&VARBITS),
                        },
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
}
