//! Transformations of programs. Each is one file and one function, takes a verified program and
//! leaves a verified one that means the same.

mod import;
mod remap;
mod unreachable;

pub use import::{ImportError, Imported, import};
pub use remap::Remap;
pub use unreachable::remove_unreachable;
