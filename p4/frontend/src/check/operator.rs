//! Operators (specification 8.5 to 8.10).

use super::convert::cast_to;
use super::fold::{self, FoldError};
use super::{Checker, codes};
use crate::ast::{self, BinOp, UnOp};
use crate::diag::Diagnostic;
use crate::printer::binary_operator;
use crate::span::Span;
use crate::typed::{Const, Expr, ExprKind, Type};

impl<'a> Checker<'a> {
    /// `op e`
    pub(super) fn unary(&mut self, op: UnOp, operand: &'a ast::Expr, span: Span) -> Expr {
        let value = self.expr(operand, None);
        let value = self.as_number(value);
        let base = self.shallow(&value.ty);
        let allowed = match (op, &base) {
            (_, Type::Unknown) => return Self::wrong(span),
            (UnOp::Not, Type::Bool) => true,
            (UnOp::Neg | UnOp::Plus, Type::Bit(_) | Type::Int(_) | Type::Integer) => true,
            (UnOp::BitNot, Type::Bit(_) | Type::Int(_)) => true,
            _ => false,
        };
        if !allowed {
            let sign = match op {
                UnOp::Not => "!",
                UnOp::BitNot => "~",
                UnOp::Neg => "-",
                UnOp::Plus => "+",
            };
            let message = format!("`{sign}` does not take `{}`", self.show(&value.ty));
            let mut error = Diagnostic::error(codes::TYPE, value.span, message);
            if base == Type::Integer {
                error = error.with_help("give the number a width: `8w5`, or cast it");
            }
            self.report(error);
            return Self::wrong(span);
        }
        let ty = value.ty.clone();
        let folded = match &value.kind {
            ExprKind::Const(constant) => fold::unary(op, &base, constant),
            _ => None,
        };
        let kind = match folded {
            Some(constant) => ExprKind::Const(constant),
            None => ExprKind::Unary(op, Box::new(value)),
        };
        Expr { kind, ty, span }
    }

    /// An enum with underlying type as a number of that type; other values as they are.
    fn as_number(&self, value: Expr) -> Expr {
        let ty = self.shallow(&value.ty);
        match self.enum_repr(&ty) {
            Some(repr) => cast_to(value, repr),
            None => value,
        }
    }

    /// `a op b`. The operands on the left, as in `a + b + c + d`, are walked through in a loop: there may be many.
    pub(super) fn binary(&mut self, whole: &'a ast::Expr) -> Expr {
        let mut spine = Vec::new();
        let mut first = whole;
        while let ast::ExprKind::Binary { op, lhs, rhs } = &first.kind {
            spine.push((*op, lhs.as_ref(), rhs.as_ref(), first.span));
            first = lhs;
        }
        let mut value = None;
        while let Some((op, lhs, rhs, span)) = spine.pop() {
            let left = value.take();
            value = Some(self.binary_step(op, left, (lhs, rhs), span));
        }
        value.unwrap_or_else(|| Self::wrong(whole.span))
    }

    /// `a op b`, with `a` if it is checked already.
    fn binary_step(
        &mut self,
        op: BinOp,
        left: Option<Expr>,
        (lhs, rhs): (&'a ast::Expr, &'a ast::Expr),
        span: Span,
    ) -> Expr {
        let equality = matches!(op, BinOp::Eq | BinOp::Ne);
        // An expression that takes its type from its place takes it from the other side.
        let (a, b) = if equality && needs_type(lhs) && !needs_type(rhs) {
            let b = self.expr(rhs, None);
            let ty = b.ty.clone();
            (self.expr(lhs, Some(&ty)), b)
        } else {
            let a = match left {
                Some(left) => left,
                None => self.expr(lhs, None),
            };
            let ty = equality.then(|| a.ty.clone());
            let b = self.expr(rhs, ty.as_ref());
            (a, b)
        };
        self.combine(op, a, b, span)
    }

    /// `a op b` for expressions that are checked.
    pub(super) fn combine(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        if self.shallow(&a.ty) == Type::Unknown || self.shallow(&b.ty) == Type::Unknown {
            return Self::wrong(span);
        }
        match op {
            BinOp::Shl | BinOp::Shr => self.shift(op, a, b, span),
            BinOp::Concat => self.concat(a, b, span),
            BinOp::And | BinOp::Or => {
                let a = self.coerce(a, &Type::Bool);
                let b = self.coerce(b, &Type::Bool);
                self.logic(op, a, b, span)
            }
            BinOp::Eq | BinOp::Ne => self.equality(op, a, b, span),
            _ => self.arithmetic(op, a, b, span),
        }
    }

