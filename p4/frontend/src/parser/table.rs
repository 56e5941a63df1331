//! Tables.

use std::collections::BTreeMap;

use super::scope::Kind;
use super::{Fail, Parse, Parser};
use crate::ast::{
    ActionRef, Annotation, DeclKind, Entry, Expr, ExprKind, KeyElement, TableDecl, TableProperty,
    TablePropertyKind,
};
use crate::codes;
use crate::diag::Diagnostic;

impl Parser<'_, '_> {
    /// The rest of a table, `table` being read.
    pub(super) fn table(&mut self) -> Parse<DeclKind> {
        let name = self.ident("the table's name")?;
        self.scopes.declare(&name.name, Kind::Value);
        let properties = self.braced(Self::table_property)?;
        self.check_duplicates(&properties);
        Ok(DeclKind::Table(TableDecl { name, properties }))
    }

    fn check_duplicates(&mut self, properties: &[TableProperty]) {
        let mut seen = BTreeMap::new();
        for property in properties {
            let name = property_name(&property.kind);
            let Some(first) = seen.get(name) else {
                seen.insert(name, property.span);
                continue;
            };
            self.error(
                Diagnostic::error(
                    codes::DUPLICATE,
                    property.span,
                    format!("the table has two properties `{name}`"),
                )
                .with_note_at(*first, "given before, here")
                .with_help("keep one of them"),
            );
        }
    }

    fn table_property(&mut self) -> Parse<TableProperty> {
        let start = self.span();
        let annotations = self.annotations()?;
        let is_const = self.eat_word("const");
        let name = self.ident("a table property")?;
        self.expect("=")?;
        let kind = match name.name.as_str() {
            "key" => TablePropertyKind::Key(self.braced(Self::key_element)?),
            "actions" => TablePropertyKind::Actions(self.braced(Self::listed_action)?),
            "entries" => TablePropertyKind::Entries(self.braced(Self::entry)?),
            "default_action" => {
                let value = self.expression()?;
                self.expect_semicolon()?;
                TablePropertyKind::DefaultAction(self.action_value(value)?)
            }
            "size" => {
                let value = self.expression()?;
                self.expect_semicolon()?;
                TablePropertyKind::Size(value)
            }
            _ => {
                let value = self.expression()?;
                self.expect_semicolon()?;
                TablePropertyKind::Custom { name, value }
            }
        };
        Ok(TableProperty {
            annotations,
            is_const,
            kind,
            span: self.since(start),
        })
    }

    fn key_element(&mut self) -> Parse<KeyElement> {
        let start = self.span();
        let expr = self.expression()?;
        self.expect(":")?;
        let match_kind = self.ident("a match kind")?;
        let annotations = self.annotations()?;
        self.expect_semicolon()?;
        Ok(KeyElement {
            expr,
            match_kind,
            annotations,
            span: self.since(start),
        })
    }

    fn listed_action(&mut self) -> Parse<ActionRef> {
        let annotations = self.annotations()?;
        let action = self.action_ref(annotations)?;
        self.expect_semicolon()?;
        Ok(action)
    }

    fn action_ref(&mut self, annotations: Vec<Annotation>) -> Parse<ActionRef> {
        let start = self.span();
        let path = self.path("an action")?;
        let args = if self.at("(") {
            Some(self.arguments()?)
        } else {
            None
        };
        Ok(ActionRef {
            annotations,
            path,
            args,
            span: self.since(start),
        })
    }

    /// The action an expression names, as in `default_action = a(1);`.
    fn action_value(&mut self, value: Expr) -> Parse<ActionRef> {
        let span = value.span;
        let (callee, args) = match value.kind {
            ExprKind::Call {
                callee,
                type_args,
                args,
            } if type_args.is_empty() => (*callee, Some(args)),
            kind => (Expr { kind, span }, None),
        };
        match callee.kind {
            ExprKind::Path(path) => Ok(ActionRef {
                annotations: Vec::new(),
                path,
                args,
                span,
            }),
            _ => {
                self.error(
                    Diagnostic::error(
                        codes::MISPLACED,
                        span,
                        "the default action is not an action",
                    )
                    .with_help(
                        "write `default_action = name;` or `default_action = name(arguments);`",
                    ),
                );
                Err(Fail)
            }
        }
    }

    /// `const priority = p : keys : action @annotations;`
    fn entry(&mut self) -> Parse<Entry> {
        let start = self.span();
        let is_const = self.eat_word("const");
        let priority = if self.at_word("priority") && self.at_ahead(1, "=") {
            self.bump();
            self.expect("=")?;
            let priority = self.expression()?;
            self.expect(":")?;
            Some(priority)
        } else {
            None
        };
        let keys = self.keyset()?;
        self.expect(":")?;
        let action = self.action_ref(Vec::new())?;
        let annotations = self.annotations()?;
        self.expect_semicolon()?;
        Ok(Entry {
            is_const,
            priority,
            keys,
            action,
            annotations,
            span: self.since(start),
        })
    }
}

fn property_name(kind: &TablePropertyKind) -> &str {
    match kind {
        TablePropertyKind::Key(_) => "key",
        TablePropertyKind::Actions(_) => "actions",
        TablePropertyKind::Entries(_) => "entries",
        TablePropertyKind::DefaultAction(_) => "default_action",
        TablePropertyKind::Size(_) => "size",
        TablePropertyKind::Custom { name, .. } => &name.name,
    }
}
