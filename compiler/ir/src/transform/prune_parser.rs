//! Leaving unparsed what nobody looks at.

use super::Remap;
use super::remap::compact;
use super::unreachable::{remove_unreachable_states, retain};
use crate::analysis::graph::reachable;
use crate::analysis::{NotIdentity, op_effects};
use crate::analysis::{emitted_at, extracts, ordered_from};
use crate::{
    Entity, Expr, HeaderId, NodeKind, Op, ParseTarget, ParserOp, Program, StateId, StdMeta, Table,
    Transition,
};
use std::collections::BTreeSet;

/// Ends parsing where only headers would follow that the control never touches, and removes those
/// headers. Their bytes stay payload, so the packets that leave are the same. Tables and objects stay,
/// also unused ones: they are the program's state.
///
/// Nothing is pruned if the control looks at `parser_error`, since what is not parsed cannot fail, or
/// hashes the payload. A state stays if it assigns or skips something, or if its headers would not be emitted behind
/// all others that may be valid then, in the order in which they were extracted.
pub fn prune_parser(program: &mut Program) {
    super::pass("prune_parser", program, run);
}

fn run(program: &mut Program) {
    let needed = Needed::new(program);
    if needed.parser_error || needed.payload {
        return;
    }
    let prunable = prunable_states(program, &needed);
    let parser = &mut program.parser;
    if parser.start.is_some_and(|s| prunable.contains(&s)) {
        parser.start = None;
    }
    for state in parser.states.values_mut() {
        for target in state.next.targets_mut() {
            if matches!(target, ParseTarget::State(s) if prunable.contains(s)) {
                *target = ParseTarget::Accept;
            }
        }
        simplify(&mut state.next);
    }
    remove_unreachable_states(program);
    remove_headers(program, needed);
}

/// What the control touches.
#[derive(Default)]
struct Needed {
    headers: BTreeSet<HeaderId>,
    /// Headers that it, or the parser other than by extracting them, may make valid.
    made_valid: BTreeSet<HeaderId>,
    parser_error: bool,
    payload: bool,
}

impl Needed {
    fn new(program: &Program) -> Self {
        let mut needed = Self::default();
        for op in program.parser.states.values().flat_map(|s| &s.ops) {
            if let ParserOp::SetValid(header) | ParserOp::Copy { dst: header, .. } = op {
                needed.made_valid.insert(*header);
            }
        }
        for id in crate::analysis::topological(program) {
            match &program.control.nodes[id].kind {
                NodeKind::Apply(table, _) => needed.table(program, &program.tables[*table]),
                NodeKind::Branch(cond, _, _) => needed.expr(cond),
                NodeKind::Exec(ops, _) => needed.ops(program, ops),
                NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {}
            }
        }
        needed
    }

