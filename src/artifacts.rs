//! What each device of a plan is configured with.

use trisect_plan::error::PlanError;
use trisect_plan::machines::Machines;
use trisect_plan::plan::Plan;
use trisect_plan::site::Site;
use trisect_rte_flow::sampling::{self, KEY_BYTES};
use trisect_rte_flow::target::{self, RULES_JSON};
use trisect_rte_flow::{Capabilities, RteFlow};
use trisect_sample::{Algorithm, Field, SampleSpec};
use trisect_target::{Artifact, LowerError, Registry, Target};

/// Why there are no artifacts.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The plan's rack does not fit the targets of this build.
    #[error(transparent)]
    Rack(#[from] PlanError),
    /// A device refuses its piece.
    #[error("device {device}: {error}")]
    Lower {
        /// The device.
        device: String,
        /// Why.
        error: Box<LowerError>,
    },
}

/// A NIC that packets go to and that can choose the sampled ones by itself, as what is hashed are addresses and
/// ports: what it can do, and how.
fn sampling_nic(plan: &Plan, site: Site) -> Option<(Capabilities, &SampleSpec)> {
    let Site::Nic(server) = site else { return None };
    plan.pieces.at(Site::Host(server))?;
    let spec = plan.sampling.compiled.as_ref()?;
    let flow = [Field::IpSrc, Field::IpDst, Field::SrcPort, Field::DstPort];
    if spec.hash != Algorithm::Toeplitz || spec.fields != flow || spec.key.len() < KEY_BYTES {
        return None;
    }
    let nic = plan.rack.servers.get(usize::from(server.0))?.nics.first()?;
    let caps = match plan.rack.model_texts.get(&nic.model) {
        Some(text) => Capabilities::parse(text, &nic.model).ok()?,
        None => Capabilities::named(&nic.model)?,
    };
    caps.rss.is_some().then_some((caps, spec))
}

/// A NIC's files with sampling in its rules.
fn sampling_rules(
    files: &[Artifact],
    caps: &Capabilities,
    spec: &SampleSpec,
) -> Result<Vec<Artifact>, LowerError> {
    let internal = |message: String| LowerError::Internal {
        target: RteFlow.name().to_owned(),
        message,
    };
    let lowered = files.iter().find(|f| f.name == RULES_JSON);
    let rules = match lowered {
        Some(file) => serde_json::from_slice(&file.bytes).map_err(|e| internal(e.to_string()))?,
        None => sampling::passing(),
    };
    let range = (spec.range.first, spec.range.last);
    let rules = sampling::sampled(&rules, caps, &spec.key, range);
    target::artifacts(&rules.map_err(|e| internal(e.to_string()))?)
}

/// One device's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceArtifacts {
    /// Where the device stands in the plan.
    pub site: Site,
    /// Its name, which is also the name of its folder.
    pub device: String,
    /// Its files.
    pub files: Vec<Artifact>,
}

/// The artifacts of all devices that the plan gives something to do: the switch first, then NIC and host of
/// each server.
///
/// # Errors
/// See [`ArtifactError`].
pub fn all(plan: &Plan, registry: &Registry) -> Result<Vec<DeviceArtifacts>, ArtifactError> {
    let machines = Machines::new(&plan.rack, registry)?;
    let mut all = Vec::new();
    for site in machines.sites() {
        let Some(device) = machines.device(site) else {
            continue;
        };
        let name = machines.name(site);
        let failed = |error: LowerError| ArtifactError::Lower {
            device: name.clone(),
            error: Box::new(error),
        };
        let files = match plan.pieces.at(site) {
            Some(piece) => match &plan.whole {
                Some(whole) => device.lower_whole(piece, whole),
                None => device.lower(piece),
            }
            .map_err(failed)?,
            None => Vec::new(),
        };
        let files = match sampling_nic(plan, site) {
            Some((caps, spec)) => sampling_rules(&files, &caps, spec).map_err(failed)?,
            None => files,
        };
        if files.is_empty() {
            continue;
        }
        all.push(DeviceArtifacts {
            site,
            device: name,
            files,
        });
    }
    Ok(all)
}
