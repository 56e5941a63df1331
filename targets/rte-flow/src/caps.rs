//! What a NIC model can do: the schema of the files in `models/`.

use crate::{Action, ItemKind, codes};
use serde::{Deserialize, Serialize};
use trisect_ir::diag::Diagnostic;
use trisect_ir::toml_text::{self, Step};
use trisect_target::{Capability, Resources, Support, resource};

/// Name of the quantity: hardware counters.
pub const COUNTERS: &str = "counters";

/// A NIC model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Name, as rack files write it.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Where the facts come from.
    pub source: String,
    /// How much there is.
    pub limits: Limits,
    /// How fast it is.
    #[serde(default)]
    pub rates: Rates,
    /// What patterns can say.
    #[serde(rename = "match")]
    pub matching: Matching,
    /// What rules can do.
    pub actions: Actions,
    /// How queues can be chosen by hash; left out: not by a key of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rss: Option<Rss>,
}

/// How queues can be chosen by hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rss {
    /// Bytes of the key.
    pub key_bytes: u16,
    /// Entries of the redirection table: a power of two.
    pub table: u16,
}

/// Limits. What is left out is unbounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Rules in all groups.
    pub rules: Option<u32>,
    /// Groups, group 0 included; group numbers are below it.
    pub groups: Option<u32>,
    /// Priority levels in a group; priorities are below it.
    pub priorities: Option<u32>,
    /// Hardware counters.
    pub counters: Option<u32>,
    /// Jumps that one packet may take.
    pub max_jumps: u32,
}

/// Rates, for cost models and for people. What is left out is unknown, and taken for unbounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Rules that can be inserted in a second.
    pub insertions_per_second: Option<u64>,
    /// All ports together, in Gbit/s.
    pub rate_gbps: Option<u64>,
    /// Bandwidth to the host, each direction, in Gbit/s.
    pub pcie_gbps: Option<u64>,
    /// Whether packets that go through rules of several groups are slower than others.
    pub groups_slow_down: Option<bool>,
}

/// What patterns can say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matching {
    /// Items that a pattern can name.
    pub items: Vec<ItemKind>,
    /// Whether fields of `nsh` can be matched, and `nsh` follow `eth`.
    pub nsh_fields: bool,
    /// Whether `last` can be given.
    pub ranges: bool,
    /// VLAN tags in a row that are parsed. What lies behind more tags is out of sight.
    pub max_vlan: u8,
    /// MPLS label stack entries in a row that are parsed.
    pub max_mpls: u8,
}

/// What rules can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// Names of the actions, see [`Action::name`].
    pub names: Vec<String>,
    /// Whether group 0 can change packets and set metadata.
    pub modify_in_group_0: bool,
}

/// The files in `models/`, the default first.
const MODELS: [&str; 7] = [
    include_str!("../models/generic.toml"),
    include_str!("../models/mlx5.toml"),
    include_str!("../models/ice.toml"),
    include_str!("../models/i40e.toml"),
    include_str!("../models/bnxt.toml"),
    include_str!("../models/cxgbe.toml"),
    include_str!("../models/tap.toml"),
];

/// Names of all actions.
const ACTIONS: [&str; 28] = [
    "drop",
    "count",
    "mark",
    "set_meta",
    "set_tag",
    "queue",
    "rss",
    "jump",
    "represented_port",
    "set_mac_src",
    "set_mac_dst",
    "set_ipv4_src",
    "set_ipv4_dst",
    "set_ipv6_src",
    "set_ipv6_dst",
    "set_tp_src",
    "set_tp_dst",
    "set_ttl",
    "dec_ttl",
    "set_ipv4_dscp",
    "set_ipv6_dscp",
    "of_pop_vlan",
    "of_push_vlan",
    "of_set_vlan_vid",
    "of_set_vlan_pcp",
    "vxlan_encap",
    "vxlan_decap",
    "modify_field",
];

impl Capabilities {
    /// Reads a capability file. `file` names it in diagnostics.
    ///
    /// # Errors
    /// One diagnostic for what is not TOML or not the schema, else one for each field that cannot be
    /// (E0475).
    pub fn parse(text: &str, file: &str) -> Result<Self, Vec<Diagnostic>> {
        let caps: Self = toml_text::parse(text, file, codes::MODEL)?;
        let found = caps.impossible();
        if found.is_empty() {
            return Ok(caps);
        }
        let place = |path: &str| {
            let steps: Vec<Step<'_>> = path.split('.').map(Step::Key).collect();
            toml_text::span_at(text, &steps)
        };
        let diagnostics = found.into_iter().map(|(path, message, help)| {
            Diagnostic::error(codes::MODEL, file, place(path), message).help(help)
        });
        Err(diagnostics.collect())
    }

