//! Parsers: to the states of the IR.
//!
//! What is still to be done at a place of a parser is a [`Point`]. A state of the IR is made for each point
//! that is reached, and for each position of the stacks that are filled from there on: loops over stacks are
//! unrolled, all others stay loops. A parser that is applied within another is put in place of the call.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trisect_ir::{
    Bits, Expr, KeySet, Op, ParseTarget, ParserOp, ParserState, SelectCase, StateId, Transition,
};

use super::ops::{is_truth, truth};
use super::step::{Label, Step, any_step};
use super::value::{BlockDef, BlockInstance, Frame, Value};
use super::walk::Uses;
use super::{Elab, R, error, unsupported};
use crate::typed::{self, Callee, Expr as Typed, ExprKind, Stmt, StmtKind, Target};
use crate::{Span, codes};

/// `parser_error` code of `StackOutOfBounds` in core.p4's order.
const STACK_OUT_OF_BOUNDS: u8 = 3;
/// States of the IR after which the parser is refused.
const MAX_STATES: usize = 4096;

/// The next element by stack.
type Cursors = BTreeMap<usize, usize>;

/// The parser state in work.
#[derive(Default)]
pub(super) struct ParserContext {
    pub cursors: Cursors,
}

/// What is still to be done.
enum Point<'a> {
    /// A state, from its beginning. Behind `accept` it goes on at `then`.
    State {
        block: Rc<BlockInstance<'a>>,
        index: u32,
        then: Option<Rc<Point<'a>>>,
    },
    /// Statements, then `then`. `joins`: several ways lead here.
    Rest {
        stmts: &'a [Stmt],
        block: Rc<BlockInstance<'a>>,
        then: Rc<Point<'a>>,
        joins: bool,
    },
    /// The transition of a state.
    End {
        block: Rc<BlockInstance<'a>>,
        index: u32,
        then: Option<Rc<Point<'a>>>,
    },
    /// The end of a parser that was applied: what it gave is copied back.
    Return {
        steps: Vec<Step>,
        then: Rc<Point<'a>>,
    },
}

/// Tells points apart: addresses, of which none is used twice as all points are kept.
type Key = (usize, u32, usize);

#[derive(Default)]
struct Unroll<'a> {
    ids: BTreeMap<(Key, Cursors), StateId>,
    work: Vec<(Rc<Point<'a>>, Cursors, StateId)>,
    /// All points that a key speaks of.
    kept: Vec<Rc<Point<'a>>>,
    /// Stacks whose position matters from a state on, by block and state; `None` if that is not known.
    uses: BTreeMap<(usize, u32), Option<BTreeSet<usize>>>,
}

impl<'a> Elab<'a> {
    /// Elaborates a parser, its parameters bound in its frame, as the program's parser; `first` comes before
    /// everything else.
    pub(super) fn parser_body(&mut self, block: &Rc<BlockInstance<'a>>, first: Vec<Step>) -> R<()> {
        let BlockDef::Parser(parser) = block.of else {
            return Err(error(
                codes::ARCHITECTURE,
                Span::default(),
                "a parser is needed here",
            ));
        };
        self.parser = Some(ParserContext::default());
        let mut unroll = Unroll::default();
        let result = self.unrolled(&mut unroll, parser, block, first);
        self.parser = None;
        result?;
        self.refuse_idle_loops(parser.span)
    }

    fn unrolled(
        &mut self,
        unroll: &mut Unroll<'a>,
        parser: &'a typed::Parser,
        block: &Rc<BlockInstance<'a>>,
        mut prelude: Vec<Step>,
    ) -> R<()> {
        let (locals, ()) = self.with_frame(block.frame.clone(), |e| {
            e.collect(|e| e.locals(&parser.locals, block))
        })?;
        prelude.extend(locals);
        let first = Rc::new(Point::State {
            block: block.clone(),
            index: parser.start,
            then: None,
        });
        let start = self.point(unroll, &first, Cursors::new())?;
        if prelude.is_empty() {
            self.ir.parser.start = Some(start);
        } else {
            // Runs once per packet, also if a loop comes back to the first state.
            let id = self.new_state("locals", false);
            self.ir.parser.start = Some(id);
            self.parser_state(id, &prelude, Transition::Goto(ParseTarget::State(start)))?;
        }
        while let Some((point, cursors, id)) = unroll.work.pop() {
            if self.ir.parser.states.len() > MAX_STATES {
                let message = format!("a parser of more than {MAX_STATES} states");
                return Err(unsupported(parser.span, message));
            }
            let result = self.run_point(unroll, &point, cursors, id);
            self.keep(result);
        }
        self.join_states();
        Ok(())
    }

