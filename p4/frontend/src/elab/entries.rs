//! Default actions, entries of the program, and sets of values.

use num_bigint::BigInt;
use trisect_ir::{ActionCall, Bits, Entry, Expr, KeySet, MatchKind, Origin, TableId};

use super::ops::from_bits;
use super::table::TableAction;
use super::value::Value;
use super::{Elab, R, error};
use crate::ast;
use crate::typed::{self, Type};
use crate::{Diagnostic, Span, codes};

impl<'a> Elab<'a> {
    pub(super) fn default_action(
        &mut self,
        source: &'a typed::Table,
        table: TableId,
        actions: &[TableAction],
    ) -> R<()> {
        let call = match &source.default {
            Some(default) => self.action_call(&default.call, table, actions)?,
            None => ActionCall {
                action: self.no_action(table)?,
                args: Vec::new(),
            },
        };
        let target = &mut self.ir.tables[table];
        if !target.actions.contains(&call.action) {
            target.actions.push(call.action);
        }
        target.default = call;
        target.const_default = source
            .default
            .as_ref()
            .is_some_and(|default| default.is_const);
        Ok(())
    }

    fn action_call(
        &mut self,
        call: &'a typed::ActionCall,
        table: TableId,
        actions: &[TableAction],
    ) -> R<ActionCall> {
        let action = match actions.iter().find(|action| action.source == call.action) {
            Some(action) => action.id,
            // `NoAction` may be the default without standing in the list.
            None => self.no_action(table)?,
        };
        let widths: Vec<u32> = self.ir.actions[action]
            .params
            .iter()
            .map(|param| param.width)
            .collect();
        let mut args = Vec::new();
        for arg in &call.args {
            let value = self.eval(arg)?;
            let ty = self.ty(&arg.ty);
            self.constants(&value, &ty, arg.span, &mut args)?;
        }
        if args.iter().map(Bits::width).ne(widths.iter().copied()) {
            return Err(error(
                codes::ARGUMENTS,
                call.span,
                format!("the action takes {} arguments", widths.len()),
            ));
        }
        Ok(ActionCall { action, args })
    }

    /// All scalars of a value, known at compile time.
    pub(super) fn constants(
        &mut self,
        value: &Value<'a>,
        ty: &Type,
        span: Span,
        out: &mut Vec<Bits>,
    ) -> R<()> {
        match self.flatten(value, span) {
            Ok(parts) => {
                for part in parts {
                    match part {
                        Expr::Const(bits) => out.push(bits),
                        _ => return Err(not_constant(span)),
                    }
                }
                Ok(())
            }
            Err(error) => {
                let _ = ty;
                Err(error)
            }
        }
    }

    pub(super) fn entries(
        &mut self,
        source: &'a typed::Table,
        table: TableId,
        actions: &[TableAction],
    ) -> R<()> {
        let priorities = self.priorities(source)?;
        for (entry, priority) in source.entries.iter().zip(priorities) {
            let mut keys = Vec::new();
            let kinds: Vec<MatchKind> = self.ir.tables[table]
                .keys
                .iter()
                .map(|key| key.kind)
                .collect();
            let given = entry.keys.iter().zip(&source.keys);
            let given = given.filter(|(_, key)| key.match_kind != "selector");
            for ((set, key), kind) in given.zip(kinds) {
                let range = kind == MatchKind::Range;
                let set = self.entry_set(set, &key.expr, range, entry.span)?;
                keys.push(fit_kind(set, kind, entry.span)?);
            }
            let call = self.action_call(&entry.call, table, actions)?;
            self.ir.tables[table].entries.push(Entry {
                keys,
                priority,
                call,
                members: Vec::new(),
                origin: match source.const_entries || entry.is_const {
                    true => Origin::Const,
                    false => Origin::Static,
                },
            });
        }
        Ok(())
    }

    /// The priorities of the entries, so that the largest wins. Where none are given, the first entry that
    /// matches wins; an entry without one behind one that has follows it (specification 14.2.1.4).
    fn priorities(&mut self, source: &'a typed::Table) -> R<Vec<u32>> {
        let mut largest_wins = true;
        let mut delta = BigInt::from(1);
        for property in &source.properties {
            match property.name.as_str() {
                "largest_priority_wins" => {
                    let value = self.eval(&property.value)?;
                    let number = self.number(&value, &property.value.ty, property.span)?;
                    largest_wins = number != BigInt::ZERO;
                }
                "priority_delta" => {
                    let value = self.eval(&property.value)?;
                    delta = self.number(&value, &property.value.ty, property.span)?;
                }
                _ => {}
            }
        }
        let count = source.entries.len();
        let annotated = source.entries.iter().map(|entry| {
            ast::find_annotation(&entry.annotations, "priority").and_then(ast::Annotation::int_arg)
        });
        let annotated: Vec<_> = annotated.collect();
        if annotated.iter().any(Option::is_some) {
            // Not the language's, but widely used: the smallest number wins, and an entry without one has its
            // place in the list.
            let of = |(at, given): (usize, &Option<&ast::IntLit>)| {
                let given = given.and_then(|literal| u32::try_from(&literal.value).ok());
                u32::MAX - given.unwrap_or(at as u32 + 1)
            };
            return Ok(annotated.iter().enumerate().map(of).collect());
        }
        let mut next = match largest_wins {
            true => BigInt::from(count.saturating_sub(1)) * &delta + 1,
            false => BigInt::from(1),
        };
        let mut found = Vec::with_capacity(count);
        for entry in &source.entries {
            let priority = entry.priority.clone().unwrap_or_else(|| next.clone());
            let value = u32::try_from(&priority).map_err(|_| {
                let message = format!("{priority} is no priority: it has 32 bits");
                error(codes::WIDTH, entry.span, message)
            })?;
            found.push(if largest_wins {
                value
            } else {
                u32::MAX - value
            });
            next = match largest_wins {
                true => priority - &delta,
                false => priority + &delta,
            };
        }
        Ok(found)
    }

