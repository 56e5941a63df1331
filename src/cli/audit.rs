//! `trisect audit` and `trisect manifest`.

use super::args::{Audit, ManifestCommand, NewManifest, ShowKey, SignManifest};
use super::table::table;
use super::{Ended, plan, print, print_json};
use serde::Serialize;
use std::path::Path;
use trisect::audit::{self, Handed};
use trisect::problems::{CONTRADICTION, Problems};
use trisect_audit::{Check, Outcome, Part, Report};
use trisect_plan::cut::Strategy;

/// What an audit tells programs.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    /// Of all that was handed over at once.
    Whole(&'a Audited),
    /// Of report periods.
    Divided {
        outcome: Outcome,
        periods: &'a [Audited],
    },
}

/// What was found out about what was handed over together.
#[derive(Serialize)]
struct Audited {
    /// Number of the report period.
    #[serde(skip_serializing_if = "Option::is_none")]
    period: Option<usize>,
    outcome: Outcome,
    #[serde(flatten)]
    report: Report,
}

/// Audits.
pub fn main(args: &Audit) -> anyhow::Result<Ended> {
    let manifest = audit::load(&args.manifest)?;
    let handed = audit::handed(&manifest, &args.records, args.period)?;
    let bill = args.bill.as_deref().map(audit::read_bill).transpose()?;
    if bill.is_some() && handed.len() > 1 {
        let message = "a bill is of one report period";
        let reason = format!("{} were handed over", handed.len());
        let help = "say with --period which one it is of";
        return Err(Problems::error(CONTRADICTION, message, reason, help).into());
    }
    // What is wrong with a key is said before the plan is made.
    let keys = handed.iter().map(|handed| match handed.is_missing() {
        true => Ok(None),
        false => audit::key_of(&manifest, args.key.as_deref(), handed).map(Some),
    });
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let signatures = audit::signatures(&args.manifest)?;
    let bar = plan::progress(0, "making the agreed plan", args.json);
    let agreed = audit::agreed(&args.manifest, &manifest, plan::agreed)?;
    bar.set_message("auditing records");
    let mut all = Vec::new();
    for (Handed { period, folder }, key) in handed.iter().zip(keys) {
        let mut report = match key {
            None => Report::of_nothing(manifest.sampling.rate()),
            Some(key) => audit::audit(&manifest, &agreed, folder, &key, bill.clone(), |read| {
                bar.set_position(read);
            })?,
        };
        report.checks.insert(0, signatures.clone());
        all.push(Audited {
            period: *period,
            outcome: report.outcome(),
            report,
        });
    }
    bar.finish_and_clear();
    let outcome = all.iter().map(|a| a.outcome).max();
    let outcome = outcome.unwrap_or(Outcome::Undecided);
    let answer = match all.as_slice() {
        [whole] if args.period.is_some() || whole.period.is_none() => Answer::Whole(whole),
        periods => Answer::Divided { outcome, periods },
    };
    match (&answer, args.json) {
        (answer, true) => print_json(answer)?,
        (Answer::Whole(whole), false) => print(&text(&whole.report, args.all))?,
        (Answer::Divided { periods, .. }, false) => print(&overview(periods, args.all))?,
    }
    Ok(match outcome {
        Outcome::Failed => Ended::Different,
        Outcome::Passed | Outcome::Undecided => Ended::Well,
    })
}

/// All report periods in a table, then those in which something was found, or all of them.
fn overview(periods: &[Audited], all: bool) -> String {
    let number = |audited: &Audited| audited.period.unwrap_or(0);
    let rows = periods.iter().map(|audited| {
        let Report {
            records, packets, ..
        } = &audited.report;
        let mut row = [number(audited) as u64, *records, *packets]
            .map(|n| n.to_string())
            .to_vec();
        row.extend(PARTS.map(|(part, _)| answer(&audited.report, part)));
        row
    });
    let mut head = vec!["PERIOD", "RECORDS", "PACKETS"];
    let names = PARTS.map(|(_, name)| name.to_uppercase());
    head.extend(names.iter().map(String::as_str));
    let mut out = table(&head, rows);
    for audited in periods {
        if all || audited.outcome == Outcome::Failed {
            out.push_str(&format!("\nPeriod {}\n", number(audited)));
            out.push_str(&text(&audited.report, all));
        }
    }
    out
}

/// The parts of an audit with their names for people.
const PARTS: [(Part, &str); 4] = [
    (Part::Integrity, "Integrity"),
    (Part::Functional, "Functions"),
    (Part::Performance, "Performance"),
    (Part::Accounting, "Accounting"),
];

/// What a part of an audit has come to.
fn answer(report: &Report, part: Part) -> String {
    let checks = || report.checks.iter().filter(move |c| c.part == part);
    let failed = checks().filter(|c| c.outcome == Outcome::Failed).count();
    let undecided = checks().filter(|c| c.outcome == Outcome::Undecided).count();
    match (failed, undecided, checks().count()) {
        (0, 0, 0) => "nothing to check".to_owned(),
        (0, 0, _) => "passed".to_owned(),
        (0, n, _) => format!("passed, {n} undecided"),
        (n, _, all) => format!("FAILED, {n} of {all} checks"),
    }
}

fn text(report: &Report, all: bool) -> String {
    let mut out = format!(
        "Audited: {} records of {} sampled packets, one in {:.0}\n",
        report.records,
        report.packets,
        1.0 / report.rate
    );
    for (part, name) in PARTS {
        let checks = || report.checks.iter().filter(move |c| c.part == part);
        out.push_str(&format!("\n{name}: {}\n", answer(report, part)));
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
        period_ns: args.period.map_or(0, |s| ((s * 1e9).round() as u64).max(1)),
        periods: args.period.map_or(0, |_| args.periods),
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
