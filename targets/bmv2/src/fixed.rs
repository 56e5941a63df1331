//! What fits the tables of a fixed pipeline.
//!
//! A table of the program fits a table of the pipeline if that has all its keys, can match as they do, and can
//! do all that its actions do. Code of a network function outside tables does not fit, but for conditions on
//! fields and constants, which are entries of the table that steers. Nodes that belong to no network function
//! (classification, spreading, tunnels to servers) are entries of that table, too: the switch is taken to have a
//! tunnel in which the frame between switch and server fits.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::analysis::{dependencies, topological};
use trisect_ir::{
    BinOp, Expr, Index, NodeId, NodeKind, Op, Place, Program, StdMeta, TableId, UnOp,
};
use trisect_target::{Refusal, Resources, resource};

use crate::codes;
use crate::model::{FixedTable, SwitchModel, entries_of};

fn refusal(operation: String, capability: String, hint: &str) -> Refusal {
    Refusal {
        code: codes::FIXED,
        operation,
        capability,
        hint: hint.to_owned(),
    }
}

/// What a node takes.
///
/// # Errors
/// Why it fits no table.
pub(crate) fn node(
    program: &Program,
    node: NodeId,
    model: &SwitchModel,
) -> Result<Resources, Vec<Refusal>> {
    let Some(table) = table_of(program, node, model)? else {
        return Ok(Resources::new());
    };
    let entries = match program.control.nodes[node].kind {
        NodeKind::Apply(id, _) => size(program, id),
        _ => 1,
    };
    Ok(Resources::new()
        .with(resource::ENTRIES, entries)
        .with(&entries_of(&model.tables[table].name), entries))
}

/// What a piece takes.
///
/// # Errors
/// What does not fit, and what would have to be looked up in another order than the pipeline's.
pub(crate) fn piece(program: &Program, model: &SwitchModel) -> Result<Resources, Vec<Refusal>> {
    let (mut used, mut refusals) = (Resources::new(), Vec::new());
    let mut place: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut tables = BTreeSet::new();
    for id in topological(program) {
        match table_of(program, id, model) {
            Ok(Some(table)) => drop(place.insert(id, table)),
            Ok(None) => continue,
            Err(found) => {
                refusals.extend(found);
                continue;
            }
        }
        let again = match program.control.nodes[id].kind {
            NodeKind::Apply(table, _) => !tables.insert(table),
            _ => false,
        };
        if let (false, Ok(more)) = (again, node(program, id, model)) {
            used.add(&more);
        }
    }
    let name = |id: NodeId| &program.control.nodes[id].name;
    for (id, after) in dependencies(program, |id| is_look_up(program, id)) {
        for before in after {
            let (Some(first), Some(second)) = (place.get(&before), place.get(&id)) else {
                continue;
            };
            if first > second {
                refusals.push(refusal(
                    format!("`{}` after `{}`", name(id), name(before)),
                    format!(
                        "the pipeline looks into `{}` before `{}`",
                        model.tables[*second].name, model.tables[*first].name
                    ),
                    "run one of the two elsewhere",
                ));
            }
        }
    }
    if refusals.is_empty() {
        Ok(used)
    } else {
        Err(refusals)
    }
}

/// A table with keys of a network function. What steers is in the order that it needs by its priorities.
fn is_look_up(program: &Program, node: NodeId) -> bool {
    let node = &program.control.nodes[node];
    matches!(node.kind, NodeKind::Apply(..)) && !node.nf.is_empty()
}

fn size(program: &Program, table: TableId) -> u64 {
    let table = &program.tables[table];
    u64::from(table.size).max(table.entries.len() as u64)
}

/// The number of the pipeline's table that a node goes to; `None` if it takes no entry.
fn table_of(
    program: &Program,
    node: NodeId,
    model: &SwitchModel,
) -> Result<Option<usize>, Vec<Refusal>> {
    let found = &program.control.nodes[node];
    let steering = model.tables.iter().position(|table| table.steers);
    let no_steering = || {
        vec![refusal(
            format!("`{}`", found.name),
            "no table of this pipeline steers".to_owned(),
            "run it on a host",
        )]
    };
    match &found.kind {
        NodeKind::Emit | NodeKind::Drop => Ok(None),
        NodeKind::Apply(id, _) => {
            let mut reasons = Vec::new();
            for (number, table) in model.tables.iter().enumerate() {
                match why_not(program, *id, table) {
                    None => return Ok(Some(number)),
                    Some(why) => reasons.push(format!("`{}`: {why}", table.name)),
                }
            }
            Err(vec![refusal(
                format!("table `{}`", program.tables[*id].name),
                format!("no table of the pipeline takes it ({})", reasons.join("; ")),
                "run it on a host, or write it as the pipeline's tables are",
            )])
        }
        _ if found.nf.is_empty() => steering.map(Some).ok_or_else(no_steering),
        NodeKind::Branch(cond, ..) => {
            let fields = model.tables.iter().find(|table| table.steers);
            let fields = fields.map_or(&[][..], |table| &table.fields);
            match is_match(program, cond, fields) {
                true => steering.map(Some).ok_or_else(no_steering),
                false => Err(vec![refusal(
                    format!("the condition of `{}`", found.name),
                    "a fixed pipeline compares its fields with constants only".to_owned(),
                    "run it on a host",
                )]),
            }
        }
        NodeKind::Exec(..) | NodeKind::Reparse(_) => Err(vec![refusal(
            format!("the operations of `{}`", found.name),
            "a fixed pipeline runs no code, only the actions of its tables".to_owned(),
            "run it on a host",
        )]),
    }
}

