//! Filters that can never match.
//!
//! A conjunction of tests on the same bytes is checked by known bits and by intervals; alternatives
//! are tried one after the other (an analytic tableau). What is not of the form "bytes, masked,
//! compared with a constant" counts as satisfiable, and so does everything beyond the step limit: the
//! answer "never" is always right, "perhaps" may be too careful.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::{ArithOp, Relation};
use super::test::{Base, Test, Value};

/// Most alternatives that are looked at.
const MAX_STEPS: u32 = 20_000;

/// Whether it can be shown that no frame passes all the tests.
pub(crate) fn is_contradiction(tests: &[&Test]) -> bool {
    let mut steps = MAX_STEPS;
    let goals: Vec<Goal<'_>> = tests
        .iter()
        .map(|test| Goal { test, wanted: true })
        .collect();
    !perhaps(goals, Vec::new(), Facts::default(), &mut steps)
}

/// A test that must have this truth value.
#[derive(Clone, Copy)]
struct Goal<'a> {
    test: &'a Test,
    wanted: bool,
}

/// Whether there may be a frame that meets all goals and one of each pair of choices.
fn perhaps<'a>(
    mut goals: Vec<Goal<'a>>,
    mut choices: Vec<[Goal<'a>; 2]>,
    mut facts: Facts,
    steps: &mut u32,
) -> bool {
    if *steps == 0 {
        return true;
    }
    *steps -= 1;
    while let Some(Goal { test, wanted }) = goals.pop() {
        match test {
            Test::Const(value) if *value == wanted => {}
            Test::Const(_) => return false,
            Test::Not(inner) => goals.push(Goal {
                test: inner,
                wanted: !wanted,
            }),
            Test::And(left, right) | Test::Or(left, right) => {
                let pair = [left, right].map(|test| Goal { test, wanted });
                if matches!(test, Test::And(..)) == wanted {
                    goals.extend(pair);
                } else {
                    choices.push(pair);
                }
            }
            Test::Compare { op, left, right } => {
                let op = if wanted { *op } else { op.opposite() };
                if !facts.add(op, left, right) {
                    return false;
                }
            }
        }
    }
    match choices.pop() {
        None => true,
        Some(pair) => pair
            .into_iter()
            .any(|goal| perhaps(vec![goal], choices.clone(), facts.clone(), steps)),
    }
}

/// Bytes of the frame that a constant is compared with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Bytes {
    base: Base,
    index: u32,
    size: u8,
    mask: u32,
}

/// What is known about a frame.
#[derive(Clone)]
struct Facts {
    /// Known bits per byte: mask and value.
    bits: BTreeMap<(Base, u32), (u8, u8)>,
    /// Bounds and excluded values of masked words.
    bounds: BTreeMap<Bytes, Bounds>,
    length: Bounds,
}

impl Default for Facts {
    fn default() -> Facts {
        let length = Bounds {
            low: 0,
            high: u32::MAX,
            excluded: BTreeSet::new(),
        };
        Facts {
            bits: BTreeMap::new(),
            bounds: BTreeMap::new(),
            length,
        }
    }
}

#[derive(Clone)]
struct Bounds {
    low: u32,
    high: u32,
    excluded: BTreeSet<u32>,
}

impl Bounds {
    /// Adds a comparison; whether a value is left.
    fn add(&mut self, op: Relation, value: u32) -> bool {
        match op {
            Relation::Equal => {
                self.low = self.low.max(value);
                self.high = self.high.min(value);
            }
            Relation::NotEqual => {
                self.excluded.insert(value);
            }
            Relation::GreaterEqual => self.low = self.low.max(value),
            Relation::LessEqual => self.high = self.high.min(value),
            Relation::Greater if value == u32::MAX => return false,
            Relation::Greater => self.low = self.low.max(value + 1),
            Relation::Less if value == 0 => return false,
            Relation::Less => self.high = self.high.min(value - 1),
        }
        self.is_inhabited()
    }

    fn is_inhabited(&self) -> bool {
        let span = (self.high as usize).saturating_sub(self.low as usize);
        self.low <= self.high
            && (self.excluded.len() <= span
                || self.excluded.range(self.low..=self.high).count() <= span)
    }
}

