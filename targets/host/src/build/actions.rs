//! Operations.

use super::expr::Scope;
use super::value::{Val, limb_count};
use super::{Build, flags};
use crate::facts::Validity;
use crate::helpers::Helper;
use crate::info::Base;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use std::mem::offset_of;
use trisect_ir::state::Count;
use trisect_ir::{
    CountUnit, Entity, Expr, HeaderId, Index, LValue, ObjectId, ObjectKind, Op, Place, TableId,
};

/// What the operations belong to.
#[derive(Clone, Copy)]
pub(super) struct Running<'a> {
    pub scope: Scope<'a>,
    /// The table that the action runs for.
    pub table: Option<TableId>,
    /// The handle of its entry; `None` for a certain miss.
    pub handle: Option<Value>,
}

impl Build<'_, '_> {
    pub(super) fn ops(&mut self, ops: &[Op], running: Running<'_>) {
        for op in ops {
            self.op(op, running);
        }
    }
    fn op(&mut self, op: &Op, running: Running<'_>) {
        let scope = running.scope;
        match op {
            Op::Set(to, expr) => {
                let value = self.eval(expr, scope);
                self.assign(to, &value);
            }
            Op::SetValid(header) => self.set_valid(*header),
            Op::SetInvalid(header) => self.set_invalid(*header),
            Op::Copy { dst, src } => self.copy(*dst, *src),
            Op::CopyVarbit { dst, src } => self.copy_varbit(*dst, *src),
            Op::If(cond, yes, no) => self.op_if(cond, yes, no, running),
            Op::Count(object, index) => self.count(*object, index, running),
            Op::Meter {
                object,
                index,
                color,
                dst,
            } => self.meter(*object, index, color.as_ref(), dst, running),
            Op::Read { object, index, dst } => {
                let index = self.eval(index, scope);
                let value = self.read_register(*object, &index);
                self.assign(dst, &value);
            }
            Op::Write {
                object,
                index,
                value,
            } => {
                let index = self.eval(index, scope);
                let value = self.eval(value, scope);
                self.write_register(*object, &index, &value);
            }
            Op::Search { object, after, dst } => {
                let found = self.search(*object, *after);
                self.assign(dst, &found);
            }
            Op::Allocate { object, ok, value } => self.allocate(*object, ok, value),
            Op::Touch(object, number) => {
                let number = self.eval(number, scope);
                self.touch(*object, &number);
            }
            Op::Notify(object, values) => {
                let values: Vec<Val> = values.iter().map(|v| self.eval(v, scope)).collect();
                self.notify(*object, &values);
            }
            Op::Random {
                object,
                lo,
                hi,
                dst,
            } => {
                let (lo, hi) = (self.eval(lo, scope), self.eval(hi, scope));
                let number = self.random(*object, &lo, &hi);
                self.assign(dst, &number);
            }
            Op::AddEntry {
                table,
                action,
                args,
                profile,
            } => {
                if running.table == Some(*table) {
                    let params = self.program.actions[*action].params.clone();
                    let values: Vec<Val> = args
                        .iter()
                        .zip(&params)
                        .map(|(arg, param)| {
                            let value = self.eval(arg, scope);
                            self.resize(&value, param.width)
                        })
                        .collect();
                    let profile = self.eval(profile, scope);
                    self.add_entry(*table, action.index() as u64, &values, &profile);
                }
            }
            Op::SetExpire { table, profile } => {
                if running.table == Some(*table) {
                    let profile = self.eval(profile, scope);
                    let profile = self.index(&profile);
                    let table = self.number(table.index() as u64);
                    let context = self.context;
                    self.call(Helper::SetExpire, &[context, table, profile]);
                }
            }
        }
    }
    fn op_if(&mut self, cond: &Expr, yes: &[Op], no: &[Op], running: Running<'_>) {
        let yes_block = self.b.create_block();
        let no_block = self.b.create_block();
        let done = self.b.create_block();
        let ways = self.branch(cond, yes_block, no_block, running.scope);
        let mut after = None;
        for (block, facts, ops) in [(yes_block, ways.yes, yes), (no_block, ways.no, no)] {
            if let Some(facts) = facts {
                self.switch(block);
                self.facts = facts;
                self.ops(ops, running);
                crate::facts::join(&mut after, &self.facts);
                self.b.ins().jump(done, &[]);
            }
        }
        self.switch(done);
        if let Some(after) = after {
            self.facts = after;
        }
    }
    /// Assigns a place.
    pub(super) fn assign(&mut self, to: &LValue, value: &Val) {
        match to.place {
            Place::Meta(meta) => {
                let width = self.program.metas[meta].width;
                let value = match to.slice {
                    None => self.resize(value, width),
                    Some((hi, lo)) => {
                        let old = self.eval(&Expr::Meta(meta), Scope::NONE);
                        self.with_slice(&old, hi, lo, value)
                    }
                };
                let variables = self.metas[meta].clone();
                for (variable, limb) in variables.into_iter().zip(value.limbs) {
                    self.b.def_var(variable, limb);
                }
            }
            Place::Field(field) => {
                let Some(at) = self.writable(field.header) else {
                    return;
                };
                let mut range = self.field_range(field);
                if let Some((hi, lo)) = to.slice {
                    range.offset += range.width - 1 - hi;
                    range.width = hi - lo + 1;
                }
                let value = self.resize(value, range.width);
                self.store_bits(at, range, &value);
            }
        }
    }
    fn set_start_invalid(&mut self, header: HeaderId) {
        let zero = self.number(0);
        self.b.def_var(self.headers[header].start, zero);
        self.facts.set(header, Validity::Invalid);
    }
    /// The place on the stack of a header that operations make valid.
    fn place(&mut self, header: HeaderId) -> Value {
        match self.places.get(&header) {
            Some(slot) => self.b.ins().stack_addr(I64, *slot, 0),
            None => {
                debug_assert!(false, "Info::scratch lacks a header");
                self.sink()
            }
        }
    }
    pub(super) fn set_invalid(&mut self, header: HeaderId) {
        if self.validity(header) != Validity::Invalid {
            self.set_dirty();
            self.set_start_invalid(header);
        }
    }
    pub(super) fn set_valid(&mut self, header: HeaderId) {
        let done = self.b.create_block();
        match self.validity(header) {
            Validity::Valid => {
                self.b.ins().jump(done, &[]);
                self.switch(done);
                return;
            }
            Validity::Invalid => {}
            Validity::Unknown => {
                let make = self.b.create_block();
                let start = self.b.use_var(self.headers[header].start);
                self.b.ins().brif(start, done, &[], make, &[]);
                self.switch(make);
            }
        }
        let place = self.place(header);
        let bytes = self.fixed_bytes(header);
        let zero = self.number(0);
        // The place has room for whole words.
        for at in (0..bytes).step_by(8) {
            self.b.ins().store(flags(), zero, place, at as i32);
        }
        let vars = self.headers[header];
        self.b.def_var(vars.start, place);
        if let Some(len) = vars.len {
            let fixed = self.number(u64::from(bytes));
            self.b.def_var(len, fixed);
        }
        self.set_dirty();
        self.b.ins().jump(done, &[]);
        self.switch(done);
        self.facts.set(header, Validity::Valid);
    }
    pub(super) fn copy(&mut self, dst: HeaderId, src: HeaderId) {
        if dst == src {
            return;
        }
        self.set_dirty();
        match self.validity(src) {
            Validity::Invalid => {
                self.set_start_invalid(dst);
                return;
            }
            Validity::Valid => {
                self.copy_valid(dst, src);
                return;
            }
            Validity::Unknown => {}
        }
        let valid = self.b.create_block();
        let invalid = self.b.create_block();
        let done = self.b.create_block();
        let start = self.b.use_var(self.headers[src].start);
        self.b.ins().brif(start, valid, &[], invalid, &[]);
        self.switch(valid);
        self.copy_valid(dst, src);
        self.b.ins().jump(done, &[]);
        self.switch(invalid);
        self.set_start_invalid(dst);
        self.b.ins().jump(done, &[]);
        self.switch(done);
        self.facts.set(dst, Validity::Unknown);
    }
    fn copy_valid(&mut self, dst: HeaderId, src: HeaderId) {
        let from = self.b.use_var(self.headers[src].start);
        let to = self.place(dst);
        let len = self.header_len(src);
        self.call(Helper::CopyBytes, &[to, from, len]);
        let vars = self.headers[dst];
        self.b.def_var(vars.start, to);
        if let Some(variable) = vars.len {
            self.b.def_var(variable, len);
        }
        self.facts.set(dst, Validity::Valid);
    }
    /// The header moves to its place on the stack, where there is room for any varbit.
    pub(super) fn copy_varbit(&mut self, dst: HeaderId, src: HeaderId) {
        let vars = self.headers[dst];
        let Some(dst_len) = vars.len else { return };
        if dst == src || self.validity(dst) == Validity::Invalid {
            return;
        }
        let done = self.b.create_block();
        let start = self.b.use_var(vars.start);
        if self.validity(dst) == Validity::Unknown {
            let there = self.b.create_block();
            self.b.ins().brif(start, there, &[], done, &[]);
            self.switch(there);
        }
        let place = self.place(dst);
        let fixed = self.fixed_bytes(dst);
        let fixed_len = self.number(u64::from(fixed));
        self.call(Helper::CopyBytes, &[place, start, fixed_len]);
        let (from, len) = self.varbit(src);
        let to = self.b.ins().iadd_imm_s(place, i64::from(fixed));
        self.call(Helper::CopyBytes, &[to, from, len]);
        let whole = self.b.ins().iadd_imm_s(len, i64::from(fixed));
        self.b.def_var(vars.start, place);
        self.b.def_var(dst_len, whole);
        self.set_dirty();
        self.b.ins().jump(done, &[]);
        self.switch(done);
    }
    /// Number of cells of an indexed object.
    fn object_size(&self, object: ObjectId) -> Option<u32> {
        match &self.program.objects[object].kind {
            ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => *size,
            ObjectKind::Register { size, .. } => Some(*size),
            ObjectKind::PatternSet { .. }
            | ObjectKind::Allocator { .. }
            | ObjectKind::Message { .. }
            | ObjectKind::Random { .. } => None,
        }
    }
    fn count(&mut self, object: ObjectId, index: &Index, running: Running<'_>) {
        let bytes = self.packet_length();
        let context = self.context;
        match index {
            Index::Entry => {
                if let (Some(table), Some(handle)) = (running.table, running.handle) {
                    let object = self.number(object.index() as u64);
                    let table = self.number(table.index() as u64);
                    self.call(Helper::CountEntry, &[context, object, table, handle, bytes]);
                }
            }
            Index::At(index) => {
                let Some(size) = self.object_size(object) else {
                    return;
                };
                let value = self.eval(index, running.scope);
                let value = self.index(&value);
                let certain = matches!(index, Expr::Const(c)
                    if c.to_u64().is_some_and(|c| c < u64::from(size)));
                let done = self.b.create_block();
                if !certain {
                    let there = self.b.create_block();
                    let size = self.number(u64::from(size));
                    let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, value, size);
                    self.b.ins().brif(inside, there, &[], done, &[]);
                    self.switch(there);
                }
                let base = self.base(Base::Object(object));
                let stride = self.number(size_of::<Count>() as u64);
                let at = self.b.ins().imul(value, stride);
                let cell = self.b.ins().iadd(base, at);
                let one = self.number(1);
                self.add_to(cell, offset_of!(Count, packets), one);
                self.add_to(cell, offset_of!(Count, bytes), bytes);
                self.b.ins().jump(done, &[]);
                self.switch(done);
            }
        }
    }
    fn add_to(&mut self, cell: Value, offset: usize, amount: Value) {
        let old = self.load_native(cell, offset as i32, 8);
        let new = self.b.ins().iadd(old, amount);
        self.b.ins().store(flags(), new, cell, offset as i32);
    }
    fn meter(
        &mut self,
        object: ObjectId,
        index: &Index,
        color: Option<&Expr>,
        dst: &LValue,
        running: Running<'_>,
    ) {
        let ObjectKind::Meter { unit, .. } = &self.program.objects[object].kind else {
            return;
        };
        let units = match unit {
            CountUnit::Packets => self.number(1),
            CountUnit::Bytes | CountUnit::PacketsAndBytes => self.packet_length(),
        };
        let green = self.number(0);
        let color = match color {
            Some(color) => {
                let color = self.eval(color, running.scope);
                let color = self.index(&color);
                // Everything above 2 counts as red.
                let red = self.number(2);
                let more = self.b.ins().icmp(IntCC::UnsignedGreaterThan, color, red);
                self.b.ins().select(more, red, color)
            }
            None => green,
        };
        let now = self.now();
        let context = self.context;
        let number = self.number(object.index() as u64);
        let result = match index {
            Index::At(index) => {
                let index = self.eval(index, running.scope);
                let index = self.index(&index);
                self.object_size(object).and_then(|_| {
                    self.call(
                        Helper::MeterAt,
                        &[context, number, index, now, units, color],
                    )
                })
            }
            Index::Entry => match (running.table, running.handle) {
                (Some(table), Some(handle)) => {
                    let table = self.number(table.index() as u64);
                    self.call(
                        Helper::MeterEntry,
                        &[context, number, table, handle, now, units, color],
                    )
                }
                _ => None,
            },
        };
        let value = Self::small(8, result.unwrap_or(green));
        self.assign(dst, &value);
    }
    /// A register cell, or `elsewhere` if the index is past the end.
    fn register_cell(&mut self, object: ObjectId, index: &Val, elsewhere: Value) -> (u32, Value) {
        let (width, size) = match &self.program.objects[object].kind {
            ObjectKind::Register { width, size, .. } => (*width, *size),
            _ => (0, 0),
        };
        let index = self.index(index);
        let size = self.number(u64::from(size));
        let inside = self.b.ins().icmp(IntCC::UnsignedLessThan, index, size);
        let base = self.base(Base::Object(object));
        let stride = self.number(8 * limb_count(width) as u64);
        let at = self.b.ins().imul(index, stride);
        let cell = self.b.ins().iadd(base, at);
        (width, self.b.ins().select(inside, cell, elsewhere))
    }
    fn read_register(&mut self, object: ObjectId, index: &Val) -> Val {
        let zeros = self.zero_page();
        let (width, cell) = self.register_cell(object, index, zeros);
        self.unspill(width, cell, 0)
    }
    fn write_register(&mut self, object: ObjectId, index: &Val, value: &Val) {
        let sink = self.sink();
        let (width, cell) = self.register_cell(object, index, sink);
        let value = self.resize(value, width);
        self.spill(&value, cell, 0);
    }
    fn search(&mut self, object: ObjectId, after: HeaderId) -> Val {
        let zero = self.number(0);
        let position = self.program.deparser.iter().position(|h| *h == after);
        let Some(position) = position.filter(|_| self.validity(after) != Validity::Invalid) else {
            return Self::small(16, zero);
        };
        let done = self.b.create_block();
        let result = self.b.append_block_param(done, I64);
        if self.validity(after) == Validity::Unknown {
            let there = self.b.create_block();
            let start = self.b.use_var(self.headers[after].start);
            self.b.ins().brif(start, there, &[], done, &[zero.into()]);
            self.switch(there);
        }
        let number = self.number(object.index() as u64);
        let context = self.context;
        let end = self.b.use_var(self.end);
        if let Some(dirty) = self.dirty {
            let gathered = self.b.create_block();
            let in_place = self.b.create_block();
            let dirty = self.b.use_var(dirty);
            self.b.ins().brif(dirty, gathered, &[], in_place, &[]);
            self.switch(gathered);
            let behind = self.program.deparser[position + 1..].to_vec();
            let (segments, count) = self.segments(&behind);
            let payload = self.b.use_var(self.cursor);
            let found = self.call(
                Helper::SearchGathered,
                &[context, number, segments, count, payload, end],
            );
            self.b.ins().jump(done, &[found.unwrap_or(zero).into()]);
            self.switch(in_place);
        }
        let start = self.b.use_var(self.headers[after].start);
        let len = self.header_len(after);
        let from = self.b.ins().iadd(start, len);
        let found = self.call(Helper::Search, &[context, number, from, end]);
        self.b.ins().jump(done, &[found.unwrap_or(zero).into()]);
        self.switch(done);
        Self::small(16, result)
    }
    fn allocate(&mut self, object: ObjectId, ok: &LValue, value: &LValue) {
        let ObjectKind::Allocator { width, .. } = self.program.objects[object].kind else {
            return;
        };
        let number = self.number(object.index() as u64);
        let now = self.now();
        let memory = self.temporary(1);
        let context = self.context;
        let zero = self.number(0);
        let taken = self
            .call(Helper::Allocate, &[context, number, now, memory])
            .unwrap_or(zero);
        let word = self.load_native(memory, 0, 8);
        self.assign(ok, &Self::small(1, taken));
        let wide = Self::small(64, word);
        let result = self.resize(&wide, width);
        self.assign(value, &result);
    }
    fn touch(&mut self, object: ObjectId, number: &Val) {
        let done = self.b.create_block();
        let word = match number.limbs[..] {
            [] => self.number(0),
            [word] => word,
            [word, ref rest @ ..] => {
                // A number of more than 64 bits is none of the allocator's.
                let high = Self::val(number.width - 64, rest.to_vec());
                let high = self.is_nonzero(&high);
                let small = self.b.create_block();
                self.b.ins().brif(high, done, &[], small, &[]);
                self.switch(small);
                word
            }
        };
        let object = self.number(object.index() as u64);
        let now = self.now();
        let context = self.context;
        self.call(Helper::Touch, &[context, object, word, now]);
        self.b.ins().jump(done, &[]);
        self.switch(done);
    }
    /// Puts values on the stack, limb after limb; their address and the number of limbs.
    fn spill_all(&mut self, values: &[Val]) -> (Value, usize) {
        let words: usize = values.iter().map(|v| v.limbs.len()).sum();
        let memory = self.temporary(words);
        let mut at = 0;
        for value in values {
            self.spill(value, memory, at);
            at += 8 * value.limbs.len() as i32;
        }
        (memory, words)
    }
    fn notify(&mut self, object: ObjectId, values: &[Val]) {
        let (memory, words) = self.spill_all(values);
        let object = self.number(object.index() as u64);
        let count = self.number(words as u64);
        let context = self.context;
        self.call(Helper::Notify, &[context, object, memory, count]);
    }
    fn random(&mut self, object: ObjectId, lo: &Val, hi: &Val) -> Val {
        let width = lo.width;
        let bytes = 8 * lo.limbs.len() as i64;
        let result = self.zero(width);
        let (memory, _) = self.spill_all(&[lo.clone(), hi.clone(), result]);
        let object = self.number(object.index() as u64);
        let bits = self.number(u64::from(width));
        let hi = self.b.ins().iadd_imm_s(memory, bytes);
        let result = self.b.ins().iadd_imm_s(memory, 2 * bytes);
        let context = self.context;
        self.call(Helper::Random, &[context, object, bits, memory, hi, result]);
        self.unspill(width, result, 0)
    }
    fn add_entry(&mut self, table: TableId, action: u64, args: &[Val], profile: &Val) {
        let (memory, words) = self.spill_all(args);
        let profile = self.index(profile);
        let table = self.number(table.index() as u64);
        let action = self.number(action);
        let count = self.number(words as u64);
        let now = self.now();
        let context = self.context;
        self.call(
            Helper::AddEntry,
            &[context, table, action, memory, count, profile, now],
        );
    }
}
