//! Reading, assigning, copying and comparing values of all shapes.

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{BinOp, Expr, FieldKind, HeaderId, LValue, Op};

use super::ops::{fold, from_bits, is_truth, mux, read_lvalue, slice, truth};
use super::step::{Step, branch};
use super::value::{Footprint, Header, Value};
use super::{Elab, R, error, unsupported};
use crate::typed::Type;
use crate::{Diagnostic, Span, codes};

impl<'a> Elab<'a> {
    // ------------------------------------------------------------------------------ reading

    /// A scalar as an expression.
    pub(super) fn scalar(&mut self, value: &Value<'a>, span: Span) -> R<Expr> {
        match value {
            Value::Bits(expr) | Value::Given(expr) => Ok(expr.clone()),
            Value::Slot(slot) => Ok(Expr::Meta(self.slot_meta(*slot))),
            Value::Place(place) => Ok(read_lvalue(place)),
            Value::Choice(index, of) => {
                let mut found: Option<Expr> = None;
                for (i, value) in of.iter().enumerate().rev() {
                    let value = self.scalar(value, span)?;
                    let width = self.width_in(&value);
                    let rest = found.unwrap_or_else(|| Expr::num(width, 0));
                    found = Some(mux(self.is_index(index, i), value, rest));
                }
                self.spend(of.len())?;
                found.ok_or_else(|| error(codes::STACK_BOUNDS, span, "the stack has no elements"))
            }
            other => Err(error(
                codes::TYPE,
                span,
                format!("a number is needed here, and this is {}", kind_of(other)),
            )),
        }
    }

    /// `index == i`; false where the index cannot be that number.
    pub(super) fn is_index(&self, index: &Expr, i: usize) -> Expr {
        let width = self.width_in(index);
        match width < 64 && (i as u64) >> width > 0 {
            true => truth(false),
            false => fold(BinOp::Eq, index.clone(), Expr::num(width, i as u64)),
        }
    }

