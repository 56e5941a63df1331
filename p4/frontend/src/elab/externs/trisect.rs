//! The externs of trisect.p4: pattern sets, allocators, attributes.

use trisect_ir::{Expr, LValue, ObjectId, ObjectKind, Op};

use super::super::ops::{resize, to_bits};
use super::super::value::Value;
use super::super::{Elab, R, error};
use super::objects::type_arg;
use super::{ExternCall, ExternInstance, ExternKind};
use crate::codes;
use crate::typed::Type;

impl<'a> Elab<'a> {
    pub(super) fn trisect_object(
        &mut self,
        instance: &ExternInstance<'a>,
    ) -> R<Option<ExternKind>> {
        let span = instance.span;
        Ok(Some(match instance.type_name {
            "PatternSet" => {
                self.ctor_u32(instance, 0)?;
                let patterns = Vec::new();
                ExternKind::PatternSet(
                    self.add_object(&instance.name, ObjectKind::PatternSet { patterns }),
                )
            }
            "Allocator" => {
                let ty = type_arg(instance, 0, 16);
                let width = self.width_of(&ty, span)?;
                let base = self.ctor_number(instance, 0)?;
                let size = self.ctor_u32(instance, 1)?;
                let seconds = u64::from(self.ctor_u32(instance, 2)?);
                let base = u64::try_from(&base)
                    .map_err(|_| error(codes::WIDTH, span, "the base has 64 bits"))?;
                let last = u128::from(base) + u128::from(size);
                if size == 0 || (width < 64 && last > 1 << width) {
                    let message = format!(
                        "{base} and the {size} values from there do not fit `{}`",
                        self.tree.show(&ty)
                    );
                    return Err(error(codes::WIDTH, span, message));
                }
                let object = ObjectKind::Allocator {
                    width,
                    base,
                    size,
                    idle_ns: seconds.saturating_mul(1_000_000_000),
                };
                ExternKind::Allocator(self.add_object(&instance.name, object), ty)
            }
            "Attribute" => self.attribute(instance)?,
            _ => return Ok(None),
        }))
    }

    fn attribute(&mut self, instance: &ExternInstance<'a>) -> R<ExternKind> {
        let ty = type_arg(instance, 0, 8);
        let width = self.width_of(&ty, instance.span)?;
        let slot = self.new_slot(&instance.name, width);
        let meta = self.slot_meta(slot);
        let tree = self.tree;
        let values = match tree.base(&ty) {
            Type::Enum(id) => tree.enums[*id]
                .members
                .iter()
                .enumerate()
                .map(|(i, (name, value))| {
                    let bits = match value {
                        Some(value) => to_bits(value, width),
                        None => trisect_ir::Bits::new(width, self.enum_number(*id, i as u32)),
                    };
                    (name.clone(), bits)
                })
                .collect(),
            _ => Vec::new(),
        };
        self.ir.attributes.push(trisect_ir::Attribute {
            name: instance.name.clone(),
            meta,
            values,
        });
        Ok(ExternKind::Attribute(slot))
    }

    pub(super) fn search(&mut self, object: ObjectId, call: &ExternCall<'a>) -> R<Value<'a>> {
        let Value::Header(after) = self.arg(call, 0)? else {
            return Err(error(codes::TYPE, call.span, "a header is needed here"));
        };
        let after = after.id;
        let meta = self.temporary("found", 16);
        self.emit(Op::Search {
            object,
            after,
            dst: LValue::meta(meta),
        });
        Ok(Value::Bits(Expr::Meta(meta)))
    }

    pub(super) fn allocator_method(
        &mut self,
        object: ObjectId,
        ty: &Type,
        call: &ExternCall<'a>,
    ) -> R<Value<'a>> {
        let width = self.width_of(ty, call.span)?;
        if call.name == "touch" {
            let (found, value) = self.arg_scalar(call, 0)?;
            self.emit(Op::Touch(object, resize(value, found, width, false)));
            return Ok(Value::Unit);
        }
        let (ok, value) = match (self.direct(call, 0, 1), self.direct(call, 1, width)) {
            (Some(ok), Some(value)) => (ok, value),
            _ => {
                return Err(error(
                    codes::NOT_ASSIGNABLE,
                    call.span,
                    format!("`allocate` writes a `bit<1>` and a `bit<{width}>` that are variables"),
                ));
            }
        };
        self.emit(Op::Allocate { object, ok, value });
        Ok(Value::Unit)
    }

    /// An argument that is a place of this width.
    fn direct(&mut self, call: &ExternCall<'a>, at: usize, width: u32) -> Option<LValue> {
        let place = match call.args.get(at)?.value.as_ref()? {
            Value::Slot(slot) => LValue::meta(self.slot_meta(*slot)),
            Value::Place(place) => *place,
            _ => return None,
        };
        (self.ir.lvalue_width(&place) == width).then_some(place)
    }
}
