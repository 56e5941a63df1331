//! The parser: a state machine that extracts headers.

use crate::{Expr, HeaderId, KeySet, LValue, Place, PrimaryMap, StateId};
use serde::{Deserialize, Serialize};

/// Parser errors that every program knows, with their `parser_error` codes (core.p4's order).
/// Further errors of a program follow in `Parser::errors`.
pub const CORE_ERRORS: [&str; 7] = [
    "NoError",
    "PacketTooShort",
    "NoMatch",
    "StackOutOfBounds",
    "HeaderTooShort",
    "ParserTimeout",
    "ParserInvalidArgument",
];

/// `parser_error` code of `PacketTooShort`.
pub const PACKET_TOO_SHORT: u8 = 1;
/// `parser_error` code of `NoMatch`: no case of a select applied.
pub const NO_MATCH: u8 = 2;
/// `parser_error` code of `HeaderTooShort`: a varbit longer than its field.
pub const HEADER_TOO_SHORT: u8 = 4;
/// `parser_error` code of `ParserTimeout`: a cycle of states that consumes nothing.
pub const PARSER_TIMEOUT: u8 = 5;
/// `parser_error` code of `ParserInvalidArgument`: a length that is not a whole number of bytes.
pub const PARSER_INVALID_ARGUMENT: u8 = 6;

/// A parser state machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parser {
    /// The states. Loops over header stacks are unrolled by the front end.
    pub states: PrimaryMap<StateId, ParserState>,
    /// Where parsing starts; `None` means that nothing is parsed (all bytes are payload).
    pub start: Option<StateId>,
    /// Error names by code; begins with [`CORE_ERRORS`].
    pub errors: Vec<String>,
}

/// One state: operations, then a transition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParserState {
    /// Unique name.
    pub name: String,
    /// Operations, in order.
    pub ops: Vec<ParserOp>,
    /// Where to go next.
    pub next: Transition,
}

/// What a parser state does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParserOp {
    /// Extracts a header at the cursor. `varbit` is the length of its varbit field in bits; it must be
    /// a multiple of 8 (else `ParserInvalidArgument`) and at most the field's maximum (else
    /// `HeaderTooShort`). It is evaluated before anything is consumed.
    Extract {
        /// The header instance.
        header: HeaderId,
        /// Length of the varbit in bits (width 32).
        varbit: Option<Expr>,
    },
    /// Skips bits (width 32, a multiple of 8). They are lost to the deparser.
    Advance(Expr),
    /// Assigns a place.
    Set(LValue, Expr),
    /// Makes a header valid; all fields 0 if it was not. See [`Op::SetValid`](crate::Op::SetValid).
    SetValid(HeaderId),
    /// Makes a header invalid. Bytes that it was extracted from are then lost to the deparser.
    SetInvalid(HeaderId),
    /// Copies a header of the same type: validity, fields and varbit.
    Copy {
        /// To.
        dst: HeaderId,
        /// From.
        src: HeaderId,
    },
    /// Copies contents and length of a varbit between headers whose varbits have the same maximum. See
    /// [`Op::CopyVarbit`](crate::Op::CopyVarbit).
    CopyVarbit {
        /// To.
        dst: HeaderId,
        /// From.
        src: HeaderId,
    },
    /// Ends parsing with the error code unless the condition holds.
    Verify(Expr, u8),
}

/// How a state ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transition {
    /// Unconditional.
    Goto(ParseTarget),
    /// The first case whose sets contain all keys; without one, error `NoMatch`.
    Select(Vec<Expr>, Vec<SelectCase>),
}

/// One case of a select.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SelectCase {
    /// One set per key.
    pub sets: Vec<KeySet>,
    /// Where to go.
    pub target: ParseTarget,
}

/// A transition's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParseTarget {
    /// Parsing is done.
    Accept,
    /// Parsing is done; `parser_error` stays as it is (0 unless a verify set it).
    Reject,
    /// On to a state.
    State(StateId),
}

impl Transition {
    /// All targets, in order, with repetitions.
    pub fn targets(&self) -> Vec<ParseTarget> {
        match self {
            Self::Goto(target) => vec![*target],
            Self::Select(_, cases) => cases.iter().map(|c| c.target).collect(),
        }
    }
    /// The same, to change.
    pub fn targets_mut(&mut self) -> Vec<&mut ParseTarget> {
        match self {
            Self::Goto(target) => vec![target],
            Self::Select(_, cases) => cases.iter_mut().map(|c| &mut c.target).collect(),
        }
    }
    /// The states among the targets.
    pub fn states(&self) -> Vec<StateId> {
        self.targets()
            .into_iter()
            .filter_map(|target| match target {
                ParseTarget::State(state) => Some(state),
                ParseTarget::Accept | ParseTarget::Reject => None,
            })
            .collect()
    }
    /// The expressions that the transition evaluates.
    pub fn exprs(&self) -> &[Expr] {
        match self {
            Self::Goto(_) => &[],
            Self::Select(keys, _) => keys,
        }
    }
}

impl ParserOp {
    /// The expressions that the operation evaluates.
    pub fn exprs(&self) -> Vec<&Expr> {
        match self {
            Self::Extract { varbit, .. } => varbit.iter().collect(),
            Self::Advance(e) | Self::Set(_, e) | Self::Verify(e, _) => vec![e],
            Self::SetValid(_)
            | Self::SetInvalid(_)
            | Self::Copy { .. }
            | Self::CopyVarbit { .. } => vec![],
        }
    }
    /// The same, to change.
    pub fn exprs_mut(&mut self) -> Vec<&mut Expr> {
        match self {
            Self::Extract { varbit, .. } => varbit.iter_mut().collect(),
            Self::Advance(e) | Self::Set(_, e) | Self::Verify(e, _) => vec![e],
            Self::SetValid(_)
            | Self::SetInvalid(_)
            | Self::Copy { .. }
            | Self::CopyVarbit { .. } => vec![],
        }
    }
    /// The header that the operation changes other than by extracting it.
    pub fn written_header(&self) -> Option<HeaderId> {
        match self {
            Self::SetValid(header)
            | Self::SetInvalid(header)
            | Self::Copy { dst: header, .. }
            | Self::CopyVarbit { dst: header, .. } => Some(*header),
            Self::Set(to, _) => match to.place {
                Place::Field(field) => Some(field.header),
                Place::Meta(_) => None,
            },
            Self::Extract { .. } | Self::Advance(_) | Self::Verify(..) => None,
        }
    }
}
