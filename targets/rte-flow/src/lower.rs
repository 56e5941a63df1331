//! Decision lists as rules: headers are laid out, groups numbered, limits looked at.

use crate::caps::{COUNTERS, Capabilities};
use crate::decide::{Choice, List};
use crate::refuse::{Answer, Why};
use crate::rule::{Action, CounterUse, Item, Rule, RuleSet, Value};
use crate::shape::{Facts, Shapes, Std, item_of, set, std_named};
use crate::symbolic::Known;
use crate::walk::{Counted, Fate, Leaf, Walker};
use crate::{ItemKind, shape};
use std::collections::{BTreeMap, HashMap};
use trisect_ir::{Entity, FieldRef, NodeId, Program};
use trisect_target::{Resources, resource, wire};

/// More rules than this are not made, whatever the model says.
const MOST_RULES: usize = 4_000_000;
/// More groups than this are not made, whatever the model says.
const MOST_GROUPS: usize = 65_536;

/// Makes the rules of a NIC's piece.
///
/// # Errors
/// Why the piece, or one of its nodes, cannot become rules of this NIC.
pub fn lower(program: &Program, caps: &Capabilities) -> Answer<RuleSet> {
    let shapes = Shapes::new();
    let walker = Walker::new(program, caps, &shapes);
    let Some(entry) = program.control.entry else {
        return Ok(RuleSet::default());
    };
    check_headers(program)?;
    let mut out = Emitter {
        walker: &walker,
        groups: HashMap::new(),
        waiting: Vec::new(),
        set: RuleSet {
            model: caps.name.clone(),
            drop_reasons: drop_reasons(program),
            ..RuleSet::default()
        },
        counters: Vec::new(),
    };
    out.root(entry)?;
    let mut at = 0;
    while let Some((node, known)) = out.waiting.get(at).cloned() {
        at += 1;
        let list = walker.group(node, &known)?;
        out.rules(at as u32, &list, known.facts)
            .map_err(|why| why.at(node))?;
    }
    let mut set = out.set;
    forward(&mut set);
    limits(&set, caps)?;
    Ok(set)
}

/// What the rules use.
pub fn uses(set: &RuleSet) -> Resources {
    let groups = set.rules.iter().map(|r| r.group + 1).max().unwrap_or(0);
    let counters = set.counters.iter().map(|c| c.identifier + 1).max();
    Resources::new()
        .with(resource::RULES, set.rules.len() as u64)
        .with(resource::GROUPS, u64::from(groups))
        .with(COUNTERS, u64::from(counters.unwrap_or(0)))
}

/// How many rules, and counters, one node of an uncut program would need.
///
/// # Errors
/// Why it cannot become rules.
pub fn estimate(program: &Program, caps: &Capabilities, node: NodeId) -> Answer<Resources> {
    check_headers(program)?;
    let shapes = Shapes::new();
    let walker = Walker::trial(program, caps, &shapes);
    let list = walker.group(node, &walker.start())?;
    let mut rules = 0u64;
    let mut counts: Vec<&Counted> = Vec::new();
    let mut ways: HashMap<(u64, Facts), u64> = HashMap::new();
    for choice in &list.0 {
        let need = needed(&walker, choice)?;
        let key = (need, choice.cube.facts);
        if let Some(n) = ways.get(&key) {
            rules += n;
        } else {
            let stacks = shapes.stacks(need, choice.cube.facts);
            check_stacks(&shapes, caps, &stacks)?;
            ways.insert(key, stacks.len() as u64);
            rules += stacks.len() as u64;
        }
        for field in choice.cube.fields.keys() {
            item_field(&walker, *field)?;
        }
        check_actions(caps, &choice.out)?;
        counts.extend(&choice.out.counts);
    }
    counts.sort();
    counts.dedup();
    // The end of a run needs no group of its own.
    let groups = u64::from(list.0.len() > 1);
    Ok(Resources::new()
        .with(resource::RULES, rules)
        .with(resource::GROUPS, groups)
        .with(COUNTERS, counts.len() as u64))
}

