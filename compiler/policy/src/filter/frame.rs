//! Filters as IR conditions over the frame's bytes, exact on every frame.
//!
//! The IR reads 0 past the end of the frame where a filter ends with "no". So the condition is "no
//! test that is made is [`Reject`](super::test::Reject)ed, and the tests hold"; both halves grow with
//! the filter's size, the first at worst with its square.

use trisect_ir::{BinOp, Expr};

use super::ast::ArithOp;
use super::lower::{always, operator, relation};
use super::test::{Base, Test, Value};

/// Whether the filter takes the frame.
pub(super) fn condition(test: &Test) -> Expr {
    let holds = holds(test);
    match completes(test, &mut 0) {
        Some(completes) => completes.and(holds),
        None => holds,
    }
}

/// Whether the test holds if everything past the end of the frame is 0.
fn holds(test: &Test) -> Expr {
    match test {
        Test::Const(value) => always(*value),
        Test::Not(inner) => holds(inner).not(),
        Test::And(left, right) => holds(left).and(holds(right)),
        Test::Or(left, right) => holds(left).or(holds(right)),
        Test::Compare { op, left, right } => {
            let mut guards = Guards::default();
            let left = value(left, &mut guards);
            Expr::binary(relation(*op), left, value(right, &mut guards))
        }
    }
}

/// Whether no test that is made ends the filter; `None`: always. `length` is what the frame is known
/// to have at least, before and after.
fn completes(test: &Test, length: &mut u32) -> Option<Expr> {
    match test {
        Test::Const(_) => None,
        Test::Not(inner) => completes(inner, length),
        Test::And(left, right) | Test::Or(left, right) => {
            let first = completes(left, length);
            // The right test is made only where the left one leaves the answer open.
            let second = completes(right, &mut length.clone());
            let made = |second: Expr| match test {
                Test::And(..) => holds(left).not().or(second),
                _ => holds(left).or(second),
            };
            match (first, second.map(made)) {
                (Some(first), Some(second)) => Some(first.and(second)),
                (first, second) => first.or(second),
            }
        }
        Test::Compare { left, right, .. } => {
            let mut guards = Guards {
                length: *length,
                others: Vec::new(),
            };
            value(left, &mut guards);
            value(right, &mut guards);
            let inside = (guards.length > *length).then(|| {
                let needed = Expr::num(32, u64::from(guards.length));
                Expr::binary(BinOp::Ge, Expr::FrameLen, needed)
            });
            *length = guards.length;
            inside.into_iter().chain(guards.others).reduce(Expr::and)
        }
    }
}

/// What must hold for a value not to end the filter.
#[derive(Default)]
struct Guards {
    /// Least length of the frame.
    length: u32,
    /// Other conditions.
    others: Vec<Expr>,
}

/// A value of width 32.
fn value(value: &Value, guards: &mut Guards) -> Expr {
    match value {
        Value::Number(number) => Expr::num(32, u64::from(*number)),
        Value::Length => Expr::FrameLen,
        Value::Negate(inner) => {
            Expr::binary(BinOp::Sub, Expr::num(32, 0), self::value(inner, guards))
        }
        Value::Binary(op, left, right) => {
            let left = self::value(left, guards);
            let is_safe = matches!(right.constant(), Some(1..));
            let right = self::value(right, guards);
            if matches!(op, ArithOp::Div | ArithOp::Rem) && !is_safe {
                guards
                    .others
                    .push(Expr::binary(BinOp::Ne, right.clone(), Expr::num(32, 0)));
            }
            Expr::binary(operator(*op), left, right)
        }
        Value::Load {
            base: Base::Fixed(start),
            index,
            size,
        } => match index.constant() {
            Some(index) => load_at(*start, index, *size, guards),
            None => {
                let index = self::value(index, guards);
                load(*start, index, *size, guards)
            }
        },
        Value::Load {
            base: Base::AfterIpv4(start),
            index,
            size,
        } => {
            let index = self::value(index, guards);
            let words = Expr::binary(
                BinOp::And,
                load_at(*start, 0, 1, guards),
                Expr::num(32, 0xf),
            );
            let length = Expr::binary(BinOp::Shl, words, Expr::num(32, 2));
            load(
                *start,
                Expr::binary(BinOp::Add, index, length),
                *size,
                guards,
            )
        }
    }
}

/// Bytes at a constant place.
fn load_at(start: u32, index: u32, size: u8, guards: &mut Guards) -> Expr {
    let end = start
        .checked_add(index)
        .and_then(|first| first.checked_add(u32::from(size)));
    match end {
        Some(end) => guards.length = guards.length.max(end),
        None => guards.others.push(always(false)),
    }
    frame(Expr::num(32, u64::from(start.wrapping_add(index))), size)
}

/// Bytes at a computed place.
fn load(start: u32, index: Expr, size: u8, guards: &mut Guards) -> Expr {
    // In more than 32 bits the sum cannot wrap around.
    let end = Expr::binary(
        BinOp::Add,
        Expr::Resize(Box::new(index.clone()), 64),
        Expr::num(64, u64::from(start) + u64::from(size)),
    );
    let length = Expr::Resize(Box::new(Expr::FrameLen), 64);
    guards.others.push(Expr::binary(BinOp::Le, end, length));
    frame(
        Expr::binary(BinOp::Add, index, Expr::num(32, u64::from(start))),
        size,
    )
}

fn frame(offset: Expr, size: u8) -> Expr {
    let load = Expr::Frame {
        offset: Box::new(offset),
        len: size,
    };
    if size == 4 {
        load
    } else {
        Expr::Resize(Box::new(load), 32)
    }
}
