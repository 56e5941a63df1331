//! Parsers: states with loops over header stacks unrolled.
//!
//! A state of the source becomes one state per position of the stacks that it, or a state behind it,
//! goes on filling. Positions of other stacks make no difference and are not kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trisect_ir::{
    Expr, HeaderId, KeySet, ParseTarget, ParserOp, ParserState, SelectCase, StateId, Transition,
};

use super::types::Type;
use super::value::{Env, Value, similar};
use super::{Elab, ParserContext, R, error, unknown_name, unsupported};
use crate::ast::{self, ExprKind};
use crate::{Span, codes};

/// `parser_error` code of `StackOutOfBounds` in core.p4's order.
const STACK_OUT_OF_BOUNDS: u8 = 3;
/// Unrolled states after which the parser is refused.
const MAX_STATES: usize = 4096;

/// The positions that tell copies of a state apart.
type Cursors = BTreeMap<usize, usize>;

struct Unroll<'a> {
    states: BTreeMap<&'a str, &'a ast::ParserState>,
    /// Stacks whose position matters from a state on.
    uses: BTreeMap<&'a str, BTreeSet<usize>>,
    ids: BTreeMap<(&'a str, Cursors), StateId>,
    work: Vec<(&'a str, Cursors, StateId)>,
}

impl<'a> Elab<'a> {
    /// Elaborates a parser, its parameters declared in `env`, as the program's parser.
    pub(super) fn parser_body(&mut self, decl: &'a ast::ParserDecl, env: &Rc<Env<'a>>) -> R<()> {
        self.parser = Some(ParserContext::default());
        for local in &decl.locals {
            let result = self.local_decl(local, env);
            self.keep_decl(local, result);
        }
        let prelude = self.parser.take().map(|p| p.ops).unwrap_or_default();
        let mut unroll = Unroll {
            states: decl.states.iter().map(|s| (s.name.as_str(), s)).collect(),
            uses: BTreeMap::new(),
            ids: BTreeMap::new(),
            work: Vec::new(),
        };
        if !unroll.states.contains_key("start") {
            return Err(error(
                codes::PARSER,
                decl.proto.name.span,
                format!("the parser `{}` has no state `start`", decl.proto.name.name),
            ));
        }
        self.find_uses(&mut unroll, env);
        let start = self.state(&mut unroll, "start", &Cursors::new());
        while let Some((name, cursors, id)) = unroll.work.pop() {
            if self.ir.parser.states.len() > MAX_STATES {
                return Err(unsupported(
                    decl.proto.name.span,
                    format!("a parser of more than {MAX_STATES} states"),
                ));
            }
            let state = unroll.states[name];
            let result = self.parser_state(&mut unroll, state, cursors, id, env);
            self.parser = None;
            self.keep(result);
        }
        if let Some(first) = self.ir.parser.states.get_mut(start) {
            first.ops.splice(0..0, prelude);
        }
        self.ir.parser.start = Some(start);
        Ok(())
    }

    /// The copy of a state for these positions, made if it is new.
    fn state(&mut self, unroll: &mut Unroll<'a>, name: &'a str, cursors: &Cursors) -> StateId {
        let uses = &unroll.uses[name];
        let kept: Cursors = cursors
            .iter()
            .filter(|(stack, _)| uses.contains(stack))
            .map(|(stack, at)| (*stack, *at))
            .collect();
        if let Some(id) = unroll.ids.get(&(name, kept.clone())) {
            return *id;
        }
        let position: usize = kept.values().sum();
        let text = if position == 0 {
            name.to_owned()
        } else {
            format!("{name}_{position}")
        };
        let unique = self.unique("state", &text);
        let id = self.ir.parser.states.push(ParserState {
            name: unique,
            ops: Vec::new(),
            next: Transition::Goto(ParseTarget::Reject),
        });
        unroll.ids.insert((name, kept.clone()), id);
        unroll.work.push((name, kept, id));
        id
    }

    fn parser_state(
        &mut self,
        unroll: &mut Unroll<'a>,
        state: &'a ast::ParserState,
        cursors: Cursors,
        id: StateId,
        env: &Rc<Env<'a>>,
    ) -> R<()> {
        self.parser = Some(ParserContext {
            ops: Vec::new(),
            cursors,
        });
        let scope = Env::child(env);
        let mut result = Ok(());
        for stmt in &state.stmts {
            result = self.stmt(stmt, &scope);
            if result.is_err() {
                break;
            }
        }
        let next = match (result, &state.transition) {
            (Err(error), _) => Err(error),
            (Ok(()), None) => Ok(Transition::Goto(ParseTarget::Reject)),
            (Ok(()), Some(transition)) => self.transition(unroll, transition, &scope),
        };
        let next = match next {
            // Reading past a stack is an error of the packet, not of the program (spec 12.8.2).
            Err(error) if error.code == codes::STACK_BOUNDS => {
                if let Some(parser) = &mut self.parser {
                    let never = Expr::num(1, 0);
                    parser
                        .ops
                        .push(ParserOp::Verify(never, STACK_OUT_OF_BOUNDS));
                }
                Transition::Goto(ParseTarget::Reject)
            }
            other => other?,
        };
        let ops = self.parser.take().map(|p| p.ops).unwrap_or_default();
        if let Some(done) = self.ir.parser.states.get_mut(id) {
            done.ops = ops;
            done.next = next;
        }
        Ok(())
    }

    fn transition(
        &mut self,
        unroll: &mut Unroll<'a>,
        transition: &'a ast::Transition,
        env: &Rc<Env<'a>>,
    ) -> R<Transition> {
        let select = match transition {
            ast::Transition::Direct(name) => {
                return Ok(Transition::Goto(self.target(unroll, name)?));
            }
            ast::Transition::Select(select) => select,
        };
        let mut keys = Vec::new();
        let mut widths = Vec::new();
        for arg in &select.args {
            let value = self.expr(arg, env, None)?;
            let (ty, expr) = self.scalar(value, arg.span)?;
            widths.push(ty.width().unwrap_or(1));
            keys.push(expr);
        }
        let mut cases = Vec::new();
        for case in &select.cases {
            let target = self.target(unroll, &case.next)?;
            let all = matches!(
                case.keys.as_slice(),
                [ast::Expr {
                    kind: ExprKind::Default | ExprKind::DontCare,
                    ..
                }]
            );
            let sets = if all {
                vec![KeySet::Any; widths.len()]
            } else if case.keys.len() == widths.len() {
                let sets: R<Vec<KeySet>> = case
                    .keys
                    .iter()
                    .zip(&widths)
                    .map(|(key, width)| self.key_set(key, *width, env))
                    .collect();
                sets?
            } else {
                return Err(error(
                    codes::ARGUMENTS,
                    case.span,
                    format!(
                        "{} values are selected on, {} given",
                        widths.len(),
                        case.keys.len()
                    ),
                ));
            };
            cases.push(SelectCase { sets, target });
        }
        Ok(Transition::Select(keys, cases))
    }

    fn target(&mut self, unroll: &mut Unroll<'a>, name: &'a ast::Ident) -> R<ParseTarget> {
        match name.as_str() {
            "accept" => Ok(ParseTarget::Accept),
            "reject" => Ok(ParseTarget::Reject),
            other if unroll.states.contains_key(other) => {
                let cursors = self
                    .parser
                    .as_ref()
                    .map(|p| p.cursors.clone())
                    .unwrap_or_default();
                Ok(ParseTarget::State(self.state(unroll, other, &cursors)))
            }
            other => {
                let known = unroll.states.keys().copied().chain(["accept", "reject"]);
                Err(unknown_name(other, name.span, similar(other, known)))
            }
        }
    }

    /// `extract` and `advance`.
    pub(super) fn parser_method(
        &mut self,
        method: &str,
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let length = |e: &mut Self, arg: &'a ast::Arg| {
            let value = e.expr(&arg.value, env, Some(&Type::Bit(32)))?;
            e.scalar_as(value, &Type::Bit(32), arg.value.span)
        };
        let op = match (method, args) {
            ("advance", [arg]) => ParserOp::Advance(length(self, arg)?),
            ("extract", [header, rest @ ..]) if rest.len() <= 1 => {
                let varbit = match rest.first() {
                    Some(arg) => Some(length(self, arg)?),
                    None => None,
                };
                let header = self.extracted(&header.value, varbit.is_some(), env)?;
                ParserOp::Extract { header, varbit }
            }
            _ => {
                return Err(error(
                    codes::ARGUMENTS,
                    span,
                    format!("`{method}` does not take these arguments"),
                ));
            }
        };
        if let Some(parser) = &mut self.parser {
            parser.ops.push(op);
        }
        Ok(Value::Unit)
    }

    fn extracted(&mut self, header: &'a ast::Expr, sized: bool, env: &Rc<Env<'a>>) -> R<HeaderId> {
        let value = self.expr(header, env, None)?;
        let Value::Header(ty, id) = value else {
            return Err(error(
                codes::TYPE,
                header.span,
                format!("a header is extracted into, and this is {}", value.kind()),
            ));
        };
        let has_varbit = self.ir.header_type(id).varbit().is_some();
        if sized != has_varbit {
            let message = if sized {
                format!(
                    "`{}` has no varbit field that a length could be for",
                    ty.name
                )
            } else {
                format!(
                    "`{}` has a varbit field, whose length must be given",
                    ty.name
                )
            };
            return Err(error(codes::ARGUMENTS, header.span, message));
        }
        if let ExprKind::Member { base, name } = &header.kind
            && name.as_str() == "next"
            && let Value::Stack(stack) = self.expr(base, env, None)?
            && let Some(parser) = &mut self.parser
        {
            *parser.cursors.entry(stack.id).or_insert(0) += 1;
        }
        Ok(id)
    }

    /// `verify(condition, error)`.
    pub(super) fn verify(
        &mut self,
        args: &[Option<&'a ast::Expr>],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        let [Some(condition), Some(signal)] = args else {
            return Err(error(
                codes::ARGUMENTS,
                span,
                "`verify` takes two arguments",
            ));
        };
        if self.parser.is_none() {
            return Err(error(
                codes::MISPLACED,
                span,
                "`verify` can stand in a parser only",
            ));
        }
        let condition = self.condition(condition, env)?;
        let signal_value = self.expr(signal, env, Some(&Type::Error))?;
        let signal_value = self.convert(signal_value, &Type::Error, signal.span)?;
        let code = self.constant(&signal_value, signal.span)?;
        let code = u8::try_from(&code).unwrap_or(u8::MAX);
        if let Some(parser) = &mut self.parser {
            parser.ops.push(ParserOp::Verify(condition, code));
        }
        Ok(Value::Unit)
    }

    /// For each state, the stacks that it or a state behind it goes on filling or reads the last of.
    fn find_uses(&mut self, unroll: &mut Unroll<'a>, env: &Rc<Env<'a>>) {
        let mut nexts: BTreeMap<&'a str, Vec<&'a str>> = BTreeMap::new();
        for (name, state) in &unroll.states {
            let mut bases = Vec::new();
            state.stmts.iter().for_each(|s| stmt_cursors(s, &mut bases));
            let targets = match &state.transition {
                None => Vec::new(),
                Some(ast::Transition::Direct(next)) => vec![next.as_str()],
                Some(ast::Transition::Select(select)) => {
                    select.args.iter().for_each(|e| cursors_in(e, &mut bases));
                    select.cases.iter().map(|c| c.next.as_str()).collect()
                }
            };
            nexts.insert(name, targets);
            let mut stacks = BTreeSet::new();
            for base in bases {
                // An error here comes again, and is reported, when the state is elaborated.
                if let Ok(Value::Stack(stack)) = self.expr(base, env, None) {
                    stacks.insert(stack.id);
                }
            }
            unroll.uses.insert(name, stacks);
        }
        let mut changed = true;
        while changed {
            changed = false;
            for (name, targets) in &nexts {
                let behind: BTreeSet<usize> = targets
                    .iter()
                    .filter_map(|t| unroll.uses.get(t))
                    .flatten()
                    .copied()
                    .collect();
                if let Some(own) = unroll.uses.get_mut(name) {
                    let before = own.len();
                    own.extend(behind);
                    changed |= own.len() > before;
                }
            }
        }
    }
}

