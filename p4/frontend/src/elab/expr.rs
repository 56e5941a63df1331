//! Expressions: their values, and what they do on the way, in the order of the specification (6.8, 8.1).

use std::rc::Rc;

use trisect_ir::{BinOp, Expr, LValue, Op};

use super::ops::{Integer, complement, fold, integer_binary, mux, negate, operator, resize, truth};
use super::step::{Step, Then, branch, writes};
use super::value::{Footprint, Value};
use super::{Elab, R, bytes_read, error, unsupported};
use crate::ast;
use crate::typed::{self, Expr as Typed, ExprKind, Type};
use crate::{Span, codes};

/// The widest result of an expression, in bits (the IR's limit).
const MAX_WIDTH: u32 = trisect_ir::verify::MAX_WIDTH;

impl<'a> Elab<'a> {
    /// The value of an expression. What it does on the way (calls, look-ups) is appended to the steps. A
    /// place is not read yet: who goes on evaluating before using it takes [`Self::sequence`].
    pub(super) fn eval(&mut self, expr: &'a Typed) -> R<Value<'a>> {
        self.enter(expr.span)?;
        let result = self.eval_kind(expr);
        self.leave();
        result
    }

    fn eval_kind(&mut self, expr: &'a Typed) -> R<Value<'a>> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Const(value) => {
                let ty = self.ty(&expr.ty);
                self.constant(value, &ty, span)
            }
            ExprKind::Var(id) => self.variable(*id, span),
            ExprKind::Instance(id) => self.instance(*id, span),
            ExprKind::This => {
                self.frame.this.clone().ok_or_else(|| {
                    error(codes::MISPLACED, span, "`this` stands outside of a method")
                })
            }
            ExprKind::Aggregate(parts) => {
                let values = self.sequence(parts)?;
                let ty = self.ty(&expr.ty);
                Ok(match self.tree.base(&ty) {
                    Type::Header(..) => Value::Made(Rc::new(values)),
                    _ => Value::Fields(Rc::new(values)),
                })
            }
            ExprKind::Invalid => Ok(Value::Invalid),
            ExprKind::Default => {
                let ty = self.ty(&expr.ty);
                self.default_value(&ty, span)
            }
            ExprKind::Unary(op, inner) => {
                let value = self.eval(inner)?;
                self.unary(*op, value, span)
            }
            ExprKind::Binary(op, lhs, rhs) => self.binary_expr(*op, lhs, rhs, span),
            ExprKind::Ternary(cond, a, b) => {
                let ty = self.ty(&expr.ty);
                self.ternary(cond, a, b, &ty, span)
            }
            ExprKind::Cast(inner) => {
                let value = self.eval(inner)?;
                let (from, to) = (self.ty(&inner.ty), self.ty(&expr.ty));
                self.cast(value, &from, &to, span)
            }
            ExprKind::Field(base, index) => {
                let value = self.eval(base)?;
                let ty = self.ty(&base.ty);
                self.member(&value, &ty, *index, span)
            }
            ExprKind::Element(base, index) => {
                let value = self.eval(base)?;
                let ty = self.ty(&base.ty);
                self.member(&value, &ty, *index, span)
            }
            ExprKind::Index(base, index) => self.index(base, index, span),
            ExprKind::Slice(base, hi, lo) => {
                let value = self.eval(base)?;
                let ty = self.ty(&base.ty);
                self.slice_value(&value, &ty, *hi, *lo, span)
            }
            ExprKind::SliceAt { base, lo, width } => self.slice_at(base, lo, *width, span),
            ExprKind::Next(stack) => self.stack_next(stack, span),
            ExprKind::Last(stack) => self.stack_last(stack, span),
            ExprKind::LastIndex(stack) => self.stack_last_index(stack, span),
            ExprKind::Hit { table, miss } => self.hit(*table, *miss, span),
            ExprKind::Call(call) => {
                let ty = self.ty(&expr.ty);
                self.call(call, &ty, span)
            }
        }
    }

    /// What a variable stands for.
    fn variable(&mut self, id: typed::VarId, span: Span) -> R<Value<'a>> {
        if let Some(value) = self.frame.var(id) {
            return Ok(value);
        }
        let tree = self.tree;
        match &tree.vars[id].kind {
            typed::VarKind::Const(value) => self.eval(value),
            // Its declaration was refused.
            _ => Err(error(super::FOLLOWS, span, "follows from an error before")),
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self, expr: &'a Typed) -> R<Expr> {
        let value = self.eval(expr)?;
        self.scalar(&value, expr.span)
    }

