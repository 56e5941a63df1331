//! Expressions.

use num_bigint::BigInt;

use super::scope::Binding;
use super::{Checker, Place, fold};
use crate::ast::{self, IntLit};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Callee, Const, Expr, ExprKind, Type, VarId, VarKind};

/// Constants with more parts than this are referred to, not repeated.
const MAX_INLINE: u32 = 64;

impl<'a> Checker<'a> {
    /// An expression. `want` says what its place needs, for expressions that have no type of their own; the result
    /// may have another type.
    pub(super) fn expr(&mut self, expr: &'a ast::Expr, want: Option<&Type>) -> Expr {
        self.nested(expr.span, |checker| checker.expr_here(expr, want))
            .unwrap_or_else(|| Self::wrong(expr.span))
    }

    /// An expression as a value of the type.
    pub(super) fn expr_as(&mut self, expr: &'a ast::Expr, want: &Type) -> Expr {
        let value = self.expr(expr, Some(want));
        self.coerce(value, want)
    }

    /// A condition.
    pub(super) fn condition(&mut self, expr: &'a ast::Expr) -> Expr {
        self.expr_as(expr, &Type::Bool)
    }

    fn expr_here(&mut self, expr: &'a ast::Expr, want: Option<&Type>) -> Expr {
        use ast::ExprKind as K;
        let span = expr.span;
        let plain = |kind, ty| Expr { kind, ty, span };
        match &expr.kind {
            K::Int(literal) => self.number(literal, span),
            K::Bool(value) => plain(ExprKind::Const(Const::Bool(*value)), Type::Bool),
            K::Str(text) => plain(ExprKind::Const(Const::Str(text.clone())), Type::String),
            K::Path(path) => self.path(path, span),
            K::This => self.this(span),
            K::Dots => self.dots(span, want),
            K::Invalid => self.invalid(span, want),
            K::DontCare => {
                let message = "`_` can only stand for an `out` argument or a keyset";
                self.error(codes::MISPLACED, span, message);
                Self::wrong(span)
            }
            K::Default => {
                self.error(codes::MISPLACED, span, "`default` is no value");
                Self::wrong(span)
            }
            K::List(items) => self.list(items, span, want),
            K::Struct { fields, rest } => self.structure_expr(fields, *rest, span, want),
            K::Unary { op, expr } => self.unary(*op, expr, span),
            K::Binary { .. } => self.binary(expr),
            K::Ternary {
                cond,
                then,
                otherwise,
            } => self.ternary(cond, then, otherwise, span, want),
            K::Cast { ty, expr } => {
                let ty = self.resolve(ty);
                // A number that is cast has a type of its own; a list or struct may take the target's.
                let scalar = matches!(
                    self.base(&ty),
                    Type::Bool | Type::Bit(_) | Type::Int(_) | Type::Integer | Type::Enum(_)
                );
                let value = self.expr(expr, (!scalar).then_some(&ty));
                self.cast(value, &ty, span)
            }
            K::Member { base, name } => self.member(base, name, span),
            K::TypeMember { ty, name } => self.type_member(ty, name, span),
            K::Index { base, index } => self.index(base, index, span),
            K::Slice { base, hi, lo } => self.slice(base, hi, lo, span),
            K::PlusSlice { base, lo, width } => self.plus_slice(base, lo, width, span),
            K::Call {
                callee,
                type_args,
                args,
            } => self.call(callee, type_args, args, span),
            K::Construct { ty, args } => self.construct(ty, args, span, want),
            K::Mask { .. } | K::Range { .. } => {
                let message = "a set of values can only stand in keysets";
                self.error(codes::MISPLACED, span, message);
                Self::wrong(span)
            }
        }
    }