    fn logic(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        if a.ty == Type::Unknown || b.ty == Type::Unknown {
            return Self::wrong(span);
        }
        // The right side is not evaluated if the left one decides.
        if let ExprKind::Const(Const::Bool(left)) = a.kind {
            if left == (op == BinOp::Or) {
                return Expr { span, ..a };
            }
            return Expr { span, ..b };
        }
        Expr {
            kind: ExprKind::Binary(op, Box::new(a), Box::new(b)),
            ty: Type::Bool,
            span,
        }
    }

    /// Both operands with one type: `int` becomes what the other side is, and an enum its underlying type unless
    /// both are of the same enum.
    fn balance(
        &mut self,
        a: Expr,
        b: Expr,
        keep_enums: bool,
    ) -> Result<(Expr, Expr), Box<(Expr, Expr)>> {
        let (mut a, mut b) = (a, b);
        let same = self.shallow(&a.ty) == self.shallow(&b.ty);
        if !(keep_enums && same) {
            a = self.as_number(a);
            b = self.as_number(b);
        }
        let (left, right) = (self.shallow(&a.ty), self.shallow(&b.ty));
        let is_wide = |ty: &Type| match ty {
            Type::Bit(_) | Type::Int(_) => true,
            // A `type` has no arithmetic; it is only compared.
            Type::New(_) => keep_enums && self.is_numeric(ty),
            _ => false,
        };
        let (to_left, to_right) = (is_wide(&left), is_wide(&right));
        if left == Type::Integer && to_right {
            a = self.coerce(a, &right);
        } else if right == Type::Integer && to_left {
            b = self.coerce(b, &left);
        } else if matches!(a.kind, ExprKind::Aggregate(_)) && self.is_retyped(&right, &left) {
            match self.try_coerce(a, &right) {
                Ok(fitted) => a = fitted,
                Err(back) => return Err(Box::new((*back, b))),
            }
        } else if matches!(b.kind, ExprKind::Aggregate(_)) && self.is_retyped(&left, &right) {
            match self.try_coerce(b, &left) {
                Ok(fitted) => b = fitted,
                Err(back) => return Err(Box::new((a, *back))),
            }
        } else if !self.unify(&left, &right) {
            return Err(Box::new((a, b)));
        }
        Ok((a, b))
    }

    fn incompatible(&mut self, op: BinOp, a: &Expr, b: &Expr, span: Span) -> Expr {
        let (left, right) = (self.show(&a.ty), self.show(&b.ty));
        let numbers = |ty: &Type| matches!(ty, Type::Bit(_) | Type::Int(_));
        let code = if numbers(&self.base(&a.ty)) && numbers(&self.base(&b.ty)) {
            codes::WIDTH
        } else {
            codes::TYPE
        };
        let sign = binary_operator(op);
        let message =
            format!("`{sign}` needs operands of one type, these are `{left}` and `{right}`");
        let error = Diagnostic::error(code, span, message)
            .with_note_at(a.span, format!("this is `{left}`"))
            .with_note_at(b.span, format!("this is `{right}`"));
        self.report(error.with_help("cast one of them"));
        Self::wrong(span)
    }

    fn equality(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        let (a, b) = match self.balance(a, b, true) {
            Ok(both) => both,
            Err(both) => return self.incompatible(op, &both.0, &both.1, span),
        };
        let ty = self.zonk(&a.ty);
        if ty == Type::Unknown || self.shallow(&b.ty) == Type::Unknown {
            return Self::wrong(span);
        }
        if let Type::Struct(id, _) = &ty
            && self.program.structs[*id].name.is_empty()
        {
            let message = "nothing says of which struct these are values";
            let error = Diagnostic::error(codes::INFERENCE, span, message);
            self.report(error.with_help("cast one of them: (struct_type) {...}"));
            return Self::wrong(span);
        }
        if !self.is_comparable(&ty) {
            let message = format!("values of type `{}` cannot be compared", self.show(&ty));
            self.error(codes::TYPE, span, message);
            return Self::wrong(span);
        }
        let folded = match (&a.kind, &b.kind) {
            (ExprKind::Const(x), ExprKind::Const(y)) => Some((x == y) == (op == BinOp::Eq)),
            _ => None,
        };
        Expr {
            kind: match folded {
                Some(value) => ExprKind::Const(Const::Bool(value)),
                None => ExprKind::Binary(op, Box::new(a), Box::new(b)),
            },
            ty: Type::Bool,
            span,
        }
    }

