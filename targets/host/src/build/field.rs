//! Bits in memory, in network order.

use super::value::{Val, limb_count, ones};
use super::{Build, flags};
use crate::facts::Validity;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I16, I32};
use cranelift_codegen::ir::{InstBuilder, Value};
use trisect_ir::{FieldRef, HeaderId};

/// Some bits in a region of memory that may be accessed as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitRange {
    /// First bit from the start of the region, most significant first.
    pub offset: u32,
    /// How many.
    pub width: u32,
    /// Bytes of the region.
    pub region: u32,
}

/// How to get at up to 64 bits: with one access, or in two parts of which the first has this many
/// bits.
enum Access {
    One { start: u32, bytes: u32 },
    Split(u32),
}

impl BitRange {
    fn first(&self) -> u32 {
        self.offset / 8
    }
    fn bytes(&self) -> u32 {
        (self.offset + self.width).div_ceil(8) - self.first()
    }
    /// The smallest access that covers the bits and stays in the region.
    fn access(&self) -> Access {
        let needed = self.bytes();
        for bytes in [1, 2, 4, 8] {
            if bytes >= needed && bytes <= self.region {
                let start = self.first().min(self.region - bytes);
                return Access::One { start, bytes };
            }
        }
        // Split behind the largest power of two of bytes.
        let head = [8, 4, 2, 1].into_iter().find(|b| *b < needed).unwrap_or(1);
        Access::Split((self.first() + head) * 8 - self.offset)
    }
    fn split(&self, first: u32) -> (BitRange, BitRange) {
        let high = BitRange {
            width: first,
            ..*self
        };
        let low = BitRange {
            offset: self.offset + first,
            width: self.width - first,
            ..*self
        };
        (high, low)
    }
    /// The part that limb `i` of the value holds.
    fn limb(&self, i: usize) -> BitRange {
        let low = 64 * i as u32;
        let width = (self.width - low).min(64);
        BitRange {
            offset: self.offset + self.width - low - width,
            width,
            ..*self
        }
    }
}

