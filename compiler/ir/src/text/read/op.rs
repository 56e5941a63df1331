//! Operations of actions, nodes and parser states.

use super::{Kind, Reader, Result, SYNTAX, Token};
use crate::{Index, Op, ParseTarget, ParserOp, SelectCase, Transition};

impl Reader {
    /// `{ op ... }`
    pub(super) fn block(&mut self) -> Result<Vec<Op>> {
        self.punct("{")?;
        let mut ops = Vec::new();
        while !self.eat("}") {
            ops.push(self.nested(Self::op)?);
        }
        Ok(ops)
    }

    fn op(&mut self) -> Result<Op> {
        let Some(Token::Word(word)) = self.peek() else {
            return self.assignment();
        };
        let keyword = word.clone();
        if keyword == "if" {
            self.at += 1;
            let cond = self.expr()?;
            let yes = self.block()?;
            let no = if self.eat_word("else") {
                self.block()?
            } else {
                Vec::new()
            };
            return Ok(Op::If(cond, yes, no));
        }
        if keyword.contains('.') || !self.next_is_call() {
            return self.assignment();
        }
        let span = self.span();
        self.at += 1;
        self.punct("(")?;
        let op = match keyword.as_str() {
            "set_valid" => Op::SetValid(self.header()?),
            "set_invalid" => Op::SetInvalid(self.header()?),
            "copy" => {
                let dst = self.header()?;
                self.punct(",")?;
                let src = self.header()?;
                Op::Copy { dst, src }
            }
            "copy_varbit" => {
                let dst = self.header()?;
                self.punct(",")?;
                let src = self.header()?;
                Op::CopyVarbit { dst, src }
            }
            "count" => {
                let object = self.entity(Kind::Object)?;
                self.punct(",")?;
                Op::Count(object, self.index()?)
            }
            "write" => {
                let object = self.entity(Kind::Object)?;
                self.punct(",")?;
                let index = self.expr()?;
                self.punct(",")?;
                let value = self.expr()?;
                Op::Write {
                    object,
                    index,
                    value,
                }
            }
            "touch" => {
                let object = self.entity(Kind::Object)?;
                self.punct(",")?;
                Op::Touch(object, self.expr()?)
            }
            "notify" => {
                let object = self.entity(Kind::Object)?;
                let mut values = Vec::new();
                while self.eat(",") {
                    values.push(self.expr()?);
                }
                Op::Notify(object, values)
            }
            "add_entry" => {
                let table = self.entity(Kind::Table)?;
                self.punct(",")?;
                let action = self.entity(Kind::Action)?;
                self.punct("(")?;
                let args = self.list(")", Self::expr)?;
                self.punct(",")?;
                let profile = self.expr()?;
                Op::AddEntry {
                    table,
                    action,
                    args,
                    profile,
                }
            }
            "set_expire" => {
                let table = self.entity(Kind::Table)?;
                self.punct(",")?;
                let profile = self.expr()?;
                Op::SetExpire { table, profile }
            }
            _ => {
                let message = format!("there is no operation `{keyword}`");
                return Err(self.error(SYNTAX, span, message));
            }
        };
        self.punct(")")?;
        Ok(op)
    }

    /// Takes the function's name and the opening bracket if they are next.
    fn eat_call(&mut self, function: &str) -> bool {
        let found = self.is_word(function) && self.next_is_call();
        self.at += if found { 2 } else { 0 };
        found
    }

    fn next_is_call(&self) -> bool {
        matches!(self.tokens.get(self.at + 1), Some((Token::Punct("("), _)))
    }

    fn index(&mut self) -> Result<Index> {
        if self.eat_word("entry") {
            Ok(Index::Entry)
        } else {
            self.expr().map(Index::At)
        }
    }

