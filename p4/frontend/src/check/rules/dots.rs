//! `...` stands for all elements that are not given, so it comes last (specification 8.13).

use super::Visitor;
use super::syntax::Node;
use crate::ast::{ExprKind, Program};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn rule<'a>(_: &'a Program, found: &'a mut Vec<Diagnostic>) -> Visitor<'a, Node<'a>> {
    Box::new(move |node| {
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
    })
}
