//! Profiles: what was counted and measured when a pipeline ran over a capture, in TOML.
//!
//! ```toml
//! packets = 20000           # of the capture
//! clock_ghz = 2.4           # of the machine that it was measured on
//!
//! [[nf]]
//! name = "fw"               # in the policy
//! packets = 12000           # that reached it
//! cycles = 83               # per packet, above the packet I/O
//!
//! [[node]]
//! name = "fw.acl"           # in the merged program, if each NF has one instance
//! packets = 11500
//! ways = [11000, 500]       # by successor, in their order; for a node with several
//! hits = 11200              # look-ups that found an entry, where hit and miss are told apart
//! cycles = 31               # the NF's cycles, divided among its nodes in proportion to their estimates
//! ```
//!
//! `trisect profile` writes it; only `cycles` and `clock_ghz` differ from run to run.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use trisect_ir::diag::Diagnostic;
use trisect_ir::toml_text::{self, Step};

use crate::codes;

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Packets of the capture.
    pub packets: u64,
    /// Clock of the machine that it was measured on, in GHz.
    pub clock_ghz: f64,
    /// By NF of the policy, in its order.
    #[serde(default, rename = "nf")]
    pub nfs: Vec<NfProfile>,
    /// By node of the merged program, in control order.
    #[serde(default, rename = "node")]
    pub nodes: Vec<NodeProfile>,
}

/// What is known about an NF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NfProfile {
    /// Its name in the policy.
    pub name: String,
    /// Packets that reached it.
    pub packets: u64,
    /// Cycles per packet on a host core, above the packet I/O.
    pub cycles: u64,
}

/// What is known about a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeProfile {
    /// Its name, where each NF has one instance.
    pub name: String,
    /// Packets that reached it.
    pub packets: u64,
    /// Packets by successor, in the order of the program. Empty for a node with one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<u64>,
    /// Look-ups that found an entry; for tables where that is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// Cycles per packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
}

impl Profile {
    /// Reads and validates a profile. `file` names it in diagnostics.
    ///
    /// # Errors
    /// One diagnostic for malformed TOML, else one per impossible figure (E0242).
    pub fn from_toml(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let profile: Self = toml_text::parse(text, file, codes::PROFILE)?;
        let mut found = Vec::new();
        let mut report = |path: &[Step<'_>], message: String, help: &str| {
            let span = toml_text::span_at(text, path);
            found.push(Diagnostic::error(codes::PROFILE, file, span, message).help(help));
        };
        const AGAIN: &str = "write it again with `trisect profile`";
        if !(profile.clock_ghz.is_finite() && profile.clock_ghz > 0.0) {
            let message = "the clock must be above 0".to_owned();
            report(
                &[Step::Key("clock_ghz")],
                message,
                "give it in GHz, such as 2.4",
            );
        }
        let mut names = BTreeSet::new();
        for (index, nf) in profile.nfs.iter().enumerate() {
            let of = |key| [Step::Key("nf"), Step::Index(index), Step::Key(key)];
            if !names.insert(&nf.name) {
                report(
                    &of("name"),
                    format!("NF `{}` is there twice", nf.name),
                    AGAIN,
                );
            }
            if nf.cycles == 0 {
                let message = format!("`{}` cannot take 0 cycles per packet", nf.name);
                report(&of("cycles"), message, "give at least 1");
            }
            if nf.packets > profile.packets {
                let message = format!("`{}` saw more packets than there are", nf.name);
                report(&of("packets"), message, AGAIN);
            }
        }
        let mut names = BTreeSet::new();
        for (index, node) in profile.nodes.iter().enumerate() {
            let of = |key| [Step::Key("node"), Step::Index(index), Step::Key(key)];
            if !names.insert(&node.name) {
                report(
                    &of("name"),
                    format!("node `{}` is there twice", node.name),
                    AGAIN,
                );
            }
            if node.packets > profile.packets {
                let message = format!("`{}` saw more packets than there are", node.name);
                report(&of("packets"), message, AGAIN);
            }
            let sum = node
                .ways
                .iter()
                .try_fold(0u64, |sum, n| sum.checked_add(*n));
            if !node.ways.is_empty() && sum != Some(node.packets) {
                let message = format!("the ways from `{}` are not its packets in sum", node.name);
                report(&of("ways"), message, AGAIN);
            }
            if node.hits.is_some_and(|hits| hits > node.packets) {
                let message = format!("`{}` has more hits than packets", node.name);
                report(&of("hits"), message, AGAIN);
            }
        }
        if found.is_empty() {
            Ok(profile)
        } else {
            Err(found)
        }
    }

    /// What is known about an NF.
    pub fn nf(&self, name: &str) -> Option<&NfProfile> {
        self.nfs.iter().find(|nf| nf.name == name)
    }

    /// What is known about a node.
    pub fn node(&self, name: &str) -> Option<&NodeProfile> {
        self.nodes.iter().find(|node| node.name == name)
    }
}

impl fmt::Display for Profile {
    /// TOML that reads back to the same profile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("# Written by `trisect profile`.\n")?;
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)] // a test fails by panicking

    use super::*;

    const TEXT: &str = "packets = 10\nclock_ghz = 2.5\n\n[[nf]]\nname = \"fw\"\npackets = 8\ncycles = 40\n\n\
        [[node]]\nname = \"fw.acl\"\npackets = 8\nways = [6, 2]\nhits = 6\ncycles = 31\n";

    #[test]
    fn a_profile_is_read_and_printed() {
        let profile = Profile::from_toml(TEXT, "profile.toml").expect("valid");
        assert_eq!(profile.nf("fw").map(|nf| nf.cycles), Some(40));
        assert_eq!(profile.node("fw.acl").map(|n| n.ways.len()), Some(2));
        let again = Profile::from_toml(&profile.to_string(), "again");
        assert_eq!(again, Ok(profile));
    }

    #[test]
    fn impossible_figures_are_refused() {
        let text = TEXT
            .replace("clock_ghz = 2.5", "clock_ghz = 0.0")
            .replace("cycles = 40", "cycles = 0")
            .replace("[6, 2]", "[6, 3]")
            .replace("hits = 6", "hits = 9");
        let found = Profile::from_toml(&text, "profile.toml").expect_err("must be refused");
        let places: Vec<&str> = found.iter().map(|d| d.span.text(&text)).collect();
        assert_eq!(places, ["0.0", "0", "[6, 3]", "9"]);
        assert!(found.iter().all(|d| d.code == codes::PROFILE));
        let unknown = TEXT.replace("hits", "hitz");
        assert!(Profile::from_toml(&unknown, "profile.toml").is_err());
    }
}
