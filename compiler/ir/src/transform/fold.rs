//! Computing at compile time what is constant.

use super::unreachable::remove_unreachable;
use crate::eval::{self, Env};
use crate::{
    BinOp, Bits, Expr, FieldRef, HeaderId, MetaId, NodeKind, Op, Param, ParserOp, Program,
    Transition, UnOp,
};

/// Replaces expressions by their values where these do not depend on the packet, takes the one arm
/// of choices that are decided, and removes branches that always go one way.
///
/// In the parser only operators on constants are computed, since looking ahead may fail.
pub fn fold_constants(program: &mut Program) {
    super::pass("fold_constants", program, run);
}

fn run(program: &mut Program) {
    fold_parser(program);
    let shapes = program.clone();
    for action in program.actions.values_mut() {
        let params = action.params.clone();
        fold_ops(&mut action.ops, &shapes, &params);
    }
    for table in program.tables.values_mut() {
        for expr in table.exprs_mut() {
            fold(expr, &shapes, &[]);
        }
    }
    for node in program.control.nodes.values_mut() {
        match &mut node.kind {
            NodeKind::Exec(ops, _) => fold_ops(ops, &shapes, &[]),
            NodeKind::Branch(cond, yes, no) => {
                fold(cond, &shapes, &[]);
                let decided = if yes == no {
                    Some(*yes)
                } else {
                    constant(cond).map(|c| if c.is_zero() { *no } else { *yes })
                };
                if let Some(next) = decided {
                    node.kind = NodeKind::Exec(vec![], next);
                }
            }
            _ => {}
        }
    }
    skip_empty_nodes(program);
    remove_unreachable(program);
}

fn fold_parser(program: &mut Program) {
    for state in program.parser.states.values_mut() {
        let transition = match &mut state.next {
            Transition::Select(keys, _) => keys.iter_mut().collect(),
            Transition::Goto(_) => vec![],
        };
        let ops = state.ops.iter_mut().flat_map(ParserOp::exprs_mut);
        for expr in ops.chain(transition) {
            expr.walk_mut(&mut compute);
        }
    }
}

fn fold_ops(ops: &mut Vec<Op>, program: &Program, params: &[Param]) {
    let mut folded = Vec::with_capacity(ops.len());
    for mut op in std::mem::take(ops) {
        for expr in op.exprs_mut() {
            fold(expr, program, params);
        }
        if let Op::If(cond, yes, no) = &mut op {
            fold_ops(yes, program, params);
            fold_ops(no, program, params);
            match constant(cond) {
                Some(c) if c.is_zero() => folded.append(no),
                Some(_) => folded.append(yes),
                None if yes.is_empty() && no.is_empty() => {}
                None => folded.push(op),
            }
        } else {
            folded.push(op);
        }
    }
    *ops = folded;
}

/// The value of a constant.
fn constant(expr: &Expr) -> Option<&Bits> {
    match expr {
        Expr::Const(bits) => Some(bits),
        _ => None,
    }
}

fn fold(expr: &mut Expr, program: &Program, params: &[Param]) {
    expr.walk_mut(&mut |e| {
        compute(e);
        simplify(e, program, params);
    });
}

/// Nothing is known about the packet.
struct Nothing;

impl Env for Nothing {
    fn field(&self, _: FieldRef) -> Bits {
        Bits::zero(0)
    }
    fn meta(&self, _: MetaId) -> Bits {
        Bits::zero(0)
    }
    fn param(&self, _: u32) -> Bits {
        Bits::zero(0)
    }
    fn valid(&self, _: HeaderId) -> bool {
        false
    }
    fn lookahead(&self, _: u32, _: u32) -> Bits {
        Bits::zero(0)
    }
    fn frame(&self) -> &[u8] {
        &[]
    }
    fn varbit(&self, _: HeaderId) -> &[u8] {
        &[]
    }
    fn payload(&self) -> &[u8] {
        &[]
    }
}

/// Computes an operator whose operands are all constant.
fn compute(expr: &mut Expr) {
    let reads = matches!(
        expr,
        Expr::Const(_)
            | Expr::Field(_)
            | Expr::Meta(_)
            | Expr::Param(_)
            | Expr::Valid(_)
            | Expr::Lookahead { .. }
            | Expr::Frame { .. }
            | Expr::FrameLen
            | Expr::Varbit(_)
            | Expr::Payload
            | Expr::VarbitLen(_)
            | Expr::VarbitEq(..)
    );
    if !reads && expr.children().iter().all(|c| constant(c).is_some()) {
        *expr = Expr::Const(eval::eval(expr, &Nothing));
    }
}

