//! Declarations at top level.

use super::scope::Binding;
use super::types::StructKind;
use super::{Checker, Context, Place, codes, keep};
use crate::ast::{self, DeclKind};
use crate::diag::Diagnostic;
use crate::typed::{BlockKind, ExternDef, InstanceId, InstanceOf};

impl<'a> Checker<'a> {
    /// One declaration.
    pub(super) fn top_level(&mut self, decl: &'a ast::Decl) {
        let annotations: &'a [ast::Annotation] = &decl.annotations;
        self.annotations(annotations);
        match &decl.kind {
            DeclKind::Const(constant) => {
                self.constant(constant, annotations);
            }
            DeclKind::Var(var) => {
                // The parser says that it cannot stand here.
                self.local_var(var, annotations);
            }
            DeclKind::Extern(object) => self.extern_object(object, annotations),
            DeclKind::ExternFunction(proto) => {
                let id = self.function(proto, None, annotations);
                self.declare_function(&proto.name, id);
            }
            DeclKind::ExternForward(name) => {
                let id = self.program.externs.push(ExternDef {
                    name: name.name.clone(),
                    type_params: Vec::new(),
                    constructors: Vec::new(),
                    methods: Vec::new(),
                    annotations: keep(annotations),
                    span: name.span,
                });
                self.declare(name, Binding::Extern(id));
            }
            DeclKind::Action(action) => {
                self.action(action, annotations);
            }
            DeclKind::ParserType(proto) => {
                self.block_type(proto, BlockKind::Parser, annotations);
            }
            DeclKind::ControlType(proto) => {
                self.block_type(proto, BlockKind::Control, annotations);
            }
            DeclKind::Package(proto) => self.block_type(proto, BlockKind::Package, annotations),
            DeclKind::Parser(parser) => self.parser(parser, annotations),
            DeclKind::Control(control) => self.control(control, annotations),
            DeclKind::Header(decl) => self.structure(decl, StructKind::Header, annotations),
            DeclKind::HeaderUnion(decl) => self.structure(decl, StructKind::Union, annotations),
            DeclKind::Struct(decl) => self.structure(decl, StructKind::Struct, annotations),
            DeclKind::Enum(decl) => self.enumeration(decl),
            DeclKind::SerEnum(decl) => self.serializable_enum(decl),
            DeclKind::Typedef(decl) => self.typedef(decl, false, annotations),
            DeclKind::NewType(decl) => self.typedef(decl, true, annotations),
            DeclKind::Error(names) => self.errors(names),
            DeclKind::MatchKind(names) => self.match_kinds(names),
            DeclKind::Instance(instance) => {
                if let Some(id) = self.instance(instance, annotations) {
                    self.program.globals.push(id);
                    if instance.name.name == "main" {
                        self.main(id);
                    }
                }
            }
            DeclKind::Function(function) => {
                let context = Context {
                    place: Place::Function,
                    ..Context::default()
                };
                let body = Some((&function.body, context));
                let id = self.function(&function.proto, body, annotations);
                self.declare_function(&function.proto.name, id);
            }
            DeclKind::Table(_) | DeclKind::ValueSet(_) => {
                self.error(
                    codes::MISPLACED,
                    decl.span,
                    "this cannot stand at top level",
                );
            }
        }
    }

    /// `main` has to be of a package.
    fn main(&mut self, id: InstanceId) {
        self.program.main = Some(id);
        let instance = &self.program.instances[id];
        if !matches!(instance.of, InstanceOf::Package(..)) {
            let at = instance.span;
            let message = "`main` is the instance of a package, nothing else";
            let error = Diagnostic::error(codes::DECLARATION, at, message);
            self.report(error.with_help("give this another name"));
        }
    }

    /// Expressions in annotations are known at compile time.
    pub(super) fn annotations(&mut self, annotations: &'a [ast::Annotation]) {
        for annotation in annotations {
            let values: Vec<&'a ast::Expr> = match &annotation.body {
                ast::AnnotationBody::Exprs(values) => values.iter().collect(),
                ast::AnnotationBody::KeyValues(pairs) => {
                    pairs.iter().map(|pair| &pair.value).collect()
                }
                ast::AnnotationBody::Empty | ast::AnnotationBody::Unstructured(_) => continue,
            };
            for value in values {
                let value = self.expr(value, None);
                if !self.is_compile_time(&value) {
                    self.not_constant(&value, "what an annotation says");
                }
            }
        }
    }
}
