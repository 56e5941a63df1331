//! Programs, headers and metadata.

use crate::{
    Action, ActionId, BinOp, Bits, Control, DropReasonId, Expr, FieldRef, HeaderId, HeaderTypeId,
    LValue, MetaId, Object, ObjectId, Parser, Place, PrimaryMap, Table, TableId,
    parser::CORE_ERRORS,
};
use serde::{Deserialize, Serialize};

/// A packet program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Name of the program.
    pub name: String,
    /// Header types.
    pub header_types: PrimaryMap<HeaderTypeId, HeaderType>,
    /// Header instances.
    pub headers: PrimaryMap<HeaderId, Header>,
    /// Metadata; the first ones are [`StdMeta`].
    pub metas: PrimaryMap<MetaId, Meta>,
    /// The parser.
    pub parser: Parser,
    /// Actions.
    pub actions: PrimaryMap<ActionId, Action>,
    /// Tables.
    pub tables: PrimaryMap<TableId, Table>,
    /// Stateful objects.
    pub objects: PrimaryMap<ObjectId, Object>,
    /// Texts of the drop reasons.
    pub drop_reasons: PrimaryMap<DropReasonId, String>,
    /// Output attributes that the program declares.
    pub attributes: Vec<Attribute>,
    /// The control graph.
    pub control: Control,
    /// Headers to emit, in order, when valid.
    pub deparser: Vec<HeaderId>,
}

/// A header type: fields in wire order, most significant bit first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderType {
    /// Unique name.
    pub name: String,
    /// Fields. The fixed ones add up to whole bytes.
    pub fields: Vec<Field>,
}

impl HeaderType {
    /// Bits of all fixed fields.
    pub fn fixed_bits(&self) -> u32 {
        self.fields
            .iter()
            .map(|f| {
                if let FieldKind::Fixed(w) = f.kind {
                    w
                } else {
                    0
                }
            })
            .sum()
    }
    /// Largest number of bits of the varbit field, if there is one.
    pub fn varbit(&self) -> Option<u32> {
        self.fields.iter().find_map(|f| match f.kind {
            FieldKind::Varbit(max) => Some(max),
            FieldKind::Fixed(_) => None,
        })
    }
    /// Bit offset of a field from the start of the header.
    pub fn offset(&self, field: u32) -> u32 {
        self.fields[..field as usize]
            .iter()
            .map(|f| {
                if let FieldKind::Fixed(w) = f.kind {
                    w
                } else {
                    0
                }
            })
            .sum()
    }
    /// Index of the field with this name.
    pub fn field(&self, name: &str) -> Option<u32> {
        self.fields
            .iter()
            .position(|f| f.name == name)
            .map(|i| i as u32)
    }
}

/// A field of a header type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name, unique in the header.
    pub name: String,
    /// Width.
    pub kind: FieldKind,
}

/// The width of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FieldKind {
    /// This many bits.
    Fixed(u32),
    /// Up to this many bits, a whole number of bytes; the last field.
    Varbit(u32),
}

/// A header instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Unique name: `ipv4`, `vlan[0]`.
    pub name: String,
    /// Its type.
    pub ty: HeaderTypeId,
}

/// A metadata field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Unique name: `ids.verdict`.
    pub name: String,
    /// Width in bits.
    pub width: u32,
    /// What it is for.
    pub kind: MetaKind,
}

/// What a metadata field is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetaKind {
    /// Standard metadata.
    Standard,
    /// A variable of the program.
    User,
}

/// Standard metadata, with fixed ids: `StdMeta::X as u32` is the [`MetaId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum StdMeta {
    /// Port that the packet came in on.
    IngressPort = 0,
    /// Port that `Emit` sends it to.
    EgressPort = 1,
    /// 0, or the number of the drop reason ([`DropReasonId::number`]).
    Drop = 2,
    /// Length of the frame in bytes at the pipeline's entry.
    PacketLength = 3,
    /// Arrival at the rack, in nanoseconds.
    Timestamp = 4,
    /// Error code of the last parse (see [`crate::parser::CORE_ERRORS`]).
    ParserError = 5,
}

impl StdMeta {
    /// All of them, in the order of their ids, with name and width.
    pub const ALL: [(StdMeta, &'static str, u32); 6] = [
        (StdMeta::IngressPort, "ingress_port", 16),
        (StdMeta::EgressPort, "egress_port", 16),
        (StdMeta::Drop, "drop", 16),
        (StdMeta::PacketLength, "packet_length", 32),
        (StdMeta::Timestamp, "timestamp", 64),
        (StdMeta::ParserError, "parser_error", 8),
    ];
    /// The metadata's id, the same in every program.
    pub fn id(self) -> MetaId {
        MetaId(self as u32)
    }
    /// Its value.
    pub fn get(self) -> Expr {
        Expr::Meta(self.id())
    }
}

/// An output attribute that an NF declares, for use in policy filters (`ids.verdict == unsafe`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Name: `verdict` in the NF's program, `ids.verdict` once merged.
    pub name: String,
    /// The metadata field that holds it.
    pub meta: MetaId,
    /// Names of values, if it is an enumeration.
    pub values: Vec<(String, Bits)>,
}

