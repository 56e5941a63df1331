//! Wrong policies, racks, programs, configuration and folders: each is answered with its code, place,
//! reason or way out, and exit status 1; nothing is written.

use super::{Project, good, stderr, stdout, trisect};
use serde_json::Value;
use std::fs;

const POLICY: &str = "policy.tri";

/// Compiles the project and expects one of the codes, at a place in `file` (if it is given), with an
/// explanation, and no output folder.
fn refused(what: &str, project: &Project, code: &str, file: &str) {
    let out = tempfile::tempdir().expect("a folder");
    let build = out.path().join("build").display().to_string();
    let output = trisect(&["compile", project.folder(), "-o", &build]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{what}: {errors}");
    assert!(
        errors.contains(&format!("error[{code}]")),
        "{what}: {errors}"
    );
    assert_eq!(
        fs::read_dir(out.path()).expect("a folder").count(),
        0,
        "{what}"
    );
    assert!(output.stdout.is_empty(), "{what}");
    assert!(good(&["explain", code]).contains("**Way out.**"), "{code}");

    let output = trisect(&["run", project.folder(), "--json"]);
    assert_eq!(output.status.code(), Some(1), "{what}");
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let found = report["errors"].as_array().expect("a list");
    let found = found.iter().find(|e| e["code"] == code).expect(what);
    let explained = found.get("reason").or(found.get("help"));
    assert!(explained.is_some(), "{what}: {found}");
    if !file.is_empty() {
        assert!(
            found["line"].as_u64().is_some_and(|line| line > 0),
            "{what}: {found}"
        );
        let place = found["file"].as_str().expect("a file");
        assert!(place.ends_with(file), "{what}: {place}");
        let (line, column) = (&found["line"], &found["column"]);
        let shown = format!("{file}:{line}:{column}");
        assert!(errors.contains(&shown), "{what}: {shown} in {errors}");
    }
}

fn like(name: &str) -> Project {
    Project::like(name)
}

#[test]
fn resource_models() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.toml");
    let name = file.display().to_string();
    let model = include_str!("../../targets/bmv2/models/rmt-32.toml");
    let broken = model.replace("stages = 32", "stages = 0");
    let broken = broken.replace("width = 40", "width = -40\ncolour = 1");
    let nic = include_str!("../../targets/rte-flow/models/generic.toml");
    let broken_nic = nic.replace("rules = 65536", "rules = 0");
    let cases = [
        (broken.as_str(), "E0451", 3),
        (broken_nic.as_str(), "E0475", 1),
    ];
    for (text, code, count) in cases {
        fs::write(&file, text).expect("written");
        let output = trisect(&["targets", &name]);
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let found = errors.matches(&format!("error[{code}]")).count();
        assert_eq!(found, count, "{errors}");
        assert!(errors.contains("mine.toml:"), "{errors}");
    }
    for text in [model, nic] {
        fs::write(&file, text).expect("written");
        good(&["targets", &name]);
        good(&["targets", &name, "--json"]);
    }
}

#[test]
fn policies() {
    let small = || like("l3-firewall");
    let cases = [
        (
            "syntax",
            small().change(POLICY, "in -> fw", "in => fw"),
            "E0200",
        ),
        (
            "unknown NF",
            small().change(POLICY, "= firewall ", "= firewal "),
            "E0201",
        ),
        (
            "unknown instance",
            small().change(POLICY, "in -> fw ", "in -> fv "),
            "E0202",
        ),
        (
            "cycle",
            small().change(POLICY, "router -> p2;", "router -> p2; router -> fw;"),
            "E0204",
        ),
        (
            "never matches",
            small().change(POLICY, "filter \"ip\"", "filter \"ip and ip6\""),
            "E0206",
        ),
        (
            "unknown attribute",
            small().change(POLICY, "router.port ==", "router.color =="),
            "E0207",
        ),
        (
            "unknown port",
            small().change(POLICY, "ports p0", "ports p9"),
            "E0209",
        ),
        (
            "bad filter",
            small().change(POLICY, "filter \"ip\"", "filter \"ip and\""),
            "E0220",
        ),
        (
            "bad rate",
            small().change(POLICY, "rate 80%", "rate 180%"),
            "E0200",
        ),
    ];
    for (what, project, code) in cases {
        refused(what, &project, code, POLICY);
    }
    refused("no pipeline", &small().write(POLICY, ""), "E0200", POLICY);
    let missing = small();
    fs::remove_file(missing.path(POLICY)).expect("removed");
    refused("no policy", &missing, "E0500", "");
    let binary = small();
    fs::write(binary.path(POLICY), [0xff, 0xfe, 0, 1]).expect("written");
    refused("not text", &binary, "E0500", "");
}

