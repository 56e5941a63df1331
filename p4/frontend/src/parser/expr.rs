//! Expressions, by precedence climbing, and keysets.

use super::{Fail, MAX_HEIGHT, Parse, Parser};
use crate::ast::{Arg, BinOp, Expr, ExprKind, Ident, NamedExpr, TypeKind, TypeRef, UnOp};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Tok, parse_int, unescape};
use crate::span::Span;

/// A binary operator and how tightly it binds; see [`precedence`].
fn binary_operator(text: &str) -> Option<BinOp> {
    Some(match text {
        "*" => BinOp::Mul,
        "/" => BinOp::Div,
        "%" => BinOp::Mod,
        "+" => BinOp::Add,
        "-" => BinOp::Sub,
        "|+|" => BinOp::SatAdd,
        "|-|" => BinOp::SatSub,
        "++" => BinOp::Concat,
        "<<" => BinOp::Shl,
        ">>" => BinOp::Shr,
        "<" => BinOp::Lt,
        "<=" => BinOp::Le,
        ">" => BinOp::Gt,
        ">=" => BinOp::Ge,
        "==" => BinOp::Eq,
        "!=" => BinOp::Ne,
        "&" => BinOp::BitAnd,
        "^" => BinOp::BitXor,
        "|" => BinOp::BitOr,
        "&&" => BinOp::And,
        "||" => BinOp::Or,
        _ => return None,
    })
}

/// How tightly a binary operator binds, from 1 (`||`) to 10 (`*`). All are left-associative.
#[must_use]
pub(crate) fn precedence(op: BinOp) -> u8 {
    match op {
        BinOp::Or => 1,
        BinOp::And => 2,
        BinOp::Eq | BinOp::Ne => 3,
        BinOp::Lt | BinOp::Le | BinOp::Gt | BinOp::Ge => 4,
        BinOp::BitOr => 5,
        BinOp::BitXor => 6,
        BinOp::BitAnd => 7,
        BinOp::Shl | BinOp::Shr => 8,
        BinOp::Add | BinOp::Sub | BinOp::SatAdd | BinOp::SatSub | BinOp::Concat => 9,
        BinOp::Mul | BinOp::Div | BinOp::Mod => 10,
    }
}

impl Parser<'_, '_> {
    pub(super) fn expression(&mut self) -> Parse<Expr> {
        self.nested(|parser| parser.ternary(true))
    }

    /// An expression in `<...>`, where `>` closes.
    pub(super) fn expression_without_greater(&mut self) -> Parse<Expr> {
        self.nested(|parser| parser.ternary(false))
    }

    /// An expression node over parts whose trees have heights up to `below`.
    fn node(&mut self, kind: ExprKind, start: Span, below: usize) -> Parse<Expr> {
        let span = self.since(start);
        self.height = below + 1;
        if self.height > MAX_HEIGHT {
            return Err(self.too_deep(MAX_HEIGHT, span));
        }
        Ok(Expr { kind, span })
    }

    fn ternary(&mut self, greater: bool) -> Parse<Expr> {
        let start = self.span();
        let cond = self.binary(1, greater)?;
        if !self.at("?") {
            return Ok(cond);
        }
        let mut height = self.height;
        self.bump();
        let then = self.expression()?;
        height = height.max(self.height);
        self.expect(":")?;
        let otherwise = self.nested(|parser| parser.ternary(greater))?;
        height = height.max(self.height);
        let kind = ExprKind::Ternary {
            cond: Box::new(cond),
            then: Box::new(then),
            otherwise: Box::new(otherwise),
        };
        self.node(kind, start, height)
    }

    fn binary(&mut self, min: u8, greater: bool) -> Parse<Expr> {
        let start = self.span();
        let mut left = self.unary()?;
        loop {
            let Some(op) = self.punct().and_then(binary_operator) else {
                return Ok(left);
            };
            let closes = matches!(op, BinOp::Gt | BinOp::Ge | BinOp::Shr) && !greater;
            if precedence(op) < min || closes {
                return Ok(left);
            }
            let height = self.height;
            self.bump();
            let right = self.nested(|parser| parser.binary(precedence(op) + 1, greater))?;
            let below = height.max(self.height);
            let kind = ExprKind::Binary {
                op,
                lhs: Box::new(left),
                rhs: Box::new(right),
            };
            left = self.node(kind, start, below)?;
        }
    }

