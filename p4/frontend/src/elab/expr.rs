//! Expressions.

use std::rc::Rc;

use trisect_ir::{BinOp, Bits, Expr, LValue, Op, StdMeta};

use super::ops::{fold, mismatch, to_bits};
use super::types::{EnumType, Type};
use super::value::{Env, Value, similar};
use super::{Elab, R, error, unknown_name, unsupported};
use crate::ast::{self, ExprKind, TypeKind};
use crate::{Diagnostic, Span, codes};

impl<'a> Elab<'a> {
    /// The value of an expression. What it does on the way (method calls, table look-ups) is
    /// appended to the steps. `expected` only helps messages and nested lists.
    pub(super) fn expr(
        &mut self,
        expr: &'a ast::Expr,
        env: &Rc<Env<'a>>,
        expected: Option<&Type>,
    ) -> R<Value<'a>> {
        let span = expr.span;
        match &expr.kind {
            ExprKind::Int(literal) => Ok(int_literal(literal)),
            ExprKind::Bool(value) => Ok(Value::Expr(Type::Bool, Expr::Const(Bits::bool(*value)))),
            ExprKind::Str(text) => Ok(Value::Str(text.clone())),
            ExprKind::Path(path) => self.lookup(env, path),
            ExprKind::Invalid => Ok(Value::Invalid),
            ExprKind::List(items) => {
                let items: R<Vec<_>> = items
                    .iter()
                    .map(|item| Ok((None, self.rvalue(item, env)?)))
                    .collect();
                Ok(Value::List(Rc::new(items?)))
            }
            ExprKind::Struct {
                fields,
                rest: false,
            } => {
                let items: R<Vec<_>> = fields
                    .iter()
                    .map(|f| Ok((Some(f.name.name.clone()), self.rvalue(&f.value, env)?)))
                    .collect();
                Ok(Value::List(Rc::new(items?)))
            }
            ExprKind::Unary { op, expr: inner } => {
                let value = self.expr(inner, env, expected)?;
                self.unary(*op, value, span)
            }
            ExprKind::Binary { op, lhs, rhs } => self.binary_expr(*op, lhs, rhs, env, span),
            ExprKind::Ternary {
                cond,
                then,
                otherwise,
            } => self.ternary(cond, then, otherwise, env, expected),
            ExprKind::Cast { ty, expr: inner } => {
                let ty = self.resolve(ty, env)?;
                let value = self.expr(inner, env, Some(&ty))?;
                self.cast(value, &ty, span)
            }
            ExprKind::Member { base, name } => self.member(base, name, env, span),
            ExprKind::TypeMember { ty, name } => self.type_member(ty, name, env),
            ExprKind::Index { base, index } => self.index(base, index, env, span),
            ExprKind::Slice { base, hi, lo } => {
                let hi = self.bit_number(hi, env)?;
                let lo = self.bit_number(lo, env)?;
                let value = self.expr(base, env, None)?;
                self.slice(value, hi, lo, span)
            }
            ExprKind::PlusSlice { base, lo, width } => {
                let lo = self.bit_number(lo, env)?;
                let width = self.bit_number(width, env)?;
                let value = self.expr(base, env, None)?;
                self.slice(value, (lo + width).saturating_sub(1), lo, span)
            }
            ExprKind::Call {
                callee,
                type_args,
                args,
            } => self.call(callee, type_args, args, env, span),
            ExprKind::Construct { ty, args } => self.construct(ty, args, "", &[], env),
            ExprKind::Struct { rest: true, .. } | ExprKind::Dots => {
                Err(unsupported(span, "`...` in an expression"))
            }
            ExprKind::This => Err(unsupported(span, "`this`")),
            ExprKind::DontCare
            | ExprKind::Default
            | ExprKind::Mask { .. }
            | ExprKind::Range { .. } => Err(error(
                codes::MISPLACED,
                span,
                "a set of values can stand in a select, switch or table entry only",
            )),
        }
    }

    /// An expression's value, read: a later assignment does not change it.
    fn rvalue(&mut self, expr: &'a ast::Expr, env: &Rc<Env<'a>>) -> R<Value<'a>> {
        let value = self.expr(expr, env, None)?;
        match value {
            Value::Slot(..) | Value::Place(..) => {
                let (ty, expr) = self.scalar(value, expr.span)?;
                Ok(Value::Expr(ty, expr))
            }
            other => Ok(other),
        }
    }

    /// A condition.
    pub(super) fn condition(&mut self, expr: &'a ast::Expr, env: &Rc<Env<'a>>) -> R<Expr> {
        let value = self.expr(expr, env, Some(&Type::Bool))?;
        self.scalar_as(value, &Type::Bool, expr.span)
    }

    fn binary_expr(
        &mut self,
        op: ast::BinOp,
        lhs: &'a ast::Expr,
        rhs: &'a ast::Expr,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        if !matches!(op, ast::BinOp::And | ast::BinOp::Or) || self.parser.is_some() {
            let left = self.expr(lhs, env, None)?;
            let right = self.expr(rhs, env, None)?;
            return self.binary(op, (left, lhs.span), (right, rhs.span), span);
        }
        let left = self.condition(lhs, env)?;
        let (steps, right) = self.collect(|e| e.condition(rhs, env))?;
        let ir_op = if op == ast::BinOp::And {
            BinOp::And
        } else {
            BinOp::Or
        };
        if steps.is_empty() {
            return Ok(Value::Expr(Type::Bool, fold(ir_op, left, right)));
        }
        // The right side does something: only if the left side does not decide.
        let result = self.temporary("both", 1);
        self.emit(Op::Set(LValue::meta(result), left));
        let (right_steps, ()) = self.collect(|e| {
            e.out.extend(steps);
            e.emit(Op::Set(LValue::meta(result), right));
            Ok(())
        })?;
        let decided = Expr::Meta(result);
        let (then, otherwise) = if op == ast::BinOp::And {
            (right_steps, Vec::new())
        } else {
            (Vec::new(), right_steps)
        };
        self.out
            .push(super::step::Step::If(decided, then, otherwise));
        Ok(Value::Expr(Type::Bool, Expr::Meta(result)))
    }

    fn ternary(
        &mut self,
        cond: &'a ast::Expr,
        then: &'a ast::Expr,
        otherwise: &'a ast::Expr,
        env: &Rc<Env<'a>>,
        expected: Option<&Type>,
    ) -> R<Value<'a>> {
        let condition = self.condition(cond, env)?;
        let a = self.expr(then, env, expected)?;
        let b = self.expr(otherwise, env, expected)?;
        if let Expr::Const(known) = &condition {
            return Ok(if known.is_zero() { b } else { a });
        }
        let ty = match (self.type_of(&a), self.type_of(&b), expected) {
            (Some(Type::Integer), Some(Type::Integer), Some(ty)) => ty.clone(),
            (Some(Type::Integer), Some(ty), _) | (Some(ty), _, _) => ty,
            _ => return Err(error(codes::TYPE, then.span, "a number is needed here")),
        };
        let a = self.scalar_as(a, &ty, then.span)?;
        let b = self.scalar_as(b, &ty, otherwise.span)?;
        Ok(Value::Expr(
            ty,
            Expr::Mux(Box::new(condition), Box::new(a), Box::new(b)),
        ))
    }

    fn member(
        &mut self,
        base: &'a ast::Expr,
        name: &'a ast::Ident,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        if let Some(def) = self.table_apply(base, env)? {
            return self.apply_result(&def, name, span);
        }
        match self.expr(base, env, None)? {
            Value::Header(ty, header) => {
                let known = ty.fields.iter().map(|(n, _)| n.as_str());
                let ir_ty = self.ir.header_type(header);
                let Some((_, field_ty)) = ty.fields.iter().find(|(n, _)| *n == name.name) else {
                    return Err(no_member(&ty.name, name, known));
                };
                match (field_ty, ir_ty.field(name.as_str())) {
                    (Type::Varbit(_), _) => Ok(Value::Varbit),
                    (_, Some(field)) => {
                        Ok(Value::Place(field_ty.clone(), LValue::field(header, field)))
                    }
                    (Type::Struct(inner), None) => {
                        let fields: Option<Vec<Value<'a>>> = inner
                            .fields
                            .iter()
                            .map(|(n, ty)| {
                                let field = ir_ty.field(&format!("{}.{n}", name.name))?;
                                Some(Value::Place(ty.clone(), LValue::field(header, field)))
                            })
                            .collect();
                        match fields {
                            Some(fields) => Ok(Value::Struct(inner.clone(), Rc::new(fields))),
                            None => Err(unsupported(span, "a struct in a struct in a header")),
                        }
                    }
                    _ => Err(no_member(&ty.name, name, [])),
                }
            }
            Value::Struct(ty, fields) => {
                match ty.fields.iter().position(|(n, _)| *n == name.name) {
                    Some(i) => Ok(fields[i].clone()),
                    None => {
                        let known = ty.fields.iter().map(|(n, _)| n.as_str());
                        Err(no_member(&ty.name, name, known))
                    }
                }
            }
            Value::Stack(stack) => self.stack_member(&stack, name, span),
            Value::Type(Type::Enum(e)) => enum_member(&e, name),
            Value::List(items) => match items
                .iter()
                .find(|(n, _)| n.as_deref() == Some(name.as_str()))
            {
                Some((_, value)) => Ok(value.clone()),
                None => Err(no_member("the list", name, [])),
            },
            other => Err(error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("{} has no member `{}`", other.kind(), name.name),
            )),
        }
    }

    fn type_member(
        &mut self,
        ty: &'a ast::TypeRef,
        name: &'a ast::Ident,
        env: &Rc<Env<'a>>,
    ) -> R<Value<'a>> {
        if ty.kind == TypeKind::Error {
            let errors = &self.ir.parser.errors;
            return match errors.iter().position(|e| *e == name.name) {
                Some(code) => Ok(Value::Expr(Type::Error, Expr::num(8, code as u64))),
                None => Err(no_member("error", name, errors.iter().map(String::as_str))),
            };
        }
        match self.resolve(ty, env)? {
            Type::Enum(e) => enum_member(&e, name),
            other => Err(error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("the type `{other}` has no member `{}`", name.name),
            )),
        }
    }

    fn stack_member(
        &mut self,
        stack: &Rc<super::value::Stack>,
        name: &ast::Ident,
        span: Span,
    ) -> R<Value<'a>> {
        let size = stack.headers.len();
        let cursor = self
            .parser
            .as_ref()
            .map(|p| p.cursors.get(&stack.id).copied().unwrap_or(0));
        let element = match (name.as_str(), cursor) {
            ("size", _) => {
                return Ok(Value::Expr(
                    Type::Bit(32),
                    Expr::num(32, stack.headers.len() as u64),
                ));
            }
            ("lastIndex", Some(cursor)) => {
                let last = (cursor as u64).wrapping_sub(1) & 0xffff_ffff;
                return Ok(Value::Expr(Type::Bit(32), Expr::num(32, last)));
            }
            ("next", Some(cursor)) => cursor,
            ("last", Some(cursor)) => cursor.wrapping_sub(1),
            ("next" | "last" | "lastIndex", None) => {
                return Err(error(
                    codes::MISPLACED,
                    span,
                    format!("`{}` of a stack can be used in a parser only", name.name),
                ));
            }
            _ => return Err(no_member("a header stack", name, ["next", "last", "size"])),
        };
        match stack.headers.get(element) {
            Some(header) => Ok(Value::Header(stack.ty.clone(), *header)),
            // The caller turns it into the parser error StackOutOfBounds.
            None => Err(Box::new(
                Diagnostic::error(codes::STACK_BOUNDS, span, "outside the header stack")
                    .with_note(format!("the stack has {size} elements")),
            )),
        }
    }

    fn index(
        &mut self,
        base: &'a ast::Expr,
        index: &'a ast::Expr,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let value = self.expr(base, env, None)?;
        let number = self.expr(index, env, None)?;
        let number = match self.constant(&number, index.span) {
            Ok(number) => usize::try_from(&number).ok(),
            Err(_) if matches!(value, Value::Stack(_)) => {
                return Err(unsupported(
                    index.span,
                    "an index into a stack that is not known at compile time",
                ));
            }
            Err(other) => return Err(other),
        };
        let found = match (&value, number) {
            (Value::Stack(stack), Some(i)) => stack
                .headers
                .get(i)
                .map(|h| Value::Header(stack.ty.clone(), *h)),
            (Value::List(items), Some(i)) => items.get(i).map(|(_, v)| v.clone()),
            (Value::Stack(_) | Value::List(_), None) => None,
            _ => {
                return Err(error(
                    codes::TYPE,
                    base.span,
                    format!("{} cannot be indexed", value.kind()),
                ));
            }
        };
        found.ok_or_else(|| error(codes::STACK_BOUNDS, span, "the index is out of range"))
    }

    fn bit_number(&mut self, expr: &'a ast::Expr, env: &Rc<Env<'a>>) -> R<u32> {
        let value = self.expr(expr, env, None)?;
        let number = self.constant(&value, expr.span)?;
        u32::try_from(&number)
            .ok()
            .filter(|n| *n < 1 << 24)
            .ok_or_else(|| {
                error(
                    codes::WIDTH,
                    expr.span,
                    format!("{number} is no bit number"),
                )
            })
    }

    fn slice(&mut self, value: Value<'a>, hi: u32, lo: u32, span: Span) -> R<Value<'a>> {
        if let Value::Int(number) = &value {
            if hi < lo {
                return Err(error(codes::WIDTH, span, "the slice ends before it begins"));
            }
            let bits = to_bits(number, hi + 1).slice(hi, lo);
            return Ok(Value::Expr(Type::Bit(hi - lo + 1), Expr::Const(bits)));
        }
        let Some(ty) = self.type_of(&value).filter(|ty| ty.width().is_some()) else {
            return Err(mismatch(&Type::Bit(hi + 1), None, &value, span));
        };
        let width = ty.width().unwrap_or(0);
        if hi < lo || hi >= width {
            return Err(Box::new(
                Diagnostic::error(
                    codes::WIDTH,
                    span,
                    format!("bits {hi} to {lo} are not in `{ty}`"),
                )
                .with_help(format!(
                    "the highest bit is {}, and it is written first",
                    width.saturating_sub(1)
                )),
            ));
        }
        let part = Type::Bit(hi - lo + 1);
        Ok(match value {
            Value::Slot(_, slot) => {
                let mut place = LValue::meta(self.slot_meta(slot));
                place.slice = Some((hi, lo));
                Value::Place(part, place)
            }
            Value::Place(_, mut place) => {
                let base = place.slice.map_or(0, |(_, lo)| lo);
                place.slice = Some((hi + base, lo + base));
                Value::Place(part, place)
            }
            other => {
                let (_, expr) = self.scalar(other, span)?;
                let expr = match expr {
                    Expr::Const(bits) => Expr::Const(bits.slice(hi, lo)),
                    expr => Expr::Slice(Box::new(expr), hi, lo),
                };
                Value::Expr(part, expr)
            }
        })
    }

    /// What a call of `lookahead` looks at: `offset` bits behind the cursor.
    pub(super) fn lookahead(&self, ty: &Type, offset: &mut u32, span: Span) -> R<Value<'a>> {
        match ty {
            Type::Header(s) | Type::Struct(s) => {
                let fields: R<Vec<Value<'a>>> = s
                    .fields
                    .iter()
                    .map(|(_, ty)| self.lookahead(ty, offset, span))
                    .collect();
                Ok(Value::Struct(s.clone(), Rc::new(fields?)))
            }
            other => match other.width() {
                Some(width) => {
                    let expr = Expr::Lookahead {
                        offset: *offset,
                        width,
                    };
                    *offset += width;
                    Ok(Value::Expr(other.clone(), expr))
                }
                None => Err(error(
                    codes::TYPE,
                    span,
                    format!("`lookahead` cannot give a `{other}`"),
                )),
            },
        }
    }

    /// A standard metadata field as a value of another width.
    pub(super) fn standard(&self, meta: StdMeta, ty: Type) -> Value<'a> {
        let from = StdMeta::ALL
            .iter()
            .find(|(m, _, _)| *m == meta)
            .map_or(0, |(_, _, width)| *width);
        let to = ty.width().unwrap_or(from);
        Value::Expr(ty, super::ops::resize(meta.get(), from, to, false))
    }
}

