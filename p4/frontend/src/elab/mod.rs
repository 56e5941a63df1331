//! Elaboration: from the typed tree to the IR.
//!
//! A parser, a control, a function or an action that is called is put in place of the call, with the
//! specification's copies of arguments; structs become single variables, header stacks single headers,
//! loops are unrolled, parser loops over stacks, too. What is left is what a device does.
//!
//! | module     | what it does                                                        |
//! |------------|---------------------------------------------------------------------|
//! | `value`    | what variables and expressions stand for                            |
//! | `layout`   | types as storage                                                    |
//! | `place`    | reading, assigning, copying, comparing values of all shapes         |
//! | `ops`      | arithmetic on scalars                                               |
//! | `expr`     | expressions, in the order of evaluation                             |
//! | `call`     | calls: copy-in, inlining, copy-out                                  |
//! | `instance` | instances, and the control plane's names                            |
//! | `stmt`     | statements, to structured steps                                     |
//! | `known`    | values that are known behind steps                                  |
//! | `walk`     | what statements name                                                |
//! | `step`     | the steps, and from steps to operations and the control graph       |
//! | `table`    | tables and their actions; `entries`: default actions and entries    |
//! | `parser`   | parser states, unrolled; `select`: transitions                      |
//! | `deparser` | what is emitted, in order                                           |
//! | `externs`  | extern objects and functions; the interface of architectures        |
//! | `pna`      | the Portable NIC Architecture                                       |
//! | `v1model`  | the v1model architecture; `bridged`: programs that copy or resend packets |
//!
//! Knowledge of an architecture is in `pna`, `v1model` and `externs` only; the rest asks [`externs::Arch`].

mod bridged;
mod call;
mod deparser;
mod entries;
mod expr;
mod externs;
mod instance;
mod known;
mod layout;
mod ops;
mod parser;
mod place;
mod pna;
mod select;
mod step;
mod stmt;
mod table;
mod tails;
mod v1model;
mod value;
mod value_sets;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use trisect_ir::{self as ir, Expr, HeaderTypeId, MetaId, Op, TableId};

use crate::typed::{self, InstanceId, InstanceOf, StructId, Type};
use crate::{Compiled, Diagnostic, SourceMap, Span, codes};
use externs::Arch;
use layout::Slot;
use parser::ParserContext;
use step::{Label, Step};
use value::{Frame, Names};
use walk::Uses;

/// The result of elaborating a part.
type R<T> = Result<T, Box<Diagnostic>>;

/// Code of an error that only follows from one already reported: it is not shown.
const FOLLOWS: &str = "";

/// How much is elaborated: statements, assignments and control nodes, each counted as often as it is put in
/// place of a call or unrolled.
const MAX_WORK: usize = 1 << 20;

/// How deep calls, statements and expressions may be nested in each other.
const MAX_DEPTH: usize = 420;

/// Elaborates a checked program. Without a program, at least one of the diagnostics is an error; with one, none is.
pub(crate) fn elaborate(
    tree: &typed::Program,
    sources: &SourceMap,
    name: &str,
) -> (Option<Compiled>, Vec<Diagnostic>) {
    let mut elab = Elab::new(tree, sources, name, false);
    elab.run();
    if elab.errors() == 0 && elab.needs_bridge() {
        elab = Elab::new(tree, sources, name, true);
        elab.run();
    }
    let value_sets = elab.place_value_sets();
    if elab.errors() == 0
        && let Err(found) = ir::verify(&elab.ir)
    {
        let span = tree.main.map(|main| tree.instances[main].span);
        let report = |error: &ir::VerifyError| {
            Diagnostic::error(
                codes::UNSUPPORTED,
                span.unwrap_or_default(),
                error.to_string(),
            )
            .with_note("the program translates to something that no device can do")
        };
        elab.diagnostics.extend(found.0.iter().map(report));
    }
    let compiled = (elab.errors() == 0).then_some(Compiled {
        program: elab.ir,
        bridge: elab.v1.bridge,
        value_sets,
        warnings: Vec::new(),
    });
    (compiled, elab.diagnostics)
}

/// Where the elaboration of an action stands.
#[derive(Clone, Default)]
struct Context {
    /// The table whose action is elaborated.
    table: Option<TableId>,
    /// Its parameters.
    params: Vec<ir::Param>,
}

