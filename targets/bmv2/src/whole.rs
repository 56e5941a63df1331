//! Programs that copy packets, which BMv2 runs as their authors wrote them: it has a traffic manager itself.

use trisect_ir::Program;
use trisect_target::{Refusal, Whole};

use crate::{codes, limits};

/// Why BMv2 cannot run the program; empty if it can.
pub(crate) fn refusals(program: &Program, whole: &Whole) -> Vec<Refusal> {
    // On BMv2 no bridge stands in front of the packet.
    let mut own = program.clone();
    own.deparser.retain(|header| *header != whole.bridge.header);
    limits::of(&own)
}

/// What a fixed pipeline says.
pub(crate) fn of_fixed_pipeline() -> Refusal {
    Refusal {
        code: codes::FIXED,
        operation: "a program that copies packets or sends them again".to_owned(),
        capability: "a fixed pipeline copies packets as it is configured, not as a program says"
            .to_owned(),
        hint: "take a programmable switch".to_owned(),
    }
}
