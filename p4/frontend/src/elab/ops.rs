//! Operators, conversions and constant folding.

use num_bigint::{BigInt, BigUint, Sign};
use trisect_ir::{BinOp, Bits, Expr, FieldRef, LValue, Op, Place, UnOp, eval};

use super::types::Type;
use super::value::Value;
use super::{Elab, R, error, unsupported};
use crate::ast;
use crate::{Diagnostic, Span, codes};

/// The value modulo 2^width.
pub(super) fn to_bits(value: &BigInt, width: u32) -> Bits {
    let modulus = BigInt::from(1) << width;
    let mut rest = value % &modulus;
    if rest.sign() == Sign::Minus {
        rest += modulus;
    }
    Bits::new(width, rest.magnitude().clone())
}

/// A bit vector as a number; two's complement if signed.
pub(super) fn from_bits(bits: &Bits, signed: bool) -> BigInt {
    let value = BigInt::from(bits.value().clone());
    if signed && bits.sign() {
        value - (BigInt::from(1) << bits.width())
    } else {
        value
    }
}

/// The place of an assignment's target as an expression.
pub(super) fn read_lvalue(target: &LValue) -> Expr {
    let whole = match target.place {
        Place::Field(field) => Expr::Field(field),
        Place::Meta(meta) => Expr::Meta(meta),
    };
    match target.slice {
        Some((hi, lo)) => Expr::Slice(Box::new(whole), hi, lo),
        None => whole,
    }
}

impl<'a> Elab<'a> {
    /// A compile-time number.
    pub(super) fn constant(&self, value: &Value<'a>, span: Span) -> R<BigInt> {
        match value {
            Value::Int(number) => Ok(number.clone()),
            Value::Expr(ty, Expr::Const(bits)) => Ok(from_bits(bits, ty.is_signed())),
            _ => Err(Box::new(
                Diagnostic::error(
                    codes::NOT_CONSTANT,
                    span,
                    "this must be known at compile time",
                )
                .with_note(format!("it is {}", value.kind())),
            )),
        }
    }

    /// A scalar with its type.
    pub(super) fn scalar(&mut self, value: Value<'a>, span: Span) -> R<(Type, Expr)> {
        match value {
            Value::Expr(ty, expr) => Ok((ty, expr)),
            Value::Slot(ty, slot) => {
                let meta = self.slot_meta(slot);
                Ok((ty, Expr::Meta(meta)))
            }
            Value::Place(ty, target) => Ok((ty, read_lvalue(&target))),
            Value::Int(number) => Err(Box::new(
                Diagnostic::error(
                    codes::WIDTH,
                    span,
                    format!("the width of {number} is not known here"),
                )
                .with_help(format!("write the width: 32w{number}")),
            )),
            Value::Varbit => Err(unsupported(span, "a varbit field in an expression")),
            other => Err(error(
                codes::TYPE,
                span,
                format!("a number is needed here, and this is {}", other.kind()),
            )),
        }
    }

    /// A scalar of the type, after implicit conversions.
    pub(super) fn scalar_as(&mut self, value: Value<'a>, ty: &Type, span: Span) -> R<Expr> {
        let value = self.convert(value, ty, span)?;
        Ok(self.scalar(value, span)?.1)
    }

