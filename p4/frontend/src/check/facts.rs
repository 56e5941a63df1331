//! What is known about types as a whole: their size and how deep they are nested.

use std::collections::HashMap;

use super::Checker;
use super::types::StructKind;
use crate::typed::{StructId, Type, TypeArgs};

/// Deepest nesting of structs within structs.
pub(super) const MAX_STRUCT_DEPTH: u32 = 200;
/// Largest number of scalars that a type may hold.
pub(super) const MAX_LEAVES: u64 = 1 << 24;

/// Facts about a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Least number of bits; `None` for what has no size.
    pub min_bits: Option<u64>,
    /// Greatest number of bits.
    pub max_bits: Option<u64>,
    /// Number of scalars.
    pub leaves: u64,
    /// Levels of structs.
    pub depth: u32,
    /// Whether a varbit is somewhere in it.
    pub varbit: bool,
    /// Whether it is a header or union, or one is somewhere in it.
    pub headers: bool,
}

/// Facts of structs without type arguments, found when they were declared.
#[derive(Debug, Default)]
pub(super) struct Cache {
    known: HashMap<StructId, Facts>,
}

impl Facts {
    fn scalar(bits: Option<u64>) -> Self {
        Self {
            min_bits: bits,
            max_bits: bits,
            leaves: 1,
            depth: 0,
            varbit: false,
            headers: false,
        }
    }

    /// A type made of one after the other.
    fn then(self, next: Self) -> Self {
        let add = |a: Option<u64>, b: Option<u64>| Some(a?.saturating_add(b?));
        Self {
            min_bits: add(self.min_bits, next.min_bits),
            max_bits: add(self.max_bits, next.max_bits),
            leaves: self.leaves.saturating_add(next.leaves),
            depth: self.depth.max(next.depth),
            varbit: self.varbit || next.varbit,
            headers: self.headers || next.headers,
        }
    }

    /// A type that is one or the other.
    fn or(self, other: Self) -> Self {
        let both = |a: Option<u64>, b: Option<u64>, pick: fn(u64, u64) -> u64| Some(pick(a?, b?));
        Self {
            min_bits: both(self.min_bits, other.min_bits, u64::min),
            max_bits: both(self.max_bits, other.max_bits, u64::max),
            ..self.then(other)
        }
    }

    fn times(self, count: u64) -> Self {
        Self {
            min_bits: self.min_bits.map(|bits| bits.saturating_mul(count)),
            max_bits: self.max_bits.map(|bits| bits.saturating_mul(count)),
            leaves: self.leaves.saturating_mul(count),
            ..self
        }
    }
}

impl Checker<'_> {
    /// Facts about a type.
    pub(super) fn facts(&self, ty: &Type) -> Facts {
        match self.base(ty) {
            Type::Bool => Facts::scalar(Some(1)),
            Type::Bit(width) | Type::Int(width) => Facts::scalar(Some(u64::from(width))),
            Type::Varbit(width) => Facts {
                min_bits: Some(0),
                varbit: true,
                ..Facts::scalar(Some(u64::from(width)))
            },
            Type::Enum(id) => match &self.program.enums[id].repr {
                Some(repr) => self.facts(repr),
                None => Facts::scalar(None),
            },
            Type::Stack(elem, size) => self.facts(&elem).times(u64::from(size)),
            Type::Tuple(parts) => self.sequence(parts.iter().cloned()),
            Type::Struct(id, args) | Type::Header(id, args) | Type::Union(id, args) => {
                self.declared(id, &args)
            }
            _ => Facts::scalar(None),
        }
    }

    fn sequence(&self, types: impl Iterator<Item = Type>) -> Facts {
        let empty = Facts {
            leaves: 0,
            ..Facts::scalar(Some(0))
        };
        types.fold(empty, |sum, ty| sum.then(self.facts(&ty)))
    }

    /// Facts about a struct, header or union.
    fn declared(&self, id: StructId, args: &TypeArgs) -> Facts {
        if args.is_empty()
            && let Some(facts) = self.tables.facts.known.get(&id)
        {
            return *facts;
        }
        let fields = self.program.structs[id].fields.len();
        let types = (0..fields).map(|at| self.field_type(id, args, at));
        let kind = self.struct_kind(id);
        let fields = match kind {
            StructKind::Struct | StructKind::Header => self.sequence(types),
            StructKind::Union => {
                let either = types.map(|ty| self.facts(&ty)).reduce(Facts::or);
                either.unwrap_or(Facts::scalar(Some(0)))
            }
        };
        Facts {
            depth: fields.depth.saturating_add(1),
            headers: fields.headers || kind != StructKind::Struct,
            ..fields
        }
    }

    /// Computes the facts of a struct that was just declared.
    pub(super) fn learn(&mut self, id: StructId) -> Facts {
        let facts = self.declared(id, &Type::no_args());
        self.tables.facts.known.insert(id, facts);
        facts
    }

    /// How deep structs are nested in a type, whatever its parameters are.
    pub(super) fn struct_depth(&self, ty: &Type) -> u32 {
        match ty {
            Type::Struct(id, args) | Type::Header(id, args) | Type::Union(id, args) => {
                let own = self.tables.facts.known.get(id).map_or(1, |f| f.depth);
                let inner = args.iter().map(|ty| self.struct_depth(ty)).max();
                own.saturating_add(inner.unwrap_or(0))
            }
            Type::New(id) => self.struct_depth(&self.program.new_types[*id].target),
            Type::Tuple(parts) => {
                let inner = parts.iter().map(|ty| self.struct_depth(ty)).max();
                inner.unwrap_or(0)
            }
            Type::Stack(elem, _) | Type::List(elem) => self.struct_depth(elem),
            _ => 0,
        }
    }

    /// Computes what is known about a generic struct, whose size depends on its arguments.
    pub(super) fn learn_generic(&mut self, id: StructId) -> Facts {
        let fields = &self.program.structs[id].fields;
        let depth = fields.iter().map(|field| self.struct_depth(&field.ty));
        let facts = Facts {
            depth: depth.max().unwrap_or(0).saturating_add(1),
            ..Facts::scalar(None)
        };
        self.tables.facts.known.insert(id, facts);
        facts
    }
}
