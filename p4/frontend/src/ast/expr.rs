//! Types and expressions.

use num_bigint::BigInt;
use serde::Serialize;

use super::{Ident, Path};
use crate::span::Span;

/// A type as written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypeRef {
    /// Which type.
    pub kind: TypeKind,
    /// Where it stands.
    pub span: Span,
}

/// Which type a [`TypeRef`] is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum TypeKind {
    /// `void`
    Void,
    /// `bool`
    Bool,
    /// `error`
    Error,
    /// `match_kind`
    MatchKind,
    /// `string`
    String,
    /// `int`: any integer, known at compile time
    Integer,
    /// `bit<w>`; `bit` alone is one bit wide
    Bit(Option<Box<Expr>>),
    /// `int<w>`
    Int(Box<Expr>),
    /// `varbit<max>`
    Varbit(Box<Expr>),
    /// A declared type or type parameter
    Named(Path),
    /// `Name<args>`
    Specialized {
        /// The generic type.
        base: Path,
        /// Its arguments.
        args: Vec<TypeRef>,
    },
    /// `T[n]`
    Stack {
        /// Element type.
        elem: Box<TypeRef>,
        /// Number of elements.
        size: Box<Expr>,
    },
    /// `tuple<...>`
    Tuple(Vec<TypeRef>),
    /// `list<T>`
    List(Box<TypeRef>),
    /// `_` as a type argument
    DontCare,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where it stands.
    pub span: Span,
}

/// An integer literal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntLit {
    /// The value written, before it is fitted to the width.
    pub value: BigInt,
    /// Width in bits, if written (`8w255`, `4s7`).
    pub width: Option<u32>,
    /// Written with `s`: signed.
    pub signed: bool,
    /// Base it was written in: 2, 8, 10 or 16.
    pub base: u8,
}

/// `name = expr`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedExpr {
    /// The name.
    pub name: Ident,
    /// The value.
    pub value: Expr,
}

/// An argument of a call or instantiation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Arg {
    /// The parameter's name, if given by name.
    pub name: Option<Ident>,
    /// The value; [`ExprKind::DontCare`] for `_`.
    pub value: Expr,
}

/// What an [`Expr`] is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum ExprKind {
    /// A number.
    Int(IntLit),
    /// `true` or `false`
    Bool(bool),
    /// A string, escapes resolved.
    Str(String),
    /// A name that is no type.
    Path(Path),
    /// `this`
    This,
    /// `...`
    Dots,
    /// `{#}`: an invalid header
    Invalid,
    /// `_`
    DontCare,
    /// `default` as a keyset or switch label
    Default,
    /// `{a, b}`
    List(Vec<Expr>),
    /// `{x = a, y = b, ...}`
    Struct {
        /// Fields in order.
        fields: Vec<NamedExpr>,
        /// Ends in `...`: the other fields get their defaults.
        rest: bool,
    },
    /// `op e`
    Unary {
        /// Operator.
        op: UnOp,
        /// Operand.
        expr: Box<Expr>,
    },
    /// `a op b`
    Binary {
        /// Operator.
        op: BinOp,
        /// Left operand.
        lhs: Box<Expr>,
        /// Right operand.
        rhs: Box<Expr>,
    },
    /// `cond ? a : b`
    Ternary {
        /// Condition.
        cond: Box<Expr>,
        /// Value if true.
        then: Box<Expr>,
        /// Value if false.
        otherwise: Box<Expr>,
    },
    /// `(T) e`
    Cast {
        /// Target type.
        ty: TypeRef,
        /// Operand.
        expr: Box<Expr>,
    },
    /// `e.name`
    Member {
        /// Left of the dot.
        base: Box<Expr>,
        /// Right of the dot.
        name: Ident,
    },
    /// `T.name`: an enum or error member, or a static method
    TypeMember {
        /// Left of the dot.
        ty: TypeRef,
        /// Right of the dot.
        name: Ident,
    },
    /// `e[i]`
    Index {
        /// What is indexed.
        base: Box<Expr>,
        /// Index.
        index: Box<Expr>,
    },
    /// `e[hi:lo]`
    Slice {
        /// What is cut.
        base: Box<Expr>,
        /// Highest bit.
        hi: Box<Expr>,
        /// Lowest bit.
        lo: Box<Expr>,
    },
    /// `e[lo +: width]`
    PlusSlice {
        /// What is cut.
        base: Box<Expr>,
        /// Lowest bit.
        lo: Box<Expr>,
        /// Number of bits.
        width: Box<Expr>,
    },
    /// `f<T>(args)`, `x.m(args)`
    Call {
        /// What is called.
        callee: Box<Expr>,
        /// Type arguments.
        type_args: Vec<TypeRef>,
        /// Arguments.
        args: Vec<Arg>,
    },
    /// `T(args)`: an unnamed instance
    Construct {
        /// What is instantiated.
        ty: TypeRef,
        /// Constructor arguments.
        args: Vec<Arg>,
    },
    /// `value &&& mask` (keysets)
    Mask {
        /// Value.
        value: Box<Expr>,
        /// Mask.
        mask: Box<Expr>,
    },
    /// `lo .. hi` (keysets and `for`)
    Range {
        /// Smallest value.
        lo: Box<Expr>,
        /// Largest value.
        hi: Box<Expr>,
    },
}

/// A unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum UnOp {
    /// `!`
    Not,
    /// `~`
    BitNot,
    /// `-`
    Neg,
    /// `+`
    Plus,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum BinOp {
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `%`
    Mod,
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `|+|`
    SatAdd,
    /// `|-|`
    SatSub,
    /// `++`
    Concat,
    /// `<<`
    Shl,
    /// `>>`
    Shr,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `&`
    BitAnd,
    /// `^`
    BitXor,
    /// `|`
    BitOr,
    /// `&&`
    And,
    /// `||`
    Or,
}