/// Why a table of the program does not fit one of the pipeline; `None` if it does.
fn why_not(program: &Program, id: TableId, fixed: &FixedTable) -> Option<String> {
    let table = &program.tables[id];
    for key in &table.keys {
        let Some(name) = name_of(program, &key.expr) else {
            return Some(format!("key `{}` is computed", key.name));
        };
        if !fixed.fields.contains(&name) {
            return Some(format!("has no `{name}`"));
        }
        if !fixed.kinds.contains(&key.kind) {
            let kind = format!("{:?}", key.kind).to_lowercase();
            return Some(format!("cannot match `{name}` as {kind}"));
        }
    }
    for action in table.actions.iter().chain([&table.default.action]) {
        let action = &program.actions[*action];
        for op in &action.ops {
            let needed = match needed(program, op) {
                None => return Some(format!("action `{}` computes", action.name)),
                Some(needed) => needed,
            };
            if !fixed.actions.iter().any(|a| a == needed) {
                return Some(format!("cannot {needed}, as `{}` does", action.name));
            }
        }
    }
    (size(program, id) > u64::from(fixed.entries))
        .then(|| format!("holds {} entries, not {}", fixed.entries, size(program, id)))
}

/// A header field or standard metadata by its name in models: `ipv4.dst`, `ingress_port`.
fn name_of(program: &Program, expr: &Expr) -> Option<String> {
    match expr {
        Expr::Field(field) => {
            let header = &program.headers[field.header];
            let ty = program.header_type(field.header);
            let of = ty.fields.get(field.field as usize)?;
            Some(format!("{}.{}", header.name, of.name))
        }
        Expr::Meta(meta) => Some(program.metas[*meta].name.clone()),
        _ => None,
    }
}

/// The action of [`FixedTable::actions`] that does what the operation does.
fn needed(program: &Program, op: &Op) -> Option<&'static str> {
    let given = |value: &Expr| matches!(value, Expr::Const(_) | Expr::Param(_));
    match op {
        Op::Count(_, Index::Entry) => Some("count"),
        Op::Set(to, value) => match to.place {
            Place::Meta(meta) if meta == StdMeta::EgressPort.id() && given(value) => {
                Some("forward")
            }
            Place::Meta(meta) if meta == StdMeta::Drop.id() && given(value) => Some("drop"),
            Place::Meta(_) if given(value) => Some("set-metadata"),
            Place::Field(field) => {
                let name = name_of(program, &Expr::Field(field))?;
                match name.as_str() {
                    "ethernet.src" | "ethernet.dst" if given(value) => Some("set-mac"),
                    "ipv4.ttl" | "ipv6.hop_limit" => {
                        is_decrement(value, field).then_some("decrement-ttl")
                    }
                    // The checksum follows the TTL.
                    "ipv4.checksum" if matches!(value, Expr::OnesSum(..) | Expr::Unary(..)) => {
                        Some("decrement-ttl")
                    }
                    _ => None,
                }
            }
            Place::Meta(_) => None,
        },
        _ => None,
    }
}

fn is_decrement(value: &Expr, field: trisect_ir::FieldRef) -> bool {
    let Expr::Binary(BinOp::Sub, from, by) = value else {
        return false;
    };
    matches!(&**from, Expr::Field(f) if *f == field)
        && matches!(&**by, Expr::Const(bits) if bits.to_u64() == Some(1))
}

/// Whether entries can decide a condition: which headers are there, and fields against constants.
fn is_match(program: &Program, cond: &Expr, fields: &[String]) -> bool {
    let field = |e: &Expr| name_of(program, e).is_some_and(|name| fields.contains(&name));
    match cond {
        Expr::Valid(_) | Expr::Const(_) => true,
        Expr::Unary(UnOp::Not, inner) => is_match(program, inner, fields),
        Expr::Binary(BinOp::And | BinOp::Or, a, b) => {
            is_match(program, a, fields) && is_match(program, b, fields)
        }
        Expr::Binary(BinOp::Eq | BinOp::Ne, a, b) => {
            let constant = |e: &Expr| matches!(e, Expr::Const(_));
            (field(a) && constant(b)) || (field(b) && constant(a))
        }
        _ => false,
    }
}
