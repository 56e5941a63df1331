//! What is the same for all packets of a flow.

use super::graph::reachable;
use crate::{
    Expr, FieldRef, HeaderId, LValue, MetaId, NodeId, NodeKind, Op, Place, PrimaryMap, Program,
    StdMeta,
};
use std::collections::BTreeSet;

/// The fields that identify a flow in programs with the standard headers: addresses, protocol
/// and ports (p4/include/trisect/std.p4).
pub fn standard_flow_fields(program: &Program) -> BTreeSet<FieldRef> {
    const FIELDS: [(&str, &str); 10] = [
        ("ipv4", "src"),
        ("ipv4", "dst"),
        ("ipv4", "protocol"),
        ("ipv6", "src"),
        ("ipv6", "dst"),
        ("ipv6", "next_header"),
        ("tcp", "src_port"),
        ("tcp", "dst_port"),
        ("udp", "src_port"),
        ("udp", "dst_port"),
    ];
    FIELDS
        .iter()
        .filter_map(|(header, field)| program.field_named(header, field))
        .collect()
}

/// What may differ between packets of one flow at a point of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Metadata.
    pub metas: BTreeSet<MetaId>,
    /// Header fields.
    pub fields: BTreeSet<FieldRef>,
    /// Headers by validity.
    pub headers: BTreeSet<HeaderId>,
}

impl Variant {
    fn union(&mut self, other: &Variant) {
        self.metas.extend(&other.metas);
        self.fields.extend(&other.fields);
        self.headers.extend(&other.headers);
    }

    /// Whether an expression may differ; parameters of an action do if `params` is set.
    fn reads(&self, expr: &Expr, params: bool) -> bool {
        let mut varies = false;
        expr.walk(&mut |e| {
            varies |= match e {
                Expr::Field(f) => self.fields.contains(f) || self.headers.contains(&f.header),
                Expr::Meta(meta) => self.metas.contains(meta),
                Expr::Valid(header) => self.headers.contains(header),
                Expr::Param(_) => params,
                Expr::Frame { .. } | Expr::FrameLen | Expr::Payload => true,
                _ => e.varbits().into_iter().any(|h| self.of_header(h)),
            };
        });
        varies
    }

    /// Whether anything of a header may differ.
    fn of_header(&self, header: HeaderId) -> bool {
        self.headers.contains(&header) || self.fields.iter().any(|f| f.header == header)
    }

    fn assign(&mut self, to: &LValue, varies: bool) {
        let whole = to.slice.is_none();
        match to.place {
            Place::Meta(meta) if varies => drop(self.metas.insert(meta)),
            Place::Field(field) if varies => drop(self.fields.insert(field)),
            Place::Meta(meta) if whole => drop(self.metas.remove(&meta)),
            Place::Field(field) if whole => drop(self.fields.remove(&field)),
            _ => {}
        }
    }

    /// `varying` tells that whether the operations run at all may differ.
    fn ops(&mut self, program: &Program, ops: &[Op], varying: bool, params: bool) {
        for op in ops {
            self.op(program, op, varying, params);
        }
    }

    fn op(&mut self, program: &Program, op: &Op, varying: bool, params: bool) {
        match op {
            Op::Set(to, expr) => {
                let varies = varying || self.reads(expr, params);
                self.assign(to, varies);
            }
            Op::SetValid(header) | Op::SetInvalid(header) => {
                if varying {
                    self.headers.insert(*header);
                } else {
                    self.headers.remove(header);
                }
            }
            Op::Copy { dst, src } => {
                let varies = varying || self.headers.contains(src);
                if varies {
                    self.headers.insert(*dst);
                }
                for field in super::effects::fields(program, *dst) {
                    let from = FieldRef {
                        header: *src,
                        field: field.field,
                    };
                    if varies || self.fields.contains(&from) {
                        self.fields.insert(field);
                    } else {
                        self.fields.remove(&field);
                    }
                }
            }
            Op::CopyVarbit { dst, src } => {
                let varies = varying || self.of_header(*src) || self.headers.contains(dst);
                if let Some(field) = program.varbit_field(*dst)
                    && varies
                {
                    self.fields.insert(field);
                }
            }
            Op::If(cond, yes, no) => {
                let varying = varying || self.reads(cond, params);
                let mut other = self.clone();
                self.ops(program, yes, varying, params);
                other.ops(program, no, varying, params);
                self.union(&other);
            }
            // State and payload differ from packet to packet.
            Op::Meter { .. }
            | Op::Read { .. }
            | Op::Search { .. }
            | Op::Allocate { .. }
            | Op::Random { .. } => {
                for to in op.targets() {
                    self.assign(to, true);
                }
            }
            Op::Count(..)
            | Op::Write { .. }
            | Op::Touch(..)
            | Op::Notify(..)
            | Op::AddEntry { .. }
            | Op::SetExpire { .. } => {}
        }
    }
}

