//! What variables and expressions stand for while a program is elaborated.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{Expr, FieldRef, HeaderId, LValue, MetaId, Op, Place};

use super::externs::Object;
use super::step::Label;
use super::table::TableDef;
use crate::typed::{self, InstanceId, Type, TypeParamId, VarId};

/// A scalar variable. It becomes a metadata field when it is first used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotId(pub usize);

/// The storage of a variable, or the value of an expression. Its shape follows its type.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// No value (`void`).
    Unit,
    /// The one value of `bit<0>`.
    Empty,
    /// A compile-time integer without width.
    Int(BigInt),
    /// A string.
    Str(Rc<str>),
    /// A scalar that cannot be assigned.
    Bits(Expr),
    /// A scalar that the architecture supplies where the program could write but never does: what is copied
    /// back to it is what it was.
    Given(Expr),
    /// A scalar variable.
    Slot(SlotId),
    /// A header field, or a slice of something.
    Place(LValue),
    /// The varbit field of a header; a varbit variable is a header with nothing else.
    Varbit(HeaderId),
    /// A header instance.
    Header(Header),
    /// The members of a header union.
    Union(Rc<Vec<Value<'a>>>),
    /// A stack.
    Stack(Rc<Stack<'a>>),
    /// The members of a struct, tuple or list.
    Fields(Rc<Vec<Value<'a>>>),
    /// A valid header with these fields that is not in an instance.
    Made(Rc<Vec<Value<'a>>>),
    /// An invalid header or union.
    Invalid,
    /// The element with this number (evaluated: nothing changes it any more) of several of one shape. Past
    /// the end, what is read is zero or invalid and what is written is lost.
    Choice(Expr, Rc<Vec<Value<'a>>>),
    /// An extern object.
    Object(Rc<Object<'a>>),
    /// An instance of a parser or control.
    Block(Rc<BlockInstance<'a>>),
    /// `packet_in` or `packet_out`.
    Packet,
}

/// A header instance.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub id: HeaderId,
    /// The other members of the union that it is a member of: they are invalid when it is valid.
    pub rivals: Rc<[HeaderId]>,
}

/// A stack. In the parser, `id` finds its cursor.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    pub id: usize,
    pub elems: Vec<Value<'a>>,
}

impl Stack<'_> {
    /// The `id` of arrays in headers, which have no cursor.
    pub const ARRAY: usize = 0;
}

/// An instance of a parser or control. What is declared in it is elaborated when it is first applied.
#[derive(Debug)]
pub(super) struct BlockInstance<'a> {
    pub of: BlockDef<'a>,
    pub frame: Rc<Frame<'a>>,
    /// Whether it may be applied more than once: its parameters then have storage of their own, as its
    /// tables are there once.
    pub shared: bool,
    /// Set once what is declared in it is there.
    pub ready: std::cell::Cell<bool>,
}

/// What a [`BlockInstance`] is an instance of.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockDef<'a> {
    Control(&'a typed::Control),
    Parser(&'a typed::Parser),
}

/// What names stand for in one parser, control, function or action that is being inlined.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    /// The block in which an action stands.
    pub parent: Option<Rc<Frame<'a>>>,
    /// Whether it is a parser's or control's.
    pub is_block: bool,
    pub vars: RefCell<BTreeMap<VarId, Value<'a>>>,
    pub instances: RefCell<BTreeMap<InstanceId, Value<'a>>>,
    pub tables: RefCell<BTreeMap<typed::TableId, Rc<TableDef>>>,
    /// Type parameters and what they stand for.
    pub types: (Vec<TypeParamId>, Vec<Type>),
    /// The object whose method it is.
    pub this: Option<Value<'a>>,
    /// Where `return` goes, and where its value is put.
    pub result: Option<(Label, Value<'a>)>,
    pub names: Names,
}

/// How what stands in a block is called.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Prefix of variables and drop reasons: `Firewall`, `Firewall.sub`.
    pub block: String,
    /// Prefix of tables, actions and objects, with a dot at its end unless it is empty.
    pub prefix: String,
    /// The drop reason that is recorded: `Firewall.deny`.
    pub reason: String,
}

impl<'a> Frame<'a> {
    /// An empty frame within `parent`.
    pub fn new(parent: Option<Rc<Frame<'a>>>, names: Names) -> Self {
        Self {
            parent,
            is_block: false,
            vars: RefCell::default(),
            instances: RefCell::default(),
            tables: RefCell::default(),
            types: (Vec::new(), Vec::new()),
            this: None,
            result: None,
            names,
        }
    }

    /// What a variable stands for.
    pub fn var(&self, id: VarId) -> Option<Value<'a>> {
        let mut frame = self;
        loop {
            if let Some(value) = frame.vars.borrow().get(&id) {
                return Some(value.clone());
            }
            frame = frame.parent.as_deref()?;
        }
    }

    /// Declares a variable.
    pub fn bind(&self, id: VarId, value: Value<'a>) {
        self.vars.borrow_mut().insert(id, value);
    }

    /// An instance that is known here.
    pub fn instance(&self, id: InstanceId) -> Option<Value<'a>> {
        let mut frame = self;
        loop {
            if let Some(value) = frame.instances.borrow().get(&id) {
                return Some(value.clone());
            }
            frame = frame.parent.as_deref()?;
        }
    }

    /// A table that is known here.
    pub fn table(&self, id: typed::TableId) -> Option<Rc<TableDef>> {
        let mut frame = self;
        loop {
            if let Some(table) = frame.tables.borrow().get(&id) {
                return Some(table.clone());
            }
            frame = frame.parent.as_deref()?;
        }
    }
}

