//! The verifier: every invariant of a [`Program`], by name.
//!
//! [`verify`] collects all violations instead of stopping at the first one. A violation in a program
//! that a user wrote is the fault of whoever made the program (front end, merge, cut, a pass): a
//! reader of IR text shows it as it is, everybody else treats it as a bug.

mod control;
mod expr;
mod parser;
mod table;

#[cfg(test)]
mod tests;

use crate::diag::{Code, Diagnostic, Span};
use crate::{
    Entity, FieldKind, HeaderId, MetaKind, Object, ObjectKind, PrimaryMap, Program, StdMeta,
    parser::CORE_ERRORS,
};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The greatest width in bits of a field, a metadata field, a parameter or an expression.
pub const MAX_WIDTH: u32 = 1 << 16;

macro_rules! invariants {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)*) => {
        /// What must hold in every program.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Invariant {
            /// All of them.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$name,)*];

            /// A short stable name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

invariants! {
    /// Every entity that is referred to exists; so do fields, parameters and error codes.
    EntityExists = "entity-exists";
    /// Names are unique per kind of entity, and not empty.
    UniqueNames = "unique-names";
    /// The first metadata fields are [`StdMeta`], the first errors the core errors, and no other
    /// metadata field is `Standard`.
    StandardEntities = "standard-entities";
    /// Widths are from 1 to [`MAX_WIDTH`].
    WidthRange = "width-range";
    /// The widths of operands, operators, arguments and targets agree.
    WidthAgrees = "width-agrees";
    /// A slice lies within its operand.
    SliceInside = "slice-inside";
    /// The fixed part of a header is a whole number of bytes.
    HeaderWholeBytes = "header-whole-bytes";
    /// A header has at most one varbit: its last field, a whole number of bytes.
    VarbitLast = "varbit-last";
    /// A varbit is read and copied as a whole only; only headers with one are asked for it and extracted
    /// with a length; it is copied to one with the same maximum.
    VarbitUse = "varbit-use";
    /// `Varbit` and `Payload` are direct inputs of a hash, `Payload` outside the parser.
    BytesInHash = "bytes-in-hash";
    /// A CRC has a width of 8, 16 or 32 bits, and parameters that fit in it.
    CrcShape = "crc-shape";
    /// `Lookahead` stands only in the parser.
    LookaheadInParser = "lookahead-in-parser";
    /// `Param` stands only in actions.
    ParamInAction = "param-in-action";
    /// `Frame` and `FrameLen` are read only where no header was written since the last parse, and
    /// read 1, 2 or 4 bytes.
    FrameClean = "frame-clean";
    /// Every cycle of parser states extracts a header that is not empty, or advances by a constant.
    ParserProgress = "parser-progress";
    /// A select has one set per key in every case.
    SelectArity = "select-arity";
    /// A table names its default action and those of its entries among its actions; calls have one
    /// argument per parameter.
    ActionCalls = "action-calls";
    /// An entry has one set per key, of the kind that the key's match kind allows.
    EntryKeys = "entry-keys";
    /// A table has at most one lpm key and no more entries than its size.
    TableShape = "table-shape";
    /// A flow table has exact keys only, at least one, and at least one timeout.
    FlowTableShape = "flow-table-shape";
    /// Only tables with a selector have entries with further members, and no flow table has a selector.
    SelectorShape = "selector-shape";
    /// `AddEntry` and `SetExpire` name a flow table and stand only in that table's actions.
    FlowOpInTable = "flow-op-in-table";
    /// An operation names an object of its kind.
    ObjectKindFits = "object-kind";
    /// An object's sizes, initial values, rates and patterns are sound.
    ObjectShape = "object-shape";
    /// A message gives one value per field.
    MessageFields = "message-fields";
    /// `Index::Entry` stands only in actions, for an object without a size that one table owns.
    DirectObject = "direct-object";
    /// `Copy` is between headers of the same type.
    CopySameType = "copy-same-type";
    /// `Search` begins after a header that the deparser emits.
    SearchEmitted = "search-emitted";
    /// The control graph has an entry.
    ControlEntry = "control-entry";
    /// The control graph is acyclic.
    Acyclic = "acyclic";
    /// Every node is reachable from the entry.
    Reachable = "reachable";
    /// `Successors::ByAction` names each action at most once, and only actions of the table.
    ActionCases = "action-cases";
    /// An output attribute's values have the width of its metadata field.
    AttributeShape = "attribute-shape";
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A violation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message} [{invariant}]")]
pub struct VerifyError {
    /// What does not hold.
    pub invariant: Invariant,
    /// Where: ``table `acl`, entry 3``.
    pub place: String,
    /// What was found there.
    pub message: String,
}

/// A program breaks an invariant.
pub const BROKEN_INVARIANT: Code = Code(4);

impl VerifyError {
    /// As a diagnostic about the file that the program was made from. It has no place in that file.
    pub fn diagnostic(&self, file: impl Into<Arc<str>>) -> Diagnostic {
        Diagnostic::error(BROKEN_INVARIANT, file, Span::default(), self.to_string())
    }
}

/// All violations in a program, never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyErrors(pub Vec<VerifyError>);

impl fmt::Display for VerifyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for VerifyErrors {}

/// Checks every invariant.
///
/// # Errors
///
/// All violations, in the order of the program's parts.
pub fn verify(program: &Program) -> Result<(), VerifyErrors> {
    let mut checker = Checker {
        program,
        errors: Vec::new(),
    };
    checker.names();
    checker.standard_entities();
    checker.declarations();
    checker.objects();
    checker.parser();
    checker.actions();
    checker.tables();
    checker.control();
    if checker.errors.is_empty() {
        // What follows walks the program and relies on what was checked before.
        checker.parser_progress();
        checker.flow_ops_and_direct_objects();
        checker.frame_clean();
    }
    if checker.errors.is_empty() {
        Ok(())
    } else {
        Err(VerifyErrors(checker.errors))
    }
}

struct Checker<'a> {
    program: &'a Program,
    errors: Vec<VerifyError>,
}

