//! Rules of the language beyond names and types. Each is one function in one file: to add a rule, write the
//! function and put it into the list.
//!
//! `SYNTAX_RULES` look at the syntax tree and run on every program that parses. `TYPED_RULES` look at the typed
//! tree and run if names and types are right, so they need not expect [`Type::Unknown`](crate::typed::Type) or
//! missing parts.

mod action_data;
mod annotations;
mod architecture;
mod blocks;
mod calls;
mod code;
mod control_names;
mod default_actions;
mod dots;
mod entries;
mod exits;
mod instances;
mod key_names;
mod keys;
mod main_name;
mod nesting;
mod packet_in;
mod params;
mod returns;
mod shadowing;
mod states;
mod syntax;
mod tables;

use crate::diag::Diagnostic;
use crate::{ast, typed};

/// Looks at a tree and adds what is wrong with it.
type Rule<Tree> = fn(&Tree, &mut Vec<Diagnostic>);

const SYNTAX_RULES: &[(&str, Rule<ast::Program>)] = &[
    (
        "instances are not declared among statements",
        instances::check,
    ),
    ("only controls and actions exit", exits::check),
    ("`main` is an instance", main_name::check),
    ("parsers come to an end", states::check),
    ("tables have their properties", tables::check),
    ("complex keys have names", key_names::check),
    (
        "parameters are declared as their owner allows",
        params::check,
    ),
    ("no declaration hides a parameter", shadowing::check),
    ("`...` comes last", dots::check),
    ("structured annotations hold constants", annotations::check),
];

const TYPED_RULES: &[(&str, Rule<typed::Program>)] = &[
    ("types stand where they may", nesting::check),
    ("blocks are instantiated where they may", blocks::check),
    ("calls stand where they may", calls::check),
    ("functions return what they promise", returns::check_returns),
    ("no code is unreachable", returns::check_unreachable),
    ("actions are used as the list says", default_actions::check),
    ("action data can be given", action_data::check),
    ("keys can be matched", keys::check),
    ("entries fit the key and each other", entries::check),
    ("packet_in reads what packets hold", packet_in::check),
    ("names of the control plane differ", control_names::check),
];

/// Adds to `found` what the syntax tree alone shows.
pub(crate) fn check_syntax(program: &ast::Program, found: &mut Vec<Diagnostic>) {
    for (_, rule) in SYNTAX_RULES {
        rule(program, found);
    }
}

/// Adds to `found` what shows in a program whose names and types are right.
pub(crate) fn check_typed(program: &typed::Program, found: &mut Vec<Diagnostic>) {
    for (_, rule) in TYPED_RULES {
        rule(program, found);
    }
}
