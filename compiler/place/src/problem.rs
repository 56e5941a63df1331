//! The problem: units of load with traffic between them, servers and ports.

use crate::bound::root;
use std::collections::BTreeSet;
use thiserror::Error;

/// A server of the rack. All figures may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Server {
    /// Cycles per second of the cores that run instances.
    pub cycles: f64,
    /// Capacity of the link from the switch to the server, in the unit of [`Flow::rate`].
    pub into: f64,
    /// Capacity of the link from the server to the switch, in the unit of [`Flow::rate`].
    pub out: f64,
}

/// An external port of the switch. Both figures may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Port {
    /// Capacity towards the switch, in the unit of [`Flow::rate`].
    pub into: f64,
    /// Capacity towards the outside, in the unit of [`Flow::rate`].
    pub out: f64,
}

/// An end of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An instance, by position.
    Instance(u32),
    /// An external port, by position.
    Port(u32),
}

/// Offered traffic from one end to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Where it comes from.
    pub from: End,
    /// Where it goes to.
    pub to: End,
    /// How much: bits or packets per second, the same for all flows, links and ports.
    pub rate: f64,
}

/// A server for each instance, by position.
pub type Placement = Vec<u32>;

/// Why a problem makes no sense.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum ProblemError {
    /// There is nothing to place on.
    #[error("there is no server")]
    NoServer,
    /// A flow or group names an instance or port that is not there.
    #[error("{what} {index} is not there: there are {count}")]
    Missing {
        /// `instance` or `port`.
        what: &'static str,
        /// The position that was named.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// A figure that is negative, not a number, or infinite where it must be finite.
    #[error("{what} {index} has the figure {figure}; it must be a number that is not negative")]
    Figure {
        /// `instance`, `flow`, `server` or `port`.
        what: &'static str,
        /// Its position.
        index: usize,
        /// The figure.
        figure: f64,
    },
    /// An instance that must be with others is not split: its part of their load is not known.
    #[error("instance {0} must be on the server of others and cannot be split")]
    Grouped(u32),
    /// More than 32 bits can count.
    #[error("{count} {what}s are more than 32 bits can count")]
    TooMany {
        /// `instance`, `flow` or `server`.
        what: &'static str,
        /// How many.
        count: usize,
    },
}

/// Instances, flows, servers and ports, checked and in compact form.
///
/// Instances that must be together are one *unit*. The traffic between units, of both directions, is an
/// undirected graph as compressed rows: each unit's neighbours in ascending order. The direction of
/// inner traffic need not be kept: a server's link carries, each way, what its units receive (send)
/// less what stays inside the server, and that is the same for both ways.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The unit of each instance.
    pub(crate) unit_of: Vec<u32>,
    /// By unit, whether it is several instances.
    pub(crate) grouped: Vec<bool>,
    /// Cycles per second, by unit.
    pub(crate) load: Vec<f64>,
    /// What a unit receives from other units and ports.
    pub(crate) received: Vec<f64>,
    /// What a unit sends to other units and ports.
    pub(crate) sent: Vec<f64>,
    /// What a unit receives from ports.
    pub(crate) from_ports: Vec<f64>,
    /// What a unit sends to ports.
    pub(crate) to_ports: Vec<f64>,
    /// Where a unit's row starts in `neighbour` and `rate`; one more at the end.
    first: Vec<u32>,
    neighbour: Vec<u32>,
    rate: Vec<f64>,
    pub(crate) servers: Vec<Server>,
    pub(crate) ports: Vec<Port>,
    /// What comes in by each port.
    pub(crate) port_in: Vec<f64>,
    /// What leaves by each port.
    pub(crate) port_out: Vec<f64>,
}