impl<'a> Checker<'a> {
    fn report(&mut self, invariant: Invariant, place: &str, message: impl Into<String>) {
        self.errors.push(VerifyError {
            invariant,
            place: place.to_owned(),
            message: message.into(),
        });
    }

    /// Whether the entity exists; reports it if not.
    fn exists<K: Entity + fmt::Display, V>(
        &mut self,
        map: &PrimaryMap<K, V>,
        id: K,
        place: &str,
    ) -> bool {
        let found = map.get(id).is_some();
        if !found {
            self.report(Invariant::EntityExists, place, format!("there is no {id}"));
        }
        found
    }

    fn check_width(&mut self, width: u32, place: &str) {
        if width == 0 || width > MAX_WIDTH {
            self.report(
                Invariant::WidthRange,
                place,
                format!("width {width} is not from 1 to {MAX_WIDTH}"),
            );
        }
    }

    fn names(&mut self) {
        let p = self.program;
        self.unique("header type", p.header_types.values().map(|x| &x.name));
        self.unique("header", p.headers.values().map(|x| &x.name));
        self.unique("metadata", p.metas.values().map(|x| &x.name));
        self.unique("parser state", p.parser.states.values().map(|x| &x.name));
        self.unique("error", p.parser.errors.iter());
        self.unique("action", p.actions.values().map(|x| &x.name));
        self.unique("table", p.tables.values().map(|x| &x.name));
        self.unique("object", p.objects.values().map(|x| &x.name));
        self.unique("drop reason", p.drop_reasons.values());
        self.unique("attribute", p.attributes.iter().map(|x| &x.name));
        self.unique("node", p.control.nodes.values().map(|x| &x.name));
        for ty in p.header_types.values() {
            let kind = format!("field of header type `{}`", ty.name);
            self.unique(&kind, ty.fields.iter().map(|f| &f.name));
        }
        for action in p.actions.values() {
            let kind = format!("parameter of action `{}`", action.name);
            self.unique(&kind, action.params.iter().map(|f| &f.name));
        }
        for object in p.objects.values() {
            if let ObjectKind::Message { fields, .. } = &object.kind {
                let kind = format!("field of message `{}`", object.name);
                self.unique(&kind, fields.iter().map(|f| &f.0));
            }
        }
        for table in p.tables.values() {
            let kind = format!("key of table `{}`", table.name);
            self.unique(&kind, table.keys.iter().map(|f| &f.name));
        }
    }