struct Elab<'a> {
    tree: &'a typed::Program,
    sources: &'a SourceMap,
    ir: ir::Program,
    diagnostics: Vec<Diagnostic>,
    arch: Arch,
    /// The frame of what is declared at top level.
    root: Rc<Frame<'a>>,
    /// The frame in work.
    frame: Rc<Frame<'a>>,
    header_types: HashMap<(StructId, Vec<Type>), HeaderTypeId>,
    slots: Vec<Slot>,
    stacks: usize,
    labels: u32,
    /// Names in use, by kind of entity, with the last number that was put behind each.
    names: BTreeMap<(&'static str, String), u32>,
    /// How often each instance is applied.
    applications: BTreeMap<InstanceId, usize>,
    /// Frames of blocks that may be applied more than once.
    shared_frames: Vec<Rc<Frame<'a>>>,
    /// Actions declared at top level.
    global_actions: BTreeSet<typed::ActionId>,
    actions: table::Actions<'a>,
    context: Context,
    /// Whether what was elaborated depends on the table in the context.
    table_bound: bool,
    /// Set by `exit` in a table's action.
    exit_flag: Option<MetaId>,
    /// The steps of the block in work.
    out: Vec<Step>,
    /// Where `break` and `continue` go, innermost loop last.
    loops: Vec<(Label, Label)>,
    /// Set while a parser is elaborated.
    parser: Option<ParserContext>,
    /// Parser states that do not bear a name of the program's own.
    made_states: BTreeSet<ir::StateId>,
    value_sets: value_sets::Pending,
    tails: tails::Tails,
    /// Whether the program is to be run pass by pass (v1model).
    bridged: bool,
    v1: v1model::State,
    /// The place in work.
    at: Span,
    work: usize,
    depth: usize,
}

impl<'a> Elab<'a> {
    fn new(tree: &'a typed::Program, sources: &'a SourceMap, name: &str, bridged: bool) -> Self {
        let root = Rc::new(Frame::new(None, Names::default()));
        Self {
            tree,
            sources,
            ir: ir::Program::new(name),
            diagnostics: Vec::new(),
            arch: Arch::Pna,
            frame: root.clone(),
            root,
            header_types: HashMap::new(),
            slots: Vec::new(),
            stacks: 0,
            labels: 0,
            names: BTreeMap::new(),
            applications: applications(tree),
            shared_frames: Vec::new(),
            global_actions: global_actions(tree),
            actions: table::Actions::default(),
            context: Context::default(),
            table_bound: false,
            exit_flag: None,
            out: Vec::new(),
            loops: Vec::new(),
            parser: None,
            made_states: BTreeSet::new(),
            value_sets: value_sets::Pending::default(),
            tails: tails::Tails::default(),
            bridged,
            v1: v1model::State::default(),
            at: Span::default(),
            work: 0,
            depth: 0,
        }
    }

    fn run(&mut self) {
        let result = self.program();
        self.keep(result);
    }

    fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|d| d.is_error()).count()
    }

    fn program(&mut self) -> R<()> {
        let tree = self.tree;
        for name in &tree.errors {
            let errors = &mut self.ir.parser.errors;
            if !errors.contains(name) {
                errors.push(name.clone());
            }
        }
        if self.ir.parser.errors.len() > 256 {
            return Err(unsupported(
                Span::default(),
                "a program with more than 256 errors",
            ));
        }
        let Some(main) = tree.main else {
            return Err(Box::new(
                Diagnostic::error(codes::NO_MAIN, Span::default(), "the program has no `main`")
                    .with_note("a P4 program is the instance `main` of its architecture's package")
                    .with_help(
                        "add `PNA_NIC(StdParser(), StdPreControl(), C(), StdDeparser()) main;`",
                    ),
            ));
        };
        let instance = &tree.instances[main];
        let name = match &instance.of {
            InstanceOf::Package(package, _) => tree.block_types[*package].name.as_str(),
            _ => "",
        };
        let Some(arch) = Arch::of_package(name) else {
            return Err(Box::new(
                Diagnostic::error(
                    codes::ARCHITECTURE,
                    instance.span,
                    format!("`{name}` is not an architecture that Trisect knows"),
                )
                .with_help("use PNA_NIC of pna.p4 or V1Switch of v1model.p4"),
            ));
        };
        self.arch = arch;
        self.package(instance)
    }

    /// The number of an error in the IR.
    fn error_code(&self, index: u32) -> u64 {
        let name = self.tree.errors.get(index as usize);
        let errors = &self.ir.parser.errors;
        name.and_then(|name| errors.iter().position(|known| known == name))
            .unwrap_or(0) as u64
    }

    /// Keeps the diagnostic of a part that failed and goes on.
    fn keep(&mut self, result: R<()>) {
        if let Err(diagnostic) = result
            && diagnostic.code != FOLLOWS
            && !self.diagnostics.contains(&diagnostic)
        {
            self.diagnostics.push(*diagnostic);
        }
    }

    /// `program.p4:12`, without the folder: the same wherever the program lies.
    fn line(&self, span: Span) -> String {
        let place = self.sources.location(span);
        let file = place.file.rsplit('/').next().unwrap_or_default();
        format!("{file}:{}", place.line)
    }

    /// Counts work done, and stops what would never end.
    fn spend(&mut self, amount: usize) -> R<()> {
        self.work = self.work.saturating_add(amount);
        match self.work > MAX_WORK {
            true => Err(Box::new(
                Diagnostic::error(
                    codes::TOO_LARGE,
                    self.at,
                    "the program is too large when its calls and loops are written out",
                )
                .with_note(format!("more than {MAX_WORK} operations"))
                .with_help("make loops shorter, or stacks smaller"),
            )),
            false => Ok(()),
        }
    }

    /// Goes one level deeper.
    fn enter(&mut self, span: Span) -> R<()> {
        self.at = span;
        self.depth += 1;
        match self.depth > MAX_DEPTH {
            true => {
                self.depth -= 1;
                let message =
                    format!("calls and expressions are nested deeper than {MAX_DEPTH} levels");
                Err(error(codes::TOO_LARGE, span, message))
            }
            false => Ok(()),
        }
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }

    fn new_label(&mut self) -> Label {
        self.labels += 1;
        Label(self.labels)
    }

    /// Appends an operation to what is being elaborated.
    fn emit(&mut self, op: Op) {
        let tail = self.tails.op(&op);
        step::push_op(&mut self.out, op);
        if let Some(op) = tail {
            step::push_op(&mut self.out, op);
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

    /// `name`, or with a number behind if it is taken.
    fn unique(&mut self, kind: &'static str, name: &str) -> String {
        let Some(mut number) = self.names.get(&(kind, name.to_owned())).copied() else {
            self.names.insert((kind, name.to_owned()), 1);
            return name.to_owned();
        };
        let free = loop {
            number += 1;
            let candidate = (kind, format!("{name}_{number}"));
            if !self.names.contains_key(&candidate) {
                break candidate;
            }
        };
        self.names.insert((kind, name.to_owned()), number);
        self.names.insert(free.clone(), 1);
        free.1
    }

    /// Runs `body` with an empty list of steps and returns what it appended.
    fn collect<T>(&mut self, body: impl FnOnce(&mut Self) -> R<T>) -> R<(Vec<Step>, T)> {
        let outer = std::mem::take(&mut self.out);
        let result = body(self);
        let steps = std::mem::replace(&mut self.out, outer);
        Ok((steps, result?))
    }

    /// Runs `body` with the names of another frame.
    fn with_frame<T>(
        &mut self,
        frame: Rc<Frame<'a>>,
        body: impl FnOnce(&mut Self) -> R<T>,
    ) -> R<T> {
        let outer = std::mem::replace(&mut self.frame, frame);
        let result = body(self);
        self.frame = outer;
        result
    }
}

/// How often each instance is applied, in all blocks.
fn applications(tree: &typed::Program) -> BTreeMap<InstanceId, usize> {
    let mut uses = Uses::default();
    tree.controls
        .values()
        .for_each(|control| uses.stmts(&control.body));
    for state in tree.parsers.values().flat_map(|parser| &parser.states) {
        uses.stmts(&state.stmts);
    }
    let mut found = BTreeMap::new();
    // The architecture applies each block of a package once.
    for package in tree
        .instances
        .values()
        .filter(|i| matches!(i.of, InstanceOf::Package(..)))
    {
        for arg in package.args.iter().filter_map(|arg| arg.value.as_ref()) {
            if let typed::ExprKind::Instance(id) = &arg.kind {
                uses.applied.push(*id);
            }
        }
    }
    for id in uses.applied {
        *found.entry(id).or_default() += 1;
    }
    found
}

/// Actions that stand in no control.
fn global_actions(tree: &typed::Program) -> BTreeSet<typed::ActionId> {
    let mut found: BTreeSet<typed::ActionId> = tree.actions.keys().collect();
    for local in tree.controls.values().flat_map(|control| &control.locals) {
        if let typed::Local::Action(id) = local {
            found.remove(id);
        }
    }
    found
}

/// Bytes behind the cursor that an expression reads. Where they are not there it fails, so it may not be evaluated in
/// vain unless as many were read before.
fn bytes_read(expr: &Expr) -> u32 {
    let mut bytes = 0;
    expr.walk(&mut |e| {
        if let Expr::Lookahead { offset, width } = e {
            bytes = bytes.max(offset.saturating_add(*width).div_ceil(8));
        }
    });
    bytes
}

/// An error.
fn error(code: &'static str, span: Span, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, span, message))
}

/// The error for language that is not supported.
fn unsupported(span: Span, what: impl std::fmt::Display) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(
        codes::UNSUPPORTED,
        span,
        format!("{what} is not supported yet"),
    ))
}
