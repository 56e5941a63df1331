//! Rules of the language beyond names and types. Each is one function in one file: to add a rule, write the
//! function and put it into a list.
//!
//! Those in the `SYNTAX` lists look at the syntax tree and run on every program that parses. Those in the `TYPED` lists
//! look at the typed tree and run if names and types are right, so they need not expect
//! [`Type::Unknown`](crate::typed::Type) or missing parts.

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

/// Is given each part of a tree, outer ones before inner ones and in source order.
type Visitor<'a, Part> = Box<dyn FnMut(Part) + 'a>;

/// Makes what looks at each part of a tree and adds what is wrong. All rules of this kind share one walk: a long
/// program does not fit into the caches, so that each walk over it is dear.
type SyntaxPartRule =
    for<'a> fn(&'a ast::Program, &'a mut Vec<Diagnostic>) -> Visitor<'a, syntax::Node<'a>>;
/// As [`SyntaxPartRule`] for the typed tree.
type TypedPartRule =
    for<'a> fn(&'a typed::Program, &'a mut Vec<Diagnostic>) -> Visitor<'a, code::Part<'a>>;

const SYNTAX_PART_RULES: &[(&str, SyntaxPartRule)] = &[
    (
        "instances are not declared among statements",
        instances::rule,
    ),
    ("only controls and actions exit", exits::rule),
    ("tables have their properties", tables::rule),
    ("complex keys have names", key_names::rule),
    (
        "parameters are declared as their owner allows",
        params::rule,
    ),
    ("`...` comes last", dots::rule),
    ("structured annotations hold constants", annotations::rule),
];

const SYNTAX_RULES: &[(&str, Rule<ast::Program>)] = &[
    ("`main` is an instance", main_name::check),
    ("parsers come to an end", states::check),
    ("no declaration hides a parameter", shadowing::check),
];

const TYPED_PART_RULES: &[(&str, TypedPartRule)] = &[
    ("types stand where they may", nesting::rule),
    ("calls stand where they may", calls::rule),
    ("no code is unreachable", returns::unreachable_rule),
    ("packet_in reads what packets hold", packet_in::rule),
];

const TYPED_RULES: &[(&str, Rule<typed::Program>)] = &[
    ("blocks are instantiated where they may", blocks::check),
    ("functions return what they promise", returns::check_returns),
    ("actions are used as the list says", default_actions::check),
    ("action data can be given", action_data::check),
    ("keys can be matched", keys::check),
    ("entries fit the key and each other", entries::check),
    ("names of the control plane differ", control_names::check),
];

/// Adds to `found` what the syntax tree alone shows.
pub(crate) fn check_syntax(program: &ast::Program, found: &mut Vec<Diagnostic>) {
    let mut by_rule = vec![Vec::new(); SYNTAX_PART_RULES.len()];
    let rules = SYNTAX_PART_RULES.iter().zip(&mut by_rule);
    let mut visitors: Vec<_> = rules
        .map(|((_, rule), found)| rule(program, found))
        .collect();
    syntax::walk(program, &mut |node| {
        visitors.iter_mut().for_each(|visit| visit(node));
    });
    drop(visitors);
    found.extend(by_rule.into_iter().flatten());
    for (_, rule) in SYNTAX_RULES {
        rule(program, found);
    }
}

/// Adds to `found` what shows in a program whose names and types are right.
pub(crate) fn check_typed(program: &typed::Program, found: &mut Vec<Diagnostic>) {
    let mut by_rule = vec![Vec::new(); TYPED_PART_RULES.len()];
    let rules = TYPED_PART_RULES.iter().zip(&mut by_rule);
    let mut visitors: Vec<_> = rules
        .map(|((_, rule), found)| rule(program, found))
        .collect();
    code::walk(program, &mut |part| {
        visitors.iter_mut().for_each(|visit| visit(part));
    });
    drop(visitors);
    found.extend(by_rule.into_iter().flatten());
    for (_, rule) in TYPED_RULES {
        rule(program, found);
    }
}