    fn unique<'n>(&mut self, kind: &str, names: impl Iterator<Item = &'n String>) {
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        for name in names {
            *count.entry(name).or_default() += 1;
        }
        for (name, times) in count {
            let place = format!("{kind} `{name}`");
            if times > 1 {
                let message = format!("the name stands {times} times");
                self.report(Invariant::UniqueNames, &place, message);
            }
            if name.is_empty() {
                self.report(Invariant::UniqueNames, &place, "the name is empty");
            }
        }
    }

    fn standard_entities(&mut self) {
        let p = self.program;
        for (meta, name, width) in StdMeta::ALL {
            let found = p.metas.get(meta.id());
            let fits = found.is_some_and(|m| {
                m.name == name && m.width == width && m.kind == MetaKind::Standard
            });
            if !fits {
                let place = format!("metadata `{name}`");
                let message = format!("{} must be standard, of {width} bits", meta.id());
                self.report(Invariant::StandardEntities, &place, message);
            }
        }
        for (_, meta) in p.metas.iter().skip(StdMeta::ALL.len()) {
            if meta.kind == MetaKind::Standard {
                let place = format!("metadata `{}`", meta.name);
                self.report(
                    Invariant::StandardEntities,
                    &place,
                    "no such standard metadata",
                );
            }
        }
        if !p
            .parser
            .errors
            .iter()
            .map(String::as_str)
            .take(CORE_ERRORS.len())
            .eq(CORE_ERRORS)
            || p.parser.errors.len() > 256
        {
            let message = "errors begin with those of core.p4 and are at most 256";
            self.report(Invariant::StandardEntities, "parser", message);
        }
    }

    fn declarations(&mut self) {
        let p = self.program;
        for ty in p.header_types.values() {
            self.header_type(ty);
        }
        for header in p.headers.values() {
            let place = format!("header `{}`", header.name);
            self.exists(&p.header_types, header.ty, &place);
        }
        for meta in p.metas.values() {
            self.check_width(meta.width, &format!("metadata `{}`", meta.name));
        }
        for header in &p.deparser {
            self.exists(&p.headers, *header, "deparser");
        }
        for attribute in &p.attributes {
            let place = format!("attribute `{}`", attribute.name);
            if !self.exists(&p.metas, attribute.meta, &place) {
                continue;
            }
            let width = p.metas[attribute.meta].width;
            for (name, value) in &attribute.values {
                if value.width() != width {
                    let message = format!("value `{name}` has {} bits, not {width}", value.width());
                    self.report(Invariant::AttributeShape, &place, message);
                }
            }
        }
    }

    fn header_type(&mut self, ty: &crate::HeaderType) {
        let place = format!("header type `{}`", ty.name);
        let mut bits = 0u64;
        for (i, field) in ty.fields.iter().enumerate() {
            let field_place = format!("{place}, field `{}`", field.name);
            match field.kind {
                FieldKind::Fixed(width) => {
                    self.check_width(width, &field_place);
                    bits += u64::from(width);
                }
                FieldKind::Varbit(max) => {
                    self.check_width(max, &field_place);
                    if i + 1 != ty.fields.len() {
                        self.report(Invariant::VarbitLast, &field_place, "it is not the last");
                    }
                    if max % 8 != 0 {
                        let message = format!("{max} bits are not whole bytes");
                        self.report(Invariant::VarbitLast, &field_place, message);
                    }
                }
            }
        }
        if !bits.is_multiple_of(8) {
            let message = format!("the fixed fields add up to {bits} bits, not whole bytes");
            self.report(Invariant::HeaderWholeBytes, &place, message);
        }
        if bits > u64::from(MAX_WIDTH) {
            let message = format!("the fixed fields add up to {bits} bits, above {MAX_WIDTH}");
            self.report(Invariant::WidthRange, &place, message);
        }
    }

    fn objects(&mut self) {
        for object in self.program.objects.values() {
            if let Err(message) = object_shape(object) {
                let place = format!("object `{}`", object.name);
                self.report(Invariant::ObjectShape, &place, message);
            }
        }
    }

    /// Whether `header.field` exists and has a fixed width; reports it if not.
    fn field(&mut self, field: crate::FieldRef, place: &str) -> Option<u32> {
        let ty = self.header_type_of(field.header, place)?;
        match ty.fields.get(field.field as usize).map(|f| f.kind) {
            Some(FieldKind::Fixed(width)) => Some(width),
            Some(FieldKind::Varbit(_)) => {
                self.report(Invariant::VarbitUse, place, "a varbit is not a value");
                None
            }
            None => {
                let message = format!("header type `{}` has no field {}", ty.name, field.field);
                self.report(Invariant::EntityExists, place, message);
                None
            }
        }
    }

    /// The maximum of the header's varbit in bits; reports it if there is none.
    fn varbit(&mut self, header: HeaderId, place: &str) -> Option<u32> {
        let max = self.header_type_of(header, place)?.varbit();
        if max.is_none() {
            let name = &self.program.headers[header].name;
            let message = format!("`{name}` has no varbit");
            self.report(Invariant::VarbitUse, place, message);
        }
        max
    }

    fn header_type_of(&mut self, header: HeaderId, place: &str) -> Option<&'a crate::HeaderType> {
        let p = self.program;
        if !self.exists(&p.headers, header, place) {
            return None;
        }
        // A header without a type is reported where it is declared.
        p.header_types.get(p.headers[header].ty)
    }
}

