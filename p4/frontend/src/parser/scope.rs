//! Which names are types, at the place being parsed.

use std::collections::BTreeMap;

/// What a declared name stands for, as far as parsing needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A type, also a parser, control, package or extern.
    Type,
    /// Anything else.
    Value,
}

/// Scopes of declared names, innermost last.
#[derive(Debug)]
pub(super) struct Scopes {
    scopes: Vec<BTreeMap<String, Kind>>,
}

impl Default for Scopes {
    fn default() -> Self {
        Self {
            scopes: vec![BTreeMap::new()],
        }
    }
}

impl Scopes {
    pub(super) fn push(&mut self) {
        self.scopes.push(BTreeMap::new());
    }

    pub(super) fn pop(&mut self) {
        self.truncate(self.len() - 1);
    }

    pub(super) fn len(&self) -> usize {
        self.scopes.len()
    }

    /// Leaves all scopes beyond the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.scopes.truncate(len.max(1));
    }

    pub(super) fn declare(&mut self, name: &str, kind: Kind) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), kind);
        }
    }

    pub(super) fn is_type(&self, name: &str) -> bool {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)) == Some(&Kind::Type)
    }

    /// Whether a name with a leading dot is a type.
    pub(super) fn is_global_type(&self, name: &str) -> bool {
        self.scopes.first().and_then(|scope| scope.get(name)) == Some(&Kind::Type)
    }
}
