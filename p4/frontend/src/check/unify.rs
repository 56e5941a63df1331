//! Types that are still to be found, and unification.

use std::rc::Rc;

use super::Checker;
use crate::span::Span;
use crate::typed::{BlockTypeId, Program, Type, TypeArgs, VarId, VarKind};

/// Largest number of parts of a type that is written down in full; beyond it inference and `typedef` could make
/// types that grow without end.
const MAX_PARTS: u32 = 4096;
/// Deepest nesting of a type.
const MAX_TYPE_DEPTH: u32 = 400;

impl Checker<'_> {
    /// A type that is to be found.
    pub(super) fn fresh(&mut self) -> Type {
        self.infer.push(None);
        Type::Infer(u32::try_from(self.infer.len() - 1).unwrap_or(u32::MAX))
    }

    /// The type itself, if it is a type that was found.
    pub(super) fn shallow(&self, ty: &Type) -> Type {
        let mut ty = ty;
        while let Type::Infer(at) = ty
            && let Some(Some(found)) = self.infer.get(*at as usize)
        {
            ty = found;
        }
        ty.clone()
    }

    /// The type with all types filled in that were found.
    pub(super) fn zonk(&self, ty: &Type) -> Type {
        let all = |types: &TypeArgs| -> TypeArgs { types.iter().map(|ty| self.zonk(ty)).collect() };
        let one = |ty: &Rc<Type>| Rc::new(self.zonk(ty));
        match ty {
            Type::Infer(_) => match self.shallow(ty) {
                Type::Infer(at) => Type::Infer(at),
                found => self.zonk(&found),
            },
            Type::Header(id, of) if !of.is_empty() => Type::Header(*id, all(of)),
            Type::Union(id, of) if !of.is_empty() => Type::Union(*id, all(of)),
            Type::Struct(id, of) if !of.is_empty() => Type::Struct(*id, all(of)),
            Type::Extern(id, of) if !of.is_empty() => Type::Extern(*id, all(of)),
            Type::Block(id, of) if !of.is_empty() => Type::Block(*id, all(of)),
            Type::Tuple(of) => Type::Tuple(all(of)),
            Type::Stack(elem, size) => Type::Stack(one(elem), *size),
            Type::List(elem) => Type::List(one(elem)),
            Type::Set(elem) => Type::Set(one(elem)),
            other => other.clone(),
        }
    }

    /// Whether something in the type is still to be found.
    pub(super) fn is_open(&self, ty: &Type) -> bool {
        match ty {
            Type::Infer(_) => match self.shallow(ty) {
                Type::Infer(_) => true,
                found => self.is_open(&found),
            },
            Type::Header(_, of)
            | Type::Union(_, of)
            | Type::Struct(_, of)
            | Type::Extern(_, of)
            | Type::Block(_, of)
            | Type::Tuple(of) => of.iter().any(|ty| self.is_open(ty)),
            Type::Stack(elem, _) | Type::List(elem) | Type::Set(elem) => self.is_open(elem),
            _ => false,
        }
    }

    /// Whether the type is small enough to be written down.
    pub(super) fn is_bounded(&self, ty: &Type) -> bool {
        let mut left = MAX_PARTS;
        self.weigh(ty, &mut left, MAX_TYPE_DEPTH, None)
    }

    /// Walks through the type; `false` if there is too much of it, or if it has `inside` in itself.
    fn weigh(&self, ty: &Type, left: &mut u32, depth: u32, inside: Option<u32>) -> bool {
        let ty = self.shallow(ty);
        if *left == 0 || depth == 0 {
            return false;
        }
        *left -= 1;
        match &ty {
            Type::Infer(at) => inside != Some(*at),
            Type::Header(_, of)
            | Type::Union(_, of)
            | Type::Struct(_, of)
            | Type::Extern(_, of)
            | Type::Block(_, of)
            | Type::Tuple(of) => of.iter().all(|ty| self.weigh(ty, left, depth - 1, inside)),
            Type::Stack(elem, _) | Type::List(elem) | Type::Set(elem) => {
                self.weigh(elem, left, depth - 1, inside)
            }
            _ => true,
        }
    }

    /// The type if it is bounded, else an error.
    pub(super) fn bounded(&mut self, ty: Type, span: Span) -> Type {
        if self.is_bounded(&ty) {
            return ty;
        }
        let message = format!("this type has more than {MAX_PARTS} parts");
        let error = crate::Diagnostic::error(crate::codes::NESTING, span, message);
        self.report(error.with_help("name its parts as structs"));
        Type::Unknown
    }

    /// Makes two types equal by finding what is still open in them. `false` if they cannot be; what was found
    /// until then stays.
    pub(super) fn unify(&mut self, want: &Type, found: &Type) -> bool {
        let (want, found) = (self.shallow(want), self.shallow(found));
        match (&want, &found) {
            (Type::Infer(a), Type::Infer(b)) if a == b => true,
            (
                Type::Infer(_),
                Type::Table(_) | Type::Action(_) | Type::ApplyResult(_) | Type::ActionRun(_),
            ) => false,
            (Type::Infer(at), other) | (other, Type::Infer(at)) => {
                let mut left = MAX_PARTS;
                if !self.weigh(other, &mut left, MAX_TYPE_DEPTH, Some(*at)) {
                    return false;
                }
                if let Some(slot) = self.infer.get_mut(*at as usize) {
                    *slot = Some(other.clone());
                }
                true
            }
            (Type::Unknown, _) | (_, Type::Unknown) => true,
            (Type::Header(a, x), Type::Header(b, y))
            | (Type::Union(a, x), Type::Union(b, y))
            | (Type::Struct(a, x), Type::Struct(b, y)) => a == b && self.unify_all(x, y),
            (Type::Extern(a, x), Type::Extern(b, y)) => a == b && self.unify_all(x, y),
            (Type::Block(a, x), Type::Block(b, y)) => a == b && self.unify_all(x, y),
            (Type::Tuple(x), Type::Tuple(y)) => self.unify_all(x, y),
            (Type::Stack(x, n), Type::Stack(y, m)) => n == m && self.unify(x, y),
            (Type::List(x), Type::List(y)) | (Type::Set(x), Type::Set(y)) => self.unify(x, y),
            (Type::Block(id, args), Type::Control(control)) => {
                let params = self.program.controls[*control].params.clone();
                self.unify_block(*id, args, &params, crate::typed::BlockKind::Control)
            }
            (Type::Block(id, args), Type::Parser(parser)) => {
                let params = self.program.parsers[*parser].params.clone();
                self.unify_block(*id, args, &params, crate::typed::BlockKind::Parser)
            }
            (a, b) => a == b,
        }
    }

    fn unify_all(&mut self, want: &[Type], found: &[Type]) -> bool {
        want.len() == found.len() && want.iter().zip(found).all(|(a, b)| self.unify(a, b))
    }

    /// Whether something with these parameters is of the block type.
    fn unify_block(
        &mut self,
        id: BlockTypeId,
        args: &[Type],
        params: &[VarId],
        kind: crate::typed::BlockKind,
    ) -> bool {
        let block = &self.program.block_types[id];
        if block.kind != kind {
            return false;
        }
        let (type_params, wanted) = (block.type_params.clone(), block.params.clone());
        let mut found = params.iter();
        let mut spare = wanted.len().saturating_sub(params.len());
        for want in wanted {
            let var = &self.program.vars[want];
            let VarKind::Param {
                direction: want_dir,
                optional,
                default,
            } = &var.kind
            else {
                return false;
            };
            let (want_dir, optional) = (*want_dir, *optional || default.is_some());
            let name = var.name.clone();
            let want_ty = Program::substitute(&var.ty, &type_params, args);
            let next = found.as_slice().first().map(|id| &self.program.vars[*id]);
            if optional && spare > 0 && next.is_none_or(|next| next.name != name) {
                spare -= 1;
                continue;
            }
            let Some(var) = found.next().map(|id| &self.program.vars[*id]) else {
                return false;
            };
            let (found_ty, at) = (var.ty.clone(), var.span);
            let same_dir = matches!(
                &var.kind,
                VarKind::Param { direction, .. } if *direction == want_dir
            );
            if !same_dir {
                self.reason = Some((
                    format!("this parameter has another direction than `{name}` of the type"),
                    at,
                ));
                return false;
            }
            if !self.unify(&want_ty, &found_ty) {
                let (want, found) = (self.show(&want_ty), self.show(&found_ty));
                self.reason = Some((
                    format!("this parameter has type `{found}`, the type wants `{want}`"),
                    at,
                ));
                return false;
            }
        }
        found.next().is_none()
    }
}
