//! Statements.

use std::collections::BTreeSet;

use num_bigint::BigInt;
use trisect_ir::{ActionId as IrAction, Expr, LValue, Op};

use super::known::Known;
use super::ops::{fold, is_truth, to_bits};
use super::step::{Label, Step, Then, branch, writes};
use super::value::{Footprint, Value};
use super::{Elab, R, error};
use crate::ast;
use crate::typed::{ActionId, Case, Expr as Typed, ExprKind, Stmt, StmtKind, TableId, Type, VarId};
use crate::{Diagnostic, Span, codes};

/// The most turns of one loop that are unrolled.
const MAX_TURNS: usize = 4096;

impl<'a> Elab<'a> {
    /// Statements in order. One that is wrong does not hide errors in those behind.
    pub(super) fn statements(&mut self, stmts: &'a [Stmt]) -> R<()> {
        for stmt in stmts {
            let result = self.statement(stmt);
            self.keep(result);
        }
        Ok(())
    }

    /// One statement.
    pub(super) fn statement(&mut self, stmt: &'a Stmt) -> R<()> {
        self.enter(stmt.span)?;
        let result = self.statement_kind(stmt);
        self.leave();
        result
    }

    fn statement_kind(&mut self, stmt: &'a Stmt) -> R<()> {
        let span = stmt.span;
        self.spend(1)?;
        match &stmt.kind {
            StmtKind::Block(stmts) => self.statements(stmts),
            StmtKind::Var(id, init) => {
                let again = self.parser.is_some() || !self.loops.is_empty();
                self.declare(*id, init.as_ref(), again)
            }
            StmtKind::Instance(id) => {
                self.instance(*id, span)?;
                Ok(())
            }
            StmtKind::Assign { target, op, value } => self.assignment(target, *op, value, span),
            StmtKind::Call(call) => {
                let value = self.eval(call)?;
                // Looking ahead may fail, also if nobody wants what is there.
                if self.footprint(&value).packet && !matches!(value, Value::Packet) {
                    let ty = self.ty(&call.ty);
                    self.snapshot(value, &ty, span)?;
                }
                Ok(())
            }
            StmtKind::If(cond, a, b) => self.if_statement(cond, a, b),
            StmtKind::SwitchAction { table, cases } => self.switch_action(*table, cases, span),
            StmtKind::SwitchValue { on, cases } => self.switch_value(on, cases),
            StmtKind::For {
                init,
                cond,
                update,
                body,
            } => {
                self.statements(init)?;
                self.for_loop(cond, update, body, span)
            }
            StmtKind::ForRange { var, lo, hi, body } => self.range_loop(*var, (lo, hi), body, span),
            StmtKind::ForEach {
                var,
                collection,
                body,
            } => self.each_loop(*var, collection, body, span),
            StmtKind::Return(value) => self.return_statement(value.as_ref(), span),
            StmtKind::Exit => {
                self.out.push(Step::Exit);
                Ok(())
            }
            StmtKind::Break | StmtKind::Continue => {
                let Some((to_break, to_continue)) = self.loops.last().copied() else {
                    return Err(error(
                        codes::MISPLACED,
                        span,
                        "there is no loop around this",
                    ));
                };
                self.out.push(Step::Leave(match stmt.kind {
                    StmtKind::Break => to_break,
                    _ => to_continue,
                }));
                Ok(())
            }
        }
    }

    /// `target = value`: first the target is found, then the value computed (specification 11.1).
    fn assignment(
        &mut self,
        target: &'a Typed,
        op: Option<ast::BinOp>,
        value: &'a Typed,
        span: Span,
    ) -> R<()> {
        let ty = self.ty(&target.ty);
        let place = self.eval(target)?;
        let found = match op {
            None => self.eval(value)?,
            Some(op) => {
                // The old value is read before the right operand is computed.
                let (steps, right) = self.collect(|e| e.eval(value))?;
                let mut left = place.clone();
                if !steps.is_empty() {
                    left = self.snapshot(left, &ty, span)?;
                }
                self.out.extend(steps);
                let right_ty = self.ty(&value.ty);
                self.binary(op, (&left, &ty), (&right, &right_ty), span)?
            }
        };
        if matches!(found, Value::Unit) {
            return Err(Box::new(
                Diagnostic::error(codes::TYPE, value.span, "this call gives no value")
                    .with_note("what it would tell is known only when the packet has gone"),
            ));
        }
        self.assign_whole(&place, found, &ty, value.span)
    }

