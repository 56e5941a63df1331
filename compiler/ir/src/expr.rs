//! Expressions: pure functions of headers, metadata and action parameters.
//!
//! Expressions are owned trees; they refer to entities by id only. Every expression has one width,
//! which [`Program::width`](crate::Program::width) computes; booleans have width 1.

use crate::{Bits, HeaderId, MetaId};
use serde::{Deserialize, Serialize};

/// A field of a header instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldRef {
    /// The header instance.
    pub header: HeaderId,
    /// Index into the fields of the header's type.
    pub field: u32,
}

/// Something that holds a value and can be assigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Place {
    /// A fixed-width field of a header.
    Field(FieldRef),
    /// A metadata field.
    Meta(MetaId),
}

/// The target of an assignment: a place or a slice of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LValue {
    /// What is assigned.
    pub place: Place,
    /// The bits `(hi, lo)` if only a part is assigned; the rest keeps its value.
    pub slice: Option<(u32, u32)>,
}

impl LValue {
    /// A whole metadata field.
    pub fn meta(meta: MetaId) -> Self {
        Self {
            place: Place::Meta(meta),
            slice: None,
        }
    }
    /// A whole header field.
    pub fn field(header: HeaderId, field: u32) -> Self {
        Self {
            place: Place::Field(FieldRef { header, field }),
            slice: None,
        }
    }
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    /// A constant.
    Const(Bits),
    /// A fixed-width header field; 0 if the header is invalid.
    Field(FieldRef),
    /// A metadata field.
    Meta(MetaId),
    /// A parameter of the enclosing action.
    Param(u32),
    /// Whether a header is valid (width 1).
    Valid(HeaderId),
    /// A unary operation.
    Unary(UnOp, Box<Expr>),
    /// A binary operation.
    Binary(BinOp, Box<Expr>, Box<Expr>),
    /// Zero-extension or truncation.
    Resize(Box<Expr>, u32),
    /// Sign-extension or truncation.
    SignResize(Box<Expr>, u32),
    /// The bits `hi..=lo`.
    Slice(Box<Expr>, u32, u32),
    /// Concatenation; the first is the most significant.
    Concat(Vec<Expr>),
    /// `cond ? a : b`; `cond` has width 1, `a` and `b` the same width.
    Mux(Box<Expr>, Box<Expr>, Box<Expr>),
    /// Parser only: `width` bits that start `offset` bits after the cursor, without consuming them.
    /// Past the end of the packet it is a parser error (PacketTooShort), as in P4's `lookahead`.
    Lookahead {
        /// Bits to skip.
        offset: u32,
        /// Bits to read.
        width: u32,
    },
    /// `len` bytes (1, 2 or 4), big-endian, at a byte offset (width 32) of the frame as it was last
    /// parsed; 0 where any of them lies past its end. Width is `8 * len`.
    Frame {
        /// Byte offset.
        offset: Box<Expr>,
        /// Number of bytes.
        len: u8,
    },
    /// The length in bytes of the frame as it was last parsed (width 32).
    FrameLen,
    /// A hash over the concatenation of the inputs, each first padded with zero bits on its left to a
    /// whole number of bytes. Width is [`HashAlgorithm::width`].
    Hash(HashAlgorithm, Vec<Expr>),
    /// Only as an input of a [`Hash`](Self::Hash): the bytes of a header's varbit, none if the header is
    /// invalid. It has no width.
    Varbit(HeaderId),
    /// Only as an input of a [`Hash`](Self::Hash), and not in the parser: the bytes of the frame behind
    /// what the last parse consumed. It has no width.
    Payload,
    /// The length in bits of a header's varbit (width 32); 0 if the header is invalid.
    VarbitLen(HeaderId),
    /// Whether the varbits of two headers have the same length and bits (width 1). That of an invalid
    /// header is empty.
    VarbitEq(HeaderId, HeaderId),
    /// The one's complement sum of RFC 1071: `init` (width 16) plus or minus the 16-bit words of the
    /// terms, each term padded with zero bits on its right to a whole number of words; folded to 16
    /// bits, not complemented. Subtracting a word adds its complement (RFC 1624, eqn. 3).
    OnesSum(Box<Expr>, Vec<SumTerm>),
}

