//! Calls: methods, functions, actions called directly, sub-controls.

use std::rc::Rc;

use trisect_ir::{Expr, Op, StdMeta};

use super::step::{Step, to_ops};
use super::types::Type;
use super::value::{ActionDef, BlockDecl, BlockInstance, Env, TableDef, Value};
use super::{Context, Elab, R, error, unsupported};
use crate::ast::{self, Direction, ExprKind};
use crate::{Diagnostic, Span, codes};

impl<'a> Elab<'a> {
    pub(super) fn call(
        &mut self,
        callee: &'a ast::Expr,
        type_args: &'a [ast::TypeRef],
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        match &callee.kind {
            ExprKind::Path(path) => match self.lookup(env, path)? {
                Value::Action(def) => {
                    self.inlined(&def.name, span, |e| e.call_action(&def, args, env, span))
                }
                Value::Function(decl) => {
                    let name = decl.proto.name.as_str();
                    self.inlined(name, span, |e| e.call_function(decl, args, env, span))
                }
                Value::ExternFunction(name) => self.call_extern_function(&name, args, env, span),
                other => Err(error(
                    codes::TYPE,
                    callee.span,
                    format!(
                        "`{}` is {}, which cannot be called",
                        path.as_str(),
                        other.kind()
                    ),
                )),
            },
            ExprKind::Member { base, name } => {
                self.call_method(base, name, type_args, args, env, span)
            }
            _ => Err(error(codes::TYPE, callee.span, "this cannot be called")),
        }
    }

