//! The control plane knows keys by name. Names of simple expressions are the expressions as written; any other
//! key needs `@name` (specification 20.3.3.2).

use super::Visitor;
use super::syntax::Node;
use crate::ast::{BinOp, DeclKind, Expr, ExprKind, Program, find_annotation};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn rule<'a>(_: &'a Program, found: &'a mut Vec<Diagnostic>) -> Visitor<'a, Node<'a>> {
    Box::new(move |node| {
        let Node::Decl(decl) = node else { return };
        let DeclKind::Table(table) = &decl.kind else {
            return;
        };
        // A table that the control plane does not see needs no names.
        if find_annotation(&decl.annotations, "hidden").is_some() {
            return;
        }
        for element in table.key() {
            if find_annotation(&element.annotations, "name").is_none() && !is_simple(&element.expr)
            {
                found.push(
                    Diagnostic::error(codes::KEY, element.expr.span, "this key needs a name")
                        .with_note(
                            "the control plane knows keys by name, and this one is not simple",
                        )
                        .with_help("write `@name(\"...\")` behind the match kind"),
                );
            }
        }
    })
}

/// Names, fields, elements, slices, masked values and `isValid()`.
fn is_simple(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Path(_)
        | ExprKind::This
        | ExprKind::Int(_)
        | ExprKind::Bool(_)
        | ExprKind::TypeMember { .. } => true,
        ExprKind::Member { base, .. } => is_simple(base),
        ExprKind::Index { base, index } => is_simple(base) && is_simple(index),
        ExprKind::Slice { base, hi, lo } => is_simple(base) && is_simple(hi) && is_simple(lo),
        ExprKind::PlusSlice { base, lo, width } => {
            is_simple(base) && is_simple(lo) && is_simple(width)
        }
        ExprKind::Binary {
            op: BinOp::BitAnd,
            lhs,
            rhs,
        } => is_simple(lhs) && is_simple(rhs),
        ExprKind::Call { callee, args, .. } => {
            let valid =
                matches!(&callee.kind, ExprKind::Member { name, .. } if name.name == "isValid");
            valid && args.is_empty() && is_simple(callee)
        }
        ExprKind::Cast { expr, .. } => is_simple(expr),
        _ => false,
    }
}
