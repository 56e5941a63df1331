//! `--p4`: a program of the user's own instead of a project.

use super::{example, good, stderr, stdout, trisect};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use trisect_plan::plan::Plan;

const PROGRAMS: [&str; 3] = ["edge_router", "balancer", "marker"];
const STRATEGIES: [&str; 3] = ["host", "e2", "best"];

fn path(name: &str) -> String {
    example("v1model").join(name).display().to_string()
}

/// The arguments for a bundled program with all its entries, on a rack.
fn bundled(command: &str, program: &str, rack: &str) -> Vec<String> {
    let mut arguments = vec![command.to_owned(), "--p4".to_owned()];
    arguments.push(path(&format!("{program}.p4")));
    arguments.extend(["--rack".to_owned(), path(rack)]);
    let mut entries: Vec<PathBuf> = fs::read_dir(example("v1model").join(program))
        .expect("a folder")
        .map(|entry| entry.expect("readable").path())
        .collect();
    entries.sort();
    for file in entries {
        arguments.extend(["--entries".to_owned(), file.display().to_string()]);
    }
    arguments
}

fn with(mut arguments: Vec<String>, more: &[&str]) -> Vec<String> {
    arguments.extend(more.iter().map(|a| (*a).to_owned()));
    arguments
}

#[test]
fn programs_are_cut_and_keep_the_law() {
    let traffic = path("traffic.pcap");
    for program in PROGRAMS {
        for rack in ["rack.toml", "rack-nic.toml"] {
            for strategy in STRATEGIES {
                let more = ["--strategy", strategy, "--pcap", &traffic];
                let arguments = with(bundled("run", program, rack), &more);
                let text = good(&with(arguments, &["--check", "--json"]));
                let report: Value = serde_json::from_str(&text).expect("JSON");
                let what = format!("{program}, {rack}, {strategy}");
                assert_eq!(report["project"], program, "{what}");
                assert_eq!(report["check"]["count"], 0, "{what}: {text}");
                assert_eq!(report["unclassified"], 0, "{what}");
                let left = report["summary"]["ports"].as_object().expect("ports");
                assert!(!left.is_empty(), "{what}: nothing left the rack");
            }
        }
    }
}