impl Program {
    /// An empty program with the standard metadata and core errors.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            header_types: PrimaryMap::new(),
            headers: PrimaryMap::new(),
            metas: StdMeta::ALL
                .iter()
                .map(|(_, name, width)| Meta {
                    name: (*name).to_owned(),
                    width: *width,
                    kind: MetaKind::Standard,
                })
                .collect(),
            parser: Parser {
                errors: CORE_ERRORS.iter().map(|e| (*e).to_owned()).collect(),
                ..Parser::default()
            },
            actions: PrimaryMap::new(),
            tables: PrimaryMap::new(),
            objects: PrimaryMap::new(),
            drop_reasons: PrimaryMap::new(),
            attributes: Vec::new(),
            control: Control::default(),
            deparser: Vec::new(),
        }
    }
    /// Adds a user metadata field.
    pub fn add_meta(&mut self, name: impl Into<String>, width: u32) -> MetaId {
        self.metas.push(Meta {
            name: name.into(),
            width,
            kind: MetaKind::User,
        })
    }
    /// The type of a header instance.
    pub fn header_type(&self, header: HeaderId) -> &HeaderType {
        &self.header_types[self.headers[header].ty]
    }
    /// The header instance with this name.
    pub fn header_named(&self, name: &str) -> Option<HeaderId> {
        self.headers.find(|h| h.name == name)
    }
    /// The field `header.field` by names.
    pub fn field_named(&self, header: &str, field: &str) -> Option<FieldRef> {
        let header = self.header_named(header)?;
        Some(FieldRef {
            header,
            field: self.header_type(header).field(field)?,
        })
    }
    /// The varbit of a header, if it has one.
    pub fn varbit_field(&self, header: HeaderId) -> Option<FieldRef> {
        let fields = &self.header_type(header).fields;
        let is_varbit = |f: &Field| matches!(f.kind, FieldKind::Varbit(_));
        let field = fields.iter().position(is_varbit)? as u32;
        Some(FieldRef { header, field })
    }
    /// The metadata field with this name.
    pub fn meta_named(&self, name: &str) -> Option<MetaId> {
        self.metas.find(|m| m.name == name)
    }
    /// The number of a drop reason with this text, added if new.
    pub fn drop_reason(&mut self, text: &str) -> DropReasonId {
        match self.drop_reasons.find(|r| r == text) {
            Some(id) => id,
            None => self.drop_reasons.push(text.to_owned()),
        }
    }
    /// Width of a header field; 0 for a varbit.
    pub fn field_width(&self, field: FieldRef) -> u32 {
        match self.header_type(field.header).fields[field.field as usize].kind {
            FieldKind::Fixed(width) => width,
            FieldKind::Varbit(_) => 0,
        }
    }
    /// Width of an assignment's target.
    pub fn lvalue_width(&self, lvalue: &LValue) -> u32 {
        match (lvalue.slice, lvalue.place) {
            (Some((hi, lo)), _) => hi - lo + 1,
            (None, Place::Field(field)) => self.field_width(field),
            (None, Place::Meta(meta)) => self.metas[meta].width,
        }
    }
    /// Width of an expression in a verified program; `params` are the enclosing action's parameters.
    pub fn width(&self, expr: &Expr, params: &[crate::Param]) -> u32 {
        match expr {
            Expr::Const(bits) => bits.width(),
            Expr::Field(field) => self.field_width(*field),
            Expr::Meta(meta) => self.metas[*meta].width,
            Expr::Param(i) => params[*i as usize].width,
            Expr::Valid(_) => 1,
            Expr::Unary(_, a) => self.width(a, params),
            Expr::Binary(op, a, _) => {
                if BinOp::is_comparison(*op) {
                    1
                } else {
                    self.width(a, params)
                }
            }
            Expr::Resize(_, width) | Expr::SignResize(_, width) => *width,
            Expr::Slice(_, hi, lo) => hi - lo + 1,
            Expr::Concat(parts) => parts.iter().map(|p| self.width(p, params)).sum(),
            Expr::Mux(_, a, _) => self.width(a, params),
            Expr::Lookahead { width, .. } => *width,
            Expr::Frame { len, .. } => u32::from(*len) * 8,
            Expr::FrameLen | Expr::VarbitLen(_) => 32,
            Expr::VarbitEq(..) => 1,
            Expr::Varbit(_) | Expr::Payload => 0,
            Expr::Hash(algorithm, _) => algorithm.width(),
            Expr::OnesSum(..) => 16,
        }
    }
}
