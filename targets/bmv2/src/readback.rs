//! The emitted program read back: what the embedded switch runs.
//!
//! [`read_back`] compiles `switch.p4` with our own front end and loads `entries.json` as a control
//! plane would. What it gives is an ordinary IR program that must do what the piece did that was
//! emitted; so emission itself is tested by every run of the embedded rack.
//!
//! Four things differ from BMv2, because the rack knows them better: `timestamp`, `ingress_port`,
//! `packet_length` and `parser_error` are the packet's own and not copies of BMv2's; `egress_port` and
//! `drop` in the program's metadata are the IR's. Names are those of the plan.

use std::collections::BTreeMap;

use trisect_ir::bridge::Bridge;
use trisect_ir::diag::Diagnostic;
use trisect_ir::{
    ActionCall, ActionId, Bits, Entry, Expr, KeySet, LValue, MetaId, NodeKind, ObjectKind, Op,
    Origin, ParserOp, Place, PrimaryMap, Program, StdMeta, Table, TableId, Transition, ValueSetKey,
};
use trisect_p4::Options;

use crate::PROGRAM_FILE;
use crate::emit::{EMBEDDED, PIPELINE};
use crate::runtime::{FORMAT, Runtime, RuntimeEntry, RuntimeTable};

/// Why artifacts could not be read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadBackError {
    /// The program does not compile.
    #[error("{PROGRAM_FILE} does not compile: {}", first(.0))]
    Program(Vec<Diagnostic>),
    /// It is one pass, but copies packets, or the other way round.
    #[error("{PROGRAM_FILE} {0}")]
    Passes(&'static str),
    /// The entries are of another format.
    #[error("the entries have the format `{0}`, not `{FORMAT}`")]
    Format(String),
    /// The entries name something that the program does not have.
    #[error("the entries name the {kind} `{name}`, which the program does not have")]
    Unknown {
        /// Table, action, key or object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// An entry does not fit its table.
    #[error("an entry of `{table}` {problem}")]
    Entry {
        /// The table.
        table: String,
        /// What is wrong.
        problem: String,
    },
}

fn first(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .first()
        .map_or_else(String::new, |d| format!("{}: {}", d.code, d.message))
}

/// The program of emitted artifacts, with its entries.
///
/// # Errors
/// See [`ReadBackError`].
pub fn read_back(text: &str, runtime: &Runtime) -> Result<Program, ReadBackError> {
    check_format(runtime)?;
    let options = Options::default().with_define(EMBEDDED, "1");
    let mut program =
        trisect_p4::compile_str(PROGRAM_FILE, text, &options).map_err(ReadBackError::Program)?;
    use_plain_names(&mut program);
    use_standard_metadata(&mut program);
    program.drop_reasons = runtime.drop_reasons.iter().cloned().collect();
    load(&mut program, runtime)?;
    Ok(program)
}

/// The program of the artifacts of one that copies packets, with its entries and its bridge.
///
/// # Errors
/// See [`ReadBackError`].
pub fn read_back_whole(text: &str, runtime: &Runtime) -> Result<(Program, Bridge), ReadBackError> {
    check_format(runtime)?;
    let compiled = trisect_p4::compile_passes_str(PROGRAM_FILE, text, &Options::default());
    let compiled = compiled.map_err(ReadBackError::Program)?;
    let bridge = compiled.bridge;
    let bridge = bridge.ok_or(ReadBackError::Passes("copies no packets"))?;
    let (mut program, mut value_sets) = (compiled.program, compiled.value_sets);
    load(&mut program, runtime)?;
    for set in &runtime.value_sets {
        let unknown = || ReadBackError::Unknown {
            kind: "value set",
            name: set.name.clone(),
        };
        let at = value_sets.find(&set.name).ok_or_else(unknown)?;
        let keys = &value_sets.all()[at].keys;
        let mut members = Vec::with_capacity(set.members.len());
        for member in &set.members {
            let sets: Vec<KeySet> = member
                .iter()
                .map(|set| set.as_ref().map_or(KeySet::Any, |set| set.key_set()))
                .collect();
            let width_fits = |(set, key): (&KeySet, &ValueSetKey)| {
                widths(set).into_iter().all(|width| width == key.width)
            };
            if sets.len() != keys.len() || !sets.iter().zip(keys).all(width_fits) {
                return Err(ReadBackError::Entry {
                    table: set.name.clone(),
                    problem: "is no member of it".to_owned(),
                });
            }
            members.push(sets);
        }
        value_sets.fill(&mut program, at, members);
    }
    Ok((program, bridge))
}

fn check_format(runtime: &Runtime) -> Result<(), ReadBackError> {
    match runtime.format == FORMAT {
        true => Ok(()),
        false => Err(ReadBackError::Format(runtime.format.clone())),
    }
}

/// Does what a control plane does with the entries.
fn load(program: &mut Program, runtime: &Runtime) -> Result<(), ReadBackError> {
    for table in &runtime.tables {
        load_table(program, table)?;
    }
    for object in &runtime.objects {
        // What nothing uses is not in the program.
        let Some(id) = program.objects.find(|found| found.name == object.name) else {
            continue;
        };
        let found = &mut program.objects[id];
        found.name.clone_from(&object.origin);
        match (&mut found.kind, &object.rates, &object.init) {
            (ObjectKind::Meter { default, cells, .. }, Some(rates), _) => {
                *default = rates.default;
                cells.clone_from(&rates.cells);
            }
            (ObjectKind::Register { init, .. }, _, Some(value)) => init.clone_from(value),
            _ => {}
        }
    }
    Ok(())
}

/// Names as they stand in the text: v1model's control plane puts the control's in front.
fn use_plain_names(program: &mut Program) {
    let plain = |name: &mut String| {
        if let Some(rest) = name
            .strip_prefix(PIPELINE)
            .and_then(|n| n.strip_prefix('.'))
        {
            *name = rest.to_owned();
        }
    };
    program
        .tables
        .values_mut()
        .for_each(|table| plain(&mut table.name));
    program
        .actions
        .values_mut()
        .for_each(|action| plain(&mut action.name));
    program
        .objects
        .values_mut()
        .for_each(|object| plain(&mut object.name));
}

// ------------------------------------------------------------------------- standard metadata

/// Puts the IR's standard metadata in place of the program's fields of the same names. What v1model
/// itself says about drop and port, from `egress_spec`, decides as before where the packet goes, but
/// from now on in the program's fields: so the program's reason and port, which are exact, count.
fn use_standard_metadata(program: &mut Program) {
    let mut own: BTreeMap<MetaId, MetaId> = BTreeMap::new();
    for (std, name, width) in StdMeta::ALL {
        let name = format!("meta.{name}");
        let exchanged = matches!(std, StdMeta::Drop | StdMeta::EgressPort);
        let field = match program.meta_named(&name) {
            None if exchanged => Some(program.add_meta(name, width)),
            found => found,
        };
        let Some(field) = field else { continue };
        own.insert(field, std.id());
        if exchanged {
            own.insert(std.id(), field);
        }
    }
    for action in program.actions.values_mut() {
        replace_ops(&mut action.ops, &own);
    }
    for table in program.tables.values_mut() {
        table
            .keys
            .iter_mut()
            .for_each(|key| replace(&mut key.expr, &own));
    }
    for node in program.control.nodes.values_mut() {
        match &mut node.kind {
            NodeKind::Branch(cond, ..) => replace(cond, &own),
            NodeKind::Exec(ops, _) => replace_ops(ops, &own),
            NodeKind::Apply(..) | NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {}
        }
    }
    for state in program.parser.states.values_mut() {
        for op in &mut state.ops {
            op.exprs_mut().into_iter().for_each(|e| replace(e, &own));
            if let ParserOp::Set(to, _) = op {
                replace_place(to, &own);
            }
        }
        if let Transition::Select(keys, _) = &mut state.next {
            keys.iter_mut().for_each(|key| replace(key, &own));
        }
    }
}

fn replace(expr: &mut Expr, own: &BTreeMap<MetaId, MetaId>) {
    expr.walk_mut(&mut |e| {
        if let Expr::Meta(meta) = e
            && let Some(std) = own.get(meta)
        {
            *meta = *std;
        }
    });
}

fn replace_place(to: &mut LValue, own: &BTreeMap<MetaId, MetaId>) {
    if let Place::Meta(meta) = &mut to.place
        && let Some(std) = own.get(meta)
    {
        *meta = *std;
    }
}

fn replace_ops(ops: &mut [Op], own: &BTreeMap<MetaId, MetaId>) {
    for op in ops {
        op.walk_mut(&mut |op| {
            op.exprs_mut().into_iter().for_each(|e| replace(e, own));
            op.targets_mut()
                .into_iter()
                .for_each(|to| replace_place(to, own));
        });
    }
}

// ----------------------------------------------------------------------------------- entries

fn load_table(program: &mut Program, loaded: &RuntimeTable) -> Result<(), ReadBackError> {
    let unknown = |kind, name: &str| ReadBackError::Unknown {
        kind,
        name: name.to_owned(),
    };
    let id = program.tables.find(|table| table.name == loaded.name);
    let id = id.ok_or_else(|| unknown("table", &loaded.name))?;
    for entry in &loaded.entries {
        let entry = load_entry(program, id, entry)?;
        program.tables[id].entries.push(entry);
    }
    if let Some(default) = &loaded.default {
        program.tables[id].default = load_call(program, id, &default.action, &default.args)?;
    }
    // A table that several nodes apply is there several times; names must stay unique.
    let taken = program.tables.find(|table| table.name == loaded.origin);
    if taken.is_none() {
        program.tables[id].name.clone_from(&loaded.origin);
    }
    Ok(())
}

fn load_entry(
    program: &Program,
    id: TableId,
    loaded: &RuntimeEntry,
) -> Result<Entry, ReadBackError> {
    let table = &program.tables[id];
    let problem = |problem: String| ReadBackError::Entry {
        table: table.name.clone(),
        problem,
    };
    let unknown = |kind, name: &str| ReadBackError::Unknown {
        kind,
        name: name.to_owned(),
    };
    let mut keys: Vec<KeySet> = table.keys.iter().map(|_| KeySet::Any).collect();
    for key in &loaded.keys {
        let at = table.keys.iter().position(|found| found.name == key.key);
        let at = at.ok_or_else(|| unknown("key", &key.key))?;
        let width = program.width(&table.keys[at].expr, &[]);
        let set = key.set.key_set();
        if widths(&set).into_iter().any(|found| found != width) {
            return Err(problem(format!(
                "has another width than {width} bits at `{}`",
                key.key
            )));
        }
        keys[at] = set;
    }
    Ok(Entry {
        keys,
        priority: loaded.priority,
        call: load_call(program, id, &loaded.action, &loaded.args)?,
        members: Vec::new(),
        origin: Origin::Control,
    })
}

fn load_call(
    program: &Program,
    id: TableId,
    name: &str,
    args: &[Bits],
) -> Result<ActionCall, ReadBackError> {
    let table = &program.tables[id];
    let action = action_of(&program.actions, table, name);
    let action = action.ok_or_else(|| ReadBackError::Unknown {
        kind: "action",
        name: name.to_owned(),
    })?;
    let params = &program.actions[action].params;
    let fits = params.len() == args.len()
        && params
            .iter()
            .zip(args)
            .all(|(param, arg)| param.width == arg.width());
    if !fits {
        return Err(ReadBackError::Entry {
            table: table.name.clone(),
            problem: format!("gives `{name}` other arguments than it takes"),
        });
    }
    Ok(ActionCall {
        action,
        args: args.to_vec(),
    })
}

/// The action of a table by its identifier. An action that was elaborated for each of its tables has
/// a suffix.
fn action_of(
    actions: &PrimaryMap<ActionId, trisect_ir::Action>,
    table: &Table,
    name: &str,
) -> Option<ActionId> {
    // The default action may be none that entries can name.
    let of_table = || table.actions.iter().copied().chain([table.default.action]);
    let begins = |id: &ActionId| {
        let rest = actions[*id].name.strip_prefix(name);
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    };
    let exactly = of_table().find(|id| actions[*id].name == name);
    exactly.or_else(|| of_table().find(begins))
}

fn widths(set: &KeySet) -> Vec<u32> {
    match set {
        KeySet::Any => Vec::new(),
        KeySet::Exact(value) | KeySet::Prefix(value, _) => vec![value.width()],
        KeySet::Mask(a, b) | KeySet::Range(a, b) => vec![a.width(), b.width()],
    }
}
