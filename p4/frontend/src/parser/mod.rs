//! Tokens to tree: recursive descent, precedence climbing for expressions.
//!
//! P4's grammar needs to know which names are types (`a < b > (c)`, `(T) x`), so the parser keeps
//! scopes of declared names, as the specification's grammar does. After an error it goes on at the
//! next declaration or statement, so that several errors are found in one run.

mod annotation;
mod decl;
mod expr;
mod scope;
mod stmt;
mod table;
mod types;

pub(crate) use expr::precedence;

use std::rc::Rc;

use crate::ast::{Ident, Program};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Tok, Token};
use crate::span::Span;
use scope::Scopes;

/// Deepest nesting of expressions, types, statements and declarations, and greatest height of an
/// expression's tree: what walks the tree may recurse.
pub const MAX_NESTING: usize = 400;
/// Deepest nesting of attempts that may be taken back (types that could be comparisons).
const MAX_SPECULATION: usize = 4;

/// A diagnostic was made; go on at the next place to synchronise.
#[derive(Debug)]
struct Fail;

type Parse<T> = Result<T, Fail>;

/// Words that are never names.
const RESERVED: &[&str] = &[
    "_",
    "abstract",
    "action",
    "bit",
    "bool",
    "break",
    "const",
    "continue",
    "control",
    "default",
    "else",
    "enum",
    "error",
    "exit",
    "extern",
    "false",
    "for",
    "header",
    "header_union",
    "if",
    "in",
    "inout",
    "int",
    "match_kind",
    "out",
    "package",
    "parser",
    "return",
    "select",
    "string",
    "struct",
    "switch",
    "table",
    "this",
    "transition",
    "true",
    "tuple",
    "typedef",
    "value_set",
    "varbit",
    "void",
];

/// Whether a word cannot be used as a name.
#[must_use]
pub fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// Parses preprocessed tokens (the last is [`Tok::Eof`]). What could be read is in the program, also
/// when there are errors.
pub fn parse(tokens: &[Token], max_errors: usize, diagnostics: &mut Vec<Diagnostic>) -> Program {
    let mut parser = Parser {
        tokens,
        pos: 0,
        taken: 0,
        depth: 0,
        height: 0,
        speculation: 0,
        max_errors,
        errors: 0,
        scopes: Scopes::default(),
        diagnostics,
    };
    parser.program()
}

struct Parser<'t, 'd> {
    tokens: &'t [Token],
    pos: usize,
    /// Characters of the current token that are used up: `>>` may be read as two `>`.
    taken: usize,
    depth: usize,
    /// Height of the tree of the expression that was read last.
    height: usize,
    speculation: usize,
    max_errors: usize,
    errors: usize,
    scopes: Scopes,
    diagnostics: &'d mut Vec<Diagnostic>,
}

const END: &Token = &Token {
    tok: Tok::Eof,
    span: Span {
        file: crate::span::FileId(0),
        lo: 0,
        hi: 0,
    },
};