    /// A scalar of an expression that stands alone.
    pub(super) fn eval_scalar(&mut self, expr: &'a Typed) -> R<Expr> {
        let value = self.eval(expr)?;
        self.scalar(&value, expr.span)
    }

    /// Values of expressions that are evaluated one after the other: what a later one changes is read
    /// before it.
    pub(super) fn sequence(&mut self, exprs: &'a [Typed]) -> R<Vec<Value<'a>>> {
        let exprs: Vec<&'a Typed> = exprs.iter().collect();
        self.sequence_of(&exprs)
    }

    /// See [`Self::sequence`].
    pub(super) fn sequence_of(&mut self, exprs: &[&'a Typed]) -> R<Vec<Value<'a>>> {
        let mut evaluated: Vec<(Vec<Step>, Value<'a>)> = Vec::with_capacity(exprs.len());
        for expr in exprs {
            evaluated.push(self.collect(|e| e.eval(expr))?);
        }
        let behind = writes_behind(evaluated.iter().map(|(steps, _)| steps.as_slice()));
        let mut values = Vec::with_capacity(exprs.len());
        for (((steps, value), expr), later) in evaluated.into_iter().zip(exprs).zip(behind) {
            self.out.extend(steps);
            values.push(match later {
                Some(later) if later.meets(&self.footprint(&value)) => {
                    let ty = self.ty(&expr.ty);
                    self.snapshot(value, &ty, expr.span)?
                }
                _ => value,
            });
        }
        Ok(values)
    }

    // ---------------------------------------------------------------------------- operators

    pub(super) fn unary(&mut self, op: ast::UnOp, value: Value<'a>, span: Span) -> R<Value<'a>> {
        match (&value, op) {
            (_, ast::UnOp::Plus) | (Value::Empty, _) => return Ok(value),
            (Value::Int(number), ast::UnOp::Neg) => return Ok(Value::Int(-number)),
            (Value::Int(number), ast::UnOp::BitNot) => return Ok(Value::Int(-number - 1)),
            _ => {}
        }
        let expr = self.scalar(&value, span)?;
        Ok(Value::Bits(match op {
            ast::UnOp::Neg => negate(expr),
            _ => complement(expr),
        }))
    }

    fn binary_expr(
        &mut self,
        op: ast::BinOp,
        lhs: &'a Typed,
        rhs: &'a Typed,
        span: Span,
    ) -> R<Value<'a>> {
        if matches!(op, ast::BinOp::And | ast::BinOp::Or) {
            return self.short_circuit(op, lhs, rhs);
        }
        let values = self.sequence_of(&[lhs, rhs])?;
        let [left, right] = values.as_slice() else {
            return Err(error(codes::TYPE, span, "this operator takes two operands"));
        };
        let (left_ty, right_ty) = (self.ty(&lhs.ty), self.ty(&rhs.ty));
        self.binary(op, (left, &left_ty), (right, &right_ty), span)
    }

    /// A binary operation on values that are evaluated.
    pub(super) fn binary(
        &mut self,
        op: ast::BinOp,
        (left, left_ty): (&Value<'a>, &Type),
        (right, right_ty): (&Value<'a>, &Type),
        span: Span,
    ) -> R<Value<'a>> {
        use ast::BinOp as B;
        if let (Value::Int(a), Value::Int(b)) = (left, right) {
            return Ok(match integer_binary(op, a, b, span)? {
                Integer::Number(number) => Value::Int(number),
                Integer::Truth(value) => Value::Bits(truth(value)),
            });
        }
        match op {
            B::Eq => return Ok(Value::Bits(self.equal(left, right, left_ty, span)?)),
            B::Ne => {
                let equal = self.equal(left, right, left_ty, span)?;
                return Ok(Value::Bits(match equal {
                    Expr::Binary(BinOp::Eq, a, b) => Expr::Binary(BinOp::Ne, a, b),
                    other => complement(other),
                }));
            }
            B::Concat => return self.concat(left, right, span),
            B::Shl | B::Shr => return self.shift(op, (left, left_ty), (right, right_ty), span),
            _ => {}
        }
        let signed = self.is_signed(left_ty);
        let op = operator(op, signed, span)?;
        if let (Value::Empty, _) | (_, Value::Empty) = (left, right) {
            // All values of bit<0> are the same.
            return Ok(match op.is_comparison() {
                true => Value::Bits(truth(matches!(op, BinOp::Le | BinOp::Ge))),
                false => Value::Empty,
            });
        }
        let (left, right) = (self.scalar(left, span)?, self.scalar(right, span)?);
        Ok(Value::Bits(fold(op, left, right)))
    }

    fn concat(&mut self, left: &Value<'a>, right: &Value<'a>, span: Span) -> R<Value<'a>> {
        let (left, right) = match (left, right) {
            (Value::Empty, other) | (other, Value::Empty) => return Ok(other.clone()),
            (left, right) => (self.scalar(left, span)?, self.scalar(right, span)?),
        };
        if self.width_in(&left).saturating_add(self.width_in(&right)) > MAX_WIDTH {
            let message = format!("a value of more than {MAX_WIDTH} bits");
            return Err(unsupported(span, message));
        }
        Ok(Value::Bits(match (left, right) {
            (Expr::Const(a), Expr::Const(b)) => Expr::Const(a.concat(&b)),
            (a, b) => Expr::Concat(vec![a, b]),
        }))
    }

    fn shift(
        &mut self,
        op: ast::BinOp,
        (left, left_ty): (&Value<'a>, &Type),
        (right, right_ty): (&Value<'a>, &Type),
        span: Span,
    ) -> R<Value<'a>> {
        if matches!(left, Value::Empty) || matches!(right, Value::Empty) {
            return Ok(left.clone());
        }
        let op = operator(op, self.is_signed(left_ty), span)?;
        if let Value::Int(number) = left {
            // The amount must be known, too, and then check would have computed it.
            let amount = self.number(right, right_ty, span)?;
            let op = if op == BinOp::Shl {
                ast::BinOp::Shl
            } else {
                ast::BinOp::Shr
            };
            return match integer_binary(op, number, &amount, span)? {
                Integer::Number(number) => Ok(Value::Int(number)),
                Integer::Truth(value) => Ok(Value::Bits(truth(value))),
            };
        }
        let left = self.scalar(left, span)?;
        let right = match right {
            Value::Int(count) => {
                // More than all bits are as many as all bits.
                let all = num_bigint::BigInt::from(u32::MAX);
                Expr::Const(super::ops::to_bits(count.min(&all), 32))
            }
            other => self.scalar(other, span)?,
        };
        Ok(Value::Bits(fold(op, left, right)))
    }

    /// `a && b`, `a || b`: `b` is evaluated only if `a` does not decide.
    fn short_circuit(&mut self, op: ast::BinOp, lhs: &'a Typed, rhs: &'a Typed) -> R<Value<'a>> {
        let and = op == ast::BinOp::And;
        let left = self.condition(lhs)?;
        if let Expr::Const(known) = &left {
            return match known.is_zero() == and {
                true => Ok(Value::Bits(left)),
                false => self.eval(rhs),
            };
        }
        let (steps, right) = self.collect(|e| e.condition(rhs))?;
        if steps.is_empty() && bytes_read(&right) <= bytes_read(&left) {
            let op = if and { BinOp::And } else { BinOp::Or };
            return Ok(Value::Bits(fold(op, left, right)));
        }
        let result = self.temporary("both", 1);
        self.emit(Op::Set(LValue::meta(result), left));
        let (right_steps, ()) = self.collect(|e| {
            e.out.extend(steps);
            e.emit(Op::Set(LValue::meta(result), right));
            Ok(())
        })?;
        let (then, otherwise) = match and {
            true => (right_steps, Vec::new()),
            false => (Vec::new(), right_steps),
        };
        self.out.extend(branch(Expr::Meta(result), then, otherwise));
        Ok(Value::Bits(Expr::Meta(result)))
    }

    fn ternary(
        &mut self,
        cond: &'a Typed,
        a: &'a Typed,
        b: &'a Typed,
        ty: &Type,
        span: Span,
    ) -> R<Value<'a>> {
        let condition = self.condition(cond)?;
        if let Expr::Const(known) = &condition {
            return self.eval(if known.is_zero() { b } else { a });
        }
        let (a_steps, a_value) = self.collect(|e| e.eval(a))?;
        let (b_steps, b_value) = self.collect(|e| e.eval(b))?;
        let plain = a_steps.is_empty() && b_steps.is_empty();
        match self.width(ty) {
            Some(0) if plain => return Ok(Value::Empty),
            Some(_) if plain => {
                let a = self.scalar(&a_value, a.span)?;
                let b = self.scalar(&b_value, b.span)?;
                if bytes_read(&a).max(bytes_read(&b)) <= bytes_read(&condition) {
                    return Ok(Value::Bits(mux(condition, a, b)));
                }
            }
            _ => {}
        }
        if matches!(self.tree.base(ty), Type::Integer) {
            return Err(error(
                codes::NOT_CONSTANT,
                span,
                "an integer without width must be known at compile time",
            ));
        }
        let name = self.local_name("choice");
        let storage = self.storage(ty, &name, span)?;
        let (then, ()) = self.collect(|e| {
            e.out.extend(a_steps);
            e.assign(&storage, &a_value, span)
        })?;
        let (otherwise, ()) = self.collect(|e| {
            e.out.extend(b_steps);
            e.assign(&storage, &b_value, span)
        })?;
        self.out.extend(branch(condition, then, otherwise));
        Ok(storage)
    }

    // -------------------------------------------------------------------------- conversions

    /// A conversion (specification 8.12).
    pub(super) fn cast(
        &mut self,
        value: Value<'a>,
        from: &Type,
        to: &Type,
        span: Span,
    ) -> R<Value<'a>> {
        let target = self.tree.base(to);
        if let Some(width) = self.width(to) {
            let expr = match &value {
                _ if width == 0 => return Ok(Value::Empty),
                Value::Empty => return Ok(Value::Bits(Expr::num(width, 0))),
                Value::Int(number) if *target == Type::Bool => {
                    truth(number.sign() != num_bigint::Sign::NoSign)
                }
                Value::Int(number) => Expr::Const(super::ops::to_bits(number, width)),
                other if self.width(from) == Some(width) => {
                    // Another reading of the same bits: a place stays one.
                    return Ok(other.clone());
                }
                other => {
                    let expr = self.scalar(other, span)?;
                    let found = self.width_in(&expr);
                    resize(expr, found, width, self.is_signed(from))
                }
            };
            return Ok(Value::Bits(expr));
        }
        match (target, &value) {
            (Type::Integer, value) => Ok(Value::Int(self.number(value, from, span)?)),
            (Type::Header(..), Value::Fields(members)) => {
                let members = self.cast_members(members, from, to, span)?;
                Ok(Value::Made(Rc::new(members)))
            }
            (Type::Struct(..) | Type::Tuple(_), Value::Fields(members)) => {
                let members = self.cast_members(members, from, to, span)?;
                Ok(Value::Fields(Rc::new(members)))
            }
            // A struct from a header and the like: the same members.
            (Type::Struct(..) | Type::Tuple(_), Value::Header(header)) => {
                let types = self.members(from).unwrap_or_default();
                let members = self.header_members(header.id, &types, 0);
                Ok(Value::Fields(Rc::new(members)))
            }
            _ => Ok(value),
        }
    }

    fn cast_members(
        &mut self,
        members: &[Value<'a>],
        from: &Type,
        to: &Type,
        span: Span,
    ) -> R<Vec<Value<'a>>> {
        let (from, to) = (
            self.members(from).unwrap_or_default(),
            self.members(to).unwrap_or_default(),
        );
        let mut found = Vec::with_capacity(members.len());
        for (i, member) in members.iter().enumerate() {
            found.push(match (from.get(i), to.get(i)) {
                (Some(from), Some(to)) => self.cast(member.clone(), from, to, span)?,
                _ => member.clone(),
            });
        }
        Ok(found)
    }

    // ------------------------------------------------------------------------------ members

    fn slice_value(
        &mut self,
        value: &Value<'a>,
        ty: &Type,
        hi: u32,
        lo: u32,
        span: Span,
    ) -> R<Value<'a>> {
        if let Value::Int(number) = value {
            let bits = super::ops::to_bits(number, hi.saturating_add(1)).slice(hi, lo);
            return Ok(Value::Bits(Expr::Const(bits)));
        }
        let width = self.width_of(ty, span)?;
        if hi < lo || hi >= width {
            let message = format!("bits {hi} to {lo} are not in `{}`", self.tree.show(ty));
            return Err(error(codes::WIDTH, span, message));
        }
        self.slice_of(value, hi, lo, span)
    }

    /// `base[lo +: width]` with a start that is known at run time only: a choice between all places.
    fn slice_at(&mut self, base: &'a Typed, lo: &'a Typed, width: u32, span: Span) -> R<Value<'a>> {
        let values = self.sequence_of(&[base, lo])?;
        let [value, start] = values.as_slice() else {
            return Err(error(codes::TYPE, span, "a slice has a base and a start"));
        };
        let total = self.width_of(&self.ty(&base.ty), span)?;
        if width == 0 || width > total {
            return Ok(Value::Empty);
        }
        let start = self.run_time_index(start, lo)?;
        let last = total - width;
        let mut parts = Vec::new();
        for at in 0..=last {
            self.spend(1)?;
            parts.push(self.slice_of(value, at + width - 1, at, span)?);
        }
        Ok(match start {
            Ok(at) => parts
                .into_iter()
                .nth(at)
                .unwrap_or(Value::Bits(Expr::num(width, 0))),
            Err(index) => Value::Choice(index, Rc::new(parts)),
        })
    }

