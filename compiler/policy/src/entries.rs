//! Entries files: the entries of one table, one per line, for all match kinds.
//!
//! ```text
//! # An ordered access list: the first line that matches decides.
//! # source       destination          protocol  destination port
//! 10.0.0.0/8     *                    tcp       80         -> allow()
//! *              2.2.2.2&&&255.0.0.0  udp       1024-2047  -> mark(7, 02:00:00:00:00:01)
//! 0x0a000001     *                    17        *          -> deny()  priority 9
//! default -> deny()
//! ```
//!
//! - Keys stand in the order of the table's keys and are separated by blanks.
//! - A key is a value, `*` (every value), `VALUE/LENGTH` (prefix), `VALUE&&&MASK`, or `LOW-HIGH`.
//!   Exact keys take values; lpm keys values, prefixes and `*`; ternary keys all but ranges; range
//!   keys values, ranges and `*`; optional keys values and `*`.
//! - A value is a number (decimal, `0x`, `0b`, `_` between digits), an IPv4, IPv6 or MAC address for a
//!   key of that width, `true` or `false` for one bit, or a protocol's name: `tcp`, `udp`, `icmp`,
//!   `icmp6`, `gre`, `esp`, `ah`, `sctp` for 8 bits, `ipv4`, `ipv6`, `arp`, `vlan` for 16 bits.
//! - Behind `->` stands the action with its arguments. `priority N` gives a priority (the largest
//!   wins); without it the order of the lines decides. A file uses one of the two.
//! - `default -> action(...)` sets what runs on a miss.
//! - Comments run from `#` to the end of the line.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use trisect_ir::diag::{Code, Diagnostic, Span};
use trisect_ir::{
    ActionCall, ActionId, Bits, Entry, Key, KeySet, MatchKind, Origin, Program, Table, TableId,
};

use crate::codes;
use crate::lex;

/// The contents of an entries file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Entries, in the order of the file.
    pub entries: Vec<Entry>,
    /// What runs on a miss, if the file says so.
    pub default: Option<ActionCall>,
}

impl Entries {
    /// Puts the entries behind those that the table has, and replaces its default.
    pub fn install(self, table: &mut Table) {
        table.entries.extend(self.entries);
        if let Some(default) = self.default {
            table.default = default;
        }
    }
}

/// Reads an entries file for a table. `file` names the text in diagnostics.
///
/// # Errors
/// One diagnostic per line that does not fit the table, and one if the table does not take entries.
pub fn parse_entries(
    text: &str,
    file: &str,
    program: &Program,
    table: TableId,
) -> Result<Entries, Vec<Diagnostic>> {
    let mut reader = Reader {
        scope: Scope {
            text,
            file,
            program,
        },
        table: &program.tables[table],
        entries: Entries::default(),
        explicit: None,
        seen: HashMap::new(),
    };
    let mut found = Vec::new();
    for line in lines(text) {
        if let Err(diagnostic) = reader.line(line) {
            found.push(*diagnostic);
        }
    }
    found.extend(reader.limit().map(|diagnostic| *diagnostic));
    if !found.is_empty() {
        return Err(found);
    }
    if reader.explicit != Some(true) {
        // The first line wins: it gets the largest priority.
        let count = reader.entries.entries.len() as u32;
        for (entry, priority) in reader.entries.entries.iter_mut().zip((1..=count).rev()) {
            entry.priority = priority;
        }
    }
    Ok(reader.entries)
}

/// Lines with something on them, comments and blanks at both ends removed.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| {
            line.split_once('#')
                .map_or(line, |(before, _)| before)
                .trim()
        })
        .filter(|line| !line.is_empty())
}

type Found<T> = Result<T, Box<Diagnostic>>;

/// What every value is read against.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: &'a str,
    pub(crate) program: &'a Program,
}

