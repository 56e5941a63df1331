//! List and struct expressions, whose type comes from their place (specification 8.12, 8.13).

use std::collections::HashMap;
use std::rc::Rc;

use super::Checker;
use super::types::StructKind;
use crate::ast::{self, NamedExpr};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Field, Program, StructDef, StructId, Type, TypeArgs};

impl<'a> Checker<'a> {
    /// The type of field `at` of a struct with these arguments.
    pub(super) fn field_type(&self, id: StructId, args: &[Type], at: usize) -> Type {
        let def = &self.program.structs[id];
        match def.fields.get(at) {
            Some(field) if args.is_empty() => field.ty.clone(),
            Some(field) => Program::substitute(&field.ty, &def.type_params, args),
            None => Type::Unknown,
        }
    }

    /// `{a, b}` or `{a, b, ...}`
    pub(super) fn list(&mut self, items: &'a [ast::Expr], span: Span, want: Option<&Type>) -> Expr {
        let (items, rest) = match items.split_last() {
            Some((last, before)) if matches!(last.kind, ast::ExprKind::Dots) => (before, true),
            _ => (items, false),
        };
        let want = want.map_or(Type::Unknown, |want| self.base(want));
        match &want {
            Type::Struct(id, args) | Type::Header(id, args) => {
                let (id, args) = (*id, args.clone());
                let count = self.program.structs[id].fields.len();
                let ty = |checker: &Self, at| checker.field_type(id, &args, at);
                self.items(items, rest, span, &want, count, ty)
            }
            Type::Tuple(parts) => {
                let parts = parts.clone();
                let ty = |_: &Self, at| parts.get(at).cloned().unwrap_or(Type::Unknown);
                self.items(items, rest, span, &want, parts.len(), ty)
            }
            Type::Stack(elem, size) => {
                let elem = elem.clone();
                let ty = |_: &Self, _| elem.as_ref().clone();
                self.items(items, rest, span, &want, *size as usize, ty)
            }
            Type::List(elem) if !rest => {
                let elem = elem.clone();
                let ty = |_: &Self, _| elem.as_ref().clone();
                self.items(items, rest, span, &want, items.len(), ty)
            }
            _ if rest => {
                self.no_default(span);
                Self::wrong(span)
            }
            _ => {
                let parts: Vec<Expr> = items.iter().map(|item| self.expr(item, None)).collect();
                let types: TypeArgs = parts.iter().map(|part| part.ty.clone()).collect();
                let ty = self.bounded(Type::Tuple(types), span);
                let kind = ExprKind::Aggregate(parts);
                Expr { kind, ty, span }
            }
        }
    }

    /// The elements of a list expression, each of its type.
    fn items(
        &mut self,
        items: &'a [ast::Expr],
        rest: bool,
        span: Span,
        want: &Type,
        count: usize,
        ty: impl Fn(&Self, usize) -> Type,
    ) -> Expr {
        if items.len() > count || (items.len() < count && !rest) {
            let message = format!(
                "`{}` takes {count} values, {} are given",
                self.show(want),
                items.len()
            );
            let mut error = Diagnostic::error(codes::ARGUMENTS, span, message);
            if let Some(at) = self.type_declared(want) {
                error = error.with_note_at(at, "declared here");
            }
            if items.len() < count {
                error = error.with_help("end the list in `...` to give the others their defaults");
            }
            self.report(error);
            return Self::wrong(span);
        }
        let mut parts = Vec::with_capacity(count);
        for at in 0..count {
            let ty = ty(self, at);
            parts.push(match items.get(at) {
                Some(item) => self.expr_as(item, &ty),
                None => default_of(ty, span),
            });
        }
        Expr {
            kind: ExprKind::Aggregate(parts),
            ty: want.clone(),
            span,
        }
    }

    /// `{x = a, y = b}` or `{x = a, ...}`
    pub(super) fn structure_expr(
        &mut self,
        fields: &'a [NamedExpr],
        rest: bool,
        span: Span,
        want: Option<&Type>,
    ) -> Expr {
        let want = want.map_or(Type::Unknown, |want| self.base(want));
        let (id, args) = match &want {
            Type::Struct(id, args) | Type::Header(id, args) | Type::Union(id, args) => {
                (*id, args.clone())
            }
            Type::Unknown | Type::Infer(_) if !rest => return self.anonymous(fields, span),
            Type::Unknown | Type::Infer(_) => {
                self.no_default(span);
                return Self::wrong(span);
            }
            _ => {
                let message = format!("`{}` has no fields that could be given", self.show(&want));
                self.error(codes::TYPE, span, message);
                return Self::wrong(span);
            }
        };
        let count = self.program.structs[id].fields.len();
        let mut misnamed = false;
        let mut given: Vec<Option<Expr>> = (0..count).map(|_| None).collect();
        for field in fields {
            let Some(at) = self.field_index(id, &field.name) else {
                self.expr(&field.value, Some(&Type::Unknown));
                misnamed = true;
                continue;
            };
            let ty = self.field_type(id, &args, at);
            let value = self.expr_as(&field.value, &ty);
            let Some(slot) = given.get_mut(at) else {
                continue;
            };
            if slot.is_some() {
                let message = format!("the field `{}` is given twice", field.name.name);
                self.error(codes::DECLARED_TWICE, field.name.span, message);
            } else {
                *slot = Some(value);
            }
        }
        // A name that is wrong was meant for one of the missing fields.
        if misnamed {
            return Self::wrong(span);
        }
        let union = matches!(want, Type::Union(..));
        let missing: Vec<String> = given
            .iter()
            .enumerate()
            .filter(|(_, value)| value.is_none() && !rest && !union)
            .filter_map(|(at, _)| self.program.structs[id].fields.get(at))
            .map(|field| format!("`{}`", field.name))
            .collect();
        if !missing.is_empty() {
            let message = format!("no value is given for {}", missing.join(", "));
            let at = self.program.structs[id].span;
            let error = Diagnostic::error(codes::ARGUMENTS, span, message)
                .with_note_at(at, "the fields are declared here")
                .with_help("end it in `...` to give the others their defaults");
            self.report(error);
            return Self::wrong(span);
        }
        let mut parts = Vec::with_capacity(count);
        for (at, value) in given.into_iter().enumerate() {
            let ty = self.field_type(id, &args, at);
            parts.push(value.unwrap_or_else(|| default_of(ty, span)));
        }
        Expr {
            kind: ExprKind::Aggregate(parts),
            ty: want,
            span,
        }
    }

