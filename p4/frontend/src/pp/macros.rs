//! `#define`, `#undef` and macro expansion (after C's: hide sets keep a macro from expanding
//! inside its own expansion).

use std::rc::Rc;

use super::{MAX_TOKENS, Preprocessor};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Lexer, Tok, Token};
use crate::span::{FileId, Span};

/// Deepest nesting of macro uses inside macro arguments.
const MAX_ARGUMENT_DEPTH: usize = 64;

/// A defined macro.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Macro {
    /// Where it was defined.
    span: Span,
    /// Parameter names; `None` for a macro without parentheses.
    params: Option<Vec<Rc<str>>>,
    body: Vec<Token>,
}

/// The macros whose expansion a token came from.
#[derive(Debug)]
struct Hide {
    name: Rc<str>,
    outer: Option<Rc<Hide>>,
}

/// A token on its way through expansion.
#[derive(Clone, Debug)]
pub(super) struct PpToken {
    pub(super) token: Token,
    hide: Option<Rc<Hide>>,
    /// Not to be expanded.
    fixed: bool,
}

impl PpToken {
    pub(super) fn plain(token: Token) -> Self {
        Self {
            token,
            hide: None,
            fixed: false,
        }
    }

    pub(super) fn fixed(token: Token) -> Self {
        Self {
            token,
            hide: None,
            fixed: true,
        }
    }

    fn hides(&self, name: &str) -> bool {
        let mut hide = self.hide.as_ref();
        while let Some(link) = hide {
            if &*link.name == name {
                return true;
            }
            hide = link.outer.as_ref();
        }
        false
    }
}

