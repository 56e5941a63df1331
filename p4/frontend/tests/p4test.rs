//! The P4 compiler's `p4test` accepts every network function, with our include files and with its
//! own. Where it is not installed, the test says so and passes.

use std::path::{Path, PathBuf};
use std::process::Command;

use trisect_p4::library;

fn p4() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn accepted(include: &Path, program: &Path) -> Result<(), String> {
    let output = Command::new("p4test")
        .arg("-I")
        .arg(include)
        .arg(program)
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn p4test_accepts_the_library() {
    if Command::new("p4test").arg("--version").output().is_err() {
        println!("skipped: p4test is not installed");
        return;
    }
    // Only what is ours alone, so that core.p4 and pna.p4 are the P4 compiler's.
    let folder = tempfile::tempdir().expect("a folder");
    let ours_alone = folder.path();
    let include = p4().join("include");
    for file in ["trisect.p4", "trisect/std.p4"] {
        let to = ours_alone.join(file);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(include.join(file), to).expect("copied");
    }
    for nf in library() {
        let program = p4().join("nf").join(format!("{}.p4", nf.name));
        for include in [include.as_path(), ours_alone] {
            if let Err(message) = accepted(include, &program) {
                panic!("{} with {}:\n{message}", nf.name, include.display());
            }
        }
    }
}
