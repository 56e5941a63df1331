//! Where instances may be declared (specification 11.3): all of them exist before the first packet, so they
//! stand at top level and among the declarations of parsers and controls, never among statements.

use super::Visitor;
use super::syntax::Node;
use crate::ast::{DeclKind, Program, StmtKind};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn rule<'a>(_: &'a Program, found: &'a mut Vec<Diagnostic>) -> Visitor<'a, Node<'a>> {
    let mut place = None;
    Box::new(move |node| match node {
        Node::Body(of) => place = Some(of),
        Node::Stmt(stmt) => {
            let StmtKind::Decl(decl) = &stmt.kind else {
                return;
            };
            let (DeclKind::Instance(instance), Some(place)) = (&decl.kind, place) else {
                return;
            };
            let message = format!(
                "`{}` is an instance, which cannot be declared in {}",
                instance.name.name,
                place.name()
            );
            found.push(
                Diagnostic::error(codes::INSTANCE_PLACE, decl.span, message)
                    .with_note("instances exist before packets come; statements run per packet")
                    .with_help(
                        "declare it before the `apply` block or the states, or at top level",
                    ),
            );
        }
        _ => {}
    })
}
