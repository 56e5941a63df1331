//! The checked program: names resolved, types known, constants computed, arguments in order.
//!
//! `check` makes it from the syntax tree, elaboration turns it into the IR. It still has all of the language
//! (generic functions, nested blocks, structs, loops) and knows no architecture: what `V1Switch` means is
//! elaboration's business.
//!
//! Entities live in one table each and are referred to by ids. Declarations of all scopes are in the same
//! tables; the scopes themselves are gone.
//!
//! # Invariants (of a program that was checked without errors)
//! - Ids exist. No [`Type::Infer`] or [`Type::Unknown`] is left.
//! - Every [`Expr`] has the type that its place needs; conversions are [`ExprKind::Cast`]s.
//! - A call has exactly one [`Arg`] per parameter; `out` and `inout` arguments are l-values.
//! - A type parameter occurs only within the function, extern or type that declares it. Generic parsers and controls
//!   are in the tables as they are declared, but only copies without type parameters are instantiated.
//! - Functions, actions, parsers and controls do not call or contain themselves.

mod expr;
mod show;
mod stmt;
mod types;

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::PrimaryMap;

use crate::Span;
use crate::ast::{Annotation, Direction};

pub use expr::{Arg, BuiltIn, Call, Callee, Const, Expr, ExprKind, KeySet};
pub use stmt::{Case, Stmt, StmtKind};
pub use types::{Type, TypeArgs};

trisect_ir::entities! {
    /// A struct, header or header union.
    StructId = "struct";
    /// An enum.
    EnumId = "enum";
    /// A type made by `type`.
    NewTypeId = "newtype";
    /// An extern object type.
    ExternId = "extern";
    /// A parser type, control type or package.
    BlockTypeId = "blocktype";
    /// A type parameter.
    TypeParamId = "typeparam";
    /// A variable, parameter or constant.
    VarId = "var";
    /// A function, extern function, extern method or constructor.
    FunctionId = "function";
    /// An action.
    ActionId = "action";
    /// A table.
    TableId = "table";
    /// A parser.
    ParserId = "parser";
    /// A control.
    ControlId = "control";
    /// An instance of an extern, parser, control or package.
    InstanceId = "instance";
    /// A value set.
    ValueSetId = "valueset";
}

/// Annotations of a declaration, as written.
pub type Annotations = Rc<[Annotation]>;

/// A whole program.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Structs, headers and header unions.
    pub structs: PrimaryMap<StructId, StructDef>,
    /// Enums.
    pub enums: PrimaryMap<EnumId, EnumDef>,
    /// Types made by `type`.
    pub new_types: PrimaryMap<NewTypeId, NewTypeDef>,
    /// Extern object types.
    pub externs: PrimaryMap<ExternId, ExternDef>,
    /// Parser types, control types and packages.
    pub block_types: PrimaryMap<BlockTypeId, BlockType>,
    /// Names of type parameters.
    pub type_params: PrimaryMap<TypeParamId, String>,
    /// Variables, parameters and constants.
    pub vars: PrimaryMap<VarId, Var>,
    /// Functions.
    pub functions: PrimaryMap<FunctionId, Function>,
    /// Actions.
    pub actions: PrimaryMap<ActionId, Action>,
    /// Tables.
    pub tables: PrimaryMap<TableId, Table>,
    /// Parsers.
    pub parsers: PrimaryMap<ParserId, Parser>,
    /// Controls.
    pub controls: PrimaryMap<ControlId, Control>,
    /// Instances, as declared: a control that is instantiated twice has those within it here once.
    pub instances: PrimaryMap<InstanceId, Instance>,
    /// Value sets.
    pub value_sets: PrimaryMap<ValueSetId, ValueSet>,
    /// Members of `error` in the order of their declaration: their numbers.
    pub errors: Vec<String>,
    /// Members of `match_kind` in the order of their declaration.
    pub match_kinds: Vec<String>,
    /// Instances declared at top level, in order.
    pub globals: Vec<InstanceId>,
    /// The instance `main`, if there is one.
    pub main: Option<InstanceId>,
}

