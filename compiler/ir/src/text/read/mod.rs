//! Reading, in two passes over the tokens: the first collects the names of all declarations, so
//! that the second can resolve every name where it stands.

mod decl;
mod expr;
mod op;

use super::lex::{self, Token};
use super::{DUPLICATE_NAME, SYNTAX, UNKNOWN_NAME};
use crate::diag::{Code, Diagnostic, Span};
use crate::{Entity, Param, Program};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep expressions and blocks may be nested.
const MAX_DEPTH: u32 = 200;

/// Reads a program from its text form. The program is not verified.
///
/// # Errors
///
/// The first thing that is wrong, with its place in the text.
pub fn read(file: &str, source: &str) -> Result<Program, Box<Diagnostic>> {
    let file: Arc<str> = file.into();
    let tokens = lex::tokens(source).map_err(|at| {
        let message = "no token begins here";
        Box::new(Diagnostic::error(
            SYNTAX,
            file.clone(),
            Span::new(at, at + 1),
            message,
        ))
    })?;
    let mut reader = Reader {
        file,
        end: Span::new(source.len(), source.len()),
        tokens,
        at: 0,
        depth: 0,
        params: Vec::new(),
        names: Names::default(),
        program: Program::new(""),
    };
    reader.collect_names()?;
    reader.program()?;
    Ok(reader.program)
}

impl std::str::FromStr for Program {
    type Err = Box<Diagnostic>;
    fn from_str(source: &str) -> Result<Self> {
        read("program", source)
    }
}

type Result<T, E = Box<Diagnostic>> = std::result::Result<T, E>;

/// The kinds of names, as messages call them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Type,
    Header,
    Meta,
    Error,
    State,
    Action,
    Table,
    Object,
    Node,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Self::Type => "header type",
            Self::Header => "header",
            Self::Meta => "metadata field",
            Self::Error => "error",
            Self::State => "parser state",
            Self::Action => "action",
            Self::Table => "table",
            Self::Object => "object",
            Self::Node => "node",
        }
    }

    /// The kind that a declaration's keyword introduces. A name that reads like one of these is
    /// always quoted, so outside brackets such a word begins a declaration.
    fn of_keyword(keyword: &str) -> Option<Self> {
        Some(match keyword {
            "type" => Self::Type,
            "header" => Self::Header,
            "meta" => Self::Meta,
            "error" => Self::Error,
            "state" => Self::State,
            "action" => Self::Action,
            "table" => Self::Table,
            "counter" | "meter" | "register" | "patterns" | "allocator" | "message" | "random" => {
                Self::Object
            }
            "node" => Self::Node,
            _ => return None,
        })
    }
}

/// Numbers of the entities by kind and name.
#[derive(Default)]
struct Names {
    numbers: BTreeMap<Kind, BTreeMap<String, usize>>,
}

impl Names {
    /// Gives the name the next number; false if it is taken.
    fn add(&mut self, kind: Kind, name: String) -> bool {
        let names = self.numbers.entry(kind).or_default();
        let number = names.len();
        names.insert(name, number).is_none()
    }

    fn get(&self, kind: Kind, name: &str) -> Option<usize> {
        self.numbers.get(&kind)?.get(name).copied()
    }
}

struct Reader {
    file: Arc<str>,
    end: Span,
    tokens: Vec<(Token, Span)>,
    at: usize,
    depth: u32,
    /// Parameters of the action that is being read.
    params: Vec<Param>,
    names: Names,
    program: Program,
}

