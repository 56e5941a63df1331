//! Checking: from the syntax tree to the [typed tree](crate::typed).
//!
//! One walk over the tree in source order. Names are looked up in one hash map of scopes (`scope`), types are
//! inferred per call by unification (`unify`), conversions that the language inserts become casts (`convert`),
//! and what is known at compile time is computed (`fold`). No architecture is known here: `V1Switch` is a package
//! like any other.
//!
//! # Invariants
//! - An error is said once: what was reported has the type [`Type::Unknown`], which fits everything.
//! - Time is linear in the size of the program; types, constants and nesting are bounded, and what exceeds a
//!   bound is a diagnostic.

mod aggregate;
mod args;
mod block;
mod builtin;
mod call;
mod convert;
mod decl;
mod expr;
mod facts;
mod fold;
mod generic;
mod instance;
mod keyset;
mod lvalue;
mod member;
mod operator;
pub mod rules;
mod scope;
mod signature;
mod stmt;
mod structs;
mod table;
mod types;
mod unify;

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::ast::{self, Annotation};
use crate::diag::Diagnostic;
use crate::options::Options;
use crate::span::Span;
use crate::typed::{
    Annotations, EnumId, ExternId, FunctionId, Program, StructId, Type, TypeArgs, TypeParamId,
    VarId,
};
use crate::{codes, similar::similar};

use scope::Scopes;
use types::StructKind;

/// Largest width of `bit`, `int` and `varbit`.
const MAX_WIDTH: u32 = 1 << 24;
/// Largest number of elements of a stack.
const MAX_STACK: u32 = 1 << 20;
/// Deepest nesting of expressions and statements.
const MAX_DEPTH: usize = 450;

/// Checks a program: gives what could be made of it, and what is wrong with it. Without errors the program has the
/// invariants that [`crate::typed`] states.
#[must_use]
pub fn check(tree: &ast::Program) -> (Program, Vec<Diagnostic>) {
    check_at_most(tree, Options::default().max_errors)
}

/// As [`check`], but stops after this many errors.
#[must_use]
pub fn check_at_most(tree: &ast::Program, max_errors: usize) -> (Program, Vec<Diagnostic>) {
    let mut checker = Checker {
        program: Program::default(),
        scopes: Scopes::default(),
        diagnostics: Vec::new(),
        errors: 0,
        max_errors,
        infer: Vec::new(),
        depth: 0,
        context: Context::default(),
        tables: Tables::default(),
        hidden_params: None,
        pending_default: None,
        declaring: Vec::new(),
        open_allowed: false,
        reason: None,
        struct_kinds: Vec::new(),
    };
    for decl in &tree.decls {
        if checker.enough() {
            break;
        }
        checker.infer.clear();
        checker.top_level(decl);
    }
    let Checker {
        program,
        mut diagnostics,
        errors,
        ..
    } = checker;
    rules::check_syntax(tree, &mut diagnostics);
    if errors == 0 {
        rules::check_typed(&program, &mut diagnostics);
    }
    limit(&mut diagnostics, max_errors);
    (program, diagnostics)
}

/// Drops errors beyond the limit, which the rules do not know.
fn limit(diagnostics: &mut Vec<Diagnostic>, max_errors: usize) {
    let mut errors = diagnostics.iter().enumerate().filter(|(_, d)| d.is_error());
    if let Some((end, first)) = errors.nth(max_errors.max(1))
        && first.code != codes::TOO_MANY
    {
        let (span, more) = (first.span, "too many errors; the rest is not shown");
        diagnostics.truncate(end);
        diagnostics.push(
            Diagnostic::error(codes::TOO_MANY, span, more)
                .with_help("mend the first ones; many later ones may follow from them"),
        );
    }
}

/// Where in the program the walk is.
#[derive(Clone, Debug, Default)]
struct Context {
    /// The innermost body.
    place: Place,
    /// What `return` has to give; `None` where nothing is returned.
    returns: Option<Type>,
    /// Loops around.
    loops: u32,
    /// The enum whose members are being given values.
    members_of: Option<EnumId>,
    /// What `this` is.
    this: Option<(ExternId, TypeArgs)>,
}

/// The kind of body that statements stand in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    TopLevel,
    Parser,
    Control,
    Action,
    Function,
    Method,
}