    /// What cannot be: the field, what is wrong with it, and the way out.
    fn impossible(&self) -> Vec<(&'static str, String, String)> {
        let mut found = Vec::new();
        let mut range = |path, value: Option<u64>, least: u64, most: u64| {
            if let Some(value) = value.filter(|v| !(least..=most).contains(v)) {
                let help = format!("from {least} to {most}, or leave it out");
                found.push((path, format!("`{path}` cannot be {value}"), help));
            }
        };
        let limits = &self.limits;
        range("limits.rules", limits.rules.map(u64::from), 1, 1 << 30);
        range("limits.groups", limits.groups.map(u64::from), 1, 1 << 30);
        range(
            "limits.priorities",
            limits.priorities.map(u64::from),
            1,
            1 << 30,
        );
        range(
            "limits.max_jumps",
            Some(u64::from(limits.max_jumps)),
            0,
            1024,
        );
        let rates = &self.rates;
        let insertions = rates.insertions_per_second;
        range("rates.insertions_per_second", insertions, 1, 1_000_000_000);
        range("rates.rate_gbps", rates.rate_gbps, 1, 100_000);
        range("rates.pcie_gbps", rates.pcie_gbps, 1, 100_000);
        range(
            "match.max_vlan",
            Some(u64::from(self.matching.max_vlan)),
            0,
            16,
        );
        range(
            "match.max_mpls",
            Some(u64::from(self.matching.max_mpls)),
            0,
            16,
        );
        if let Some(rss) = self.rss.filter(|rss| !rss.table.is_power_of_two()) {
            let message = format!("`rss.table` cannot be {}", rss.table);
            found.push(("rss.table", message, "a power of two".to_owned()));
        }
        let names = &self.actions.names;
        for (at, name) in names.iter().enumerate() {
            let message = if !ACTIONS.contains(&name.as_str()) {
                format!("`{name}` is not an action that is known here")
            } else if names[..at].contains(name) {
                format!("action `{name}` is listed twice")
            } else {
                continue;
            };
            found.push((
                "actions.names",
                message,
                format!("there are {}", ACTIONS.join(", ")),
            ));
        }
        let jumps = names.iter().any(|name| name == "jump");
        if !jumps && (limits.groups.is_none_or(|groups| groups > 1) || limits.max_jumps > 0) {
            let message = "several groups, or jumps, without the action `jump`".to_owned();
            let help = "write groups = 1 and max_jumps = 0, or list `jump`".to_owned();
            found.push(("limits", message, help));
        }
        let nsh = self.has_item(ItemKind::Nsh);
        if self.matching.nsh_fields && !nsh {
            let message = "fields of `nsh` without the item `nsh`".to_owned();
            let help = "list the item, or write nsh_fields = false".to_owned();
            found.push(("match.nsh_fields", message, help));
        }
        found
    }

    /// The models that come with this crate, the default first. (A test reads every file, so that
    /// none is left out here.)
    pub fn builtin() -> Vec<Self> {
        MODELS
            .iter()
            .filter_map(|text| Self::parse(text, "model").ok())
            .collect()
    }

    /// The model of that name that comes with this crate.
    pub fn named(name: &str) -> Option<Self> {
        Self::builtin().into_iter().find(|caps| caps.name == name)
    }

    /// Whether patterns can name the item.
    pub fn has_item(&self, kind: ItemKind) -> bool {
        self.matching.items.contains(&kind)
    }

    /// Whether rules can have the action.
    pub fn has_action(&self, action: &Action) -> bool {
        self.actions.names.iter().any(|name| name == action.name())
    }