/// A header with the name of a standard one must be one, and be found like one: the NIC's parser knows no
/// other.
fn check_headers(program: &Program) -> Answer<()> {
    let known = shape::standard_headers(program);
    for (id, header) in program.headers.iter() {
        if std_named(&header.name).is_some() && !known.contains_key(&id) {
            return Err(Why::Nonstandard(format!("header `{}`", header.name)));
        }
    }
    for state in program.parser.states.values() {
        for op in &state.ops {
            if let Some(header) = op.written_header() {
                let name = &program.headers[header].name;
                return Err(Why::Nonstandard(format!("parser that writes `{name}`")));
            }
        }
    }
    match shape::strange_parser(program) {
        Some(what) => Err(Why::Nonstandard(what)),
        None => Ok(()),
    }
}

fn drop_reasons(program: &Program) -> BTreeMap<u16, String> {
    program
        .drop_reasons
        .iter()
        .filter_map(|(id, text)| Some((u16::try_from(id.number()).ok()?, text.clone())))
        .collect()
}

struct Emitter<'a> {
    walker: &'a Walker<'a>,
    groups: HashMap<(NodeId, Known), u32>,
    /// Group number less one is the position.
    waiting: Vec<(NodeId, Known)>,
    set: RuleSet,
    counters: Vec<Vec<Counted>>,
}

impl Emitter<'_> {
    /// Group 0: frames with NSH go to the group of the entry, all others to the host.
    fn root(&mut self, entry: NodeId) -> Answer<()> {
        let nsh = std_named(wire::NSH).map_or(0, set);
        let mut without = self.walker.start();
        without.facts.no = nsh;
        let left_alone = self.walker.group(entry, &without)?;
        let untouched = |leaf: &Leaf| {
            leaf.changes.is_empty()
                && leaf.counts.is_empty()
                && leaf.fate == Fate::Host { mark: 0, meta: 0 }
        };
        if !matches!(left_alone.0.as_slice(), [only] if untouched(&only.out)) {
            return Err(Why::WithoutNsh);
        }
        if !self.walker.caps.has_item(ItemKind::Nsh) || !self.walker.caps.matching.nsh_fields {
            return Err(Why::NshFields);
        }
        let mut with = self.walker.start();
        with.facts.yes = nsh;
        let group = self.group_of(entry, with);
        let eth = Item::any(ItemKind::Eth);
        let typed = eth
            .clone()
            .with("type", u128::from(wire::ETHERTYPE_NSH), 0xffff);
        self.set.rules.push(Rule {
            group: 0,
            priority: 0,
            pattern: vec![typed, Item::any(ItemKind::Nsh)],
            actions: vec![Action::Jump { group }],
            drop_reason: None,
        });
        self.set.rules.push(Rule {
            group: 0,
            priority: 1,
            pattern: vec![eth],
            actions: vec![Action::Queue { index: 0 }],
            drop_reason: None,
        });
        Ok(())
    }

    fn group_of(&mut self, node: NodeId, known: Known) -> u32 {
        let key = (node, known);
        if let Some(group) = self.groups.get(&key) {
            return *group;
        }
        self.waiting.push(key.clone());
        let group = self.waiting.len() as u32;
        self.groups.insert(key, group);
        group
    }

    fn rules(&mut self, group: u32, list: &List<Leaf>, facts: Facts) -> Answer<()> {
        let caps = self.walker.caps;
        for choice in &list.0 {
            check_actions(caps, &choice.out)?;
            let need = needed(self.walker, choice)?;
            let stacks = self
                .walker
                .shapes
                .stacks(need, facts.and(choice.cube.facts));
            check_stacks(self.walker.shapes, caps, &stacks)?;
            if stacks.is_empty() {
                continue;
            }
            let (actions, drop_reason) = self.actions(&choice.out);
            for stack in stacks {
                let rule = Rule {
                    group,
                    priority: choice.rank,
                    pattern: pattern(self.walker, &stack, choice)?,
                    actions: actions.clone(),
                    drop_reason,
                };
                self.set.rules.push(rule);
            }
            if self.set.rules.len() > MOST_RULES || self.waiting.len() > MOST_GROUPS {
                return Err(Why::Limit(
                    "rules or groups",
                    self.set.rules.len() as u64,
                    MOST_RULES as u64,
                ));
            }
        }
        Ok(())
    }

    fn actions(&mut self, leaf: &Leaf) -> (Vec<Action>, Option<u16>) {
        let mut out = leaf.changes.clone();
        if !leaf.counts.is_empty() {
            out.push(Action::Count {
                identifier: self.counter(&leaf.counts),
            });
        }
        match &leaf.fate {
            Fate::Goto(node, known) => {
                let group = self.group_of(*node, known.clone());
                out.push(Action::Jump { group });
                (out, None)
            }
            Fate::Host { mark, meta } => {
                if *mark != 0 {
                    out.push(Action::Mark { id: *mark });
                }
                if *meta != 0 {
                    out.push(Action::SetMeta {
                        data: *meta,
                        mask: u32::MAX,
                    });
                }
                out.push(Action::Queue { index: 0 });
                (out, None)
            }
            Fate::Drop(reason) => {
                out.push(Action::Drop);
                (out, Some(*reason))
            }
        }
    }

    /// The counter that stands for these cells.
    fn counter(&mut self, counts: &[Counted]) -> u32 {
        if let Some(at) = self.counters.iter().position(|c| c == counts) {
            return at as u32;
        }
        let identifier = self.counters.len() as u32;
        self.counters.push(counts.to_vec());
        for counted in counts {
            self.set.counters.push(CounterUse {
                identifier,
                object: self.walker.program.objects[counted.object].name.clone(),
                cell: counted.cell.clone(),
                overhead: counted.overhead,
            });
        }
        identifier
    }
}

