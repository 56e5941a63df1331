//! Rules as lines for testpmd (DPDK's test application): `flow create 0 group G ...`.

use crate::flows::{Carrier, FlowRules};
use crate::item::{ItemField, ItemKind, Notation};
use crate::rule::{Action, Item, Rule, RuleSet};
use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

/// All rules, one a line, after a comment that says what they are for.
///
/// Behind them stands the template for rules that are inserted while packets run, if there is one; a driver inserts with
/// `flow queue 0 create 0 template_table 0 pattern_template P actions_template 0 postpone no pattern ... actions ...`.
///
/// Two things that testpmd's `flow create` has no words for are written otherwise than in the data:
/// fields of `nsh` become an item `raw` behind `eth` (a masked byte string at an offset), and the
/// headers of `vxlan_encap` stand in lines `set vxlan ...` of their own.
pub fn render(set: &RuleSet) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "# rte_flow rules for NIC model {}", set.model);
    for rule in &set.rules {
        out.push_str(&line(rule));
        out.push('\n');
    }
    if let Some(flows) = &set.flows {
        out.push_str(&template(flows));
    }
    out
}

/// What the host's driver inserts rules by, with the line that inserts one.
fn template(flows: &FlowRules) -> String {
    let mut out = String::from(
        "# rules that number flows, which the host's driver inserts while packets run\n",
    );
    let (carry, mask) = match flows.carrier {
        Carrier::Mark => (Action::Mark { id: 0 }, "mark"),
        Carrier::Meta => {
            let mask = u32::MAX;
            (Action::SetMeta { data: 0, mask }, "set_meta")
        }
    };
    let mut patterns = String::new();
    for (id, pattern) in flows.patterns.iter().enumerate() {
        let items: Vec<String> = pattern.iter().map(masked).collect();
        let items = items.join(" /");
        let _ = writeln!(
            out,
            "flow pattern_template 0 create ingress pattern_template_id {id} relaxed no template{items} / end",
        );
        let _ = write!(patterns, " pattern_template {id}");
    }
    let fate = action_text(&flows.fate);
    let _ = writeln!(
        out,
        "flow actions_template 0 create ingress actions_template_id 0 template {} / {fate} / end mask {mask} / {fate} / end",
        action_text(&carry),
    );
    let _ = writeln!(
        out,
        "flow template_table 0 create table_id 0 group {} priority 0 ingress rules_number {}{patterns} \
         actions_template 0",
        flows.group, flows.most,
    );
    out
}

/// An item whose values are filled in later.
fn masked(item: &Item) -> String {
    if item.kind == ItemKind::Nsh && !item.mask.is_empty() {
        return raw_text(item);
    }
    let mut out = format!(" {}", item.kind);
    for (name, mask) in &item.mask {
        if let Some(field) = item.kind.field(name) {
            let _ = write!(out, " {name} mask {}", value_text(field, mask.0));
        }
    }
    out
}

/// One rule.
pub fn line(rule: &Rule) -> String {
    let mut out = format!(
        "flow create 0 group {} priority {} ingress pattern",
        rule.group, rule.priority
    );
    for item in &rule.pattern {
        out.push_str(&item_text(item));
        out.push_str(" /");
    }
    out.push_str(" end actions");
    for action in &rule.actions {
        let _ = write!(out, " {} /", action_text(action));
    }
    out.push_str(" end");
    out
}

fn item_text(item: &Item) -> String {
    if item.kind == ItemKind::Nsh && !item.mask.is_empty() {
        return raw_text(item);
    }
    let mut out = format!(" {}", item.kind);
    for (name, mask) in &item.mask {
        let Some(field) = item.kind.field(name) else {
            continue;
        };
        let spec = item.spec.get(name).map_or(0, |v| v.0);
        let last = item.last.get(name).map(|v| v.0);
        let value = |v| value_text(field, v);
        if mask.0 == field.full() && last.is_none() {
            let _ = write!(out, " {name} is {}", value(spec));
        } else {
            let _ = write!(out, " {name} spec {}", value(spec));
            if let Some(last) = last {
                let _ = write!(out, " {name} last {}", value(last));
            }
            let _ = write!(out, " {name} mask {}", value(mask.0));
        }
    }
    out
}

