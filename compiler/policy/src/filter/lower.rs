//! Packet filters as IR conditions.
//!
//! Two forms are known. [`View::Headers`] reads parsed header fields, which switches and NICs can
//! match on; it is used where every byte that the filter looks at belongs to a header that the
//! standard parser takes at that place, given the tests made before. [`View::Frame`] reads the raw
//! bytes, and keeps libpcap's verdict on every frame.
//!
//! In the header form a field of a header that the parser did not take is 0. The two forms therefore
//! differ only on frames whose named headers are not there although the EtherType or protocol says
//! so: truncated, a version or length field that lies, or ARP of another kind than Ethernet/IPv4.

use trisect_ir::{BinOp, Bits, Expr, FieldKind, FieldRef, HeaderId, Program};

use super::Filter;
use super::ast::{ArithOp, Relation};
use super::frame;
use super::test::{Base, Test, Value};

/// What a lowered filter reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Parsed header fields and the frame's length.
    Headers,
    /// The frame's bytes ([`Expr::Frame`]).
    Frame,
}

/// A filter as an IR condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// The condition, width 1.
    pub expr: Expr,
    /// What it reads.
    pub view: View,
}

impl Filter {
    /// The filter as a condition over a program that has the standard headers (named as in
    /// `trisect/std.p4`); in the header form where that is possible.
    pub fn lower(&self, program: &Program) -> Lowered {
        let lowering = Headers { program };
        match lowering.test(&self.test, &Facts::default()) {
            Some(condition) => Lowered {
                expr: condition.into_expr(program),
                view: View::Headers,
            },
            None => Lowered {
                expr: self.lower_to_frame(),
                view: View::Frame,
            },
        }
    }

    /// The filter as a condition over the frame's bytes: exactly [`Filter::eval`].
    pub fn lower_to_frame(&self) -> Expr {
        frame::condition(&self.test)
    }
}

pub(super) fn always(value: bool) -> Expr {
    Expr::num(1, u64::from(value))
}

pub(super) fn relation(op: Relation) -> BinOp {
    match op {
        Relation::Equal => BinOp::Eq,
        Relation::NotEqual => BinOp::Ne,
        Relation::Less => BinOp::Lt,
        Relation::LessEqual => BinOp::Le,
        Relation::Greater => BinOp::Gt,
        Relation::GreaterEqual => BinOp::Ge,
    }
}

pub(super) fn operator(op: ArithOp) -> BinOp {
    match op {
        ArithOp::Add => BinOp::Add,
        ArithOp::Sub => BinOp::Sub,
        ArithOp::Mul => BinOp::Mul,
        ArithOp::Div => BinOp::Div,
        ArithOp::Rem => BinOp::Rem,
        ArithOp::And => BinOp::And,
        ArithOp::Or => BinOp::Or,
        ArithOp::Xor => BinOp::Xor,
        ArithOp::Shl => BinOp::Shl,
        ArithOp::Shr => BinOp::Shr,
    }
}

/// Values that are known to be one of a few constants.
#[derive(Clone, Default)]
struct Facts(Vec<(Value, Vec<u32>)>);

impl Facts {
    /// What holds if the test holds.
    fn of(test: &Test) -> Facts {
        match test {
            Test::Compare {
                op: Relation::Equal,
                left,
                right,
            } => match right.constant() {
                Some(value) => Facts(vec![(left.clone(), vec![value])]),
                None => Facts::default(),
            },
            Test::And(left, right) => Facts::of(left).with(Facts::of(right)),
            Test::Or(left, right) => {
                let right = Facts::of(right);
                let common = Facts::of(left)
                    .0
                    .into_iter()
                    .filter_map(|(value, mut values)| {
                        values.extend(right.about(&value)?);
                        Some((value, values))
                    });
                Facts(common.collect())
            }
            Test::Const(_) | Test::Compare { .. } | Test::Not(_) => Facts::default(),
        }
    }

