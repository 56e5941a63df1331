//! Calls: what is called is put in place of the call, with copy-in and copy-out (specification 6.8).

use std::rc::Rc;

use trisect_ir::Expr;

use super::expr::writes_behind;
use super::externs::{ExternArg, ExternCall};
use super::step::{Label, Step, Then, may_exit, only_ops};
use super::value::{BlockDef, BlockInstance, Footprint, Frame, Names, Value, block_of};
use super::walk::Uses;
use super::{Elab, R, error};
use crate::ast::Direction;
use crate::typed::{
    ActionId, Arg, BuiltIn, Call, Callee, Expr as Typed, FunctionId, Local, Program, Type, VarId,
};
use crate::{Span, codes};

/// What is copied back at the end of a call: from the parameter to the argument.
pub(super) struct CopyOut<'a> {
    argument: Value<'a>,
    parameter: Value<'a>,
    span: Span,
}

/// What a callee touches besides its parameters.
#[derive(Default)]
pub(super) struct Captured {
    touches: Footprint,
    writes: Footprint,
}

impl<'a> Elab<'a> {
    /// A call, and its result.
    pub(super) fn call(&mut self, call: &'a Call, ret: &Type, span: Span) -> R<Value<'a>> {
        self.spend(1)?;
        match &call.callee {
            Callee::Function(id) => self.call_function(*id, call, None, ret, span),
            Callee::Action(id) => {
                self.call_action(*id, call, span)?;
                Ok(Value::Unit)
            }
            Callee::Method { object, method, .. } => {
                let object = self.eval(object)?;
                self.call_method(&object, *method, call, ret, span)
            }
            Callee::Apply { block } => {
                match self.eval(block)? {
                    Value::Block(block) => match block.of {
                        BlockDef::Control(_) => self.apply_control(&block, call, span)?,
                        BlockDef::Parser(_) => {
                            return Err(error(
                                codes::MISPLACED,
                                span,
                                "a parser is applied as a statement of a parser state",
                            ));
                        }
                    },
                    _ => return Err(error(codes::TYPE, span, "this cannot be applied")),
                }
                Ok(Value::Unit)
            }
            Callee::Table(id) => {
                self.apply_table(*id, Then::Nothing, span)?;
                Ok(Value::Unit)
            }
            Callee::BuiltIn(which, of) => self.built_in(*which, of, &call.args, span),
        }
    }

    fn built_in(
        &mut self,
        which: BuiltIn,
        of: &'a Typed,
        args: &'a [Arg],
        span: Span,
    ) -> R<Value<'a>> {
        let value = self.eval(of)?;
        match which {
            BuiltIn::IsValid => return Ok(Value::Bits(self.validity(&value, span)?)),
            BuiltIn::SetValid => self.set_validity(&value, true, span)?,
            BuiltIn::SetInvalid => self.set_validity(&value, false, span)?,
            BuiltIn::PushFront | BuiltIn::PopFront => {
                let Some(count) = args.first().and_then(|arg| arg.value.as_ref()) else {
                    return Err(error(codes::ARGUMENTS, span, "one number is needed"));
                };
                let number = self.eval(count)?;
                let number = self.number(&number, &count.ty, count.span)?;
                let number = usize::try_from(&number).unwrap_or(usize::MAX);
                self.shift_stack(&value, number, which == BuiltIn::PushFront, span)?;
            }
        }
        Ok(Value::Unit)
    }

    // ------------------------------------------------------------------------------ arguments

