//! The packet-program IR of Trisect.
//!
//! One [`Program`] describes one network function, a whole merged pipeline, or the piece of a
//! pipeline that one device runs. It consists of
//!
//! - typed **header instances** ([`Header`]) and **metadata** fields ([`Meta`]),
//! - a **parser** state machine ([`Parser`]),
//! - **actions** ([`Action`]), **tables** ([`Table`]) with their entries, and **stateful
//!   objects** ([`Object`]: counters, meters, registers, pattern sets, allocators, messages, random
//!   numbers),
//! - an acyclic **control graph** ([`Control`]) whose nodes are the units that a plan cuts,
//! - a **deparser**: the list of headers to emit, in order.
//!
//! # Meaning
//!
//! `trisect-interp` is the semantics; these rules are what it implements:
//!
//! - Metadata starts as 0. Reading a field of an invalid header gives 0, writing to it does
//!   nothing. `SetValid` on an invalid header makes all its fields 0 (and its varbit empty); on a
//!   valid one it does nothing.
//! - An extract that runs past the end of the packet consumes nothing, leaves the header as it was
//!   (so invalid, unless it was extracted before), sets `parser_error` and ends parsing; the control
//!   still runs. What was not extracted is payload. Extracting into a header that is already valid
//!   overwrites it. An expression with a `Lookahead` past the end ends parsing in the same way, also
//!   where a `Mux` would not choose it.
//! - Deparsing writes the valid headers of the deparser list in order, then the payload.
//! - [`NodeKind::Reparse`] deparses and parses again: all headers are set anew, metadata is kept
//!   except for `parser_error` and what the parser itself assigns. `packet_length` keeps the length
//!   at the pipeline's entry.
//! - All arithmetic is on unsigned bit vectors modulo 2^width unless an operator says otherwise;
//!   comparison operators and validity give width 1. Shifts by the width or more give 0 (or the
//!   sign, for [`BinOp::Sar`]). Division by zero gives 0.
//! - Time is the packet's `timestamp` metadata in nanoseconds, on every device. An entry with an
//!   idle timeout is gone when `now - last_hit >= timeout`; every hit refreshes it. Time that runs
//!   backwards counts as no time: `now - last_hit` is then 0, and a last use never moves back.
//! - Entries of the program come before flow entries. `AddEntry` acts only on a miss; a second one
//!   for the same miss replaces the first. A direct cell belongs to its entry: a new flow entry starts
//!   with a fresh one. On a miss a direct counter counts nothing and a direct meter gives green.
//! - A table picks, among the matching entries, the longest prefix if it has an lpm key and no
//!   ternary, range or optional key, else the largest priority; ties go to the earlier entry. If the table
//!   has a selector, a hit runs member *hash modulo number of members* of the entry's group; cells of
//!   direct objects belong to the entry, whichever member runs.
//!
//! # Invariants
//!
//! [`Invariant`] lists them all, and [`verify()`] checks them: entities exist and names are unique;
//! widths agree; the parser makes progress and the control graph is acyclic, reachable, and ends in
//! `Emit` or `Drop`; flow operations and direct objects stand in the actions of their table; `Frame` is
//! read only where no header was written since the last parse.
//!
//! # Around the types
//!
//! [`eval`] says what operators mean, [`text`] prints and reads programs, [`verify`](mod@verify) checks
//! them, [`analysis`] finds out about them, [`transform`] changes them, and [`diag`] is how readers of any
//! text report what is wrong. A new operator or operation is added to [`expr`] or [`control`]; the
//! compiler then names every `match` that must learn it.

pub mod analysis;
#[cfg(any(feature = "arbitrary", test))]
pub mod arbitrary;
pub mod bits;
pub mod bridge;
pub mod control;
pub mod diag;
pub mod entity;
pub mod eval;
pub mod expr;
pub mod halfsiphash;
pub mod hash;
pub mod meter;
pub mod object;
pub mod parser;
pub mod program;
pub mod random;
pub mod restore;
pub mod state;
pub mod table;
pub mod text;
pub mod toml_text;
pub mod transform;
pub mod value_set;
pub mod verify;

pub use bits::Bits;
pub use bridge::Bridge;
pub use control::{Action, Control, Index, Node, NodeKind, Op, Param, Successors};
pub use entity::{
    ActionId, DropReasonId, Entity, HeaderId, HeaderTypeId, MetaId, NodeId, ObjectId, PrimaryMap,
    StateId, TableId,
};
pub use expr::{BinOp, Expr, FieldRef, HashAlgorithm, LValue, Place, SumTerm, UnOp};
pub use meter::MeterConfig;
pub use object::{CountUnit, MESSAGE_LIMIT, MessageKind, Object, ObjectKind};
pub use parser::{ParseTarget, Parser, ParserOp, ParserState, SelectCase, Transition};
pub use program::{
    Attribute, Field, FieldKind, Header, HeaderType, Meta, MetaKind, Program, StdMeta,
};
pub use restore::RestoreError;
pub use table::{ActionCall, Entry, FlowTable, Key, KeySet, MatchKind, Origin, Selector, Table};
pub use value_set::{ValueSet, ValueSetKey, ValueSets};
pub use verify::{Invariant, VerifyError, VerifyErrors, verify};
