//! Generic parsers and controls.
//!
//! A generic block is checked once as it stands, with its type parameters as types, and once more for every list of
//! type arguments that it is instantiated with: what the typed tree instantiates is never generic.

use std::collections::HashMap;

use super::scope::Binding;
use super::{Checker, codes};
use crate::ast::{self, Annotation};
use crate::span::Span;
use crate::typed::{BlockTypeId, ControlId, ParserId, Program, Type, TypeArgs, TypeParamId, VarId};

/// Most copies of generic blocks in a program.
const MAX_COPIES: usize = 4096;

/// A generic parser or control.
#[derive(Debug)]
pub(super) struct Generic<'a> {
    decl: GenericDecl<'a>,
    annotations: &'a [Annotation],
    type_params: Vec<TypeParamId>,
    made: HashMap<TypeArgs, Type>,
}

/// The declaration of a [`Generic`].
#[derive(Clone, Copy, Debug)]
pub(super) enum GenericDecl<'a> {
    Parser(&'a ast::ParserDecl),
    Control(&'a ast::ControlDecl),
}

/// All generic blocks, by the type of what was checked as it stands.
#[derive(Debug, Default)]
pub(super) struct Generics<'a> {
    parsers: HashMap<ParserId, Generic<'a>>,
    controls: HashMap<ControlId, Generic<'a>>,
    copies: usize,
}

impl<'a> Generics<'a> {
    fn get_mut(&mut self, of: &Type) -> Option<&mut Generic<'a>> {
        match of {
            Type::Parser(id) => self.parsers.get_mut(id),
            Type::Control(id) => self.controls.get_mut(id),
            _ => None,
        }
    }

    /// The type parameters of a block.
    pub fn type_params(&self, of: &Type) -> &[TypeParamId] {
        let generic = match of {
            Type::Parser(id) => self.parsers.get(id),
            Type::Control(id) => self.controls.get(id),
            _ => None,
        };
        generic.map_or(&[], |generic| &generic.type_params)
    }
}

impl<'a> Checker<'a> {
    /// Remembers a generic block.
    pub(super) fn remember_generic(
        &mut self,
        of: &Type,
        decl: GenericDecl<'a>,
        annotations: &'a [Annotation],
        type_params: Vec<TypeParamId>,
    ) {
        let generic = Generic {
            decl,
            annotations,
            type_params,
            made: HashMap::new(),
        };
        match of {
            Type::Parser(id) => {
                self.tables.generics.parsers.insert(*id, generic);
            }
            Type::Control(id) => {
                self.tables.generics.controls.insert(*id, generic);
            }
            _ => {}
        }
    }

    /// A generic block with these type arguments.
    pub(super) fn specialise(&mut self, of: &Type, args: &TypeArgs, span: Span) -> Type {
        if self.tables.generics.copies >= MAX_COPIES {
            let message = format!("more than {MAX_COPIES} copies of generic blocks are needed");
            self.error(codes::NESTING, span, message);
            return Type::Unknown;
        }
        let Some(generic) = self.tables.generics.get_mut(of) else {
            return of.clone();
        };
        if let Some(made) = generic.made.get(args) {
            return made.clone();
        }
        let (decl, annotations) = (generic.decl, generic.annotations);
        self.tables.generics.copies += 1;
        let made = self.at_top_level(|checker| match decl {
            GenericDecl::Parser(decl) => {
                Type::Parser(checker.parser_with(decl, annotations, Some(args)).0)
            }
            GenericDecl::Control(decl) => {
                Type::Control(checker.control_with(decl, annotations, Some(args)).0)
            }
        });
        if let Some(generic) = self.tables.generics.get_mut(of) {
            generic.made.insert(args.clone(), made.clone());
        }
        made
    }

    /// Runs `walk` with the names of the top level only.
    pub(super) fn at_top_level<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> T {
        let inner = self.scopes.suspend();
        let context = std::mem::take(&mut self.context);
        let hidden = self.hidden_params.take();
        let result = walk(self);
        self.hidden_params = hidden;
        self.context = context;
        self.scopes.resume(inner);
        result
    }

    /// Runs `walk` where type parameters are names of what they stand for.
    pub(super) fn with_type_args<T>(
        &mut self,
        params: &[TypeParamId],
        args: &[Type],
        walk: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.scopes.push();
        for (param, arg) in params.iter().zip(args) {
            if let Some(name) = self.tables.type_param_names.get(param).copied() {
                // Names that are declared twice were reported where they are declared.
                let _ = self
                    .scopes
                    .declare(name, Binding::Type(arg.clone()), Span::default());
            }
        }
        let result = walk(self);
        self.scopes.pop();
        result
    }

    /// The type arguments of a generic block that make it fit a block type.
    pub(super) fn infer_block(
        &mut self,
        params: &[VarId],
        of: (&[TypeParamId], &[Type]),
        want: &Type,
    ) {
        let Type::Block(id, block_args) = self.shallow(want) else {
            return;
        };
        let (wanted, type_params) = self.block_signature(id);
        for (have, want) in params.iter().zip(wanted) {
            let have = Program::substitute(&self.program.vars[*have].ty, of.0, of.1);
            let want = Program::substitute(&self.program.vars[want].ty, &type_params, &block_args);
            self.unify(&want, &have);
        }
    }

    fn block_signature(&self, id: BlockTypeId) -> (Vec<VarId>, Vec<TypeParamId>) {
        let def = &self.program.block_types[id];
        (def.params.clone(), def.type_params.clone())
    }

    /// Lets what is still open in a type, and that nothing will ever say, be `void`.
    pub(super) fn leave_open(&mut self, ty: &Type) {
        match self.shallow(ty) {
            open @ Type::Infer(_) => {
                self.unify(&open, &Type::Void);
            }
            Type::Header(_, of)
            | Type::Union(_, of)
            | Type::Struct(_, of)
            | Type::Extern(_, of)
            | Type::Block(_, of)
            | Type::Tuple(of) => of.iter().for_each(|ty| self.leave_open(ty)),
            Type::Stack(elem, _) | Type::List(elem) | Type::Set(elem) => self.leave_open(&elem),
            _ => {}
        }
    }
}
