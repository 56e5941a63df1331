//! Rack descriptions: switches, servers with their NICs, and the links between them, in TOML.
//!
//! ```toml
//! name = "central-office"
//!
//! [[switch]]
//! name = "tor"
//! model = "bmv2"            # resource model of a switch target, or a file: "./my-switch.toml"
//! ports = 16                # numbered from 0
//! stages = 12               # this and the next three: in place of the model's figures
//! sram_kib = 1280           # per stage
//! tcam_kib = 66             # per stage
//! entries = 100000          # table entries, all tables together
//! updates_per_second = 100000   # table entries that the control plane changes
//!
//! [[switch.external]]       # a port to the outside, as policies name it
//! name = "p0"
//! port = 0
//! rate = "10Gbps"
//!
//! [[server]]
//! name = "srv0"
//! cores = 8
//! ghz = 2.4
//! io_cores = 1              # cores that do nothing but packet I/O
//! io_cycles = 150           # cycles that receiving and sending one packet takes
//! memory_gib = 64           # for tables and state; absent: any amount
//! look_ups = [              # in flow tables, as measured; absent: estimates
//!     { bytes = 262144, cycles = 38, by_number = 30 },
//!     { bytes = 67108864, cycles = 520, by_number = 140 },
//! ]
//!
//! [[server.nic]]
//! name = "nic0"
//! model = "generic"         # capability file of the rte-flow target
//! rules = 65536             # flow rules it holds
//! insertions_per_second = 100000   # rules; absent: the model's
//! rate = "40Gbps"
//! pcie = "50Gbps"           # NIC to host memory, each direction
//! link = { switch = "tor", port = 8, rate = "40Gbps", latency_ns = 500 }
//!
//! [sampling]                # of trajectories, compiled into the devices; absent: none is
//! hash = "toeplitz"         # absent: this
//! one_in = 64               # packets, by their hash
//! fields = ["ip.src", "ip.dst"]   # what is hashed; absent: all that sampling knows of headers
//! key = "6d5a56da255b0ec2"  # absent: a built-in one, the same for everybody
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use trisect_ir::diag::Diagnostic;
use trisect_ir::toml_text::{self, Step};
use trisect_sample::{Algorithm, Field, HashRange, SampleSpec};

use crate::codes;
use crate::policy::BitRate;

/// A rack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rack {
    /// Name.
    pub name: String,
    /// Switches, in the order of the text.
    #[serde(default, rename = "switch")]
    pub switches: Vec<Switch>,
    /// Servers, in the order of the text.
    #[serde(default, rename = "server")]
    pub servers: Vec<Server>,
    /// Trajectory sampling that is compiled into the devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Texts of the models that are files of the user's own, by what the rack calls them. Not part of a rack file:
    /// who reads one reads these with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_texts: BTreeMap<String, String>,
}

/// What packets are sampled by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The hash.
    #[serde(default)]
    pub hash: Algorithm,
    /// One packet in so many is sampled.
    pub one_in: u32,
    /// What is hashed; absent: every field of headers that sampling knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The key in hexadecimal; absent: one that is built in, for which nobody needs to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Changes of entries and rules in a second at most, as in models.
const MOST_CHANGES: u64 = 1_000_000_000;
/// Cycles that a look-up takes at most: a thousand times what memory takes.
const MOST_LOOK_UP: u64 = 1_000_000;

/// From which the built-in sampling key grows. A deployment gives its own.
const BUILT_IN_KEY: u64 = 0x7315_ec70;

impl Sampling {
    /// Hash, key, range and fields, in the order in which fields are hashed.
    pub fn spec(&self) -> SampleSpec {
        let asked = |field: &Field| match self.fields.is_empty() {
            true => !field.is_payload(),
            false => self.fields.contains(field),
        };
        let fields = Field::ALL.into_iter().filter(asked).collect();
        let mut spec = SampleSpec::new(BUILT_IN_KEY, HashRange::one_in(self.one_in), fields)
            .with_hash(self.hash);
        if let Some(key) = self.key.as_deref().and_then(key_bytes) {
            spec.key = key;
        }
        spec
    }
}

/// The bytes of a key in hexadecimal.
fn key_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |c: u8| char::from(c).to_digit(16);
            Some((digit(*high)? << 4 | digit(*low)?) as u8)
        }
        _ => None,
    };
    let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(digits).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

