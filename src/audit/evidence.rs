//! What a run leaves to be audited, and the audit of it.

use std::collections::BTreeMap;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use trisect_audit::cheat::Cheat;
use trisect_audit::{
    AuditError, Auditor, Bill, Evidence, Looked, Looker, Manifest, Report, Resource,
};
use trisect_collect::seal::{Seal, Sealer};
use trisect_plan::plan::Plan;
use trisect_rack::ShimReport;
use trisect_sample::{Record, files};

use super::{NOT_A_MANIFEST, SealKeys, images, periods, reference};
use crate::problems::{CANNOT_READ, Problems, RACK_FAILED, REPORT};
use crate::records::{NOT_RECORDS, unreadable};

/// Name of the file with the key of the sampling hash.
pub const KEY_FILE: &str = "sampling.key";
const SHIM_FILE: &str = "shim.json";
const SEALS_FILE: &str = "seals.json";
const IMAGES_FILE: &str = "images.json";
const BILL_FILE: &str = "bill.json";

/// What a run leaves to be audited beside its records, by report period. With a manifest there are bills.
///
/// # Errors
/// If a device cannot be configured.
pub fn collect(
    plan: &Plan,
    report: &trisect_rack::Report,
    manifest: Option<&Manifest>,
    cheat: Option<Cheat>,
    keys: &SealKeys,
) -> Result<Vec<Evidence>, Problems> {
    let images = images(plan)?;
    let periods = report.periods.iter().zip(report.by_period());
    let evidence = periods.map(|(period, records)| {
        let billed = |resource| {
            let used = match resource {
                Resource::Packets => period.packets,
                Resource::Bytes => period.bytes,
                Resource::Cycles => period.cycles,
                Resource::Memory => period.memory,
            };
            cheat.map_or(used, |cheat| cheat.billed(resource, used))
        };
        Ok(Evidence {
            shim: period.shim.clone(),
            bill: manifest.map(|m| Bill::new(&m.billed, billed)),
            seals: seals(&records, keys)?,
            images: images.clone(),
        })
    });
    evidence.collect()
}

/// Writes what a run leaves to be audited, by report period where the manifest has any; `key` is that of the sampling hash where it
/// does not change. Gives the files.
///
/// # Errors
/// If a file cannot be written.
pub fn write_run(
    dir: &Path,
    report: &trisect_rack::Report,
    manifest: Option<&Manifest>,
    key: &[u8],
    evidence: &[Evidence],
) -> Result<Vec<PathBuf>, Problems> {
    let divided = manifest.is_some_and(|m| m.period_ns > 0);
    let chain = manifest.and_then(periods::chain);
    let mut written = Vec::new();
    let periods = (1..).zip(evidence).zip(report.by_period());
    for ((period, evidence), records) in periods {
        // The period's key, or that of the sampling hash.
        let own = chain.as_ref().and_then(|chain| chain.key(period));
        let told = own.as_ref().map_or(key, <[u8; 32]>::as_slice);
        let folder = match divided {
            true => periods::folder(dir, period),
            false => dir.to_owned(),
        };
        written.extend(write(&folder, records, told, evidence)?);
    }
    Ok(written)
}

/// Writes records, what is told of the key and the rest of the evidence; gives the files.
///
/// # Errors
/// If a file cannot be written.
pub fn write<'a>(
    dir: &Path,
    records: impl IntoIterator<Item = &'a Record>,
    key: &[u8],
    evidence: &Evidence,
) -> Result<Vec<PathBuf>, Problems> {
    let mut written = files::write(dir, records).map_err(|e| match e {
        files::FileError::Io { file, source } => Problems::unwritable(&file, &source),
        other => Problems::error(CANNOT_READ, other.to_string(), "", REPORT),
    })?;
    let mut write = |name: &str, text: String| {
        let file = dir.join(name);
        let done = fs::write(&file, text).map_err(|e| Problems::unwritable(&file, &e));
        written.push(file);
        done
    };
    write(KEY_FILE, trisect_collect::hex::text(key) + "\n")?;
    write(SHIM_FILE, json(&evidence.shim)?)?;
    write(SEALS_FILE, json(&evidence.seals)?)?;
    write(IMAGES_FILE, json(&evidence.images)?)?;
    if let Some(bill) = &evidence.bill {
        write(BILL_FILE, json(bill)?)?;
    }
    Ok(written)
}

