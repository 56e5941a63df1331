//! A mutator that works on tokens: bytes changed at random seldom make a program again.

/// Words and punctuation that the front end tells apart.
const DICTIONARY: &[&str] = &[
    "abstract",
    "action",
    "actions",
    "apply",
    "bit",
    "bool",
    "break",
    "const",
    "continue",
    "control",
    "default",
    "default_action",
    "else",
    "entries",
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
    "key",
    "list",
    "match_kind",
    "out",
    "package",
    "parser",
    "priority",
    "return",
    "select",
    "size",
    "start",
    "state",
    "string",
    "struct",
    "switch",
    "table",
    "this",
    "transition",
    "true",
    "tuple",
    "type",
    "typedef",
    "value_set",
    "varbit",
    "void",
    "accept",
    "reject",
    "exact",
    "lpm",
    "ternary",
    "NoAction",
    "packet_in",
    "packet_out",
    "extract",
    "emit",
    "lookahead",
    "advance",
    "isValid",
    "setValid",
    "next",
    "last",
    "push_front",
    "hit",
    "miss",
    "action_run",
    "main",
    "_",
    "a",
    "T",
    "0",
    "1",
    "8w255",
    "4s7",
    "0xFFFF_FFFF",
    "0b1",
    "0o7",
    "999999999999",
    "bit<8>",
    "bit<999999999999>",
    "int<0>",
    "varbit<1>",
    "@name(\"x\")",
    "@hidden",
    "\"s\"",
    "\"",
    "{#}",
    "...",
    "..",
    "&&&",
    "|+|",
    "|-|",
    "|+|=",
    "<<=",
    ">>=",
    "++",
    "+:",
    "==",
    "!=",
    "<=",
    ">=",
    "&&",
    "||",
    "<<",
    ">>",
    "+=",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    ";",
    ":",
    ",",
    ".",
    "=",
    "?",
    "!",
    "~",
    "-",
    "+",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "@",
    "/*",
    "*/",
    "//",
    "\n#include <core.p4>\n",
    "\n#include <v1model.p4>\n",
    "\n#include \"self.p4\"\n",
    "\n#define a a a\n",
    "\n#define T(x) x##x #x\n",
    "\n#define F(...) __VA_ARGS__\n",
    "\n#undef a\n",
    "\n#if a + 1 > 0\n",
    "\n#ifdef T\n",
    "\n#elif 1\n",
    "\n#else\n",
    "\n#endif\n",
    "\n#line 7 \"x\"\n",
    "\n@pragma a 1\n",
    "__LINE__",
    "__FILE__",
    "\\\n",
    "\r\n",
    "\0",
    "\u{a0}",
    "\u{feff}",
];

/// A small generator of random numbers (xorshift): the seed decides everything.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }
}

/// Changes the first `size` bytes of `data` and gives the new size, at most `max_size`.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    if random.below(4) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut tokens: Vec<Vec<u8>> = split(&data[..size]);
    for _ in 0..=random.below(4) {
        change(&mut tokens, &mut random);
    }
    let mut out = tokens.concat();
    out.truncate(max_size.min(data.len()));
    data[..out.len()].copy_from_slice(&out);
    out.len()
}

fn change(tokens: &mut Vec<Vec<u8>>, random: &mut Random) {
    let at = random.below(tokens.len() + 1);
    let pick = |random: &mut Random| {
        let word = DICTIONARY[random.below(DICTIONARY.len())];
        format!(" {word} ").into_bytes()
    };
    if at == tokens.len() || random.below(6) == 0 {
        let new = pick(random);
        tokens.insert(at, new);
        return;
    }
    match random.below(6) {
        0 => {
            tokens.remove(at);
        }
        1 => {
            let copy = tokens[at].clone();
            tokens.insert(at, copy);
        }
        2 => {
            let other = random.below(tokens.len());
            tokens.swap(at, other);
        }
        3 => tokens[at] = pick(random),
        // A run of tokens from one place to another.
        4 => {
            let end = (at + 1 + random.below(24)).min(tokens.len());
            let run: Vec<Vec<u8>> = tokens[at..end].to_vec();
            let to = random.below(tokens.len() + 1);
            tokens.splice(to..to, run);
        }
        // A run of tokens is lost.
        _ => {
            let end = (at + 1 + random.below(24)).min(tokens.len());
            tokens.drain(at..end);
        }
    }
}

/// Words, numbers, runs of blanks and single other bytes.
fn split(data: &[u8]) -> Vec<Vec<u8>> {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => 0,
        b' ' | b'\t' | b'\r' | b'\n' => 1,
        _ => 2,
    };
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for &byte in data {
        match tokens.last_mut() {
            Some(last)
                if kind(byte) < 2 && last.first().is_some_and(|b| kind(*b) == kind(byte)) =>
            {
                last.push(byte);
            }
            _ => tokens.push(vec![byte]),
        }
    }
    tokens
}