    fn return_statement(&mut self, value: Option<&'a Typed>, span: Span) -> R<()> {
        let mut frame = self.frame.clone();
        let (label, result) = loop {
            match (&frame.result, &frame.parent) {
                (Some(found), _) => break found.clone(),
                (None, Some(parent)) => frame = parent.clone(),
                (None, None) => {
                    return Err(error(
                        codes::MISPLACED,
                        span,
                        "there is nothing to return to",
                    ));
                }
            }
        };
        if let Some(value) = value {
            let ty = self.ty(&value.ty);
            let found = self.eval(value)?;
            self.assign_whole(&result, found, &ty, value.span)?;
        }
        self.out.push(Step::Leave(label));
        Ok(())
    }

    // ---------------------------------------------------------------------------- conditions

    fn if_statement(&mut self, cond: &'a Typed, a: &'a [Stmt], b: &'a [Stmt]) -> R<()> {
        if let Some((table, hit)) = outcome(cond) {
            let (a, ()) = self.collect(|e| e.statements(a))?;
            let (b, ()) = self.collect(|e| e.statements(b))?;
            let then = match hit {
                true => Then::HitMiss(a, b),
                false => Then::HitMiss(b, a),
            };
            return self.apply_table(table, then, cond.span);
        }
        let condition = self.condition(cond)?;
        // A branch that is never taken is left out, what it declares included.
        let (a, ()) = match is_truth(&condition, false) {
            true => (Vec::new(), ()),
            false => self.collect(|e| e.statements(a))?,
        };
        let (b, ()) = match is_truth(&condition, true) {
            true => (Vec::new(), ()),
            false => self.collect(|e| e.statements(b))?,
        };
        match &condition {
            Expr::Const(known) => self.out.extend(if known.is_zero() { b } else { a }),
            _ => self.out.push(Step::If(condition, a, b)),
        }
        Ok(())
    }

    fn switch_action(&mut self, table: TableId, cases: &'a [Case<ActionId>], span: Span) -> R<()> {
        let def = self.table(table, span)?;
        let mut arms: Vec<(Vec<IrAction>, Vec<Step>)> = Vec::new();
        let mut default = Vec::new();
        for case in cases {
            let (steps, ()) = self.collect(|e| e.statements(&case.body))?;
            if case.labels.iter().any(Option::is_none) {
                // Labels beside `default` lead to the same block, which all others do, too.
                default = steps.clone();
            }
            let labels: Vec<IrAction> = case
                .labels
                .iter()
                .flatten()
                .flat_map(|action| def.actions.iter().filter(move |a| a.source == *action))
                .map(|action| action.id)
                .collect();
            if !labels.is_empty() {
                arms.push((labels, steps));
            }
        }
        self.apply_table(table, Then::Action(arms, default), span)
    }

    fn switch_value(&mut self, on: &'a Typed, cases: &'a [Case<Typed>]) -> R<()> {
        let ty = self.ty(&on.ty);
        let value = self.eval(on)?;
        // Evaluated once, as the branches may change what it was computed from.
        let value = match &value {
            Value::Bits(Expr::Const(_)) => value,
            _ => {
                let width = self.width(&ty).unwrap_or(0);
                if width == 0 {
                    self.snapshot(value, &ty, on.span)?
                } else {
                    let expr = self.scalar(&value, on.span)?;
                    let meta = self.temporary("switch", width);
                    self.emit(Op::Set(LValue::meta(meta), expr));
                    Value::Bits(Expr::Meta(meta))
                }
            }
        };
        let mut arms: Vec<(Expr, Vec<Step>)> = Vec::new();
        let mut default = Vec::new();
        for case in cases {
            let mut test: Option<Expr> = None;
            for label in case.labels.iter().flatten() {
                let label_value = self.eval(label)?;
                let equal = self.equal(&value, &label_value, &ty, label.span)?;
                test = Some(match test {
                    Some(before) => fold(trisect_ir::BinOp::Or, before, equal),
                    None => equal,
                });
            }
            let (steps, ()) = self.collect(|e| e.statements(&case.body))?;
            if case.labels.iter().any(Option::is_none) {
                default = steps.clone();
            }
            // Where the default stands first, other labels of its group are all the same.
            if let (Some(test), true) = (test, case.labels.iter().all(Option::is_some)) {
                arms.push((test, steps));
            }
        }
        let chain = arms.into_iter().rev().fold(default, |rest, (test, steps)| {
            branch_keeping(test, steps, rest)
        });
        self.out.extend(chain);
        Ok(())
    }

    // --------------------------------------------------------------------------------- loops

