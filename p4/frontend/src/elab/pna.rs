//! The Portable NIC Architecture.
//!
//! Parser, main control and deparser share their headers and metadata. Packets always come from the
//! network (`NET_TO_HOST`); the pre-control is not run, as it only decides about decryption.

use std::rc::Rc;

use trisect_ir::{Expr, HashAlgorithm, LValue, Op, StdMeta};

use super::externs::{Args, Instance};
use super::ops::resize;
use super::step::Step;
use super::types::Type;
use super::value::{BlockDecl, BlockInstance, Env, ExternKind, Value};
use super::{Context, Elab, R, error, unsupported};
use crate::ast;
use crate::{Span, codes};

/// The members of an enum in the order of the IR's numbers, where these are not P4's: meter
/// colours count up from green.
pub(super) fn enum_order(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "PNA_MeterColor_t" => Some(&["GREEN", "YELLOW", "RED"]),
        _ => None,
    }
}

impl<'a> Elab<'a> {
    pub(super) fn pna_package(&mut self, main: &'a ast::Instance) -> R<()> {
        let blocks = self.package_blocks(main, 4)?;
        let [
            BlockDecl::Parser(parser),
            BlockDecl::Control(_),
            BlockDecl::Control(control),
            BlockDecl::Control(deparser),
        ] = *blocks
        else {
            return Err(error(
                codes::ARCHITECTURE,
                main.ty.span,
                "PNA_NIC takes a parser, a pre-control, a main control and a deparser",
            ));
        };
        // Parameter 1 are the headers, parameter 2 the program's metadata, in parser and control
        // and (from 0) 0 and 1 in the control.
        let global = self.global.clone();
        let headers = self.parameter_storage(&parser.proto, 1, "", &global)?;
        let metadata = self.parameter_storage(&parser.proto, 2, "meta", &global)?;
        let parser_input = self.pna_input(&parser.proto, 3)?;
        let input = self.pna_input(&control.proto, 2)?;
        let output = self.parameter_storage(&control.proto, 3, "ostd", &global)?;

        let values = [
            Value::Packet,
            headers.clone(),
            metadata.clone(),
            parser_input,
        ];
        let env = self.block_env(&parser.proto, values)?;
        self.parser_body(parser, &env)?;

        let values = [headers.clone(), metadata.clone(), input, output.clone()];
        let main_steps = self.top_control(control, values)?;
        let values = [Value::Packet, headers, metadata, output];
        let deparser_steps = self.top_control(deparser, values)?;
        let steps = [main_steps, deparser_steps];
        self.build_graph(&steps, control.proto.name.as_str());
        Ok(())
    }

