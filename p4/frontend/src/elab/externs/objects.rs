//! Stateful objects that architectures share under different names: counters, meters, registers.

use trisect_ir::{
    Bits, CountUnit, Expr, Index, LValue, MeterConfig, Object as IrObject, ObjectId, ObjectKind, Op,
};

use super::super::ops::{resize, to_bits};
use super::super::value::Value;
use super::super::{Elab, R, error, unsupported};
use super::checksum::joined;
use super::{Arch, ExternCall, ExternInstance, ExternKind, Object};
use crate::ast::{self, AnnotationBody};
use crate::typed::{Annotations, Type};
use crate::{Span, codes};

impl<'a> Elab<'a> {
    /// Adds an object to the program.
    pub(in super::super) fn add_object(&mut self, name: &str, kind: ObjectKind) -> ObjectId {
        let name = self.unique("object", name);
        self.ir.objects.push(IrObject { name, kind })
    }

    /// A counter or meter unit by the number of its enum member: packets, bytes, both.
    fn unit(&mut self, instance: &ExternInstance<'a>, at: usize) -> R<CountUnit> {
        Ok(match u32::try_from(&self.ctor_number(instance, at)?) {
            Ok(0) => CountUnit::Packets,
            Ok(1) => CountUnit::Bytes,
            _ => CountUnit::PacketsAndBytes,
        })
    }

    /// A counter: its size, unless it is direct, then its unit.
    pub(in super::super) fn counter_object(
        &mut self,
        instance: &ExternInstance<'a>,
        direct: bool,
    ) -> R<ExternKind> {
        let (size, unit) = self.cells_and_unit(instance, direct)?;
        let id = self.add_object(&instance.name, ObjectKind::Counter { size, unit });
        Ok(match direct {
            true => ExternKind::DirectCounter(id),
            false => ExternKind::Counter(id),
        })
    }

    /// A meter: its size, unless it is direct, then its unit; the rates from its annotation.
    pub(in super::super) fn meter_object(
        &mut self,
        instance: &ExternInstance<'a>,
        direct: bool,
    ) -> R<ExternKind> {
        let (size, unit) = self.cells_and_unit(instance, direct)?;
        let kind = ObjectKind::Meter {
            size,
            unit,
            default: meter_rates(&instance.annotations)?,
            cells: Default::default(),
        };
        let id = self.add_object(&instance.name, kind);
        Ok(match direct {
            true => ExternKind::DirectMeter(id),
            false => ExternKind::Meter(id),
        })
    }

    fn cells_and_unit(
        &mut self,
        instance: &ExternInstance<'a>,
        direct: bool,
    ) -> R<(Option<u32>, CountUnit)> {
        let size = match direct {
            true => None,
            false => Some(self.ctor_u32(instance, 0)?),
        };
        let unit = self.unit(instance, usize::from(!direct))?;
        Ok((size, unit))
    }

    /// A register of `size` cells; `init` is the argument with its initial value.
    pub(in super::super) fn register_object(
        &mut self,
        instance: &ExternInstance<'a>,
        init: Option<usize>,
    ) -> R<ExternKind> {
        let ty = type_arg(instance, 0, 32);
        let width = match self.packed_width(&ty) {
            Some(width) if width > 0 => width,
            _ => {
                let message = format!("a register of `{}`", self.tree.show(&ty));
                return Err(Box::new(unsupported(instance.span, message).with_note(
                    "its cells hold bits: numbers, enums, and structs of these",
                )));
            }
        };
        let size = self.ctor_u32(instance, 0)?;
        let init = match init {
            Some(at) if matches!(instance.args.get(at), Some(Some(_))) => {
                to_bits(&self.ctor_number(instance, at)?, width)
            }
            _ => Bits::zero(width),
        };
        let object = ObjectKind::Register { width, size, init };
        let id = self.add_object(&instance.name, object);
        Ok(ExternKind::Register(id, ty))
    }

