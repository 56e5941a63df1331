//! How good a placement is.

use crate::problem::Problem;
use crate::state::{carried, usage};
use std::fmt;

/// What limits a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The cores of a server.
    Cores(u32),
    /// The link from the switch to a server.
    LinkInto(u32),
    /// The link from a server to the switch.
    LinkOut(u32),
    /// An external port, towards the switch.
    PortInto(u32),
    /// An external port, towards the outside.
    PortOut(u32),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cores(s) => write!(f, "cores of server {s}"),
            Self::LinkInto(s) => write!(f, "link into server {s}"),
            Self::LinkOut(s) => write!(f, "link out of server {s}"),
            Self::PortInto(p) => write!(f, "external port {p}, into the switch"),
            Self::PortOut(p) => write!(f, "external port {p}, out of the switch"),
        }
    }
}

/// What [`evaluate`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The largest factor by which all offered rates, and so all loads, can grow before a resource
    /// is full; infinite if nothing that is offered uses a finite resource.
    pub growth: f64,
    /// The first resource that is full then; none if the growth is infinite.
    pub bottleneck: Option<Resource>,
    /// Offered traffic between instances on different servers, in the unit of the flows.
    pub crossing: f64,
}

/// Evaluates a placement: all that its servers and ports carry is computed anew. An instance that the
/// placement does not name, or places on a server that is not there, counts as on the last server.
pub fn evaluate(problem: &Problem, placement: &[u32]) -> Evaluation {
    evaluate_units(problem, &problem.of_units(placement))
}

/// As [`evaluate`], for a placement of units.
pub(crate) fn evaluate_units(problem: &Problem, at: &[u32]) -> Evaluation {
    let carried = carried(problem, at);
    let servers = carried.iter().zip(&problem.servers).enumerate();
    let uses = servers.flat_map(|(i, (used, server))| {
        [
            (usage(used.load, server.cycles), Resource::Cores(i as u32)),
            (usage(used.into, server.into), Resource::LinkInto(i as u32)),
            (usage(used.out, server.out), Resource::LinkOut(i as u32)),
        ]
    });
    let ports = problem.ports.iter().enumerate().flat_map(|(i, port)| {
        [
            (
                usage(problem.port_in[i], port.into),
                Resource::PortInto(i as u32),
            ),
            (
                usage(problem.port_out[i], port.out),
                Resource::PortOut(i as u32),
            ),
        ]
    });
    let (mut most, mut bottleneck) = (0.0, None);
    for (used, resource) in uses.chain(ports) {
        if used > most {
            (most, bottleneck) = (used, Some(resource));
        }
    }
    let crossing: f64 = (0..problem.units() as u32)
        .flat_map(|u| problem.row(u).map(move |(v, rate)| (u, v, rate)))
        .filter(|(u, v, _)| u < v && at[*u as usize] != at[*v as usize])
        .map(|(.., rate)| rate)
        .sum();
    Evaluation {
        growth: 1.0 / most,
        bottleneck,
        crossing,
    }
}
