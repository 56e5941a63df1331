//! Declarations.

use super::scope::Kind;
use super::{Parse, Parser};
use crate::ast::{
    ActionDecl, Annotation, BlockProto, ConstDecl, ControlDecl, Decl, DeclKind, Direction,
    EnumDecl, ExternDecl, FunctionDecl, FunctionProto, Ident, Instance, Method, Param, ParserDecl,
    ParserState, Select, SelectCase, SerEnumDecl, StructDecl, StructField, Transition, TypeKind,
    TypeRef, TypedefDecl, TypedefTarget, ValueSetDecl, VarDecl,
};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::Tok;
use crate::similar::similar;
use crate::span::Span;

/// Keywords between which and `name {` nothing stands.
const KEYWORDS_BEFORE_BRACE: &[&str] = &[
    "enum",
    "extern",
    "header",
    "header_union",
    "state",
    "struct",
    "table",
];
/// Keywords between which and `name (` nothing stands.
const KEYWORDS_BEFORE_PARENTHESIS: &[&str] = &["action", "control", "package", "parser"];

impl Parser<'_, '_> {
    /// A declaration at top level.
    pub(super) fn declaration(&mut self) -> Parse<Decl> {
        let start = self.span();
        let annotations = self.annotations()?;
        let kind = self.nested(Self::declaration_kind)?;
        if let DeclKind::Var(decl) = &kind {
            self.error(
                Diagnostic::error(
                    codes::MISPLACED,
                    decl.name.span,
                    "a variable cannot be declared at top level",
                )
                .with_help("make it `const`, or move it into a control or parser"),
            );
        }
        Ok(Decl {
            annotations,
            kind,
            span: self.since(start),
        })
    }

    fn declaration_kind(&mut self) -> Parse<DeclKind> {
        let keyword = self.word_at(0).unwrap_or("");
        match keyword {
            "const" => self.constant(),
            "extern" => self.external(),
            "action" => self.action(),
            "parser" => self.parser(),
            "control" => self.control(),
            "package" => self.package(),
            "header" | "header_union" | "struct" | "enum" => self.derived_type(),
            "typedef" => self.typedef(),
            "type" if !self.scopes.is_type("type") => self.typedef(),
            "match_kind" => {
                self.bump();
                Ok(DeclKind::MatchKind(self.identifiers("a match kind")?))
            }
            "error" if self.at_ahead(1, "{") => {
                self.bump();
                Ok(DeclKind::Error(self.identifiers("an error")?))
            }
            _ => self.typed_declaration(),
        }
    }

    /// A declaration among statements: constant, variable or instance.
    pub(super) fn local_declaration(
        &mut self,
        annotations: Vec<Annotation>,
        start: Span,
    ) -> Parse<Decl> {
        let kind = if self.at_word("const") {
            self.constant()?
        } else {
            self.typed_declaration()?
        };
        Ok(Decl {
            annotations,
            kind,
            span: self.since(start),
        })
    }

    /// What begins with a type: variable, instance or function.
    fn typed_declaration(&mut self) -> Parse<DeclKind> {
        if !self.at_type_word() && self.name_at(0).is_none() && !self.at(".") {
            return Err(self.expected("a declaration"));
        }
        let misspelt = self.misspelt_keyword();
        let ty = self.type_ref()?;
        if let Some(fail) = misspelt {
            return Err(self.fail(fail));
        }
        if self.at("(") {
            return self.instance(ty);
        }
        let function =
            self.name_at(0).is_some() && (self.at_ahead(1, "(") || self.at_ahead(1, "<"));
        if function {
            let scopes = self.scopes.len();
            let proto = self.function_proto(ty)?;
            let body = self.block();
            self.scopes.truncate(scopes);
            return Ok(DeclKind::Function(FunctionDecl { proto, body: body? }));
        }
        let (ty, name) = self.declarator(ty, "a name")?;
        let init = if self.eat("=") {
            Some(self.expression()?)
        } else {
            None
        };
        self.expect_semicolon()?;
        self.scopes.declare(&name.name, Kind::Value);
        Ok(DeclKind::Var(VarDecl { ty, name, init }))
    }

    /// A complaint about a word that nobody declared and that is nearly one of the keywords that begin a
    /// declaration, where what follows fits only such a declaration.
    fn misspelt_keyword(&self) -> Option<Diagnostic> {
        let word = self.name_at(0).filter(|word| !self.scopes.is_type(word))?;
        self.name_at(1)?;
        let keyword = match self.token_at(2).tok {
            Tok::Punct("{") => similar(word, KEYWORDS_BEFORE_BRACE.iter().copied()),
            Tok::Punct("(") => similar(word, KEYWORDS_BEFORE_PARENTHESIS.iter().copied()),
            _ => None,
        }?;
        Some(
            Diagnostic::error(
                codes::EXPECTED,
                self.span(),
                format!("expected a declaration, found `{word}`"),
            )
            .with_help(format!("did you mean `{keyword}`?")),
        )
    }