/// One term of [`Expr::OnesSum`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SumTerm {
    /// Subtract instead of add.
    pub subtract: bool,
    /// The value.
    pub value: Expr,
}

/// Unary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum UnOp {
    /// Bitwise complement (logical not at width 1).
    Not,
    /// Two's complement negation.
    Neg,
}

/// Binary operators. Operands have the same width except for shifts, whose right operand may have
/// any width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BinOp {
    /// Addition modulo 2^width.
    Add,
    /// Subtraction modulo 2^width.
    Sub,
    /// Multiplication modulo 2^width.
    Mul,
    /// Unsigned division; 0 if the divisor is 0.
    Div,
    /// Unsigned remainder; 0 if the divisor is 0.
    Rem,
    /// Unsigned saturating addition.
    AddSat,
    /// Unsigned saturating subtraction.
    SubSat,
    /// Signed saturating addition.
    SAddSat,
    /// Signed saturating subtraction.
    SSubSat,
    /// Bitwise and (logical and at width 1).
    And,
    /// Bitwise or (logical or at width 1).
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// Shift left.
    Shl,
    /// Logical shift right.
    Shr,
    /// Arithmetic shift right.
    Sar,
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Unsigned less than.
    Lt,
    /// Unsigned less than or equal.
    Le,
    /// Unsigned greater than.
    Gt,
    /// Unsigned greater than or equal.
    Ge,
    /// Signed less than.
    SLt,
    /// Signed less than or equal.
    SLe,
    /// Signed greater than.
    SGt,
    /// Signed greater than or equal.
    SGe,
}

impl BinOp {
    /// Whether the result has width 1 whatever the operands' width.
    pub fn is_comparison(self) -> bool {
        use BinOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | SLt | SLe | SGt | SGe)
    }
    /// Whether the right operand may have another width.
    pub fn is_shift(self) -> bool {
        matches!(self, BinOp::Shl | BinOp::Shr | BinOp::Sar)
    }
}

/// Hash algorithms. [`crate::hash::compute`] defines each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HashAlgorithm {
    /// CRC-32 (IEEE 802.3, reflected, init and final XOR all ones). Width 32.
    Crc32,
    /// CRC-16 (ARC: polynomial 0x8005, reflected, init 0). Width 16.
    Crc16,
    /// RFC 1071 checksum (complemented). Width 16.
    Csum16,
    /// Exclusive or of the 16-bit words. Width 16.
    Xor16,
    /// The low 32 bits of the input. Width 32.
    Identity,
    /// The Toeplitz hash of RSS with this key (at least input length + 4 bytes; bytes of input past
    /// the key's reach do not count). Width 32.
    Toeplitz(Vec<u8>),
    /// HalfSipHash-2-4 with this key ([`crate::halfsiphash`]). Width 32.
    HalfSipHash([u8; 8]),
    /// Any CRC, by the parameters of the Rocksoft model (Williams, "A Painless Guide to CRC Error Detection
    /// Algorithms", 1993): polynomial without its highest term, and initial value, are those of the register
    /// that shifts left, also where the input is reflected.
    Crc {
        /// Width of the register and the result: 8, 16 or 32.
        width: u32,
        /// The polynomial.
        polynomial: u32,
        /// Initial value.
        init: u32,
        /// Whether the bits of a byte are taken lowest first.
        reflect_in: bool,
        /// Whether the bits of the register are reversed at the end.
        reflect_out: bool,
        /// What is added to the result by exclusive or.
        xor_out: u32,
    },
}

impl HashAlgorithm {
    /// Width of the result in bits.
    pub fn width(&self) -> u32 {
        match self {
            Self::Crc32 | Self::Identity | Self::Toeplitz(_) | Self::HalfSipHash(_) => 32,
            Self::Crc16 | Self::Csum16 | Self::Xor16 => 16,
            Self::Crc { width, .. } => *width,
        }
    }
}

