//! Statements.

use super::scope::Kind;
use super::{Fail, Parse, Parser};
use crate::ast::{
    Annotation, BinOp, Block, Decl, DeclKind, Expr, ExprKind, Stmt, StmtKind, SwitchCase, VarDecl,
};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::Tok;
use crate::span::Span;

/// The operator of an assignment token; `Some(None)` for plain `=`.
fn assignment_operator(text: &str) -> Option<Option<BinOp>> {
    Some(match text {
        "=" => None,
        "+=" => Some(BinOp::Add),
        "-=" => Some(BinOp::Sub),
        "*=" => Some(BinOp::Mul),
        "/=" => Some(BinOp::Div),
        "%=" => Some(BinOp::Mod),
        "|+|=" => Some(BinOp::SatAdd),
        "|-|=" => Some(BinOp::SatSub),
        "<<=" => Some(BinOp::Shl),
        ">>=" => Some(BinOp::Shr),
        "&=" => Some(BinOp::BitAnd),
        "|=" => Some(BinOp::BitOr),
        "^=" => Some(BinOp::BitXor),
        _ => return None,
    })
}

impl Parser<'_, '_> {
    /// `{ statements }` in a scope of its own.
    pub(super) fn block(&mut self) -> Parse<Block> {
        let annotations = self.annotations()?;
        self.block_with(annotations)
    }

    fn block_with(&mut self, annotations: Vec<Annotation>) -> Parse<Block> {
        self.nested(|parser| {
            let start = parser.span();
            parser.scopes.push();
            let stmts = parser.braced_statements();
            parser.scopes.pop();
            let stmts = stmts?;
            Ok(Block {
                annotations,
                stmts,
                span: parser.since(start),
            })
        })
    }

    fn braced_statements(&mut self) -> Parse<Vec<Stmt>> {
        self.expect("{")?;
        let stmts = self.statements(|_| false);
        self.expect_close()?;
        Ok(stmts)
    }

    pub(super) fn statement(&mut self) -> Parse<Stmt> {
        self.nested(|parser| {
            let start = parser.span();
            let kind = parser.statement_kind()?;
            Ok(Stmt {
                kind,
                span: parser.since(start),
            })
        })
    }

    fn statement_kind(&mut self) -> Parse<StmtKind> {
        let start = self.span();
        if self.at("@") {
            let annotations = self.annotations()?;
            if self.at("{") {
                return Ok(StmtKind::Block(self.block_with(annotations)?));
            }
            if self.eat_word("for") {
                return self.for_loop(annotations);
            }
            return Ok(StmtKind::Decl(self.local_declaration(annotations, start)?));
        }
        if self.at("{") {
            if self.at_list_assignment() {
                self.misplaced(
                    start,
                    "a list cannot be assigned to",
                    "assign to each of its parts",
                );
                self.expression()?;
                self.expect("=")?;
                self.expression()?;
                self.expect_semicolon()?;
                return Ok(StmtKind::Empty);
            }
            return Ok(StmtKind::Block(self.block_with(Vec::new())?));
        }
        if self.eat(";") {
            return Ok(StmtKind::Empty);
        }
        let keyword = self.word_at(0).unwrap_or("");
        if self.in_state && matches!(keyword, "exit" | "return" | "switch") {
            self.misplaced(
                start,
                &format!("`{keyword}` cannot stand in a parser's state"),
                "end the state with `transition`; `select` chooses between states",
            );
        }
        match keyword {
            "if" => self.conditional(),
            "switch" => self.switch(),
            "for" => {
                self.bump();
                self.for_loop(Vec::new())
            }
            "return" => {
                self.bump();
                let value = if self.at(";") {
                    None
                } else {
                    Some(self.expression()?)
                };
                self.expect_semicolon()?;
                Ok(StmtKind::Return(value))
            }
            "exit" => self.bare(StmtKind::Exit),
            "break" => self.bare(StmtKind::Break),
            "continue" => self.bare(StmtKind::Continue),
            "const" => Ok(StmtKind::Decl(self.local_declaration(Vec::new(), start)?)),
            _ if self.at_declaration() => {
                Ok(StmtKind::Decl(self.local_declaration(Vec::new(), start)?))
            }
            _ => {
                let kind = self.simple_statement()?;
                self.expect_semicolon()?;
                Ok(kind)
            }
        }
    }

