//! Instances of parsers, controls and extern objects, and how the control plane calls what is in them.

use std::rc::Rc;

use super::externs::{ExternInstance, Object};
use super::value::{BlockDef, BlockInstance, Frame, Names, Value, block_of};
use super::{Elab, R, error, unsupported};
use crate::ast;
use crate::typed::{Annotations, InstanceId, InstanceOf, VarKind};
use crate::{Span, codes};

impl<'a> Elab<'a> {
    /// An instance, made when it is first met.
    pub(super) fn instance(&mut self, id: InstanceId, span: Span) -> R<Value<'a>> {
        if let Some(found) = self.frame.instance(id) {
            return Ok(found);
        }
        let declared = match self.tree.globals.contains(&id) {
            true => self.root.clone(),
            false => block_of(&self.frame),
        };
        let known = declared.instances.borrow().get(&id).cloned();
        if let Some(found) = known {
            return Ok(found);
        }
        let value = self.with_frame(declared.clone(), |e| e.construct(id, span))?;
        declared.instances.borrow_mut().insert(id, value.clone());
        Ok(value)
    }

    fn construct(&mut self, id: InstanceId, span: Span) -> R<Value<'a>> {
        let tree = self.tree;
        let instance = &tree.instances[id];
        let (of, params, name) = match &instance.of {
            InstanceOf::Control(control) => {
                let control = &tree.controls[*control];
                (
                    BlockDef::Control(control),
                    &control.ctor_params,
                    &control.name,
                )
            }
            InstanceOf::Parser(parser) => {
                let parser = &tree.parsers[*parser];
                (BlockDef::Parser(parser), &parser.ctor_params, &parser.name)
            }
            InstanceOf::Extern { .. } => return self.construct_extern(id),
            InstanceOf::Package(..) => {
                return Err(unsupported(span, "a package within another"));
            }
        };
        // What is constructed in place is called like what it is an instance of.
        let name = if instance.name.is_empty() {
            name
        } else {
            &instance.name
        };
        let outer = &self.frame.names;
        let block = match outer.block.as_str() {
            "" => name.clone(),
            block => format!("{block}.{name}"),
        };
        let names = Names {
            prefix: format!(
                "{}.",
                control_name(&outer.prefix, name, &instance.annotations)
            ),
            reason: block.clone(),
            block,
        };
        let mut frame = Frame::new(None, names);
        frame.is_block = true;
        frame.result = Some((self.new_label(), Value::Unit));
        for (param, arg) in params.iter().zip(&instance.args) {
            let value = match (&arg.value, &tree.vars[*param].kind) {
                (Some(value), _) => Some(self.eval(value)?),
                (
                    None,
                    VarKind::CtorParam {
                        default: Some(value),
                        ..
                    },
                ) => Some(self.eval(value)?),
                (None, _) => None,
            };
            if let Some(value) = value {
                frame.bind(*param, value);
            }
        }
        let shared = self.shared_block() || self.applications.get(&id).copied() != Some(1);
        let frame = Rc::new(frame);
        if shared {
            self.shared_frames.push(frame.clone());
        }
        Ok(Value::Block(Rc::new(BlockInstance {
            of,
            frame,
            shared,
            ready: false.into(),
        })))
    }

    /// Whether the block in work may be applied more than once.
    fn shared_block(&self) -> bool {
        let block = block_of(&self.frame);
        self.shared_frames
            .iter()
            .any(|frame| Rc::ptr_eq(frame, &block))
    }

    /// The instance of a block that the architecture applies.
    pub(super) fn top_block(&mut self, id: InstanceId, prefixed: bool) -> R<Rc<BlockInstance<'a>>> {
        let span = self.tree.instances[id].span;
        let Value::Block(block) = self.instance(id, span)? else {
            return Err(error(
                codes::ARCHITECTURE,
                span,
                "the architecture needs a parser or control here",
            ));
        };
        if prefixed {
            return Ok(block);
        }
        // The main control of a network function has the control plane to itself.
        let of = match block.of {
            BlockDef::Control(control) => &control.name,
            BlockDef::Parser(parser) => &parser.name,
        };
        let names = Names {
            block: of.clone(),
            prefix: String::new(),
            reason: of.clone(),
        };
        let mut frame = Frame::new(None, names);
        frame.is_block = true;
        frame.result = block.frame.result.clone();
        frame.vars.replace(block.frame.vars.borrow().clone());
        Ok(Rc::new(BlockInstance {
            of: block.of,
            frame: Rc::new(frame),
            shared: block.shared,
            ready: false.into(),
        }))
    }

    fn construct_extern(&mut self, id: InstanceId) -> R<Value<'a>> {
        let tree = self.tree;
        let instance = &tree.instances[id];
        let InstanceOf::Extern {
            of,
            type_args,
            constructor,
        } = &instance.of
        else {
            return Err(error(
                codes::TYPE,
                instance.span,
                "this is no extern object",
            ));
        };
        let def = &tree.externs[*of];
        let mut args = Vec::with_capacity(instance.args.len());
        for (i, arg) in instance.args.iter().enumerate() {
            let param = tree.functions[*constructor].params.get(i);
            args.push(match (&arg.value, param.map(|param| &tree.vars[*param])) {
                (Some(value), _) => Some((self.eval(value)?, self.ty(&value.ty))),
                (None, _) => None,
            });
        }
        let declared = ExternInstance {
            type_name: &def.name,
            name: control_name(
                &self.frame.names.prefix,
                &instance.name,
                &instance.annotations,
            ),
            types: type_args.iter().map(|ty| self.ty(ty)).collect(),
            args,
            annotations: instance.annotations.clone(),
            span: instance.span,
        };
        let kind = self.extern_object(&declared)?;
        // The methods that the instance itself has see what is declared beside them.
        let mut frame = Frame::new(Some(self.frame.clone()), self.frame.names.clone());
        frame.is_block = true;
        let frame = Rc::new(frame);
        self.with_frame(frame.clone(), |e| {
            for local in &instance.inner {
                match local {
                    crate::typed::Local::Var(id, init) => e.declare(*id, init.as_ref(), false)?,
                    crate::typed::Local::Instance(id) => {
                        e.instance(*id, instance.span)?;
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
        Ok(Value::Object(Rc::new(Object {
            type_name: &def.name,
            kind,
            instance,
            frame,
        })))
    }
}

/// The control plane's name of what is called `name` where names begin with `prefix`: `@name` replaces the
/// last part, or, with a dot in front, all of it.
pub(super) fn control_name(prefix: &str, name: &str, annotations: &Annotations) -> String {
    let given = ast::find_annotation(annotations, "name").and_then(ast::Annotation::string_arg);
    match given {
        Some(given) => match given.strip_prefix('.') {
            Some(whole) => whole.to_owned(),
            None => format!("{prefix}{given}"),
        },
        None => format!("{prefix}{name}"),
    }
}