    /// An index: a number if it is known, else its value in a variable of its own.
    fn run_time_index(&mut self, value: &Value<'a>, expr: &'a Typed) -> R<Result<usize, Expr>> {
        let known = match value {
            Value::Int(number) => Some(usize::try_from(number).unwrap_or(usize::MAX)),
            Value::Empty => Some(0),
            Value::Bits(Expr::Const(bits)) => Some(
                bits.to_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(usize::MAX),
            ),
            _ => None,
        };
        if let Some(known) = known {
            return Ok(Ok(known));
        }
        let index = self.scalar(value, expr.span)?;
        let width = self.width_in(&index);
        let meta = self.temporary("index", width);
        self.emit(Op::Set(LValue::meta(meta), index));
        Ok(Err(Expr::Meta(meta)))
    }

    /// `base[index]`
    fn index(&mut self, base: &'a Typed, index: &'a Typed, span: Span) -> R<Value<'a>> {
        let values = self.sequence_places(base, index)?;
        let (value, number) = values;
        let at = self.run_time_index(&number, index)?;
        self.element(&value, at, span)
    }

    /// A base whose element is taken, and the index: the base is a place, which an index that has effects
    /// does not change.
    fn sequence_places(&mut self, base: &'a Typed, index: &'a Typed) -> R<(Value<'a>, Value<'a>)> {
        let value = self.eval(base)?;
        let number = self.eval(index)?;
        Ok((value, number))
    }

    fn element(&mut self, value: &Value<'a>, at: Result<usize, Expr>, span: Span) -> R<Value<'a>> {
        let elems: Vec<Value<'a>> = match value {
            Value::Stack(stack) => stack.elems.clone(),
            Value::Fields(elems) => elems.to_vec(),
            Value::Choice(outer, of) => {
                let mut parts = Vec::with_capacity(of.len());
                for value in of.iter() {
                    parts.push(self.element(value, at.clone(), span)?);
                }
                return Ok(Value::Choice(outer.clone(), Rc::new(parts)));
            }
            other => {
                let message = format!("{} has no elements", super::place::kind_of(other));
                return Err(error(codes::TYPE, span, message));
            }
        };
        match at {
            Ok(at) => elems.get(at).cloned().ok_or_else(|| {
                let message = format!("there are {} elements, numbered from 0", elems.len());
                error(codes::STACK_BOUNDS, span, message)
            }),
            Err(index) => {
                self.spend(elems.len())?;
                Ok(Value::Choice(index, Rc::new(elems)))
            }
        }
    }

    /// `t.apply().hit` where it is not the whole condition of an `if`.
    fn hit(&mut self, table: typed::TableId, miss: bool, span: Span) -> R<Value<'a>> {
        let result = self.temporary(if miss { "miss" } else { "hit" }, 1);
        let set = |value: bool| {
            vec![Step::Ops {
                name: None,
                ops: vec![Op::Set(LValue::meta(result), truth(value))],
            }]
        };
        self.apply_table(table, Then::HitMiss(set(!miss), set(miss)), span)?;
        Ok(Value::Bits(Expr::Meta(result)))
    }
}

/// For each of several lists of steps, what those behind it write; `None` if nothing stands there.
pub(super) fn writes_behind<'s>(
    lists: impl DoubleEndedIterator<Item = &'s [Step]>,
) -> Vec<Option<Footprint>> {
    let mut found = Vec::new();
    let mut behind: Option<Footprint> = None;
    for steps in lists.rev() {
        found.push(behind.clone());
        if !steps.is_empty() {
            behind.get_or_insert_default().add(writes(steps));
        }
    }
    found.reverse();
    found
}
