//! Every network function of the library compiles to a program that the verifier accepts.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

use trisect_p4::{Options, library};

#[test]
fn every_nf_compiles_and_verifies() {
    for nf in library() {
        let options = Options::default();
        let program = match nf.compile(&options) {
            Ok(program) => program,
            Err(found) => {
                let text: Vec<String> = found.iter().map(|d| d.render(nf.source)).collect();
                panic!("{}:\n{}", nf.name, text.join("\n"));
            }
        };
        assert_eq!(program.name, nf.name);
        if let Err(errors) = trisect_ir::verify(&program) {
            panic!("{}: {errors:?}\n{program}", nf.name);
        }
    }
}
