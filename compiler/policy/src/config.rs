//! Configuring a program: from the files that a policy names to table entries and pattern sets.

use trisect_ir::diag::{Diagnostic, Span};
use trisect_ir::{
    ActionCall, ActionId, Bits, Entry, KeySet, MatchKind, ObjectKind, Origin, Program, TableId,
};

use crate::codes;
use crate::entries::{Scope, lines, parse_entries};
use crate::maglev::{self, Backend};
use crate::nf::ConfigKind;
use crate::patterns::parse_patterns;

/// Applies one configuration file to a program. `text` is its content and `file` its name in
/// diagnostics. Parameters are given to the program before it is compiled and change nothing here.
///
/// # Errors
/// What the file's format reports, or that the program has no such table, action or pattern set.
pub fn configure(
    program: &mut Program,
    kind: &ConfigKind,
    text: &str,
    file: &str,
) -> Result<(), Vec<Diagnostic>> {
    let missing = |what: &str, name: &str| {
        let message = format!("the program has no {what} `{name}`");
        let help = "correct the NF's description";
        vec![Diagnostic::error(codes::NF_INVALID, file, Span::default(), message).help(help)]
    };
    match kind {
        ConfigKind::Parameter { .. } => Ok(()),
        ConfigKind::Entries { table } => {
            let id = table_named(program, table).ok_or_else(|| missing("table", table))?;
            let entries = parse_entries(text, file, program, id)?;
            entries.install(&mut program.tables[id]);
            Ok(())
        }
        ConfigKind::Maglev {
            table,
            action,
            size,
        } => {
            let id = table_named(program, table).ok_or_else(|| missing("table", table))?;
            let call =
                action_named(program, id, action).ok_or_else(|| missing("action", action))?;
            let entries = backends(text, file, program, id, call, *size)?;
            program.tables[id].entries = entries;
            Ok(())
        }
        ConfigKind::Patterns { pattern_set } => {
            let patterns = parse_patterns(text, file)?;
            let set = program
                .objects
                .find(|object| is_named(&object.name, pattern_set));
            let id = set.ok_or_else(|| missing("pattern set", pattern_set))?;
            match &mut program.objects[id].kind {
                ObjectKind::PatternSet { patterns: old } => *old = patterns,
                _ => return Err(missing("pattern set", pattern_set)),
            }
            Ok(())
        }
    }
}

/// The table of that name; `acl` also finds `Main.acl`.
pub fn table_named(program: &Program, name: &str) -> Option<TableId> {
    program
        .tables
        .find(|table| table.name == name)
        .or_else(|| program.tables.find(|table| is_named(&table.name, name)))
}

fn is_named(full: &str, name: &str) -> bool {
    full == name || full.rsplit_once('.').is_some_and(|(_, last)| last == name)
}

fn action_named(program: &Program, table: TableId, name: &str) -> Option<ActionId> {
    let actions = &program.tables[table].actions;
    actions
        .iter()
        .copied()
        .find(|&action| is_named(&program.actions[action].name, name))
}

/// Reads a backends file, one backend per line: `NAME [weight N] argument ...` with the arguments of
/// the action, and computes the entries of the Maglev table.
fn backends(
    text: &str,
    file: &str,
    program: &Program,
    table: TableId,
    action: ActionId,
    size: u32,
) -> Result<Vec<Entry>, Vec<Diagnostic>> {
    let scope = Scope {
        text,
        file,
        program,
    };
    let mut found = Vec::new();
    let mut pool: Vec<(Backend, Vec<Bits>)> = Vec::new();
    for line in lines(text) {
        match backend(scope, line, action) {
            Ok((backend, _)) if pool.iter().any(|(known, _)| known.name == backend.name) => {
                let message = format!("the backend `{}` is given twice", backend.name);
                found.push(*scope.error(codes::BACKENDS, line, message, "rename one of the two"));
            }
            Ok(backend) => pool.push(backend),
            Err(error) => found.push(*error),
        }
    }
    let start = &text[..0];
    let wide = match program.tables[table].keys.as_slice() {
        [key] if key.kind == MatchKind::Exact => program.width(&key.expr, &[]),
        _ => 0,
    };
    if wide == 0 || (wide < 32 && size > 1 << wide) || program.tables[table].size < size {
        let message = format!("`{}` cannot hold {size} slots", program.tables[table].name);
        let help = "a Maglev table has one exact key, wide enough for the slots, and their number \
                    as its size";
        found.push(*scope.error(codes::BACKENDS, start, message, help));
    }
    let backends: Vec<Backend> = pool.iter().map(|(backend, _)| backend.clone()).collect();
    let slots = maglev::table(&backends, size);
    if slots.is_empty() && found.is_empty() {
        let message = format!("{} backends for {size} slots", backends.len());
        let help = "give at least one backend, and at most one per slot";
        found.push(*scope.error(codes::BACKENDS, start, message, help));
    }
    if !found.is_empty() {
        return Err(found);
    }
    let entry = |(slot, backend): (usize, &u32)| Entry {
        keys: vec![KeySet::Exact(Bits::new(wide, slot as u64))],
        priority: 0,
        call: ActionCall {
            action,
            args: pool[*backend as usize].1.clone(),
        },
        members: Vec::new(),
        origin: Origin::Control,
    };
    Ok(slots.iter().enumerate().map(entry).collect())
}

fn backend<'a>(
    scope: Scope<'a>,
    line: &'a str,
    action: ActionId,
) -> Result<(Backend, Vec<Bits>), Box<Diagnostic>> {
    const HELP: &str = "write `NAME argument ...` or `NAME weight 2 argument ...`";
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, weight, args) = match words.as_slice() {
        [name, "weight", weight, args @ ..] => match weight.parse::<u32>() {
            Ok(number @ 1..=1000) => (*name, number, args),
            _ => {
                let message = "a weight is a number from 1 to 1000";
                return Err(scope.error(codes::BACKENDS, weight, message, HELP));
            }
        },
        [name, args @ ..] => (*name, 1, args),
        [] => return Err(scope.error(codes::BACKENDS, line, "this is not a backend", HELP)),
    };
    let args = scope.arguments(action, line, args)?;
    Ok((
        Backend {
            name: name.to_string(),
            weight,
        },
        args,
    ))
}