/// A struct, header or header union.
#[derive(Clone, Debug)]
pub struct StructDef {
    /// Its name.
    pub name: String,
    /// Type parameters.
    pub type_params: Vec<TypeParamId>,
    /// Fields in order; types may contain the type parameters.
    pub fields: Vec<Field>,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared.
    pub span: Span,
}

/// A field of a [`StructDef`].
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Annotations, e.g. `@field_list(1)`.
    pub annotations: Annotations,
    /// Where it is declared.
    pub span: Span,
}

/// An enum.
#[derive(Clone, Debug)]
pub struct EnumDef {
    /// Its name.
    pub name: String,
    /// Underlying type (`bit<w>` or `int<w>`, behind `type` names), for `enum bit<8> E`.
    pub repr: Option<Type>,
    /// Members in order, with their values if there is an underlying type.
    pub members: Vec<(String, Option<BigInt>)>,
    /// Where it is declared.
    pub span: Span,
}

/// A type made by `type`.
#[derive(Clone, Debug)]
pub struct NewTypeDef {
    /// Its name.
    pub name: String,
    /// What it is made from.
    pub target: Type,
    /// Annotations, e.g. `@p4runtime_translation`.
    pub annotations: Annotations,
    /// Where it is declared.
    pub span: Span,
}

/// An extern object type.
#[derive(Clone, Debug)]
pub struct ExternDef {
    /// Its name.
    pub name: String,
    /// Type parameters; constructors and methods may use them.
    pub type_params: Vec<TypeParamId>,
    /// Constructors.
    pub constructors: Vec<FunctionId>,
    /// Methods; several may have the same name.
    pub methods: Vec<FunctionId>,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared.
    pub span: Span,
}

/// What kind of block a [`BlockType`] is the type of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// `parser P(...);`
    Parser,
    /// `control C(...);`
    Control,
    /// `package P(...);`
    Package,
}

/// A parser type, control type or package.
#[derive(Clone, Debug)]
pub struct BlockType {
    /// What it is.
    pub kind: BlockKind,
    /// Its name.
    pub name: String,
    /// Type parameters.
    pub type_params: Vec<TypeParamId>,
    /// Parameters; constructor parameters for a package.
    pub params: Vec<VarId>,
    /// Annotations, e.g. `@pipeline`.
    pub annotations: Annotations,
    /// Where it is declared.
    pub span: Span,
}

/// A variable, parameter or constant.
#[derive(Clone, Debug)]
pub struct Var {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What it is.
    pub kind: VarKind,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared.
    pub span: Span,
}

/// What a [`Var`] is.
#[derive(Clone, Debug)]
pub enum VarKind {
    /// A constant. Uses of it are replaced by its value unless that depends on a constructor parameter or has many
    /// parts (a table of numbers, say), which would be repeated at every use.
    Const(Box<Expr>),
    /// A variable, also one of a loop.
    Local,
    /// A parameter of a function, action, method, parser or control.
    Param {
        /// Its direction. [`Direction::None`]: action data, or a compile-time or extern argument.
        direction: Direction,
        /// Its default value; `None` also for `@optional` ones.
        default: Option<Box<Expr>>,
        /// `@optional`: it may be left out, and then has no value.
        optional: bool,
    },
    /// A constructor parameter of a parser, control or package: known per instance.
    CtorParam {
        /// Its default value.
        default: Option<Box<Expr>>,
        /// `@optional`.
        optional: bool,
    },
}

/// A function, extern function, method or constructor.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its own type parameters (not those of the extern type that it belongs to).
    pub type_params: Vec<TypeParamId>,
    /// Parameters.
    pub params: Vec<VarId>,
    /// What it returns.
    pub ret: Type,
    /// The body; `None` for what is extern.
    pub body: Option<Vec<Stmt>>,
    /// The extern type that it is a method or constructor of.
    pub of: Option<ExternId>,
    /// `abstract`: instances supply the body.
    pub is_abstract: bool,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