    /// One turn: the body, in which `continue` goes to its end.
    fn turn(&mut self, to_break: Label, body: &'a [Stmt]) -> R<Step> {
        let to_continue = self.new_label();
        self.loops.push((to_break, to_continue));
        let result = self.collect(|e| e.statements(body));
        self.loops.pop();
        let (steps, ()) = result?;
        Ok(Step::Scope {
            label: to_continue,
            steps,
            ending: Vec::new(),
            catches_exit: false,
        })
    }

    /// Closes a loop: `break` goes to its end.
    fn close_loop(&mut self, to_break: Label, steps: Vec<Step>) {
        self.out.push(Step::Scope {
            label: to_break,
            steps,
            ending: Vec::new(),
            catches_exit: false,
        });
    }

    /// `for (init; cond; update) body`, unrolled. Variables of known value are followed, so that a loop whose
    /// bounds are known ends where its condition does.
    fn for_loop(
        &mut self,
        cond: &'a Typed,
        update: &'a [Stmt],
        body: &'a [Stmt],
        span: Span,
    ) -> R<()> {
        let to_break = self.new_label();
        let outer = std::mem::take(&mut self.out);
        let known = Known::of(&outer);
        let result = self.turns(cond, update, body, known, to_break, span);
        let steps = std::mem::replace(&mut self.out, outer);
        result?;
        self.close_loop(to_break, steps);
        Ok(())
    }

    fn turns(
        &mut self,
        cond: &'a Typed,
        update: &'a [Stmt],
        body: &'a [Stmt],
        mut known: Known,
        to_break: Label,
        span: Span,
    ) -> R<()> {
        let mut seen = BTreeSet::new();
        let mut written = Footprint::default();
        for _ in 0..MAX_TURNS {
            let at = self.out.len();
            let condition = self.condition(cond)?;
            known.run(&self.out[at..]);
            // Where the known part of what the condition reads comes again, and the rest never changes, a
            // packet that is still here would be for ever: nothing has to be said about it.
            let mut rest = Footprint::default();
            rest.reads(&condition);
            let values = known.part(&mut rest);
            if !rest.meets(&written) && !seen.insert(values) {
                return Ok(());
            }
            let condition = known.value(&condition);
            if is_truth(&condition, false) {
                return Ok(());
            }
            if !is_truth(&condition, true) {
                self.out
                    .push(Step::If(condition, Vec::new(), vec![Step::Leave(to_break)]));
            }
            let turned = self.out.len();
            let turn = self.turn(to_break, body)?;
            self.out.push(turn);
            self.statements(update)?;
            written.add(writes(&self.out[at..]));
            if !known.run(&self.out[turned..]) {
                return Ok(());
            }
        }
        Err(too_many_turns(span))
    }

    /// `for (T x in lo .. hi) body`
    fn range_loop(
        &mut self,
        var: VarId,
        (lo, hi): (&'a Typed, &'a Typed),
        body: &'a [Stmt],
        span: Span,
    ) -> R<()> {
        let ty = self.ty(&self.tree.vars[var].ty);
        let bounds = self.sequence_of(&[lo, hi])?;
        let [first, last] = bounds.as_slice() else {
            return Err(error(codes::TYPE, span, "a range has two ends"));
        };
        let known = (
            self.number(first, &self.ty(&lo.ty), lo.span).ok(),
            self.number(last, &self.ty(&hi.ty), hi.span).ok(),
        );
        let to_break = self.new_label();
        let outer = std::mem::take(&mut self.out);
        let result = match known {
            (Some(first), Some(last)) => {
                self.known_range(var, &ty, (first, last), to_break, body, span)
            }
            _ => {
                let (first, last) = (first.clone(), last.clone());
                self.open_range(var, &ty, (first, last), to_break, body, span)
            }
        };
        let steps = std::mem::replace(&mut self.out, outer);
        result?;
        self.close_loop(to_break, steps);
        Ok(())
    }

    fn known_range(
        &mut self,
        var: VarId,
        ty: &Type,
        (first, last): (BigInt, BigInt),
        to_break: Label,
        body: &'a [Stmt],
        span: Span,
    ) -> R<()> {
        if &last - &first > BigInt::from(MAX_TURNS) {
            return Err(too_many_turns(span));
        }
        let mut at = first;
        while at <= last {
            let value = match self.width(ty) {
                Some(0) => Value::Empty,
                Some(width) => Value::Bits(Expr::Const(to_bits(&at, width))),
                None => Value::Int(at.clone()),
            };
            self.set_loop_variable(var, value, ty, span)?;
            let turn = self.turn(to_break, body)?;
            self.out.push(turn);
            at += 1;
        }
        Ok(())
    }

