//! The architecture that a program is for.

use crate::typed::{InstanceOf, Program};

/// The package that `main` is an instance of.
pub(super) fn architecture(program: &Program) -> Option<&str> {
    match &program.instances[program.main?].of {
        InstanceOf::Package(id, _) => Some(&program.block_types[*id].name),
        _ => None,
    }
}
