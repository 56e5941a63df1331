//! The P4-16 syntax tree (P4-16 language specification 1.2.5, appendix "P4 grammar").
//!
//! The tree says what was written, not what it means: names are not resolved, widths not
//! evaluated. Each node carries its [`Span`]. Parentheses are not kept; the printer puts back those
//! that are needed.

mod expr;

use serde::Serialize;

use crate::span::Span;
pub use expr::{Arg, BinOp, Expr, ExprKind, IntLit, NamedExpr, TypeKind, TypeRef, UnOp};

/// A whole program, includes expanded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Program {
    /// Top-level declarations in source order.
    pub decls: Vec<Decl>,
}

/// An identifier as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ident {
    /// The name.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

impl Ident {
    /// The name as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

/// A name, with a leading dot if it is to be looked up at top level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Path {
    /// Written with a leading dot.
    pub absolute: bool,
    /// The name.
    pub name: Ident,
}

impl Path {
    /// The name without the dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name.name
    }

    /// Where the name stands.
    #[must_use]
    pub fn span(&self) -> Span {
        self.name.span
    }
}

// ---------------------------------------------------------------------------- annotations

/// `@name`, `@name(tokens)`, `@name[expressions]` or `@name[key = value, ...]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Annotation {
    /// The name behind the `@`.
    pub name: Ident,
    /// What follows the name.
    pub body: AnnotationBody,
    /// From the `@` to the end.
    pub span: Span,
}

/// The body of an [`Annotation`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum AnnotationBody {
    /// No body.
    Empty,
    /// `(...)`: tokens with balanced parentheses, uninterpreted.
    Unstructured(Vec<AnnotationToken>),
    /// `[e, e]`.
    Exprs(Vec<Expr>),
    /// `[key = e, ...]`.
    KeyValues(Vec<NamedExpr>),
}

/// One token of an unstructured annotation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnnotationToken {
    /// What the token is.
    pub kind: AnnotationTokenKind,
    /// Where it stands.
    pub span: Span,
}

/// What a token of an unstructured annotation is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum AnnotationTokenKind {
    /// A string literal, escapes resolved.
    Str(String),
    /// A number literal.
    Int(IntLit),
    /// An identifier, keyword or punctuation, as written.
    Text(String),
}

impl Annotation {
    /// The string, if the body is exactly one string literal: `@name("x")` or `@name["x"]`.
    #[must_use]
    pub fn string_arg(&self) -> Option<&str> {
        match &self.body {
            AnnotationBody::Unstructured(tokens) => match tokens.as_slice() {
                [
                    AnnotationToken {
                        kind: AnnotationTokenKind::Str(text),
                        ..
                    },
                ] => Some(text),
                _ => None,
            },
            AnnotationBody::Exprs(exprs) => match exprs.as_slice() {
                [
                    Expr {
                        kind: ExprKind::Str(text),
                        ..
                    },
                ] => Some(text),
                _ => None,
            },
            AnnotationBody::Empty | AnnotationBody::KeyValues(_) => None,
        }
    }

    /// The number, if the body is exactly one number literal: `@name(3)` or `@name[3]`.
    #[must_use]
    pub fn int_arg(&self) -> Option<&IntLit> {
        match &self.body {
            AnnotationBody::Unstructured(tokens) => match tokens.as_slice() {
                [
                    AnnotationToken {
                        kind: AnnotationTokenKind::Int(int),
                        ..
                    },
                ] => Some(int),
                _ => None,
            },
            AnnotationBody::Exprs(exprs) => match exprs.as_slice() {
                [
                    Expr {
                        kind: ExprKind::Int(int),
                        ..
                    },
                ] => Some(int),
                _ => None,
            },
            AnnotationBody::Empty | AnnotationBody::KeyValues(_) => None,
        }
    }
}

/// The annotation of this name, if there is one.
#[must_use]
pub fn find_annotation<'a>(annotations: &'a [Annotation], name: &str) -> Option<&'a Annotation> {
    annotations
        .iter()
        .find(|annotation| annotation.name.name == name)
}

// --------------------------------------------------------------------------- declarations

/// A declaration, at top level or inside a parser, control, extern or block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decl {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// What is declared.
    pub kind: DeclKind,
    /// From the first annotation or keyword to the end.
    pub span: Span,
}

