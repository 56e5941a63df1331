//! What names and expressions stand for while a program is elaborated.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{Expr, HashAlgorithm, HeaderId, LValue, ObjectId, TableId};

use super::types::{StructType, Type};
use crate::ast;
use crate::similar::closer;
pub(crate) use crate::similar::similar;

/// A variable of the program. It becomes a metadata field when it is first used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SlotId(pub usize);

/// The value of a name or expression.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// No value (`void`).
    Unit,
    /// A compile-time integer without width.
    Int(BigInt),
    /// A string literal.
    Str(String),
    /// A scalar that cannot be assigned.
    Expr(Type, Expr),
    /// A scalar variable.
    Slot(Type, SlotId),
    /// A header field or a slice of something.
    Place(Type, LValue),
    /// A varbit field: it only moves with its header.
    Varbit,
    /// A header instance.
    Header(Rc<StructType>, HeaderId),
    /// A header stack.
    Stack(Rc<Stack>),
    /// A struct with its members in order.
    Struct(Rc<StructType>, Rc<Vec<Value<'a>>>),
    /// A list or struct expression; names where they were given.
    List(Rc<Vec<(Option<String>, Value<'a>)>>),
    /// An invalid header.
    Invalid,
    /// A type.
    Type(Type),
    /// An extern type before it has its type arguments.
    ExternType(&'a ast::ExternDecl),
    /// A generic struct or header.
    GenericType(&'a ast::Decl),
    /// A control or parser declaration.
    ControlDecl(&'a ast::ControlDecl),
    /// See [`Value::ControlDecl`].
    ParserDecl(&'a ast::ParserDecl),
    /// An action.
    Action(Rc<ActionDef<'a>>),
    /// A function.
    Function(&'a ast::FunctionDecl),
    /// An extern function, by name.
    ExternFunction(String),
    /// An extern object.
    Extern(Rc<ExternObject>),
    /// A table.
    Table(Rc<TableDef<'a>>),
    /// An instance of a control or parser.
    Block(Rc<BlockInstance<'a>>),
    /// `packet_in` or `packet_out`.
    Packet,
}

impl Value<'_> {
    /// What kind of thing it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Unit => "nothing",
            Value::Int(_) | Value::Expr(..) | Value::Slot(..) | Value::Place(..) => "a value",
            Value::Str(_) => "a string",
            Value::Varbit => "a varbit field",
            Value::Header(..) | Value::Invalid => "a header",
            Value::Stack(_) => "a header stack",
            Value::Struct(..) => "a struct",
            Value::List(_) => "a list",
            Value::Type(_) | Value::ExternType(_) | Value::GenericType(_) => "a type",
            Value::ControlDecl(_) => "a control",
            Value::ParserDecl(_) => "a parser",
            Value::Action(_) => "an action",
            Value::Function(_) | Value::ExternFunction(_) => "a function",
            Value::Extern(_) => "an extern object",
            Value::Table(_) => "a table",
            Value::Block(_) => "an instance",
            Value::Packet => "the packet",
        }
    }
}

/// A header stack. In the parser, `id` finds its cursor.
#[derive(Debug)]
pub(crate) struct Stack {
    pub id: usize,
    pub ty: Rc<StructType>,
    pub headers: Vec<HeaderId>,
}

/// An action with the names that it sees.
#[derive(Debug)]
pub(crate) struct ActionDef<'a> {
    pub decl: &'a ast::ActionDecl,
    pub env: Rc<Env<'a>>,
    /// Name in the program: `acl.deny` in a sub-control, else `deny`.
    pub name: String,
    /// Name for drop reasons: `Firewall.deny`.
    pub reason: String,
}

/// A table that was declared.
#[derive(Debug)]
pub(crate) struct TableDef<'a> {
    pub id: TableId,
    pub name: String,
    /// Operations that compute its keys, to be run before each look-up.
    pub before: Vec<trisect_ir::Op>,
    /// Actions by their name in the source.
    pub actions: Vec<(String, trisect_ir::ActionId)>,
    /// Set when it is applied.
    pub applied: std::cell::Cell<bool>,
    pub decl: &'a ast::TableDecl,
}

/// An instance of a control or parser. Its body is elaborated where it is applied.
#[derive(Debug)]
pub(crate) struct BlockInstance<'a> {
    pub decl: BlockDecl<'a>,
    pub name: String,
    /// Constructor arguments by parameter name.
    pub args: Vec<(String, Value<'a>)>,
    pub applied: std::cell::Cell<bool>,
}

/// What a [`BlockInstance`] is an instance of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlockDecl<'a> {
    Control(&'a ast::ControlDecl),
    Parser(&'a ast::ParserDecl),
}

/// An extern object.
#[derive(Debug)]
pub(crate) struct ExternObject {
    /// Name of the extern type, for messages.
    pub type_name: String,
    pub kind: ExternKind,
}

/// What an extern object is, whatever the architecture calls it.
#[derive(Debug)]
pub(crate) enum ExternKind {
    Counter(ObjectId),
    DirectCounter(ObjectId),
    Meter(ObjectId),
    DirectMeter(ObjectId),
    /// With the type of a cell.
    Register(ObjectId, Type),
    /// With the type of the result.
    Hash(HashAlgorithm, Type),
    /// The running sum.
    InternetChecksum(SlotId),
    PatternSet(ObjectId),
    /// With the type of a number.
    Allocator(ObjectId, Type),
    /// The attribute's variable and type.
    Attribute(SlotId, Type),
    /// Declared, but nothing that this compiler gives a meaning to.
    Unsupported,
}

/// Names in scope.
#[derive(Debug, Default)]
pub(crate) struct Env<'a> {
    parent: Option<Rc<Env<'a>>>,
    names: RefCell<BTreeMap<String, Value<'a>>>,
}

impl<'a> Env<'a> {
    /// A scope inside another.
    pub fn child(parent: &Rc<Env<'a>>) -> Rc<Env<'a>> {
        Rc::new(Env {
            parent: Some(parent.clone()),
            names: RefCell::default(),
        })
    }

    /// Declares a name, or declares it anew. Says whether it was there before.
    pub fn declare(&self, name: &str, value: Value<'a>) -> bool {
        self.names
            .borrow_mut()
            .insert(name.to_owned(), value)
            .is_some()
    }

    /// What the name stands for, from the inside out.
    pub fn lookup(&self, name: &str) -> Option<Value<'a>> {
        let mut env = self;
        loop {
            if let Some(value) = env.names.borrow().get(name) {
                return Some(value.clone());
            }
            env = env.parent.as_deref()?;
        }
    }

    /// The visible name closest to `name`, if one is close enough to be meant.
    pub fn similar(&self, name: &str) -> Option<String> {
        let mut best: Option<(usize, String)> = None;
        let mut env = Some(self);
        while let Some(scope) = env {
            for known in scope.names.borrow().keys() {
                closer(&mut best, name, known);
            }
            env = scope.parent.as_deref();
        }
        best.map(|(_, known)| known)
    }
}
