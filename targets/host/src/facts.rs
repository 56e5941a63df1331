//! What is known at a place in the code, on whatever way it was reached.

use trisect_ir::{Entity, HeaderId};

/// What is known about a header's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It is valid.
    Valid,
    /// It is not.
    Invalid,
    /// Nothing.
    Unknown,
}

/// Facts at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    headers: Vec<Validity>,
    /// Bytes that certainly follow the parser's cursor.
    pub available: u32,
}

impl Facts {
    /// No header is valid.
    pub fn none_valid(headers: usize) -> Self {
        Self {
            headers: vec![Validity::Invalid; headers],
            available: 0,
        }
    }
    /// Nothing is known of these headers; all others are never valid.
    pub fn unknown(headers: usize, possible: impl IntoIterator<Item = HeaderId>) -> Self {
        let mut facts = Self::none_valid(headers);
        for header in possible {
            facts.set(header, Validity::Unknown);
        }
        facts
    }
    /// What is known of a header.
    pub fn validity(&self, header: HeaderId) -> Validity {
        self.headers[header.index()]
    }
    /// States what is known.
    pub fn set(&mut self, header: HeaderId, validity: Validity) {
        self.headers[header.index()] = validity;
    }
    /// Keeps what holds on both ways.
    pub fn meet(&mut self, other: &Self) {
        for (mine, theirs) in self.headers.iter_mut().zip(&other.headers) {
            if mine != theirs {
                *mine = Validity::Unknown;
            }
        }
        self.available = self.available.min(other.available);
    }
}

/// The facts of a place that several ways lead to; `None` as long as none does.
pub fn join(into: &mut Option<Facts>, facts: &Facts) {
    match into {
        Some(into) => into.meet(facts),
        None => *into = Some(facts.clone()),
    }
}
