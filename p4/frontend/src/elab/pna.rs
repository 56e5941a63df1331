//! The Portable NIC Architecture.
//!
//! Parser, main control and deparser share their headers and metadata. Packets always come from the
//! network (`NET_TO_HOST`); the pre-control is not run, as it only decides about decryption.

use trisect_ir::{Expr, HashAlgorithm, LValue, Op, StdMeta};

use super::externs::{ExternCall, ExternInstance, ExternKind, unknown_function};
use super::ops::resize;
use super::value::{BlockInstance, Value};
use super::{Elab, R, error};
use crate::codes;
use crate::typed;

impl<'a> Elab<'a> {
    pub(super) fn pna_package(&mut self, main: &'a typed::Instance) -> R<()> {
        let blocks = self.package_blocks(main, false)?;
        let [parser, _, control, deparser] = blocks.as_slice() else {
            return Err(error(
                codes::ARCHITECTURE,
                main.span,
                "PNA_NIC takes a parser, a pre-control, a main control and a deparser",
            ));
        };
        // Parameter 1 are the headers, parameter 2 the program's metadata, in the parser; 0 and 1 in the
        // control.
        let headers = self.parameter_storage(parser, 1, "")?;
        let metadata = self.parameter_storage(parser, 2, "meta")?;
        let parser_input = self.pna_input(parser, 3)?;
        let input = self.pna_input(control, 2)?;
        let output = self.parameter_storage(control, 3, "ostd")?;

        let values = [
            Value::Packet,
            headers.clone(),
            metadata.clone(),
            parser_input,
        ];
        self.bind_block(parser, &values)?;
        self.parser_body(parser, Vec::new())?;

        let values = [headers.clone(), metadata.clone(), input, output.clone()];
        let main_steps = self.top_control(control, &values)?;
        let values = [Value::Packet, headers, metadata, output];
        let deparser_steps = self.top_control(deparser, &values)?;
        let mut steps = vec![main_steps];
        steps.extend(self.deparse(vec![deparser_steps]));
        let label = control.frame.names.block.clone();
        self.build_graph(&steps, &label)
    }

    /// A struct that the architecture fills, with the members that it has read from the IR's standard
    /// metadata.
    fn pna_input(&mut self, block: &BlockInstance<'a>, at: usize) -> R<Value<'a>> {
        self.filled_struct(block, at, |e, name, ty| {
            Ok(Value::Given(match name {
                "input_port" => e.standard(StdMeta::IngressPort, ty),
                "timestamp" => e.standard(StdMeta::Timestamp, ty),
                "parser_error" => e.standard(StdMeta::ParserError, ty),
                // Direction NET_TO_HOST, first pass, not looped back, class of service 0.
                _ => Expr::num(e.width(ty).unwrap_or(1), 0),
            }))
        })
    }

    pub(super) fn pna_object(&mut self, instance: &ExternInstance<'a>) -> R<Option<ExternKind>> {
        let name = instance.type_name;
        Ok(Some(match name {
            "Counter" | "DirectCounter" => {
                self.counter_object(instance, name == "DirectCounter")?
            }
            "Meter" | "DirectMeter" => self.meter_object(instance, name == "DirectMeter")?,
            "Register" => self.register_object(instance, Some(1))?,
            "Hash" => {
                let ty = instance
                    .types
                    .first()
                    .cloned()
                    .unwrap_or(typed::Type::Bit(32));
                ExternKind::Hash(HashAlgorithm::Crc32, ty)
            }
            "InternetChecksum" => {
                let name = self.local_name(&instance.name);
                ExternKind::InternetChecksum(self.new_slot(name, 16))
            }
            _ => return Ok(None),
        }))
    }

    pub(super) fn pna_function(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.only_in_control(call.span, "a forwarding function")?;
        match call.name {
            "drop_packet" => {
                self.set_drop_reason();
                Ok(Value::Unit)
            }
            "send_to_port" => {
                let (width, port) = self.arg_scalar(call, 0)?;
                let port = resize(port, width, 16, false);
                self.emit(Op::Set(LValue::meta(StdMeta::EgressPort.id()), port));
                let keep = Expr::num(16, 0);
                self.emit(Op::Set(LValue::meta(StdMeta::Drop.id()), keep));
                Ok(Value::Unit)
            }
            "add_entry" => self.add_entry(call),
            "set_entry_expire_time" => self.set_expire(call),
            // Every hit restarts the timer already.
            "restart_expire_timer" => Ok(Value::Unit),
            "SelectByDirection" => Ok(self.arg(call, 1)?.clone()),
            _ => Err(unknown_function(call)),
        }
    }
}