    fn constant(&mut self) -> Parse<DeclKind> {
        self.expect_word("const")?;
        let ty = self.type_ref()?;
        let (ty, name) = self.declarator(ty, "the constant's name")?;
        self.expect("=")?;
        let value = self.expression()?;
        self.expect_semicolon()?;
        self.scopes.declare(&name.name, Kind::Value);
        Ok(DeclKind::Const(ConstDecl { ty, name, value }))
    }

    /// `(args) name;` behind a type.
    fn instance(&mut self, ty: TypeRef) -> Parse<DeclKind> {
        let args = self.arguments()?;
        let (ty, name) = self.declarator(ty, "the instance's name")?;
        let init = if self.eat("=") {
            Some(self.object_initialiser()?)
        } else {
            None
        };
        self.expect_semicolon()?;
        self.scopes.declare(&name.name, Kind::Value);
        Ok(DeclKind::Instance(Instance {
            ty,
            args,
            name,
            init,
        }))
    }

    /// `{ functions and instances }`
    fn object_initialiser(&mut self) -> Parse<Vec<Decl>> {
        self.scopes.push();
        let decls = self.braced(|parser| {
            let start = parser.span();
            let annotations = parser.annotations()?;
            parser.local_declaration(annotations, start)
        });
        self.scopes.pop();
        decls
    }

