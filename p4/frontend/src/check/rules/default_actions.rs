//! Actions of a table that its list allows as default only, or in entries only, are used so (specification 14.2.1.2).

use std::collections::BTreeMap;

use crate::ast::find_annotation;
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{ActionCall, ActionId, ActionRef, Program};

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for table in program.tables.values() {
        let listed: BTreeMap<ActionId, &ActionRef> = table
            .actions
            .iter()
            .map(|listed| (listed.action, listed))
            .collect();
        let default = table.default.iter().map(|default| (&default.call, true));
        let entries = table.entries.iter().map(|entry| (&entry.call, false));
        for (call, is_default) in default.chain(entries) {
            let (annotation, how) = match is_default {
                true => ("tableonly", "only in entries"),
                false => ("defaultonly", "only as default action"),
            };
            let listed = listed.get(&call.action);
            let restricted =
                listed.filter(|listed| find_annotation(&listed.annotations, annotation).is_some());
            if let Some(listed) = restricted {
                found.push(report(program, call, listed.span, how));
            }
        }
    }
}

fn report(program: &Program, call: &ActionCall, listed: Span, how: &str) -> Diagnostic {
    let name = &program.actions[call.action].name;
    Diagnostic::error(
        codes::DEFAULT_ACTION,
        call.span,
        format!("the action `{name}` may be used {how}"),
    )
    .with_note_at(listed, "as its annotation says here")
    .with_help("remove the annotation, or use another action")
}
