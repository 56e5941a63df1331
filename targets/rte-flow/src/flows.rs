//! Numbers for flows: rules that the host's driver inserts while packets run, each of which gives the packets of one flow
//! a number.
//!
//! Packets go to the host as they would without these rules, in the same order; the number tells the host where it found
//! the flow's entries before. Open vSwitch with DPDK uses MARK this way (partial offload). What a NIC needs is made once:
//! a template of patterns, an action with a number to fill in, and a table for so many rules, after rte_flow's
//! asynchronous interface (`rte_flow_template_table_create`, `rte_flow_async_create`).

use crate::ItemKind;
use crate::caps::Capabilities;
use crate::lower::deepest;
use crate::refuse::Why;
use crate::rule::{Action, Item, Rule, RuleSet, Value};
use crate::sampling::PLAIN_QUEUE;
use serde::{Deserialize, Serialize};

/// Where a flow's number comes to the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// In MARK.
    Mark,
    /// In META.
    Meta,
}

/// What the driver may insert rules for, and what they do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowRules {
    /// The group of all of them; their priority is 0.
    pub group: u32,
    /// Patterns without values: a rule has a value for every field that has a mask.
    pub patterns: Vec<Vec<Item>>,
    /// What carries the number.
    pub carrier: Carrier,
    /// How a packet is delivered to the host afterwards.
    pub fate: Action,
    /// Most rules at a time. Numbers are from 1 to this.
    pub most: u32,
}

/// A flow as a rule names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Which of the patterns.
    pub pattern: usize,
    /// The values of the fields with masks, by item, then by field name.
    pub values: Vec<u128>,
}

impl FlowRules {
    /// The rule that gives a flow a number.
    pub fn rule(&self, flow: &Flow, number: u32) -> Rule {
        let mut pattern = self.patterns.get(flow.pattern).cloned().unwrap_or_default();
        let mut values = flow.values.iter();
        for item in &mut pattern {
            for name in item.mask.keys() {
                let value = values.next().copied().unwrap_or(0);
                item.spec.insert(name.clone(), Value(value));
            }
        }
        let carry = match self.carrier {
            Carrier::Mark => Action::Mark { id: number },
            Carrier::Meta => Action::SetMeta {
                data: number,
                mask: u32::MAX,
            },
        };
        Rule {
            group: self.group,
            priority: 0,
            pattern,
            actions: vec![carry, self.fate.clone()],
            drop_reason: None,
        }
    }
}

/// Rules and a group that are left to those that tell sampled packets apart.
const FOR_SAMPLING: u32 = 2;

/// The same rules, with room for numbers of up to `most` flows where they deliver to the host: nothing else of them
/// changes. A set without rules is that of a NIC which passes everything on.
///
/// # Errors
/// What the NIC lacks for it.
pub fn with_numbers(rules: &RuleSet, caps: &Capabilities, most: u32) -> Result<RuleSet, Why> {
    let patterns = patterns(caps)?;
    let carrier = carrier(rules, caps)?;
    let deliver = Action::Queue { index: PLAIN_QUEUE };
    if !caps.has_action(&deliver) {
        return Err(Why::ActionMissing(deliver.name().to_owned()));
    }
    let levels = caps.limits.priorities;
    if let Some(levels) = levels.filter(|levels| *levels < 2) {
        return Err(Why::Limit("priority levels", 2, levels.into()));
    }
    let mut out = rules.clone();
    let catch_all = |group, priority, action: Action| Rule {
        group,
        priority,
        pattern: vec![Item::any(ItemKind::Eth)],
        actions: vec![action],
        drop_reason: None,
    };
    let in_group_0 = carrier == Carrier::Mark || caps.actions.modify_in_group_0;
    let group = match rules.rules.iter().map(|rule| rule.group).max() {
        None => u32::from(!in_group_0),
        Some(last) => last + 1,
    };
    let jump = Action::Jump { group };
    if rules.rules.is_empty() {
        out.model.clone_from(&caps.name);
        if group > 0 {
            out.rules.push(catch_all(0, 0, jump.clone()));
        }
    }
    for action in out.rules.iter_mut().flat_map(|rule| &mut rule.actions) {
        if *action == deliver {
            *action = jump.clone();
        }
    }
    out.rules.push(catch_all(group, 1, deliver.clone()));
    if group > 0 && !caps.has_action(&jump) {
        return Err(Why::ActionMissing(jump.name().to_owned()));
    }
    // One group more for sampling.
    let groups = group + 2;
    if let Some(limit) = caps.limits.groups.filter(|limit| *limit < groups) {
        return Err(Why::Limit("groups", groups.into(), limit.into()));
    }
    let jumps = deepest(&out) + 1;
    if jumps > caps.limits.max_jumps {
        let most = caps.limits.max_jumps.into();
        return Err(Why::Limit("jumps for one packet", jumps.into(), most));
    }
    let used = out.rules.len() as u64 + u64::from(FOR_SAMPLING);
    let room = match caps.limits.rules {
        Some(limit) => u64::from(limit).saturating_sub(used),
        None => u64::from(u32::MAX),
    };
    if room == 0 {
        let limit = caps.limits.rules.unwrap_or(0);
        return Err(Why::Limit("rules", used + 1, limit.into()));
    }
    out.flows = Some(FlowRules {
        group,
        patterns,
        carrier,
        fate: deliver,
        most: u64::from(most).min(room) as u32,
    });
    Ok(out)
}

