//! Types and expressions.

use super::{LOWEST, POSTFIX, PREFIX, Printer, binary_operator};
use crate::ast::{Arg, Expr, ExprKind, IntLit, NamedExpr, Path, TypeKind, TypeRef, UnOp};
use crate::lexer::escape;
use crate::parser::precedence;

impl Printer {
    pub(super) fn ty(&mut self, ty: &TypeRef) {
        match &ty.kind {
            TypeKind::Void => self.text("void"),
            TypeKind::Bool => self.text("bool"),
            TypeKind::Error => self.text("error"),
            TypeKind::MatchKind => self.text("match_kind"),
            TypeKind::String => self.text("string"),
            TypeKind::Integer => self.text("int"),
            TypeKind::Bit(None) => self.text("bit"),
            TypeKind::Bit(Some(width)) => self.width("bit", width),
            TypeKind::Int(width) => self.width("int", width),
            TypeKind::Varbit(width) => self.width("varbit", width),
            TypeKind::Named(path) => self.path(path),
            TypeKind::Specialized { base, args } => {
                self.path(base);
                self.type_args(args);
            }
            TypeKind::Stack { elem, size } => {
                self.ty(elem);
                self.text("[");
                self.expr(size, LOWEST);
                self.text("]");
            }
            TypeKind::Tuple(args) => {
                self.text("tuple");
                self.type_args(args);
            }
            TypeKind::List(elem) => {
                self.text("list<");
                self.ty(elem);
                self.text(">");
            }
            TypeKind::DontCare => self.text("_"),
        }
    }

    /// Anything but a number or name stands in parentheses: a `>` in it would close the bracket.
    pub(super) fn width(&mut self, keyword: &str, width: &Expr) {
        self.text(keyword);
        self.text("<");
        self.expr(width, POSTFIX);
        self.text(">");
    }

    pub(super) fn type_args(&mut self, args: &[TypeRef]) {
        self.text("<");
        self.separated(args, Self::ty);
        self.text(">");
    }

    pub(super) fn path(&mut self, path: &Path) {
        if path.absolute {
            self.text(".");
        }
        self.text(&path.name.name);
    }

    /// An expression in a place that binds with `around`; parentheses if it binds less.
    pub(super) fn expr(&mut self, expr: &Expr, around: u8) {
        let parentheses = strength(&expr.kind) < around;
        if parentheses {
            self.text("(");
        }
        self.bare_expr(expr);
        if parentheses {
            self.text(")");
        }
    }

    pub(super) fn bare_expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Int(literal) => self.text(&integer(literal)),
            ExprKind::Bool(value) => self.text(if *value { "true" } else { "false" }),
            ExprKind::Str(text) => self.text(&format!("\"{}\"", escape(text))),
            ExprKind::Path(path) => self.path(path),
            ExprKind::This => self.text("this"),
            ExprKind::Dots => self.text("..."),
            ExprKind::Invalid => self.text("{#}"),
            ExprKind::DontCare => self.text("_"),
            ExprKind::Default => self.text("default"),
            ExprKind::List(items) => {
                self.text("{");
                self.separated(items, |printer, item| printer.expr(item, LOWEST));
                self.text("}");
            }
            ExprKind::Struct { fields, rest } => {
                self.text("{");
                self.separated(fields, Self::named);
                self.text(if *rest { ", ...}" } else { "}" });
            }
            ExprKind::Unary { op, expr } => {
                self.text(match op {
                    UnOp::Not => "!",
                    UnOp::BitNot => "~",
                    UnOp::Neg => "-",
                    UnOp::Plus => "+",
                });
                // `+` before `+` would be read as `++`.
                let nested = matches!(expr.kind, ExprKind::Unary { .. });
                self.expr(expr, if nested { POSTFIX } else { PREFIX });
            }
            ExprKind::Binary { op, lhs, rhs } => {
                let level = precedence(*op);
                self.expr(lhs, level);
                self.text(&format!(" {} ", binary_operator(*op)));
                self.expr(rhs, level + 1);
            }
            ExprKind::Ternary {
                cond,
                then,
                otherwise,
            } => {
                self.expr(cond, LOWEST + 1);
                self.text(" ? ");
                self.expr(then, LOWEST);
                self.text(" : ");
                self.expr(otherwise, LOWEST);
            }
            ExprKind::Cast { ty, expr } => {
                self.text("(");
                self.ty(ty);
                self.text(")");
                self.expr(expr, PREFIX);
            }
            ExprKind::Member { base, name } => {
                self.expr(base, POSTFIX);
                self.text(&format!(".{}", name.name));
            }
            ExprKind::TypeMember { ty, name } => {
                self.ty(ty);
                self.text(&format!(".{}", name.name));
            }
            ExprKind::Index { base, index } => {
                self.expr(base, POSTFIX);
                self.text("[");
                self.expr(index, LOWEST);
                self.text("]");
            }
            ExprKind::Slice { base, hi, lo } => self.slice(base, hi, ":", lo),
            ExprKind::PlusSlice { base, lo, width } => self.slice(base, lo, " +: ", width),
            ExprKind::Call {
                callee,
                type_args,
                args,
            } => {
                self.expr(callee, POSTFIX);
                if !type_args.is_empty() {
                    self.type_args(type_args);
                }
                self.args(args);
            }
            ExprKind::Construct { ty, args } => {
                self.ty(ty);
                self.args(args);
            }
            ExprKind::Mask { value, mask } => {
                self.expr(value, LOWEST);
                self.text(" &&& ");
                self.expr(mask, LOWEST);
            }
            ExprKind::Range { lo, hi } => {
                self.expr(lo, LOWEST);
                self.text(" .. ");
                self.expr(hi, LOWEST);
            }
        }
    }

    pub(super) fn slice(&mut self, base: &Expr, first: &Expr, between: &str, second: &Expr) {
        self.expr(base, POSTFIX);
        self.text("[");
        self.expr(first, LOWEST + 1);
        self.text(between);
        self.expr(second, LOWEST + 1);
        self.text("]");
    }

    pub(super) fn named(&mut self, pair: &NamedExpr) {
        self.text(&format!("{} = ", pair.name.name));
        self.expr(&pair.value, LOWEST);
    }

    pub(super) fn args(&mut self, args: &[Arg]) {
        self.text("(");
        self.separated(args, |printer, arg| {
            if let Some(name) = &arg.name {
                printer.text(&format!("{} = ", name.name));
            }
            printer.expr(&arg.value, LOWEST);
        });
        self.text(")");
    }
}

/// How tightly an expression holds together.
fn strength(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Ternary { .. } | ExprKind::Mask { .. } | ExprKind::Range { .. } => LOWEST,
        ExprKind::Binary { op, .. } => precedence(*op),
        ExprKind::Unary { .. } | ExprKind::Cast { .. } => PREFIX,
        _ => POSTFIX,
    }
}

/// A number with its width, in the base it was written in.
pub(super) fn integer(literal: &IntLit) -> String {
    let width = match literal.width {
        Some(width) => format!("{width}{}", if literal.signed { "s" } else { "w" }),
        None => String::new(),
    };
    let digits = match literal.base {
        2 => format!("0b{:b}", literal.value),
        8 => format!("0o{:o}", literal.value),
        16 => format!("0x{:x}", literal.value),
        _ => literal.value.to_string(),
    };
    format!("{width}{digits}")
}
