//! The control graph: tables, conditionals and calls of actions.
//!
//! A node of the IR is a node of BMv2's pipeline. Where a table's keys or a condition need more than fields and
//! expressions, a call of an action stands before it that computes them.

use serde_json::{Map, Value, json};
use trisect_ir::{
    ActionId, Bits, Entity, NodeId, NodeKind, ObjectKind, PrimaryMap, Successors, TableId,
};
use trisect_target::wire;

use super::code::Within;
use super::ops::public;
use super::tables::{Kind, arguments, entries, kinds};
use super::value::{STANDARD, Term, binary, field, hexstr, leaf, meta, number, primitive};
use super::{Emitter, Entries};
use crate::control::Applied;
use crate::emit::{COLLECTOR, REPORTED, direct_objects, has_const_entries};

/// What a node became.
enum Body {
    /// An action is called.
    Call { action: usize, next: Option<NodeId> },
    /// A condition.
    Test { test: Term, yes: NodeId, no: NodeId },
    /// A table.
    Table { keys: Vec<Value> },
}

struct Written {
    /// The action that computes what the node needs.
    before: Option<usize>,
    body: Body,
}

/// When a packet is copied to the collector, and the action that does it.
struct Report {
    test: Term,
    action: usize,
}

/// Names of the conditions on which a packet is copied to the collector, and of the calls that copy it: as it came in, and
/// as it leaves. BMv2 wants them to differ from pipeline to pipeline.
const CAME: [&str; 2] = ["sampling.came", "sampling.copy_came"];
const LEAVES: [&str; 2] = ["sampling.leaves", "sampling.copy_leaving"];

/// A condition and a call with these names and numbers.
fn report(report: &Report, [test, copy]: [&str; 2], [test_id, copy_id]: [usize; 2]) -> [Value; 2] {
    [
        json!({
            "name": test, "id": test_id, "expression": report.test.json,
            "true_next": copy, "false_next": null,
        }),
        json!({ "name": copy, "id": copy_id, "action_id": report.action, "next_node": null }),
    ]
}

