//! Conversions: those that the language inserts, and casts (specification 8.11).

use num_bigint::BigInt;

use super::{Checker, fold};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Const, Expr, ExprKind, Type};

/// A conversion that is possible.
enum Way {
    /// The value stays as it is, only its type is another.
    Same,
    /// The number is fitted to the new type.
    Number,
    /// `bool` to `bit<1>`.
    FromBool,
    /// `bit<1>` or `int` to `bool`.
    ToBool,
}

impl Checker<'_> {
    /// What stands for an expression that was reported as wrong.
    pub(super) fn wrong(span: Span) -> Expr {
        Expr {
            kind: ExprKind::Default,
            ty: Type::Unknown,
            span,
        }
    }

    /// The expression as a value of `want`, by the conversions that the language inserts; an error if there is none.
    pub(super) fn coerce(&mut self, expr: Expr, want: &Type) -> Expr {
        let span = expr.span;
        match self.try_coerce(expr, want) {
            Ok(expr) => expr,
            Err(expr) => {
                self.mismatch(want, &expr);
                Self::wrong(span)
            }
        }
    }

    /// As [`Checker::coerce`]; gives the expression back if it does not fit.
    pub(super) fn try_coerce(&mut self, mut expr: Expr, want: &Type) -> Result<Expr, Box<Expr>> {
        self.reason = None;
        let (want, have) = (self.shallow(want), self.shallow(&expr.ty));
        match (&want, &have) {
            (Type::Unknown, _) => Ok(expr),
            (_, Type::Unknown) => {
                self.unify(&want, &have);
                Ok(expr)
            }
            (Type::Infer(_), _) => {
                if self.unify(&want, &have) {
                    Ok(expr)
                } else {
                    Err(Box::new(expr))
                }
            }
            (Type::Bit(_) | Type::Int(_), Type::Integer) => Ok(self.number_as(expr, &want)),
            (Type::New(_), Type::Integer)
                if matches!(self.base(&want), Type::Bit(_) | Type::Int(_)) =>
            {
                let base = self.base(&want);
                let number = self.number_as(expr, &base);
                Ok(match number.kind {
                    ExprKind::Const(_) => Expr { ty: want, ..number },
                    _ => cast_to(number, want),
                })
            }
            (Type::Integer, Type::Bit(_) | Type::Int(_)) => {
                expr.ty = want;
                match &expr.kind {
                    ExprKind::Const(_) => Ok(expr),
                    _ => {
                        expr.ty = have;
                        Ok(cast_to(expr, Type::Integer))
                    }
                }
            }
            (Type::Bit(_) | Type::Int(_), Type::Enum(_))
                if self.enum_repr(&have).as_ref() == Some(&want) =>
            {
                Ok(cast_to(expr, want))
            }
            _ => {
                if matches!(expr.kind, ExprKind::Aggregate(_)) && self.is_retyped(&want, &have) {
                    return self.retype(expr, &want);
                }
                if self.unify(&want, &have) {
                    if !matches!(want, Type::Block(..)) {
                        expr.ty = want;
                    }
                    Ok(expr)
                } else {
                    Err(Box::new(expr))
                }
            }
        }
    }

    /// An `int` as a number of a width.
    fn number_as(&mut self, mut expr: Expr, want: &Type) -> Expr {
        let ExprKind::Const(Const::Int(value)) = &expr.kind else {
            return cast_to(expr, want.clone());
        };
        let Some(fitted) = fold::wrap(value, want) else {
            return cast_to(expr, want.clone());
        };
        if !fold::fits(value, want) {
            self.does_not_fit(value, want, expr.span, &fitted);
        }
        expr.kind = ExprKind::Const(Const::Int(fitted));
        expr.ty = want.clone();
        expr
    }

    /// Warns of a number that loses bits.
    pub(super) fn does_not_fit(&mut self, value: &BigInt, ty: &Type, span: Span, used: &BigInt) {
        // -1 as all ones is a common way of writing.
        let signless = matches!(ty, Type::Bit(_)) && fold::fits(value, &as_signed(ty));
        if signless {
            return;
        }
        let shown = |value: &BigInt| {
            if value.bits() > 256 {
                format!("a number of {} bits", value.bits())
            } else {
                value.to_string()
            }
        };
        let message = format!("{} does not fit into `{}`", shown(value), self.show(ty));
        let warning = Diagnostic::warning(codes::WIDTH, span, message);
        self.report(warning.with_note(format!("{} is used", shown(used))));
    }

    /// Reports that a value has another type than its place needs.
    pub(super) fn mismatch(&mut self, want: &Type, expr: &Expr) {
        let (want, have) = (self.zonk(want), self.zonk(&expr.ty));
        let number = |ty: &Type| matches!(ty, Type::Bit(_) | Type::Int(_));
        let code = if number(&want) && number(&have) {
            codes::WIDTH
        } else {
            codes::TYPE
        };
        let (wanted, found) = (self.show(&want), self.show(&have));
        let message = if wanted == found {
            format!("`{wanted}` is needed, this is another `{found}`")
        } else {
            format!("`{wanted}` is needed, this is `{found}`")
        };
        let mut error = Diagnostic::error(code, expr.span, message);
        if let Some((reason, at)) = self.reason.take() {
            error = error.with_note_at(at, reason);
        }
        if let (Some(at), Some(also)) = (self.type_declared(&want), self.type_declared(&have)) {
            error = error
                .with_note_at(at, format!("`{wanted}` is declared here"))
                .with_note_at(also, format!("`{found}` is declared here"));
        }
        if self.way(&want, &have).is_some() {
            error = error.with_help(format!("cast it: ({wanted}) ..."));
        } else if want == Type::Bool && matches!(have, Type::Bit(_) | Type::Int(_)) {
            error = error.with_help("compare it with a number: `... != 0`");
        }
        self.report(error);
    }

    /// Where a type of the program is declared.
    pub(super) fn type_declared(&self, ty: &Type) -> Option<Span> {
        Some(match ty {
            Type::Header(id, _) | Type::Struct(id, _) | Type::Union(id, _) => {
                self.program.structs[*id].span
            }
            Type::Enum(id) => self.program.enums[*id].span,
            Type::New(id) => self.program.new_types[*id].span,
            Type::Extern(id, _) => self.program.externs[*id].span,
            Type::Block(id, _) => self.program.block_types[*id].span,
            Type::Parser(id) => self.program.parsers[*id].span,
            Type::Control(id) => self.program.controls[*id].span,
            _ => return None,
        })
    }

    /// `(want) expr`
    pub(super) fn cast(&mut self, expr: Expr, want: &Type, span: Span) -> Expr {
        let have = self.zonk(&expr.ty);
        let want = self.zonk(want);
        if have == Type::Unknown || want == Type::Unknown {
            return Self::wrong(span);
        }
        let aggregate = matches!(
            want,
            Type::Struct(..)
                | Type::Header(..)
                | Type::Union(..)
                | Type::Stack(..)
                | Type::Tuple(..)
                | Type::List(..)
        );
        if aggregate || self.is_open(&want) {
            let mut expr = self.coerce(expr, &want);
            expr.span = span;
            return expr;
        }
        let Some(way) = self.way(&want, &have) else {
            let (to, from) = (self.show(&want), self.show(&have));
            let message = format!("`{from}` cannot be cast to `{to}`");
            let mut error = Diagnostic::error(codes::CAST, span, message);
            if let (Type::Bit(a), Type::Int(b)) | (Type::Int(b), Type::Bit(a)) =
                (self.base(&want), self.base(&have))
                && a != b
            {
                error = error.with_help("change the width first, then the sign");
            }
            self.report(error);
            return Self::wrong(span);
        };
        self.convert(expr, want, &way, span)
    }

    fn convert(&mut self, expr: Expr, want: Type, way: &Way, span: Span) -> Expr {
        let base = self.base(&want);
        let base = self.enum_repr(&base).unwrap_or(base);
        let folded = match (&expr.kind, way) {
            (ExprKind::Const(value), Way::Same) => Some(value.clone()),
            (ExprKind::Const(Const::Int(value)), Way::Number) => {
                let fitted = fold::wrap(value, &base);
                if let Some(fitted) = &fitted
                    && expr.ty == Type::Integer
                    && !fold::fits(value, &base)
                {
                    self.does_not_fit(value, &base, expr.span, fitted);
                }
                fitted.map(Const::Int)
            }
            (ExprKind::Const(Const::Bool(value)), Way::FromBool) => {
                Some(Const::Int(BigInt::from(u8::from(*value))))
            }
            (ExprKind::Const(Const::Int(value)), Way::ToBool) => {
                if *value != BigInt::ZERO && *value != BigInt::from(1) {
                    let message = format!("only 0 and 1 can be cast to `bool`, not {value}");
                    self.error(codes::CAST, span, message);
                    return Self::wrong(span);
                }
                Some(Const::Bool(*value != BigInt::ZERO))
            }
            _ => None,
        };
        match folded {
            Some(value) => Expr {
                kind: ExprKind::Const(value),
                ty: want,
                span,
            },
            None => Expr {
                span,
                ..cast_to(expr, want)
            },
        }
    }

    /// How a cast between these types is done, if there is one.
    fn way(&self, want: &Type, have: &Type) -> Option<Way> {
        if want == have {
            return Some(Way::Same);
        }
        // A `type` is cast to and from what it is made of; an enum to and from its underlying type.
        let target = |ty: &Type| match ty {
            Type::New(id) => Some(self.program.new_types[*id].target.clone()),
            _ => None,
        };
        if let Some(inner) = target(want) {
            if *have == Type::Integer {
                return self.way(&inner, have);
            }
            if inner == *have {
                return Some(Way::Same);
            }
        }
        if let Some(inner) = target(have) {
            return (*want == inner).then_some(Way::Same);
        }
        if matches!(want, Type::New(_)) {
            return None;
        }
        if let Type::Enum(_) = have {
            return self.way(want, &self.enum_repr(have)?);
        }
        if let Type::Enum(_) = want {
            return self.way(&self.enum_repr(want)?, have);
        }
        match (want, have) {
            (Type::Bit(1), Type::Bool) => Some(Way::FromBool),
            (Type::Bool, Type::Bit(1) | Type::Integer) => Some(Way::ToBool),
            (Type::Bit(_), Type::Bit(_)) | (Type::Int(_), Type::Int(_)) => Some(Way::Number),
            (Type::Bit(a), Type::Int(b)) | (Type::Int(a), Type::Bit(b)) if a == b => {
                Some(Way::Number)
            }
            (Type::Bit(_) | Type::Int(_), Type::Integer)
            | (Type::Integer, Type::Bit(_) | Type::Int(_)) => Some(Way::Number),
            _ => None,
        }
    }
}

/// The expression under a cast.
pub(super) fn cast_to(expr: Expr, ty: Type) -> Expr {
    let span = expr.span;
    // A constant that only changes its type stays one.
    if let ExprKind::Const(value @ Const::Int(_)) = &expr.kind
        && matches!(expr.ty, Type::Enum(_))
    {
        let kind = ExprKind::Const(value.clone());
        return Expr { kind, ty, span };
    }
    Expr {
        kind: ExprKind::Cast(Box::new(expr)),
        ty,
        span,
    }
}

fn as_signed(ty: &Type) -> Type {
    match ty {
        Type::Bit(width) => Type::Int(*width),
        other => other.clone(),
    }
}