impl<'t> Parser<'t, '_> {
    // ---------------------------------------------------------------- looking at tokens

    fn token_at(&self, ahead: usize) -> &'t Token {
        self.tokens
            .get(self.pos + ahead)
            .or(self.tokens.last())
            .unwrap_or(END)
    }

    /// The current token's punctuation, or what is left of it.
    fn punct(&self) -> Option<&'static str> {
        match self.token_at(0).tok {
            Tok::Punct(text) => text.get(self.taken..),
            _ => None,
        }
    }

    fn word_at(&self, ahead: usize) -> Option<&'t str> {
        match &self.token_at(ahead).tok {
            Tok::Word(word) => Some(word),
            _ => None,
        }
    }

    fn at(&self, text: &str) -> bool {
        self.punct() == Some(text)
    }

    fn at_ahead(&self, ahead: usize, text: &str) -> bool {
        matches!(self.token_at(ahead).tok, Tok::Punct(found) if found == text)
    }

    fn at_word(&self, word: &str) -> bool {
        self.word_at(0) == Some(word)
    }

    fn at_end(&self) -> bool {
        self.token_at(0).tok == Tok::Eof
    }

    /// A word that may be a name stands `ahead` tokens from here.
    fn name_at(&self, ahead: usize) -> Option<&'t str> {
        self.word_at(ahead).filter(|word| !is_reserved(word))
    }

    fn span(&self) -> Span {
        let span = self.token_at(0).span;
        Span {
            lo: span.lo + u32::try_from(self.taken).unwrap_or(0),
            ..span
        }
    }

    fn prev_span(&self) -> Span {
        match self.pos.checked_sub(1).and_then(|at| self.tokens.get(at)) {
            Some(token) if self.taken == 0 => token.span,
            _ => self.span(),
        }
    }

    fn since(&self, start: Span) -> Span {
        start.to(self.prev_span())
    }

    // ------------------------------------------------------------------- taking tokens

    fn bump(&mut self) {
        if !self.at_end() {
            self.pos += 1;
        }
        self.taken = 0;
    }

    fn eat(&mut self, text: &str) -> bool {
        let found = self.at(text);
        if found {
            self.bump();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Parse<()> {
        if self.eat(text) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{text}`")))
        }
    }

    fn expect_word(&mut self, word: &str) -> Parse<()> {
        if self.eat_word(word) {
            Ok(())
        } else {
            Err(self.expected(&format!("`{word}`")))
        }
    }

    /// The `>` that closes type arguments; may be the first half of `>>`.
    fn expect_close_angle(&mut self) -> Parse<()> {
        match self.punct() {
            Some(">") => self.bump(),
            Some(">>" | ">=" | ">>=") => self.taken += 1,
            _ => return Err(self.expected("`>`")),
        }
        Ok(())
    }

    fn ident(&mut self, what: &str) -> Parse<Ident> {
        match &self.token_at(0).tok {
            Tok::Word(word) if !is_reserved(word) => {
                let ident = Ident {
                    name: word.to_string(),
                    span: self.span(),
                };
                self.bump();
                Ok(ident)
            }
            Tok::Word(word) => {
                let word = Rc::clone(word);
                self.error(
                    Diagnostic::error(
                        codes::EXPECTED,
                        self.span(),
                        format!("expected {what}, but `{word}` is a keyword"),
                    )
                    .with_help("choose another name"),
                );
                Err(Fail)
            }
            _ => Err(self.expected(what)),
        }
    }

    // -------------------------------------------------------------------------- errors

    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.is_error());
        self.diagnostics.push(diagnostic);
    }

    fn expected(&mut self, what: &str) -> Fail {
        if let Tok::Bad(c) = self.token_at(0).tok {
            self.error(Diagnostic::error(
                codes::BAD_CHARACTER,
                self.span(),
                format!("`{c}` means nothing in P4"),
            ));
            return Fail;
        }
        let found = self.token_at(0).tok.describe();
        // Where a closing token is missing, the place behind what was read says more.
        let span = match what {
            "`;`" | "`)`" if self.pos > 0 => self.prev_span(),
            _ => self.span(),
        };
        let mut diagnostic = Diagnostic::error(
            codes::EXPECTED,
            span,
            format!("expected {what}, found {found}"),
        );
        if what == "`;`" {
            diagnostic = diagnostic.with_help("add `;` here");
        }
        self.error(diagnostic);
        Fail
    }

    /// Runs `parse` one level deeper, unless that is too deep.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_NESTING {
            return Err(self.too_deep(self.span()));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn too_deep(&mut self, span: Span) -> Fail {
        let message = format!("this is nested deeper than {MAX_NESTING} levels");
        self.error(
            Diagnostic::error(codes::NESTING, span, message).with_help("split it into named parts"),
        );
        Fail
    }

    /// Runs `parse`; if it fails or gives `None`, nothing has happened.
    fn attempt<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<Option<T>>) -> Option<T> {
        if self.speculation >= MAX_SPECULATION {
            return None;
        }
        let state = (
            self.pos,
            self.taken,
            self.depth,
            self.errors,
            self.diagnostics.len(),
        );
        self.speculation += 1;
        let result = parse(self);
        self.speculation -= 1;
        if let Ok(Some(value)) = result {
            return Some(value);
        }
        let (pos, taken, depth, errors, diagnostics) = state;
        self.pos = pos;
        self.taken = taken;
        self.depth = depth;
        self.errors = errors;
        self.diagnostics.truncate(diagnostics);
        None
    }

    /// After an error: steps to the end of the declaration or statement that holds it. Stops behind
    /// a `;` or a closed block, and before a `}` that belongs to an outer one.
    fn synchronise(&mut self, started_at: usize) {
        let mut depth = 0_usize;
        self.taken = 0;
        while !self.at_end() {
            match self.punct() {
                Some(";") if depth == 0 => {
                    self.bump();
                    return;
                }
                Some("{") => depth += 1,
                Some("}") if depth == 0 => return,
                Some("}") if depth == 1 => {
                    self.bump();
                    self.eat(";");
                    return;
                }
                Some("}") => depth -= 1,
                _ if depth == 0 && self.pos > started_at && self.at_strong_keyword() => return,
                _ => {}
            }
            self.bump();
        }
    }

    /// Items up to a `}`, the end, or where `done` says so. An item that cannot be read is stepped
    /// over, and what it declared in inner scopes is forgotten.
    fn items<T>(
        &mut self,
        done: impl Fn(&Self) -> bool,
        item: impl Fn(&mut Self) -> Parse<T>,
    ) -> Vec<T> {
        let mut items = Vec::new();
        while !self.at_end() && !self.at("}") && !done(self) && self.errors < self.max_errors {
            let start = self.pos;
            let scopes = self.scopes.len();
            let result = self.nested(&item);
            self.scopes.truncate(scopes);
            match result {
                Ok(item) => items.push(item),
                Err(Fail) => {
                    self.synchronise(start);
                    if self.pos == start {
                        self.bump();
                    }
                }
            }
        }
        items
    }

    /// `{ items }`
    fn braced<T>(&mut self, item: impl Fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect("{")?;
        let items = self.items(|_| false, item);
        self.expect("}")?;
        Ok(items)
    }

    /// A keyword that begins a declaration wherever it stands.
    fn at_strong_keyword(&self) -> bool {
        let strong = [
            "action",
            "const",
            "control",
            "extern",
            "header",
            "header_union",
            "package",
            "parser",
            "struct",
        ];
        let strong_too = [
            "table",
            "typedef",
            "switch",
            "if",
            "return",
            "exit",
            "transition",
        ];
        self.word_at(0)
            .is_some_and(|word| strong.contains(&word) || strong_too.contains(&word))
    }

    fn program(&mut self) -> Program {
        let mut decls = Vec::new();
        while !self.at_end() {
            if self.eat(";") {
                continue;
            }
            if self.errors >= self.max_errors {
                self.error(
                    Diagnostic::error(
                        codes::TOO_MANY,
                        self.span(),
                        "too many errors; the rest was not read",
                    )
                    .with_help("mend the first ones; many later ones may follow from them"),
                );
                break;
            }
            let start = self.pos;
            let scopes = self.scopes.len();
            match self.declaration() {
                Ok(decl) => decls.push(decl),
                Err(Fail) => {
                    self.scopes.truncate(scopes);
                    self.synchronise(start);
                    // A `}` without a `{`, or no step at all.
                    if self.at("}") || self.pos == start {
                        self.bump();
                    }
                }
            }
        }
        Program { decls }
    }
}
