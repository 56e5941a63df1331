//! Manifests: made from a project and a reference run, signed, read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use trisect_audit::manifest::{Element, Function, Granularity, Records, Sampling, VERSION, digest};
use trisect_audit::sign::{Signatures, Signed};
use trisect_audit::{Check, Manifest, Part, Price, Resource, reference_metrics};
use trisect_collect::hex;
use trisect_plan::plan::Plan;
use trisect_plan::site::Site;
use trisect_rack::INNER;
use trisect_sample::{Point, Record};

use super::periods::commitment;
use super::{NOT_A_MANIFEST, NOT_AS_AGREED, SHIM, SealKeys, images, reference, signing_key};
use crate::problems::{CONTRADICTION, Problems, RACK_FAILED, REPORT};
use crate::project::{Pipeline, Project};
use crate::run;

/// Name of the file with a project's manifest.
pub const MANIFEST_FILE: &str = "manifest.toml";

/// What is asked for when a manifest is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// One packet in so many is to be sampled.
    pub one_in: u32,
    /// By which part performance may be worse than that of the reference run.
    pub slack: f64,
    /// What is to be recorded.
    pub granularity: Granularity,
    /// Nanoseconds of a report period; 0 for none.
    pub period_ns: u64,
    /// For how many report periods; 0 without.
    pub periods: u32,
    /// The folder that the manifest will be in.
    pub folder: PathBuf,
    /// The keys under which elements will seal.
    pub keys: SealKeys,
}

/// Makes a manifest: plan, programs and images as they are, performance as a reference run of the project's own
/// traffic shows it, and prices to be negotiated.
///
/// # Errors
/// If there is no traffic, or the rack cannot be run.
pub fn make(project: &Project, plan: &Plan, asked: &Asked) -> Result<Manifest, Problems> {
    if plan.whole.is_some() {
        let message = format!("packets of `{}` are not sampled", plan.name);
        let reason = "the program copies packets, and a trajectory is the way of one";
        return Err(Problems::error(
            CONTRADICTION,
            message,
            reason,
            "make a manifest of a project",
        ));
    }
    let traffic = run::bundled(&project.traffic()?)?;
    // Every packet counts.
    let mut rack = run::rack(plan, 1, true)?;
    let report = rack.run(&traffic.arrivals, &mut |_| {});
    let report = report.map_err(|e| Problems::error(RACK_FAILED, e.to_string(), "", REPORT))?;
    let metrics = reference_metrics(&reference(plan), SHIM, &report.records, asked.slack);
    let metric = metrics.map_err(|e| Problems::error(RACK_FAILED, e.to_string(), "", REPORT))?;
    let spec = run::sample_spec(plan, asked.one_in);
    let mut element: BTreeMap<String, Element> = BTreeMap::new();
    for (name, image) in images(plan)? {
        element.entry(name).or_default().image = Some(image);
    }
    for name in recording(plan) {
        let key = asked.keys.of(&name).verifying_key();
        element.entry(name).or_default().key = Some(hex::text(&key.to_bytes()));
    }
    Ok(Manifest {
        version: VERSION,
        project: path_from(&asked.folder, &project.folder),
        strategy: plan.strategy.to_string(),
        objective: plan.objective,
        plan: plan_digest(plan)?,
        period_ns: asked.period_ns,
        periods: asked.periods,
        sampling: Sampling {
            hash: spec.hash,
            one_in: asked.one_in,
            fields: spec.fields,
            commitment: commitment(plan, &spec.key, asked.periods),
        },
        records: Records {
            granularity: asked.granularity,
            shim: SHIM.into(),
            loss: 0.0,
        },
        element,
        function: functions(project),
        metric,
        billed: prices(&report.records),
    })
}

/// The path to a folder from another one.
fn path_from(from: &Path, to: &Path) -> String {
    let absolute = |path: &Path| {
        // The folder of a file without a folder is this one.
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
    };
    let (from, to) = (absolute(from), absolute(to));
    let shared = from.components().zip(to.components());
    let shared = shared.take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared);
    let down = down.map(|c| c.as_os_str().to_string_lossy().into_owned());
    let path: Vec<String> = up.chain(down).collect();
    if path.is_empty() {
        ".".into()
    } else {
        path.join("/")
    }
}

