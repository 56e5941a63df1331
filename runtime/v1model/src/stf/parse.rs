//! Reading a packet test.

use super::ast::*;
use super::lex::{Line, Token};
use super::number::Number;
use crate::codes::SYNTAX;
use std::sync::Arc;
use trisect_ir::diag::{Diagnostic, Span};

/// Longest frame, in bytes.
pub const MAX_FRAME: usize = 65_535;
/// How many errors are reported.
const MAX_ERRORS: usize = 50;

/// Reads a packet test.
///
/// # Errors
///
/// A diagnostic for each line that is wrong, up to 50.
pub fn parse(text: &str) -> Result<Script, Vec<Diagnostic>> {
    parse_named("test.stf", text)
}

/// As [`parse`], with the name that diagnostics give the text.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_named(file: &str, text: &str) -> Result<Script, Vec<Diagnostic>> {
    let file: Arc<str> = file.into();
    let mut statements = Vec::new();
    let mut errors = Vec::new();
    for line in Line::all(text) {
        match statement(line, &file) {
            Ok(command) => statements.push(Statement {
                span: line.span(0, line.text.len()),
                line: line.number,
                command,
            }),
            Err(error) => errors.push(*error),
        }
        if errors.len() == MAX_ERRORS {
            break;
        }
    }
    if errors.is_empty() {
        Ok(Script { file, statements })
    } else {
        Err(errors)
    }
}

type Parsed<T> = Result<T, Box<Diagnostic>>;

/// The words that commands begin with.
pub const KEYWORDS: [&str; 27] = [
    "add",
    "check_counter",
    "check_register",
    "counter_read",
    "counter_write",
    "expect",
    "mc_mgrp_create",
    "mc_node_associate",
    "mc_node_create",
    "mc_node_update",
    "meter_array_set_rates",
    "meter_get_rates",
    "meter_set_rates",
    "mirroring_add",
    "mirroring_add_mc",
    "mirroring_delete",
    "mirroring_get",
    "no_packet",
    "packet",
    "pvs_add",
    "pvs_clear",
    "register_read",
    "register_reset",
    "register_write",
    "remove",
    "setdefault",
    "wait",
];

fn statement(line: Line<'_>, file: &Arc<str>) -> Parsed<Command> {
    let (word, rest) = line.first_word();
    let keyword = word.to_ascii_lowercase();
    match keyword.as_str() {
        "packet" => return Data::new(line, rest, file).packet(),
        "expect" => return Data::new(line, rest, file).expect(),
        _ => {}
    }
    let mut cursor = Cursor {
        file,
        tokens: line.tokens(rest),
        next: 0,
        end: line.span(line.text.len(), line.text.len()),
    };
    let c = &mut cursor;
    let command = match keyword.as_str() {
        "add" => c.add()?,
        "setdefault" => Command::SetDefault {
            table: c.name("a table")?,
            action: c.action()?,
        },
        "remove" => c.remove()?,
        "no_packet" => Command::NoPacket,
        "wait" => Command::Wait,
        "check_counter" => c.check_counter()?,
        "check_register" => c.check_register()?,
        "pvs_add" => Command::ValueSetAdd {
            set: c.name("a value set")?,
            member: c.key_values()?,
        },
        "pvs_clear" => Command::ValueSetClear(c.name("a value set")?),
        "mirroring_add" => Command::MirroringAdd {
            session: c.number("a session")?,
            port: c.number("a port")?,
        },
        "mirroring_add_mc" => Command::MirroringAddMc {
            session: c.number("a session")?,
            group: c.number("a multicast group")?,
        },
        "mirroring_delete" => Command::MirroringDelete(c.number("a session")?),
        "mirroring_get" => Command::MirroringGet(c.number("a session")?),
        "mc_mgrp_create" => Command::McGroupCreate(c.number("a multicast group")?),
        "mc_node_create" => Command::McNodeCreate {
            rid: c.number("a replication id")?,
            ports: c.numbers("a port")?,
        },
        "mc_node_update" => Command::McNodeUpdate {
            node: c.number("a node")?,
            ports: c.numbers("a port")?,
        },
        "mc_node_associate" => Command::McNodeAssociate {
            group: c.number("a multicast group")?,
            node: c.number("a node")?,
        },
        "counter_read" => Command::CounterRead {
            counter: c.name("a counter")?,
            index: c.number("an index")?,
        },
        "counter_write" => Command::CounterWrite {
            counter: c.name("a counter")?,
            index: c.number("an index")?,
            packets: c.number("a number of packets")?,
            bytes: c.number("a number of bytes")?,
        },
        "register_read" => Command::RegisterRead {
            register: c.name("a register")?,
            index: c.number("an index")?,
        },
        "register_write" => Command::RegisterWrite {
            register: c.name("a register")?,
            index: c.number("an index")?,
            value: c.number("a value")?,
        },
        "register_reset" => Command::RegisterReset(c.name("a register")?),
        "meter_get_rates" => Command::MeterGetRates {
            meter: c.name("a meter")?,
            index: c.number("an index")?,
        },
        "meter_set_rates" => Command::MeterSetRates {
            meter: c.name("a meter")?,
            index: c.number("an index")?,
            rates: c.rates()?,
        },
        "meter_array_set_rates" => Command::MeterArraySetRates {
            meter: c.name("a meter")?,
            rates: c.rates()?,
        },
        _ => return Err(unknown_keyword(line, word, file)),
    };
    c.end()?;
    Ok(command)
}

