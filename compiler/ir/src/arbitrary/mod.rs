//! Random programs and packets, for property tests.
//!
//! A program is made from a string of bytes: each decision takes some, and when they are used up every
//! decision takes its simplest way. So a test draws `Vec<u8>`, and shrinking the bytes shrinks the
//! program:
//!
//! ```ignore
//! proptest! {
//!     #[test]
//!     fn compiled_is_interpreted(bytes in proptest::collection::vec(any::<u8>(), 0..2500)) {
//!         let mut choices = Choices::new(&bytes);
//!         let program = program(&mut choices, &Shape::default());
//!         let packets = packets(&mut choices, 20);
//!         ...
//!     }
//! }
//! ```
//!
//! Every program verifies. It has headers of odd widths, tables of every match kind with entries, flow
//! tables, all kinds of objects, values up to [`Shape::max_width`] bits, and changes of the packet's
//! structure, as far as [`Shape`] lets it.

mod control;
mod expr;
mod packet;

pub use packet::{Arrival, packets};

use crate::transform::remove_unreachable;
use crate::{
    Attribute, Bits, Expr, Field, FieldKind, Header, HeaderType, MessageKind, MeterConfig, Object,
    ObjectKind, ParseTarget, ParserOp, ParserState, Program, SelectCase, StateId, Transition,
};
use crate::{CountUnit, HeaderId, HeaderTypeId, KeySet, LValue, Node, NodeKind, Op, Place};
use std::collections::BTreeMap;

/// What a program may contain. The default is everything.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Widest value in bits (at least 64).
    pub max_width: u32,
    /// Most nodes in front of `Emit` and `Drop`.
    pub max_nodes: usize,
    /// Flow tables, `AddEntry` and `SetExpire`.
    pub flow_tables: bool,
    /// Tables whose entries are groups.
    pub selectors: bool,
    /// Allocators.
    pub allocators: bool,
    /// Pattern sets and searches.
    pub patterns: bool,
    /// Meters.
    pub meters: bool,
    /// Registers.
    pub registers: bool,
    /// Messages.
    pub messages: bool,
    /// Random numbers.
    pub random: bool,
    /// Counters and meters that belong to entries.
    pub direct_objects: bool,
    /// Headers made valid, made invalid and copied.
    pub structural: bool,
    /// `Reparse` nodes.
    pub reparse: bool,
    /// `Frame` and `FrameLen`.
    pub frame: bool,
    /// Varbits, and hashes of these and the payload.
    pub varbits: bool,
    /// `OnesSum` and hashes.
    pub hashes: bool,
    /// A parser that skips, writes headers, or extracts in another order than that of the
    /// deparser: without it deparse(parse(p)) == p.
    pub odd_parser: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            max_width: 2048,
            max_nodes: 12,
            flow_tables: true,
            selectors: true,
            allocators: true,
            patterns: true,
            meters: true,
            registers: true,
            messages: true,
            random: true,
            direct_objects: true,
            structural: true,
            reparse: true,
            frame: true,
            varbits: true,
            hashes: true,
            odd_parser: true,
        }
    }
}

/// A source of decisions.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Decisions from these bytes, then zeros.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// Whether the bytes are used up.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// A number below `n`, or 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        let mut value = usize::from(self.byte());
        if n > 256 {
            value = value << 8 | usize::from(self.byte());
        }
        value.checked_rem(n).unwrap_or(0)
    }

    /// True once in `n` times; false when the bytes are used up.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == n.saturating_sub(1) && n > 1
    }

    /// One of the items.
    pub fn pick<'t, T>(&mut self, items: &'t [T]) -> Option<&'t T> {
        let at = self.below(items.len());
        items.get(at)
    }

    /// A value, often at the edge of its range.
    pub fn bits(&mut self, width: u32) -> Bits {
        match self.below(8) {
            0 => Bits::zero(width),
            1 => Bits::new(width, 1u32),
            2 => Bits::ones(width),
            3 => Bits::prefix_mask(width, 1),
            4 | 5 => Bits::new(width, self.byte()),
            _ => {
                let count = width.div_ceil(8).min(40);
                let bytes: Vec<u8> = (0..count).map(|_| self.byte()).collect();
                Bits::from_be_bytes(width, &bytes)
            }
        }
    }
}

/// A random program. It verifies.
pub fn program(choices: &mut Choices<'_>, shape: &Shape) -> Program {
    let mut maker = Maker {
        c: choices,
        shape,
        p: Program::new("random"),
        frame_clean: true,
        plain: 0,
        in_parser: true,
    };
    maker.headers();
    maker.metas();
    maker.objects();
    maker.control_plane_objects();
    maker.parser();
    maker.in_parser = false;
    maker.control();
    let mut program = maker.p;
    remove_unreachable(&mut program);
    program
}