    fn with(mut self, other: Facts) -> Facts {
        self.0.extend(other.0);
        self
    }

    fn about(&self, value: &Value) -> Option<&[u32]> {
        self.0
            .iter()
            .find(|(known, _)| known == value)
            .map(|(_, values)| values.as_slice())
    }

    fn is(&self, value: &Value, one_of: &[u32]) -> bool {
        self.about(value)
            .is_some_and(|values| values.iter().all(|value| one_of.contains(value)))
    }
}

/// A condition, kept as field matches as long as it is a conjunction of them.
enum Condition {
    Fields(Vec<FieldMatch>),
    Other(Expr),
}

/// `field & mask == value`, all of the field's width.
struct FieldMatch {
    field: FieldRef,
    mask: Bits,
    value: Bits,
}

impl Condition {
    fn and(self, other: Condition, program: &Program) -> Condition {
        match (self, other) {
            (Condition::Fields(mut left), Condition::Fields(right)) => {
                for one in right {
                    merge(&mut left, one);
                }
                Condition::Fields(left)
            }
            (left, right) => {
                Condition::Other(left.into_expr(program).and(right.into_expr(program)))
            }
        }
    }

    fn into_expr(self, program: &Program) -> Expr {
        match self {
            Condition::Other(expr) => expr,
            Condition::Fields(fields) => fields
                .into_iter()
                .map(|one| one.into_expr(program))
                .reduce(Expr::and)
                .unwrap_or_else(|| always(true)),
        }
    }
}

/// Adds a match; parts of one field become one match if they do not overlap.
fn merge(fields: &mut Vec<FieldMatch>, one: FieldMatch) {
    let same = |known: &FieldMatch| {
        known.field == one.field && (known.mask.value() & one.mask.value()) == 0u32.into()
    };
    let repeated = |known: &FieldMatch| {
        known.field == one.field && known.mask == one.mask && known.value == one.value
    };
    if fields.iter().any(repeated) {
        return;
    }
    match fields.iter_mut().find(|known| same(known)) {
        Some(known) => {
            let width = known.mask.width();
            known.mask = Bits::new(width, known.mask.value() | one.mask.value());
            known.value = Bits::new(width, known.value.value() | one.value.value());
        }
        None => fields.push(one),
    }
}

impl FieldMatch {
    fn into_expr(self, program: &Program) -> Expr {
        let field = Expr::Field(self.field);
        let whole = self.mask == Bits::ones(program.field_width(self.field));
        let masked = if whole {
            field
        } else {
            Expr::binary(BinOp::And, field, Expr::Const(self.mask))
        };
        masked.equals(Expr::Const(self.value))
    }
}

/// Where a header lies, given what is known.
struct Placed {
    header: HeaderId,
    base: Base,
}

struct Headers<'a> {
    program: &'a Program,
}