/// A switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Name, unique among switches and servers.
    pub name: String,
    /// Resource model of a switch target; or the path of a file with one, which ends in `.toml`.
    pub model: String,
    /// Number of ports, numbered from 0.
    pub ports: u16,
    /// Match-action stages, in place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<u32>,
    /// SRAM per stage in KiB, in place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sram_kib: Option<u32>,
    /// TCAM per stage in KiB, in place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcam_kib: Option<u32>,
    /// Table entries of all tables together; without it, as many as the memories hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// Table entries that the control plane can change in a second, in place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates_per_second: Option<u64>,
    /// Ports to the outside.
    #[serde(default)]
    pub external: Vec<ExternalPort>,
}

/// A port to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalPort {
    /// Name in policies, unique in the rack.
    pub name: String,
    /// Port number of the switch.
    pub port: u16,
    /// Line rate.
    pub rate: BitRate,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Name, unique among switches and servers.
    pub name: String,
    /// Cores, those for packet I/O included.
    pub cores: u32,
    /// Clock of a core in GHz.
    pub ghz: f64,
    /// Cores that do nothing but packet I/O.
    #[serde(default)]
    pub io_cores: u32,
    /// Cycles that receiving and sending one packet takes.
    pub io_cycles: u64,
    /// Memory for tables and state in GiB; absent: any amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gib: Option<u32>,
    /// What look-ups in flow tables take, by the size of the table, ascending; absent: estimates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub look_ups: Vec<LookUp>,
    /// NICs, in the order of the text.
    #[serde(default, rename = "nic")]
    pub nics: Vec<Nic>,
}

/// What a look-up in a flow table of a size takes. Between sizes it grows with their logarithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookUp {
    /// Bytes that the entries take.
    pub bytes: u64,
    /// Cycles of a look-up.
    pub cycles: u64,
    /// Cycles of one whose entry is where the number says that a NIC gave to the packet's flow.
    pub by_number: u64,
}

/// A NIC of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nic {
    /// Name, unique in the server.
    pub name: String,
    /// Capability file of the rte-flow target; or the path of a file like these, which ends in `.toml`.
    pub model: String,
    /// Flow rules that it holds.
    pub rules: u64,
    /// Flow rules that it can insert or remove in a second, in place of the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insertions_per_second: Option<u64>,
    /// Line rate.
    pub rate: BitRate,
    /// Rate between NIC and host memory, each direction.
    pub pcie: BitRate,
    /// Where its cable goes.
    pub link: Link,
}

/// A cable from a NIC to a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The switch.
    pub switch: String,
    /// Port number of the switch.
    pub port: u16,
    /// Rate, each direction.
    pub rate: BitRate,
    /// One-way latency in nanoseconds.
    pub latency_ns: u64,
}

/// Whether a model is a file of the user's own, and not one that a target brings.
pub fn is_model_file(model: &str) -> bool {
    model.ends_with(".toml")
}

impl Rack {
    /// Reads and validates a description. `file` names it in diagnostics.
    ///
    /// # Errors
    /// One diagnostic for malformed TOML (E0240), else one per contradiction (E0241).
    pub fn from_toml(text: &str, file: &str) -> Result<Rack, Vec<Diagnostic>> {
        let rack: Rack = toml_text::parse(text, file, codes::RACK_SYNTAX)?;
        let mut check = Check {
            text,
            file,
            found: Vec::new(),
            used: BTreeMap::new(),
        };
        check.rack(&rack);
        if check.found.is_empty() {
            Ok(rack)
        } else {
            Err(check.found)
        }
    }

    /// The switch of that name.
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|switch| switch.name == name)
    }

    /// The server of that name.
    pub fn server(&self, name: &str) -> Option<&Server> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// All external ports, switch by switch. The position in this list is the port's number in
    /// `ingress_port` and `egress_port` of the uncut pipeline.
    pub fn external_ports(&self) -> impl Iterator<Item = &ExternalPort> {
        self.switches.iter().flat_map(|switch| &switch.external)
    }

    /// The number of an external port in `ingress_port` and `egress_port` of the uncut pipeline.
    pub fn port_number(&self, name: &str) -> Option<u16> {
        let index = self.external_ports().position(|port| port.name == name)?;
        u16::try_from(index).ok()
    }
}

impl fmt::Display for Rack {
    /// TOML that reads back to the same rack.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

struct Check<'a> {
    text: &'a str,
    file: &'a str,
    found: Vec<Diagnostic>,
    /// Who uses which port of which switch.
    used: BTreeMap<(String, u16), String>,
}

