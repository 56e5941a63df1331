//! Expressions as far as they are known when a rule is made.
//!
//! A NIC has no variables: a value is a constant, a field of the packet, or not there. So the
//! lowering keeps what every metadata field holds as an expression over the packet's fields and
//! folds what is constant. A metadata field whose value is not known on the NIC stays in an
//! expression as itself.

use crate::shape::{Facts, Shapes, Std};
use std::collections::BTreeMap;
use trisect_ir::eval::{self, Env};
use trisect_ir::{BinOp, Bits, Expr, FieldRef, HeaderId, MetaId, Program, SumTerm, UnOp};

/// What is known at a point of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Known {
    /// Validity of headers.
    pub facts: Facts,
    /// Metadata, as expressions over fields of the packet; 0 for what is not named.
    pub metas: BTreeMap<MetaId, Expr>,
}

/// What expressions are simplified with.
pub struct Context<'a> {
    /// The program.
    pub program: &'a Program,
    /// Its standard headers.
    pub headers: &'a BTreeMap<HeaderId, Std>,
    /// The parse graph.
    pub shapes: &'a Shapes,
}

/// What happened to the packet since the last match.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// What is known.
    pub known: Known,
    /// New values of fields, over the fields as they were at the last match.
    pub fields: BTreeMap<FieldRef, Expr>,
}

impl Context<'_> {
    /// Whether a header is valid, if known. A header that is none of the standard ones is not known.
    pub fn validity(&self, header: HeaderId, facts: Facts) -> Option<bool> {
        self.shapes.validity(*self.headers.get(&header)?, facts)
    }

    /// The expression with parameters, metadata and changed fields put in, and folded.
    pub fn simplify(&self, expr: &Expr, state: &State, args: &[Bits]) -> Expr {
        self.rewrite(expr, &|leaf| match leaf {
            Expr::Field(field) => Some(self.read(*field, state)),
            Expr::Meta(meta) => Some(match state.known.metas.get(meta) {
                Some(value) => value.clone(),
                None => Expr::Const(Bits::zero(self.program.metas[*meta].width)),
            }),
            Expr::Param(index) => args.get(*index as usize).cloned().map(Expr::Const),
            Expr::Valid(header) => self.known_valid(*header, state.known.facts),
            _ => None,
        })
    }

    /// Puts in what the state's facts say, in all values that it holds.
    pub fn settle(&self, state: &mut State) {
        let facts = state.known.facts;
        let leaf = |leaf: &Expr| match leaf {
            Expr::Field(field) if self.validity(field.header, facts) == Some(false) => {
                Some(Expr::Const(Bits::zero(self.program.field_width(*field))))
            }
            Expr::Valid(header) => self.known_valid(*header, facts),
            _ => None,
        };
        for value in state.known.metas.values_mut() {
            *value = self.rewrite(value, &leaf);
        }
        state
            .known
            .metas
            .retain(|_, value| !matches!(value, Expr::Const(c) if c.is_zero()));
        for value in state.fields.values_mut() {
            *value = self.rewrite(value, &leaf);
        }
    }

    fn known_valid(&self, header: HeaderId, facts: Facts) -> Option<Expr> {
        let valid = self.validity(header, facts)?;
        Some(Expr::Const(Bits::bool(valid)))
    }

    /// The expression with some leaves replaced, and folded.
    fn rewrite(&self, expr: &Expr, leaf: &dyn Fn(&Expr) -> Option<Expr>) -> Expr {
        let sub = |e: &Expr| self.rewrite(e, leaf);
        match expr {
            Expr::Const(_)
            | Expr::Lookahead { .. }
            | Expr::FrameLen
            | Expr::Varbit(_)
            | Expr::Payload
            | Expr::VarbitLen(_)
            | Expr::VarbitEq(..) => expr.clone(),
            Expr::Field(_) | Expr::Meta(_) | Expr::Param(_) | Expr::Valid(_) => {
                leaf(expr).unwrap_or_else(|| expr.clone())
            }
            Expr::Unary(op, a) => unary(*op, sub(a)),
            Expr::Binary(op, a, b) => self.binary(*op, sub(a), sub(b)),
            Expr::Resize(a, width) => self.resize(sub(a), *width),
            Expr::SignResize(a, width) => fold(Expr::SignResize(Box::new(sub(a)), *width)),
            Expr::Slice(a, hi, lo) => self.slice(sub(a), *hi, *lo),
            Expr::Concat(parts) => fold(Expr::Concat(parts.iter().map(sub).collect())),
            Expr::Mux(cond, a, b) => match sub(cond) {
                Expr::Const(bits) if bits.is_zero() => sub(b),
                Expr::Const(_) => sub(a),
                cond => Expr::Mux(Box::new(cond), Box::new(sub(a)), Box::new(sub(b))),
            },
            Expr::Frame { offset, len } => Expr::Frame {
                offset: Box::new(sub(offset)),
                len: *len,
            },
            Expr::Hash(algorithm, inputs) => fold(Expr::Hash(
                algorithm.clone(),
                inputs.iter().map(sub).collect(),
            )),
            Expr::OnesSum(init, terms) => ones_sum(
                sub(init),
                terms.iter().map(|term| SumTerm {
                    subtract: term.subtract,
                    value: sub(&term.value),
                }),
            ),
        }
    }

    /// A field's value now.
    fn read(&self, field: FieldRef, state: &State) -> Expr {
        if self.validity(field.header, state.known.facts) == Some(false) {
            return Expr::Const(Bits::zero(self.program.field_width(field)));
        }
        match state.fields.get(&field) {
            Some(value) => value.clone(),
            None => Expr::Field(field),
        }
    }

    fn width(&self, expr: &Expr) -> u32 {
        self.program.width(expr, &[])
    }

    fn binary(&self, op: BinOp, a: Expr, b: Expr) -> Expr {
        let absorbs = |e: &Expr| matches!(e, Expr::Const(c) if c.is_zero());
        let full = |e: &Expr| matches!(e, Expr::Const(c) if *c == Bits::ones(c.width()));
        match op {
            BinOp::And if absorbs(&a) || full(&b) => a,
            BinOp::And if absorbs(&b) || full(&a) => b,
            BinOp::Or if absorbs(&a) || full(&b) => b,
            BinOp::Or if absorbs(&b) || full(&a) => a,
            BinOp::Add | BinOp::Xor if absorbs(&a) => b,
            BinOp::Add | BinOp::Sub | BinOp::Xor if absorbs(&b) => a,
            BinOp::Eq | BinOp::Le | BinOp::Ge if a == b => Expr::Const(Bits::bool(true)),
            BinOp::Ne | BinOp::Lt | BinOp::Gt if a == b => Expr::Const(Bits::bool(false)),
            _ => fold(Expr::Binary(op, Box::new(a), Box::new(b))),
        }
    }

    fn resize(&self, a: Expr, width: u32) -> Expr {
        if self.width(&a) == width {
            return a;
        }
        fold(Expr::Resize(Box::new(a), width))
    }

    fn slice(&self, a: Expr, hi: u32, lo: u32) -> Expr {
        if lo == 0 && hi + 1 == self.width(&a) {
            return a;
        }
        fold(Expr::Slice(Box::new(a), hi, lo))
    }

    /// The first header, in reading order, whose validity the expression depends on and the facts do
    /// not tell.
    pub fn undecided(&self, expr: &Expr, facts: Facts) -> Option<HeaderId> {
        let mut found = None;
        expr.walk(&mut |e| {
            let header = match e {
                Expr::Field(field) => field.header,
                Expr::Valid(header) => *header,
                _ => return,
            };
            if found.is_none()
                && self.headers.contains_key(&header)
                && self.validity(header, facts).is_none()
            {
                found = Some(header);
            }
        });
        found
    }
}