/// What a [`Decl`] declares.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum DeclKind {
    /// `const T x = e;`
    Const(ConstDecl),
    /// `T x;` or `T x = e;` (inside parsers, controls and blocks)
    Var(VarDecl),
    /// `extern X { ... }`
    Extern(ExternDecl),
    /// `extern T f(...);`
    ExternFunction(FunctionProto),
    /// `extern X;` (forward declaration, not in the specification but seen)
    ExternForward(Ident),
    /// `action a(...) { ... }`
    Action(ActionDecl),
    /// `parser P(...);` (a type)
    ParserType(BlockProto),
    /// `parser P(...)(...) { ... }`
    Parser(ParserDecl),
    /// `control C(...);` (a type)
    ControlType(BlockProto),
    /// `control C(...)(...) { ... }`
    Control(ControlDecl),
    /// `header H { ... }`
    Header(StructDecl),
    /// `header_union U { ... }`
    HeaderUnion(StructDecl),
    /// `struct S { ... }`
    Struct(StructDecl),
    /// `enum E { A, B }`
    Enum(EnumDecl),
    /// `enum bit<8> E { A = 1 }`
    SerEnum(SerEnumDecl),
    /// `typedef T N;`
    Typedef(TypedefDecl),
    /// `type T N;`
    NewType(TypedefDecl),
    /// `error { A, B }`
    Error(Vec<Ident>),
    /// `match_kind { a, b }`
    MatchKind(Vec<Ident>),
    /// `package P(...);`
    Package(BlockProto),
    /// `T(args) x;` or `T(args) x = { ... };`
    Instance(Instance),
    /// `T f(...) { ... }`
    Function(FunctionDecl),
    /// `table t { ... }` (inside controls)
    Table(TableDecl),
    /// `value_set<T>(n) v;` (inside parsers)
    ValueSet(ValueSetDecl),
}

impl Decl {
    /// The declared name; none for `error` and `match_kind`.
    #[must_use]
    pub fn name(&self) -> Option<&Ident> {
        match &self.kind {
            DeclKind::Const(decl) => Some(&decl.name),
            DeclKind::Var(decl) => Some(&decl.name),
            DeclKind::Extern(decl) => Some(&decl.name),
            DeclKind::ExternFunction(proto) => Some(&proto.name),
            DeclKind::ExternForward(name) => Some(name),
            DeclKind::Action(decl) => Some(&decl.name),
            DeclKind::ParserType(proto)
            | DeclKind::ControlType(proto)
            | DeclKind::Package(proto) => Some(&proto.name),
            DeclKind::Parser(decl) => Some(&decl.proto.name),
            DeclKind::Control(decl) => Some(&decl.proto.name),
            DeclKind::Header(decl) | DeclKind::HeaderUnion(decl) | DeclKind::Struct(decl) => {
                Some(&decl.name)
            }
            DeclKind::Enum(decl) => Some(&decl.name),
            DeclKind::SerEnum(decl) => Some(&decl.name),
            DeclKind::Typedef(decl) | DeclKind::NewType(decl) => Some(&decl.name),
            DeclKind::Error(_) | DeclKind::MatchKind(_) => None,
            DeclKind::Instance(decl) => Some(&decl.name),
            DeclKind::Function(decl) => Some(&decl.proto.name),
            DeclKind::Table(decl) => Some(&decl.name),
            DeclKind::ValueSet(decl) => Some(&decl.name),
        }
    }
}

/// `const T name = value;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConstDecl {
    /// Its type.
    pub ty: TypeRef,
    /// Its name.
    pub name: Ident,
    /// Its value.
    pub value: Expr,
}

/// `T name;` or `T name = value;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VarDecl {
    /// Its type.
    pub ty: TypeRef,
    /// Its name.
    pub name: Ident,
    /// Initial value.
    pub init: Option<Expr>,
}

/// `extern Name<T> { methods }`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExternDecl {
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub type_params: Vec<Ident>,
    /// Constructors and methods.
    pub methods: Vec<Method>,
}

/// A constructor or method of an extern object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Method {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// `abstract`: the instance supplies the body.
    pub is_abstract: bool,
    /// Constructor or method. A constructor's return type is `void`.
    pub is_constructor: bool,
    /// Signature.
    pub proto: FunctionProto,
    /// The whole declaration.
    pub span: Span,
}

/// The signature of a function or method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionProto {
    /// Return type.
    pub ret: TypeRef,
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub type_params: Vec<Ident>,
    /// Parameters.
    pub params: Vec<Param>,
}

/// A function with its body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionDecl {
    /// Signature.
    pub proto: FunctionProto,
    /// Body.
    pub body: Block,
}

/// `action name(params) { body }`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionDecl {
    /// Its name.
    pub name: Ident,
    /// Parameters; those without direction come from the control plane.
    pub params: Vec<Param>,
    /// Body.
    pub body: Block,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Param {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// `in`, `out`, `inout` or none.
    pub direction: Direction,
    /// Its type.
    pub ty: TypeRef,
    /// Its name.
    pub name: Ident,
    /// Default value.
    pub default: Option<Expr>,
    /// The whole parameter.
    pub span: Span,
}

