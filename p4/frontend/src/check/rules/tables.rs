//! The properties that a table must have, and their order (specification 14.2.1).

use super::Visitor;
use super::syntax::Node;
use crate::ast::{DeclKind, Ident, Program, TableDecl, TableProperty, TablePropertyKind as Kind};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn rule<'a>(
    program: &'a Program,
    found: &'a mut Vec<Diagnostic>,
) -> Visitor<'a, Node<'a>> {
    let no_action = no_action(program);
    Box::new(move |node| {
        if let Node::Decl(decl) = node
            && let DeclKind::Table(table) = &decl.kind
        {
            check_actions(table, found);
            check_default(table, no_action, found);
            check_entries(table, found);
        }
    })
}

fn property(table: &TableDecl, is: fn(&Kind) -> bool) -> Option<(usize, &TableProperty)> {
    let mut properties = table.properties.iter().enumerate();
    properties.find(|(_, property)| is(&property.kind))
}

fn check_actions(table: &TableDecl, found: &mut Vec<Diagnostic>) {
    let Some((_, property)) = property(table, |kind| matches!(kind, Kind::Actions(_))) else {
        let message = format!("the table `{}` has no `actions`", table.name.name);
        found.push(
            Diagnostic::error(codes::TABLE, table.name.span, message)
                .with_help("list the actions that entries may choose: `actions = { ... }`"),
        );
        return;
    };
    if property.is_const {
        found.push(
            Diagnostic::error(codes::TABLE, property.span, "`actions` is never `const`")
                .with_help("leave `const` out: the list cannot change anyway"),
        );
    }
}

/// What `NoAction` is at top level.
#[derive(Clone, Copy)]
enum NoAction<'a> {
    Missing,
    Fits,
    Other(&'a Ident),
}

fn no_action(program: &Program) -> NoAction<'_> {
    let named = |name: &&Ident| name.name == "NoAction";
    let names = program.decls.iter().filter_map(|decl| match &decl.kind {
        DeclKind::Action(action) if action.params.is_empty() => Some((&action.name, true)),
        _ => Some((decl.name()?, false)),
    });
    match names.into_iter().find(|(name, _)| named(name)) {
        None => NoAction::Missing,
        Some((_, true)) => NoAction::Fits,
        Some((name, false)) => NoAction::Other(name),
    }
}

/// A table without default action uses `NoAction` of `core.p4`.
fn check_default(table: &TableDecl, no_action: NoAction, found: &mut Vec<Diagnostic>) {
    if property(table, |kind| matches!(kind, Kind::DefaultAction(_))).is_some() {
        return;
    }
    let message = format!("the table `{}` has no default action", table.name.name);
    let diagnostic = Diagnostic::error(codes::DEFAULT_ACTION, table.name.span, message);
    found.push(match no_action {
        NoAction::Fits => return,
        NoAction::Missing => diagnostic
            .with_note("it would be `NoAction`, which is not declared")
            .with_help("include <core.p4>, or give the table a `default_action`"),
        NoAction::Other(name) => diagnostic
            .with_note_at(
                name.span,
                "it would be `NoAction`, but this is no action without parameters",
            )
            .with_help("include <core.p4> instead, or give the table a `default_action`"),
    });
}

fn check_entries(table: &TableDecl, found: &mut Vec<Diagnostic>) {
    let Some((at, entries)) = property(table, |kind| matches!(kind, Kind::Entries(_))) else {
        return;
    };
    let Kind::Entries(list) = &entries.kind else {
        return;
    };
    let name = &table.name.name;
    match property(table, |kind| matches!(kind, Kind::Key(_))) {
        Some((key, property)) if key > at => found.push(
            Diagnostic::error(
                codes::ENTRY,
                entries.span,
                format!("the entries of `{name}` stand before its key"),
            )
            .with_note_at(property.span, "the key stands here")
            .with_help("put `key` before `entries`"),
        ),
        Some(_) if !table.key().is_empty() => {}
        _ if list.is_empty() => {}
        _ => found.push(
            Diagnostic::error(
                codes::ENTRY,
                entries.span,
                format!("the table `{name}` has no key, so it cannot have entries"),
            )
            .with_help("give it a key, or make the action its `default_action`"),
        ),
    }
}
