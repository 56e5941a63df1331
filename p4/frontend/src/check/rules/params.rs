//! Declarations of parameters (specification 6.8): directions, defaults and `@optional`, as far as they do not
//! depend on types.

use super::Visitor;
use super::syntax::{Node, Owner};
use crate::ast::{Direction, Param, Program, find_annotation};
use crate::codes;
use crate::diag::Diagnostic;

pub(super) fn rule<'a>(_: &'a Program, found: &'a mut Vec<Diagnostic>) -> Visitor<'a, Node<'a>> {
    Box::new(move |node| {
        let Node::Params(owner, params) = node else {
            return;
        };
        for param in params {
            check_default(param, found);
            check_optional(owner, param, found);
            check_compile_time(owner, param, found);
        }
    })
}

fn is_optional(param: &Param) -> bool {
    find_annotation(&param.annotations, "optional").is_some()
}

fn check_default(param: &Param, found: &mut Vec<Diagnostic>) {
    let Some(default) = &param.default else {
        return;
    };
    if matches!(param.direction, Direction::Out | Direction::InOut) {
        let message = format!(
            "`{}` is written by the callee, so it cannot have a default value",
            param.name.name
        );
        found.push(
            Diagnostic::error(codes::PARAMETER, default.span, message)
                .with_help("leave the default value out, or make the parameter `in`"),
        );
    }
    if is_optional(param) {
        let message = format!(
            "`{}` is `@optional`, so it cannot have a default value",
            param.name.name
        );
        found.push(
            Diagnostic::error(codes::PARAMETER, default.span, message)
                .with_note("an `@optional` parameter that is not given has no value")
                .with_help("keep one of the two"),
        );
    }
}

/// An argument may be left out where the architecture passes it.
fn check_optional(owner: Owner, param: &Param, found: &mut Vec<Diagnostic>) {
    let inside = matches!(owner, Owner::Function | Owner::Action | Owner::Constructor);
    if is_optional(param) && inside {
        let message = format!("`{}` cannot be `@optional` here", param.name.name);
        found.push(
            Diagnostic::error(codes::PARAMETER, param.span, message)
                .with_note("code in P4 cannot tell whether an argument was given")
                .with_help("give the parameter a default value instead"),
        );
    }
}

fn check_compile_time(owner: Owner, param: &Param, found: &mut Vec<Diagnostic>) {
    let compile_time = matches!(owner, Owner::Constructor | Owner::Package);
    if compile_time && param.direction != Direction::None {
        let message = format!(
            "the constructor parameter `{}` cannot have a direction",
            param.name.name
        );
        found.push(
            Diagnostic::error(codes::PARAMETER, param.span, message)
                .with_note("constructor arguments are known at compile time")
                .with_help("leave the direction out"),
        );
    }
}
