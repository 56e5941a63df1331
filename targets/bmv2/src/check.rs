//! What v1model cannot do, with the reason, and what the rest uses.

use trisect_ir::{
    BinOp, Expr, HashAlgorithm, Index, MatchKind, NodeId, NodeKind, ObjectId, ObjectKind, Op,
    ParserOp, Program, TableId, Transition, eval,
};
use trisect_target::{LowerError, Refusal, Resources, resource};

use crate::codes;
use crate::emit::{direct_objects, direct_uses};
use crate::graph::Graph;
use crate::limits;
use crate::walk;

/// What is written. The JSON program can do what the language has no words for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The P4 text.
    P4,
    /// BMv2's JSON program.
    Json,
}

fn refusal(
    code: trisect_ir::diag::Code,
    operation: String,
    capability: &str,
    hint: &str,
) -> Refusal {
    Refusal {
        code,
        operation,
        capability: capability.to_owned(),
        hint: hint.to_owned(),
    }
}

/// That a piece can run here; else the first reason why not.
pub(crate) fn refuse(program: &Program, form: Form) -> Result<(), LowerError> {
    let first = |found: Vec<Refusal>| found.into_iter().next();
    for (id, found) in program.control.nodes.iter() {
        if let Some(refusal) = first(node(program, id, form)) {
            return Err(LowerError::Refused {
                node: found.name.clone(),
                refusal,
            });
        }
    }
    match first(piece(program, form)) {
        None => Ok(()),
        Some(refusal) => Err(LowerError::Refused {
            node: String::new(),
            refusal,
        }),
    }
}

/// Why a node cannot run here; empty if it can.
pub(crate) fn node(program: &Program, node: NodeId, form: Form) -> Vec<Refusal> {
    let mut found = Vec::new();
    match &program.control.nodes[node].kind {
        NodeKind::Apply(id, _) => table(program, *id, form, &mut found),
        NodeKind::Branch(cond, ..) => expr(program, cond, form, &mut found),
        NodeKind::Exec(ops, _) => operations(program, ops, form, &mut found),
        NodeKind::Reparse(_) => found.push(refusal(
            codes::REPARSE,
            "parse the packet again".to_owned(),
            "v1model parses once, before ingress",
            "run the nodes around it on a host",
        )),
        NodeKind::Emit | NodeKind::Drop => {}
    }
    found.extend(limits::counted_length(program, node));
    found.sort();
    found.dedup();
    found
}

/// Why a whole piece cannot run here.
pub(crate) fn piece(program: &Program, form: Form) -> Vec<Refusal> {
    let mut found = Vec::new();
    for id in &Graph::new(program).order {
        found.extend(node(program, *id, form));
    }
    for state in program.parser.states.values() {
        for op in &state.ops {
            op.exprs()
                .into_iter()
                .for_each(|e| parser_expr(program, e, form, &mut found));
            found.extend(header_in_parser(program, op, form));
        }
        if let Transition::Select(keys, _) = &state.next {
            keys.iter()
                .for_each(|key| parser_expr(program, key, form, &mut found));
        }
    }
    found.extend(limits::of(program));
    found.sort();
    found.dedup();
    found
}

/// P4 text for v1model that makes headers valid in the parser is not written; BMv2 itself does it.
fn header_in_parser(program: &Program, op: &ParserOp, form: Form) -> Option<Refusal> {
    let (ParserOp::SetValid(header)
    | ParserOp::SetInvalid(header)
    | ParserOp::Copy { dst: header, .. }) = op
    else {
        return None;
    };
    let found = || {
        refusal(
            codes::PARSER,
            format!(
                "make `{}` valid or invalid in the parser",
                program.headers[*header].name
            ),
            "this target's parser extracts, skips and assigns fields",
            "do it in the control, or run it on a host",
        )
    };
    (form == Form::P4).then(found)
}

fn parser_expr(program: &Program, e: &Expr, form: Form, found: &mut Vec<Refusal>) {
    expr(program, e, form, found);
    e.walk(&mut |e| {
        if let Expr::Hash(algorithm @ (HashAlgorithm::Crc32 | HashAlgorithm::Crc16), _) = e {
            found.push(refusal(
                codes::PARSER,
                format!("{algorithm:?} hash in the parser"),
                "v1model and BMv2 have hashes in controls only",
                "compute it in the control",
            ));
        }
    });
}