    fn unary(&mut self) -> Parse<Expr> {
        let start = self.span();
        let op = match self.punct() {
            Some("!") => UnOp::Not,
            Some("~") => UnOp::BitNot,
            Some("-") => UnOp::Neg,
            Some("+") => UnOp::Plus,
            Some("(") => {
                if let Some(ty) = self.cast_type() {
                    let height = self.height;
                    let expr = Box::new(self.nested(Self::unary)?);
                    let height = height.max(self.height);
                    return self.node(ExprKind::Cast { ty, expr }, start, height);
                }
                return self.postfix();
            }
            _ => return self.postfix(),
        };
        self.bump();
        let expr = Box::new(self.nested(Self::unary)?);
        let height = self.height;
        self.node(ExprKind::Unary { op, expr }, start, height)
    }

    /// `(T)` in front of an operand.
    fn cast_type(&mut self) -> Option<TypeRef> {
        let inner_is_type = match self.word_at(1) {
            Some(word) if super::is_reserved(word) => true,
            Some("list") => true,
            Some(name) => self.scopes.is_type(name),
            None => {
                self.at_ahead(1, ".")
                    && self
                        .name_at(2)
                        .is_some_and(|name| self.scopes.is_global_type(name))
            }
        };
        if !inner_is_type {
            return None;
        }
        self.attempt(|parser| {
            parser.bump();
            if !parser.at_type_word() && !parser.at_type_name() {
                return Ok(None);
            }
            let ty = parser.type_ref()?;
            Ok(parser.eat(")").then_some(ty))
        })
    }

    fn postfix(&mut self) -> Parse<Expr> {
        let start = self.span();
        let mut expr = self.primary()?;
        loop {
            let below = self.height;
            expr = match self.punct() {
                Some(".") => {
                    self.bump();
                    let name = self.ident("a member")?;
                    self.node(
                        ExprKind::Member {
                            base: Box::new(expr),
                            name,
                        },
                        start,
                        below,
                    )?
                }
                Some("[") => self.brackets(expr, start, below)?,
                Some("(") if callable(&expr) => self.call(expr, Vec::new(), start, below)?,
                Some("(") => {
                    return Err(self.misplaced(
                        expr.span,
                        "this cannot be called",
                        "call a function, an action or a method by its name",
                    ));
                }
                Some("<") if callable(&expr) => match self.call_type_args() {
                    Some(type_args) => {
                        let below = below.max(self.height);
                        self.call(expr, type_args, start, below)?
                    }
                    None => {
                        self.height = below;
                        return Ok(expr);
                    }
                },
                _ => return Ok(expr),
            };
        }
    }

    fn brackets(&mut self, base: Expr, start: Span, below: usize) -> Parse<Expr> {
        self.expect("[")?;
        let base = Box::new(base);
        let first = Box::new(self.expression()?);
        let mut below = below.max(self.height);
        let kind = if self.eat(":") {
            let lo = Box::new(self.expression()?);
            below = below.max(self.height);
            ExprKind::Slice {
                base,
                hi: first,
                lo,
            }
        } else if self.eat("+:") {
            let width = Box::new(self.expression()?);
            below = below.max(self.height);
            ExprKind::PlusSlice {
                base,
                lo: first,
                width,
            }
        } else {
            ExprKind::Index { base, index: first }
        };
        self.expect("]")?;
        self.node(kind, start, below)
    }

    /// `<types>` with `(` behind; otherwise the `<` is a comparison.
    fn call_type_args(&mut self) -> Option<Vec<TypeRef>> {
        self.attempt(|parser| {
            let args = parser.type_args()?;
            let known = args.iter().all(|arg| parser.is_known_type(arg));
            Ok((known && parser.at("(")).then_some(args))
        })
    }

    fn is_known_type(&self, ty: &TypeRef) -> bool {
        match &ty.kind {
            TypeKind::Named(path) if path.absolute => self.scopes.is_global_type(path.as_str()),
            TypeKind::Named(path) => self.scopes.is_type(path.as_str()),
            TypeKind::Stack { elem, .. } => self.is_known_type(elem),
            _ => true,
        }
    }

