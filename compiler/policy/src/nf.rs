//! NF descriptions: one TOML file per network function (`NAME.nf.toml`, beside its program).
//!
//! ```toml
//! name = "ids"                       # how a policy calls it
//! program = "ids.p4"                 # beside this file
//! summary = "Payload pattern matching with a safe/unsafe verdict"
//! kind = "native"                    # native (default) | legacy
//! affinity = "symmetric-flow"        # none (default) | flow | symmetric-flow | src | dst | port
//! cycles_per_packet = 900            # estimate on one host core, for sizing
//!
//! [scaling]
//! max_instances = 8                  # absent: no bound
//!
//! [[attribute]]                      # what edges downstream may compare: `ids.verdict == unsafe`
//! name = "verdict"
//! method = "metadata"                # metadata: the program's output attribute of that name
//! values = { safe = 0, unsafe = 1 }  # port: the NF's output port number; absent: numbers only
//!
//! [[config]]                         # what `nf x = ids { signatures = "ids.patterns" }` may give
//! name = "signatures"
//! type = "patterns"                  # entries | maglev | patterns | parameter
//! pattern_set = "signatures"         # the extern instance in the program
//! required = true
//!
//! [[config]]
//! name = "acl"
//! type = "entries"                   # a file in the entries format of [`crate::entries`]
//! table = "acl"                      # the table in the program
//! updates_per_second = 5             # entries that the control plane changes in a second; a policy may say
//!                                    # otherwise (`acl = "acl.entries" updates 200`); absent: none
//!
//! [[config]]
//! name = "backends"
//! type = "maglev"                    # a backends file, see [`crate::config`]
//! table = "lookup"                   # exact table with one key: the slot
//! action = "to_backend"              # called with each backend's arguments
//! size = 4093                        # prime number of slots
//!
//! [[config]]
//! name = "base_port"
//! type = "parameter"                 # a constant, given to the program as a preprocessor define
//! define = "BASE_PORT"
//! value = "int"                      # int (default) | bool | ipv4 | ipv6 | mac
//! width = 16                         # bits; implied by ipv4, ipv6, mac, bool
//! default = "1024"                   # makes the parameter optional
//! ```

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use trisect_ir::diag::Diagnostic;
use trisect_ir::toml_text::{self, Step};

use crate::codes;

/// What a policy and the planner know about one network function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfDescription {
    /// Name in policies: a letter, then letters, digits, `_` and `-`.
    pub name: String,
    /// Path of the P4 program, relative to the description.
    pub program: String,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Whether it speaks metadata, or only packets on ports.
    #[serde(default)]
    pub kind: NfKind,
    /// Which packets must meet the same instance.
    #[serde(default)]
    pub affinity: Affinity,
    /// Estimated cycles per packet on one host core, above the packet I/O. At least 1.
    pub cycles_per_packet: u64,
    /// Bounds on the number of instances.
    #[serde(default)]
    pub scaling: Scaling,
    /// Output attributes.
    #[serde(default, rename = "attribute", skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
    /// Configuration items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigItem>,
}

/// How an NF talks to the rest of the pipeline (E2, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NfKind {
    /// Sets metadata that downstream filters can read.
    #[default]
    Native,
    /// Knows only packets and ports: its attributes must be output ports.
    Legacy,
}

/// Which packets must be handled by the same instance of an NF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Affinity {
    /// Any packet may go to any instance.
    #[default]
    None,
    /// Packets of one five-tuple.
    Flow,
    /// Packets of one five-tuple and of its reverse.
    SymmetricFlow,
    /// Packets of one source address.
    Src,
    /// Packets to one destination address.
    Dst,
    /// Packets from one external port.
    Port,
}

/// Bounds on scaling out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Most instances that may run; `None`: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instances: Option<u32>,
}

/// A value that an NF derives for each packet and that edges may compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Name after the dot in `ids.verdict`.
    pub name: String,
    /// How the value leaves the NF.
    pub method: AttributeMethod,
    /// Named values. Comparisons with plain numbers are allowed only where this is empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, u64>,
}

/// How an attribute's value leaves the NF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttributeMethod {
    /// The value is the number of the output port.
    Port,
    /// The value is in the output attribute that the program declares under the same name.
    Metadata,
}