impl Problem {
    /// A problem. `loads`: cycles per second of each instance. `groups`: instances that must be on one
    /// server; groups that share an instance are one. A flow from an instance to itself is its
    /// own affair and takes nothing.
    ///
    /// # Errors
    /// No server, positions out of range, figures that are negative or not numbers.
    pub fn new(
        loads: &[f64],
        flows: &[Flow],
        groups: &[BTreeSet<u32>],
        servers: &[Server],
        ports: &[Port],
    ) -> Result<Self, ProblemError> {
        check(loads, flows, groups, servers, ports)?;
        let (unit_of, units) = units(loads.len(), groups);
        let mut problem = Self {
            grouped: Vec::new(),
            load: vec![0.0; units],
            received: vec![0.0; units],
            sent: vec![0.0; units],
            from_ports: vec![0.0; units],
            to_ports: vec![0.0; units],
            first: Vec::new(),
            neighbour: Vec::new(),
            rate: Vec::new(),
            servers: servers.to_vec(),
            ports: ports.to_vec(),
            port_in: vec![0.0; ports.len()],
            port_out: vec![0.0; ports.len()],
            unit_of,
        };
        let mut members = vec![0_u32; units];
        for (instance, load) in loads.iter().enumerate() {
            let unit = problem.unit_of[instance] as usize;
            problem.load[unit] += load;
            members[unit] += 1;
        }
        problem.grouped = members.iter().map(|m| *m > 1).collect();
        let inner = problem.outer_flows(flows);
        problem.rows(&inner);
        Ok(problem)
    }
    /// How many instances.
    pub fn instances(&self) -> usize {
        self.unit_of.len()
    }
    /// How many servers.
    pub fn servers(&self) -> usize {
        self.servers.len()
    }
    /// How many units: instances that must be together count as one.
    pub fn units(&self) -> usize {
        self.load.len()
    }
    /// The neighbours of a unit, ascending, with the traffic of both directions.
    pub(crate) fn row(&self, unit: u32) -> impl DoubleEndedIterator<Item = (u32, f64)> + '_ {
        let range = self.range(unit);
        self.neighbour[range.clone()]
            .iter()
            .copied()
            .zip(self.rate[range].iter().copied())
    }
    /// Traffic of both directions between two units.
    pub(crate) fn between(&self, a: u32, b: u32) -> f64 {
        let range = self.range(a);
        let found = self.neighbour[range.clone()].binary_search(&b);
        found.map_or(0.0, |i| self.rate[range.start + i])
    }
    /// How many entries all rows have.
    pub(crate) fn half_edges(&self) -> usize {
        self.neighbour.len()
    }
    /// The unit's part of the rows.
    pub(crate) fn range(&self, unit: u32) -> std::ops::Range<usize> {
        self.first[unit as usize] as usize..self.first[unit as usize + 1] as usize
    }
    /// A placement of instances from one of units.
    pub(crate) fn of_instances(&self, at: &[u32]) -> Placement {
        self.unit_of.iter().map(|u| at[*u as usize]).collect()
    }
    /// A server for each unit from one for each instance; the last server for what is not named, or is
    /// on a server that is not there.
    pub(crate) fn of_units(&self, placement: &[u32]) -> Vec<u32> {
        let last = self.servers.len() as u32 - 1;
        let mut at = vec![last; self.units()];
        for (unit, server) in self.unit_of.iter().zip(placement) {
            at[*unit as usize] = (*server).min(last);
        }
        at
    }
    /// Adds up what units and ports receive and send. Gives the flows between different units.
    fn outer_flows(&mut self, flows: &[Flow]) -> Vec<(u32, u32, f64)> {
        let mut inner = Vec::with_capacity(flows.len());
        for flow in flows {
            let unit = |i: u32| self.unit_of[i as usize];
            let rate = flow.rate;
            match (flow.from, flow.to) {
                (End::Instance(a), End::Instance(b)) => {
                    let (a, b) = (unit(a), unit(b));
                    if a != b && rate > 0.0 {
                        self.sent[a as usize] += rate;
                        self.received[b as usize] += rate;
                        inner.push((a, b, rate));
                    }
                }
                (End::Port(p), End::Instance(b)) => {
                    let b = unit(b) as usize;
                    self.port_in[p as usize] += rate;
                    self.from_ports[b] += rate;
                    self.received[b] += rate;
                }
                (End::Instance(a), End::Port(p)) => {
                    let a = unit(a) as usize;
                    self.port_out[p as usize] += rate;
                    self.to_ports[a] += rate;
                    self.sent[a] += rate;
                }
                (End::Port(p), End::Port(q)) => {
                    self.port_in[p as usize] += rate;
                    self.port_out[q as usize] += rate;
                }
            }
        }
        inner
    }
    /// The rows from flows between different units: counted, distributed, sorted, merged.
    pub(crate) fn rows(&mut self, flows: &[(u32, u32, f64)]) {
        let units = self.load.len();
        let mut start = vec![0_u32; units + 1];
        for (a, b, _) in flows {
            start[*a as usize + 1] += 1;
            start[*b as usize + 1] += 1;
        }
        for u in 0..units {
            start[u + 1] += start[u];
        }
        let mut next = start.clone();
        let mut half_edges = vec![(0_u32, 0.0_f64); 2 * flows.len()];
        for (a, b, rate) in flows {
            for (from, to) in [(*a, *b), (*b, *a)] {
                half_edges[next[from as usize] as usize] = (to, *rate);
                next[from as usize] += 1;
            }
        }
        self.first = Vec::with_capacity(units + 1);
        self.neighbour = Vec::with_capacity(half_edges.len());
        self.rate = Vec::with_capacity(half_edges.len());
        for u in 0..units {
            let from = self.neighbour.len();
            self.first.push(from as u32);
            let row = &mut half_edges[start[u] as usize..start[u + 1] as usize];
            row.sort_by_key(|h| h.0);
            for (to, rate) in row {
                match (self.neighbour[from..].last(), self.rate.last_mut()) {
                    (Some(last), Some(sum)) if last == to => *sum += *rate,
                    _ => {
                        self.neighbour.push(*to);
                        self.rate.push(*rate);
                    }
                }
            }
        }
        self.first.push(self.neighbour.len() as u32);
    }
}

