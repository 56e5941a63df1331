//! A run in figures, for people and programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trisect_sample::{Clocks, Elements, PathCount, Paths, Topology, Trajectory, join};
use trisect_target::wire;

use crate::{DeviceReport, EndedHow, INNER, QueueReport, Report};

/// A port's share of what left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortCount {
    /// Frames that left.
    pub packets: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// Everything of a run but the packets themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Packets that came in.
    pub packets: u64,
    /// What left, by external port.
    pub ports: BTreeMap<u16, PortCount>,
    /// Packets dropped, by reason, over all devices.
    pub drops: BTreeMap<String, u64>,
    /// Switch, then NIC and host of each server.
    pub devices: Vec<DeviceReport>,
    /// Links, buses, hosts and external ports that had any traffic.
    pub queues: Vec<QueueReport>,
    /// Name of the queue that was busy for the largest share of the time; `None` without traffic.
    pub busiest: Option<String>,
    /// Ways that sampled packets took.
    pub paths: Vec<PathCount>,
    /// Sampled packets.
    pub trajectories: u64,
    /// Nanoseconds from the first to the last arrival.
    pub duration_ns: u64,
}

impl Report {
    /// The elements that recorded anything, and the ways of the sampled packets.
    #[must_use]
    pub fn trajectories(&self) -> (Elements, Vec<Trajectory>) {
        // A rack has far fewer elements than have numbers.
        join(&self.records, |elements| self.topology(elements)).unwrap_or_default()
    }

    /// How the rack's elements are connected.
    #[must_use]
    pub fn topology(&self, elements: &Elements) -> Topology {
        let name = |i: usize| self.devices.get(i).map_or("", |d| d.name.as_str());
        let servers = (0..).zip(&self.server_ports);
        let servers = servers.map(|(i, port)| (*port, name(1 + 2 * i), name(2 + 2 * i)));
        let shim = self.periods.first().and_then(|p| p.shim.as_ref());
        let shim = shim.map(|s| s.name.as_str());
        topology(name(0), servers, shim, elements)
    }

    /// The run in figures.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let mut ports: BTreeMap<u16, PortCount> = BTreeMap::new();
        let mut drops: BTreeMap<String, u64> = BTreeMap::new();
        for e in &self.ended {
            match &e.how {
                EndedHow::Left { port, bytes } => {
                    let count = ports.entry(*port).or_default();
                    count.packets += 1;
                    count.bytes += bytes.len() as u64;
                }
                EndedHow::Dropped { reason, .. } => {
                    *drops.entry(reason.clone()).or_default() += 1;
                }
            }
        }
        // A packet ends as often as there are copies of it, and at least once.
        let arrived = self.ended.iter().map(|e| e.arrival + 1).max().unwrap_or(0);
        let (elements, trajectories) = self.trajectories();
        let mut paths = Paths::default();
        for trajectory in &trajectories {
            // The rack has one clock.
            paths.count(trajectory, &Clocks::default());
        }
        Summary {
            packets: arrived as u64,
            ports,
            drops,
            devices: self.devices.clone(),
            queues: self.queues.clone(),
            busiest: self.busiest().map(|q| q.name.clone()),
            paths: paths.summary(&elements),
            trajectories: trajectories.len() as u64,
            duration_ns: self.span_ns.1 - self.span_ns.0,
        }
    }
}

/// How the elements of a rack are connected: the switch with each server's NIC (by its port) and host, and with the
/// shim in front of it, if there is one. What a host sends passes its NIC without being seen there.
#[must_use]
pub fn topology<'a>(
    switch: &str,
    servers: impl Iterator<Item = (u16, &'a str, &'a str)>,
    shim: Option<&str>,
    elements: &Elements,
) -> Topology {
    let mut topology = Topology::default();
    let switch = elements.find(switch);
    let shim = shim.and_then(|name| elements.find(name));
    if let (Some(switch), Some(shim)) = (switch, shim) {
        topology.links.extend([(switch, shim), (shim, switch)]);
        // Also by ports that the rack description does not name.
        for port in 0..=MOST_PORT {
            let inside = [(switch, port), (shim, port | INNER)];
            topology.inside.extend(inside);
        }
    }
    for (port, nic, host) in servers {
        let (nic, host) = (elements.find(nic), elements.find(host));
        for (from, to) in [(switch, nic), (nic, host), (host, switch)] {
            topology.links.extend(from.zip(to));
        }
        topology.inside.extend(switch.map(|s| (s, port)));
        topology.inside.extend(nic.map(|n| (n, wire::NIC_TO_HOST)));
        topology.inside.extend(host.map(|h| (h, wire::HOST_PORT)));
    }
    topology
}

/// The highest number of a switch port (v1model's ports have 9 bits).
const MOST_PORT: u16 = 511;