    /// Evaluates arguments in the order in which they were written and binds the parameters in `into`.
    ///
    /// An argument is copied unless nobody can tell: the parameter then is the argument itself.
    pub(super) fn bind(
        &mut self,
        params: &'a [VarId],
        args: &'a [Arg],
        order: &[u32],
        into: &Frame<'a>,
        captured: &Captured,
        copy_all: bool,
    ) -> R<Vec<CopyOut<'a>>> {
        let tree = self.tree;
        let mut order: Vec<usize> = order.iter().map(|i| *i as usize).collect();
        // Default values come last.
        let rest: Vec<usize> = (0..args.len()).filter(|i| !order.contains(i)).collect();
        order.extend(rest);
        let mut evaluated = Vec::with_capacity(args.len());
        for at in &order {
            let value = args.get(*at).and_then(|arg| arg.value.as_ref());
            let (steps, value) = self.collect(|e| match value {
                Some(value) => Ok(Some(e.eval(value)?)),
                None => Ok(None),
            })?;
            evaluated.push((*at, steps, value));
        }
        let behind = writes_behind(evaluated.iter().map(|(_, steps, _)| steps.as_slice()));
        let prints: Vec<Footprint> = evaluated
            .iter()
            .map(|(_, _, value)| {
                value
                    .as_ref()
                    .map_or_else(Footprint::default, |v| self.footprint(v))
            })
            .collect();
        let mut outs: Vec<(usize, CopyOut<'a>)> = Vec::new();
        let mut fresh = Vec::new();
        for (i, (at, steps, value)) in evaluated.into_iter().enumerate() {
            self.out.extend(steps);
            let (Some(arg), Some(&param)) = (args.get(at), params.get(at)) else {
                continue;
            };
            let var = &tree.vars[param];
            let ty = Program::substitute(&var.ty, &into.types.0, &into.types.1);
            let span = arg.value.as_ref().map_or(var.span, |value| value.span);
            let changes = behind.get(i).is_some_and(|later| {
                matches!((later, prints.get(i)), (Some(later), Some(own)) if later.meets(own))
            });
            let own = prints.get(i).cloned().unwrap_or_default();
            let writes = matches!(arg.direction, Direction::Out | Direction::InOut);
            let alias = !copy_all
                && !changes
                && value.as_ref().is_some_and(is_alias)
                && match writes {
                    false => !own.meets(&captured.writes),
                    true => {
                        !own.meets(&captured.touches)
                            && !prints
                                .iter()
                                .enumerate()
                                .any(|(j, other)| j != i && own.meets(other))
                    }
                };
            match value {
                Some(value) if is_reference(&value) || alias => {
                    if arg.direction == Direction::Out {
                        fresh.push(value.clone());
                    }
                    into.bind(param, value);
                }
                value => {
                    let parameter = match into.vars.borrow().get(&param) {
                        Some(known) if copy_all => Some(known.clone()),
                        _ => None,
                    };
                    let parameter = match parameter {
                        Some(known) => known,
                        None => {
                            if value.is_none() && !writes {
                                // An `@optional` argument that is not given.
                                continue;
                            }
                            let name = format!("{}.{}", into.names.reason, var.name);
                            self.storage(&ty, &name, span)?
                        }
                    };
                    match (arg.direction, &value) {
                        (Direction::Out, _) | (_, None) => fresh.push(parameter.clone()),
                        (_, Some(value)) => self.assign(&parameter, value, span)?,
                    }
                    into.bind(param, parameter.clone());
                    if let (true, Some(argument)) = (writes, value) {
                        outs.push((
                            at,
                            CopyOut {
                                argument,
                                parameter,
                                span,
                            },
                        ));
                    }
                }
            }
        }
        // Out parameters begin undefined, headers in them invalid; only now, as other arguments may have been
        // read from there.
        for value in fresh {
            self.invalidate(&value)?;
        }
        // Copy-out is in the order of the parameters.
        outs.sort_by_key(|(at, _)| *at);
        Ok(outs.into_iter().map(|(_, out)| out).collect())
    }

