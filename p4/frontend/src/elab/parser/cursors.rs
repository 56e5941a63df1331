//! Positions in header stacks: the element that `next` is, and where in a parser it matters.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trisect_ir::Expr;

use super::{Point, Unroll};
use crate::elab::value::{BlockDef, BlockInstance, Frame, Stack, Value};
use crate::elab::{Elab, R, error, unsupported};
use crate::typed::{self, Callee, Expr as Typed, ExprKind, Stmt, StmtKind, Target};
use crate::{Span, codes};

/// The next element by stack.
pub(in crate::elab) type Cursors = BTreeMap<usize, usize>;

impl<'a> Elab<'a> {
    /// The stacks whose position matters from a point on; `None` if all may.
    pub(super) fn needed(
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
    fn position(&mut self, stack: &'a Typed, span: Span) -> R<(Rc<Stack<'a>>, usize)> {
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

    pub(in crate::elab) fn stack_next(&mut self, stack: &'a Typed, span: Span) -> R<Value<'a>> {
        let (stack, at) = self.position(stack, span)?;
        stack.elems.get(at).cloned().ok_or_else(|| outside(span))
    }

    pub(in crate::elab) fn stack_last(&mut self, stack: &'a Typed, span: Span) -> R<Value<'a>> {
        let (stack, at) = self.position(stack, span)?;
        at.checked_sub(1)
            .and_then(|at| stack.elems.get(at).cloned())
            .ok_or_else(|| outside(span))
    }

    pub(in crate::elab) fn stack_last_index(
        &mut self,
        stack: &'a Typed,
        span: Span,
    ) -> R<Value<'a>> {
        let (_, at) = self.position(stack, span)?;
        let last = (at as u64).wrapping_sub(1) & 0xffff_ffff;
        Ok(Value::Bits(Expr::num(32, last)))
    }

    /// Behind `extract(stack.next)`.
    pub(in crate::elab) fn advance_stack(&mut self, stack: &'a Typed) -> R<()> {
        if let Value::Stack(stack) = self.eval(stack)?
            && let Some(parser) = &mut self.parser
        {
            *parser.cursors.entry(stack.id).or_insert(0) += 1;
        }
        Ok(())
    }

    /// Moves the position of a stack that is shifted, or sets it to that of another.
    pub(in crate::elab) fn move_cursor(
        &mut self,
        stack: usize,
        to: impl FnOnce(&Cursors, usize) -> usize,
    ) {
        if let Some(parser) = &mut self.parser
            && stack != Stack::ARRAY
        {
            let at = parser.cursors.get(&stack).copied().unwrap_or(0);
            let to = to(&parser.cursors, at);
            parser.cursors.insert(stack, to);
        }
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
                return;
            }
            // What is called may be given a stack.
            ExprKind::Call(call) => {
                self.unknown |= match &call.callee {
                    Callee::Apply { .. } => true,
                    Callee::Function(_) => {
                        let mut args = call.args.iter().filter_map(|arg| arg.value.as_ref());
                        args.any(|arg| !is_scalar(&arg.ty))
                    }
                    _ => false,
                };
            }
            _ => {}
        }
        for operand in expr.operands() {
            self.expr(operand);
        }
    }
}

fn is_scalar(ty: &typed::Type) -> bool {
    matches!(
        ty,
        typed::Type::Bit(_) | typed::Type::Bool | typed::Type::Error
    )
}

fn outside(span: Span) -> Box<crate::Diagnostic> {
    // In a parser it becomes the error StackOutOfBounds.
    error(codes::STACK_BOUNDS, span, "outside the stack")
}