    /// The set that an entry has for a key; of a range key of a signed number, as [`trisect_ir::Key::signed`] says.
    fn entry_set(
        &mut self,
        set: &'a typed::KeySet,
        key: &'a typed::Expr,
        range: bool,
        span: Span,
    ) -> R<KeySet> {
        let ty = self.ty(&key.ty);
        let width = self.width_of(&ty, span)?;
        match self.key_set(set, width, range && self.is_signed(&ty))? {
            Some(set) => Ok(set),
            None => Err(not_constant(span)),
        }
    }

    /// A set of values of a scalar, with flipped signs if they are `signed`; `None` if it is not known at compile
    /// time.
    pub(super) fn key_set(
        &mut self,
        set: &'a typed::KeySet,
        width: u32,
        signed: bool,
    ) -> R<Option<KeySet>> {
        let flipped = |value: Bits| match signed {
            true => value.flip_sign(),
            false => value,
        };
        Ok(match set {
            typed::KeySet::Any => Some(KeySet::Any),
            typed::KeySet::Value(value) => {
                let value = self.key_value(value, width)?;
                value.map(|value| KeySet::Exact(flipped(value)))
            }
            typed::KeySet::Mask(value, mask) => {
                let value = self.key_value(value, width)?;
                let mask = self.key_value(mask, width)?;
                value
                    .zip(mask)
                    .map(|(value, mask)| KeySet::Mask(value, mask))
            }
            typed::KeySet::Range(lo, hi) => {
                let span = hi.span;
                let lo = self.key_value(lo, width)?.map(flipped);
                let hi = self.key_value(hi, width)?.map(flipped);
                match lo.zip(hi) {
                    Some((lo, hi)) if hi < lo => {
                        return Err(error(codes::WIDTH, span, "this range is empty"));
                    }
                    found => found.map(|(lo, hi)| KeySet::Range(lo, hi)),
                }
            }
            typed::KeySet::ValueSet(_) => None,
        })
    }

    fn key_value(&mut self, expr: &'a typed::Expr, width: u32) -> R<Option<Bits>> {
        let value = self.eval(expr)?;
        Ok(match &value {
            Value::Int(number) => Some(super::ops::to_bits(number, width)),
            Value::Bits(Expr::Const(bits)) => Some(bits.clone()),
            _ => None,
        })
    }
}

fn not_constant(span: Span) -> Box<Diagnostic> {
    error(
        codes::NOT_CONSTANT,
        span,
        "this must be known at compile time",
    )
}

/// A set in the form that its match kind has.
fn fit_kind(set: KeySet, kind: MatchKind, span: Span) -> R<KeySet> {
    let wrong = || {
        error(
            codes::TABLE,
            span,
            "a key of this match kind cannot be matched like this",
        )
    };
    Ok(match (kind, set) {
        (MatchKind::Exact, KeySet::Any) => return Err(wrong()),
        (_, KeySet::Any) => KeySet::Any,
        (MatchKind::Exact | MatchKind::Optional, set @ KeySet::Exact(_)) => set,
        (MatchKind::Lpm, KeySet::Exact(value)) => {
            let width = value.width();
            KeySet::Prefix(value, width)
        }
        (MatchKind::Lpm, KeySet::Mask(value, mask)) => {
            let ones = from_bits(&mask, false).magnitude().count_ones() as u32;
            if Bits::prefix_mask(value.width(), ones) != mask {
                return Err(error(codes::TABLE, span, "the mask is no prefix"));
            }
            KeySet::Prefix(value, ones)
        }
        (MatchKind::Ternary, KeySet::Exact(value)) => {
            let ones = Bits::ones(value.width());
            KeySet::Mask(value, ones)
        }
        (MatchKind::Ternary, set @ KeySet::Mask(..)) => set,
        (MatchKind::Range, KeySet::Exact(value)) => KeySet::Range(value.clone(), value),
        (MatchKind::Range, set @ KeySet::Range(..)) => set,
        _ => return Err(wrong()),
    })
}
