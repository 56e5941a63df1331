//! `exit` ends the control that runs, so it stands in `apply` blocks and actions (specification 12.5). (The parser sees to
//! the states of parsers.)

use super::Visitor;
use super::syntax::{Node, Place};
use crate::ast::{Program, StmtKind};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn rule<'a>(_: &'a Program, found: &'a mut Vec<Diagnostic>) -> Visitor<'a, Node<'a>> {
    let mut place = Place::Apply;
    Box::new(move |node| match node {
        Node::Body(of) => place = of,
        Node::Stmt(stmt)
            if matches!(stmt.kind, StmtKind::Exit)
                && matches!(place, Place::Function | Place::Method) =>
        {
            found.push(
                Diagnostic::error(
                    codes::EXIT,
                    stmt.span,
                    format!("{} cannot exit", place.name()),
                )
                .with_note("`exit` ends the control that runs")
                .with_help("return a value that the caller tests"),
            );
        }
        _ => {}
    })
}
