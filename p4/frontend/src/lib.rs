//! P4-16 front end: preprocessor, parser, types, elaboration to the IR.

pub mod ast;
pub mod codes;
pub mod diag;
pub mod span;

pub use diag::{Diagnostic, Severity, render_all};
pub use span::{FileId, Location, SourceMap, Span};