/// The elements that can get packets, and so have records.
fn recording(plan: &Plan) -> Vec<String> {
    let used = |site: Site| match site {
        Site::Switch => true,
        Site::Nic(server) | Site::Host(server) => plan.pieces.at(Site::Host(server)).is_some(),
    };
    let devices = plan.devices.iter().filter(|d| used(d.site));
    devices.map(|d| d.name.clone()).collect()
}

/// The digest of what a plan has the devices do.
fn plan_digest(plan: &Plan) -> Result<String, Problems> {
    let text = serde_json::to_vec(&plan.pieces);
    let text = text.map_err(|e| Problems::error(RACK_FAILED, e.to_string(), "", REPORT))?;
    Ok(digest(&text))
}

fn functions(project: &Project) -> Vec<Function> {
    match &project.pipeline {
        Pipeline::Policy {
            policy, programs, ..
        } => {
            let functions = policy.nfs.iter().filter_map(|nf| {
                let program = programs.get(&nf.name.value)?;
                Some(Function {
                    name: nf.name.value.clone(),
                    program: nf.function.value.clone(),
                    digest: digest(program.to_string().as_bytes()),
                })
            });
            functions.collect()
        }
        // Its packets are not sampled: there is nothing to agree on.
        Pipeline::Whole(_) => Vec::new(),
        Pipeline::Program(program) => vec![Function {
            name: project.name.clone(),
            program: project.name.clone(),
            digest: digest(program.to_string().as_bytes()),
        }],
    }
}

/// How much more than in the reference run one packet may use.
const MARGIN: f64 = 2.0;

/// Prices to begin with; `records` are of all packets of the reference run.
fn prices(records: &[Record]) -> Vec<Price> {
    let price = |resource: Resource, price, per, slack| Price {
        resource,
        price,
        per,
        fixed: 0.0,
        slack,
        most: MARGIN * most(resource, records),
    };
    vec![
        price(Resource::Packets, 0.05, 1e6, 0.0),
        price(Resource::Bytes, 0.02, 1e9, 0.0),
        price(Resource::Cycles, 0.04, 1e9, 0.02),
        price(Resource::Memory, 0.01, 1e9, 0.02),
    ]
}

/// The most of a resource that one packet used; those that are sampled together used the same.
fn most(resource: Resource, records: &[Record]) -> f64 {
    let mut used: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for record in records {
        let (all, packets) = used.entry(record.id).or_default();
        let work = record.work.as_ref();
        *all += work.map_or(0, |w| resource.of(&w.used));
        let enters =
            record.element == SHIM && record.point == Point::Out && record.port & INNER != 0;
        *packets += u64::from(enters);
    }
    let each = used.values().filter(|(_, packets)| *packets > 0);
    let each = each.map(|(all, packets)| *all as f64 / *packets as f64);
    each.fold(0.0, f64::max)
}

/// The manifest that a project has, if it has one.
///
/// # Errors
/// See [`load`].
pub fn own(project: &Project) -> Result<Option<Manifest>, Problems> {
    let file = project.folder.join(MANIFEST_FILE);
    // A program of one's own has no folder.
    if project.folder.as_os_str().is_empty() || !file.exists() {
        return Ok(None);
    }
    load(&file).map(Some)
}

/// Reads a manifest.
///
/// # Errors
/// All that is wrong with it.
pub fn load(file: &Path) -> Result<Manifest, Problems> {
    let text = read(file, "make one with `trisect manifest new`")?;
    Manifest::parse(&text).map_err(|wrong| {
        let mut problems = Problems::default();
        for error in wrong {
            let message = format!("{} is no manifest", file.display());
            let help = "mend the field, or make a new one with `trisect manifest new`";
            problems.extend(Problems::error(
                NOT_A_MANIFEST,
                message,
                error.to_string(),
                help,
            ));
        }
        problems
    })
}