    /// The limits as a budget.
    pub fn budget(&self) -> Resources {
        [
            (resource::RULES, self.limits.rules.map(u64::from)),
            (resource::GROUPS, self.limits.groups.map(u64::from)),
            (COUNTERS, self.limits.counters.map(u64::from)),
            (resource::INSERTIONS, self.rates.insertions_per_second),
        ]
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), amount?)))
        .collect()
    }

    /// With the limits of a budget in place of its own where it names them.
    #[must_use]
    pub fn limited(mut self, budget: &Resources) -> Self {
        let amount = |name| {
            budget
                .get(name)
                .map(|n| u32::try_from(n).unwrap_or(u32::MAX))
        };
        self.limits.rules = amount(resource::RULES).or(self.limits.rules);
        self.limits.groups = amount(resource::GROUPS).or(self.limits.groups);
        self.limits.counters = amount(COUNTERS).or(self.limits.counters);
        let insertions = &mut self.rates.insertions_per_second;
        *insertions = budget.get(resource::INSERTIONS).or(*insertions);
        self
    }

    /// The listing for people.
    pub fn listing(&self) -> Vec<Capability> {
        let yes_no = |b| if b { Support::Yes } else { Support::No };
        let limit = |what: &str, n: Option<u32>| match n {
            Some(n) => Support::Limited(format!("{n} {what}")),
            None => Support::Yes,
        };
        let mut out = Vec::new();
        for kind in ItemKind::ALL {
            let support = match (kind, self.has_item(kind)) {
                (_, false) => Support::No,
                (ItemKind::Nsh, true) if !self.matching.nsh_fields => {
                    Support::Limited("presence only".into())
                }
                (ItemKind::Vlan, true) => {
                    Support::Limited(format!("{} tags", self.matching.max_vlan))
                }
                (ItemKind::Mpls, true) => {
                    Support::Limited(format!("{} entries", self.matching.max_mpls))
                }
                _ => Support::Yes,
            };
            out.push(Capability::new("match", kind.name(), support));
        }
        out.push(Capability::new(
            "match",
            "range",
            if self.matching.ranges {
                Support::Yes
            } else {
                Support::Limited("expanded to prefixes".into())
            },
        ));
        for name in ACTIONS {
            let has = self.actions.names.iter().any(|n| n == name);
            out.push(Capability::new("action", name, yes_no(has)));
        }
        out.push(Capability::new(
            "state",
            "counter",
            match self.limits.counters {
                Some(0) => Support::No,
                n => limit("counters", n),
            },
        ));
        out.push(Capability::new(
            "limit",
            "rules",
            limit("rules", self.limits.rules),
        ));
        out.push(Capability::new(
            "limit",
            "groups",
            limit("groups", self.limits.groups),
        ));
        out.push(Capability::new(
            "limit",
            "priorities",
            limit("levels", self.limits.priorities),
        ));
        let known = |what: &str, n: Option<u64>| match n {
            Some(n) => Support::Limited(format!("{n} {what}")),
            None => Support::Limited("unknown".into()),
        };
        let rates = &self.rates;
        for (name, support) in [
            (
                "insertions",
                known("rules per second", rates.insertions_per_second),
            ),
            ("ports", known("Gbit/s", rates.rate_gbps)),
            ("PCIe", known("Gbit/s", rates.pcie_gbps)),
            (
                "several groups",
                Support::Limited(
                    match rates.groups_slow_down {
                        Some(true) => "slow packets down",
                        Some(false) => "cost nothing",
                        None => "unknown",
                    }
                    .into(),
                ),
            ),
        ] {
            out.push(Capability::new("rate", name, support));
        }
        let can_dispatch = self.matching.nsh_fields && self.has_item(ItemKind::Nsh);
        out.push(Capability::new(
            "hand-over",
            "from the switch by NSH",
            yes_no(can_dispatch),
        ));
        let mark = self.actions.names.iter().any(|n| n == "mark");
        let meta = self.actions.names.iter().any(|n| n == "set_meta");
        out.push(Capability::new(
            "hand-over",
            "to the host by MARK and META",
            match (mark, meta) {
                (true, true) => Support::Yes,
                (true, false) => Support::Limited("MARK only".into()),
                _ => Support::No,
            },
        ));
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)] // a test fails by panicking

    use super::*;

    #[test]
    fn every_file_is_read_and_named_after_its_model() {
        for text in MODELS {
            let caps = Capabilities::parse(text, "model");
            assert!(caps.is_ok(), "{caps:?}");
        }
        let names: Vec<String> = Capabilities::builtin()
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(
            names,
            ["generic", "mlx5", "ice", "i40e", "bnxt", "cxgbe", "tap"]
        );
    }

    #[test]
    fn unknown_fields_and_impossible_figures_are_refused_field_by_field() {
        let refused = |text: &str| {
            let found = Capabilities::parse(text, "x.toml").expect_err("must be refused");
            assert!(
                found
                    .iter()
                    .all(|d| d.code == codes::MODEL && !d.help.is_empty())
            );
            found
        };
        let text = MODELS[0]
            .replace("\"dec_ttl\"", "\"dec_tll\"")
            .replace("rules = 65536", "rules = 0")
            .replace("max_vlan = 3", "max_vlan = 100");
        let found = refused(&text);
        let messages: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
        let expected = [
            "`limits.rules` cannot be 0",
            "`match.max_vlan` cannot be 100",
            "`dec_tll` is not an action that is known here",
        ];
        assert_eq!(messages, expected);
        assert_eq!(found[0].span.text(&text), "0");
        let text = MODELS[0].replace("\"jump\", ", "");
        assert!(
            refused(&text)[0]
                .message
                .contains("without the action `jump`")
        );
        refused(&MODELS[0].replace("priorities", "prioritys"));
        refused(&MODELS[0].replace("rules = 65536", "rules = -1"));
    }

    #[test]
    fn the_rack_file_can_make_a_model_smaller() {
        let small = Resources::new().with(resource::RULES, 10);
        let caps = Capabilities::builtin().swap_remove(0).limited(&small);
        assert_eq!(caps.budget().get(resource::RULES), Some(10));
        assert_eq!(caps.budget().get(resource::GROUPS), Some(256));
    }
}
