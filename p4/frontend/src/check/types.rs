//! Types as written to types, and types to text.

use std::rc::Rc;

use num_bigint::BigInt;

use super::scope::Binding;
use super::{Checker, MAX_STACK, MAX_WIDTH};
use crate::ast::{self, TypeKind, TypeRef};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{StructId, Type, TypeArgs, TypeParamId};

/// Whether a [`StructId`] is a struct, header or union. The typed tree says so in each type; here it is found by the
/// declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StructKind {
    Struct,
    Header,
    Union,
}

impl StructKind {
    /// The type with these arguments.
    pub fn ty(self, id: StructId, args: TypeArgs) -> Type {
        match self {
            Self::Struct => Type::Struct(id, args),
            Self::Header => Type::Header(id, args),
            Self::Union => Type::Union(id, args),
        }
    }
}

impl<'a> Checker<'a> {
    /// The type that is written.
    pub(super) fn resolve(&mut self, ty: &'a TypeRef) -> Type {
        self.nested(ty.span, |checker| checker.resolve_here(ty))
            .unwrap_or(Type::Unknown)
    }

    fn resolve_here(&mut self, ty: &'a TypeRef) -> Type {
        let span = ty.span;
        match &ty.kind {
            TypeKind::Void => Type::Void,
            TypeKind::Bool => Type::Bool,
            TypeKind::Error => Type::Error,
            TypeKind::MatchKind => Type::MatchKind,
            TypeKind::String => Type::String,
            TypeKind::Integer => Type::Integer,
            TypeKind::Bit(None) => Type::Bit(1),
            TypeKind::Bit(Some(width)) => self.width(width, 0).map_or(Type::Unknown, Type::Bit),
            TypeKind::Int(width) => self.width(width, 1).map_or(Type::Unknown, Type::Int),
            TypeKind::Varbit(width) => self.width(width, 0).map_or(Type::Unknown, Type::Varbit),
            TypeKind::Named(path) => {
                let Some(binding) = self.find_type(path) else {
                    return Type::Unknown;
                };
                self.type_of_binding(binding, None, span)
            }
            TypeKind::Specialized { base, args } => {
                let binding = self.find_type(base);
                let args: Vec<Type> = args.iter().map(|arg| self.resolve(arg)).collect();
                let Some(binding) = binding else {
                    return Type::Unknown;
                };
                let ty = self.type_of_binding(binding, Some(args), span);
                self.bounded(ty, span)
            }
            TypeKind::Stack { elem, size } => {
                let elem = self.resolve(elem);
                self.stack_type(elem, size, span)
            }
            TypeKind::Tuple(parts) => {
                let parts: TypeArgs = parts.iter().map(|part| self.resolve(part)).collect();
                if parts.contains(&Type::Unknown) {
                    return Type::Unknown;
                }
                self.bounded(Type::Tuple(parts), span)
            }
            TypeKind::List(elem) => {
                let elem = self.resolve(elem);
                self.bounded(Type::List(Rc::new(elem)), span)
            }
            TypeKind::DontCare => self.any_type(),
        }
    }

    /// What `_` stands for.
    fn any_type(&mut self) -> Type {
        if self.hidden_params.is_none() {
            return self.fresh();
        }
        let id = self.program.type_params.push("_".to_owned());
        if let Some(hidden) = &mut self.hidden_params {
            hidden.push(id);
        }
        Type::Param(id)
    }

    /// `_` for every type parameter.
    fn any_args(&mut self, params: &[TypeParamId]) -> Vec<Type> {
        params.iter().map(|_| self.any_type()).collect()
    }

    fn stack_type(&mut self, elem: Type, size: &'a ast::Expr, span: Span) -> Type {
        let Some(size_value) = self.constant_number(size) else {
            return Type::Unknown;
        };
        match u32::try_from(&size_value) {
            Ok(count) if (0..=MAX_STACK).contains(&count) => {
                self.bounded(Type::Stack(Rc::new(elem), count), span)
            }
            _ => {
                let message = format!("a stack has 0 to {MAX_STACK} elements, not {size_value}");
                self.error(codes::WIDTH, size.span, message);
                Type::Unknown
            }
        }
    }

    /// The width in angle brackets.
    fn width(&mut self, width: &'a ast::Expr, least: u32) -> Option<u32> {
        let value = self.constant_number(width)?;
        match u32::try_from(&value) {
            Ok(bits) if (least..=MAX_WIDTH).contains(&bits) => Some(bits),
            _ => {
                let message = if value < BigInt::from(least) {
                    format!("the width {value} is less than {least}")
                } else {
                    format!(
                        "the width {value} is more than {MAX_WIDTH}, the most that is supported"
                    )
                };
                self.error(codes::WIDTH, width.span, message);
                None
            }
        }
    }

    /// What stands for a type of this name; says so if there is none.
    pub(super) fn find_type(&mut self, path: &'a ast::Path) -> Option<Binding> {
        let name = path.as_str();
        let found = if path.absolute {
            self.scopes.lookup_global(name)
        } else {
            self.scopes.lookup(name)
        };
        match found {
            Some(Binding::Broken) => None,
            Some(binding) if binding.is_type() => Some(binding.clone()),
            Some(binding) => {
                let message = format!("`{name}` is {}, not a type", binding.kind());
                let mut error = Diagnostic::error(codes::UNKNOWN_NAME, path.span(), message);
                if let Some(at) = self.scopes.declared_at(name) {
                    error = error.with_note_at(at, "declared here");
                }
                self.report(error);
                None
            }
            None => {
                let near = self.scopes.similar(name, Binding::is_type);
                self.not_declared(path, format!("there is no type `{name}`"), near);
                None
            }
        }
    }

