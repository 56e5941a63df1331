//! Values of variables that steps leave behind for certain: what tells an unrolled loop when to stop.

use std::collections::BTreeMap;

use trisect_ir::{BinOp, Bits, Expr, MetaId, Op, ParserOp, Place, UnOp};

use super::ops::{complement, fold, mux, negate, resize, slice, truth};
use super::step::{Label, Step, Then};
use super::value::Footprint;

/// Variables whose value is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    values: BTreeMap<MetaId, Bits>,
}

/// What is known where steps leave a scope.
type Left = BTreeMap<Label, Known>;

impl Known {
    /// What is known behind the steps.
    pub fn of(steps: &[Step]) -> Self {
        let mut known = Self::default();
        known.run(steps);
        known
    }

    /// Goes on behind further steps; says whether their end can be reached.
    pub fn run(&mut self, steps: &[Step]) -> bool {
        let mut left = Left::new();
        let start = std::mem::take(self);
        match start.through(steps, &mut left) {
            Some(end) => {
                *self = end;
                true
            }
            None => false,
        }
    }

    /// Takes what is known out of what is read, and says what it is.
    pub fn part(&self, reads: &mut Footprint) -> Vec<(MetaId, Bits)> {
        let known = |meta: &MetaId| Some((*meta, self.values.get(meta)?.clone()));
        let values = reads.metas.iter().filter_map(known).collect();
        reads.metas.retain(|meta| !self.values.contains_key(meta));
        values
    }

    /// The expression with known values put in.
    pub fn value(&self, expr: &Expr) -> Expr {
        match expr {
            Expr::Meta(meta) => match self.values.get(meta) {
                Some(bits) => Expr::Const(bits.clone()),
                None => expr.clone(),
            },
            Expr::Unary(UnOp::Not, a) => complement(self.value(a)),
            Expr::Unary(UnOp::Neg, a) => negate(self.value(a)),
            Expr::Binary(op, a, b) => binary(*op, self.value(a), self.value(b)),
            Expr::Slice(a, hi, lo) => slice(self.value(a), *hi, *lo),
            Expr::Resize(a, width) => match self.value(a) {
                Expr::Const(bits) => Expr::Const(bits.resize(*width)),
                other => Expr::Resize(Box::new(other), *width),
            },
            Expr::SignResize(a, width) => match self.value(a) {
                Expr::Const(bits) => resize(Expr::Const(bits.clone()), bits.width(), *width, true),
                other => Expr::SignResize(Box::new(other), *width),
            },
            Expr::Mux(c, a, b) => mux(self.value(c), self.value(a), self.value(b)),
            other => other.clone(),
        }
    }

    /// What is known at the end of the steps; `None` if it is not reached.
    fn through(mut self, steps: &[Step], left: &mut Left) -> Option<Self> {
        for step in steps {
            match step {
                Step::Ops { ops, .. } => ops.iter().for_each(|op| self.op(op)),
                Step::Parse(op) => {
                    if let ParserOp::Set(target, _) = op {
                        self.forget(target.place);
                    }
                }
                Step::If(cond, a, b) => {
                    let then = self.clone().through(a, left);
                    let otherwise = self.clone().through(b, left);
                    self = match (self.value(cond), then, otherwise) {
                        (Expr::Const(known), then, otherwise) => {
                            if known.is_zero() {
                                otherwise?
                            } else {
                                then?
                            }
                        }
                        (_, Some(a), Some(b)) => a.join(&b),
                        (_, a, b) => a.or(b)?,
                    };
                }
                Step::Apply { then, .. } => {
                    // Its actions may write anything.
                    let nothing = Self::default();
                    let ends: Vec<Option<Self>> = match then {
                        Then::Nothing => Vec::new(),
                        Then::HitMiss(a, b) => vec![
                            nothing.clone().through(a, left),
                            nothing.clone().through(b, left),
                        ],
                        Then::Action(cases, other) => cases
                            .iter()
                            .map(|(_, steps)| steps)
                            .chain([other])
                            .map(|steps| nothing.clone().through(steps, left))
                            .collect(),
                    };
                    if !ends.is_empty() && ends.iter().all(Option::is_none) {
                        return None;
                    }
                    self = nothing;
                }
                Step::Scope {
                    label,
                    steps,
                    ending,
                    ..
                } => {
                    let outer = left.remove(label);
                    let end = self.through(steps, left);
                    let end = match (end, left.remove(label)) {
                        (Some(a), Some(b)) => a.join(&b),
                        (a, b) => a.or(b)?,
                    };
                    if let Some(outer) = outer {
                        left.insert(*label, outer);
                    }
                    self = end.through(ending, left)?;
                }
                Step::Leave(label) => {
                    let joined = match left.remove(label) {
                        Some(other) => other.join(&self),
                        None => self,
                    };
                    left.insert(*label, joined);
                    return None;
                }
                Step::Exit | Step::Finish => return None,
                Step::Emit(_) => {}
            }
        }
        Some(self)
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Set(target, value) => {
                let value = self.value(value);
                match (target.place, target.slice, value) {
                    (Place::Meta(meta), None, Expr::Const(bits)) => {
                        self.values.insert(meta, bits);
                    }
                    (place, _, _) => self.forget(place),
                }
            }
            Op::If(_, a, b) => {
                let (mut then, mut otherwise) = (self.clone(), self.clone());
                a.iter().for_each(|op| then.op(op));
                b.iter().for_each(|op| otherwise.op(op));
                *self = then.join(&otherwise);
            }
            other => {
                for target in other.targets() {
                    self.forget(target.place);
                }
            }
        }
    }

    fn forget(&mut self, place: Place) {
        if let Place::Meta(meta) = place {
            self.values.remove(&meta);
        }
    }

    fn join(mut self, other: &Self) -> Self {
        self.values
            .retain(|meta, bits| other.values.get(meta) == Some(bits));
        self
    }
}

/// A binary operation; also decided where one operand is the least or the greatest of its type.
fn binary(op: BinOp, a: Expr, b: Expr) -> Expr {
    let least = |e: &Expr| matches!(e, Expr::Const(bits) if bits.is_zero());
    let greatest = |e: &Expr| matches!(e, Expr::Const(bits) if *bits == Bits::ones(bits.width()));
    match op {
        BinOp::Lt if greatest(&a) || least(&b) => truth(false),
        BinOp::Gt if least(&a) || greatest(&b) => truth(false),
        BinOp::Le if least(&a) || greatest(&b) => truth(true),
        BinOp::Ge if greatest(&a) || least(&b) => truth(true),
        _ => fold(op, a, b),
    }
}