fn unary(op: UnOp, a: Expr) -> Expr {
    match (op, a) {
        (UnOp::Not, Expr::Unary(UnOp::Not, inner)) => *inner,
        (op, a) => fold(Expr::Unary(op, Box::new(a))),
    }
}

/// Nested sums become one: the order of one's complement additions does not matter (RFC 1071).
fn ones_sum(init: Expr, terms: impl Iterator<Item = SumTerm>) -> Expr {
    match init {
        Expr::OnesSum(init, mut all) => {
            all.extend(terms);
            fold(Expr::OnesSum(init, all))
        }
        init => fold(Expr::OnesSum(Box::new(init), terms.collect())),
    }
}

/// The value, if all operands are constants.
fn fold(expr: Expr) -> Expr {
    let operands = expr.children();
    if operands.is_empty() || !operands.iter().all(|e| matches!(e, Expr::Const(_))) {
        return expr;
    }
    Expr::Const(eval::eval(&expr, &Nothing))
}

/// Nothing to read from: for expressions of constants.
struct Nothing;

impl Env for Nothing {
    fn field(&self, _: FieldRef) -> Bits {
        Bits::zero(0)
    }
    fn meta(&self, _: MetaId) -> Bits {
        Bits::zero(0)
    }
    fn param(&self, _: u32) -> Bits {
        Bits::zero(0)
    }
    fn valid(&self, _: HeaderId) -> bool {
        false
    }
    fn lookahead(&self, _: u32, width: u32) -> Bits {
        Bits::zero(width)
    }
    fn frame(&self) -> &[u8] {
        &[]
    }
    fn varbit(&self, _: HeaderId) -> &[u8] {
        &[]
    }
    fn payload(&self) -> &[u8] {
        &[]
    }
}

