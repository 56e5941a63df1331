//! Records: written, sent and collected.

use super::{example, good, stderr, trisect};
use serde_json::Value;
use std::process::{Command, Stdio};

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn paths(answer: &Value) -> Vec<(String, u64)> {
    let paths = answer["paths"].as_array().expect("paths");
    let path = |p: &Value| {
        let path = p["path"].as_str().expect("a text").to_owned();
        (path, p["packets"].as_u64().expect("a number"))
    };
    paths.iter().map(path).collect()
}

#[test]
fn what_is_recorded_is_collected() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (records, ipfix) = (file("records"), file("records.ipfix"));
    let project = example("l3-firewall").display().to_string();
    let run = good(&[
        "run",
        &project,
        "--sample",
        "4",
        "--json",
        "--records",
        &records,
        "--export",
        &ipfix,
    ]);
    let run = json(&run);
    let expected = paths(&run["summary"]);
    assert!(!expected.is_empty());
    for source in [&records, &ipfix] {
        let collected = json(&good(&["collect", source, "--json"]));
        assert_eq!(paths(&collected), expected, "{source}");
        assert_eq!(collected["trajectories"], run["summary"]["trajectories"]);
        assert_eq!(collected["whole"], collected["trajectories"]);
    }
    let parquet = file("records.parquet");
    good(&["collect", &records, "--parquet", &parquet]);
    let bytes = std::fs::read(&parquet).expect("a file");
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    // The same twice is the same once.
    let text = good(&["collect", &records, &ipfix]);
    let (_, twice) = text.split_once(", ").expect("numbers");
    assert!(!twice.starts_with("0 of them twice"), "{text}");
    assert!(text.contains("(0 with other contents)"), "{text}");
}

#[test]
fn records_travel_over_tcp() {
    let project = example("l3-firewall").display().to_string();
    // The port is free as long as nobody else on this machine takes it now.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let place = format!("tcp:127.0.0.1:{port}");
    let collector = Command::new(env!("CARGO_BIN_EXE_trisect"))
        .args(["collect", &place, "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let arguments = [
        "run", &project, "--sample", "8", "--json", "--export", &place,
    ];
    let mut run = trisect(&arguments);
    for _ in 0..50 {
        if run.status.success() {
            break;
        }
        // The collector may not listen yet.
        std::thread::sleep(std::time::Duration::from_millis(100));
        run = trisect(&arguments);
    }
    assert!(run.status.success(), "{}", stderr(&run));
    let collected = collector.wait_with_output().expect("it ends");
    let collected = json(&String::from_utf8_lossy(&collected.stdout));
    let run = json(&String::from_utf8_lossy(&run.stdout));
    assert_eq!(paths(&collected), paths(&run["summary"]));
}

#[test]
fn what_is_no_record_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.ipfix");
    std::fs::write(&file, b"no IPFIX").expect("written");
    let cases = [
        (file.display().to_string(), "E0520"),
        (folder.path().join("absent").display().to_string(), "E0500"),
        ("tcp:nowhere".to_owned(), "E0521"),
    ];
    for (source, code) in cases {
        let output = trisect(&["collect", &source]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(code), "{}", stderr(&output));
    }
    let project = example("l3-firewall").display().to_string();
    let output = trisect(&["run", &project, "--export", "tcp:127.0.0.1:1"]);
    assert!(stderr(&output).contains("E0521"), "{}", stderr(&output));
}
