//! `#define`, `#undef` and macro expansion (after C's: hide sets keep a macro from expanding
//! inside its own expansion).

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{MAX_TOKENS, Preprocessor};
use crate::codes;
use crate::diag::Diagnostic;
use crate::lexer::{Lexer, Tok, Token};
use crate::span::{FileId, Span};

/// Deepest nesting of macro uses inside macro arguments.
const MAX_ARGUMENT_DEPTH: usize = 64;
/// Longest chain of macros of which each stands in the one before.
const MAX_EXPANSION_DEPTH: usize = 256;
/// The parameter that stands for all arguments beyond the named ones.
const REST: &str = "__VA_ARGS__";

/// A defined macro.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Macro {
    /// Where it was defined.
    span: Span,
    /// Its parameters; `None` for a macro without parentheses.
    params: Option<Parameters>,
    body: Vec<Token>,
}

/// The parameters of a macro.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    /// Places by name.
    places: BTreeMap<Rc<str>, usize>,
    /// The last one takes all arguments that are left, with their commas.
    takes_rest: bool,
}

/// The macros whose expansion a token came from.
#[derive(Debug)]
struct Hide {
    name: Rc<str>,
    outer: Option<Rc<Hide>>,
    /// Length of the chain.
    depth: usize,
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
            let line = format!("{name} {text}");
            let id = self.sources.add(format!("<define {name}>"), line.as_str());
            let mut lexer = Lexer::new(id, &line, 0);
            let tokens = self.define_line(&mut lexer);
            self.define(Span::new(id, 0, 0), tokens);
        }
        for name in &self.options.undefines {
            self.macros.remove(name.as_str());
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
                self.warn(warning);
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
                if let Some(tok) = self.place_macro(name, token.token.span) {
                    return PpToken::fixed(Token { tok, ..token.token });
                }
                return token;
            };
            let name = Rc::clone(name);
            if !self.expand(&name, &definition, &token) {
                return token;
            }
        }
    }

    /// Whether `#ifdef` and `defined` find a macro of this name.
    pub(super) fn is_defined(&self, name: &str) -> bool {
        self.macros.contains_key(name) || matches!(name, "__FILE__" | "__LINE__")
    }

    /// The value of `__FILE__` and `__LINE__`.
    fn place_macro(&self, name: &str, span: Span) -> Option<Tok> {
        match name {
            "__FILE__" => {
                let file = crate::lexer::escape(self.sources.shown_name(span));
                Some(Tok::Str(Rc::from(file)))
            }
            "__LINE__" => {
                let line = self.sources.location(span).line.to_string();
                Some(Tok::Int(Rc::from(line)))
            }
            _ => None,
        }
    }

    /// Replaces one use of a macro; false if it is not a use (no arguments follow).
    fn expand(&mut self, name: &Rc<str>, definition: &Macro, at: &PpToken) -> bool {
        let args = match &definition.params {
            None => Vec::new(),
            Some(params) => {
                let next = self.next_raw();
                if next.token.tok != Tok::Punct("(") {
                    self.pending.push(next);
                    return false;
                }
                match self.arguments(name, params, at.token.span) {
                    Some(args) => args,
                    None => return true,
                }
            }
        };
        let depth = at.hide.as_ref().map_or(0, |outer| outer.depth) + 1;
        if depth > MAX_EXPANSION_DEPTH {
            self.stop(
                at.token.span,
                format!(
                    "macro `{name}` stands in a chain of more than {MAX_EXPANSION_DEPTH} macros"
                ),
            );
            return false;
        }
        let hide = Rc::new(Hide {
            name: Rc::clone(name),
            outer: at.hide.clone(),
            depth,
        });
        let tokens = self.substitute(definition, &args, at.token.span, &hide);
        self.expanded += 1 + tokens.len();
        if self.expanded > MAX_TOKENS {
            self.stop(at.token.span, format!("macro `{name}` expands to too much"));
        }
        if self.stopped {
            return false;
        }
        self.pending.extend(tokens.into_iter().rev());
        true
    }

    /// The arguments up to the closing parenthesis, `None` (with a diagnostic) if they are wrong.
    fn arguments(
        &mut self,
        name: &str,
        params: &Parameters,
        at: Span,
    ) -> Option<Vec<Vec<PpToken>>> {
        let count = params.places.len();
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
                Tok::Punct(",") if depth == 0 && !(params.takes_rest && args.len() == count) => {
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
        if params.takes_rest && args.len() + 1 == count {
            args.push(Vec::new());
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
        let arg_of = |token: &Token| match &token.tok {
            Tok::Word(word) => args.get(*definition.params.as_ref()?.places.get(word)?),
            _ => None,
        };
        let mut out: Vec<PpToken> = Vec::new();
        let mut paste = false;
        let mut body = definition.body.iter().peekable();
        while let Some(token) = body.next() {
            if self.stopped || self.expanded + out.len() > MAX_TOKENS {
                // The caller says so; what is there now is enough to be too much.
                break;
            }
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
    let depth = outer.as_ref().map_or(0, |outer| outer.depth) + 1;
    PpToken {
        hide: Some(Rc::new(Hide {
            name: Rc::clone(&hide.name),
            outer,
            depth,
        })),
        ..token
    }
}

/// `#arg`: the argument as a string, with a blank where there was one.
fn stringize(arg: &[PpToken], at: Span) -> Token {
    let mut text = String::new();
    let mut before: Option<Span> = None;
    for PpToken { token, .. } in arg {
        let is_adjacent =
            |before: Span| before.file == token.span.file && before.hi == token.span.lo;
        if before.is_some_and(|before| !is_adjacent(before)) {
            text.push(' ');
        }
        text.push_str(&token.tok.text());
        before = Some(token.span);
    }
    Token {
        tok: Tok::Str(Rc::from(crate::lexer::escape(&text))),
        span: at,
    }
}

/// Parameters up to `)`, and how many tokens they took.
fn parameters(tokens: &[Token]) -> Option<(Parameters, usize)> {
    let mut params = Parameters::default();
    let mut at = 0;
    if tokens.first()?.tok == Tok::Punct(")") {
        return Some((params, 1));
    }
    loop {
        let place = params.places.len();
        let mut name = Rc::from(REST);
        if let Tok::Word(word) = &tokens.get(at)?.tok {
            name = Rc::clone(word);
            at += 1;
        }
        if tokens.get(at)?.tok == Tok::Punct("...") {
            params.takes_rest = true;
            at += 1;
        } else if &*name == REST {
            return None;
        }
        if params.places.insert(name, place).is_some() {
            return None;
        }
        match tokens.get(at)?.tok {
            Tok::Punct(",") if !params.takes_rest => at += 1,
            Tok::Punct(")") => return Some((params, at + 1)),
            _ => return None,
        }
    }
}

fn same_tokens(a: &[Token], b: &[Token]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.tok == b.tok)
}
