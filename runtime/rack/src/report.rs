//! What a run of the rack tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use trisect_ir::state::State;
use trisect_sample::Record;

use crate::{FlowReport, ShimReport};

/// What a device is in the rack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The switch.
    Switch,
    /// A server's NIC.
    Nic,
    /// A server's cores.
    Host,
}

/// How a packet ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndedHow {
    /// It left on an external port.
    Left {
        /// The port.
        port: u16,
        /// The frame as it left.
        bytes: Vec<u8>,
    },
    /// A device dropped it.
    Dropped {
        /// The device's name.
        device: String,
        /// The reason.
        reason: String,
    },
}

/// The end of one packet's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which arrival it was, from 0.
    pub arrival: usize,
    /// When its last bit had left, or when it was dropped, in nanoseconds.
    pub time_ns: u64,
    /// How.
    pub how: EndedHow,
}

/// What one device did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Its name in the rack.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Frames that its program processed (a packet that comes back counts again).
    pub packets: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Packets that ended here: left the rack (switch), or were dropped.
    pub ended: u64,
    /// Drops by reason.
    pub drops: BTreeMap<String, u64>,
    /// Cycles of host cores spent.
    pub cycles: u64,
    /// Packets of the capture that this device saw at least once, of all in the run: 0 to 1.
    pub share: f64,
    /// What the driver of a NIC that numbers flows has seen and done; of hosts that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<FlowReport>,
}

/// What one queue measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueReport {
    /// What it is in front of: `s1` (a host's cores), `switch > s1.nic` (a link), `port 3`.
    pub name: String,
    /// Frames that went through.
    pub packets: u64,
    /// Most frames there at once, the one in service included.
    pub max_depth: u64,
    /// Longest time from coming to being finished, in nanoseconds.
    pub max_wait_ns: u64,
    /// Share of the run's time spent serving: 0 to 1.
    pub utilisation: f64,
}

/// What belongs to the packets that arrived at the rack in one report period, whenever they left it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Period {
    /// What the shim saw beside the sampled packets, if there is one.
    pub shim: Option<ShimReport>,
    /// Packets that arrived.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Cycles that host cores spent on them.
    pub cycles: u64,
    /// Bytes of state that they left behind where they read or wrote ([`trisect_sample::Used::memory`]), sampled or not; 0 without
    /// a [`crate::Recorder`].
    pub memory: u64,
}

/// What a run tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The packets' ends, in the order of time.
    pub ended: Vec<Ended>,
    /// Switch, then NIC and host of each server.
    pub devices: Vec<DeviceReport>,
    /// Links, buses, hosts and external ports that had any traffic.
    pub queues: Vec<QueueReport>,
    /// Records of sampled packets, in the order of time.
    pub records: Vec<Record>,
    /// By record: to which of `periods` it belongs.
    pub period_of: Vec<u32>,
    /// What belongs to each report period; one for all if the run is not divided.
    pub periods: Vec<Period>,
    /// The state of each device at the end, in the order of `devices`.
    pub states: Vec<State>,
    /// Arrival of the first and last packet, in nanoseconds.
    pub span_ns: (u64, u64),
    /// The switch's port to each server.
    pub server_ports: Vec<u16>,
}

impl Report {
    /// The records of each report period, by position in `periods`.
    #[must_use]
    pub fn by_period(&self) -> Vec<Vec<&Record>> {
        let mut all = vec![Vec::new(); self.periods.len()];
        for (record, period) in self.records.iter().zip(&self.period_of) {
            if let Some(records) = all.get_mut(*period as usize) {
                records.push(record);
            }
        }
        all
    }

    /// The state of all devices as one.
    #[must_use]
    pub fn state(&self) -> State {
        let mut all = State::default();
        for state in &self.states {
            all.merge(state.clone());
        }
        all
    }

    /// The frames that left, by external port, in the order in which they left.
    #[must_use]
    pub fn egress(&self) -> BTreeMap<u16, Vec<(u64, &[u8])>> {
        let mut out: BTreeMap<u16, Vec<(u64, &[u8])>> = BTreeMap::new();
        for e in &self.ended {
            if let EndedHow::Left { port, bytes } = &e.how {
                out.entry(*port).or_default().push((e.time_ns, bytes));
            }
        }
        out
    }

    /// Drops by device and reason.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<(&str, &str), u64> {
        let per_device = self.devices.iter();
        per_device
            .flat_map(|d| {
                d.drops
                    .iter()
                    .map(|(r, n)| ((d.name.as_str(), r.as_str()), *n))
            })
            .collect()
    }

    /// The queue that was busy for the largest share of the time.
    #[must_use]
    pub fn busiest(&self) -> Option<&QueueReport> {
        self.queues
            .iter()
            .reduce(|a, b| if b.utilisation > a.utilisation { b } else { a })
    }
}