/// An action.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// Parameters; those with a direction come first, those without are action data.
    pub params: Vec<VarId>,
    /// The body.
    pub body: Vec<Stmt>,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Keys in order.
    pub keys: Vec<Key>,
    /// Actions in order.
    pub actions: Vec<ActionRef>,
    /// The default action if given; it is one of `actions` (or `NoAction`).
    pub default: Option<DefaultAction>,
    /// `entries`, in order.
    pub entries: Vec<Entry>,
    /// Whether `entries` is `const`.
    pub const_entries: bool,
    /// `size`.
    pub size: Option<BigInt>,
    /// `size` where it depends on a constructor parameter, so that each instance has its own; `size` is `None` then.
    pub size_per_instance: Option<Expr>,
    /// All other properties, in order.
    pub properties: Vec<Property>,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

/// A key of a table.
#[derive(Clone, Debug)]
pub struct Key {
    /// What is looked up.
    pub expr: Expr,
    /// How: the name of the `match_kind` member.
    pub match_kind: String,
    /// The name that the control plane uses: of `@name`, else the expression as written.
    pub name: String,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it stands.
    pub span: Span,
}

/// An action in a table's list.
#[derive(Clone, Debug)]
pub struct ActionRef {
    /// The action.
    pub action: ActionId,
    /// Arguments for the parameters with a direction, in their order.
    pub bound: Vec<Arg>,
    /// Annotations, e.g. `@tableonly`, `@defaultonly`.
    pub annotations: Annotations,
    /// Where it stands.
    pub span: Span,
}

/// The default action of a table.
#[derive(Clone, Debug)]
pub struct DefaultAction {
    /// What is run.
    pub call: ActionCall,
    /// Whether it is `const`.
    pub is_const: bool,
}

/// An action with action data.
#[derive(Clone, Debug)]
pub struct ActionCall {
    /// The action.
    pub action: ActionId,
    /// Values of the parameters without direction, in their order; known at compile time.
    pub args: Vec<Expr>,
    /// Where it stands.
    pub span: Span,
}

/// An entry of a table.
#[derive(Clone, Debug)]
pub struct Entry {
    /// One set per key.
    pub keys: Vec<KeySet>,
    /// What is run.
    pub call: ActionCall,
    /// `priority = n`
    pub priority: Option<BigInt>,
    /// Written with `const`.
    pub is_const: bool,
    /// Annotations.
    pub annotations: Annotations,
    /// The whole entry.
    pub span: Span,
}

/// A property of a table that the language does not define: `counters`, `implementation`, ...
#[derive(Clone, Debug)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Expr,
    /// Written with `const`.
    pub is_const: bool,
    /// Where it stands.
    pub span: Span,
}

/// Something declared within a parser or control, in the order of the source.
#[derive(Clone, Debug)]
pub enum Local {
    /// A variable, with its initial value.
    Var(VarId, Option<Expr>),
    /// A constant.
    Const(VarId),
    /// An instance.
    Instance(InstanceId),
    /// An action (controls).
    Action(ActionId),
    /// A table (controls).
    Table(TableId),
    /// A value set (parsers).
    ValueSet(ValueSetId),
}

/// A parser.
#[derive(Clone, Debug)]
pub struct Parser {
    /// Its name.
    pub name: String,
    /// Parameters.
    pub params: Vec<VarId>,
    /// Constructor parameters.
    pub ctor_params: Vec<VarId>,
    /// What is declared in it.
    pub locals: Vec<Local>,
    /// States in order.
    pub states: Vec<State>,
    /// Index of the state `start`.
    pub start: u32,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

/// A parser state.
#[derive(Clone, Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Statements before the transition.
    pub stmts: Vec<Stmt>,
    /// Where to go; a state without transition rejects.
    pub next: Transition,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

/// How a state ends.
#[derive(Clone, Debug)]
pub enum Transition {
    /// Unconditional.
    Goto(Target),
    /// The first case whose sets contain all keys; without one, `error.NoMatch`.
    Select {
        /// What is selected on.
        keys: Vec<Expr>,
        /// Cases in order.
        cases: Vec<SelectCase>,
    },
}

/// A case of a `select`.
#[derive(Clone, Debug)]
pub struct SelectCase {
    /// One set per key; or one [`KeySet::ValueSet`] whose elements are tuples of all keys.
    pub sets: Vec<KeySet>,
    /// Where to go.
    pub target: Target,
    /// The whole case.
    pub span: Span,
}

/// Where a transition goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Parsing is done.
    Accept,
    /// Parsing failed.
    Reject,
    /// A state of the same parser, by its index.
    State(u32),
}

