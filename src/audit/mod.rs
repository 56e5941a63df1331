//! The audit of a run: what customer and provider agree on, what a run leaves to be audited, and the audit itself.
//!
//! Where a manifest has report periods, the files of each are in a folder DIR/period-0001 and so on.
//!
//! ```text
//! DIR/ELEMENT.records.jsonl   records of the devices, and of the customer's shim (`edge`)
//! DIR/shim.json               the shim's counts, and its control sample
//! DIR/seals.json              seals of the records, by device
//! DIR/images.json             digests of what was loaded into the devices
//! DIR/bill.json               the provider's bill, where prices are agreed
//! DIR/sampling.key            the key of the sampling hash, or of the period, which the customer tells afterwards
//! ```

mod evidence;
mod keys;
mod manifest;
mod periods;

use evidence::KEY_FILE;
pub use evidence::{audit, collect, read_bill, write, write_run};
pub use keys::{SealKeys, new_signing_key, signing_key};
pub use manifest::{Asked, MANIFEST_FILE, agreed, load, make, own, sign, signatures};
pub use periods::{Handed, enough, handed, key_of, periods};

use std::collections::BTreeMap;

use trisect_audit::Reference;
use trisect_audit::cheat::Cheat;
use trisect_audit::manifest::digest;
use trisect_ir::diag::Code;
use trisect_plan::plan::Plan;
use trisect_plan::site::Site;
use trisect_rack::Shim;
use trisect_sample::{Algorithm, Field, HashRange, SampleSpec, Sampler};

use crate::problems::Problems;
use crate::run::{RunError, visit_cycles};

/// A file that should hold a manifest does not.
pub const NOT_A_MANIFEST: Code = Code(530);
/// The project, its plan or its functions are not those that were agreed on.
pub const NOT_AS_AGREED: Code = Code(531);
/// The key is not the one that was committed to.
pub const WRONG_KEY: Code = Code(532);
/// A provider cannot cheat like this in this plan.
pub const CANNOT_CHEAT: Code = Code(533);

/// The customer's shim as an element.
pub const SHIM: &str = "edge";
/// From which the key of the shim's control sample grows. A deployment draws its own; the embedded rack is repeatable.
const CONTROL_SEED: u64 = 0x5eed_c0de;

/// The customer's shim in front of a plan's rack; its control sample is one packet in `one_in`.
#[must_use]
pub fn shim(plan: &Plan, one_in: u32) -> Shim {
    let range = HashRange::one_in(one_in);
    let spec = SampleSpec::new(CONTROL_SEED, range, unchanged(plan));
    // Told to nobody, it has to be one that cannot be predicted.
    let spec = spec.with_hash(Algorithm::HalfSipHash);
    Shim::new(SHIM, Sampler::new(spec))
}

/// The fields that no NF of any class changes: by which a packet is known again without a tag.
fn unchanged(plan: &Plan) -> Vec<Field> {
    let classes = &plan.sampling.classes;
    let kept = |field: &Field| classes.iter().all(|c| c.invariant.contains(field));
    let fields = if classes.is_empty() {
        plan.sampling.fields.clone()
    } else {
        Field::ALL.to_vec()
    };
    fields.into_iter().filter(kept).collect()
}

/// The agreed chain of a plan.
#[must_use]
pub fn reference(plan: &Plan) -> Reference {
    Reference::new(plan, |server| visit_cycles(plan, server))
}

/// Files of which the bytes depend on the processor: machine code, and what it is one step before. They are made from the
/// program, which is beside them.
const OF_PROCESSOR: [&str; 2] = [".asm", ".clif"];

/// The digest of what is loaded into each device: names and bytes of its files, but of those that depend on the
/// processor.
///
/// # Errors
/// If a device cannot be configured.
pub fn images(plan: &Plan) -> Result<BTreeMap<String, String>, RunError> {
    let registry = crate::registry::registry()?;
    let devices = crate::artifacts::all(plan, &registry)?;
    let image = |files: &[trisect_target::Artifact]| {
        let mut bytes = Vec::new();
        let same = |name: &str| !OF_PROCESSOR.iter().any(|end| name.ends_with(end));
        for file in files.iter().filter(|f| same(&f.name)) {
            for part in [file.name.as_bytes(), &file.bytes] {
                bytes.extend((part.len() as u64).to_be_bytes());
                bytes.extend(part);
            }
        }
        digest(&bytes)
    };
    let images = devices.into_iter().map(|d| (d.device, image(&d.files)));
    Ok(images.collect())
}

/// The plan as a provider runs it that cheats in this way.
///
/// # Errors
/// If no host runs anything that it could run otherwise.
pub fn cheating(plan: &Plan, cheat: Cheat) -> Result<Plan, Problems> {
    let mut cheating = plan.clone();
    if !cheat.is_of_programs() {
        return Ok(cheating);
    }
    let mut changed = false;
    for host in cheating.pieces.hosts.iter_mut().flatten() {
        if let Some(program) = cheat.program(host) {
            *host = program;
            changed = true;
        }
    }
    if changed {
        return Ok(cheating);
    }
    let message = format!("no host can run anything else for `{}`", cheat.name());
    let reason = format!("it means: {}", cheat.description());
    let help = "choose another strategy, for example `--strategy host`, or another way to cheat";
    Err(Problems::error(CANNOT_CHEAT, message, reason, help))
}

/// Names of the hosts.
#[must_use]
pub fn hosts(plan: &Plan) -> Vec<String> {
    let hosts = plan.devices.iter();
    let hosts = hosts.filter(|d| matches!(d.site, Site::Host(_)));
    hosts.map(|d| d.name.clone()).collect()
}
