//! The nearest change after which a reason would not hold.

use super::{Context, WhyNot, longest};
use crate::cut::compare;
use crate::legal;
use crate::site::{Assignment, Site};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use trisect_ir::{Entity, KeySet, MatchKind, NodeId, NodeKind, Program, TableId};
use trisect_optimise::{Kind, Outcome, evaluate};
use trisect_target::{Device, Refusal, Resources, Shortage, Verdict, resource};

/// What less is taken than would just be as good, so that rounding does not decide.
const CLOSER: f64 = 1e-4;

/// What would help a node to be at a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fix {
    /// The nearest change of policy, program or rack after which the reason would not hold.
    Change(String),
    /// Why no change helps.
    Nothing(String),
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(change) => f.write_str(change),
            Self::Nothing(why) => write!(f, "none: {why}"),
        }
    }
}

impl Context<'_, '_> {
    /// For a reason that is a node's own; those of its group are found with them.
    pub(super) fn fix(&self, node: NodeId, site: Site, why: &WhyNot) -> Fix {
        match why {
            WhyNot::Unable(refusals) => self.able(node, site, refusals),
            WhyNot::Companion {
                node: name,
                refusals,
            } => self.companion_able(name, site, refusals),
            WhyNot::Full { .. } => self.make_room(node, site),
            other => Fix::Nothing(other.to_string()),
        }
    }