/// The headers that a choice's patterns must name.
fn needed(walker: &Walker<'_>, choice: &Choice<Leaf>) -> Answer<u64> {
    let mut need = choice.cube.facts.yes | choice.out.need;
    for field in choice.cube.fields.keys() {
        match walker.headers.get(&field.header) {
            Some(std) => need |= set(*std),
            None => return Err(Why::NoItem(field.header)),
        }
    }
    Ok(need)
}

fn check_actions(caps: &Capabilities, leaf: &Leaf) -> Answer<()> {
    let lacks = |name: &str| !caps.actions.names.iter().any(|n| n == name);
    let need = |name: &str| match lacks(name) {
        true => Err(Why::ActionMissing(name.to_owned())),
        false => Ok(()),
    };
    leaf.changes.iter().try_for_each(|a| need(a.name()))?;
    if !leaf.counts.is_empty() {
        need("count")?;
    }
    match leaf.fate {
        Fate::Goto(..) => need("jump"),
        Fate::Drop(_) => need("drop"),
        Fate::Host { mark, meta } => {
            if mark != 0 {
                need("mark")?;
            }
            if meta != 0 {
                need("set_meta")?;
            }
            need("queue")
        }
    }
}

/// Whether the NIC sees all headers of these stacks where the program's parser does.
fn check_stacks(shapes: &Shapes, caps: &Capabilities, stacks: &[Vec<Std>]) -> Answer<()> {
    for stack in stacks {
        let kinds = || stack.iter().filter_map(|h| item_of(*h));
        if let Some(missing) = kinds().find(|kind| !caps.has_item(*kind)) {
            return Err(Why::ItemMissing(missing));
        }
        let mpls = kinds().filter(|k| *k == ItemKind::Mpls).count();
        if mpls > usize::from(caps.matching.max_mpls) {
            return Err(Why::Stack(ItemKind::Mpls, caps.matching.max_mpls));
        }
        if shapes.behind_ethernet(stack) && caps.matching.max_vlan < 3 {
            return Err(Why::Stack(ItemKind::Vlan, caps.matching.max_vlan));
        }
    }
    Ok(())
}

/// The item field that holds a field: its name, width, and how far the field's lowest bit lies above
/// the item field's.
fn item_field(walker: &Walker<'_>, field: FieldRef) -> Answer<(&'static str, u32)> {
    let std = walker
        .headers
        .get(&field.header)
        .ok_or(Why::NoItem(field.header))?;
    let kind = item_of(*std).ok_or(Why::NoItem(field.header))?;
    let bit = walker.program.header_type(field.header).offset(field.field);
    let width = walker.program.field_width(field);
    let found = kind.field_at(bit, width).ok_or(Why::NoField(field))?;
    Ok((found.name, found.bit + found.width - bit - width))
}