#[test]
fn racks() {
    let small = || like("l3-firewall");
    let rack = "rack.toml";
    refused(
        "syntax",
        &small().change(rack, "[[switch]]", "[[switch"),
        "E0240",
        rack,
    );
    refused(
        "wrong type",
        &small().change(rack, "ports = 8", "ports = \"8\""),
        "E0240",
        rack,
    );
    refused(
        "more ports than the switch has",
        &small().change(rack, "ports = 8", "ports = 2"),
        "E0241",
        rack,
    );
    refused(
        "unknown model",
        &small().change(rack, "model = \"generic\"", "model = \"cx9\""),
        "E0307",
        "",
    );
    let text = fs::read_to_string(small().path(rack)).expect("readable");
    for (what, sampling) in [
        ("no rate", "one_in = 0"),
        ("no hash of switches", "one_in = 1\nhash = \"bob\""),
        ("payload", "one_in = 1\nfields = [\"payload.prefix\"]"),
        ("half a byte", "one_in = 1\nkey = \"123\""),
    ] {
        let asked = small().write(rack, &format!("{text}\n[sampling]\n{sampling}\n"));
        refused(what, &asked, "E0241", rack);
    }
    let (switch, _) = text.split_once("[[server]]").expect("a server");
    let lonely = small().write(rack, switch);
    let output = trisect(&["compile", lonely.folder(), "--emit", "cut"]);
    assert_eq!(output.status.code(), Some(1), "a rack without servers");
    assert!(stderr(&output).contains("error[E0"), "{}", stderr(&output));
    let missing = trisect(&["run", small().folder(), "--rack", "/nowhere/rack.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("error[E0500]"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn configuration() {
    let acl = "acl.entries";
    let small = || like("l3-firewall");
    let entry = "* * 6 * 445 -> deny()";
    let cases = [
        (
            "syntax",
            small().change(acl, entry, "* * 6 * 445 deny()"),
            "E0250",
            acl,
        ),
        (
            "unknown action",
            small().change(acl, entry, "* * 6 * 445 -> shrug()"),
            "E0251",
            acl,
        ),
        (
            "too few keys",
            small().change(acl, entry, "* * 6 * -> deny()"),
            "E0251",
            acl,
        ),
        (
            "too wide",
            small().change(acl, entry, "* * 6 * 99445 -> deny()"),
            "E0252",
            acl,
        ),
        (
            "a backend without address",
            like("nat-lb").change("backends.txt", "b2 192.0.2.12", "b2"),
            "E0251",
            "backends.txt",
        ),
        (
            "no backends",
            like("nat-lb").write("backends.txt", "# none yet\n"),
            "E0260",
            "backends.txt",
        ),
        (
            "no patterns",
            like("central-office").write("ids.patterns", "\"half\n"),
            "E0261",
            "ids.patterns",
        ),
        (
            "a parameter",
            like("nat-lb").change(POLICY, "203.0.113.7", "203.0.113.777"),
            "E0211",
            POLICY,
        ),
        (
            "a file that is not there",
            small().change(POLICY, "\"acl.entries\"", "\"acl.rules\""),
            "E0500",
            POLICY,
        ),
    ];
    for (what, project, code, file) in cases {
        refused(what, &project, code, file);
    }
}

/// The small policy with a function of its own behind the firewall.
fn own(program: &str) -> Project {
    Project::like("l3-firewall")
        .change(POLICY, "nf router", "nf own = own;\nnf router")
        .change(POLICY, "fw -> router", "fw -> own -> router")
        .write(
            "own.nf.toml",
            "name = \"own\"\nprogram = \"own.p4\"\nsummary = \"ours\"\naffinity = \"none\"\ncycles_per_packet = 25\n",
        )
        .write("own.p4", program)
}

#[test]
fn functions_of_the_project() {
    let ttl = trisect_p4::library::find("ttl")
        .expect("in the library")
        .source;
    let project = own(ttl);
    let report = good(&["run", project.folder(), "--check"]);
    assert!(
        report.contains("own.decrement") && report.contains("no difference"),
        "{report}"
    );

    let syntax = own(&ttl.replace("apply {", "apply ("));
    refused("P4 syntax", &syntax, "E0120", "own.p4");
    let unknown = own(&ttl.replace("hdr.ipv4.ttl <= 1", "hdr.ipv4.tll <= 1"));
    let output = trisect(&["compile", unknown.folder(), "--emit", "cut"]);
    let errors = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors.contains("error[E01") && errors.contains("own.p4:"),
        "{errors}"
    );

    let missing = own(ttl);
    fs::remove_file(missing.path("own.p4")).expect("removed");
    refused("no program", &missing, "E0500", "");
    let toml = own(ttl).write("own.nf.toml", "name = ");
    refused("description", &toml, "E0230", "own.nf.toml");
}

/// A function of the project's name goes before the library's.
#[test]
fn a_function_of_the_project_replaces_the_librarys() {
    let ttl = trisect_p4::library::find("ttl")
        .expect("in the library")
        .source;
    let project = own(ttl)
        .change("own.nf.toml", "\"own\"", "\"ttl\"")
        .change(POLICY, "nf own = own", "nf own = ttl")
        .change("own.p4", "action decrement()", "action tick()")
        .change("own.p4", "decrement();", "tick();");
    let cut = good(&["compile", project.folder(), "--emit", "cut"]);
    assert!(cut.contains("own.tick"), "{cut}");
}

#[test]
fn folders_that_cannot_be_written() {
    let project = Project::like("l3-firewall");
    let file = project.path("file");
    fs::write(&file, "mine").expect("written");
    let below = file.join("out").display().to_string();
    let file = file.display().to_string();
    let folder = project.folder().to_owned();
    let mut commands = vec![
        vec!["run", &folder, "--out", &file],
        vec!["run", &folder, "--out", &below],
        vec!["compile", &folder, "-o", &file],
        vec!["compile", &folder, "-o", &below],
        vec!["compile", &folder, "-o", &folder],
    ];
    if cfg!(target_os = "linux") {
        commands.push(vec!["run", &folder, "--out", "/proc/trisect"]);
        commands.push(vec!["compile", &folder, "-o", "/proc/trisect"]);
    }
    let before = fs::read_dir(&folder).expect("a folder").count();
    for command in commands {
        let output = trisect(&command);
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command:?}: {errors}");
        assert!(errors.contains("error[E0504]"), "{command:?}: {errors}");
        assert!(output.stdout.is_empty(), "{command:?}");
    }
    assert_eq!(fs::read_to_string(&file).expect("still there"), "mine");
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), before);
}

