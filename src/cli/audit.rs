//! `trisect audit` and `trisect manifest`.

use super::args::{Audit, ManifestCommand, NewManifest, ShowKey, SignManifest};
use super::table::table;
use super::{Ended, plan, print, print_json};
use serde::Serialize;
use std::path::Path;
use trisect::audit;
use trisect::problems::Problems;
use trisect_audit::{Check, Outcome, Part, Report};
use trisect_plan::cut::Strategy;

/// What an audit tells programs.
#[derive(Serialize)]
struct Answer<'a> {
    outcome: Outcome,
    #[serde(flatten)]
    report: &'a Report,
}

/// Audits.
pub fn main(args: &Audit) -> anyhow::Result<Ended> {
    let manifest = audit::load(&args.manifest)?;
    let signatures = audit::signatures(&args.manifest)?;
    let key = args.key.clone();
    let key = key.unwrap_or_else(|| args.records.join(audit::KEY_FILE));
    let key = audit::key_of(&manifest, &key)?;
    let bill = args.bill.as_deref().map(audit::read_bill).transpose()?;
    let bar = plan::progress(0, "making the agreed plan", args.json);
    let agreed = audit::agreed(&args.manifest, &manifest, |project, strategy| {
        plan::by_strategy(project, strategy)
    })?;
    bar.set_message("auditing records");
    let report = audit::audit(&manifest, &agreed, &args.records, &key, bill, |read| {
        bar.set_position(read);
    });
    bar.finish_and_clear();
    let mut report = report?;
    report.checks.insert(0, signatures);
    let outcome = match (report.failed(), report.undecided()) {
        (true, _) => Outcome::Failed,
        (false, true) => Outcome::Undecided,
        (false, false) => Outcome::Passed,
    };
    if args.json {
        let report = &report;
        print_json(&Answer { outcome, report })?;
    } else {
        print(&text(&report, args.all))?;
    }
    Ok(match outcome {
        Outcome::Failed => Ended::Different,
        Outcome::Passed | Outcome::Undecided => Ended::Well,
    })
}

fn text(report: &Report, all: bool) -> String {
    let mut out = format!(
        "Audited: {} records of {} sampled packets, one in {:.0}\n",
        report.records,
        report.packets,
        1.0 / report.rate
    );
    for part in [
        Part::Integrity,
        Part::Functional,
        Part::Performance,
        Part::Accounting,
    ] {
        let checks = || report.checks.iter().filter(move |c| c.part == part);
        let failed = checks().filter(|c| c.outcome == Outcome::Failed).count();
        let undecided = checks().filter(|c| c.outcome == Outcome::Undecided).count();
        let answer = match (failed, undecided) {
            (0, 0) => "passed".to_owned(),
            (0, n) => format!("passed, {n} undecided"),
            (n, _) => format!("FAILED, {n} of {} checks", checks().count()),
        };
        let name = match part {
            Part::Integrity => "Integrity",
            Part::Functional => "Functions",
            Part::Performance => "Performance",
            Part::Accounting => "Accounting",
        };
        out.push_str(&format!("\n{name}: {answer}\n"));
        let shown =
            checks().filter(|c| all || c.outcome != Outcome::Passed || c.part != Part::Integrity);
        let rows: Vec<Vec<String>> = shown.map(row).collect();
        if !rows.is_empty() {
            let head = [
                "CHECK",
                "OF",
                "ANSWER",
                "LOOKED AT",
                "WRONG",
                "FIGURES",
                "POWER",
            ];
            out.push_str(&table(&head, rows));
        }
        for check in checks().filter(|c| c.outcome == Outcome::Failed) {
            for example in &check.examples {
                out.push_str(&format!("  {}: {example}\n", named(check)));
            }
        }
    }
    out
}

fn named(check: &Check) -> String {
    match check.of.is_empty() {
        true => check.name.clone(),
        false => format!("{} of {}", check.name, check.of),
    }
}

fn row(check: &Check) -> Vec<String> {
    let answer = match check.outcome {
        Outcome::Passed => "passed",
        Outcome::Undecided => "undecided",
        Outcome::Failed => "FAILED",
    };
    vec![
        check.name.clone(),
        check.of.clone(),
        answer.to_owned(),
        check.examined.to_string(),
        check.violations.to_string(),
        check.note.clone(),
        check.power.clone(),
    ]
}

/// Makes, signs and checks manifests.
pub fn manifest(command: &ManifestCommand) -> anyhow::Result<Ended> {
    match command {
        ManifestCommand::New(args) => new(args),
        ManifestCommand::Sign(args) => sign(args),
        ManifestCommand::Verify(args) => verify(&args.manifest),
        ManifestCommand::Key(args) => key(args),
    }
}

fn new(args: &NewManifest) -> anyhow::Result<Ended> {
    let project = plan::project(&args.source)?.sampling_one_in(args.sample);
    let plan = plan::make(&project, &args.cutting)?;
    let asked = audit::Asked {
        one_in: args.sample,
        slack: args.slack,
        granularity: args.granularity.into(),
        folder: args
            .output
            .as_deref()
            .and_then(Path::parent)
            .unwrap_or(Path::new(""))
            .to_owned(),
        keys: audit::SealKeys::read(&args.seal_key, &plan)?,
    };
    let manifest = audit::make(&project, &plan, &asked)?;
    let text = manifest.text()?;
    match &args.output {
        None => print(&text)?,
        Some(file) => {
            std::fs::write(file, text).map_err(|e| Problems::unwritable(file, &e))?;
            print(&format!("wrote {}", file.display()))?;
        }
    }
    Ok(Ended::Well)
}

fn sign(args: &SignManifest) -> anyhow::Result<Ended> {
    let written = audit::sign(&args.manifest, &args.party, &args.key)?;
    print(&format!("wrote {}", written.display()))?;
    Ok(Ended::Well)
}

fn key(args: &ShowKey) -> anyhow::Result<Ended> {
    let key = match args.new {
        true => audit::new_signing_key(&args.key)?,
        false => audit::signing_key(&args.key)?,
    };
    print(&trisect_collect::hex::text(&key.verifying_key().to_bytes()))?;
    Ok(Ended::Well)
}

fn verify(file: &Path) -> anyhow::Result<Ended> {
    audit::load(file)?;
    let check = audit::signatures(file)?;
    print(&check.note)?;
    for example in &check.examples {
        print(example)?;
    }
    Ok(match check.outcome {
        Outcome::Failed => Ended::Different,
        Outcome::Passed | Outcome::Undecided => Ended::Well,
    })
}

/// Reads the name of a strategy that a manifest has.
pub fn strategy(name: &str) -> Result<Strategy, Problems> {
    name.parse::<Strategy>().map_err(|e| {
        let help = "mend the manifest: `trisect compile --help` lists the strategies";
        Problems::error(audit::NOT_A_MANIFEST, format!("strategy: {e}"), "", help)
    })
}
