//! Flow rules as data: what the lowering writes, the NIC model reads back, and a driver would pass
//! to `rte_flow_create`.

use crate::ItemKind;
use crate::flows::FlowRules;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use trisect_ir::state::Cell;

/// A number of up to 128 bits, written in hexadecimal.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Value(pub u128);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl From<Value> for String {
    fn from(value: Value) -> String {
        value.to_string()
    }
}

impl TryFrom<String> for Value {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("0x")
            .and_then(|hex| u128::from_str_radix(hex, 16).ok())
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a hexadecimal number of up to 128 bits"))
    }
}

/// One header of a pattern. A field that `mask` does not name is not looked at. With `last`, the
/// masked field must lie in `spec..=last`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Which header.
    #[serde(rename = "type")]
    pub kind: ItemKind,
    /// Values by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spec: BTreeMap<String, Value>,
    /// Upper ends of ranges by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub last: BTreeMap<String, Value>,
    /// Bits to look at by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mask: BTreeMap<String, Value>,
}

impl Item {
    /// The header is there, whatever is in it.
    pub fn any(kind: ItemKind) -> Self {
        Self {
            kind,
            spec: BTreeMap::new(),
            last: BTreeMap::new(),
            mask: BTreeMap::new(),
        }
    }
    /// With a field to match.
    #[must_use]
    pub fn with(mut self, field: &str, spec: u128, mask: u128) -> Self {
        self.spec.insert(field.to_owned(), Value(spec));
        self.mask.insert(field.to_owned(), Value(mask));
        self
    }
}

/// What is done with a packet that matches. Header fields are those of the outermost header of
/// their protocol; [`Action::ModifyField`] can reach deeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Drops it.
    Drop,
    /// Counts it.
    Count {
        /// Which counter, see [`RuleSet::counters`].
        identifier: u32,
    },
    /// Gives the host this mark.
    Mark {
        /// The mark.
        id: u32,
    },
    /// Gives the host (and later groups) this metadata.
    SetMeta {
        /// The bits.
        data: u32,
        /// Which of them are set.
        mask: u32,
    },
    /// Sets a register for later groups.
    SetTag {
        /// Which register.
        index: u8,
        /// The bits.
        data: u32,
        /// Which of them are set.
        mask: u32,
    },
    /// Delivers it to a receive queue.
    Queue {
        /// The queue.
        index: u16,
    },
    /// Delivers it to one of several queues, by hash.
    Rss {
        /// The redirection table: the lowest bits of the hash say which entry holds.
        queues: Vec<u16>,
        /// The key of the Toeplitz hash, which is then told to the host; without key the first queue is
        /// taken. Of the innermost IP header and what follows it, source and destination address are
        /// hashed, and with TCP and UDP the ports.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        key: Vec<u8>,
    },
    /// Goes on in another group.
    Jump {
        /// The group.
        group: u32,
    },
    /// Sends it out of the port that this ethdev represents.
    RepresentedPort {
        /// The ethdev's number.
        ethdev_port_id: u16,
    },
    /// Sets the source address of the outermost Ethernet header.
    SetMacSrc {
        /// 48 bits.
        mac_addr: Value,
    },
    /// Sets the destination address of the outermost Ethernet header.
    SetMacDst {
        /// 48 bits.
        mac_addr: Value,
    },
    /// Sets the IPv4 source; checksums of IPv4 and transport follow.
    SetIpv4Src {
        /// 32 bits.
        ipv4_addr: Value,
    },
    /// Sets the IPv4 destination; checksums of IPv4 and transport follow.
    SetIpv4Dst {
        /// 32 bits.
        ipv4_addr: Value,
    },
    /// Sets the IPv6 source; the transport's checksum follows.
    SetIpv6Src {
        /// 128 bits.
        ipv6_addr: Value,
    },
    /// Sets the IPv6 destination; the transport's checksum follows.
    SetIpv6Dst {
        /// 128 bits.
        ipv6_addr: Value,
    },
    /// Sets the source port of TCP or UDP; its checksum follows.
    SetTpSrc {
        /// The port.
        port: u16,
    },
    /// Sets the destination port of TCP or UDP; its checksum follows.
    SetTpDst {
        /// The port.
        port: u16,
    },
    /// Sets TTL or hop limit; the IPv4 checksum follows.
    SetTtl {
        /// The value.
        ttl_value: u8,
    },
    /// Decrements TTL or hop limit, modulo 256; the IPv4 checksum follows (RFC 1624).
    DecTtl,
    /// Sets the DSCP of IPv4; its checksum follows.
    SetIpv4Dscp {
        /// 6 bits.
        dscp_value: u8,
    },
    /// Sets the DSCP of IPv6.
    SetIpv6Dscp {
        /// 6 bits.
        dscp_value: u8,
    },
    /// Takes the outermost VLAN tag off.
    OfPopVlan,
    /// Pushes a VLAN tag, with priority and identifier of the outer one if there is one, else 0.
    OfPushVlan {
        /// Its Ethertype.
        ethertype: u16,
    },
    /// Sets the identifier of the outermost VLAN tag.
    OfSetVlanVid {
        /// 12 bits.
        vlan_vid: u16,
    },
    /// Sets the priority of the outermost VLAN tag.
    OfSetVlanPcp {
        /// 3 bits.
        vlan_pcp: u8,
    },
    /// Puts Ethernet, IPv4, UDP and VXLAN in front.
    VxlanEncap {
        /// The bytes of these four headers; IPv4 and UDP lengths and the IPv4 checksum are filled in.
        headers: Vec<u8>,
    },
    /// Takes everything up to and with the outermost VXLAN header off.
    VxlanDecap,
    /// Sets a field at an encapsulation level (1: the outermost header of its protocol, 2: the next).
    ModifyField {
        /// testpmd's name of the field.
        dst: ModifyTarget,
        /// Encapsulation level.
        level: u8,
        /// The value.
        value: Value,
    },
}

