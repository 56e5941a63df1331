//! Statements.

use super::{LOWEST, Printer, binary_operator};
use crate::ast::{Block, Stmt, StmtKind, SwitchCase};

impl Printer {
    /// A block from `{` to `}`, without newline.
    pub(super) fn block(&mut self, block: &Block) {
        self.annotations_before(&block.annotations);
        self.braces(|printer| block.stmts.iter().for_each(|stmt| printer.stmt(stmt)));
    }

    /// A statement on lines of its own.
    pub(super) fn stmt(&mut self, stmt: &Stmt) {
        if let StmtKind::Decl(decl) = &stmt.kind {
            return self.decl(decl);
        }
        self.start_line();
        self.stmt_here(stmt);
        self.text("\n");
    }

    /// A statement behind something on the same line, without newline.
    pub(super) fn stmt_here(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Empty => self.text(";"),
            StmtKind::Assign { .. } | StmtKind::Call(_) => {
                self.simple_stmt(stmt);
                self.text(";");
            }
            StmtKind::Decl(decl) => {
                self.annotations_before(&decl.annotations);
                self.decl_kind(&decl.kind);
            }
            StmtKind::If {
                cond,
                then,
                otherwise,
            } => {
                self.text("if (");
                self.expr(cond, LOWEST);
                self.text(") ");
                if otherwise.is_some() && takes_else(then) {
                    self.braces(|printer| printer.stmt(then));
                } else {
                    self.stmt_here(then);
                }
                if let Some(otherwise) = otherwise {
                    self.text(" else ");
                    self.stmt_here(otherwise);
                }
            }
            StmtKind::Block(block) => self.block(block),
            StmtKind::Switch { expr, cases } => {
                self.text("switch (");
                self.expr(expr, LOWEST);
                self.text(") ");
                self.braces(|printer| cases.iter().for_each(|case| printer.switch_case(case)));
            }
            StmtKind::For {
                annotations,
                init,
                cond,
                update,
                body,
            } => {
                self.annotations_before(annotations);
                self.text("for (");
                self.separated(init, Self::simple_stmt);
                self.text("; ");
                self.expr(cond, LOWEST);
                self.text("; ");
                self.separated(update, Self::simple_stmt);
                self.text(") ");
                self.stmt_here(body);
            }
            StmtKind::ForIn {
                annotations,
                var,
                collection,
                body,
            } => {
                self.annotations_before(annotations);
                self.text("for (");
                self.annotations_before(&var.annotations);
                self.variable(&var.kind);
                self.text(" in ");
                self.expr(collection, LOWEST);
                self.text(") ");
                self.stmt_here(body);
            }
            StmtKind::Return(None) => self.text("return;"),
            StmtKind::Return(Some(value)) => {
                self.text("return ");
                self.expr(value, LOWEST);
                self.text(";");
            }
            StmtKind::Exit => self.text("exit;"),
            StmtKind::Break => self.text("break;"),
            StmtKind::Continue => self.text("continue;"),
        }
    }

    /// An assignment, call or variable without `;`.
    pub(super) fn simple_stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Assign { target, op, value } => {
                self.expr(target, LOWEST);
                let op = op.map_or("", binary_operator);
                self.text(&format!(" {op}= "));
                self.expr(value, LOWEST);
            }
            StmtKind::Call(call) => self.expr(call, LOWEST),
            StmtKind::Decl(decl) => {
                self.annotations_before(&decl.annotations);
                self.variable(&decl.kind);
            }
            _ => {}
        }
    }

    pub(super) fn switch_case(&mut self, case: &SwitchCase) {
        self.start_line();
        self.expr(&case.label, LOWEST);
        self.text(":");
        if let Some(body) = &case.body {
            self.text(" ");
            self.block(body);
        }
        self.text("\n");
    }
}

/// An `else` behind this statement would belong to it.
fn takes_else(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::If {
            otherwise: None, ..
        } => true,
        StmtKind::If {
            otherwise: Some(stmt),
            ..
        }
        | StmtKind::For { body: stmt, .. }
        | StmtKind::ForIn { body: stmt, .. } => takes_else(stmt),
        _ => false,
    }
}
