//! What a run leaves to be audited, and the audit of it.

use std::collections::BTreeMap;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use trisect_audit::cheat::Cheat;
use trisect_audit::manifest::digest;
use trisect_audit::{
    AuditError, Auditor, Bill, Evidence, Looked, Looker, Manifest, Report, Resource,
};
use trisect_collect::seal::{Seal, Sealer};
use trisect_plan::plan::Plan;
use trisect_rack::{Arrival, Rack, ShimReport};
use trisect_sample::{Record, files};

use super::{NOT_A_MANIFEST, SealKeys, WRONG_KEY, images, reference};
use crate::problems::{CANNOT_READ, Problems, RACK_FAILED, REPORT};
use crate::records::{NOT_RECORDS, unreadable};

/// Name of the file with the key of the sampling hash.
pub const KEY_FILE: &str = "sampling.key";
const SHIM_FILE: &str = "shim.json";
const SEALS_FILE: &str = "seals.json";
const IMAGES_FILE: &str = "images.json";
const BILL_FILE: &str = "bill.json";

/// What a run leaves to be audited beside its records. With a manifest there is a bill.
///
/// # Errors
/// If a device cannot be configured.
pub fn collect(
    plan: &Plan,
    run: (&Rack, &trisect_rack::Report, &[Arrival]),
    manifest: Option<&Manifest>,
    cheat: Option<Cheat>,
    keys: &SealKeys,
) -> Result<Evidence, Problems> {
    let (rack, report, arrivals) = run;
    let used = |resource| match resource {
        Resource::Packets => arrivals.len() as u64,
        Resource::Bytes => arrivals.iter().map(|a| a.bytes.len() as u64).sum(),
        Resource::Cycles => report.devices.iter().map(|d| d.cycles).sum(),
        Resource::Memory => rack.recorder.as_ref().map_or(0, |r| r.memory),
    };
    let billed = |resource| {
        let used = used(resource);
        cheat.map_or(used, |cheat| cheat.billed(resource, used))
    };
    Ok(Evidence {
        shim: report.shim.clone(),
        bill: manifest.map(|m| Bill::new(&m.billed, billed)),
        seals: seals(&report.records, keys)?,
        images: images(plan)?,
    })
}

/// Writes records, the key of the sampling hash and the rest of the evidence; gives the files.
///
/// # Errors
/// If a file cannot be written.
pub fn write(
    dir: &Path,
    records: &[Record],
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
fn seals(records: &[Record], keys: &SealKeys) -> Result<BTreeMap<String, Vec<Seal>>, Problems> {
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

/// The key of the sampling hash in a file, which must be the one that was committed to.
///
/// # Errors
/// If it cannot be read, or is another one.
pub fn key_of(manifest: &Manifest, file: &Path) -> Result<Vec<u8>, Problems> {
    let help = "give the key that the customer has told, as hexadecimal digits, with --key";
    let text = fs::read_to_string(file).map_err(|e| Problems::unreadable(file, &e, help))?;
    let pairs = text.trim().as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let key: Option<Vec<u8>> = pairs.map(byte).collect();
    let wrong = |reason: &str| {
        let message = format!(
            "{} does not hold the key that was agreed on",
            file.display()
        );
        Problems::error(WRONG_KEY, message, reason, help)
    };
    let key = key.ok_or_else(|| wrong("it is no string of hexadecimal bytes"))?;
    if digest(&key) != manifest.sampling.commitment {
        return Err(wrong("its digest is not the manifest's commitment"));
    }
    Ok(key)
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
    let optional = |name: &str| Some(dir.join(name)).filter(|f| f.exists());
    let help = "give a folder that `trisect run --records` wrote";
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
    let mut auditor = Auditor::new(manifest.clone(), key, &reference(plan));
    let all = files::list(dir).map_err(|e| unreadable(dir, &e))?;
    let mut read = 0;
    let mut failure: Result<(), AuditError> = Ok(());
    let looker = auditor.looker();
    let taken = ahead(&all, &looker, |looked| {
        read += looked.len() as u64;
        if failure.is_ok() {
            failure = auditor.take_all(looked);
        }
        progress(read);
    });
    taken.map_err(|e| unreadable(dir, &e))?;
    failure.map_err(|e| {
        let message = format!("the records in {} cannot be audited", dir.display());
        Problems::error(NOT_RECORDS, message, e.to_string(), help)
    })?;
    if read == 0 {
        let message = format!("there are no records in {}", dir.display());
        return Err(Problems::error(NOT_RECORDS, message, "", help));
    }
    Ok(auditor.finish(&evidence))
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
