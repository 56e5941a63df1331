//! Sites: where a node of the control graph can run.

use serde::{Deserialize, Serialize};
use std::fmt;
use trisect_ir::{Entity, NodeId};

/// A server of the rack, by its position in the rack file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServerId(pub u16);

/// A device of the rack as the cut sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// The switch.
    Switch,
    /// The NIC of a server.
    Nic(ServerId),
    /// The cores of a server.
    Host(ServerId),
}

impl Site {
    /// The server, unless it is the switch.
    pub fn server(self) -> Option<ServerId> {
        match self {
            Self::Switch => None,
            Self::Nic(server) | Self::Host(server) => Some(server),
        }
    }
}

impl fmt::Display for Site {
    /// `switch`, `server 0 NIC`, `server 0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("switch"),
            Self::Nic(server) => write!(f, "server {} NIC", server.0),
            Self::Host(server) => write!(f, "server {}", server.0),
        }
    }
}

/// A site for every node of a program. The entries of `Emit`, `Drop` and unreachable nodes mean
/// nothing: a packet is sent by the switch and dropped where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Assignment(pub Vec<Site>);

impl Assignment {
    /// Everything at one site.
    pub fn all(nodes: usize, site: Site) -> Self {
        Self(vec![site; nodes])
    }
    /// Where a node runs.
    pub fn site(&self, node: NodeId) -> Site {
        self.0.get(node.index()).copied().unwrap_or(Site::Switch)
    }
    /// Moves a node.
    pub fn set(&mut self, node: NodeId, site: Site) {
        if let Some(slot) = self.0.get_mut(node.index()) {
            *slot = site;
        }
    }
}
