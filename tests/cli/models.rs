//! Models of switches and NICs that a rack names as files of the user's own.

use super::{Project, good, stderr, trisect};
use std::fs;

const SWITCH: &str = include_str!("../../targets/bmv2/models/rmt-32.toml");
const NIC: &str = include_str!("../../targets/rte-flow/models/generic.toml");

/// The example with models of its own.
fn project(switch: &str, nic: &str) -> Project {
    let project = Project::like("l3-firewall")
        .change(
            "rack.toml",
            "model = \"bmv2\"",
            "model = \"./my-switch.toml\"",
        )
        .change(
            "rack.toml",
            "model = \"generic\"",
            "model = \"models/my-nic.toml\"",
        );
    fs::create_dir_all(project.path("models")).expect("a folder");
    fs::write(project.path("my-switch.toml"), switch).expect("written");
    fs::write(project.path("models/my-nic.toml"), nic).expect("written");
    project
}

#[test]
fn a_rack_may_name_models_of_its_own() {
    let renamed = NIC.replace("name = \"generic\"", "name = \"mine\"");
    let project = project(SWITCH, &renamed);
    let folder = project.folder();
    let build = project.path("build").display().to_string();
    good(&["compile", folder, "-o", &build]);
    let plan_file = format!("{build}/plan.json");
    let text = fs::read_to_string(&plan_file).expect("a plan");
    // The plan holds them, so that it stands alone.
    fs::remove_file(project.path("my-switch.toml")).expect("removed");
    assert!(text.contains("models/my-nic.toml") && text.contains("rmt-32"));
    good(&["explain", &plan_file]);
}

#[test]
fn the_rack_runs_with_models_of_its_own() {
    let project = project(SWITCH, NIC);
    good(&["run", project.folder(), "--check"]);
}

#[test]
fn impossible_models_are_refused_field_by_field() {
    let switch = SWITCH.replace("stages = 32", "stages = 0");
    let nic = NIC
        .replace("rules = 65536", "rules = 0")
        .replace("max_vlan = 3", "max_vlan = 100");
    assert!(switch != SWITCH && nic != NIC);
    let project = project(&switch, &nic);
    let output = trisect(&["compile", project.folder(), "--emit", "cut"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = stderr(&output);
    for part in [
        "E0451",
        "my-switch.toml",
        "stages",
        "E0475",
        "my-nic.toml",
        "`limits.rules` cannot be 0",
        "`match.max_vlan` cannot be 100",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    fs::remove_file(project.path("my-switch.toml")).expect("removed");
    let errors = stderr(&trisect(&["compile", project.folder(), "--emit", "cut"]));
    assert!(
        errors.contains("my-switch.toml") && errors.contains("relative to the rack's file"),
        "{errors}"
    );
}
