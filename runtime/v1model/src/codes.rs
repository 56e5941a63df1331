//! The diagnostic codes of this crate.

use trisect_ir::diag::Code;

/// A packet test does not follow the grammar.
pub const SYNTAX: Code = Code(550);
/// A packet test names what the program does not have, or what two things of the program are called.
pub const UNKNOWN_NAME: Code = Code(551);
/// A value does not fit the key, parameter or cell that it is for.
pub const VALUE: Code = Code(552);
/// The program or its state does not allow a change from the control plane.
pub const REFUSED: Code = Code(553);
/// A packet never leaves the switch.
pub const LOOP: Code = Code(554);
/// The program cannot be run.
pub const CANNOT_RUN: Code = Code(555);
