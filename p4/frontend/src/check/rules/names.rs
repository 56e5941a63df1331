//! Names: of types as messages show them, and of the architecture.

use std::fmt::Write as _;

use crate::typed::{BlockKind, InstanceOf, Program, Type};

/// The package that `main` is an instance of.
pub(super) fn architecture(program: &Program) -> Option<&str> {
    match &program.instances[program.main?].of {
        InstanceOf::Package(id, _) => Some(&program.block_types[*id].name),
        _ => None,
    }
}

/// Longest text of a type in a message.
const MAX_SHOWN: usize = 120;

/// The type as a person writes it.
pub(super) fn show(program: &Program, ty: &Type) -> String {
    let mut out = String::new();
    write_type(program, &mut out, ty);
    out
}

fn write_type(program: &Program, out: &mut String, ty: &Type) {
    if out.len() > MAX_SHOWN {
        return;
    }
    // Writing to a String cannot fail.
    let _ = match ty {
        Type::Void => write!(out, "void"),
        Type::Bool => write!(out, "bool"),
        Type::Integer => write!(out, "int"),
        Type::Bit(width) => write!(out, "bit<{width}>"),
        Type::Int(width) => write!(out, "int<{width}>"),
        Type::Varbit(width) => write!(out, "varbit<{width}>"),
        Type::String => write!(out, "string"),
        Type::Error => write!(out, "error"),
        Type::MatchKind => write!(out, "match_kind"),
        Type::Enum(id) => write!(out, "{}", program.enums[*id].name),
        Type::New(id) => write!(out, "{}", program.new_types[*id].name),
        Type::Parser(id) => write!(out, "parser {}", program.parsers[*id].name),
        Type::Control(id) => write!(out, "control {}", program.controls[*id].name),
        Type::Table(id) => write!(out, "table {}", program.tables[*id].name),
        Type::Action(id) => write!(out, "action {}", program.actions[*id].name),
        Type::ApplyResult(_) => write!(out, "the result of applying a table"),
        Type::ActionRun(_) => write!(out, "action_run"),
        Type::Param(id) => write!(out, "{}", program.type_params[*id]),
        Type::Infer(_) | Type::Unknown => write!(out, "_"),
        Type::Stack(elem, size) => {
            write_type(program, out, elem);
            write!(out, "[{size}]")
        }
        Type::Header(id, args) | Type::Union(id, args) | Type::Struct(id, args) => {
            out.push_str(&program.structs[*id].name);
            return write_args(program, out, args);
        }
        Type::Extern(id, args) => {
            out.push_str(&program.externs[*id].name);
            return write_args(program, out, args);
        }
        Type::Block(id, args) => {
            let block = &program.block_types[*id];
            out.push_str(match block.kind {
                BlockKind::Parser => "parser ",
                BlockKind::Control => "control ",
                BlockKind::Package => "package ",
            });
            out.push_str(&block.name);
            return write_args(program, out, args);
        }
        Type::Tuple(parts) => {
            out.push_str("tuple");
            if parts.is_empty() {
                out.push_str("<>");
            }
            return write_args(program, out, parts);
        }
        Type::List(elem) => {
            out.push_str("list");
            return write_args(program, out, std::slice::from_ref(elem));
        }
        Type::Set(elem) => {
            out.push_str("set");
            return write_args(program, out, std::slice::from_ref(elem));
        }
    };
}

fn write_args(program: &Program, out: &mut String, args: &[Type]) {
    for (at, arg) in args.iter().enumerate() {
        out.push_str(if at == 0 { "<" } else { ", " });
        write_type(program, out, arg);
    }
    if !args.is_empty() {
        out.push('>');
    }
}
