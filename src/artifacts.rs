//! What each device of a plan is configured with.

use trisect_plan::error::PlanError;
use trisect_plan::flows::ServerFlows;
use trisect_plan::machines::{Machines, nic_limits};
use trisect_plan::plan::Plan;
use trisect_plan::site::Site;
use trisect_rte_flow::flows::with_numbers;
use trisect_rte_flow::sampling::{self, KEY_BYTES, SamplingRefusal};
use trisect_rte_flow::target::{self, RULES_JSON};
use trisect_rte_flow::{Nic, RteFlow, RuleSet};
use trisect_sample::{Algorithm, Field};
use trisect_target::{Artifact, DeviceSpec, LowerError, Registry, Target};

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

/// How a host comes to know which of its packets are sampled.
enum NicSampling {
    /// The NIC hashes, and chooses the queue.
    Hashes(RuleSet),
    /// The NIC chooses the queue by what the switch says.
    Carries(RuleSet),
    /// The host looks at what the switch says.
    HostLooks(SamplingRefusal),
}

/// The NIC of a server as the rack file describes it.
pub(crate) fn nic(plan: &Plan, server: usize) -> Result<Nic, String> {
    let server = plan.rack.servers.get(server);
    let nic = server
        .and_then(|s| s.nics.first())
        .ok_or("the rack file gives the server no NIC")?;
    Nic::new(&DeviceSpec {
        name: nic.name.clone(),
        model: nic.model.clone(),
        text: plan.rack.model_texts.get(&nic.model).cloned(),
        look_ups: Vec::new(),
        limits: nic_limits(nic),
    })
    .map_err(|e| e.to_string())
}

/// The rules in a NIC's files; none if it has none.
fn rules_in(files: &[Artifact]) -> Result<Option<RuleSet>, LowerError> {
    let lowered = files.iter().find(|f| f.name == RULES_JSON);
    let rules = lowered.map(|file| serde_json::from_slice(&file.bytes));
    rules.transpose().map_err(|e| internal(e.to_string()))
}

/// A NIC's files with room for numbers of flows, if the plan has any there.
fn with_flow_numbers(
    plan: &Plan,
    site: Site,
    files: Vec<Artifact>,
) -> Result<Vec<Artifact>, LowerError> {
    let Site::Nic(server) = site else {
        return Ok(files);
    };
    let flows = plan.flows.iter().find(|flows| flows.server == server);
    let Some(most) = flows.and_then(ServerFlows::rules) else {
        return Ok(files);
    };
    let nic = nic(plan, usize::from(server.0)).map_err(internal)?;
    let rules = rules_in(&files)?.unwrap_or_default();
    let numbered =
        with_numbers(&rules, nic.capabilities(), most).map_err(|why| LowerError::Refused {
            node: String::new(),
            refusal: why.refusal(plan.pieces.at(site).unwrap_or(&plan.uncut)),
        })?;
    target::artifacts(&numbered)
}

/// What the NIC in front of a host does about sampling, if that is compiled in and packets go to the host; `files` are what
/// it does otherwise.
fn nic_sampling(
    plan: &Plan,
    site: Site,
    files: &[Artifact],
) -> Result<Option<NicSampling>, LowerError> {
    let (Site::Nic(server), Some(spec)) = (site, &plan.sampling.compiled) else {
        return Ok(None);
    };
    if plan.pieces.at(Site::Host(server)).is_none() {
        return Ok(None);
    }
    let nic = nic(plan, usize::from(server.0)).map_err(internal)?;
    let caps = nic.capabilities();
    let lowered = rules_in(files)?;
    let flow = [Field::IpSrc, Field::IpDst, Field::SrcPort, Field::DstPort];
    let hashed = spec.hash == Algorithm::Toeplitz && spec.fields == flow;
    if hashed && spec.key.len() >= KEY_BYTES && caps.rss.is_some() {
        let rules = lowered.unwrap_or_else(sampling::passing);
        let range = (spec.range.first, spec.range.last);
        let rules = sampling::sampled(&rules, caps, &spec.key, range);
        let rules = rules.map_err(|e| internal(e.to_string()))?;
        return Ok(Some(NicSampling::Hashes(rules)));
    }
    Ok(Some(
        match sampling::carried(&lowered.unwrap_or_default(), caps) {
            Ok(rules) => NicSampling::Carries(rules),
            Err(why) => NicSampling::HostLooks(why),
        },
    ))
}

fn internal(message: String) -> LowerError {
    LowerError::Internal {
        target: RteFlow.name().to_owned(),
        message,
    }
}

/// What NICs and hosts do about sampling, for people: a line for each NIC through which packets go to a host.
///
/// # Errors
/// See [`ArtifactError`].
pub fn sampling_text(plan: &Plan, registry: &Registry) -> Result<String, ArtifactError> {
    let machines = Machines::new(&plan.rack, registry)?;
    let mut out = String::new();
    for site in machines.sites() {
        let Some(device) = machines.device(site) else {
            continue;
        };
        let name = machines.name(site);
        let failed = |error: LowerError| ArtifactError::Lower {
            device: name.clone(),
            error: Box::new(error),
        };
        let files = match (site, plan.pieces.at(site)) {
            (Site::Nic(_), Some(piece)) => device.lower(piece).map_err(failed)?,
            _ => Vec::new(),
        };
        let how = match nic_sampling(plan, site, &files).map_err(failed)? {
            None => continue,
            Some(NicSampling::Hashes(_)) => {
                "hashes addresses and ports; sampled packets come in a queue of their own".into()
            }
            Some(NicSampling::Carries(_)) => {
                "takes the switch's verdict from NSH's service index; sampled packets come in a queue of their own".into()
            }
            Some(NicSampling::HostLooks(why)) => why.to_string(),
        };
        out.push_str(&format!("    {name}: {how}\n"));
    }
    Ok(out)
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
        let files = with_flow_numbers(plan, site, files).map_err(failed)?;
        let files = match nic_sampling(plan, site, &files).map_err(failed)? {
            Some(NicSampling::Hashes(rules) | NicSampling::Carries(rules)) => {
                target::artifacts(&rules).map_err(failed)?
            }
            Some(NicSampling::HostLooks(_)) | None => files,
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