    fn bare(&mut self, kind: StmtKind) -> Parse<StmtKind> {
        self.bump();
        self.expect_semicolon()?;
        Ok(kind)
    }

    /// `{ ... } =` stands here.
    fn at_list_assignment(&self) -> bool {
        let mut ahead = 1;
        loop {
            match self.token_at(ahead).tok {
                Tok::Punct("}") => return self.at_ahead(ahead + 1, "="),
                Tok::Punct(";" | "{") | Tok::Eof => return false,
                _ => ahead += 1,
            }
        }
    }

    /// A variable, constant or instance begins here, not an assignment or call.
    fn at_declaration(&self) -> bool {
        if self.at_type_word() {
            return !(self.at_word("error") && self.at_ahead(1, "."));
        }
        if self.at_type_name() {
            // `T.apply(...)` is a call; `T(...) x` and `T x` declare.
            let behind = if self.at(".") { 2 } else { 1 };
            let call =
                self.at_ahead(behind, ".") || self.at_ahead(behind, "<") && self.static_call();
            return !call;
        }
        // Two names in a row: a type nobody declared.
        self.name_at(0).is_some() && self.name_at(1).is_some()
    }

    /// `T<...>.method(...)`.
    fn static_call(&self) -> bool {
        let mut depth = 0_usize;
        let mut ahead = 1;
        loop {
            match self.token_at(ahead).tok {
                Tok::Punct("<") => depth += 1,
                Tok::Punct(">") => depth = depth.saturating_sub(1),
                Tok::Punct(">>") => depth = depth.saturating_sub(2),
                Tok::Punct(";" | "{" | "}") | Tok::Eof => return false,
                _ => {}
            }
            ahead += 1;
            if depth == 0 {
                return self.at_ahead(ahead, ".");
            }
        }
    }

    /// An assignment or call, without its `;`.
    fn simple_statement(&mut self) -> Parse<StmtKind> {
        let start = self.pos;
        let target = self.expression()?;
        if let Some(op) = self.punct().and_then(assignment_operator) {
            self.bump();
            let value = self.expression()?;
            self.check_target(&target);
            return Ok(StmtKind::Assign { target, op, value });
        }
        if matches!(target.kind, ExprKind::Call { .. }) {
            return Ok(StmtKind::Call(target));
        }
        if self.failed_at == Some(start) {
            // What follows a missing `;`; that was reported.
            return Err(Fail);
        }
        Err(self.misplaced(
            target.span,
            "this expression has no effect: expected an assignment or a call",
            "assign the value to something, or remove it",
        ))
    }

    fn check_target(&mut self, target: &Expr) {
        let assignable = matches!(
            target.kind,
            ExprKind::Path(_)
                | ExprKind::This
                | ExprKind::Member { .. }
                | ExprKind::TypeMember { .. }
                | ExprKind::Index { .. }
                | ExprKind::Slice { .. }
                | ExprKind::PlusSlice { .. }
        );
        if !assignable {
            self.error(
                Diagnostic::error(codes::MISPLACED, target.span, "this cannot be assigned to")
                    .with_help("assign to a variable, a field, an element or a slice"),
            );
        }
    }

    fn conditional(&mut self) -> Parse<StmtKind> {
        self.expect_word("if")?;
        self.expect("(")?;
        let cond = self.expression()?;
        self.expect(")")?;
        let then = Box::new(self.statement()?);
        let otherwise = if self.eat_word("else") {
            Some(Box::new(self.statement()?))
        } else {
            None
        };
        Ok(StmtKind::If {
            cond,
            then,
            otherwise,
        })
    }

    fn switch(&mut self) -> Parse<StmtKind> {
        self.expect_word("switch")?;
        self.expect("(")?;
        let expr = self.expression()?;
        self.expect(")")?;
        let cases = self.braced(Self::switch_case)?;
        Ok(StmtKind::Switch { expr, cases })
    }

    fn switch_case(&mut self) -> Parse<SwitchCase> {
        let start = self.span();
        let label = if self.eat_word("default") {
            Expr {
                kind: ExprKind::Default,
                span: start,
            }
        } else {
            self.expression()?
        };
        self.expect(":")?;
        let body = if self.at("{") || self.at("@") {
            Some(self.block()?)
        } else {
            None
        };
        Ok(SwitchCase {
            label,
            body,
            span: self.since(start),
        })
    }

