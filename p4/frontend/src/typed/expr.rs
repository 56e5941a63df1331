//! Expressions, keysets and calls.

use num_bigint::BigInt;

use super::{ActionId, ExternId, FunctionId, InstanceId, TableId, Type, ValueSetId, VarId};
use crate::Span;
use crate::ast::{BinOp, Direction, UnOp};

/// An expression with its type. Conversions that the language inserts are explicit
/// [`ExprKind::Cast`]s, and what can be computed at compile time is an [`ExprKind::Const`] (unless it depends
/// on a constructor parameter, whose value only the instance knows).
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its type.
    pub ty: Type,
    /// Where it stands.
    pub span: Span,
}

/// A value known at compile time. [`Expr::ty`] says how it is to be read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Const {
    /// Of type `bool`.
    Bool(bool),
    /// Of type `int`, `bit<w>` (0 to 2^w - 1), `int<w>` (-2^(w-1) to 2^(w-1) - 1), of an enum with underlying
    /// type, or of a `type` over one of these.
    Int(BigInt),
    /// Of type `string`.
    Str(String),
    /// Of type `error`: index into [`super::Program::errors`].
    Error(u32),
    /// Of an enum without underlying type: index of the member.
    Member(u32),
    /// Of type `match_kind`: index into [`super::Program::match_kinds`].
    MatchKind(u32),
}

/// What an [`Expr`] is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// A constant.
    Const(Const),
    /// A variable, parameter, or a constant whose value depends on a constructor parameter.
    Var(VarId),
    /// An instance of an extern, parser, control or package, declared or (as in `P(C())`) constructed in
    /// place.
    Instance(InstanceId),
    /// `this` in the methods of an instance.
    This,
    /// Values by position: the fields of a struct, the fields of a (then valid) header, the elements of a
    /// tuple, stack or list, as the type says. A shorter stack is filled with invalid headers.
    Aggregate(Vec<Expr>),
    /// `{#}`, or its like for a union: an invalid header.
    Invalid,
    /// `...`: the type's default value (specification 7.3).
    Default,
    /// `op e`
    Unary(UnOp, Box<Expr>),
    /// `a op b`. `&&` and `||` evaluate `b` only if needed. Operands have the same type except for
    /// shifts and `++`; `==` and `!=` take whole structs, headers, unions, stacks and tuples, too.
    Binary(BinOp, Box<Expr>, Box<Expr>),
    /// `cond ? a : b`; only one of `a` and `b` is evaluated.
    Ternary(Box<Expr>, Box<Expr>, Box<Expr>),
    /// A conversion to [`Expr::ty`].
    Cast(Box<Expr>),
    /// Field of a struct, header or union by its index in the declaration.
    Field(Box<Expr>, u32),
    /// Element of a tuple.
    Element(Box<Expr>, u32),
    /// Element of a stack; the index may be a run-time value.
    Index(Box<Expr>, Box<Expr>),
    /// `e[hi:lo]`: bits, both included.
    Slice(Box<Expr>, u32, u32),
    /// `e[lo +: width]` with a start that is known at run time only.
    SliceAt {
        /// What is cut.
        base: Box<Expr>,
        /// Lowest bit.
        lo: Box<Expr>,
        /// Number of bits.
        width: u32,
    },
    /// `stack.next` (parsers)
    Next(Box<Expr>),
    /// `stack.last` (parsers)
    Last(Box<Expr>),
    /// `stack.lastIndex` (parsers), of type `bit<32>`
    LastIndex(Box<Expr>),
    /// `t.apply().hit`, or with `miss` set `t.apply().miss`: applies the table.
    Hit {
        /// The table.
        table: TableId,
        /// Whether the negation is asked for.
        miss: bool,
    },
    /// A call. As a statement its result is not used.
    Call(Box<Call>),
}