    /// The implicit conversions of the specification (8.12): a constant gets the width that is wanted;
    /// everything else must have the type already.
    pub(super) fn convert(&mut self, value: Value<'a>, ty: &Type, span: Span) -> R<Value<'a>> {
        match (&value, ty.base()) {
            (Value::Int(_), Type::Integer | Type::Any) => Ok(value),
            (Value::Int(number), Type::Bit(_) | Type::Int(_)) => {
                let width = ty.width().unwrap_or(1);
                self.check_fit(number, width, span);
                Ok(Value::Expr(ty.clone(), Expr::Const(to_bits(number, width))))
            }
            (Value::Str(_), Type::String | Type::Any) => Ok(value),
            (Value::Expr(found, Expr::Const(bits)), Type::Integer)
                if matches!(found.base(), Type::Bit(_) | Type::Int(_)) =>
            {
                Ok(Value::Int(from_bits(bits, found.is_signed())))
            }
            (Value::List(_) | Value::Invalid, _) => Ok(value),
            _ => match self.type_of(&value) {
                Some(found) if ty.accepts(&found) => Ok(value),
                found => Err(mismatch(ty, found.as_ref(), &value, span)),
            },
        }
    }

    fn check_fit(&mut self, number: &BigInt, width: u32, span: Span) {
        let bits = number.magnitude().bits();
        if bits > u64::from(width) {
            self.diagnostics.push(
                Diagnostic::warning(
                    codes::WIDTH,
                    span,
                    format!("{number} does not fit in {width} bits"),
                )
                .with_note("the high bits are cut off"),
            );
        }
    }

    /// The type of a value, where it has one.
    pub(super) fn type_of(&self, value: &Value<'a>) -> Option<Type> {
        Some(match value {
            Value::Unit => Type::Void,
            Value::Int(_) => Type::Integer,
            Value::Str(_) => Type::String,
            Value::Expr(ty, _) | Value::Slot(ty, _) | Value::Place(ty, _) => ty.clone(),
            Value::Header(ty, _) => Type::Header(ty.clone()),
            Value::Stack(stack) => Type::Stack(stack.ty.clone(), stack.headers.len() as u32),
            Value::Struct(ty, _) => Type::Struct(ty.clone()),
            Value::Extern(object) => Type::Extern(object.type_name.clone(), Vec::new()),
            Value::Packet => Type::Any,
            _ => return None,
        })
    }

    /// An explicit cast (specification 8.12).
    pub(super) fn cast(&mut self, value: Value<'a>, ty: &Type, span: Span) -> R<Value<'a>> {
        match (&value, ty) {
            (Value::Int(number), _) if matches!(ty.base(), Type::Bit(_) | Type::Int(_)) => {
                let bits = to_bits(number, ty.width().unwrap_or(1));
                return Ok(Value::Expr(ty.clone(), Expr::Const(bits)));
            }
            (Value::Int(number), Type::Enum(e)) if e.repr.is_some() => {
                return Ok(Value::Expr(
                    ty.clone(),
                    Expr::Const(to_bits(number, e.width)),
                ));
            }
            (Value::Int(number), Type::Bool) => {
                let bit = !number.magnitude().eq(&BigUint::ZERO);
                return Ok(Value::Expr(Type::Bool, Expr::Const(Bits::bool(bit))));
            }
            (_, Type::Integer) => return Ok(Value::Int(self.constant(&value, span)?)),
            (_, Type::Struct(_) | Type::Header(_)) => return self.cast_aggregate(value, ty, span),
            _ => {}
        }
        let (found, expr) = self.scalar(value, span)?;
        let bad = || {
            error(
                codes::TYPE,
                span,
                format!("`{found}` cannot be cast to `{ty}`"),
            )
        };
        let (Some(from), Some(to)) = (found.width(), ty.width()) else {
            return Err(bad());
        };
        let signed = match (found.base(), ty.base()) {
            (Type::Bit(_), Type::Bit(_)) => false,
            (Type::Int(_), Type::Int(_)) => true,
            (Type::Bit(_), Type::Int(_)) | (Type::Int(_), Type::Bit(_)) if from == to => false,
            (Type::Bool, Type::Bit(1)) | (Type::Bit(1), Type::Bool) | (Type::Bool, Type::Bool) => {
                false
            }
            (Type::Enum(e), _) if e.repr.is_some() => false,
            (_, Type::Enum(e)) if e.repr.is_some() => false,
            (a, b) if a == b => false,
            _ => return Err(bad()),
        };
        Ok(Value::Expr(ty.clone(), resize(expr, from, to, signed)))
    }

    fn cast_aggregate(&mut self, value: Value<'a>, ty: &Type, span: Span) -> R<Value<'a>> {
        let (Type::Struct(found) | Type::Header(found)) = ty else {
            return Err(error(codes::TYPE, span, "this is no struct"));
        };
        if let Some(own) = self.type_of(&value)
            && ty.accepts(&own)
        {
            return Ok(value);
        }
        let Value::List(items) = &value else {
            return Err(mismatch(ty, self.type_of(&value).as_ref(), &value, span));
        };
        let members = self.list_members(items, &found.fields, &found.name, span)?;
        let named = found.fields.iter().zip(members);
        Ok(Value::List(std::rc::Rc::new(
            named
                .map(|((name, _), value)| (Some(name.clone()), value))
                .collect(),
        )))
    }

    /// The elements of a list expression in the order of a struct's fields, converted.
    pub(super) fn list_members(
        &mut self,
        items: &[(Option<String>, Value<'a>)],
        fields: &[(String, Type)],
        name: &str,
        span: Span,
    ) -> R<Vec<Value<'a>>> {
        if items.len() != fields.len() {
            return Err(error(
                codes::ARGUMENTS,
                span,
                format!(
                    "`{name}` has {} fields, and {} values are given",
                    fields.len(),
                    items.len()
                ),
            ));
        }
        let mut members = Vec::with_capacity(fields.len());
        for (i, (field, ty)) in fields.iter().enumerate() {
            let found = items
                .iter()
                .find(|(name, _)| name.as_deref() == Some(field))
                .or_else(|| items.get(i).filter(|(name, _)| name.is_none()));
            let Some((_, value)) = found else {
                return Err(error(
                    codes::ARGUMENTS,
                    span,
                    format!("the field `{field}` of `{name}` has no value"),
                ));
            };
            members.push(self.convert(value.clone(), ty, span)?);
        }
        Ok(members)
    }

    /// A unary operation.
    pub(super) fn unary(&mut self, op: ast::UnOp, value: Value<'a>, span: Span) -> R<Value<'a>> {
        if let Value::Int(number) = &value {
            return match op {
                ast::UnOp::Neg => Ok(Value::Int(-number)),
                ast::UnOp::Plus => Ok(value),
                _ => Err(error(codes::TYPE, span, "this operator needs a width")),
            };
        }
        let (ty, expr) = self.scalar(value, span)?;
        let fits = match op {
            ast::UnOp::Not => *ty.base() == Type::Bool,
            ast::UnOp::BitNot => matches!(ty.base(), Type::Bit(_) | Type::Int(_)),
            ast::UnOp::Neg | ast::UnOp::Plus => matches!(ty.base(), Type::Bit(_) | Type::Int(_)),
        };
        if !fits {
            return Err(error(
                codes::TYPE,
                span,
                format!("this operator does not take `{ty}`"),
            ));
        }
        let expr = match op {
            ast::UnOp::Plus => expr,
            ast::UnOp::Neg => negate(expr),
            _ => complement(expr),
        };
        Ok(Value::Expr(ty, expr))
    }

    /// A binary operation.
    pub(super) fn binary(
        &mut self,
        op: ast::BinOp,
        lhs: (Value<'a>, Span),
        rhs: (Value<'a>, Span),
        span: Span,
    ) -> R<Value<'a>> {
        use ast::BinOp as B;
        if let (Value::Int(a), Value::Int(b)) = (&lhs.0, &rhs.0) {
            return integer_binary(op, a, b, span);
        }
        if matches!(op, B::Eq | B::Ne)
            && let (Value::Header(..) | Value::Struct(..), _) = (&lhs.0, &rhs.0)
        {
            return Err(unsupported(span, "comparing headers or structs"));
        }
        if matches!(op, B::Shl | B::Shr) {
            return self.shift(op, lhs, rhs);
        }
        if op == B::Concat {
            return self.concat(lhs, rhs);
        }
        // A constant takes the type of the other side.
        let (lhs, rhs) = match (lhs, rhs) {
            ((Value::Int(a), at), (rhs, rhs_at)) => {
                let (ty, rhs) = self.scalar(rhs, rhs_at)?;
                let lhs = self.scalar_as(Value::Int(a), &ty, at)?;
                ((ty.clone(), lhs), (ty, rhs))
            }
            ((lhs, lhs_at), (Value::Int(b), at)) => {
                let (ty, lhs) = self.scalar(lhs, lhs_at)?;
                let rhs = self.scalar_as(Value::Int(b), &ty, at)?;
                ((ty.clone(), lhs), (ty, rhs))
            }
            ((lhs, lhs_at), (rhs, rhs_at)) => {
                (self.scalar(lhs, lhs_at)?, self.scalar(rhs, rhs_at)?)
            }
        };
        let ty = if lhs.0.accepts(&rhs.0) {
            lhs.0
        } else if rhs.0.accepts(&lhs.0) {
            rhs.0
        } else {
            return Err(Box::new(
                Diagnostic::error(
                    codes::WIDTH,
                    span,
                    format!(
                        "the operands have different types, `{}` and `{}`",
                        lhs.0, rhs.0
                    ),
                )
                .with_help("cast one of them"),
            ));
        };
        let (op, result) = operator(op, &ty, span)?;
        Ok(Value::Expr(result, fold(op, lhs.1, rhs.1)))
    }

    fn shift(
        &mut self,
        op: ast::BinOp,
        lhs: (Value<'a>, Span),
        rhs: (Value<'a>, Span),
    ) -> R<Value<'a>> {
        let (ty, left) = self.scalar(lhs.0, lhs.1)?;
        if !matches!(ty.base(), Type::Bit(_) | Type::Int(_)) {
            return Err(error(
                codes::TYPE,
                lhs.1,
                format!("`{ty}` cannot be shifted"),
            ));
        }
        let right = match rhs.0 {
            Value::Int(count) => Expr::Const(to_bits(&count, 32)),
            other => self.scalar(other, rhs.1)?.1,
        };
        let op = match (op, ty.is_signed()) {
            (ast::BinOp::Shl, _) => BinOp::Shl,
            (_, true) => BinOp::Sar,
            (_, false) => BinOp::Shr,
        };
        Ok(Value::Expr(ty, fold(op, left, right)))
    }

    fn concat(&mut self, lhs: (Value<'a>, Span), rhs: (Value<'a>, Span)) -> R<Value<'a>> {
        let (left_ty, left) = self.scalar(lhs.0, lhs.1)?;
        let (right_ty, right) = self.scalar(rhs.0, rhs.1)?;
        let (Some(a), Some(b)) = (left_ty.width(), right_ty.width()) else {
            return Err(error(codes::TYPE, lhs.1, "only bit strings can be joined"));
        };
        let expr = match (left, right) {
            (Expr::Const(a), Expr::Const(b)) => Expr::Const(a.concat(&b)),
            (a, b) => Expr::Concat(vec![a, b]),
        };
        let ty = if left_ty.is_signed() {
            Type::Int(a + b)
        } else {
            Type::Bit(a + b)
        };
        Ok(Value::Expr(ty, expr))
    }

    /// `target = value`.
    pub(super) fn assign(&mut self, target: Value<'a>, value: Value<'a>, span: Span) -> R<()> {
        match target {
            Value::Slot(ty, slot) => {
                let expr = self.scalar_as(value, &ty, span)?;
                let meta = self.slot_meta(slot);
                self.emit(Op::Set(LValue::meta(meta), expr));
                Ok(())
            }
            Value::Place(ty, place) => {
                let expr = self.scalar_as(value, &ty, span)?;
                self.emit(Op::Set(place, expr));
                Ok(())
            }
            Value::Header(ty, dst) => self.assign_header(&ty, dst, value, span),
            Value::Struct(ty, fields) => {
                let members = match &value {
                    Value::Struct(other, members) if other.name == ty.name => {
                        members.as_ref().clone()
                    }
                    Value::List(items) => self.list_members(items, &ty.fields, &ty.name, span)?,
                    other => {
                        let found = self.type_of(other);
                        return Err(mismatch(&Type::Struct(ty), found.as_ref(), other, span));
                    }
                };
                for (field, member) in fields.iter().zip(members) {
                    self.assign(field.clone(), member, span)?;
                }
                Ok(())
            }
            Value::Stack(dst) => match value {
                Value::Stack(src) if src.headers.len() == dst.headers.len() => {
                    self.only_in_control(span, "an assignment to a stack")?;
                    for (&dst, &src) in dst.headers.iter().zip(&src.headers) {
                        self.emit(Op::Copy { dst, src });
                    }
                    Ok(())
                }
                _ => Err(error(
                    codes::TYPE,
                    span,
                    "only a stack of the same type and size can be assigned to a stack",
                )),
            },
            Value::List(items) => {
                let Value::List(values) = value else {
                    return Err(error(codes::TYPE, span, "a tuple takes a list"));
                };
                for ((_, target), (_, value)) in items.iter().zip(values.iter()) {
                    self.assign(target.clone(), value.clone(), span)?;
                }
                Ok(())
            }
            Value::Varbit => Err(unsupported(span, "an assignment to a varbit field")),
            other => Err(Box::new(
                Diagnostic::error(codes::NOT_ASSIGNABLE, span, "this cannot be assigned to")
                    .with_note(format!("it is {} that can only be read", other.kind())),
            )),
        }
    }

    fn assign_header(
        &mut self,
        ty: &std::rc::Rc<super::types::StructType>,
        dst: trisect_ir::HeaderId,
        value: Value<'a>,
        span: Span,
    ) -> R<()> {
        self.only_in_control(span, "an assignment to a header")?;
        match value {
            Value::Header(other, src) if other.name == ty.name => {
                if src != dst {
                    self.emit(Op::Copy { dst, src });
                }
                Ok(())
            }
            Value::Invalid => {
                self.emit(Op::SetInvalid(dst));
                Ok(())
            }
            Value::List(items) => {
                let values = self.list_members(&items, &ty.fields, &ty.name, span)?;
                self.emit(Op::SetValid(dst));
                for (i, ((_, field_ty), value)) in ty.fields.iter().zip(values).enumerate() {
                    let expr = self.scalar_as(value, field_ty, span)?;
                    self.emit(Op::Set(LValue::field(dst, i as u32), expr));
                }
                Ok(())
            }
            other => {
                let found = self.type_of(&other);
                Err(mismatch(
                    &Type::Header(ty.clone()),
                    found.as_ref(),
                    &other,
                    span,
                ))
            }
        }
    }

    /// All bits of a value as a list of scalars, for hashes and checksums.
    pub(super) fn flatten(&mut self, value: &Value<'a>, span: Span) -> R<Vec<Expr>> {
        match value {
            Value::List(items) => {
                let parts: R<Vec<Vec<Expr>>> = items
                    .iter()
                    .map(|(_, item)| self.flatten(item, span))
                    .collect();
                Ok(parts?.concat())
            }
            Value::Struct(_, fields) => {
                let parts: R<Vec<Vec<Expr>>> = fields
                    .iter()
                    .map(|field| self.flatten(field, span))
                    .collect();
                Ok(parts?.concat())
            }
            Value::Header(_, header) => {
                let ty = self.ir.header_type(*header);
                if ty.varbit().is_some() {
                    return Err(unsupported(span, "a header with a varbit field as data"));
                }
                let count = ty.fields.len() as u32;
                Ok((0..count)
                    .map(|field| {
                        Expr::Field(FieldRef {
                            header: *header,
                            field,
                        })
                    })
                    .collect())
            }
            Value::Stack(_) => Err(unsupported(span, "a header stack as data")),
            other => Ok(vec![self.scalar(other.clone(), span)?.1]),
        }
    }
}

/// The error for a value of another type.
pub(super) fn mismatch(
    want: &Type,
    found: Option<&Type>,
    value: &Value<'_>,
    span: Span,
) -> Box<Diagnostic> {
    let found = match found {
        Some(ty) => format!("`{ty}`"),
        None => value.kind().to_owned(),
    };
    let both_bits = matches!(want.base(), Type::Bit(_)) && found.starts_with("`bit<");
    let code = if both_bits { codes::WIDTH } else { codes::TYPE };
    let diagnostic = Diagnostic::error(code, span, format!("`{want}` is needed, this is {found}"));
    Box::new(if want.width().is_some() && found.starts_with('`') {
        diagnostic.with_help(format!("cast it: ({want}) ..."))
    } else {
        diagnostic
    })
}

/// The IR operator for operands of a type, and the type of its result.
fn operator(op: ast::BinOp, ty: &Type, span: Span) -> R<(BinOp, Type)> {
    use ast::BinOp as B;
    let signed = ty.is_signed();
    let pick = |unsigned: BinOp, with_sign: BinOp| if signed { with_sign } else { unsigned };
    let numeric = matches!(ty.base(), Type::Bit(_) | Type::Int(_));
    let arithmetic = match op {
        B::Add => Some(BinOp::Add),
        B::Sub => Some(BinOp::Sub),
        B::Mul => Some(BinOp::Mul),
        B::Div if !signed => Some(BinOp::Div),
        B::Mod if !signed => Some(BinOp::Rem),
        B::SatAdd => Some(pick(BinOp::AddSat, BinOp::SAddSat)),
        B::SatSub => Some(pick(BinOp::SubSat, BinOp::SSubSat)),
        B::BitAnd => Some(BinOp::And),
        B::BitOr => Some(BinOp::Or),
        B::BitXor => Some(BinOp::Xor),
        _ => None,
    };
    if numeric && let Some(op) = arithmetic {
        return Ok((op, ty.clone()));
    }
    let comparison = match op {
        B::Lt => Some(pick(BinOp::Lt, BinOp::SLt)),
        B::Le => Some(pick(BinOp::Le, BinOp::SLe)),
        B::Gt => Some(pick(BinOp::Gt, BinOp::SGt)),
        B::Ge => Some(pick(BinOp::Ge, BinOp::SGe)),
        _ => None,
    };
    if numeric && let Some(op) = comparison {
        return Ok((op, Type::Bool));
    }
    match op {
        B::Eq => Ok((BinOp::Eq, Type::Bool)),
        B::Ne => Ok((BinOp::Ne, Type::Bool)),
        B::And if *ty.base() == Type::Bool => Ok((BinOp::And, Type::Bool)),
        B::Or if *ty.base() == Type::Bool => Ok((BinOp::Or, Type::Bool)),
        _ => Err(error(
            codes::TYPE,
            span,
            format!("this operator does not take `{ty}`"),
        )),
    }
}

fn integer_binary<'a>(op: ast::BinOp, a: &BigInt, b: &BigInt, span: Span) -> R<Value<'a>> {
    use ast::BinOp as B;
    let truth = |value: bool| Ok(Value::Expr(Type::Bool, Expr::Const(Bits::bool(value))));
    let zero = BigInt::ZERO;
    Ok(Value::Int(match op {
        B::Add => a + b,
        B::Sub => a - b,
        B::Mul => a * b,
        B::Div | B::Mod if *b == zero => {
            return Err(error(codes::NOT_CONSTANT, span, "division by zero"));
        }
        B::Div => a / b,
        B::Mod => a % b,
        B::BitAnd => a & b,
        B::BitOr => a | b,
        B::BitXor => a ^ b,
        B::Shl | B::Shr => match u32::try_from(b) {
            Ok(count) if count <= 1 << 16 => {
                if op == B::Shl {
                    a << count
                } else {
                    a >> count
                }
            }
            _ => return Err(error(codes::NOT_CONSTANT, span, "this shift is too far")),
        },
        B::Lt => return truth(a < b),
        B::Le => return truth(a <= b),
        B::Gt => return truth(a > b),
        B::Ge => return truth(a >= b),
        B::Eq => return truth(a == b),
        B::Ne => return truth(a != b),
        B::And | B::Or | B::SatAdd | B::SatSub | B::Concat => {
            return Err(error(codes::TYPE, span, "this operator needs a width"));
        }
    }))
}

/// Zero- or sign-extends or truncates.
pub(super) fn resize(expr: Expr, from: u32, to: u32, signed: bool) -> Expr {
    match expr {
        expr if from == to => expr,
        Expr::Const(bits) if signed => Expr::Const(bits.sign_resize(to)),
        Expr::Const(bits) => Expr::Const(bits.resize(to)),
        expr if signed => Expr::SignResize(Box::new(expr), to),
        expr => Expr::Resize(Box::new(expr), to),
    }
}

fn complement(expr: Expr) -> Expr {
    match expr {
        Expr::Const(bits) => Expr::Const(eval::unary(UnOp::Not, &bits)),
        Expr::Unary(UnOp::Not, inner) => *inner,
        other => other.not(),
    }
}

fn negate(expr: Expr) -> Expr {
    match expr {
        Expr::Const(bits) => Expr::Const(eval::unary(UnOp::Neg, &bits)),
        other => Expr::Unary(UnOp::Neg, Box::new(other)),
    }
}

/// A binary operation, evaluated if both operands are constants.
pub(super) fn fold(op: BinOp, a: Expr, b: Expr) -> Expr {
    match (&a, &b) {
        (Expr::Const(x), Expr::Const(y)) => Expr::Const(eval::binary(op, x, y)),
        (Expr::Const(x), _) if x.width() == 1 => {
            identity(op, x, b.clone()).unwrap_or_else(|| Expr::binary(op, a.clone(), b))
        }
        (_, Expr::Const(y)) if y.width() == 1 => {
            identity(op, y, a.clone()).unwrap_or_else(|| Expr::binary(op, a, b.clone()))
        }
        _ => Expr::binary(op, a, b),
    }
}

/// `true && x`, `false || x` and the like.
fn identity(op: BinOp, constant: &Bits, other: Expr) -> Option<Expr> {
    match (op, constant.is_zero()) {
        (BinOp::And, false) | (BinOp::Or, true) => Some(other),
        (BinOp::And, true) | (BinOp::Or, false) => Some(Expr::Const(constant.clone())),
        _ => None,
    }
}
