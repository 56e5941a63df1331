//! What a filter means: a tree of tests on the bytes of a frame.
//!
//! The tree has the order of evaluation of libpcap's code, because a read past the end of the frame
//! ends the whole filter with "no", even under `not` (as the BPF machine does).

use super::ast::{ArithOp, Relation};

/// A condition on a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Always or never.
    Const(bool),
    /// Compares two values.
    Compare {
        /// Unsigned comparison.
        op: Relation,
        /// Left value, computed first.
        left: Value,
        /// Right value.
        right: Value,
    },
    /// Both; the right one only if the left one holds.
    And(Box<Test>, Box<Test>),
    /// Either; the right one only if the left one does not hold.
    Or(Box<Test>, Box<Test>),
    /// The opposite.
    Not(Box<Test>),
}

/// A value modulo 2^32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A constant.
    Number(u32),
    /// The frame's length in bytes.
    Length,
    /// `size` (1, 2 or 4) bytes of the frame, big-endian, at `base + index`.
    Load {
        /// Where the index counts from.
        base: Base,
        /// Index in bytes.
        index: Box<Value>,
        /// How many bytes.
        size: u8,
    },
    /// Two's complement.
    Negate(Box<Value>),
    /// Two operands, the left one first.
    Binary(ArithOp, Box<Value>, Box<Value>),
}

/// A place in the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// This many bytes after the frame's start.
    Fixed(u32),
    /// The end of the IPv4 header that starts this many bytes after the frame's start: its length
    /// is four times the low half of its first byte, whatever the packet says about itself.
    AfterIpv4(u32),
}

/// The filter ends here with "no": a read past the end, or a division by zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject;

impl Test {
    pub(crate) fn and(self, other: Test) -> Test {
        Test::And(Box::new(self), Box::new(other))
    }

    pub(crate) fn or(self, other: Test) -> Test {
        Test::Or(Box::new(self), Box::new(other))
    }

    pub(crate) fn equal(left: Value, right: u32) -> Test {
        Test::Compare {
            op: Relation::Equal,
            left,
            right: Value::Number(right),
        }
    }

    /// Whether the frame passes.
    ///
    /// # Errors
    /// [`Reject`] where the answer is "no" whatever stands around this test.
    pub fn eval(&self, frame: &[u8]) -> Result<bool, Reject> {
        Ok(match self {
            Test::Const(value) => *value,
            Test::Compare { op, left, right } => {
                let left = left.eval(frame)?;
                op.holds(left, right.eval(frame)?)
            }
            Test::And(left, right) => left.eval(frame)? && right.eval(frame)?,
            Test::Or(left, right) => left.eval(frame)? || right.eval(frame)?,
            Test::Not(inner) => !inner.eval(frame)?,
        })
    }
}

impl Relation {
    pub(crate) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Relation::Equal => left == right,
            Relation::NotEqual => left != right,
            Relation::Less => left < right,
            Relation::LessEqual => left <= right,
            Relation::Greater => left > right,
            Relation::GreaterEqual => left >= right,
        }
    }

    /// The relation that holds where this one does not.
    pub(crate) fn opposite(self) -> Relation {
        match self {
            Relation::Equal => Relation::NotEqual,
            Relation::NotEqual => Relation::Equal,
            Relation::Less => Relation::GreaterEqual,
            Relation::LessEqual => Relation::Greater,
            Relation::Greater => Relation::LessEqual,
            Relation::GreaterEqual => Relation::Less,
        }
    }
}

impl Value {
    /// `size` bytes at a fixed place.
    pub(crate) fn at(offset: u32, size: u8) -> Value {
        Value::Load {
            base: Base::Fixed(offset),
            index: Box::new(Value::Number(0)),
            size,
        }
    }

    /// `size` bytes, `index` after the end of the IPv4 header at `start`.
    pub(crate) fn after_ipv4(start: u32, index: u32, size: u8) -> Value {
        Value::Load {
            base: Base::AfterIpv4(start),
            index: Box::new(Value::Number(index)),
            size,
        }
    }

    /// `self & mask`.
    pub(crate) fn masked(self, mask: u32) -> Value {
        Value::Binary(ArithOp::And, Box::new(self), Box::new(Value::Number(mask)))
    }

    /// The value for a frame.
    ///
    /// # Errors
    /// [`Reject`] for a read past the end of the frame and a division by zero.
    pub fn eval(&self, frame: &[u8]) -> Result<u32, Reject> {
        match self {
            Value::Number(number) => Ok(*number),
            Value::Length => Ok(u32::try_from(frame.len()).unwrap_or(u32::MAX)),
            Value::Load { base, index, size } => {
                let index = index.eval(frame)?;
                let (start, index) = match *base {
                    Base::Fixed(start) => (start, index),
                    Base::AfterIpv4(start) => {
                        let length = 4 * (load(frame, start, 0, 1)? & 0xf);
                        (start, index.wrapping_add(length))
                    }
                };
                load(frame, start, index, *size)
            }
            Value::Negate(inner) => Ok(inner.eval(frame)?.wrapping_neg()),
            Value::Binary(op, left, right) => {
                let left = left.eval(frame)?;
                op.apply(left, right.eval(frame)?).ok_or(Reject)
            }
        }
    }

    /// The value if it does not depend on the frame.
    pub(crate) fn constant(&self) -> Option<u32> {
        match self {
            Value::Number(number) => Some(*number),
            Value::Length | Value::Load { .. } => None,
            Value::Negate(inner) => inner.constant().map(u32::wrapping_neg),
            Value::Binary(op, left, right) => op.apply(left.constant()?, right.constant()?),
        }
    }
}

impl ArithOp {
    /// The result modulo 2^32; `None` for a division by zero. Shifts by 32 and more give 0.
    pub(crate) fn apply(self, left: u32, right: u32) -> Option<u32> {
        match self {
            ArithOp::Add => Some(left.wrapping_add(right)),
            ArithOp::Sub => Some(left.wrapping_sub(right)),
            ArithOp::Mul => Some(left.wrapping_mul(right)),
            ArithOp::Div => left.checked_div(right),
            ArithOp::Rem => left.checked_rem(right),
            ArithOp::And => Some(left & right),
            ArithOp::Or => Some(left | right),
            ArithOp::Xor => Some(left ^ right),
            ArithOp::Shl => Some(left.checked_shl(right).unwrap_or(0)),
            ArithOp::Shr => Some(left.checked_shr(right).unwrap_or(0)),
        }
    }
}

fn load(frame: &[u8], start: u32, index: u32, size: u8) -> Result<u32, Reject> {
    let first = start as usize + index as usize;
    let bytes = frame.get(first..first + size as usize).ok_or(Reject)?;
    Ok(bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | u32::from(byte)))
}
