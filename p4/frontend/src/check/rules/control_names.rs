//! The control plane knows tables, actions and objects by name: their own or that of `@name`, behind those of the
//! instances they are in (specification 20.3.3). No two of a kind have the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::ast::{Annotation, find_annotation};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{ActionId, ExprKind, Instance, InstanceId, InstanceOf, Local, Program};

/// Most blocks that are looked at: instances within instances may be very many.
const MAX_BLOCKS: usize = 1 << 14;

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    let mut names = Names {
        program,
        seen: BTreeMap::new(),
        blocks: 0,
        found,
    };
    names.top_level_actions();
    if let Some(main) = program.main {
        names.instance(main, "");
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Table,
    Action,
    Object,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Table => "tables",
            Kind::Action => "actions",
            Kind::Object => "objects",
        }
    }
}

struct Names<'p, 'd> {
    program: &'p Program,
    /// What has a name: its index among its kind, and where it is declared.
    seen: BTreeMap<(Kind, String), (u32, Span)>,
    blocks: usize,
    found: &'d mut Vec<Diagnostic>,
}

/// The name within `prefix`; one that begins with a dot is complete.
fn full(prefix: &str, name: &str) -> String {
    match name.strip_prefix('.') {
        Some(complete) => complete.to_owned(),
        None if prefix.is_empty() => name.to_owned(),
        None => format!("{prefix}.{name}"),
    }
}

/// The name that the control plane uses.
fn own<'a>(name: &'a str, annotations: &'a [Annotation]) -> &'a str {
    let given = find_annotation(annotations, "name");
    given.and_then(Annotation::string_arg).unwrap_or(name)
}

impl<'p> Names<'p, '_> {
    /// The actions at top level that tables list.
    fn top_level_actions(&mut self) {
        let program = self.program;
        let controls = program.controls.values();
        let inner: BTreeSet<ActionId> = controls
            .flat_map(|control| &control.locals)
            .filter_map(|local| match local {
                Local::Action(id) => Some(*id),
                _ => None,
            })
            .collect();
        let tables = program.tables.values();
        let listed: BTreeSet<ActionId> = tables
            .flat_map(|table| table.actions.iter().map(|listed| listed.action))
            .collect();
        for id in listed.difference(&inner) {
            let action = &program.actions[*id];
            let name = full("", own(&action.name, &action.annotations));
            self.add(Kind::Action, name, id.0, action.span);
        }
    }

    fn instance(&mut self, id: InstanceId, prefix: &str) {
        let program = self.program;
        let instance = &program.instances[id];
        match &instance.of {
            InstanceOf::Package(..) => {
                for arg in instance.args.iter().filter_map(|arg| arg.value.as_ref()) {
                    if let ExprKind::Instance(inner) = arg.kind {
                        self.instance(inner, "");
                    }
                }
            }
            InstanceOf::Control(control) => {
                if self.blocks >= MAX_BLOCKS {
                    return;
                }
                self.blocks += 1;
                let control = &program.controls[*control];
                let name = match instance.name.as_str() {
                    "" => own(&control.name, &control.annotations),
                    name => own(name, &instance.annotations),
                };
                self.locals(&control.locals, &full(prefix, name));
            }
            InstanceOf::Extern { .. } => self.object(id, instance, prefix),
            InstanceOf::Parser(_) => {}
        }
    }

    fn locals(&mut self, locals: &'p [Local], prefix: &str) {
        for local in locals {
            match local {
                Local::Action(id) => {
                    let action = &self.program.actions[*id];
                    let name = full(prefix, own(&action.name, &action.annotations));
                    self.add(Kind::Action, name, id.0, action.span);
                }
                Local::Table(id) => {
                    let table = &self.program.tables[*id];
                    let name = full(prefix, own(&table.name, &table.annotations));
                    self.add(Kind::Table, name, id.0, table.span);
                }
                Local::Instance(id) => self.instance(*id, prefix),
                Local::Var(..) | Local::Const(_) | Local::ValueSet(_) => {}
            }
        }
    }

    fn object(&mut self, id: InstanceId, instance: &Instance, prefix: &str) {
        if !instance.name.is_empty() {
            let name = full(prefix, own(&instance.name, &instance.annotations));
            self.add(Kind::Object, name, id.0, instance.span);
        }
    }

    fn add(&mut self, kind: Kind, name: String, index: u32, span: Span) {
        let key = (kind, name);
        let Some((other, first)) = self.seen.get(&key).copied() else {
            self.seen.insert(key, (index, span));
            return;
        };
        // The same action in two instances of a control is one to the control plane; a table is not.
        if other == index && kind != Kind::Table {
            return;
        }
        let (kind, name) = key;
        let message = format!(
            "two {} are called `{name}` by the control plane",
            kind.name()
        );
        let mut diagnostic = Diagnostic::error(codes::CONTROL_NAME, span, message);
        diagnostic = if other == index {
            diagnostic.with_note("its control is instantiated more than once")
        } else {
            diagnostic.with_note_at(first, "the other one")
        };
        self.found
            .push(diagnostic.with_help("give each a name of its own with `@name(\"...\")`"));
    }
}
