//! From a parser's state `start` some way leads to `accept` or `reject` (specification 13.2 to 13.4).

use std::collections::BTreeMap;

use crate::ast::{Decl, DeclKind, ParserDecl, ParserState, Program, Transition};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for Decl { kind, .. } in &program.decls {
        if let DeclKind::Parser(parser) = kind {
            check_parser(parser, found);
        }
    }
}

fn check_parser(parser: &ParserDecl, found: &mut Vec<Diagnostic>) {
    let name = &parser.proto.name;
    // A parser without a start is reported by the checker.
    let Some(start) = parser.states.iter().position(|s| s.name.name == "start") else {
        return;
    };
    let (reached, ends) = reach(parser, start);
    if !ends {
        let message = format!(
            "the parser `{}` never comes to an end: no way leads from `start` to `accept` or `reject`",
            name.name
        );
        found.push(
            Diagnostic::error(codes::PARSER, name.span, message)
                .with_help("let one of the states go to `accept`"),
        );
    }
    for (state, reached) in parser.states.iter().zip(reached) {
        if !reached {
            let message = format!("no way leads to the state `{}`", state.name.name);
            found.push(
                Diagnostic::warning(codes::UNREACHABLE, state.name.span, message)
                    .with_help("go there from another state, or remove it"),
            );
        }
    }
}

/// Which states can be reached, and whether parsing can end.
fn reach(parser: &ParserDecl, start: usize) -> (Vec<bool>, bool) {
    let states = parser.states.iter().enumerate();
    let index: BTreeMap<&str, usize> = states.map(|(at, s)| (s.name.as_str(), at)).collect();
    let mut reached = vec![false; parser.states.len()];
    let mut ends = false;
    let mut work = vec![start];
    while let Some(at) = work.pop() {
        let Some(seen) = reached.get_mut(at).filter(|seen| !**seen) else {
            continue;
        };
        *seen = true;
        let Some(state) = parser.states.get(at) else {
            continue;
        };
        for target in targets(state, &mut ends) {
            match index.get(target) {
                Some(next) => work.push(*next),
                // A name that is not declared is reported as such.
                None => ends = true,
            }
        }
    }
    (reached, ends)
}

/// The names that a state's transition leads to. No transition and a `select` that may match nothing reject.
fn targets<'a>(state: &'a ParserState, ends: &mut bool) -> Vec<&'a str> {
    match &state.transition {
        None => {
            *ends = true;
            Vec::new()
        }
        Some(Transition::Direct(next)) => vec![next.as_str()],
        Some(Transition::Select(select)) => {
            let complete = select.cases.iter().any(|case| {
                use crate::ast::ExprKind::{Default, DontCare};
                let any = |key: &crate::ast::Expr| matches!(key.kind, Default | DontCare);
                case.keys.iter().all(any)
            });
            *ends |= !complete;
            select.cases.iter().map(|case| case.next.as_str()).collect()
        }
    }
}