/// One thing that a policy may configure.
// Unknown fields are refused by `ConfigKind`, which takes what is left over here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigItem {
    /// Name in the policy.
    pub name: String,
    /// Whether a policy must give it. Parameters are required unless they have a default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Entries of its table that the control plane changes in a second, where the policy says nothing. Only for
    /// items that fill a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates_per_second: Option<u64>,
    /// What it is.
    #[serde(flatten)]
    pub kind: ConfigKind,
}

/// What a configuration item configures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ConfigKind {
    /// A file of entries ([`crate::entries`]) for one table.
    Entries {
        /// The table in the program.
        table: String,
    },
    /// A file of backends from which a Maglev look-up table is computed ([`crate::maglev`]):
    /// one backend per line, `NAME [weight N] argument ...`.
    Maglev {
        /// The table in the program: exact, one key (the slot number).
        table: String,
        /// The action that every slot calls, with the arguments of its backend.
        action: String,
        /// Number of slots: prime, and well above the number of backends.
        size: u32,
    },
    /// A file of payload patterns ([`crate::patterns`]).
    Patterns {
        /// The pattern set's instance in the program.
        pattern_set: String,
    },
    /// A constant given to the program as a preprocessor define.
    Parameter {
        /// Name of the define.
        define: String,
        /// How a policy writes the value.
        #[serde(default)]
        value: ValueType,
        /// Width in bits; needed for `int`, implied by the others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        width: Option<u16>,
        /// Value where the policy gives none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        default: Option<String>,
    },
}

/// How the value of a parameter is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ValueType {
    /// Decimal or 0x number.
    #[default]
    Int,
    /// `true` or `false`.
    Bool,
    /// Dotted quad.
    Ipv4,
    /// RFC 4291 text form.
    Ipv6,
    /// Six hexadecimal bytes with colons.
    Mac,
}

impl NfDescription {
    /// Reads and validates a description. `file` names it in diagnostics.
    ///
    /// # Errors
    /// One diagnostic for malformed TOML (E0230), else one per contradiction (E0231).
    pub fn from_toml(text: &str, file: &str) -> Result<NfDescription, Vec<Diagnostic>> {
        let description: NfDescription = toml_text::parse(text, file, codes::NF_SYNTAX)?;
        let mut check = Check {
            text,
            file,
            found: Vec::new(),
        };
        check.description(&description);
        if check.found.is_empty() {
            Ok(description)
        } else {
            Err(check.found)
        }
    }

    /// The attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// The configuration item of that name.
    pub fn config_item(&self, name: &str) -> Option<&ConfigItem> {
        self.config.iter().find(|item| item.name == name)
    }
}

impl ConfigItem {
    /// Whether a policy must give this item.
    pub fn is_required(&self) -> bool {
        match &self.kind {
            ConfigKind::Parameter { default, .. } => default.is_none(),
            _ => self.required,
        }
    }
}

impl ConfigKind {
    /// The table in the program that the item fills, if it is one for entries.
    pub fn table(&self) -> Option<&str> {
        match self {
            ConfigKind::Entries { table } | ConfigKind::Maglev { table, .. } => Some(table),
            ConfigKind::Patterns { .. } | ConfigKind::Parameter { .. } => None,
        }
    }
    /// For a parameter: the text of its define, a P4 literal with its width (`16w1024`).
    ///
    /// # Errors
    /// What is wrong with `value`, as text for a diagnostic.
    pub fn parameter_literal(&self, value: &str) -> Result<String, String> {
        let ConfigKind::Parameter {
            value: kind, width, ..
        } = self
        else {
            return Err("not a parameter".to_string());
        };
        literal(*kind, *width, value)
    }
}

fn literal(kind: ValueType, width: Option<u16>, value: &str) -> Result<String, String> {
    match kind {
        ValueType::Bool => match value {
            "true" | "false" => Ok(value.to_string()),
            _ => Err(format!("`{value}` is neither true nor false")),
        },
        ValueType::Int => {
            let width = width.ok_or("an int parameter needs a width")?;
            let number =
                crate::lex::number(value).ok_or_else(|| format!("`{value}` is not a number"))?;
            if width < 128 && number >> width != 0 {
                return Err(format!("{value} does not fit in {width} bits"));
            }
            Ok(format!("{width}w{number}"))
        }
        ValueType::Ipv4 => value
            .parse::<std::net::Ipv4Addr>()
            .map(|address| format!("32w0x{:08x}", u32::from(address)))
            .map_err(|_| format!("`{value}` is not an IPv4 address")),
        ValueType::Ipv6 => value
            .parse::<std::net::Ipv6Addr>()
            .map(|address| format!("128w0x{:032x}", u128::from(address)))
            .map_err(|_| format!("`{value}` is not an IPv6 address")),
        ValueType::Mac => crate::lex::mac(value)
            .map(|address| format!("48w0x{address:012x}"))
            .ok_or_else(|| format!("`{value}` is not a MAC address")),
    }
}