    /// The rest of a loop, `for` being read.
    fn for_loop(&mut self, annotations: Vec<Annotation>) -> Parse<StmtKind> {
        let scopes = self.scopes.len();
        self.scopes.push();
        let result = self.for_loop_in_scope(annotations);
        self.scopes.truncate(scopes);
        result
    }

    fn for_loop_in_scope(&mut self, annotations: Vec<Annotation>) -> Parse<StmtKind> {
        match self.for_header() {
            Ok(ForHeader::Counting { init, cond, update }) => Ok(StmtKind::For {
                annotations,
                init,
                cond,
                update,
                body: Box::new(self.statement()?),
            }),
            Ok(ForHeader::Over { var, collection }) => Ok(StmtKind::ForIn {
                annotations,
                var,
                collection,
                body: Box::new(self.statement()?),
            }),
            Err(fail) => {
                // The body may be right, and what is wrong there is worth saying.
                if self.skip_behind_parenthesis() {
                    self.statement()?;
                    return Ok(StmtKind::Empty);
                }
                Err(fail)
            }
        }
    }

    /// Steps behind the `)` of the parenthesis that is being read, if it comes before any brace.
    fn skip_behind_parenthesis(&mut self) -> bool {
        let mut depth = 0_usize;
        let mut ahead = 0;
        loop {
            match self.token_at(ahead).tok {
                Tok::Punct("(") => depth += 1,
                Tok::Punct(")") if depth == 0 => break,
                Tok::Punct(")") => depth -= 1,
                Tok::Punct("{" | "}") | Tok::Eof => return false,
                _ => {}
            }
            ahead += 1;
        }
        (0..=ahead).for_each(|_| self.bump());
        true
    }

    fn for_header(&mut self) -> Parse<ForHeader> {
        self.expect("(")?;
        let mut init = Vec::new();
        while !self.at(";") {
            let start = self.span();
            let inner = self.annotations()?;
            if self.name_at(0).is_some() && self.word_at(1) == Some("in") {
                return Err(self.misplaced(
                    self.span(),
                    "the loop's variable has no type",
                    "declare it here, as in `for (bit<8> i in ...)`",
                ));
            }
            let kind = if !inner.is_empty() || self.at_declaration() {
                let decl = self.loop_variable(inner, start)?;
                if init.is_empty() && self.eat_word("in") {
                    return self.for_collection(decl);
                }
                StmtKind::Decl(decl)
            } else {
                self.simple_statement()?
            };
            init.push(Stmt {
                kind,
                span: self.since(start),
            });
            if !self.eat(",") {
                break;
            }
        }
        self.expect(";")?;
        let cond = self.expression()?;
        self.expect(";")?;
        let mut update = Vec::new();
        while !self.at(")") {
            let start = self.span();
            let kind = self.simple_statement()?;
            update.push(Stmt {
                kind,
                span: self.since(start),
            });
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(ForHeader::Counting { init, cond, update })
    }

    /// `T x` or `T x = e`, without `;`.
    fn loop_variable(&mut self, annotations: Vec<Annotation>, start: Span) -> Parse<Decl> {
        let ty = self.type_ref()?;
        let (ty, name) = self.declarator(ty, "a variable")?;
        let init = if self.eat("=") {
            Some(self.expression()?)
        } else {
            None
        };
        self.scopes.declare(&name.name, Kind::Value);
        Ok(Decl {
            annotations,
            kind: DeclKind::Var(VarDecl { ty, name, init }),
            span: self.since(start),
        })
    }

    /// The rest of the header behind `T x in`.
    fn for_collection(&mut self, var: Decl) -> Parse<ForHeader> {
        let start = self.span();
        let first = self.expression()?;
        let collection = if self.at("..") {
            self.range_after(first, start)?
        } else {
            first
        };
        self.expect(")")?;
        Ok(ForHeader::Over {
            var: Box::new(var),
            collection,
        })
    }
}

/// What stands between the parentheses of a loop.
enum ForHeader {
    /// `init; cond; update`
    Counting {
        init: Vec<Stmt>,
        cond: Expr,
        update: Vec<Stmt>,
    },
    /// `T x in collection`
    Over { var: Box<Decl>, collection: Expr },
}