/// The project and the plan that a manifest is about.
///
/// # Errors
/// If they cannot be made, or are not what was agreed on.
pub fn agreed(
    file: &Path,
    manifest: &Manifest,
    plan: impl FnOnce(&Project, &Manifest) -> Result<Plan, Problems>,
) -> Result<Plan, Problems> {
    let folder = file
        .parent()
        .unwrap_or(Path::new(""))
        .join(&manifest.project);
    let project = Project::load(&folder, None)?
        .with_profile(None)?
        .sampling_one_in(manifest.sampling.one_in);
    let known = functions(&project);
    let mut problems = Problems::default();
    for function in &manifest.function {
        match known.iter().find(|f| f.name == function.name) {
            Some(found) if found == function => {}
            Some(_) => problems.extend(differs(&format!(
                "function `{}` is not the program that was agreed on",
                function.name
            ))),
            None => problems.extend(differs(&format!(
                "the project has no function `{}`",
                function.name
            ))),
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let plan = plan(&project, manifest)?;
    if plan_digest(&plan)? != manifest.plan {
        return Err(differs(
            "the project's plan is not the one that was agreed on",
        ));
    }
    Ok(plan)
}

fn differs(message: &str) -> Problems {
    let help = "get the project as it was agreed on, or agree on a new manifest";
    Problems::error(NOT_AS_AGREED, message, "", help)
}

fn signature_file(manifest: &Path) -> PathBuf {
    let mut name = manifest.as_os_str().to_owned();
    name.push(".sig");
    PathBuf::from(name)
}

/// Signs a manifest with the key at a place ([`signing_key`]); gives the file with its signatures. A party signs once; its next signature takes the
/// place of the one before.
///
/// # Errors
/// If the manifest is none, the key is no key, or a file cannot be read or written.
pub fn sign(file: &Path, party: &str, key: &str) -> Result<PathBuf, Problems> {
    load(file)?;
    let text = read(file, "give a manifest")?;
    let signed = Signed::new(party, text.as_bytes(), &signing_key(key)?);
    let beside = signature_file(file);
    let mut all = read_signatures(&beside)?.unwrap_or_default();
    all.signature.retain(|s| s.party != party);
    all.signature.push(signed);
    let text = toml::to_string(&all)
        .map_err(|e| Problems::error(NOT_A_MANIFEST, e.to_string(), "", REPORT))?;
    fs::write(&beside, text).map_err(|e| Problems::unwritable(&beside, &e))?;
    Ok(beside)
}

fn read_signatures(beside: &Path) -> Result<Option<Signatures>, Problems> {
    if !beside.exists() {
        return Ok(None);
    }
    let text = read(beside, "sign with `trisect manifest sign`")?;
    let found = toml::from_str(&text).map_err(|e| {
        let message = format!("{} holds no signatures", beside.display());
        let help = "remove it, and sign with `trisect manifest sign`";
        Problems::error(NOT_A_MANIFEST, message, e.to_string(), help)
    })?;
    Ok(Some(found))
}

/// Checks a manifest's signatures. It takes two to agree.
///
/// # Errors
/// If the manifest or its signatures cannot be read.
pub fn signatures(file: &Path) -> Result<Check, Problems> {
    let text = read(file, "make one with `trisect manifest new`")?;
    let found = read_signatures(&signature_file(file))?.unwrap_or_default();
    let mut check = Check::new(Part::Integrity, "signatures", "");
    check.examined = found.signature.len() as u64;
    check.power = "every signature is looked at".into();
    let parties: Vec<&str> = found.signature.iter().map(|s| s.party.as_str()).collect();
    check.note = match parties.as_slice() {
        [] => "nobody has signed the manifest".into(),
        _ => format!("signed by {}", parties.join(", ")),
    };
    for signed in &found.signature {
        if !signed.holds(text.as_bytes()) {
            check.violated(|| format!("the signature of {} is not of this manifest", signed.party));
        }
    }
    let mut check = check.done();
    if parties.len() == 1 && check.violations == 0 {
        check.outcome = trisect_audit::Outcome::Undecided;
    }
    Ok(check)
}

fn read(file: &Path, help: &str) -> Result<String, Problems> {
    fs::read_to_string(file).map_err(|e| Problems::unreadable(file, &e, help))
}
