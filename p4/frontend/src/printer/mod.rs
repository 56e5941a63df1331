//! Tree to text: what is printed parses to the same tree (positions aside).
//!
//! Parentheses are put where the tree needs them; includes and macros have been expanded by then,
//! so the text stands on its own.

mod expr;
mod stmt;

use crate::ast::{
    ActionRef, Annotation, AnnotationBody, AnnotationTokenKind, BinOp, BlockProto, Decl, DeclKind,
    Direction, Entry, Expr, FunctionProto, Ident, Instance, KeyElement, Method, Param, ParserState,
    Program, StructDecl, TableProperty, TablePropertyKind, Transition, TypeRef, TypedefDecl,
    TypedefTarget,
};
use crate::lexer::escape;
use crate::span::SourceMap;
use expr::integer;

/// The whole program.
#[must_use]
pub fn program(program: &Program) -> String {
    let mut printer = Printer::default();
    for (at, decl) in program.decls.iter().enumerate() {
        if at > 0 {
            printer.out.push('\n');
        }
        printer.decl(decl);
    }
    printer.out
}

/// The whole program for a compiler that has `core.p4` and `v1model.p4` itself: they are included by name. What
/// comes from other files stands in the text.
#[must_use]
pub fn v1model_program(program: &Program, sources: &SourceMap) -> String {
    let theirs = |decl: &Decl| {
        let file = sources.embedded(decl.span.file);
        matches!(file, Some("core.p4" | "v1model.p4"))
    };
    let mut printer = Printer::default();
    let version = program.decls.iter().find_map(|decl| match &decl.kind {
        DeclKind::Const(constant) if constant.name.as_str() == "__v1model_version" => {
            Some(expression(&constant.value))
        }
        _ => None,
    });
    if let Some(version) = version {
        printer.out = format!("#define V1MODEL_VERSION {version}\n");
    }
    printer
        .out
        .push_str("#include <core.p4>\n#include <v1model.p4>\n");
    for decl in program.decls.iter().filter(|decl| !theirs(decl)) {
        printer.out.push('\n');
        printer.decl(decl);
    }
    printer.out
}

/// One expression.
#[must_use]
pub fn expression(expr: &Expr) -> String {
    let mut printer = Printer::default();
    printer.expr(expr, LOWEST);
    printer.out
}

/// One type.
#[must_use]
pub fn type_ref(ty: &TypeRef) -> String {
    let mut printer = Printer::default();
    printer.ty(ty);
    printer.out
}

/// One declaration, ending in a newline.
#[must_use]
pub fn declaration(decl: &Decl) -> String {
    let mut printer = Printer::default();
    printer.decl(decl);
    printer.out
}

/// The operator as written.
#[must_use]
pub fn binary_operator(op: BinOp) -> &'static str {
    match op {
        BinOp::Mul => "*",
        BinOp::Div => "/",
        BinOp::Mod => "%",
        BinOp::Add => "+",
        BinOp::Sub => "-",
        BinOp::SatAdd => "|+|",
        BinOp::SatSub => "|-|",
        BinOp::Concat => "++",
        BinOp::Shl => "<<",
        BinOp::Shr => ">>",
        BinOp::Lt => "<",
        BinOp::Le => "<=",
        BinOp::Gt => ">",
        BinOp::Ge => ">=",
        BinOp::Eq => "==",
        BinOp::Ne => "!=",
        BinOp::BitAnd => "&",
        BinOp::BitXor => "^",
        BinOp::BitOr => "|",
        BinOp::And => "&&",
        BinOp::Or => "||",
    }
}

/// Binding strengths beyond those of binary operators (1 to 10).
const LOWEST: u8 = 0;
const PREFIX: u8 = 11;
const POSTFIX: u8 = 12;

#[derive(Default)]
struct Printer {
    out: String,
    indent: usize,
}

impl Printer {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn start_line(&mut self) {
        self.out.extend(std::iter::repeat_n("    ", self.indent));
    }

    fn line(&mut self, text: &str) {
        self.start_line();
        self.text(text);
        self.out.push('\n');
    }

    /// ` {`, the body one level deeper, `}` without newline.
    fn braces(&mut self, body: impl FnOnce(&mut Self)) {
        self.text("{\n");
        self.indent += 1;
        body(self);
        self.indent -= 1;
        self.start_line();
        self.text("}");
    }