/// A control.
#[derive(Clone, Debug)]
pub struct Control {
    /// Its name.
    pub name: String,
    /// Parameters.
    pub params: Vec<VarId>,
    /// Constructor parameters.
    pub ctor_params: Vec<VarId>,
    /// What is declared in it.
    pub locals: Vec<Local>,
    /// The `apply` block.
    pub body: Vec<Stmt>,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

/// What an [`Instance`] is an instance of.
#[derive(Clone, Debug)]
pub enum InstanceOf {
    /// An extern object.
    Extern {
        /// Its type.
        of: ExternId,
        /// Type arguments, given or inferred.
        type_args: TypeArgs,
        /// The constructor.
        constructor: FunctionId,
    },
    /// A parser.
    Parser(ParserId),
    /// A control.
    Control(ControlId),
    /// A package.
    Package(BlockTypeId, TypeArgs),
}

/// An instance, as declared.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name; empty if it is constructed in place (an argument of a package, `C.apply(...)`).
    pub name: String,
    /// How many objects there are, for `E() x[4];`: the instance is then a stack of them.
    pub count: Option<u32>,
    /// What it is.
    pub of: InstanceOf,
    /// One per constructor parameter, in their order.
    pub args: Vec<Arg>,
    /// Bodies for abstract methods: the method, and the function that is its body.
    pub methods: Vec<(FunctionId, FunctionId)>,
    /// Objects declared beside those bodies.
    pub inner: Vec<Local>,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it stands.
    pub span: Span,
}

/// A value set of a parser.
#[derive(Clone, Debug)]
pub struct ValueSet {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub ty: Type,
    /// How many it holds.
    pub size: BigInt,
    /// Annotations.
    pub annotations: Annotations,
    /// Where it is declared (its name).
    pub span: Span,
}

impl Program {
    /// What stands behind `type` names.
    #[must_use]
    pub fn base<'t>(&'t self, mut ty: &'t Type) -> &'t Type {
        while let Type::New(id) = ty {
            ty = &self.new_types[*id].target;
        }
        ty
    }

    /// The type with type parameters replaced.
    #[must_use]
    pub fn substitute(ty: &Type, params: &[TypeParamId], args: &[Type]) -> Type {
        let all = |types: &[Type]| -> TypeArgs {
            types
                .iter()
                .map(|ty| Self::substitute(ty, params, args))
                .collect()
        };
        let one = |ty: &Rc<Type>| Rc::new(Self::substitute(ty, params, args));
        match ty {
            Type::Param(id) => match params.iter().position(|p| p == id) {
                Some(at) => args.get(at).cloned().unwrap_or_else(|| ty.clone()),
                None => ty.clone(),
            },
            Type::Header(id, of) => Type::Header(*id, all(of)),
            Type::Union(id, of) => Type::Union(*id, all(of)),
            Type::Struct(id, of) => Type::Struct(*id, all(of)),
            Type::Stack(elem, size) => Type::Stack(one(elem), *size),
            Type::Tuple(of) => Type::Tuple(all(of)),
            Type::List(elem) => Type::List(one(elem)),
            Type::Set(elem) => Type::Set(one(elem)),
            Type::Extern(id, of) => Type::Extern(*id, all(of)),
            Type::Block(id, of) => Type::Block(*id, all(of)),
            other => other.clone(),
        }
    }

    /// The types of the fields of a struct, header or union with these type arguments, in order.
    #[must_use]
    pub fn field_types(&self, id: StructId, args: &[Type]) -> Vec<Type> {
        let def = &self.structs[id];
        let of = |field: &Field| Self::substitute(&field.ty, &def.type_params, args);
        def.fields.iter().map(of).collect()
    }
}
