//! Elaboration: from the syntax tree to the IR.
//!
//! One walk does name resolution, type checking, constant evaluation and lowering: an expression is
//! elaborated where it stands, with the names in scope there. Sub-controls, sub-parsers, functions and
//! actions called directly are inlined; structs become single metadata fields; loops over header
//! stacks are unrolled.
//!
//! | module     | what it does                                                        |
//! |------------|---------------------------------------------------------------------|
//! | `types`    | resolved types                                                      |
//! | `value`    | what names and expressions stand for; scopes                        |
//! | `declare`  | declarations, type references, storage                              |
//! | `expr`     | expressions                                                         |
//! | `ops`      | operators, conversions, constant folding                            |
//! | `call`     | calls: methods, functions, actions                                  |
//! | `stmt`     | statements, to structured steps                                     |
//! | `step`     | the steps, and from steps to the control graph                      |
//! | `table`    | actions and tables                                                  |
//! | `parser`   | parser states, unrolled                                             |
//! | `externs`  | extern objects that architectures share                             |
//! | `pna`      | the Portable NIC Architecture                                       |
//! | `v1model`  | the v1model architecture                                            |

mod call;
mod declare;
mod expr;
mod externs;
mod objects;
mod ops;
mod parser;
mod pna;
mod step;
mod stmt;
mod table;
mod types;
mod v1model;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use trisect_ir::{self as ir, ActionId, HeaderTypeId, MetaId, Op, ParserOp, TableId};

use crate::codes;
use crate::{Diagnostic, Span, ast};
use step::Step;
use value::{Env, SlotId, Value};

/// The result of elaborating a part.
type R<T> = Result<T, Box<Diagnostic>>;

/// Code of an error that only follows from one already reported: it is not shown.
const FOLLOWS: &str = "";

/// How many calls are inlined: each doubling of calls in calls doubles the program.
const MAX_CALLS: usize = 1 << 16;

/// Elaborates a parsed program.
///
/// # Errors
/// All diagnostics found, at least one of them an error.
pub(crate) fn elaborate(tree: &ast::Program, name: &str) -> Result<ir::Program, Vec<Diagnostic>> {
    let mut elab = Elab::new(name);
    elab.program(tree);
    if elab.diagnostics.iter().any(Diagnostic::is_error) {
        Err(elab.diagnostics)
    } else {
        Ok(elab.ir)
    }
}

/// The architecture that a program is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arch {
    Pna,
    V1model,
}

/// A variable: name and width, and its metadata field once it was used.
struct Slot {
    name: String,
    width: u32,
    meta: Option<MetaId>,
}

/// Where the elaboration stands.
#[derive(Clone, Default)]
struct Context {
    /// Name of the control and its instances, for drop reasons: `Firewall`.
    block: String,
    /// Prefix of the names of tables, actions and objects: empty in the main control.
    prefix: String,
    /// The drop reason that `drop_packet` records.
    reason: String,
    /// The table whose action is elaborated.
    table: Option<TableId>,
    /// Its parameters.
    params: Vec<ir::Param>,
}

/// The parser state in work.
#[derive(Default)]
struct ParserContext {
    ops: Vec<ParserOp>,
    /// Next element by stack.
    cursors: BTreeMap<usize, usize>,
}

struct Elab<'a> {
    ir: ir::Program,
    diagnostics: Vec<Diagnostic>,
    arch: Arch,
    global: Rc<Env<'a>>,
    externs: BTreeMap<String, &'a ast::ExternDecl>,
    extern_functions: BTreeMap<String, Vec<&'a ast::FunctionProto>>,
    header_types: BTreeMap<String, HeaderTypeId>,
    slots: Vec<Slot>,
    stacks: usize,
    /// Names whose declaration was refused.
    broken: BTreeSet<String>,
    /// Names in use, by kind of entity.
    names: BTreeSet<(&'static str, String)>,
    /// Actions by name, each with the table it was elaborated for if that matters.
    actions: BTreeMap<String, Vec<(Option<TableId>, ActionId)>>,
    /// Actions that a table's entries may add, by table and name in the source.
    table_actions: BTreeMap<(TableId, String), ActionId>,
    /// Direct counters and meters of v1model, by table: operations in front of each action.
    implicit: BTreeMap<TableId, Vec<Op>>,
    context: Context,
    /// Whether what was elaborated depends on the table in the context.
    table_bound: bool,
    /// The steps of the block in work.
    out: Vec<Step>,
    parser: Option<ParserContext>,
    /// Where v1model's drop decision is kept.
    v1: v1model::Slots,
    /// Functions, actions and controls being inlined, outermost first.
    active: Vec<String>,
    /// Calls inlined so far.
    calls: usize,
}

