//! Methods that the language itself defines.

use num_bigint::BigInt;

use super::{Checker, codes};
use crate::ast::{self, Direction, Ident};
use crate::span::Span;
use crate::typed::{Arg, BuiltIn, Call, Callee, Const, Expr, ExprKind, Type};

impl<'a> Checker<'a> {
    /// `minSizeInBits()` and its like: constants (specification 9). `None` if the name is another.
    pub(super) fn size_method(
        &mut self,
        ty: &Type,
        name: &Ident,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Option<Expr> {
        let (greatest, bytes) = match name.as_str() {
            "minSizeInBits" => (false, false),
            "minSizeInBytes" => (false, true),
            "maxSizeInBits" => (true, false),
            "maxSizeInBytes" => (true, true),
            _ => return None,
        };
        if matches!(ty, Type::Extern(..) | Type::Unknown) {
            return None;
        }
        if let Some(arg) = args.first() {
            let message = format!("`{}` takes no arguments", name.name);
            self.error(codes::ARGUMENTS, arg.value.span, message);
        }
        let facts = self.facts(ty);
        let bits = if greatest {
            facts.max_bits
        } else {
            facts.min_bits
        };
        let Some(bits) = bits else {
            let message = format!("`{}` has no size", self.show(ty));
            self.error(codes::TYPE, span, message);
            return Some(Self::wrong(span));
        };
        let size = if bytes { bits.div_ceil(8) } else { bits };
        Some(Expr {
            kind: ExprKind::Const(Const::Int(BigInt::from(size))),
            ty: Type::Integer,
            span,
        })
    }

    /// Methods of headers, unions and stacks.
    pub(super) fn built_in(
        &mut self,
        object: Expr,
        ty: &Type,
        name: &'a Ident,
        args: &'a [ast::Arg],
        span: Span,
    ) -> Expr {
        let (method, wanted) = match (ty, name.as_str()) {
            (Type::Header(..) | Type::Union(..), "isValid") => (BuiltIn::IsValid, 0),
            (Type::Header(..), "setValid") => (BuiltIn::SetValid, 0),
            (Type::Header(..), "setInvalid") => (BuiltIn::SetInvalid, 0),
            (Type::Stack(..), "push_front") => (BuiltIn::PushFront, 1),
            (Type::Stack(..), "pop_front") => (BuiltIn::PopFront, 1),
            _ => {
                let (what, known): (&str, &[&str]) = match ty {
                    Type::Header(..) => (
                        "a header has no method",
                        &["isValid", "setValid", "setInvalid"],
                    ),
                    Type::Union(..) => ("a header union has no method", &["isValid"]),
                    _ => ("a stack has no method", &["push_front", "pop_front"]),
                };
                self.unknown_name(what, name, known.iter().copied());
                self.check_args(args);
                return Self::wrong(span);
            }
        };
        if args.len() != wanted {
            let message = format!(
                "`{}` takes {wanted} arguments, {} are given",
                name.name,
                args.len()
            );
            self.error(codes::ARGUMENTS, span, message);
            self.check_args(args);
            return Self::wrong(span);
        }
        let writes = method != BuiltIn::IsValid;
        if writes && !self.check_lvalue(&object) {
            return Self::wrong(span);
        }
        let mut passed = Vec::new();
        if let Some(arg) = args.first() {
            let Some(count) = self.constant_number(&arg.value) else {
                return Self::wrong(span);
            };
            if count < BigInt::ZERO {
                let message = format!("a stack cannot be moved by {count} elements");
                self.error(codes::STACK_BOUNDS, arg.value.span, message);
                return Self::wrong(span);
            }
            passed.push(Arg {
                direction: Direction::None,
                value: Some(Expr {
                    kind: ExprKind::Const(Const::Int(count)),
                    ty: Type::Integer,
                    span: arg.value.span,
                }),
            });
        }
        let order = (0..u32::try_from(passed.len()).unwrap_or(0)).collect();
        let call = Call {
            callee: Callee::BuiltIn(method, Box::new(object)),
            type_args: Vec::new(),
            args: passed,
            order,
        };
        Expr {
            kind: ExprKind::Call(Box::new(call)),
            ty: if writes { Type::Void } else { Type::Bool },
            span,
        }
    }
}
