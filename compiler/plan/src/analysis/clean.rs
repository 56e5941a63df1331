//! Where packets may be moved to another device.

use trisect_ir::analysis::{Cleanness, clean, deparse_identity};
use trisect_ir::{NodeId, NodeKind, Program};

/// Where the headers are as a parser would find them, so that a crossing, which deparses and
/// parses, changes nothing.
#[derive(Clone, Debug)]
pub struct Clean {
    headers: Cleanness,
    /// Whether deparsing what was parsed gives the same bytes, for every packet.
    identity: bool,
}

impl Clean {
    /// Analyses a verified program.
    pub fn new(program: &Program) -> Self {
        Self {
            headers: clean(program),
            identity: deparse_identity(program).is_ok(),
        }
    }
    /// Whether, behind a node, a parser would find other headers than there are.
    pub fn dirty_after(&self, node: NodeId) -> bool {
        !self.headers.after[node].is_clean()
    }
    /// Whether, behind a node, some header may have been written since the last parse.
    pub fn written_after(&self, node: NodeId) -> bool {
        self.headers.after[node].written
    }
    /// Whether packets may be moved to another device just before this node: the headers are
    /// clean, or the node parses them anew anyway or only sends them (and parsing loses nothing),
    /// or drops them.
    pub fn may_cross(&self, program: &Program, node: NodeId) -> bool {
        match program.control.nodes[node].kind {
            NodeKind::Drop => true,
            NodeKind::Reparse(_) | NodeKind::Emit if self.identity => true,
            _ => self.headers.before[node].is_clean(),
        }
    }
}