    /// A struct expression whose place does not say its type gets a type of its own, without a name.
    fn anonymous(&mut self, fields: &'a [NamedExpr], span: Span) -> Expr {
        let mut index = HashMap::new();
        let mut parts = Vec::new();
        let mut declared = Vec::new();
        for field in fields {
            let value = self.expr(&field.value, None);
            let at = u32::try_from(declared.len()).unwrap_or(u32::MAX);
            if index.insert(field.name.as_str(), at).is_some() {
                let message = format!("the field `{}` is given twice", field.name.name);
                self.error(codes::DECLARED_TWICE, field.name.span, message);
                continue;
            }
            declared.push(Field {
                name: field.name.name.clone(),
                ty: value.ty.clone(),
                annotations: Rc::from([]),
                span: field.name.span,
            });
            parts.push(value);
        }
        let id = self.program.structs.push(StructDef {
            name: String::new(),
            type_params: Vec::new(),
            fields: declared,
            annotations: Rc::from([]),
            span,
        });
        self.struct_kinds.push(StructKind::Struct);
        self.tables.fields.insert(id, index);
        Expr {
            kind: ExprKind::Aggregate(parts),
            ty: Type::Struct(id, Type::no_args()),
            span,
        }
    }

    fn no_default(&mut self, span: Span) {
        let message = "nothing says which type `...` is the default value of";
        self.error(codes::INFERENCE, span, message);
    }

    /// Whether an aggregate of one type can be read as one of the other, part by part.
    pub(super) fn is_retyped(&self, want: &Type, have: &Type) -> bool {
        let takes_lists = matches!(
            want,
            Type::Struct(..) | Type::Header(..) | Type::Tuple(_) | Type::Stack(..) | Type::List(_)
        );
        match have {
            Type::Tuple(_) => takes_lists,
            Type::Struct(id, _) => {
                self.program.structs[*id].name.is_empty()
                    && matches!(want, Type::Struct(..) | Type::Header(..))
                    && want != have
            }
            _ => false,
        }
    }

    /// An aggregate as one of another type; see [`Checker::is_retyped`].
    pub(super) fn retype(&mut self, expr: Expr, want: &Type) -> Result<Expr, Box<Expr>> {
        let ExprKind::Aggregate(parts) = expr.kind else {
            return Err(Box::new(expr));
        };
        let give_back = |parts| {
            let kind = ExprKind::Aggregate(parts);
            Err(Box::new(Expr {
                kind,
                ty: expr.ty.clone(),
                span: expr.span,
            }))
        };
        let parts = match (want, &expr.ty) {
            (Type::Struct(to, _) | Type::Header(to, _), Type::Struct(from, _)) => {
                match self.by_name(*to, *from, parts) {
                    Ok(parts) => parts,
                    Err(parts) => return give_back(parts),
                }
            }
            _ => parts,
        };
        let wanted = match want {
            Type::Struct(id, _) | Type::Header(id, _) => self.program.structs[*id].fields.len(),
            Type::Tuple(types) => types.len(),
            Type::Stack(_, size) => *size as usize,
            _ => parts.len(),
        };
        if parts.len() != wanted {
            return give_back(parts);
        }
        let mut retyped = Vec::with_capacity(parts.len());
        for (at, part) in parts.into_iter().enumerate() {
            let ty = match want {
                Type::Struct(id, args) | Type::Header(id, args) => self.field_type(*id, args, at),
                Type::Tuple(types) => types.get(at).cloned().unwrap_or(Type::Unknown),
                Type::Stack(elem, _) | Type::List(elem) => elem.as_ref().clone(),
                _ => Type::Unknown,
            };
            retyped.push(self.coerce(part, &ty));
        }
        Ok(Expr {
            kind: ExprKind::Aggregate(retyped),
            ty: want.clone(),
            span: expr.span,
        })
    }

    /// Values of one struct's fields in the order of another's with the same names.
    fn by_name(
        &self,
        to: StructId,
        from: StructId,
        parts: Vec<Expr>,
    ) -> Result<Vec<Expr>, Vec<Expr>> {
        let known = self.tables.fields.get(&from);
        let order: Option<Vec<usize>> = self.program.structs[to]
            .fields
            .iter()
            .map(|field| Some(*known?.get(field.name.as_str())? as usize))
            .collect();
        let mut slots: Vec<Option<Expr>> = parts.into_iter().map(Some).collect();
        match order {
            Some(order) if order.len() == slots.len() => Ok(order
                .into_iter()
                .filter_map(|at| slots.get_mut(at)?.take())
                .collect()),
            _ => Err(slots.into_iter().flatten().collect()),
        }
    }
}

/// `...` for a value of the type.
fn default_of(ty: Type, span: Span) -> Expr {
    Expr {
        kind: ExprKind::Default,
        ty,
        span,
    }
}
