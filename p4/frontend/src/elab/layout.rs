//! Types as storage: widths, header types, instances, members.

use std::rc::Rc;

use num_bigint::BigInt;
use trisect_ir::{
    Expr, Field, FieldKind, Header as IrHeader, HeaderId, HeaderType, HeaderTypeId, LValue, MetaId,
};

use super::ops::{slice, to_bits};
use super::value::{Header, SlotId, Stack, Value};
use super::{Elab, R, error, unsupported};
use crate::typed::{self, EnumId, StructId, Type, TypeArgs};
use crate::{Diagnostic, Span, codes};

/// Elements of stacks and members of structs that one variable may have.
const MAX_MEMBERS: usize = 1 << 16;

/// A scalar variable: name and width, and its metadata field once it was used.
pub(super) struct Slot {
    pub name: String,
    pub width: u32,
    pub meta: Option<MetaId>,
}

impl<'a> Elab<'a> {
    /// The type with the type parameters of the function in work replaced.
    pub(super) fn ty(&self, ty: &Type) -> Type {
        let (params, args) = &self.frame.types;
        match params.is_empty() {
            true => ty.clone(),
            false => typed::Program::substitute(ty, params, args),
        }
    }

    /// Bits of a scalar; `None` for everything else.
    pub(super) fn width(&self, ty: &Type) -> Option<u32> {
        match self.tree.base(ty) {
            Type::Bool => Some(1),
            Type::Bit(w) | Type::Int(w) => Some(*w),
            Type::Error => Some(8),
            Type::Enum(id) => self.enum_width(*id),
            _ => None,
        }
    }

    fn enum_width(&self, id: EnumId) -> Option<u32> {
        let def = &self.tree.enums[id];
        match &def.repr {
            Some(repr) => self.width(repr),
            // The number of the member, see `Arch::enum_number`.
            None if def.members.len() <= 256 => Some(8),
            None => Some(32),
        }
    }

    /// The width of a scalar that a place needs.
    pub(super) fn width_of(&self, ty: &Type, span: Span) -> R<u32> {
        self.width(ty).ok_or_else(|| {
            let message = format!("`{}` is no number", self.tree.show(ty));
            error(codes::TYPE, span, message)
        })
    }

    /// Whether arithmetic is signed.
    pub(super) fn is_signed(&self, ty: &Type) -> bool {
        match self.tree.base(ty) {
            Type::Int(_) => true,
            Type::Enum(id) => match &self.tree.enums[*id].repr {
                Some(repr) => self.is_signed(repr),
                None => false,
            },
            _ => false,
        }
    }

    /// The smallest number of bits of a value on the wire: all of its fields, varbits empty.
    pub(super) fn fixed_bits(&self, ty: &Type) -> Option<u32> {
        match self.tree.base(ty) {
            Type::Varbit(_) => Some(0),
            Type::Header(id, args) | Type::Struct(id, args) => self
                .tree
                .field_types(*id, args)
                .iter()
                .try_fold(0u32, |sum, ty| sum.checked_add(self.fixed_bits(ty)?)),
            Type::Stack(elem, size) => self.fixed_bits(elem)?.checked_mul(*size),
            Type::Tuple(parts) => parts
                .iter()
                .try_fold(0u32, |sum, ty| sum.checked_add(self.fixed_bits(ty)?)),
            other => self.width(other),
        }
    }

    /// The fields of a struct, header, union or tuple.
    pub(super) fn members(&self, ty: &Type) -> Option<Vec<Type>> {
        match self.tree.base(ty) {
            Type::Struct(id, args) | Type::Header(id, args) | Type::Union(id, args) => {
                Some(self.tree.field_types(*id, args))
            }
            Type::Tuple(parts) => Some(parts.to_vec()),
            Type::Stack(elem, size) => Some(vec![(**elem).clone(); *size as usize]),
            _ => None,
        }
    }