    /// A method of an object.
    pub(super) fn object_method(
        &mut self,
        object: &Object<'a>,
        call: &ExternCall<'a>,
    ) -> R<Value<'a>> {
        match &object.kind {
            ExternKind::Counter(id) => {
                if call.args.get(1).is_some_and(|arg| arg.value.is_some()) {
                    return Err(unsupported(call.span, "counting by more than one packet"));
                }
                let (_, index) = self.arg_scalar(call, 0)?;
                self.emit(Op::Count(*id, Index::At(index)));
                Ok(Value::Unit)
            }
            ExternKind::DirectCounter(id) => {
                self.table_bound = true;
                // v1model counts on its own, see `Elab::table_property`.
                if self.arch == Arch::Pna {
                    self.emit(Op::Count(*id, Index::Entry));
                }
                Ok(Value::Unit)
            }
            ExternKind::Meter(id) => self.execute_meter(*id, call),
            ExternKind::DirectMeter(id) => self.execute_direct_meter(*id, call),
            ExternKind::Register(id, ty) => self.register_method(*id, ty, call),
            ExternKind::Hash(algorithm, ty) => {
                let width = self.width_of(ty, call.span)?;
                self.hash_method(algorithm, width, call)
            }
            ExternKind::InternetChecksum(slot) => {
                let state = self.slot_meta(*slot);
                self.checksum_method(state, call)
            }
            ExternKind::Checksum16 => self.checksum16_method(call),
            ExternKind::PatternSet(id) => self.search(*id, call),
            ExternKind::Allocator(id, ty) => self.allocator_method(*id, ty, call),
            ExternKind::Attribute(slot) => {
                let value = self.arg(call, 0)?.clone();
                self.assign(&Value::Slot(*slot), &value, call.span)?;
                Ok(Value::Unit)
            }
            ExternKind::ActionProfile | ExternKind::ActionSelector(_) | ExternKind::Unsupported => {
                Err(unsupported(
                    call.span,
                    format!("the extern `{}`", object.type_name),
                ))
            }
        }
    }

    /// PNA: `color = m.execute(index[, color])`. v1model: `m.execute_meter(index, color)`.
    fn execute_meter(&mut self, object: ObjectId, call: &ExternCall<'a>) -> R<Value<'a>> {
        let (_, index) = self.arg_scalar(call, 0)?;
        let index = Index::At(index);
        if call.name == "execute_meter" {
            return self.meter_into(object, index, call, 1);
        }
        let color = match call.args.get(1) {
            Some(arg) if arg.value.is_some() => Some(self.arg_scalar(call, 1)?.1),
            _ => None,
        };
        self.meter_value(object, index, color, call)
    }

    fn execute_direct_meter(&mut self, object: ObjectId, call: &ExternCall<'a>) -> R<Value<'a>> {
        self.table_bound = true;
        if call.name == "read" {
            // The owner runs its meter; to an action of another table that has nothing to say, as on BMv2.
            let meters = &self.v1.meters;
            let own = self.context.table.and_then(|table| meters.get(&table));
            let owned = meters.values().any(|of_table| *of_table == object);
            if own != Some(&object) && (own.is_some() || owned) {
                return Ok(Value::Unit);
            }
            return self.meter_into(object, Index::Entry, call, 0);
        }
        if call.args.iter().any(|arg| arg.value.is_some()) {
            return Err(unsupported(call.span, "a colour-aware direct meter"));
        }
        self.meter_value(object, Index::Entry, None, call)
    }

    fn meter_into(
        &mut self,
        object: ObjectId,
        index: Index,
        call: &ExternCall<'a>,
        at: usize,
    ) -> R<Value<'a>> {
        let width = match call.args.get(at) {
            Some(arg) => self.width_of(&arg.ty, arg.span)?,
            None => 2,
        };
        if width < 2 {
            return Err(error(codes::WIDTH, call.span, "a colour needs two bits"));
        }
        self.write_arg(call, at, width, |dst| Op::Meter {
            object,
            index,
            color: None,
            dst,
        })?;
        Ok(Value::Unit)
    }

    fn meter_value(
        &mut self,
        object: ObjectId,
        index: Index,
        color: Option<Expr>,
        call: &ExternCall<'a>,
    ) -> R<Value<'a>> {
        let width = self.width_of(&call.ret, call.span)?;
        let meta = self.temporary("color", width);
        self.emit(Op::Meter {
            object,
            index,
            color,
            dst: LValue::meta(meta),
        });
        Ok(Value::Bits(Expr::Meta(meta)))
    }

    /// PNA: `x = r.read(i)`, `r.write(i, x)`. v1model: `r.read(x, i)`, `r.write(i, x)`.
    fn register_method(
        &mut self,
        object: ObjectId,
        ty: &Type,
        call: &ExternCall<'a>,
    ) -> R<Value<'a>> {
        let scalar = self.width(ty).is_some();
        let width = match self.packed_width(ty) {
            Some(width) => width,
            None => self.width_of(ty, call.span)?,
        };
        match (call.name, call.args.len()) {
            ("read", 1) => {
                let (_, index) = self.arg_scalar(call, 0)?;
                Ok(self.register_cell(object, index, ty, width))
            }
            ("read", _) if scalar => {
                let (_, index) = self.arg_scalar(call, 1)?;
                self.write_arg(call, 0, width, |dst| Op::Read { object, index, dst })?;
                Ok(Value::Unit)
            }
            ("read", _) => {
                let (_, index) = self.arg_scalar(call, 1)?;
                let cell = self.register_cell(object, index, ty, width);
                if let Some(target) = call.args.first().and_then(|arg| arg.value.clone()) {
                    self.assign(&target, &cell, call.span)?;
                }
                Ok(Value::Unit)
            }
            _ => {
                let (_, index) = self.arg_scalar(call, 0)?;
                let (found, value) = match scalar {
                    true => self.arg_scalar(call, 1)?,
                    false => (width, self.packed(call, 1)?),
                };
                self.emit(Op::Write {
                    object,
                    index,
                    value: resize(value, found, width, false),
                });
                Ok(Value::Unit)
            }
        }
    }

    /// What a cell of a register holds, read into a variable.
    fn register_cell(&mut self, object: ObjectId, index: Expr, ty: &Type, width: u32) -> Value<'a> {
        let meta = self.temporary("cell", width);
        let dst = LValue::meta(meta);
        self.emit(Op::Read { object, index, dst });
        match self.width(ty) {
            Some(_) => Value::Bits(Expr::Meta(meta)),
            None => self.unpacked(&Expr::Meta(meta), ty, &mut { width }),
        }
    }

    /// An argument as one number, its first part most significant.
    fn packed(&mut self, call: &ExternCall<'a>, at: usize) -> R<Expr> {
        let value = self.arg(call, at)?.clone();
        let parts = self.flatten(&value, call.span)?;
        joined(parts).ok_or_else(|| error(codes::WIDTH, call.span, "there is nothing to write"))
    }
}

