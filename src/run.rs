//! Playing traffic through the rack of a plan.

use crate::problems::Problems;
use crate::project::{Pipeline, Project};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trisect_ir::diag::{Diagnostic, Span};
use trisect_plan::flows::ServerFlows;
use trisect_plan::plan::Plan;
use trisect_policy::{Filter, Policy};
use trisect_ports::{Capture, CaptureError};
use trisect_rack::{
    Arrival, Compiled, Engine, FlowDriver, Rack, Recorder, Role, SharedNic, Tags, arrivals, by_flow,
};
use trisect_rte_flow::NicModel;
use trisect_sample::{HashRange, SampleSpec, Sampler};
use trisect_target::Artifact;

/// A capture cannot be played.
pub const BAD_CAPTURE: trisect_ir::diag::Code = trisect_ir::diag::Code(501);
/// The rack has no external port of that name.
pub const NO_SUCH_PORT: trisect_ir::diag::Code = trisect_ir::diag::Code(502);
/// There is nothing to play.
pub const NO_TRAFFIC: trisect_ir::diag::Code = trisect_ir::diag::Code(503);

/// Traffic to play, and how much of it entered nowhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// The packets, in the order of their times.
    pub arrivals: Vec<Arrival>,
    /// Packets that no traffic class takes; they are played at the first external port, where the
    /// pipeline drops them.
    pub unclassified: u64,
}

/// Reads one capture. All packets come in on `ingress` if it is given; else each comes in on a port of
/// the first traffic class that takes it (where there is no policy, on any external port), by a hash of
/// its flow, so that both directions of a connection meet the same port.
///
/// # Errors
/// An unreadable capture, or an unknown port.
pub fn one_capture(
    path: &Path,
    ingress: Option<&str>,
    project: &Project,
) -> Result<Traffic, Problems> {
    let rack = &project.rack;
    let capture = Capture::open(path).map_err(|e| bad_capture(&e))?;
    let fixed = match ingress {
        None => None,
        Some(name) => Some(
            rack.port_number(name)
                .ok_or_else(|| unknown_port(name, rack))?,
        ),
    };
    let all: Vec<u16> = (0..)
        .zip(rack.external_ports())
        .map(|(number, _)| number)
        .collect();
    let classes = match &project.pipeline {
        Pipeline::Policy { policy, .. } => classes(policy, rack, &all),
        Pipeline::Program(_) | Pipeline::Whole(_) => vec![(Filter::everything(), all.clone())],
    };
    let mut unclassified = 0;
    let port = |frame: &[u8]| {
        fixed.or_else(|| {
            let taking = classes.iter().find(|(filter, _)| filter.eval(frame));
            if taking.is_none() {
                unclassified += 1;
            }
            taking.map_or(all.first().copied(), |(_, ports)| by_flow(ports, frame))
        })
    };
    let (arrivals, _) = arrivals(&capture, port).map_err(|e| bad_capture(&e))?;
    Ok(Traffic {
        arrivals,
        unclassified,
    })
}

/// The traffic classes of a policy in order, each with its ports' numbers.
fn classes(policy: &Policy, rack: &trisect_policy::Rack, all: &[u16]) -> Vec<(Filter, Vec<u16>)> {
    let ports = |names: &[trisect_policy::policy::Name]| -> Vec<u16> {
        if names.is_empty() {
            return all.to_vec();
        }
        names
            .iter()
            .filter_map(|name| rack.port_number(name))
            .collect()
    };
    let classes = policy.pipelines.iter().map(|p| &p.class);
    classes
        .map(|class| (class.filter.value.clone(), ports(&class.ports)))
        .collect()
}

/// Reads one capture per ingress port and merges them by time; of packets of the same time, those of
/// the lower port come first.
///
/// # Errors
/// An unreadable capture, or no capture at all.
pub fn bundled(captures: &[(u16, PathBuf)]) -> Result<Traffic, Problems> {
    if captures.is_empty() {
        let found = Diagnostic::error(NO_TRAFFIC, "traffic", Span::default(), "nothing to play")
            .reason("the project has no traffic folder")
            .help("give a capture with --pcap, or put one at traffic/PORT.pcap");
        return Err(Problems::plain(found));
    }
    let mut all = Vec::new();
    for (port, path) in captures {
        let capture = Capture::open(path).map_err(|e| bad_capture(&e))?;
        all.extend(
            arrivals(&capture, |_| Some(*port))
                .map_err(|e| bad_capture(&e))?
                .0,
        );
    }
    all.sort_by_key(|a| (a.time_ns, a.port));
    Ok(Traffic {
        arrivals: all,
        unclassified: 0,
    })
}

