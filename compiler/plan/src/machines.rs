//! The rack's machines as the cut sees them.

use crate::error::PlanError;
use crate::site::{ServerId, Site};
use crate::split::Ports;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trisect_ir::{NodeId, Program, TableId};
use trisect_policy::rack::{self, Rack};
use trisect_target::{
    Artifact, Device, DeviceError, DeviceSpec, HintCycles, LookUpCycles, LowerError, Refusal,
    Registry, Resources, Target, TargetKind, Use, Verdict, resource,
};

/// One server of the rack, in figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerFigures {
    /// Its name.
    pub name: String,
    /// Its NIC's name: `s1.nic`.
    pub nic: String,
    /// Cores that run NFs.
    pub cores: u32,
    /// Clock in Hz.
    pub hz: f64,
    /// Cycles that receiving and sending one packet takes.
    pub io_cycles: u64,
    /// Bits per second of the link to the switch, each way.
    pub link_bps: u64,
    /// Nanoseconds that a packet takes on that link, each way.
    #[serde(default)]
    pub link_ns: u64,
    /// Bits per second between NIC and host memory, each way.
    pub bus_bps: u64,
}

impl ServerFigures {
    /// Cycles per second of the cores that run NFs.
    pub fn capacity(&self) -> f64 {
        f64::from(self.cores) * self.hz
    }
}

/// What the rack file says a NIC has, in place of its model's figures.
pub fn nic_limits(nic: &rack::Nic) -> Resources {
    let limits = Resources::new().with(resource::RULES, nic.rules);
    match nic.insertions_per_second {
        Some(insertions) => limits.with(resource::INSERTIONS, insertions),
        None => limits,
    }
}

fn look_up_cycles(measured: &rack::LookUp) -> LookUpCycles {
    LookUpCycles {
        bytes: measured.bytes,
        cycles: measured.cycles,
        by_number: measured.by_number,
    }
}

/// The switch target that has this model.
fn switch_target<'r>(registry: &'r Registry, model: &str) -> Result<&'r dyn Target, PlanError> {
    let switches = || registry.iter().filter(|t| t.kind() == TargetKind::Switch);
    let models = |target: &dyn Target| target.models().into_iter().map(|model| model.name);
    let found = switches()
        .find(|target| rack::is_model_file(model) || models(*target).any(|name| name == model));
    found.ok_or_else(|| {
        let unknown = DeviceError::UnknownModel {
            target: "a switch".to_owned(),
            model: model.to_owned(),
            known: switches().flat_map(models).collect(),
        };
        PlanError::Device(unknown)
    })
}

/// All devices of a rack.
pub struct Machines {
    /// The switch's name.
    pub switch_name: String,
    /// Which switch port leads to which server.
    pub ports: Ports,
    /// The servers.
    pub servers: Vec<ServerFigures>,
    switch: Box<dyn Device>,
    deep_switch: Box<dyn Device>,
    nics: Vec<Box<dyn Device>>,
    hosts: Vec<Box<dyn Device>>,
    /// What the switch, and each NIC, could be instead: by model.
    other_switches: Vec<(String, Box<dyn Device>)>,
    other_nics: Vec<Vec<(String, Box<dyn Device>)>>,
}

/// Devices of the other models of some targets. A model for which the limits make no sense is left out.
fn others<'r>(
    targets: impl Iterator<Item = &'r dyn Target>,
    own: &DeviceSpec,
    limits: &Resources,
) -> Vec<(String, Box<dyn Device>)> {
    let models = targets.flat_map(|target| {
        let models = target.models().into_iter();
        models.map(move |model| (target, model.name))
    });
    let others = models.filter(|(_, model)| *model != own.model);
    others
        .filter_map(|(target, model)| {
            let spec = DeviceSpec {
                name: own.name.clone(),
                model: model.clone(),
                text: None,
                look_ups: Vec::new(),
                limits: limits.clone(),
            };
            Some((model, target.device(&spec).ok()?))
        })
        .collect()
}

