//! Who would have to come along for a group to be at a site.

use super::{Context, Fix, Moved, WhyNot};
use crate::analysis::Slot;
use crate::cut::{Implications, Possible};
use crate::legal::{self, Violation};
use crate::site::{Assignment, Site};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{Entity, NodeId};
use trisect_target::Verdict;

/// How often more joins before a broken rule counts as not to be mended.
const ROUNDS: usize = 8;

/// Names that are listed; of more, the number.
const LISTED: usize = 4;

impl Moved {
    /// Whether nothing that was tried helps against a rule.
    fn not_helped(&self) -> bool {
        matches!(
            (&self.why, &self.fix),
            (WhyNot::Rule(_), Some(Fix::Nothing(_)))
        )
    }
}

impl Context<'_, '_> {
    /// Who would have to be elsewhere, too, for the rules to hold: of what is tried, the fewest.
    pub(super) fn company(&self, g: usize, site: Site) -> Fix {
        let mut best: Option<Vec<(usize, Site)>> = None;
        let mut why = None;
        for nodes in self.candidates(g, site) {
            match self.with(g, site, nodes) {
                Ok(joined) if best.as_ref().is_none_or(|b| joined.len() < b.len()) => {
                    best = Some(joined);
                }
                Ok(_) => {}
                Err(reason) => why = Some(reason),
            }
        }
        match (best, why) {
            (Some(joined), _) => self.put(joined),
            (None, Some(why)) => Fix::Nothing(why),
            (None, None) => Fix::Nothing("nothing else could come along".to_owned()),
        }
    }
    /// Looks for a cut where what was tried did not help against a broken rule, or for a proof that there is none.
    pub(super) fn prove(&self, groups: &mut [Vec<Moved>]) {
        let mut open: BTreeMap<Site, Vec<usize>> = BTreeMap::new();
        for (g, sites) in groups.iter().enumerate() {
            for moved in sites.iter().filter(|moved| moved.not_helped()) {
                open.entry(moved.site).or_default().push(g);
            }
        }
        let implied = Implications::new(&self.search.model);
        for (site, of_site) in open {
            let known = self
                .search
                .possible(&implied, self.assignment, site, &of_site);
            for g in of_site {
                let moved = groups[g].iter_mut().find(|moved| moved.site == site);
                if let Some(moved) = moved
                    && let Some(Fix::Nothing(why)) = &moved.fix
                {
                    moved.fix = Some(match known.get(&g) {
                        Some(Possible::In(cut)) => self.all_put(g, cut),
                        Some(Possible::Never) => Fix::Nothing(format!(
                            "no cut that keeps the rules has it there, however large devices are; {why}"
                        )),
                        None => {
                            Fix::Nothing(format!("{why}; that no cut has it there is not proven"))
                        }
                    });
                }
            }
        }
    }
    /// "Put these there, too", and whether there is room.
    fn all_put(&self, g: usize, cut: &Assignment) -> Fix {
        let short = self.machines.sites().into_iter();
        let mut short = short.filter_map(|site| Some((site, self.short(cut, site)?)));
        let room = short.next().map_or(String::new(), |(site, shortage)| {
            format!(
                ", with room for it: {}: {shortage}",
                self.machines.name(site)
            )
        });
        match self.put(self.different(g, cut)) {
            Fix::Change(change) => Fix::Change(format!("{change}{room}")),
            nothing => nothing,
        }
    }
    /// The other groups that are elsewhere in another cut than now.
    fn different(&self, g: usize, cut: &Assignment) -> Vec<(usize, Site)> {
        let groups = self.problem.groups.iter().enumerate();
        let sites = groups.filter_map(|(other, group)| {
            let first = *group.nodes.first()?;
            let site = cut.site(first);
            (other != g && site != self.assignment.site(first)).then_some((other, site))
        });
        sites.collect()
    }
    /// Nodes to begin with: none; those between this and what is on the server already; all that is on
    /// servers before and behind, with what is between. For the switch: what is on servers before, behind, and both.
    fn candidates(&self, g: usize, site: Site) -> Vec<BTreeSet<NodeId>> {
        let own: BTreeSet<NodeId> = self.problem.groups[g].nodes.iter().copied().collect();
        let (before, behind) = (self.before(&own), self.behind(&own));
        let server = |n: &NodeId| self.assignment.site(*n).server();
        let off = |n: &NodeId| server(n).is_some();
        let some =
            |nodes: &BTreeSet<NodeId>, wanted: &dyn Fn(&NodeId) -> bool| -> BTreeSet<NodeId> {
                nodes.iter().copied().filter(|n| wanted(n)).collect()
            };
        let both: BTreeSet<NodeId> = before.union(&behind).copied().collect();
        let mut found = vec![BTreeSet::new()];
        match site.server() {
            None => {
                found.extend([&before, &behind, &both].map(|nodes| some(nodes, &off)));
            }
            here => {
                let on_it = some(&both, &|n| server(n) == here);
                for ends in [on_it, some(&both, &off)] {
                    let mut whole = self.between(&own, &ends);
                    whole.extend(self.between(&ends, &own));
                    whole.extend(ends);
                    found.push(whole);
                }
            }
        }
        found.dedup();
        found
    }
    /// All nodes from which control may reach one of these, without them.
    fn before(&self, nodes: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let all = nodes.iter().flat_map(|n| self.facts.graph.ancestors(*n));
        all.filter(|n| !nodes.contains(n)).collect()
    }
    /// All nodes but ends that control may reach from one of these, without them.
    fn behind(&self, nodes: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        let all = nodes.iter().flat_map(|n| self.facts.graph.descendants(*n));
        all.filter(|n| !nodes.contains(n) && !self.facts.is_terminal(*n))
            .collect()
    }
    /// Nodes on ways from one of the first to one of the second.
    fn between(&self, from: &BTreeSet<NodeId>, to: &BTreeSet<NodeId>) -> BTreeSet<NodeId> {
        self.behind(from)
            .intersection(&self.before(to))
            .copied()
            .collect()
    }
    /// The groups that are elsewhere than now if these nodes come along, and what broken rules ask for then; else what
    /// stands in the way.
    fn with(
        &self,
        g: usize,
        site: Site,
        nodes: BTreeSet<NodeId>,
    ) -> Result<Vec<(usize, Site)>, String> {
        let mut joined: BTreeMap<usize, Site> = BTreeMap::from([(g, site)]);
        let own: BTreeSet<NodeId> = self.problem.groups[g].nodes.iter().copied().collect();
        let behind = self.behind(&own);
        // Behind what is on a NIC its host goes on, which knows more.
        let place = |node: NodeId, to: Site| match to {
            Site::Nic(server) if behind.contains(&node) => (node, Site::Host(server)),
            _ => (node, to),
        };
        let mut wanted: Vec<(NodeId, Site)> = nodes.into_iter().map(|n| place(n, site)).collect();
        for _ in 0..ROUNDS {
            for (node, to) in wanted {
                let Some(other) = self.problem.group_of(node) else {
                    continue;
                };
                if joined.contains_key(&other) {
                    continue;
                }
                let there = self.near(other, to).ok_or_else(|| self.cannot(other, to))?;
                joined.insert(other, there);
            }
            let all: Vec<(usize, Site)> = joined.iter().map(|(g, s)| (*g, *s)).collect();
            let moved = self.moved_to(&all);
            let Some(violation) = legal::check(self.facts, &moved).into_iter().next() else {
                return self.elsewhere(g, all, &moved);
            };
            wanted = self.joins(&violation, &moved);
            if matches!(
                violation,
                Violation::History { .. } | Violation::Reorder { .. }
            ) {
                wanted = wanted.into_iter().map(|(n, to)| place(n, to)).collect();
            }
            wanted.retain(|(node, to)| {
                let known = self
                    .problem
                    .group_of(*node)
                    .is_some_and(|g| joined.contains_key(&g));
                !known && moved.site(*node) != *to
            });
            if wanted.is_empty() {
                return Err(format!("what could come along does not help: {violation}"));
            }
        }
        Err("too much would have to come along".to_owned())
    }
    /// Of these groups, those that are elsewhere than now, if there is room for them.
    fn elsewhere(
        &self,
        g: usize,
        groups: Vec<(usize, Site)>,
        moved: &Assignment,
    ) -> Result<Vec<(usize, Site)>, String> {
        let now = |g: &usize| {
            let first = self.problem.groups[*g].nodes.first();
            first.map(|n| self.assignment.site(*n))
        };
        let sites: BTreeSet<Site> = groups.iter().map(|(_, site)| *site).collect();
        let short = sites.iter().find_map(|s| Some((s, self.short(moved, *s)?)));
        if let Some((at, shortage)) = short {
            return Err(format!(
                "what would have to come along does not fit {}: {shortage}",
                self.machines.name(*at)
            ));
        }
        let others = groups.into_iter();
        Ok(others
            .filter(|(other, site)| *other != g && now(other) != Some(*site))
            .collect())
    }
    /// What a broken rule asks for: where nodes would have to be.
    fn joins(&self, violation: &Violation, moved: &Assignment) -> Vec<(NodeId, Site)> {
        let nodes = &self.facts.program.control.nodes;
        let named = |name: &str| nodes.find(|n| n.name == *name);
        let server = |n: &NodeId| moved.site(*n).server();
        let all_at = |nodes: BTreeSet<NodeId>, site: Site| -> Vec<(NodeId, Site)> {
            nodes.into_iter().map(|n| (n, site)).collect()
        };
        match violation {
            // A packet that leaves the NIC in between loses what was set.
            Violation::NicReads { node, meta, site }
            | Violation::NicMixes {
                to: node,
                meta,
                site,
            } => {
                let Some(reader) = named(node) else {
                    return Vec::new();
                };
                let mut writers: BTreeSet<NodeId> =
                    self.writers(reader, meta).into_iter().collect();
                writers.extend(self.between(&writers, &BTreeSet::from([reader])));
                all_at(writers, *site)
            }
            Violation::NicCarries { to, site, .. } => {
                named(to).into_iter().map(|n| (n, *site)).collect()
            }
            // Users are met in one visit: what is on servers before them, and between, comes to theirs.
            Violation::History { thing, .. } => {
                let users = self.facts.shared.iter();
                let users = users.filter(|(t, _)| self.facts.name_of(**t) == *thing);
                let users: BTreeSet<NodeId> = users.flat_map(|(_, users)| users).copied().collect();
                let Some(site) = users.first().map(|n| moved.site(*n)) else {
                    return Vec::new();
                };
                let before = self.before(&users);
                let mut off: BTreeSet<NodeId> =
                    before.into_iter().filter(|n| server(n).is_some()).collect();
                if site.server().is_some() {
                    off.extend(self.between(&off, &users));
                }
                all_at(off, site)
            }
            // No visit begins behind the node: what is on servers there comes to where it is, with what is between;
            // or it goes to the one server where they are.
            Violation::Reorder { node, .. } => {
                let Some(node) = named(node) else {
                    return Vec::new();
                };
                let own = BTreeSet::from([node]);
                let off: BTreeSet<NodeId> = self
                    .behind(&own)
                    .into_iter()
                    .filter(|n| server(n).is_some())
                    .collect();
                let servers: BTreeSet<_> = off.iter().filter_map(server).collect();
                let mut whole = self.between(&own, &off);
                whole.extend(off.iter().copied());
                match (moved.site(node), servers.first()) {
                    (Site::Switch, Some(only)) if servers.len() == 1 => {
                        whole.insert(node);
                        all_at(whole, Site::Host(*only))
                    }
                    (Site::Switch, _) => all_at(off, Site::Switch),
                    (at, _) => all_at(whole, at),
                }
            }
            _ => Vec::new(),
        }
    }
    /// Why a group cannot come along.
    fn cannot(&self, g: usize, site: Site) -> String {
        let device = self.machines.name(site);
        let nodes = self.problem.groups[g].nodes.iter();
        let mut refused =
            nodes.filter_map(|n| match self.problem.verdicts[n.index()].get(&site)? {
                Verdict::Unable(refusals) => Some((*n, refusals.first()?)),
                Verdict::Able(_) => None,
            });
        match refused.next() {
            Some((node, refusal)) => format!(
                "`{}` would have to be on {device}, too, and cannot: {}: {}",
                self.name(node),
                refusal.operation,
                refusal.capability
            ),
            None => format!("what would have to come along is not looked for on {device}"),
        }
    }
    /// "Put these there, too."
    pub(super) fn put(&self, groups: Vec<(usize, Site)>) -> Fix {
        let mut by_site: BTreeMap<Site, Vec<String>> = BTreeMap::new();
        for (g, site) in groups {
            let first = self.problem.groups[g].nodes.first();
            let name = first.map(|n| format!("`{}`", self.name(*n)));
            by_site.entry(site).or_default().extend(name);
        }
        let places = by_site.into_iter().map(|(site, mut names)| {
            let more = names.len().saturating_sub(LISTED);
            names.truncate(LISTED);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            format!("{} on {}", names.join(", "), self.machines.name(site))
        });
        Fix::Change(format!(
            "put {}, too",
            places.collect::<Vec<_>>().join(" and ")
        ))
    }
    /// The assignment with groups elsewhere.
    pub(super) fn moved_to(&self, groups: &[(usize, Site)]) -> Assignment {
        let mut moved = self.assignment.clone();
        for (g, site) in groups {
            for node in &self.problem.groups[*g].nodes {
                moved.set(*node, *site);
            }
        }
        moved
    }
    /// A site that a group can have: this one, or else the host beside it.
    pub(super) fn near(&self, g: usize, site: Site) -> Option<Site> {
        let sites = &self.problem.groups[g].sites;
        let beside = site.server().map(Site::Host);
        [Some(site), beside]
            .into_iter()
            .flatten()
            .find(|s| sites.contains(s))
    }
    /// The nodes before this one that assign a metadata field.
    pub(super) fn writers(&self, node: NodeId, meta: &str) -> Vec<NodeId> {
        let Some(meta) = self.facts.program.meta_named(meta) else {
            return Vec::new();
        };
        let before = self.facts.graph.ancestors(node).into_iter();
        let writes = |n: &NodeId| self.facts.effects(*n).writes.contains(&Slot::Meta(meta));
        before.filter(writes).collect()
    }
}
