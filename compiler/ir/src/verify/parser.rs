//! The parser's states.

use super::expr::Scope;
use super::{Checker, Invariant};
use crate::{Expr, KeySet, ParseTarget, ParserOp, ParserState, SelectCase, StateId, Transition};

impl Checker<'_> {
    pub(super) fn parser(&mut self) {
        let parser = &self.program.parser;
        if let Some(start) = parser.start {
            self.exists(&parser.states, start, "parser");
        }
        for state in parser.states.values() {
            let place = format!("parser state `{}`", state.name);
            for (i, op) in state.ops.iter().enumerate() {
                self.parser_op(op, &format!("{place}, operation {i}"));
            }
            match &state.next {
                Transition::Goto(target) => self.target(*target, &place),
                Transition::Select(keys, cases) => self.select(keys, cases, &place),
            }
        }
    }

    fn parser_op(&mut self, op: &ParserOp, place: &str) {
        match op {
            ParserOp::Extract { header, varbit } => {
                let has_varbit = self
                    .header_type_of(*header, place)
                    .is_some_and(|ty| ty.varbit().is_some());
                if let Some(length) = varbit {
                    self.expr_of(length, 32, Scope::Parser, place);
                    if !has_varbit {
                        let message = "the header has no varbit to give a length";
                        self.report(Invariant::VarbitUse, place, message);
                    }
                }
            }
            ParserOp::Advance(bits) => self.expr_of(bits, 32, Scope::Parser, place),
            ParserOp::Set(to, expr) => self.assignment(to, expr, Scope::Parser, place),
            ParserOp::SetValid(header) | ParserOp::SetInvalid(header) => {
                self.exists(&self.program.headers, *header, place);
            }
            ParserOp::Copy { dst, src } => self.copy(*dst, *src, place),
            ParserOp::CopyVarbit { dst, src } => self.copy_varbit(*dst, *src, place),
            ParserOp::Verify(cond, code) => {
                self.expr_of(cond, 1, Scope::Parser, place);
                if usize::from(*code) >= self.program.parser.errors.len() {
                    let message = format!("there is no error {code}");
                    self.report(Invariant::EntityExists, place, message);
                }
            }
        }
    }

    fn target(&mut self, target: ParseTarget, place: &str) {
        if let ParseTarget::State(state) = target {
            self.exists(&self.program.parser.states, state, place);
        }
    }

    fn select(&mut self, keys: &[Expr], cases: &[SelectCase], place: &str) {
        let widths: Vec<_> = keys
            .iter()
            .map(|key| self.expr(key, Scope::Parser, place))
            .collect();
        for (i, case) in cases.iter().enumerate() {
            let place = format!("{place}, case {i}");
            self.target(case.target, &place);
            if case.sets.len() != keys.len() {
                let message = format!("{} sets for {} keys", case.sets.len(), keys.len());
                self.report(Invariant::SelectArity, &place, message);
                continue;
            }
            for (set, width) in case.sets.iter().zip(&widths) {
                if let Some(width) = width {
                    self.key_set(set, *width, &place);
                }
            }
        }
    }

    /// Checks the widths within a set.
    pub(super) fn key_set(&mut self, set: &KeySet, width: u32, place: &str) {
        let parts = match set {
            KeySet::Any => vec![],
            KeySet::Exact(value) | KeySet::Prefix(value, _) => vec![value],
            KeySet::Mask(a, b) | KeySet::Range(a, b) => vec![a, b],
        };
        for part in parts {
            if part.width() != width {
                let message = format!("{part} for a key of {width} bits");
                self.report(Invariant::WidthAgrees, place, message);
            }
        }
        match set {
            KeySet::Prefix(_, len) if *len > width => {
                let message = format!("a prefix of {len} bits for a key of {width}");
                self.report(Invariant::SliceInside, place, message);
            }
            KeySet::Range(lo, hi) if lo > hi => {
                let message = format!("the range {lo} to {hi} is empty");
                self.report(Invariant::EntryKeys, place, message);
            }
            _ => {}
        }
    }

    /// No cycle among the states that consume nothing.
    pub(super) fn parser_progress(&mut self) {
        let states = &self.program.parser.states;
        let idle: Vec<bool> = states.values().map(|s| !self.consumes(s)).collect();
        let next = |state: StateId| -> Vec<StateId> {
            if !idle[state.0 as usize] {
                return Vec::new();
            }
            successors(&states[state])
                .into_iter()
                .filter(|s| idle[s.0 as usize])
                .collect()
        };
        if let Some(state) = crate::analysis::graph::find_cycle(states.keys(), next) {
            let place = format!("parser state `{}`", states[state].name);
            let message = "a cycle through this state consumes nothing";
            self.report(Invariant::ParserProgress, &place, message);
        }
    }

    fn consumes(&self, state: &ParserState) -> bool {
        state.ops.iter().any(|op| match op {
            ParserOp::Extract { header, .. } => self.program.header_type(*header).fixed_bits() > 0,
            ParserOp::Advance(Expr::Const(bits)) => !bits.is_zero(),
            _ => false,
        })
    }
}

fn successors(state: &ParserState) -> Vec<StateId> {
    state.next.states()
}
