//! Whose entries the cells of direct objects belong to.

use crate::{Index, ObjectId, Op, PrimaryMap, Program, TableId};

/// For every object whose cells belong to table entries: the table.
pub fn direct_owners(program: &Program) -> PrimaryMap<ObjectId, Option<TableId>> {
    let mut owners: PrimaryMap<ObjectId, Option<TableId>> =
        program.objects.values().map(|_| None).collect();
    for (id, table) in program.tables.iter() {
        for op in table.actions.iter().flat_map(|a| &program.actions[*a].ops) {
            op.walk(&mut |op| {
                if let Op::Count(object, Index::Entry)
                | Op::Meter {
                    object,
                    index: Index::Entry,
                    ..
                } = op
                {
                    owners[*object] = Some(id);
                }
            });
        }
    }
    owners
}