struct Maker<'a, 'b> {
    c: &'a mut Choices<'b>,
    shape: &'a Shape,
    p: Program,
    /// Whether no header was written so far on any path.
    frame_clean: bool,
    /// Headers in front of those that are but a varbit.
    plain: usize,
    in_parser: bool,
}

impl Maker<'_, '_> {
    fn width(&mut self) -> u32 {
        let max = self.shape.max_width;
        match self.c.below(8) {
            0 => 8,
            1 => 1,
            2 => 16,
            3 => 32,
            4 => 1 + self.c.below(24) as u32,
            5 => 48,
            6 => 1 + self.c.below(80) as u32,
            _ => (1 + self.c.below(2100) as u32).min(max),
        }
        .min(max)
    }

    fn headers(&mut self) {
        let types = 1 + self.c.below(4);
        for t in 0..types {
            let mut fields = Vec::new();
            // The first byte is what parsers select on.
            let first = self.c.below(7) as u32;
            let mut bits = 8;
            if first > 0 {
                fields.push(fixed("a", first));
            }
            fields.push(fixed("tag", 8 - first));
            for i in 0..self.c.below(4) {
                let width = self.width();
                bits += width;
                fields.push(fixed(&format!("f{i}"), width));
            }
            if bits % 8 != 0 {
                fields.push(fixed("pad bits", 8 - bits % 8));
            }
            if self.shape.varbits && self.c.one_in(3) {
                let kind = FieldKind::Varbit(8 * (1 + self.c.below(12) as u32));
                let name = "rest".to_owned();
                fields.push(Field { name, kind });
            }
            let name = format!("t{t}");
            self.p.header_types.push(HeaderType { name, fields });
        }
        let count = types + self.c.below(3);
        for i in 0..count {
            let ty = HeaderTypeId((i % types) as u32);
            let name = match i {
                0 => "h".to_owned(),
                1 => "stack[1]".to_owned(),
                2 => "two words".to_owned(),
                _ => format!("x.h{i}"),
            };
            self.p.headers.push(Header { name, ty });
        }
        self.p.deparser = self.p.headers.keys().collect();
        self.plain = count;
        if self.shape.varbits {
            self.only_varbits();
        }
    }

    /// Headers that are but a varbit, as a front end makes them for variables; mostly not emitted.
    fn only_varbits(&mut self) {
        let known = self.p.header_types.values().find_map(HeaderType::varbit);
        let kind = FieldKind::Varbit(known.unwrap_or(64));
        let name = "value".to_owned();
        let ty = self.p.header_types.push(HeaderType {
            name: "bytes".to_owned(),
            fields: vec![Field { name, kind }],
        });
        for i in 0..2 {
            let name = format!("local {i}");
            let header = self.p.headers.push(Header { name, ty });
            if self.c.one_in(4) {
                self.p.deparser.push(header);
            }
        }
    }

    /// A header with a varbit.
    fn any_varbit(&mut self) -> Option<HeaderId> {
        let with: Vec<HeaderId> = self.p.headers.keys().collect();
        let with: Vec<HeaderId> = with
            .into_iter()
            .filter(|h| self.p.varbit_field(*h).is_some())
            .collect();
        self.c.pick(&with).copied()
    }

    fn metas(&mut self) {
        for (name, width) in [
            ("flag", 1),
            ("u8", 8),
            ("node", 16),
            ("m.u32", 32),
            ("u3", 3),
        ] {
            self.p.add_meta(name, width);
        }
        for i in 0..self.c.below(4) {
            let width = self.width();
            self.p.add_meta(format!("w{i}"), width);
        }
        for reason in ["first", "second reason"] {
            self.p.drop_reason(reason);
        }
        if let Some(meta) = self.p.meta_named("u3") {
            self.p.attributes.push(Attribute {
                name: "verdict".into(),
                meta,
                values: vec![
                    ("good".into(), Bits::zero(3)),
                    ("bad".into(), Bits::ones(3)),
                ],
            });
        }
        self.p.parser.errors.push("Own".into());
    }

    fn unit(&mut self) -> CountUnit {
        if self.c.one_in(2) {
            CountUnit::Bytes
        } else {
            CountUnit::Packets
        }
    }

    fn rates(&mut self) -> MeterConfig {
        let mut number = |n| 1 + self.c.below(n) as u64 * 7;
        MeterConfig {
            cir: number(500),
            cbs: number(40),
            pir: number(900),
            pbs: number(90),
        }
    }

