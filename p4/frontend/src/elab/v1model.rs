//! The v1model architecture, as BMv2's simple_switch gives it meaning.
//!
//! Order: parser, checksum verification, ingress, (drop if egress_spec is 511), egress, (again),
//! checksum update, deparser. All of it is one pass over the packet, unless the program asks for copies
//! (clone, multicast, resubmit, recirculate): then see `bridged`.

use std::collections::BTreeMap;

use num_bigint::BigInt;
use trisect_ir::bridge::Bridge;
use trisect_ir::{BinOp, Expr, HashAlgorithm, LValue, ObjectId, Op, StdMeta, TableId};

use super::bridged::{Passes, Traffic};
use super::externs::{
    ExternCall, ExternInstance, ExternKind, hash_in_range, in_range, unknown_function, whole_bytes,
};
use super::ops::{fold, resize, truth};
use super::step::{Step, branch, push_op};
use super::value::{BlockInstance, SlotId, Value};
use super::{Elab, R, error, walk};
use crate::typed::{self, Type};
use crate::{Diagnostic, Span, codes};

/// The port that stands for dropping.
const DROP_PORT: u64 = 511;

/// What is known of a v1model program while it is elaborated.
#[derive(Default)]
pub(super) struct State {
    /// Fields of `standard_metadata_t` that are variables.
    pub slots: BTreeMap<String, SlotId>,
    /// Whether the program asked for copies, or to be sent again.
    pub replicates: bool,
    pub traffic: Traffic,
    pub bridge: Option<Bridge>,
    /// The direct meters that tables name as theirs.
    pub meters: BTreeMap<TableId, ObjectId>,
    /// What copies the parser's error to a variable, if the program writes that.
    parser_error: Vec<Step>,
}

impl State {
    /// The variable for a field of `standard_metadata_t`.
    pub fn slot(&self, field: &str) -> Option<SlotId> {
        self.slots.get(field).copied()
    }
}

impl<'a> Elab<'a> {
    pub(super) fn v1model_package(&mut self, main: &'a typed::Instance) -> R<()> {
        let blocks = self.package_blocks(main, true)?;
        let [parser, verify, ingress, egress, compute, deparser] = blocks.as_slice() else {
            return Err(error(
                codes::ARCHITECTURE,
                main.span,
                "V1Switch takes a parser and five controls",
            ));
        };
        let headers = self.parameter_storage(parser, 1, "")?;
        let metadata = self.parameter_storage(parser, 2, "meta")?;
        let (standard, first) = self.standard_metadata(parser)?;

        let values = [
            Value::Packet,
            headers.clone(),
            metadata.clone(),
            standard.clone(),
        ];
        self.bind_block(parser, &values)?;
        self.parser_body(parser, first)?;

        let both = [headers.clone(), metadata.clone()];
        let three = [headers.clone(), metadata.clone(), standard.clone()];
        let label = ingress.frame.names.block.clone();
        if self.bridged {
            let types = [
                self.block_parameter(parser, 1)?,
                self.block_parameter(parser, 2)?,
            ];
            self.traffic([(&types[0].ty, &headers), (&types[1].ty, &metadata)]);
            let passes = Passes {
                verify: vec![self.top_control(verify, &both)?],
                ingress: vec![self.top_control(ingress, &three)?],
                egress: vec![self.top_control(egress, &three)?],
                compute: vec![self.top_control(compute, &both)?],
                deparse: vec![self.top_control(deparser, &[Value::Packet, headers])?],
            };
            return self.bridge(passes, &label, main.span);
        }
        let mut steps = std::mem::take(&mut self.v1.parser_error);
        steps.push(self.top_control(verify, &both)?);
        steps.push(self.top_control(ingress, &three)?);
        steps.extend(self.end_of_control("Ingress dropped", true));
        steps.push(self.top_control(egress, &three)?);
        steps.extend(self.end_of_control("Egress dropped", false));
        steps.push(self.top_control(compute, &both)?);
        let last = [Value::Packet, headers.clone()];
        let last = self.top_control(deparser, &last)?;
        steps.extend(self.deparse(vec![last]));
        self.build_graph(&steps, &label)
    }