    /// What would make a device able to run a node.
    fn able(&self, node: NodeId, site: Site, refusals: &[Refusal]) -> Fix {
        // What the plan itself refuses depends on no model and no table.
        let of_device = |r: &Refusal| (400..500).contains(&r.code.0);
        if refusals.iter().all(of_device) {
            let device = self.machines.name(site);
            if let Some(model) = self.other_model(node, site) {
                return Fix::Change(format!("take model `{model}` for {device}"));
            }
            let change = self.smaller(node, site).or_else(|| self.exact(node, site));
            if let Some(change) = change {
                return Fix::Change(change);
            }
            if let Some(fix) = self.computed_elsewhere(node, site, refusals) {
                return fix;
            }
            let changes: Option<Vec<&str>> = refusals.iter().map(Refusal::change).collect();
            if let Some(changes) = changes.filter(|c| !c.is_empty()) {
                return Fix::Change(changes.join("; "));
            }
        }
        let hard = refusals.iter().find(|r| r.change().is_none());
        let what = hard.or(refusals.first()).map_or(String::new(), |r| {
            format!("{}: {}", r.operation, r.capability)
        });
        Fix::Nothing(format!(
            "no change of rack or table makes this possible; {what}; it runs on {} only",
            self.able_kinds(node)
        ))
    }
    /// What computes the metadata that a NIC does not have.
    fn computed_elsewhere(&self, node: NodeId, site: Site, refusals: &[Refusal]) -> Option<Fix> {
        let metas = &self.facts.program.metas;
        let read = self
            .facts
            .metas_read(node)
            .map(|meta| metas[meta].name.clone());
        let read = read.into_iter().find(|name| {
            let quoted = format!("`{name}`");
            refusals.iter().any(|r| r.operation.ends_with(&quoted))
        })?;
        let writers = self.writers(node, &read);
        let refused =
            writers
                .iter()
                .find_map(|n| match self.problem.verdicts[n.index()].get(&site)? {
                    Verdict::Unable(refusals) => Some((*n, refusals.first()?)),
                    Verdict::Able(_) => None,
                });
        Some(match refused {
            Some((writer, refusal)) => Fix::Nothing(format!(
                "`{}`, which computes `{read}`, cannot be there: {}: {}",
                self.name(writer),
                refusal.operation,
                refusal.capability
            )),
            None if writers.is_empty() => Fix::Nothing(format!(
                "no node sets `{read}`: packets have it from where they come in, and a NIC is not told"
            )),
            None => {
                let names = writers.iter().map(|n| format!("`{}`", self.name(*n)));
                let names: Vec<String> = names.collect();
                Fix::Change(format!(
                    "let {} set `{read}` to constants or header fields, there, too",
                    names.join(", ")
                ))
            }
        })
    }
    /// The kinds of devices that can run a node.
    fn able_kinds(&self, node: NodeId) -> String {
        let verdicts = &self.problem.verdicts[node.index()];
        let able = |wanted: fn(&Site) -> bool| {
            verdicts
                .iter()
                .any(|(site, verdict)| wanted(site) && verdict.able().is_some())
        };
        let kinds = [
            ("switches", able(|s| *s == Site::Switch)),
            ("NICs", able(|s| matches!(s, Site::Nic(_)))),
            ("hosts", able(|s| matches!(s, Site::Host(_)))),
        ];
        let kinds: Vec<&str> = kinds.iter().filter(|k| k.1).map(|k| k.0).collect();
        kinds.join(" and ")
    }
    fn companion_able(&self, name: &str, site: Site, refusals: &[Refusal]) -> Fix {
        let nodes = &self.facts.program.control.nodes;
        let Some(mate) = nodes.find(|n| n.name == name) else {
            return Fix::Nothing(format!("`{name}` must be with it"));
        };
        match self.able(mate, site, refusals) {
            Fix::Change(change) => Fix::Change(format!("for `{name}`: {change}")),
            Fix::Nothing(why) => Fix::Nothing(format!("`{name}` must be with it, and {why}")),
        }
    }
    /// Another model of the device with which the node and all that must be with it could be there.
    fn other_model(&self, node: NodeId, site: Site) -> Option<&str> {
        let group = self.problem.group_of(node)?;
        let nodes = &self.problem.groups[group].nodes;
        let others = self.machines.others(site).iter();
        let mut able = others.filter(|(_, device)| {
            let device = device.as_ref();
            nodes.iter().all(|n| can(device, self.facts.program, *n))
        });
        able.next().map(|(model, _)| model.as_str())
    }
    /// The table of a node so much smaller that the device takes it.
    fn smaller(&self, node: NodeId, site: Site) -> Option<String> {
        let (table, device) = self.applied(node, site)?;
        let whole = &self.facts.program.tables[table];
        let mut program = self.facts.program.clone();
        let mut fits = |size: u32| {
            let less = &mut program.tables[table];
            less.size = size;
            less.entries = whole.entries.iter().take(size as usize).cloned().collect();
            can(device, &program, node)
        };
        let size = largest(whole.size, &mut fits)?;
        Some(format!(
            "shrink table {} from {} to {size} entries",
            whole.name, whole.size
        ))
    }
    /// Keys of a node's table that would have to match exactly for the device to take it: one, or else all.
    fn exact(&self, node: NodeId, site: Site) -> Option<String> {
        let (table, device) = self.applied(node, site)?;
        let whole = &self.facts.program.tables[table];
        let keys = whole.keys.iter().enumerate();
        let loose: Vec<usize> = keys
            .filter(|(_, key)| key.kind != MatchKind::Exact)
            .map(|(k, _)| k)
            .collect();
        let mut program = self.facts.program.clone();
        let mut fits = |exact: &[usize]| {
            let other = &mut program.tables[table];
            other.clone_from(whole);
            for &k in exact {
                other.keys[k].kind = MatchKind::Exact;
                for entry in &mut other.entries {
                    let width = whole.keys[k].expr.clone();
                    let width = self.facts.program.width(&width, &[]);
                    entry.keys[k] = KeySet::Exact(value_of(&entry.keys[k], width));
                }
            }
            can(device, &program, node)
        };
        let one = loose.iter().map(|k| vec![*k]).find(|keys| fits(keys));
        let all = || (loose.len() > 1 && fits(&loose)).then(|| loose.clone());
        let exact = one.or_else(all)?;
        let names: Vec<&str> = exact.iter().map(|k| whole.keys[*k].name.as_str()).collect();
        Some(format!(
            "match key {} of table {} exactly",
            names.join(", "),
            whole.name
        ))
    }
    /// The table that a node applies, and the device.
    fn applied(&self, node: NodeId, site: Site) -> Option<(TableId, &dyn Device)> {
        let NodeKind::Apply(table, _) = self.facts.program.control.nodes[node].kind else {
            return None;
        };
        Some((table, self.machines.device(site)?))
    }