    /// `place = ...`
    fn assignment(&mut self) -> Result<Op> {
        let dst = self.lvalue()?;
        if self.eat(",") {
            let value = self.lvalue()?;
            self.punct("=")?;
            self.word("allocate")?;
            self.punct("(")?;
            let object = self.entity(Kind::Object)?;
            self.punct(")")?;
            return Ok(Op::Allocate {
                object,
                ok: dst,
                value,
            });
        }
        self.punct("=")?;
        if self.eat_call("meter") {
            let object = self.entity(Kind::Object)?;
            self.punct(",")?;
            let index = self.index()?;
            let color = if self.eat(",") {
                Some(self.expr()?)
            } else {
                None
            };
            self.punct(")")?;
            return Ok(Op::Meter {
                object,
                index,
                color,
                dst,
            });
        }
        if self.eat_call("read") {
            let object = self.entity(Kind::Object)?;
            self.punct(",")?;
            let index = self.expr()?;
            self.punct(")")?;
            return Ok(Op::Read { object, index, dst });
        }
        if self.eat_call("random") {
            let object = self.entity(Kind::Object)?;
            self.punct(",")?;
            let lo = self.expr()?;
            self.punct(",")?;
            let hi = self.expr()?;
            self.punct(")")?;
            return Ok(Op::Random {
                object,
                lo,
                hi,
                dst,
            });
        }
        if self.eat_call("search") {
            let object = self.entity(Kind::Object)?;
            self.punct(",")?;
            let after = self.header()?;
            self.punct(")")?;
            return Ok(Op::Search { object, after, dst });
        }
        Ok(Op::Set(dst, self.expr()?))
    }

    /// The operations and the transition of a parser state, up to the closing brace.
    pub(super) fn parser_state(&mut self) -> Result<(Vec<ParserOp>, Transition)> {
        self.punct("{")?;
        let mut ops = Vec::new();
        loop {
            if self.eat_word("goto") {
                let target = self.parse_target()?;
                self.punct("}")?;
                return Ok((ops, Transition::Goto(target)));
            }
            if self.eat_word("select") {
                let select = self.select()?;
                self.punct("}")?;
                return Ok((ops, select));
            }
            ops.push(self.parser_op()?);
        }
    }

    fn parser_op(&mut self) -> Result<ParserOp> {
        let op = if self.eat_call("extract") {
            let header = self.header()?;
            let varbit = if self.eat(",") {
                Some(self.expr()?)
            } else {
                None
            };
            ParserOp::Extract { header, varbit }
        } else if self.eat_call("advance") {
            ParserOp::Advance(self.expr()?)
        } else if self.eat_call("set_valid") {
            ParserOp::SetValid(self.header()?)
        } else if self.eat_call("set_invalid") {
            ParserOp::SetInvalid(self.header()?)
        } else if self.eat_call("copy") {
            let dst = self.header()?;
            self.punct(",")?;
            let src = self.header()?;
            ParserOp::Copy { dst, src }
        } else if self.eat_call("copy_varbit") {
            let dst = self.header()?;
            self.punct(",")?;
            let src = self.header()?;
            ParserOp::CopyVarbit { dst, src }
        } else if self.eat_call("verify") {
            let cond = self.expr()?;
            self.punct(",")?;
            let span = self.span();
            let error: crate::MetaId = self.entity(Kind::Error)?;
            let code = u8::try_from(error.0)
                .map_err(|_| self.error(SYNTAX, span, "there are more than 256 errors"))?;
            ParserOp::Verify(cond, code)
        } else {
            let to = self.lvalue()?;
            self.punct("=")?;
            return Ok(ParserOp::Set(to, self.expr()?));
        };
        self.punct(")")?;
        Ok(op)
    }

    fn select(&mut self) -> Result<Transition> {
        self.punct("(")?;
        let keys = self.list(")", Self::expr)?;
        self.punct("{")?;
        let mut cases = Vec::new();
        while !self.eat("}") {
            let sets = self.key_sets()?;
            self.punct("=>")?;
            let target = self.parse_target()?;
            cases.push(SelectCase { sets, target });
        }
        Ok(Transition::Select(keys, cases))
    }

    fn parse_target(&mut self) -> Result<ParseTarget> {
        if self.eat_word("accept") {
            Ok(ParseTarget::Accept)
        } else if self.eat_word("reject") {
            Ok(ParseTarget::Reject)
        } else {
            self.entity(Kind::State).map(ParseTarget::State)
        }
    }
}
