//! What BMv2 itself cannot do, whatever program it runs.

use std::collections::BTreeSet;

use trisect_ir::{
    CountUnit, HeaderId, NodeId, NodeKind, ObjectKind, Op, ParserOp, Place, Program, StateId,
    StdMeta,
};
use trisect_target::Refusal;

use crate::codes;

/// The largest number of entries that a table can hold: its handles have 24 bits for them.
const MAX_TABLE_SIZE: u32 = 1 << 24;
/// How many operations a program may have. The text of each takes some hundred bytes, in JSON some thousand; what loops
/// that are written out make of it would be too long for any compiler and for BMv2.
const MAX_OPERATIONS: usize = 1 << 15;
/// simple_switch keeps this many bytes free in front of a packet.
const ROOM_FOR_HEADERS: u64 = 512;

/// Why a program is too much for BMv2; empty if it is not.
pub(crate) fn of(program: &Program) -> Vec<Refusal> {
    let mut found = Vec::new();
    for table in program.tables.values() {
        if table.size > MAX_TABLE_SIZE {
            found.push(limit(
                format!("{} entries in `{}`", table.size, table.name),
                format!("a table of BMv2 has at most {MAX_TABLE_SIZE}"),
                "make the table smaller",
            ));
        }
    }
    added_headers(program, &mut found);
    varbits(program, &mut found);
    found
}

fn limit(operation: String, capability: String, hint: &str) -> Refusal {
    Refusal {
        code: codes::LIMIT,
        operation,
        capability,
        hint: hint.to_owned(),
    }
}

/// The operations of a node, or of the actions of the table that it applies.
fn operations_of(program: &Program, node: NodeId) -> Vec<&Op> {
    let mut all = Vec::new();
    let mut lists: Vec<&[Op]> = Vec::new();
    match &program.control.nodes[node].kind {
        NodeKind::Exec(ops, _) => lists.push(ops),
        NodeKind::Apply(table, _) => {
            let actions = program.tables[*table].actions.iter();
            lists.extend(actions.map(|action| program.actions[*action].ops.as_slice()));
        }
        _ => {}
    }
    for op in lists.into_iter().flatten() {
        op.walk(&mut |op| all.push(op));
    }
    all
}

/// All operations of the control.
fn operations(program: &Program) -> Vec<&Op> {
    let mut all = Vec::new();
    let actions = program.actions.values().map(|action| &action.ops);
    let nodes = program.control.nodes.values();
    let nodes = nodes.filter_map(|node| match &node.kind {
        NodeKind::Exec(ops, _) => Some(ops),
        _ => None,
    });
    for op in actions.chain(nodes).flatten() {
        op.walk(&mut |op| all.push(op));
    }
    all
}

/// Headers that the packet did not come with must fit in front of it.
fn added_headers(program: &Program, found: &mut Vec<Refusal>) {
    let mut added: BTreeSet<HeaderId> = BTreeSet::new();
    for op in operations(program) {
        if let Op::SetValid(header) | Op::Copy { dst: header, .. } = op {
            added.insert(*header);
        }
    }
    for op in program.parser.states.values().flat_map(|state| &state.ops) {
        if let ParserOp::SetValid(header) | ParserOp::Copy { dst: header, .. } = op {
            added.insert(*header);
        }
    }
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    for header in &program.deparser {
        let again = !seen.insert(*header);
        if again || added.contains(header) {
            let ty = program.header_type(*header);
            bytes += u64::from(ty.fixed_bits() + ty.varbit().unwrap_or(0)) / 8;
        }
    }
    if bytes > ROOM_FOR_HEADERS {
        found.push(limit(
            format!("put up to {bytes} bytes of headers in front of a packet"),
            format!("simple_switch has room for {ROOM_FOR_HEADERS}"),
            "add fewer headers, or run it on a host",
        ));
    }
}

/// Whether a program has more operations than can be written.
pub(crate) fn length_of_all(program: &Program) -> Option<Refusal> {
    too_many(operations(program).len(), "the program")
}

/// Whether a node alone has more operations than a program may have.
pub(crate) fn length(program: &Program, node: NodeId) -> Option<Refusal> {
    let name = &program.control.nodes[node].name;
    too_many(operations_of(program, node).len(), &format!("`{name}`"))
}

fn too_many(count: usize, what: &str) -> Option<Refusal> {
    (count > MAX_OPERATIONS).then(|| {
        limit(
            format!("{count} operations in {what}"),
            format!("a program for BMv2 has at most {MAX_OPERATIONS}"),
            "make loops shorter, or run it on a host",
        )
    })
}