/// A host some of whose nodes were measured.
struct Measured {
    host: Box<dyn Device>,
    /// Cycles per packet by node name.
    cycles: BTreeMap<String, u64>,
}

impl Device for Measured {
    fn budget(&self) -> Resources {
        self.host.budget()
    }
    fn check(&self, program: &Program, node: NodeId) -> Verdict {
        let verdict = self.host.check(program, node);
        let name = &program.control.nodes[node].name;
        match (verdict, self.cycles.get(name)) {
            (Verdict::Able(used), Some(cycles)) => Verdict::Able(Use {
                cycles: *cycles,
                ..used
            }),
            (verdict, _) => verdict,
        }
    }
    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>> {
        self.host.fit(piece)
    }
    fn packet_cycles(&self) -> u64 {
        self.host.packet_cycles()
    }
    fn flow_hints(&self, program: &Program, table: TableId, flows: u64) -> Option<HintCycles> {
        self.host.flow_hints(program, table, flows)
    }
    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError> {
        self.host.lower(piece)
    }
}

impl Machines {
    /// The machines of a rack with one switch, and servers with one NIC each.
    ///
    /// # Errors
    /// Another kind of rack, or a device that its target refuses.
    pub fn new(rack: &Rack, registry: &Registry) -> Result<Self, PlanError> {
        let [switch] = &rack.switches[..] else {
            return Err(PlanError::Rack(format!(
                "it has {} switches; plans are made for exactly one",
                rack.switches.len()
            )));
        };
        for (position, port) in switch.external.iter().enumerate() {
            if usize::from(port.port) != position {
                return Err(PlanError::PortOrder {
                    name: port.name.clone(),
                    position: position as u16,
                    port: port.port,
                });
            }
        }
        if rack.servers.is_empty() {
            return Err(PlanError::Rack("it has no server".to_owned()));
        }
        let target = |kind: TargetKind| {
            registry
                .iter()
                .find(|t| t.kind() == kind)
                .ok_or_else(|| PlanError::Rack(format!("no target makes a {kind}")))
        };
        let default = |target: &dyn Target| {
            let first = target.models().into_iter().next();
            first.map_or_else(String::new, |model| model.name)
        };
        let target_of_switch = switch_target(registry, &switch.model)?;
        let bits = |kib: u32| u64::from(kib) * 1024 * 8;
        let limits = [
            (resource::STAGES, switch.stages.map(u64::from)),
            (resource::STAGE_SRAM_BITS, switch.sram_kib.map(bits)),
            (resource::STAGE_TCAM_BITS, switch.tcam_kib.map(bits)),
            (resource::ENTRIES, switch.entries),
            (resource::UPDATES, switch.updates_per_second),
        ];
        let stated = limits.into_iter();
        let stated = stated.filter_map(|(name, amount)| Some((name.to_owned(), amount?)));
        let spec = DeviceSpec {
            name: switch.name.clone(),
            model: switch.model.clone(),
            text: rack.model_texts.get(&switch.model).cloned(),
            look_ups: Vec::new(),
            limits: stated.collect(),
        };
        let device = target_of_switch.device(&spec)?;
        let switches = || registry.iter().filter(|t| t.kind() == TargetKind::Switch);
        let other_switches = others(switches(), &spec, &Resources::new());
        // A pipeline without stages has no depth that could be too small.
        let mut deep = spec;
        if device.budget().get(resource::STAGES).is_some() {
            deep.limits = deep.limits.with(resource::STAGES, u64::from(u32::MAX));
        }
        let mut machines = Self {
            switch_name: switch.name.clone(),
            ports: Ports::default(),
            servers: Vec::new(),
            switch: device,
            deep_switch: target_of_switch.device(&deep)?,
            nics: Vec::new(),
            hosts: Vec::new(),
            other_switches,
            other_nics: Vec::new(),
        };
        for server in &rack.servers {
            let [nic] = &server.nics[..] else {
                return Err(PlanError::Rack(format!(
                    "server `{}` has {} NICs; plans are made for one per server",
                    server.name,
                    server.nics.len()
                )));
            };
            let target_of_nics = target(TargetKind::Nic)?;
            let spec = DeviceSpec {
                name: format!("{}.{}", server.name, nic.name),
                model: nic.model.clone(),
                text: rack.model_texts.get(&nic.model).cloned(),
                look_ups: Vec::new(),
                limits: nic_limits(nic),
            };
            machines.nics.push(target_of_nics.device(&spec)?);
            let only = std::iter::once(target_of_nics);
            let rules = Resources::new().with(resource::RULES, nic.rules);
            machines.other_nics.push(others(only, &spec, &rules));
            let hosts = target(TargetKind::Host)?;
            machines.hosts.push(
                hosts.device(&DeviceSpec {
                    name: server.name.clone(),
                    model: default(hosts),
                    text: None,
                    look_ups: server.look_ups.iter().map(look_up_cycles).collect(),
                    limits: server
                        .memory_gib
                        .map(|gib| (resource::MEMORY_BYTES.to_owned(), u64::from(gib) << 30))
                        .into_iter()
                        .collect(),
                })?,
            );
            machines.ports.servers.push(nic.link.port);
            machines.servers.push(ServerFigures {
                name: server.name.clone(),
                nic: format!("{}.{}", server.name, nic.name),
                cores: server.cores.saturating_sub(server.io_cores).max(1),
                hz: server.ghz * 1e9,
                io_cycles: server.io_cycles,
                link_bps: nic.link.rate.0.min(nic.rate.0),
                link_ns: nic.link.latency_ns,
                bus_bps: nic.pcie.0,
            });
        }
        Ok(machines)
    }
    /// Puts measured cycles, by node name, in the place of the hosts' estimates.
    pub(crate) fn measured(&mut self, cycles: &BTreeMap<String, u64>) {
        let hosts = std::mem::take(&mut self.hosts).into_iter();
        let measured = hosts.map(|host| -> Box<dyn Device> {
            Box::new(Measured {
                host,
                cycles: cycles.clone(),
            })
        });
        self.hosts = measured.collect();
    }
    /// The device at a site.
    pub fn device(&self, site: Site) -> Option<&dyn Device> {
        match site {
            Site::Switch => Some(&*self.switch),
            Site::Nic(ServerId(s)) => self.nics.get(usize::from(s)).map(AsRef::as_ref),
            Site::Host(ServerId(s)) => self.hosts.get(usize::from(s)).map(AsRef::as_ref),
        }
    }
    /// What the device at a site could be instead, by model: for a switch as the model says, for a NIC with as
    /// many rules as this one has.
    pub(crate) fn others(&self, site: Site) -> &[(String, Box<dyn Device>)] {
        match site {
            Site::Switch => &self.other_switches,
            Site::Nic(ServerId(s)) => self.other_nics.get(usize::from(s)).map_or(&[], |o| o),
            Site::Host(_) => &[],
        }
    }
    /// A switch of the same kind that has any number of stages: tells whether a piece is refused for
    /// its depth alone.
    pub(crate) fn deep_switch(&self) -> &dyn Device {
        &*self.deep_switch
    }
    /// All sites, the switch first, then NIC and host of each server.
    pub fn sites(&self) -> Vec<Site> {
        let servers = (0..self.servers.len()).map(|s| ServerId(s as u16));
        std::iter::once(Site::Switch)
            .chain(servers.flat_map(|s| [Site::Nic(s), Site::Host(s)]))
            .collect()
    }
    /// A site's name for people: `tor`, `s1 NIC`, `s1`.
    pub fn name(&self, site: Site) -> String {
        let server = |s: ServerId| self.servers.get(usize::from(s.0));
        let name = match site {
            Site::Switch => Some(&self.switch_name),
            Site::Nic(s) => server(s).map(|s| &s.nic),
            Site::Host(s) => server(s).map(|s| &s.name),
        };
        name.map_or_else(|| "?".to_owned(), Clone::clone)
    }
}
