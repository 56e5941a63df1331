//! A NIC that runs rules: groups, priorities, items with spec, mask and last, actions, counters.
//!
//! Rules are inserted one by one, as `rte_flow_create` does, and refused if the NIC model cannot
//! have them. Within a group the matching rule of the smallest priority number decides, of one
//! priority the rule that was inserted first. A packet that no rule of a group matches goes to the
//! host as it is.
//!
//! Rules are looked up by tuple space search (Srinivasan, Suri and Varghese, SIGCOMM 1999): rules
//! with the same items and masks share a hash table.

mod flows;
mod parse;
mod rewrite;
mod rss;

use crate::caps::Capabilities;
use crate::item::{ItemField, ItemKind};
use crate::rule::{Action, CounterUse, Item, Rule, RuleSet};
use parse::{Depth, Layer};
use std::collections::{BTreeMap, HashMap};
use trisect_ir::state::{Count, State};

pub use flows::{Change, FlowMatcher};

/// What is wrong with a rule, after `enum rte_flow_error_type`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// `RTE_FLOW_ERROR_TYPE_ATTR_GROUP`
    #[error("rule {0}: group {1} is beyond the NIC's {2} groups")]
    Group(usize, u32, u32),
    /// `RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY`
    #[error("rule {0}: priority {1} is beyond the NIC's {2} levels")]
    Priority(usize, u32, u32),
    /// `RTE_FLOW_ERROR_TYPE_ITEM`
    #[error("rule {0}: item `{1}` is not supported")]
    Item(usize, ItemKind),
    /// `RTE_FLOW_ERROR_TYPE_ITEM_SPEC`
    #[error("rule {0}: item `{1}`, field `{2}`: {3}")]
    Field(usize, ItemKind, String, &'static str),
    /// `RTE_FLOW_ERROR_TYPE_ITEM_NUM`
    #[error("rule {0}: the pattern has no items, or does not begin with `eth`")]
    Pattern(usize),
    /// `RTE_FLOW_ERROR_TYPE_ACTION`
    #[error("rule {0}: action `{1}`: {2}")]
    Action(usize, &'static str, &'static str),
    /// `RTE_FLOW_ERROR_TYPE_ACTION_NUM`
    #[error("rule {0}: {1} actions decide the packet's fate, it must be one, the last")]
    Fate(usize, usize),
    /// `RTE_FLOW_ERROR_TYPE_UNSPECIFIED`, ENOSPC
    #[error("rule {0}: the NIC has no room for more than {2} {1}")]
    Full(usize, &'static str, u32),
    /// There is no template table.
    #[error("the rules of this NIC have no template for rules that number flows")]
    NoTemplate,
    /// `RTE_FLOW_ERROR_TYPE_ACTION_CONF`, EEXIST or ENOENT
    #[error("number {0} {1}")]
    Number(u32, &'static str),
}

/// What became of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// To the host.
    Host {
        /// MARK, 0 if none was set.
        mark: u32,
        /// META, 0 if none was set.
        meta: u32,
        /// The receive queue.
        queue: u16,
        /// The hash that chose the queue, as the packet's descriptor has it; `None` if none did.
        hash: Option<u32>,
    },
    /// Dropped.
    Dropped {
        /// The number of the reason; 0 if the rule does not say.
        reason: u16,
        /// The rule, by position in the rule set; `None` for a packet that jumped too often.
        rule: Option<usize>,
    },
    /// Out of the port that this ethdev represents.
    Port(u16),
}

/// A field to look at: byte-free position, spec, mask, last.
#[derive(Clone, Copy, Debug)]
struct Check {
    item: usize,
    field: &'static ItemField,
    mask: u128,
    spec: u128,
    last: Option<u128>,
}

/// Rules of one group with the same items and masks.
#[derive(Clone, Debug)]
struct Template {
    items: Vec<ItemKind>,
    /// Per item: whether VLAN tags behind it are passed over.
    pass_tags: Vec<bool>,
    masks: Vec<(usize, &'static ItemField, u128)>,
    /// Smallest priority in it.
    best: u32,
    exact: HashMap<Vec<u128>, (u32, usize)>,
    /// Rules with ranges, tried one by one.
    ranged: Vec<(u32, usize, Vec<Check>)>,
}

/// A NIC with its rules.
#[derive(Clone, Debug)]
pub struct NicModel {
    caps: Capabilities,
    rules: Vec<Rule>,
    groups: BTreeMap<u32, Vec<Template>>,
    uses: Vec<CounterUse>,
    counts: BTreeMap<u32, Count>,
    drop_reasons: BTreeMap<u16, String>,
    drops: BTreeMap<u16, u64>,
    hits: Vec<u64>,
    inserted: flows::Inserted,
}

impl NicModel {
    /// A NIC of this model with these rules.
    ///
    /// # Errors
    /// The first rule that the NIC refuses.
    pub fn new(caps: &Capabilities, set: &RuleSet) -> Result<Self, RuleError> {
        let mut nic = Self {
            caps: caps.clone(),
            rules: Vec::new(),
            groups: BTreeMap::new(),
            uses: set.counters.clone(),
            counts: BTreeMap::new(),
            drop_reasons: set.drop_reasons.clone(),
            drops: BTreeMap::new(),
            hits: Vec::new(),
            inserted: flows::Inserted::default(),
        };
        for (n, rule) in set.rules.iter().enumerate() {
            let checks = nic.check(n, rule)?;
            nic.put(n, rule.clone());
            nic.index(n, rule, checks);
        }
        nic.take_template(set.flows.as_ref())?;
        Ok(nic)
    }

    /// What the NIC can do.
    pub fn capabilities(&self) -> &Capabilities {
        &self.caps
    }

    /// Whether the NIC can have the rule at this position.
    fn check(&mut self, n: usize, rule: &Rule) -> Result<Vec<Check>, RuleError> {
        let limits = &self.caps.limits;
        match (limits.rules, limits.groups, limits.priorities) {
            (Some(most), ..) if n as u64 >= u64::from(most) => {
                return Err(RuleError::Full(n, "rules", most));
            }
            (_, Some(most), _) if rule.group >= most => {
                return Err(RuleError::Group(n, rule.group, most));
            }
            (.., Some(most)) if rule.priority >= most => {
                return Err(RuleError::Priority(n, rule.priority, most));
            }
            _ => {}
        }
        let checks = self.checks(n, &rule.pattern)?;
        self.check_actions(n, rule)?;
        Ok(checks)
    }

    /// Puts a rule at a position, where it does nothing before it is indexed.
    fn put(&mut self, n: usize, rule: Rule) {
        if n < self.rules.len() {
            self.rules[n] = rule;
            self.hits[n] = 0;
        } else {
            self.rules.push(rule);
            self.hits.push(0);
        }
    }

    fn checks(&self, n: usize, pattern: &[Item]) -> Result<Vec<Check>, RuleError> {
        if pattern.first().map(|i| i.kind) != Some(ItemKind::Eth) {
            return Err(RuleError::Pattern(n));
        }
        let mut out = Vec::new();
        for (index, item) in pattern.iter().enumerate() {
            let kind = item.kind;
            if !self.caps.has_item(kind) {
                return Err(RuleError::Item(n, kind));
            }
            let bad = |field: &str, why| Err(RuleError::Field(n, kind, field.to_owned(), why));
            for name in item.spec.keys().chain(item.last.keys()) {
                if !item.mask.contains_key(name) {
                    return bad(name, "has no mask");
                }
            }
            for (name, mask) in &item.mask {
                let Some(field) = kind.field(name) else {
                    return bad(name, "is not a field of the item");
                };
                if kind == ItemKind::Nsh && !self.caps.matching.nsh_fields {
                    return bad(name, "fields of NSH are not supported");
                }
                let spec = item.spec.get(name).map_or(0, |v| v.0);
                let last = item.last.get(name).map(|v| v.0);
                if (mask.0 | spec | last.unwrap_or(0)) & !field.full() != 0 {
                    return bad(name, "is wider than the field");
                }
                if last.is_some() && !self.caps.matching.ranges {
                    return bad(name, "ranges are not supported");
                }
                if last.is_some_and(|last| last & mask.0 < spec & mask.0) {
                    return bad(name, "its range ends before it begins");
                }
                out.push(Check {
                    item: index,
                    field,
                    mask: mask.0,
                    spec: spec & mask.0,
                    last: last.map(|l| l & mask.0),
                });
            }
        }
        Ok(out)
    }

    fn check_actions(&mut self, n: usize, rule: &Rule) -> Result<(), RuleError> {
        let fates = rule.actions.iter().filter(|a| a.is_fate()).count();
        if fates != 1 || !rule.actions.last().is_some_and(Action::is_fate) {
            return Err(RuleError::Fate(n, fates));
        }
        for action in &rule.actions {
            let bad = |why| Err(RuleError::Action(n, action.name(), why));
            if !self.caps.has_action(action) {
                return bad("is not supported");
            }
            let changes = action.is_modification()
                || matches!(action, Action::SetMeta { .. } | Action::SetTag { .. });
            if changes && rule.group == 0 && !self.caps.actions.modify_in_group_0 {
                return bad("is not supported in group 0");
            }
            match action {
                Action::Jump { group } if *group <= rule.group => {
                    return bad("the group is not behind the rule's own");
                }
                Action::Jump { group } if self.caps.limits.groups.is_some_and(|g| *group >= g) => {
                    return bad("there is no such group");
                }
                Action::VxlanEncap { headers } if headers.len() != rewrite::VXLAN_HEADERS => {
                    return bad("the headers are not Ethernet, IPv4, UDP and VXLAN");
                }
                Action::Rss { queues, .. } if queues.is_empty() => {
                    return bad("there are no queues");
                }
                Action::Rss { queues, key } if !key.is_empty() => match self.caps.rss {
                    None => return bad("the NIC takes no key"),
                    Some(rss) if key.len() != usize::from(rss.key_bytes) => {
                        return bad("the key does not have the NIC's length");
                    }
                    Some(rss) if queues.len() != usize::from(rss.table) => {
                        return bad("the redirection table does not have the NIC's size");
                    }
                    Some(_) => {}
                },
                Action::Count { identifier } => {
                    self.counts.entry(*identifier).or_default();
                    if let Some(most) = self.caps.limits.counters
                        && self.counts.len() as u64 > u64::from(most)
                    {
                        return Err(RuleError::Full(n, "counters", most));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn index(&mut self, n: usize, rule: &Rule, checks: Vec<Check>) {
        let templates = self.groups.entry(rule.group).or_default();
        let known = templates.iter().position(|t| t.is_of(rule, &checks));
        let at = match known {
            Some(at) if templates[at].best <= rule.priority => at,
            // Templates are in the order of their best priorities.
            other => {
                let mut template = match other {
                    Some(at) => templates.remove(at),
                    None => Template::new(&rule.pattern, &checks, rule.priority),
                };
                template.best = rule.priority;
                let at = templates.partition_point(|t| t.best <= rule.priority);
                templates.insert(at, template);
                at
            }
        };
        let template = &mut templates[at];
        let here = (rule.priority, n);
        if checks.iter().any(|c| c.last.is_some()) {
            template.ranged.push((rule.priority, n, checks));
        } else {
            let key = checks.iter().map(|c| c.spec).collect();
            let slot = template.exact.entry(key).or_insert(here);
            *slot = (*slot).min(here);
        }
    }

    /// Processes one frame; it is changed as the rules say.
    pub fn receive(&mut self, frame: &mut Vec<u8>) -> Verdict {
        let depth = Depth::of(&self.caps);
        let arrived = frame.len() as u64;
        let mut layers = parse::parse(frame, depth);
        let (mut mark, mut meta, mut group) = (0, 0, 0);
        for _ in 0..=self.caps.limits.max_jumps {
            let Some(at) = self.find(group, frame, &layers) else {
                return Verdict::Host {
                    mark,
                    meta,
                    queue: 0,
                    hash: None,
                };
            };
            self.hits[at] += 1;
            let rule = &self.rules[at];
            let mut jump = None;
            for action in &rule.actions {
                match action {
                    Action::Count { identifier } => {
                        let count = self.counts.entry(*identifier).or_default();
                        count.packets = count.packets.wrapping_add(1);
                        count.bytes = count.bytes.wrapping_add(arrived);
                    }
                    Action::Mark { id } => mark = *id,
                    Action::SetMeta { data, mask } => meta = meta & !mask | data & mask,
                    // No item looks at tags: they are for rules of other origin.
                    Action::SetTag { .. } => {}
                    Action::Queue { index } => {
                        return Verdict::Host {
                            mark,
                            meta,
                            queue: *index,
                            hash: None,
                        };
                    }
                    Action::Rss { queues, key } => {
                        let keyed = !key.is_empty();
                        let hash = keyed.then(|| rss::hash(frame, &layers, key)).flatten();
                        let entry = hash.unwrap_or(0) as usize % queues.len();
                        return Verdict::Host {
                            mark,
                            meta,
                            queue: queues.get(entry).copied().unwrap_or(0),
                            hash,
                        };
                    }
                    Action::Drop => {
                        let reason = rule.drop_reason.unwrap_or(0);
                        *self.drops.entry(reason).or_default() += 1;
                        return Verdict::Dropped {
                            reason,
                            rule: Some(at),
                        };
                    }
                    Action::RepresentedPort { ethdev_port_id } => {
                        return Verdict::Port(*ethdev_port_id);
                    }
                    Action::Jump { group } => jump = Some(*group),
                    change => {
                        if rewrite::apply(change, frame, &layers) {
                            layers = parse::parse(frame, depth);
                        }
                    }
                }
            }
            // The last action of a rule decides; here it was a jump.
            group = jump.unwrap_or(group);
        }
        *self.drops.entry(0).or_default() += 1;
        Verdict::Dropped {
            reason: 0,
            rule: None,
        }
    }

    /// The rule of a group that decides.
    fn find(&self, group: u32, frame: &[u8], layers: &[Layer]) -> Option<usize> {
        let mut best: Option<(u32, usize)> = None;
        for template in self.groups.get(&group)? {
            if best.is_some_and(|(priority, _)| priority < template.best) {
                break;
            }
            if let Some(found) = template.find(frame, layers) {
                best = Some(best.map_or(found, |b| b.min(found)));
            }
        }
        best.map(|(_, rule)| rule)
    }

    /// The counters, as the program knows them, in canonical form.
    pub fn state(&self) -> State {
        let mut state = State::default();
        for used in &self.uses {
            let count = self.counts.get(&used.identifier).copied();
            let Some(count) = count.filter(|c| *c != Count::default()) else {
                continue;
            };
            let cells = state.counters.entry(used.object.clone()).or_default();
            let cell = cells.entry(used.cell.clone()).or_default();
            let overhead = count.packets.wrapping_mul(u64::from(used.overhead));
            cell.packets = cell.packets.wrapping_add(count.packets);
            cell.bytes = cell.bytes.wrapping_add(count.bytes.wrapping_sub(overhead));
        }
        state
    }

    /// Dropped packets by reason, with the reasons' numbers.
    pub fn drops(&self) -> &BTreeMap<u16, u64> {
        &self.drops
    }

    /// The text of a drop reason.
    pub fn drop_reason(&self, number: u16) -> &str {
        self.drop_reasons
            .get(&number)
            .map_or("no reason given", String::as_str)
    }

    /// How often each rule matched, by position in the rule set.
    pub fn hits(&self) -> &[u64] {
        &self.hits
    }
}

/// Whether VLAN tags behind an item are passed over, see [`ItemKind::Eth`].
fn passes_tags(item: &Item) -> bool {
    match item.kind {
        ItemKind::Eth => !item.mask.contains_key("type"),
        ItemKind::Vlan => !item.mask.contains_key("inner_type"),
        _ => false,
    }
}

impl Template {
    /// For rules with this pattern, whatever its values.
    fn new(pattern: &[Item], checks: &[Check], best: u32) -> Self {
        Self {
            pass_tags: pattern.iter().map(passes_tags).collect(),
            items: pattern.iter().map(|i| i.kind).collect(),
            masks: checks.iter().map(|c| (c.item, c.field, c.mask)).collect(),
            best,
            exact: HashMap::new(),
            ranged: Vec::new(),
        }
    }

    /// Whether a rule has its pattern.
    fn is_of(&self, rule: &Rule, checks: &[Check]) -> bool {
        let items = rule.pattern.iter().map(|i| i.kind);
        let masks = checks.iter().map(|c| (c.item, c.field, c.mask));
        self.items.iter().copied().eq(items) && self.masks.iter().copied().eq(masks)
    }

    /// What the frame has where the rules have values, if it has the headers.
    fn values(&self, frame: &[u8], layers: &[Layer]) -> Option<Vec<u128>> {
        let offsets = self.align(layers)?;
        let mut values = Vec::with_capacity(self.masks.len());
        for (item, field, mask) in &self.masks {
            values.push(read(frame, offsets[*item], field)? & mask);
        }
        Some(values)
    }

    fn find(&self, frame: &[u8], layers: &[Layer]) -> Option<(u32, usize)> {
        let values = self.values(frame, layers)?;
        let exact = self.exact.get(&values).copied();
        let ranged = self
            .ranged
            .iter()
            .filter(|(.., checks)| {
                checks.iter().zip(&values).all(|(check, value)| {
                    (check.spec..=check.last.unwrap_or(check.spec)).contains(value)
                })
            })
            .map(|(priority, rule, _)| (*priority, *rule))
            .min();
        exact.into_iter().chain(ranged).min()
    }

    /// Where the items' headers begin, if the packet has them in this order.
    fn align(&self, layers: &[Layer]) -> Option<Vec<usize>> {
        let mut offsets = Vec::with_capacity(self.items.len());
        let mut rest = layers.iter().peekable();
        for (index, kind) in self.items.iter().enumerate() {
            let may_pass = index > 0 && self.pass_tags[index - 1] && *kind != ItemKind::Vlan;
            while may_pass && rest.peek().is_some_and(|l| l.kind == ItemKind::Vlan) {
                rest.next();
            }
            let layer = rest.next().filter(|l| l.kind == *kind)?;
            offsets.push(layer.at);
        }
        Some(offsets)
    }
}

/// A field of the header at `at`.
fn read(frame: &[u8], at: usize, field: &ItemField) -> Option<u128> {
    let first = at + field.bit as usize / 8;
    let end = at + ((field.bit + field.width).div_ceil(8)) as usize;
    let value = frame
        .get(first..end)?
        .iter()
        .fold(0u128, |all, b| all << 8 | u128::from(*b));
    let below = (end - at) as u32 * 8 - field.bit - field.width;
    Some(value >> below & field.full())
}
