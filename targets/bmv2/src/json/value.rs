//! Small pieces of BMv2's JSON format: typed values and expressions.

use serde_json::{Value, json};
use trisect_ir::{Bits, Entity, HeaderId, HeaderTypeId, MetaId, Program};

use crate::names::Names;

/// The header instance that holds the IR's metadata.
pub(crate) const META: &str = "meta";
/// The header instance that simple_switch itself reads and writes.
pub(crate) const STANDARD: &str = "standard_metadata";
/// The header instance that holds intermediate values.
pub(crate) const SCRATCH: &str = "$scratch";
/// The hidden field that says whether a header is valid.
const VALID: &str = "$valid$";

/// An expression as JSON, and how deep it nests: loaders of JSON limit the depth.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub json: Value,
    pub height: u32,
}

impl Term {
    fn leaf(json: Value) -> Self {
        Self { json, height: 1 }
    }
}

/// A number in hexadecimal, as short as it is.
pub(crate) fn hex(bits: &Bits) -> String {
    format!("0x{:02x}", bits.value())
}

/// A number in hexadecimal with all bytes of its width: what keys are compared with.
pub(crate) fn hex_bytes(bits: &Bits) -> String {
    bits.to_be_bytes()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

pub(crate) fn hexstr(bits: &Bits) -> Value {
    json!({ "type": "hexstr", "value": hex(bits) })
}

pub(crate) fn field(header: &str, name: &str) -> Value {
    json!({ "type": "field", "value": [header, name] })
}

/// The field behind a metadata id.
pub(crate) fn meta(names: &Names, id: MetaId) -> Value {
    field(META, &names.metas[id])
}

/// The bit that says whether a header is valid.
pub(crate) fn validity(names: &Names, header: HeaderId) -> Value {
    field(&names.headers[header], VALID)
}

/// The field of a header, by its index in the type.
pub(crate) fn header_field(program: &Program, names: &Names, at: trisect_ir::FieldRef) -> Value {
    let ty = program.headers[at.header].ty;
    let name = names.fields[ty].get(at.field as usize);
    field(&names.headers[at.header], name.map_or("", String::as_str))
}

/// The header instance that is never on the wire and always zero: to set a header with a varbit from.
pub(crate) fn zero_header(ty: HeaderTypeId) -> String {
    format!("$zero_{}", ty.index())
}

pub(crate) fn number(width: u32, value: u64) -> Term {
    Term::leaf(hexstr(&Bits::new(width, value)))
}

pub(crate) fn constant(bits: &Bits) -> Term {
    Term::leaf(hexstr(bits))
}

pub(crate) fn leaf(json: Value) -> Term {
    Term::leaf(json)
}

pub(crate) fn local(at: u32) -> Term {
    Term::leaf(json!({ "type": "local", "value": at }))
}

pub(crate) fn boolean(value: bool) -> Term {
    Term::leaf(json!({ "type": "bool", "value": value }))
}

/// An object. Unlike `json!`, this moves its values instead of copying them, which matters for what nests.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let members = members.into_iter();
    Value::Object(
        members
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn typed(kind: &str, value: Value) -> Value {
    object([("type", kind.into()), ("value", value)])
}

fn expression(value: Value, height: u32) -> Term {
    Term {
        json: typed("expression", value),
        height,
    }
}

/// `left op right`.
pub(crate) fn binary(op: &str, left: Term, right: Term) -> Term {
    let height = left.height.max(right.height) + 1;
    let members = [
        ("op", op.into()),
        ("left", left.json),
        ("right", right.json),
    ];
    expression(object(members), height)
}

/// `op right`.
pub(crate) fn unary(op: &str, right: Term) -> Term {
    let height = right.height + 1;
    let members = [
        ("op", op.into()),
        ("left", Value::Null),
        ("right", right.json),
    ];
    expression(object(members), height)
}

/// `cond ? left : right`; only the chosen one is evaluated.
pub(crate) fn choose(cond: Term, left: Term, right: Term) -> Term {
    let height = cond.height.max(left.height).max(right.height) + 1;
    let members = [
        ("op", "?".into()),
        ("cond", cond.json),
        ("left", left.json),
        ("right", right.json),
    ];
    expression(object(members), height)
}

/// The argument of a primitive.
pub(crate) fn argument(term: Term) -> Value {
    match term.json.get("type").and_then(Value::as_str) {
        Some("field" | "hexstr") => term.json,
        Some("local") => json!({ "type": "runtime_data", "value": term.json["value"] }),
        _ => typed("expression", term.json),
    }
}

/// The argument of a parser operation, which wants an expression.
pub(crate) fn parser_expression(term: Term) -> Value {
    typed("expression", term.json)
}

/// A call of a primitive.
pub(crate) fn primitive(op: &str, parameters: Vec<Value>) -> Value {
    object([("op", op.into()), ("parameters", parameters.into())])
}