    /// Does something for each value that an index may choose, where it does choose that one.
    fn each_choice(
        &mut self,
        index: &Expr,
        of: &[Value<'a>],
        mut work: impl FnMut(&mut Self, &Value<'a>) -> R<()>,
    ) -> R<()> {
        for (i, value) in of.iter().enumerate() {
            let cond = self.is_index(index, i);
            let (steps, ()) = self.collect(|e| work(e, value))?;
            self.out.extend(branch(cond, steps, Vec::new()));
        }
        Ok(())
    }

    /// The width of an expression where it stands.
    pub(super) fn width_in(&self, expr: &Expr) -> u32 {
        self.ir.width(expr, &self.context.params)
    }

    /// A compile-time number; signed as the type says.
    pub(super) fn number(&self, value: &Value<'a>, ty: &Type, span: Span) -> R<BigInt> {
        match value {
            Value::Int(number) => Ok(number.clone()),
            Value::Empty => Ok(BigInt::ZERO),
            Value::Bits(Expr::Const(bits)) => Ok(from_bits(bits, self.is_signed(ty))),
            other => Err(Box::new(
                Diagnostic::error(
                    codes::NOT_CONSTANT,
                    span,
                    "this must be known at compile time",
                )
                .with_note(format!("it is {}", kind_of(other))),
            )),
        }
    }

    /// All bits of a value as a list of scalars (and varbits), in order.
    pub(super) fn flatten(&mut self, value: &Value<'a>, span: Span) -> R<Vec<Expr>> {
        match value {
            Value::Empty | Value::Unit => Ok(Vec::new()),
            Value::Fields(items) | Value::Made(items) => {
                let mut parts = Vec::new();
                for item in items.iter() {
                    parts.extend(self.flatten(item, span)?);
                }
                Ok(parts)
            }
            Value::Stack(stack) => {
                let mut parts = Vec::new();
                for item in &stack.elems {
                    parts.extend(self.flatten(item, span)?);
                }
                Ok(parts)
            }
            Value::Header(header) => {
                let tail = self.tails.headers.get(&header.id);
                let mut parts = Vec::new();
                for id in [header.id].into_iter().chain(tail.copied()) {
                    let fields = self.ir.header_type(id).fields.iter().enumerate();
                    parts.extend(fields.map(|(at, field)| match field.kind {
                        FieldKind::Fixed(_) => Expr::field(id, at as u32),
                        FieldKind::Varbit(_) => Expr::Varbit(id),
                    }));
                }
                Ok(parts)
            }
            Value::Varbit(header) => Ok(vec![Expr::Varbit(*header)]),
            other => Ok(vec![self.scalar(other, span)?]),
        }
    }

    /// Whether a header or union is valid.
    pub(super) fn validity(&mut self, value: &Value<'a>, span: Span) -> R<Expr> {
        match value {
            Value::Header(header) => Ok(Expr::Valid(header.id)),
            Value::Made(_) => Ok(truth(true)),
            Value::Invalid => Ok(truth(false)),
            Value::Union(members) => {
                let mut found = truth(false);
                for member in members.iter() {
                    let valid = self.validity(member, span)?;
                    found = fold(BinOp::Or, found, valid);
                }
                Ok(found)
            }
            Value::Choice(index, of) => {
                let mut found = truth(false);
                for (i, value) in of.iter().enumerate().rev() {
                    let valid = self.validity(value, span)?;
                    found = mux(self.is_index(index, i), valid, found);
                }
                Ok(found)
            }
            other => Err(error(
                codes::TYPE,
                span,
                format!("a header is needed here, and this is {}", kind_of(other)),
            )),
        }
    }

    // --------------------------------------------------------------------------- footprints

    /// What reading (or writing) the value touches.
    pub(super) fn footprint(&self, value: &Value<'a>) -> Footprint {
        let mut found = Footprint::default();
        self.add_footprint(value, &mut found);
        found
    }

    pub(super) fn add_footprint(&self, value: &Value<'a>, out: &mut Footprint) {
        match value {
            Value::Bits(expr) | Value::Given(expr) => out.reads(expr),
            Value::Slot(slot) => {
                match self.slots.get(slot.0).and_then(|slot| slot.meta) {
                    Some(meta) => out.metas.insert(meta),
                    None => out.slots.insert(*slot),
                };
            }
            Value::Place(place) => out.writes_to(place),
            Value::Varbit(header) => {
                out.headers.insert(*header);
            }
            Value::Header(header) => {
                let all = [header.id].into_iter().chain(header.rivals.iter().copied());
                for id in all {
                    out.headers.insert(id);
                    out.headers.extend(self.tails.headers.get(&id));
                }
            }
            Value::Union(of) | Value::Fields(of) | Value::Made(of) => {
                of.iter().for_each(|value| self.add_footprint(value, out));
            }
            Value::Stack(stack) => {
                stack
                    .elems
                    .iter()
                    .for_each(|value| self.add_footprint(value, out));
            }
            Value::Choice(index, of) => {
                out.reads(index);
                of.iter().for_each(|value| self.add_footprint(value, out));
            }
            Value::Packet => out.packet = true,
            Value::Unit
            | Value::Empty
            | Value::Int(_)
            | Value::Str(_)
            | Value::Invalid
            | Value::Object(_)
            | Value::Block(_) => {}
        }
    }

    /// The value as it is now, in storage of its own if it could change later.
    pub(super) fn snapshot(&mut self, value: Value<'a>, ty: &Type, span: Span) -> R<Value<'a>> {
        let fixed = match &value {
            Value::Bits(Expr::Const(_)) | Value::Given(_) => true,
            Value::Bits(_)
            | Value::Slot(_)
            | Value::Place(_)
            | Value::Varbit(_)
            | Value::Header(_)
            | Value::Union(_)
            | Value::Stack(_)
            | Value::Choice(..) => false,
            Value::Fields(_) | Value::Made(_) => self.footprint(&value).is_empty(),
            _ => true,
        };
        if fixed {
            return Ok(value);
        }
        if let (Value::Fields(members), Some(types)) = (&value, self.members(ty)) {
            // Each member on its own: constants stay constants.
            let mut fixed = Vec::with_capacity(members.len());
            for (member, ty) in members.iter().zip(&types) {
                fixed.push(self.snapshot(member.clone(), ty, span)?);
            }
            return Ok(Value::Fields(Rc::new(fixed)));
        }
        if let (Value::Fields(members), Type::List(elem)) = (&value, self.tree.base(ty)) {
            let mut fixed = Vec::with_capacity(members.len());
            for member in members.iter() {
                fixed.push(self.snapshot(member.clone(), elem, span)?);
            }
            return Ok(Value::Fields(Rc::new(fixed)));
        }
        let name = self.local_name("value");
        let storage = self.storage(ty, &name, span)?;
        self.assign(&storage, &value, span)?;
        Ok(storage)
    }

    // --------------------------------------------------------------------------- assignment

    /// `target = value`. The value must not change while parts of the target are written, see
    /// [`Self::assign_whole`].
    pub(super) fn assign(&mut self, target: &Value<'a>, value: &Value<'a>, span: Span) -> R<()> {
        self.spend(1)?;
        match (target, value) {
            (Value::Unit | Value::Empty | Value::Given(_), _) => Ok(()),
            (Value::Choice(index, of), value) => {
                self.each_choice(index, of, |e, target| e.assign(target, value, span))
            }
            (Value::Slot(slot), value) => {
                let value = self.scalar(value, span)?;
                let meta = self.slot_meta(*slot);
                self.emit(Op::Set(LValue::meta(meta), value));
                Ok(())
            }
            (Value::Place(place), value) => {
                let value = self.scalar(value, span)?;
                self.emit(Op::Set(*place, value));
                Ok(())
            }
            (
                Value::Header(_) | Value::Union(_) | Value::Varbit(_) | Value::Stack(_),
                Value::Choice(index, of),
            ) => self.each_choice(index, of, |e, value| e.assign(target, value, span)),
            (Value::Header(header), value) => self.assign_header(header, value, span),
            (Value::Varbit(dst), Value::Varbit(src)) => {
                self.copy_varbit(*dst, *src);
                Ok(())
            }
            (Value::Union(members), Value::Union(values)) => {
                for (target, value) in members.iter().zip(values.iter()) {
                    if let (Value::Header(dst), Value::Header(src)) = (target, value)
                        && dst.id != src.id
                    {
                        self.emit(Op::Copy {
                            dst: dst.id,
                            src: src.id,
                        });
                    }
                }
                Ok(())
            }
            (Value::Union(_), Value::Invalid) => self.invalidate(target),
            (Value::Fields(targets), Value::Fields(values)) => {
                self.assign_all(targets, values, span)
            }
            (Value::Fields(targets), Value::Choice(index, of)) => {
                // Member by member, each as a choice.
                for (i, target) in targets.iter().enumerate() {
                    let members: Option<Vec<Value<'a>>> = of
                        .iter()
                        .map(|value| match value {
                            Value::Fields(values) => values.get(i).cloned(),
                            _ => None,
                        })
                        .collect();
                    let Some(members) = members else {
                        return Err(mismatch(target, value, span));
                    };
                    let member = Value::Choice(index.clone(), Rc::new(members));
                    self.assign(target, &member, span)?;
                }
                Ok(())
            }
            (Value::Stack(target), Value::Stack(value)) => {
                let from = value.id;
                self.move_cursor(target.id, |at, _| at.get(&from).copied().unwrap_or(0));
                self.assign_all(&target.elems, &value.elems, span)
            }
            (Value::Stack(target), Value::Fields(values)) => {
                let given = values.len().min(target.elems.len());
                self.assign_all(&target.elems[..given], values, span)?;
                for rest in &target.elems[given..] {
                    self.invalidate(rest)?;
                }
                Ok(())
            }
            (target, value) => Err(mismatch(target, value, span)),
        }
    }

    fn assign_all(&mut self, targets: &[Value<'a>], values: &[Value<'a>], span: Span) -> R<()> {
        for (target, value) in targets.iter().zip(values) {
            self.assign(target, value, span)?;
        }
        Ok(())
    }

    /// `target = value`, where the value is made of what the assignment may overwrite: `s = {s.b, s.a}`.
    pub(super) fn assign_whole(
        &mut self,
        target: &Value<'a>,
        value: Value<'a>,
        ty: &Type,
        span: Span,
    ) -> R<()> {
        let pieces = matches!(value, Value::Fields(_) | Value::Made(_));
        let value = match pieces && self.footprint(target).meets(&self.footprint(&value)) {
            true => self.snapshot_pieces(value, ty, span)?,
            false => value,
        };
        self.assign(target, &value, span)
    }

    fn snapshot_pieces(&mut self, value: Value<'a>, ty: &Type, span: Span) -> R<Value<'a>> {
        match (&value, self.members(ty)) {
            (Value::Made(members), Some(types)) => {
                let mut fixed = Vec::with_capacity(members.len());
                for (member, ty) in members.iter().zip(&types) {
                    fixed.push(self.snapshot(member.clone(), ty, span)?);
                }
                Ok(Value::Made(Rc::new(fixed)))
            }
            _ => self.snapshot(value, ty, span),
        }
    }

    fn assign_header(&mut self, header: &Header, value: &Value<'a>, span: Span) -> R<()> {
        let dst = header.id;
        match value {
            Value::Header(src) => {
                if src.id == dst {
                    return Ok(());
                }
                self.emit(Op::Copy { dst, src: src.id });
                if !header.rivals.is_empty() {
                    // An invalid header makes the whole union invalid; a valid one the other members.
                    self.invalidate_rivals(header);
                }
                Ok(())
            }
            Value::Invalid => {
                self.emit(Op::SetInvalid(dst));
                self.invalidate_rivals(header);
                Ok(())
            }
            Value::Made(members) => {
                self.emit(Op::SetValid(dst));
                self.invalidate_rivals(header);
                let mut varbit = None;
                let mut scalars = Vec::new();
                self.header_values(members, &mut scalars, &mut varbit, span)?;
                // The varbit is a field, but no scalar.
                let own = self.ir.header_type(dst).fields.len();
                let scalars_of_own = own - usize::from(self.has_varbit(dst));
                for (i, expr) in scalars.into_iter().enumerate() {
                    let number = if i < scalars_of_own {
                        i
                    } else {
                        i + own - scalars_of_own
                    };
                    let place = self.header_field(dst, number as u32);
                    self.emit(Op::Set(place, expr));
                }
                if let Some(src) = varbit {
                    self.copy_varbit(dst, src);
                }
                Ok(())
            }
            other => Err(mismatch(&Value::Header(header.clone()), other, span)),
        }
    }

    /// The scalars of a header's fields in order, and its varbit.
    fn header_values(
        &mut self,
        members: &[Value<'a>],
        scalars: &mut Vec<Expr>,
        varbit: &mut Option<HeaderId>,
        span: Span,
    ) -> R<()> {
        for member in members {
            match member {
                Value::Empty => {}
                Value::Varbit(src) => *varbit = Some(*src),
                Value::Fields(inner) => self.header_values(inner, scalars, varbit, span)?,
                other => scalars.push(self.scalar(other, span)?),
            }
        }
        Ok(())
    }

    /// Makes the other members of a member's union invalid.
    pub(super) fn invalidate_rivals(&mut self, header: &Header) {
        for rival in header.rivals.iter() {
            self.emit(Op::SetInvalid(*rival));
        }
    }

    /// Makes all headers in a value invalid.
    pub(super) fn invalidate(&mut self, value: &Value<'a>) -> R<()> {
        match value {
            Value::Header(header) => self.emit(Op::SetInvalid(header.id)),
            // A variable: empty.
            Value::Varbit(header) => self.emit(Op::SetInvalid(*header)),
            Value::Union(members) | Value::Fields(members) => {
                for member in members.iter() {
                    self.invalidate(member)?;
                }
            }
            Value::Stack(stack) => {
                self.move_cursor(stack.id, |_, _| 0);
                for elem in &stack.elems {
                    self.invalidate(elem)?;
                }
            }
            Value::Choice(index, of) => {
                self.each_choice(index, of, Self::invalidate)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// `h.setValid()` and `h.setInvalid()`.
    pub(super) fn set_validity(&mut self, value: &Value<'a>, valid: bool, span: Span) -> R<()> {
        match value {
            Value::Header(header) => {
                self.emit(match valid {
                    true => Op::SetValid(header.id),
                    false => Op::SetInvalid(header.id),
                });
                self.invalidate_rivals(header);
                Ok(())
            }
            Value::Choice(index, of) => {
                self.each_choice(index, of, |e, value| e.set_validity(value, valid, span))
            }
            other => Err(error(
                codes::TYPE,
                span,
                format!("a header is needed here, and this is {}", kind_of(other)),
            )),
        }
    }

    fn copy_varbit(&mut self, dst: HeaderId, src: HeaderId) {
        if dst != src {
            // A variable is a header with nothing else, that is there once it has a value.
            if self.ir.header_type(dst).fields.len() == 1 {
                self.emit(Op::SetValid(dst));
            }
            self.emit(Op::CopyVarbit { dst, src });
        }
    }

    /// `push_front` and `pop_front`.
    pub(super) fn shift_stack(
        &mut self,
        value: &Value<'a>,
        count: usize,
        push: bool,
        span: Span,
    ) -> R<()> {
        match value {
            Value::Stack(stack) => {
                let elems = &stack.elems;
                let size = elems.len();
                let count = count.min(size);
                self.move_cursor(stack.id, |_, at| match push {
                    true => at.saturating_add(count).min(size),
                    false => at.saturating_sub(count),
                });
                let (moved, cleared) = match push {
                    true => ((count..size).rev().collect::<Vec<_>>(), 0..count),
                    false => ((0..size - count).collect(), size - count..size),
                };
                for at in moved {
                    let from = if push { at - count } else { at + count };
                    self.assign(&elems[at], &elems[from], span)?;
                }
                for at in cleared {
                    self.invalidate(&elems[at])?;
                }
                Ok(())
            }
            Value::Choice(index, of) => self.each_choice(index, of, |e, value| {
                e.shift_stack(value, count, push, span)
            }),
            other => Err(error(
                codes::TYPE,
                span,
                format!("a stack is needed here, and this is {}", kind_of(other)),
            )),
        }
    }

    /// The bits `hi..=lo` of a scalar: a place stays one.
    pub(super) fn slice_of(
        &mut self,
        value: &Value<'a>,
        hi: u32,
        lo: u32,
        span: Span,
    ) -> R<Value<'a>> {
        Ok(match value {
            Value::Slot(slot) => {
                let mut place = LValue::meta(self.slot_meta(*slot));
                place.slice = Some((hi, lo));
                Value::Place(place)
            }
            Value::Place(place) => {
                let base = place.slice.map_or(0, |(_, lo)| lo);
                let mut place = *place;
                place.slice = Some((hi + base, lo + base));
                Value::Place(place)
            }
            Value::Choice(index, of) => {
                let mut parts = Vec::with_capacity(of.len());
                for value in of.iter() {
                    parts.push(self.slice_of(value, hi, lo, span)?);
                }
                Value::Choice(index.clone(), Rc::new(parts))
            }
            other => Value::Bits(slice(self.scalar(other, span)?, hi, lo)),
        })
    }

    // --------------------------------------------------------------------------- comparison

    /// Whether two values of one type are equal (specification 8.11 and following).
    pub(super) fn equal(&mut self, a: &Value<'a>, b: &Value<'a>, ty: &Type, span: Span) -> R<Expr> {
        self.spend(1)?;
        if let (Value::Int(a), Value::Int(b)) = (a, b) {
            return Ok(truth(a == b));
        }
        match self.width(ty) {
            Some(0) => return Ok(truth(true)),
            Some(_) => {
                let (a, b) = (self.scalar(a, span)?, self.scalar(b, span)?);
                return Ok(fold(BinOp::Eq, a, b));
            }
            None => {}
        }
        match (self.tree.base(ty), a, b) {
            (Type::Varbit(_), Value::Varbit(a), Value::Varbit(b)) => Ok(match a == b {
                true => truth(true),
                false => Expr::VarbitEq(*a, *b),
            }),
            (Type::Header(..), _, _) => {
                let (valid_a, valid_b) = (self.validity(a, span)?, self.validity(b, span)?);
                let types = self.members(ty).unwrap_or_default();
                let mut same = truth(true);
                for (i, ty_of) in types.iter().enumerate() {
                    let a = self.member(a, ty, i as u32, span)?;
                    let b = self.member(b, ty, i as u32, span)?;
                    let equal = self.equal(&a, &b, ty_of, span)?;
                    same = fold(BinOp::And, same, equal);
                }
                if is_truth(&valid_a, false) || is_truth(&valid_b, false) {
                    same = truth(true);
                }
                // Both invalid, or both valid with equal fields.
                let agree = fold(BinOp::Eq, valid_a.clone(), valid_b);
                let same = mux(valid_a, same, truth(true));
                Ok(fold(BinOp::And, agree, same))
            }
            (Type::Union(..), Value::Invalid, other) | (Type::Union(..), other, Value::Invalid) => {
                let valid = self.validity(other, span)?;
                Ok(super::ops::complement(valid))
            }
            (Type::Stack(elem, _), Value::Stack(a), Value::Stack(b)) => {
                let mut same = truth(true);
                for (a, b) in a.elems.iter().zip(&b.elems) {
                    let equal = self.equal(a, b, elem, span)?;
                    same = fold(BinOp::And, same, equal);
                }
                Ok(same)
            }
            (Type::Struct(..) | Type::Tuple(_) | Type::Union(..), _, _) => {
                let types = self.members(ty).unwrap_or_default();
                let mut same = truth(true);
                for (i, ty_of) in types.iter().enumerate() {
                    let a = self.member(a, ty, i as u32, span)?;
                    let b = self.member(b, ty, i as u32, span)?;
                    let equal = self.equal(&a, &b, ty_of, span)?;
                    same = fold(BinOp::And, same, equal);
                }
                Ok(same)
            }
            (Type::String, Value::Str(a), Value::Str(b)) => Ok(truth(a == b)),
            _ => Err(unsupported(
                span,
                format!("a comparison of `{}`", self.tree.show(ty)),
            )),
        }
    }

    // ------------------------------------------------------------------------------- headers

    /// A header value as an instance.
    pub(super) fn header_instance(
        &mut self,
        value: &Value<'a>,
        ty: &Type,
        span: Span,
    ) -> R<HeaderId> {
        if let Value::Header(header) = value {
            return Ok(header.id);
        }
        let name = self.local_name("header");
        let storage = self.storage(ty, &name, span)?;
        let Value::Header(header) = &storage else {
            return Err(error(codes::TYPE, span, "a header is needed here"));
        };
        let id = header.id;
        // It may hold the value of another turn of a loop.
        self.emit(Op::SetInvalid(id));
        self.assign(&storage, value, span)?;
        Ok(id)
    }

    /// Appends the deparsing of a value.
    pub(super) fn emit_value(&mut self, value: &Value<'a>, ty: &Type, span: Span) -> R<()> {
        match value {
            Value::Header(header) => {
                self.emit_header(header.id);
                Ok(())
            }
            Value::Invalid => Ok(()),
            Value::Union(members) => {
                for member in members.iter() {
                    if let Value::Header(header) = member {
                        self.emit_header(header.id);
                    }
                }
                Ok(())
            }
            Value::Stack(stack) => {
                let Type::Stack(elem, _) = self.tree.base(ty) else {
                    return Err(error(codes::TYPE, span, "a stack is needed here"));
                };
                for value in &stack.elems {
                    self.emit_value(value, elem, span)?;
                }
                Ok(())
            }
            Value::Fields(fields) => {
                let types = self.members(ty).unwrap_or_default();
                for (value, ty) in fields.iter().zip(&types) {
                    self.emit_value(value, ty, span)?;
                }
                Ok(())
            }
            Value::Made(_) | Value::Choice(..)
                if matches!(self.tree.base(ty), Type::Header(..)) =>
            {
                let id = self.header_instance(value, ty, span)?;
                self.emit_header(id);
                Ok(())
            }
            Value::Choice(..) => {
                let name = self.local_name("emitted");
                let storage = self.storage(ty, &name, span)?;
                self.invalidate(&storage)?;
                self.assign(&storage, value, span)?;
                self.emit_value(&storage, ty, span)
            }
            other => Err(error(
                codes::TYPE,
                span,
                format!("`emit` takes headers, and this is {}", kind_of(other)),
            )),
        }
    }

    fn emit_header(&mut self, header: HeaderId) {
        self.out.push(Step::Emit(header));
        if let Some(tail) = self.tails.headers.get(&header) {
            self.out.push(Step::Emit(*tail));
        }
    }

    /// Whether the header type has a varbit.
    pub(super) fn has_varbit(&self, header: HeaderId) -> bool {
        let fields = &self.ir.header_type(header).fields;
        matches!(fields.last(), Some(last) if matches!(last.kind, FieldKind::Varbit(_)))
    }
}

/// What kind of thing a value is, for messages.
pub(super) fn kind_of(value: &Value<'_>) -> &'static str {
    match value {
        Value::Unit => "nothing",
        Value::Empty
        | Value::Int(_)
        | Value::Bits(_)
        | Value::Given(_)
        | Value::Slot(_)
        | Value::Place(_)
        | Value::Choice(..) => "a value of the packet",
        Value::Str(_) => "a string",
        Value::Varbit(_) => "a varbit",
        Value::Header(_) | Value::Made(_) | Value::Invalid => "a header",
        Value::Union(_) => "a header union",
        Value::Stack(_) => "a stack",
        Value::Fields(_) => "a struct or list",
        Value::Object(_) => "an extern object",
        Value::Block(_) => "an instance of a parser or control",
        Value::Packet => "the packet",
    }
}

fn mismatch(target: &Value<'_>, value: &Value<'_>, span: Span) -> Box<Diagnostic> {
    let written = match target {
        Value::Bits(_) => "what can only be read",
        other => kind_of(other),
    };
    Box::new(
        Diagnostic::error(
            codes::NOT_ASSIGNABLE,
            span,
            format!("{} cannot be assigned to {written}", kind_of(value)),
        )
        .with_note("values that the architecture supplies are read only"),
    )
}