fn unknown_keyword(line: Line<'_>, word: &str, file: &Arc<str>) -> Box<Diagnostic> {
    let length = word
        .len()
        .max(line.text.chars().next().map_or(0, char::len_utf8));
    let message = if word.is_empty() {
        "a line begins with a command".to_owned()
    } else {
        format!("there is no command `{word}`")
    };
    let help = format!("commands are {}", KEYWORDS.join(", "));
    Box::new(Diagnostic::error(SYNTAX, file.clone(), line.span(0, length), message).help(help))
}

/// Reads the tokens of one line.
struct Cursor<'a> {
    file: &'a Arc<str>,
    tokens: Vec<(Span, Token<'a>)>,
    next: usize,
    /// The end of the line.
    end: Span,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|(_, token)| *token)
    }

    fn span(&self) -> Span {
        self.tokens
            .get(self.next)
            .map_or(self.end, |(span, _)| *span)
    }

    fn take_mark(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Mark(m)) if m == mark);
        self.next += usize::from(found);
        found
    }

    fn error(&self, message: String) -> Box<Diagnostic> {
        Box::new(Diagnostic::error(
            SYNTAX,
            self.file.clone(),
            self.span(),
            message,
        ))
    }

    fn expected<T>(&self, what: &str) -> Parsed<T> {
        Err(self.error(match self.peek() {
            Some(token) => format!("{what} is expected here, not {token}"),
            None => format!("{what} is missing at the end of the line"),
        }))
    }

    fn mark(&mut self, mark: &str) -> Parsed<()> {
        if self.take_mark(mark) {
            return Ok(());
        }
        self.expected(&format!("`{mark}`"))
    }

    fn at_word(&self) -> bool {
        matches!(self.peek(), Some(Token::Word(_) | Token::Quoted(_)))
    }

    fn end(&self) -> Parsed<()> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(self.error(format!("the command ends before {token}"))),
        }
    }

    /// A word, or what stands between quotes.
    fn word(&mut self, what: &str) -> Parsed<(Span, &'a str)> {
        match self.peek() {
            Some(Token::Word(text) | Token::Quoted(text)) if !text.is_empty() => {
                let span = self.span();
                self.next += 1;
                Ok((span, text))
            }
            _ => self.expected(what),
        }
    }

    /// `a.b[0].c`
    fn name(&mut self, what: &str) -> Parsed<Name> {
        let (mut span, first) = self.word(what)?;
        let mut value = first.to_owned();
        loop {
            if self.take_mark("[") {
                let Some(Token::Number(index)) = self.peek() else {
                    return self.expected("an index");
                };
                if !index.bytes().all(|b| b.is_ascii_digit()) {
                    return self.expected("a decimal index");
                }
                self.next += 1;
                span = span.to(self.span());
                self.mark("]")?;
                value = format!("{value}[{index}]");
            } else if self.take_mark(".") {
                let (part, text) = self.word("the rest of a name")?;
                span = span.to(part);
                value = format!("{value}.{text}");
            } else {
                return Ok(Spanned { span, value });
            }
        }
    }

    fn number(&mut self, what: &str) -> Parsed<NumberAt> {
        let Some(Token::Number(text)) = self.peek() else {
            return self.expected(what);
        };
        match Number::read(text) {
            Ok(value) => {
                let span = self.span();
                self.next += 1;
                Ok(Spanned { span, value })
            }
            Err(reason) => Err(Box::new(
                self.error(format!("{what} is expected here, and this is no number"))
                    .reason(reason),
            )),
        }
    }

    /// At least one.
    fn numbers(&mut self, what: &str) -> Parsed<Vec<NumberAt>> {
        let mut numbers = vec![self.number(what)?];
        while self.peek().is_some() {
            numbers.push(self.number(what)?);
        }
        Ok(numbers)
    }

    fn add(&mut self) -> Parsed<Command> {
        let table = self.name("a table")?;
        let priority = match self.peek() {
            Some(Token::Number(text)) => Some(self.priority(text)?),
            _ => None,
        };
        let mut keys = Vec::new();
        let action = loop {
            let name = self.name("a key or an action")?;
            if self.take_mark(":") {
                let value = self.key_value()?;
                keys.push(Match { key: name, value });
            } else {
                break self.arguments(name)?;
            }
        };
        let handle = match self.take_mark("=") {
            true => Some(self.handle()?),
            false => None,
        };
        Ok(Command::Add(Box::new(Add {
            table,
            priority,
            keys,
            action,
            handle,
        })))
    }

    fn priority(&mut self, text: &str) -> Parsed<Spanned<u32>> {
        let Ok(value) = text.parse() else {
            return self.expected("a priority (a decimal number below 2^32)");
        };
        let span = self.span();
        self.next += 1;
        Ok(Spanned { span, value })
    }

    /// `A` or `$A`.
    fn handle(&mut self) -> Parsed<Name> {
        let (span, text) = self.word("a name for the entry")?;
        let value = text.strip_prefix('$').unwrap_or(text);
        if value.is_empty() {
            self.next -= 1;
            return self.expected("a name for the entry");
        }
        let value = value.to_owned();
        Ok(Spanned { span, value })
    }

    fn key_value(&mut self) -> Parsed<Spanned<KeyValue>> {
        let first = self.number("a value")?;
        let mut span = first.span;
        let mut second = |c: &mut Self, what| {
            let number = c.number(what)?;
            span = span.to(number.span);
            Ok::<_, Box<Diagnostic>>(number.value)
        };
        let value = if self.take_mark("/") {
            KeyValue::Prefix(first.value, second(self, "a prefix length")?)
        } else if self.take_mark("&&&") {
            KeyValue::Mask(first.value, second(self, "a mask")?)
        } else if self.take_mark("..") {
            KeyValue::Range(first.value, second(self, "the end of a range")?)
        } else {
            KeyValue::Number(first.value)
        };
        Ok(Spanned { span, value })
    }

    /// At least one.
    fn key_values(&mut self) -> Parsed<Vec<Spanned<KeyValue>>> {
        let mut values = vec![self.key_value()?];
        while self.peek().is_some() {
            values.push(self.key_value()?);
        }
        Ok(values)
    }

    fn action(&mut self) -> Parsed<ActionUse> {
        let name = self.name("an action")?;
        self.arguments(name)
    }

    fn arguments(&mut self, name: Name) -> Parsed<ActionUse> {
        self.mark("(")?;
        let mut args = Vec::new();
        if !self.take_mark(")") {
            loop {
                let name = self.name("a parameter")?;
                self.mark(":")?;
                let value = self.number("a value")?;
                args.push(Arg { name, value });
                if self.take_mark(")") {
                    break;
                }
                // Some tests of other targets leave the comma out.
                if !self.take_mark(",") && !self.at_word() {
                    return self.expected("`,` or `)`");
                }
            }
        }
        Ok(ActionUse { name, args })
    }

    fn remove(&mut self) -> Parsed<Command> {
        match self.peek() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("all") => {
                self.next += 1;
                Ok(Command::RemoveAll)
            }
            _ => self.expected("`all`"),
        }
    }

    fn check_counter(&mut self) -> Parsed<Command> {
        let counter = self.name("a counter")?;
        self.mark("(")?;
        let cell = if self.at_word() {
            CellRef::Entry(self.handle()?)
        } else {
            CellRef::Index(self.number("an index or the name of an entry")?)
        };
        self.mark(")")?;
        let check = match self.peek() {
            None => None,
            Some(_) => Some((
                self.unit()?,
                self.condition()?,
                self.number("a number to compare with")?,
            )),
        };
        Ok(Command::CheckCounter {
            counter,
            cell,
            check,
        })
    }

    fn unit(&mut self) -> Parsed<CounterUnit> {
        let unit = match self.peek() {
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("packets") => CounterUnit::Packets,
            Some(Token::Word(w)) if w.eq_ignore_ascii_case("bytes") => CounterUnit::Bytes,
            _ => return self.expected("`packets` or `bytes`"),
        };
        self.next += 1;
        Ok(unit)
    }

    fn condition(&mut self) -> Parsed<Condition> {
        let condition = match self.peek() {
            Some(Token::Mark("==")) => Condition::Eq,
            Some(Token::Mark("!=")) => Condition::Ne,
            Some(Token::Mark("<")) => Condition::Lt,
            Some(Token::Mark("<=")) => Condition::Le,
            Some(Token::Mark(">")) => Condition::Gt,
            Some(Token::Mark(">=")) => Condition::Ge,
            _ => return self.expected("a comparison (==, !=, <, <=, >, >=)"),
        };
        self.next += 1;
        Ok(condition)
    }

    fn check_register(&mut self) -> Parsed<Command> {
        let register = self.name("a register")?;
        self.mark("(")?;
        let index = self.number("an index")?;
        self.mark(")")?;
        Ok(Command::CheckRegister {
            register,
            index,
            condition: self.condition()?,
            value: self.number("a number to compare with")?,
        })
    }

    /// `0.000005:4`, at least one.
    fn rates(&mut self) -> Parsed<Vec<Rate>> {
        let mut rates = Vec::new();
        loop {
            let whole = self.decimal("a rate")?;
            let rate = if self.take_mark(".") {
                let fraction = self.decimal("the digits of a fraction")?;
                Spanned {
                    span: whole.span.to(fraction.span),
                    value: format!("{}.{}", whole.value, fraction.value),
                }
            } else {
                whole
            };
            self.mark(":")?;
            let burst = self.number("a burst size")?;
            rates.push(Rate { rate, burst });
            if self.peek().is_none() {
                return Ok(rates);
            }
        }
    }

    fn decimal(&mut self, what: &str) -> Parsed<Spanned<String>> {
        match self.peek() {
            Some(Token::Number(text)) if text.bytes().all(|b| b.is_ascii_digit()) => {
                let span = self.span();
                self.next += 1;
                Ok(Spanned {
                    span,
                    value: text.to_owned(),
                })
            }
            _ => self.expected(what),
        }
    }
}

