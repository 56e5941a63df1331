//! Every command over the bundled examples.

use super::{EXAMPLES, example, good, stderr, stdout, trisect};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use trisect_plan::plan::Plan;
use trisect_ports::Capture;

/// All files below a folder with their bytes.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).expect("below").display();
                found.insert(name.to_string(), fs::read(&path).expect("readable"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&good(arguments)).expect("JSON")
}

#[test]
fn run_reports_checks_and_writes_the_same_captures_each_time() {
    for name in EXAMPLES {
        let project = example(name).display().to_string();
        let out = tempfile::tempdir().expect("a folder");
        let folders = [out.path().join("new/one"), out.path().join("two")];
        let mut captures = Vec::new();
        for folder in &folders {
            let folder_name = folder.display().to_string();
            let report = json(&["run", &project, "--check", "--json", "--out", &folder_name]);
            let keys = [
                "project",
                "strategy",
                "cut",
                "devices",
                "prediction",
                "summary",
                "check",
                "written",
            ];
            for key in keys {
                assert!(report.get(key).is_some(), "{name}: no {key}");
            }
            assert_eq!(report["project"], name);
            assert_eq!(report["check"]["count"], 0, "{name}");
            captures.push(tree(folder));
        }
        assert!(captures[0] == captures[1], "{name}: two runs differ");
        assert!(!captures[0].is_empty());
        for file in captures[0].keys() {
            assert!(file.ends_with(".pcap"), "{file}");
            let capture = Capture::open(&folders[0].join(file)).expect("a capture");
            assert!(capture.packets().all(|packet| packet.is_ok()), "{file}");
        }
    }
}

#[test]
fn compile_writes_the_same_files_each_time_and_the_plan_reads_back() {
    for name in EXAMPLES {
        let project = example(name).display().to_string();
        let out = tempfile::tempdir().expect("a folder");
        let build = out.path().join("build").display().to_string();
        good(&["compile", &project, "-o", &build]);
        let first = tree(Path::new(&build));
        // Over an earlier compilation, which is replaced as a whole.
        let report = json(&["compile", &project, "-o", &build, "--json"]);
        assert!(
            first == tree(Path::new(&build)),
            "{name}: two builds differ"
        );
        assert_eq!(
            report["written"].as_array().map(Vec::len),
            Some(first.len())
        );
        assert_eq!(fs::read_dir(out.path()).expect("a folder").count(), 1);

        let text = String::from_utf8(first["plan.json"].clone()).expect("text");
        let plan = Plan::from_json(&text).expect("a plan");
        assert!(
            plan.to_json().expect("serialises") == text,
            "{name}: round trip"
        );
        assert!(first.contains_key("plan.svg"));
        let working = plan.devices.iter().filter(|d| d.nodes > 0);
        for device in working {
            let folder = format!("{}/", device.name);
            assert!(
                first.keys().any(|f| f.starts_with(&folder)),
                "{name}: {folder}"
            );
        }

        let plan_file = format!("{build}/plan.json");
        let all = good(&["explain", &plan_file]);
        for node in &plan.nodes {
            assert!(all.contains(&node.name), "{name}: {}", node.name);
        }
        let node = &plan.nodes[0].name;
        assert!(good(&["explain", &plan_file, node]).contains(node.as_str()));
        assert!(json(&["explain", &plan_file, node, "--json"]).is_array());
        let tagged = json(&["explain", &plan_file, "sampling", "--json"]);
        let tagged = tagged["classes"][0]["tagged"].as_bool();
        assert_eq!(tagged, Some(name == "central-office"), "{name}");
        let text = good(&["explain", &plan_file, "sampling"]);
        assert_eq!(
            text.contains("residential: packets carry"),
            tagged == Some(true),
            "{text}"
        );
        let unknown = trisect(&["explain", &plan_file, "nobody"]);
        assert_eq!(unknown.status.code(), Some(1));
        let errors = stderr(&unknown);
        assert!(
            errors.contains("E0506") && errors.contains("nobody"),
            "{errors}"
        );
    }
}

#[test]
fn stages_are_printed() {
    let project = example("l3-firewall").display().to_string();
    for stage in [
        "policy",
        "pgraph",
        "igraph",
        "placement",
        "ir",
        "cut",
        "plan",
    ] {
        let text = good(&["compile", &project, "--emit", stage]);
        assert!(text.len() > 10, "{stage}: {text}");
        assert!(
            text == good(&["compile", &project, "--emit", stage]),
            "{stage}"
        );
    }
}

