//! Estimates of host cycles.
//!
//! They serve the plan, which compares places; they promise nothing. The figures are cycles of one
//! core of this century's third decade with the packet's headers in its first-level cache and tables in
//! its second: instruction counts of the code that `build` writes, divided by a throughput of two
//! per cycle, plus the latency of the dependent loads of a look-up.

use trisect_ir::{
    ActionId, CountUnit, Expr, Index, MatchKind, NodeId, NodeKind, ObjectKind, Op, Program, TableId,
};
use trisect_target::{HintCycles, LookUpCycles};

/// Receiving and sending by a polling driver, the loop over the batch, and parsing down to the transport
/// header.
pub const PACKET: u64 = 120;
/// Bytes that a payload search or hash is taken to look at.
const PAYLOAD_BYTES: u64 = 512;
/// Per byte: one step of the automaton.
const SEARCH_PER_BYTE: u64 = 2;
/// Per byte: one look-up in a table.
const HASH_PER_BYTE: u64 = 2;
const EXACT: u64 = 20;
const LPM: u64 = 24;
const CLASSIFY: u64 = 30;
const FLOW: u64 = 35;
const SELECT: u64 = 30;
const ADD_ENTRY: u64 = 150;
const METER: u64 = 60;
const ALLOCATE: u64 = 60;
const NOTIFY: u64 = 80;
const RANDOM: u64 = 200;
const REPARSE: u64 = 90;
const DIRECT_CELL: u64 = 12;

/// What a look-up in a flow table takes, and what one by the flow's number, where nothing was measured on the machine. What
/// numbers save here is half of what was measured for a table between other work, on a server of 2 MiB of second-level cache
/// per core (the book's chapter on the cut has the figures), so that they are not chosen for a little. What fits into that
/// cache is taken to be there in either case.
const LOOK_UPS: [LookUpCycles; 4] = [
    of_bytes(1 << 20, FLOW, 33),
    of_bytes(8 << 20, 130, 45),
    of_bytes(32 << 20, 300, 65),
    of_bytes(128 << 20, 600, 150),
];

const fn of_bytes(bytes: u64, cycles: u64, by_number: u64) -> LookUpCycles {
    LookUpCycles {
        bytes,
        cycles,
        by_number,
    }
}
/// Finding out whether a packet's flow has a number: its headers are parsed, and a hash table is looked up.
const UNNUMBERED: u64 = 100;
/// Asking for a rule and for its removal, by asynchronous queues.
const INSERTION: u64 = 1000;

/// What numbers for flows are worth in a table with so many entries, by what was measured if anything was; `None` if packets
/// do not fill it, or entries of the program come first.
pub fn hints(
    program: &Program,
    id: TableId,
    flows: u64,
    measured: &[LookUpCycles],
) -> Option<HintCycles> {
    let table = &program.tables[id];
    if table.flow.is_none() || !table.entries.is_empty() || table.keys.is_empty() {
        return None;
    }
    let bytes = flows.saturating_mul(crate::memory::flow_entry(program, id));
    let (look_up, hinted) = by_bytes(bytes, measured);
    Some(HintCycles {
        look_up,
        hinted,
        unnumbered: UNNUMBERED,
        insertion: INSERTION,
    })
}

/// Cycles without and with a number for entries of so many bytes: between two sizes by the logarithm.
fn by_bytes(bytes: u64, measured: &[LookUpCycles]) -> (u64, u64) {
    let sizes = if measured.is_empty() {
        &LOOK_UPS
    } else {
        measured
    };
    let mut last = sizes[0];
    for point in sizes {
        if bytes <= point.bytes {
            if point.bytes == last.bytes {
                return (point.cycles, point.by_number);
            }
            let log = |n: u64| (n as f64).log2();
            let part = (log(bytes) - log(last.bytes)) / (log(point.bytes) - log(last.bytes));
            let between = |a: u64, b: u64| a + (b.saturating_sub(a) as f64 * part).round() as u64;
            return (
                between(last.cycles, point.cycles),
                between(last.by_number, point.by_number),
            );
        }
        last = *point;
    }
    (last.cycles, last.by_number)
}