/// BMv2 counts the bytes that came in, not what the program says that the length is.
pub(crate) fn counted_length(program: &Program, node: NodeId) -> Option<Refusal> {
    let object = operations_of(program, node)
        .into_iter()
        .filter_map(|op| match op {
            Op::Count(object, _) | Op::Meter { object, .. } => Some(*object),
            _ => None,
        })
        .find(|object| counts_bytes(&program.objects[*object].kind))?;
    sets_length(program).then(|| {
        limit(
            format!(
                "count bytes in `{}` after an assignment to `packet_length`",
                program.objects[object].name
            ),
            "BMv2 counts the bytes of the packet as it came in".to_owned(),
            "count packets, or where the packet comes in",
        )
    })
}

fn counts_bytes(kind: &ObjectKind) -> bool {
    match kind {
        ObjectKind::Counter { unit, .. } | ObjectKind::Meter { unit, .. } => {
            *unit != CountUnit::Packets
        }
        _ => false,
    }
}

fn sets_length(program: &Program) -> bool {
    let length = Place::Meta(StdMeta::PacketLength.id());
    let mut parser = program.parser.states.values().flat_map(|state| &state.ops);
    parser.any(|op| matches!(op, ParserOp::Set(to, _) if to.place == length))
        || operations(program)
            .iter()
            .flat_map(|op| op.targets())
            .any(|to| to.place == length)
}

/// BMv2 takes a varbit that is there already for a part of the fixed header.
fn varbits(program: &Program, found: &mut Vec<Refusal>) {
    let states = &program.parser.states;
    let extracts = |state: StateId, header: HeaderId| {
        let ops = states[state].ops.iter();
        ops.filter(|op| matches!(op, ParserOp::Extract { header: h, .. } if *h == header))
            .count()
    };
    let copied = |state: StateId, header: HeaderId| {
        let mut ops = states[state].ops.iter();
        ops.any(|op| matches!(op, ParserOp::Copy { dst, .. } if *dst == header))
    };
    for (header, instance) in program.headers.iter() {
        if program.header_type(header).varbit().is_none() {
            continue;
        }
        let twice = states.keys().any(|state| {
            let here = extracts(state, header) + usize::from(copied(state, header));
            let again = || {
                after(program, state)
                    .into_iter()
                    .any(|at| extracts(at, header) > 0)
            };
            here > 1 && extracts(state, header) > 0 || here > 0 && again()
        });
        if twice {
            found.push(limit(
                format!(
                    "extract `{}`, which has a varbit, where it may be there already",
                    instance.name
                ),
                "BMv2 does not take the length of the first time back".to_owned(),
                "extract into another header",
            ));
        }
    }
}

/// The states that may come after one, itself if it is in a cycle.
fn after(program: &Program, state: StateId) -> BTreeSet<StateId> {
    let states = &program.parser.states;
    let mut work = states[state].next.states();
    let mut seen = BTreeSet::new();
    while let Some(next) = work.pop() {
        if seen.insert(next) {
            work.extend(states[next].next.states());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_ir::{Control, Expr, LValue, Node};

    #[test]
    fn what_loops_grow_to_is_refused() {
        let mut program = Program::new("p");
        let x = program.add_meta("x", 8);
        let set = Op::Set(LValue::meta(x), Expr::num(8, 1));
        let node = |name: &str, kind| Node {
            name: name.to_owned(),
            nf: String::new(),
            kind,
        };
        let mut control = Control::default();
        let end = control.nodes.push(node("end", NodeKind::Emit));
        let half = MAX_OPERATIONS / 2 + 1;
        let second = NodeKind::Exec(vec![set.clone(); half], end);
        let second = control.nodes.push(node("second", second));
        let first = NodeKind::Exec(vec![set.clone(); half], second);
        let first = control.nodes.push(node("first", first));
        control.entry = Some(first);
        program.control = control;
        assert_eq!(length(&program, first), None);
        let refusal = length_of_all(&program).expect("too many");
        assert_eq!(refusal.code, codes::LIMIT);
        let long = vec![Op::If(Expr::num(1, 1), vec![set; 2 * half], Vec::new())];
        program.control.nodes[first].kind = NodeKind::Exec(long, second);
        let refusal = length(&program, first).expect("too many");
        assert!(refusal.operation.contains("`first`"), "{refusal}");
    }
}