fn check(
    loads: &[f64],
    flows: &[Flow],
    groups: &[BTreeSet<u32>],
    servers: &[Server],
    ports: &[Port],
) -> Result<(), ProblemError> {
    if servers.is_empty() {
        return Err(ProblemError::NoServer);
    }
    // Two half edges per flow are counted.
    let counts = [
        ("instance", loads.len(), u32::MAX as usize - 1),
        ("flow", flows.len(), u32::MAX as usize / 2),
        ("server", servers.len(), u32::MAX as usize - 1),
    ];
    for (what, count, most) in counts {
        if count > most {
            return Err(ProblemError::TooMany { what, count });
        }
    }
    for (index, load) in loads.iter().enumerate() {
        check_figure("instance", index, *load)?;
    }
    for (index, flow) in flows.iter().enumerate() {
        check_figure("flow", index, flow.rate)?;
    }
    let limits = servers
        .iter()
        .enumerate()
        .flat_map(|(i, s)| [s.cycles, s.into, s.out].map(|f| ("server", i, f)))
        .chain(
            ports
                .iter()
                .enumerate()
                .flat_map(|(i, p)| [p.into, p.out].map(|f| ("port", i, f))),
        );
    for (what, index, figure) in limits {
        if figure.is_nan() || figure < 0.0 {
            return Err(ProblemError::Figure {
                what,
                index,
                figure,
            });
        }
    }
    for end in flows.iter().flat_map(|f| [f.from, f.to]) {
        check_end(end, loads.len(), ports.len())?;
    }
    for instance in groups.iter().flatten() {
        check_end(End::Instance(*instance), loads.len(), ports.len())?;
    }
    Ok(())
}

/// Whether a figure is finite and not negative.
pub(crate) fn check_figure(
    what: &'static str,
    index: usize,
    figure: f64,
) -> Result<(), ProblemError> {
    if figure.is_finite() && figure >= 0.0 {
        return Ok(());
    }
    Err(ProblemError::Figure {
        what,
        index,
        figure,
    })
}

/// Whether an end is there.
pub(crate) fn check_end(end: End, instances: usize, ports: usize) -> Result<(), ProblemError> {
    let (what, index, count) = match end {
        End::Instance(index) => ("instance", index, instances),
        End::Port(index) => ("port", index, ports),
    };
    if (index as usize) < count {
        return Ok(());
    }
    Err(ProblemError::Missing { what, index, count })
}

/// The unit of each instance, numbered in the order of their first instances, and how many there
/// are: union-find over the groups.
fn units(instances: usize, groups: &[BTreeSet<u32>]) -> (Vec<u32>, usize) {
    let mut parent: Vec<u32> = (0..instances as u32).collect();
    for group in groups {
        let Some(&first) = group.first() else {
            continue;
        };
        for &member in group {
            let (a, b) = (root(&mut parent, first), root(&mut parent, member));
            // The smaller stays the root, so that roots come first in their groups.
            parent[a.max(b) as usize] = a.min(b);
        }
    }
    let mut unit_of = vec![0; instances];
    let mut count = 0;
    for i in 0..instances {
        let root = root(&mut parent, i as u32) as usize;
        if root == i {
            unit_of[i] = count;
            count += 1;
        } else {
            unit_of[i] = unit_of[root];
        }
    }
    (unit_of, count as usize)
}