fn bad_capture(error: &CaptureError) -> Problems {
    let file = error.file.display().to_string();
    let found = Diagnostic::error(BAD_CAPTURE, file, Span::default(), error.to_string())
        .help(error.way_out());
    Problems::plain(found)
}

fn unknown_port(name: &str, rack: &trisect_policy::Rack) -> Problems {
    let known: Vec<&str> = rack.external_ports().map(|p| p.name.as_str()).collect();
    let message = format!("the rack has no external port `{name}`");
    let found = Diagnostic::error(NO_SUCH_PORT, "--ingress", Span::default(), message)
        .help(format!("its external ports are {}", known.join(", ")));
    Problems::plain(found)
}

/// Cycles that the host cores spent per packet in a run, by the plan's estimate for each node and the
/// number of times that each was run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostWork {
    /// Cycles in nodes of the pipeline per packet of the capture.
    pub node_cycles: f64,
    /// Cycles for receiving and sending per packet of the capture.
    pub io_cycles: f64,
    /// Executions of nodes by device, as parts of all.
    pub share: BTreeMap<String, f64>,
}

impl HostWork {
    /// From how often each node of the uncut program ran, and how many packets each host saw.
    pub fn new(
        plan: &Plan,
        visits: &[(String, u64)],
        hosts: &BTreeMap<String, u64>,
        packets: u64,
    ) -> Self {
        let ran: BTreeMap<&str, u64> = visits.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        let per_packet = |n: f64| {
            if packets == 0 {
                0.0
            } else {
                n / packets as f64
            }
        };
        let mut cycles = 0.0;
        let mut by_device: BTreeMap<String, u64> = BTreeMap::new();
        for node in &plan.nodes {
            let count = ran.get(node.name.as_str()).copied().unwrap_or(0);
            cycles += count as f64 * node.cycles as f64;
            *by_device.entry(node.device.clone()).or_default() += count;
        }
        let total: u64 = by_device.values().sum();
        let io: f64 = plan
            .servers
            .iter()
            .map(|s| hosts.get(&s.name).copied().unwrap_or(0) as f64 * s.io_cycles as f64)
            .sum();
        Self {
            node_cycles: per_packet(cycles),
            io_cycles: per_packet(io),
            share: by_device
                .into_iter()
                .map(|(device, n)| {
                    (
                        device,
                        if total == 0 {
                            0.0
                        } else {
                            n as f64 / total as f64
                        },
                    )
                })
                .collect(),
        }
    }
}

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The embedded rack cannot be like the plan's.
    #[error(transparent)]
    Spec(#[from] trisect_rack::SpecError),
    /// The targets are not those that the plan was made with.
    #[error(transparent)]
    Registry(#[from] trisect_target::DuplicateTarget),
    /// A device cannot be configured.
    #[error(transparent)]
    Artifacts(#[from] crate::artifacts::ArtifactError),
    /// What was emitted for a device cannot be loaded.
    #[error("device {device}: what was emitted for it cannot be loaded: {reason}")]
    Load {
        /// The device.
        device: String,
        /// Why.
        reason: String,
    },
}

/// The embedded rack of a plan: every device runs what the plan's targets emit for it. The switch
/// runs its P4 text, read back; the NICs run their rules, read back; the hosts run machine code.
/// One packet in `one_in` is sampled; with `records`, its records can be audited. Where packets are copied, none is
/// sampled: a trajectory is the way of one.
///
/// # Errors
/// See [`RunError`].
pub fn rack(plan: &Plan, one_in: u32, records: bool) -> Result<Rack, RunError> {
    let registry = crate::registry::registry()?;
    let mut artifacts: BTreeMap<String, Vec<Artifact>> = crate::artifacts::all(plan, &registry)?
        .into_iter()
        .map(|d| (d.device, d.files))
        .collect();
    let (switch, servers) = trisect_rack::specs(&plan.rack)?;
    // NICs that number flows, by server: made when either they or their hosts are asked for.
    let mut numbering: BTreeMap<usize, SharedNic> = BTreeMap::new();
    for flows in plan.flows.iter().filter(|flows| flows.rules().is_some()) {
        let load = |reason: String| RunError::Load {
            device: flows.nic.clone(),
            reason,
        };
        let server = usize::from(flows.server.0);
        let files = artifacts.get(&flows.nic).map_or(&[][..], Vec::as_slice);
        let nic = SharedNic::new(nic_model(plan, server, files).map_err(load)?);
        numbering.insert(server, nic);
    }
    let mut rack = trisect_rack::assemble(switch, servers, &plan.pieces, |asked| {
        let load = |reason: String| RunError::Load {
            device: asked.name.to_owned(),
            reason,
        };
        let files = artifacts.remove(asked.name).unwrap_or_default();
        Ok::<_, RunError>(match asked.role {
            Role::Switch if plan.whole.is_some() => {
                crate::whole::engine(plan, &files).map_err(load)?
            }
            Role::Switch => switch_engine(&files).map_err(load)?,
            Role::Nic => nic_engine(plan, asked.server.unwrap_or(0), &files).map_err(load)?,
            Role::Host => {
                let server = asked.server.unwrap_or(0);
                let cycles = visit_cycles(plan, server);
                let driver = numbering.get(&server).and_then(FlowDriver::new);
                let code = match driver {
                    Some(driver) => {
                        let tables = hinted(plan, server);
                        Compiled::with_flows(asked.piece, cycles, driver, tables)
                    }
                    None => Compiled::new(asked.piece, cycles),
                };
                Box::new(code.map_err(|e| load(e.to_string()))?) as Box<dyn Engine>
            }
        })
    })?;
    if plan.whole.is_some() {
        return Ok(rack);
    }
    // A NIC without piece may still have rules: those that sample, or number flows.
    for (i, server) in rack.servers.iter_mut().enumerate() {
        let name = server.spec.nic.clone();
        if let Some(files) = artifacts.remove(&name) {
            let load = |reason: String| RunError::Load {
                device: name.clone(),
                reason,
            };
            server.nic = nic_engine(plan, i, &files).map_err(load)?;
        }
        if let Some(nic) = numbering.remove(&i) {
            server.nic = Box::new(nic);
        }
    }
    rack.sampler = Some(Sampler::new(sample_spec(plan, one_in)));
    rack.tags = Tags::new(&plan.pieces, plan.sampling.tag);
    rack.recorder = records.then(|| Recorder::new(&plan.pieces));
    rack.shim = records.then(|| crate::audit::shim(plan, one_in));
    Ok(rack)
}

/// What the devices sample by: what is compiled into them, or the fields that no NF changes, with a built-in key. The elements of
/// the embedded rack look at packets by themselves, one in so many, also where another rate is compiled into the pieces.
#[must_use]
pub fn sample_spec(plan: &Plan, one_in: u32) -> SampleSpec {
    let range = HashRange::one_in(one_in);
    match &plan.sampling.compiled {
        Some(spec) => SampleSpec {
            range,
            ..spec.clone()
        },
        None => SampleSpec::new(SAMPLING_SEED, range, plan.sampling.fields.clone()),
    }
}

/// From which the sampling key grows. A deployment draws its own; the embedded rack is repeatable.
const SAMPLING_SEED: u64 = 0x7315_ec70;

fn switch_engine(files: &[Artifact]) -> Result<Box<dyn Engine>, String> {
    let text = String::from_utf8_lossy(file(files, trisect_bmv2::PROGRAM_FILE)?);
    let entries = serde_json::from_slice(file(files, trisect_bmv2::ENTRIES_FILE)?)
        .map_err(|e| e.to_string())?;
    let program = trisect_bmv2::read_back(&text, &entries).map_err(|e| e.to_string())?;
    Ok(Box::new(
        Compiled::new(&program, 0).map_err(|e| e.to_string())?,
    ))
}

/// The tables of a server's host for whose entries numbers of flows stand.
fn hinted(plan: &Plan, server: usize) -> Vec<String> {
    let flows = plan.flows.iter();
    let of_server = |flows: &&ServerFlows| usize::from(flows.server.0) == server;
    flows
        .filter(of_server)
        .flat_map(ServerFlows::hinted)
        .collect()
}

fn nic_engine(plan: &Plan, server: usize, files: &[Artifact]) -> Result<Box<dyn Engine>, String> {
    Ok(Box::new(nic_model(plan, server, files)?))
}

fn nic_model(plan: &Plan, server: usize, files: &[Artifact]) -> Result<NicModel, String> {
    let nic = crate::artifacts::nic(plan, server)?;
    let rules = serde_json::from_slice(file(files, trisect_rte_flow::target::RULES_JSON)?)
        .map_err(|e| e.to_string())?;
    NicModel::new(nic.capabilities(), &rules).map_err(|e| e.to_string())
}

pub(crate) fn file<'a>(files: &'a [Artifact], name: &str) -> Result<&'a [u8], String> {
    let found = files.iter().find(|f| f.name == name);
    found
        .map(|f| f.bytes.as_slice())
        .ok_or_else(|| format!("there is no {name}"))
}

/// Mean cycles of a packet's visit to a host, by the plan's estimate.
#[must_use]
pub fn visit_cycles(plan: &Plan, server: usize) -> u64 {
    let at = |list: &[f64]| list.get(server).copied().unwrap_or(0.0);
    let (cycles, visits) = (at(&plan.cost.by_server), at(&plan.cost.stays_by_server));
    if visits > 0.0 {
        (cycles / visits).round() as u64
    } else {
        0
    }
}