impl Facts {
    /// Adds a comparison; whether the facts still agree, as far as is known.
    fn add(&mut self, op: Relation, left: &Value, right: &Value) -> bool {
        if let (Some(left), Some(right)) = (left.constant(), right.constant()) {
            return op.holds(left, right);
        }
        if let Some(value) = right.constant() {
            return self.add_constant(op, left, value);
        }
        match (left.constant(), mirrored(op)) {
            (Some(value), op) => self.add_constant(op, right, value),
            (None, _) => true,
        }
    }

    fn add_constant(&mut self, op: Relation, value: &Value, constant: u32) -> bool {
        if *value == Value::Length {
            return self.length.add(op, constant);
        }
        let Some(bytes) = bytes(value) else {
            return true;
        };
        if let Base::Fixed(start) = bytes.base {
            let end = start
                .saturating_add(bytes.index)
                .saturating_add(u32::from(bytes.size));
            if !self.length.add(Relation::GreaterEqual, end) {
                return false;
            }
        }
        let most = bytes.mask & ones(bytes.size);
        let bounds = self.bounds.entry(bytes).or_insert(Bounds {
            low: 0,
            high: most,
            excluded: BTreeSet::new(),
        });
        if !bounds.add(op, constant) {
            return false;
        }
        if bounds.low == bounds.high {
            let value = bounds.low;
            if value & !bytes.mask != 0 || !self.set_bits(bytes, value) {
                return false;
            }
        }
        self.bounds
            .iter()
            .all(|(bytes, bounds)| self.agree(*bytes, bounds))
    }

    /// Makes the masked bits known; whether they agree with what was known.
    fn set_bits(&mut self, bytes: Bytes, value: u32) -> bool {
        for (place, mask, value) in per_byte(bytes, value) {
            let known = self.bits.entry(place).or_insert((0, 0));
            if (known.1 ^ value) & known.0 & mask != 0 {
                return false;
            }
            *known = (known.0 | mask, known.1 | value & mask);
        }
        true
    }

    /// Whether the known bits leave the word a value within its bounds.
    fn agree(&self, bytes: Bytes, bounds: &Bounds) -> bool {
        let (mut low, mut open) = (0u32, 0u32);
        for (place, mask, _) in per_byte(bytes, 0) {
            let (known, value) = self.bits.get(&place).copied().unwrap_or((0, 0));
            low = low << 8 | u32::from(value & known & mask);
            open = open << 8 | u32::from(mask & !known);
        }
        let high = low | open;
        bounds.low <= high && low <= bounds.high && !(open == 0 && bounds.excluded.contains(&low))
    }
}

/// `a op b` as `b op' a`.
fn mirrored(op: Relation) -> Relation {
    match op {
        Relation::Less => Relation::Greater,
        Relation::LessEqual => Relation::GreaterEqual,
        Relation::Greater => Relation::Less,
        Relation::GreaterEqual => Relation::LessEqual,
        Relation::Equal | Relation::NotEqual => op,
    }
}

fn ones(size: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)))
}

/// The load behind a value, if it is one at a constant index, possibly masked.
fn bytes(value: &Value) -> Option<Bytes> {
    match value {
        Value::Load { base, index, size } => {
            let (base, index) = match *base {
                // One name for the same place, so that overlapping tests meet.
                Base::Fixed(start) => (Base::Fixed(0), start.checked_add(index.constant()?)?),
                base => (base, index.constant()?),
            };
            // Indices that wrap around do not follow each other.
            index.checked_add(4)?;
            Some(Bytes {
                base,
                index,
                size: *size,
                mask: ones(*size),
            })
        }
        Value::Binary(ArithOp::And, left, right) => {
            let (value, mask) = match (left.constant(), right.constant()) {
                (Some(mask), None) => (right, mask),
                (None, Some(mask)) => (left, mask),
                _ => return None,
            };
            let inner = bytes(value)?;
            Some(Bytes {
                mask: inner.mask & mask,
                ..inner
            })
        }
        _ => None,
    }
}

/// Place, mask and value of each byte of a word.
fn per_byte(bytes: Bytes, value: u32) -> impl Iterator<Item = ((Base, u32), u8, u8)> {
    (0..u32::from(bytes.size)).map(move |byte| {
        let shift = 8 * (u32::from(bytes.size) - 1 - byte);
        let place = (bytes.base, bytes.index + byte);
        (place, (bytes.mask >> shift) as u8, (value >> shift) as u8)
    })
}