    fn number(&mut self, literal: &IntLit, span: Span) -> Expr {
        let ty = match (literal.width, literal.signed) {
            (None, _) => Type::Integer,
            (Some(width), true) => Type::Int(width),
            (Some(width), false) => Type::Bit(width),
        };
        if ty == Type::Int(0) {
            self.error(codes::WIDTH, span, "`int` is at least one bit wide");
            return Self::wrong(span);
        }
        if literal.width.is_some_and(|width| width > super::MAX_WIDTH) {
            let message = format!("a width of more than {} is not supported", super::MAX_WIDTH);
            self.error(codes::WIDTH, span, message);
            return Self::wrong(span);
        }
        if literal.value.bits() > fold::MAX_BITS {
            let message = format!("a number of more than {} bits", fold::MAX_BITS);
            self.error(codes::WIDTH, span, message);
            return Self::wrong(span);
        }
        let value = fold::wrap(&literal.value, &ty).unwrap_or_else(|| literal.value.clone());
        if value != literal.value {
            self.does_not_fit(&literal.value, &ty, span, &value);
        }
        Expr {
            kind: ExprKind::Const(Const::Int(value)),
            ty,
            span,
        }
    }

    fn this(&mut self, span: Span) -> Expr {
        let Some((id, args)) = self.context.this.clone() else {
            let message = "`this` only exists in the methods of an instance";
            self.error(codes::MISPLACED, span, message);
            return Self::wrong(span);
        };
        Expr {
            kind: ExprKind::This,
            ty: Type::Extern(id, args),
            span,
        }
    }

    fn dots(&mut self, span: Span, want: Option<&Type>) -> Expr {
        match want {
            Some(want) if !self.is_open(want) => {
                let ty = self.zonk(want);
                if !self.has_default(&ty) {
                    let message = format!("`{}` has no default value", self.show(&ty));
                    self.error(codes::TYPE, span, message);
                    return Self::wrong(span);
                }
                let kind = ExprKind::Default;
                Expr { kind, ty, span }
            }
            _ => {
                let message = "nothing says which type `...` is the default value of";
                self.error(codes::INFERENCE, span, message);
                Self::wrong(span)
            }
        }
    }

    /// Whether the type has a default value (specification 7.3).
    fn has_default(&self, ty: &Type) -> bool {
        !matches!(
            self.base(ty),
            Type::List(_)
                | Type::Set(_)
                | Type::Void
                | Type::MatchKind
                | Type::Extern(..)
                | Type::Block(..)
                | Type::Parser(_)
                | Type::Control(_)
        )
    }

    fn invalid(&mut self, span: Span, want: Option<&Type>) -> Expr {
        let ty = want.map_or(Type::Unknown, |want| self.zonk(want));
        match self.base(&ty) {
            Type::Header(..) | Type::Union(..) => {
                let kind = ExprKind::Invalid;
                Expr { kind, ty, span }
            }
            Type::Unknown if want.is_some() => Self::wrong(span),
            Type::Infer(_) | Type::Unknown => {
                let message = "nothing says which header `{#}` is";
                let error = Diagnostic::error(codes::INFERENCE, span, message);
                self.report(error.with_help("cast it: (header_type) {#}"));
                Self::wrong(span)
            }
            _ => {
                let message = format!("`{{#}}` is an invalid header, `{}` is none", self.show(&ty));
                self.error(codes::TYPE, span, message);
                Self::wrong(span)
            }
        }
    }

    /// What a name stands for; says so if there is nothing of that name.
    pub(super) fn find(&mut self, path: &'a ast::Path) -> Option<Binding> {
        let name = path.as_str();
        let found = if path.absolute {
            self.scopes.lookup_global(name)
        } else {
            self.scopes.lookup(name)
        };
        if let Some(binding) = found {
            return Some(binding.clone());
        }
        if self.tables.match_kinds.contains_key(name) {
            return Some(Binding::MatchKind);
        }
        if let Some(id) = self.context.members_of
            && self
                .tables
                .members
                .get(&id)
                .is_some_and(|m| m.contains_key(name))
        {
            return Some(Binding::Member(id));
        }
        let near = self.scopes.similar(name, |binding| !binding.is_type());
        self.not_declared(path, format!("`{name}` is not declared"), near);
        None
    }