impl Emitter<'_> {
    /// The ingress pipeline, and an egress that only reports.
    pub(crate) fn pipelines(&mut self, applied: &[Applied]) -> Value {
        let order = self.graph.order.clone();
        let reports = self.reports();
        // What stands where the program ends.
        let [end, egress] = [CAME, LEAVES].map(|[test, _]| reports.as_ref().map(|_| test));
        let mut written: PrimaryMap<NodeId, Option<Written>> =
            self.program.control.nodes.keys().map(|_| None).collect();
        for node in &order {
            written[*node] = Some(self.node(*node));
        }
        let name = |node: NodeId| format!("node.{}", self.program.control.nodes[node].name);
        let before = |node: NodeId| format!("before.{}", self.program.control.nodes[node].name);
        let table = |node: NodeId| {
            let found = applied.iter().find(|application| application.node == node);
            found.map_or_else(|| name(node), |application| public(&application.name))
        };
        // Where control gets to the node.
        let head = |node: NodeId| match &written[node] {
            Some(Written {
                before: Some(_), ..
            }) => before(node),
            Some(Written {
                body: Body::Table { .. },
                ..
            }) => table(node),
            _ => name(node),
        };
        let mut tables = Vec::new();
        let mut conditionals = Vec::new();
        let mut calls = Vec::new();
        let mut call = |name: String, action: usize, next: Value| {
            let id = calls.len();
            calls.push(json!({ "name": name, "id": id, "action_id": action, "next_node": next }));
        };
        let entry = self.program.control.entry.map(head);
        let mut init = json!(entry);
        if let Some(action) = self.load_error {
            call("start.parser_error".to_owned(), action, init);
            init = json!("start.parser_error");
        }
        for node in &order {
            let Some(Written {
                before: prepared,
                body,
            }) = &written[*node]
            else {
                continue;
            };
            let own = match body {
                Body::Table { .. } => table(*node),
                _ => name(*node),
            };
            if let Some(action) = prepared {
                call(before(*node), *action, json!(own));
            }
            match body {
                Body::Call { action, next } => {
                    let next = next.map(head).or(end.map(str::to_owned));
                    call(own, *action, json!(next));
                }
                Body::Test { test, yes, no } => conditionals.push(json!({
                    "name": own,
                    "id": conditionals.len(),
                    "expression": test.json,
                    "true_next": head(*yes),
                    "false_next": head(*no),
                })),
                Body::Table { keys } => {
                    if let NodeKind::Apply(id, successors) = &self.program.control.nodes[*node].kind
                    {
                        let next = self.next_tables(*id, successors, &head);
                        tables.push(self.table(*id, &own, tables.len(), keys, next));
                    }
                }
            }
        }
        let mut egress = json!({
            "name": "egress", "id": 1, "init_table": egress,
            "tables": [], "action_profiles": [], "conditionals": [], "action_calls": [],
        });
        if let Some([came, leaves]) = reports {
            let [test, copy] = report(&came, CAME, [conditionals.len(), calls.len()]);
            conditionals.push(test);
            calls.push(copy);
            let [test, copy] = report(&leaves, LEAVES, [0, 0]);
            egress["conditionals"] = json!([test]);
            egress["action_calls"] = json!([copy]);
        }
        json!([
            {
                "name": "ingress", "id": 0, "init_table": init,
                "tables": tables, "action_profiles": [],
                "conditionals": conditionals, "action_calls": calls,
            },
            egress,
        ])
    }

    /// What sends sampled packets, as they came in and as they leave, to the session of the collector; as in the P4 text
    /// ([`crate::emit::Emitter::report`]).
    fn reports(&mut self) -> Option<[Report; 2]> {
        let sampled = self.program.meta_named(wire::SAMPLED)?;
        self.metas.contains(&sampled).then_some(())?;
        let is =
            |place: Value, width: u32, value: u64| binary("==", leaf(place), number(width, value));
        let is_sampled = || is(meta(self.names, sampled), 1, 1);
        // A copy is not copied again.
        let original = is(field(STANDARD, "instance_type"), 32, 0);
        let tests = [is_sampled(), binary("and", is_sampled(), original)];
        let copies = ["clone_ingress_pkt_to_egress", "clone_egress_pkt_to_egress"];
        let actions = copies.map(|op| {
            let arguments = [COLLECTOR, REPORTED].map(|n| hexstr(&Bits::new(32, n)));
            let copy = primitive(op, arguments.to_vec());
            self.hidden_action(format!("sampling.{op}"), vec![copy])
        });
        let [came, leaves] = tests;
        let report = |test: Term, action| Report { test, action };
        Some([report(came, actions[0]), report(leaves, actions[1])])
    }

    /// The metadata that copies of sampled packets keep: their tag.
    pub(crate) fn field_lists(&self) -> Value {
        let sampled = self.program.meta_named(wire::SAMPLED);
        let tag = self.program.meta_named(wire::TAG);
        match (sampled.filter(|m| self.metas.contains(m)), tag) {
            (Some(_), Some(tag)) => json!([{
                "id": REPORTED, "name": "sampling.kept",
                "elements": [meta(self.names, tag)],
            }]),
            _ => json!([]),
        }
    }

    fn node(&mut self, node: NodeId) -> Written {
        let program = self.program;
        let reasons = program.drop_reasons.len() as u64 + 1;
        let valid = self.facts.nodes[node].clone();
        let mut code = self.code(&[], valid, Within::Action);
        let body = match &program.control.nodes[node].kind {
            NodeKind::Branch(cond, yes, no) => {
                let test = code.truth(cond);
                let (yes, no) = (*yes, *no);
                Some(Body::Test { test, yes, no })
            }
            NodeKind::Apply(table, _) => {
                let keys = program.tables[*table].keys.iter();
                let keys = keys.map(|key| code.table_key(&key.expr)).collect();
                Some(Body::Table { keys })
            }
            NodeKind::Exec(ops, _) => {
                code.all(ops);
                None
            }
            NodeKind::Emit => {
                code.send();
                None
            }
            NodeKind::Drop => {
                code.discard(reasons);
                None
            }
            // Refused before emission.
            NodeKind::Reparse(_) => None,
        };
        let primitives = std::mem::take(&mut code.out);
        let name = program.control.nodes[node].name.clone();
        match body {
            Some(body) => {
                let before = (!primitives.is_empty())
                    .then(|| self.hidden_action(format!("before.{name}"), primitives));
                Written { before, body }
            }
            None => {
                let action = self.hidden_action(format!("node.{name}"), primitives);
                let next = program.control.nodes[node]
                    .kind
                    .successors()
                    .first()
                    .copied();
                Written {
                    before: None,
                    body: Body::Call { action, next },
                }
            }
        }
    }

    fn next_tables(
        &self,
        table: TableId,
        successors: &Successors,
        head: &impl Fn(NodeId) -> String,
    ) -> Map<String, Value> {
        let actions = &self.program.tables[table].actions;
        let by_action = |next: &dyn Fn(ActionId) -> NodeId| {
            let next = |action: &ActionId| (self.action_name(*action), json!(head(next(*action))));
            actions.iter().map(next).collect()
        };
        match successors {
            Successors::Always(node) => by_action(&|_| *node),
            Successors::HitMiss { hit, miss } => [("__HIT__", *hit), ("__MISS__", *miss)]
                .map(|(word, node)| (word.to_owned(), json!(head(node))))
                .into_iter()
                .collect(),
            Successors::ByAction { cases, default } => by_action(&|action| {
                let case = cases.iter().find(|(a, _)| *a == action);
                case.map_or(*default, |(_, node)| *node)
            }),
        }
    }

    fn table(
        &self,
        id: TableId,
        name: &str,
        number: usize,
        fields: &[Value],
        next: Map<String, Value>,
    ) -> Value {
        let table = &self.program.tables[id];
        let kinds = kinds(self.program, table);
        let widths: Vec<u32> = table
            .keys
            .iter()
            .map(|key| self.program.width(&key.expr, &[]))
            .collect();
        let keys = table
            .keys
            .iter()
            .zip(fields)
            .zip(&kinds)
            .map(|((key, field), kind)| {
                json!({
                    "match_type": kind.name(),
                    "name": key.name,
                    "target": field["value"],
                    "mask": null,
                })
            });
        let actions: Vec<ActionId> = unique(&table.actions);
        let direct = direct_objects(self.program, id);
        let meter = direct.iter().find(|object| {
            matches!(
                self.program.objects[**object].kind,
                ObjectKind::Meter { .. }
            )
        });
        let counted = direct.iter().any(|object| {
            matches!(
                self.program.objects[*object].kind,
                ObjectKind::Counter { .. }
            )
        });
        let mut json = json!({
            "name": name,
            "id": number,
            "key": keys.collect::<Vec<_>>(),
            "match_type": Kind::of_table(&kinds).name(),
            "type": "simple",
            "max_size": table_size(table.size),
            "with_counters": counted,
            "support_timeout": false,
            "direct_meters": meter.map(|object| public(&self.names.objects[*object])),
            "action_ids": actions.iter().map(|action| action.index()).collect::<Vec<_>>(),
            "actions": actions.iter().map(|action| self.action_name(*action)).collect::<Vec<_>>(),
            "next_tables": next,
            "default_entry": {
                "action_id": table.default.action.index(),
                "action_const": table.const_default,
                "action_data": arguments(&table.default),
                "action_entry_const": table.const_default,
            },
        });
        if self.holds_entries(id) {
            let entries = entries(table, &kinds, &widths, |call| call.action.index());
            json["max_size"] = json!(entries.len());
            json["entries"] = json!(entries);
        }
        json
    }

    /// Whether the table's entries stand in the program; BMv2 then lets nobody change them.
    pub(crate) fn holds_entries(&self, id: TableId) -> bool {
        let table = &self.program.tables[id];
        match self.entries {
            Entries::Const => has_const_entries(table),
            Entries::All => !table.keys.is_empty() && !table.entries.is_empty(),
        }
    }
}

/// At least one.
pub(crate) fn table_size(size: u32) -> u32 {
    size.max(1)
}

fn unique(actions: &[ActionId]) -> Vec<ActionId> {
    let mut out = Vec::new();
    for action in actions {
        if !out.contains(action) {
            out.push(*action);
        }
    }
    out
}

impl super::code::Code<'_> {
    /// The field that a table looks at. BMv2 itself takes 0 for the fields of an invalid header.
    fn table_key(&mut self, key: &trisect_ir::Expr) -> Value {
        match key {
            trisect_ir::Expr::Field(at) => self.place(trisect_ir::Place::Field(*at)),
            _ => self.key_field(key),
        }
    }
}
