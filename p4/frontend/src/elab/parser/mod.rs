//! Parsers: to the states of the IR.
//!
//! What is still to be done at a place of a parser is a [`Point`]. A state of the IR is made for each point
//! that is reached, and for each position of the stacks that are filled from there on: loops over stacks are
//! unrolled, all others stay loops. A parser that is applied within another is put in place of the call.

mod cursors;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trisect_ir::{Expr, ParseTarget, ParserOp, SelectCase, StateId, Transition};

use super::ops::truth;
use super::step::Step;
use super::value::{BlockDef, BlockInstance, Value};
use super::walk::Uses;
use super::{Elab, R, error, unsupported};
use crate::typed::{self, Callee, Expr as Typed, ExprKind, Stmt, StmtKind, Target};
use crate::{Span, codes};
use cursors::Cursors;
use states::two_ways;

/// `parser_error` code of `StackOutOfBounds` in core.p4's order.
const STACK_OUT_OF_BOUNDS: u8 = 3;
/// States of the IR after which the parser is refused.
const MAX_STATES: usize = 4096;

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