/// Seals the records of each element but the shim, which is the customer's.
fn seals(records: &[&Record], keys: &SealKeys) -> Result<BTreeMap<String, Vec<Seal>>, Problems> {
    /// Records between two seals.
    const EVERY: usize = 4096;
    let mut sealers: BTreeMap<&str, (Sealer, Vec<Seal>)> = BTreeMap::new();
    for record in records.iter().filter(|r| r.element != super::SHIM) {
        let sealer = sealers.entry(&record.element).or_insert_with(|| {
            let key = keys.of(&record.element);
            (Sealer::new(&record.element, key), Vec::new())
        });
        let waiting = sealer.0.append(record).map_err(|e| fault(&e))?;
        if waiting == EVERY {
            sealer.1.push(sealer.0.seal());
        }
    }
    let all = sealers
        .into_iter()
        .map(|(element, (mut sealer, mut seals))| {
            seals.push(sealer.seal());
            (element.to_owned(), seals)
        });
    Ok(all.collect())
}

fn json(value: &impl Serialize) -> Result<String, Problems> {
    let text = serde_json::to_string_pretty(value).map_err(|e| fault(&e))?;
    Ok(text + "\n")
}

fn fault(error: &dyn std::fmt::Display) -> Problems {
    Problems::error(RACK_FAILED, error.to_string(), "", REPORT)
}

/// Reads a bill.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn read_bill(file: &Path) -> Result<Bill, Problems> {
    read(file, "give the provider's bill as JSON")
}

/// Audits what a run left; the bill is the folder's if none is given. `progress` is told how many records were read.
///
/// # Errors
/// If something cannot be read.
pub fn audit(
    manifest: &Manifest,
    plan: &Plan,
    dir: &Path,
    key: &[u8],
    bill: Option<Bill>,
    mut progress: impl FnMut(u64),
) -> Result<Report, Problems> {
    let help = "give a folder that `trisect run --records` wrote";
    let mut auditor = Auditor::new(manifest.clone(), key, &reference(plan));
    let all = files::list(dir).map_err(|e| unreadable(dir, &e))?;
    let mut read = 0;
    let mut failure: Result<(), AuditError> = Ok(());
    let looker = auditor.looker();
    // Seals are many, too.
    let (taken, evidence) = std::thread::scope(|scope| {
        let evidence = scope.spawn(|| evidence_in(dir, bill, help));
        let taken = ahead(&all, &looker, |looked| {
            read += looked.len() as u64;
            if failure.is_ok() {
                failure = auditor.take_all(looked);
            }
            progress(read);
        });
        let evidence = evidence.join();
        (taken, evidence.unwrap_or_else(|panic| resume_unwind(panic)))
    });
    taken.map_err(|e| unreadable(dir, &e))?;
    failure.map_err(|e| {
        let message = format!("the records in {} cannot be audited", dir.display());
        Problems::error(NOT_RECORDS, message, e.to_string(), help)
    })?;
    if read == 0 && manifest.period_ns == 0 {
        let message = format!("there are no records in {}", dir.display());
        return Err(Problems::error(NOT_RECORDS, message, "", help));
    }
    Ok(auditor.finish(&evidence?))
}

/// Reads what there is beside records.
fn evidence_in(dir: &Path, bill: Option<Bill>, help: &str) -> Result<Evidence, Problems> {
    let optional = |name: &str| Some(dir.join(name)).filter(|f| f.exists());
    let mut evidence = Evidence {
        bill,
        ..Evidence::default()
    };
    if let Some(file) = optional(SHIM_FILE) {
        evidence.shim = read::<Option<ShimReport>>(&file, help)?;
    }
    if let Some(file) = optional(SEALS_FILE) {
        evidence.seals = read(&file, help)?;
    }
    if let Some(file) = optional(IMAGES_FILE) {
        evidence.images = read(&file, help)?;
    }
    if let (None, Some(file)) = (&evidence.bill, optional(BILL_FILE)) {
        evidence.bill = Some(read(&file, help)?);
    }
    Ok(evidence)
}

/// Reads the records of these files in their order and looks at them, while those before are taken.
fn ahead(
    all: &[PathBuf],
    looker: &Looker,
    mut take: impl FnMut(Vec<Looked>),
) -> Result<(), files::FileError> {
    /// Batches that wait to be looked at, at most.
    const WAITING: usize = 2;
    let (sender, receiver) = std::sync::mpsc::sync_channel(WAITING);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            all.iter().try_for_each(|file| {
                let look = |record, line: &[u8]| looker.line(record, line);
                files::map(file, &look, |looked| {
                    // The receiver takes all there is.
                    let _ = sender.send(looked);
                })
            })
        });
        receiver.iter().for_each(&mut take);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn read<T: DeserializeOwned>(file: &Path, help: &str) -> Result<T, Problems> {
    let text = fs::read_to_string(file).map_err(|e| Problems::unreadable(file, &e, help))?;
    serde_json::from_str(&text).map_err(|e| {
        let message = format!("{} is not what it should be", file.display());
        Problems::error(NOT_A_MANIFEST, message, e.to_string(), help)
    })
}