impl Expr {
    /// The expressions that this one is directly made of: its operands, or for a call the object that is called and
    /// the arguments in the order of the parameters.
    pub fn operands(&self) -> impl Iterator<Item = &Expr> {
        let (own, parts, args): ([Option<&Expr>; 3], &[Expr], &[Arg]) = match &self.kind {
            ExprKind::Const(_)
            | ExprKind::Var(_)
            | ExprKind::Instance(_)
            | ExprKind::This
            | ExprKind::Invalid
            | ExprKind::Default
            | ExprKind::Hit { .. } => ([None; 3], &[], &[]),
            ExprKind::Aggregate(parts) => ([None; 3], parts, &[]),
            ExprKind::Unary(_, e)
            | ExprKind::Cast(e)
            | ExprKind::Field(e, _)
            | ExprKind::Element(e, _)
            | ExprKind::Slice(e, _, _)
            | ExprKind::Next(e)
            | ExprKind::Last(e)
            | ExprKind::LastIndex(e) => ([Some(e), None, None], &[], &[]),
            ExprKind::Binary(_, a, b)
            | ExprKind::Index(a, b)
            | ExprKind::SliceAt { base: a, lo: b, .. } => ([Some(a), Some(b), None], &[], &[]),
            ExprKind::Ternary(cond, then, otherwise) => {
                ([Some(cond), Some(then), Some(otherwise)], &[], &[])
            }
            ExprKind::Call(call) => ([call.callee.object(), None, None], &[], &call.args),
        };
        let args = args.iter().filter_map(|arg| arg.value.as_ref());
        own.into_iter().flatten().chain(parts).chain(args)
    }
}

/// A call of anything.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is called.
    pub callee: Callee,
    /// Types for the callee's own type parameters, given or inferred, in their order.
    pub type_args: Vec<Type>,
    /// One per parameter of the callee, in the order of the parameters, whatever order they were written in
    /// ([`Callee::Method`]: the method's; [`Callee::Apply`]: the block's; built-ins: as documented there).
    pub args: Vec<Arg>,
    /// Parameter indices in the order in which the arguments were written: the order in which they are
    /// evaluated (specification 6.8).
    pub order: Vec<u32>,
}

/// What a [`Call`] calls.
#[derive(Clone, Debug)]
pub enum Callee {
    /// A function with a body, or an extern function.
    Function(FunctionId),
    /// An action, called directly.
    Action(ActionId),
    /// A method of an extern object.
    Method {
        /// Denotes the object: an instance, a parameter, or `this`.
        object: Box<Expr>,
        /// Its extern type.
        of: ExternId,
        /// The method, of that type's [`super::ExternDef::methods`].
        method: FunctionId,
    },
    /// `apply` of a parser or control instance.
    Apply {
        /// Denotes the instance (or a parameter of a block type).
        block: Box<Expr>,
    },
    /// `apply` of a table, for its effect.
    Table(TableId),
    /// A method that every header, union or stack has.
    BuiltIn(BuiltIn, Box<Expr>),
}

impl Callee {
    /// What denotes the object, block, header, union or stack that is called.
    #[must_use]
    pub fn object(&self) -> Option<&Expr> {
        match self {
            Self::Method { object: of, .. } | Self::Apply { block: of } | Self::BuiltIn(_, of) => {
                Some(of)
            }
            Self::Function(_) | Self::Action(_) | Self::Table(_) => None,
        }
    }
}

/// Methods that the language itself defines. Sizes (`minSizeInBits` and so on) are constants and never
/// calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltIn {
    /// `isValid()` of a header or union: bool.
    IsValid,
    /// `setValid()` of a header.
    SetValid,
    /// `setInvalid()` of a header.
    SetInvalid,
    /// `push_front(n)` of a stack; `args[0]` is a constant.
    PushFront,
    /// `pop_front(n)` of a stack; `args[0]` is a constant.
    PopFront,
}

/// One argument of a call or instantiation.
#[derive(Clone, Debug)]
pub struct Arg {
    /// The parameter's direction.
    pub direction: Direction,
    /// What is passed, converted to the parameter's type (an l-value for `out` and `inout`); `None` for `_`, and
    /// for an `@optional` parameter that is not given. Default values of parameters are filled in.
    pub value: Option<Expr>,
}

/// A set of values of one key, in `select` cases and table entries.
#[derive(Clone, Debug)]
pub enum KeySet {
    /// `_` or `default`: every value.
    Any,
    /// One value.
    Value(Expr),
    /// `value &&& mask`
    Mask(Expr, Expr),
    /// `lo .. hi`, both included; of an enum's underlying type if the key is an enum.
    Range(Expr, Expr),
    /// A value set (parsers only).
    ValueSet(ValueSetId),
}
