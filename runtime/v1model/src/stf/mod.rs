//! STF, the text format of packet tests: which packets come in, which must go out, and what the control
//! plane does between them.
//!
//! The format is the P4 compiler's "simple test framework"; `docs/src/packet-tests.md` describes it with
//! what we add to it. A statement is a line; [`parse`] reads a script, its [`Display`](std::fmt::Display)
//! prints it, and reading what was printed gives the same script.

pub mod ast;
mod lex;
mod number;
mod parse;
mod print;
#[cfg(test)]
mod tests;

pub use ast::{
    ActionUse, Add, Arg, CellRef, Command, Condition, CounterUnit, KeyValue, Match, Name, NumberAt,
    Pattern, Rate, Script, Spanned, Statement,
};
pub use number::Number;
pub use parse::{KEYWORDS, MAX_FRAME, parse, parse_named};