/// The result of the analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowInvariance {
    /// What may differ within a flow before each node.
    pub before: PrimaryMap<NodeId, Variant>,
    /// Whether the way from the node on may differ within a flow: its condition, keys or state do.
    pub outcome_varies: PrimaryMap<NodeId, bool>,
    /// Whether it may differ within a flow if control comes to the node.
    pub reach_varies: PrimaryMap<NodeId, bool>,
}

impl FlowInvariance {
    /// Analyses the program. Packets of a flow agree in `flow_fields`, the ingress port and in which
    /// headers are valid after parsing; they differ in everything else.
    pub fn new(program: &Program, flow_fields: &BTreeSet<FieldRef>) -> Self {
        let nodes = &program.control.nodes;
        let mut result = Self {
            before: nodes.values().map(|_| Variant::default()).collect(),
            outcome_varies: nodes.values().map(|_| false).collect(),
            reach_varies: nodes.values().map(|_| false).collect(),
        };
        let order = super::topological(program);
        let Some(entry) = program.control.entry else {
            return result;
        };
        result.before[entry] = parsed(program, flow_fields);
        let joins = joins(program, &order);
        for id in &order {
            let kind = &nodes[*id].kind;
            let mut variant = result.before[*id].clone();
            let varies = result.step(program, *id, &mut variant);
            result.outcome_varies[*id] = varies;
            for next in kind.successors() {
                result.before[next].union(&variant);
            }
            if varies {
                result.mark_until(program, *id, joins[*id]);
            }
        }
        result
    }

    /// Runs a node; whether its outcome varies.
    fn step(&self, program: &Program, id: NodeId, variant: &mut Variant) -> bool {
        let varying = self.reach_varies[id];
        match &program.control.nodes[id].kind {
            NodeKind::Apply(table, next) => {
                let table = &program.tables[*table];
                let choice = table.flow.is_some() || table.exprs().any(|e| variant.reads(e, false));
                let before = std::mem::take(variant);
                for action in &table.actions {
                    let mut after = before.clone();
                    let ops = &program.actions[*action].ops;
                    after.ops(program, ops, varying || choice, choice);
                    variant.union(&after);
                }
                choice && !matches!(next, crate::Successors::Always(_))
            }
            NodeKind::Branch(cond, _, _) => variant.reads(cond, false),
            NodeKind::Exec(ops, _) => {
                variant.ops(program, ops, varying, false);
                false
            }
            NodeKind::Reparse(_) => {
                reparsed(program, variant);
                false
            }
            NodeKind::Emit | NodeKind::Drop => false,
        }
    }

    /// Marks what lies between a node with a varying outcome and the point where all ways from it
    /// have come together again.
    fn mark_until(&mut self, program: &Program, id: NodeId, join: Option<NodeId>) {
        let next = |n: NodeId| {
            let successors = program.control.nodes[n].kind.successors();
            successors
                .into_iter()
                .filter(|n| Some(*n) != join)
                .collect()
        };
        for node in reachable(id, next) {
            if node != id {
                self.reach_varies[node] = true;
            }
        }
    }
}

