//! Where the headers are as a parser would find them, so that a crossing, which deparses and
//! parses, changes nothing.

use super::{Effects, Graph, Slot};
use std::collections::BTreeSet;
use trisect_ir::{
    Entity, Expr, FieldKind, FieldRef, HeaderId, NodeId, NodeKind, ParseTarget, ParserOp, Program,
    StateId, Transition,
};

/// Cleanliness of the headers at the entry of each node.
#[derive(Clone, Debug)]
pub struct Clean {
    /// The parser would find other headers than there are.
    dirty_in: Vec<bool>,
    /// Some header was written since the last parse.
    written_in: Vec<bool>,
    decides: Decisive,
}

impl Clean {
    /// Forward over the graph. Headers are dirty after a node that adds, removes or copies a header,
    /// or writes what the parser decides by; they are clean again after a `Reparse`.
    pub fn new(program: &Program, graph: &Graph, effects: &[Effects]) -> Self {
        let mut clean = Self {
            dirty_in: vec![false; effects.len()],
            written_in: vec![false; effects.len()],
            decides: Decisive::of(program),
        };
        for &node in &graph.order {
            let dirty = clean.dirty_after(program, node, effects);
            let written = clean.written_after(program, node, effects);
            for next in graph.succs(node) {
                clean.dirty_in[next.index()] |= dirty;
                clean.written_in[next.index()] |= written;
            }
        }
        clean
    }
    /// Whether, behind a node, a parser would find other headers than there are.
    pub fn dirty_after(&self, program: &Program, node: NodeId, effects: &[Effects]) -> bool {
        let own = &effects[node.index()];
        let dirties =
            !own.restructures.is_empty() || own.writes.iter().any(|slot| self.decides.has(slot));
        !is_reparse(program, node) && (self.dirty_in[node.index()] || dirties)
    }
    /// Whether, behind a node, some header was written since the last parse.
    pub fn written_after(&self, program: &Program, node: NodeId, effects: &[Effects]) -> bool {
        let writes = effects[node.index()]
            .writes
            .iter()
            .any(|slot| !matches!(slot, Slot::Meta(_)));
        !is_reparse(program, node) && (self.written_in[node.index()] || writes)
    }
    /// Whether packets may be moved to another device just before this node: the headers are
    /// clean, or the node parses them anew anyway, or only sends them (the parser loses nothing:
    /// `deparse(parse(p)) == p`) or drops them.
    pub fn may_cross(&self, program: &Program, node: NodeId) -> bool {
        !self.dirty_in[node.index()]
            || matches!(
                program.control.nodes[node].kind,
                NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop
            )
    }
}

fn is_reparse(program: &Program, node: NodeId) -> bool {
    matches!(program.control.nodes[node].kind, NodeKind::Reparse(_))
}

/// What parser decisions read.
#[derive(Clone, Debug, Default)]
struct Decisive {
    slots: BTreeSet<Slot>,
    /// A look-ahead goes past what can be told to be a header's field: every field may decide.
    anything: bool,
}

impl Decisive {
    fn of(program: &Program) -> Self {
        let mut found = Self::default();
        for (id, state) in program.parser.states.iter() {
            for (at, op) in state.ops.iter().enumerate() {
                match op {
                    ParserOp::Extract {
                        varbit: Some(e), ..
                    }
                    | ParserOp::Advance(e)
                    | ParserOp::Set(_, e)
                    | ParserOp::Verify(e, _) => found.expr(program, id, at, e),
                    ParserOp::Extract { varbit: None, .. } => {}
                }
            }
            if let Transition::Select(keys, _) = &state.next {
                for key in keys {
                    found.expr(program, id, state.ops.len(), key);
                }
            }
        }
        found
    }
    fn has(&self, slot: &Slot) -> bool {
        self.slots.contains(slot) || (self.anything && matches!(slot, Slot::Field(_)))
    }
    /// An expression that stands before operation `at` of a state.
    fn expr(&mut self, program: &Program, state: StateId, at: usize, expr: &Expr) {
        self.slots.extend(
            Effects::of_expr(expr)
                .into_iter()
                .filter(|slot| *slot != Slot::Frame),
        );
        expr.walk(&mut |e| match e {
            Expr::Lookahead { offset, width } => {
                let mut seen = BTreeSet::new();
                for header in extracted_next(program, state, at, &mut seen) {
                    self.lookahead(program, header, *offset, *width);
                }
            }
            Expr::Frame { .. } | Expr::FrameLen => self.anything = true,
            _ => {}
        });
    }
    /// Bits `offset .. offset + width` from the start of a header.
    fn lookahead(&mut self, program: &Program, header: HeaderId, offset: u32, width: u32) {
        let ty = program.header_type(header);
        if offset + width > ty.fixed_bits() {
            self.anything = true;
        }
        for (i, field) in ty.fields.iter().enumerate() {
            let start = ty.offset(i as u32);
            if let FieldKind::Fixed(bits) = field.kind
                && start < offset + width
                && offset < start + bits
            {
                self.slots.insert(Slot::Field(FieldRef {
                    header,
                    field: i as u32,
                }));
            }
        }
    }
}

/// The headers that may be extracted first from operation `at` of a state on.
fn extracted_next(
    program: &Program,
    state: StateId,
    at: usize,
    seen: &mut BTreeSet<StateId>,
) -> BTreeSet<HeaderId> {
    let Some(body) = program.parser.states.get(state) else {
        return BTreeSet::new();
    };
    let own = body.ops[at..].iter().find_map(|op| match op {
        ParserOp::Extract { header, .. } => Some(*header),
        _ => None,
    });
    if let Some(header) = own {
        return BTreeSet::from([header]);
    }
    let targets: Vec<ParseTarget> = match &body.next {
        Transition::Goto(target) => vec![*target],
        Transition::Select(_, cases) => cases.iter().map(|c| c.target).collect(),
    };
    let mut found = BTreeSet::new();
    for target in targets {
        if let ParseTarget::State(next) = target
            && seen.insert(next)
        {
            found.extend(extracted_next(program, next, 0, seen));
        }
    }
    found
}