fn expr(program: &Program, e: &Expr, form: Form, found: &mut Vec<Refusal>) {
    e.walk(&mut |e| match e {
        Expr::Frame { .. } | Expr::FrameLen => found.push(refusal(
            codes::PAYLOAD,
            "read bytes of the frame by their offset".to_owned(),
            "v1model sees parsed headers only",
            "write the filter with header fields, or run it on a host",
        )),
        Expr::Varbit(_) | Expr::Payload | Expr::VarbitLen(_) | Expr::VarbitEq(..) => {
            found.push(refusal(
                codes::PAYLOAD,
                "read a field of variable length, or the payload".to_owned(),
                "this target's program sees fields of fixed width",
                "run it on a host",
            ));
        }
        Expr::Hash(HashAlgorithm::Crc { .. }, _) => found.push(refusal(
            codes::OPERATOR,
            "a CRC with parameters of its own".to_owned(),
            "BMv2 takes the parameters from its command line, not from the program",
            "use crc16 or crc32, or run it on a host",
        )),
        Expr::Binary(op @ (BinOp::Div | BinOp::Rem), _, divisor)
            if form == Form::P4 && !is_power_of_two(divisor) =>
        {
            found.push(refusal(
                codes::OPERATOR,
                format!("{op:?} by something else than a constant power of two"),
                "the P4 compiler has no division for BMv2",
                "",
            ));
        }
        Expr::Binary(op @ (BinOp::Shl | BinOp::Shr | BinOp::Sar), a, b) if form == Form::P4 => {
            // Parameters have their widths checked where they are declared.
            let wide = !contains_param(a) && program.width(a, &[]) > 255;
            if wide && !matches!(**b, Expr::Const(_)) {
                found.push(refusal(
                    codes::OPERATOR,
                    format!("{op:?} of more than 255 bits by a variable"),
                    "the P4 compiler shifts by at most 255",
                    "",
                ));
            }
        }
        _ => {}
    });
}

fn contains_param(e: &Expr) -> bool {
    let mut found = false;
    e.walk(&mut |e| found |= matches!(e, Expr::Param(_)));
    found
}

/// Also zero, by which division gives zero.
fn is_power_of_two(divisor: &Expr) -> bool {
    let Expr::Const(bits) = divisor else {
        return false;
    };
    let one = trisect_ir::Bits::new(bits.width(), 1u32);
    eval::binary(BinOp::And, bits, &eval::binary(BinOp::Sub, bits, &one)).is_zero()
}

fn object_name(program: &Program, object: ObjectId) -> &str {
    &program.objects[object].name
}

fn operations(program: &Program, ops: &[Op], form: Form, found: &mut Vec<Refusal>) {
    for op in walk::all(ops) {
        op.exprs()
            .into_iter()
            .for_each(|e| expr(program, e, form, found));
        match op {
            Op::Search { object, .. } => found.push(refusal(
                codes::PAYLOAD,
                format!("search in `{}`", object_name(program, *object)),
                "v1model has no access to the payload",
                "run it on a host",
            )),
            Op::Allocate { object, .. } | Op::Touch(object, _) => found.push(refusal(
                codes::OBJECT,
                format!("allocate from `{}`", object_name(program, *object)),
                "v1model has no allocator",
                "run it on a host",
            )),
            Op::CopyVarbit { dst, .. } => found.push(refusal(
                codes::PAYLOAD,
                format!(
                    "copy a field of variable length to `{}`",
                    program.headers[*dst].name
                ),
                "this target copies whole headers only",
                "run it on a host",
            )),
            Op::Notify(object, _) => found.push(refusal(
                codes::OBJECT,
                format!("send `{}`", object_name(program, *object)),
                "BMv2's messages leave on another way than its packets",
                "run it on a host",
            )),
            Op::Random { object, .. } => found.push(refusal(
                codes::OBJECT,
                format!("draw from `{}`", object_name(program, *object)),
                "BMv2 draws other random numbers, which nobody can repeat",
                "run it on a host",
            )),
            Op::AddEntry { table, .. } | Op::SetExpire { table, .. } => {
                found.push(flow_refusal(&program.tables[*table].name));
            }
            Op::Meter {
                object,
                color: Some(_),
                ..
            } => found.push(refusal(
                codes::METER,
                format!("colour-aware meter `{}`", object_name(program, *object)),
                "v1model's meters are colour-blind",
                "use it colour-blind, or run it on a host",
            )),
            _ => {}
        }
    }
}