    /// Whether `==` is defined for the type.
    fn is_comparable(&self, ty: &Type) -> bool {
        match self.base(ty) {
            Type::Bool
            | Type::Integer
            | Type::Bit(_)
            | Type::Int(_)
            | Type::Varbit(_)
            | Type::Error
            | Type::MatchKind
            | Type::String
            | Type::Enum(_)
            | Type::Header(..)
            | Type::Union(..)
            | Type::Struct(..)
            | Type::Unknown => true,
            Type::Stack(elem, _) => self.is_comparable(&elem),
            Type::Tuple(parts) => parts.iter().all(|part| self.is_comparable(part)),
            _ => false,
        }
    }

    fn arithmetic(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        // A number without width would lose its sign with the other operand's type.
        if matches!(op, BinOp::Div | BinOp::Mod)
            && let Some(negative) = [&a, &b].into_iter().find(|e| is_negative(e))
        {
            let at = negative.span;
            self.error(codes::ARITHMETIC, at, FoldError::Negative.reason());
            return Self::wrong(span);
        }
        let (a, b) = match self.balance(a, b, false) {
            Ok(both) => both,
            Err(both) => return self.incompatible(op, &both.0, &both.1, span),
        };
        let ty = self.shallow(&a.ty);
        if ty == Type::Unknown || self.shallow(&b.ty) == Type::Unknown {
            return Self::wrong(span);
        }
        let comparison = matches!(op, BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge);
        let saturating = matches!(op, BinOp::SatAdd | BinOp::SatSub);
        let division = matches!(op, BinOp::Div | BinOp::Mod);
        let base = self.shallow(&ty);
        let reason = match &base {
            Type::Integer if saturating => Some("a number without width cannot saturate"),
            Type::Int(_) if division => Some("division is defined for `bit` and `int` only"),
            Type::Integer | Type::Bit(_) | Type::Int(_) => None,
            _ => Some("its operands are numbers"),
        };
        if let Some(reason) = reason {
            let sign = binary_operator(op);
            let message = format!("`{sign}` does not take `{}`", self.show(&ty));
            self.report(Diagnostic::error(codes::TYPE, span, message).with_note(reason));
            return Self::wrong(span);
        }
        let result = if comparison { Type::Bool } else { ty };
        self.folded(op, &base, a, b, result, span)
    }

    /// The operation, computed if both operands are constants.
    fn folded(&mut self, op: BinOp, base: &Type, a: Expr, b: Expr, ty: Type, span: Span) -> Expr {
        let zero = |e: &Expr| matches!(&e.kind, ExprKind::Const(Const::Int(v)) if v.bits() == 0);
        let result = match (&a.kind, &b.kind) {
            (ExprKind::Const(x), ExprKind::Const(y)) => fold::binary(op, base, x, y),
            _ if matches!(op, BinOp::Div | BinOp::Mod) && zero(&b) => Err(FoldError::ByZero),
            _ => Ok(None),
        };
        match result {
            Ok(Some(value)) => Expr {
                kind: ExprKind::Const(value),
                ty,
                span,
            },
            Ok(None) => Expr {
                kind: ExprKind::Binary(op, Box::new(a), Box::new(b)),
                ty,
                span,
            },
            Err(reason) => {
                self.error(codes::ARITHMETIC, span, reason.reason());
                Self::wrong(span)
            }
        }
    }

    fn shift(&mut self, op: BinOp, a: Expr, b: Expr, span: Span) -> Expr {
        let (a, b) = (self.as_number(a), self.as_number(b));
        let (left, right) = (self.shallow(&a.ty), self.shallow(&b.ty));
        if !matches!(left, Type::Bit(_) | Type::Int(_) | Type::Integer) {
            let message = format!("`{}` cannot be shifted", self.show(&a.ty));
            self.error(codes::TYPE, a.span, message);
            return Self::wrong(span);
        }
        let constant = matches!(b.kind, ExprKind::Const(_)) || self.is_compile_time(&b);
        match right {
            Type::Bit(_) => {}
            Type::Integer if constant => {}
            Type::Int(_) if constant => {}
            _ => {
                let message = format!("`{}` cannot say how far to shift", self.show(&b.ty));
                let error = Diagnostic::error(codes::TYPE, b.span, message);
                self.report(error.with_help("use a `bit<w>`, or a number that is not negative"));
                return Self::wrong(span);
            }
        }
        if left == Type::Integer && !constant {
            let message = "a number without width can only be shifted by a constant";
            let error = Diagnostic::error(codes::TYPE, a.span, message);
            self.report(error.with_help("give the number a width: `8w5`, or cast it"));
            return Self::wrong(span);
        }
        let negative = is_negative(&b);
        if negative {
            let reason = FoldError::NegativeShift.reason();
            self.error(codes::ARITHMETIC, b.span, reason);
            return Self::wrong(span);
        }
        let ty = self.shallow(&a.ty);
        self.folded(op, &left, a, b, ty, span)
    }