impl<'a> Scope<'a> {
    /// A diagnostic at a part of the text.
    pub(crate) fn error(
        &self,
        code: Code,
        part: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Box<Diagnostic> {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let span = Span::new(start, start + part.len());
        Box::new(Diagnostic::error(code, self.file, span, message).help(help))
    }

    /// A value of a width.
    pub(crate) fn value(&self, text: &str, width: u32) -> Found<Bits> {
        let error =
            |message: String, help| Err(self.error(codes::VALUE_WIDTH, text, message, help));
        let of_width = |needed: u32, value: u128, what: &str| {
            if needed == width {
                Ok(Bits::new(width, value))
            } else {
                let message = format!("{what} has {needed} bits, but {width} are needed");
                error(message, "give a value of that width")
            }
        };
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return of_width(32, u32::from(address).into(), "an IPv4 address");
        }
        if let Some(address) = lex::mac(text) {
            return of_width(48, address.into(), "a MAC address");
        }
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return of_width(128, u128::from(address), "an IPv6 address");
        }
        if let Some(number) = lex::number(text) {
            if width < 128 && number >> width != 0 {
                return error(
                    format!("{text} does not fit in {width} bits"),
                    "use a smaller value",
                );
            }
            return Ok(Bits::new(width, number));
        }
        match named(text) {
            Some((needed, value)) => of_width(needed, value, &format!("`{text}`")),
            None => Err(self.error(
                codes::ENTRIES_SYNTAX,
                text,
                format!("`{text}` is no value"),
                "write a number, an address, or a protocol's name",
            )),
        }
    }

    /// `action(arg, ...)`, one of the actions given.
    pub(crate) fn call(&self, text: &'a str, actions: &[ActionId]) -> Found<ActionCall> {
        const HELP: &str = "write `action(argument, ...)`";
        let Some((name, rest)) = text.split_once('(') else {
            return Err(self.error(codes::ENTRIES_SYNTAX, text, "expected an action call", HELP));
        };
        let Some(args) = rest.trim_end().strip_suffix(')') else {
            return Err(self.error(codes::ENTRIES_SYNTAX, text, "the call does not end", HELP));
        };
        let name = name.trim();
        let Some(action) = actions.iter().copied().find(|&id| self.is_called(id, name)) else {
            let known: Vec<&str> = actions
                .iter()
                .map(|&id| short(&self.program.actions[id].name))
                .collect();
            let message = format!("the table has no action `{name}`");
            let help = format!("it has: {}", known.join(", "));
            return Err(self.error(codes::ENTRY_MISMATCH, name, message, help));
        };
        let list: Vec<&str> = match args.trim() {
            "" => Vec::new(),
            args => args.split(',').map(str::trim).collect(),
        };
        Ok(ActionCall {
            action,
            args: self.arguments(action, args, &list)?,
        })
    }

    fn is_called(&self, action: ActionId, name: &str) -> bool {
        let full = &self.program.actions[action].name;
        full == name || short(full) == name
    }

    /// The arguments of an action; `text` is what a wrong number of them is reported at.
    pub(crate) fn arguments(
        &self,
        action: ActionId,
        text: &str,
        args: &[&str],
    ) -> Found<Vec<Bits>> {
        let action = &self.program.actions[action];
        if args.len() != action.params.len() {
            let names: Vec<&str> = action
                .params
                .iter()
                .map(|param| param.name.as_str())
                .collect();
            let message = format!(
                "`{}` takes {} arguments, not {}",
                short(&action.name),
                action.params.len(),
                args.len()
            );
            let help = format!("its parameters are: {}", names.join(", "));
            return Err(self.error(codes::ENTRY_MISMATCH, text, message, help));
        }
        let pairs = args.iter().zip(&action.params);
        pairs
            .map(|(arg, param)| self.value(arg, param.width))
            .collect()
    }
}

