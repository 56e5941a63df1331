//! Going through the syntax tree, outer parts before inner ones and in source order. The parser bounds its
//! depth, so these functions may recurse.

use crate::ast::{
    Annotation, Arg, Block, Decl, DeclKind, Expr, ExprKind, FunctionProto, Param, Program, Stmt,
    StmtKind, TablePropertyKind, Transition, TypedefTarget,
};

/// What code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A state of a parser.
    State,
    /// The `apply` block of a control.
    Apply,
    /// An action.
    Action,
    /// A function.
    Function,
    /// The body of an abstract method, given by an instance.
    Method,
}

impl Place {
    /// As messages call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Place::State => "a parser state",
            Place::Apply => "an `apply` block",
            Place::Action => "an action",
            Place::Function => "a function",
            Place::Method => "a method",
        }
    }
}

/// What parameters belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A function with a body, or the body of an abstract method.
    Function,
    /// An extern function, or a method or constructor of an extern object.
    Extern,
    /// An action.
    Action,
    /// A parser or control type.
    BlockType,
    /// A parser or control.
    Block,
    /// The constructor of a parser or control.
    Constructor,
    /// A package.
    Package,
}

/// A part of the tree.
#[derive(Clone, Copy)]
pub(super) enum Node<'a> {
    /// A declaration, at top level or anywhere inside.
    Decl(&'a Decl),
    /// A body, whose statements come next.
    Body(Place),
    /// A statement.
    Stmt(&'a Stmt),
    /// An expression, or a part of one. Those within annotations and types do not come.
    Expr(&'a Expr),
    /// All annotations of one thing.
    Annotations(&'a [Annotation]),
    /// The parameters of one thing.
    Params(Owner, &'a [Param]),
    /// The end of the program.
    End,
}

/// Gives every part of the program to `on`.
pub(super) fn walk<'a>(program: &'a Program, on: &mut dyn FnMut(Node<'a>)) {
    for each in &program.decls {
        decl(each, Place::Function, on);
    }
    on(Node::End);
}

/// Gives every declaration among these statements, however deep, to `on`.
pub(super) fn declarations<'a>(of: &'a [Stmt], on: &mut dyn FnMut(&'a Decl)) {
    of.iter().for_each(|stmt| declarations_in(stmt, on));
}

fn declarations_in<'a>(of: &'a Stmt, on: &mut dyn FnMut(&'a Decl)) {
    match &of.kind {
        StmtKind::Decl(decl) => on(decl),
        StmtKind::Block(block) => declarations(&block.stmts, on),
        StmtKind::If {
            then, otherwise, ..
        } => {
            declarations_in(then, on);
            otherwise.iter().for_each(|stmt| declarations_in(stmt, on));
        }
        StmtKind::Switch { cases, .. } => {
            for block in cases.iter().filter_map(|case| case.body.as_ref()) {
                declarations(&block.stmts, on);
            }
        }
        StmtKind::For { init, body, .. } => {
            declarations(init, on);
            declarations_in(body, on);
        }
        StmtKind::ForIn { var, body, .. } => {
            on(var);
            declarations_in(body, on);
        }
        StmtKind::Assign { .. }
        | StmtKind::Call(_)
        | StmtKind::Return(_)
        | StmtKind::Empty
        | StmtKind::Exit
        | StmtKind::Break
        | StmtKind::Continue => {}
    }
}

fn stmts<'a>(of: &'a [Stmt], on: &mut dyn FnMut(Node<'a>)) {
    for stmt in of {
        self::stmt(stmt, on);
    }
}

/// `functions`: what a function declared here is.
fn decl<'a>(of: &'a Decl, functions: Place, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Decl(of));
    on(Node::Annotations(&of.annotations));
    match &of.kind {
        DeclKind::Const(decl) => expr(&decl.value, on),
        DeclKind::Var(decl) => decl.init.iter().for_each(|init| expr(init, on)),
        DeclKind::Extern(decl) => {
            for method in &decl.methods {
                on(Node::Annotations(&method.annotations));
                proto(&method.proto, Owner::Extern, on);
            }
        }
        DeclKind::ExternFunction(of) => proto(of, Owner::Extern, on),
        DeclKind::Action(decl) => {
            params(&decl.params, Owner::Action, on);
            body(&decl.body, Place::Action, on);
        }
        DeclKind::Function(decl) => {
            proto(&decl.proto, Owner::Function, on);
            body(&decl.body, functions, on);
        }
        DeclKind::ParserType(proto) | DeclKind::ControlType(proto) => {
            params(&proto.params, Owner::BlockType, on);
        }
        DeclKind::Package(proto) => params(&proto.params, Owner::Package, on),
        DeclKind::Parser(parser) => {
            params(&parser.proto.params, Owner::Block, on);
            params(&parser.ctor_params, Owner::Constructor, on);
            for local in &parser.locals {
                decl(local, Place::Function, on);
            }
            for state in &parser.states {
                on(Node::Annotations(&state.annotations));
                on(Node::Body(Place::State));
                stmts(&state.stmts, on);
                transition(state.transition.as_ref(), on);
            }
        }
        DeclKind::Control(control) => {
            params(&control.proto.params, Owner::Block, on);
            params(&control.ctor_params, Owner::Constructor, on);
            for local in &control.locals {
                decl(local, Place::Function, on);
            }
            body(&control.apply, Place::Apply, on);
        }
        DeclKind::Header(decl) | DeclKind::HeaderUnion(decl) | DeclKind::Struct(decl) => {
            for field in &decl.fields {
                on(Node::Annotations(&field.annotations));
            }
        }
        DeclKind::SerEnum(decl) => decl.members.iter().for_each(|m| expr(&m.value, on)),
        DeclKind::Typedef(of) | DeclKind::NewType(of) => {
            if let TypedefTarget::Decl(inner) = &of.target {
                decl(inner, Place::Function, on);
            }
        }
        DeclKind::Instance(instance) => {
            args(&instance.args, on);
            for inner in instance.init.iter().flatten() {
                decl(inner, Place::Method, on);
            }
        }
        DeclKind::Table(table) => {
            for property in &table.properties {
                on(Node::Annotations(&property.annotations));
                self::property(&property.kind, on);
            }
        }
        DeclKind::ValueSet(decl) => expr(&decl.size, on),
        DeclKind::ExternForward(_)
        | DeclKind::Enum(_)
        | DeclKind::Error(_)
        | DeclKind::MatchKind(_) => {}
    }
}

fn proto<'a>(of: &'a FunctionProto, owner: Owner, on: &mut dyn FnMut(Node<'a>)) {
    params(&of.params, owner, on);
}

fn params<'a>(of: &'a [Param], owner: Owner, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Params(owner, of));
    for param in of {
        on(Node::Annotations(&param.annotations));
        param.default.iter().for_each(|value| expr(value, on));
    }
}