    /// The blocks that the package is made from.
    pub(super) fn package_blocks(
        &mut self,
        main: &'a ast::Instance,
        count: usize,
    ) -> R<Vec<BlockDecl<'a>>> {
        if main.args.len() != count {
            return Err(error(
                codes::ARGUMENTS,
                main.name.span,
                format!(
                    "the package takes {count} blocks, {} are given",
                    main.args.len()
                ),
            ));
        }
        let env = self.global.clone();
        let mut blocks = Vec::new();
        for arg in &main.args {
            match self.expr(&arg.value, &env, None)? {
                Value::Block(block) => blocks.push(instance_of(&block)),
                other => {
                    return Err(error(
                        codes::TYPE,
                        arg.value.span,
                        format!("a parser or control is needed, this is {}", other.kind()),
                    ));
                }
            }
        }
        Ok(blocks)
    }

    /// Storage for a parameter of a top-level block.
    pub(super) fn parameter_storage(
        &mut self,
        proto: &'a ast::BlockProto,
        at: usize,
        name: &str,
        env: &Rc<Env<'a>>,
    ) -> R<Value<'a>> {
        let Some(param) = proto.params.get(at) else {
            return Err(error(
                codes::ARCHITECTURE,
                proto.name.span,
                format!("`{}` has too few parameters for its place", proto.name.name),
            ));
        };
        let ty = self.resolve(&param.ty, env)?;
        self.storage(&ty, name, param.span)
    }

    /// The scope of a top-level block.
    pub(super) fn block_env<const N: usize>(
        &mut self,
        proto: &'a ast::BlockProto,
        values: [Value<'a>; N],
    ) -> R<Rc<Env<'a>>> {
        if proto.params.len() != N {
            return Err(error(
                codes::ARCHITECTURE,
                proto.name.span,
                format!(
                    "`{}` has {} parameters, its place in the architecture has {N}",
                    proto.name.name,
                    proto.params.len()
                ),
            ));
        }
        let env = Env::child(&self.global);
        for (param, value) in proto.params.iter().zip(values) {
            env.declare(param.name.as_str(), value);
        }
        Ok(env)
    }

    /// A control of the pipeline as one step that catches `exit`.
    pub(super) fn top_control<const N: usize>(
        &mut self,
        decl: &'a ast::ControlDecl,
        values: [Value<'a>; N],
    ) -> R<Step> {
        let env = self.block_env(&decl.proto, values)?;
        let name = decl.proto.name.name.clone();
        self.context = Context {
            block: name.clone(),
            reason: name,
            ..Context::default()
        };
        let body = self.collect(|e| e.control_body(decl, &env));
        self.context = Context::default();
        let (steps, ()) = body?;
        Ok(Step::Scope {
            steps,
            catches_exit: true,
        })
    }

    /// A struct that the architecture fills, with the members that it has read from the IR's standard
    /// metadata.
    fn pna_input(&mut self, proto: &'a ast::BlockProto, at: usize) -> R<Value<'a>> {
        let Some(param) = proto.params.get(at) else {
            return Err(error(
                codes::ARCHITECTURE,
                proto.name.span,
                format!("`{}` has too few parameters for its place", proto.name.name),
            ));
        };
        let global = self.global.clone();
        let ty = self.resolve(&param.ty, &global)?;
        let Type::Struct(found) = &ty else {
            return Err(error(codes::TYPE, param.span, "a struct is needed here"));
        };
        let fields = found
            .fields
            .iter()
            .map(|(name, ty)| match name.as_str() {
                "input_port" => self.standard(StdMeta::IngressPort, ty.clone()),
                "timestamp" => self.standard(StdMeta::Timestamp, ty.clone()),
                "parser_error" => self.standard(StdMeta::ParserError, ty.clone()),
                // Direction NET_TO_HOST, first pass, not looped back, class of service 0.
                _ => Value::Expr(ty.clone(), Expr::num(ty.width().unwrap_or(1), 0)),
            })
            .collect();
        Ok(Value::Struct(found.clone(), Rc::new(fields)))
    }

    pub(super) fn pna_object(
        &mut self,
        type_name: &str,
        instance: &Instance<'a>,
        env: &Rc<Env<'a>>,
    ) -> R<Option<ExternKind>> {
        let name = &instance.name;
        Ok(Some(match type_name {
            "Counter" | "DirectCounter" => {
                self.counter_object(instance, type_name == "DirectCounter", env)?
            }
            "Meter" | "DirectMeter" => {
                self.meter_object(instance, type_name == "DirectMeter", env)?
            }
            "Register" => self.register_object(instance, Some(1), env)?,
            "Hash" => ExternKind::Hash(HashAlgorithm::Crc32, instance.type_arg(0, 32)),
            "InternetChecksum" => {
                let slot = self.new_slot(format!("{}.{name}", self.context.block), 16);
                ExternKind::InternetChecksum(slot)
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn pna_function(
        &mut self,
        name: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        self.only_in_control(span, "a forwarding function")?;
        match name {
            "drop_packet" => {
                self.set_drop_reason();
                Ok(Value::Unit)
            }
            "send_to_port" => {
                let (ty, port) = self.scalar_argument(args, 0, 32, env, span)?;
                let port = resize(port, ty.width().unwrap_or(32), 16, false);
                self.emit(Op::Set(LValue::meta(StdMeta::EgressPort.id()), port));
                let keep = Expr::num(16, 0);
                self.emit(Op::Set(LValue::meta(StdMeta::Drop.id()), keep));
                Ok(Value::Unit)
            }
            "add_entry" => self.add_entry(args, env, span),
            "set_entry_expire_time" => {
                let (_, profile) = self.scalar_argument(args, 0, 8, env, span)?;
                let Some(table) = self.context.table else {
                    return Err(error(
                        codes::MISPLACED,
                        span,
                        "an expire time can be set in the action of a table only",
                    ));
                };
                self.table_bound = true;
                self.emit(Op::SetExpire { table, profile });
                Ok(Value::Unit)
            }
            // Every hit restarts the timer already.
            "restart_expire_timer" => Ok(Value::Unit),
            "SelectByDirection" => self.argument(args, 1, None, env, span),
            other => Err(unsupported(span, format!("`{other}`"))),
        }
    }

    /// Records the drop reason of the action in work.
    pub(super) fn set_drop_reason(&mut self) {
        let reason = self.ir.drop_reason(&self.context.reason.clone());
        let number = Expr::num(16, u64::from(reason.number()));
        self.emit(Op::Set(LValue::meta(StdMeta::Drop.id()), number));
    }
}

fn instance_of<'a>(block: &BlockInstance<'a>) -> BlockDecl<'a> {
    block.decl
}
