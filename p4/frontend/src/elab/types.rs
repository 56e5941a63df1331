//! Types of the language, resolved: names and widths are known.

use std::fmt;
use std::rc::Rc;

use num_bigint::BigInt;

/// A resolved type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Void,
    Bool,
    Bit(u32),
    Int(u32),
    Varbit(u32),
    /// `int`: compile-time integers
    Integer,
    String,
    Error,
    MatchKind,
    Enum(Rc<EnumType>),
    Header(Rc<StructType>),
    Struct(Rc<StructType>),
    Stack(Rc<StructType>, u32),
    Tuple(Vec<Type>),
    /// `type T N`
    New(Rc<NewType>),
    /// An extern object type with its type arguments.
    Extern(String, Vec<Type>),
    /// A type parameter or `_`: fits everything.
    Any,
}

/// A header or struct.
#[derive(Debug, PartialEq)]
pub(crate) struct StructType {
    pub name: String,
    pub fields: Vec<(String, Type)>,
}

/// An enum; members without values are numbered by the architecture.
#[derive(Debug, PartialEq)]
pub(crate) struct EnumType {
    pub name: String,
    pub members: Vec<(String, BigInt)>,
    /// Bits of its representation.
    pub width: u32,
    /// The type that represents it, for `enum bit<8> E`.
    pub repr: Option<Type>,
}

/// A type made by `type`.
#[derive(Debug, PartialEq)]
pub(crate) struct NewType {
    pub name: String,
    pub target: Type,
}

impl Type {
    /// Bits of a scalar; `None` for everything else.
    pub fn width(&self) -> Option<u32> {
        match self {
            Type::Bool => Some(1),
            Type::Bit(w) | Type::Int(w) => Some(*w),
            Type::Error => Some(8),
            Type::Enum(e) => Some(e.width),
            Type::New(n) => n.target.width(),
            _ => None,
        }
    }

    /// Bits of a scalar or of all members of a struct or header without varbit.
    pub fn bits(&self) -> Option<u32> {
        match self {
            Type::Header(s) | Type::Struct(s) => s
                .fields
                .iter()
                .map(|(_, ty)| ty.bits())
                .try_fold(0u32, |sum, w| sum.checked_add(w?)),
            Type::Stack(s, n) => Type::Header(s.clone()).bits()?.checked_mul(*n),
            Type::Tuple(parts) => parts
                .iter()
                .map(Type::bits)
                .try_fold(0u32, |sum, w| sum.checked_add(w?)),
            other => other.width(),
        }
    }

    /// What stands behind `type` names.
    pub fn base(&self) -> &Type {
        match self {
            Type::New(n) => n.target.base(),
            other => other,
        }
    }

    /// Whether arithmetic is signed.
    pub fn is_signed(&self) -> bool {
        matches!(self.base(), Type::Int(_))
    }

    /// Whether a value of `other` can stand where this type is wanted, without a cast.
    pub fn accepts(&self, other: &Type) -> bool {
        match (self, other) {
            (Type::Any, _) | (_, Type::Any) => true,
            (Type::Tuple(a), Type::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.accepts(b))
            }
            (Type::Header(a), Type::Header(b)) | (Type::Struct(a), Type::Struct(b)) => {
                a.name == b.name
            }
            // An enum with a representation may stand for it (specification 8.3).
            (a, Type::Enum(e)) if e.repr.as_ref() == Some(a) => true,
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Void => f.write_str("void"),
            Type::Bool => f.write_str("bool"),
            Type::Bit(w) => write!(f, "bit<{w}>"),
            Type::Int(w) => write!(f, "int<{w}>"),
            Type::Varbit(w) => write!(f, "varbit<{w}>"),
            Type::Integer => f.write_str("int"),
            Type::String => f.write_str("string"),
            Type::Error => f.write_str("error"),
            Type::MatchKind => f.write_str("match_kind"),
            Type::Enum(e) => f.write_str(&e.name),
            Type::Header(s) | Type::Struct(s) => f.write_str(&s.name),
            Type::Stack(s, n) => write!(f, "{}[{n}]", s.name),
            Type::Tuple(parts) => {
                f.write_str("tuple<")?;
                for (i, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str(">")
            }
            Type::New(n) => f.write_str(&n.name),
            Type::Extern(name, _) => f.write_str(name),
            Type::Any => f.write_str("_"),
        }
    }
}