    /// A table that could be smaller or change less often, this node's own or that of the one who holds most;
    /// else another model, or a larger device.
    fn make_room(&self, node: NodeId, site: Site) -> Fix {
        let Some(g) = self.problem.group_of(node) else {
            return Fix::Nothing("it has no site".to_owned());
        };
        let moved = self.moved_to(&[(g, site)]);
        let uses = self.problem.uses(self.facts, &moved, site);
        let budget = self.problem.budgets.get(&site).cloned().unwrap_or_default();
        let short = uses.exceeding(&budget);
        let there = self.facts.sited().filter(|n| moved.site(*n) == site);
        let mut holders: Vec<(u64, NodeId)> = there
            .filter_map(|n| {
                let used = &self.problem.used(n, site)?.resources;
                let held = short.iter().map(|s| used.get(&s.quantity).unwrap_or(0));
                Some((held.min()?, n))
            })
            .filter(|(held, _)| *held > 0)
            .collect();
        // Its own first, then the largest.
        holders.sort_by_key(|(held, n)| (*n != node, std::cmp::Reverse(*held), *n));
        let shrunk = holders.iter().find_map(|(_, n)| match &short[..] {
            [only]
                if [resource::UPDATES, resource::INSERTIONS].contains(&only.quantity.as_str()) =>
            {
                self.seldom(*n, site, only)
            }
            _ => self.shrunk(*n, site, &moved, &short),
        });
        let device = self.machines.name(site);
        let model = || {
            let mut others = self.machines.others(site).iter();
            let (model, _) = others.find(|(_, other)| {
                let most = other.budget();
                uses.exceeding(&most).is_empty() && can(other.as_ref(), self.facts.program, node)
            })?;
            Some(format!("take model `{model}` for {device}"))
        };
        let larger = || {
            let more = short
                .iter()
                .map(|s| format!("{} {} instead of {}", s.needed, s.quantity, s.available));
            let more: Vec<String> = more.collect();
            format!("give {device} {}", more.join(" and "))
        };
        Fix::Change(shrunk.or_else(model).unwrap_or_else(larger))
    }
    /// The table of a node changed so seldom that there is no shortage.
    fn seldom(&self, node: NodeId, site: Site, shortage: &Shortage) -> Option<String> {
        let (table, _) = self.applied(node, site)?;
        let used = self
            .problem
            .used(node, site)?
            .resources
            .get(&shortage.quantity)?;
        let lacks = shortage.needed.saturating_sub(shortage.available);
        let rest = used.checked_sub(lacks).filter(|rest| *rest > 0)?;
        Some(format!(
            "change table {} so seldom that it takes {rest} {} instead of {used}",
            self.facts.program.tables[table].name, shortage.quantity
        ))
    }
    /// The table of a node so much smaller that there is no shortage, by what the device says to it.
    fn shrunk(
        &self,
        node: NodeId,
        site: Site,
        moved: &Assignment,
        short: &[Shortage],
    ) -> Option<String> {
        let (table, device) = self.applied(node, site)?;
        let whole = &self.facts.program.tables[table];
        // A NIC has rules for each node, other devices have the table once. Of stages the longest chain counts.
        let nodes = self.facts.sited().filter(|n| {
            let applies = self
                .applied(*n, site)
                .is_some_and(|(other, _)| other == table);
            applies && moved.site(*n) == site
        });
        let times = match site {
            Site::Nic(_) => nodes.count() as u64,
            Site::Switch | Site::Host(_) => 1,
        };
        if short.iter().any(|s| s.quantity == resource::STAGES) {
            return None;
        }
        let mut program = self.facts.program.clone();
        let takes = |program: &Program| {
            let verdict = device.check(program, node);
            verdict.able().map(|used| used.resources.clone())
        };
        let before = takes(&program)?;
        let mut fits = |size: u32| {
            let less = &mut program.tables[table];
            less.size = size;
            less.entries = whole.entries.iter().take(size as usize).cloned().collect();
            takes(&program).is_some_and(|after| {
                short.iter().all(|s| {
                    let of = |used: &Resources| used.get(&s.quantity).unwrap_or(0);
                    let freed = of(&before).saturating_sub(of(&after)).saturating_mul(times);
                    s.available.saturating_add(freed) >= s.needed
                })
            })
        };
        let size = largest(whole.size, &mut fits)?;
        Some(format!(
            "shrink table {} from {} to {size} entries",
            whole.name, whole.size
        ))
    }

    /// What would have to be promised less for a group to be at a site.
    pub(super) fn promise(&self, moved: &Assignment, then: &Outcome) -> Fix {
        let model = &self.search.model;
        let mut changes: Vec<String> = then
            .late
            .iter()
            .map(|w| {
                // Rounded up, so that it is enough.
                let us = (then.longest_ns[*w] / 10.0).ceil() / 100.0;
                format!("allow {} of {us:.2} us", model.ways[*w].name)
            })
            .collect();
        if !then.unmet.is_empty() {
            let choice = self.search.choice(moved);
            let mut less = model.clone();
            let mut kept = |part: f64| {
                for (class, real) in less.classes.iter_mut().zip(&model.classes) {
                    class.min = part * real.min;
                }
                evaluate(&less, &choice).is_ok_and(|outcome| outcome.unmet.is_empty())
            };
            let (mut least, mut most) = (0.0, 1.0);
            for _ in 0..10 {
                let middle = (least + most) / 2.0;
                match kept(middle) {
                    true => least = middle,
                    false => most = middle,
                }
            }
            // Rounded down, so that it can be kept.
            let percent = (100.0 * least).floor();
            changes.push(format!("promise {percent:.0} % of the least rates"));
        }
        for q in &then.over {
            let quantity = &model.quantities[*q];
            changes.push(format!(
                "{:.0} {} instead of {:.0}",
                then.loads[*q].ceil(),
                quantity.name,
                quantity.capacity
            ));
        }
        Fix::Change(changes.join(" and "))
    }

