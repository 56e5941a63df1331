//! A function that returns something returns on every path (specification 10.1); what stands behind a jump never
//! runs.

use super::Visitor;
use super::code::{Node, Part};
use crate::codes;
use crate::diag::Diagnostic;
use crate::typed::{Case, Program, Stmt, StmtKind, Type};

pub(super) fn check_returns(program: &Program, found: &mut Vec<Diagnostic>) {
    for function in program.functions.values() {
        let Some(body) = &function.body else { continue };
        if function.ret != Type::Void && !ends(body) {
            let message = format!("`{}` does not return a value on every path", function.name);
            found.push(
                Diagnostic::error(codes::MISSING_RETURN, function.span, message)
                    .with_help("end each branch with `return`, or return behind them"),
            );
        }
    }
}

/// Whether control never comes to the end of the statements.
fn ends(body: &[Stmt]) -> bool {
    body.iter().any(|stmt| match &stmt.kind {
        StmtKind::Return(_) | StmtKind::Exit => true,
        StmtKind::Block(inner) => ends(inner),
        StmtKind::If(_, then, otherwise) => ends(then) && ends(otherwise),
        StmtKind::SwitchAction { cases, .. } => all_cases_end(cases),
        StmtKind::SwitchValue { cases, .. } => all_cases_end(cases),
        _ => false,
    })
}

fn all_cases_end<L>(cases: &[Case<L>]) -> bool {
    let default = cases
        .iter()
        .any(|case| case.labels.iter().any(Option::is_none));
    default && cases.iter().all(|case| ends(&case.body))
}

/// Warns of statements behind `return`, `exit`, `break` and `continue`.
pub(super) fn unreachable_rule<'a>(
    _: &'a Program,
    found: &'a mut Vec<Diagnostic>,
) -> Visitor<'a, Part<'a>> {
    Box::new(move |(_, node)| match node {
        Node::Body(stmts) => check_behind(stmts, found),
        Node::Stmt(stmt) => check_within(stmt, found),
        Node::Expr(_) => {}
    })
}

fn check_within(stmt: &Stmt, found: &mut Vec<Diagnostic>) {
    match &stmt.kind {
        StmtKind::Block(inner)
        | StmtKind::For { body: inner, .. }
        | StmtKind::ForRange { body: inner, .. }
        | StmtKind::ForEach { body: inner, .. } => check_behind(inner, found),
        StmtKind::If(_, then, otherwise) => {
            check_behind(then, found);
            check_behind(otherwise, found);
        }
        StmtKind::SwitchAction { cases, .. } => {
            cases
                .iter()
                .for_each(|case| check_behind(&case.body, found));
        }
        StmtKind::SwitchValue { cases, .. } => {
            cases
                .iter()
                .for_each(|case| check_behind(&case.body, found));
        }
        _ => {}
    }
}

fn check_behind(body: &[Stmt], found: &mut Vec<Diagnostic>) {
    let jump = |stmt: &&Stmt| {
        use StmtKind::{Break, Continue, Exit, Return};
        matches!(stmt.kind, Return(_) | Exit | Break | Continue)
    };
    let mut rest = body.iter();
    let Some(jump) = rest.by_ref().find(jump) else {
        return;
    };
    if let Some(behind) = rest.next() {
        found.push(
            Diagnostic::warning(codes::UNREACHABLE, behind.span, "this never runs")
                .with_note_at(jump.span, "control leaves here")
                .with_help("remove it, or move it in front"),
        );
    }
}