/// Laws that hold for any operands. Expressions have no effects outside the parser, so operands
/// may go.
fn simplify(expr: &mut Expr, program: &Program, params: &[Param]) {
    let width = program.width(expr, params);
    let simpler = match expr {
        Expr::Mux(cond, a, b) => match constant(cond) {
            Some(c) if c.is_zero() => Some(take(b)),
            Some(_) => Some(take(a)),
            None if a == b => Some(take(a)),
            None => None,
        },
        Expr::Resize(a, _) | Expr::SignResize(a, _) if program.width(a, params) == width => {
            Some(take(a))
        }
        Expr::Slice(a, _, 0) if program.width(a, params) == width => Some(take(a)),
        Expr::Unary(op, a) => match &mut **a {
            Expr::Unary(inner, b) if op == inner => Some(take(b)),
            _ => None,
        },
        Expr::Binary(op, a, b) => identity(*op, a, b, width),
        _ => None,
    };
    if let Some(simpler) = simpler {
        *expr = simpler;
    }
}

fn take(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::FrameLen)
}

/// `x & 0`, `x | 0`, `x + 0` and the like.
fn identity(op: BinOp, a: &mut Expr, b: &mut Expr, width: u32) -> Option<Expr> {
    let is_zero = |e: &Expr| constant(e).is_some_and(Bits::is_zero);
    let is_ones = |e: &Expr| constant(e).is_some_and(|c| *c == Bits::ones(c.width()));
    let zero = || Expr::Const(Bits::zero(width));
    match op {
        BinOp::And if is_zero(a) || is_zero(b) => Some(zero()),
        BinOp::And if is_ones(a) => Some(take(b)),
        BinOp::And if is_ones(b) => Some(take(a)),
        BinOp::Or if is_ones(a) || is_ones(b) => Some(Expr::Const(Bits::ones(width))),
        BinOp::Or | BinOp::Xor | BinOp::Add if is_zero(a) => Some(take(b)),
        BinOp::Or | BinOp::Xor | BinOp::Add | BinOp::Sub | BinOp::Shl | BinOp::Shr | BinOp::Sar
            if is_zero(b) =>
        {
            Some(take(a))
        }
        // A width-1 value compared with a constant is itself or its complement.
        BinOp::Eq | BinOp::Ne => {
            let value = constant(b).filter(|c| c.width() == 1)?;
            let same = value.is_zero() == (op == BinOp::Ne);
            let a = take(a);
            Some(if same {
                a
            } else {
                Expr::Unary(UnOp::Not, Box::new(a))
            })
        }
        _ => None,
    }
}

/// Lets control go past `Exec` nodes that do nothing.
fn skip_empty_nodes(program: &mut Program) {
    let nodes = &program.control.nodes;
    let past: Vec<_> = nodes
        .keys()
        .map(|start| {
            let mut at = start;
            while let NodeKind::Exec(ops, next) = &nodes[at].kind
                && ops.is_empty()
            {
                at = *next;
            }
            at
        })
        .collect();
    for node in program.control.nodes.values_mut() {
        for next in node.kind.successors_mut() {
            *next = past[next.0 as usize];
        }
    }
    if let Some(entry) = &mut program.control.entry {
        *entry = past[entry.0 as usize];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify;

    fn folded(expr: &str) -> String {
        let source = format!(
            "program p type t {{ a: 8 b: 8 }} header h: t meta x: 8
             entry n node n: exec {{ $x = {expr} }} -> e node e: emit deparser h"
        );
        let mut program: Program = source.parse().unwrap();
        verify(&program).unwrap();
        fold_constants(&mut program);
        verify(&program).unwrap();
        match &program.control.nodes.values().next().unwrap().kind {
            NodeKind::Exec(ops, _) => crate::text::op_text(&program, &[], &ops[0]),
            _ => String::new(),
        }
    }

    #[test]
    fn constants_and_identities() {
        for (from, to) in [
            ("(8w0xff + 8w0x2)", "$x = 8w0x1"),
            ("((h.a & 8w0xff) + 8w0x0)", "$x = h.a"),
            ("(h.a & (8w0x1 - 8w0x1))", "$x = 8w0x0"),
            ("mux((8w0x1 == 8w0x1), h.a, h.b)", "$x = h.a"),
            ("mux(valid(h), h.b, h.b)", "$x = h.b"),
            ("(h.a[7:0] as 8)", "$x = h.a"),
            ("--h.a", "$x = h.a"),
            ("((valid(h) == 1w0x0) as 8)", "$x = (!valid(h) as 8)"),
            ("(crc16(8w0x31)[7:0] | h.a)", "$x = (8w0xc1 | h.a)"),
        ] {
            assert_eq!(folded(from), to, "{from}");
        }
    }

    #[test]
    fn decided_branches_go() {
        let source = "program p meta x: 8
            entry a
            node a: if (8w0x1 == 8w0x2) -> b else -> c
            node b: exec { $x = 8w0x1 } -> d
            node c: exec { if (1w0x0 | 1w0x1) { } else { $x = 8w0x7 } } -> d
            node d: emit";
        let mut program: Program = source.parse().unwrap();
        fold_constants(&mut program);
        verify(&program).unwrap();
        assert_eq!(program.control.nodes.len(), 1);
    }
}
