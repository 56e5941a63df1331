//! Estimates of the memory that tables and objects take.
//!
//! They are what `trisect-table` allocates, rounded up: hash tables are at most half full, look-up structures
//! hold keys and values side by side. State counts as if it were full.

use std::collections::BTreeSet;

use trisect_ir::{NodeId, NodeKind, ObjectId, ObjectKind, Op, Program, TableId};

/// Beside key and data: slot, hash, priority, list links.
const ENTRY: u64 = 48;
/// Beside an entry's own: last use, expire time, direct state.
const FLOW_ENTRY: u64 = 64;
/// A counter's or meter's cell.
const CELL: u64 = 64;
/// States of a pattern automaton per byte of the patterns, and bytes of a state.
const PATTERN_BYTE: u64 = 1024;

/// Bytes for the table and the objects of a node.
pub(crate) fn of_node(program: &Program, node: NodeId) -> u64 {
    let mut objects = BTreeSet::new();
    let table = uses(program, node, &mut objects);
    let of_table = table.map_or(0, |table| of_table(program, table));
    objects.iter().fold(of_table, |sum, object| {
        sum.saturating_add(of_object(program, *object))
    })
}

/// Bytes for all that a program's nodes use.
pub(crate) fn of_program(program: &Program) -> u64 {
    let (mut tables, mut objects) = (BTreeSet::new(), BTreeSet::new());
    for node in program.control.nodes.keys() {
        tables.extend(uses(program, node, &mut objects));
    }
    let tables = tables.iter().map(|table| of_table(program, *table));
    let objects = objects.iter().map(|object| of_object(program, *object));
    tables.chain(objects).fold(0, u64::saturating_add)
}

/// The table of a node; its objects are added to those known.
fn uses(program: &Program, node: NodeId, objects: &mut BTreeSet<ObjectId>) -> Option<TableId> {
    let mut add = |ops: &[Op]| {
        for op in ops {
            op.walk(&mut |op| objects.extend(op.object()));
        }
    };
    match &program.control.nodes[node].kind {
        NodeKind::Apply(table, _) => {
            let actions = &program.tables[*table].actions;
            actions
                .iter()
                .for_each(|action| add(&program.actions[*action].ops));
            Some(*table)
        }
        NodeKind::Exec(ops, _) => {
            add(ops);
            None
        }
        _ => None,
    }
}

/// Bytes that one entry of a flow table has of its own and that a look-up may read.
pub fn flow_entry(program: &Program, id: TableId) -> u64 {
    entry(program, id) + FLOW_ENTRY / 2
}

fn of_table(program: &Program, id: TableId) -> u64 {
    let table = &program.tables[id];
    let each = entry(program, id) + ENTRY;
    match table.flow {
        // Two slots per entry.
        Some(_) => u64::from(table.size).saturating_mul(2 * each + FLOW_ENTRY),
        None => (table.entries.len() as u64).saturating_mul(2 * each),
    }
}

/// Bytes of a key and of the largest arguments.
fn entry(program: &Program, id: TableId) -> u64 {
    let table = &program.tables[id];
    let key: u64 = table
        .keys
        .iter()
        .map(|k| u64::from(program.width(&k.expr, &[]).div_ceil(8)))
        .sum();
    let data = table.actions.iter().map(|action| {
        let params = program.actions[*action].params.iter();
        params
            .map(|p| u64::from(p.width.div_ceil(64)) * 8)
            .sum::<u64>()
    });
    key + data.max().unwrap_or(0)
}

fn of_object(program: &Program, id: ObjectId) -> u64 {
    match &program.objects[id].kind {
        ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => {
            u64::from(size.unwrap_or(0)) * CELL
        }
        ObjectKind::Register { width, size, .. } => {
            u64::from(*size).saturating_mul(u64::from(width.div_ceil(64)) * 8)
        }
        ObjectKind::PatternSet { patterns } => {
            let bytes: usize = patterns.iter().map(Vec::len).sum();
            bytes as u64 * PATTERN_BYTE
        }
        ObjectKind::Allocator { size, .. } => u64::from(*size) * CELL,
        ObjectKind::Message { .. } | ObjectKind::Random { .. } => CELL,
    }
}