    /// A name with type arguments, if any are written.
    fn type_of_binding(&mut self, binding: Binding, args: Option<Vec<Type>>, span: Span) -> Type {
        let (params, name) = match &binding {
            Binding::Type(ty) => {
                if args.is_some() {
                    let message = format!("`{}` takes no type arguments", self.show(ty));
                    self.error(codes::ARGUMENTS, span, message);
                    return Type::Unknown;
                }
                return ty.clone();
            }
            Binding::Struct(id) => {
                let def = &self.program.structs[*id];
                (def.type_params.clone(), def.name.clone())
            }
            Binding::Extern(id) => {
                let def = &self.program.externs[*id];
                (def.type_params.clone(), def.name.clone())
            }
            Binding::BlockType(id) => {
                let def = &self.program.block_types[*id];
                (def.type_params.clone(), def.name.clone())
            }
            Binding::Parser(id) => {
                let params = self.tables.generics.type_params(&Type::Parser(*id));
                (params.to_vec(), self.program.parsers[*id].name.clone())
            }
            Binding::Control(id) => {
                let params = self.tables.generics.type_params(&Type::Control(*id));
                (params.to_vec(), self.program.controls[*id].name.clone())
            }
            Binding::Several(at) => {
                let first = self.tables.blocks.get(*at).and_then(|list| list.first());
                let first = first.cloned().unwrap_or(Binding::Broken);
                return self.type_of_binding(first, args, span);
            }
            _ => return Type::Unknown,
        };
        // Type parameters that stand for a `_` in the declaration are not written.
        let written = params
            .iter()
            .filter(|id| self.program.type_params[**id] != "_")
            .count();
        let args: TypeArgs = match args {
            None => self.any_args(&params).into(),
            Some(args) if args.len() == written => {
                let hidden = self.any_args(params.get(written..).unwrap_or_default());
                args.into_iter().chain(hidden).collect()
            }
            Some(args) => {
                let message = format!(
                    "`{name}` takes {written} type arguments, {} are given",
                    args.len()
                );
                self.error(codes::ARGUMENTS, span, message);
                return Type::Unknown;
            }
        };
        match binding {
            Binding::Struct(id) => self.specialised_struct(id, args, span),
            Binding::Extern(id) => Type::Extern(id, args),
            Binding::BlockType(id) => Type::Block(id, args),
            Binding::Parser(id) => self.block_with_args(Type::Parser(id), &args, span),
            Binding::Control(id) => self.block_with_args(Type::Control(id), &args, span),
            _ => Type::Unknown,
        }
    }

    /// A struct with type arguments, whose fields have to be allowed with these, too.
    fn specialised_struct(&mut self, id: StructId, args: TypeArgs, span: Span) -> Type {
        let kind = self.struct_kind(id);
        let closed = !args.is_empty() && !args.iter().any(|arg| self.is_open(arg));
        if closed && self.tables.specialised.insert((id, args.clone())) {
            for at in 0..self.program.structs[id].fields.len() {
                let ty = self.field_type(id, &args, at);
                if self.field_allowed(ty, kind, span) == Type::Unknown {
                    return Type::Unknown;
                }
            }
        }
        kind.ty(id, args)
    }

    /// A parser or control with type arguments; those that are still open are found when it is instantiated.
    fn block_with_args(&mut self, of: Type, args: &TypeArgs, span: Span) -> Type {
        if args.is_empty() || args.iter().any(|arg| self.is_open(arg)) {
            return of;
        }
        let args: TypeArgs = args.iter().map(|arg| self.zonk(arg)).collect();
        self.specialise(&of, &args, span)
    }

    /// The type of what is instantiated with these arguments.
    pub(super) fn resolve_constructed(&mut self, ty: &'a TypeRef, args: &[ast::Arg]) -> Type {
        let made = self.resolve_chosen(ty, args);
        self.open_allowed = matches!(ty.kind, TypeKind::Specialized { .. });
        made
    }

    fn resolve_chosen(&mut self, ty: &'a TypeRef, args: &[ast::Arg]) -> Type {
        let (path, type_args) = match &ty.kind {
            TypeKind::Named(path) => (path, None),
            TypeKind::Specialized { base, args } => (base, Some(args)),
            _ => return self.resolve(ty),
        };
        let Some(Binding::Several(at)) = self.scopes.lookup(path.as_str()) else {
            return self.resolve(ty);
        };
        let list = self.tables.blocks.get(*at).cloned().unwrap_or_default();
        let fits = |binding: &&Binding| {
            let params = self.constructor_params(binding);
            params.is_some_and(|params| self.accepts(params, args))
        };
        let chosen = list.iter().find(fits).or(list.first()).cloned();
        let type_args = type_args.map(|args| args.iter().map(|arg| self.resolve(arg)).collect());
        self.type_of_binding(chosen.unwrap_or(Binding::Broken), type_args, ty.span)
    }

    /// What stands behind `type` names and found types.
    pub(super) fn base(&self, ty: &Type) -> Type {
        let ty = self.shallow(ty);
        self.program.base(&ty).clone()
    }

    /// The type of an enum's values, seen as numbers; other types stay.
    pub(super) fn enum_repr(&self, ty: &Type) -> Option<Type> {
        match ty {
            Type::Enum(id) => self.program.enums[*id].repr.clone(),
            _ => None,
        }
    }

    /// The type as a person writes it.
    pub(super) fn show(&self, ty: &Type) -> String {
        self.program.show_with(ty, &|ty| self.shallow(ty))
    }
}
