//! Whether deparsing what was parsed gives the same bytes, and what the parser looks at.

use super::graph::reachable;
use crate::{Expr, FieldKind, FieldRef, HeaderId, ParserOp, Program, StateId};
use std::collections::BTreeSet;

/// Why deparsing what was parsed may give other bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotIdentity {
    /// A state skips bytes.
    #[error("parser state `{0}` skips bytes, which deparsing does not bring back")]
    Advances(String),
    /// A state writes a header field, makes a header valid or invalid, or copies one.
    #[error("parser state `{0}` writes a header")]
    Writes(String),
    /// A header is extracted that is not emitted exactly once.
    #[error("header `{0}` is extracted, but not emitted exactly once")]
    NotEmitted(String),
    /// Two headers are extracted in an order other than that of the deparser, or one twice.
    #[error("headers `{0}` and `{1}` are extracted in an order that the deparser does not have")]
    Order(String, String),
}

/// Checks that deparse(parse(p)) == p for every packet p: nothing is skipped or written, and the
/// deparser emits the headers in the order in which they are extracted on every path.
///
/// # Errors
///
/// The first reason why it may not hold.
pub fn deparse_identity(program: &Program) -> Result<(), NotIdentity> {
    let Some(start) = program.parser.start else {
        return Ok(());
    };
    for state in reachable(start, |s| program.parser.states[s].next.states()) {
        let name = &program.parser.states[state].name;
        for op in &program.parser.states[state].ops {
            match op {
                ParserOp::Advance(_) => return Err(NotIdentity::Advances(name.clone())),
                _ if op.written_header().is_some() => {
                    return Err(NotIdentity::Writes(name.clone()));
                }
                _ => {}
            }
        }
        ordered_from(program, state)?;
    }
    Ok(())
}

/// The headers that a state extracts, in order.
pub(crate) fn extracts(program: &Program, state: StateId) -> Vec<HeaderId> {
    let ops = program.parser.states[state].ops.iter();
    ops.filter_map(|op| match op {
        ParserOp::Extract { header, .. } => Some(*header),
        _ => None,
    })
    .collect()
}

/// The place of a header in the deparser, if it is emitted exactly once.
pub(crate) fn emitted_at(program: &Program, header: HeaderId) -> Result<usize, NotIdentity> {
    let mut places = (0..).zip(&program.deparser).filter(|(_, h)| **h == header);
    match (places.next(), places.next()) {
        (Some((at, _)), None) => Ok(at),
        _ => Err(NotIdentity::NotEmitted(
            program.headers[header].name.clone(),
        )),
    }
}

/// Checks the order of a state's headers, among each other and with those of later states.
pub(crate) fn ordered_from(program: &Program, state: StateId) -> Result<(), NotIdentity> {
    let check = |before: HeaderId, after: HeaderId| {
        if emitted_at(program, before)? < emitted_at(program, after)? {
            return Ok(());
        }
        let name = |h: HeaderId| program.headers[h].name.clone();
        Err(NotIdentity::Order(name(before), name(after)))
    };
    let own = extracts(program, state);
    for header in &own {
        emitted_at(program, *header)?;
    }
    for pair in own.windows(2) {
        check(pair[0], pair[1])?;
    }
    let next = |s: StateId| program.parser.states[s].next.states();
    let later: BTreeSet<StateId> = next(state)
        .into_iter()
        .flat_map(|s| reachable(s, next))
        .collect();
    for later in later {
        for header in extracts(program, later) {
            for before in &own {
                check(*before, header)?;
            }
        }
    }
    Ok(())
}

/// The header fields whose bits the parser looks at: directly, or by looking ahead at what it
/// extracts afterwards. To change one of them may change how the packet is parsed.
pub fn parser_fields(program: &Program) -> BTreeSet<FieldRef> {
    let mut marks = Marks {
        program,
        fields: BTreeSet::new(),
        seen: BTreeSet::new(),
    };
    for (id, state) in program.parser.states.iter() {
        for (i, op) in state.ops.iter().enumerate() {
            for expr in op.exprs() {
                marks.expr(expr, id, i);
            }
            if let ParserOp::Copy { src, .. } | ParserOp::CopyVarbit { src, .. } = op {
                marks.fields.extend(super::effects::fields(program, *src));
            }
        }
        for key in state.next.exprs() {
            marks.expr(key, id, state.ops.len());
        }
    }
    marks.fields
}

struct Marks<'a> {
    program: &'a Program,
    fields: BTreeSet<FieldRef>,
    /// States that a look ahead was followed into, with the bits left to skip and to mark.
    seen: BTreeSet<(StateId, u64, u64)>,
}

impl Marks<'_> {
    fn expr(&mut self, expr: &Expr, state: StateId, op: usize) {
        expr.walk(&mut |e| match e {
            Expr::Field(field) => {
                self.fields.insert(*field);
            }
            // A whole frame is looked at in no particular place.
            Expr::Frame { .. } => self.everything(),
            Expr::Lookahead { offset, width } => {
                self.ahead(state, op, u64::from(*offset), u64::from(*width));
            }
            _ => {
                let varbits = e.varbits().into_iter();
                let fields = varbits.filter_map(|h| self.program.varbit_field(h));
                self.fields.extend(fields);
            }
        });
    }

    /// Marks the bits `skip .. skip + count` of what is consumed from this operation on.
    fn ahead(&mut self, state: StateId, op: usize, mut skip: u64, mut count: u64) {
        let program = self.program;
        for op in &program.parser.states[state].ops[op..] {
            if count == 0 {
                return;
            }
            match op {
                ParserOp::Extract { header, .. } => {
                    let ty = program.header_type(*header);
                    self.overlap(*header, skip, count);
                    let fixed = u64::from(ty.fixed_bits());
                    if skip + count > fixed && ty.varbit().is_some() {
                        // Where the next header begins is not known.
                        return self.everything();
                    }
                    count -= count.min(fixed.saturating_sub(skip));
                    skip = skip.saturating_sub(fixed);
                }
                ParserOp::Advance(_) => return self.everything(),
                ParserOp::Set(..)
                | ParserOp::SetValid(_)
                | ParserOp::SetInvalid(_)
                | ParserOp::Copy { .. }
                | ParserOp::CopyVarbit { .. }
                | ParserOp::Verify(..) => {}
            }
        }
        for next in program.parser.states[state].next.states() {
            if count > 0 && self.seen.insert((next, skip, count)) {
                self.ahead(next, 0, skip, count);
            }
        }
    }

    fn overlap(&mut self, header: HeaderId, skip: u64, count: u64) {
        let mut at = 0;
        for (i, field) in self.program.header_type(header).fields.iter().enumerate() {
            let width = match field.kind {
                FieldKind::Fixed(width) => u64::from(width),
                FieldKind::Varbit(_) => continue,
            };
            if at < skip + count && skip < at + width {
                let field = i as u32;
                self.fields.insert(FieldRef { header, field });
            }
            at += width;
        }
    }

    fn everything(&mut self) {
        for header in self.program.headers.keys() {
            self.fields
                .extend(super::effects::fields(self.program, header));
        }
    }
}