/// The direction of a [`Param`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// None: a constant, an extern object or control-plane action data.
    None,
    /// Read only.
    In,
    /// Written only.
    Out,
    /// Read and written.
    InOut,
}

/// The signature of a parser, control or package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BlockProto {
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub type_params: Vec<Ident>,
    /// Parameters.
    pub params: Vec<Param>,
}

/// A parser with its body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParserDecl {
    /// Signature.
    pub proto: BlockProto,
    /// Constructor parameters.
    pub ctor_params: Vec<Param>,
    /// Constants, variables, instances and value sets.
    pub locals: Vec<Decl>,
    /// States; `start` is where it begins.
    pub states: Vec<ParserState>,
}

/// `state name { statements transition ... }`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParserState {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// Its name.
    pub name: Ident,
    /// Statements before the transition.
    pub stmts: Vec<Stmt>,
    /// The transition; without one the packet is rejected.
    pub transition: Option<Transition>,
    /// The whole state.
    pub span: Span,
}

/// How a state ends.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Transition {
    /// `transition name;`
    Direct(Ident),
    /// `transition select(...) { ... }`
    Select(Select),
}

/// A `select` expression.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Select {
    /// What is selected on.
    pub args: Vec<Expr>,
    /// Cases in order; the first that matches is taken.
    pub cases: Vec<SelectCase>,
    /// The whole expression.
    pub span: Span,
}

/// `keys: state;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SelectCase {
    /// One keyset per selected expression, or one `default`/`_`/value set for all.
    pub keys: Vec<Expr>,
    /// Where to go.
    pub next: Ident,
    /// The whole case.
    pub span: Span,
}

/// `value_set<T>(size) name;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValueSetDecl {
    /// Element type.
    pub ty: TypeRef,
    /// Largest number of elements.
    pub size: Expr,
    /// Its name.
    pub name: Ident,
}

/// A control with its body.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlDecl {
    /// Signature.
    pub proto: BlockProto,
    /// Constructor parameters.
    pub ctor_params: Vec<Param>,
    /// Constants, variables, actions, tables and instances.
    pub locals: Vec<Decl>,
    /// The `apply` block.
    pub apply: Block,
}

/// A header, header union or struct.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StructDecl {
    /// Its name.
    pub name: Ident,
    /// Type parameters.
    pub type_params: Vec<Ident>,
    /// Fields in order.
    pub fields: Vec<StructField>,
}

/// A field of a header, header union or struct.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StructField {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// Its type.
    pub ty: TypeRef,
    /// Its name.
    pub name: Ident,
    /// The whole field.
    pub span: Span,
}

/// `enum Name { members }`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EnumDecl {
    /// Its name.
    pub name: Ident,
    /// Members.
    pub members: Vec<Ident>,
}

/// `enum T Name { member = value, ... }`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SerEnumDecl {
    /// The type that represents it.
    pub ty: TypeRef,
    /// Its name.
    pub name: Ident,
    /// Members with values.
    pub members: Vec<NamedExpr>,
}

/// `typedef T name;` or `type T name;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TypedefDecl {
    /// What it stands for.
    pub target: TypedefTarget,
    /// The new name.
    pub name: Ident,
}

/// What a [`TypedefDecl`] stands for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum TypedefTarget {
    /// A type reference.
    Type(TypeRef),
    /// A header, union, struct or enum declared on the spot.
    Decl(Box<Decl>),
}

/// `T(args) name;`, with the abstract methods' bodies if there are any.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Instance {
    /// The type that is instantiated.
    pub ty: TypeRef,
    /// Constructor arguments.
    pub args: Vec<Arg>,
    /// Its name.
    pub name: Ident,
    /// `= { functions and instances }`.
    pub init: Option<Vec<Decl>>,
}

// ---------------------------------------------------------------------------------- tables

/// `table name { properties }`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableDecl {
    /// Its name.
    pub name: Ident,
    /// Properties in source order.
    pub properties: Vec<TableProperty>,
}

impl TableDecl {
    /// The key elements; empty if there is no key.
    #[must_use]
    pub fn key(&self) -> &[KeyElement] {
        let key = self
            .properties
            .iter()
            .find_map(|property| match &property.kind {
                TablePropertyKind::Key(elements) => Some(elements.as_slice()),
                _ => None,
            });
        key.unwrap_or_default()
    }

    /// The action list; empty if there is none.
    #[must_use]
    pub fn actions(&self) -> &[ActionRef] {
        let actions = self
            .properties
            .iter()
            .find_map(|property| match &property.kind {
                TablePropertyKind::Actions(actions) => Some(actions.as_slice()),
                _ => None,
            });
        actions.unwrap_or_default()
    }

