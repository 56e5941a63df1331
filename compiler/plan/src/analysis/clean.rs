//! Where packets may be moved to another device.

use trisect_ir::analysis::{Cleanness, clean, deparse_identity};
use trisect_ir::{Expr, MetaKind, NodeId, NodeKind, Program, StdMeta};

/// Where the headers are as a parser would find them, so that a crossing, which deparses and
/// parses, changes nothing.
#[derive(Clone, Debug)]
pub struct Clean {
    headers: Cleanness,
    /// Why deparsing what was parsed may give other bytes.
    loses: Option<String>,
    /// Why the parser of another device may find something else in the same bytes.
    local: Option<String>,
}

impl Clean {
    /// Analyses a verified program.
    pub fn new(program: &Program) -> Self {
        Self {
            headers: clean(program),
            loses: deparse_identity(program).err().map(|why| why.to_string()),
            local: local_parser(program),
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
    /// Whether packets may be moved to another device just before this node.
    pub fn may_cross(&self, program: &Program, node: NodeId) -> bool {
        self.obstacle(program, node).is_none()
    }
    /// Why packets may not be moved to another device just before this node. They may if the headers
    /// are clean, or the node parses them anew anyway or only sends them (and parsing loses nothing), or
    /// drops them.
    pub fn obstacle(&self, program: &Program, node: NodeId) -> Option<String> {
        let kind = &program.control.nodes[node].kind;
        if matches!(kind, NodeKind::Drop) {
            return None;
        }
        if self.local.is_some() {
            return self.local.clone();
        }
        match kind {
            NodeKind::Reparse(_) | NodeKind::Emit if self.loses.is_none() => None,
            NodeKind::Emit => self.loses.clone(),
            _ => self.headers.before[node].dirty.clone(),
        }
    }
    /// Whether packets can be left to one device whole, from the first node to the last, though parsing
    /// and deparsing a second time would change them: the others must not parse them at all.
    pub fn only_whole(&self) -> bool {
        self.loses.is_some() && self.local.is_none()
    }
}

/// What the parser reads that is not in the packet and that it has not set itself.
fn local_parser(program: &Program) -> Option<String> {
    let mut found = None;
    for state in program.parser.states.values() {
        let ops = state.ops.iter().flat_map(|op| op.exprs());
        for expr in ops.chain(state.next.exprs()) {
            expr.walk(&mut |e| {
                let what = match e {
                    Expr::Meta(meta) if *meta == StdMeta::ParserError.id() => return,
                    Expr::Meta(meta) if program.metas[*meta].kind == MetaKind::Standard => {
                        program.metas[*meta].name.as_str()
                    }
                    Expr::Frame { .. } | Expr::FrameLen => "the whole frame",
                    _ => return,
                };
                let state = &state.name;
                found.get_or_insert_with(|| {
                    format!("parser state `{state}` reads {what}, which is another on each device")
                });
            });
        }
    }
    found
}
