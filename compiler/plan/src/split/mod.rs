//! From the uncut program and an assignment to one program per device.
//!
//! Every cut edge enters its target node on another device. The target is a *continuation*: what is
//! live at its entry travels in the context headers, and its number is the SPI. So an edge needs no
//! number of its own, however many edges lead to one node. Where the NIC hands over to its host, the
//! MARK says where to go on and which metadata is in META; everything else is still in the context,
//! as the switch wrote it.
//!
//! The pieces keep the uncut program's names, so that their states can be compared with its state.

mod build;
mod encapsulation;
mod host;
mod nic;
mod switch;

pub use encapsulation::{Carried, Layout};

use crate::facts::Facts;
use crate::legal::{self, Violation};
use crate::site::{Assignment, ServerId, Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{MetaId, NodeId, NodeKind, Program};

/// Which switch port leads where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// The port of each server, by [`ServerId`].
    pub servers: Vec<u16>,
}

/// A place where control goes on after a crossing, and what travels to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation {
    /// The service path identifier, from 1.
    pub spi: u32,
    /// The node where control goes on.
    pub node: NodeId,
    /// Where that node runs.
    pub site: Site,
    /// How the live metadata lies in the context header.
    pub layout: Layout,
}

/// A place where control goes on after the NIC, and what the NIC tells the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The value of MARK, from 1.
    pub mark: u32,
    /// The server.
    pub server: ServerId,
    /// The node where control goes on, on the host or (through it) elsewhere.
    pub node: NodeId,
    /// How the metadata that the NIC has set lies in META.
    pub layout: Layout,
}

/// The programs of all devices. A device without a node of the pipeline has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pieces {
    /// The switch.
    pub switch: Program,
    /// The NICs, by [`ServerId`].
    pub nics: Vec<Option<Program>>,
    /// The hosts, by [`ServerId`].
    pub hosts: Vec<Option<Program>>,
    /// All continuations, in order of their SPIs.
    pub continuations: Vec<Continuation>,
    /// All marks, in order.
    pub marks: Vec<Mark>,
}

impl Pieces {
    /// The piece of a site, if it has one.
    pub fn at<'a>(&'a self, site: Site) -> Option<&'a Program> {
        let of = |pieces: &'a [Option<Program>], s: ServerId| pieces.get(usize::from(s.0));
        match site {
            Site::Switch => Some(&self.switch),
            Site::Nic(s) => of(&self.nics, s)?.as_ref(),
            Site::Host(s) => of(&self.hosts, s)?.as_ref(),
        }
    }
}

/// Why a program cannot be split this way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// The assignment breaks a rule of the cut.
    #[error("{0}")]
    Illegal(Violation),
    /// A node is on a server that the switch has no port to.
    #[error("server {0} is not connected to the switch")]
    NoPort(u16),
    /// The program has no control graph.
    #[error("the program has no entry")]
    Empty,
}

/// Splits a program.
///
/// # Errors
/// The first rule of the cut that the assignment breaks, or a server without a port.
pub fn split(facts: &Facts, assignment: &Assignment, ports: &Ports) -> Result<Pieces, SplitError> {
    if let Some(violation) = legal::check(facts, assignment).into_iter().next() {
        return Err(SplitError::Illegal(violation));
    }
    let cut = Cut::new(facts, assignment, ports)?;
    let servers = ports.servers.len();
    let mut nics = Vec::with_capacity(servers);
    let mut hosts = Vec::with_capacity(servers);
    for index in 0..servers {
        let server = ServerId(index as u16);
        nics.push(nic::piece(&cut, server));
        hosts.push(host::piece(&cut, server));
    }
    Ok(Pieces {
        switch: switch::piece(&cut),
        nics,
        hosts,
        continuations: cut.continuations,
        marks: cut.marks,
    })
}

/// Everything that the pieces are built from.
pub(crate) struct Cut<'a> {
    pub facts: &'a Facts<'a>,
    pub assignment: &'a Assignment,
    pub ports: &'a Ports,
    pub entry: NodeId,
    pub continuations: Vec<Continuation>,
    pub marks: Vec<Mark>,
    /// Bytes of the value of the MD type 2 TLV; 0 if no continuation needs one.
    pub tlv_bytes: u32,
}

