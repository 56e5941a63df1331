//! Members of a parser's value set, one per line: what stands in front of `->` in an [entries file](crate::entries).
//!
//! ```text
//! # The ports whose payload is parsed.
//! 6000
//! 0x1770
//! ```

use std::collections::HashMap;

use trisect_ir::diag::Diagnostic;
use trisect_ir::{KeySet, Program, ValueSet};

use crate::codes;
use crate::entries::{KeyForm, Scope, lines};

/// Reads a file of members for a value set of the program. `file` names the text in diagnostics.
///
/// # Errors
/// One diagnostic per line that does not fit the value set, and one if there are more members than it holds.
pub fn parse_members(
    text: &str,
    file: &str,
    program: &Program,
    set: &ValueSet,
) -> Result<Vec<Vec<KeySet>>, Vec<Diagnostic>> {
    let scope = Scope {
        text,
        file,
        program,
    };
    let mut members = Vec::new();
    let mut seen: HashMap<Vec<KeySet>, &str> = HashMap::new();
    let mut found = Vec::new();
    for line in lines(text) {
        match member(&scope, line, set) {
            Err(diagnostic) => found.push(*diagnostic),
            Ok(member) => match seen.insert(member.clone(), line) {
                None => members.push(member),
                Some(first) => {
                    let message = "the same member was given before";
                    let help = "remove one of the two";
                    let again = scope.error(codes::DUPLICATE_ENTRY, first, "", "").span;
                    let twice = scope.error(codes::DUPLICATE_ENTRY, line, message, help);
                    found.push(twice.related(again, "first member"));
                }
            },
        }
    }
    if members.len() > set.size as usize {
        let message = format!(
            "{} members, but `{}` holds {}",
            members.len(),
            set.name,
            set.size
        );
        let help = "raise the value set's size in the program, or remove members";
        found.push(*scope.error(codes::TABLE_LIMIT, &text[..0], message, help));
    }
    match found.is_empty() {
        true => Ok(members),
        false => Err(found),
    }
}

fn member(scope: &Scope<'_>, line: &str, set: &ValueSet) -> Result<Vec<KeySet>, Box<Diagnostic>> {
    let parts: Vec<&str> = line.split_whitespace().collect();
    if parts.len() != set.keys.len() {
        let names: Vec<&str> = set.keys.iter().map(|key| key.name.as_str()).collect();
        let message = format!(
            "{} values, but a member of `{}` has {}",
            parts.len(),
            set.name,
            names.len()
        );
        let help = format!("a member is: {}", names.join(", "));
        return Err(scope.error(codes::ENTRY_MISMATCH, line, message, help));
    }
    let forms = set.keys.iter().map(|key| KeyForm {
        name: &key.name,
        width: key.width,
        kind: key.kind,
        signed: false,
    });
    parts
        .into_iter()
        .zip(forms)
        .map(|(part, form)| scope.key(part, &form))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_ir::{Bits, MatchKind, ValueSetKey};

    fn read(text: &str) -> Result<Vec<Vec<KeySet>>, Vec<Diagnostic>> {
        let key = |name: &str, width, kind| ValueSetKey {
            name: name.to_owned(),
            width,
            kind,
        };
        let set = ValueSet {
            name: "P.peers".to_owned(),
            size: 2,
            keys: vec![
                key("address", 32, MatchKind::Lpm),
                key("port", 16, MatchKind::Exact),
            ],
            members: Vec::new(),
            cases: Vec::new(),
        };
        parse_members(text, "peers", &Program::new("p"), &set)
    }

    #[test]
    fn a_line_is_a_member() {
        let read = read("10.0.0.0/8 80\n# none\n* 0x51 # all\n").unwrap();
        let port = |n: u32| KeySet::Exact(Bits::new(16, n));
        let any = KeySet::Prefix(Bits::new(32, 0u32), 0);
        let net = KeySet::Prefix(Bits::new(32, 0x0a00_0000u32), 8);
        assert_eq!(read, [vec![net, port(80)], vec![any, port(0x51)]]);
    }

    #[test]
    fn each_mistake_is_found() {
        let code = |text| read(text).unwrap_err()[0].code;
        assert_eq!(code("10.0.0.0/8"), codes::ENTRY_MISMATCH);
        assert_eq!(code("10.0.0.0/8 *"), codes::ENTRY_MISMATCH);
        assert_eq!(code("10.0.0.0/8 70000"), codes::VALUE_WIDTH);
        assert_eq!(code("* 1\n* 1"), codes::DUPLICATE_ENTRY);
        assert_eq!(code("* 1\n* 2\n* 3"), codes::TABLE_LIMIT);
    }
}