    /// Bits of a value without headers when its parts stand behind each other; `None` for other values.
    pub(super) fn packed_width(&self, ty: &Type) -> Option<u32> {
        match (self.width(ty), self.tree.base(ty)) {
            (Some(width), _) => Some(width),
            (None, Type::Stack(elem, size)) => self.packed_width(elem)?.checked_mul(*size),
            (None, Type::Struct(..) | Type::Tuple(_)) => {
                let mut members = self.members(ty)?.into_iter();
                members.try_fold(0u32, |sum, ty| sum.checked_add(self.packed_width(&ty)?))
            }
            _ => None,
        }
    }

    /// The parts of a value that was packed: the first is in the `left` highest bits.
    pub(super) fn unpacked(&self, packed: &Expr, ty: &Type, left: &mut u32) -> Value<'a> {
        match self.width(ty) {
            Some(0) => Value::Empty,
            Some(width) => {
                let high = *left;
                *left = left.saturating_sub(width);
                Value::Bits(slice(packed.clone(), high.saturating_sub(1), *left))
            }
            None => {
                let members = self.members(ty).unwrap_or_default();
                let parts = members.iter().map(|ty| self.unpacked(packed, ty, left));
                Value::Fields(Rc::new(parts.collect()))
            }
        }
    }

    /// A new variable.
    pub(super) fn new_slot(&mut self, name: impl Into<String>, width: u32) -> SlotId {
        self.slots.push(Slot {
            name: name.into(),
            width,
            meta: None,
        });
        SlotId(self.slots.len() - 1)
    }

    /// The metadata field of a variable.
    pub(super) fn slot_meta(&mut self, slot: SlotId) -> MetaId {
        if let Some(meta) = self.slots[slot.0].meta {
            return meta;
        }
        let name = self.unique("metadata", &self.slots[slot.0].name.clone());
        let meta = self.ir.add_meta(name, self.slots[slot.0].width);
        self.slots[slot.0].meta = Some(meta);
        meta
    }

    /// The name of a variable of the block in work.
    pub(super) fn local_name(&self, name: &str) -> String {
        match self.frame.names.block.as_str() {
            "" => format!("tmp.{name}"),
            block => format!("{block}.{name}"),
        }
    }

    /// A temporary variable.
    pub(super) fn temporary(&mut self, hint: &str, width: u32) -> MetaId {
        let slot = self.new_slot(self.local_name(hint), width);
        self.slot_meta(slot)
    }

    /// Storage for a type: metadata for scalars, header instances for headers. `name` names it; an
    /// empty name leaves only the members' names.
    pub(super) fn storage(&mut self, ty: &Type, name: &str, span: Span) -> R<Value<'a>> {
        self.spend(1)?;
        match self.width(ty) {
            Some(0) => return Ok(Value::Empty),
            Some(width) => return Ok(Value::Slot(self.new_slot(name, width))),
            None => {}
        }
        let joined = |member: &str| match name {
            "" => member.to_owned(),
            name => format!("{name}.{member}"),
        };
        match self.tree.base(ty) {
            Type::Header(id, args) => {
                let header = self.new_header(*id, args, name, span)?;
                Ok(Value::Header(header))
            }
            Type::Union(id, args) => {
                let types = self.tree.field_types(*id, args);
                let mut ids = Vec::new();
                for (field, ty) in self.tree.structs[*id].fields.iter().zip(&types) {
                    let Type::Header(id, args) = self.tree.base(ty) else {
                        return Err(error(codes::TYPE, span, "a union's members are headers"));
                    };
                    let header = self.new_header(*id, args, &joined(&field.name), span)?;
                    ids.push(header.id);
                }
                let member = |id: &HeaderId| {
                    Value::Header(Header {
                        id: *id,
                        rivals: ids.iter().copied().filter(|other| other != id).collect(),
                    })
                };
                Ok(Value::Union(Rc::new(ids.iter().map(member).collect())))
            }
            Type::Stack(elem, size) => {
                if *size as usize > MAX_MEMBERS {
                    return Err(error(
                        codes::TOO_LARGE,
                        span,
                        "a stack of this many elements",
                    ));
                }
                let elems: R<Vec<Value<'a>>> = (0..*size)
                    .map(|i| self.storage(elem, &format!("{name}[{i}]"), span))
                    .collect();
                self.stacks += 1;
                Ok(Value::Stack(Rc::new(Stack {
                    id: self.stacks,
                    elems: elems?,
                })))
            }
            Type::Struct(id, args) => {
                let types = self.tree.field_types(*id, args);
                let fields: R<Vec<Value<'a>>> = self.tree.structs[*id]
                    .fields
                    .iter()
                    .zip(&types)
                    .map(|(field, ty)| self.storage(ty, &joined(&field.name), span))
                    .collect();
                Ok(Value::Fields(Rc::new(fields?)))
            }
            Type::Tuple(parts) => {
                let fields: R<Vec<Value<'a>>> = parts
                    .iter()
                    .enumerate()
                    .map(|(i, ty)| self.storage(ty, &joined(&i.to_string()), span))
                    .collect();
                Ok(Value::Fields(Rc::new(fields?)))
            }
            Type::Varbit(max) => self.varbit_variable(*max, name),
            Type::Void => Ok(Value::Unit),
            other => Err(unsupported(
                span,
                format!("a variable of type `{}`", self.tree.show(other)),
            )),
        }
    }

    /// A new header instance.
    fn new_header(&mut self, id: StructId, args: &TypeArgs, name: &str, span: Span) -> R<Header> {
        let ty = self.header_type(id, args, span)?;
        let tail = self.tails.types.get(&ty).copied();
        let tail_name = format!("{name}.$tail");
        let name = self.unique("header", name);
        let id = self.ir.headers.push(IrHeader { name, ty });
        if let Some(ty) = tail {
            let name = self.unique("header", &tail_name);
            let tail = self.ir.headers.push(IrHeader { name, ty });
            self.tails.headers.insert(id, tail);
        }
        Ok(Header {
            id,
            rivals: Rc::from([]),
        })
    }

    /// A varbit variable: a header with nothing else in it.
    fn varbit_variable(&mut self, max: u32, name: &str) -> R<Value<'a>> {
        let type_name = format!("varbit<{max}>");
        let ty = match self.ir.header_types.find(|ty| ty.name == type_name) {
            Some(ty) => ty,
            None => self.ir.header_types.push(HeaderType {
                name: type_name,
                fields: vec![Field {
                    name: "value".to_owned(),
                    kind: FieldKind::Varbit(max),
                }],
            }),
        };
        let name = self.unique("header", name);
        Ok(Value::Varbit(self.ir.headers.push(IrHeader { name, ty })))
    }

    /// The IR's header type.
    pub(super) fn header_type(
        &mut self,
        id: StructId,
        args: &TypeArgs,
        span: Span,
    ) -> R<HeaderTypeId> {
        let key = (id, args.to_vec());
        if let Some(found) = self.header_types.get(&key) {
            return Ok(*found);
        }
        let name = self.tree.show(&Type::Header(id, args.clone()));
        let mut fields = Vec::new();
        self.flatten_fields(id, args, "", &mut fields)
            .map_err(|what| unsupported(span, format!("header `{name}` with {what}")))?;
        let behind = fields
            .iter()
            .position(|field| matches!(field.kind, FieldKind::Varbit(_)))
            .map_or(fields.len(), |varbit| varbit + 1);
        let tail = HeaderType {
            fields: fields.split_off(behind),
            name: String::new(),
        };
        if !tail.fixed_bits().is_multiple_of(8) {
            let what = "a varbit that does not end at a whole byte";
            return Err(unsupported(span, format!("header `{name}` with {what}")));
        }
        let header = HeaderType {
            name: self.unique("header type", &name),
            fields,
        };
        if !header.fixed_bits().is_multiple_of(8) {
            return Err(Box::new(
                Diagnostic::error(
                    codes::WIDTH,
                    self.tree.structs[id].span,
                    format!(
                        "header `{name}` has {} bits, which is no whole number of bytes",
                        header.fixed_bits()
                    ),
                )
                .with_help("add a padding field"),
            ));
        }
        let ty = self.ir.header_types.push(header);
        if !tail.fields.is_empty() {
            let name = self.unique("header type", &format!("{name}.$tail"));
            let tail = self.ir.header_types.push(HeaderType { name, ..tail });
            self.tails.types.insert(ty, tail);
        }
        self.header_types.insert(key, ty);
        Ok(ty)
    }

    /// The fields of a header, those of structs in it as `outer.inner` and elements of arrays as `array[0]`. The error
    /// says what it has that the IR has not.
    fn flatten_fields(
        &self,
        id: StructId,
        args: &TypeArgs,
        prefix: &str,
        out: &mut Vec<Field>,
    ) -> Result<(), String> {
        let types = self.tree.field_types(id, args);
        for (field, ty) in self.tree.structs[id].fields.iter().zip(&types) {
            self.flatten_field(ty, format!("{prefix}{}", field.name), out)?;
        }
        Ok(())
    }

    fn flatten_field(&self, ty: &Type, name: String, out: &mut Vec<Field>) -> Result<(), String> {
        let kind = match (self.width(ty), self.tree.base(ty)) {
            (Some(0), _) => return Ok(()),
            (Some(width), _) => FieldKind::Fixed(width),
            (None, Type::Varbit(max)) => FieldKind::Varbit(*max),
            (None, Type::Struct(id, args)) => {
                return self.flatten_fields(*id, args, &format!("{name}."), out);
            }
            (None, Type::Stack(elem, size)) => {
                for i in 0..*size {
                    self.flatten_field(elem, format!("{name}[{i}]"), out)?;
                }
                return Ok(());
            }
            (None, other) => {
                return Err(format!("a field of type `{}`", self.tree.show(other)));
            }
        };
        if out.len() >= MAX_MEMBERS {
            return Err(format!("more than {MAX_MEMBERS} fields"));
        }
        let is_varbit = |field: &Field| matches!(field.kind, FieldKind::Varbit(_));
        if matches!(kind, FieldKind::Varbit(_)) && out.iter().any(is_varbit) {
            return Err("two varbits".to_owned());
        }
        out.push(Field { name, kind });
        Ok(())
    }

    /// Fields of the IR's header type that a member of this type takes.
    fn leaves(&self, ty: &Type) -> u32 {
        match (self.width(ty), self.tree.base(ty)) {
            (Some(0), _) => 0,
            (None, Type::Struct(id, args)) => {
                let types = self.tree.field_types(*id, args);
                types.iter().map(|ty| self.leaves(ty)).sum()
            }
            (None, Type::Stack(elem, size)) => self.leaves(elem) * size,
            _ => 1,
        }
    }

    /// A member of a header instance; `first` is the number of its first field in the IR.
    fn header_member(&self, header: HeaderId, ty: &Type, first: u32) -> Value<'a> {
        match (self.width(ty), self.tree.base(ty)) {
            (Some(0), _) => Value::Empty,
            (None, Type::Varbit(_)) => Value::Varbit(header),
            (None, Type::Struct(id, args)) => {
                let types = self.tree.field_types(*id, args);
                Value::Fields(Rc::new(self.header_members(header, &types, first)))
            }
            (None, Type::Stack(elem, size)) => {
                let types = vec![(**elem).clone(); *size as usize];
                Value::Stack(Rc::new(Stack {
                    id: Stack::ARRAY,
                    elems: self.header_members(header, &types, first),
                }))
            }
            _ => Value::Place(self.header_field(header, first)),
        }
    }

    /// The place of a header's field with this number, also of one behind its varbit.
    pub(super) fn header_field(&self, header: HeaderId, number: u32) -> LValue {
        let own = self.ir.header_type(header).fields.len() as u32;
        match self.tails.headers.get(&header) {
            Some(tail) if number >= own => LValue::field(*tail, number - own),
            _ => LValue::field(header, number),
        }
    }

    /// Members of these types, from a field on.
    pub(super) fn header_members(
        &self,
        header: HeaderId,
        types: &[Type],
        mut first: u32,
    ) -> Vec<Value<'a>> {
        let mut members = Vec::with_capacity(types.len());
        for ty in types {
            members.push(self.header_member(header, ty, first));
            first += self.leaves(ty);
        }
        members
    }

    /// A field of a struct, header or union.
    pub(super) fn member(&self, of: &Value<'a>, ty: &Type, index: u32, span: Span) -> R<Value<'a>> {
        let wrong = || error(codes::TYPE, span, "this has no such member");
        let at = index as usize;
        Ok(match of {
            Value::Fields(members) | Value::Made(members) | Value::Union(members) => {
                members.get(at).cloned().ok_or_else(wrong)?
            }
            Value::Header(header) => {
                let types = self.members(ty).ok_or_else(wrong)?;
                let first = types.iter().take(at).map(|ty| self.leaves(ty)).sum();
                let ty = types.get(at).ok_or_else(wrong)?;
                self.header_member(header.id, ty, first)
            }
            Value::Choice(which, of) => {
                let members: R<Vec<Value<'a>>> = of
                    .iter()
                    .map(|value| self.member(value, ty, index, span))
                    .collect();
                Value::Choice(which.clone(), Rc::new(members?))
            }
            Value::Invalid => {
                let types = self.members(ty).ok_or_else(wrong)?;
                self.default_value(types.get(at).ok_or_else(wrong)?, span)?
            }
            _ => return Err(wrong()),
        })
    }

    /// The default value of a type (specification 7.3).
    pub(super) fn default_value(&self, ty: &Type, span: Span) -> R<Value<'a>> {
        match self.width(ty) {
            Some(0) => return Ok(Value::Empty),
            Some(width) => {
                // An enum's first member; with an underlying type, the zero of that type.
                let number = match self.tree.base(ty) {
                    Type::Enum(id) if self.tree.enums[*id].repr.is_none() => {
                        self.enum_number(*id, 0)
                    }
                    _ => 0,
                };
                return Ok(Value::Bits(Expr::num(width, number)));
            }
            None => {}
        }
        match self.tree.base(ty) {
            Type::Header(..) | Type::Union(..) => Ok(Value::Invalid),
            Type::Integer => Ok(Value::Int(BigInt::ZERO)),
            Type::String => Ok(Value::Str(Rc::from(""))),
            Type::List(_) => Ok(Value::Fields(Rc::new(Vec::new()))),
            other => match self.members(other) {
                Some(types) => {
                    let members: R<Vec<Value<'a>>> = types
                        .iter()
                        .map(|ty| self.default_value(ty, span))
                        .collect();
                    Ok(Value::Fields(Rc::new(members?)))
                }
                None => Err(unsupported(
                    span,
                    format!("a default value of type `{}`", self.tree.show(other)),
                )),
            },
        }
    }

    /// The number that stands for a member of an enum without underlying type.
    pub(super) fn enum_number(&self, id: EnumId, member: u32) -> u64 {
        let def = &self.tree.enums[id];
        let name = def
            .members
            .get(member as usize)
            .map(|(name, _)| name.as_str());
        match (self.arch.enum_order(&def.name), name) {
            (Some(order), Some(name)) => order.iter().position(|n| *n == name).unwrap_or(0) as u64,
            _ => u64::from(member),
        }
    }

    /// A compile-time value as a scalar.
    pub(super) fn constant(&self, value: &typed::Const, ty: &Type, span: Span) -> R<Value<'a>> {
        use typed::Const;
        let width = self.width(ty);
        let bits = |number: u64| Value::Bits(Expr::num(width.unwrap_or(32), number));
        Ok(match value {
            Const::Str(text) => Value::Str(Rc::from(text.as_str())),
            Const::Bool(truth) => bits(u64::from(*truth)),
            Const::Int(number) => match width {
                None => Value::Int(number.clone()),
                Some(0) => Value::Empty,
                Some(width) => Value::Bits(Expr::Const(to_bits(number, width))),
            },
            Const::Error(index) => bits(self.error_code(*index)),
            Const::Member(member) => match self.tree.base(ty) {
                Type::Enum(id) => bits(self.enum_number(*id, *member)),
                _ => bits(u64::from(*member)),
            },
            Const::MatchKind(_) => {
                return Err(error(codes::TYPE, span, "a match kind is no value"));
            }
        })
    }
}
