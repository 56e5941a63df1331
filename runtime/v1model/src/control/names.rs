//! Names in packet tests: full, or as much of the end as makes them unique.

use trisect_ir::{ActionId, ObjectId, Program, Table, TableId};

/// Why a name means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// There is none; these are there.
    None(Vec<String>),
    /// Several end in it.
    Ambiguous(Vec<String>),
}

/// The thing with this name, else the only one whose name ends in it after a dot, else the only one
/// whose name ends in it at all.
pub(super) fn pick<K: Copy>(wanted: &str, names: &[(K, &str)]) -> Result<K, Miss> {
    let after_dot = format!(".{wanted}");
    let rules: [&dyn Fn(&str) -> bool; 3] = [
        &|name| name == wanted,
        &|name| name.ends_with(&after_dot),
        &|name| name.ends_with(wanted),
    ];
    for rule in rules {
        let found: Vec<_> = names.iter().filter(|(_, name)| rule(name)).collect();
        match found.as_slice() {
            [] => {}
            [(key, _)] => return Ok(*key),
            _ => return Err(Miss::Ambiguous(listed(found.into_iter()))),
        }
    }
    Err(Miss::None(listed(names.iter())))
}

fn listed<'a, K: 'a>(names: impl Iterator<Item = &'a (K, &'a str)>) -> Vec<String> {
    names.map(|(_, name)| (*name).to_owned()).collect()
}

pub(super) fn table(program: &Program, wanted: &str) -> Result<TableId, Miss> {
    let names: Vec<_> = program
        .tables
        .iter()
        .map(|(id, table)| (id, table.name.as_str()))
        .collect();
    pick(wanted, &names)
}

/// An action of a table.
pub(super) fn action(program: &Program, table: &Table, wanted: &str) -> Result<ActionId, Miss> {
    let names: Vec<_> = table
        .actions
        .iter()
        .filter_map(|id| Some((*id, program.actions.get(*id)?.name.as_str())))
        .collect();
    pick(wanted, &names)
}

pub(super) fn object(program: &Program, wanted: &str) -> Result<ObjectId, Miss> {
    let names: Vec<_> = program
        .objects
        .iter()
        .map(|(id, object)| (id, object.name.as_str()))
        .collect();
    pick(wanted, &names)
}

/// A key of a table, by its position. `hdr.h.isValid()` is known as `hdr.h.$valid$`, and a test may leave
/// `$valid$` or its last `$` out; `stack$1.f` is `stack[1].f`.
pub(super) fn key(table: &Table, wanted: &str) -> Result<usize, Miss> {
    let names: Vec<String> = table
        .keys
        .iter()
        .map(|key| key.name.replace(".isValid()", ".$valid$"))
        .collect();
    let names: Vec<(usize, &str)> = names.iter().map(String::as_str).enumerate().collect();
    let wanted = with_brackets(&wanted.replace(".isValid()", ".$valid$"));
    let mut spellings = vec![
        wanted.clone(),
        format!("{wanted}$"),
        format!("{wanted}.$valid$"),
    ];
    if let Some(header) = wanted.strip_suffix(".valid") {
        spellings.push(format!("{header}.$valid$"));
    }
    if wanted == "valid" {
        spellings.push("$valid$".to_owned());
    }
    for spelling in &spellings {
        if let Some((at, _)) = names.iter().find(|(_, name)| name == spelling) {
            return Ok(*at);
        }
    }
    let mut first_miss = None;
    for spelling in &spellings {
        // An end of a name that follows no dot is no key.
        let after_dot = format!(".{spelling}");
        let found: Vec<_> = names
            .iter()
            .filter(|(_, n)| n.ends_with(&after_dot))
            .collect();
        match found.as_slice() {
            [] => {}
            [(at, _)] => return Ok(*at),
            _ => first_miss = first_miss.or(Some(Miss::Ambiguous(listed(found.into_iter())))),
        }
    }
    Err(first_miss.unwrap_or_else(|| Miss::None(listed(names.iter()))))
}

/// `a$1.b` as `a[1].b`.
fn with_brackets(name: &str) -> String {
    let parts = name.split('.').map(|part| match part.rsplit_once('$') {
        Some((stack, index))
            if !stack.is_empty()
                && !index.is_empty()
                && index.bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{stack}[{index}]")
        }
        _ => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use trisect_ir::{ActionCall, Expr, Key, MatchKind};

    #[test]
    fn the_whole_name_wins_then_a_part_after_a_dot_then_any_end() {
        let names = [
            (0, "c.t"),
            (1, "c.sub.t"),
            (2, "t"),
            (3, "d.last_u"),
            (4, "d.u"),
        ];
        assert_eq!(pick("t", &names), Ok(2));
        assert_eq!(pick("c.t", &names), Ok(0));
        assert_eq!(pick("u", &names), Ok(4));
        assert_eq!(pick("ast_u", &names), Ok(3));
        let names = [(0, "c.t"), (1, "d.t")];
        let both = vec!["c.t".to_owned(), "d.t".to_owned()];
        assert_eq!(pick("t", &names), Err(Miss::Ambiguous(both.clone())));
        assert_eq!(pick("x", &names), Err(Miss::None(both)));
    }

    #[test]
    fn keys_are_found_as_bmv2_names_them() {
        let names = ["hdr.a.isValid()", "hdr.extra[0].h", "m.x", "n.x", "drop"];
        let table = Table {
            name: "t".to_owned(),
            keys: names
                .iter()
                .map(|name| Key {
                    name: (*name).to_owned(),
                    expr: Expr::num(1, 0),
                    kind: MatchKind::Exact,
                    signed: false,
                })
                .collect(),
            actions: Vec::new(),
            default: ActionCall {
                action: ActionId(0),
                args: Vec::new(),
            },
            const_default: false,
            entries: Vec::new(),
            size: 1,
            flow: None,
            selector: None,
        };
        for (wanted, at) in [
            ("a", 0),
            ("a.$valid$", 0),
            ("hdr.a.$valid", 0),
            ("a.valid", 0),
            ("extra$0.h", 1),
            ("extra[0].h", 1),
            ("m.x", 2),
            ("drop", 4),
        ] {
            assert_eq!(key(&table, wanted), Ok(at), "{wanted}");
        }
        assert!(matches!(key(&table, "x"), Err(Miss::Ambiguous(_))));
        assert!(matches!(key(&table, "rop"), Err(Miss::None(_))));
    }
}