    fn call_method(
        &mut self,
        base: &'a ast::Expr,
        name: &'a ast::Ident,
        type_args: &'a [ast::TypeRef],
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        match (self.expr(base, env, None)?, name.as_str()) {
            (Value::Header(_, header), "isValid") => {
                Ok(Value::Expr(Type::Bool, Expr::Valid(header)))
            }
            (Value::Header(_, header), "setValid") => {
                self.only_in_control(span, "setValid")?;
                self.emit(Op::SetValid(header));
                Ok(Value::Unit)
            }
            (Value::Header(_, header), "setInvalid") => {
                self.only_in_control(span, "setInvalid")?;
                self.emit(Op::SetInvalid(header));
                Ok(Value::Unit)
            }
            (Value::Stack(stack), "push_front" | "pop_front") => {
                self.only_in_control(span, "push_front")?;
                let count = match args {
                    [arg] => {
                        let value = self.expr(&arg.value, env, None)?;
                        self.constant(&value, arg.value.span)?
                    }
                    _ => return Err(error(codes::ARGUMENTS, span, "one number is needed")),
                };
                let count = usize::try_from(&count)
                    .unwrap_or(usize::MAX)
                    .min(stack.headers.len());
                self.shift_stack(&stack.headers, count, name.as_str() == "push_front");
                Ok(Value::Unit)
            }
            (Value::Table(def), "apply") => {
                self.apply_table(&def, span)?;
                Ok(Value::Unit)
            }
            (Value::Block(block), "apply") => {
                let name = match block.decl {
                    BlockDecl::Control(decl) => decl.proto.name.as_str(),
                    BlockDecl::Parser(decl) => decl.proto.name.as_str(),
                };
                self.inlined(name, span, |e| e.apply_block(&block, args, env, span))?;
                Ok(Value::Unit)
            }
            (Value::Packet, method) => self.packet_method(method, name, type_args, args, env, span),
            (Value::Extern(object), _) => self.extern_method(&object, name, args, env, span),
            (value, "minSizeInBits" | "maxSizeInBits" | "minSizeInBytes" | "maxSizeInBytes") => {
                self.size_method(&value, name, span)
            }
            (other, _) => Err(error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("{} has no method `{}`", other.kind(), name.name),
            )),
        }
    }

    fn size_method(&mut self, value: &Value<'a>, name: &ast::Ident, span: Span) -> R<Value<'a>> {
        let Some(bits) = self.type_of(value).and_then(|ty| ty.bits()) else {
            return Err(unsupported(span, "the size of this"));
        };
        Ok(Value::Int(if name.as_str().ends_with("Bits") {
            bits.into()
        } else {
            bits.div_ceil(8).into()
        }))
    }

    fn shift_stack(&mut self, headers: &[trisect_ir::HeaderId], count: usize, push: bool) {
        let size = headers.len();
        if push {
            for i in (count..size).rev() {
                let (dst, src) = (headers[i], headers[i - count]);
                self.emit(Op::Copy { dst, src });
            }
            for &header in &headers[..count] {
                self.emit(Op::SetInvalid(header));
            }
        } else {
            for i in 0..size - count {
                let (dst, src) = (headers[i], headers[i + count]);
                self.emit(Op::Copy { dst, src });
            }
            for &header in &headers[size - count..] {
                self.emit(Op::SetInvalid(header));
            }
        }
    }

    fn packet_method(
        &mut self,
        method: &str,
        name: &ast::Ident,
        type_args: &'a [ast::TypeRef],
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        match (method, self.parser.is_some()) {
            ("extract" | "advance", true) => self.parser_method(method, args, env, span),
            ("lookahead", true) => match type_args {
                [ty] => {
                    let ty = self.resolve(ty, env)?;
                    self.lookahead(&ty, &mut 0, span)
                }
                _ => Err(error(
                    codes::ARGUMENTS,
                    span,
                    "`lookahead` needs to know what to look at: lookahead<bit<8>>()",
                )),
            },
            ("length", _) => Ok(self.standard(StdMeta::PacketLength, Type::Bit(32))),
            ("emit", false) => self.emit_header(args, env, span),
            ("extract" | "advance" | "lookahead", false) => Err(error(
                codes::MISPLACED,
                span,
                format!("`{method}` can stand in a parser only"),
            )),
            _ => Err(error(
                codes::UNKNOWN_NAME,
                name.span,
                format!("the packet has no method `{method}`"),
            )),
        }
    }

    fn emit_header(&mut self, args: &'a [ast::Arg], env: &Rc<Env<'a>>, span: Span) -> R<Value<'a>> {
        let [arg] = args else {
            return Err(error(codes::ARGUMENTS, span, "`emit` takes one header"));
        };
        let value = self.expr(&arg.value, env, None)?;
        self.emit_value(&value, arg.value.span)?;
        Ok(Value::Unit)
    }

    fn emit_value(&mut self, value: &Value<'a>, span: Span) -> R<()> {
        match value {
            Value::Header(_, header) => {
                if self.ir.deparser.contains(header) {
                    return Err(unsupported(span, "emitting a header twice"));
                }
                self.ir.deparser.push(*header);
                Ok(())
            }
            Value::Stack(stack) => {
                self.ir.deparser.extend(&stack.headers);
                Ok(())
            }
            Value::Struct(_, fields) => fields
                .iter()
                .try_for_each(|field| self.emit_value(field, span)),
            other => Err(error(
                codes::TYPE,
                span,
                format!("`emit` takes headers, and this is {}", other.kind()),
            )),
        }
    }

    /// Arguments in the order of the parameters, by position or by name.
    pub(super) fn bind_arguments(
        &mut self,
        params: &'a [ast::Param],
        args: &'a [ast::Arg],
        span: Span,
    ) -> R<Vec<Option<&'a ast::Expr>>> {
        let mut bound: Vec<Option<&'a ast::Expr>> = vec![None; params.len()];
        for (i, arg) in args.iter().enumerate() {
            let at = match &arg.name {
                None => i,
                Some(name) => params
                    .iter()
                    .position(|p| p.name.name == name.name)
                    .ok_or_else(|| {
                        super::expr::no_member(
                            "the parameter list",
                            name,
                            params.iter().map(|p| p.name.as_str()),
                        )
                    })?,
            };
            match bound.get_mut(at) {
                Some(place @ None) => *place = Some(&arg.value),
                Some(Some(_)) => {
                    return Err(error(
                        codes::ARGUMENTS,
                        arg.value.span,
                        "this argument is given twice",
                    ));
                }
                None => return Err(argument_count(params.len(), args.len(), span)),
            }
        }
        let missing = params.iter().zip(&bound).any(|(param, arg)| {
            arg.is_none()
                && param.default.is_none()
                && ast::find_annotation(&param.annotations, "optional").is_none()
        });
        if missing {
            return Err(argument_count(params.len(), args.len(), span));
        }
        Ok(bound)
    }

    /// Declares a parameter in the scope of what is called. Scalars that are passed in are copied;
    /// headers, structs and what is written are the argument itself.
    fn bind_parameter(
        &mut self,
        param: &'a ast::Param,
        arg: Option<&'a ast::Expr>,
        caller: &Rc<Env<'a>>,
        callee: &Rc<Env<'a>>,
    ) -> R<()> {
        let Some(arg) = arg.or(param.default.as_ref()) else {
            return Ok(());
        };
        let ty = self.resolve(&param.ty, callee)?;
        let value = self.expr(arg, caller, Some(&ty))?;
        let value = match (&value, param.direction) {
            (Value::Packet | Value::Extern(_), _) => value,
            (Value::Int(_) | Value::Expr(_, Expr::Const(_)), Direction::In | Direction::None) => {
                self.convert(value, &ty, arg.span)?
            }
            (_, Direction::In | Direction::None) if ty.width().is_some() => {
                let name = format!("{}.{}", self.context.reason, param.name.name);
                let storage = self.storage(&ty, &name, param.name.span)?;
                self.assign(storage.clone(), value, arg.span)?;
                storage
            }
            (Value::List(_), _) => {
                let storage = self.storage(&ty, &param.name.name.clone(), param.name.span)?;
                self.assign(storage.clone(), value, arg.span)?;
                storage
            }
            (
                Value::Slot(..)
                | Value::Place(..)
                | Value::Header(..)
                | Value::Struct(..)
                | Value::Stack(_),
                _,
            ) => self.convert(value, &ty, arg.span)?,
            (other, _) => {
                return Err(error(
                    codes::NOT_ASSIGNABLE,
                    arg.span,
                    format!(
                        "the parameter `{}` is written, and this is {}",
                        param.name.name,
                        other.kind()
                    ),
                ));
            }
        };
        callee.declare(param.name.as_str(), value);
        Ok(())
    }

    fn call_action(
        &mut self,
        def: &Rc<ActionDef<'a>>,
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        self.only_in_control(span, "an action")?;
        let bound = self.bind_arguments(&def.decl.params, args, span)?;
        let callee = Env::child(&def.env);
        let outer = self.context.clone();
        self.context.reason = def.reason.clone();
        let body = self.collect(|e| {
            for (param, arg) in def.decl.params.iter().zip(bound) {
                e.bind_parameter(param, arg, env, &callee)?;
            }
            e.block(&def.decl.body, &callee)
        });
        self.context = outer;
        let (steps, ()) = body?;
        let ops = to_ops(&steps, span)?;
        self.out.push(Step::Ops {
            name: Some(def.name.clone()),
            ops,
        });
        Ok(Value::Unit)
    }

    fn call_function(
        &mut self,
        decl: &'a ast::FunctionDecl,
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        if !decl.proto.type_params.is_empty() {
            return Err(unsupported(span, "a generic function"));
        }
        let bound = self.bind_arguments(&decl.proto.params, args, span)?;
        let callee = Env::child(&self.global);
        for (param, arg) in decl.proto.params.iter().zip(bound) {
            self.bind_parameter(param, arg, env, &callee)?;
        }
        let ret = self.resolve(&decl.proto.ret, &callee)?;
        if let [
            ast::Stmt {
                kind: ast::StmtKind::Return(Some(value)),
                ..
            },
        ] = decl.body.stmts.as_slice()
        {
            let result = self.expr(value, &callee, Some(&ret))?;
            return self.convert(result, &ret, value.span);
        }
        let result = match ret {
            Type::Void => Value::Unit,
            ref ty => self.storage(ty, &format!("{}.result", decl.proto.name.name), span)?,
        };
        if !matches!(result, Value::Unit) {
            callee.declare("return", result.clone());
        }
        let (steps, ()) = self.collect(|e| e.block(&decl.body, &callee))?;
        for op in to_ops(&steps, span)? {
            self.emit(op);
        }
        Ok(result)
    }

    /// Inlines a sub-control.
    fn apply_block(
        &mut self,
        block: &Rc<BlockInstance<'a>>,
        args: &'a [ast::Arg],
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<()> {
        let decl = match block.decl {
            BlockDecl::Control(decl) => decl,
            BlockDecl::Parser(_) => {
                return Err(unsupported(span, "a parser applied here"));
            }
        };
        let stateful = decl
            .locals
            .iter()
            .any(|d| matches!(d.kind, ast::DeclKind::Table(_) | ast::DeclKind::Instance(_)));
        if block.applied.replace(true) && stateful {
            return Err(Box::new(
                Diagnostic::error(
                    codes::APPLIED_TWICE,
                    span,
                    format!("`{}` is applied twice", block.name),
                )
                .with_note("its tables and objects exist once and are looked up once per packet")
                .with_help("declare a second instance"),
            ));
        }
        let bound = self.bind_arguments(&decl.proto.params, args, span)?;
        let callee = Env::child(&self.global);
        for (name, value) in &block.args {
            callee.declare(name, value.clone());
        }
        for (param, arg) in decl.proto.params.iter().zip(bound) {
            self.bind_parameter(param, arg, env, &callee)?;
        }
        let outer = self.context.clone();
        self.context = Context {
            block: format!("{}.{}", outer.block, block.name),
            prefix: format!("{}{}.", outer.prefix, block.name),
            reason: format!("{}.{}", outer.block, block.name),
            table: None,
            params: Vec::new(),
        };
        let body = self.collect(|e| e.control_body(decl, &callee));
        self.context = outer;
        let (steps, ()) = body?;
        self.out.push(Step::Scope {
            steps,
            catches_exit: false,
        });
        Ok(())
    }

    /// A control's declarations and `apply` block, its parameters declared in `env`.
    pub(super) fn control_body(&mut self, decl: &'a ast::ControlDecl, env: &Rc<Env<'a>>) -> R<()> {
        for local in &decl.locals {
            let result = self.control_local(local, env);
            self.keep_decl(local, result);
        }
        self.block(&decl.apply, env)
    }

    fn control_local(&mut self, decl: &'a ast::Decl, env: &Rc<Env<'a>>) -> R<()> {
        let value = match &decl.kind {
            ast::DeclKind::Action(action) => self.action_value(action, env),
            ast::DeclKind::Table(table) => {
                Value::Table(Rc::new(self.table(table, &decl.annotations, env)?))
            }
            _ => return self.local_decl(decl, env),
        };
        if let Some(name) = decl.name()
            && env.declare(name.as_str(), value)
        {
            return Err(error(
                codes::DECLARED_TWICE,
                name.span,
                format!("`{}` is declared twice", name.name),
            ));
        }
        Ok(())
    }

    /// An action with the names in scope here.
    pub(super) fn action_value(
        &mut self,
        decl: &'a ast::ActionDecl,
        env: &Rc<Env<'a>>,
    ) -> Value<'a> {
        let name = decl.name.as_str();
        Value::Action(Rc::new(ActionDef {
            decl,
            env: env.clone(),
            name: format!("{}{name}", self.context.prefix),
            reason: if self.context.block.is_empty() {
                name.to_owned()
            } else {
                format!("{}.{name}", self.context.block)
            },
        }))
    }

    /// The table, if the expression is `t.apply()`.
    pub(super) fn table_apply(
        &mut self,
        expr: &'a ast::Expr,
        env: &Rc<Env<'a>>,
    ) -> R<Option<Rc<TableDef<'a>>>> {
        let ExprKind::Call { callee, .. } = &expr.kind else {
            return Ok(None);
        };
        let ExprKind::Member { base, name } = &callee.kind else {
            return Ok(None);
        };
        if name.as_str() != "apply" {
            return Ok(None);
        }
        match &base.kind {
            ExprKind::Path(path) => match self.lookup(env, path)? {
                Value::Table(def) => Ok(Some(def)),
                _ => Ok(None),
            },
            _ => Ok(None),
        }
    }
}

fn argument_count(want: usize, found: usize, span: Span) -> Box<Diagnostic> {
    error(
        codes::ARGUMENTS,
        span,
        format!("{want} arguments are needed, {found} are given"),
    )
}