    /// The struct `standard_metadata_t`: what the IR has is read from there unless the program writes it, the
    /// rest are variables. Also what gives variables that the program writes their first value.
    fn standard_metadata(&mut self, parser: &BlockInstance<'a>) -> R<(Value<'a>, Vec<Step>)> {
        let var = self.block_parameter(parser, 3)?;
        let written = walk::written_fields(self.tree, &var.ty);
        let span = var.span;
        let bridged = self.bridged;
        let mut first = Vec::new();
        let value = self.filled_struct(parser, 3, |e, name, ty| {
            if bridged {
                // All of it travels, and the traffic manager supplies it.
                return e.standard_variable(name, ty, span);
            }
            let supplied = match name {
                "ingress_port" => Some(e.standard(StdMeta::IngressPort, ty)),
                "packet_length" => Some(e.standard(StdMeta::PacketLength, ty)),
                "parser_error" => Some(e.standard(StdMeta::ParserError, ty)),
                "ingress_global_timestamp" | "egress_global_timestamp" => {
                    // The IR counts nanoseconds, v1model microseconds.
                    let micros = fold(BinOp::Div, StdMeta::Timestamp.get(), Expr::num(64, 1000));
                    Some(resize(micros, 64, 48, false))
                }
                _ => None,
            };
            if let Some(supplied) = &supplied
                && !written.contains(name)
            {
                return Ok(Value::Given(supplied.clone()));
            }
            let storage = e.standard_variable(name, ty, span)?;
            if let Some(supplied) = supplied {
                let (steps, ()) =
                    e.collect(|e| e.assign(&storage, &Value::Bits(supplied), span))?;
                // The parser's error is known when it has ended.
                match name {
                    "parser_error" => e.v1.parser_error = steps,
                    _ => first.extend(steps),
                }
            }
            Ok(storage)
        })?;
        Ok((value, first))
    }

