//! Backward liveness: what may still be needed.

use super::effects::{fields, implicit_reads};
use crate::{
    Expr, FieldRef, HeaderId, LValue, MetaId, NodeId, NodeKind, Op, Place, PrimaryMap, Program,
    StdMeta,
};
use std::collections::BTreeSet;

/// What may still be read at a point of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// Metadata: what must travel over a crossing at this point.
    pub metas: BTreeSet<MetaId>,
    /// Header fields, also those that will be emitted.
    pub fields: BTreeSet<FieldRef>,
    /// Headers whose validity matters, also because they will be emitted.
    pub headers: BTreeSet<HeaderId>,
}

impl Live {
    fn union(&mut self, other: &Live) {
        self.metas.extend(&other.metas);
        self.fields.extend(&other.fields);
        self.headers.extend(&other.headers);
    }

    fn reads(&mut self, program: &Program, expr: &Expr) {
        expr.walk(&mut |e| match e {
            Expr::Field(field) => {
                self.fields.insert(*field);
                self.headers.insert(field.header);
            }
            Expr::Meta(meta) => drop(self.metas.insert(*meta)),
            Expr::Valid(header) => drop(self.headers.insert(*header)),
            _ => {
                for header in e.varbits() {
                    self.fields.extend(program.varbit_field(header));
                    self.headers.insert(header);
                }
            }
        });
    }

    /// A whole place that is assigned was not needed before.
    fn assigned(&mut self, to: &LValue) {
        if to.slice.is_some() {
            return;
        }
        match to.place {
            Place::Meta(meta) => drop(self.metas.remove(&meta)),
            Place::Field(field) => drop(self.fields.remove(&field)),
        }
    }

    fn forget(&mut self, program: &Program, header: HeaderId) {
        for field in fields(program, header) {
            self.fields.remove(&field);
        }
        self.headers.remove(&header);
    }

    fn emits(&mut self, program: &Program) {
        for header in &program.deparser {
            self.headers.insert(*header);
            self.fields.extend(fields(program, *header));
        }
    }

    /// From what is live after the operations to what is live before them.
    fn before_ops(&mut self, program: &Program, ops: &[Op]) {
        for op in ops.iter().rev() {
            if let Op::If(_, yes, no) = op {
                let mut other = self.clone();
                self.before_ops(program, yes);
                other.before_ops(program, no);
                self.union(&other);
            }
            for to in op.targets() {
                self.assigned(to);
            }
            match op {
                Op::SetInvalid(header) => self.forget(program, *header),
                Op::Copy { dst, src } => self.copied(program, *dst, *src),
                Op::CopyVarbit { dst, src } => {
                    let to = program.varbit_field(*dst);
                    if to.is_some_and(|to| self.fields.contains(&to)) {
                        self.fields.extend(program.varbit_field(*src));
                        self.headers.extend([*dst, *src]);
                    }
                }
                Op::Search { after, .. } => {
                    self.emits(program);
                    self.headers.insert(*after);
                }
                _ => {}
            }
            for expr in op.exprs() {
                self.reads(program, expr);
            }
            self.metas.extend(implicit_reads(program, op));
        }
    }

    fn copied(&mut self, program: &Program, dst: HeaderId, src: HeaderId) {
        let wanted: Vec<_> = fields(program, dst)
            .filter(|f| self.fields.contains(f))
            .collect();
        let valid = self.headers.contains(&dst);
        self.forget(program, dst);
        if valid || !wanted.is_empty() {
            self.headers.insert(src);
        }
        self.fields.extend(wanted.into_iter().map(|f| FieldRef {
            header: src,
            field: f.field,
        }));
    }
}

/// What is live where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Liveness {
    /// Live before each node: so also on each edge to it.
    pub before: PrimaryMap<NodeId, Live>,
    /// Live behind each node, over all of its successors.
    pub after: PrimaryMap<NodeId, Live>,
}

/// Computes liveness. Unreachable nodes have nothing live.
pub fn liveness(program: &Program) -> Liveness {
    let nothing = || {
        program
            .control
            .nodes
            .values()
            .map(|_| Live::default())
            .collect()
    };
    let mut result = Liveness {
        before: nothing(),
        after: nothing(),
    };
    for id in super::topological(program).into_iter().rev() {
        let mut live = Live::default();
        for next in program.control.nodes[id].kind.successors() {
            live.union(&result.before[next]);
        }
        result.after[id] = live.clone();
        before_node(program, &program.control.nodes[id].kind, &mut live);
        result.before[id] = live;
    }
    result
}

fn before_node(program: &Program, kind: &NodeKind, live: &mut Live) {
    match kind {
        NodeKind::Apply(id, _) => {
            let table = &program.tables[*id];
            let after = std::mem::take(live);
            for action in &table.actions {
                let mut before = after.clone();
                before.before_ops(program, &program.actions[*action].ops);
                live.union(&before);
            }
            for expr in table.exprs() {
                live.reads(program, expr);
            }
            if table.flow.is_some() {
                live.metas.insert(StdMeta::Timestamp.id());
            }
        }
        NodeKind::Branch(cond, _, _) => live.reads(program, cond),
        NodeKind::Exec(ops, _) => live.before_ops(program, ops),
        NodeKind::Reparse(_) => before_parse(program, live),
        NodeKind::Emit => {
            live.metas.insert(StdMeta::EgressPort.id());
            live.emits(program);
        }
        NodeKind::Drop => drop(live.metas.insert(StdMeta::Drop.id())),
    }
}

/// All headers are set anew, from what is emitted now; the parser may read metadata.
fn before_parse(program: &Program, live: &mut Live) {
    live.metas.remove(&StdMeta::ParserError.id());
    live.fields.clear();
    live.headers.clear();
    live.emits(program);
    let mut read = Live::default();
    for state in program.parser.states.values() {
        for expr in state.ops.iter().flat_map(|op| op.exprs()) {
            read.reads(program, expr);
        }
        for key in state.next.exprs() {
            read.reads(program, key);
        }
    }
    read.metas.remove(&StdMeta::ParserError.id());
    live.metas.extend(read.metas);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_live_from_its_use_back_to_its_whole_assignment() {
        let program: Program = "program p
            type t { a: 16 } header h: t
            meta x: 16 meta y: 16
            counter c size 4 packets
            entry one
            node one: exec { $x = h.a $y = 16w0x1 } -> two
            node two: exec { count(c, 8w0x0) $y[7:0] = 8w0x2 } -> three
            node three: exec { $egress_port = ($x + $y) set_invalid(h) } -> four
            node four: emit
            deparser h"
            .parse()
            .unwrap();
        let live = liveness(&program);
        let names = |live: &Live| -> Vec<String> {
            let names = live.metas.iter().map(|m| program.metas[*m].name.clone());
            names.collect()
        };
        let at = |name: &str| program.control.nodes.find(|n| n.name == name).unwrap();
        assert_eq!(names(&live.before[at("one")]), ["packet_length"]);
        assert_eq!(names(&live.before[at("two")]), ["packet_length", "x", "y"]);
        assert_eq!(names(&live.before[at("three")]), ["x", "y"]);
        assert_eq!(names(&live.before[at("four")]), ["egress_port"]);
        assert!(
            live.before[at("three")].fields.is_empty(),
            "h is made invalid"
        );
        assert_eq!(live.before[at("one")].fields.len(), 1);
        assert_eq!(live.after[at("three")], live.before[at("four")]);
    }
}