fn pattern(walker: &Walker<'_>, stack: &[Std], choice: &Choice<Leaf>) -> Answer<Vec<Item>> {
    let mut items = Vec::with_capacity(stack.len());
    for header in stack {
        if let Some(kind) = item_of(*header) {
            items.push(Item::any(kind));
        }
    }
    for (field, (value, mask)) in &choice.cube.fields {
        let (name, shift) = item_field(walker, *field)?;
        let at = walker
            .headers
            .get(&field.header)
            .and_then(|std| stack.iter().position(|h| h == std));
        let Some(item) = at.and_then(|at| items.get_mut(at)) else {
            return Err(Why::NoItem(field.header));
        };
        let number =
            |bits: &trisect_ir::Bits| u128::try_from(bits.value()).unwrap_or_default() << shift;
        let spec = item.spec.entry(name.to_owned()).or_insert(Value(0));
        spec.0 |= number(value);
        let care = item.mask.entry(name.to_owned()).or_insert(Value(0));
        care.0 |= number(mask);
    }
    Ok(items)
}

fn limits(set: &RuleSet, caps: &Capabilities) -> Answer<()> {
    let used = uses(set);
    for (name, text) in [
        (resource::RULES, "rules"),
        (resource::GROUPS, "groups"),
        (COUNTERS, "counters"),
    ] {
        let (needed, available) = (used.get(name).unwrap_or(0), caps.budget().get(name));
        if let Some(available) = available
            && needed > available
        {
            return Err(Why::Limit(text, needed, available));
        }
    }
    let levels = set.rules.iter().map(|r| r.priority + 1).max().unwrap_or(0);
    if let Some(most) = caps.limits.priorities
        && levels > most
    {
        return Err(Why::Limit("priority levels", levels.into(), most.into()));
    }
    let jumps = deepest(set);
    if jumps > caps.limits.max_jumps {
        return Err(Why::Limit(
            "jumps for one packet",
            jumps.into(),
            caps.limits.max_jumps.into(),
        ));
    }
    Ok(())
}

/// Numbers the groups so that every jump goes to a larger number, and sorts the rules.
fn forward(set: &mut RuleSet) {
    let mut next: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for rule in &set.rules {
        if let Some(Action::Jump { group }) = rule.actions.last() {
            next.entry(rule.group).or_default().push(*group);
        }
    }
    let mut order = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    finish(0, &next, &mut seen, &mut order);
    let numbers: BTreeMap<u32, u32> = order.iter().rev().copied().zip(0..).collect();
    let number = |group: u32| numbers.get(&group).copied().unwrap_or(group);
    for rule in &mut set.rules {
        rule.group = number(rule.group);
        if let Some(Action::Jump { group }) = rule.actions.last_mut() {
            *group = number(*group);
        }
    }
    set.rules.sort_by_key(|r| (r.group, r.priority));
}

/// Lists a group behind all groups that it jumps to.
fn finish(
    group: u32,
    next: &BTreeMap<u32, Vec<u32>>,
    seen: &mut std::collections::BTreeSet<u32>,
    order: &mut Vec<u32>,
) {
    if !seen.insert(group) {
        return;
    }
    for target in next.get(&group).into_iter().flatten() {
        finish(*target, next, seen, order);
    }
    order.push(group);
}

/// The longest chain of jumps. Groups come from an acyclic graph.
pub(crate) fn deepest(set: &RuleSet) -> u32 {
    let mut next: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for rule in &set.rules {
        for action in &rule.actions {
            if let Action::Jump { group } = action {
                let targets = next.entry(rule.group).or_default();
                if targets.last() != Some(group) {
                    targets.push(*group);
                }
            }
        }
    }
    let mut depth: BTreeMap<u32, u32> = BTreeMap::new();
    fn visit(group: u32, next: &BTreeMap<u32, Vec<u32>>, depth: &mut BTreeMap<u32, u32>) -> u32 {
        if let Some(known) = depth.get(&group) {
            return *known;
        }
        let below = next
            .get(&group)
            .into_iter()
            .flatten()
            .map(|g| visit(*g, next, depth) + 1)
            .max()
            .unwrap_or(0);
        depth.insert(group, below);
        below
    }
    visit(0, &next, &mut depth)
}

/// The name of a node, for errors.
pub fn node_name(program: &Program, node: Option<NodeId>) -> String {
    node.filter(|n| n.index() < program.control.nodes.len())
        .map_or_else(String::new, |n| program.control.nodes[n].name.clone())
}