impl Preprocessor<'_> {
    pub(super) fn define_from_options(&mut self) {
        for (name, text) in &self.options.defines {
            let id = self.sources.add(format!("<define {name}>"), text.as_str());
            let mut lexer = Lexer::new(id, text, 0);
            let body = self.rest_of_line(&mut lexer);
            let definition = Macro {
                span: Span::new(id, 0, 0),
                params: None,
                body,
            };
            self.macros
                .insert(Rc::from(name.as_str()), Rc::new(definition));
        }
    }

    /// The tokens of a `#define` line, and whether a `(` follows the name without a blank.
    pub(super) fn define_line(&mut self, lexer: &mut Lexer<'_>) -> (Vec<Token>, bool) {
        let tokens = self.rest_of_line(lexer);
        let tight = match (tokens.first(), tokens.get(1)) {
            (Some(name), Some(next)) => next.tok == Tok::Punct("(") && next.span.lo == name.span.hi,
            _ => false,
        };
        (tokens, tight)
    }

    pub(super) fn define(&mut self, span: Span, (tokens, tight): (Vec<Token>, bool)) {
        let Some(Token {
            tok: Tok::Word(name),
            span: name_span,
        }) = tokens.first().cloned()
        else {
            return self.error(codes::DIRECTIVE, span, "`#define` needs a name");
        };
        let (params, body) = if tight {
            let Some((params, used)) = parameters(tokens.get(2..).unwrap_or_default()) else {
                return self.error(
                    codes::MACRO,
                    name_span,
                    format!("the parameters of `{name}` are malformed"),
                );
            };
            (
                Some(params),
                tokens.get(2 + used..).unwrap_or_default().to_vec(),
            )
        } else {
            (None, tokens.get(1..).unwrap_or_default().to_vec())
        };
        let definition = Macro {
            span: name_span,
            params,
            body,
        };
        if let Some(before) = self.macros.get(&name) {
            let same =
                before.params == definition.params && same_tokens(&before.body, &definition.body);
            if !same {
                let warning = Diagnostic::warning(
                    codes::MACRO,
                    name_span,
                    format!("macro `{name}` is defined again"),
                )
                .with_note_at(before.span, "defined before, here")
                .with_help("use `#undef` first if this is meant");
                self.diagnostics.push(warning);
            }
        }
        self.macros.insert(name, Rc::new(definition));
    }

    pub(super) fn undef(&mut self, span: Span, tokens: &[Token]) {
        match tokens.first().map(|token| &token.tok) {
            Some(Tok::Word(name)) => {
                self.macros.remove(name);
            }
            _ => self.error(codes::DIRECTIVE, span, "`#undef` needs a name"),
        }
    }

    fn next_raw(&mut self) -> PpToken {
        match self.pending.pop() {
            Some(token) => token,
            None => PpToken::plain(self.next_from_files()),
        }
    }

    /// The next token with macros expanded.
    pub(super) fn next_expanded(&mut self) -> PpToken {
        loop {
            let token = self.next_raw();
            let Tok::Word(name) = &token.token.tok else {
                return token;
            };
            if token.fixed || token.hides(name) {
                return token;
            }
            let Some(definition) = self.macros.get(name).cloned() else {
                return token;
            };
            let name = Rc::clone(name);
            if !self.expand(&name, &definition, &token) {
                return token;
            }
        }
    }

    /// Replaces one use of a macro; false if it is not a use (no arguments follow).
    fn expand(&mut self, name: &Rc<str>, definition: &Macro, at: &PpToken) -> bool {
        self.expansions += 1;
        if self.expansions + self.pending.len() > MAX_TOKENS {
            self.stop(at.token.span, format!("macro `{name}` expands to too much"));
            return false;
        }
        let args = match &definition.params {
            None => Vec::new(),
            Some(params) => {
                let next = self.next_raw();
                if next.token.tok != Tok::Punct("(") {
                    self.pending.push(next);
                    return false;
                }
                match self.arguments(name, params.len(), at.token.span) {
                    Some(args) => args,
                    None => return true,
                }
            }
        };
        let hide = Rc::new(Hide {
            name: Rc::clone(name),
            outer: at.hide.clone(),
        });
        let tokens = self.substitute(definition, &args, at.token.span, &hide);
        self.pending.extend(tokens.into_iter().rev());
        true
    }

    /// The arguments up to the closing parenthesis, `None` (with a diagnostic) if they are wrong.
    fn arguments(&mut self, name: &str, count: usize, at: Span) -> Option<Vec<Vec<PpToken>>> {
        let mut args = vec![Vec::new()];
        let mut depth = 0_usize;
        loop {
            let token = self.next_raw();
            match token.token.tok {
                Tok::Eof => {
                    self.error(
                        codes::MACRO,
                        at,
                        format!("the arguments of macro `{name}` do not end"),
                    );
                    self.pending.push(token);
                    return None;
                }
                Tok::Punct(")") if depth == 0 => break,
                Tok::Punct(",") if depth == 0 => {
                    args.push(Vec::new());
                    continue;
                }
                Tok::Punct("(") => depth += 1,
                Tok::Punct(")") => depth -= 1,
                _ => {}
            }
            if let Some(arg) = args.last_mut() {
                arg.push(token);
            }
        }
        if count == 0 && args.len() == 1 && args.iter().all(Vec::is_empty) {
            args.clear();
        }
        if args.len() == count {
            return Some(args);
        }
        self.error(
            codes::MACRO,
            at,
            format!(
                "macro `{name}` takes {count} arguments, {} are given",
                args.len()
            ),
        );
        None
    }

    /// The body with arguments in place of parameters.
    fn substitute(
        &mut self,
        definition: &Macro,
        args: &[Vec<PpToken>],
        at: Span,
        hide: &Rc<Hide>,
    ) -> Vec<PpToken> {
        let params = definition.params.as_deref().unwrap_or_default();
        let arg_of = |token: &Token| match &token.tok {
            Tok::Word(word) => params
                .iter()
                .position(|param| param == word)
                .and_then(|at| args.get(at)),
            _ => None,
        };
        let mut out: Vec<PpToken> = Vec::new();
        let mut paste = false;
        let mut body = definition.body.iter().peekable();
        while let Some(token) = body.next() {
            if token.tok == Tok::Punct("##") {
                paste = true;
                continue;
            }
            let pasted_next = body.peek().is_some_and(|next| next.tok == Tok::Punct("##"));
            let stringized =
                (token.tok == Tok::Punct("#")).then(|| body.peek().and_then(|next| arg_of(next)));
            let piece = if let Some(Some(arg)) = stringized {
                body.next();
                vec![PpToken::fixed(stringize(arg, at))]
            } else if let Some(arg) = arg_of(token) {
                if paste || pasted_next {
                    arg.clone()
                } else {
                    self.expand_list(arg.clone(), at)
                }
            } else {
                vec![PpToken::plain(Token {
                    tok: token.tok.clone(),
                    span: at,
                })]
            };
            let piece = piece.into_iter().map(|token| hidden(token, hide));
            if paste {
                paste = false;
                let left = out.pop();
                let mut piece = piece;
                out.extend(self.paste(left, piece.next(), at));
                out.extend(piece);
            } else {
                out.extend(piece);
            }
        }
        out
    }

    /// An argument or directive line on its own, fully expanded.
    pub(super) fn expand_list(&mut self, mut arg: Vec<PpToken>, at: Span) -> Vec<PpToken> {
        let is_macro = |token: &PpToken| matches!(&token.token.tok, Tok::Word(word) if self.macros.contains_key(word));
        if !arg.iter().any(is_macro) {
            return arg;
        }
        if self.argument_depth >= MAX_ARGUMENT_DEPTH {
            self.stop(at, "macro arguments are nested too deep");
            return arg;
        }
        self.argument_depth += 1;
        // The argument is read as if it were a file of its own.
        let outer_pending = std::mem::take(&mut self.pending);
        let outer_files = std::mem::take(&mut self.files);
        arg.reverse();
        self.pending = arg;
        let mut out = Vec::new();
        loop {
            let token = self.next_expanded();
            if token.token.tok == Tok::Eof {
                break;
            }
            out.push(token);
        }
        self.pending = outer_pending;
        self.files = outer_files;
        self.argument_depth -= 1;
        out
    }

    /// `left ## right`.
    fn paste(&mut self, left: Option<PpToken>, right: Option<PpToken>, at: Span) -> Vec<PpToken> {
        let (Some(left), Some(right)) = (left.clone(), right.clone()) else {
            return left.into_iter().chain(right).collect();
        };
        let text = format!("{}{}", left.token.tok.text(), right.token.tok.text());
        let mut ignored = Vec::new();
        let mut lexer = Lexer::new(FileId::default(), &text, 0);
        let token = lexer.next(&mut ignored);
        if lexer.pos() == text.len() && ignored.is_empty() {
            return vec![PpToken {
                token: Token {
                    tok: token.tok,
                    span: at,
                },
                ..left
            }];
        }
        self.error(
            codes::MACRO,
            at,
            format!("`##` does not make one token of `{text}`"),
        );
        vec![left, right]
    }
}