    fn path(&mut self, path: &'a ast::Path, span: Span) -> Expr {
        let Some(binding) = self.find(path) else {
            return Self::wrong(span);
        };
        let singleton = |ty| Expr {
            kind: ExprKind::Default,
            ty,
            span,
        };
        match binding {
            Binding::Var(id) => self.var(id, span),
            Binding::Instance(id) => Expr {
                kind: ExprKind::Instance(id),
                ty: self.instance_type(id),
                span,
            },
            Binding::Action(id) => singleton(Type::Action(id)),
            Binding::Table(id) => singleton(Type::Table(id)),
            Binding::MatchKind => {
                let found = self.tables.match_kinds.get(path.as_str());
                let at = found.map_or(0, |(at, _)| *at);
                Expr {
                    kind: ExprKind::Const(Const::MatchKind(at)),
                    ty: Type::MatchKind,
                    span,
                }
            }
            Binding::Member(id) => self.enum_member(id, &path.name, span),
            Binding::Broken => Self::wrong(span),
            other => {
                let message = format!("`{}` is {}, not a value", path.as_str(), other.kind());
                let mut error = Diagnostic::error(codes::TYPE, span, message);
                if let Some(at) = self.scopes.declared_at(path.as_str()) {
                    error = error.with_note_at(at, "declared here");
                }
                if matches!(other, Binding::Functions(_)) {
                    error = error.with_help(format!("call it: `{}(...)`", path.as_str()));
                }
                self.report(error);
                Self::wrong(span)
            }
        }
    }

    /// A variable, parameter or constant; constants are replaced by their value.
    pub(super) fn var(&self, id: VarId, span: Span) -> Expr {
        let var = &self.program.vars[id];
        if let VarKind::Const(value) = &var.kind
            && self.is_inline(value)
        {
            return Expr {
                span,
                ..value.as_ref().clone()
            };
        }
        Expr {
            kind: ExprKind::Var(id),
            ty: var.ty.clone(),
            span,
        }
    }

    /// Whether a constant's value is short, and the same for every instance.
    fn is_inline(&self, value: &Expr) -> bool {
        fn walk(value: &Expr, left: &mut u32) -> bool {
            if *left == 0 {
                return false;
            }
            *left -= 1;
            match &value.kind {
                ExprKind::Const(_) | ExprKind::Default | ExprKind::Invalid => true,
                ExprKind::Aggregate(parts) => parts.iter().all(|part| walk(part, left)),
                _ => false,
            }
        }
        walk(value, &mut MAX_INLINE.clone())
    }

    /// The value behind a constant of many parts, if it is known here.
    pub(super) fn peek<'e>(&'e self, expr: &'e Expr) -> &'e Expr {
        match &expr.kind {
            ExprKind::Var(id) => match &self.program.vars[*id].kind {
                VarKind::Const(value) => value,
                _ => expr,
            },
            _ => expr,
        }
    }

    /// Part `at` of a constant, if that is simply known.
    pub(super) fn constant_part(&self, of: &Expr, at: usize, span: Span) -> Option<Expr> {
        let ExprKind::Aggregate(parts) = &self.peek(of).kind else {
            return None;
        };
        if !matches!(of.kind, ExprKind::Var(_)) && !parts.iter().all(|p| self.is_inline(p)) {
            return None;
        }
        let part = parts.get(at).filter(|part| self.is_inline(part))?;
        // The default of a number is zero.
        if matches!(part.kind, ExprKind::Default) {
            let kind = match self.base(&part.ty) {
                Type::Bit(_) | Type::Int(_) | Type::Integer => Const::Int(BigInt::ZERO),
                Type::Bool => Const::Bool(false),
                Type::Error => Const::Error(0),
                _ => return None,
            };
            let (kind, ty) = (ExprKind::Const(kind), part.ty.clone());
            return Some(Expr { kind, ty, span });
        }
        Some(Expr {
            span,
            ..part.clone()
        })
    }