    fn objects(&mut self) {
        let size = 1 + self.c.below(6) as u32;
        let unit = self.unit();
        self.object(
            "counts",
            ObjectKind::Counter {
                size: Some(size),
                unit,
            },
        );
        if self.shape.meters {
            let (unit, default) = (self.unit(), self.rates());
            let cells = BTreeMap::from([(0, self.rates())]);
            let size = Some(size);
            self.object(
                "meters",
                ObjectKind::Meter {
                    size,
                    unit,
                    default,
                    cells,
                },
            );
        }
        if self.shape.registers {
            for name in ["registers", "more registers"] {
                let width = self.width();
                let init = self.c.bits(width);
                self.object(name, ObjectKind::Register { width, size, init });
            }
        }
        if self.shape.patterns {
            let count = 1 + self.c.below(3);
            let patterns = (0..count)
                .map(|_| {
                    let length = 1 + self.c.below(3);
                    (0..length).map(|_| self.c.byte() % 4).collect()
                })
                .collect();
            self.object("patterns", ObjectKind::PatternSet { patterns });
        }
        if self.shape.allocators {
            self.object(
                "numbers",
                ObjectKind::Allocator {
                    width: 16,
                    base: 1024,
                    size,
                    idle_ns: 500,
                },
            );
        }
    }

    fn control_plane_objects(&mut self) {
        if self.shape.messages {
            let kinds = [MessageKind::Digest, MessageKind::Log, MessageKind::Assert];
            let kind = self.c.pick(&kinds).copied().unwrap_or(MessageKind::Log);
            let mut fields = Vec::new();
            for i in 0..self.c.below(3) {
                fields.push((format!("field {i}"), self.width()));
            }
            let text = "two {} \"words\"\n".to_owned();
            self.object("news", ObjectKind::Message { kind, text, fields });
        }
        if self.shape.random {
            let seed = self.c.below(1000) as u64;
            self.object("dice", ObjectKind::Random { seed });
        }
    }

    fn object(&mut self, name: &str, kind: ObjectKind) -> crate::ObjectId {
        let name = name.to_owned();
        self.p.objects.push(Object { name, kind })
    }

    /// State `i` extracts header `i` and goes on to later states.
    fn parser(&mut self) {
        let headers: Vec<HeaderId> = self.p.headers.keys().take(self.plain).collect();
        let count = 1 + self.c.below(headers.len());
        let odd = self.shape.odd_parser;
        if odd && self.c.one_in(6) {
            self.p.deparser.reverse();
        }
        for (i, header) in headers.iter().copied().enumerate().take(count) {
            let mut ops = Vec::new();
            if self.c.one_in(4) {
                let ahead = Expr::Lookahead {
                    offset: 0,
                    width: 8,
                };
                let cond = Expr::binary(crate::BinOp::Ne, ahead, Expr::num(8, 0xfe));
                ops.push(ParserOp::Verify(cond, 7));
            }
            if odd && self.c.one_in(8) {
                ops.push(ParserOp::Advance(Expr::num(32, 8)));
            }
            let varbit = self.p.header_type(header).varbit().map(|_| varbit_length());
            ops.push(ParserOp::Extract { header, varbit });
            if self.c.one_in(4) {
                let value = self.expr(16, 2, &[], false);
                if let Some(meta) = self.p.meta_named("node") {
                    ops.push(ParserOp::Set(LValue::meta(meta), value));
                }
            }
            if odd && self.c.one_in(8) {
                let to = self.field_of(header);
                let width = self.p.lvalue_width(&to);
                ops.push(ParserOp::Set(to, self.expr(width, 1, &[], false)));
                self.frame_clean = false;
            }
            if odd && self.shape.structural && self.c.one_in(8) {
                ops.push(self.parser_structural());
            }
            let next = self.transition(i, count, header);
            let name = format!("s{i}");
            self.p.parser.states.push(ParserState { name, ops, next });
        }
        self.p.parser.start = Some(StateId(0));
    }

    fn parser_structural(&mut self) -> ParserOp {
        self.frame_clean = false;
        match self.structural() {
            Op::SetValid(header) => ParserOp::SetValid(header),
            Op::Copy { dst, src } => ParserOp::Copy { dst, src },
            Op::CopyVarbit { dst, src } => ParserOp::CopyVarbit { dst, src },
            // Mostly of what was extracted, so that it shows.
            _ => ParserOp::SetInvalid(HeaderId(0)),
        }
    }

