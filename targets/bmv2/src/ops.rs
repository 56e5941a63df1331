//! Operations, as statements of actions and of the apply block.

use std::cmp::Ordering;

use trisect_ir::{
    Bits, Expr, FieldKind, HeaderId, HeaderTypeId, Index, LValue, ObjectId, ObjectKind, Op, Param,
    Program,
};

use crate::expr::{Expressions, constant};
use crate::names::{Names, Scope};
use crate::text::Text;
use crate::valid::{Valid, after_op, implied};

/// Width of the variables that take a meter's colour.
const COLOR_BITS: u32 = 8;

/// Writes operations of one place.
pub(crate) struct Statements<'a> {
    pub program: &'a Program,
    pub names: &'a Names,
    pub scope: &'a mut Scope,
    pub text: &'a mut Text,
    /// Names of the enclosing action's parameters.
    pub params: &'a [String],
    pub param_widths: &'a [Param],
    pub valid: Valid,
}

/// The header instance that is always zero, for types that have a varbit.
pub(crate) fn zero_header(names: &Names, ty: HeaderTypeId) -> String {
    format!("zero_{}", names.types[ty])
}

impl Statements<'_> {
    pub(crate) fn all(&mut self, ops: &[Op]) {
        for op in ops {
            self.one(op);
            after_op(op, &mut self.valid);
        }
    }

    /// Runs `emit` with an expression writer, and writes the statements that it put in front.
    pub(crate) fn with<T>(&mut self, emit: impl FnOnce(&mut Expressions<'_>) -> T) -> T {
        let mut exprs = Expressions {
            program: self.program,
            names: self.names,
            params: self.params,
            param_widths: self.param_widths,
            valid: self.valid.clone(),
            scope: &mut *self.scope,
            before: Vec::new(),
            hoisted: None,
        };
        let result = emit(&mut exprs);
        let before = std::mem::take(&mut exprs.before);
        before.iter().for_each(|line| self.text.line(line));
        result
    }

    fn object(&self, object: ObjectId) -> String {
        self.names.objects[object].clone()
    }

    /// Assigns a variable of `from` bits to a place.
    fn assign_variable(&mut self, to: &LValue, name: &str, from: u32) {
        let width = self.program.lvalue_width(to);
        let place = self.with(|exprs| exprs.place(to));
        let value = match width.cmp(&from) {
            Ordering::Equal => name.to_owned(),
            Ordering::Less => format!("{name}[{}:0]", width - 1),
            Ordering::Greater => format!("(bit<{width}>){name}"),
        };
        self.text.line(format!("{place} = {value};"));
    }

    fn one(&mut self, op: &Op) {
        match op {
            Op::Set(to, value) => {
                let line =
                    self.with(|exprs| format!("{} = {};", exprs.place(to), exprs.bits(value)));
                self.text.line(line);
            }
            Op::SetValid(header) => self.set_valid(*header),
            Op::SetInvalid(header) => {
                let name = &self.names.headers[*header];
                self.text.line(format!("hdr.{name}.setInvalid();"));
            }
            Op::Copy { dst, src } => {
                let (dst, src) = (&self.names.headers[*dst], &self.names.headers[*src]);
                self.text.line(format!("hdr.{dst} = hdr.{src};"));
            }
            Op::If(cond, then, otherwise) => self.conditional(cond, then, otherwise),
            // A direct counter counts by itself: it is a property of the table.
            Op::Count(_, Index::Entry) => {}
            Op::Count(object, Index::At(index)) => {
                let (index, guard) = self.index(index, self.size(*object), false);
                let name = self.object(*object);
                self.guarded(guard, |text| text.line(format!("{name}.count({index});")));
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
                let value = self.with(|exprs| exprs.bits(value));
                let name = self.object(*object);
                let (index, guard) = self.index(index, self.size(*object), true);
                self.guarded(guard, |text| {
                    text.line(format!("{name}.write({index}, {value});"))
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

    fn conditional(&mut self, cond: &Expr, then: &[Op], otherwise: &[Op]) {
        let test = self.with(|exprs| exprs.condition(cond));
        let before = self.valid.clone();
        self.text.open(format!("if ({test})"));
        self.valid.extend(implied(cond, true));
        self.all(then);
        self.valid = &before | &implied(cond, false);
        if !otherwise.is_empty() {
            self.text.close(" else {");
            self.text.reopen();
            self.all(otherwise);
        }
        self.text.close("");
        self.valid = before;
    }

    /// A header that becomes valid has zeros in all its fields. P4 says so of none of them.
    fn set_valid(&mut self, header: HeaderId) {
        if self.valid.contains(&header) {
            return;
        }
        let ty = self.program.headers[header].ty;
        let name = format!("hdr.{}", self.names.headers[header]);
        self.text.open(format!("if (!{name}.isValid())"));
        if self.program.header_types[ty].varbit().is_some() {
            let zero = zero_header(self.names, ty);
            self.text.line(format!("hdr.{zero}.setValid();"));
            self.text.line(format!("{name} = hdr.{zero};"));
        } else {
            self.text.line(format!("{name}.setValid();"));
            for (field, ident) in self.program.header_types[ty]
                .fields
                .iter()
                .zip(&self.names.fields[ty])
            {
                if let FieldKind::Fixed(width) = field.kind {
                    self.text.line(format!(
                        "{name}.{ident} = {};",
                        constant(&Bits::zero(width))
                    ));
                }
            }
        }
        self.text.close("");
    }

    fn size(&self, object: ObjectId) -> u32 {
        match self.program.objects[object].kind {
            ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => size.unwrap_or(0),
            ObjectKind::Register { size, .. } => size,
            ObjectKind::PatternSet { .. }
            | ObjectKind::Allocator { .. }
            | ObjectKind::Message { .. }
            | ObjectKind::Random { .. } => 0,
        }
    }

    /// An index as `bit<32>`, and the condition that it is below `size` if that is not certain. Without
    /// `strict`, only an index that could wrap in 32 bits gets a condition: v1model itself ignores those
    /// past the size.
    fn index(&mut self, index: &Expr, size: u32, strict: bool) -> (String, Option<String>) {
        let width = self.program.width(index, self.param_widths);
        let value = self.with(|exprs| exprs.operand(index));
        let below = match index {
            Expr::Const(bits) => bits.to_u64().is_some_and(|at| at < u64::from(size)),
            _ => width < 32 && 1 << width <= u64::from(size),
        };
        let open = if strict { !below } else { width > 32 };
        let guard = open.then(|| format!("{value} < {}", constant(&Bits::new(width, size))));
        let index = match width.cmp(&32) {
            Ordering::Equal => value,
            Ordering::Less => format!("(bit<32>){value}"),
            Ordering::Greater => format!("{value}[31:0]"),
        };
        (index, guard)
    }

    fn guarded(&mut self, guard: Option<String>, write: impl FnOnce(&mut Text)) {
        match guard {
            Some(guard) => self.text.block(format!("if ({guard})"), "", write),
            None => write(self.text),
        }
    }

    fn read(&mut self, object: ObjectId, index: &Expr, dst: &LValue) {
        let ObjectKind::Register { width, .. } = self.program.objects[object].kind else {
            return;
        };
        let name = self.object(object);
        let (index, guard) = self.index(index, self.size(object), true);
        let result = self.with(|exprs| exprs.variable(width, &constant(&Bits::zero(width))));
        self.guarded(guard, |text| {
            text.line(format!("{name}.read({result}, {index});"))
        });
        self.assign_variable(dst, &result, width);
    }

    fn meter(&mut self, object: ObjectId, index: &Index, dst: &LValue) {
        let name = self.object(object);
        let green = constant(&Bits::zero(COLOR_BITS));
        let result = self.with(|exprs| exprs.variable(COLOR_BITS, &green));
        match index {
            Index::Entry => self.text.line(format!("{name}.read({result});")),
            Index::At(index) => {
                let (index, guard) = self.index(index, self.size(object), true);
                self.guarded(guard, |text| {
                    text.line(format!("{name}.execute_meter({index}, {result});"))
                });
            }
        }
        self.assign_variable(dst, &result, COLOR_BITS);
    }
}