/// What [`Action::ModifyField`] can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModifyTarget {
    /// Ethernet destination.
    MacDst,
    /// Ethernet source.
    MacSrc,
}

impl ModifyTarget {
    /// testpmd's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MacDst => "mac_dst",
            Self::MacSrc => "mac_src",
        }
    }
}

impl Action {
    /// Name in testpmd, in capability files and in rules.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Count { .. } => "count",
            Self::Mark { .. } => "mark",
            Self::SetMeta { .. } => "set_meta",
            Self::SetTag { .. } => "set_tag",
            Self::Queue { .. } => "queue",
            Self::Rss { .. } => "rss",
            Self::Jump { .. } => "jump",
            Self::RepresentedPort { .. } => "represented_port",
            Self::SetMacSrc { .. } => "set_mac_src",
            Self::SetMacDst { .. } => "set_mac_dst",
            Self::SetIpv4Src { .. } => "set_ipv4_src",
            Self::SetIpv4Dst { .. } => "set_ipv4_dst",
            Self::SetIpv6Src { .. } => "set_ipv6_src",
            Self::SetIpv6Dst { .. } => "set_ipv6_dst",
            Self::SetTpSrc { .. } => "set_tp_src",
            Self::SetTpDst { .. } => "set_tp_dst",
            Self::SetTtl { .. } => "set_ttl",
            Self::DecTtl => "dec_ttl",
            Self::SetIpv4Dscp { .. } => "set_ipv4_dscp",
            Self::SetIpv6Dscp { .. } => "set_ipv6_dscp",
            Self::OfPopVlan => "of_pop_vlan",
            Self::OfPushVlan { .. } => "of_push_vlan",
            Self::OfSetVlanVid { .. } => "of_set_vlan_vid",
            Self::OfSetVlanPcp { .. } => "of_set_vlan_pcp",
            Self::VxlanEncap { .. } => "vxlan_encap",
            Self::VxlanDecap => "vxlan_decap",
            Self::ModifyField { .. } => "modify_field",
        }
    }
    /// Whether it decides what becomes of the packet. A rule has exactly one such action.
    pub fn is_fate(&self) -> bool {
        matches!(
            self,
            Self::Drop
                | Self::Queue { .. }
                | Self::Rss { .. }
                | Self::Jump { .. }
                | Self::RepresentedPort { .. }
        )
    }
    /// Whether it changes the packet.
    pub fn is_modification(&self) -> bool {
        !self.is_fate()
            && !matches!(
                self,
                Self::Count { .. } | Self::Mark { .. } | Self::SetMeta { .. } | Self::SetTag { .. }
            )
    }
}

/// One flow rule, for ingress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its group. Packets start in group 0.
    pub group: u32,
    /// Its priority: 0 is looked at first.
    pub priority: u32,
    /// Headers from the outermost on; what follows the last item does not matter.
    pub pattern: Vec<Item>,
    /// Actions, run in order; exactly one decides the packet's fate.
    pub actions: Vec<Action>,
    /// For a rule that drops: the number of the drop reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_reason: Option<u16>,
}

/// What a hardware counter stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CounterUse {
    /// The `identifier` of the COUNT action.
    pub identifier: u32,
    /// Name of the program's counter.
    pub object: String,
    /// Its cell.
    pub cell: Cell,
    /// Bytes of each packet that the program does not count: the encapsulation.
    pub overhead: u32,
}

/// The rules of one NIC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// The NIC model for which they were made.
    pub model: String,
    /// The rules, by group, then priority.
    pub rules: Vec<Rule>,
    /// What the counters stand for. One identifier may stand for several cells, and one cell be
    /// counted by several identifiers; then the cell's count is their sum.
    pub counters: Vec<CounterUse>,
    /// Texts of the drop reasons by number.
    pub drop_reasons: BTreeMap<u16, String>,
    /// What the host's driver may insert while packets run, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<FlowRules>,
}
