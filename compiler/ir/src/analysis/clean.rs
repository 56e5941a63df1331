//! Where headers are as they were parsed.

use super::identity::{deparse_identity, parser_fields};
use crate::{FieldRef, NodeId, NodeKind, Op, Place, PrimaryMap, Program};
use std::collections::BTreeSet;

/// What may have happened to the headers since the last parse, on any path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Why deparsing and parsing again may give other headers; `None` if it gives the same ones. A
    /// crossing is legal only there.
    pub dirty: Option<String>,
    /// Whether any header may have been written at all. `Frame` may not be read there.
    pub written: bool,
}

impl Headers {
    /// Whether deparsing and parsing again changes nothing.
    pub fn is_clean(&self) -> bool {
        self.dirty.is_none()
    }

    fn join(&mut self, other: &Headers) {
        self.written |= other.written;
        if self.dirty.is_none() {
            self.dirty.clone_from(&other.dirty);
        }
    }
}

/// The headers' condition around each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleanness {
    /// When control comes to the node.
    pub before: PrimaryMap<NodeId, Headers>,
    /// When control leaves it.
    pub after: PrimaryMap<NodeId, Headers>,
}

/// Finds out where headers are as they were parsed: since the last parse no header was made valid
/// or invalid or copied, and no field was written that the parser looks at. (Looks at: selects on,
/// takes a length from, verifies, assigns metadata from, or extracts after having looked ahead at it.)
/// Where deparsing is not the inverse of parsing, they never are.
pub fn clean(program: &Program) -> Cleanness {
    let context = Context {
        program,
        parser_fields: parser_fields(program),
    };
    let parsed = context.parsed();
    let fresh = || -> PrimaryMap<NodeId, Headers> {
        let nodes = program.control.nodes.values();
        nodes.map(|_| Headers::default()).collect()
    };
    let mut result = Cleanness {
        before: fresh(),
        after: fresh(),
    };
    if let Some(entry) = program.control.entry {
        result.before[entry] = parsed.clone();
    }
    for id in super::topological(program) {
        let node = &program.control.nodes[id];
        let mut headers = result.before[id].clone();
        match &node.kind {
            NodeKind::Apply(table, _) => {
                for action in &program.tables[*table].actions {
                    let action = &program.actions[*action];
                    context.ops(&action.ops, &mut headers, &node.name);
                }
            }
            NodeKind::Exec(ops, _) => context.ops(ops, &mut headers, &node.name),
            NodeKind::Reparse(_) => headers = parsed.clone(),
            NodeKind::Branch(..) | NodeKind::Emit | NodeKind::Drop => {}
        }
        for next in node.kind.successors() {
            result.before[next].join(&headers);
        }
        result.after[id] = headers;
    }
    result
}

struct Context<'a> {
    program: &'a Program,
    parser_fields: BTreeSet<FieldRef>,
}

impl Context<'_> {
    /// Right after a parse.
    fn parsed(&self) -> Headers {
        let ops = self.program.parser.states.values().flat_map(|s| &s.ops);
        Headers {
            dirty: deparse_identity(self.program).err().map(|e| e.to_string()),
            written: ops.into_iter().any(|op| op.written_header().is_some()),
        }
    }

    fn ops(&self, ops: &[Op], headers: &mut Headers, node: &str) {
        for op in ops {
            op.walk(&mut |op| self.op(op, headers, node));
        }
    }

    fn op(&self, op: &Op, headers: &mut Headers, node: &str) {
        let program = self.program;
        let changed = match op {
            Op::SetValid(header) => Some((header, "is made valid")),
            Op::SetInvalid(header) => Some((header, "is made invalid")),
            Op::Copy { dst, .. } => Some((dst, "is copied to")),
            Op::CopyVarbit { dst, .. } => Some((dst, "gets another varbit")),
            _ => None,
        };
        if let Some((header, what)) = changed {
            let name = &program.headers[*header].name;
            self.dirtied(headers, || format!("`{name}` {what} in `{node}`"));
        }
        for to in op.targets() {
            let Place::Field(field) = to.place else {
                continue;
            };
            headers.written = true;
            if self.parser_fields.contains(&field) {
                let header = &program.headers[field.header].name;
                let name = &program.header_type(field.header).fields[field.field as usize].name;
                self.dirtied(headers, || {
                    format!("`{header}.{name}`, which the parser looks at, is written in `{node}`")
                });
            }
        }
    }

    fn dirtied(&self, headers: &mut Headers, why: impl FnOnce() -> String) {
        headers.written = true;
        if headers.dirty.is_none() {
            headers.dirty = Some(why());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "program p
        type t { version: 4 len: 4 ttl: 8 proto: 8 rest: varbit 64 }
        type u { port: 16 }
        header h: t
        header u: u
        start s
        state s {
            verify((lookahead(0, 4) == 4w0x4), NoMatch)
            extract(h, ((lookahead(4, 4) as 32) << 3w0x3))
            select(h.proto) { (8w0x11) => t  (_) => accept }
        }
        state t { extract(u) goto accept }
        entry a
        node a: exec { h.ttl = (h.ttl - 8w0x1) u.port = 16w0x1 } -> b
        node b: exec { OP } -> c
        node c: reparse -> d
        node d: emit
        deparser h, u";

    fn at(op: &str) -> (Headers, Headers, Headers) {
        let program: Program = SOURCE.replace("OP", op).parse().unwrap();
        crate::verify(&program).unwrap();
        let result = clean(&program);
        let node = |name: &str| program.control.nodes.find(|n| n.name == name).unwrap();
        let after = &result.after;
        (
            after[node("a")].clone(),
            after[node("b")].clone(),
            after[node("c")].clone(),
        )
    }

    #[test]
    fn only_what_the_parser_looks_at_dirties() {
        let (a, b, c) = at("");
        assert!(a.is_clean() && a.written);
        assert!(b.is_clean() && b.written);
        assert!(c.is_clean() && !c.written);
        for op in [
            "h.proto = 8w0x6",
            "h.version[1:0] = 2w0x1",
            "h.len = 4w0x1",
            "set_valid(u)",
            "set_invalid(u)",
            "copy(u, u)",
            "if valid(u) { h.len = 4w0x2 }",
        ] {
            let (a, b, c) = at(op);
            assert!(a.is_clean() && !b.is_clean() && c.is_clean(), "{op}");
            assert!(b.dirty.unwrap().contains("in `b`"));
        }
    }

    #[test]
    fn a_deparser_in_another_order_is_never_clean() {
        let source = SOURCE
            .replace("deparser h, u", "deparser u, h")
            .replace("OP", "");
        let program: Program = source.parse().unwrap();
        let result = clean(&program);
        assert!(result.before.values().all(|h| !h.is_clean()));
        let why = result.before[NodeId(0)].dirty.clone().unwrap();
        assert!(why.contains("`h` and `u`"), "{why}");
    }
}