    /// The state for a point and these positions, made if it is new.
    fn point(
        &mut self,
        unroll: &mut Unroll<'a>,
        point: &Rc<Point<'a>>,
        cursors: Cursors,
    ) -> R<StateId> {
        let key = match &**point {
            Point::State { block, index, then } => {
                let then = then.as_ref().map_or(0, |then| Rc::as_ptr(then) as usize);
                (Rc::as_ptr(block) as usize, *index, then)
            }
            _ => (Rc::as_ptr(point) as usize, u32::MAX, 0),
        };
        let kept = match self.needed(unroll, point)? {
            Some(stacks) => cursors
                .into_iter()
                .filter(|(stack, _)| stacks.contains(stack))
                .collect(),
            None => cursors,
        };
        if let Some(id) = unroll.ids.get(&(key, kept.clone())) {
            return Ok(*id);
        }
        let name = match &**point {
            Point::State { block, index, then } => {
                let own = match block.of {
                    BlockDef::Parser(parser) => parser.states.get(*index as usize),
                    BlockDef::Control(_) => None,
                };
                let own = own.map_or("state", |state| state.name.as_str());
                // States of a parser that is applied within another carry its name.
                match then {
                    None => own.to_owned(),
                    Some(_) => format!("{}.{own}", block.frame.names.block),
                }
            }
            _ => "then".to_owned(),
        };
        let position: usize = kept.values().sum();
        let name = match position {
            0 => name,
            position => format!("{name}_{position}"),
        };
        let id = self.new_state(&name, !matches!(&**point, Point::State { then: None, .. }));
        unroll.ids.insert((key, kept.clone()), id);
        unroll.kept.push(point.clone());
        unroll.work.push((point.clone(), kept, id));
        Ok(id)
    }

