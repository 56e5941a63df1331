//! `trisect p4 run`.

use crate::{example, good, stderr, stdout, trisect};
use std::fs;

/// The arguments for the example's program and a packet test with this text.
fn run(test: &str, more: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("test.stf");
    fs::write(&file, test).expect("written");
    let program = example("packet-tests").join("router.p4");
    let mut arguments = vec!["p4".into(), "run".into(), program.into_os_string()];
    arguments.extend(["--stf".into(), file.into_os_string()]);
    arguments.extend(more.iter().map(std::ffi::OsString::from));
    trisect(&arguments)
}

const ROUTE: &str = "add routes ipv4.dst:0x0a****** forward(port:1, next_hop:1)\n";
const PACKET: &str = "packet 0 0200000000ff0200000000aa0800\
                      4500001400000000401100 00c00002010a010203\n";

#[test]
fn the_example_passes_on_each_engine() {
    let folder = example("packet-tests");
    let (program, test) = (folder.join("router.p4"), folder.join("router.stf"));
    let (program, test) = (program.display().to_string(), test.display().to_string());
    for (engine, named) in [
        ("both", "interpreter and JIT"),
        ("interpreter", "interpreter"),
        ("jit", "JIT"),
    ] {
        let text = good(&["p4", "run", &program, "--stf", &test, "--engine", engine]);
        assert!(text.contains(&format!("passed on {named} (")), "{text}");
    }
}

#[test]
fn a_test_that_fails_ends_with_status_1_and_says_where() {
    let test = format!("{ROUTE}{PACKET}expect 1 000000000001 0200000000fe\n");
    let output = run(&test, &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("line 3: the packet on port 1 differs (interpreter)"),
        "{text}"
    );
    assert!(
        text.contains("byte 11: digit 2 of it is f, expected is e"),
        "{text}"
    );
    assert!(
        text.contains("ethernet.src: expected 02:00:00:00:00:fe, received 02:00:00:00:00:ff"),
        "{text}"
    );

    let output = run(&test, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["passed"], false);
    assert_eq!(report["runs"][1]["engine"], "jit");
    assert_eq!(report["runs"][0]["expectations"][0]["line"], 3);
    let received = report["runs"][0]["expectations"][0]["received"]["bytes"].as_str();
    assert!(received.is_some_and(|r| r.starts_with("0000000000010200000000ff0800")));
}

#[test]
fn what_is_wrong_with_a_test_is_shown_at_its_line() {
    for (test, code, place) in [
        ("packet 0 0\n", "E0550", ":1:1"),
        ("\nadd route x:1 drop()\n", "E0551", ":2:5"),
        ("add routes ipv4.dst:1/33 drop()\n", "E0552", ":1:21"),
        ("add access ipv4.protocol:6 drop()\n", "E0553", ":1:5"),
    ] {
        let output = run(test, &[]);
        assert_eq!(output.status.code(), Some(1), "{test}");
        let text = stderr(&output);
        assert!(text.contains(code) && text.contains(place), "{text}");
        let output = run(test, &["--json"]);
        let found: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        assert_eq!(found["errors"][0]["code"], code);
    }
}

#[test]
fn files_that_are_not_there_and_wrong_command_lines_are_refused() {
    let program = example("packet-tests")
        .join("router.p4")
        .display()
        .to_string();
    let output = trisect(&["p4", "run", &program, "--stf", "nowhere.stf"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0500"), "{}", stderr(&output));
    let test = example("packet-tests")
        .join("router.stf")
        .display()
        .to_string();
    let output = trisect(&["p4", "run", "nowhere.p4", "--stf", &test]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("E0500"), "{}", stderr(&output));
    // A program that does not compile.
    let output = trisect(&["p4", "run", &test, "--stf", &test]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("router.stf:1:"),
        "{}",
        stderr(&output)
    );
    for arguments in [
        ["p4", "run", &program, "--engine"],
        ["p4", "run", &program, "--json"],
        ["p4", "jump", &program, "--json"],
    ] {
        assert_eq!(trisect(&arguments).status.code(), Some(2));
    }
}
