//! The reference: what was agreed to run where.

use std::collections::BTreeMap;

use trisect_ir::Program;
use trisect_plan::plan::Plan;
use trisect_plan::site::{ServerId, Site};
use trisect_rack::Witness;
use trisect_sample::{Elements, Topology};

/// The agreed chain, element by element.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The switch's name.
    pub switch: String,
    /// The servers: the switch's port to each, its NIC, its host.
    pub servers: Vec<(u16, String, String)>,
    /// What the elements run.
    pub pieces: BTreeMap<String, Piece>,
}

/// What an element runs.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Its program on the reference interpreter; `None` for a NIC without rules, which passes everything on.
    pub witness: Option<Witness>,
    /// Cycles of host cores that a visit takes, in the mean.
    pub cycles: u64,
}

impl Piece {
    /// An element's program; `cycles` of host cores for a visit.
    #[must_use]
    pub fn new(program: Option<&Program>, cycles: u64) -> Piece {
        Piece {
            witness: program.map(Witness::new),
            cycles,
        }
    }
}

impl Reference {
    /// The reference that a plan is; `cycles` gives the mean cycles of a visit to the host of each server.
    #[must_use]
    pub fn new(plan: &Plan, cycles: impl Fn(usize) -> u64) -> Reference {
        let mut pieces = BTreeMap::new();
        let mut servers = Vec::new();
        let name = |site: Site| {
            let device = plan.devices.iter().find(|d| d.site == site);
            device.map_or_else(String::new, |d| d.name.clone())
        };
        let switch = name(Site::Switch);
        pieces.insert(switch.clone(), Piece::new(Some(&plan.pieces.switch), 0));
        for (index, port) in plan.ports.servers.iter().enumerate() {
            let server = ServerId(index as u16);
            let (nic, host) = (Site::Nic(server), Site::Host(server));
            servers.push((*port, name(nic), name(host)));
            pieces.insert(name(nic), Piece::new(plan.pieces.at(nic), 0));
            // A host without a piece gets no packets; what it records all the same has no reference.
            if let Some(program) = plan.pieces.at(host) {
                pieces.insert(name(host), Piece::new(Some(program), cycles(index)));
            }
        }
        Reference {
            switch,
            servers,
            pieces,
        }
    }

    /// How the elements are connected, with the customer's shim.
    #[must_use]
    pub fn topology(&self, shim: &str, elements: &Elements) -> Topology {
        let servers = self.servers.iter();
        let servers = servers.map(|(port, nic, host)| (*port, nic.as_str(), host.as_str()));
        trisect_rack::topology(&self.switch, servers, Some(shim), elements)
    }
}

/// The network function that a table, object or action belongs to: what its name begins with.
#[must_use]
pub fn function_of(name: &str) -> &str {
    name.split_once('.').map_or(name, |(function, _)| function)
}
