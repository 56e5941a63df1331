//! Stateful objects that both architectures have: counters, meters, registers.

use std::rc::Rc;

use trisect_ir::{Bits, CountUnit, ObjectKind};

use super::externs::{Args, Instance};
use super::value::{Env, ExternKind};
use super::{Elab, R, unsupported};
use crate::Span;

impl<'a> Elab<'a> {
    /// A counter or meter unit by the number of its enum member: packets, bytes, both.
    pub(super) fn unit_argument(
        &mut self,
        args: &Args<'a>,
        at: usize,
        env: &Rc<Env<'a>>,
        span: Span,
    ) -> R<CountUnit> {
        Ok(
            match u32::try_from(&self.constant_argument(args, at, env, span)?) {
                Ok(0) => CountUnit::Packets,
                Ok(1) => CountUnit::Bytes,
                _ => CountUnit::PacketsAndBytes,
            },
        )
    }

    /// A counter: its size, unless it is direct, then its unit.
    pub(super) fn counter_object(
        &mut self,
        instance: &Instance<'a>,
        direct: bool,
        env: &Rc<Env<'a>>,
    ) -> R<ExternKind> {
        let (size, unit) = self.cells_and_unit(instance, direct, env)?;
        let id = self.add_object(&instance.name, ObjectKind::Counter { size, unit });
        Ok(match direct {
            true => ExternKind::DirectCounter(id),
            false => ExternKind::Counter(id),
        })
    }

    /// A meter: its size, unless it is direct, then its unit; the rates from its annotation.
    pub(super) fn meter_object(
        &mut self,
        instance: &Instance<'a>,
        direct: bool,
        env: &Rc<Env<'a>>,
    ) -> R<ExternKind> {
        let (size, unit) = self.cells_and_unit(instance, direct, env)?;
        let kind = ObjectKind::Meter {
            size,
            unit,
            default: self.meter_rates(instance.annotations, env)?,
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
        instance: &Instance<'a>,
        direct: bool,
        env: &Rc<Env<'a>>,
    ) -> R<(Option<u32>, CountUnit)> {
        let (args, span) = (&instance.args, instance.span);
        let size = match direct {
            true => None,
            false => Some(self.size_argument(args, 0, env, span)?),
        };
        let unit = self.unit_argument(args, usize::from(!direct), env, span)?;
        Ok((size, unit))
    }

    /// A register of `size` cells.
    pub(super) fn register_object(
        &mut self,
        instance: &Instance<'a>,
        init: Option<usize>,
        env: &Rc<Env<'a>>,
    ) -> R<ExternKind> {
        let ty = instance.type_arg(0, 32);
        let Some(width) = ty.width() else {
            return Err(unsupported(instance.span, format!("a register of `{ty}`")));
        };
        let size = self.size_argument(&instance.args, 0, env, instance.span)?;
        let init = match init {
            Some(at) if instance.args.len() > at => {
                let value = self.constant_argument(&instance.args, at, env, instance.span)?;
                super::ops::to_bits(&value, width)
            }
            _ => Bits::zero(width),
        };
        let object = ObjectKind::Register { width, size, init };
        Ok(ExternKind::Register(
            self.add_object(&instance.name, object),
            ty,
        ))
    }
}
