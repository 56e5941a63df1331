//! Operations, as primitives of actions.

use serde_json::{Value, json};
use trisect_ir::{Bits, Expr, HeaderId, Index, LValue, ObjectId, ObjectKind, Op};

use super::code::{COLOR_BITS, Code, Within};
use super::value::{
    SCRATCH, STANDARD, Term, argument, binary, field, leaf, meta, number, unary, validity,
    zero_header,
};
use crate::emit::PIPELINE;
use crate::valid::{after_op, implied};

/// The counter of dropped packets by reason.
pub(crate) const DROPS: &str = "drops";

/// The name under which the control plane knows something of the pipeline: as in the P4 text.
pub(crate) fn public(name: &str) -> String {
    format!("{PIPELINE}.{name}")
}

fn named(kind: &str, name: &str) -> Value {
    json!({ "type": kind, "value": name })
}

fn header(name: &str) -> Value {
    named("header", name)
}

impl Code<'_> {
    pub(crate) fn all(&mut self, ops: &[Op]) {
        for op in ops {
            self.one(op);
            after_op(op, &mut self.valid);
        }
    }

    pub(crate) fn one(&mut self, op: &Op) {
        match op {
            Op::Set(to, value) => {
                let value = self.data(value);
                self.assign(to, value);
            }
            Op::SetValid(at) => self.set_valid(*at),
            Op::SetInvalid(at) => {
                self.primitive("remove_header", vec![header(&self.names.headers[*at])]);
            }
            Op::Copy { dst, src } => {
                let (dst, src) = (&self.names.headers[*dst], &self.names.headers[*src]);
                self.primitive("assign_header", vec![header(dst), header(src)]);
            }
            Op::If(cond, then, otherwise) => self.conditional(cond, then, otherwise),
            // A direct counter counts by itself: it is a property of the table.
            Op::Count(_, Index::Entry) => {}
            Op::Count(object, Index::At(index)) => {
                let counter = named("counter_array", &public(&self.names.objects[*object]));
                let (index, below) = self.index(*object, index);
                self.guarded(below, |this| {
                    this.primitive("count", vec![counter, argument(index)]);
                });
            }
            Op::Meter {
                object, index, dst, ..
            } => self.meter(*object, index, dst),
            Op::Read { object, index, dst } => self.read(*object, index, dst),
            Op::Write {
                object,
                index,
                value,
            } => {
                let register = named("register_array", &public(&self.names.objects[*object]));
                let value = self.data(value);
                let (index, below) = self.index(*object, index);
                self.guarded(below, |this| {
                    let arguments = vec![register, argument(index), argument(value)];
                    this.primitive("register_write", arguments);
                });
            }
            // Refused before emission.
            Op::CopyVarbit { .. }
            | Op::Search { .. }
            | Op::Allocate { .. }
            | Op::Touch(..)
            | Op::Notify(..)
            | Op::Random { .. }
            | Op::AddEntry { .. }
            | Op::SetExpire { .. } => {}
        }
    }

    // ----------------------------------------------------------------------------------- jumps

    /// Jumps where a condition does not hold; where to is said later.
    fn jump_unless(&mut self, cond: Term) -> usize {
        let bit = argument(unary("b2d", cond));
        self.primitive("_jump_if_zero", vec![bit, Value::Null]);
        self.out.len() - 1
    }

    fn jump(&mut self) -> usize {
        self.primitive("_jump", vec![Value::Null]);
        self.out.len() - 1
    }

    /// The jump leads here.
    fn land(&mut self, jump: usize) {
        let target = argument(number(32, self.out.len() as u64));
        let parameters = self
            .out
            .get_mut(jump)
            .and_then(|j| j["parameters"].as_array_mut());
        if let Some(last) = parameters.and_then(|parameters| parameters.last_mut()) {
            *last = target;
        }
    }

    fn conditional(&mut self, cond: &Expr, then: &[Op], otherwise: &[Op]) {
        let test = self.truth(cond);
        let before = self.valid.clone();
        let to_otherwise = self.jump_unless(test);
        self.valid.extend(implied(cond, true));
        self.all(then);
        self.valid = &before | &implied(cond, false);
        if otherwise.is_empty() {
            self.land(to_otherwise);
        } else {
            let to_end = self.jump();
            self.land(to_otherwise);
            self.all(otherwise);
            self.land(to_end);
        }
        self.valid = before;
    }

    fn guarded(&mut self, guard: Option<Term>, emit: impl FnOnce(&mut Self)) {
        match guard {
            None => emit(self),
            Some(guard) => {
                let past = self.jump_unless(guard);
                emit(self);
                self.land(past);
            }
        }
    }

    // ----------------------------------------------------------------------------------- headers

    /// A header that becomes valid has zeros in all its fields, and an empty varbit. `add_header` does the first;
    /// for the second, the header is set from one that is always empty.
    fn set_valid(&mut self, at: HeaderId) {
        if self.valid.contains(&at) {
            return;
        }
        let ty = self.program.headers[at].ty;
        let name = header(&self.names.headers[at]);
        if self.program.header_types[ty].varbit().is_none() {
            self.primitive("add_header", vec![name]);
            return;
        }
        if self.within == Within::Parser {
            self.emptied.push((self.out.len(), at));
            return;
        }
        let invalid = unary("not", unary("d2b", leaf(validity(self.names, at))));
        self.guarded(Some(invalid), |this| this.empty(at));
    }

    /// Makes a header valid, with zeros and an empty varbit.
    pub(crate) fn empty(&mut self, at: HeaderId) {
        let zero = header(&zero_header(self.program.headers[at].ty));
        let name = header(&self.names.headers[at]);
        self.primitive("add_header", vec![zero.clone()]);
        self.primitive("assign_header", vec![name, zero]);
    }

    // ----------------------------------------------------------------------------------- objects

    /// An index, and the condition that the object has it, unless that is certain.
    fn index(&mut self, object: ObjectId, index: &Expr) -> (Term, Option<Term>) {
        let size = match self.program.objects[object].kind {
            ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => size.unwrap_or(0),
            ObjectKind::Register { size, .. } => size,
            ObjectKind::PatternSet { .. }
            | ObjectKind::Allocator { .. }
            | ObjectKind::Message { .. }
            | ObjectKind::Random { .. } => 0,
        };
        let width = self.program.width(index, self.params);
        let below = match index {
            Expr::Const(bits) => bits.to_u64().is_some_and(|at| at < u64::from(size)),
            _ => Bits::ones(width)
                .to_u64()
                .is_some_and(|at| at < u64::from(size)),
        };
        let value = self.data(index);
        if below {
            return (value, None);
        }
        let value = self.twice(value, width);
        let guard = binary("<", value.clone(), number(32, u64::from(size)));
        (value, Some(guard))
    }

    /// Past the end of the register, 0 is read.
    fn read(&mut self, object: ObjectId, index: &Expr, dst: &LValue) {
        let ObjectKind::Register { width, .. } = self.program.objects[object].kind else {
            return;
        };
        let register = named("register_array", &public(&self.names.objects[object]));
        let (index, below) = self.index(object, index);
        let result = self.temporary(width, number(1, 0));
        self.guarded(below, |this| {
            let arguments = vec![result.clone(), register, argument(index)];
            this.primitive("register_read", arguments);
        });
        self.assign_resized(dst, &result, width);
    }

    fn meter(&mut self, object: ObjectId, index: &Index, dst: &LValue) {
        let name = self.names.objects[object].clone();
        let Index::At(index) = index else {
            // The table has run it already; on a miss the colour is still 0, which is green.
            let color = self.shared.scratch.color(&name);
            self.assign_resized(dst, &field(SCRATCH, &color), COLOR_BITS);
            return;
        };
        let meter = named("meter_array", &public(&name));
        let (index, below) = self.index(object, index);
        let result = self.temporary(COLOR_BITS, number(1, 0));
        self.guarded(below, |this| {
            this.primitive(
                "execute_meter",
                vec![meter, argument(index), result.clone()],
            );
        });
        self.assign_resized(dst, &result, COLOR_BITS);
    }

    /// Assigns a field of `from` bits.
    fn assign_resized(&mut self, to: &LValue, value: &Value, from: u32) {
        let width = self.program.lvalue_width(to);
        let value = leaf(value.clone());
        let value = if width < from {
            binary("&", value, leaf(super::value::hexstr(&Bits::ones(width))))
        } else {
            value
        };
        self.assign(to, value);
    }

    // ------------------------------------------------------------------------------------- ends

    /// Sends the packet.
    pub(crate) fn send(&mut self) {
        let port = meta(self.names, trisect_ir::StdMeta::EgressPort.id());
        self.store(&field(STANDARD, "egress_spec"), leaf(port));
    }

    /// Counts the packet by its reason, and drops it.
    pub(crate) fn discard(&mut self, reasons: u64) {
        let reason = leaf(meta(self.names, trisect_ir::StdMeta::Drop.id()));
        let known = binary("<", reason.clone(), number(32, reasons));
        self.guarded(Some(known), |this| {
            let counter = named("counter_array", &public(DROPS));
            this.primitive("count", vec![counter, argument(reason)]);
        });
        self.primitive("mark_to_drop", vec![header(STANDARD)]);
    }
}