    fn transition(&mut self, state: usize, count: usize, header: HeaderId) -> Transition {
        let later = |c: &mut Choices<'_>| {
            let at = state + 1 + c.below(3);
            if at < count {
                ParseTarget::State(StateId(at as u32))
            } else {
                ParseTarget::Accept
            }
        };
        if self.c.one_in(4) {
            return Transition::Goto(later(self.c));
        }
        let tag = self.p.header_type(header).field("tag").unwrap_or(0);
        let key = Expr::field(header, tag);
        let width = self.p.width(&key, &[]);
        let mut cases = Vec::new();
        for _ in 0..1 + self.c.below(3) {
            let sets = vec![match self.c.below(3) {
                0 => KeySet::Exact(Bits::new(width, self.c.below(4))),
                1 => KeySet::Mask(self.c.bits(width), self.c.bits(width)),
                _ => {
                    let low = self.c.below(4);
                    let high = low + self.c.below(3);
                    let (low, high) = (Bits::new(width, low), Bits::new(width, high));
                    if low <= high {
                        KeySet::Range(low, high)
                    } else {
                        KeySet::Any
                    }
                }
            }];
            let target = later(self.c);
            cases.push(SelectCase { sets, target });
        }
        if !self.c.one_in(4) {
            let sets = vec![KeySet::Any];
            let target = if self.c.one_in(5) {
                ParseTarget::Reject
            } else {
                later(self.c)
            };
            cases.push(SelectCase { sets, target });
        }
        Transition::Select(vec![key], cases)
    }

    /// A fixed field of a header, or a slice of one.
    fn field_of(&mut self, header: HeaderId) -> LValue {
        let fields = &self.p.header_type(header).fields;
        let fixed: Vec<u32> = (0..)
            .zip(fields)
            .filter(|(_, f)| matches!(f.kind, FieldKind::Fixed(_)))
            .map(|(i, _)| i)
            .collect();
        let field = self.c.pick(&fixed).copied().unwrap_or(0);
        let mut to = LValue::field(header, field);
        if self.c.one_in(4) {
            to.slice = self.slice_of(self.p.lvalue_width(&to));
        }
        to
    }

    fn slice_of(&mut self, width: u32) -> Option<(u32, u32)> {
        let lo = self.c.below(width as usize) as u32;
        let hi = lo + self.c.below((width - lo) as usize) as u32;
        Some((hi, lo))
    }

    fn node(&mut self, name: String, kind: NodeKind) -> crate::NodeId {
        let nf = if self.c.one_in(2) { "nf one" } else { "" }.to_owned();
        self.p.control.nodes.push(Node { name, nf, kind })
    }

    fn any_header(&mut self) -> HeaderId {
        HeaderId(self.c.below(self.plain) as u32)
    }

    /// A place of any width that may be assigned.
    fn target(&mut self) -> LValue {
        if self.c.one_in(2) {
            let header = self.any_header();
            self.frame_clean = false;
            return self.field_of(header);
        }
        // The first three standard ones but the ingress port, and all of the program's own.
        let writable: Vec<_> = self
            .p
            .metas
            .keys()
            .filter(|m| matches!(m.0, 1 | 2) || m.0 > 5)
            .collect();
        let mut to = LValue {
            place: Place::Meta(self.c.pick(&writable).copied().unwrap_or(crate::MetaId(1))),
            slice: None,
        };
        if self.c.one_in(5) {
            to.slice = self.slice_of(self.p.lvalue_width(&to));
        }
        to
    }
}

/// `lookahead(0, 8)` low three bits, in bytes.
fn varbit_length() -> Expr {
    let ahead = Expr::Lookahead {
        offset: 0,
        width: 8,
    };
    let bytes = Expr::Resize(Box::new(Expr::Slice(Box::new(ahead), 2, 0)), 32);
    Expr::binary(crate::BinOp::Shl, bytes, Expr::num(8, 3))
}

fn fixed(name: &str, width: u32) -> Field {
    Field {
        name: name.to_owned(),
        kind: FieldKind::Fixed(width),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::read;
    use crate::verify;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn programs_verify_and_print_back(bytes in proptest::collection::vec(any::<u8>(), 0..2500)) {
            let program = program(&mut Choices::new(&bytes), &Shape::default());
            if let Err(errors) = verify(&program) {
                return Err(TestCaseError::fail(format!("{errors}\n{program}")));
            }
            let text = program.to_string();
            match read("random", &text) {
                Ok(again) => prop_assert_eq!(&again, &program, "{}", text),
                Err(e) => return Err(TestCaseError::fail(e.render(&text))),
            }
        }
    }
}
