//! What a NIC model can do: the schema of the files in `models/`.

use crate::{Action, ItemKind};
use serde::{Deserialize, Serialize};
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

/// Rates, for the cost model and for people. 0 means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Rules that can be inserted in a second.
    #[serde(default)]
    pub insertions_per_second: u64,
    /// Bandwidth to the host in Gbit/s.
    #[serde(default)]
    pub pcie_gbps: u64,
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

/// Why a capability file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// Not TOML, or not the schema.
    #[error("{0}")]
    Syntax(String),
    /// An action that rte_flow does not have, or that this crate does not know.
    #[error("`{0}` is not an action that is known here")]
    UnknownAction(String),
}

/// The files in `models/`, the default first.
const MODELS: [&str; 5] = [
    include_str!("../models/generic.toml"),
    include_str!("../models/mlx5.toml"),
    include_str!("../models/ice.toml"),
    include_str!("../models/i40e.toml"),
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
    /// Reads a capability file.
    ///
    /// # Errors
    /// See [`CapabilityError`].
    pub fn parse(text: &str) -> Result<Self, CapabilityError> {
        let caps: Self =
            toml::from_str(text).map_err(|e| CapabilityError::Syntax(e.to_string()))?;
        match caps
            .actions
            .names
            .iter()
            .find(|name| !ACTIONS.contains(&name.as_str()))
        {
            Some(name) => Err(CapabilityError::UnknownAction(name.clone())),
            None => Ok(caps),
        }
    }

    /// The models that come with this crate, the default first. (A test reads every file, so that
    /// none is left out here.)
    pub fn builtin() -> Vec<Self> {
        MODELS
            .iter()
            .filter_map(|text| Self::parse(text).ok())
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
            (resource::RULES, self.limits.rules),
            (resource::GROUPS, self.limits.groups),
            (COUNTERS, self.limits.counters),
        ]
        .into_iter()
        .filter_map(|(name, amount)| Some((name.to_owned(), u64::from(amount?))))
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
    use super::*;

    #[test]
    fn every_file_is_read_and_named_after_its_model() {
        for text in MODELS {
            let caps = Capabilities::parse(text);
            assert!(caps.is_ok(), "{caps:?}");
        }
        let names: Vec<String> = Capabilities::builtin()
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(names, ["generic", "mlx5", "ice", "i40e", "tap"]);
    }

    #[test]
    fn unknown_fields_and_actions_are_refused() {
        let text = MODELS[0].replace("\"dec_ttl\"", "\"dec_tll\"");
        assert_eq!(
            Capabilities::parse(&text),
            Err(CapabilityError::UnknownAction("dec_tll".into()))
        );
        let text = MODELS[0].replace("priorities", "prioritys");
        assert!(matches!(
            Capabilities::parse(&text),
            Err(CapabilityError::Syntax(_))
        ));
    }

    #[test]
    fn the_rack_file_can_make_a_model_smaller() {
        let small = Resources::new().with(resource::RULES, 10);
        let caps = Capabilities::builtin().swap_remove(0).limited(&small);
        assert_eq!(caps.budget().get(resource::RULES), Some(10));
        assert_eq!(caps.budget().get(resource::GROUPS), Some(256));
    }
}
