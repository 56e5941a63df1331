//! From the rack description to the rack's parts.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use trisect_policy::rack::{Rack as Description, Server as DescribedServer};

use crate::LinkSpec;

/// The switch of the rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchSpec {
    /// Its name.
    pub name: String,
    /// Nanoseconds through its pipeline; it runs at line rate.
    pub latency_ns: u64,
    /// External ports by number, as links to the outside.
    pub ports: BTreeMap<u16, LinkSpec>,
}

/// The cores of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Its name.
    pub name: String,
    /// Cycles per second of all cores that process packets together; 0 for infinitely many. They are modelled as one
    /// server that is as fast as all of them, so that they keep the order of packets.
    pub cycles_per_second: u64,
}

impl HostSpec {
    /// Nanoseconds that so many cycles take, rounded up; 0 for an infinitely fast host.
    pub(crate) fn service_ns(&self, cycles: u64) -> u64 {
        let scaled = u128::from(cycles) * 1_000_000_000;
        match self.cycles_per_second {
            0 => 0,
            hz => scaled.div_ceil(u128::from(hz)).min(u128::from(u64::MAX)) as u64,
        }
    }
}

/// A server of the rack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSpec {
    /// The switch's port that leads here.
    pub switch_port: u16,
    /// The link between switch and NIC, in either direction.
    pub link: LinkSpec,
    /// The NIC's name.
    pub nic: String,
    /// Nanoseconds through the NIC's pipeline, in either direction.
    pub nic_latency_ns: u64,
    /// The bus between NIC and host, in either direction.
    pub bus: LinkSpec,
    /// The host.
    pub host: HostSpec,
}

/// Nanoseconds through a switch's pipeline: what vendors state for cut-through switches of this kind.
pub const SWITCH_LATENCY_NS: u64 = 450;
/// Nanoseconds through a NIC.
pub const NIC_LATENCY_NS: u64 = 300;
/// Nanoseconds over PCIe in one direction (Neugebauer et al., "Understanding PCIe performance for end
/// host networking", SIGCOMM 2018: around 900 ns for a round trip).
pub const BUS_LATENCY_NS: u64 = 450;

/// What the embedded rack cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The embedded rack has one switch.
    #[error("the embedded rack has exactly one switch; rack {rack} has {switches}")]
    Switches {
        /// The rack's name.
        rack: String,
        /// How many it has.
        switches: usize,
    },
    /// A server has no NIC.
    #[error("server {server} has no NIC")]
    NoNic {
        /// The server's name.
        server: String,
    },
    /// External ports are numbered by their position in the rack description, server ports by the
    /// switch; the two must not meet.
    #[error(
        "port {port} of the switch leads to {server}, but is also the number of external port {external}"
    )]
    PortClash {
        /// The number.
        port: u16,
        /// The server.
        server: String,
        /// The external port's name.
        external: String,
    },
}

/// The parts of the rack that a description asks for: its switch, and its servers in the order of
/// the text, each by its first NIC.
///
/// # Errors
/// If the embedded rack cannot be like that.
pub fn specs(rack: &Description) -> Result<(SwitchSpec, Vec<ServerSpec>), SpecError> {
    let [switch] = &rack.switches[..] else {
        return Err(SpecError::Switches {
            rack: rack.name.clone(),
            switches: rack.switches.len(),
        });
    };
    let numbered = (0u16..).zip(rack.external_ports());
    let ports = numbered
        .map(|(number, port)| {
            (
                number,
                LinkSpec {
                    bits_per_second: port.rate.0,
                    latency_ns: 0,
                },
            )
        })
        .collect();
    let servers: Vec<ServerSpec> = rack
        .servers
        .iter()
        .map(server_spec)
        .collect::<Result<_, _>>()?;
    for server in &servers {
        let port = server.switch_port;
        if let Some(external) = rack.external_ports().nth(usize::from(port)) {
            let (server, external) = (server.host.name.clone(), external.name.clone());
            return Err(SpecError::PortClash {
                port,
                server,
                external,
            });
        }
    }
    let switch = SwitchSpec {
        name: switch.name.clone(),
        latency_ns: SWITCH_LATENCY_NS,
        ports,
    };
    Ok((switch, servers))
}

fn server_spec(server: &DescribedServer) -> Result<ServerSpec, SpecError> {
    let nic = server.nics.first().ok_or_else(|| SpecError::NoNic {
        server: server.name.clone(),
    })?;
    let cores = server.cores.saturating_sub(server.io_cores);
    Ok(ServerSpec {
        switch_port: nic.link.port,
        link: LinkSpec {
            bits_per_second: nic.link.rate.0.min(nic.rate.0),
            latency_ns: nic.link.latency_ns,
        },
        nic: format!("{}.{}", server.name, nic.name),
        nic_latency_ns: NIC_LATENCY_NS,
        bus: LinkSpec {
            bits_per_second: nic.pcie.0,
            latency_ns: BUS_LATENCY_NS,
        },
        host: HostSpec {
            name: server.name.clone(),
            // A clock of a few GHz with at most nine decimals: exact enough as a float.
            cycles_per_second: (f64::from(cores) * server.ghz * 1e9).round() as u64,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
name = "small"
[[switch]]
name = "tor"
model = "bmv2"
ports = 4
stages = 12
sram_kib = 1280
tcam_kib = 66
entries = 1000
[[switch.external]]
name = "in"
port = 0
rate = "10Gbps"
[[server]]
name = "s1"
cores = 4
ghz = 2.5
io_cores = 1
io_cycles = 150
[[server.nic]]
name = "nic"
model = "generic"
rules = 10
rate = "25Gbps"
pcie = "50Gbps"
link = { switch = "tor", port = 3, rate = "40Gbps", latency_ns = 500 }
"#;

    #[test]
    fn a_description_becomes_parts() {
        let rack = Description::from_toml(TEXT, "rack.toml").unwrap();
        let (switch, servers) = specs(&rack).unwrap();
        assert_eq!(switch.ports, [(0, LinkSpec::gbps(10, 0))].into());
        assert_eq!(
            (servers[0].nic.as_str(), servers[0].switch_port),
            ("s1.nic", 3)
        );
        assert_eq!(servers[0].link, LinkSpec::gbps(25, 500));
        assert_eq!(servers[0].host.cycles_per_second, 7_500_000_000);
    }

    #[test]
    fn ports_must_not_meet() {
        let text = TEXT
            .replace("port = 0", "port = 1")
            .replace("port = 3", "port = 0");
        let rack = Description::from_toml(&text, "rack.toml").unwrap();
        let error = specs(&rack).unwrap_err().to_string();
        assert!(
            error.starts_with("port 0 of the switch leads to s1, but"),
            "{error}"
        );
    }
}
