//! What can be written to.

use super::{Checker, codes};
use crate::ast::Direction;
use crate::diag::Diagnostic;
use crate::typed::{Expr, ExprKind, Type, VarKind};

impl Checker<'_> {
    /// Whether the expression can be written to; says why not.
    pub(super) fn check_lvalue(&mut self, expr: &Expr) -> bool {
        if self.shallow(&expr.ty) == Type::Unknown {
            return false;
        }
        let mut place = expr;
        loop {
            place = match &place.kind {
                ExprKind::Field(base, _)
                | ExprKind::Element(base, _)
                | ExprKind::Index(base, _)
                | ExprKind::Slice(base, _, _)
                | ExprKind::Next(base)
                | ExprKind::Last(base) => base,
                ExprKind::SliceAt { base, .. } => base,
                _ => break,
            };
        }
        let error = |reason: &str| Diagnostic::error(codes::NOT_ASSIGNABLE, expr.span, reason);
        let ExprKind::Var(id) = &place.kind else {
            self.report(
                error("this cannot be written to")
                    .with_note("variables, `out` parameters, and parts of them can be written to"),
            );
            return false;
        };
        let var = &self.program.vars[*id];
        let what = match &var.kind {
            VarKind::Local => return true,
            VarKind::Param { direction, .. } => match direction {
                Direction::Out | Direction::InOut => return true,
                Direction::In => "an `in` parameter",
                Direction::None => "a parameter without direction",
            },
            VarKind::Const(_) => "a constant",
            VarKind::CtorParam { .. } => "a constructor parameter",
        };
        let message = format!("`{}` is {what}, which cannot be written to", var.name);
        let at = var.span;
        self.report(
            Diagnostic::error(codes::NOT_ASSIGNABLE, expr.span, message)
                .with_note_at(at, "declared here"),
        );
        false
    }
}
