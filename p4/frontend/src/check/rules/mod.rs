//! Restrictions that need no inference: passes over the finished typed tree and the syntax tree.

use crate::ast;
use crate::diag::Diagnostic;
use crate::typed::Program;

/// Checks a program that has no type errors.
pub(super) fn run(_tree: &ast::Program, _program: &Program, _diagnostics: &mut Vec<Diagnostic>) {}