#[test]
fn targets_functions_and_codes_are_shown() {
    let targets = json(&["targets", "--json"]);
    let names: Vec<&str> = targets
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|t| t["name"].as_str())
        .collect();
    assert_eq!(names, ["bmv2", "rte-flow", "host"]);
    for name in names {
        assert!(good(&["targets", name]).contains("SUPPORT"), "{name}");
    }
    let functions = json(&["nfs", "--json"]);
    for function in functions.as_array().expect("a list") {
        let name = function["name"].as_str().expect("a name");
        assert!(good(&["nfs", name]).contains(name));
        assert!(good(&["nfs"]).contains(name));
    }
    assert!(good(&["explain", "e0206"]).starts_with("# E0206: "));
    assert_eq!(json(&["explain", "E0206", "--json"])["code"], "E0206");
    for unknown in [
        ["targets", "tofino9"],
        ["nfs", "nothing"],
        ["explain", "E9999"],
    ] {
        let output = trisect(&unknown);
        assert_eq!(output.status.code(), Some(1), "{unknown:?}");
        assert!(stderr(&output).contains("E0506"), "{unknown:?}");
        let [command, name] = unknown;
        let found = trisect(&[command, name, "--json"]);
        let found: Value = serde_json::from_str(&stdout(&found)).expect("JSON");
        assert_eq!(found["errors"][0]["code"], "E0506");
    }
}

#[test]
fn a_wrong_command_line_is_status_2() {
    let project = example("l3-firewall").display().to_string();
    let wrong: [&[&str]; 7] = [
        &[],
        &["fly"],
        &["run"],
        &["compile", &project],
        &["run", &project, "--sample", "0"],
        &["run", &project, "--ingress", "p0"],
        &["run", &project, "--strategy", "wish"],
    ];
    for arguments in wrong {
        assert_eq!(trisect(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_closed_standard_output_is_no_fault() {
    let project = example("l3-firewall").display().to_string();
    for arguments in [
        vec!["run", &project],
        vec!["targets"],
        vec!["explain", "E0206"],
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_trisect"))
            .args(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("ends");
        assert!(output.status.success(), "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn every_packet_can_be_sampled() {
    let project = example("l3-firewall").display().to_string();
    let report = json(&["run", &project, "--json", "--sample", "1"]);
    let summary = &report["summary"];
    assert_eq!(summary["trajectories"], summary["packets"]);
}

#[test]
fn profile_counts_the_same_each_time_and_compile_reads_it() {
    let project = super::Project::like("nat-lb");
    let first = json(&["profile", project.folder(), "--json"]);
    let file = project.path("profile.toml");
    let text = fs::read_to_string(&file).expect("written");
    let second = json(&["profile", project.folder(), "--json"]);
    let counts = |profile: &Value| -> Vec<(String, Value, Value, Value)> {
        let nodes = profile["node"].as_array().expect("nodes");
        assert!(nodes.len() > 5);
        let of = |n: &Value| {
            (
                n["name"].to_string(),
                n["packets"].clone(),
                n["ways"].clone(),
                n["hits"].clone(),
            )
        };
        nodes.iter().map(of).collect()
    };
    assert_eq!(counts(&first), counts(&second));
    let plan = good(&[
        "compile",
        project.folder(),
        "--strategy",
        "host",
        "--emit",
        "cut",
    ]);
    assert!(plan.contains("Profile of "), "{plan}");
    let elsewhere = project.path("other.toml");
    fs::write(&elsewhere, text.replace("packets = ", "packets = -")).expect("written");
    let elsewhere = elsewhere.display().to_string();
    let arguments = [
        "compile",
        project.folder(),
        "--profile",
        &elsewhere,
        "--emit",
        "cut",
    ];
    let output = trisect(&arguments);
    assert!(
        stderr(&output).contains("error[E0242]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn calibrate_changes_the_figures_of_a_server_in_a_rack_file() {
    let project =
        super::Project::like("l3-firewall").change("rack.toml", "ghz = 2.4", "ghz = 2.4  # ours");
    let rack = project.path("rack.toml");
    let before = fs::read_to_string(&rack).expect("readable");
    let name = rack.display().to_string();
    let mut texts = Vec::new();
    // The first time a list of look-ups is added, the second time it is replaced.
    for _ in 0..2 {
        let measured = json(&["calibrate", "--json", "--rack", &name, "--server", "s1"]);
        let after = fs::read_to_string(&rack).expect("readable");
        let server = trisect_policy::Rack::from_toml(&after, "rack.toml").expect("still a rack");
        let server = server.server("s1").expect("still there");
        assert_eq!(measured["ghz"].as_f64(), Some(server.ghz));
        assert_eq!(measured["io_cycles"].as_u64(), Some(server.io_cycles));
        let [few, .., many] = &server.look_ups[..] else {
            panic!("{:?}", server.look_ups);
        };
        assert_eq!(measured["look_ups"][0]["cycles"].as_u64(), Some(few.cycles));
        assert!(few.bytes < many.bytes && few.cycles <= many.cycles);
        texts.push(after);
    }
    for after in &texts {
        let kept: Vec<_> = before
            .lines()
            .filter(|line| !after.contains(line))
            .collect();
        assert!(kept.len() <= 2, "{kept:?}");
        assert!(after.contains("  # ours"));
        assert_eq!(before.lines().count() + 5, after.lines().count());
    }
    let output = trisect(&["calibrate", "--rack", &name, "--server", "s9"]);
    assert!(
        stderr(&output).contains("error[E0506]"),
        "{}",
        stderr(&output)
    );
}