/// A type argument, `bit<default_width>` where none was given.
pub(in super::super) fn type_arg(
    instance: &ExternInstance<'_>,
    at: usize,
    default_width: u32,
) -> Type {
    match instance.types.get(at) {
        None => Type::Bit(default_width),
        Some(ty) => ty.clone(),
    }
}

/// The rates of a meter: `@rates[committed = .., committed_burst = .., peak = .., peak_burst = ..]`,
/// per second. Without them every packet is green.
fn meter_rates(annotations: &Annotations) -> R<MeterConfig> {
    let unlimited = u64::MAX >> 1;
    let mut config = MeterConfig {
        cir: unlimited,
        cbs: unlimited,
        pir: unlimited,
        pbs: unlimited,
    };
    let Some(annotation) = ast::find_annotation(annotations, "rates") else {
        return Ok(config);
    };
    let AnnotationBody::KeyValues(rates) = &annotation.body else {
        return Err(error(
            codes::ARGUMENTS,
            annotation.span,
            "write the rates by name: @rates[committed = 1000, ...]",
        ));
    };
    for rate in rates {
        let value = literal(&rate.value, rate.value.span)?;
        match rate.name.as_str() {
            "committed" => config.cir = value,
            "committed_burst" => config.cbs = value,
            "peak" => config.pir = value,
            "peak_burst" => config.pbs = value,
            other => {
                let message = format!("`{other}` is no rate of a meter");
                return Err(Box::new(
                    crate::Diagnostic::error(codes::UNKNOWN_NAME, rate.name.span, message)
                        .with_help("the rates are committed, committed_burst, peak, peak_burst"),
                ));
            }
        }
    }
    Ok(config)
}

/// A number in an annotation.
pub(in super::super) fn literal(expr: &ast::Expr, span: Span) -> R<u64> {
    match &expr.kind {
        ast::ExprKind::Int(literal) => u64::try_from(&literal.value)
            .map_err(|_| error(codes::WIDTH, span, "a number here has 64 bits")),
        _ => Err(error(
            codes::NOT_CONSTANT,
            span,
            "a number is needed in this annotation",
        )),
    }
}