    fn separated<T>(&mut self, items: &[T], print: impl Fn(&mut Self, &T)) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.text(", ");
            }
            print(self, item);
        }
    }

    // ----------------------------------------------------------------------- annotations

    fn annotation(&mut self, annotation: &Annotation) {
        self.text("@");
        self.text(&annotation.name.name);
        match &annotation.body {
            AnnotationBody::Empty => {}
            AnnotationBody::Unstructured(tokens) => {
                let words: Vec<String> = tokens
                    .iter()
                    .map(|token| annotation_token(&token.kind))
                    .collect();
                self.text(&format!("({})", words.join(" ")));
            }
            AnnotationBody::Exprs(exprs) => {
                self.text("[");
                self.separated(exprs, |printer, expr| printer.expr(expr, LOWEST));
                self.text("]");
            }
            AnnotationBody::KeyValues(pairs) => {
                self.text("[");
                self.separated(pairs, Self::named);
                self.text("]");
            }
        }
    }

    /// Annotations in front of something on the same line.
    fn annotations_before(&mut self, annotations: &[Annotation]) {
        for annotation in annotations {
            self.annotation(annotation);
            self.text(" ");
        }
    }

    fn annotations_behind(&mut self, annotations: &[Annotation]) {
        for annotation in annotations {
            self.text(" ");
            self.annotation(annotation);
        }
    }

    // ---------------------------------------------------------------------- declarations

    /// A declaration on lines of its own.
    fn decl(&mut self, decl: &Decl) {
        for annotation in &decl.annotations {
            self.start_line();
            self.annotation(annotation);
            self.text("\n");
        }
        self.start_line();
        self.decl_kind(&decl.kind);
        self.text("\n");
    }

    fn decl_kind(&mut self, kind: &DeclKind) {
        match kind {
            DeclKind::Const(decl) => {
                self.text("const ");
                self.typed_name(&decl.ty, &decl.name);
                self.text(" = ");
                self.expr(&decl.value, LOWEST);
                self.text(";");
            }
            DeclKind::Var(_) => {
                self.variable(kind);
                self.text(";");
            }
            DeclKind::Extern(decl) => {
                self.text("extern ");
                self.text(&decl.name.name);
                self.type_params(&decl.type_params);
                self.text(" ");
                self.braces(|printer| {
                    decl.methods
                        .iter()
                        .for_each(|method| printer.method(method))
                });
            }
            DeclKind::ExternFunction(proto) => {
                self.text("extern ");
                self.function_proto(proto);
                self.text(";");
            }
            DeclKind::ExternForward(name) => self.text(&format!("extern {};", name.name)),
            DeclKind::Action(decl) => {
                self.text("action ");
                self.text(&decl.name.name);
                self.params(&decl.params);
                self.text(" ");
                self.block(&decl.body);
            }
            DeclKind::ParserType(proto) => self.block_type("parser ", proto),
            DeclKind::ControlType(proto) => self.block_type("control ", proto),
            DeclKind::Package(proto) => self.block_type("package ", proto),
            DeclKind::Parser(decl) => {
                self.block_head("parser ", &decl.proto, &decl.ctor_params);
                self.braces(|printer| {
                    decl.locals.iter().for_each(|local| printer.decl(local));
                    decl.states.iter().for_each(|state| printer.state(state));
                });
            }
            DeclKind::Control(decl) => {
                self.block_head("control ", &decl.proto, &decl.ctor_params);
                self.braces(|printer| {
                    decl.locals.iter().for_each(|local| printer.decl(local));
                    printer.start_line();
                    printer.text("apply ");
                    printer.block(&decl.apply);
                    printer.text("\n");
                });
            }
            DeclKind::Header(decl) => self.structure("header ", decl),
            DeclKind::HeaderUnion(decl) => self.structure("header_union ", decl),
            DeclKind::Struct(decl) => self.structure("struct ", decl),
            DeclKind::Enum(decl) => {
                self.text("enum ");
                self.text(&decl.name.name);
                self.text(" ");
                self.identifiers(&decl.members);
            }
            DeclKind::SerEnum(decl) => {
                self.text("enum ");
                self.ty(&decl.ty);
                self.text(" ");
                self.text(&decl.name.name);
                self.text(" ");
                self.braces(|printer| {
                    for member in &decl.members {
                        printer.start_line();
                        printer.named(member);
                        printer.text(",\n");
                    }
                });
            }
            DeclKind::Typedef(decl) => self.typedef("typedef ", decl),
            DeclKind::NewType(decl) => self.typedef("type ", decl),
            DeclKind::Error(names) => {
                self.text("error ");
                self.error_identifiers(names);
            }
            DeclKind::MatchKind(names) => {
                self.text("match_kind ");
                self.identifiers(names);
            }
            DeclKind::Instance(decl) => self.instance(decl),
            DeclKind::Function(decl) => {
                self.function_proto(&decl.proto);
                self.text(" ");
                self.block(&decl.body);
            }
            DeclKind::Table(decl) => {
                self.text("table ");
                self.text(&decl.name.name);
                self.text(" ");
                self.braces(|printer| {
                    decl.properties
                        .iter()
                        .for_each(|property| printer.table_property(property))
                });
            }
            DeclKind::ValueSet(decl) => {
                self.text("value_set<");
                self.ty(&decl.ty);
                self.text(">(");
                self.expr(&decl.size, LOWEST);
                self.text(") ");
                self.text(&decl.name.name);
                self.text(";");
            }
        }
    }

    /// A variable without `;`.
    fn variable(&mut self, kind: &DeclKind) {
        if let DeclKind::Var(decl) = kind {
            self.typed_name(&decl.ty, &decl.name);
            if let Some(init) = &decl.init {
                self.text(" = ");
                self.expr(init, LOWEST);
            }
        }
    }

    fn typed_name(&mut self, ty: &TypeRef, name: &Ident) {
        self.ty(ty);
        self.text(" ");
        self.text(&name.name);
    }

    fn identifiers(&mut self, names: &[Ident]) {
        self.braces(|printer| {
            names
                .iter()
                .for_each(|name| printer.line(&format!("{},", name.name)))
        });
    }

    /// Like [`Self::identifiers`], without the comma at the end, which `error` does not have.
    fn error_identifiers(&mut self, names: &[Ident]) {
        self.braces(|printer| {
            for (at, name) in names.iter().enumerate() {
                let comma = if at + 1 < names.len() { "," } else { "" };
                printer.line(&format!("{}{comma}", name.name));
            }
        });
    }

    fn method(&mut self, method: &Method) {
        self.start_line();
        self.annotations_before(&method.annotations);
        if method.is_abstract {
            self.text("abstract ");
        }
        if method.is_constructor {
            self.text(&method.proto.name.name);
            self.params(&method.proto.params);
        } else {
            self.function_proto(&method.proto);
        }
        self.text(";\n");
    }

    fn function_proto(&mut self, proto: &FunctionProto) {
        self.typed_name(&proto.ret, &proto.name);
        self.type_params(&proto.type_params);
        self.params(&proto.params);
    }

    fn type_params(&mut self, params: &[Ident]) {
        if !params.is_empty() {
            self.text("<");
            self.separated(params, |printer, param| printer.text(&param.name));
            self.text(">");
        }
    }

    fn params(&mut self, params: &[Param]) {
        self.text("(");
        self.separated(params, |printer, param| {
            printer.annotations_before(&param.annotations);
            printer.text(match param.direction {
                Direction::None => "",
                Direction::In => "in ",
                Direction::Out => "out ",
                Direction::InOut => "inout ",
            });
            printer.typed_name(&param.ty, &param.name);
            if let Some(default) = &param.default {
                printer.text(" = ");
                printer.expr(default, LOWEST);
            }
        });
        self.text(")");
    }

    fn block_proto(&mut self, keyword: &str, proto: &BlockProto) {
        self.text(keyword);
        self.text(&proto.name.name);
        self.type_params(&proto.type_params);
        self.params(&proto.params);
    }

    fn block_type(&mut self, keyword: &str, proto: &BlockProto) {
        self.block_proto(keyword, proto);
        self.text(";");
    }

    fn block_head(&mut self, keyword: &str, proto: &BlockProto, ctor_params: &[Param]) {
        self.block_proto(keyword, proto);
        if !ctor_params.is_empty() {
            self.params(ctor_params);
        }
        self.text(" ");
    }

    fn structure(&mut self, keyword: &str, decl: &StructDecl) {
        self.text(keyword);
        self.text(&decl.name.name);
        self.type_params(&decl.type_params);
        self.text(" ");
        self.braces(|printer| {
            for field in &decl.fields {
                printer.start_line();
                printer.annotations_before(&field.annotations);
                printer.typed_name(&field.ty, &field.name);
                printer.text(";\n");
            }
        });
    }

    fn typedef(&mut self, keyword: &str, decl: &TypedefDecl) {
        self.text(keyword);
        match &decl.target {
            TypedefTarget::Type(ty) => self.ty(ty),
            TypedefTarget::Decl(inner) => {
                self.annotations_before(&inner.annotations);
                self.decl_kind(&inner.kind);
            }
        }
        self.text(" ");
        self.text(&decl.name.name);
        self.text(";");
    }

    fn instance(&mut self, decl: &Instance) {
        self.ty(&decl.ty);
        self.args(&decl.args);
        self.text(" ");
        self.text(&decl.name.name);
        if let Some(init) = &decl.init {
            self.text(" = ");
            self.braces(|printer| init.iter().for_each(|decl| printer.decl(decl)));
        }
        self.text(";");
    }

    fn state(&mut self, state: &ParserState) {
        self.start_line();
        self.annotations_before(&state.annotations);
        self.text("state ");
        self.text(&state.name.name);
        self.text(" ");
        self.braces(|printer| {
            state.stmts.iter().for_each(|stmt| printer.stmt(stmt));
            match &state.transition {
                None => {}
                Some(Transition::Direct(next)) => {
                    printer.line(&format!("transition {};", next.name))
                }
                Some(Transition::Select(select)) => {
                    printer.start_line();
                    printer.text("transition select(");
                    printer.separated(&select.args, |printer, arg| printer.expr(arg, LOWEST));
                    printer.text(") ");
                    printer.braces(|printer| {
                        for case in &select.cases {
                            printer.start_line();
                            printer.keyset(&case.keys);
                            printer.text(&format!(": {};\n", case.next.name));
                        }
                    });
                    printer.text("\n");
                }
            }
        });
        self.text("\n");
    }

    // ---------------------------------------------------------------------------- tables

    fn table_property(&mut self, property: &TableProperty) {
        self.start_line();
        self.annotations_before(&property.annotations);
        if property.is_const {
            self.text("const ");
        }
        match &property.kind {
            TablePropertyKind::Key(elements) => {
                self.text("key = ");
                self.braces(|printer| {
                    elements
                        .iter()
                        .for_each(|element| printer.key_element(element))
                });
            }
            TablePropertyKind::Actions(actions) => {
                self.text("actions = ");
                self.braces(|printer| {
                    for action in actions {
                        printer.start_line();
                        printer.action_ref(action);
                        printer.text(";\n");
                    }
                });
            }
            TablePropertyKind::Entries(entries) => {
                self.text("entries = ");
                self.braces(|printer| entries.iter().for_each(|entry| printer.entry(entry)));
            }
            TablePropertyKind::DefaultAction(action) => {
                self.text("default_action = ");
                self.action_ref(action);
                self.text(";");
            }
            TablePropertyKind::Size(value) => {
                self.text("size = ");
                self.expr(value, LOWEST);
                self.text(";");
            }
            TablePropertyKind::Custom { name, value } => {
                self.text(&format!("{} = ", name.name));
                self.expr(value, LOWEST);
                self.text(";");
            }
        }
        self.text("\n");
    }

    fn key_element(&mut self, element: &KeyElement) {
        self.start_line();
        self.expr(&element.expr, LOWEST);
        self.text(&format!(": {}", element.match_kind.name));
        self.annotations_behind(&element.annotations);
        self.text(";\n");
    }

    fn action_ref(&mut self, action: &ActionRef) {
        self.annotations_before(&action.annotations);
        self.path(&action.path);
        if let Some(args) = &action.args {
            self.args(args);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.start_line();
        if entry.is_const {
            self.text("const ");
        }
        if let Some(priority) = &entry.priority {
            self.text("priority = ");
            // A ternary's `:` would be taken for the one behind the priority.
            self.expr(priority, PREFIX);
            self.text(": ");
        }
        self.keyset(&entry.keys);
        self.text(": ");
        self.action_ref(&entry.action);
        self.annotations_behind(&entry.annotations);
        self.text(";\n");
    }

    fn keyset(&mut self, keys: &[Expr]) {
        if let [key] = keys {
            return self.expr(key, LOWEST);
        }
        self.text("(");
        self.separated(keys, |printer, key| printer.expr(key, LOWEST));
        self.text(")");
    }
}

fn annotation_token(kind: &AnnotationTokenKind) -> String {
    match kind {
        AnnotationTokenKind::Str(text) => format!("\"{}\"", escape(text)),
        AnnotationTokenKind::Int(literal) => integer(literal),
        AnnotationTokenKind::Text(text) => text.clone(),
    }
}