    /// What would make it worth it to have a group at a site.
    pub(super) fn worth(&self, g: usize, site: Site, then: &Outcome) -> Fix {
        let now = &self.solution.outcome;
        let order = compare(then, now);
        if let Some(fix) = self.fewer_rates(g, site) {
            return fix;
        }
        if order == 0 && longest(then) == longest(now) {
            return Fix::Nothing("nothing would be different".to_owned());
        }
        if order < 0 {
            return match self.solution.found_by == crate::cut::Strategy::Best {
                false => Fix::Change("take strategy `best`".to_owned()),
                true if self.solution.proof.stopped => {
                    Fix::Change("give the search more time".to_owned())
                }
                true => match self.search.refusal(&self.moved_to(&[(g, site)])) {
                    Some(why) => Fix::Nothing(why),
                    None => Fix::Change("give the search more time".to_owned()),
                },
            };
        }
        if then.scale < now.scale * 0.995
            && let Some(fix) = self.larger(g, site)
        {
            return fix;
        }
        if let Some(fix) = self.with_neighbours(g, site) {
            return fix;
        }
        let told = self.cycles(g, site, then);
        told.unwrap_or_else(|| Fix::Nothing("what it takes there is not known".to_owned()))
    }
    /// How little a group would have to take at a site for that to be worth it, or what there is against it in any case.
    fn cycles(&self, g: usize, site: Site, then: &Outcome) -> Option<Fix> {
        let now = &self.solution.outcome;
        let more = then.cores - now.cores;
        let own = self.cores_at(g, site);
        let less = (own - more) / own * (1.0 - CLOSER);
        if more > 0.0 && own > more && compare(&self.cheaper(g, site, less)?, now) <= 0 {
            let hertz = self.hertz(site);
            let nodes = self.problem.groups[g].nodes.iter();
            let often = nodes.map(|n| self.problem.frequency[n.index()]);
            let packets = (often.fold(0.0, f64::max) * self.problem.pps).max(1.0);
            return Some(Fix::Change(format!(
                "worth it below {:.0} cycles per packet instead of {:.0}",
                (own - more) * hertz / packets,
                own * hertz / packets
            )));
        }
        // Neither more of anything nor a cheaper node makes it better.
        let free = self.cheaper(g, site, 0.0)?;
        if compare(&free, now) <= 0 {
            return Some(Fix::Change("worth it if it took no time there".to_owned()));
        }
        let even = match own > 0.0 {
            true => "even if it took no time there, ",
            false => "",
        };
        let lost = [
            ("cores", free.cores - now.cores),
            (
                "header bytes per second",
                free.header_bytes - now.header_bytes,
            ),
            ("visits of servers per second", free.bounces - now.bounces),
        ];
        let lost = lost.into_iter().find(|(_, more)| *more > 0.0);
        let lost = lost.map_or("less would be carried".to_owned(), |(what, more)| {
            format!("it would take {more:.2} {what} more, whatever the rack has")
        });
        Some(Fix::Nothing(format!("{even}{lost}")))
    }
    /// What it would come to if a group at a site took this part of its time there.
    fn cheaper(&self, g: usize, site: Site, part: f64) -> Option<Outcome> {
        let mut model = self.search.model.clone();
        let choice = self.search.choice(&self.moved_to(&[(g, site)]));
        let quantities = &model.quantities;
        for demand in &mut model.units[g].choices[choice[g]].demands {
            if matches!(quantities[demand.quantity].kind, Kind::Work { .. }) && demand.amount > 0.0
            {
                demand.amount *= part;
            }
        }
        evaluate(&model, &choice).ok()
    }
    /// What there would have to be more of for as much to be carried with a group at a site.
    fn larger(&self, g: usize, site: Site) -> Option<Fix> {
        let choice = self.search.choice(&self.moved_to(&[(g, site)]));
        let wanted = self.solution.outcome.scale;
        let mut model = self.search.model.clone();
        let mut times: BTreeMap<usize, f64> = BTreeMap::new();
        // One thing after the other is full.
        for _ in 0..model.quantities.len() {
            let then = evaluate(&model, &choice).ok()?;
            let Some(q) = then.bottleneck.filter(|_| then.scale < wanted * 0.995) else {
                let names = times.iter().map(|(q, times)| {
                    format!("{times:.2} times {}", self.search.model.quantities[*q].name)
                });
                let names: Vec<String> = names.collect();
                return Some(Fix::Change(format!(
                    "as much would be carried with {}",
                    names.join(" and ")
                )));
            };
            let more = (wanted / then.scale).min(f64::MAX);
            model.quantities[q].capacity *= more;
            *times.entry(q).or_insert(1.0) *= more;
        }
        None
    }
    /// Where rates are the objective: what would make up for the rates that would be lost.
    fn fewer_rates(&self, g: usize, site: Site) -> Option<Fix> {
        let now = self.solution.proof.rates?.value;
        let then = self.search.rates(&self.moved_to(&[(g, site)]));
        let then = self.search.above_least(&then);
        let lost = now - then;
        (lost > 1e-6 * now.abs()).then(|| {
            Fix::Nothing(format!(
                "{lost:.3} Gbit/s less, weighted, could be carried above the least rates"
            ))
        })
    }
    fn hertz(&self, site: Site) -> f64 {
        let server = site
            .server()
            .and_then(|s| self.machines.servers.get(usize::from(s.0)));
        server.map_or(1.0, |s| s.hz)
    }
    /// Cores' worth of work of a group on a host, without I/O.
    fn cores_at(&self, g: usize, site: Site) -> f64 {
        let Site::Host(server) = site else {
            return 0.0;
        };
        let nodes = self.problem.groups[g].nodes.iter();
        let cycles =
            nodes.map(|n| self.problem.frequency[n.index()] * self.problem.mean_cycles(*n, server));
        cycles.sum::<f64>() * self.problem.pps / self.hertz(site)
    }
    /// The neighbours of a group, if with them there, too, nothing would be worse.
    fn with_neighbours(&self, g: usize, site: Site) -> Option<Fix> {
        let mut joined: BTreeMap<usize, Site> = BTreeMap::new();
        for node in &self.problem.groups[g].nodes {
            let graph = &self.facts.graph;
            let around = graph.preds(*node).iter().chain(graph.succs(*node));
            let around: BTreeSet<usize> =
                around.filter_map(|n| self.problem.group_of(*n)).collect();
            for other in around.into_iter().filter(|other| *other != g) {
                joined.insert(other, self.near(other, site)?);
            }
        }
        let first = |g: &usize| self.problem.groups[*g].nodes.first();
        joined.retain(|g, to| first(g).is_some_and(|n| self.assignment.site(*n) != *to));
        if joined.is_empty() {
            return None;
        }
        let mut all: Vec<(usize, Site)> = joined.iter().map(|(g, s)| (*g, *s)).collect();
        all.push((g, site));
        let moved = self.moved_to(&all);
        let fits =
            legal::check(self.facts, &moved).is_empty() && self.short(&moved, site).is_none();
        let then = self.search.outcome(&moved);
        let better = fits && then.feasible() && compare(&then, &self.solution.outcome) <= 0;
        better.then(|| self.put(joined.into_iter().collect()))
    }
}

/// The largest size below one that does not fit that does; `None` if not even 1 does.
fn largest(most: u32, fits: &mut dyn FnMut(u32) -> bool) -> Option<u32> {
    if most < 2 || !fits(1) {
        return None;
    }
    let (mut least, mut most) = (1, most);
    while most - least > 1 {
        let middle = least + (most - least) / 2;
        match fits(middle) {
            true => least = middle,
            false => most = middle,
        }
    }
    Some(least)
}

/// Whether a device takes a node and has room for it alone.
fn can(device: &dyn Device, program: &Program, node: NodeId) -> bool {
    match device.check(program, node) {
        Verdict::Able(used) => used.resources.exceeding(&device.budget()).is_empty(),
        Verdict::Unable(_) => false,
    }
}

/// One of the values of a set.
fn value_of(set: &KeySet, width: u32) -> trisect_ir::Bits {
    match set {
        KeySet::Any => trisect_ir::Bits::new(width, 0u32),
        KeySet::Exact(value)
        | KeySet::Prefix(value, _)
        | KeySet::Mask(value, _)
        | KeySet::Range(value, _) => value.clone(),
    }
}
