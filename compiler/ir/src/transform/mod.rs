//! Transformations of programs. Each is one file and one function, takes a verified program and
//! leaves a verified one that means the same.

mod dead_metadata;
mod fold;
mod import;
mod prune_parser;
mod remap;
mod unreachable;

pub use dead_metadata::{remove_dead_metadata, remove_unused_metas};
pub use fold::fold_constants;
pub use import::{ImportError, Imported, import};
pub use prune_parser::prune_parser;
pub use remap::Remap;
pub use unreachable::remove_unreachable;

use crate::{Program, verify};

/// Runs a pass; in debug builds a program that verified before must verify afterwards.
fn pass(name: &str, program: &mut Program, run: impl FnOnce(&mut Program)) {
    let was_sound = cfg!(debug_assertions) && verify(program).is_ok();
    run(program);
    if was_sound && let Err(errors) = verify(program) {
        debug_assert!(false, "{name} broke the program:\n{errors}");
    }
}