fn body<'a>(of: &'a Block, place: Place, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Annotations(&of.annotations));
    on(Node::Body(place));
    stmts(&of.stmts, on);
}

fn transition<'a>(of: Option<&'a Transition>, on: &mut dyn FnMut(Node<'a>)) {
    if let Some(Transition::Select(select)) = of {
        exprs(&select.args, on);
        for case in &select.cases {
            exprs(&case.keys, on);
        }
    }
}

fn property<'a>(of: &'a TablePropertyKind, on: &mut dyn FnMut(Node<'a>)) {
    match of {
        TablePropertyKind::Key(elements) => {
            for element in elements {
                expr(&element.expr, on);
                on(Node::Annotations(&element.annotations));
            }
        }
        TablePropertyKind::Actions(actions) => {
            for action in actions {
                on(Node::Annotations(&action.annotations));
                action.args.iter().for_each(|of| args(of, on));
            }
        }
        TablePropertyKind::Entries(entries) => {
            for entry in entries {
                entry.priority.iter().for_each(|value| expr(value, on));
                exprs(&entry.keys, on);
                entry.action.args.iter().for_each(|of| args(of, on));
                on(Node::Annotations(&entry.annotations));
            }
        }
        TablePropertyKind::DefaultAction(action) => {
            action.args.iter().for_each(|of| args(of, on));
        }
        TablePropertyKind::Size(value) | TablePropertyKind::Custom { value, .. } => {
            expr(value, on);
        }
    }
}

