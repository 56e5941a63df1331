//! What the program tells the control plane: lines of a log, digests, and assertions that do not hold.

use std::collections::BTreeMap;
use trisect_ir::state::State;
use trisect_ir::{Bits, MessageKind, ObjectKind, Program};

/// The messages that were seen.
#[derive(Clone, Debug)]
pub(super) struct Messages {
    /// Whether the program has any to send.
    any: bool,
    /// How many of each object.
    seen: BTreeMap<String, usize>,
}

/// A message, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Whether it says that something is wrong.
    pub wrong: bool,
    /// What it says.
    pub text: String,
}

impl Messages {
    pub fn new(program: &Program) -> Self {
        let is_message = |kind: &ObjectKind| matches!(kind, ObjectKind::Message { .. });
        Self {
            any: program.objects.values().any(|o| is_message(&o.kind)),
            seen: BTreeMap::new(),
        }
    }

    /// What has come since the last time; the state is only asked for if there may be something.
    pub fn new_ones(&mut self, program: &Program, state: impl FnOnce() -> State) -> Vec<Message> {
        if !self.any {
            return Vec::new();
        }
        let state = state();
        let mut new = Vec::new();
        for object in program.objects.values() {
            let ObjectKind::Message { kind, text, fields } = &object.kind else {
                continue;
            };
            let all = state
                .messages
                .get(&object.name)
                .map_or(&[][..], Vec::as_slice);
            let seen = self
                .seen
                .insert(object.name.clone(), all.len())
                .unwrap_or(0);
            for values in all.iter().skip(seen) {
                let (wrong, said) = match kind {
                    MessageKind::Log => (false, filled(text, values)),
                    MessageKind::Digest => {
                        (false, format!("digest {text}: {}", named(fields, values)))
                    }
                    MessageKind::Assert => (true, text.clone()),
                };
                new.push(Message { wrong, text: said });
            }
        }
        new
    }
}

/// A format with its values in place of each `{}`.
fn filled(format: &str, values: &[Bits]) -> String {
    let mut parts = format.split("{}");
    let mut out = parts.next().unwrap_or("").to_owned();
    let mut values = values.iter();
    for part in parts {
        match values.next() {
            Some(value) => out.push_str(&value.value().to_string()),
            None => out.push_str("{}"),
        }
        out.push_str(part);
    }
    out
}

fn named(fields: &[(String, u32)], values: &[Bits]) -> String {
    let pairs = fields.iter().zip(values);
    let texts: Vec<String> = pairs
        .map(|((name, _), value)| format!("{name} = {}", value.value()))
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_format_has_braces() {
        let values = [Bits::new(8, 7u32), Bits::new(8, 9u32)];
        assert_eq!(filled("a {} b {}", &values), "a 7 b 9");
        assert_eq!(filled("{} {} {}", &values), "7 9 {}");
        assert_eq!(filled("nothing", &values), "nothing");
    }
}
