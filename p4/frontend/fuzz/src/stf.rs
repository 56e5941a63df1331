//! What must hold for any text of a packet test (STF).

use std::sync::OnceLock;

use trisect_v1model::{CompiledV1, EngineKind, run_script, stf};

/// Scripts with more statements are read, but not run.
const MAX_RUN: usize = 64;

/// The program that scripts run against.
fn program() -> &'static CompiledV1 {
    static PROGRAM: OnceLock<CompiledV1> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let text = include_str!("../programs/stf.p4");
        let compiled = trisect_p4::compile_passes_str("stf.p4", text, &Default::default());
        let compiled = compiled.expect("the program is right");
        CompiledV1 {
            program: compiled.program,
            bridge: compiled.bridge,
            value_sets: compiled.value_sets,
        }
    })
}

/// Reads the input. What is wrong is said at a place in it; what is right prints, and the print reads to what prints the
/// same; and it is run against a program. The interpreter runs it: compiling code would take longer than all the rest.
pub fn stf(text: &str) {
    let script = match stf::parse(text) {
        Ok(script) => script,
        Err(errors) => {
            assert!(!errors.is_empty(), "it is refused without a reason");
            for error in errors {
                let place = text.get(error.span.start as usize..error.span.end as usize);
                assert!(place.is_some(), "{error:?} stands nowhere");
            }
            return;
        }
    };
    let printed = script.to_string();
    let again = stf::parse(&printed);
    let again = again.unwrap_or_else(|errors| panic!("{printed}\n{errors:?}"));
    assert_eq!(
        printed,
        again.to_string(),
        "printing again changes the text"
    );
    assert_eq!(script.statements.len(), again.statements.len());
    if script.statements.len() <= MAX_RUN {
        match run_script(&script, program(), &[EngineKind::Interpreter]) {
            Ok(report) => drop(report.to_string()),
            Err(errors) => assert!(!errors.is_empty(), "it is stopped without a reason"),
        }
    }
}
