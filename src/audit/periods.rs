//! Report periods: how a run is divided, where what is handed over of each lies, and the keys of each.

use std::path::{Path, PathBuf};

use trisect_audit::manifest::digest;
use trisect_audit::{Commitment, Manifest};
use trisect_collect::disclosure::{KeyChain, PeriodKey, earlier, period_of, sampling_key};
use trisect_plan::plan::Plan;
use trisect_rack::Periods;
use trisect_sample::{KEY_BYTES, SampleSpec};

use super::{KEY_FILE, NOT_AS_AGREED, WRONG_KEY};
use crate::problems::{CONTRADICTION, Problems};
use crate::records::NOT_RECORDS;
use crate::run::sample_spec;

/// From which the keys of all periods grow. A customer draws a secret; the embedded rack is repeatable.
const SECRET: [u8; 32] = *b"the embedded rack is repeatable.";

/// A report period with the folder of what is handed over of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Its number, from 1; `None` if all is handed over at once.
    pub period: Option<usize>,
    /// The folder.
    pub folder: PathBuf,
}

impl Handed {
    /// Whether nothing was handed over of this report period.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.period.is_some() && !self.folder.is_dir()
    }
}

/// What binds the keys that are made for a manifest of a plan. A key that is compiled into the devices stays.
#[must_use]
pub fn commitment(plan: &Plan, key: &[u8], periods: u32) -> Commitment {
    match periods > 0 && plan.sampling.compiled.is_none() {
        true => Commitment::Chain(KeyChain::new(&SECRET, periods as usize).commitment()),
        false => Commitment::Key(digest(key)),
    }
}

/// The embedded rack's keys for a manifest, by period.
pub(super) fn chain(manifest: &Manifest) -> Option<KeyChain> {
    let agreed = matches!(manifest.sampling.commitment, Commitment::Chain(_));
    agreed.then(|| KeyChain::new(&SECRET, manifest.periods as usize))
}

/// How a run under a manifest is divided; `None` if it is not.
///
/// # Errors
/// If the keys that were agreed on are not those of the embedded rack, or the devices have another one compiled in.
pub fn periods(plan: &Plan, manifest: &Manifest) -> Result<Option<Periods>, Problems> {
    if manifest.period_ns == 0 {
        return Ok(None);
    }
    let spec = sample_spec(plan, manifest.sampling.one_in);
    let mut specs = Vec::new();
    if let Some(chain) = chain(manifest) {
        let ours = Commitment::Chain(chain.commitment());
        if plan.sampling.compiled.is_some() || manifest.sampling.commitment != ours {
            let message = "the devices cannot change keys as was agreed";
            let reason = match plan.sampling.compiled {
                Some(_) => "their key is compiled into them",
                None => "the chain is not that of the embedded rack",
            };
            let help = "make a new manifest with `trisect manifest new`";
            return Err(Problems::error(NOT_AS_AGREED, message, reason, help));
        }
        let key = |period| chain.key(period).unwrap_or_default();
        let keyed = |period| keyed(&spec, &key(period));
        specs = (1..=manifest.periods as usize).map(keyed).collect();
    }
    Ok(Some(Periods {
        length_ns: manifest.period_ns,
        specs,
    }))
}

/// Refuses traffic that lasts for more periods than were agreed on, and a folder for its records in which there are those of later
/// periods, which would be taken for this run's. `span_ns` is from its first packet to its last.
///
/// # Errors
/// If it refuses.
pub fn enough(manifest: &Manifest, span_ns: u64, records: &Path) -> Result<(), Problems> {
    let Some(before) = span_ns.checked_div(manifest.period_ns) else {
        return Ok(());
    };
    let needed = before + 1;
    if needed > u64::from(manifest.periods) {
        let message = format!("the traffic lasts for {needed} report periods");
        let reason = format!("the manifest is for {}", manifest.periods);
        let help = "agree on longer periods or more of them, or play less traffic";
        return Err(Problems::error(CONTRADICTION, message, reason, help));
    }
    let last = records.read_dir().map(last_in).unwrap_or_default();
    if last as u64 > needed {
        let message = format!("{} has records of {last} report periods", records.display());
        let reason = format!("this run has {needed}");
        let help = "give another folder, or remove what is there";
        return Err(Problems::error(CONTRADICTION, message, reason, help));
    }
    Ok(())
}