    /// A new state; `made`: it does not bear a name of the program's own.
    fn new_state(&mut self, name: &str, made: bool) -> StateId {
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

    /// Fills the state of a point.
    fn run_point(
        &mut self,
        unroll: &mut Unroll<'a>,
        point: &Rc<Point<'a>>,
        cursors: Cursors,
        id: StateId,
    ) -> R<()> {
        self.parser = Some(ParserContext { cursors });
        let (steps, next) = self.collect(|e| match e.follow(unroll, point) {
            // Reading past a stack is an error of the packet, not of the program (spec 8.18).
            Err(error) if error.code == codes::STACK_BOUNDS => {
                let never = ParserOp::Verify(truth(false), STACK_OUT_OF_BOUNDS);
                e.out.push(Step::Parse(never));
                Ok(Transition::Goto(ParseTarget::Reject))
            }
            other => other,
        })?;
        self.parser_state(id, &steps, next)
    }

    /// Does what a point says, and says where to go next.
    fn follow(&mut self, unroll: &mut Unroll<'a>, point: &Rc<Point<'a>>) -> R<Transition> {
        let mut point = point.clone();
        loop {
            self.spend(1)?;
            let (mut stmts, block, mut then): (&'a [Stmt], _, _) = match &*point {
                Point::State { block, index, then } => {
                    let BlockDef::Parser(parser) = block.of else {
                        return Ok(Transition::Goto(ParseTarget::Reject));
                    };
                    let Some(state) = parser.states.get(*index as usize) else {
                        return Ok(Transition::Goto(ParseTarget::Reject));
                    };
                    let end = Rc::new(Point::End {
                        block: block.clone(),
                        index: *index,
                        then: then.clone(),
                    });
                    (&state.stmts, block.clone(), end)
                }
                Point::Rest {
                    stmts, block, then, ..
                } => (*stmts, block.clone(), then.clone()),
                Point::End { block, index, then } => {
                    return self.end_of_state(unroll, block, *index, then.as_ref());
                }
                Point::Return { steps, then } => {
                    self.out.extend(steps.iter().cloned());
                    (&[], self.block_of_point(then), then.clone())
                }
            };
            while let Some((stmt, rest)) = stmts.split_first() {
                match &stmt.kind {
                    StmtKind::Block(inner) => {
                        then = rest_of(rest, &block, &then, false);
                        stmts = inner;
                        continue;
                    }
                    StmtKind::If(cond, a, b) if !plain(a) || !plain(b) => {
                        let cond = self.with_frame(block.frame.clone(), |e| e.condition(cond))?;
                        if let Expr::Const(known) = &cond {
                            then = rest_of(rest, &block, &then, false);
                            stmts = if known.is_zero() { b } else { a };
                            continue;
                        }
                        let join = rest_of(rest, &block, &then, true);
                        let a = self.lead_to(unroll, &rest_of(a, &block, &join, false))?;
                        let b = self.lead_to(unroll, &rest_of(b, &block, &join, false))?;
                        return Ok(two_ways(cond, a, b));
                    }
                    StmtKind::Call(call) => {
                        if let Some((object, call)) = applied(call) {
                            let join = rest_of(rest, &block, &then, true);
                            return self
                                .apply_parser(unroll, &block, object, call, join, stmt.span);
                        }
                        self.with_frame(block.frame.clone(), |e| e.statement(stmt))?;
                    }
                    _ => self.with_frame(block.frame.clone(), |e| e.statement(stmt))?,
                }
                stmts = rest;
            }
            match &*then {
                Point::Rest { joins: true, .. } | Point::State { .. } | Point::Return { .. } => {
                    return Ok(Transition::Goto(self.lead_to(unroll, &then)?));
                }
                Point::Rest { .. } | Point::End { .. } => point = then,
            }
        }
    }

    fn block_of_point(&self, point: &Rc<Point<'a>>) -> Rc<BlockInstance<'a>> {
        let mut point = point;
        loop {
            match &**point {
                Point::State { block, .. }
                | Point::Rest { block, .. }
                | Point::End { block, .. } => {
                    return block.clone();
                }
                Point::Return { then, .. } => point = then,
            }
        }
    }

    fn positions(&self) -> Cursors {
        self.parser
            .as_ref()
            .map(|parser| parser.cursors.clone())
            .unwrap_or_default()
    }

    fn lead_to(&mut self, unroll: &mut Unroll<'a>, point: &Rc<Point<'a>>) -> R<ParseTarget> {
        let cursors = self.positions();
        Ok(ParseTarget::State(self.point(unroll, point, cursors)?))
    }

    fn end_of_state(
        &mut self,
        unroll: &mut Unroll<'a>,
        block: &Rc<BlockInstance<'a>>,
        index: u32,
        then: Option<&Rc<Point<'a>>>,
    ) -> R<Transition> {
        let BlockDef::Parser(parser) = block.of else {
            return Ok(Transition::Goto(ParseTarget::Reject));
        };
        let Some(state) = parser.states.get(index as usize) else {
            return Ok(Transition::Goto(ParseTarget::Reject));
        };
        let frame = block.frame.clone();
        match &state.next {
            typed::Transition::Goto(target) => {
                Ok(Transition::Goto(self.target(unroll, block, *target, then)?))
            }
            typed::Transition::Select { keys, cases } => {
                let chosen = self.with_frame(frame, |e| e.select(keys, cases, state.span))?;
                let mut found = Vec::with_capacity(chosen.cases.len());
                for (sets, target) in chosen.cases {
                    let target = self.target(unroll, block, target, then)?;
                    found.push(SelectCase { sets, target });
                }
                Ok(Transition::Select(chosen.keys, found))
            }
        }
    }

    fn target(
        &mut self,
        unroll: &mut Unroll<'a>,
        block: &Rc<BlockInstance<'a>>,
        target: Target,
        then: Option<&Rc<Point<'a>>>,
    ) -> R<ParseTarget> {
        match (target, then) {
            (Target::Accept, None) => Ok(ParseTarget::Accept),
            (Target::Accept, Some(then)) => self.lead_to(unroll, then),
            (Target::Reject, _) => Ok(ParseTarget::Reject),
            (Target::State(index), then) => {
                let point = Rc::new(Point::State {
                    block: block.clone(),
                    index,
                    then: then.cloned(),
                });
                self.lead_to(unroll, &point)
            }
        }
    }

    /// A parser applied within another: its states, then what follows the call.
    fn apply_parser(
        &mut self,
        unroll: &mut Unroll<'a>,
        caller: &Rc<BlockInstance<'a>>,
        object: &'a Typed,
        call: &'a typed::Call,
        then: Rc<Point<'a>>,
        span: Span,
    ) -> R<Transition> {
        let found = self.with_frame(caller.frame.clone(), |e| e.eval(object))?;
        let Value::Block(block) = found else {
            return Err(error(codes::TYPE, span, "a parser is needed here"));
        };
        let BlockDef::Parser(parser) = block.of else {
            return Err(error(
                codes::MISPLACED,
                span,
                "a control cannot be applied in a parser",
            ));
        };
        let outs = self.with_frame(caller.frame.clone(), |e| {
            e.bind(
                &parser.params,
                &call.args,
                &call.order,
                &block.frame,
                &Default::default(),
                block.shared,
            )
        })?;
        self.with_frame(block.frame.clone(), |e| e.locals(&parser.locals, &block))?;
        let ending = self.with_frame(caller.frame.clone(), |e| e.copy_out(&outs))?;
        let back = Rc::new(Point::Return {
            steps: ending,
            then,
        });
        let start = Rc::new(Point::State {
            block,
            index: parser.start,
            then: Some(back),
        });
        Ok(Transition::Goto(self.lead_to(unroll, &start)?))
    }

    // -------------------------------------------------------------------------- stack positions

    /// The stacks whose position matters from a point on; `None` if all may.
    fn needed(
        &mut self,
        unroll: &mut Unroll<'a>,
        point: &Rc<Point<'a>>,
    ) -> R<Option<BTreeSet<usize>>> {
        let mut found = BTreeSet::new();
        let mut at = point.clone();
        loop {
            let (own, next) = match &*at {
                Point::State { block, index, then } | Point::End { block, index, then } => {
                    let own = self.used_from(unroll, block, *index)?;
                    (own, then.clone())
                }
                Point::Rest {
                    stmts, block, then, ..
                } => {
                    let mut bases = Bases::default();
                    bases.stmts(stmts);
                    (self.stacks_of(&bases, &block.frame)?, Some(then.clone()))
                }
                Point::Return { steps, then } => {
                    // Copies of stacks copy positions.
                    let own = if steps.is_empty() {
                        Some(BTreeSet::new())
                    } else {
                        None
                    };
                    (own, Some(then.clone()))
                }
            };
            match own {
                Some(own) => found.extend(own),
                None => return Ok(None),
            }
            match next {
                Some(next) => at = next,
                None => return Ok(Some(found)),
            }
        }
    }

    /// For a state, the stacks that it or a state behind it in the same parser goes on filling or reads the
    /// last of.
    fn used_from(
        &mut self,
        unroll: &mut Unroll<'a>,
        block: &Rc<BlockInstance<'a>>,
        index: u32,
    ) -> R<Option<BTreeSet<usize>>> {
        let BlockDef::Parser(parser) = block.of else {
            return Ok(None);
        };
        let address = Rc::as_ptr(block) as usize;
        if !unroll.uses.contains_key(&(address, index)) {
            self.find_uses(unroll, block, parser, address)?;
        }
        Ok(unroll.uses.get(&(address, index)).cloned().flatten())
    }

    fn find_uses(
        &mut self,
        unroll: &mut Unroll<'a>,
        block: &Rc<BlockInstance<'a>>,
        parser: &'a typed::Parser,
        address: usize,
    ) -> R<()> {
        let mut own: Vec<Option<BTreeSet<usize>>> = Vec::with_capacity(parser.states.len());
        for state in &parser.states {
            let mut bases = Bases::default();
            bases.stmts(&state.stmts);
            bases.transition(&state.next);
            own.push(self.stacks_of(&bases, &block.frame)?);
        }
        let nexts: Vec<Vec<usize>> = parser
            .states
            .iter()
            .map(|state| successors(&state.next))
            .collect();
        let mut changed = true;
        while changed {
            changed = false;
            for at in 0..own.len() {
                let mut joined = own.get(at).cloned().flatten();
                for next in nexts.get(at).into_iter().flatten() {
                    joined = match (joined, own.get(*next)) {
                        (Some(mut all), Some(Some(behind))) => {
                            all.extend(behind);
                            Some(all)
                        }
                        _ => None,
                    };
                }
                if let Some(place) = own.get_mut(at)
                    && *place != joined
                {
                    *place = joined;
                    changed = true;
                }
            }
        }
        for (index, stacks) in own.into_iter().enumerate() {
            unroll.uses.insert((address, index as u32), stacks);
        }
        Ok(())
    }

    /// The stacks that expressions name; `None` if that is not known here.
    fn stacks_of(
        &mut self,
        bases: &Bases<'a>,
        frame: &Rc<Frame<'a>>,
    ) -> R<Option<BTreeSet<usize>>> {
        if bases.unknown {
            return Ok(None);
        }
        let mut found = BTreeSet::new();
        for base in &bases.exprs {
            let value = self.with_frame(frame.clone(), |e| e.collect(|e| e.eval(base)));
            match value {
                Ok((_, Value::Stack(stack))) => {
                    found.insert(stack.id);
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// The stack that `next`, `last` or `lastIndex` is taken of, and its position.
    fn position(
        &mut self,
        stack: &'a Typed,
        span: Span,
    ) -> R<(Rc<super::value::Stack<'a>>, usize)> {
        let Value::Stack(found) = self.eval(stack)? else {
            return Err(unsupported(
                span,
                "a position in a stack that is an element of another",
            ));
        };
        match &self.parser {
            Some(parser) => {
                let at = parser.cursors.get(&found.id).copied().unwrap_or(0);
                Ok((found, at))
            }
            None => Err(error(
                codes::MISPLACED,
                span,
                "the position in a stack is known in a parser only",
            )),
        }
    }

    pub(super) fn stack_next(&mut self, stack: &'a Typed, span: Span) -> R<Value<'a>> {
        let (stack, at) = self.position(stack, span)?;
        stack.elems.get(at).cloned().ok_or_else(|| outside(span))
    }

    pub(super) fn stack_last(&mut self, stack: &'a Typed, span: Span) -> R<Value<'a>> {
        let (stack, at) = self.position(stack, span)?;
        at.checked_sub(1)
            .and_then(|at| stack.elems.get(at).cloned())
            .ok_or_else(|| outside(span))
    }

    pub(super) fn stack_last_index(&mut self, stack: &'a Typed, span: Span) -> R<Value<'a>> {
        let (_, at) = self.position(stack, span)?;
        let last = (at as u64).wrapping_sub(1) & 0xffff_ffff;
        Ok(Value::Bits(Expr::num(32, last)))
    }

    /// Behind `extract(stack.next)`.
    pub(super) fn advance_stack(&mut self, stack: &'a Typed) -> R<()> {
        if let Value::Stack(stack) = self.eval(stack)?
            && let Some(parser) = &mut self.parser
        {
            *parser.cursors.entry(stack.id).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Moves the position of a stack that is shifted, or sets it to that of another.
    pub(super) fn move_cursor(&mut self, stack: usize, to: impl FnOnce(&Cursors, usize) -> usize) {
        if let Some(parser) = &mut self.parser {
            let at = parser.cursors.get(&stack).copied().unwrap_or(0);
            let to = to(&parser.cursors, at);
            parser.cursors.insert(stack, to);
        }
    }

    // ------------------------------------------------------------------------------- states

    /// Fills a state with steps; where they branch, further states are made.
    fn parser_state(&mut self, id: StateId, steps: &[Step], next: Transition) -> R<()> {
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
            _ => {
                return Err(error(
                    codes::UNSUPPORTED,
                    Span::default(),
                    "state and tables cannot be used in a parser",
                ));
            }
        });
        Ok(())
    }

    /// Joins each state to the one before it where that is the only way to it and it does not bear a name of
    /// the program's own.
    fn join_states(&mut self) {
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
    fn refuse_idle_loops(&mut self, span: Span) -> R<()> {
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
                crate::Diagnostic::error(
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

/// Statements and then `then`; `then` itself if there are none.
fn rest_of<'a>(
    stmts: &'a [Stmt],
    block: &Rc<BlockInstance<'a>>,
    then: &Rc<Point<'a>>,
    joins: bool,
) -> Rc<Point<'a>> {
    if stmts.is_empty() && !joins {
        return then.clone();
    }
    Rc::new(Point::Rest {
        stmts,
        block: block.clone(),
        then: then.clone(),
        joins,
    })
}

/// To the first target if the condition holds, else to the second.
fn two_ways(cond: Expr, yes: ParseTarget, no: ParseTarget) -> Transition {
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

/// Whether statements only assign: they can be translated without leaving the state.
fn plain(stmts: &[Stmt]) -> bool {
    let uses = Uses::of(stmts);
    uses.functions.is_empty() && uses.applied.is_empty() && uses.cursors == 0
}

/// The call of a parser's `apply`, if it is one.
fn applied(call: &Typed) -> Option<(&Typed, &typed::Call)> {
    match &call.kind {
        ExprKind::Call(call) => match &call.callee {
            Callee::Apply { block } => Some((block, call)),
            _ => None,
        },
        _ => None,
    }
}

fn successors(next: &typed::Transition) -> Vec<usize> {
    let index = |target: &Target| match target {
        Target::State(index) => Some(*index as usize),
        Target::Accept | Target::Reject => None,
    };
    match next {
        typed::Transition::Goto(target) => index(target).into_iter().collect(),
        typed::Transition::Select { cases, .. } => cases
            .iter()
            .filter_map(|case| index(&case.target))
            .collect(),
    }
}

/// Expressions whose `next`, `last` or `lastIndex` is taken.
#[derive(Default)]
struct Bases<'a> {
    exprs: Vec<&'a Typed>,
    /// Something is called that may do so, too.
    unknown: bool,
}

impl<'a> Bases<'a> {
    fn stmts(&mut self, stmts: &'a [Stmt]) {
        stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &'a Stmt) {
        match &stmt.kind {
            StmtKind::Block(stmts) => self.stmts(stmts),
            StmtKind::Var(_, value) => value.iter().for_each(|value| self.expr(value)),
            StmtKind::Assign { target, value, .. } => {
                self.expr(target);
                self.expr(value);
            }
            StmtKind::Call(call) => self.expr(call),
            StmtKind::If(cond, a, b) => {
                self.expr(cond);
                self.stmts(a);
                self.stmts(b);
            }
            _ => self.unknown = true,
        }
    }

    fn transition(&mut self, next: &'a typed::Transition) {
        if let typed::Transition::Select { keys, .. } = next {
            keys.iter().for_each(|key| self.expr(key));
        }
    }

    fn expr(&mut self, expr: &'a Typed) {
        match &expr.kind {
            ExprKind::Next(base) | ExprKind::Last(base) | ExprKind::LastIndex(base) => {
                self.exprs.push(base);
            }
            ExprKind::Aggregate(parts) => parts.iter().for_each(|part| self.expr(part)),
            ExprKind::Unary(_, e)
            | ExprKind::Cast(e)
            | ExprKind::Field(e, _)
            | ExprKind::Element(e, _)
            | ExprKind::Slice(e, _, _) => self.expr(e),
            ExprKind::Binary(_, a, b)
            | ExprKind::Index(a, b)
            | ExprKind::SliceAt { base: a, lo: b, .. } => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Ternary(c, a, b) => {
                self.expr(c);
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Call(call) => {
                // What is called may be given a stack.
                self.unknown |= matches!(call.callee, Callee::Apply { .. });
                let stacks = call.args.iter().filter_map(|arg| arg.value.as_ref());
                for arg in stacks {
                    self.unknown |= matches!(call.callee, Callee::Function(_))
                        && !matches!(
                            arg.ty,
                            typed::Type::Bit(_) | typed::Type::Bool | typed::Type::Error
                        );
                    self.expr(arg);
                }
            }
            _ => {}
        }
    }
}

fn outside(span: Span) -> Box<crate::Diagnostic> {
    // In a parser it becomes the error StackOutOfBounds.
    error(codes::STACK_BOUNDS, span, "outside the stack")
}
