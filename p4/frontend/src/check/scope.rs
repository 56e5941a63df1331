//! Names in scope.

use std::collections::HashMap;

use crate::similar::closer;
use crate::span::Span;
use crate::typed::{
    ActionId, BlockTypeId, ControlId, EnumId, ExternId, InstanceId, ParserId, StructId, TableId,
    Type, ValueSetId, VarId,
};

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Binding {
    /// A type that takes no arguments.
    Type(Type),
    /// A struct, header or union, perhaps generic.
    Struct(StructId),
    /// An extern object type.
    Extern(ExternId),
    /// A parser type, control type or package.
    BlockType(BlockTypeId),
    /// A parser.
    Parser(ParserId),
    /// A control.
    Control(ControlId),
    /// Functions of one name: index into the checker's list of overloads.
    Functions(usize),
    /// Parsers, controls or packages of one name: index into the checker's list of them.
    Several(usize),
    /// An action.
    Action(ActionId),
    /// A table.
    Table(TableId),
    /// A variable, parameter or constant.
    Var(VarId),
    /// An instance.
    Instance(InstanceId),
    /// A value set.
    ValueSet(ValueSetId),
    /// A state of a parser; only for messages, as states have look-ups of their own.
    State,
    /// A match kind, used as a value.
    MatchKind,
    /// A member of the enum that is being declared, in the value of a later member.
    Member(EnumId),
    /// Something whose declaration was wrong.
    Broken,
}

impl Binding {
    /// What kind of thing it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Type(_) | Self::Struct(_) | Self::Extern(_) | Self::BlockType(_) => "a type",
            Self::Several(_) => "a block",
            Self::Parser(_) => "a parser",
            Self::Control(_) => "a control",
            Self::Functions(_) => "a function",
            Self::Action(_) => "an action",
            Self::Table(_) => "a table",
            Self::Var(_) => "a variable",
            Self::Instance(_) => "an instance",
            Self::ValueSet(_) => "a value set",
            Self::State => "a parser state",
            Self::MatchKind => "a match kind",
            Self::Member(_) => "a member of an enum",
            Self::Broken => "something whose declaration is wrong",
        }
    }

    /// Whether it is a type, or something that has instances.
    pub fn is_type(&self) -> bool {
        matches!(
            self,
            Self::Type(_)
                | Self::Struct(_)
                | Self::Extern(_)
                | Self::BlockType(_)
                | Self::Several(_)
                | Self::Parser(_)
                | Self::Control(_)
        )
    }
}

#[derive(Clone, Debug)]
struct Entry {
    depth: usize,
    binding: Binding,
    span: Span,
}

/// Scopes that were taken aside: see [`Scopes::suspend`].
pub(super) struct Suspended<'a>(Vec<Vec<(&'a str, Entry)>>);

/// All names that are in scope. Each name has its declarations with the innermost last, so that a look-up is one
/// hash, however deep scopes are nested.
#[derive(Debug, Default)]
pub(super) struct Scopes<'a> {
    names: HashMap<&'a str, Vec<Entry>>,
    /// What the scopes inside the top level declare, to be forgotten when they end.
    open: Vec<Vec<&'a str>>,
}

impl<'a> Scopes<'a> {
    /// Opens a scope.
    pub fn push(&mut self) {
        self.open.push(Vec::new());
    }

    /// Leaves the innermost scope.
    pub fn pop(&mut self) {
        for name in self.open.pop().unwrap_or_default() {
            if let Some(entries) = self.names.get_mut(name) {
                entries.pop();
            }
        }
    }

    /// Takes all scopes inside the top level aside.
    pub fn suspend(&mut self) -> Suspended<'a> {
        let mut aside = Vec::new();
        while let Some(names) = self.open.pop() {
            let mut scope = Vec::new();
            for name in names.into_iter().rev() {
                if let Some(entry) = self.names.get_mut(name).and_then(Vec::pop) {
                    scope.push((name, entry));
                }
            }
            aside.push(scope);
        }
        Suspended(aside)
    }

    /// Opens again what was taken aside.
    pub fn resume(&mut self, aside: Suspended<'a>) {
        self.open.clear();
        for scope in aside.0.into_iter().rev() {
            let mut names = Vec::new();
            for (name, entry) in scope.into_iter().rev() {
                self.names.entry(name).or_default().push(entry);
                names.push(name);
            }
            self.open.push(names);
        }
    }

    /// Declares a name in the innermost scope. If that scope has it already, the declaration before stays, and its
    /// place is given back.
    pub fn declare(&mut self, name: &'a str, binding: Binding, span: Span) -> Result<(), Span> {
        let depth = self.open.len();
        let entries = self.names.entry(name).or_default();
        if let Some(last) = entries.last().filter(|last| last.depth == depth) {
            return Err(last.span);
        }
        entries.push(Entry {
            depth,
            binding,
            span,
        });
        if let Some(scope) = self.open.last_mut() {
            scope.push(name);
        }
        Ok(())
    }

    /// Replaces what a name stands for where it is declared innermost.
    pub fn replace(&mut self, name: &str, binding: Binding) {
        if let Some(last) = self.names.get_mut(name).and_then(|e| e.last_mut()) {
            last.binding = binding;
        }
    }

    /// What the name stands for, from the inside out.
    pub fn lookup(&self, name: &str) -> Option<&Binding> {
        Some(&self.names.get(name)?.last()?.binding)
    }

    /// Where the name is declared that [`Scopes::lookup`] finds.
    pub fn declared_at(&self, name: &str) -> Option<Span> {
        Some(self.names.get(name)?.last()?.span)
    }

    /// What the name stands for at top level.
    pub fn lookup_global(&self, name: &str) -> Option<&Binding> {
        let first = self.names.get(name)?.first()?;
        (first.depth == 0).then_some(&first.binding)
    }

    /// What the innermost scope itself declares under this name.
    pub fn lookup_here(&self, name: &str) -> Option<(&Binding, Span)> {
        let last = self.names.get(name)?.last()?;
        (last.depth == self.open.len()).then_some((&last.binding, last.span))
    }

    /// The visible name closest to `name` for which `fits` holds, if one is close enough to be meant. Of several
    /// the first in the alphabet.
    pub fn similar(&self, name: &str, fits: impl Fn(&Binding) -> bool) -> Option<String> {
        let mut known: Vec<&str> = self
            .names
            .iter()
            .filter(|(_, entries)| entries.last().is_some_and(|e| fits(&e.binding)))
            .map(|(known, _)| *known)
            .collect();
        known.sort_unstable();
        let mut best = None;
        for known in known {
            closer(&mut best, name, known);
        }
        best.map(|(_, known)| known)
    }
}