/// The base header of NSH as masked bytes behind the Ethernet header, as far as the mask goes.
fn raw_text(item: &Item) -> String {
    let (mut spec, mut mask) = ([0u8; 8], [0u8; 8]);
    for (name, care) in &item.mask {
        if let Some(field) = item.kind.field(name) {
            put(&mut spec, field, item.spec.get(name).map_or(0, |v| v.0));
            put(&mut mask, field, care.0);
        }
    }
    let first = mask.iter().position(|b| *b != 0).unwrap_or(0);
    let end = mask.iter().rposition(|b| *b != 0).map_or(first, |i| i + 1);
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    format!(
        " raw relative is 1 search is 0 offset is {first} limit is 0 pattern_hex spec {} pattern_hex \
         mask {}",
        hex(&spec[first..end]),
        hex(&mask[first..end]),
    )
}

fn put(bytes: &mut [u8; 8], field: &ItemField, value: u128) {
    let shift = 64 - field.bit - field.width;
    let word = u64::from_be_bytes(*bytes) | (value as u64) << shift;
    *bytes = word.to_be_bytes();
}

fn value_text(field: &ItemField, value: u128) -> String {
    match field.notation {
        Notation::Number => value.to_string(),
        Notation::Mac => mac(value),
        Notation::Ipv4 => ipv4(value),
        Notation::Ipv6 => ipv6(value),
    }
}

fn mac(value: u128) -> String {
    (0..6)
        .rev()
        .map(|i| format!("{:02x}", (value >> (i * 8)) as u8))
        .collect::<Vec<_>>()
        .join(":")
}

fn ipv4(value: u128) -> String {
    Ipv4Addr::from_bits(value as u32).to_string()
}

fn ipv6(value: u128) -> String {
    Ipv6Addr::from_bits(value).to_string()
}

fn action_text(action: &Action) -> String {
    let name = action.name();
    match action {
        Action::Drop | Action::DecTtl | Action::OfPopVlan | Action::VxlanDecap => name.to_owned(),
        Action::VxlanEncap { .. } => name.to_owned(),
        Action::Count { identifier } => format!("{name} identifier {identifier}"),
        Action::Mark { id } => format!("{name} id {id}"),
        Action::SetMeta { data, mask } => format!("{name} data {data} mask {mask}"),
        Action::SetTag { index, data, mask } => {
            format!("{name} data {data} index {index} mask {mask}")
        }
        Action::Queue { index } => format!("{name} index {index}"),
        Action::Rss { queues, key } => {
            let queues: Vec<String> = queues.iter().map(u16::to_string).collect();
            let queues = queues.join(" ");
            if key.is_empty() {
                return format!("{name} queues {queues} end");
            }
            let digits: String = key.iter().map(|b| format!("{b:02x}")).collect();
            let length = key.len();
            format!(
                "{name} func toeplitz level 0 types ip tcp udp end key {digits} key_len {length} queues \
                 {queues} end"
            )
        }
        Action::Jump { group } => format!("{name} group {group}"),
        Action::RepresentedPort { ethdev_port_id } => {
            format!("{name} ethdev_port_id {ethdev_port_id}")
        }
        Action::SetMacSrc { mac_addr } | Action::SetMacDst { mac_addr } => {
            format!("{name} mac_addr {}", mac(mac_addr.0))
        }
        Action::SetIpv4Src { ipv4_addr } | Action::SetIpv4Dst { ipv4_addr } => {
            format!("{name} ipv4_addr {}", ipv4(ipv4_addr.0))
        }
        Action::SetIpv6Src { ipv6_addr } | Action::SetIpv6Dst { ipv6_addr } => {
            format!("{name} ipv6_addr {}", ipv6(ipv6_addr.0))
        }
        Action::SetTpSrc { port } | Action::SetTpDst { port } => format!("{name} port {port}"),
        Action::SetTtl { ttl_value } => format!("{name} ttl_value {ttl_value}"),
        Action::SetIpv4Dscp { dscp_value } | Action::SetIpv6Dscp { dscp_value } => {
            format!("{name} dscp_value {dscp_value}")
        }
        Action::OfPushVlan { ethertype } => format!("{name} ethertype {ethertype}"),
        Action::OfSetVlanVid { vlan_vid } => format!("{name} vlan_vid {vlan_vid}"),
        Action::OfSetVlanPcp { vlan_pcp } => format!("{name} vlan_pcp {vlan_pcp}"),
        Action::ModifyField { dst, level, value } => format!(
            "{name} op set dst_type {} dst_level {level} src_type value src_value {:012x} width 48",
            dst.name(),
            value.0
        ),
    }
}