/// Cycles of one packet in one node; look-ups in flow tables as those in the smallest that was measured, if any was.
pub fn node(program: &Program, node: NodeId, measured: &[LookUpCycles]) -> u64 {
    match &program.control.nodes[node].kind {
        NodeKind::Apply(id, _) => table(program, *id, by_bytes(0, measured).0),
        NodeKind::Branch(cond, ..) => 1 + expr(program, cond),
        NodeKind::Exec(list, _) => ops(program, list),
        NodeKind::Reparse(_) => REPARSE,
        NodeKind::Emit | NodeKind::Drop => 2,
    }
}

/// The look-up, and the dearest of the actions.
fn table(program: &Program, id: TableId, flow: u64) -> u64 {
    let table = &program.tables[id];
    let keys: u64 = table.exprs().map(|e| expr(program, e)).sum();
    let kinds: Vec<MatchKind> = table.keys.iter().map(|k| k.kind).collect();
    let all = |wanted: &[MatchKind]| kinds.iter().all(|k| wanted.contains(k));
    let look_up = if table.flow.is_some() {
        flow
    } else if table.keys.is_empty() || table.entries.is_empty() {
        0
    } else if table.entries.len() <= crate::build::INLINE_ENTRIES {
        2 * table.entries.len() as u64
    } else if all(&[MatchKind::Exact]) {
        EXACT
    } else if all(&[MatchKind::Exact, MatchKind::Lpm]) {
        LPM
    } else {
        // One bit per entry and key, 64 at a time.
        CLASSIFY + kinds.len() as u64 * (10 + table.entries.len() as u64 / 64)
    };
    let action = |a: &ActionId| ops(program, &program.actions[*a].ops);
    let select = if table.selector.is_some() { SELECT } else { 0 };
    keys + look_up + select + table.actions.iter().map(action).max().unwrap_or(0)
}

fn ops(program: &Program, list: &[Op]) -> u64 {
    list.iter().map(|o| op(program, o)).sum()
}

fn op(program: &Program, op: &Op) -> u64 {
    let cell = |index: &Index| match index {
        Index::At(e) => 4 + expr(program, e),
        Index::Entry => DIRECT_CELL,
    };
    match op {
        Op::Set(_, value) => 2 + expr(program, value),
        Op::SetValid(_) => 8,
        Op::SetInvalid(_) => 1,
        Op::Copy { .. } => 15,
        Op::CopyVarbit { .. } => 20,
        Op::If(cond, yes, no) => 1 + expr(program, cond) + ops(program, yes).max(ops(program, no)),
        Op::Count(_, index) => cell(index),
        Op::Meter { index, object, .. } => {
            let bytes = matches!(
                program.objects[*object].kind,
                ObjectKind::Meter {
                    unit: CountUnit::Bytes,
                    ..
                }
            );
            METER + cell(index) + u64::from(bytes)
        }
        Op::Read { index, .. } => 4 + expr(program, index),
        Op::Write { index, value, .. } => 4 + expr(program, index) + expr(program, value),
        Op::Search { .. } => 20 + SEARCH_PER_BYTE * PAYLOAD_BYTES,
        Op::Allocate { .. } => ALLOCATE,
        Op::Touch(_, number) => 10 + expr(program, number),
        Op::Notify(_, values) => NOTIFY + values.iter().map(|v| expr(program, v)).sum::<u64>(),
        Op::Random { lo, hi, .. } => RANDOM + expr(program, lo) + expr(program, hi),
        Op::AddEntry { args, .. } => ADD_ENTRY + args.iter().map(|a| expr(program, a)).sum::<u64>(),
        Op::SetExpire { .. } => 10,
    }
}

fn expr(program: &Program, e: &Expr) -> u64 {
    let mut cycles = 0;
    e.walk(&mut |e| {
        cycles += match e {
            Expr::Const(_) | Expr::Meta(_) | Expr::Valid(_) | Expr::FrameLen => 0,
            Expr::Hash(_, inputs) => 15 + 2 * inputs.len() as u64,
            Expr::Frame { .. } => 3,
            Expr::Payload => HASH_PER_BYTE * PAYLOAD_BYTES,
            Expr::OnesSum(_, terms) => 3 + 2 * terms.len() as u64,
            Expr::Field(field) => u64::from(program.field_width(*field).div_ceil(64)),
            _ => 1,
        };
    });
    cycles
}