impl Check<'_> {
    fn report(&mut self, path: &[Step<'_>], message: impl Into<String>, help: &str) {
        let span = toml_text::span_at(self.text, path);
        self.found
            .push(Diagnostic::error(codes::RACK_INVALID, self.file, span, message).help(help));
    }

    fn unique<'n>(&mut self, seen: &mut BTreeSet<&'n str>, name: &'n str, path: &[Step<'_>]) {
        if !crate::nf::is_name(name) {
            let help = "a name is a letter, then letters, digits, `_` and `-`";
            self.report(path, format!("`{name}` is not a name"), help);
        }
        if !seen.insert(name) {
            self.report(
                path,
                format!("the name `{name}` is given twice"),
                "rename one of the two",
            );
        }
    }

    fn rack(&mut self, rack: &Rack) {
        if !rack.model_texts.is_empty() {
            self.report(
                &[Step::Key("model_texts")],
                "models are not written into a rack file",
                "write each into a file and name it: `model = \"./my-nic.toml\"`",
            );
        }
        if rack.external_ports().next().is_none() {
            self.report(
                &[Step::Key("switch")],
                "the rack has no external port",
                "add a [[switch.external]] for each port to the outside",
            );
        }
        let (mut devices, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for (index, switch) in rack.switches.iter().enumerate() {
            let at = [Step::Key("switch"), Step::Index(index)];
            self.unique(
                &mut devices,
                &switch.name,
                &[at[0], at[1], Step::Key("name")],
            );
            if switch.stages == Some(0) {
                let help = "give it at least one, or leave `stages` out: the model's";
                let path = [at[0], at[1], Step::Key("stages")];
                self.report(&path, "a pipeline of 0 stages runs nothing", help);
            }
            self.changes(
                switch.updates_per_second,
                &[at[0], at[1], Step::Key("updates_per_second")],
            );
            for (index, port) in switch.external.iter().enumerate() {
                let at = [at[0], at[1], Step::Key("external"), Step::Index(index)];
                let of = |key| [at[0], at[1], at[2], at[3], Step::Key(key)];
                self.unique(&mut ports, &port.name, &of("name"));
                self.rate(port.rate, &of("rate"));
                self.use_port(switch, port.port, &port.name, &of("port"));
            }
        }
        for (index, server) in rack.servers.iter().enumerate() {
            let at = [Step::Key("server"), Step::Index(index)];
            self.unique(
                &mut devices,
                &server.name,
                &[at[0], at[1], Step::Key("name")],
            );
            self.server(rack, server, at);
        }
        if let Some(sampling) = &rack.sampling {
            self.sampling(sampling);
        }
    }

    fn sampling(&mut self, sampling: &Sampling) {
        let at = |key| [Step::Key("sampling"), Step::Key(key)];
        if !matches!(sampling.hash, Algorithm::Toeplitz | Algorithm::HalfSipHash) {
            let message = format!("no switch computes `{}`", sampling.hash);
            let help = "sample by `toeplitz` or `halfsiphash`";
            self.report(&at("hash"), message, help);
        }
        if sampling.one_in == 0 {
            let help = "give 1 to sample all, 64 for one in 64";
            self.report(&at("one_in"), "one packet in 0 is no rate", help);
        }
        if sampling.fields.iter().any(|field| field.is_payload()) {
            let help = "choose fields of headers";
            self.report(&at("fields"), "a switch sees no payload", help);
        }
        if sampling
            .key
            .as_deref()
            .is_some_and(|k| key_bytes(k).is_none())
        {
            let help = "give two hexadecimal digits per byte";
            self.report(&at("key"), "the key is not a string of bytes", help);
        }
    }

    fn server<'a>(&mut self, rack: &'a Rack, server: &'a Server, at: [Step<'_>; 2]) {
        let of = |key| [at[0], at[1], Step::Key(key)];
        if server.cores <= server.io_cores {
            let message = format!(
                "{} of {} cores are for packet I/O, none is left for NFs",
                server.io_cores, server.cores
            );
            self.report(
                &of("cores"),
                message,
                "give the server more cores, or fewer for I/O",
            );
        }
        if !(server.ghz.is_finite() && server.ghz > 0.0) {
            self.report(
                &of("ghz"),
                "the clock must be above 0",
                "give it in GHz, such as 2.4",
            );
        }
        if server.memory_gib == Some(0) {
            let help = "give it at least 1, or leave it out: any amount";
            self.report(
                &of("memory_gib"),
                "a server without memory runs nothing",
                help,
            );
        }
        self.look_ups(&server.look_ups, at);
        if server.nics.is_empty() {
            let message = format!("`{}` has no NIC", server.name);
            self.report(&of("name"), message, "add a [[server.nic]] with a link");
        }
        let mut names = BTreeSet::new();
        for (index, nic) in server.nics.iter().enumerate() {
            let path = |key| {
                [
                    at[0],
                    at[1],
                    Step::Key("nic"),
                    Step::Index(index),
                    Step::Key(key),
                ]
            };
            self.unique(&mut names, &nic.name, &path("name"));
            self.rate(nic.rate, &path("rate"));
            self.rate(nic.pcie, &path("pcie"));
            self.changes(nic.insertions_per_second, &path("insertions_per_second"));
            let link = |key| {
                let [a, b, c, d, e] = path("link");
                [a, b, c, d, e, Step::Key(key)]
            };
            self.rate(nic.link.rate, &link("rate"));
            match rack.switch(&nic.link.switch) {
                Some(switch) => {
                    let user = format!("{}.{}", server.name, nic.name);
                    self.use_port(switch, nic.link.port, &user, &link("port"));
                }
                None => {
                    let message = format!("there is no switch `{}`", nic.link.switch);
                    let known: Vec<&str> = rack.switches.iter().map(|s| s.name.as_str()).collect();
                    let help = format!("the rack has: {}", known.join(", "));
                    self.report(&link("switch"), message, &help);
                }
            }
        }
    }

    fn look_ups(&mut self, look_ups: &[LookUp], at: [Step<'_>; 2]) {
        for (index, look_up) in look_ups.iter().enumerate() {
            let path = |key| {
                let list = [at[0], at[1], Step::Key("look_ups"), Step::Index(index)];
                [list[0], list[1], list[2], list[3], Step::Key(key)]
            };
            let cycles = [("cycles", look_up.cycles), ("by_number", look_up.by_number)];
            for (key, cycles) in cycles {
                if !(1..=MOST_LOOK_UP).contains(&cycles) {
                    let message = format!("no look-up takes {cycles} cycles");
                    let help = format!("give 1 to {MOST_LOOK_UP}, as `trisect calibrate` measures");
                    self.report(&path(key), message, &help);
                }
            }
            if look_up.bytes == 0 {
                let help = "give the bytes of the entries with which it was measured";
                self.report(&path("bytes"), "a table of 0 bytes has no entry", help);
            }
            let Some(before) = index.checked_sub(1).map(|before| look_ups[before]) else {
                continue;
            };
            if look_up.bytes <= before.bytes {
                let message = format!(
                    "{} bytes come behind {}, which are not fewer",
                    look_up.bytes, before.bytes
                );
                self.report(
                    &path("bytes"),
                    message,
                    "give the sizes ascending, each once",
                );
            }
            let fewer = [
                ("cycles", look_up.cycles, before.cycles),
                ("by_number", look_up.by_number, before.by_number),
            ];
            for (key, cycles, before) in fewer {
                if cycles < before {
                    let message =
                        format!("{cycles} cycles are fewer than the {before} of a smaller table");
                    let help = "give at least as many, or leave the size out";
                    self.report(&path(key), message, help);
                }
            }
        }
    }

    fn changes(&mut self, per_second: Option<u64>, path: &[Step<'_>]) {
        let Some(wrong) = per_second.filter(|n| !(1..=MOST_CHANGES).contains(n)) else {
            return;
        };
        let message = format!("no table is changed {wrong} times a second");
        let help = format!("give 1 to {MOST_CHANGES}, or leave it out: the model's");
        self.report(path, message, &help);
    }

    fn rate(&mut self, rate: BitRate, path: &[Step<'_>]) {
        if rate.0 == 0 {
            self.report(path, "a rate of 0 carries nothing", "give it as \"10Gbps\"");
        }
    }

    fn use_port(&mut self, switch: &Switch, port: u16, user: &str, path: &[Step<'_>]) {
        if port >= switch.ports {
            let message = format!(
                "`{}` has no port {port}, only {}",
                switch.name, switch.ports
            );
            self.report(
                path,
                message,
                "use a lower number, or a switch with more ports",
            );
        }
        let key = (switch.name.clone(), port);
        if let Some(other) = self.used.insert(key, user.to_string()) {
            let message = format!(
                "port {port} of `{}` is used by `{other}` and `{user}`",
                switch.name
            );
            self.report(path, message, "give each cable its own port");
        }
    }
}
