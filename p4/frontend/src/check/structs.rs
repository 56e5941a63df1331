//! Declarations of types: structs, headers, unions, enums, `typedef` and `type`, errors and match kinds.

use std::collections::HashMap;

use num_bigint::BigInt;

use super::facts::{MAX_LEAVES, MAX_STRUCT_DEPTH};
use super::scope::Binding;
use super::types::StructKind;
use super::{Checker, keep};
use crate::ast::{self, Annotation, Ident, TypedefTarget};
use crate::codes;
use crate::diag::Diagnostic;
use crate::span::Span;
use crate::typed::{
    Const, EnumDef, ExprKind, Field, NewTypeDef, StructDef, StructId, Type, TypeParamId,
};

impl<'a> Checker<'a> {
    /// Declares a name in the innermost scope; says so if it is there already.
    pub(super) fn declare(&mut self, name: &'a Ident, binding: Binding) {
        if let Err(before) = self.scopes.declare(name.as_str(), binding, name.span) {
            self.declared_twice(name, before);
        }
    }

    pub(super) fn declared_twice(&mut self, name: &Ident, before: Span) {
        let message = format!("`{}` is declared twice", name.name);
        let error = Diagnostic::error(codes::DECLARED_TWICE, name.span, message);
        self.report(error.with_note_at(before, "declared before, here"));
    }

    /// Declares type parameters in the innermost scope.
    pub(super) fn type_params(&mut self, names: &'a [Ident]) -> Vec<TypeParamId> {
        names
            .iter()
            .map(|name| {
                let id = self.program.type_params.push(name.name.clone());
                self.tables.type_param_names.insert(id, name.as_str());
                self.declare(name, Binding::Type(Type::Param(id)));
                id
            })
            .collect()
    }

    /// What a struct was declared as.
    pub(super) fn struct_kind(&self, id: StructId) -> StructKind {
        let kind = self.struct_kinds.get(id.0 as usize);
        kind.copied().unwrap_or(StructKind::Struct)
    }

