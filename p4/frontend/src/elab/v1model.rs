//! The v1model architecture, as BMv2's simple_switch gives it meaning.
//!
//! Order: parser, checksum verification, ingress, (drop if egress_spec is 511), egress, (again),
//! checksum update, deparser. What needs a second copy of the packet (clone, multicast, resubmit,
//! recirculate) is not supported.

use std::rc::Rc;

use trisect_ir::{BinOp, Expr, HashAlgorithm, LValue, Op, StdMeta, SumTerm};

use super::externs::{Args, Instance, hash_in_range};
use super::ops::{fold, resize};
use super::step::{Step, push_op};
use super::types::Type;
use super::value::{BlockDecl, Env, ExternKind, SlotId, Value};
use super::{Elab, R, error, unsupported};
use crate::ast;
use crate::{Span, codes};

/// The port that stands for dropping.
const DROP_PORT: u64 = 511;

/// Standard metadata that the pipeline itself reads or writes.
#[derive(Clone, Copy, Default)]
pub(super) struct Slots {
    egress_spec: Option<SlotId>,
    egress_port: Option<SlotId>,
    multicast: Option<SlotId>,
    checksum_error: Option<SlotId>,
}

impl<'a> Elab<'a> {
    pub(super) fn v1model_package(&mut self, main: &'a ast::Instance) -> R<()> {
        let blocks = self.package_blocks(main, 6)?;
        let [
            BlockDecl::Parser(parser),
            BlockDecl::Control(verify),
            BlockDecl::Control(ingress),
            BlockDecl::Control(egress),
            BlockDecl::Control(compute),
            BlockDecl::Control(deparser),
        ] = *blocks
        else {
            return Err(error(
                codes::ARCHITECTURE,
                main.ty.span,
                "V1Switch takes a parser and five controls",
            ));
        };
        let global = self.global.clone();
        let headers = self.parameter_storage(&parser.proto, 1, "", &global)?;
        let metadata = self.parameter_storage(&parser.proto, 2, "meta", &global)?;
        let standard = self.standard_metadata(&parser.proto)?;

        let values = [
            Value::Packet,
            headers.clone(),
            metadata.clone(),
            standard.clone(),
        ];
        let env = self.block_env(&parser.proto, values)?;
        self.parser_body(parser, &env)?;

        let both = || [headers.clone(), metadata.clone()];
        let three = || [headers.clone(), metadata.clone(), standard.clone()];
        let mut steps = vec![self.top_control(verify, both())?];
        steps.push(self.top_control(ingress, three())?);
        steps.extend(self.end_of_control("Ingress dropped", true));
        steps.push(self.top_control(egress, three())?);
        steps.extend(self.end_of_control("Egress dropped", false));
        steps.push(self.top_control(compute, both())?);
        let last = [Value::Packet, headers.clone()];
        steps.push(self.top_control(deparser, last)?);
        self.build_graph(&steps, ingress.proto.name.as_str());
        Ok(())
    }