fn int_literal<'a>(literal: &ast::IntLit) -> Value<'a> {
    match literal.width {
        None => Value::Int(literal.value.clone()),
        Some(width) => {
            let ty = if literal.signed {
                Type::Int(width)
            } else {
                Type::Bit(width)
            };
            Value::Expr(ty, Expr::Const(to_bits(&literal.value, width)))
        }
    }
}

fn enum_member<'a>(e: &Rc<EnumType>, name: &ast::Ident) -> R<Value<'a>> {
    match e.members.iter().find(|(n, _)| *n == name.name) {
        Some((_, value)) => Ok(Value::Expr(
            Type::Enum(e.clone()),
            Expr::Const(to_bits(value, e.width)),
        )),
        None => Err(no_member(
            &e.name,
            name,
            e.members.iter().map(|(n, _)| n.as_str()),
        )),
    }
}

/// The error for a member that a thing does not have.
pub(super) fn no_member<'n>(
    of: &str,
    name: &ast::Ident,
    known: impl IntoIterator<Item = &'n str>,
) -> Box<Diagnostic> {
    let mut diagnostic = *unknown_name(name.as_str(), name.span, similar(name.as_str(), known));
    diagnostic.message = format!("`{of}` has no member `{}`", name.name);
    Box::new(diagnostic)
}