    /// Bounds that are known at run time only: as many turns as the variable's type allows.
    fn open_range(
        &mut self,
        var: VarId,
        ty: &Type,
        (first, last): (Value<'a>, Value<'a>),
        to_break: Label,
        body: &'a [Stmt],
        span: Span,
    ) -> R<()> {
        let width = self.width_of(ty, span)?;
        if width >= 32 || (1usize << width) > MAX_TURNS {
            return Err(too_many_turns(span));
        }
        let signed = self.is_signed(ty);
        let le = super::ops::operator(ast::BinOp::Le, signed, span)?;
        let first = self.scalar(&first, span)?;
        let last = self.scalar(&last, span)?;
        let (counter, end) = (self.temporary("turn", width), self.temporary("last", width));
        self.emit(Op::Set(LValue::meta(counter), first));
        self.emit(Op::Set(LValue::meta(end), last));
        let (at, end) = (Expr::Meta(counter), Expr::Meta(end));
        for turn in 0..1usize << width {
            // Behind the last value the counter would wrap.
            let goes_on = match turn {
                0 => fold(le, at.clone(), end.clone()),
                _ => Expr::binary(trisect_ir::BinOp::Ne, at.clone(), end.clone()),
            };
            self.out
                .push(Step::If(goes_on, Vec::new(), vec![Step::Leave(to_break)]));
            if turn > 0 {
                let next = Expr::binary(trisect_ir::BinOp::Add, at.clone(), Expr::num(width, 1));
                self.emit(Op::Set(LValue::meta(counter), next));
            }
            self.set_loop_variable(var, Value::Bits(at.clone()), ty, span)?;
            let step = self.turn(to_break, body)?;
            self.out.push(step);
        }
        Ok(())
    }

    /// `for (T x in collection) body`
    fn each_loop(
        &mut self,
        var: VarId,
        collection: &'a Typed,
        body: &'a [Stmt],
        span: Span,
    ) -> R<()> {
        let ty = self.ty(&self.tree.vars[var].ty);
        let all_ty = self.ty(&collection.ty);
        let value = self.eval(collection)?;
        // The collection is evaluated once: what the body changes in it is not seen.
        let value = self.snapshot(value, &all_ty, span)?;
        let elems: Vec<Value<'a>> = match &value {
            Value::Fields(elems) => elems.to_vec(),
            Value::Stack(stack) => stack.elems.clone(),
            _ => return Err(error(codes::TYPE, span, "this cannot be gone through")),
        };
        if elems.len() > MAX_TURNS {
            return Err(too_many_turns(span));
        }
        let to_break = self.new_label();
        let outer = std::mem::take(&mut self.out);
        let result: R<()> = elems.into_iter().try_for_each(|elem| {
            self.set_loop_variable(var, elem, &ty, span)?;
            let turn = self.turn(to_break, body)?;
            self.out.push(turn);
            Ok(())
        });
        let steps = std::mem::replace(&mut self.out, outer);
        result?;
        self.close_loop(to_break, steps);
        Ok(())
    }

    /// Gives the loop variable its value: the variable is new, or one that was there.
    fn set_loop_variable(&mut self, var: VarId, value: Value<'a>, ty: &Type, span: Span) -> R<()> {
        let storage = match self.frame.var(var) {
            Some(known) => known,
            None => {
                let name = self.local_name(&self.tree.vars[var].name);
                let storage = self.storage(ty, &name, span)?;
                self.frame.bind(var, storage.clone());
                storage
            }
        };
        self.assign(&storage, &value, span)
    }
}

/// The condition as an outcome of a look-up: `t.apply().hit`, `!t.apply().miss` and so on; true for a hit.
fn outcome(cond: &Typed) -> Option<(TableId, bool)> {
    match &cond.kind {
        ExprKind::Unary(ast::UnOp::Not, inner) => outcome(inner).map(|(table, hit)| (table, !hit)),
        ExprKind::Hit { table, miss } => Some((*table, !miss)),
        _ => None,
    }
}

/// As [`branch`], but a block that is empty keeps its place.
fn branch_keeping(cond: Expr, a: Vec<Step>, b: Vec<Step>) -> Vec<Step> {
    match &cond {
        Expr::Const(_) => branch(cond, a, b),
        _ => vec![Step::If(cond, a, b)],
    }
}

fn too_many_turns(span: Span) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(
            codes::TOO_LARGE,
            span,
            format!("this loop may have more than {MAX_TURNS} turns"),
        )
        .with_note("loops are unrolled, as no device that packets pass through has them")
        .with_help(
            "give the loop bounds that are known at compile time, or a variable of few bits",
        ),
    )
}
