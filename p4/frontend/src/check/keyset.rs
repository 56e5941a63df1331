//! Keysets of `select` cases and table entries.

use super::scope::Binding;
use super::{Checker, codes};
use crate::ast;
use crate::diag::Diagnostic;
use crate::typed::{Const, Expr, ExprKind, KeySet, Type, ValueSetId};

impl<'a> Checker<'a> {
    /// A set of values of the type.
    pub(super) fn keyset(&mut self, set: &'a ast::Expr, ty: &Type) -> KeySet {
        use ast::ExprKind as K;
        match &set.kind {
            K::DontCare | K::Default => KeySet::Any,
            K::Mask { value, mask } => {
                let (base, span) = (self.base(ty), set.span);
                let numeric = matches!(base, Type::Bit(_) | Type::Int(_) | Type::Integer)
                    || self.enum_repr(&base).is_some()
                    || matches!(base, Type::Unknown | Type::Infer(_));
                if !numeric {
                    let message = format!("`&&&` does not take `{}`", self.show(ty));
                    self.error(codes::TYPE, span, message);
                }
                let inner = self.enum_repr(&base).unwrap_or_else(|| ty.clone());
                let value = self.fixed_part(value, ty);
                let mask = self.expr(mask, Some(&inner));
                let mask = match self.try_coerce(mask, &inner) {
                    Ok(mask) => mask,
                    Err(mask) => self.coerce(*mask, ty),
                };
                KeySet::Mask(value, mask)
            }
            K::Range { lo, hi } => {
                let base = self.base(ty);
                let numeric = matches!(base, Type::Bit(_) | Type::Int(_) | Type::Integer)
                    || self.enum_repr(&base).is_some()
                    || matches!(base, Type::Unknown | Type::Infer(_));
                if !numeric {
                    let message = format!("`..` does not take `{}`", self.show(ty));
                    self.error(codes::TYPE, set.span, message);
                }
                let inner = self.enum_repr(&base).unwrap_or_else(|| ty.clone());
                let lo = self.fixed_part(lo, &inner);
                let hi = self.fixed_part(hi, &inner);
                if let (ExprKind::Const(Const::Int(low)), ExprKind::Const(Const::Int(high))) =
                    (&lo.kind, &hi.kind)
                    && low > high
                {
                    let message = format!("the range from {low} to {high} is empty");
                    self.report(Diagnostic::warning(codes::WIDTH, set.span, message));
                }
                KeySet::Range(lo, hi)
            }
            _ => {
                if let Some(id) = self.value_set(set) {
                    let elem = self.program.value_sets[id].ty.clone();
                    if !self.unify(ty, &elem) {
                        let found = Expr {
                            kind: ExprKind::Default,
                            ty: elem,
                            span: set.span,
                        };
                        self.mismatch(ty, &found);
                    }
                    return KeySet::ValueSet(id);
                }
                let value = self.set_part(set, ty);
                if matches!(value.kind, ExprKind::Call(_)) {
                    let message = "nothing can be called in a set of values";
                    self.error(codes::MISPLACED, set.span, message);
                }
                KeySet::Value(value)
            }
        }
    }

    fn set_part(&mut self, expr: &'a ast::Expr, ty: &Type) -> Expr {
        let value = self.expr(expr, Some(ty));
        let mut value = self.coerce(value, ty);
        self.close(&mut value);
        value
    }

    /// A part of a set of values that is known at compile time.
    fn fixed_part(&mut self, expr: &'a ast::Expr, ty: &Type) -> Expr {
        let value = self.set_part(expr, ty);
        if !self.is_compile_time(&value) {
            self.not_constant(&value, "this end of a set of values");
        }
        value
    }

    /// The value set that an expression names.
    pub(super) fn value_set(&mut self, set: &'a ast::Expr) -> Option<ValueSetId> {
        let ast::ExprKind::Path(path) = &set.kind else {
            return None;
        };
        match self.scopes.lookup(path.as_str()) {
            Some(Binding::ValueSet(id)) => Some(*id),
            _ => None,
        }
    }

    /// Sets for all keys: one per key, or one for all of them.
    pub(super) fn keysets(
        &mut self,
        sets: &'a [ast::Expr],
        types: &[Type],
        span: crate::Span,
    ) -> Vec<KeySet> {
        if let [only] = sets {
            match &only.kind {
                ast::ExprKind::DontCare | ast::ExprKind::Default => {
                    return types.iter().map(|_| KeySet::Any).collect();
                }
                ast::ExprKind::List(items) if items.len() == types.len() => {
                    return items
                        .iter()
                        .zip(types)
                        .map(|(set, ty)| self.keyset(set, ty))
                        .collect();
                }
                _ => {}
            }
            if let Some(id) = self.value_set(only) {
                self.value_set_fits(id, types, only);
                return vec![KeySet::ValueSet(id)];
            }
        }
        // One key that is a tuple may be matched part by part.
        if let ([key], true) = (types, sets.len() > 1)
            && let Type::Tuple(parts) = self.base(key)
            && parts.len() == sets.len()
        {
            return sets
                .iter()
                .zip(parts.iter())
                .map(|(set, ty)| self.keyset(set, ty))
                .collect();
        }
        if sets.len() != types.len() {
            let message = format!(
                "there are {} keys, but {} sets of values for them",
                types.len(),
                sets.len()
            );
            self.error(codes::ARGUMENTS, span, message);
            return Vec::new();
        }
        sets.iter()
            .zip(types)
            .map(|(set, ty)| self.keyset(set, ty))
            .collect()
    }

    /// Whether the elements of a value set are the keys, taken together.
    fn value_set_fits(&mut self, id: ValueSetId, types: &[Type], at: &'a ast::Expr) {
        let elem = self.program.value_sets[id].ty.clone();
        let mut parts = Vec::new();
        let single = matches!(types, [ty] if self.base(ty) == self.base(&elem));
        if single {
            return;
        }
        self.flatten(&elem, &mut parts);
        let fits = parts.contains(&Type::Unknown)
            || parts.len() == types.len()
                && types
                    .iter()
                    .zip(&parts)
                    .all(|(ty, part)| self.unify(ty, part));
        if !fits {
            let wanted: Vec<String> = types.iter().map(|ty| self.show(ty)).collect();
            let message = format!(
                "the value set holds `{}`, the keys are `{}`",
                self.show(&elem),
                wanted.join("`, `")
            );
            self.error(codes::TYPE, at.span, message);
        }
    }

    /// The types of a struct's or tuple's parts, those of inner structs in their place.
    fn flatten(&self, ty: &Type, parts: &mut Vec<Type>) {
        match self.base(ty) {
            Type::Struct(of, args) | Type::Header(of, args) => {
                for at in 0..self.program.structs[of].fields.len() {
                    self.flatten(&self.field_type(of, &args, at), parts);
                }
            }
            Type::Tuple(of) => of.iter().for_each(|ty| self.flatten(ty, parts)),
            _ => parts.push(ty.clone()),
        }
    }
}