impl Build<'_, '_> {
    /// Loads `bytes` (1, 2, 4 or 8) in network order.
    pub(super) fn load_big(&mut self, at: Value, offset: i32, bytes: u32) -> Value {
        let little = self.module_is_little_endian();
        match bytes {
            _ if !little => self.load_native(at, offset, bytes),
            1 => self.load_native(at, offset, 1),
            2 => {
                let raw = self.b.ins().load(I16, flags(), at, offset);
                let value = self.b.ins().bswap(raw);
                self.b.ins().uextend(super::I64, value)
            }
            4 => {
                let raw = self.b.ins().load(I32, flags(), at, offset);
                let value = self.b.ins().bswap(raw);
                self.b.ins().uextend(super::I64, value)
            }
            _ => {
                let raw = self.load_native(at, offset, 8);
                self.b.ins().bswap(raw)
            }
        }
    }
    /// Stores the lowest `bytes` (1, 2, 4 or 8) of a word in network order.
    pub(super) fn store_big(&mut self, value: Value, at: Value, offset: i32, bytes: u32) {
        let little = self.module_is_little_endian();
        match bytes {
            1 => {
                self.b.ins().istore8(flags(), value, at, offset);
            }
            2 | 4 => {
                let ty = if bytes == 2 { I16 } else { I32 };
                let low = self.ireduce(ty, value);
                let low = if little { self.b.ins().bswap(low) } else { low };
                self.b.ins().store(flags(), low, at, offset);
            }
            _ => {
                let value = if little {
                    self.b.ins().bswap(value)
                } else {
                    value
                };
                self.b.ins().store(flags(), value, at, offset);
            }
        }
    }
    fn module_is_little_endian(&self) -> bool {
        use cranelift_module::Module;
        self.module.isa().endianness() == cranelift_codegen::ir::Endianness::Little
    }
    /// Up to 64 bits from memory.
    fn load_word(&mut self, at: Value, range: BitRange) -> Value {
        if range.width == 0 {
            return self.number(0);
        }
        match range.access() {
            Access::One { start, bytes } => {
                let value = self.load_big(at, start as i32, bytes);
                let behind = (start + bytes) * 8 - range.offset - range.width;
                let value = self.shift_right(value, behind);
                if behind + range.width < bytes * 8 {
                    self.low(value, range.width)
                } else {
                    value
                }
            }
            Access::Split(first) => {
                let (high, low) = range.split(first);
                let width = low.width;
                let high = self.load_word(at, high);
                let low = self.load_word(at, low);
                let high = self.shift_left(high, width);
                self.b.ins().bor(high, low)
            }
        }
    }
    /// Up to 64 bits to memory.
    fn store_word(&mut self, at: Value, range: BitRange, value: Value) {
        if range.width == 0 {
            return;
        }
        let whole = range.offset.is_multiple_of(8) && range.width.is_multiple_of(8);
        let bytes = range.width / 8;
        if whole && bytes.is_power_of_two() {
            self.store_big(value, at, range.first() as i32, bytes);
            return;
        }
        match range.access() {
            // Whole bytes are written in parts rather than read, changed and written back.
            Access::One { start, bytes } if !whole => {
                let behind = (start + bytes) * 8 - range.offset - range.width;
                let old = self.load_big(at, start as i32, bytes);
                let keep = self.number(!(ones(range.width) << behind));
                let old = self.b.ins().band(old, keep);
                let new = self.shift_left(value, behind);
                let both = self.b.ins().bor(old, new);
                self.store_big(both, at, start as i32, bytes);
            }
            access => {
                let first = match access {
                    Access::Split(first) => first,
                    Access::One { .. } => 8 << bytes.ilog2(),
                };
                let (high, low) = range.split(first);
                let upper = self.shift_right(value, low.width);
                let lower = self.low(value, low.width);
                self.store_word(at, high, upper);
                self.store_word(at, low, lower);
            }
        }
    }
    pub(super) fn load_bits(&mut self, at: Value, range: BitRange) -> Val {
        let limbs = (0..limb_count(range.width))
            .map(|i| self.load_word(at, range.limb(i)))
            .collect();
        Self::val(range.width, limbs)
    }
    pub(super) fn store_bits(&mut self, at: Value, range: BitRange, value: &Val) {
        for (i, limb) in value.limbs.iter().enumerate() {
            self.store_word(at, range.limb(i), *limb);
        }
    }
    /// Where a field lies in its header.
    pub(super) fn field_range(&self, field: FieldRef) -> BitRange {
        BitRange {
            offset: self.program.header_type(field.header).offset(field.field),
            width: self.program.field_width(field),
            region: self.fixed_bytes(field.header),
        }
    }
    /// Where to read a header from: zeros if it is invalid. `None` if that is certain.
    pub(super) fn readable(&mut self, header: HeaderId) -> Option<Value> {
        let start = self.headers[header].start;
        match self.validity(header) {
            Validity::Invalid => None,
            Validity::Valid => Some(self.b.use_var(start)),
            Validity::Unknown => {
                let start = self.b.use_var(start);
                let zeros = self.zero_page();
                Some(self.b.ins().select(start, start, zeros))
            }
        }
    }
    /// Where to write a header to: the sink if it is invalid. `None` if that is certain.
    pub(super) fn writable(&mut self, header: HeaderId) -> Option<Value> {
        let start = self.headers[header].start;
        match self.validity(header) {
            Validity::Invalid => None,
            Validity::Valid => Some(self.b.use_var(start)),
            Validity::Unknown => {
                let start = self.b.use_var(start);
                let sink = self.sink();
                Some(self.b.ins().select(start, start, sink))
            }
        }
    }
    /// The bits `lo ..` of a field, as many as `width` says.
    pub(super) fn read_field(&mut self, field: FieldRef, lo: u32, width: u32) -> Val {
        let whole = self.field_range(field);
        let range = BitRange {
            offset: whole.offset + whole.width - lo - width,
            width,
            ..whole
        };
        match self.readable(field.header) {
            Some(at) => self.load_bits(at, range),
            None => self.zero(width),
        }
    }
    /// Whether a header is valid, as something to branch on.
    pub(super) fn is_valid(&mut self, header: HeaderId) -> Value {
        match self.validity(header) {
            Validity::Valid => self.number(1),
            Validity::Invalid => self.number(0),
            Validity::Unknown => {
                let start = self.b.use_var(self.headers[header].start);
                let zero = self.number(0);
                self.b.ins().icmp(IntCC::NotEqual, start, zero)
            }
        }
    }
}
