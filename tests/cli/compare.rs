//! `trisect compare`, and objectives that cannot be met.

use super::{Project, example, good, stderr, stdout, trisect};
use std::path::Path;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[test]
fn strategies_stand_side_by_side() {
    let folder = text(&example("l3-firewall"));
    let json: serde_json::Value =
        serde_json::from_str(&good(&["compare", &folder, "--json"])).expect("JSON");
    let rows = json["strategies"].as_array().expect("a list");
    let names: Vec<&str> = rows.iter().filter_map(|r| r["strategy"].as_str()).collect();
    let all = [
        "host",
        "random",
        "packing",
        "greedy",
        "switch-first",
        "nic-first",
        "min-bounce",
        "e2",
        "best",
    ];
    assert_eq!(names, all);
    let figure = |strategy: usize, name: &str| rows[strategy][name].as_f64().expect("a number");
    let figures = [
        "scale",
        "cores",
        "latency_us",
        "longest_us",
        "header_bytes",
        "bounces",
        "gap",
        "solve_ms",
    ];
    for strategy in 0..all.len() {
        for name in figures {
            assert!(figure(strategy, name) >= 0.0, "{name}");
        }
        assert!(figure(strategy, "scale") <= figure(8, "scale") * 1.00001);
    }
    // The switch can do all of it, and does so for best.
    assert_eq!(figure(8, "cores"), 0.0);
    assert!(figure(0, "cores") > 0.0 && figure(0, "bounces") > 0.99);
    assert!(figure(0, "gap") > 0.0 && figure(8, "gap") == 0.0);
    let shown = good(&["compare", &folder, "--strategies", "e2,best"]);
    assert!(shown.contains("STRATEGY") && shown.contains("best") && !shown.contains("packing"));
}

#[test]
fn a_wrong_strategy_or_time_limit_is_a_wrong_command_line() {
    let folder = text(&example("l3-firewall"));
    for arguments in [
        ["compare", &folder, "--strategies", "luck"],
        ["compare", &folder, "--time-limit", "-1"],
    ] {
        assert_eq!(trisect(&arguments).status.code(), Some(2));
    }
}

#[test]
fn a_time_limit_leaves_a_plan() {
    let folder = text(&example("nat-lb"));
    let json = good(&[
        "compare",
        &folder,
        "--strategies",
        "nic-first,min-bounce,best",
        "--time-limit",
        "0.000001",
        "--json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let rows = json["strategies"].as_array().expect("a list");
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert!(
            row["scale"].as_f64().is_some_and(|scale| scale > 1.0),
            "{row}"
        );
    }
}

#[test]
fn objectives_that_cannot_be_met_are_named() {
    let class = "class ports p0 filter \"ip\" rate 2Gbps;";
    let promised = format!("{class}\n    slo latency 1us;");
    let project = Project::like("nat-lb").change("policy.tri", class, &promised);
    let folder = project.folder();
    let output = trisect(&["compile", folder, "--emit", "cut"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = stderr(&output);
    assert!(
        errors.contains("E0316") && errors.contains("latency of out at most 1.000 us"),
        "{errors}"
    );
    let output = trisect(&["compare", folder, "--strategies", "host,best"]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    // What can be met is met.
    let project = project.change("policy.tri", "latency 1us", "min 1Gbps latency 5us");
    good(&["compile", project.folder(), "--emit", "cut"]);
}

/// The largest factor by which all rates can grow, by `best`.
fn scale(project: &Project) -> f64 {
    let json = good(&[
        "compare",
        project.folder(),
        "--strategies",
        "best",
        "--json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    json["strategies"][0]["scale"].as_f64().expect("a number")
}

#[test]
fn rates_grow_up_to_their_most() {
    let class = |port| format!("class ports {port} filter \"ip\" rate 2Gbps;");
    let (out, back) = (class("p0"), class("p1"));
    let free = scale(&Project::like("nat-lb"));
    let most = format!("{out}\n    slo max 2.5Gbps;");
    let project = Project::like("nat-lb").change("policy.tri", &out, &most);
    let one = scale(&project);
    // The other class still fills its ports.
    assert_eq!(one, free);
    // What nothing limits is said to be that.
    let most = format!("{back}\n    slo max 2.5Gbps;");
    let project = project.change("policy.tri", &back, &most);
    assert!(scale(&project) > 1e300);
    let folder = project.folder();
    let table = good(&["compare", folder, "--strategies", "best"]);
    assert!(table.contains("unlimited"), "{table}");
    good(&["compile", folder, "-o", &format!("{folder}/build")]);
    let plan = format!("{folder}/build/plan.json");
    let said = good(&["explain", &plan]);
    assert!(said.contains("unlimited"), "{said}");
}

/// The rates of the pipelines `out` and `back`, by the objective of rates.
fn rates(project: &Project) -> [f64; 2] {
    let folder = project.folder();
    let build = format!("{folder}/build");
    let args = ["compile", folder, "--objective", "rates", "-o", &build];
    good(&[&args[..], &["--json"]].concat());
    let plan = std::fs::read_to_string(format!("{build}/plan.json")).expect("a plan");
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!(plan["objective"], "rates");
    [0, 1].map(|class| {
        let rate = &plan["prediction"]["rates"][class]["gbps"];
        rate.as_f64().expect("a number")
    })
}

#[test]
fn weights_say_whose_rate_grows() {
    let class = |port| format!("class ports {port} filter \"ip\" rate 2Gbps;");
    let (out, back) = (class("p0"), class("p1"));
    // Cores that carry a quarter of what is offered.
    let slow = Project::like("nat-lb").change("rack.toml", "ghz = 2.4", "ghz = 0.05");
    let [a, b] = rates(&slow);
    assert!(a > 1.0 && b < 0.01, "{a} {b}");
    let weighty = slow.change("policy.tri", &back, &format!("{back}\n    slo weight 3;"));
    let [a, b] = rates(&weighty);
    assert!(a < 0.01 && b > 1.0, "{a} {b}");
    // What is promised comes first, and more than the most is worth nothing.
    let promised = weighty
        .change("policy.tri", &out, &format!("{out}\n    slo min 300Mbps;"))
        .change("policy.tri", "slo weight 3;", "slo max 500Mbps weight 3;");
    let [a, b] = rates(&promised);
    assert!(a > 0.9 && (b - 0.5).abs() < 1e-6, "{a} {b}");
    let folder = promised.folder();
    let args = ["compare", folder, "--objective", "rates", "--json"];
    let json: serde_json::Value = serde_json::from_str(&good(&args)).expect("JSON");
    let rows = json["strategies"].as_array().expect("a list");
    let above = |row: &serde_json::Value| row["above_least_gbps"].as_f64().expect("a number");
    let best = above(rows.last().expect("best"));
    assert!((best - (a - 0.3 + 3.0 * b)).abs() < 1e-6, "{best}");
    for row in rows {
        assert!(above(row) <= best + 1e-6, "{row}");
    }
    let cut = good(&["compile", folder, "--objective", "rates", "--emit", "cut"]);
    assert!(
        cut.contains(
            "rate of back: 0.500 Gbit/s of 2.000 offered, least 0.000, most 0.500, weight 3"
        ),
        "{cut}"
    );
    let plan = format!("{folder}/build/plan.json");
    assert!(good(&["explain", &plan]).contains("Gbit/s less, weighted"));
}