/// Captures keep their working names until all are whole.
#[test]
fn captures_that_cannot_get_their_name_leave_none() {
    let project = Project::like("l3-firewall");
    let out = project.path("out");
    fs::create_dir_all(out.join("p2.pcap/mine")).expect("in the way");
    let out_name = out.display().to_string();
    let output = trisect(&["run", project.folder(), "--out", &out_name]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("error[E0504]"),
        "{}",
        stderr(&output)
    );
    let left: Vec<_> = fs::read_dir(&out).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn no_project_and_no_traffic() {
    let nowhere = trisect(&["run", "/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("error[E0500]"));
    let project = Project::like("l3-firewall");
    fs::remove_dir_all(project.path("traffic")).expect("removed");
    let silent = trisect(&["run", project.folder()]);
    assert_eq!(silent.status.code(), Some(1));
    assert!(stderr(&silent).contains("error[E0503]"));
}

#[test]
fn plans_that_are_none() {
    let project = Project::like("l3-firewall");
    let plan = good(&["compile", project.folder(), "--emit", "plan"]);
    let file = project.path("plan.json");
    let name = file.display().to_string();
    for text in ["", "{}", "[1, 2", &plan[..plan.len() / 2]] {
        fs::write(&file, text).expect("written");
        let output = trisect(&["explain", &name]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("error[E0505]"),
            "{}",
            stderr(&output)
        );
    }
    fs::remove_file(&file).expect("removed");
    assert!(stderr(&trisect(&["explain", &name])).contains("error[E0500]"));
}
