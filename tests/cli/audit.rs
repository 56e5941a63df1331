//! `trisect manifest`, `trisect run --cheat`, `trisect audit`.

use super::{example, good, stderr, trisect};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The command that makes a manifest of an example whose NFs are all on hosts.
fn new_manifest(name: &str, manifest: &str, more: &[&str]) -> Vec<String> {
    let project = example(name).display().to_string();
    let args = [
        "manifest",
        "new",
        &project,
        "--strategy",
        "host",
        "-o",
        manifest,
    ];
    [&args[..], more]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// The command that runs it and records that.
fn recorded(name: &str, manifest: &str, records: &str, more: &[&str]) -> Vec<String> {
    let project = example(name).display().to_string();
    let args = [
        "run",
        &project,
        "--strategy",
        "host",
        "--manifest",
        manifest,
        "--records",
        records,
    ];
    [&args[..], more]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

struct Run {
    folder: tempfile::TempDir,
}

impl Run {
    /// A manifest of l3-firewall, and an honest run.
    fn new() -> Run {
        let run = Run {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let (manifest, records) = (run.file("manifest.toml"), run.file("records"));
        good(&new_manifest("l3-firewall", &manifest, &["--sample", "2"]));
        good(&recorded("l3-firewall", &manifest, &records, &[]));
        run
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Exit status and report of an audit.
    fn audit(&self, more: &[&str]) -> (Option<i32>, Value) {
        let (manifest, records) = (self.file("manifest.toml"), self.file("records"));
        let args = [
            "audit",
            "--manifest",
            &manifest,
            "--records",
            &records,
            "--json",
        ];
        let output = trisect(&[&args[..], more].concat());
        let answer = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), answer)
    }

    /// The names of the checks that fail.
    fn failed(&self, more: &[&str]) -> Vec<String> {
        let (status, answer) = self.audit(more);
        let checks = answer["checks"].as_array().expect("checks").iter();
        let failed = checks.filter(|c| c["outcome"] == "failed");
        let names: Vec<String> = failed
            .map(|c| c["name"].as_str().expect("a name").into())
            .collect();
        assert_eq!(status, Some(i32::from(!names.is_empty())), "{answer}");
        names
    }

    fn change(&self, name: &str, change: impl FnOnce(&str) -> String) {
        let path = self.path(name);
        let text = fs::read_to_string(&path).expect("a text");
        let changed = change(&text);
        assert_ne!(text, changed, "{name}");
        fs::write(path, changed).expect("written");
    }

    /// The code and the message of an audit that cannot be done.
    fn refused(&self, more: &[&str]) -> String {
        let (manifest, records) = (self.file("manifest.toml"), self.file("records"));
        let args = [
            "audit",
            "--manifest",
            manifest.as_str(),
            "--records",
            &records,
        ];
        bad(&[&args[..], more].concat())
    }
}

/// What a command that is refused says.
fn bad(arguments: &[&str]) -> String {
    let output = trisect(arguments);
    assert_eq!(output.status.code(), Some(1));
    stderr(&output)
}

fn without_line(text: &str, number: usize) -> String {
    let lines = text.lines().enumerate().filter(|(i, _)| *i != number);
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn an_honest_run_passes() {
    let run = Run::new();
    assert_eq!(run.failed(&[]), Vec::<String>::new());
    let (_, answer) = run.audit(&[]);
    assert_eq!(answer["rate"], 0.5);
    assert!(answer["records"].as_u64() > Some(1000), "{answer}");
}

#[test]
fn records_and_bill_cannot_be_changed() {
    let run = Run::new();
    run.change("records/bill.json", |t| {
        t.replace("\"total\": ", "\"total\": 1")
    });
    assert_eq!(run.failed(&[]), ["bill"]);
    run.change("records/bill.json", |t| {
        t.replace("\"total\": 1", "\"total\": ")
    });
    run.change("records/s1.records.jsonl", |t| without_line(t, 7));
    let failed = run.failed(&[]);
    assert!(
        failed.contains(&"seals".into()) && failed.contains(&"path".into()),
        "{failed:?}"
    );
    run.change("records/images.json", |t| {
        t.replacen("sha256:", "sha256:0", 1)
    });
    assert!(run.failed(&[]).contains(&"image".into()));
}

#[test]
fn another_bill_can_be_given() {
    let run = Run::new();
    let bill = fs::read_to_string(run.path("records/bill.json")).expect("a bill");
    let mut bill: Value = serde_json::from_str(&bill).expect("JSON");
    let quantity = bill["items"][0]["quantity"].as_u64().expect("a number");
    bill["items"][0]["quantity"] = Value::from(quantity + 1_000_000);
    fs::write(run.path("bill.json"), bill.to_string()).expect("written");
    let failed = run.failed(&["--bill", &run.file("bill.json")]);
    assert_eq!(failed, ["bill", "consistency"]);
}

#[test]
fn both_parties_sign() {
    let run = Run::new();
    let manifest = run.file("manifest.toml");
    for (party, digit) in [("customer", "1"), ("provider", "2")] {
        let key = run.path(party);
        fs::write(&key, digit.repeat(64) + "\n").expect("written");
        let key = key.display().to_string();
        good(&[
            "manifest", "sign", &manifest, "--party", party, "--key", &key,
        ]);
    }
    let text = good(&["manifest", "verify", &manifest]);
    assert_eq!(text.trim(), "signed by customer, provider");
    assert_eq!(run.failed(&[]), Vec::<String>::new());
    run.change("manifest.toml", |t| {
        t.replacen("slack = 0.25", "slack = 9.25", 1)
    });
    assert_eq!(run.failed(&[]), ["signatures"]);
    assert_eq!(
        trisect(&["manifest", "verify", &manifest]).status.code(),
        Some(1)
    );
    fs::write(run.path("customer"), "11").expect("written");
    let key = run.file("customer");
    let text = bad(&[
        "manifest", "sign", &manifest, "--party", "customer", "--key", &key,
    ]);
    assert!(text.contains("E0532"), "{text}");
}

#[path = "../../runtime/collect/tests/swtpm/mod.rs"]
mod swtpm;

#[test]
fn keys_in_a_tpm_sign_and_seal() {
    let Some(software) = swtpm::Software::start() else {
        eprintln!("SKIPPED: swtpm is not installed, keys in a TPM are not tested");
        return;
    };
    let with_tpm = |args: &[String]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_trisect"))
            .args(args)
            .env("TCTI", &software.tcti)
            .output()
            .expect("the command starts")
    };
    let place = "tpm:0x81010001+8,14";
    let made = with_tpm(&words(&format!("manifest key --new {place}")));
    if stderr(&made).contains("without support for TPMs") {
        eprintln!("SKIPPED: built without the feature tpm, keys in a TPM are not tested");
        return;
    }
    let good = |args: &[String]| -> String {
        let output = with_tpm(args);
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let public = String::from_utf8_lossy(&made.stdout).trim().to_owned();
    assert_eq!(
        good(&words(&format!("manifest key {place}"))).trim(),
        public
    );
    // There is none elsewhere, and no second one there.
    for args in ["tpm:0x81010002", &format!("--new {place}")] {
        let refused = with_tpm(&words(&format!("manifest key {args}")));
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("E0532"), "{}", stderr(&refused));
    }

    let run = Run::new();
    let (manifest, records) = (run.file("manifest.toml"), run.file("records"));
    let seal = format!("s1={place}");
    let sealed = ["--seal-key", seal.as_str()];
    let more = [&["--sample", "2"][..], &sealed].concat();
    good(&new_manifest("l3-firewall", &manifest, &more));
    assert!(
        fs::read_to_string(&manifest)
            .expect("a text")
            .contains(&public)
    );
    good(&words(&format!(
        "manifest sign {manifest} --party provider --key {place}"
    )));
    let text = good(&words(&format!("manifest verify {manifest}")));
    assert_eq!(text.trim(), "signed by provider");
    good(&recorded("l3-firewall", &manifest, &records, &sealed));
    assert_eq!(run.failed(&[]), Vec::<String>::new());
    // Sealed by another key than the manifest's.
    good(&recorded("l3-firewall", &manifest, &records, &[]));
    assert_eq!(run.failed(&[]), ["seals"]);
}

#[test]
fn report_periods_are_audited_by_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (manifest, records) = (file("manifest.toml"), file("records"));
    let new = |periods: &str| {
        let more = ["--sample", "4", "--period", "0.15", "--periods", periods];
        good(&new_manifest("nat-lb", &manifest, &more));
    };
    let run = |records: &str, more: &[&str]| trisect(&recorded("nat-lb", &manifest, records, more));
    let audit = |more: &[&str]| -> Value {
        let args = [
            "audit",
            "--manifest",
            &manifest,
            "--records",
            &records,
            "--json",
        ];
        let out = trisect(&[&args[..], more].concat());
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", stderr(&out)))
    };
    let failed = |report: &Value| -> Vec<(u64, String)> {
        let periods = report["periods"].as_array().expect("periods").iter();
        let of = |p: &Value| {
            let number = p["period"].as_u64().expect("a number");
            let checks = p["checks"].as_array().expect("checks").clone();
            let failed = checks.into_iter().filter(|c| c["outcome"] == "failed");
            failed.map(move |c| (number, c["name"].as_str().unwrap_or_default().to_owned()))
        };
        periods.flat_map(of).collect()
    };

    // The traffic lasts for 0.41 s.
    new("2");
    let text = stderr(&run(&records, &[]));
    assert!(
        text.contains("E0508") && text.contains("3 report periods"),
        "{text}"
    );
    new("8");
    assert!(run(&records, &[]).status.success());
    let honest = audit(&[]);
    assert_eq!(honest["periods"].as_array().map(Vec::len), Some(3));
    assert_eq!(failed(&honest), []);
    let seen = |report: &Value| report["packets"].as_u64().unwrap_or(0);
    let packets: Vec<u64> = honest["periods"]
        .as_array()
        .expect("periods")
        .iter()
        .map(seen)
        .collect();
    assert!(packets.iter().all(|n| *n > 0), "{packets:?}");

    // A later key shows the earlier ones, an earlier one no later one.
    let key = |period: &str| format!("{records}/{period}/sampling.key");
    assert_eq!(
        seen(&audit(&["--period", "1", "--key", &key("period-0003")])),
        packets[0]
    );
    let args = [
        "audit",
        "--manifest",
        &manifest,
        "--records",
        &records,
        "--period",
        "3",
    ];
    let text = stderr(&trisect(
        &[&args[..], &["--key", &key("period-0002")]].concat(),
    ));
    assert!(
        text.contains("E0532") && text.contains("period 2"),
        "{text}"
    );
    // Periods have other keys, so that records of one cannot stand in for those of another.
    fs::rename(format!("{records}/period-0002"), file("kept")).expect("moved");
    assert_eq!(failed(&audit(&[])), [(2, "handed over".to_owned())]);
    let copy = |name: &str| {
        let (from, to) = (
            format!("{records}/period-0001"),
            format!("{records}/period-0002"),
        );
        fs::create_dir_all(&to).expect("a folder");
        fs::copy(format!("{from}/{name}"), format!("{to}/{name}")).expect("copied");
    };
    let names = fs::read_dir(format!("{records}/period-0001")).expect("a folder");
    for name in names.filter_map(Result::ok) {
        copy(&name.file_name().to_string_lossy());
    }
    fs::copy(file("kept/sampling.key"), key("period-0002")).expect("copied");
    assert!(failed(&audit(&[])).contains(&(2, "contents".to_owned())));

    // A bill is of one period.
    let text = stderr(&trisect(
        &[&args[..5], &["--bill", &file("kept/bill.json")]].concat(),
    ));
    assert!(
        text.contains("E0508") && text.contains("--period"),
        "{text}"
    );
    let other = audit(&["--period", "3", "--bill", &file("kept/bill.json")]);
    assert_eq!(other["outcome"], "failed");

    // What is left of a longer run would be taken for this one's.
    fs::rename(file("kept"), format!("{records}/period-0007")).expect("moved");
    let text = stderr(&run(&records, &[]));
    assert!(text.contains("records of 7 report periods"), "{text}");
    // A provider that cheats does so in every period.
    let cheated = file("cheated");
    assert!(
        run(&cheated, &["--cheat", "bill-spurious"])
            .status
            .success()
    );
    let args = ["audit", "--manifest", &manifest, "--records", &cheated];
    let out = trisect(&args);
    assert_eq!(out.status.code(), Some(1));
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(text.matches("FAILED, 2 of").count(), 6, "{text}");
}

#[test]
fn what_is_not_as_agreed_is_refused() {
    let run = Run::new();
    fs::write(run.path("other.key"), "0011").expect("written");
    let text = run.refused(&["--key", &run.file("other.key")]);
    assert!(
        text.contains("E0532") && text.contains("commitment"),
        "{text}"
    );

    let original = fs::read_to_string(run.path("manifest.toml")).expect("a text");
    let cases = [
        ("name = \"fw\"", "name = \"fu\"", "E0531"),
        ("\nplan = \"sha256:", "\nplan = \"sha256:0", "E0531"),
        ("one_in = 2", "one_in = 0", "sampling.one_in"),
        ("loss = 0.0", "loss = 2.0", "records.loss"),
        ("per = 1000000.0", "per = 0.0", "billed[0].per"),
        (
            "measure = \"latency\"",
            "measure = \"beauty\"",
            "none of latency",
        ),
        ("strategy = \"host\"", "strategy = \"magic\"", "E0530"),
        ("version = 1", "version = 7", "version"),
    ];
    for (from, to, expected) in cases {
        run.change("manifest.toml", |_| original.replacen(from, to, 1));
        let text = run.refused(&[]);
        assert!(text.contains(expected), "{to}: {text}");
    }
    fs::write(run.path("manifest.toml"), original).expect("written");
    fs::write(run.path("records/bill.json"), "[]").expect("written");
    assert!(run.refused(&[]).contains("E0530"));
    fs::remove_dir_all(run.path("records")).expect("removed");
    assert!(run.refused(&[]).contains("E0500"));
}

#[test]
fn ways_to_cheat() {
    let names = good(&["run", "--cheat", "list"]);
    assert_eq!(names.lines().count(), 15);
    assert!(names.lines().any(|l| l == "rewrite-payload"), "{names}");

    let run = Run::new();
    let project = example("l3-firewall").display().to_string();
    let records = run.file("records");
    let cheat = |kind: &str| {
        let args = ["--strategy", "host", "--sample", "2", "--records", &records];
        trisect(&[&["run", &project, "--cheat", kind], &args[..]].concat())
    };
    let refused = cheat("cheaper-nf");
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("E0533"), "{errors}");
    assert!(cheat("drop-packets").status.success());
    assert_eq!(run.failed(&[]), ["vanished", "loss"]);
    // The grammar asks for records.
    let output = trisect(&["run", &project, "--cheat", "drop-packets"]);
    assert_eq!(output.status.code(), Some(2));
}

/// The manifest that the example has is one of the example as it is.
#[test]
fn the_example_s_manifest_is_fresh() {
    let file = example("central-office").join("manifest.toml");
    let text = fs::read_to_string(&file).expect("a manifest");
    let project = example("central-office").display().to_string();
    if std::env::var_os("BLESS").is_some() {
        let file = file.display().to_string();
        good(&["manifest", "new", &project, "-o", &file]);
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("manifest.toml");
    good(&[
        "manifest",
        "new",
        &project,
        "-o",
        &made.display().to_string(),
    ]);
    let made = fs::read_to_string(made).expect("made");
    let rest = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|l| !l.starts_with("project = "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(rest(&text), rest(&made), "BLESS=1 makes {}", file.display());
}
