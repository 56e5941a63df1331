//! `select`: keys and cases of a transition.

use trisect_ir::{BinOp, Bits, Expr, KeySet};

use super::ops::{fold, operator, truth};
use super::value::Value;
use super::value_sets::is_value_set;
use super::{Elab, R, error};
use crate::ast;
use crate::typed::{self, Expr as Typed, SelectCase, Target, Type};
use crate::{Span, codes};

/// A select with what is left of it: scalars, and cases in order.
pub(super) struct Chosen {
    pub keys: Vec<Expr>,
    pub cases: Vec<(Vec<KeySet>, Target)>,
}

/// A key: its value, and the scalars that it consists of.
struct SelectKey<'a> {
    value: Value<'a>,
    ty: Type,
    parts: Vec<Expr>,
}

impl<'a> Elab<'a> {
    pub(super) fn select(
        &mut self,
        keys: &'a [Typed],
        cases: &'a [SelectCase],
        span: Span,
    ) -> R<Chosen> {
        let values = self.sequence(keys)?;
        let mut found = Vec::with_capacity(keys.len());
        for (key, value) in keys.iter().zip(values) {
            let ty = self.ty(&key.ty);
            let parts = self.flatten(&value, key.span)?;
            found.push(SelectKey { value, ty, parts });
        }
        let mut chosen = Vec::with_capacity(cases.len());
        for case in cases {
            if let [typed::KeySet::ValueSet(id)] = case.sets.as_slice() {
                let sets = self.value_set_case(*id, parts_of(&found), 0)?;
                chosen.push((sets, case.target));
                continue;
            }
            match self.select_case(&found, case)? {
                Some(sets) => chosen.push((sets, case.target)),
                None => return self.tested(&found, cases, span),
            }
        }
        Ok(Chosen {
            keys: found.into_iter().flat_map(|key| key.parts).collect(),
            cases: chosen,
        })
    }

    /// The sets of a case, or `None` if they are not known at compile time.
    fn select_case(
        &mut self,
        keys: &[SelectKey<'a>],
        case: &'a SelectCase,
    ) -> R<Option<Vec<KeySet>>> {
        let all: usize = keys.iter().map(|key| key.parts.len()).sum();
        if let [typed::KeySet::Any] = case.sets.as_slice() {
            return Ok(Some(vec![KeySet::Any; all]));
        }
        let mut sets = Vec::with_capacity(all);
        for (key, set) in keys.iter().zip(&case.sets) {
            match (set, self.width(&key.ty)) {
                (typed::KeySet::Any, _) => sets.extend(vec![KeySet::Any; key.parts.len()]),
                (_, Some(0)) => {}
                (_, Some(width)) => {
                    if matches!(set, typed::KeySet::Range(..)) && self.is_signed(&key.ty) {
                        return Ok(None);
                    }
                    match self.key_set(set, width, false)? {
                        Some(set) => sets.push(set),
                        None => return Ok(None),
                    }
                }
                (typed::KeySet::Value(value), None) => {
                    let given = self.eval(value)?;
                    let mut bits = Vec::new();
                    for part in self.flatten(&given, value.span)? {
                        match part {
                            Expr::Const(known) => bits.push(known),
                            _ => return Ok(None),
                        }
                    }
                    sets.extend(bits.into_iter().map(KeySet::Exact));
                }
                (_, None) => {
                    return Err(error(
                        codes::TYPE,
                        case.span,
                        "only numbers have masks and ranges",
                    ));
                }
            }
        }
        Ok(Some(sets))
    }

    /// The select as a test per case, where values are known at run time only.
    fn tested(&mut self, keys: &[SelectKey<'a>], cases: &'a [SelectCase], span: Span) -> R<Chosen> {
        let mut tests = Vec::with_capacity(cases.len());
        for case in cases.iter().filter(|case| !is_value_set(case)) {
            let mut test = truth(true);
            if !matches!(case.sets.as_slice(), [typed::KeySet::Any]) {
                for (key, set) in keys.iter().zip(&case.sets) {
                    let holds = self.test(key, set, span)?;
                    test = fold(BinOp::And, test, holds);
                }
            }
            tests.push(test);
        }
        let count = tests.len();
        // Members of value sets are compared with the keys themselves.
        if cases.iter().any(is_value_set) {
            tests.extend(keys.iter().flat_map(|key| key.parts.iter().cloned()));
        }
        let mut chosen = Vec::with_capacity(cases.len());
        let mut test = 0;
        for case in cases {
            let sets = match case.sets.as_slice() {
                [typed::KeySet::ValueSet(id)] => self.value_set_case(*id, parts_of(keys), count)?,
                _ => {
                    let mut sets = vec![KeySet::Any; tests.len()];
                    if let Some(set) = sets.get_mut(test) {
                        *set = KeySet::Exact(Bits::bool(true));
                    }
                    test += 1;
                    sets
                }
            };
            chosen.push((sets, case.target));
        }
        Ok(Chosen {
            cases: chosen,
            keys: tests,
        })
    }

    fn test(&mut self, key: &SelectKey<'a>, set: &'a typed::KeySet, span: Span) -> R<Expr> {
        match set {
            typed::KeySet::Any => Ok(truth(true)),
            typed::KeySet::Value(value) => {
                let given = self.eval(value)?;
                self.equal(&key.value, &given, &key.ty, value.span)
            }
            typed::KeySet::Mask(value, mask) => {
                let own = self.scalar(&key.value, span)?;
                let value = self.eval_scalar(value)?;
                let mask = self.eval_scalar(mask)?;
                let own = fold(BinOp::And, own, mask.clone());
                Ok(fold(BinOp::Eq, own, fold(BinOp::And, value, mask)))
            }
            typed::KeySet::Range(lo, hi) => {
                let le = operator(ast::BinOp::Le, self.is_signed(&key.ty), span)?;
                let own = self.scalar(&key.value, span)?;
                let lo = self.eval_scalar(lo)?;
                let hi = self.eval_scalar(hi)?;
                let above = fold(le, lo, own.clone());
                Ok(fold(BinOp::And, above, fold(le, own, hi)))
            }
            typed::KeySet::ValueSet(_) => Ok(truth(false)),
        }
    }
}

/// How many scalars the keys consist of.
fn parts_of(keys: &[SelectKey<'_>]) -> usize {
    keys.iter().map(|key| key.parts.len()).sum()
}