/// Whether `text` can be a name in a policy.
pub(crate) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !text.ends_with('-')
}

struct Check<'a> {
    text: &'a str,
    file: &'a str,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn report(&mut self, path: &[Step<'_>], message: impl Into<String>, help: &str) {
        let span = toml_text::span_at(self.text, path);
        self.found
            .push(Diagnostic::error(codes::NF_INVALID, self.file, span, message).help(help));
    }

    fn description(&mut self, nf: &NfDescription) {
        if !is_name(&nf.name) {
            self.report(
                &[Step::Key("name")],
                format!("`{}` is not a name", nf.name),
                NAME_HELP,
            );
        }
        if nf.program.is_empty() {
            self.report(
                &[Step::Key("program")],
                "no program",
                "name the P4 file beside this one",
            );
        }
        if nf.cycles_per_packet == 0 {
            self.report(
                &[Step::Key("cycles_per_packet")],
                "an NF cannot take 0 cycles per packet",
                "give an estimate of at least 1; measurements replace it later",
            );
        }
        if nf.scaling.max_instances == Some(0) {
            self.report(
                &[Step::Key("scaling"), Step::Key("max_instances")],
                "0 instances cannot handle any packet",
                "give at least 1, or leave it out for no bound",
            );
        }
        self.attributes(nf);
        self.config(nf);
    }

    fn attributes(&mut self, nf: &NfDescription) {
        let mut names = BTreeSet::new();
        for (index, attribute) in nf.attributes.iter().enumerate() {
            let at = [Step::Key("attribute"), Step::Index(index)];
            let name = [at[0], at[1], Step::Key("name")];
            if !is_name(&attribute.name) {
                self.report(
                    &name,
                    format!("`{}` is not a name", attribute.name),
                    NAME_HELP,
                );
            }
            if !names.insert(&attribute.name) {
                self.report(
                    &name,
                    format!("attribute `{}` is declared twice", attribute.name),
                    "remove one of the two",
                );
            }
            if nf.kind == NfKind::Legacy && attribute.method == AttributeMethod::Metadata {
                self.report(
                    &[at[0], at[1], Step::Key("method")],
                    format!("a legacy NF cannot give `{}` as metadata", attribute.name),
                    "use method = \"port\", or make the NF native",
                );
            }
            self.values(attribute, &[at[0], at[1], Step::Key("values")]);
        }
        let ports = nf
            .attributes
            .iter()
            .filter(|a| a.method == AttributeMethod::Port)
            .count();
        if ports > 1 {
            self.report(
                &[Step::Key("attribute")],
                "more than one attribute is carried by the output port",
                "a packet leaves on one port: merge the attributes into one",
            );
        }
    }

    fn values(&mut self, attribute: &Attribute, path: &[Step<'_>]) {
        let mut numbers = BTreeSet::new();
        for (name, number) in &attribute.values {
            if !is_name(name) {
                self.report(path, format!("`{name}` is not a name"), NAME_HELP);
            }
            if !numbers.insert(number) {
                self.report(
                    path,
                    format!("two values of `{}` are {number}", attribute.name),
                    "give each value its own number",
                );
            }
        }
    }

    fn config(&mut self, nf: &NfDescription) {
        let mut names = BTreeSet::new();
        for (index, item) in nf.config.iter().enumerate() {
            let at = [Step::Key("config"), Step::Index(index)];
            if !is_name(&item.name) {
                let path = [at[0], at[1], Step::Key("name")];
                self.report(&path, format!("`{}` is not a name", item.name), NAME_HELP);
            }
            if !names.insert(&item.name) {
                let path = [at[0], at[1], Step::Key("name")];
                self.report(
                    &path,
                    format!("configuration item `{}` is declared twice", item.name),
                    "remove one of the two",
                );
            }
            if item.updates_per_second.is_some() && item.kind.table().is_none() {
                let path = [at[0], at[1], Step::Key("updates_per_second")];
                let message = format!("`{}` fills no table whose entries could change", item.name);
                self.report(&path, message, "leave it out");
            }
            match &item.kind {
                ConfigKind::Maglev { size, .. } if !crate::maglev::is_prime(*size) => {
                    self.report(
                        &[at[0], at[1], Step::Key("size")],
                        format!("{size} slots, but a Maglev table has a prime number of them"),
                        "use a prime such as 251, 4093 or 65537",
                    );
                }
                ConfigKind::Parameter {
                    value,
                    width,
                    default,
                    ..
                } => {
                    self.parameter(&at, *value, *width, default.as_deref());
                }
                _ => {}
            }
        }
    }

    fn parameter(
        &mut self,
        at: &[Step<'_>; 2],
        kind: ValueType,
        width: Option<u16>,
        default: Option<&str>,
    ) {
        let width_path = [at[0], at[1], Step::Key("width")];
        if kind == ValueType::Int && !width.is_some_and(|w| (1..=128).contains(&w)) {
            let help = "add width = 16, or what the program uses it for";
            self.report(
                &width_path,
                "an int parameter needs a width of 1 to 128",
                help,
            );
            return;
        }
        if kind != ValueType::Int && width.is_some() {
            self.report(&width_path, "the type implies the width", "remove width");
        }
        if let Some(default) = default
            && let Err(message) = literal(kind, width, default)
        {
            self.report(
                &[at[0], at[1], Step::Key("default")],
                message,
                "give a value of that type",
            );
        }
    }
}

const NAME_HELP: &str = "a name is a letter, then letters, digits, `_` and `-`";

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = r#"
name = "ids"
program = "ids.p4"
affinity = "symmetric-flow"
cycles_per_packet = 900

[scaling]
max_instances = 8

[[attribute]]
name = "verdict"
method = "metadata"
values = { safe = 0, unsafe = 1 }

[[config]]
name = "signatures"
type = "patterns"
pattern_set = "signatures"
required = true

[[config]]
name = "base_port"
type = "parameter"
define = "BASE_PORT"
width = 16
default = "1024"
"#;

    fn errors(text: &str) -> Vec<Diagnostic> {
        NfDescription::from_toml(text, "x.nf.toml").expect_err("must be refused")
    }

    #[test]
    fn reads_a_description_and_writes_it_back() {
        let nf = NfDescription::from_toml(IDS, "ids.nf.toml").expect("valid");
        assert_eq!(nf.kind, NfKind::Native);
        assert_eq!(
            nf.attribute("verdict").expect("declared").values["unsafe"],
            1
        );
        assert!(
            nf.config_item("signatures")
                .expect("declared")
                .is_required()
        );
        let port = nf.config_item("base_port").expect("declared");
        assert!(!port.is_required());
        assert_eq!(port.kind.parameter_literal("0x1F"), Ok("16w31".to_string()));
        assert!(port.kind.parameter_literal("65536").is_err());
        let text = toml::to_string(&nf).expect("serialises");
        assert_eq!(NfDescription::from_toml(&text, "again"), Ok(nf));
    }

    #[test]
    fn unknown_fields_are_refused_everywhere() {
        for (from, to) in [
            ("affinity", "afinity"),
            ("max_instances", "max_instance"),
            ("method = \"metadata\"", "method = \"metadata\"\nfield = 1"),
            (
                "define = \"BASE_PORT\"",
                "define = \"BASE_PORT\"\ntable = \"t\"",
            ),
        ] {
            let found = errors(&IDS.replace(from, to));
            assert_eq!(found.len(), 1, "{from}");
            assert_eq!(found[0].code, codes::NF_SYNTAX, "{from}");
        }
    }

    #[test]
    fn contradictions_are_reported_together_and_in_place() {
        let text = IDS
            .replace("affinity", "kind = \"legacy\"\naffinity")
            .replace("unsafe = 1", "unsafe = 0")
            .replace("900", "0")
            .replace("\"1024\"", "\"99999\"");
        let found = errors(&text);
        let places: Vec<&str> = found.iter().map(|d| d.span.text(&text)).collect();
        assert_eq!(
            places,
            ["0", "\"metadata\"", "{ safe = 0, unsafe = 0 }", "\"99999\""]
        );
        assert!(
            found
                .iter()
                .all(|d| d.code == codes::NF_INVALID && !d.help.is_empty())
        );
    }
}