/// Addresses and ports of the packet in a frame from the switch, and the service path by which it came.
fn patterns(caps: &Capabilities) -> Result<Vec<Vec<Item>>, Why> {
    use ItemKind::{Eth, Ipv4, Ipv6, Nsh, Tcp, Udp};
    if !caps.has_item(Nsh) || !caps.matching.nsh_fields {
        return Err(Why::NshFields);
    }
    let lacks = |kinds: &[ItemKind]| kinds.iter().copied().find(|kind| !caps.has_item(*kind));
    if let Some(kind) = lacks(&[Eth]) {
        return Err(Why::ItemMissing(kind));
    }
    let whole = |kind: ItemKind, names: [&str; 2]| {
        names.into_iter().fold(Item::any(kind), |mut item, name| {
            let full = kind.field(name).map_or(0, |field| field.full());
            item.mask.insert(name.to_owned(), Value(full));
            item
        })
    };
    let mut path = Item::any(Nsh);
    path.mask.insert("spi".to_owned(), Value(0xff_ffff));
    let stacks = [(Ipv4, Tcp), (Ipv4, Udp), (Ipv6, Tcp), (Ipv6, Udp)];
    let able = stacks
        .iter()
        .filter(|(ip, transport)| lacks(&[*ip, *transport]).is_none());
    let patterns: Vec<Vec<Item>> = able
        .map(|(ip, transport)| {
            let (ip, transport) = (
                whole(*ip, ["src", "dst"]),
                whole(*transport, ["src", "dst"]),
            );
            vec![Item::any(Eth), path.clone(), Item::any(Eth), ip, transport]
        })
        .collect();
    match patterns.is_empty() {
        true => Err(Why::ItemMissing(lacks(&[Ipv4, Tcp, Udp]).unwrap_or(Ipv4))),
        false => Ok(patterns),
    }
}

/// What the rules do not use to tell the host something else. MARK can be set in any group.
fn carrier(rules: &RuleSet, caps: &Capabilities) -> Result<Carrier, Why> {
    let set = |name: &str| {
        let mut actions = rules.rules.iter().flat_map(|rule| &rule.actions);
        actions.any(|action| action.name() == name)
    };
    let has = |name: &str| caps.actions.names.iter().any(|known| known == name);
    match (has("mark"), set("mark"), has("set_meta"), set("set_meta")) {
        (true, false, ..) => Ok(Carrier::Mark),
        (.., true, false) => Ok(Carrier::Meta),
        (false, ..) => Err(Why::ActionMissing("mark".to_owned())),
        (.., false, _) => Err(Why::ActionMissing("set_meta".to_owned())),
        _ => Err(Why::CarriersTaken),
    }
}