/// The last period of which a folder has anything; 0 if of none.
fn last_in(entries: std::fs::ReadDir) -> usize {
    let number = |entry: std::fs::DirEntry| -> Option<usize> {
        let name = entry.file_name();
        name.to_str()?.strip_prefix(PREFIX)?.parse().ok()
    };
    let there = entries.filter_map(Result::ok).filter_map(number);
    there.max().unwrap_or(0)
}

fn keyed(spec: &SampleSpec, key: &PeriodKey) -> SampleSpec {
    SampleSpec {
        key: sampling_key(key, KEY_BYTES),
        ..spec.clone()
    }
}

/// Where what is handed over of a period lies.
pub(super) fn folder(dir: &Path, period: usize) -> PathBuf {
    dir.join(format!("{PREFIX}{period:04}"))
}

const PREFIX: &str = "period-";

/// What was handed over, period by period to the last that is there; `only` is the one that is asked for.
///
/// # Errors
/// If there is none, or the folder cannot be read.
pub fn handed(
    manifest: &Manifest,
    dir: &Path,
    only: Option<usize>,
) -> Result<Vec<Handed>, Problems> {
    let help = "give a folder that `trisect run --manifest FILE --records` wrote";
    if manifest.period_ns == 0 {
        if only.is_some() {
            let message = "all is handed over at once under this manifest";
            let help = "leave out --period";
            return Err(Problems::error(CONTRADICTION, message, "", help));
        }
        return Ok(vec![Handed {
            period: None,
            folder: dir.to_owned(),
        }]);
    }
    let entries = dir.read_dir();
    let entries = entries.map_err(|e| Problems::unreadable(dir, &e, help))?;
    let last = last_in(entries).min(manifest.periods as usize);
    let asked = match only {
        Some(only) => only..=only,
        None => 1..=last,
    };
    if last == 0 || !(1..=last).contains(asked.start()) {
        let message = format!("there are no records of that period in {}", dir.display());
        let reason = format!("it has those of {last} periods");
        let range = format!("give a period from 1 to {last}");
        let help = if last == 0 { help } else { &range };
        return Err(Problems::error(NOT_RECORDS, message, reason, help));
    }
    let handed = asked.map(|period| Handed {
        period: Some(period),
        folder: folder(dir, period),
    });
    Ok(handed.collect())
}

/// The key of the sampling hash in a file, or in the folder of what was handed over. It must be one that was committed to; that of a later
/// period gives those before.
///
/// # Errors
/// If it cannot be read, or is another one.
pub fn key_of(
    manifest: &Manifest,
    file: Option<&Path>,
    handed: &Handed,
) -> Result<Vec<u8>, Problems> {
    let beside = handed.folder.join(KEY_FILE);
    let file = file.unwrap_or(&beside);
    let help = "give the key that the customer has told, as hexadecimal digits, with --key";
    let text = std::fs::read_to_string(file).map_err(|e| Problems::unreadable(file, &e, help))?;
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
    let end = match &manifest.sampling.commitment {
        Commitment::Key(agreed) if digest(&key) == *agreed => return Ok(key),
        Commitment::Key(_) => return Err(wrong("its digest is not the manifest's commitment")),
        Commitment::Chain(end) => end,
    };
    let key: PeriodKey = key
        .try_into()
        .map_err(|_| wrong("a period's key has 32 bytes"))?;
    let told = period_of(&key, end, manifest.periods as usize)
        .ok_or_else(|| wrong("it is of no period, by the manifest's commitment"))?;
    let period = handed.period.unwrap_or(1);
    let back = told.checked_sub(period).ok_or_else(|| {
        wrong(&format!(
            "it is that of period {told}, and does not show that of period {period}"
        ))
    })?;
    Ok(sampling_key(&earlier(&key, back), KEY_BYTES))
}
