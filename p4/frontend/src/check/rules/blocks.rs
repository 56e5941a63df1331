//! Where parsers and controls may be instantiated (specification, appendix on restrictions): parsers in parsers,
//! controls in controls, both as arguments of packages, neither by name at top level.

use crate::codes;
use crate::diag::Diagnostic;
use crate::typed::{Instance, InstanceId, InstanceOf, Local, Program};

pub(super) fn check(program: &Program, found: &mut Vec<Diagnostic>) {
    for id in &program.globals {
        let instance = &program.instances[*id];
        let Some(what) = block(instance) else {
            continue;
        };
        found.push(report(
            instance,
            &format!(
                "the {what} `{}` cannot be instantiated at top level",
                instance.name
            ),
            "instantiate it in the block that applies it, or in the arguments of the package",
        ));
    }
    for parser in program.parsers.values() {
        for instance in instances(program, &parser.locals) {
            if let InstanceOf::Control(_) | InstanceOf::Package(..) = instance.of {
                found.push(report(
                    instance,
                    &format!("`{}` cannot be instantiated in a parser", instance.name),
                    "parsers may have parsers and extern objects",
                ));
            }
        }
    }
    for control in program.controls.values() {
        for instance in instances(program, &control.locals) {
            if let InstanceOf::Parser(_) | InstanceOf::Package(..) = instance.of {
                found.push(report(
                    instance,
                    &format!("`{}` cannot be instantiated in a control", instance.name),
                    "controls may have controls and extern objects",
                ));
            }
        }
    }
}

fn report(instance: &Instance, message: &str, help: &str) -> Diagnostic {
    Diagnostic::error(codes::INSTANCE_PLACE, instance.span, message).with_help(help)
}

fn block(instance: &Instance) -> Option<&'static str> {
    match instance.of {
        InstanceOf::Parser(_) => Some("parser"),
        InstanceOf::Control(_) => Some("control"),
        InstanceOf::Extern { .. } | InstanceOf::Package(..) => None,
    }
}

fn instances<'a>(program: &'a Program, locals: &'a [Local]) -> impl Iterator<Item = &'a Instance> {
    let ids = locals.iter().filter_map(|local| match local {
        Local::Instance(id) => Some(*id),
        _ => None,
    });
    ids.map(|id: InstanceId| &program.instances[id])
}
