//! Types as a person writes them.

use std::fmt::Write as _;

use super::{BlockKind, Program, Type};

/// Longest text of a type, in bytes: type arguments may nest without end.
const MAX_SHOWN: usize = 120;

impl Program {
    /// The type as a person writes it, cut off where it becomes too long to read.
    #[must_use]
    pub fn show(&self, ty: &Type) -> String {
        self.show_with(ty, &Type::clone)
    }

    /// The same where types that are still inferred may stand in it: `found` says what is known of one.
    pub(crate) fn show_with(&self, ty: &Type, found: &dyn Fn(&Type) -> Type) -> String {
        let mut writer = Writer {
            program: self,
            found,
            out: String::new(),
        };
        writer.ty(ty);
        let mut text = writer.out;
        if text.len() > MAX_SHOWN {
            let cut = (0..=MAX_SHOWN).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(cut.unwrap_or(0));
            text.push_str("...");
        }
        text
    }
}

struct Writer<'a> {
    program: &'a Program,
    found: &'a dyn Fn(&Type) -> Type,
    out: String,
}

impl Writer<'_> {
    fn ty(&mut self, ty: &Type) {
        if self.out.len() > MAX_SHOWN {
            return;
        }
        let program = self.program;
        let ty = (self.found)(ty);
        // Writing to a String cannot fail.
        let _ = match &ty {
            Type::Void => write!(self.out, "void"),
            Type::Bool => write!(self.out, "bool"),
            Type::Integer => write!(self.out, "int"),
            Type::Bit(w) => write!(self.out, "bit<{w}>"),
            Type::Int(w) => write!(self.out, "int<{w}>"),
            Type::Varbit(w) => write!(self.out, "varbit<{w}>"),
            Type::String => write!(self.out, "string"),
            Type::Error => write!(self.out, "error"),
            Type::MatchKind => write!(self.out, "match_kind"),
            Type::Enum(id) => write!(self.out, "{}", program.enums[*id].name),
            Type::Header(id, args) | Type::Union(id, args) | Type::Struct(id, args) => {
                let def = &program.structs[*id];
                if def.name.is_empty() {
                    self.out.push_str("struct {");
                    for (at, field) in def.fields.iter().enumerate() {
                        self.out.push_str(if at > 0 { ", " } else { "" });
                        self.out.push_str(&field.name);
                    }
                    self.out.push('}');
                    return;
                }
                self.out.push_str(&def.name);
                return self.args(args);
            }
            Type::Extern(id, args) => {
                self.out.push_str(&program.externs[*id].name);
                return self.args(args);
            }
            Type::Block(id, args) => {
                let def = &program.block_types[*id];
                let kind = match def.kind {
                    BlockKind::Parser => "parser ",
                    BlockKind::Control => "control ",
                    BlockKind::Package => "package ",
                };
                self.out.push_str(kind);
                self.out.push_str(&def.name);
                return self.args(args);
            }
            Type::Stack(elem, size) => {
                self.ty(elem);
                write!(self.out, "[{size}]")
            }
            Type::Tuple(parts) => {
                self.out.push_str("tuple<");
                self.list(parts);
                write!(self.out, ">")
            }
            Type::List(elem) => {
                self.out.push_str("list<");
                self.ty(elem);
                write!(self.out, ">")
            }
            Type::Set(elem) => {
                self.out.push_str("set<");
                self.ty(elem);
                write!(self.out, ">")
            }
            Type::New(id) => write!(self.out, "{}", program.new_types[*id].name),
            Type::Parser(id) => write!(self.out, "parser {}", program.parsers[*id].name),
            Type::Control(id) => write!(self.out, "control {}", program.controls[*id].name),
            Type::Table(id) => write!(self.out, "table {}", program.tables[*id].name),
            Type::ApplyResult(_) => write!(self.out, "the result of applying a table"),
            Type::ActionRun(_) => write!(self.out, "action_run"),
            Type::Action(id) => write!(self.out, "action {}", program.actions[*id].name),
            Type::Param(id) => write!(self.out, "{}", program.type_params[*id]),
            Type::Infer(_) | Type::Unknown => write!(self.out, "_"),
        };
    }

    fn args(&mut self, args: &[Type]) {
        if !args.is_empty() {
            self.out.push('<');
            self.list(args);
            self.out.push('>');
        }
    }

    fn list(&mut self, types: &[Type]) {
        for (at, ty) in types.iter().enumerate() {
            self.out.push_str(if at > 0 { ", " } else { "" });
            self.ty(ty);
        }
    }
}
