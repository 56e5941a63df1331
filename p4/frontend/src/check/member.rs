//! `e.name`, `T.name`, indices and slices.

use num_bigint::BigInt;

use super::{Checker, Place, fold};
use crate::ast::{self, Ident, TypeKind, TypeRef};
use crate::codes;
use crate::diag::Diagnostic;
use crate::similar::similar;
use crate::span::Span;
use crate::typed::{Const, EnumId, Expr, ExprKind, Type};

impl<'a> Checker<'a> {
    /// `base.name`, not called.
    pub(super) fn member(&mut self, base: &'a ast::Expr, name: &'a Ident, span: Span) -> Expr {
        let base = self.expr(base, None);
        let ty = self.base(&base.ty);
        match &ty {
            Type::Unknown => Self::wrong(span),
            Type::Struct(id, args) | Type::Header(id, args) | Type::Union(id, args) => {
                let Some(at) = self.field_index(*id, name) else {
                    return Self::wrong(span);
                };
                if let Some(part) = self.constant_part(&base, at, span) {
                    return part;
                }
                let field = u32::try_from(at).unwrap_or(u32::MAX);
                Expr {
                    ty: self.field_type(*id, args, at),
                    kind: ExprKind::Field(Box::new(base), field),
                    span,
                }
            }
            Type::Stack(elem, size) => {
                let (elem, size) = (elem.as_ref().clone(), *size);
                self.stack_member(base, elem, size, name, span)
            }
            Type::ApplyResult(table) => {
                let (kind, ty) = match name.as_str() {
                    "hit" | "miss" => {
                        let miss = name.as_str() == "miss";
                        let table = *table;
                        (ExprKind::Hit { table, miss }, Type::Bool)
                    }
                    "action_run" => (base.kind, Type::ActionRun(*table)),
                    _ => {
                        let known = ["hit", "miss", "action_run"];
                        self.unknown_name("applying a table does not give", name, known);
                        return Self::wrong(span);
                    }
                };
                Expr { kind, ty, span }
            }
            _ => {
                let message = format!("`{}` has no field `{}`", self.show(&base.ty), name.name);
                self.error(codes::UNKNOWN_NAME, name.span, message);
                Self::wrong(span)
            }
        }
    }

    fn stack_member(
        &mut self,
        base: Expr,
        elem: Type,
        size: u32,
        name: &Ident,
        span: Span,
    ) -> Expr {
        let parser_only = matches!(name.as_str(), "next" | "last" | "lastIndex");
        if parser_only && self.context.place != Place::Parser {
            let message = format!("`{}` of a stack only exists in parsers", name.name);
            let error = Diagnostic::error(codes::MISPLACED, name.span, message);
            self.report(error.with_help("use an index"));
            return Self::wrong(span);
        }
        let boxed = Box::new(base);
        let (kind, ty) = match name.as_str() {
            "size" => {
                let size = Const::Int(BigInt::from(size));
                (ExprKind::Const(size), Type::Bit(32))
            }
            "next" => (ExprKind::Next(boxed), elem),
            "last" => (ExprKind::Last(boxed), elem),
            "lastIndex" => (ExprKind::LastIndex(boxed), Type::Bit(32)),
            _ => {
                self.unknown_name(
                    "a header stack has no member",
                    name,
                    [
                        "size",
                        "next",
                        "last",
                        "lastIndex",
                        "push_front",
                        "pop_front",
                    ],
                );
                return Self::wrong(span);
            }
        };
        Expr { kind, ty, span }
    }

    /// `T.name`, not called.
    pub(super) fn type_member(&mut self, ty: &'a TypeRef, name: &'a Ident, span: Span) -> Expr {
        if ty.kind == TypeKind::Error {
            return self.error_member(name, span);
        }
        let resolved = self.resolve(ty);
        match self.base(&resolved) {
            Type::Unknown => Self::wrong(span),
            Type::Error => self.error_member(name, span),
            Type::Enum(id) => self.enum_member(id, name, span),
            other => {
                let message = format!(
                    "the type `{}` has no member `{}`",
                    self.show(&other),
                    name.name
                );
                self.error(codes::UNKNOWN_NAME, name.span, message);
                Self::wrong(span)
            }
        }
    }