    /// Copies back.
    pub(super) fn copy_out(&mut self, outs: &[CopyOut<'a>]) -> R<Vec<Step>> {
        let (steps, ()) = self.collect(|e| {
            for out in outs {
                e.assign(&out.argument, &out.parameter, out.span)?;
            }
            Ok(())
        })?;
        Ok(steps)
    }

    /// What an action touches besides its parameters, where it stands. Only its arguments ask for that, so that nothing
    /// is looked at for an action without any: a footprint may be as large as all headers together.
    pub(super) fn captured(&self, action: ActionId, args: &[Arg], block: &Frame<'a>) -> Captured {
        if args.is_empty() {
            return Captured::default();
        }
        let uses = Uses::of_action(self.tree, action);
        let print = |ids: &std::collections::BTreeSet<VarId>| {
            let mut found = Footprint::default();
            for id in ids.difference(&uses.declared) {
                if let Some(value) = block.var(*id) {
                    self.add_footprint(&value, &mut found);
                }
            }
            found
        };
        let writes = print(&uses.writes);
        let mut touches = print(&uses.reads);
        touches.add(writes.clone());
        Captured { touches, writes }
    }

    // ------------------------------------------------------------------------------- inlining

    /// A function with a body, or an extern one.
    fn call_function(
        &mut self,
        id: FunctionId,
        call: &'a Call,
        this: Option<(Value<'a>, Rc<Frame<'a>>)>,
        ret: &Type,
        span: Span,
    ) -> R<Value<'a>> {
        let tree = self.tree;
        let function = &tree.functions[id];
        let Some(body) = &function.body else {
            let call = self.extern_call(id, call, ret, span)?;
            return self.extern_function(&call);
        };
        let types: Vec<Type> = call.type_args.iter().map(|ty| self.ty(ty)).collect();
        let mut frame = Frame::new(None, self.frame.names.clone());
        frame.types = (function.type_params.clone(), types);
        if let Some((object, declared)) = this {
            frame.this = Some(object);
            frame.parent = Some(declared);
        }
        let outs = self.bind(
            &function.params,
            &call.args,
            &call.order,
            &frame,
            &Captured::default(),
            false,
        )?;
        if let ([only], true) = (body.as_slice(), outs.is_empty())
            && let crate::typed::StmtKind::Return(Some(value)) = &only.kind
        {
            return self.with_frame(Rc::new(frame), |e| e.eval(value));
        }
        let label = self.new_label();
        let result = match self.tree.base(ret) {
            Type::Void => Value::Unit,
            _ => {
                let name = self.local_name(&format!("{}.result", function.name));
                self.storage(ret, &name, span)?
            }
        };
        self.invalidate(&result)?;
        frame.result = Some((label, result.clone()));
        let (steps, ()) = self.with_frame(Rc::new(frame), |e| e.collect(|e| e.statements(body)))?;
        let ending = self.copy_out(&outs)?;
        self.inline(label, steps, ending, span)?;
        Ok(result)
    }

    /// Appends the steps of a function: as operations where that is possible, so that they stay together.
    fn inline(&mut self, label: Label, steps: Vec<Step>, ending: Vec<Step>, span: Span) -> R<()> {
        let scope = Step::Scope {
            label,
            steps,
            ending,
            catches_exit: false,
        };
        let scope = [scope];
        if self.parser.is_none() && only_ops(&scope) && !may_exit(&scope) {
            for op in self.operations(&scope, span)? {
                self.emit(op);
            }
        } else {
            self.out.extend(scope);
        }
        Ok(())
    }

    /// An action called directly.
    fn call_action(&mut self, id: ActionId, call: &'a Call, span: Span) -> R<()> {
        let tree = self.tree;
        let action = &tree.actions[id];
        let block = self.action_block(id);
        let names = self.action_names(id, &block);
        let name = self.action_name(id, &block);
        let mut frame = Frame::new(Some(block.clone()), names);
        let label = self.new_label();
        frame.result = Some((label, Value::Unit));
        let captured = self.captured(id, &call.args, &block);
        let (mut all, outs) = self.collect(|e| {
            e.bind(
                &action.params,
                &call.args,
                &call.order,
                &frame,
                &captured,
                false,
            )
        })?;
        let (steps, ()) = self.with_frame(Rc::new(frame), |e| {
            e.collect(|e| e.statements(&action.body))
        })?;
        let ending = self.copy_out(&outs)?;
        all.push(Step::Scope {
            label,
            steps,
            ending,
            catches_exit: false,
        });
        if may_exit(&all) || !only_ops(&all) {
            self.out.extend(all);
        } else {
            let ops = self.operations(&all, span)?;
            self.out.push(Step::Ops {
                name: Some(name),
                ops,
            });
        }
        Ok(())
    }

