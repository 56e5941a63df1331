//! Tokens to tree: recursive descent, precedence climbing for expressions.
//!
//! P4's grammar needs to know which names are types (`a < b > (c)`, `(T) x`), so the parser keeps
//! scopes of declared names, as the specification's grammar does. After an error it goes on at the
//! next declaration or statement, so that several errors are found in one run.

mod annotation;
mod decl;
mod expr;
mod known;
mod scope;
mod stmt;
mod table;
mod types;

pub(crate) use expr::precedence;

use crate::ast::{Ident, Program, Stmt};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Tok, Token};
use crate::span::Span;
use scope::Scopes;

/// Greatest height of the tree of an expression or type, as of a chain of 400 operators: what walks the tree may recurse.
const MAX_HEIGHT: usize = 400;
/// Deepest nesting of expressions, types, statements and declarations. A level takes up to 5.5 kB of stack without much
/// optimisation, and a thread may have no more than 2 MiB.
const MAX_NESTING: usize = 320;
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
        braces: 0,
        max_errors,
        errors: 0,
        failed_at: None,
        in_state: false,
        scopes: Scopes::default(),
        diagnostics,
    };
    parser.program()
}

fn bad_character(c: char, span: Span) -> Diagnostic {
    Diagnostic::error(
        codes::BAD_CHARACTER,
        span,
        format!("`{}` means nothing in P4", c.escape_debug()),
    )
    .with_help("remove it; only strings and comments may hold such characters")
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
    /// Braces open before the current token.
    braces: usize,
    max_errors: usize,
    errors: usize,
    /// The token that the last complaint was about: a second one would only follow from the first.
    failed_at: Option<usize>,
    /// A parser's state is being read.
    in_state: bool,
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
        match self.token_at(0).tok {
            Tok::Eof => {}
            Tok::Punct("{") => {
                self.braces += 1;
                self.pos += 1;
            }
            Tok::Punct("}") => {
                self.braces = self.braces.saturating_sub(1);
                self.pos += 1;
            }
            _ => self.pos += 1,
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

    /// The `;` behind a declaration or statement. Where the next token cannot go on with what was read,
    /// reading goes on as if the `;` were there.
    fn expect_semicolon(&mut self) -> Parse<()> {
        if self.eat(";") {
            return Ok(());
        }
        let fail = self.expected("`;`");
        let something_new = self.at("}") || self.at("@") || self.word_at(0).is_some();
        if something_new { Ok(()) } else { Err(fail) }
    }

    /// The `}` of a body whose items have been read. Where a declaration of the top level follows, reading
    /// goes on as if the `}` were there.
    fn expect_close(&mut self) -> Parse<()> {
        if self.eat("}") {
            return Ok(());
        }
        let fail = self.expected("`}`");
        if self.at_end() || self.at_top_level_keyword() {
            self.braces = self.braces.saturating_sub(1);
            return Ok(());
        }
        Err(fail)
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
        match self.name_at(0) {
            Some(name) => {
                let ident = Ident {
                    name: name.to_owned(),
                    span: self.span(),
                };
                self.bump();
                Ok(ident)
            }
            None => Err(self.expected(what)),
        }
    }

    // -------------------------------------------------------------------------- errors

    fn error(&mut self, diagnostic: Diagnostic) {
        self.errors += usize::from(diagnostic.is_error());
        self.diagnostics.push(diagnostic);
    }

    /// Reports what is wrong with the construct that is being read, once for each token it fails at.
    fn fail(&mut self, diagnostic: Diagnostic) -> Fail {
        if self.failed_at != Some(self.pos) {
            self.failed_at = Some(self.pos);
            self.error(diagnostic);
        }
        Fail
    }

    /// [`Self::fail`] for what the grammar has here only in another form.
    fn misplaced(&mut self, span: Span, message: &str, help: &str) -> Fail {
        self.fail(Diagnostic::error(codes::MISPLACED, span, message).with_help(help))
    }

    fn expected(&mut self, what: &str) -> Fail {
        let token = self.token_at(0);
        if let Tok::Bad(c) = token.tok {
            return self.fail(bad_character(c, self.span()));
        }
        let found = match self.word_at(0).filter(|word| is_reserved(word)) {
            Some(word) => format!("the keyword `{word}`"),
            None => token.tok.describe(),
        };
        // Where a closing token is missing, the place behind what was read says more.
        let span = match what {
            "`;`" | "`)`" if self.pos > 0 => self.prev_span(),
            _ => self.span(),
        };
        let message = format!("expected {what}, found {found}");
        let mut diagnostic = Diagnostic::error(codes::EXPECTED, span, message);
        diagnostic.help = self.way_out(what);
        self.fail(diagnostic)
    }

    /// What may help where `what` is missing.
    fn way_out(&self, what: &str) -> Option<String> {
        let keyword = self.word_at(0).filter(|word| is_reserved(word));
        Some(match (what, keyword) {
            ("`;`", _) => "add `;` here".to_owned(),
            ("`}`", _) if self.at_end() || self.at_top_level_keyword() => {
                "close what is open with `}`".to_owned()
            }
            ("`apply`", _) => "a control ends with its `apply { ... }` block".to_owned(),
            ("an expression", Some("_")) => {
                "`_` stands for a value only as an argument, in a keyset and in a type".to_owned()
            }
            ("an expression", Some("bit" | "int" | "bool" | "varbit" | "tuple")) => {
                "a conversion is written `(type) value`".to_owned()
            }
            ("an expression", _) if self.at("#") => "an invalid header is written `{#}`".to_owned(),
            (_, Some(word)) if what.ends_with(" name") || what.starts_with("a name") => {
                format!("`{word}` is a word of the language; choose another name")
            }
            ("an expression", Some(_)) => {
                "a statement begins here: a bracket in front of it may not be closed".to_owned()
            }
            _ => format!("put {what} here, or close what is open in front of it"),
        })
    }

    /// Runs `parse` one level deeper, unless that is too deep.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_NESTING {
            return Err(self.too_deep(MAX_NESTING, self.span()));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn too_deep(&mut self, limit: usize, span: Span) -> Fail {
        let message = format!("this is nested deeper than {limit} levels");
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
            self.braces,
            self.errors,
            self.failed_at,
            self.diagnostics.len(),
        );
        self.speculation += 1;
        let result = parse(self);
        self.speculation -= 1;
        if let Ok(Some(value)) = result {
            return Some(value);
        }
        let (pos, taken, depth, braces, errors, failed_at, diagnostics) = state;
        self.pos = pos;
        self.taken = taken;
        self.depth = depth;
        self.braces = braces;
        self.errors = errors;
        self.failed_at = failed_at;
        self.diagnostics.truncate(diagnostics);
        None
    }

    /// After an error: steps to the end of the declaration or statement that began at token `start`
    /// with `braces` open. Stops behind a `;` or a closed block, and before a `}` that belongs to an
    /// outer one. What failed inside braces of its own, like an enum's members, ends with them; in a
    /// statement these can only be an expression's, and the statement ends with its `;`.
    fn synchronise(&mut self, start: usize, braces: usize, is_statement: bool) {
        let mut own = self.braces.saturating_sub(braces);
        let mut skipped = 0_usize;
        self.taken = 0;
        while !self.at_end() {
            match self.punct() {
                Some(";") if skipped == 0 && (own == 0 || is_statement) => {
                    self.bump();
                    break;
                }
                Some("{") => skipped += 1,
                Some("}") if skipped == 0 && own == 0 => break,
                Some("}") if skipped == 0 => {
                    own -= 1;
                    if own == 0 && !is_statement {
                        self.bump();
                        self.eat(";");
                        break;
                    }
                }
                Some("}") if skipped == 1 && own == 0 => {
                    self.bump();
                    self.eat(";");
                    break;
                }
                Some("}") => skipped -= 1,
                _ if skipped == 0 && self.pos > start && self.at_strong_keyword() => break,
                _ => {}
            }
            self.bump();
        }
        self.braces = braces;
    }

    /// Items of a body up to a `}`, the end, or where `done` says so.
    fn items<T>(
        &mut self,
        done: impl Fn(&Self) -> bool,
        item: impl Fn(&mut Self) -> Parse<T>,
    ) -> Vec<T> {
        self.recovering(done, item, false)
    }

    /// Statements up to a `}`, the end, or where `done` says so.
    fn statements(&mut self, done: impl Fn(&Self) -> bool) -> Vec<Stmt> {
        self.recovering(done, Self::statement, true)
    }

    /// Items, of which one that cannot be read is stepped over, and what it declared in inner scopes
    /// forgotten.
    fn recovering<T>(
        &mut self,
        done: impl Fn(&Self) -> bool,
        item: impl Fn(&mut Self) -> Parse<T>,
        is_statement: bool,
    ) -> Vec<T> {
        let mut items = Vec::new();
        while !self.at_end() && !self.at("}") && !done(self) && self.errors < self.max_errors {
            if self.at_top_level_keyword() {
                if !self.braces_match() {
                    break;
                }
                self.declaration_out_of_place();
                continue;
            }
            let start = self.pos;
            let scopes = self.scopes.len();
            let braces = self.braces;
            let result = self.nested(&item);
            self.scopes.truncate(scopes);
            match result {
                Ok(item) => items.push(item),
                Err(Fail) => {
                    self.synchronise(start, braces, is_statement);
                    if self.pos == start {
                        self.bump();
                    }
                }
            }
        }
        items
    }

    /// A keyword whose declarations stand at top level only.
    fn at_top_level_keyword(&self) -> bool {
        matches!(
            self.word_at(0),
            Some(
                "control"
                    | "enum"
                    | "extern"
                    | "header"
                    | "header_union"
                    | "package"
                    | "parser"
                    | "struct"
                    | "typedef"
            )
        )
    }

    /// Whether the program has as many `{` as `}`. If so, a declaration inside a body was put there; if
    /// not, the body was not closed.
    fn braces_match(&self) -> bool {
        let count = |brace| {
            let is_brace = |token: &&Token| matches!(token.tok, Tok::Punct(text) if text == brace);
            self.tokens.iter().filter(is_brace).count()
        };
        count("{") == count("}")
    }

    /// Reads a declaration of the top level inside a body.
    fn declaration_out_of_place(&mut self) {
        let (start, braces) = (self.pos, self.braces);
        let word = self.word_at(0).unwrap_or("");
        let message = format!("`{word}` is declared at top level, not inside a body");
        let span = self.span();
        self.misplaced(
            span,
            &message,
            "move the declaration out, in front of this one",
        );
        let scopes = self.scopes.len();
        if self.declaration().is_err() {
            self.synchronise(start, braces, false);
        }
        self.scopes.truncate(scopes);
    }

    /// `{ items }`
    fn braced<T>(&mut self, item: impl Fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect("{")?;
        let items = self.items(|_| false, item);
        self.expect_close()?;
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
            match self.declaration() {
                Ok(decl) => decls.push(decl),
                Err(Fail) => {
                    self.scopes.truncate(1);
                    self.synchronise(start, 0, false);
                    // A `}` without a `{`, or no step at all.
                    if self.at("}") || self.pos == start {
                        self.bump();
                    }
                }
            }
            self.braces = 0;
        }
        Program { decls }
    }
}