    fn identifiers(&mut self, what: &str) -> Parse<Vec<Ident>> {
        self.expect("{")?;
        let mut names = Vec::new();
        while !self.at("}") {
            names.push(self.ident(what)?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(names)
    }

    // ------------------------------------------------------------------- functions, actions

    /// The rest of a signature behind the return type. Opens a scope with type parameters and
    /// parameters, which the caller leaves.
    fn function_proto(&mut self, ret: TypeRef) -> Parse<FunctionProto> {
        let name = self.ident("the function's name")?;
        self.scopes.declare(&name.name, Kind::Value);
        self.scopes.push();
        let type_params = self.type_params()?;
        let params = self.params()?;
        Ok(FunctionProto {
            ret,
            name,
            type_params,
            params,
        })
    }

    pub(super) fn params(&mut self) -> Parse<Vec<Param>> {
        self.expect("(")?;
        let mut params = Vec::new();
        while !self.at(")") {
            params.push(self.param()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(params)
    }

    fn param(&mut self) -> Parse<Param> {
        let start = self.span();
        let annotations = self.annotations()?;
        let direction = match self.word_at(0) {
            Some("in") => Direction::In,
            Some("out") => Direction::Out,
            Some("inout") => Direction::InOut,
            _ => Direction::None,
        };
        if direction != Direction::None {
            self.bump();
        }
        let ty = self.type_ref()?;
        let (ty, name) = self.declarator(ty, "the parameter's name")?;
        let default = if self.eat("=") {
            Some(self.expression()?)
        } else {
            None
        };
        self.scopes.declare(&name.name, Kind::Value);
        Ok(Param {
            annotations,
            direction,
            ty,
            name,
            default,
            span: self.since(start),
        })
    }

    fn action(&mut self) -> Parse<DeclKind> {
        self.expect_word("action")?;
        let name = self.ident("the action's name")?;
        self.scopes.declare(&name.name, Kind::Value);
        let scopes = self.scopes.len();
        self.scopes.push();
        let params = self.params();
        let body = params.and_then(|params| Ok((params, self.block()?)));
        self.scopes.truncate(scopes);
        let (params, body) = body?;
        Ok(DeclKind::Action(ActionDecl { name, params, body }))
    }

    fn external(&mut self) -> Parse<DeclKind> {
        self.expect_word("extern")?;
        if self.name_at(0).is_some() && self.at_ahead(1, ";") {
            let name = self.ident("a name")?;
            self.bump();
            self.scopes.declare(&name.name, Kind::Type);
            return Ok(DeclKind::ExternForward(name));
        }
        let scopes = self.scopes.len();
        if self.at_extern_object() {
            let name = self.ident("the extern's name")?;
            self.scopes.declare(&name.name, Kind::Type);
            self.scopes.push();
            let decl = self.extern_object(name);
            self.scopes.truncate(scopes);
            return Ok(DeclKind::Extern(decl?));
        }
        let ret = self.type_ref()?;
        let proto = self.function_proto(ret);
        self.scopes.truncate(scopes);
        let proto = proto?;
        self.expect_semicolon()?;
        Ok(DeclKind::ExternFunction(proto))
    }

    /// `X {` or `X<T, U> {`.
    fn at_extern_object(&self) -> bool {
        if self.name_at(0).is_none() {
            return false;
        }
        if self.at_ahead(1, "{") {
            return true;
        }
        let mut ahead = 1;
        if !self.at_ahead(ahead, "<") {
            return false;
        }
        while self.name_at(ahead + 1).is_some() && self.at_ahead(ahead + 2, ",") {
            ahead += 2;
        }
        self.name_at(ahead + 1).is_some()
            && self.at_ahead(ahead + 2, ">")
            && self.at_ahead(ahead + 3, "{")
    }

    fn extern_object(&mut self, name: Ident) -> Parse<ExternDecl> {
        let type_params = self.type_params()?;
        let methods = self.braced(|parser| parser.method(&name))?;
        Ok(ExternDecl {
            name,
            type_params,
            methods,
        })
    }

    /// A method or constructor of the extern object `object`.
    fn method(&mut self, object: &Ident) -> Parse<Method> {
        let start = self.span();
        let annotations = self.annotations()?;
        let is_abstract = self.eat_word("abstract");
        let is_constructor = self.name_at(0).is_some() && self.at_ahead(1, "(");
        let proto = if is_constructor {
            self.constructor(object)?
        } else {
            let ret = self.type_ref()?;
            if self.at("(") {
                return Err(self.misplaced(
                    ret.span,
                    "a constructor has no type parameters",
                    "the object's own type parameters can be used in its parameters",
                ));
            }
            self.function_proto(ret)?
        };
        self.expect_semicolon()?;
        Ok(Method {
            annotations,
            is_abstract,
            is_constructor,
            proto,
            span: self.since(start),
        })
    }

    /// `Name(params)` inside `object`, which must be called so.
    fn constructor(&mut self, object: &Ident) -> Parse<FunctionProto> {
        let name = self.ident("the constructor's name")?;
        if name.name != object.name {
            let message = format!("method `{}` has no return type", name.name);
            self.error(
                Diagnostic::error(codes::MISPLACED, name.span, message)
                    .with_note_at(
                        object.span,
                        "only a constructor has none, and is called like its extern",
                    )
                    .with_help(
                        "write the type in front of the name; `void` if nothing is returned",
                    ),
            );
        }
        self.scopes.push();
        let ret = TypeRef {
            kind: TypeKind::Void,
            span: name.span,
        };
        Ok(FunctionProto {
            ret,
            name,
            type_params: Vec::new(),
            params: self.params()?,
        })
    }

    // ------------------------------------------------------------------------------ types

    fn derived_type(&mut self) -> Parse<DeclKind> {
        let keyword = self.word_at(0).unwrap_or("");
        self.bump();
        match keyword {
            "header" => Ok(DeclKind::Header(self.structure()?)),
            "header_union" => Ok(DeclKind::HeaderUnion(self.structure()?)),
            "struct" => Ok(DeclKind::Struct(self.structure()?)),
            _ => self.enumeration(),
        }
    }

    fn structure(&mut self) -> Parse<StructDecl> {
        let name = self.ident("the type's name")?;
        self.scopes.declare(&name.name, Kind::Type);
        let scopes = self.scopes.len();
        self.scopes.push();
        let body = self.structure_body();
        self.scopes.truncate(scopes);
        let (type_params, fields) = body?;
        Ok(StructDecl {
            name,
            type_params,
            fields,
        })
    }

    fn structure_body(&mut self) -> Parse<(Vec<Ident>, Vec<StructField>)> {
        let type_params = self.type_params()?;
        let fields = self.braced(Self::field)?;
        Ok((type_params, fields))
    }

    fn field(&mut self) -> Parse<StructField> {
        let start = self.span();
        let annotations = self.annotations()?;
        let ty = self.type_ref()?;
        let (ty, name) = self.declarator(ty, "the field's name")?;
        self.expect_semicolon()?;
        Ok(StructField {
            annotations,
            ty,
            name,
            span: self.since(start),
        })
    }

    fn enumeration(&mut self) -> Parse<DeclKind> {
        if self.name_at(0).is_some() && self.at_ahead(1, "{") {
            let name = self.ident("the enum's name")?;
            self.scopes.declare(&name.name, Kind::Type);
            let members = self.identifiers("an enum member")?;
            return Ok(DeclKind::Enum(EnumDecl { name, members }));
        }
        let ty = self.type_ref()?;
        let name = self.ident("the enum's name")?;
        self.scopes.declare(&name.name, Kind::Type);
        self.expect("{")?;
        let mut members = Vec::new();
        while !self.at("}") {
            members.push(self.named_expression()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect("}")?;
        Ok(DeclKind::SerEnum(SerEnumDecl { ty, name, members }))
    }

    fn typedef(&mut self) -> Parse<DeclKind> {
        let new_type = self.at_word("type");
        self.bump();
        let start = self.span();
        let annotations = self.annotations()?;
        let derived = matches!(
            self.word_at(0),
            Some("header" | "header_union" | "struct" | "enum")
        );
        let (target, name) = if derived {
            if new_type {
                self.misplaced(
                    self.span(),
                    "`type` cannot declare a structured type on the spot",
                    "declare it on its own, or write `typedef`",
                );
            }
            let kind = self.nested(Self::derived_type)?;
            let decl = Decl {
                annotations,
                kind,
                span: self.since(start),
            };
            (
                TypedefTarget::Decl(Box::new(decl)),
                self.ident("the type's name")?,
            )
        } else {
            let ty = self.type_ref()?;
            let (ty, name) = self.declarator(ty, "the type's name")?;
            (TypedefTarget::Type(ty), name)
        };
        self.expect_semicolon()?;
        self.scopes.declare(&name.name, Kind::Type);
        let decl = TypedefDecl { target, name };
        Ok(if new_type {
            DeclKind::NewType(decl)
        } else {
            DeclKind::Typedef(decl)
        })
    }

    // ------------------------------------------------------------- parsers, controls, packages

    /// Name, type parameters and parameters, in a scope that the caller leaves.
    fn block_proto(&mut self, what: &str) -> Parse<BlockProto> {
        self.bump();
        let name = self.ident(what)?;
        self.scopes.declare(&name.name, Kind::Type);
        self.scopes.push();
        let type_params = self.type_params()?;
        let params = self.params()?;
        Ok(BlockProto {
            name,
            type_params,
            params,
        })
    }

    /// Runs `parse` and leaves the scopes it opened.
    fn scoped<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        let scopes = self.scopes.len();
        let result = parse(self);
        self.scopes.truncate(scopes);
        result
    }

    fn package(&mut self) -> Parse<DeclKind> {
        self.scoped(|parser| {
            let proto = parser.block_proto("the package's name")?;
            parser.expect_semicolon()?;
            Ok(DeclKind::Package(proto))
        })
    }

    fn constructor_params(&mut self) -> Parse<Vec<Param>> {
        if self.at("(") {
            self.params()
        } else {
            Ok(Vec::new())
        }
    }

    fn control(&mut self) -> Parse<DeclKind> {
        self.scoped(|parser| {
            let proto = parser.block_proto("the control's name")?;
            if parser.eat(";") {
                return Ok(DeclKind::ControlType(proto));
            }
            let ctor_params = parser.constructor_params()?;
            parser.expect("{")?;
            let at_apply = |parser: &Self| {
                parser.at_word("apply") && (parser.at_ahead(1, "{") || parser.at_ahead(1, "@"))
            };
            let locals = parser.items(at_apply, Self::control_local);
            parser.expect_word("apply")?;
            let apply = parser.block()?;
            parser.nothing_more(
                "this stands behind the control's `apply` block",
                "declare it in front of `apply`",
                Self::control_local,
            );
            parser.expect_close()?;
            Ok(DeclKind::Control(ControlDecl {
                proto,
                ctor_params,
                locals,
                apply,
            }))
        })
    }

    fn control_local(&mut self) -> Parse<Decl> {
        let start = self.span();
        let annotations = self.annotations()?;
        let kind = match self.word_at(0) {
            Some("action") => self.action()?,
            Some("table") => {
                self.bump();
                self.table()?
            }
            _ => return self.local_declaration(annotations, start),
        };
        Ok(Decl {
            annotations,
            kind,
            span: self.since(start),
        })
    }

    fn parser(&mut self) -> Parse<DeclKind> {
        self.scoped(|parser| {
            let proto = parser.block_proto("the parser's name")?;
            if parser.eat(";") {
                return Ok(DeclKind::ParserType(proto));
            }
            let ctor_params = parser.constructor_params()?;
            parser.expect("{")?;
            let locals = parser.items(Self::at_state, Self::parser_local);
            let states = parser.items(|parser| !parser.at_state(), Self::state);
            parser.nothing_more(
                "this stands behind the parser's first state",
                "declare it in front of the states",
                |parser| match parser.at_state() {
                    true => parser.state().map(|_| ()),
                    false => parser.parser_local().map(|_| ()),
                },
            );
            parser.expect_close()?;
            Ok(DeclKind::Parser(ParserDecl {
                proto,
                ctor_params,
                locals,
                states,
            }))
        })
    }

    /// Reads what stands in a body behind the part that ends it, to report it once and to find what else is
    /// wrong there.
    fn nothing_more<T>(&mut self, message: &str, help: &str, item: impl Fn(&mut Self) -> Parse<T>) {
        if self.at("}") || self.at_end() || self.at_top_level_keyword() {
            return;
        }
        self.misplaced(self.span(), message, help);
        self.items(|_| false, item);
    }

    /// A state begins here, perhaps behind annotations.
    fn at_state(&self) -> bool {
        let mut ahead = 0;
        while self.at_ahead(ahead, "@") {
            ahead += 2;
            if self.at_ahead(ahead, "(") || self.at_ahead(ahead, "[") {
                ahead = self.behind_brackets(ahead);
            }
        }
        // Anything but a name, a dot or an angle bracket behind it shows that `state` is no type's name.
        let is_type = self.name_at(ahead + 1).is_some() && !self.at_ahead(ahead + 2, "{")
            || self.at_ahead(ahead + 1, ".")
            || self.at_ahead(ahead + 1, "<")
            || self.at_ahead(ahead + 1, "[")
            || self.at_ahead(ahead + 1, "(");
        self.word_at(ahead) == Some("state") && !is_type
    }

    /// The token behind the bracketed group that begins `ahead` tokens from here.
    fn behind_brackets(&self, mut ahead: usize) -> usize {
        let mut depth = 0_usize;
        loop {
            match self.token_at(ahead).tok {
                crate::lexer::Tok::Punct("(" | "[") => depth += 1,
                crate::lexer::Tok::Punct(")" | "]") => depth = depth.saturating_sub(1),
                crate::lexer::Tok::Eof => return ahead,
                _ => {}
            }
            ahead += 1;
            if depth == 0 {
                return ahead;
            }
        }
    }

    fn parser_local(&mut self) -> Parse<Decl> {
        let start = self.span();
        let annotations = self.annotations()?;
        if !self.at_word("value_set") {
            return self.local_declaration(annotations, start);
        }
        self.bump();
        self.expect("<")?;
        let ty = self.type_ref()?;
        self.expect_close_angle()?;
        self.expect("(")?;
        let size = self.expression()?;
        self.expect(")")?;
        let name = self.ident("the value set's name")?;
        self.expect_semicolon()?;
        self.scopes.declare(&name.name, Kind::Value);
        Ok(Decl {
            annotations,
            kind: DeclKind::ValueSet(ValueSetDecl { ty, size, name }),
            span: self.since(start),
        })
    }

    fn state(&mut self) -> Parse<ParserState> {
        let start = self.span();
        let annotations = self.annotations()?;
        self.expect_word("state")?;
        let name = self.ident("the state's name")?;
        self.expect("{")?;
        let scopes = self.scopes.len();
        self.scopes.push();
        self.in_state = true;
        let stmts = self.statements(|parser| parser.at_word("transition"));
        self.in_state = false;
        let (at, braces) = (self.pos, self.braces);
        let transition = if self.eat_word("transition") {
            let transition = self.transition();
            if transition.is_err() {
                self.synchronise(at, braces, false);
            }
            transition.ok()
        } else {
            None
        };
        self.scopes.truncate(scopes);
        self.expect_close()?;
        Ok(ParserState {
            annotations,
            name,
            stmts,
            transition,
            span: self.since(start),
        })
    }

    fn transition(&mut self) -> Parse<Transition> {
        let start = self.span();
        if !self.eat_word("select") {
            let next = self.ident("a state")?;
            self.expect_semicolon()?;
            return Ok(Transition::Direct(next));
        }
        self.expect("(")?;
        let args = self.expressions_until(")")?;
        self.expect(")")?;
        let cases = self.braced(Self::select_case)?;
        self.eat(";");
        Ok(Transition::Select(Select {
            args,
            cases,
            span: self.since(start),
        }))
    }

    fn select_case(&mut self) -> Parse<SelectCase> {
        let start = self.span();
        let keys = self.keyset()?;
        self.expect(":")?;
        let next = self.ident("a state")?;
        self.expect_semicolon()?;
        Ok(SelectCase {
            keys,
            next,
            span: self.since(start),
        })
    }
}
