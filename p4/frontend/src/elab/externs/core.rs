//! core.p4: packets and `verify`.

use trisect_ir::{Expr, ParserOp, StdMeta};

use super::super::ops::{fold, resize};
use super::super::step::Step;
use super::super::value::Value;
use super::super::{Elab, R, error, unsupported};
use super::{ExternCall, unknown_extern};
use crate::typed::{ExprKind, Type};
use crate::{Span, codes};

impl<'a> Elab<'a> {
    /// Methods of `packet_in` and `packet_out`.
    pub(in super::super) fn packet_method(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let in_parser = self.parser.is_some();
        match call.name {
            "length" => Ok(Value::Bits(self.standard(StdMeta::PacketLength, &call.ret))),
            "emit" if !in_parser => {
                let value = self.arg(call, 0)?.clone();
                if let Some(arg) = call.args.first() {
                    self.emit_value(&value, &arg.ty, arg.span)?;
                }
                Ok(Value::Unit)
            }
            "extract" if in_parser => self.extract(call),
            "advance" if in_parser => {
                let (width, bits) = self.arg_scalar(call, 0)?;
                let bits = resize(bits, width, 32, false);
                self.out.push(Step::Parse(ParserOp::Advance(bits)));
                Ok(Value::Unit)
            }
            "lookahead" if in_parser => self.lookahead(&call.ret, &mut 0, call.span),
            "extract" | "advance" | "lookahead" => Err(error(
                codes::MISPLACED,
                call.span,
                format!("`{}` can stand in a parser only", call.name),
            )),
            _ => Err(unknown_extern(call)),
        }
    }

    /// `extract(header)` and `extract(header, bits of its varbit)`.
    fn extract(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        let varbit = match call.args.len() {
            0 | 1 => None,
            _ => {
                let (width, bits) = self.arg_scalar(call, 1)?;
                Some(resize(bits, width, 32, false))
            }
        };
        let Some(target) = call.args.first() else {
            return Err(error(
                codes::ARGUMENTS,
                call.span,
                "`extract` takes a header",
            ));
        };
        let ty = match call.type_args.first() {
            Some(ty) => ty.clone(),
            None => target.ty.clone(),
        };
        match &target.value {
            // `_`: as many bits are skipped.
            None => {
                let Some(fixed) = self.fixed_bits(&ty) else {
                    return Err(unsupported(call.span, "skipping a value of this type"));
                };
                let bits = match varbit {
                    Some(more) => fold(
                        trisect_ir::BinOp::Add,
                        Expr::num(32, u64::from(fixed)),
                        more,
                    ),
                    None => Expr::num(32, u64::from(fixed)),
                };
                self.out.push(Step::Parse(ParserOp::Advance(bits)));
            }
            Some(Value::Header(header)) => {
                let header = header.clone();
                if varbit.is_some() != self.has_varbit(header.id) {
                    return Err(varbit_length(varbit.is_some(), call.span));
                }
                self.extract_header(header.id, varbit, call.span)?;
                self.invalidate_rivals(&header);
            }
            Some(value @ Value::Choice(..)) => {
                let name = self.local_name("extracted");
                let storage = self.storage(&ty, &name, call.span)?;
                let Value::Header(header) = &storage else {
                    return Err(error(codes::TYPE, call.span, "a header is extracted into"));
                };
                if varbit.is_some() != self.has_varbit(header.id) {
                    return Err(varbit_length(varbit.is_some(), call.span));
                }
                self.extract_header(header.id, varbit, call.span)?;
                self.assign(value, &storage, call.span)?;
            }
            Some(_) => {
                return Err(error(
                    codes::TYPE,
                    target.span,
                    "a header is extracted into",
                ));
            }
        }
        // `stack.next`, or a member of it.
        let mut at = target.expr;
        while let Some(expr) = at {
            at = match &expr.kind {
                ExprKind::Field(base, _) => Some(&**base),
                ExprKind::Next(stack) => {
                    self.advance_stack(stack)?;
                    None
                }
                _ => None,
            };
        }
        Ok(Value::Unit)
    }

    /// What a call of lookahead looks at: `offset` bits behind the cursor.
    fn lookahead(&mut self, ty: &Type, offset: &mut u32, span: Span) -> R<Value<'a>> {
        match self.width(ty) {
            Some(0) => return Ok(Value::Empty),
            Some(width) => {
                let expr = Expr::Lookahead {
                    offset: *offset,
                    width,
                };
                *offset = offset.saturating_add(width);
                return Ok(Value::Bits(expr));
            }
            None => {}
        }
        let header = match self.tree.base(ty) {
            Type::Header(..) => true,
            Type::Struct(..) | Type::Tuple(_) | Type::Stack(..) => false,
            _ => {
                let message = format!("`lookahead` of a `{}`", self.tree.show(ty));
                return Err(unsupported(span, message));
            }
        };
        let mut fields = Vec::new();
        for ty in self.members(ty).unwrap_or_default() {
            fields.push(self.lookahead(&ty, offset, span)?);
        }
        let fields = std::rc::Rc::new(fields);
        Ok(match header {
            true => Value::Made(fields),
            false => Value::Fields(fields),
        })
    }

    /// `verify(condition, error)`.
    pub(in super::super) fn verify(&mut self, call: &ExternCall<'a>) -> R<Value<'a>> {
        if self.parser.is_none() {
            return Err(error(
                codes::MISPLACED,
                call.span,
                "`verify` can stand in a parser only",
            ));
        }
        let (_, condition) = self.arg_scalar(call, 0)?;
        let (_, signal) = self.arg_scalar(call, 1)?;
        match signal {
            Expr::Const(code) => {
                let code = u8::try_from(code.low_u64()).unwrap_or(u8::MAX);
                self.out
                    .push(Step::Parse(ParserOp::Verify(condition, code)));
            }
            // The error is known at run time only: one test for each.
            signal => {
                for code in 0..self.ir.parser.errors.len() as u64 {
                    let other =
                        Expr::binary(trisect_ir::BinOp::Ne, signal.clone(), Expr::num(8, code));
                    let holds = fold(trisect_ir::BinOp::Or, condition.clone(), other);
                    let code = u8::try_from(code).unwrap_or(u8::MAX);
                    self.out.push(Step::Parse(ParserOp::Verify(holds, code)));
                }
            }
        }
        Ok(Value::Unit)
    }
}

fn varbit_length(given: bool, span: Span) -> Box<crate::Diagnostic> {
    let message = match given {
        true => "the header has no varbit field that a length could be for",
        false => "the header has a varbit field, whose length must be given",
    };
    error(codes::ARGUMENTS, span, message)
}