/// The last part of a dotted name.
fn short(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// Named values with their widths.
fn named(text: &str) -> Option<(u32, u128)> {
    Some(match text {
        "icmp" => (8, 1),
        "tcp" => (8, 6),
        "udp" => (8, 17),
        "gre" => (8, 47),
        "esp" => (8, 50),
        "ah" => (8, 51),
        "icmp6" => (8, 58),
        "sctp" => (8, 132),
        "ipv4" => (16, 0x0800),
        "arp" => (16, 0x0806),
        "vlan" => (16, 0x8100),
        "ipv6" => (16, 0x86dd),
        "false" => (1, 0),
        "true" => (1, 1),
        _ => return None,
    })
}

struct Reader<'a> {
    scope: Scope<'a>,
    table: &'a Table,
    entries: Entries,
    /// Whether entries have explicit priorities; unknown before the first one.
    explicit: Option<bool>,
    /// Keys that were given, with the line.
    seen: HashMap<Vec<KeySet>, &'a str>,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: &'a str) -> Found<()> {
        let scope = self.scope;
        let Some((keys, rest)) = line.split_once("->") else {
            let help = "write `key ... -> action(argument, ...)`";
            return Err(scope.error(codes::ENTRIES_SYNTAX, line, "expected `->`", help));
        };
        let (call, priority) = self.priority(rest.trim())?;
        let call = scope.call(call, &self.table.actions)?;
        if keys.trim() == "default" {
            return self.default(line, call, priority);
        }
        let keys = self.keys(line, keys)?;
        if self
            .explicit
            .is_some_and(|explicit| explicit != priority.is_some())
        {
            let help = "give every entry a priority, or none";
            let message = "some entries have a priority and some not";
            return Err(scope.error(codes::ENTRY_MISMATCH, line, message, help));
        }
        self.explicit = Some(priority.is_some());
        if let Some(first) = self.seen.insert(keys.clone(), line) {
            let help = "remove one of the two";
            let again = scope.error(codes::DUPLICATE_ENTRY, first, "", "").span;
            let message = "an entry with the same keys was given before";
            let found = scope.error(codes::DUPLICATE_ENTRY, line, message, help);
            return Err(Box::new(found.related(again, "first entry")));
        }
        let priority = priority.unwrap_or(0);
        self.entries.entries.push(Entry {
            keys,
            priority,
            call,
            members: Vec::new(),
            origin: Origin::Control,
        });
        Ok(())
    }

    /// The call, and the priority behind it.
    fn priority(&self, text: &'a str) -> Found<(&'a str, Option<u32>)> {
        let Some((call, number)) = text.rsplit_once("priority") else {
            return Ok((text, None));
        };
        // An action or argument may be called so; the word counts only behind the call.
        if !call.trim_end().ends_with(')') {
            return Ok((text, None));
        }
        match number.trim().parse() {
            Ok(priority) => Ok((call.trim_end(), Some(priority))),
            Err(_) => {
                let message = "expected a priority from 0 to 4294967295";
                Err(self.scope.error(
                    codes::ENTRIES_SYNTAX,
                    number,
                    message,
                    "write `priority 10`",
                ))
            }
        }
    }

    fn default(&mut self, line: &str, call: ActionCall, priority: Option<u32>) -> Found<()> {
        let refuse = |message, help| Err(self.scope.error(codes::TABLE_LIMIT, line, message, help));
        if self.table.const_default {
            return refuse("the table's default action is const", "remove the line");
        }
        if priority.is_some() {
            return refuse("the default has no priority", "remove `priority`");
        }
        if self.entries.default.replace(call).is_some() {
            return refuse("the default is given twice", "remove one of the lines");
        }
        Ok(())
    }

    fn keys(&self, line: &str, text: &'a str) -> Found<Vec<KeySet>> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let keys = &self.table.keys;
        if parts.len() != keys.len() {
            let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
            let message = format!("{} keys, but the table has {}", parts.len(), keys.len());
            let help = format!("its keys are: {}", names.join(", "));
            return Err(self.scope.error(codes::ENTRY_MISMATCH, line, message, help));
        }
        parts
            .into_iter()
            .zip(keys)
            .map(|(part, key)| self.key(part, key))
            .collect()
    }

    fn key(&self, text: &'a str, key: &Key) -> Found<KeySet> {
        let of = KeyForm {
            name: &key.name,
            width: self.scope.program.width(&key.expr, &[]),
            kind: key.kind,
            signed: key.signed,
        };
        self.scope.key(text, &of)
    }

    /// Whether the table takes these entries at all.
    fn limit(&self) -> Option<Box<Diagnostic>> {
        let count = self.entries.entries.len();
        let refuse = |message: String, help: &str| {
            Some(
                self.scope
                    .error(codes::TABLE_LIMIT, &self.scope.text[..0], message, help),
            )
        };
        let name = &self.table.name;
        if count > 0 && self.table.flow.is_some() {
            return refuse(
                format!("`{name}` is filled by packets, not by entries"),
                "name another table in the NF's description",
            );
        }
        if count > 0
            && self
                .table
                .entries
                .iter()
                .any(|entry| entry.origin == Origin::Const)
        {
            return refuse(
                format!("the entries of `{name}` are const"),
                "remove the file",
            );
        }
        let total = count + self.table.entries.len();
        if total > self.table.size as usize {
            return refuse(
                format!("{total} entries, but `{name}` holds {}", self.table.size),
                "raise the table's size in the program, or remove entries",
            );
        }
        None
    }
}