    /// The index of a field; an error if there is none of this name.
    pub(super) fn field_index(&mut self, id: StructId, name: &Ident) -> Option<usize> {
        let found = self
            .tables
            .fields
            .get(&id)
            .and_then(|f| f.get(name.as_str()));
        if let Some(at) = found {
            return Some(*at as usize);
        }
        let def = &self.program.structs[id];
        let (message, at) = (
            format!("`{}` has no field `{}`", def.name, name.name),
            def.span,
        );
        let near = crate::similar::similar(
            &name.name,
            def.fields.iter().map(|field| field.name.as_str()),
        );
        let mut error = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message)
            .with_note_at(at, "declared here");
        if let Some(near) = near {
            error = error.with_help(format!("did you mean `{near}`?"));
        }
        self.report(error);
        None
    }

    /// `struct`, `header` or `header_union`.
    pub(super) fn structure(
        &mut self,
        decl: &'a ast::StructDecl,
        kind: StructKind,
        annotations: &[Annotation],
    ) {
        self.declaring.push(&decl.name);
        self.scopes.push();
        let type_params = self.type_params(&decl.type_params);
        let mut index = HashMap::new();
        let mut fields = Vec::new();
        for field in &decl.fields {
            let ty = self.resolve(&field.ty);
            let ty = self.known(ty, field.ty.span);
            let ty = self.field_allowed(ty, kind, field.ty.span);
            let at = u32::try_from(fields.len()).unwrap_or(u32::MAX);
            if let Some(before) = index.insert(field.name.as_str(), at) {
                let before: Option<&Field> = fields.get(before as usize);
                let before = before.map_or(field.span, |field| field.span);
                self.declared_twice(&field.name, before);
            }
            fields.push(Field {
                name: field.name.name.clone(),
                ty,
                annotations: keep(&field.annotations),
                span: field.name.span,
            });
        }
        self.scopes.pop();
        self.declaring.pop();
        let generic = !type_params.is_empty();
        let id = self.program.structs.push(StructDef {
            name: decl.name.name.clone(),
            type_params,
            fields,
            annotations: keep(annotations),
            span: decl.name.span,
        });
        self.struct_kinds.push(kind);
        self.tables.fields.insert(id, index);
        self.declare(&decl.name, Binding::Struct(id));
        let facts = if generic {
            self.learn_generic(id)
        } else {
            self.learn(id)
        };
        if facts.depth > MAX_STRUCT_DEPTH || facts.leaves > MAX_LEAVES {
            let message = format!(
                "`{}` is too large: it holds {} values in {} levels",
                decl.name.name, facts.leaves, facts.depth
            );
            self.error(codes::NESTING, decl.name.span, message);
            for field in &mut self.program.structs[id].fields {
                field.ty = Type::Unknown;
            }
            self.learn(id);
        }
    }

    /// Whether a field may have this type; an error if not.
    pub(super) fn field_allowed(&mut self, ty: Type, kind: StructKind, span: Span) -> Type {
        let mut base = self.base(&ty);
        while kind == StructKind::Header
            && let Type::Stack(elem, _) = &base
        {
            base = self.base(elem);
        }
        let never = matches!(
            base,
            Type::Void
                | Type::Integer
                | Type::String
                | Type::MatchKind
                | Type::List(_)
                | Type::Set(_)
                | Type::Extern(..)
                | Type::Block(..)
                | Type::Parser(_)
                | Type::Control(_)
        );
        let allowed = match kind {
            _ if never => false,
            StructKind::Struct => true,
            StructKind::Header => match &base {
                Type::Enum(id) => self.program.enums[*id].repr.is_some(),
                Type::Struct(..) => {
                    let facts = self.facts(&base);
                    facts.max_bits.is_some() && !facts.headers
                }
                Type::Bool
                | Type::Bit(_)
                | Type::Int(_)
                | Type::Varbit(_)
                | Type::Param(_)
                | Type::Unknown => true,
                _ => false,
            },
            StructKind::Union => {
                matches!(base, Type::Header(..) | Type::Param(_) | Type::Unknown)
            }
        };
        if allowed {
            return ty;
        }
        let (what, fields) = match kind {
            StructKind::Struct => (
                "struct",
                "values of a size known at compile time, headers and structs",
            ),
            StructKind::Header => (
                "header",
                "`bit`, `int`, `varbit`, `bool`, enums with an underlying type, and structs of these",
            ),
            StructKind::Union => ("header union", "headers"),
        };
        let message = format!("a {what} cannot have a field of type `{}`", self.show(&ty));
        let error = Diagnostic::error(codes::FIELD_TYPE, span, message);
        self.report(
            error
                .with_note(format!("its fields are {fields}"))
                .with_help("give the field one of these types"),
        );
        Type::Unknown
    }

    /// The type, if nothing in it is left to be inferred; else an error.
    pub(super) fn known(&mut self, ty: Type, span: Span) -> Type {
        if !self.is_open(&ty) {
            return ty;
        }
        let message = "type arguments are missing here";
        let error = Diagnostic::error(codes::INFERENCE, span, message);
        self.report(error.with_help("write them between `<` and `>`"));
        Type::Unknown
    }

    /// `enum E { A, B }`
    pub(super) fn enumeration(&mut self, decl: &'a ast::EnumDecl) {
        let mut index = HashMap::new();
        let mut members = Vec::new();
        for (at, member) in decl.members.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            if let Some(before) = index.insert(member.as_str(), at)
                && let Some(before) = decl.members.get(before as usize)
            {
                self.declared_twice(member, before.span);
            }
            members.push((member.name.clone(), None));
        }
        let id = self.program.enums.push(EnumDef {
            name: decl.name.name.clone(),
            repr: None,
            members,
            span: decl.name.span,
        });
        self.tables.members.insert(id, index);
        self.declare(&decl.name, Binding::Type(Type::Enum(id)));
    }

    /// `enum bit<8> E { A = 1 }`. Members may be used in the values of later ones.
    pub(super) fn serializable_enum(&mut self, decl: &'a ast::SerEnumDecl) {
        let repr = self.resolve(&decl.ty);
        let repr = self.enum_base(repr, decl.ty.span);
        let id = self.program.enums.push(EnumDef {
            name: decl.name.name.clone(),
            repr: Some(repr.clone()),
            members: Vec::new(),
            span: decl.name.span,
        });
        self.tables.members.insert(id, HashMap::new());
        self.declare(&decl.name, Binding::Type(Type::Enum(id)));
        for (at, member) in decl.members.iter().enumerate() {
            let around = self.context.members_of.replace(id);
            let value = self.expr_as(&member.value, &repr);
            self.context.members_of = around;
            let value = match value.kind {
                ExprKind::Const(Const::Int(value)) => value,
                _ => {
                    self.not_constant(&value, "the value of an enum's member");
                    BigInt::ZERO
                }
            };
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let index = self.tables.members.entry(id).or_default();
            if let Some(before) = index.insert(member.name.as_str(), at)
                && let Some(before) = decl.members.get(before as usize)
            {
                self.declared_twice(&member.name, before.name.span);
            }
            let members = &mut self.program.enums[id].members;
            members.push((member.name.name.clone(), Some(value)));
        }
    }

    /// The type, if it may stand under an enum; an error if not. What `type` makes may not, whatever it is made of
    /// (specification 7.2.1).
    fn enum_base(&mut self, repr: Type, span: Span) -> Type {
        let repr = self.shallow(&repr);
        if matches!(repr, Type::Bit(_) | Type::Int(_) | Type::Unknown) {
            return repr;
        }
        let message = format!("`{}` cannot be the type under an enum", self.show(&repr));
        let mut error = Diagnostic::error(codes::TYPE, span, message);
        if let Type::New(id) = &repr {
            let made = self.program.new_types[*id].span;
            error = error.with_note_at(made, "`type` makes a type of its own here");
        }
        self.report(error.with_help("use `bit<w>` or `int<w>`, or a `typedef` of these"));
        self.base(&repr)
    }

    /// `typedef T N;` and `type T N;`
    pub(super) fn typedef(
        &mut self,
        decl: &'a ast::TypedefDecl,
        new_type: bool,
        annotations: &[Annotation],
    ) {
        let (target, span) = match &decl.target {
            TypedefTarget::Type(ty) => (self.resolve(ty), ty.span),
            TypedefTarget::Decl(inner) => {
                self.top_level(inner);
                let binding = inner.name().and_then(|n| self.scopes.lookup(n.as_str()));
                let ty = match binding {
                    Some(Binding::Struct(id)) => self.struct_kind(*id).ty(*id, Type::no_args()),
                    Some(Binding::Type(ty)) => ty.clone(),
                    _ => Type::Unknown,
                };
                (ty, inner.span)
            }
        };
        let target = self.known(target, span);
        if !new_type {
            self.declare(&decl.name, Binding::Type(target));
            return;
        }
        let base = self.base(&target);
        let enum_with_repr = self.enum_repr(&base).is_some();
        if !matches!(
            base,
            Type::Bit(_) | Type::Int(_) | Type::Bool | Type::Varbit(_) | Type::Unknown
        ) && !enum_with_repr
        {
            let message = format!("`type` cannot be made from `{}`", self.show(&target));
            let error = Diagnostic::error(codes::TYPE, span, message);
            self.report(error.with_help("use `typedef` for another name of the same type"));
        }
        let id = self.program.new_types.push(NewTypeDef {
            name: decl.name.name.clone(),
            target,
            annotations: keep(annotations),
            span: decl.name.span,
        });
        self.declare(&decl.name, Binding::Type(Type::New(id)));
    }

    /// `error { A, B }`; may stand several times.
    pub(super) fn errors(&mut self, names: &'a [Ident]) {
        for name in names {
            let next = u32::try_from(self.program.errors.len()).unwrap_or(u32::MAX);
            if self.tables.errors.contains_key(name.as_str()) {
                let message = format!("the error `{}` is declared twice", name.name);
                self.error(codes::DECLARED_TWICE, name.span, message);
                continue;
            }
            self.tables.errors.insert(name.as_str(), next);
            self.program.errors.push(name.name.clone());
        }
    }

    /// `match_kind { a, b }`; may stand several times.
    pub(super) fn match_kinds(&mut self, names: &'a [Ident]) {
        for name in names {
            let next = u32::try_from(self.program.match_kinds.len()).unwrap_or(u32::MAX);
            if let Some((_, before)) = self.tables.match_kinds.get(name.as_str()) {
                let before = *before;
                self.declared_twice(name, before);
                continue;
            }
            self.tables
                .match_kinds
                .insert(name.as_str(), (next, name.span));
            self.program.match_kinds.push(name.name.clone());
        }
    }
}