impl<'a> Cut<'a> {
    fn new(
        facts: &'a Facts<'a>,
        assignment: &'a Assignment,
        ports: &'a Ports,
    ) -> Result<Self, SplitError> {
        let entry = facts.program.control.entry.ok_or(SplitError::Empty)?;
        for node in facts.sited() {
            if let Some(server) = assignment.site(node).server()
                && ports.servers.len() <= usize::from(server.0)
            {
                return Err(SplitError::NoPort(server.0));
            }
        }
        let mut cut = Self {
            facts,
            assignment,
            ports,
            entry,
            continuations: Vec::new(),
            marks: Vec::new(),
            tlv_bytes: 0,
        };
        cut.number_marks();
        cut.number_continuations();
        Ok(cut)
    }
    /// Where a node runs: `Emit` runs on the switch.
    pub fn site(&self, node: NodeId) -> Site {
        match self.facts.program.control.nodes[node].kind {
            NodeKind::Emit => Site::Switch,
            _ => self.assignment.site(node),
        }
    }
    pub fn is_drop(&self, node: NodeId) -> bool {
        matches!(self.facts.program.control.nodes[node].kind, NodeKind::Drop)
    }
    /// The continuation of a node. Every cut edge's target has one.
    pub fn continuation(&self, node: NodeId) -> Option<&Continuation> {
        self.continuations.iter().find(|c| c.node == node)
    }
    /// What the NIC hands over for an edge from one of its nodes.
    pub fn mark(
        &self,
        server: ServerId,
        node: NodeId,
        carried: &BTreeSet<MetaId>,
    ) -> Option<&Mark> {
        self.marks.iter().find(|m| {
            m.server == server && m.node == node && m.layout.metas().eq(carried.iter().copied())
        })
    }
    /// Nodes of a site, in topological order.
    pub fn nodes_at(&self, site: Site) -> Vec<NodeId> {
        self.facts
            .sited()
            .filter(|n| self.assignment.site(*n) == site)
            .collect()
    }
    fn number_marks(&mut self) {
        let mut seen: BTreeMap<(ServerId, NodeId, Vec<MetaId>), ()> = BTreeMap::new();
        let exits = legal::nic_exits(self.facts, self.assignment);
        for exit in exits {
            let key = (
                exit.server,
                exit.to,
                exit.carried.iter().copied().collect::<Vec<_>>(),
            );
            if seen.insert(key, ()).is_none() {
                self.marks.push(Mark {
                    mark: self.marks.len() as u32 + 1,
                    server: exit.server,
                    node: exit.to,
                    layout: Layout::new(self.facts.program, &exit.carried),
                });
            }
        }
    }
    fn number_continuations(&mut self) {
        let mut targets: BTreeSet<(usize, NodeId)> = BTreeSet::new();
        let position: BTreeMap<NodeId, usize> = self
            .facts
            .graph
            .order
            .iter()
            .enumerate()
            .map(|(i, n)| (*n, i))
            .collect();
        let mut add = |node: NodeId| {
            targets.insert((position.get(&node).copied().unwrap_or(usize::MAX), node));
        };
        if self.site(self.entry) != Site::Switch && !self.is_drop(self.entry) {
            add(self.entry);
        }
        for (a, b) in self.facts.graph.edges() {
            if !self.is_drop(b) && crosses_by_spi(self.site(a), self.site(b)) {
                add(b);
            }
        }
        for (i, (_, node)) in targets.into_iter().enumerate() {
            let live = match node == self.entry {
                true => legal::entry_live(self.facts, self.assignment, node),
                false => self.facts.live_in(node).clone(),
            };
            self.continuations.push(Continuation {
                spi: i as u32 + 1,
                node,
                site: self.site(node),
                layout: Layout::new(self.facts.program, &live),
            });
        }
        self.tlv_bytes = self
            .continuations
            .iter()
            .filter(|c| c.layout.bits > trisect_target::wire::CONTEXT1_BITS)
            .map(|c| c.layout.bits.div_ceil(32) * 4)
            .max()
            .unwrap_or(0);
    }
}

/// Whether an edge leaves a server or the switch, so that the SPI says where to go on.
fn crosses_by_spi(from: Site, to: Site) -> bool {
    match (from, to) {
        (Site::Nic(a), Site::Host(b) | Site::Nic(b)) if a == b => false,
        (a, b) => a != b,
    }
}