    /// The value of a custom property (anything but key, actions, entries, default_action, size).
    #[must_use]
    pub fn custom(&self, name: &str) -> Option<&Expr> {
        self.properties
            .iter()
            .find_map(|property| match &property.kind {
                TablePropertyKind::Custom { name: found, value } if found.name == name => {
                    Some(value)
                }
                _ => None,
            })
    }
}

/// One property of a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableProperty {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// Written with `const`.
    pub is_const: bool,
    /// Which property, with its value.
    pub kind: TablePropertyKind,
    /// The whole property.
    pub span: Span,
}

/// Which property a [`TableProperty`] is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum TablePropertyKind {
    /// `key = { ... }`
    Key(Vec<KeyElement>),
    /// `actions = { ... }`
    Actions(Vec<ActionRef>),
    /// `entries = { ... }`
    Entries(Vec<Entry>),
    /// `default_action = a(...);`
    DefaultAction(ActionRef),
    /// `size = e;`
    Size(Expr),
    /// Any other: `counters = e;`, `implementation = e;`, `idle_timeout = e;`, ...
    Custom {
        /// Its name.
        name: Ident,
        /// Its value.
        value: Expr,
    },
}

/// `expr : match_kind @annotations;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyElement {
    /// What is matched.
    pub expr: Expr,
    /// How.
    pub match_kind: Ident,
    /// Annotations behind, e.g. `@name("x")`.
    pub annotations: Vec<Annotation>,
    /// The whole element.
    pub span: Span,
}

/// An action named in a table, with bound arguments if given.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActionRef {
    /// Annotations in front, e.g. `@tableonly`.
    pub annotations: Vec<Annotation>,
    /// The action.
    pub path: Path,
    /// Arguments; `None` if written without parentheses.
    pub args: Option<Vec<Arg>>,
    /// The whole reference.
    pub span: Span,
}

/// `const priority = p : keys : action @annotations;`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Written with `const`.
    pub is_const: bool,
    /// Priority if given.
    pub priority: Option<Expr>,
    /// One keyset per key element.
    pub keys: Vec<Expr>,
    /// What to do.
    pub action: ActionRef,
    /// Annotations behind.
    pub annotations: Vec<Annotation>,
    /// The whole entry.
    pub span: Span,
}

// ------------------------------------------------------------------------------- statements

/// `{ statements }`
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Block {
    /// Annotations in front.
    pub annotations: Vec<Annotation>,
    /// Statements and declarations.
    pub stmts: Vec<Stmt>,
    /// From `{` to `}`.
    pub span: Span,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stmt {
    /// What it does.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
}

/// What a [`Stmt`] does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum StmtKind {
    /// `;`
    Empty,
    /// `target = value;`, or with an operator: `target += value;`
    Assign {
        /// What is written.
        target: Expr,
        /// The operator of a compound assignment.
        op: Option<BinOp>,
        /// The new value or right operand.
        value: Expr,
    },
    /// A call for its effect; the expression's kind is [`ExprKind::Call`].
    Call(Expr),
    /// `if (cond) then else otherwise`
    If {
        /// Condition.
        cond: Expr,
        /// Taken if true.
        then: Box<Stmt>,
        /// Taken if false.
        otherwise: Option<Box<Stmt>>,
    },
    /// A nested block.
    Block(Block),
    /// `switch (expr) { cases }`
    Switch {
        /// What is switched on; `t.apply().action_run` or a value.
        expr: Expr,
        /// Cases in order.
        cases: Vec<SwitchCase>,
    },
    /// `for (init; cond; update) body`
    For {
        /// Annotations in front.
        annotations: Vec<Annotation>,
        /// Declarations, assignments and calls.
        init: Vec<Stmt>,
        /// Condition.
        cond: Expr,
        /// Assignments and calls.
        update: Vec<Stmt>,
        /// Body.
        body: Box<Stmt>,
    },
    /// `for (T x in collection) body`
    ForIn {
        /// Annotations in front.
        annotations: Vec<Annotation>,
        /// The loop variable, without initial value.
        var: Box<Decl>,
        /// A list, stack or range ([`ExprKind::Range`]).
        collection: Expr,
        /// Body.
        body: Box<Stmt>,
    },
    /// `return;` or `return e;`
    Return(Option<Expr>),
    /// `exit;`
    Exit,
    /// `break;`
    Break,
    /// `continue;`
    Continue,
    /// A constant, variable or instance declared among statements.
    Decl(Decl),
}

/// One label of a `switch` with its block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SwitchCase {
    /// An action name, a value, or [`ExprKind::Default`].
    pub label: Expr,
    /// The block; `None` falls through to the next label that has one.
    pub body: Option<Block>,
    /// The whole case.
    pub span: Span,
}
