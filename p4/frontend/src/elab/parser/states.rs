//! Steps to states of the IR, and what is done to all states at the end.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::{
    Bits, Expr, KeySet, Op, ParseTarget, ParserOp, ParserState, SelectCase, StateId, Transition,
};

use crate::elab::ops::is_truth;
use crate::elab::step::{Label, Step, any_step};
use crate::elab::{Elab, R, error};
use crate::{Diagnostic, Span, codes};

impl Elab<'_> {
    /// A new state; `made`: it does not bear a name of the program's own.
    pub(super) fn new_state(&mut self, name: &str, made: bool) -> StateId {
        let name = self.unique("state", name);
        let id = self.ir.parser.states.push(ParserState {
            name,
            ops: Vec::new(),
            next: Transition::Goto(ParseTarget::Reject),
        });
        if made {
            self.made_states.insert(id);
        }
        id
    }

    /// Fills a state with steps; where they branch, further states are made.
    pub(super) fn parser_state(&mut self, id: StateId, steps: &[Step], next: Transition) -> R<()> {
        let base = self.ir.parser.states[id].name.clone();
        let mut at = Building {
            id,
            ops: Vec::new(),
            base,
        };
        if self.parser_steps(steps, &mut at, &mut BTreeMap::new())? {
            self.close(&mut at, next);
        }
        Ok(())
    }

    fn close(&mut self, at: &mut Building, next: Transition) {
        let state = &mut self.ir.parser.states[at.id];
        state.ops = std::mem::take(&mut at.ops);
        state.next = next;
    }

    /// Appends steps; says whether their end is reached.
    fn parser_steps(
        &mut self,
        steps: &[Step],
        at: &mut Building,
        labels: &mut BTreeMap<Label, StateId>,
    ) -> R<bool> {
        for step in steps {
            self.spend(1)?;
            match step {
                Step::Ops { ops, .. } => {
                    for op in ops {
                        self.parser_op(op, at, labels)?;
                    }
                }
                Step::Parse(op) => at.ops.push(op.clone()),
                Step::If(cond, a, b) => {
                    if !self.parser_branch(cond, a, b, at, labels)? {
                        return Ok(false);
                    }
                }
                Step::Leave(label) => {
                    let next = match labels.get(label) {
                        Some(state) => ParseTarget::State(*state),
                        None => ParseTarget::Reject,
                    };
                    self.close(at, Transition::Goto(next));
                    return Ok(false);
                }
                Step::Scope {
                    label,
                    steps,
                    ending,
                    ..
                } => {
                    let leaves = any_step(
                        steps,
                        &mut |step| matches!(step, Step::Leave(to) if to == label),
                    );
                    if !leaves {
                        if !self.parser_steps(steps, at, labels)? {
                            return Ok(false);
                        }
                    } else {
                        let join = self.new_state(&at.base.clone(), true);
                        labels.insert(*label, join);
                        if self.parser_steps(steps, at, labels)? {
                            self.close(at, Transition::Goto(ParseTarget::State(join)));
                        }
                        at.id = join;
                    }
                    if !self.parser_steps(ending, at, labels)? {
                        return Ok(false);
                    }
                }
                Step::Apply { .. } | Step::Exit | Step::Finish | Step::Emit(_) => {
                    return Err(error(
                        codes::MISPLACED,
                        Span::default(),
                        "this can stand in a control only",
                    ));
                }
            }
        }
        Ok(true)
    }

    fn parser_branch(
        &mut self,
        cond: &Expr,
        a: &[Step],
        b: &[Step],
        at: &mut Building,
        labels: &mut BTreeMap<Label, StateId>,
    ) -> R<bool> {
        if is_truth(cond, true) {
            return self.parser_steps(a, at, labels);
        }
        if is_truth(cond, false) {
            return self.parser_steps(b, at, labels);
        }
        let join = self.new_state(&at.base.clone(), true);
        let mut reached = false;
        let mut targets = Vec::new();
        for steps in [a, b] {
            if steps.is_empty() {
                targets.push(ParseTarget::State(join));
                reached = true;
                continue;
            }
            let id = self.new_state(&at.base.clone(), true);
            targets.push(ParseTarget::State(id));
            let mut branch = Building {
                id,
                ops: Vec::new(),
                base: at.base.clone(),
            };
            if self.parser_steps(steps, &mut branch, labels)? {
                self.close(&mut branch, Transition::Goto(ParseTarget::State(join)));
                reached = true;
            }
        }
        if let [yes, no] = targets.as_slice() {
            self.close(at, two_ways(cond.clone(), *yes, *no));
        }
        at.id = join;
        Ok(reached)
    }

    fn parser_op(
        &mut self,
        op: &Op,
        at: &mut Building,
        labels: &mut BTreeMap<Label, StateId>,
    ) -> R<()> {
        at.ops.push(match op {
            Op::Set(target, value) => ParserOp::Set(*target, value.clone()),
            Op::SetValid(header) => ParserOp::SetValid(*header),
            Op::SetInvalid(header) => ParserOp::SetInvalid(*header),
            Op::Copy { dst, src } => ParserOp::Copy {
                dst: *dst,
                src: *src,
            },
            Op::If(cond, a, b) => {
                let steps = |ops: &[Op]| match ops.is_empty() {
                    true => Vec::new(),
                    false => vec![Step::Ops {
                        name: None,
                        ops: ops.to_vec(),
                    }],
                };
                self.parser_branch(cond, &steps(a), &steps(b), at, labels)?;
                return Ok(());
            }
            Op::CopyVarbit { dst, src } => ParserOp::CopyVarbit {
                dst: *dst,
                src: *src,
            },
            _ => {
                return Err(error(
                    codes::UNSUPPORTED,
                    self.at,
                    "state and tables cannot be used in a parser",
                ));
            }
        });
        Ok(())
    }

    /// Joins each state to the one before it where that is the only way to it and it does not bear a name of
    /// the program's own.
    pub(super) fn join_states(&mut self) {
        let states = &self.ir.parser.states;
        let mut ways = vec![0usize; states.len()];
        let mut count = |id: StateId| {
            if let Some(way) = ways.get_mut(id.0 as usize) {
                *way += 1;
            }
        };
        self.ir.parser.start.into_iter().for_each(&mut count);
        for state in states.values() {
            state.next.states().into_iter().for_each(&mut count);
        }
        let mut gone = BTreeSet::new();
        let ids: Vec<StateId> = states.keys().collect();
        for id in ids {
            loop {
                let states = &self.ir.parser.states;
                let Transition::Goto(ParseTarget::State(next)) = states[id].next else {
                    break;
                };
                let only = ways.get(next.0 as usize) == Some(&1);
                let made = self.made_states.contains(&next);
                if next == id || !only || !made || gone.contains(&id) {
                    break;
                }
                gone.insert(next);
                let joined = self.ir.parser.states[next].clone();
                let state = &mut self.ir.parser.states[id];
                state.ops.extend(joined.ops);
                state.next = joined.next;
            }
        }
        self.remove_states(&gone);
    }

    /// Takes states away that nothing leads to.
    fn remove_states(&mut self, gone: &BTreeSet<StateId>) {
        if gone.is_empty() {
            return;
        }
        let mut renumbered = BTreeMap::new();
        let mut kept = trisect_ir::PrimaryMap::new();
        for (id, state) in self.ir.parser.states.iter() {
            if !gone.contains(&id) {
                renumbered.insert(id, kept.push(state.clone()));
            }
        }
        let new = |id: &mut StateId| {
            if let Some(to) = renumbered.get(id) {
                *id = *to;
            }
        };
        for state in kept.values_mut() {
            for target in state.next.targets_mut() {
                if let ParseTarget::State(id) = target {
                    new(id);
                }
            }
        }
        if let Some(start) = &mut self.ir.parser.start {
            new(start);
        }
        self.ir.parser.states = kept;
    }

    /// A cycle of states that consumes nothing would never end.
    pub(super) fn refuse_idle_loops(&mut self, span: Span) -> R<()> {
        let ir = &self.ir;
        let consumes = |id: StateId| {
            ir.parser.states[id].ops.iter().any(|op| match op {
                ParserOp::Extract { header, .. } => ir.header_type(*header).fixed_bits() > 0,
                ParserOp::Advance(Expr::Const(bits)) => !bits.is_zero(),
                _ => false,
            })
        };
        let next = |id: StateId| -> Vec<StateId> {
            match consumes(id) {
                true => Vec::new(),
                false => {
                    let all = ir.parser.states[id].next.states();
                    all.into_iter().filter(|id| !consumes(*id)).collect()
                }
            }
        };
        match trisect_ir::analysis::graph::find_cycle(ir.parser.states.keys(), next) {
            Some(state) => Err(Box::new(
                Diagnostic::error(
                    codes::PARSER,
                    span,
                    format!(
                        "the parser may loop through `{}` without reading anything",
                        ir.parser.states[state].name
                    ),
                )
                .with_note("such a loop may never end"),
            )),
            None => Ok(()),
        }
    }
}

/// A state of the IR under construction.
struct Building {
    id: StateId,
    ops: Vec<ParserOp>,
    base: String,
}

/// To the first target if the condition holds, else to the second.
pub(super) fn two_ways(cond: Expr, yes: ParseTarget, no: ParseTarget) -> Transition {
    Transition::Select(
        vec![cond],
        vec![
            SelectCase {
                sets: vec![KeySet::Exact(Bits::bool(true))],
                target: yes,
            },
            SelectCase {
                sets: vec![KeySet::Any],
                target: no,
            },
        ],
    )
}