    /// The frame of the block that an action stands in: the one in work, or none for an action at top level.
    pub(super) fn action_block(&self, id: ActionId) -> Rc<Frame<'a>> {
        match self.global_actions.contains(&id) {
            true => self.root.clone(),
            false => block_of(&self.frame),
        }
    }

    /// Names within an action.
    pub(super) fn action_names(&self, id: ActionId, block: &Frame<'a>) -> Names {
        let name = &self.tree.actions[id].name;
        Names {
            reason: match block.names.block.as_str() {
                "" => name.clone(),
                block => format!("{block}.{name}"),
            },
            ..block.names.clone()
        }
    }

    /// The control plane's name of an action.
    pub(super) fn action_name(&self, id: ActionId, block: &Frame<'a>) -> String {
        let action = &self.tree.actions[id];
        super::instance::control_name(&block.names.prefix, &action.name, &action.annotations)
    }

    /// A control applied within another.
    fn apply_control(
        &mut self,
        block: &Rc<BlockInstance<'a>>,
        call: &'a Call,
        span: Span,
    ) -> R<()> {
        let BlockDef::Control(control) = block.of else {
            return Err(error(codes::TYPE, span, "a control is needed here"));
        };
        let frame = block.frame.clone();
        let outs = self.bind(
            &control.params,
            &call.args,
            &call.order,
            &frame,
            &Captured::default(),
            block.shared,
        )?;
        let (steps, ()) = self.with_frame(frame, |e| e.collect(|e| e.control_body(block)))?;
        let ending = self.copy_out(&outs)?;
        if let Some((label, _)) = &block.frame.result {
            self.out.push(Step::Scope {
                label: *label,
                steps,
                ending,
                catches_exit: false,
            });
        }
        Ok(())
    }

    /// A control's declarations and `apply` block, in its frame.
    pub(super) fn control_body(&mut self, block: &BlockInstance<'a>) -> R<()> {
        let BlockDef::Control(control) = block.of else {
            return Ok(());
        };
        self.locals(&control.locals, block)?;
        self.statements(&control.body)
    }

    /// What is declared in a block: variables each time that it is applied, the rest once.
    pub(super) fn locals(&mut self, locals: &'a [Local], block: &BlockInstance<'a>) -> R<()> {
        let first = !block.ready.replace(true);
        for local in locals {
            let result = match local {
                Local::Var(id, init) => self.declare(*id, init.as_ref(), !first || block.shared),
                Local::Instance(id) if first => self.instance(*id, control_span(block)).map(|_| ()),
                Local::Table(id) if first => self.declare_table(*id),
                _ => Ok(()),
            };
            self.keep(result);
        }
        Ok(())
    }

    /// A variable, with its initial value. Without one, headers in it are made invalid if they may have been
    /// used before.
    pub(super) fn declare(&mut self, id: VarId, init: Option<&'a Typed>, again: bool) -> R<()> {
        let var = &self.tree.vars[id];
        let ty = self.ty(&var.ty);
        let known = self.frame.vars.borrow().get(&id).cloned();
        let again = again || known.is_some();
        // The initial value cannot name the variable, but may be computed before its storage is there.
        let value = match init {
            Some(init) => Some((self.eval(init)?, init.span)),
            None => None,
        };
        let storage = match known {
            Some(known) => known,
            None => {
                let name = match self.frame.names.block.as_str() {
                    "" => var.name.clone(),
                    block => format!("{block}.{}", var.name),
                };
                self.storage(&ty, &name, var.span)?
            }
        };
        self.frame.bind(id, storage.clone());
        match value {
            Some((value, span)) => self.assign(&storage, &value, span),
            None if again => self.invalidate(&storage),
            None => Ok(()),
        }
    }

    // -------------------------------------------------------------------------------- externs

    /// The arguments of a call of something extern, evaluated in order.
    pub(super) fn extern_call(
        &mut self,
        function: FunctionId,
        call: &'a Call,
        ret: &Type,
        span: Span,
    ) -> R<ExternCall<'a>> {
        let tree = self.tree;
        let def = &tree.functions[function];
        let mut order: Vec<usize> = call.order.iter().map(|i| *i as usize).collect();
        let rest: Vec<usize> = (0..call.args.len())
            .filter(|i| !order.contains(i))
            .collect();
        order.extend(rest);
        let given: Vec<(usize, &'a Typed)> = order
            .iter()
            .filter_map(|at| Some((*at, call.args.get(*at)?.value.as_ref()?)))
            .collect();
        let exprs: Vec<&'a Typed> = given.iter().map(|(_, expr)| *expr).collect();
        let values = self.sequence_of(&exprs)?;
        let mut args: Vec<ExternArg<'a>> = Vec::with_capacity(call.args.len());
        for (at, arg) in call.args.iter().enumerate() {
            let ty = match (&arg.value, def.params.get(at)) {
                (Some(value), _) => self.ty(&value.ty),
                (None, Some(param)) => self.ty(&tree.vars[*param].ty),
                (None, None) => Type::Void,
            };
            args.push(ExternArg {
                value: None,
                expr: arg.value.as_ref(),
                ty,
                span: arg.value.as_ref().map_or(span, |value| value.span),
            });
        }
        for ((at, _), value) in given.iter().zip(values) {
            if let Some(arg) = args.get_mut(*at) {
                arg.value = Some(value);
            }
        }
        Ok(ExternCall {
            name: &def.name,
            args,
            ret: ret.clone(),
            type_args: call.type_args.iter().map(|ty| self.ty(ty)).collect(),
            span,
        })
    }

    fn call_method(
        &mut self,
        object: &Value<'a>,
        method: FunctionId,
        call: &'a Call,
        ret: &Type,
        span: Span,
    ) -> R<Value<'a>> {
        if let Value::Object(found) = object
            && let Some((_, body)) = found.instance.methods.iter().find(|(of, _)| *of == method)
        {
            let this = Some((object.clone(), found.frame.clone()));
            return self.call_function(*body, call, this, ret, span);
        }
        let call = self.extern_call(method, call, ret, span)?;
        match object {
            Value::Packet => self.packet_method(&call),
            Value::Object(object) => self.extern_method(object, &call),
            _ => Err(error(codes::TYPE, span, "this has no methods")),
        }
    }
}

/// Whether a parameter can be the value itself, if nobody changes it meanwhile.
fn is_alias(value: &Value<'_>) -> bool {
    match value {
        Value::Bits(expr) => matches!(
            expr,
            Expr::Const(_) | Expr::Field(_) | Expr::Meta(_) | Expr::Param(_) | Expr::Valid(_)
        ),
        Value::Choice(..) | Value::Made(_) => false,
        Value::Given(_) => true,
        Value::Fields(fields) => fields.iter().all(is_alias),
        _ => true,
    }
}

/// What is passed as itself: objects, compile-time values.
fn is_reference(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Object(_)
            | Value::Block(_)
            | Value::Packet
            | Value::Str(_)
            | Value::Int(_)
            | Value::Unit
            | Value::Empty
    )
}

fn control_span(block: &BlockInstance<'_>) -> Span {
    match block.of {
        BlockDef::Control(control) => control.span,
        BlockDef::Parser(parser) => parser.span,
    }
}