/// Reads what stands behind `packet` and `expect`: a port, then digits with blanks between them.
struct Data<'a> {
    line: Line<'a>,
    file: &'a Arc<str>,
    /// Offset into the line of what has not been read.
    at: usize,
}

impl<'a> Data<'a> {
    fn new(line: Line<'a>, at: usize, file: &'a Arc<str>) -> Self {
        Self { line, file, at }
    }

    fn error(&self, from: usize, to: usize, message: &str) -> Box<Diagnostic> {
        let span = self.line.span(from, to.min(self.line.text.len()));
        Box::new(Diagnostic::error(SYNTAX, self.file.clone(), span, message))
    }

    fn port(&mut self) -> Parsed<u16> {
        let rest = self.line.text.get(self.at..).unwrap_or("");
        let from = self.at + rest.len() - rest.trim_start().len();
        let text = rest.split_whitespace().next().unwrap_or("");
        self.at = from + text.len();
        let wrong = || self.error(from, self.at, "a port is expected here, a decimal number");
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        text.parse().map_err(|_| wrong())
    }

    /// The characters that are no blanks, with their offsets.
    fn characters(&self) -> impl Iterator<Item = (usize, char)> {
        let rest = self.line.text.get(self.at..).unwrap_or("");
        let at = self.at;
        rest.char_indices()
            .map(move |(i, c)| (at + i, c))
            .filter(|(_, c)| !c.is_whitespace())
    }

