//! What v1model cannot do, with the reason.

use trisect_ir::{
    BinOp, Expr, HashAlgorithm, HeaderId, Index, NodeId, NodeKind, ObjectId, ObjectKind, Op,
    ParserOp, Program, TableId, Transition, eval,
};
use trisect_target::{LowerError, Refusal};

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
    found.extend(limits::length(program, node));
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
    found.extend(limits::length_of_all(program));
    found.extend(limits::of(program));
    found.sort();
    found.dedup();
    found
}

/// P4 text for v1model that makes headers valid in the parser is not written; BMv2 itself does it.
fn header_in_parser(program: &Program, op: &ParserOp, form: Form) -> Option<Refusal> {
    if let ParserOp::CopyVarbit { dst, .. } = op {
        return Some(varbit_copy(program, *dst));
    }
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

fn varbit_copy(program: &Program, to: HeaderId) -> Refusal {
    refusal(
        codes::PAYLOAD,
        format!(
            "copy a field of variable length to `{}`",
            program.headers[to].name
        ),
        "this target copies whole headers only",
        "run it on a host",
    )
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
            Op::CopyVarbit { dst, .. } => found.push(varbit_copy(program, *dst)),
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