impl Expr {
    /// A constant.
    pub fn num(width: u32, value: u64) -> Self {
        Self::Const(Bits::new(width, value))
    }
    /// A header field.
    pub fn field(header: HeaderId, field: u32) -> Self {
        Self::Field(FieldRef { header, field })
    }
    /// A binary operation.
    pub fn binary(op: BinOp, a: Expr, b: Expr) -> Self {
        Self::Binary(op, Box::new(a), Box::new(b))
    }
    /// Bitwise or logical complement.
    #[allow(clippy::should_implement_trait)]
    pub fn not(self) -> Self {
        Self::Unary(UnOp::Not, Box::new(self))
    }
    /// `self == other`.
    pub fn equals(self, other: Expr) -> Self {
        Self::binary(BinOp::Eq, self, other)
    }
    /// Bitwise or logical and.
    pub fn and(self, other: Expr) -> Self {
        Self::binary(BinOp::And, self, other)
    }
    /// Bitwise or logical or.
    pub fn or(self, other: Expr) -> Self {
        Self::binary(BinOp::Or, self, other)
    }
    /// The direct operands, in order.
    pub fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Const(_)
            | Self::Field(_)
            | Self::Meta(_)
            | Self::Param(_)
            | Self::Valid(_)
            | Self::Lookahead { .. }
            | Self::FrameLen
            | Self::Varbit(_)
            | Self::Payload
            | Self::VarbitLen(_)
            | Self::VarbitEq(..) => vec![],
            Self::Unary(_, a) | Self::Resize(a, _) | Self::SignResize(a, _) => vec![a],
            Self::Slice(a, _, _) => vec![a],
            Self::Frame { offset, .. } => vec![offset],
            Self::Binary(_, a, b) => vec![a, b],
            Self::Mux(c, a, b) => vec![c, a, b],
            Self::Concat(parts) | Self::Hash(_, parts) => parts.iter().collect(),
            Self::OnesSum(init, terms) => std::iter::once(&**init)
                .chain(terms.iter().map(|t| &t.value))
                .collect(),
        }
    }
    /// The direct operands to change, in order.
    pub fn children_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Const(_)
            | Self::Field(_)
            | Self::Meta(_)
            | Self::Param(_)
            | Self::Valid(_)
            | Self::Lookahead { .. }
            | Self::FrameLen
            | Self::Varbit(_)
            | Self::Payload
            | Self::VarbitLen(_)
            | Self::VarbitEq(..) => vec![],
            Self::Unary(_, a) | Self::Resize(a, _) | Self::SignResize(a, _) => vec![a],
            Self::Slice(a, _, _) => vec![a],
            Self::Frame { offset, .. } => vec![offset],
            Self::Binary(_, a, b) => vec![a, b],
            Self::Mux(c, a, b) => vec![c, a, b],
            Self::Concat(parts) | Self::Hash(_, parts) => parts.iter_mut().collect(),
            Self::OnesSum(init, terms) => std::iter::once(&mut **init)
                .chain(terms.iter_mut().map(|t| &mut t.value))
                .collect(),
        }
    }
    /// The headers whose varbits this expression itself, not its operands, reads.
    pub fn varbits(&self) -> Vec<HeaderId> {
        match self {
            Self::Varbit(header) | Self::VarbitLen(header) => vec![*header],
            Self::VarbitEq(a, b) => vec![*a, *b],
            _ => vec![],
        }
    }
    /// Whether this is a string of bytes, as only hashes take it.
    pub fn is_bytes(&self) -> bool {
        matches!(self, Self::Varbit(_) | Self::Payload)
    }
    /// Calls `f` on this expression and all its operands, operands last.
    pub fn walk<'a>(&'a self, f: &mut impl FnMut(&'a Expr)) {
        f(self);
        for child in self.children() {
            child.walk(f);
        }
    }
    /// Calls `f` on this expression and all its operands, operands first.
    pub fn walk_mut(&mut self, f: &mut impl FnMut(&mut Expr)) {
        for child in self.children_mut() {
            child.walk_mut(f);
        }
        f(self);
    }
}
