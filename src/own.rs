//! A program of the user's own, without a policy: it is the whole pipeline.
//!
//! Packets of all external ports go through it, and it chooses the port by which each leaves: its port
//! numbers are those of [`Rack::external_ports`]. It is cut like any pipeline, unless it copies packets: then the
//! switch runs it whole ([`crate::whole`]).

use crate::problems::{CONTRADICTION, NO_SUCH_NAME, Problems};
use crate::project::{Pipeline, Project, compile_file, keep, read};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trisect_ir::TableId;
use trisect_p4::{Compiled, Options};
use trisect_policy::{Rack, parse_entries, parse_members};
use trisect_target::Whole;

/// A program and what it is compiled with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnProgram {
    /// The P4 program.
    pub file: PathBuf,
    /// Folders in which `#include` looks, before the files that come with Trisect.
    pub include_dirs: Vec<PathBuf>,
    /// Macros, name and text.
    pub defines: Vec<(String, String)>,
    /// Entries of its tables, and members of its value sets.
    pub entries: Vec<EntriesFile>,
    /// Where copies go, of a program that copies packets ([`crate::whole::copies`]).
    pub copies: Option<PathBuf>,
}

/// A file of entries ([`trisect_policy::entries`]) for one table, or of members ([`trisect_policy::members`]) for one
/// value set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntriesFile {
    /// The table or value set, by its whole name or the last part of it.
    pub table: String,
    /// The file.
    pub path: PathBuf,
}

impl Project {
    /// Compiles and configures a program that is the whole pipeline of a rack.
    ///
    /// # Errors
    /// Everything that is wrong with the rack, the program and its entries.
    pub fn of_program(own: &OwnProgram, rack: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let (rack_file, rack_text) = read(rack, "give a rack description with --rack")?;
        let described = Rack::from_toml(&rack_text, &rack_file);
        let mut described = keep(described, &mut problems, &rack_file, &rack_text);
        if let Some(read) = &mut described
            && let Err(found) = crate::models::read(read, rack, &rack_text)
        {
            problems.extend(found);
        }
        let mut options = Options::default();
        for folder in &own.include_dirs {
            options = options.with_include_dir(folder);
        }
        for (name, text) in &own.defines {
            options = options.with_define(name, text);
        }
        let pipeline = match pipeline(own, &options, &mut problems) {
            Ok(pipeline) => Some(pipeline),
            Err(found) => {
                problems.extend(found);
                None
            }
        };
        let (Some(rack), Some(pipeline), false) = (described, pipeline, problems.has_errors())
        else {
            return Err(problems);
        };
        Ok(Self {
            name: name(&own.file),
            folder: own.file.parent().unwrap_or(Path::new("")).to_path_buf(),
            pipeline,
            rack,
            profile: None,
            warnings: problems,
        })
    }
}

/// Compiles and configures the program.
fn pipeline(
    own: &OwnProgram,
    options: &Options,
    problems: &mut Problems,
) -> Result<Pipeline, Problems> {
    let help = "give a P4 program with --p4";
    let mut compiled = compile_file(&own.file, options, help, problems)?;
    problems.extend(fill(&mut compiled, &own.entries));
    let Compiled {
        program,
        bridge,
        value_sets,
        ..
    } = compiled;
    let Some(bridge) = bridge else {
        return match &own.copies {
            None => Ok(Pipeline::Program(Box::new(program))),
            Some(path) => {
                let message = format!("{} copies no packets", own.file.display());
                let reason = format!("{} says where copies go", path.display());
                let help = "leave out --copies";
                Err(Problems::error(CONTRADICTION, message, reason, help))
            }
        };
    };
    let copies = match &own.copies {
        None => String::new(),
        Some(path) => crate::whole::copies(path)?,
    };
    let (tree, sources, _) = trisect_p4::parse_file(&own.file, options);
    let source = tree.map(|tree| trisect_p4::printer::v1model_program(&tree, &sources));
    let whole = Whole {
        bridge,
        source: source.unwrap_or_default(),
        copies,
        value_sets: value_sets.members(),
    };
    Ok(Pipeline::Whole(Box::new((program, whole))))
}