    fn standard_variable(&mut self, name: &str, ty: &Type, span: Span) -> R<Value<'a>> {
        let storage = self.storage(ty, &format!("standard_metadata.{name}"), span)?;
        if let Value::Slot(slot) = &storage {
            self.v1.slots.insert(name.to_owned(), *slot);
        }
        Ok(storage)
    }

    /// Behind ingress and egress: the packet is dropped if egress_spec says so, whatever was called
    /// in between; else its port is fixed (behind ingress).
    fn end_of_control(&mut self, reason: &str, fixes_port: bool) -> Vec<Step> {
        let Some(spec) = self.v1.slot("egress_spec") else {
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
            let egress = LValue::meta(StdMeta::EgressPort.id());
            push_op(&mut kept, Op::Set(egress, port));
            if let Some(slot) = self.v1.slot("egress_port") {
                let meta = self.slot_meta(slot);
                push_op(&mut kept, Op::Set(LValue::meta(meta), spec.clone()));
            }
        }
        let is_drop = spec.equals(Expr::num(9, DROP_PORT));
        branch(is_drop, dropped, kept)
    }

    pub(super) fn v1model_object(
        &mut self,
        instance: &ExternInstance<'a>,
    ) -> R<Option<ExternKind>> {
        let name = instance.type_name;
        Ok(Some(match name {
            "counter" | "direct_counter" => {
                self.counter_object(instance, name == "direct_counter")?
            }
            "meter" | "direct_meter" => self.meter_object(instance, name == "direct_meter")?,
            "register" => self.register_object(instance, None)?,
            "Checksum16" => ExternKind::Checksum16,
            "action_profile" => ExternKind::ActionProfile,
            "action_selector" => {
                let number = self.ctor_number(instance, 0)?;
                ExternKind::ActionSelector(algorithm_numbered(&number, instance.span)?)
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn v1model_function(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        match call.name {
            "clone" | "clone3" | "clone_preserving_field_list" | "truncate" => {
                return self.replicate(call);
            }
            name if name.starts_with("resubmit") || name.starts_with("recirculate") => {
                return self.replicate(call);
            }
            "log_msg" => return self.log(call),
            "assert" | "assume" => return self.assertion(call),
            "digest" => return self.digest(call),
            "random" => return self.random(call),
            _ => self.only_in_control(call.span, "this function")?,
        }
        match call.name {
            "mark_to_drop" => self.mark_to_drop(call),
            "hash" => self.v1model_hash(call),
            "update_checksum" | "update_checksum_with_payload" => self.update_checksum(call),
            "verify_checksum" | "verify_checksum_with_payload" => self.verify_checksum(call),
            _ => Err(unknown_function(call)),
        }
    }

    fn mark_to_drop(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let Some(spec) = self.v1.slot("egress_spec") else {
            return Err(error(
                codes::ARCHITECTURE,
                call.span,
                "there is no egress_spec",
            ));
        };
        let spec = LValue::meta(self.slot_meta(spec));
        self.emit(Op::Set(spec, Expr::num(9, DROP_PORT)));
        // simple_switch also takes the packet out of its multicast group.
        if let Some(slot) = self.v1.slot("mcast_grp")
            && self.slots[slot.0].meta.is_some()
        {
            let group = LValue::meta(self.slot_meta(slot));
            self.emit(Op::Set(group, Expr::num(16, 0)));
        }
        self.set_drop_reason();
        Ok(Value::Unit)
    }

    /// `hash(result, algorithm, base, data, max)`: base + hash mod max, or base if max is 0.
    fn v1model_hash(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let width = match call.args.first() {
            Some(arg) => self.width_of(&arg.ty, arg.span)?,
            None => 32,
        };
        let base = self.arg_scalar(call, 2)?;
        let max = self.arg_scalar(call, 4)?;
        // Division by 0 gives 0 in the IR, so that max 0 gives base.
        let value = if self.arg_number(call, 1)? == BigInt::from(RANDOM) {
            let drawn = self.draw(RANDOM_WIDTH);
            in_range((RANDOM_WIDTH, drawn), Some((base, max)), width)
        } else {
            let algorithm = self.algorithm(call, 1)?;
            let data = self.arg(call, 3)?.clone();
            let inputs = self.flatten(&data, call.span)?;
            let inputs = whole_bytes(self, inputs);
            hash_in_range(&algorithm, inputs, Some((base, max)), width)
        };
        self.write_arg(call, 0, width, |dst| Op::Set(dst, value))?;
        Ok(Value::Unit)
    }

    fn algorithm(&mut self, call: &ExternCall<'a>, at: usize) -> R<HashAlgorithm> {
        let number = self.arg_number(call, at)?;
        algorithm_numbered(&number, call.span)
    }

    /// The checksum that a call (condition, data, checksum, algorithm) asks for, of this width.
    fn checksum_value(&mut self, call: &ExternCall<'a>, width: u32) -> R<Expr> {
        let data = self.arg(call, 1)?.clone();
        let algorithm = self.algorithm(call, 3)?;
        let with_payload = call.name.ends_with("_with_payload");
        let value = self.checksum_of(algorithm, &data, with_payload, call.span)?;
        let found = self.width_in(&value);
        Ok(resize(value, found, width, false))
    }

    fn update_checksum(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let (_, condition) = self.arg_scalar(call, 0)?;
        let width = match call.args.get(2) {
            Some(arg) => self.width_of(&arg.ty, arg.span)?,
            None => 16,
        };
        let value = self.checksum_value(call, width)?;
        let (steps, ()) =
            self.collect(|e| e.write_arg(call, 2, width, |dst| Op::Set(dst, value)))?;
        let ops = self.operations(&steps, call.span)?;
        match condition {
            Expr::Const(known) if known.is_zero() => {}
            Expr::Const(_) => ops.into_iter().for_each(|op| self.emit(op)),
            condition => self.emit(Op::If(condition, ops, Vec::new())),
        }
        Ok(Value::Unit)
    }

    fn verify_checksum(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let (_, condition) = self.arg_scalar(call, 0)?;
        let (width, found) = self.arg_scalar(call, 2)?;
        let value = self.checksum_value(call, width)?;
        let Some(slot) = self.v1.slot("checksum_error") else {
            return Err(error(
                codes::ARCHITECTURE,
                call.span,
                "there is no checksum_error",
            ));
        };
        let target = LValue::meta(self.slot_meta(slot));
        let wrong = fold(BinOp::And, condition, Expr::binary(BinOp::Ne, value, found));
        self.emit(Op::If(
            wrong,
            vec![Op::Set(target, truth(true))],
            Vec::new(),
        ));
        Ok(Value::Unit)
    }
}

/// The number of `random` in v1model's enum `HashAlgorithm`: any number, whatever the data.
const RANDOM: u32 = 4;
/// Bits of such a number before it is brought into the range that `hash` is asked for.
const RANDOM_WIDTH: u32 = 32;

/// The algorithm with this number in v1model's enum `HashAlgorithm`. The custom CRCs are simple_switch's until
/// somebody gives them another polynomial.
fn algorithm_numbered(number: &BigInt, span: Span) -> R<HashAlgorithm> {
    match u32::try_from(number) {
        Ok(0 | 1) => Ok(HashAlgorithm::Crc32),
        Ok(2 | 3) => Ok(HashAlgorithm::Crc16),
        Ok(5) => Ok(HashAlgorithm::Identity),
        Ok(6) => Ok(HashAlgorithm::Csum16),
        Ok(7) => Ok(HashAlgorithm::Xor16),
        _ => {
            let error = Diagnostic::error(
                codes::UNSUPPORTED,
                span,
                "the algorithm `random` is not supported here",
            );
            Err(Box::new(
                error
                    .with_note("what is computed twice must come out the same, and it would not")
                    .with_help("use another algorithm; `hash` takes `random`"),
            ))
        }
    }
}
