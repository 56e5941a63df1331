//! Types.

use super::{MAX_HEIGHT, Parse, Parser};
use crate::ast::{Expr, Ident, Path, TypeKind, TypeRef};
use crate::span::Span;

/// Words that begin a type, besides names.
const TYPE_WORDS: &[&str] = &[
    "bit",
    "bool",
    "error",
    "int",
    "match_kind",
    "string",
    "tuple",
    "varbit",
    "void",
];

impl Parser<'_, '_> {
    /// A keyword that begins a type stands here.
    pub(super) fn at_type_word(&self) -> bool {
        self.word_at(0)
            .is_some_and(|word| TYPE_WORDS.contains(&word))
            || self.at_list_type()
    }

    fn at_list_type(&self) -> bool {
        self.at_word("list") && self.at_ahead(1, "<") && !self.scopes.is_type("list")
    }

    /// The name of a declared type stands here, with or without a dot.
    pub(super) fn at_type_name(&self) -> bool {
        if self.at(".") {
            return self
                .name_at(1)
                .is_some_and(|name| self.scopes.is_global_type(name));
        }
        self.name_at(0)
            .is_some_and(|name| self.scopes.is_type(name))
    }

    pub(super) fn type_ref(&mut self) -> Parse<TypeRef> {
        self.nested(|parser| {
            let start = parser.span();
            parser.height = 0;
            let kind = parser.type_without_brackets()?;
            let ty = TypeRef {
                kind,
                span: parser.since(start),
            };
            parser.height += 1;
            parser.array_sizes(ty, start)
        })
    }

    fn type_without_brackets(&mut self) -> Parse<TypeKind> {
        if self.at_list_type() {
            self.bump();
            self.expect("<")?;
            let elem = self.type_arg()?;
            self.expect_close_angle()?;
            return Ok(TypeKind::List(Box::new(elem)));
        }
        if !self.at_type_word() {
            let base = self.path("a type")?;
            if !self.at("<") {
                return Ok(TypeKind::Named(base));
            }
            return Ok(TypeKind::Specialized {
                base,
                args: self.type_args()?,
            });
        }
        let word = self.word_at(0).unwrap_or("");
        self.bump();
        Ok(match word {
            "bit" if self.at("<") => TypeKind::Bit(Some(self.width()?)),
            "bit" => TypeKind::Bit(None),
            "int" if self.at("<") => TypeKind::Int(self.width()?),
            "int" => TypeKind::Integer,
            "varbit" => TypeKind::Varbit(self.width()?),
            "bool" => TypeKind::Bool,
            "error" => TypeKind::Error,
            "match_kind" => TypeKind::MatchKind,
            "string" => TypeKind::String,
            "tuple" => TypeKind::Tuple(self.type_args()?),
            _ => TypeKind::Void,
        })
    }

    /// `<width>`: an expression without `>`, so that the bracket closes it.
    fn width(&mut self) -> Parse<Box<Expr>> {
        self.expect("<")?;
        let width = self.expression_without_greater()?;
        self.expect_close_angle()?;
        Ok(Box::new(width))
    }

    /// `<T, ...>`, possibly empty.
    pub(super) fn type_args(&mut self) -> Parse<Vec<TypeRef>> {
        self.expect("<")?;
        let mut args = Vec::new();
        let mut height = 0;
        while self.punct().is_none_or(|text| !text.starts_with('>')) {
            args.push(self.type_arg()?);
            height = height.max(self.height);
            if !self.eat(",") {
                break;
            }
        }
        self.expect_close_angle()?;
        self.height = height;
        Ok(args)
    }

    fn type_arg(&mut self) -> Parse<TypeRef> {
        if self.at_word("_") {
            let span = self.span();
            self.bump();
            self.height = 1;
            return Ok(TypeRef {
                kind: TypeKind::DontCare,
                span,
            });
        }
        self.type_ref()
    }

    /// `name` or `.name`.
    pub(super) fn path(&mut self, what: &str) -> Parse<Path> {
        let absolute = self.eat(".");
        Ok(Path {
            absolute,
            name: self.ident(what)?,
        })
    }

    /// `<T, U>` where a declaration introduces type parameters; they are declared as types.
    pub(super) fn type_params(&mut self) -> Parse<Vec<Ident>> {
        let mut params = Vec::new();
        if !self.eat("<") {
            return Ok(params);
        }
        loop {
            let param = self.ident("a type parameter")?;
            self.scopes.declare(&param.name, super::scope::Kind::Type);
            params.push(param);
            if !self.eat(",") {
                break;
            }
        }
        self.expect_close_angle()?;
        Ok(params)
    }

    /// A name with array sizes behind it, as in `H hs[4]`: gives the name and the whole type.
    pub(super) fn declarator(&mut self, ty: TypeRef, what: &str) -> Parse<(TypeRef, Ident)> {
        let name = self.ident(what)?;
        let start = ty.span;
        Ok((self.array_sizes(ty, start)?, name))
    }

    /// `[n]`, any number of times, behind a type or a declared name.
    fn array_sizes(&mut self, mut ty: TypeRef, start: Span) -> Parse<TypeRef> {
        while self.eat("[") {
            let below = self.height;
            let size = Box::new(self.expression()?);
            self.expect("]")?;
            self.height = self.height.max(below) + 1;
            if self.height > MAX_HEIGHT {
                return Err(self.too_deep(MAX_HEIGHT, start));
            }
            ty = TypeRef {
                kind: TypeKind::Stack {
                    elem: Box::new(ty),
                    size,
                },
                span: self.since(start),
            };
        }
        Ok(ty)
    }
}