impl<'a> Elab<'a> {
    fn new(name: &str) -> Self {
        Self {
            ir: ir::Program::new(name),
            diagnostics: Vec::new(),
            arch: Arch::Pna,
            global: Rc::default(),
            externs: BTreeMap::new(),
            extern_functions: BTreeMap::new(),
            header_types: BTreeMap::new(),
            slots: Vec::new(),
            stacks: 0,
            broken: BTreeSet::new(),
            names: BTreeSet::new(),
            actions: BTreeMap::new(),
            table_actions: BTreeMap::new(),
            implicit: BTreeMap::new(),
            context: Context::default(),
            table_bound: false,
            out: Vec::new(),
            parser: None,
            v1: v1model::Slots::default(),
            active: Vec::new(),
            calls: 0,
        }
    }

    fn program(&mut self, tree: &'a ast::Program) {
        let mut main = None;
        for decl in &tree.decls {
            if let ast::DeclKind::Instance(instance) = &decl.kind
                && instance.name.as_str() == "main"
            {
                main = Some(instance);
                continue;
            }
            let result = self.global_decl(decl);
            self.keep_decl(decl, result);
        }
        if self.diagnostics.iter().any(Diagnostic::is_error) {
            return;
        }
        let result = match main {
            Some(main) => self.package(main),
            None => Err(Box::new(
                Diagnostic::error(
                    codes::NO_MAIN,
                    tree.decls.last().map(|d| d.span.end()).unwrap_or_default(),
                    "the program has no `main`",
                )
                .with_note("a P4 program is the instance `main` of its architecture's package")
                .with_help("add `PNA_NIC(StdParser(), StdPreControl(), C(), StdDeparser()) main;`"),
            )),
        };
        self.keep(result);
    }

    fn package(&mut self, main: &'a ast::Instance) -> R<()> {
        let name = match &main.ty.kind {
            ast::TypeKind::Named(path) => path.as_str(),
            ast::TypeKind::Specialized { base, .. } => base.as_str(),
            _ => "",
        };
        match name {
            "PNA_NIC" => {
                self.arch = Arch::Pna;
                self.pna_package(main)
            }
            "V1Switch" => {
                self.arch = Arch::V1model;
                self.v1model_package(main)
            }
            _ => Err(Box::new(
                Diagnostic::error(
                    codes::ARCHITECTURE,
                    main.ty.span,
                    format!("`{name}` is not an architecture that Trisect knows"),
                )
                .with_help("use PNA_NIC of pna.p4 or V1Switch of v1model.p4"),
            )),
        }
    }

    /// Keeps the diagnostic of a part that failed and goes on.
    fn keep(&mut self, result: R<()>) {
        if let Err(diagnostic) = result
            && diagnostic.code != FOLLOWS
        {
            self.diagnostics.push(*diagnostic);
        }
    }

    /// The same for a declaration: its name is then known to be broken, so that its uses are not
    /// reported as well.
    fn keep_decl(&mut self, decl: &ast::Decl, result: R<()>) {
        if result.is_err()
            && let Some(name) = decl.name()
        {
            self.broken.insert(name.name.clone());
        }
        self.keep(result);
    }

    /// Appends an operation to what is being elaborated.
    fn emit(&mut self, op: Op) {
        match &mut self.parser {
            // What else can stand in a parser was refused where it was elaborated.
            Some(parser) => {
                if let Op::Set(target, value) = op {
                    parser.ops.push(ParserOp::Set(target, value));
                }
            }
            None => step::push_op(&mut self.out, op),
        }
    }