fn parsed(program: &Program, flow_fields: &BTreeSet<FieldRef>) -> Variant {
    let fields = program
        .headers
        .keys()
        .flat_map(|h| super::effects::fields(program, h))
        .filter(|f| !flow_fields.contains(f))
        .collect();
    let mut metas: BTreeSet<MetaId> = [
        StdMeta::PacketLength,
        StdMeta::Timestamp,
        StdMeta::ParserError,
    ]
    .map(StdMeta::id)
    .into();
    metas.extend(parser_assigned(program));
    Variant {
        metas,
        fields,
        headers: BTreeSet::new(),
    }
}

/// After a reparse nothing is known about the headers; metadata stays as it was.
fn reparsed(program: &Program, variant: &mut Variant) {
    variant.headers = program.headers.keys().collect();
    variant.metas.insert(StdMeta::ParserError.id());
    variant.metas.extend(parser_assigned(program));
}

fn parser_assigned(program: &Program) -> Vec<MetaId> {
    let ops = program.parser.states.values().flat_map(|s| &s.ops);
    ops.filter_map(|op| match op {
        crate::ParserOp::Set(to, _) => match to.place {
            Place::Meta(meta) => Some(meta),
            Place::Field(_) => None,
        },
        _ => None,
    })
    .collect()
}

/// For each node the first node that all ways from it come to, if there is one (the immediate
/// post-dominator).
fn joins(program: &Program, order: &[NodeId]) -> PrimaryMap<NodeId, Option<NodeId>> {
    let nodes = &program.control.nodes;
    // All nodes that every way from a node comes to, with itself.
    let mut always: PrimaryMap<NodeId, BTreeSet<NodeId>> =
        nodes.values().map(|_| BTreeSet::new()).collect();
    let mut joins: PrimaryMap<NodeId, Option<NodeId>> = nodes.values().map(|_| None).collect();
    for id in order.iter().rev() {
        let mut common: Option<BTreeSet<NodeId>> = None;
        for next in nodes[*id].kind.successors() {
            common = Some(match common {
                None => always[next].clone(),
                Some(common) => common.intersection(&always[next]).copied().collect(),
            });
        }
        let mut common = common.unwrap_or_default();
        // The first of them is the one from which all the others are still to come.
        joins[*id] = common.iter().copied().max_by_key(|n| always[*n].len());
        common.insert(*id);
        always[*id] = common;
    }
    joins
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_other_fields_vary_and_control_carries_it_to_the_join() {
        let program: Program = "program p
            type t { src: 32 ttl: 8 } header ipv4: t
            meta verdict: 8 meta color: 8 meta port: 16 meta side: 8
            start s state s { extract(ipv4) goto accept }
            register r size 4 width 8 init 8w0x0
            action to(port: 16) { $port = %port }
            table route { key d: ipv4.src lpm actions { to } default to(16w0x0) size 4 }
            entry route
            node route: apply route -> low
            node low: if ($port < 16w0x4) -> reg else -> reg
            node reg: exec { $color = read(r, 8w0x0) } -> choose
            node choose: if ($color == 8w0x1) -> yes else -> no
            node yes: exec { $side = 8w0x1 } -> join
            node no: exec { } -> join
            node join: if ($side == 8w0x1) -> ttl else -> fresh
            node ttl: if (ipv4.ttl == 8w0x0) -> fresh else -> fresh
            node fresh: exec { $side = 8w0x0 } -> last
            node last: if ($side == 8w0x0) -> out else -> out
            node out: emit
            deparser ipv4"
            .parse()
            .unwrap();
        crate::verify(&program).unwrap();
        let result = FlowInvariance::new(&program, &standard_flow_fields(&program));
        let varies = |name: &str| {
            let node = program.control.nodes.find(|n| n.name == name).unwrap();
            (result.outcome_varies[node], result.reach_varies[node])
        };
        assert_eq!(varies("route"), (false, false));
        assert_eq!(varies("low"), (false, false));
        assert_eq!(varies("choose"), (true, false));
        assert_eq!(varies("yes"), (false, true));
        assert_eq!(
            varies("join"),
            (true, false),
            "one side assigned, the other did not"
        );
        assert_eq!(varies("ttl"), (true, true));
        assert_eq!(varies("fresh"), (false, false));
        assert_eq!(varies("last"), (false, false), "assigned anew on all ways");
    }
}