fn hidden(token: PpToken, hide: &Rc<Hide>) -> PpToken {
    // The token's own history first, the macro that is expanded now in front of it.
    let outer = match (&token.hide, &hide.outer) {
        (None, outer) => outer.clone(),
        (own, _) => own.clone(),
    };
    PpToken {
        hide: Some(Rc::new(Hide {
            name: Rc::clone(&hide.name),
            outer,
        })),
        ..token
    }
}

fn stringize(arg: &[PpToken], at: Span) -> Token {
    let words: Vec<String> = arg.iter().map(|token| token.token.tok.text()).collect();
    Token {
        tok: Tok::Str(Rc::from(crate::lexer::escape(&words.join(" ")))),
        span: at,
    }
}

/// Parameter names up to `)`, and how many tokens they took.
fn parameters(tokens: &[Token]) -> Option<(Vec<Rc<str>>, usize)> {
    let mut params = Vec::new();
    let mut at = 0;
    if tokens.first()?.tok == Tok::Punct(")") {
        return Some((params, 1));
    }
    loop {
        match &tokens.get(at)?.tok {
            Tok::Word(name) if !params.contains(name) => params.push(Rc::clone(name)),
            _ => return None,
        }
        match tokens.get(at + 1)?.tok {
            Tok::Punct(",") => at += 2,
            Tok::Punct(")") => return Some((params, at + 2)),
            _ => return None,
        }
    }
}

fn same_tokens(a: &[Token], b: &[Token]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.tok == b.tok)
}