fn object_shape(object: &Object) -> Result<(), String> {
    match &object.kind {
        ObjectKind::Counter { .. } => Ok(()),
        ObjectKind::Meter {
            size, unit, cells, ..
        } => {
            if *unit == crate::CountUnit::PacketsAndBytes {
                return Err("a meter meters packets or bytes, not both".to_owned());
            }
            match (size, cells.last_key_value()) {
                (Some(size), Some((last, _))) if last >= size => {
                    Err(format!("cell {last} has rates, but there are {size}"))
                }
                _ => Ok(()),
            }
        }
        ObjectKind::Register { width, init, .. } => {
            if *width == 0 || *width > MAX_WIDTH {
                Err(format!("width {width} is not from 1 to {MAX_WIDTH}"))
            } else if init.width() != *width {
                Err(format!("cells have {width} bits, but initially {init}"))
            } else {
                Ok(())
            }
        }
        ObjectKind::PatternSet { patterns } => {
            if patterns.iter().any(Vec::is_empty) {
                Err("a pattern is empty".to_owned())
            } else if patterns.len() > usize::from(u16::MAX) {
                Err(format!("{} patterns do not fit in 16 bits", patterns.len()))
            } else {
                Ok(())
            }
        }
        ObjectKind::Allocator {
            width, base, size, ..
        } => {
            let end = u128::from(*base) + u128::from(*size);
            if *width == 0 || *width > 64 {
                Err(format!("width {width} is not from 1 to 64"))
            } else if end > 1u128 << width {
                Err(format!("numbers up to {end} do not fit in {width} bits"))
            } else {
                Ok(())
            }
        }
        ObjectKind::Message { fields, .. } => {
            let bad = fields.iter().find(|f| f.1 == 0 || f.1 > MAX_WIDTH);
            match bad {
                Some((name, width)) => Err(format!(
                    "width {width} of `{name}` is not from 1 to {MAX_WIDTH}"
                )),
                None => Ok(()),
            }
        }
        ObjectKind::Random { .. } => Ok(()),
    }
}