/// The block in which a frame stands, or the frame itself at top level.
pub(super) fn block_of<'a>(frame: &Rc<Frame<'a>>) -> Rc<Frame<'a>> {
    let mut at = frame;
    while !at.is_block {
        match &at.parent {
            Some(parent) => at = parent,
            None => break,
        }
    }
    at.clone()
}

/// The places that something reads or writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Footprint {
    pub metas: BTreeSet<MetaId>,
    pub slots: BTreeSet<SlotId>,
    /// Fields by themselves.
    pub fields: BTreeSet<FieldRef>,
    /// Whole headers, or whether they are valid.
    pub headers: BTreeSet<HeaderId>,
    /// The packet's bytes at the cursor.
    pub packet: bool,
    /// Whatever there is: tables and objects of unknown effect.
    pub all: bool,
}

impl Footprint {
    /// Whether both have a place in common.
    pub fn meets(&self, other: &Self) -> bool {
        if self.is_empty() || other.is_empty() {
            return false;
        }
        let within = |fields: &BTreeSet<FieldRef>, headers: &BTreeSet<HeaderId>| {
            !headers.is_empty() && fields.iter().any(|field| headers.contains(&field.header))
        };
        self.all
            || other.all
            || (self.packet && other.packet)
            || !self.metas.is_disjoint(&other.metas)
            || !self.slots.is_disjoint(&other.slots)
            || !self.fields.is_disjoint(&other.fields)
            || !self.headers.is_disjoint(&other.headers)
            || within(&self.fields, &other.headers)
            || within(&other.fields, &self.headers)
    }

    /// Whether nothing is touched.
    pub fn is_empty(&self) -> bool {
        self.metas.is_empty()
            && self.slots.is_empty()
            && self.fields.is_empty()
            && self.headers.is_empty()
            && !self.packet
            && !self.all
    }

    /// The headers of which something is touched.
    pub fn touched_headers(&self) -> impl Iterator<Item = HeaderId> {
        let of_fields = self.fields.iter().map(|field| field.header);
        self.headers.iter().copied().chain(of_fields)
    }

    /// Adds another's places.
    pub fn add(&mut self, other: Self) {
        self.metas.extend(other.metas);
        self.slots.extend(other.slots);
        self.fields.extend(other.fields);
        self.headers.extend(other.headers);
        self.packet |= other.packet;
        self.all |= other.all;
    }

    /// Adds what an expression reads.
    pub fn reads(&mut self, expr: &Expr) {
        expr.walk(&mut |e| match e {
            Expr::Field(field) => {
                self.fields.insert(*field);
            }
            Expr::Valid(header) => {
                self.headers.insert(*header);
            }
            Expr::Meta(meta) => {
                self.metas.insert(*meta);
            }
            Expr::Lookahead { .. } => self.packet = true,
            other => self.headers.extend(other.varbits()),
        });
    }

    /// Adds what an assignment writes.
    pub fn writes_to(&mut self, target: &LValue) {
        match target.place {
            Place::Field(field) => self.fields.insert(field),
            Place::Meta(meta) => self.metas.insert(meta),
        };
    }

    /// Adds what an operation writes.
    pub fn writes(&mut self, op: &Op) {
        op.walk(&mut |op| {
            for target in op.targets() {
                self.writes_to(target);
            }
            match op {
                Op::SetValid(header)
                | Op::SetInvalid(header)
                | Op::Copy { dst: header, .. }
                | Op::CopyVarbit { dst: header, .. } => {
                    self.headers.insert(*header);
                }
                _ => {}
            }
        });
    }
}