    /// The struct `standard_metadata_t`: what the IR has is read from there, the rest are variables.
    fn standard_metadata(&mut self, proto: &'a ast::BlockProto) -> R<Value<'a>> {
        let Some(param) = proto.params.get(3) else {
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
        let mut fields = Vec::new();
        for (name, ty) in &found.fields {
            let value = match name.as_str() {
                "ingress_port" => self.standard(StdMeta::IngressPort, ty.clone()),
                "packet_length" => self.standard(StdMeta::PacketLength, ty.clone()),
                "parser_error" => self.standard(StdMeta::ParserError, ty.clone()),
                "ingress_global_timestamp" | "egress_global_timestamp" => {
                    // The IR counts nanoseconds, v1model microseconds.
                    let micros = fold(BinOp::Div, StdMeta::Timestamp.get(), Expr::num(64, 1000));
                    Value::Expr(ty.clone(), resize(micros, 64, 48, false))
                }
                _ => {
                    let path = format!("standard_metadata.{name}");
                    let storage = self.storage(ty, &path, param.span)?;
                    if let Value::Slot(_, slot) = &storage {
                        self.remember_slot(name, *slot);
                    }
                    storage
                }
            };
            fields.push(value);
        }
        Ok(Value::Struct(found.clone(), Rc::new(fields)))
    }

    fn remember_slot(&mut self, name: &str, slot: SlotId) {
        match name {
            "egress_spec" => self.v1.egress_spec = Some(slot),
            "egress_port" => self.v1.egress_port = Some(slot),
            "mcast_grp" => self.v1.multicast = Some(slot),
            "checksum_error" => self.v1.checksum_error = Some(slot),
            _ => {}
        }
    }

    /// Behind ingress and egress: the packet is dropped if egress_spec says so, whatever was called
    /// in between; else its port is fixed (behind ingress).
    fn end_of_control(&mut self, reason: &str, fixes_port: bool) -> Vec<Step> {
        let Some(spec) = self.v1.egress_spec else {
            return Vec::new();
        };
        let spec = Expr::Meta(self.slot_meta(spec));
        let drop = StdMeta::Drop;
        let target = LValue::meta(drop.id());
        let reason = self.ir.drop_reason(reason);
        // The reason of the action that dropped it, if one did.
        let unnamed = drop.get().equals(Expr::num(16, 0));
        let named = Op::Set(target, Expr::num(16, u64::from(reason.number())));
        let mut dropped = Vec::new();
        push_op(&mut dropped, Op::If(unnamed, vec![named], Vec::new()));
        dropped.push(Step::Finish);
        let mut kept = Vec::new();
        push_op(&mut kept, Op::Set(target, Expr::num(16, 0)));
        if fixes_port {
            let port = resize(spec.clone(), 9, 16, false);
            push_op(
                &mut kept,
                Op::Set(LValue::meta(StdMeta::EgressPort.id()), port),
            );
            if let Some(slot) = self.v1.egress_port {
                let meta = self.slot_meta(slot);
                push_op(&mut kept, Op::Set(LValue::meta(meta), spec.clone()));
            }
        }
        let is_drop = spec.equals(Expr::num(9, DROP_PORT));
        vec![Step::If(is_drop, dropped, kept)]
    }

    pub(super) fn v1model_object(
        &mut self,
        type_name: &str,
        instance: &Instance<'a>,
        env: &Rc<Env<'a>>,
    ) -> R<Option<ExternKind>> {
        Ok(Some(match type_name {
            "counter" | "direct_counter" => {
                self.counter_object(instance, type_name == "direct_counter", env)?
            }
            "meter" | "direct_meter" => {
                self.meter_object(instance, type_name == "direct_meter", env)?
            }
            "register" => self.register_object(instance, None, env)?,
            _ => return Ok(None),
        }))
    }

    pub(super) fn v1model_function(
        &mut self,
        name: &str,
        args: &Args<'a>,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<Value<'a>> {
        match name {
            // A P4 compiler may check these; they do nothing to the packet.
            "assert" | "assume" | "log_msg" => return Ok(Value::Unit),
            _ => self.only_in_control(span, "this function")?,
        }
        match name {
            "mark_to_drop" => self.mark_to_drop(span),
            "hash" => self.v1model_hash(args, env, span),
            "update_checksum" => self.update_checksum(args, env, span),
            "verify_checksum" => self.verify_checksum(args, env, span),
            other => Err(unsupported(span, format!("`{other}`"))),
        }
    }

    fn mark_to_drop(&mut self, span: Span) -> R<Value<'a>> {
        let Some(spec) = self.v1.egress_spec else {
            return Err(error(codes::ARCHITECTURE, span, "there is no egress_spec"));
        };
        let spec = LValue::meta(self.slot_meta(spec));
        self.emit(Op::Set(spec, Expr::num(9, DROP_PORT)));
        // simple_switch also takes the packet out of its multicast group.
        if let Some(slot) = self.v1.multicast
            && self.slots[slot.0].meta.is_some()
        {
            let group = LValue::meta(self.slot_meta(slot));
            self.emit(Op::Set(group, Expr::num(16, 0)));
        }
        self.set_drop_reason();
        Ok(Value::Unit)
    }

    /// `hash(result, algorithm, base, data, max)`: base + hash mod max, or base if max is 0.
    fn v1model_hash(&mut self, args: &Args<'a>, env: &Rc<Env<'a>>, span: Span) -> R<Value<'a>> {
        let (ty, dst) = self.place_argument(args, 0, env, span)?;
        let algorithm = self.algorithm(args, 1, env, span)?;
        let width = ty.width().unwrap_or(32);
        let base = self.scalar_argument(args, 2, width, env, span)?;
        let data = self.argument(args, 3, None, env, span)?;
        let inputs = self.flatten(&data, span)?;
        let max = self.scalar_argument(args, 4, width, env, span)?;
        // Division by 0 gives 0 in the IR, so that max 0 gives base.
        let value = hash_in_range(&algorithm, inputs, Some((base, max)), width);
        self.emit(Op::Set(dst, value));
        Ok(Value::Unit)
    }

    fn algorithm(
        &mut self,
        args: &Args<'a>,
        at: usize,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<HashAlgorithm> {
        // The order of v1model's enum HashAlgorithm.
        match u32::try_from(&self.constant_argument(args, at, env, span)?) {
            Ok(0) => Ok(HashAlgorithm::Crc32),
            Ok(2) => Ok(HashAlgorithm::Crc16),
            Ok(5) => Ok(HashAlgorithm::Identity),
            Ok(6) => Ok(HashAlgorithm::Csum16),
            Ok(7) => Ok(HashAlgorithm::Xor16),
            _ => Err(unsupported(span, "this hash algorithm")),
        }
    }

    /// The checksum that `args` (condition, data, checksum, algorithm) ask for.
    fn checksum_value(&mut self, args: &Args<'a>, env: &Rc<Env<'a>>, span: Span) -> R<Expr> {
        let data = self.argument(args, 1, None, env, span)?;
        match self.algorithm(args, 3, env, span)? {
            HashAlgorithm::Csum16 => {
                let term = SumTerm {
                    subtract: false,
                    value: self.checksum_data(&data, span)?,
                };
                let zero = Expr::num(16, 0);
                Ok(Expr::OnesSum(Box::new(zero), vec![term]).not())
            }
            other => {
                let inputs = self.flatten(&data, span)?;
                Ok(Expr::Hash(other, inputs))
            }
        }
    }

    fn update_checksum(&mut self, args: &Args<'a>, env: &Rc<Env<'a>>, span: Span) -> R<Value<'a>> {
        let condition = self.argument(args, 0, Some(&Type::Bool), env, span)?;
        let condition = self.scalar(condition, span)?.1;
        let value = self.checksum_value(args, env, span)?;
        let (ty, dst) = self.place_argument(args, 2, env, span)?;
        let value = resize(
            value.clone(),
            self.ir.width(&value, &[]),
            ty.width().unwrap_or(16),
            false,
        );
        let set = Op::Set(dst, value);
        self.emit(match condition {
            Expr::Const(known) if !known.is_zero() => set,
            condition => Op::If(condition, vec![set], Vec::new()),
        });
        Ok(Value::Unit)
    }

    fn verify_checksum(&mut self, args: &Args<'a>, env: &Rc<Env<'a>>, span: Span) -> R<Value<'a>> {
        let condition = self.argument(args, 0, Some(&Type::Bool), env, span)?;
        let condition = self.scalar(condition, span)?.1;
        let value = self.checksum_value(args, env, span)?;
        let (ty, found) = self.scalar_argument(args, 2, 16, env, span)?;
        let value = resize(
            value.clone(),
            self.ir.width(&value, &[]),
            ty.width().unwrap_or(16),
            false,
        );
        let Some(slot) = self.v1.checksum_error else {
            return Err(error(
                codes::ARCHITECTURE,
                span,
                "there is no checksum_error",
            ));
        };
        let target = LValue::meta(self.slot_meta(slot));
        let wrong = fold(BinOp::And, condition, Expr::binary(BinOp::Ne, value, found));
        let set = Op::Set(target, Expr::num(1, 1));
        self.emit(Op::If(wrong, vec![set], Vec::new()));
        Ok(Value::Unit)
    }
}