    /// Refuses what only a control can do.
    fn only_in_control(&self, span: Span, what: &str) -> R<()> {
        if self.parser.is_some() {
            return Err(error(
                codes::UNSUPPORTED,
                span,
                format!("{what} cannot stand in a parser"),
            ));
        }
        Ok(())
    }

    /// A new variable.
    fn new_slot(&mut self, name: impl Into<String>, width: u32) -> SlotId {
        self.slots.push(Slot {
            name: name.into(),
            width,
            meta: None,
        });
        SlotId(self.slots.len() - 1)
    }

    /// The metadata field of a variable.
    fn slot_meta(&mut self, slot: SlotId) -> MetaId {
        if let Some(meta) = self.slots[slot.0].meta {
            return meta;
        }
        let name = self.unique("metadata", &self.slots[slot.0].name.clone());
        let meta = self.ir.add_meta(name, self.slots[slot.0].width);
        self.slots[slot.0].meta = Some(meta);
        meta
    }

    /// A temporary variable.
    fn temporary(&mut self, hint: &str, width: u32) -> MetaId {
        let name = if self.context.block.is_empty() {
            format!("tmp.{hint}")
        } else {
            format!("{}.{hint}", self.context.block)
        };
        let slot = self.new_slot(name, width);
        self.slot_meta(slot)
    }

    /// `name`, or with a number behind if it is taken.
    fn unique(&mut self, kind: &'static str, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 1;
        while !self.names.insert((kind, candidate.clone())) {
            number += 1;
            candidate = format!("{name}_{number}");
        }
        candidate
    }

    /// Inlines what is called `name`: not inside itself, and not without end.
    fn inlined<T>(&mut self, name: &str, span: Span, body: impl FnOnce(&mut Self) -> R<T>) -> R<T> {
        if self.active.iter().any(|active| active == name) {
            return Err(Box::new(
                Diagnostic::error(codes::RECURSION, span, format!("`{name}` calls itself"))
                    .with_note("P4 has no recursion"),
            ));
        }
        self.calls += 1;
        if self.calls > MAX_CALLS {
            return Err(error(
                codes::RECURSION,
                span,
                format!("more than {MAX_CALLS} calls are inlined"),
            ));
        }
        self.active.push(name.to_owned());
        let result = body(self);
        self.active.pop();
        result
    }

    /// Runs `body` with an empty list of steps and returns what it appended.
    fn collect<T>(&mut self, body: impl FnOnce(&mut Self) -> R<T>) -> R<(Vec<Step>, T)> {
        let outer = std::mem::take(&mut self.out);
        let result = body(self);
        let steps = std::mem::replace(&mut self.out, outer);
        Ok((steps, result?))
    }

    /// What a name stands for.
    fn lookup(&self, env: &Env<'a>, path: &ast::Path) -> R<Value<'a>> {
        let found = if path.absolute {
            self.global.lookup(path.as_str())
        } else {
            env.lookup(path.as_str())
        };
        if found.is_none() && self.broken.contains(path.as_str()) {
            return Err(error(FOLLOWS, path.span(), "follows from an error before"));
        }
        found.ok_or_else(|| unknown_name(path.as_str(), path.span(), env.similar(path.as_str())))
    }
}

/// An error.
fn error(code: &'static str, span: Span, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, span, message))
}

/// The error for a name that nothing declares.
fn unknown_name(name: &str, span: Span, similar: Option<String>) -> Box<Diagnostic> {
    let diagnostic = Diagnostic::error(
        codes::UNKNOWN_NAME,
        span,
        format!("`{name}` is not declared"),
    );
    Box::new(match similar {
        Some(known) => diagnostic.with_help(format!("did you mean `{known}`?")),
        None => diagnostic,
    })
}

/// The error for language that is not supported.
fn unsupported(span: Span, what: impl std::fmt::Display) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(
        codes::UNSUPPORTED,
        span,
        format!("{what} is not supported yet"),
    ))
}