    fn packet(&mut self) -> Parsed<Command> {
        let port = self.port()?;
        let mut digits = Vec::new();
        for (at, c) in self.characters() {
            match c.to_digit(16) {
                Some(digit) => digits.push(digit as u8),
                None => {
                    let message = "the bytes of a packet are hexadecimal digits";
                    return Err(self.error(at, at + c.len_utf8(), message));
                }
            }
        }
        let end = self.line.text.len();
        if digits.is_empty() {
            return Err(self.error(end, end, "the bytes of the packet are missing"));
        }
        if digits.len() % 2 != 0 {
            let message = "a packet has whole bytes, and this is an odd number of digits";
            return Err(self.error(0, end, message));
        }
        if digits.len() > 2 * MAX_FRAME {
            return Err(self.error(0, end, "a packet has at most 65535 bytes"));
        }
        let data = digits.chunks(2).map(|pair| match pair {
            [high, low] => high << 4 | low,
            _ => 0,
        });
        Ok(Command::Packet {
            port,
            data: data.collect(),
        })
    }

    fn expect(&mut self) -> Parsed<Command> {
        let port = self.port()?;
        let mut pattern = Pattern {
            digits: Vec::new(),
            exact: false,
        };
        for (at, c) in self.characters() {
            if pattern.exact {
                return Err(self.error(at, at + c.len_utf8(), "nothing follows a `$`"));
            }
            match (c, c.to_digit(16)) {
                ('$', _) => pattern.exact = true,
                ('*', _) => pattern.digits.push(None),
                (_, Some(digit)) => pattern.digits.push(Some(digit as u8)),
                _ => {
                    let message =
                        "an expected packet is hexadecimal digits, `*` for any digit, and `$`";
                    return Err(self.error(at, at + c.len_utf8(), message));
                }
            }
        }
        if pattern.digits.len() > 2 * MAX_FRAME {
            let message = "a packet has at most 65535 bytes";
            return Err(self.error(0, self.line.text.len(), message));
        }
        let any = pattern.digits.is_empty() && !pattern.exact;
        Ok(Command::Expect {
            port,
            pattern: (!any).then_some(pattern),
        })
    }
}