fn flow_refusal(table: &str) -> Refusal {
    refusal(
        codes::FLOW_TABLE,
        format!("entries that the data path adds to `{table}`"),
        "only the control plane changes v1model's tables",
        "run it on a host",
    )
}

fn table(program: &Program, id: TableId, form: Form, found: &mut Vec<Refusal>) {
    let table = &program.tables[id];
    if table.flow.is_some() {
        found.push(flow_refusal(&table.name));
    }
    if table.selector.is_some() {
        found.push(refusal(
            codes::OBJECT,
            format!("`{}`, whose entries are groups of actions", table.name),
            "BMv2's selectors choose members by another rule",
            "give each entry one action, or run it on a host",
        ));
    }
    table
        .keys
        .iter()
        .for_each(|key| expr(program, &key.expr, form, found));
    for action in table.actions.iter().chain([&table.default.action]) {
        operations(program, &program.actions[*action].ops, form, found);
    }
    direct(program, id, found);
}

/// v1model's direct counters and meters run for every hit, whatever the action says, and belong to
/// one table.
fn direct(program: &Program, id: TableId, found: &mut Vec<Refusal>) {
    let table = &program.tables[id];
    let objects = direct_objects(program, id);
    let is_meter =
        |object: &ObjectId| matches!(program.objects[*object].kind, ObjectKind::Meter { .. });
    let applied = program.control.nodes.values();
    let applied = applied
        .filter(|node| matches!(node.kind, NodeKind::Apply(t, _) if t == id))
        .count();
    for object in &objects {
        let elsewhere = program
            .tables
            .keys()
            .any(|t| t != id && direct_objects(program, t).contains(object));
        let same_kind = objects
            .iter()
            .filter(|o| is_meter(o) == is_meter(object))
            .count();
        let uneven = table.actions.iter().any(|action| {
            let ops = &program.actions[*action].ops;
            let mut uses = 0;
            direct_uses(ops, &mut |used| uses += usize::from(used == *object));
            let plain = ops.iter().filter(|op| is_direct_use(op, *object)).count();
            uses != 1 || plain != 1
        });
        if elsewhere || applied > 1 || same_kind > 1 || uneven {
            found.push(refusal(
                codes::DIRECT,
                format!(
                    "`{}`, which not every hit in `{}` uses exactly once",
                    object_name(program, *object),
                    table.name
                ),
                "v1model's direct counters and meters run on every hit of their one table",
                "index a counter by an action parameter instead",
            ));
        }
    }
}

fn is_direct_use(op: &Op, wanted: ObjectId) -> bool {
    match op {
        Op::Count(object, Index::Entry)
        | Op::Meter {
            object,
            index: Index::Entry,
            ..
        } => *object == wanted,
        _ => false,
    }
}

// ---------------------------------------------------------------------------------------- cost

/// What a node takes, where a stage has at most these bits of each memory.
pub(crate) fn resources(program: &Program, node: NodeId, stage: &Stage) -> Resources {
    match &program.control.nodes[node].kind {
        NodeKind::Apply(id, _) => {
            let table = &program.tables[*id];
            let mut used = table_resources(program, *id);
            let mut objects = Vec::new();
            for action in &table.actions {
                objects.extend(objects_of(&program.actions[*action].ops));
            }
            objects.sort();
            objects.dedup();
            objects
                .iter()
                .for_each(|object| used.add(&object_resources(program, *object)));
            let stages = stage.needed(&used);
            used.with(resource::STAGES, stages)
        }
        NodeKind::Exec(ops, _) => {
            let mut used = Resources::new();
            let mut objects = objects_of(ops);
            objects.sort();
            objects.dedup();
            objects
                .iter()
                .for_each(|object| used.add(&object_resources(program, *object)));
            let stages = stage.needed(&used);
            used.with(resource::STAGES, stages)
        }
        // A condition is evaluated by the stage that it guards.
        NodeKind::Branch(..) | NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {
            Resources::new()
        }
    }
}