    /// A member of an enum.
    pub(super) fn enum_member(&mut self, id: EnumId, name: &Ident, span: Span) -> Expr {
        let found = self
            .tables
            .members
            .get(&id)
            .and_then(|m| m.get(name.as_str()));
        let Some(at) = found.copied() else {
            let def = &self.program.enums[id];
            let message = format!("the enum `{}` has no member `{}`", def.name, name.name);
            let near = similar(&name.name, def.members.iter().map(|m| m.0.as_str()));
            let mut error = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message)
                .with_note_at(def.span, "declared here");
            if let Some(near) = near {
                error = error.with_help(format!("did you mean `{near}`?"));
            }
            self.report(error);
            return Self::wrong(span);
        };
        let members = &self.program.enums[id].members;
        let value = members.get(at as usize).and_then(|member| member.1.clone());
        let value = value.map_or(Const::Member(at), Const::Int);
        Expr {
            kind: ExprKind::Const(value),
            ty: Type::Enum(id),
            span,
        }
    }

    fn error_member(&mut self, name: &Ident, span: Span) -> Expr {
        let Some(at) = self.tables.errors.get(name.as_str()).copied() else {
            let known = self.program.errors.clone();
            self.unknown_name("there is no error", name, known.iter().map(String::as_str));
            return Self::wrong(span);
        };
        Expr {
            kind: ExprKind::Const(Const::Error(at)),
            ty: Type::Error,
            span,
        }
    }

    /// `base[index]`
    pub(super) fn index(&mut self, base: &'a ast::Expr, index: &'a ast::Expr, span: Span) -> Expr {
        let base = self.expr(base, None);
        let index = self.expr(index, None);
        let ty = self.base(&base.ty);
        let index_ty = self.base(&index.ty);
        if ty == Type::Unknown || index_ty == Type::Unknown {
            return Self::wrong(span);
        }
        let index_repr = self.enum_repr(&index_ty).unwrap_or(index_ty);
        if !matches!(index_repr, Type::Integer | Type::Bit(_) | Type::Int(_)) {
            let message = format!("`{}` cannot be an index", self.show(&index.ty));
            self.error(codes::TYPE, index.span, message);
            return Self::wrong(span);
        }
        let known = match &index.kind {
            ExprKind::Const(Const::Int(value)) => Some(value.clone()),
            _ => None,
        };
        let (count, ty_of) = match &ty {
            Type::Stack(elem, size) => (*size as usize, Some(elem.as_ref().clone())),
            Type::Tuple(parts) => (parts.len(), None),
            _ => {
                let message = format!("`{}` cannot be indexed", self.show(&base.ty));
                self.error(codes::TYPE, base.span, message);
                return Self::wrong(span);
            }
        };
        let at = match &known {
            Some(value) => match usize::try_from(value) {
                Ok(at) if at < count => Some(at),
                _ => {
                    let message =
                        format!("the index {value} is outside: there are {count} elements");
                    self.error(codes::STACK_BOUNDS, index.span, message);
                    return Self::wrong(span);
                }
            },
            None => None,
        };
        if let Some(part) = at.and_then(|at| self.constant_part(&base, at, span)) {
            return part;
        }
        match (ty_of, at, &ty) {
            (Some(elem), _, _) => Expr {
                kind: ExprKind::Index(Box::new(base), Box::new(index)),
                ty: elem,
                span,
            },
            (None, Some(at), Type::Tuple(parts)) => Expr {
                ty: parts.get(at).cloned().unwrap_or(Type::Unknown),
                kind: ExprKind::Element(Box::new(base), u32::try_from(at).unwrap_or(u32::MAX)),
                span,
            },
            _ => {
                self.not_constant(&index, "the index of a tuple");
                Self::wrong(span)
            }
        }
    }

    /// The width of what is sliced; an error if it cannot be.
    fn sliced_width(&mut self, base: &Expr) -> Option<u32> {
        let ty = self.base(&base.ty);
        match self.enum_repr(&ty).unwrap_or(ty) {
            Type::Bit(width) | Type::Int(width) => Some(width),
            Type::Unknown => None,
            other => {
                let message = format!("`{}` has no bits that could be cut out", self.show(&other));
                let mut error = Diagnostic::error(codes::TYPE, base.span, message);
                if other == Type::Integer {
                    error = error.with_help("give the number a width: `8w5`, or cast it");
                }
                self.report(error);
                None
            }
        }
    }

    /// A bit number, known at compile time.
    fn bit_number(&mut self, expr: &'a ast::Expr, width: u32) -> Option<u32> {
        let value = self.constant_number(expr)?;
        match u32::try_from(&value) {
            Ok(bit) if bit < width => Some(bit),
            _ => {
                let message = format!("there is no bit {value} in a value of {width} bits");
                self.error(codes::WIDTH, expr.span, message);
                None
            }
        }
    }

    /// `base[hi:lo]`
    pub(super) fn slice(
        &mut self,
        base: &'a ast::Expr,
        hi: &'a ast::Expr,
        lo: &'a ast::Expr,
        span: Span,
    ) -> Expr {
        let base = self.expr(base, None);
        let Some(width) = self.sliced_width(&base) else {
            return Self::wrong(span);
        };
        let (hi_bit, lo_bit) = (self.bit_number(hi, width), self.bit_number(lo, width));
        let (Some(hi_bit), Some(lo_bit)) = (hi_bit, lo_bit) else {
            return Self::wrong(span);
        };
        if hi_bit < lo_bit {
            let message =
                format!("the first bit of a slice is the higher one, but {hi_bit} < {lo_bit}");
            let error = Diagnostic::error(codes::WIDTH, hi.span.to(lo.span), message);
            self.report(error.with_help(format!("write [{lo_bit}:{hi_bit}]")));
            return Self::wrong(span);
        }
        Self::cut(base, hi_bit, lo_bit, span)
    }

    fn cut(base: Expr, hi: u32, lo: u32, span: Span) -> Expr {
        let folded = match &base.kind {
            ExprKind::Const(Const::Int(value)) => fold::slice(value, hi, lo),
            _ => None,
        };
        Expr {
            kind: match folded {
                Some(value) => ExprKind::Const(Const::Int(value)),
                None => ExprKind::Slice(Box::new(base), hi, lo),
            },
            ty: Type::Bit(hi.saturating_sub(lo).saturating_add(1)),
            span,
        }
    }

    /// `base[lo +: width]`
    pub(super) fn plus_slice(
        &mut self,
        base: &'a ast::Expr,
        lo: &'a ast::Expr,
        width: &'a ast::Expr,
        span: Span,
    ) -> Expr {
        let base = self.expr(base, None);
        let total = self.sliced_width(&base);
        let count = self.constant_number(width);
        let lo = self.expr(lo, None);
        let (Some(total), Some(count)) = (total, count) else {
            return Self::wrong(span);
        };
        let count = match u32::try_from(&count) {
            Ok(count) if (1..=total).contains(&count) => count,
            _ => {
                let message = format!("{count} bits cannot be cut out of {total}");
                self.error(codes::WIDTH, width.span, message);
                return Self::wrong(span);
            }
        };
        let lo_ty = self.base(&lo.ty);
        match (&lo.kind, lo_ty) {
            (_, Type::Unknown) => Self::wrong(span),
            (ExprKind::Const(Const::Int(value)), _) => match u32::try_from(value) {
                Ok(low) if low <= total - count => Self::cut(base, low + count - 1, low, span),
                _ => {
                    let message = format!(
                        "{count} bits from bit {value} on are not within a value of {total} bits"
                    );
                    self.error(codes::WIDTH, lo.span, message);
                    Self::wrong(span)
                }
            },
            (_, Type::Bit(_) | Type::Integer) => Expr {
                kind: ExprKind::SliceAt {
                    base: Box::new(base),
                    lo: Box::new(lo),
                    width: count,
                },
                ty: Type::Bit(count),
                span,
            },
            (_, other) => {
                let message = format!("`{}` cannot say where a slice begins", self.show(&other));
                let error = Diagnostic::error(codes::TYPE, lo.span, message);
                self.report(error.with_help("use a `bit<w>`"));
                Self::wrong(span)
            }
        }
    }
}
