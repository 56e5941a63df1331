//! Prefixes and ranges are of values that have bits and an order (specification 14.2.1.1).

use crate::codes;
use crate::diag::Diagnostic;
use crate::typed::{Key, Program, Type};

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for key in program.tables.values().flat_map(|table| &table.keys) {
        if let Some(help) = wrong(program, key) {
            let message = format!(
                "a key of type `{}` cannot be matched `{}`",
                program.show(&key.expr.ty),
                key.match_kind
            );
            found.push(Diagnostic::error(codes::KEY, key.expr.span, message).with_help(help));
        }
    }
}

fn wrong(program: &Program, key: &Key) -> Option<&'static str> {
    let number = match program.base(&key.expr.ty) {
        Type::Bit(_) | Type::Int(_) | Type::Integer | Type::Param(_) => true,
        Type::Enum(id) => program.enums[*id].repr.is_some(),
        _ => false,
    };
    let ordered = matches!(key.match_kind.as_str(), "lpm" | "range");
    (ordered && !number)
        .then_some("only `bit<w>` and `int<w>` have prefixes and an order: match it `exact`")
}