    /// Whether the value is known at compile time, perhaps only once an instance is made.
    pub(super) fn is_compile_time(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Const(_)
            | ExprKind::Default
            | ExprKind::Invalid
            | ExprKind::Instance(_)
            | ExprKind::This => true,
            ExprKind::Var(id) => match &self.program.vars[*id].kind {
                VarKind::Const(_) | VarKind::CtorParam { .. } => true,
                VarKind::Param { direction, .. } => {
                    *direction == ast::Direction::None && self.context.place != Place::Action
                }
                VarKind::Local => false,
            },
            ExprKind::Aggregate(parts) => parts.iter().all(|part| self.is_compile_time(part)),
            ExprKind::Unary(_, e)
            | ExprKind::Cast(e)
            | ExprKind::Field(e, _)
            | ExprKind::Element(e, _)
            | ExprKind::Slice(e, _, _) => self.is_compile_time(e),
            ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => {
                self.is_compile_time(a) && self.is_compile_time(b)
            }
            ExprKind::Ternary(a, b, c) => [a, b, c].iter().all(|e| self.is_compile_time(e)),
            ExprKind::Call(call) => {
                let Callee::Function(id) = &call.callee else {
                    return false;
                };
                let function = &self.program.functions[*id];
                let mut args = call.args.iter().filter_map(|arg| arg.value.as_ref());
                function.body.is_none()
                    && ast::find_annotation(&function.annotations, "pure").is_some()
                    && args.all(|arg| self.is_compile_time(arg))
            }
            _ => false,
        }
    }

    /// Reports that something has to be known at compile time.
    pub(super) fn not_constant(&mut self, expr: &Expr, what: &str) {
        if expr.ty == Type::Unknown {
            return;
        }
        let message = format!("{what} must be known at compile time");
        let mut error = Diagnostic::error(codes::NOT_CONSTANT, expr.span, message);
        if let Some(id) = self.run_time_var(expr) {
            let var = &self.program.vars[id];
            let note = format!("`{}` has its value only at run time", var.name);
            error = error.with_note_at(var.span, note);
        }
        self.report(error);
    }

    /// A variable that makes an expression unknown at compile time.
    fn run_time_var(&self, expr: &Expr) -> Option<VarId> {
        match &expr.kind {
            ExprKind::Var(id) if !self.is_compile_time(expr) => Some(*id),
            ExprKind::Aggregate(parts) => parts.iter().find_map(|part| self.run_time_var(part)),
            ExprKind::Unary(_, e)
            | ExprKind::Cast(e)
            | ExprKind::Field(e, _)
            | ExprKind::Element(e, _)
            | ExprKind::Slice(e, _, _) => self.run_time_var(e),
            ExprKind::Binary(_, a, b) | ExprKind::Index(a, b) => {
                self.run_time_var(a).or_else(|| self.run_time_var(b))
            }
            _ => None,
        }
    }

    /// A number that must be known here and now: a width, a size.
    pub(super) fn constant_number(&mut self, expr: &'a ast::Expr) -> Option<BigInt> {
        let value = self.expr(expr, None);
        self.number_of(&value)
    }

    /// Whether values of the type are numbers.
    pub(super) fn is_numeric(&self, ty: &Type) -> bool {
        let base = self.base(ty);
        matches!(base, Type::Integer | Type::Bit(_) | Type::Int(_))
            || self.enum_repr(&base).is_some()
    }

    /// The number that an expression is; an error if it is none.
    pub(super) fn number_of(&mut self, value: &Expr) -> Option<BigInt> {
        if self.base(&value.ty) == Type::Unknown {
            return None;
        }
        if !self.is_numeric(&value.ty) {
            let message = format!("a number is needed, this is `{}`", self.show(&value.ty));
            self.error(codes::TYPE, value.span, message);
            return None;
        }
        match &value.kind {
            ExprKind::Const(Const::Int(number)) => Some(number.clone()),
            _ => {
                self.not_constant(value, "this number");
                None
            }
        }
    }
}