/// Tokens.
impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).map_or(self.end, |t| t.1)
    }

    fn error(&self, code: Code, span: Span, message: impl Into<String>) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(code, self.file.clone(), span, message))
    }

    fn expected<T>(&self, what: &str) -> Result<T> {
        let found = match self.peek() {
            Some(Token::Word(word)) => format!("`{word}`"),
            Some(Token::Text(_)) => "a string".to_owned(),
            Some(Token::Bits(bits)) => format!("`{bits}`"),
            Some(Token::Number(number)) => format!("`{number}`"),
            Some(Token::Punct(punct)) => format!("`{punct}`"),
            None => "the end of the text".to_owned(),
        };
        let message = format!("expected {what}, found {found}");
        Err(self.error(SYNTAX, self.span(), message))
    }

    fn is_punct(&self, punct: &str) -> bool {
        matches!(self.peek(), Some(Token::Punct(p)) if *p == punct)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(w)) if w == word)
    }

    /// Takes the punctuation if it is next.
    fn eat(&mut self, punct: &str) -> bool {
        let found = self.is_punct(punct);
        self.at += usize::from(found);
        found
    }

    /// Takes the keyword if it is next.
    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    fn punct(&mut self, punct: &str) -> Result<()> {
        if self.eat(punct) {
            return Ok(());
        }
        self.expected(&format!("`{punct}`"))
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if self.eat_word(word) {
            return Ok(());
        }
        self.expected(&format!("`{word}`"))
    }

    fn number(&mut self) -> Result<u64> {
        match self.peek() {
            Some(Token::Number(number)) => {
                let number = *number;
                self.at += 1;
                Ok(number)
            }
            _ => self.expected("a number"),
        }
    }

    fn number_u32(&mut self) -> Result<u32> {
        let span = self.span();
        let number = self.number()?;
        u32::try_from(number)
            .map_err(|_| self.error(SYNTAX, span, format!("{number} is too large")))
    }

    /// A keyword and a number.
    fn labelled(&mut self, label: &str) -> Result<u64> {
        self.word(label)?;
        self.number()
    }

    fn labelled_u32(&mut self, label: &str) -> Result<u32> {
        self.word(label)?;
        self.number_u32()
    }

    fn bits(&mut self) -> Result<crate::Bits> {
        match self.peek() {
            Some(Token::Bits(bits)) => {
                let bits = bits.clone();
                self.at += 1;
                Ok(bits)
            }
            _ => self.expected("a value such as 16w0x800"),
        }
    }

    fn bytes(&mut self) -> Result<Vec<u8>> {
        match self.peek() {
            Some(Token::Text(bytes)) => {
                let bytes = bytes.clone();
                self.at += 1;
                Ok(bytes)
            }
            _ => self.expected("a string"),
        }
    }

    /// A name, plain or quoted.
    fn name(&mut self) -> Result<String> {
        let name = match self.peek() {
            Some(Token::Word(word)) => word.clone(),
            Some(Token::Text(bytes)) => match String::from_utf8(bytes.clone()) {
                Ok(text) => text,
                Err(_) => return self.expected("a name in UTF-8"),
            },
            _ => return self.expected("a name"),
        };
        self.at += 1;
        Ok(name)
    }

    /// The entity of this kind that the next name names.
    fn entity<K: Entity>(&mut self, kind: Kind) -> Result<K> {
        let span = self.span();
        let name = self.name()?;
        self.resolve(kind, &name, span)
    }

    fn resolve<K: Entity>(&self, kind: Kind, name: &str, span: Span) -> Result<K> {
        match self.names.get(kind, name) {
            Some(number) => Ok(K::new(number)),
            None => {
                let message = format!("there is no {} `{name}`", kind.text());
                Err(self.error(UNKNOWN_NAME, span, message))
            }
        }
    }

    /// Items separated by commas up to the closing bracket, which is taken; the opening one is
    /// already.
    fn list<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        if self.eat(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.eat(close) {
                return Ok(items);
            }
            self.punct(",")?;
        }
    }

    /// Runs a rule one level deeper.
    fn nested<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("nested more than {MAX_DEPTH} deep");
            return Err(self.error(SYNTAX, self.span(), message));
        }
        self.depth += 1;
        let result = rule(self);
        self.depth -= 1;
        result
    }
}

/// The first pass.
impl Reader {
    fn collect_names(&mut self) -> Result<()> {
        for meta in self.program.metas.values() {
            self.names.add(Kind::Meta, meta.name.clone());
        }
        for error in &self.program.parser.errors {
            self.names.add(Kind::Error, error.clone());
        }
        let mut depth = 0u32;
        // The program's own name may read like a keyword.
        self.at = 2;
        while let Some(token) = self.peek() {
            let keyword = match token {
                Token::Punct("{" | "(") => {
                    depth += 1;
                    None
                }
                Token::Punct("}" | ")") => {
                    depth = depth.saturating_sub(1);
                    None
                }
                Token::Word(word) if depth == 0 => Kind::of_keyword(word),
                _ => None,
            };
            self.at += 1;
            if let Some(kind) = keyword {
                let span = self.span();
                let name = self.name()?;
                if !self.names.add(kind, name.clone()) {
                    let message = format!("there are two {}s `{name}`", kind.text());
                    return Err(self.error(DUPLICATE_NAME, span, message));
                }
            }
        }
        self.at = 0;
        Ok(())
    }
}