/// Indices by name, for look-up in constant time.
#[derive(Debug, Default)]
struct Tables<'a> {
    fields: HashMap<StructId, HashMap<&'a str, u32>>,
    members: HashMap<EnumId, HashMap<&'a str, u32>>,
    methods: HashMap<ExternId, HashMap<&'a str, Vec<FunctionId>>>,
    errors: HashMap<&'a str, u32>,
    match_kinds: HashMap<&'a str, (u32, Span)>,
    facts: facts::Cache,
    overloads: Vec<Vec<FunctionId>>,
    /// Generic structs with type arguments that were looked at.
    specialised: HashSet<(StructId, TypeArgs)>,
    /// Parsers, controls or packages of one name.
    blocks: Vec<Vec<scope::Binding>>,
    generics: generic::Generics<'a>,
    type_param_names: HashMap<TypeParamId, &'a str>,
    /// Default values that have to be checked anew for each call, as their type depends on type arguments.
    defaults: HashMap<VarId, &'a ast::Expr>,
}

struct Checker<'a> {
    program: Program,
    scopes: Scopes<'a>,
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    max_errors: usize,
    infer: Vec<Option<Type>>,
    depth: usize,
    context: Context,
    tables: Tables<'a>,
    /// Where `_` may stand for a type that becomes a type parameter: in the parameters of block types.
    hidden_params: Option<Vec<TypeParamId>>,
    /// The default value of the parameter that is being declared, if it is checked later.
    pending_default: Option<&'a ast::Expr>,
    /// What is being declared around here, and is known only behind its end.
    declaring: Vec<&'a ast::Ident>,
    /// Whether type arguments that nothing says may stay open in what is instantiated next: `_` was written.
    open_allowed: bool,
    /// Why the last unification failed, where that is not plain from the types.
    reason: Option<(String, Span)>,
    /// What each struct is declared as.
    struct_kinds: Vec<StructKind>,
}

impl Checker<'_> {
    fn enough(&self) -> bool {
        self.errors >= self.max_errors
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        if self.enough() {
            return;
        }
        let last = diagnostic.is_error() && self.errors + 1 == self.max_errors;
        self.errors += usize::from(diagnostic.is_error());
        let span = diagnostic.span;
        self.diagnostics.push(diagnostic);
        if last {
            let more = Diagnostic::error(
                codes::TOO_MANY,
                span,
                "too many errors; the rest was not checked",
            );
            let help = "mend the first ones; many later ones may follow from them";
            self.diagnostics.push(more.with_help(help));
        }
    }

    fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) {
        self.report(Diagnostic::error(code, span, message));
    }

    /// Says that a name is not known, and which one may have been meant.
    fn unknown_name<'n>(
        &mut self,
        what: &str,
        name: &ast::Ident,
        known: impl IntoIterator<Item = &'n str>,
    ) {
        let message = format!("{what} `{}`", name.name);
        let mut diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, name.span, message);
        if let Some(near) = similar(&name.name, known) {
            diagnostic = diagnostic.with_help(format!("did you mean `{near}`?"));
        }
        self.report(diagnostic);
    }

    /// Reports the use of a name that is not known: in its own declaration, or nowhere.
    fn not_declared(&mut self, path: &ast::Path, message: String, near: Option<String>) {
        let own = self.declaring.iter().rev();
        let own = own.copied().find(|name| name.name == path.name.name);
        let error = match (own, near) {
            (Some(own), _) => {
                let message = format!("`{}` cannot use itself", own.name);
                Diagnostic::error(codes::RECURSION, path.span(), message)
                    .with_note_at(own.span, "it is being declared here")
            }
            (None, near) => {
                let error = Diagnostic::error(codes::UNKNOWN_NAME, path.span(), message);
                match near {
                    Some(near) => error.with_help(format!("did you mean `{near}`?")),
                    None => error,
                }
            }
        };
        self.report(error);
    }

    /// Runs `walk` one level deeper, unless that is too deep.
    fn nested<T>(&mut self, span: Span, walk: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            let message = format!("this is nested deeper than {MAX_DEPTH} levels");
            let error = Diagnostic::error(codes::NESTING, span, message);
            self.report(error.with_help("split it into named parts"));
            return None;
        }
        self.depth += 1;
        let result = walk(self);
        self.depth -= 1;
        Some(result)
    }
}

/// Annotations as the typed tree keeps them.
fn keep(annotations: &[Annotation]) -> Annotations {
    Rc::from(annotations)
}