fn stmt_cursors<'a>(stmt: &'a ast::Stmt, out: &mut Vec<&'a ast::Expr>) {
    match &stmt.kind {
        ast::StmtKind::Call(call) => cursors_in(call, out),
        ast::StmtKind::Assign { target, value, .. } => {
            cursors_in(target, out);
            cursors_in(value, out);
        }
        ast::StmtKind::Block(block) => block.stmts.iter().for_each(|s| stmt_cursors(s, out)),
        ast::StmtKind::Decl(ast::Decl {
            kind: ast::DeclKind::Var(var),
            ..
        }) => {
            if let Some(init) = &var.init {
                cursors_in(init, out);
            }
        }
        _ => {}
    }
}

/// The stacks whose `next`, `last` or `lastIndex` stands in an expression.
fn cursors_in<'a>(expr: &'a ast::Expr, out: &mut Vec<&'a ast::Expr>) {
    match &expr.kind {
        ExprKind::Member { base, name } => {
            if matches!(name.as_str(), "next" | "last" | "lastIndex") {
                out.push(base);
            }
            cursors_in(base, out);
        }
        ExprKind::Unary { expr, .. } | ExprKind::Cast { expr, .. } => cursors_in(expr, out),
        ExprKind::Binary { lhs, rhs, .. } => {
            cursors_in(lhs, out);
            cursors_in(rhs, out);
        }
        ExprKind::Ternary {
            cond,
            then,
            otherwise,
        } => {
            cursors_in(cond, out);
            cursors_in(then, out);
            cursors_in(otherwise, out);
        }
        ExprKind::Index { base, .. }
        | ExprKind::Slice { base, .. }
        | ExprKind::PlusSlice { base, .. } => cursors_in(base, out),
        ExprKind::Call { callee, args, .. } => {
            cursors_in(callee, out);
            args.iter().for_each(|arg| cursors_in(&arg.value, out));
        }
        ExprKind::List(items) => items.iter().for_each(|e| cursors_in(e, out)),
        _ => {}
    }
}
