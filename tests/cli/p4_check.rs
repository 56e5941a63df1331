//! `trisect p4 check`.

use crate::{example, good, stderr, stdout, trisect};
use serde_json::Value;
use std::fs;
use tempfile::TempDir;

/// A folder with files of these names and texts, and the path of the first one.
pub fn files(files: &[(&str, &str)]) -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    let first = folder.path().join(files[0].0).display().to_string();
    (folder, first)
}

fn check(text: &str, more: &[&str]) -> std::process::Output {
    let (_folder, program) = files(&[("test.p4", text)]);
    let mut arguments = vec!["p4", "check", &program];
    arguments.extend(more);
    trisect(&arguments)
}

#[test]
fn a_right_program_has_nothing_to_say() {
    let router = example("packet-tests").join("router.p4");
    let router = router.display().to_string();
    let output = trisect(&["p4", "check", &router]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stdout(&output),
        format!("{router}: no errors, no warnings\n")
    );
    assert_eq!(stderr(&output), "");

    let text = good(&["p4", "check", &router, "--json"]);
    let report: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["program"], router);
    assert_eq!(
        (&report["errors"], &report["warnings"]),
        (&0.into(), &0.into())
    );
    assert_eq!(report["diagnostics"], serde_json::json!([]));
}

const WRONG: &str = "const bit<8> limit = 3;
control C(inout bit<8> a) {
    apply {
        a = limt;
        a = true;
    }
}
";

#[test]
fn all_errors_are_shown_with_their_lines() {
    let output = check(WRONG, &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = stdout(&output);
    assert!(said.ends_with("test.p4: 2 errors, no warnings\n"), "{said}");
    let text = stderr(&output);
    for part in [
        "error[E0130]",
        "test.p4:4:13",
        "did you mean `limit`?",
        "error[E0132]",
        "test.p4:5:13",
        "a = true;",
    ] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
}

#[test]
fn editors_get_places_and_ways_out() {
    let output = check(WRONG, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["errors"], 2);
    let first = &report["diagnostics"][0];
    assert_eq!(first["code"], "E0130");
    assert_eq!(first["severity"], "error");
    assert!(
        first["file"]
            .as_str()
            .is_some_and(|f| f.ends_with("test.p4"))
    );
    let place = |line: u32, column: u32, offset: u32| serde_json::json!({ "line": line, "column": column, "offset": offset });
    assert_eq!(first["start"], place(4, 13, 76));
    assert_eq!(first["end"], place(4, 17, 80));
    assert_eq!(first["help"], "did you mean `limit`?");
    assert_eq!(report["diagnostics"][1]["code"], "E0132");
}

#[test]
fn warnings_alone_are_no_failure() {
    let text = "control C(inout bit<8> a) { apply { return; a = 1; } }\n";
    let output = check(text, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).ends_with("test.p4: no errors, 1 warning\n"));
    assert!(
        stderr(&output).contains("warning[E0160]"),
        "{}",
        stderr(&output)
    );
    let output = check(text, &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(
        (&report["errors"], &report["warnings"]),
        (&0.into(), &1.into())
    );
    assert_eq!(report["diagnostics"][0]["severity"], "warning");
}

#[test]
fn the_parser_goes_on_behind_a_mistake() {
    let output = check(
        "const bit<8> a = ;\nconst bit<8> b = 1\nconst bit<8> c = 2;\n",
        &[],
    );
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert_eq!(text.matches("error[E0120]").count(), 2, "{text}");
}

#[test]
fn mistakes_in_included_files_are_shown_there() {
    let (folder, program) = files(&[
        ("main.p4", "#include \"part.p4\"\n"),
        ("part.p4", "\nconst bit<8> a = b;\n"),
    ]);
    let output = trisect(&["p4", "check", &program]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("part.p4:2:18"), "{text}");
    drop(folder);
}

#[test]
fn macros_and_folders_come_from_the_command_line() {
    let text = "#include <width.p4>\nconst bit<WIDTH> a = VALUE;\n";
    let (folder, program) = files(&[("main.p4", text)]);
    let include = folder.path().join("more");
    fs::create_dir(&include).expect("a folder");
    fs::write(include.join("width.p4"), "#define WIDTH 8\n").expect("written");
    let include = include.display().to_string();
    let arguments = ["p4", "check", &program, "-I", &include, "-D"];
    good(&[&arguments[..], &["VALUE=255"]].concat());
    let output = trisect(&[&arguments[..], &["VALUE=true"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0132"), "{}", stderr(&output));
    let output = trisect(&["p4", "check", &program]);
    assert!(stderr(&output).contains("E0101"), "{}", stderr(&output));
}

#[test]
fn what_cannot_be_read_is_said() {
    for more in [&[][..], &["--json"][..]] {
        let output = trisect(&[&["p4", "check", "nowhere.p4"], more].concat());
        assert_eq!(output.status.code(), Some(1));
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("E0500"), "{said}");
    }
    // Bytes that are no UTF-8, and no P4.
    let (folder, program) = files(&[("test.p4", "")]);
    fs::write(&program, b"\xff\x00\xfe{{{").expect("written");
    let output = trisect(&["p4", "check", &program]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error[E01"), "{}", stderr(&output));
    drop(folder);
}
