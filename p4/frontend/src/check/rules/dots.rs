//! `...` stands for all elements that are not given, so it comes last (specification 8.13).

use super::syntax::{Node, walk};
use crate::ast::{ExprKind, Program};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    walk(program, &mut |node| {
        let Node::Expr(expr) = node else { return };
        let ExprKind::List(elements) = &expr.kind else {
            return;
        };
        let Some((_, before)) = elements.split_last() else {
            return;
        };
        if let Some(dots) = before.iter().find(|e| matches!(e.kind, ExprKind::Dots)) {
            found.push(
                Diagnostic::error(codes::MISPLACED, dots.span, "`...` is not the last element")
                    .with_note("it stands for all elements that are not given")
                    .with_help("put `...` last, or give each element"),
            );
        }
    });
}