/// What a key of a table or of a value set looks like.
pub(crate) struct KeyForm<'a> {
    pub(crate) name: &'a str,
    /// In bits.
    pub(crate) width: u32,
    pub(crate) kind: MatchKind,
    /// As of [`Key::signed`].
    pub(crate) signed: bool,
}

impl Scope<'_> {
    /// A set of values of a key.
    pub(crate) fn key(&self, text: &str, key: &KeyForm<'_>) -> Found<KeySet> {
        let (scope, width) = (self, key.width);
        let value = |text| scope.value(text, width);
        let set = if text == "*" {
            KeySet::Any
        } else if let Some((low, mask)) = text.split_once("&&&") {
            KeySet::Mask(value(low)?, value(mask)?)
        } else if let Some((low, length)) = text.split_once('/') {
            match length.parse::<u32>() {
                Ok(length) if length <= width => KeySet::Prefix(value(low)?, length),
                _ => {
                    let message = format!("expected a prefix length from 0 to {width}");
                    let help = "write `10.0.0.0/8`";
                    return Err(scope.error(codes::VALUE_WIDTH, length, message, help));
                }
            }
        } else if let Some((low, high)) = text.split_once('-') {
            KeySet::Range(value(low)?, value(high)?)
        } else {
            KeySet::Exact(value(text)?)
        };
        self.fitted(text, key, set)
    }

    /// The set in the form that the key's match kind has.
    fn fitted(&self, text: &str, key: &KeyForm<'_>, set: KeySet) -> Found<KeySet> {
        let width = key.width;
        let set = match set {
            KeySet::Range(low, high) if key.signed => {
                KeySet::Range(low.flip_sign(), high.flip_sign())
            }
            KeySet::Exact(value) if key.signed => KeySet::Exact(value.flip_sign()),
            set => set,
        };
        let outside = |value: &Bits, mask: &Bits| (value.value() & mask.value()) != value.value();
        let stray = || {
            let message = format!("`{text}` has bits outside its mask");
            let help = "set those bits to 0, or make the mask longer";
            Err(self.error(codes::VALUE_WIDTH, text, message, help))
        };
        Ok(match (key.kind, set) {
            (_, KeySet::Prefix(value, length))
                if outside(&value, &Bits::prefix_mask(width, length)) =>
            {
                return stray();
            }
            (_, KeySet::Mask(value, mask)) if outside(&value, &mask) => return stray(),
            (_, KeySet::Range(low, high)) if low > high => {
                let message = format!("`{text}` is an empty range");
                let help = "write the smaller value first";
                return Err(self.error(codes::VALUE_WIDTH, text, message, help));
            }
            (MatchKind::Exact | MatchKind::Optional, set @ KeySet::Exact(_)) => set,
            (MatchKind::Optional | MatchKind::Range | MatchKind::Ternary, KeySet::Any) => {
                KeySet::Any
            }
            (MatchKind::Lpm, set @ KeySet::Prefix(..)) => set,
            (MatchKind::Lpm, KeySet::Exact(value)) => KeySet::Prefix(value, width),
            (MatchKind::Lpm, KeySet::Any) => KeySet::Prefix(Bits::zero(width), 0),
            (MatchKind::Ternary, set @ KeySet::Mask(..)) => set,
            (MatchKind::Ternary, KeySet::Exact(value)) => KeySet::Mask(value, Bits::ones(width)),
            (MatchKind::Ternary, KeySet::Prefix(value, length)) => {
                KeySet::Mask(value, Bits::prefix_mask(width, length))
            }
            (MatchKind::Range, set @ KeySet::Range(..)) => set,
            (MatchKind::Range, KeySet::Exact(value)) => KeySet::Range(value.clone(), value),
            (kind, _) => {
                let kind = format!("{kind:?}").to_lowercase();
                let message = format!("`{text}` does not fit the {kind} key `{}`", key.name);
                let help = match key.kind {
                    MatchKind::Exact => "give one value",
                    MatchKind::Lpm => "give a value, a prefix or *",
                    MatchKind::Ternary => "give a value, a prefix, VALUE&&&MASK or *",
                    MatchKind::Range => "give a value, LOW-HIGH or *",
                    MatchKind::Optional => "give a value or *",
                };
                return Err(self.error(codes::ENTRY_MISMATCH, text, message, help));
            }
        })
    }
}