    fn concat(&mut self, a: Expr, b: Expr, span: Span) -> Expr {
        let (a, b) = (self.as_number(a), self.as_number(b));
        let (left, right) = (self.shallow(&a.ty), self.shallow(&b.ty));
        let width = |ty: &Type| match ty {
            Type::Bit(width) | Type::Int(width) => Some(*width),
            _ => None,
        };
        if left == Type::String && right == Type::String {
            return self.folded(BinOp::Concat, &left, a, b, Type::String, span);
        }
        let (Some(x), Some(y)) = (width(&left), width(&right)) else {
            let (one, other) = (self.show(&a.ty), self.show(&b.ty));
            let message = format!("`++` cannot join `{one}` and `{other}`");
            let mut error = Diagnostic::error(codes::TYPE, span, message);
            if left == Type::Integer || right == Type::Integer {
                error = error.with_help("give the number a width: `8w5`, or cast it");
            }
            self.report(error);
            return Self::wrong(span);
        };
        let total = x.saturating_add(y);
        if total > super::MAX_WIDTH {
            let message = format!("a width of more than {} is not supported", super::MAX_WIDTH);
            self.error(codes::WIDTH, span, message);
            return Self::wrong(span);
        }
        let ty = match left {
            Type::Int(_) => Type::Int(total),
            _ => Type::Bit(total),
        };
        let folded = match (&a.kind, &b.kind) {
            (ExprKind::Const(Const::Int(x)), ExprKind::Const(Const::Int(z))) => {
                fold::concat(x, z, y, &ty)
            }
            _ => None,
        };
        Expr {
            kind: match folded {
                Some(value) => ExprKind::Const(Const::Int(value)),
                None => ExprKind::Binary(BinOp::Concat, Box::new(a), Box::new(b)),
            },
            ty,
            span,
        }
    }

    /// `cond ? then : otherwise`
    pub(super) fn ternary(
        &mut self,
        cond: &'a ast::Expr,
        then: &'a ast::Expr,
        otherwise: &'a ast::Expr,
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let cond = self.condition(cond);
        let (a, b) = if needs_type(then) && want.is_none() {
            let b = self.expr(otherwise, None);
            let ty = b.ty.clone();
            (self.expr(then, Some(&ty)), b)
        } else {
            let a = self.expr(then, want);
            let ty = self.shallow(&a.ty);
            let hint = want.cloned().unwrap_or(ty);
            (a, self.expr(otherwise, Some(&hint)))
        };
        let both_integers = [&a, &b]
            .iter()
            .all(|e| self.shallow(&e.ty) == Type::Integer);
        let (a, b) = match want.map(|want| self.shallow(want)) {
            Some(want) if !self.is_open(&want) && want != Type::Unknown => {
                (self.coerce(a, &want), self.coerce(b, &want))
            }
            _ => match self.balance(a, b, true) {
                Ok(both) => both,
                Err(both) => {
                    let (left, right) = (self.show(&both.0.ty), self.show(&both.1.ty));
                    let message = format!("one branch is `{left}`, the other `{right}`");
                    let error = Diagnostic::error(codes::TYPE, span, message);
                    self.report(error.with_help("cast one of them"));
                    return Self::wrong(span);
                }
            },
        };
        if cond.ty == Type::Unknown || a.ty == Type::Unknown || b.ty == Type::Unknown {
            return Self::wrong(span);
        }
        if let ExprKind::Const(Const::Bool(value)) = cond.kind {
            let taken = if value { a } else { b };
            return Expr { span, ..taken };
        }
        let ty = self.shallow(&a.ty);
        if both_integers && ty == Type::Integer && !self.is_compile_time(&cond) {
            let message = "nothing says how wide this number is";
            let error = Diagnostic::error(codes::INFERENCE, span, message);
            self.report(error.with_help("give one branch a width: `8w5`, or a cast"));
            return Self::wrong(span);
        }
        Expr {
            kind: ExprKind::Ternary(Box::new(cond), Box::new(a), Box::new(b)),
            ty,
            span,
        }
    }
}

/// Whether an expression has no type without its place.
pub(super) fn needs_type(expr: &ast::Expr) -> bool {
    use ast::ExprKind as K;
    matches!(
        expr.kind,
        K::List(_) | K::Struct { .. } | K::Invalid | K::Dots
    )
}

/// Whether the expression is a number below zero.
fn is_negative(expr: &Expr) -> bool {
    let ExprKind::Const(Const::Int(value)) = &expr.kind else {
        return false;
    };
    value.sign() == num_bigint::Sign::Minus
}