/// Memory of one stage, in bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage {
    pub sram: Option<u64>,
    pub tcam: Option<u64>,
}

impl Stage {
    /// The stages that something of this size is spread over: at least one.
    fn needed(&self, used: &Resources) -> u64 {
        let over = |quantity, per_stage: Option<u64>| match (used.get(quantity), per_stage) {
            (Some(bits), Some(per_stage)) if per_stage > 0 => bits.div_ceil(per_stage),
            _ => 1,
        };
        over(resource::SRAM_BITS, self.sram)
            .max(over(resource::TCAM_BITS, self.tcam))
            .max(1)
    }
}

fn objects_of(ops: &[Op]) -> Vec<ObjectId> {
    let object = |op: &&Op| match op {
        Op::Count(object, _) | Op::Meter { object, .. } => Some(*object),
        Op::Read { object, .. } | Op::Write { object, .. } => Some(*object),
        _ => None,
    };
    walk::all(ops).iter().filter_map(object).collect()
}

/// A bit of action data says which action, 8 in all.
const ACTION_BITS: u64 = 8;
/// Bits of a counter cell (packets and bytes) and of a meter cell.
const CELL_BITS: u64 = 128;

fn table_resources(program: &Program, id: TableId) -> Resources {
    let table = &program.tables[id];
    if table.keys.is_empty() {
        return Resources::new();
    }
    let entries = u64::from(table.size).max(table.entries.len() as u64);
    let width = |key: &trisect_ir::Key| u64::from(program.width(&key.expr, &[]));
    let exact = table.keys.iter().all(|key| key.kind == MatchKind::Exact);
    // Each bit of a range key takes two of TCAM, so that any range is a few entries at most.
    let key_bits = table
        .keys
        .iter()
        .map(|key| width(key) * if key.kind == MatchKind::Range { 2 } else { 1 });
    let key_bits: u64 = key_bits.sum();
    let data = table.actions.iter().map(|action| {
        program.actions[*action]
            .params
            .iter()
            .map(|p| u64::from(p.width))
            .sum::<u64>()
    });
    let data_bits = data.max().unwrap_or(0) + ACTION_BITS;
    let (sram, tcam) = if exact {
        (key_bits + data_bits, 0)
    } else {
        (data_bits, key_bits)
    };
    Resources::new()
        .with(resource::ENTRIES, entries)
        .with(resource::SRAM_BITS, entries.saturating_mul(sram))
        .with(resource::TCAM_BITS, entries.saturating_mul(tcam))
}

fn object_resources(program: &Program, object: ObjectId) -> Resources {
    let bits = match program.objects[object].kind {
        ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => {
            u64::from(size.unwrap_or(0)) * CELL_BITS
        }
        ObjectKind::Register { width, size, .. } => u64::from(width) * u64::from(size),
        ObjectKind::PatternSet { .. }
        | ObjectKind::Allocator { .. }
        | ObjectKind::Message { .. }
        | ObjectKind::Random { .. } => 0,
    };
    Resources::new().with(resource::SRAM_BITS, bits)
}

/// What a piece takes in all: memories in sum, a table or object once however many nodes use it;
/// stages by dependencies.
pub(crate) fn total(program: &Program, stage: &Stage) -> Resources {
    let mut used = Resources::new();
    let mut tables = std::collections::BTreeSet::new();
    let takes = |node: NodeId| {
        resources(program, node, stage)
            .get(resource::STAGES)
            .unwrap_or(0)
    };
    let order = trisect_ir::analysis::topological(program);
    for node in &order {
        let again = match program.control.nodes[*node].kind {
            NodeKind::Apply(table, _) => !tables.insert(table),
            _ => false,
        };
        if !again {
            used.add(&resources(program, *node, stage));
        }
    }
    let (stages, _) = trisect_ir::analysis::levels(program, |node| Some(takes(node))).deepest();
    used.with(resource::STAGES, stages)
        .with(resource::PARSER_STATES, program.parser.states.len() as u64)
}