/// The name of the network function that the program is: the file's stem, with `_` for what cannot stand
/// in a name.
fn name(file: &Path) -> String {
    let stem = file.file_stem().map(|s| s.to_string_lossy());
    let mut name: String = stem
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert_str(0, "p4_");
    }
    name
}

/// What a file of entries fills.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Filled {
    Table(TableId),
    /// A value set of the parser, by its number.
    ValueSet(usize),
}

/// Puts the entries into the program's tables and value sets; what is wrong with them.
fn fill(compiled: &mut Compiled, files: &[EntriesFile]) -> Problems {
    let mut problems = Problems::default();
    let mut filled: BTreeMap<Filled, &Path> = BTreeMap::new();
    for file in files {
        let found = named(compiled, &file.table).and_then(|(what, name)| {
            let path = file.path.as_path();
            if let Some(first) = filled.insert(what, path) {
                return Err(filled_twice(&name, first, path));
            }
            let (file, text) = read(path, "it holds the entries of a table")?;
            let of = |found| Problems::of(found, &file, &text);
            let program = &mut compiled.program;
            match what {
                Filled::Table(table) => {
                    let entries = parse_entries(&text, &file, program, table).map_err(of)?;
                    entries.install(&mut program.tables[table]);
                }
                Filled::ValueSet(at) => {
                    let set = &compiled.value_sets.all()[at];
                    let members = parse_members(&text, &file, program, set).map_err(of)?;
                    compiled.value_sets.fill(program, at, members);
                }
            }
            Ok(())
        });
        if let Err(found) = found {
            problems.extend(found);
        }
    }
    problems
}

/// The table or value set of that name, or the only one whose name ends in it; with its whole name.
fn named(compiled: &Compiled, name: &str) -> Result<(Filled, String), Problems> {
    let tables = compiled.program.tables.iter();
    let tables = tables.map(|(id, table)| (Filled::Table(id), table.name.as_str()));
    let sets = compiled.value_sets.all().iter().enumerate();
    let sets = sets.map(|(at, set)| (Filled::ValueSet(at), set.name.as_str()));
    let all: Vec<(Filled, &str)> = tables.chain(sets).collect();
    let ends = |full: &str| full.rsplit_once('.').is_some_and(|(_, last)| last == name);
    if let Some((what, full)) = all.iter().find(|(_, full)| *full == name) {
        return Ok((*what, (*full).to_owned()));
    }
    let near: Vec<_> = all.iter().filter(|(_, full)| ends(full)).collect();
    match near[..] {
        [(what, full)] => Ok((*what, (*full).to_owned())),
        [] => {
            let names: Vec<&str> = all.iter().map(|(_, full)| *full).collect();
            let message = format!("the program has no table or value set `{name}`");
            let help = match names.is_empty() {
                true => "it has none at all: leave out --entries".to_owned(),
                false => format!("it has {}", names.join(", ")),
            };
            let reason = "a file of entries is for the table or value set that it is named for, or for TABLE in --entries TABLE=FILE";
            Err(Problems::error(NO_SUCH_NAME, message, reason, help))
        }
        _ => {
            let names: Vec<&str> = near.iter().map(|(_, full)| *full).collect();
            let message = format!("the program has {} tables called `{name}`", names.len());
            let help = format!("name one of {} in full", names.join(", "));
            Err(Problems::error(NO_SUCH_NAME, message, "", help))
        }
    }
}

fn filled_twice(table: &str, first: &Path, second: &Path) -> Problems {
    let message = format!("`{table}` is filled twice");
    let reason = format!(
        "{} and {} both are for it, and which entry comes first is said only within one file",
        first.display(),
        second.display()
    );
    let help = "put all entries of a table into one file";
    Problems::error(CONTRADICTION, message, reason, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_become_names() {
        assert_eq!(name(Path::new("a/edge_router.p4")), "edge_router");
        assert_eq!(name(Path::new("v2.1 my-lb.p4")), "v2_1_my_lb");
        assert_eq!(name(Path::new("1r.p4")), "p4_1r");
        assert_eq!(name(Path::new("..")), "p4_");
    }
}