fn stmt<'a>(of: &'a Stmt, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Stmt(of));
    match &of.kind {
        StmtKind::Assign { target, value, .. } => {
            expr(target, on);
            expr(value, on);
        }
        StmtKind::Call(call) => expr(call, on),
        StmtKind::If {
            cond,
            then,
            otherwise,
        } => {
            expr(cond, on);
            stmt(then, on);
            otherwise.iter().for_each(|otherwise| stmt(otherwise, on));
        }
        StmtKind::Block(block) => {
            on(Node::Annotations(&block.annotations));
            stmts(&block.stmts, on);
        }
        StmtKind::Switch { expr: value, cases } => {
            expr(value, on);
            for case in cases {
                expr(&case.label, on);
                if let Some(block) = &case.body {
                    on(Node::Annotations(&block.annotations));
                    stmts(&block.stmts, on);
                }
            }
        }
        StmtKind::For {
            annotations,
            init,
            cond,
            update,
            body,
        } => {
            on(Node::Annotations(annotations));
            stmts(init, on);
            expr(cond, on);
            stmts(update, on);
            stmt(body, on);
        }
        StmtKind::ForIn {
            annotations,
            var,
            collection,
            body,
        } => {
            on(Node::Annotations(annotations));
            decl(var, Place::Function, on);
            expr(collection, on);
            stmt(body, on);
        }
        StmtKind::Return(value) => value.iter().for_each(|value| expr(value, on)),
        StmtKind::Decl(of) => decl(of, Place::Function, on),
        StmtKind::Empty | StmtKind::Exit | StmtKind::Break | StmtKind::Continue => {}
    }
}

fn args<'a>(of: &'a [Arg], on: &mut dyn FnMut(Node<'a>)) {
    for arg in of {
        expr(&arg.value, on);
    }
}

fn exprs<'a>(of: &'a [Expr], on: &mut dyn FnMut(Node<'a>)) {
    for each in of {
        expr(each, on);
    }
}

fn expr<'a>(of: &'a Expr, on: &mut dyn FnMut(Node<'a>)) {
    on(Node::Expr(of));
    match &of.kind {
        ExprKind::List(elements) => exprs(elements, on),
        ExprKind::Struct { fields, .. } => fields.iter().for_each(|field| expr(&field.value, on)),
        ExprKind::Unary { expr: inner, .. }
        | ExprKind::Cast { expr: inner, .. }
        | ExprKind::Member { base: inner, .. } => expr(inner, on),
        ExprKind::Binary { lhs, rhs, .. } => {
            expr(lhs, on);
            expr(rhs, on);
        }
        ExprKind::Ternary {
            cond,
            then,
            otherwise,
        } => {
            expr(cond, on);
            expr(then, on);
            expr(otherwise, on);
        }
        ExprKind::Index { base, index } => {
            expr(base, on);
            expr(index, on);
        }
        ExprKind::Slice { base, hi, lo } => {
            expr(base, on);
            expr(hi, on);
            expr(lo, on);
        }
        ExprKind::PlusSlice { base, lo, width } => {
            expr(base, on);
            expr(lo, on);
            expr(width, on);
        }
        ExprKind::Call {
            callee, args: of, ..
        } => {
            expr(callee, on);
            args(of, on);
        }
        ExprKind::Construct { args: of, .. } => args(of, on),
        ExprKind::Mask { value, mask } => {
            expr(value, on);
            expr(mask, on);
        }
        ExprKind::Range { lo, hi } => {
            expr(lo, on);
            expr(hi, on);
        }
        ExprKind::Int(_)
        | ExprKind::Bool(_)
        | ExprKind::Str(_)
        | ExprKind::Path(_)
        | ExprKind::This
        | ExprKind::Dots
        | ExprKind::Invalid
        | ExprKind::DontCare
        | ExprKind::Default
        | ExprKind::TypeMember { .. } => {}
    }
}