    fn table(&mut self, program: &Program, table: &Table) {
        table.exprs().for_each(|e| self.expr(e));
        for action in &table.actions {
            self.ops(program, &program.actions[*action].ops);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        expr.walk(&mut |e| match e {
            Expr::Field(field) => drop(self.headers.insert(field.header)),
            Expr::Valid(header) => drop(self.headers.insert(*header)),
            Expr::Meta(meta) => self.parser_error |= *meta == StdMeta::ParserError.id(),
            Expr::Payload => self.payload = true,
            _ => self.headers.extend(e.varbits()),
        });
    }

    fn ops(&mut self, program: &Program, ops: &[Op]) {
        let effects = op_effects(program, ops);
        let fields = effects.fields_read.iter().chain(&effects.fields_written);
        self.headers.extend(fields.map(|f| f.header));
        self.headers.extend(&effects.validity_read);
        self.headers.extend(&effects.validity_written);
        self.payload |= effects.reads_unparsed;
        self.parser_error |= effects.metas_read.contains(&StdMeta::ParserError.id());
        for op in ops {
            op.walk(&mut |op| match op {
                Op::SetValid(header) | Op::Copy { dst: header, .. } => {
                    self.made_valid.insert(*header);
                }
                _ => {}
            });
        }
    }
}

/// The states from which on nothing is needed.
fn prunable_states(program: &Program, needed: &Needed) -> BTreeSet<StateId> {
    let states = &program.parser.states;
    let next = |s: StateId| states[s].next.states();
    let idle = |op: &ParserOp| match op {
        ParserOp::Extract { header, .. } => !needed.headers.contains(header),
        ParserOp::Verify(..) => true,
        ParserOp::Advance(_)
        | ParserOp::Set(..)
        | ParserOp::SetValid(_)
        | ParserOp::SetInvalid(_)
        | ParserOp::Copy { .. }
        | ParserOp::CopyVarbit { .. } => false,
    };
    let mut prunable: BTreeSet<StateId> = states
        .iter()
        .filter(|(_, state)| state.ops.iter().all(idle))
        .map(|(id, _)| id)
        .collect();
    // A state that leads to one that stays must stay, too.
    let close = |prunable: &mut BTreeSet<StateId>| loop {
        let before = prunable.len();
        let known = prunable.clone();
        prunable.retain(|s| next(*s).iter().all(|n| known.contains(n)));
        if prunable.len() == before {
            return;
        }
    };
    close(&mut prunable);
    loop {
        let misplaced = |s: &StateId| check_place(program, needed, &prunable, *s).is_err();
        let Some(state) = prunable.iter().copied().find(misplaced) else {
            return prunable;
        };
        prunable.remove(&state);
        close(&mut prunable);
    }
}

/// Checks that the headers from this state on are emitted as they stand in the packet: in order,
/// and behind everything else that may be valid then.
fn check_place(
    program: &Program,
    needed: &Needed,
    prunable: &BTreeSet<StateId>,
    state: StateId,
) -> Result<(), NotIdentity> {
    let next = |s: StateId| program.parser.states[s].next.states();
    ordered_from(program, state)?;
    let mut earlier: BTreeSet<HeaderId> = needed.made_valid.clone();
    for other in program.parser.states.keys() {
        if !prunable.contains(&other) && reachable(other, next).contains(&state) {
            earlier.extend(extracts(program, other));
        }
    }
    for header in extracts(program, state) {
        let at = emitted_at(program, header)?;
        for before in &earlier {
            // What is never emitted is in nobody's way.
            if program.deparser.contains(before) && emitted_at(program, *before)? >= at {
                let name = |h: HeaderId| program.headers[h].name.clone();
                return Err(NotIdentity::Order(name(*before), name(header)));
            }
        }
    }
    Ok(())
}

/// A select that ends parsing in any case needs no keys.
fn simplify(next: &mut Transition) {
    let accepts = |t: &ParseTarget| matches!(t, ParseTarget::Accept | ParseTarget::Reject);
    if next.targets().iter().all(accepts) {
        *next = Transition::Goto(ParseTarget::Accept);
    }
}

/// Removes headers that are neither extracted any more nor touched by the control, nor mentioned in a
/// table or action that no node uses.
fn remove_headers(program: &mut Program, mut needed: Needed) {
    for table in program.tables.values() {
        needed.table(program, table);
    }
    for action in program.actions.values() {
        needed.ops(program, &action.ops);
    }
    let mut used = needed.headers;
    for state in program.parser.states.keys() {
        used.extend(extracts(program, state));
    }
    for state in program.parser.states.values() {
        let exprs = state.ops.iter().flat_map(ParserOp::exprs);
        for expr in exprs.chain(state.next.exprs()) {
            expr.walk(&mut |e| match e {
                Expr::Field(field) => drop(used.insert(field.header)),
                Expr::Valid(header) => drop(used.insert(*header)),
                _ => used.extend(e.varbits()),
            });
        }
        for op in &state.ops {
            used.extend(op.written_header());
            if let ParserOp::Copy { src, .. } | ParserOp::CopyVarbit { src, .. } = op {
                used.insert(*src);
            }
        }
    }
    let keep: Vec<bool> = program.headers.keys().map(|h| used.contains(&h)).collect();
    let remap = Remap {
        headers: compact(keep.iter().copied()),
        ..Remap::identity(program)
    };
    program.deparser.retain(|h| used.contains(h));
    for header in &mut program.deparser {
        *header = remap.headers[header.index()];
    }
    retain(&mut program.headers, &keep, |_| {});
    remap.everything(program);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;

    const SOURCE: &str = "program p
        type eth_t { type: 16 } type ip_t { proto: 8 ttl: 8 } type l4_t { port: 16 } type tun_t { id: 8 }
        header eth: eth_t header ip: ip_t header l4: l4_t header tun: tun_t header inner: ip_t
        start a
        state a { extract(eth) select(eth.type) { (16w0x800) => b (_) => reject } }
        state b { extract(ip) select(ip.proto) { (8w0x6) => c (8w0x11) => d (_) => accept } }
        state c { extract(l4) goto accept }
        state d { extract(l4) extract(tun) verify((tun.id != 8w0x0), NoMatch) goto e }
        state e { extract(inner) goto accept }
        entry x
        node x: exec { BODY } -> y
        node y: emit
        deparser eth, ip, DEPARSER";

    fn pruned(body: &str, deparser: &str) -> (Vec<String>, Vec<String>) {
        let source = SOURCE.replace("BODY", body).replace("DEPARSER", deparser);
        let mut program: Program = source.parse().unwrap();
        verify(&program).unwrap();
        prune_parser(&mut program);
        verify(&program).unwrap();
        let states = program.parser.states.values().map(|s| s.name.clone());
        let headers = program.headers.values().map(|h| h.name.clone());
        (states.collect(), headers.collect())
    }

    #[test]
    fn parsing_ends_behind_the_last_header_that_is_touched() {
        let order = "l4, tun, inner";
        assert_eq!(pruned("", order), (vec![], vec![]));
        let (states, headers) = pruned("ip.ttl = 8w0x1", order);
        assert_eq!(
            (states.join(""), headers.join(" ")),
            ("ab".into(), "eth ip".into())
        );
        let (states, headers) = pruned("tun.id = 8w0x1", order);
        assert_eq!(
            (states.join(""), headers.join(" ")),
            ("abd".into(), "eth ip l4 tun".into())
        );
        // TCP is needed no more than before, but its header is UDP's, too.
        let (states, _) = pruned("$egress_port = l4.port", order);
        assert_eq!(states.join(""), "abcd");
    }

    #[test]
    fn what_others_depend_on_stays() {
        let order = "l4, tun, inner";
        let (states, _) = pruned("$egress_port = crc16(payload())", order);
        assert_eq!(states.join(""), "abcde");
        let (states, _) = pruned("$egress_port = ($parser_error as 16)", order);
        assert_eq!(states.join(""), "abcde");
        // Behind a header that is made valid, nothing may become payload that stands before it.
        let (states, _) = pruned("set_valid(inner)", order);
        assert_eq!(states.join(""), "abcde");
        // Emitted in another order than extracted.
        let (states, _) = pruned("ip.ttl = 8w0x1", "inner, tun, l4");
        assert_eq!(states.join(""), "abde");
    }
}
