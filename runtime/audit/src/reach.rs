//! What is known of the states that a program can come to, whatever packets it gets.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::{ActionId, Bits, Expr, NodeKind, ObjectId, ObjectKind, Op, Program, TableId};

/// What the state of a program can hold.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// By flow table, the entries that are added. A table to which nothing is added never has a flow entry.
    pub entries: BTreeMap<TableId, Vec<Added>>,
    /// By register: the values that a cell can have, where only constants are written.
    pub values: BTreeMap<ObjectId, Option<Vec<Bits>>>,
    read: BTreeSet<ObjectId>,
}

/// Entries that one place of a program adds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Added {
    pub action: ActionId,
    /// The arguments that are constants.
    pub args: Vec<Option<Bits>>,
}

impl Reach {
    pub fn of(program: &Program) -> Reach {
        let mut reach = Reach::default();
        for (id, object) in program.objects.iter() {
            if let ObjectKind::Register { init, .. } = &object.kind {
                reach.values.insert(id, Some(vec![init.clone()]));
            }
        }
        let in_nodes = program.control.nodes.values().flat_map(|n| match &n.kind {
            NodeKind::Exec(ops, _) => ops.as_slice(),
            _ => &[],
        });
        let ops = program.actions.values().flat_map(|a| &a.ops);
        for op in ops.chain(in_nodes) {
            op.walk(&mut |op| reach.note(op));
        }
        reach
    }

    /// Whether a register is read of which a cell can have several values.
    pub fn reads_registers(&self) -> bool {
        let several = |object: &ObjectId| match self.values.get(object) {
            Some(Some(values)) => values.len() > 1,
            _ => true,
        };
        self.read.iter().any(several)
    }

    fn note(&mut self, op: &Op) {
        match op {
            Op::Read { object, .. } => {
                self.read.insert(*object);
            }
            Op::AddEntry {
                table,
                action,
                args,
                ..
            } => {
                let added = Added {
                    action: *action,
                    args: args.iter().map(constant).collect(),
                };
                let entries = self.entries.entry(*table).or_default();
                if !entries.contains(&added) {
                    entries.push(added);
                }
            }
            Op::Write { object, value, .. } => {
                let values = self.values.entry(*object).or_default();
                match (constant(value), &mut *values) {
                    (Some(value), Some(all)) if !all.contains(&value) => all.push(value),
                    (Some(_), _) => {}
                    (None, _) => *values = None,
                }
            }
            _ => {}
        }
    }
}

fn constant(expr: &Expr) -> Option<Bits> {
    match expr {
        Expr::Const(bits) => Some(bits.clone()),
        _ => None,
    }
}