/// Some bits in a row of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Known bits.
    Const(Bits),
    /// The bits `hi..=lo` of a field.
    Field(FieldRef, u32, u32),
    /// The bits `hi..=lo` of something else.
    Other(Expr, u32, u32),
}

impl Piece {
    /// Width in bits.
    pub fn width(&self) -> u32 {
        match self {
            Self::Const(bits) => bits.width(),
            Self::Field(_, hi, lo) | Self::Other(_, hi, lo) => hi - lo + 1,
        }
    }
    /// The bits `hi..=lo` of this piece.
    fn part(&self, hi: u32, lo: u32) -> Self {
        match self {
            Self::Const(bits) => Self::Const(bits.slice(hi, lo)),
            Self::Field(field, _, base) => Self::Field(*field, base + hi, base + lo),
            Self::Other(expr, _, base) => Self::Other(expr.clone(), base + hi, base + lo),
        }
    }
}

/// A simplified expression as pieces, most significant first, neighbours joined.
pub fn pieces(program: &Program, expr: &Expr) -> Vec<Piece> {
    let width = program.width(expr, &[]);
    let raw = match expr {
        Expr::Const(bits) => vec![Piece::Const(bits.clone())],
        Expr::Field(field) => vec![Piece::Field(*field, width.saturating_sub(1), 0)],
        Expr::Concat(parts) => parts.iter().flat_map(|p| pieces(program, p)).collect(),
        Expr::Slice(a, hi, lo) => cut(&pieces(program, a), *hi, *lo),
        Expr::Resize(a, to) => {
            let inner = program.width(a, &[]);
            let low = pieces(program, a);
            if *to <= inner {
                cut(&low, to.saturating_sub(1), 0)
            } else {
                let mut out = vec![Piece::Const(Bits::zero(to - inner))];
                out.extend(low);
                out
            }
        }
        Expr::Binary(op @ (BinOp::Shl | BinOp::Shr), a, by) => match (op, &**by) {
            (_, Expr::Const(by)) if by.value().bits() > 16 || by.low_u64() >= u64::from(width) => {
                vec![Piece::Const(Bits::zero(width))]
            }
            (BinOp::Shl, Expr::Const(by)) => {
                let by = by.low_u64() as u32;
                let mut out = cut(&pieces(program, a), width - 1 - by, 0);
                out.push(Piece::Const(Bits::zero(by)));
                out
            }
            (_, Expr::Const(by)) => {
                let by = by.low_u64() as u32;
                let mut out = vec![Piece::Const(Bits::zero(by))];
                out.extend(cut(&pieces(program, a), width - 1, by));
                out
            }
            _ => vec![Piece::Other(expr.clone(), width.saturating_sub(1), 0)],
        },
        _ => vec![Piece::Other(expr.clone(), width.saturating_sub(1), 0)],
    };
    join(raw)
}

/// The bits `hi..=lo` of a row of pieces.
fn cut(pieces: &[Piece], hi: u32, lo: u32) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut base: u32 = pieces.iter().map(Piece::width).sum();
    for piece in pieces {
        let top = base;
        base -= piece.width();
        // This piece holds the bits `base..top` of the row.
        if piece.width() == 0 || base > hi || top <= lo {
            continue;
        }
        out.push(piece.part(hi.min(top - 1) - base, lo.max(base) - base));
    }
    out
}

/// The bits `hi..=lo` of a row of pieces, neighbours joined.
pub fn bits_in(row: &[Piece], hi: u32, lo: u32) -> Vec<Piece> {
    join(cut(row, hi, lo))
}

fn join(raw: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in raw.into_iter().filter(|p| p.width() > 0) {
        let joined = match (out.last(), &piece) {
            (Some(Piece::Const(a)), Piece::Const(b)) => Some(Piece::Const(a.concat(b))),
            (Some(Piece::Field(f, hi, lo)), Piece::Field(g, hi2, lo2))
                if f == g && *lo == hi2 + 1 =>
            {
                Some(Piece::Field(*f, *hi, *lo2))
            }
            (Some(Piece::Other(e, hi, lo)), Piece::Other(g, hi2, lo2))
                if e == g && *lo == hi2 + 1 =>
            {
                Some(Piece::Other(e.clone(), *hi, *lo2))
            }
            _ => None,
        };
        match joined {
            Some(joined) => {
                out.pop();
                out.push(joined);
            }
            None => out.push(piece),
        }
    }
    out
}