impl Headers<'_> {
    fn test(&self, test: &Test, facts: &Facts) -> Option<Condition> {
        match test {
            Test::Const(value) => Some(Condition::Other(always(*value))),
            Test::Not(inner) => {
                let inner = self.test(inner, facts)?.into_expr(self.program);
                Some(Condition::Other(inner.not()))
            }
            Test::And(left, right) => {
                let behind = Facts::of(left).with(facts.clone());
                let left = self.test(left, facts)?;
                Some(left.and(self.test(right, &behind)?, self.program))
            }
            Test::Or(left, right) => {
                let left = self.test(left, facts)?.into_expr(self.program);
                let right = self.test(right, facts)?.into_expr(self.program);
                Some(Condition::Other(left.or(right)))
            }
            Test::Compare { op, left, right } => self.compare(*op, left, right, facts),
        }
    }

    fn compare(
        &self,
        op: Relation,
        left: &Value,
        right: &Value,
        facts: &Facts,
    ) -> Option<Condition> {
        if let (Relation::Equal | Relation::NotEqual, Some(constant)) = (op, right.constant())
            && let Some(fields) = self.field_matches(left, constant, facts)
        {
            let condition = Condition::Fields(fields?);
            return Some(match op {
                Relation::Equal => condition,
                _ => Condition::Other(condition.into_expr(self.program).not()),
            });
        }
        if let Some(done) = self.compare_field(op, left, right, facts) {
            return Some(Condition::Other(done));
        }
        let left = self.value(left, facts)?;
        let right = self.value(right, facts)?;
        Some(Condition::Other(Expr::binary(relation(op), left, right)))
    }

    /// `load [& mask] == constant` as matches on the fields under the mask. The outer `None` says that
    /// the value has another form, the inner one that the bytes belong to no known header.
    fn field_matches(
        &self,
        value: &Value,
        constant: u32,
        facts: &Facts,
    ) -> Option<Option<Vec<FieldMatch>>> {
        let (load, mask) = match value {
            Value::Binary(ArithOp::And, load, mask) => (&**load, mask.constant()?),
            load => (load, u32::MAX),
        };
        let Value::Load { size, .. } = load else {
            return None;
        };
        let width = 8 * u32::from(*size);
        let mask = if width == 32 {
            mask
        } else {
            mask & ((1 << width) - 1)
        };
        if constant & !mask != 0 {
            return None;
        }
        let Some(parts) = self.parts(load, facts) else {
            return Some(None);
        };
        let mut fields = Vec::new();
        let mut left = width;
        for part in parts {
            left -= part.width();
            let field_width = self.program.field_width(part.field);
            let take = |bits: u32| {
                let bits = Bits::new(32, bits).slice(left + part.width() - 1, left);
                Bits::zero(field_width).with_slice(part.high, part.low, &bits)
            };
            let one = FieldMatch {
                field: part.field,
                mask: take(mask),
                value: take(constant),
            };
            if !one.mask.is_zero() {
                merge(&mut fields, one);
            }
        }
        Some(Some(fields))
    }

    /// A whole field compared with a constant that fits it.
    fn compare_field(
        &self,
        op: Relation,
        left: &Value,
        right: &Value,
        facts: &Facts,
    ) -> Option<Expr> {
        let constant = right.constant()?;
        let parts = self.parts(left, facts)?;
        let [part] = parts.as_slice() else {
            return None;
        };
        let width = self.program.field_width(part.field);
        if part.width() != width || (width < 32 && constant >> width != 0) {
            return None;
        }
        let constant = Expr::num(width, u64::from(constant));
        Some(Expr::binary(
            relation(op),
            Expr::Field(part.field),
            constant,
        ))
    }

    /// A value of width 32.
    fn value(&self, value: &Value, facts: &Facts) -> Option<Expr> {
        Some(match value {
            Value::Number(number) => Expr::num(32, u64::from(*number)),
            Value::Length => Expr::FrameLen,
            Value::Negate(inner) => {
                Expr::binary(BinOp::Sub, Expr::num(32, 0), self.value(inner, facts)?)
            }
            Value::Binary(ArithOp::Div | ArithOp::Rem, _, right)
                if !matches!(right.constant(), Some(1..)) =>
            {
                return None;
            }
            Value::Binary(op, left, right) => {
                let left = self.value(left, facts)?;
                Expr::binary(operator(*op), left, self.value(right, facts)?)
            }
            Value::Load { .. } => {
                let parts = self.parts(value, facts)?;
                let bits: u32 = parts.iter().map(Part::width).sum();
                let mut exprs: Vec<Expr> =
                    parts.iter().map(|part| part.expr(self.program)).collect();
                let joined = if exprs.len() == 1 {
                    exprs.remove(0)
                } else {
                    Expr::Concat(exprs)
                };
                if bits == 32 {
                    joined
                } else {
                    Expr::Resize(Box::new(joined), 32)
                }
            }
        })
    }

    /// The fields under a load at a constant index, most significant first.
    fn parts(&self, load: &Value, facts: &Facts) -> Option<Vec<Part>> {
        let Value::Load { base, index, size } = load else {
            return None;
        };
        let index = index.constant()?;
        self.placed(facts)?.into_iter().find_map(|placed| {
            let start = match (*base, placed.base) {
                (Base::Fixed(start), Base::Fixed(header)) => {
                    start.checked_add(index)?.checked_sub(header)?
                }
                (base, header) if base == header => index,
                _ => return None,
            };
            self.fields(placed.header, start.checked_mul(8)?, 8 * u32::from(*size))
        })
    }

    /// The bits `start .. start + length` of a header, if its fixed part covers them.
    fn fields(&self, header: HeaderId, start: u32, length: u32) -> Option<Vec<Part>> {
        let ty = self.program.header_type(header);
        let end = start.checked_add(length)?;
        if end > ty.fixed_bits() {
            return None;
        }
        let mut parts = Vec::new();
        let mut at = 0;
        for (number, field) in ty.fields.iter().enumerate() {
            let FieldKind::Fixed(width) = field.kind else {
                break;
            };
            let (from, to) = (start.max(at), end.min(at + width));
            if from < to {
                let field = FieldRef {
                    header,
                    field: number as u32,
                };
                parts.push(Part {
                    field,
                    high: at + width - 1 - from,
                    low: at + width - to,
                });
            }
            at += width;
        }
        Some(parts)
    }

    /// The headers whose place follows from the facts, as the standard parser takes them.
    fn placed(&self, facts: &Facts) -> Option<Vec<Placed>> {
        let mut placed = vec![self.header("ethernet", Base::Fixed(0))?];
        let mut ether_type = 12;
        let mut tags = 0;
        while facts.is(&Value::at(ether_type, 2), &[0x8100, 0x88a8, 0x9100]) {
            let Some(tag) = self.header(&format!("vlan[{tags}]"), Base::Fixed(ether_type + 2))
            else {
                return Some(placed);
            };
            placed.push(tag);
            tags += 1;
            ether_type += 4;
        }
        let network = ether_type + 2;
        let ether_type = Value::at(ether_type, 2);
        if facts.is(&ether_type, &[0x0800]) {
            placed.extend(self.header("ipv4", Base::Fixed(network)));
            let first = facts.is(&Value::at(network + 6, 2).masked(0x1fff), &[0]);
            let transports = [("icmp", 1), ("tcp", 6), ("udp", 17), ("gre", 47)];
            for (name, number) in transports {
                if first && facts.is(&Value::at(network + 9, 1), &[number]) {
                    placed.extend(self.header(name, Base::AfterIpv4(network)));
                }
            }
        } else if facts.is(&ether_type, &[0x86dd]) {
            placed.extend(self.header("ipv6", Base::Fixed(network)));
            let next = [
                ("tcp", 6),
                ("udp", 17),
                ("ipv6_fragment", 44),
                ("gre", 47),
                ("icmpv6", 58),
            ];
            for (name, number) in next {
                if facts.is(&Value::at(network + 6, 1), &[number]) {
                    placed.extend(self.header(name, Base::Fixed(network + 40)));
                }
            }
        } else if facts.is(&ether_type, &[0x0806]) {
            placed.extend(self.header("arp", Base::Fixed(network)));
        }
        Some(placed)
    }

    fn header(&self, name: &str, base: Base) -> Option<Placed> {
        Some(Placed {
            header: self.program.header_named(name)?,
            base,
        })
    }
}

/// The bits `high ..= low` of a field.
struct Part {
    field: FieldRef,
    high: u32,
    low: u32,
}

impl Part {
    fn width(&self) -> u32 {
        self.high - self.low + 1
    }

    fn expr(&self, program: &Program) -> Expr {
        let field = Expr::Field(self.field);
        if self.width() == program.field_width(self.field) {
            field
        } else {
            Expr::Slice(Box::new(field), self.high, self.low)
        }
    }
}