#[test]
fn sampling_asks_for_headers_that_it_knows() {
    let folder = TempDir::new().expect("a folder");
    let rack = folder.path().join("rack.toml");
    let text = fs::read_to_string(path("rack.toml")).expect("readable");
    fs::write(&rack, text + "\n[sampling]\none_in = 64\n").expect("written");
    let rack = rack.display().to_string();
    let output = trisect(&[
        "compile",
        "--p4",
        &path("marker.p4"),
        "--rack",
        &rack,
        "--emit",
        "cut",
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error[E0317]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn compile_writes_a_plan_that_explains_itself() {
    for program in PROGRAMS {
        let out = tempfile::tempdir().expect("a folder");
        let mut plans = Vec::new();
        for name in ["one", "two"] {
            let build = out.path().join(name).display().to_string();
            let arguments = bundled("compile", program, "rack-nic.toml");
            let text = good(&with(arguments, &["-o", &build]));
            assert!(text.contains("Predicted bottleneck"), "{text}");
            plans
                .push(fs::read_to_string(out.path().join(name).join("plan.json")).expect("a plan"));
            let svg =
                fs::read_to_string(out.path().join(name).join("plan.svg")).expect("a picture");
            assert!(svg.contains(program), "{program}");
            let explained = good(&["explain", &format!("{build}/plan.json"), program]);
            assert!(explained.contains("s1"), "{explained}");
        }
        assert!(plans[0] == plans[1], "{program}: two builds differ");
        let plan = Plan::from_json(&plans[0]).expect("reads back");
        assert_eq!(plan.igraph.instances.len(), 1);
        assert_eq!(plan.igraph.instances[0].name, program);
        // Four ports of 10 Gbit/s, 512 bytes a packet.
        assert!((plan.prediction.offered_pps - 4e10 / 4096.0).abs() < 1.0);
    }
}

#[test]
fn stages_are_printed_but_for_a_policy() {
    for stage in ["pgraph", "igraph", "placement", "ir", "cut", "plan"] {
        let arguments = bundled("compile", "edge_router", "rack.toml");
        let text = good(&with(arguments, &["--emit", stage]));
        assert!(text.contains("edge_router"), "{stage}: {text}");
    }
    let arguments = bundled("compile", "edge_router", "rack.toml");
    let output = trisect(&with(arguments, &["--emit", "policy"]));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error[E0508]"),
        "{}",
        stderr(&output)
    );
}

/// A program that sends everything to PORT, which a macro gives.
const SENDER: &str = r#"
#include <core.p4>
#include <v1model.p4>
#include "headers.p4"
#ifndef PORT
#define PORT 0
#endif
struct meta_t { bit<8> unused; }
parser P(packet_in p, out headers_t h, inout meta_t m, inout standard_metadata_t s) {
    state start { p.extract(h.eth); transition accept; }
}
control V(inout headers_t h, inout meta_t m) { apply { } }
control I(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    action to(bit<9> port) { s.egress_spec = port; }
    table types {
        key = { h.eth.type: exact; }
        actions = { to; }
        default_action = to(PORT);
    }
    apply { types.apply(); }
}
control E(inout headers_t h, inout meta_t m, inout standard_metadata_t s) {
    action set(bit<48> a) { h.eth.dst = a; }
    table outs {
        key = { s.egress_port: exact; }
        actions = { set; NoAction; }
        default_action = NoAction();
    }
    apply { outs.apply(); }
}
control C(inout headers_t h, inout meta_t m) { apply { } }
control D(packet_out p, in headers_t h) { apply { p.emit(h.eth); } }
V1Switch(P(), V(), I(), E(), C(), D()) main;
"#;
const HEADERS: &str = "header eth_t { bit<48> dst; bit<48> src; bit<16> type; }
struct headers_t { eth_t eth; }
";

/// The program of a test's own, its header in another folder, and a rack.
struct Own {
    folder: TempDir,
}

impl Own {
    fn new(program: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("include")).expect("a folder");
        let own = Self { folder };
        own.write("sender.p4", program);
        own.write("include/headers.p4", HEADERS);
        own.write(
            "rack.toml",
            &fs::read_to_string(example("v1model").join("rack.toml")).expect("a rack"),
        );
        own
    }
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
    fn arguments(&self, command: &str) -> Vec<String> {
        let arguments = [
            command,
            "--p4",
            &self.path("sender.p4"),
            "--rack",
            &self.path("rack.toml"),
            "-I",
            &self.path("include"),
        ];
        arguments.iter().map(|a| (*a).to_owned()).collect()
    }
    /// The report of a run with these arguments.
    fn report(&self, more: &[&str]) -> Value {
        let traffic = path("traffic.pcap");
        let arguments = with(
            self.arguments("run"),
            &["--pcap", &traffic, "--json", "--check"],
        );
        let text = good(&with(arguments, more));
        let report: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(report["check"]["count"], 0, "{text}");
        report
    }
    /// Expects a refusal with a code, which says `part`, and which the JSON report has, too.
    fn refused(&self, code: &str, part: &str, more: &[&str]) {
        let out = self.path("build");
        let arguments = with(self.arguments("compile"), &["-o", &out]);
        let output = trisect(&with(arguments.clone(), more));
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{part}: {errors}");
        assert!(
            errors.contains(&format!("error[{code}]")),
            "{part}: {errors}"
        );
        assert!(errors.contains(part), "{part}: {errors}");
        assert!(!Path::new(&out).exists(), "{part}");
        let output = trisect(&with(with(arguments, more), &["--json"]));
        let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let found = report["errors"].as_array().expect("a list");
        let found = found.iter().find(|e| e["code"] == code).expect(part);
        let explained = found.get("reason").or(found.get("help"));
        assert!(explained.is_some(), "{part}: {found}");
    }
}

fn packets(report: &Value, port: &str) -> u64 {
    report["summary"]["ports"][port]["packets"]
        .as_u64()
        .unwrap_or(0)
}

#[test]
fn ports_are_positions_macros_and_includes_are_given() {
    let own = Own::new(SENDER);
    let all = own.report(&[])["summary"]["packets"]
        .as_u64()
        .expect("a number");
    assert!(all > 100);
    assert_eq!(packets(&own.report(&[]), "0"), all);
    assert_eq!(packets(&own.report(&["-D", "PORT=3"]), "3"), all);
    assert_eq!(packets(&own.report(&["-DPORT"]), "1"), all);
    // Port 4 of the switch leads to the server, 511 is v1model's drop.
    for (port, reason) in [
        ("PORT=4", "sent to a port that the rack does not have"),
        ("PORT=300", "sent to a port that the rack does not have"),
        ("PORT=511", "Ingress dropped"),
    ] {
        for strategy in STRATEGIES {
            let report = own.report(&["-D", port, "--strategy", strategy]);
            let drops = report["summary"]["drops"].as_object().expect("drops");
            let (why, count) = drops.iter().next().expect("a reason");
            assert!(why.contains(reason), "{port}: {why}");
            assert_eq!(count.as_u64(), Some(all), "{port}");
        }
    }
}

#[test]
fn entries_name_their_table() {
    let own = Own::new(SENDER);
    let two = own.write("to_two.txt", "vlan -> to(2)\n");
    let report = own.report(&["--entries", &format!("types={two}"), "-D", "PORT=1"]);
    let (tagged, plain) = (packets(&report, "2"), packets(&report, "1"));
    assert!(tagged > 0 && plain > 0, "{tagged}, {plain}");
    // The file's name, where none is given.
    let named = own.write("types.entries", "vlan -> to(2)\n");
    let again = own.report(&["--entries", &named, "-D", "PORT=1"]);
    assert_eq!(packets(&again, "2"), tagged);
}

#[test]
fn wrong_programs_entries_and_racks() {
    let own = Own::new(&SENDER.replace("s.egress_spec = port", "s.egress_spex = port"));
    own.refused("E0130", "sender.p4:14", &[]);
    let own = Own::new(&SENDER.replace("apply { types.apply(); }", "apply { types.apply() }"));
    own.refused("E0120", "sender.p4:", &[]);
    let own = Own::new(&SENDER.replace(
        "apply { types.apply(); }\n}\ncontrol E",
        "apply { types.apply(); clone(CloneType.I2E, 32w5); }\n}\ncontrol E",
    ));
    own.refused("E0318", "strategy `host`", &["--strategy", "host"]);
    let rack = fs::read_to_string(own.path("rack.toml")).expect("a rack");
    own.write(
        "rack.toml",
        &rack
            .replace("\"bmv2\"", "\"trident-fixed\"")
            .replace("stages = 12\nsram_kib = 1280\ntcam_kib = 66\n", ""),
    );
    own.refused("E0318", "E0452", &[]);
    own.write(
        "rack.toml",
        &rack.replace("entries = 100000", "entries = 10"),
    );
    own.refused("E0318", "E0449", &[]);
    let own = Own::new(SENDER);
    own.write("include/headers.p4", "header eth_t { bit<48> dst }\n");
    own.refused("E0120", "headers.p4:1", &[]);
    let own = Own::new(SENDER);
    fs::remove_file(own.path("sender.p4")).expect("removed");
    own.refused("E0500", "sender.p4", &[]);

    let own = Own::new(SENDER);
    let good = own.write("types.entries", "vlan -> to(2)\n");
    let bad = own.write("bad.entries", "vlan -> toward(2)\n");
    let none = own.path("none.entries");
    own.refused("E0506", "types", &["--entries", &bad]);
    own.refused(
        "E0251",
        "bad.entries:1",
        &["--entries", &format!("types={bad}")],
    );
    own.refused(
        "E0500",
        "none.entries",
        &["--entries", &format!("types={none}")],
    );
    let twice = ["--entries", &good, "--entries", &good];
    own.refused("E0508", "filled twice", &twice);
    let own = Own::new(&SENDER.replace("outs", "types"));
    own.refused("E0506", "I.types, E.types", &["--entries", &good]);

    let rack = fs::read_to_string(own.path("rack.toml")).expect("a rack");
    let (switch, _) = rack.split_once("[[server]]").expect("a server");
    own.write("rack.toml", switch);
    own.refused("E0306", "no server", &[]);
    own.write("rack.toml", "name = 3");
    own.refused("E0240", "rack.toml:1", &[]);
}

/// The bundled program that copies packets, with all that it takes.
fn tap(command: &str) -> Vec<String> {
    let arguments = bundled(command, "tap", "rack.toml");
    with(arguments, &["--copies", &path("tap.copies")])
}

#[test]
fn a_program_that_copies_packets_runs_whole_on_the_switch() {
    let traffic = path("traffic.pcap");
    let play = with(tap("run"), &["--pcap", &traffic, "--check"]);
    let report: Value =
        serde_json::from_str(&good(&with(play.clone(), &["--json"]))).expect("JSON");
    assert_eq!(report["check"]["count"], 0, "{report}");
    let summary = &report["summary"];
    let came_in = summary["packets"].as_u64().expect("a number");
    let left = summary["ports"].as_object().expect("ports").values();
    let left: u64 = left.filter_map(|port| port["packets"].as_u64()).sum();
    assert!(left > 2 * came_in, "{left} copies of {came_in} packets");
    for device in summary["devices"].as_array().expect("devices") {
        let all = if device["role"] == "switch" {
            came_in
        } else {
            0
        };
        assert_eq!(device["packets"], all, "{device}");
    }
    assert_eq!(summary["trajectories"], 0);

    // Without sessions and groups, nothing leaves.
    let without = with(
        bundled("run", "tap", "rack.toml"),
        &["--pcap", &traffic, "--check", "--json"],
    );
    let report: Value = serde_json::from_str(&good(&without)).expect("JSON");
    assert_eq!(report["check"]["count"], 0);
    assert_eq!(
        report["summary"]["ports"].as_object().map(|p| p.len()),
        Some(0)
    );

    let output = trisect(&with(play, &["--records", "x"]));
    assert!(
        stderr(&output).contains("error[E0508]"),
        "{}",
        stderr(&output)
    );
    let mut profile = tap("profile");
    profile.extend(["--pcap", &traffic, "-o", "x"].map(str::to_owned));
    let output = trisect(&profile);
    assert!(
        stderr(&output).contains("error[E0318]"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_is_emitted_for_a_program_that_copies_is_its_authors() {
    let out = tempfile::tempdir().expect("a folder");
    let build = out.path().join("build").display().to_string();
    good(&with(tap("compile"), &["-o", &build]));
    let read = |name: &str| fs::read_to_string(out.path().join("build").join(name)).expect(name);
    let program = read("tor/switch.p4");
    assert!(program.contains("#include <v1model.p4>"), "{program}");
    assert!(
        program.contains("clone_preserving_field_list(CloneType.I2E"),
        "{program}"
    );
    assert!(
        !program.contains("extern packet_in"),
        "the architecture is in the text"
    );
    let entries: Value = serde_json::from_str(&read("tor/entries.json")).expect("JSON");
    assert_eq!(entries["tables"][0]["name"], "TapIngress.stations");
    assert_eq!(
        entries["tables"][0]["default"]["action"],
        "TapIngress.flood"
    );
    assert_eq!(
        entries["tables"][0]["entries"].as_array().map(Vec::len),
        Some(2)
    );
    assert!(read("tor/commands.txt").contains("mirroring_add 7 3"));
    let plan = format!("{build}/plan.json");
    let explained = good(&["explain", &plan, "tap.TapIngress.watched"]);
    assert!(explained.contains("on tor"), "{explained}");
    for device in ["s1.nic", "s1"] {
        let why = format!("not {device}: unable: E0400");
        assert!(explained.contains(&why), "{explained}");
    }
}

#[test]
fn what_is_said_of_copies_must_be_about_copies() {
    let own = Own::new(SENDER);
    let copies = own.write("copies.txt", "mirroring_add 5 1\n");
    own.refused("E0508", "copies no packets", &["--copies", &copies]);
    let own = Own::new(&SENDER.replace(
        "apply { types.apply(); }",
        "apply { types.apply(); clone(CloneType.I2E, 32w5); }",
    ));
    let cases = [
        ("mirroring_add 5 1\npacket 0 00\n", "E0508", "bad.txt:2"),
        ("mc_node_associate 1 0\n", "E0553", "bad.txt:1"),
    ];
    for (text, code, place) in cases {
        let copies = own.write("bad.txt", text);
        own.refused(code, place, &["--copies", &copies]);
    }
    // A program that sends every packet through the switch again, for ever.
    let own = Own::new(&SENDER.replace(
        "apply { types.apply(); }",
        "apply { types.apply(); resubmit_preserving_field_list(1); }",
    ));
    let report = own.report(&[]);
    let drops = report["summary"]["drops"].as_object().expect("drops");
    let (why, _) = drops.iter().next().expect("a reason");
    assert!(
        why.contains("still in the switch after 10000 passes"),
        "{why}"
    );
}

#[test]
fn a_parser_that_reads_its_port_stays_on_the_switch() {
    let program = SENDER.replace(
        "p.extract(h.eth); transition accept; }",
        "transition select(s.ingress_port) { 0: accept; default: more; } }
    state more { p.extract(h.eth); transition accept; }",
    );
    let own = Own::new(&program);
    own.report(&[]);
    own.refused("E0310", "reads ingress_port", &["--strategy", "host"]);
}

/// What the parser takes and the deparser does not bring back: no second device may parse.
#[test]
fn a_program_that_loses_headers_goes_to_one_device_whole() {
    let own = Own::new(&SENDER.replace("p.emit(h.eth);", ""));
    for strategy in STRATEGIES {
        own.report(&["--strategy", strategy]);
    }
}

/// A NIC finds the standard headers where the program finds none, and so must not look for them.
/// Where the switch passes packets on unparsed, what the parser finds out is the server's own.
#[test]
fn what_the_parser_sets_is_not_lost_where_the_switch_does_not_parse() {
    let program = SENDER
        .replace("p.emit(h.eth);", "")
        .replace("bit<8> unused;", "bit<9> port;")
        .replace(
            "p.extract(h.eth); transition",
            "p.extract(h.eth); m.port = (bit<9>) h.eth.src[0:0] + 1; transition",
        )
        .replace("types.apply();", "s.egress_spec = m.port;");
    let own = Own::new(&program);
    for strategy in STRATEGIES {
        let report = own.report(&["--strategy", strategy]);
        assert_eq!(packets(&report, "0"), 0);
        assert!(packets(&report, "1") + packets(&report, "2") > 0);
    }
}

#[test]
fn a_nic_does_not_parse_for_a_program_that_does_not() {
    let program = SENDER
        .replace("h.eth.", "h.ipv4.")
        .replace("p.extract(h.eth); ", "")
        .replace("p.emit(h.eth);", "p.emit(h.ipv4);")
        .replace("h.ipv4.type: exact", "h.ipv4.dst: exact")
        .replace("bit<48> a", "bit<32> a");
    let own = Own::new(&program);
    own.write(
        "include/headers.p4",
        "header ipv4_t { bit<128> before; bit<32> dst; }\nstruct headers_t { ipv4_t ipv4; }\n",
    );
    let rack = fs::read_to_string(example("v1model").join("rack-nic.toml")).expect("a rack");
    own.write("rack.toml", &rack);
    // The traffic is full of the first address; a header that is not there reads as 0.
    let entries = own.write(
        "types.entries",
        "198.51.100.80 -> to(2)\n0.0.0.0 -> to(1)\n",
    );
    let report = own.report(&["--entries", &entries]);
    assert_eq!(packets(&report, "2"), 0);
    assert!(packets(&report, "1") > 0);
}

#[test]
fn contradictions_of_the_command_line() {
    let own = Own::new(SENDER);
    let project = example("l3-firewall").display().to_string();
    let p4 = own.path("sender.p4");
    let rack = own.path("rack.toml");
    let build = own.path("build");
    let cases: [(&str, Vec<&str>); 6] = [
        (
            "--p4",
            vec![
                "compile", &project, "--p4", &p4, "--rack", &rack, "-o", &build,
            ],
        ),
        ("--rack", vec!["compile", "--p4", &p4, "-o", &build]),
        (
            "--p4",
            vec!["compile", &project, "--entries", "a=b", "-o", &build],
        ),
        ("--pcap", vec!["run", "--p4", &p4, "--rack", &rack]),
        (
            "macro",
            vec![
                "run", "--p4", &p4, "--rack", &rack, "-D", "1=2", "--pcap", "x",
            ],
        ),
        ("<PROJECT>", vec!["compile", "-o", &build]),
    ];
    for (part, arguments) in cases {
        let output = trisect(&arguments);
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(part), "{arguments:?}: {errors}");
    }
}

/// Members of value sets come like entries; they stand in what is emitted, also for a program that copies packets.
#[test]
fn value_sets_are_filled_like_tables() {
    let known = SENDER
        .replace(
            "    state start {",
            "    value_set<bit<16>>(2) known;\n    state start {",
        )
        .replace(
            "p.extract(h.eth); transition accept; }",
            "p.extract(h.eth); transition select(h.eth.type) { known: found; default: accept; } }
    state found { m.unused = 1; transition accept; }",
        )
        .replace(
            "types.apply();",
            "types.apply(); s.egress_spec = (bit<9>) m.unused;",
        );
    let copying = known.replace(
        "(bit<9>) m.unused;",
        "(bit<9>) m.unused; clone(CloneType.I2E, 32w5);",
    );
    for program in [known, copying] {
        let own = Own::new(&program);
        assert_eq!(packets(&own.report(&[]), "1"), 0);
        let members = own.write("known.entries", "vlan\n0x86dd # and IPv6\n");
        let fill = ["--entries", &members];
        let report = own.report(&fill);
        let (found, others) = (packets(&report, "1"), packets(&report, "0"));
        assert!(found > 50 && others > 50, "{found}, {others}");
        let build = own.path("filled");
        let arguments = with(own.arguments("compile"), &["-o", &build]);
        good(&with(arguments, &fill));
        let text = |name: &str| fs::read_to_string(Path::new(&build).join(name)).expect(name);
        let emitted = text("tor/switch.p4") + &text("tor/entries.json");
        assert!(emitted.contains("16w0x86dd"), "{emitted}");
        own.refused(
            "E0508",
            "filled twice",
            &["--entries", &members, "--entries", &members],
        );
        let more = own.write("more.entries", "1\n2\n3\n");
        own.refused(
            "E0254",
            "more.entries",
            &["--entries", &format!("P.known={more}")],
        );
        let wide = own.write("wide.entries", "0x10000\n");
        own.refused(
            "E0252",
            "wide.entries:1",
            &["--entries", &format!("known={wide}")],
        );
    }
}

/// What no switch can do is done by hosts, as the interpreter does it.
#[test]
fn signed_ranges_varbits_and_random_numbers_keep_the_law() {
    let own = Own::new(super::packet_tests::VALUE_SETS);
    let known = own.write("known.entries", "2\n");
    let pairs = own.write("pairs.entries", "2 0x00&&&0x80\n");
    let levels = own.write("levels.entries", "0xf0-0x05 -> level(3)\n");
    let fill = [
        "--entries",
        &known,
        "--entries",
        &pairs,
        "--entries",
        &levels,
    ];
    for strategy in STRATEGIES {
        let report = own.report(&[&fill[..], &["--strategy", strategy]].concat());
        assert!(packets(&report, "1") > 100, "{report}");
    }
}
