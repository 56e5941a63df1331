//! With v1model, action data come by way of P4Runtime, so they are values that it has: numbers and what stands for them.

use std::collections::BTreeSet;

use super::architecture::architecture;
use crate::ast::Direction;
use crate::codes;
use crate::diag::Diagnostic;
use crate::typed::{ActionId, Program, Type, VarId, VarKind};

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    if architecture(program) != Some("V1Switch") {
        return;
    }
    // Only tables get action data from the control plane; an action that the program calls gets it there.
    let listed = program.tables.values().flat_map(|table| &table.actions);
    let actions: BTreeSet<ActionId> = listed.map(|listed| listed.action).collect();
    for action in actions {
        for param in &program.actions[action].params {
            check_param(program, *param, found);
        }
    }
}

fn check_param(program: &Program, param: VarId, found: &mut Vec<Diagnostic>) {
    let var = &program.vars[param];
    let is_data = matches!(
        var.kind,
        VarKind::Param {
            direction: Direction::None,
            ..
        }
    );
    if !is_data || can_be_given(program, &var.ty) {
        return;
    }
    let message = format!(
        "the control plane cannot give `{}` a value of type `{}`",
        var.name,
        program.show(&var.ty)
    );
    found.push(
        Diagnostic::error(codes::PARAMETER, var.span, message)
            .with_note("action data are bits, integers, booleans and enums with an underlying type")
            .with_help("pass the fields one by one"),
    );
}

fn can_be_given(program: &Program, ty: &Type) -> bool {
    matches!(
        program.base(ty),
        Type::Bool | Type::Bit(_) | Type::Int(_) | Type::Varbit(_) | Type::Error | Type::Enum(_)
    )
}
