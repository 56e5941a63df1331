//! Types, resolved: names are ids, widths are numbers.

use std::rc::Rc;

use super::{
    ActionId, BlockTypeId, ControlId, EnumId, ExternId, NewTypeId, ParserId, StructId, TableId,
    TypeParamId,
};

/// Arguments of a generic type, in the order of its parameters; empty if it takes none.
pub type TypeArgs = Rc<[Type]>;

/// A type (P4-16 specification 1.2.5, section 7). Two types are the same if they are equal; `typedef` names
/// are gone, `type` names are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `void`
    Void,
    /// `bool`
    Bool,
    /// `int`: an integer of any size, known at compile time.
    Integer,
    /// `bit<w>`, w from 0
    Bit(u32),
    /// `int<w>`, w from 1
    Int(u32),
    /// `varbit<max>`
    Varbit(u32),
    /// `string`
    String,
    /// `error`
    Error,
    /// `match_kind`
    MatchKind,
    /// An enum, with or without underlying type (see [`super::EnumDef::repr`]).
    Enum(EnumId),
    /// A header.
    Header(StructId, TypeArgs),
    /// A header union.
    Union(StructId, TypeArgs),
    /// A struct.
    Struct(StructId, TypeArgs),
    /// A stack (array) of headers, header unions or other values.
    Stack(Rc<Type>, u32),
    /// `tuple<...>`
    Tuple(TypeArgs),
    /// `list<T>`
    List(Rc<Type>),
    /// `set<T>`: what keyset expressions denote; it cannot be written.
    Set(Rc<Type>),
    /// A type made by `type`.
    New(NewTypeId),
    /// An extern object.
    Extern(ExternId, TypeArgs),
    /// Something of a parser type, control type or package type.
    Block(BlockTypeId, TypeArgs),
    /// An instance of this parser.
    Parser(ParserId),
    /// An instance of this control.
    Control(ControlId),
    /// A table: only `apply` can be called on it. As for actions, there is one value.
    Table(TableId),
    /// What `apply` of a table gives: `hit`, `miss` and `action_run`.
    ApplyResult(TableId),
    /// The type of `action_run`: one of the table's actions.
    ActionRun(TableId),
    /// An action, as an expression: the type has this one value, which is written [`super::ExprKind::Default`].
    Action(ActionId),
    /// A type parameter within what declares it.
    Param(TypeParamId),
    /// A type that is still to be inferred. Only while checking: none is left in a checked program.
    Infer(u32),
    /// The type of what was reported as wrong; it fits everything. None in a program without errors.
    Unknown,
}

impl Type {
    /// No type arguments.
    #[must_use]
    pub fn no_args() -> TypeArgs {
        Rc::from([])
    }

    /// Whether this is `int<w>`. (`type` names have to be looked through first.)
    #[must_use]
    pub fn is_signed(&self) -> bool {
        matches!(self, Type::Int(_))
    }
}