    fn call(
        &mut self,
        callee: Expr,
        type_args: Vec<TypeRef>,
        start: Span,
        below: usize,
    ) -> Parse<Expr> {
        let args = self.arguments()?;
        let below = below.max(self.height);
        self.node(
            ExprKind::Call {
                callee: Box::new(callee),
                type_args,
                args,
            },
            start,
            below,
        )
    }

    /// `(args)`; the height left behind is the greatest of the arguments.
    pub(super) fn arguments(&mut self) -> Parse<Vec<Arg>> {
        self.expect("(")?;
        let mut args = Vec::new();
        let mut height = 0;
        while !self.at(")") {
            args.push(self.argument()?);
            height = height.max(self.height);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        self.height = height;
        Ok(args)
    }

    fn argument(&mut self) -> Parse<Arg> {
        let named = self.name_at(0).is_some() && self.at_ahead(1, "=");
        let name = if named {
            let name = self.ident("an argument")?;
            self.expect("=")?;
            Some(name)
        } else {
            None
        };
        let value = if self.at_word("_") {
            self.dont_care()
        } else {
            self.expression()?
        };
        Ok(Arg { name, value })
    }

    fn dont_care(&mut self) -> Expr {
        let span = self.span();
        self.bump();
        self.height = 1;
        Expr {
            kind: ExprKind::DontCare,
            span,
        }
    }

    fn primary(&mut self) -> Parse<Expr> {
        let start = self.span();
        self.height = 0;
        let kind = match &self.token_at(0).tok {
            Tok::Int(raw) => match parse_int(raw) {
                Ok(literal) => ExprKind::Int(literal),
                Err(reason) => {
                    self.error(Diagnostic::error(codes::BAD_NUMBER, start, reason));
                    return Err(Fail);
                }
            },
            Tok::Str(raw) => ExprKind::Str(unescape(raw)),
            Tok::Punct("...") => ExprKind::Dots,
            Tok::Punct("{#}") => ExprKind::Invalid,
            Tok::Punct("{") => return self.braces(),
            Tok::Punct("(") => {
                self.bump();
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            Tok::Word(word) => match &**word {
                "true" => ExprKind::Bool(true),
                "false" => ExprKind::Bool(false),
                "this" => ExprKind::This,
                "error" => return self.type_member_or_construct(),
                _ => return self.name_expression(),
            },
            Tok::Punct(".") => return self.name_expression(),
            _ => return Err(self.expected("an expression")),
        };
        self.bump();
        self.node(kind, start, 0)
    }

    fn name_expression(&mut self) -> Parse<Expr> {
        let start = self.span();
        if self.at_type_name() || self.at_type_word() {
            return self.type_member_or_construct();
        }
        let path = self.path("an expression")?;
        self.node(ExprKind::Path(path), start, 0)
    }

    /// `T.member` or `T(args)`.
    fn type_member_or_construct(&mut self) -> Parse<Expr> {
        let start = self.span();
        let ty = self.nested(|parser| {
            let start = parser.span();
            parser.height = 0;
            let kind = if parser.eat_word("error") {
                TypeKind::Error
            } else {
                let base = parser.path("an expression")?;
                if parser.at("<") {
                    TypeKind::Specialized {
                        base,
                        args: parser.type_args()?,
                    }
                } else {
                    TypeKind::Named(base)
                }
            };
            Ok(TypeRef {
                kind,
                span: parser.since(start),
            })
        })?;
        let below = self.height;
        if self.at("(") {
            let args = self.arguments()?;
            let below = below.max(self.height);
            return self.node(ExprKind::Construct { ty, args }, start, below);
        }
        if !self.eat(".") {
            let diagnostic = Diagnostic::error(
                codes::EXPECTED,
                ty.span,
                "expected a value, but this is a type",
            );
            return Err(self.fail(diagnostic.with_help(
                "a type gives values as in `Type.member`, `Type(...)` and `(Type) value`",
            )));
        }
        let name = self.ident("a member")?;
        self.node(ExprKind::TypeMember { ty, name }, start, below)
    }

    /// `{a, b}` or `{x = a, y = b}`.
    fn braces(&mut self) -> Parse<Expr> {
        let start = self.span();
        self.expect("{")?;
        let mut height = 0;
        if self.name_at(0).is_some() && self.at_ahead(1, "=") {
            let mut fields = Vec::new();
            let mut rest = false;
            while !self.at("}") && !rest {
                if self.eat("...") {
                    rest = true;
                } else if self.name_at(0).is_none() || !self.at_ahead(1, "=") {
                    return Err(self.mixed_list());
                } else {
                    let field = self.named_expression()?;
                    height = height.max(self.height);
                    fields.push(field);
                }
                if !self.eat(",") {
                    break;
                }
            }
            self.expect("}")?;
            return self.node(ExprKind::Struct { fields, rest }, start, height);
        }
        let items = self.expressions_until("}")?;
        height = height.max(self.height);
        if self.at("=") {
            return Err(self.mixed_list());
        }
        self.expect("}")?;
        self.node(ExprKind::List(items), start, height)
    }

    fn mixed_list(&mut self) -> Fail {
        self.misplaced(
            self.span(),
            "this list has both values and `name = value` pairs",
            "give all fields by name, or all by position",
        )
    }

    /// `name = expression`.
    pub(super) fn named_expression(&mut self) -> Parse<NamedExpr> {
        let name: Ident = self.ident("a name")?;
        self.expect("=")?;
        Ok(NamedExpr {
            name,
            value: self.expression()?,
        })
    }

    /// Expressions between commas, a comma at the end allowed; the closing token is not taken.
    pub(super) fn expressions_until(&mut self, close: &str) -> Parse<Vec<Expr>> {
        let mut items = Vec::new();
        let mut height = 0;
        while !self.at(close) {
            items.push(self.expression()?);
            height = height.max(self.height);
            if !self.eat(",") {
                break;
            }
        }
        self.height = height;
        Ok(items)
    }

    // -------------------------------------------------------------------------- keysets

    /// A keyset: one per selected expression if it is a tuple.
    pub(super) fn keyset(&mut self) -> Parse<Vec<Expr>> {
        if self.at("(") {
            let tuple = self.attempt(|parser| {
                parser.bump();
                let first = parser.simple_keyset()?;
                if parser.at(",") {
                    return Ok(Some(vec![first]));
                }
                let only_in_keysets = matches!(
                    first.kind,
                    ExprKind::Mask { .. }
                        | ExprKind::Range { .. }
                        | ExprKind::Default
                        | ExprKind::DontCare
                );
                Ok((only_in_keysets && parser.at(")")).then(|| vec![first]))
            });
            if let Some(mut keys) = tuple {
                while self.eat(",") {
                    if self.at(")") {
                        break;
                    }
                    keys.push(self.simple_keyset()?);
                }
                self.expect(")")?;
                return Ok(keys);
            }
        }
        Ok(vec![self.simple_keyset()?])
    }

    fn simple_keyset(&mut self) -> Parse<Expr> {
        let start = self.span();
        if self.at_word("_") {
            return Ok(self.dont_care());
        }
        if self.eat_word("default") {
            return Ok(Expr {
                kind: ExprKind::Default,
                span: start,
            });
        }
        let first = self.expression()?;
        if self.eat("&&&") {
            let mask = Box::new(self.expression()?);
            return self.node(
                ExprKind::Mask {
                    value: Box::new(first),
                    mask,
                },
                start,
                0,
            );
        }
        if self.at("..") {
            return self.range_after(first, start);
        }
        Ok(first)
    }

    /// `.. hi` behind `lo`.
    pub(super) fn range_after(&mut self, lo: Expr, start: Span) -> Parse<Expr> {
        self.expect("..")?;
        let hi = Box::new(self.expression()?);
        self.node(
            ExprKind::Range {
                lo: Box::new(lo),
                hi,
            },
            start,
            0,
        )
    }
}

/// What may stand before `(` in a call.
fn callable(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Path(_) | ExprKind::Member { .. } | ExprKind::TypeMember { .. } | ExprKind::This
    )
}
