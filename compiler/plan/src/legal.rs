//! The rules that an assignment must keep for the cut rack to do what the uncut pipeline does. What
//! a device can do at all, and what fits, is judged elsewhere ([`crate::cut`]).
//!
//! # Order
//! A packet's *stays* are the servers that it visits, in order. The way to and from a server is
//! first-in-first-out, so two packets with the same stays keep their order. So
//! - a thing whose order of use matters (register, meter, flow table, allocator) may only be met by
//!   packets that have the same stays behind them;
//! - where packets of one flow may part (see [`crate::analysis::Purity`]), they must have the same
//!   stays before them, up to `Emit`.

use crate::analysis::Slot;
use crate::facts::Facts;
use crate::site::{Assignment, ServerId, Site};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{Entity, MetaId, NodeId, NodeKind};
use trisect_target::wire;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Violation {
    /// A table or object is used on two devices.
    #[error(
        "{thing} is used by `{a}` on {site_a} and by `{b}` on {site_b}; it can be on one device only"
    )]
    Shared {
        /// The table or object.
        thing: String,
        /// A node that uses it.
        a: String,
        /// Where that node runs.
        site_a: Site,
        /// Another node that uses it.
        b: String,
        /// Where that node runs.
        site_b: Site,
    },
    /// Headers were changed so that the next device would parse them otherwise.
    #[error(
        "the packet cannot be moved from {site_from} to {site_to} between `{from}` and `{to}`, since it would not be parsed as it was: {why}"
    )]
    Unclean {
        /// Source of the edge.
        from: String,
        /// Its site.
        site_from: Site,
        /// Target of the edge.
        to: String,
        /// Its site.
        site_to: Site,
        /// What changed.
        why: String,
    },
    /// Only a host parses twice.
    #[error("`{node}` parses the packet again, which {site} cannot; only hosts can")]
    Reparse {
        /// The node.
        node: String,
        /// Where it was to run.
        site: Site,
    },
    /// A NIC sees no context headers.
    #[error("`{node}` reads `{meta}`, which is not set on {site}; a NIC cannot read live metadata")]
    NicReads {
        /// The node.
        node: String,
        /// The metadata.
        meta: String,
        /// The NIC.
        site: Site,
    },
    /// On one way the NIC has set the metadata, on another it has not.
    #[error("at `{to}` the metadata `{meta}` comes from {site} for some packets only")]
    NicMixes {
        /// Where control goes on.
        to: String,
        /// The metadata.
        meta: String,
        /// The NIC.
        site: Site,
    },
    /// More than META holds.
    #[error("{bits} bits of metadata set on {site} would travel to `{to}`; META carries {max}", max = wire::META_BITS)]
    NicCarries {
        /// Where control goes on.
        to: String,
        /// The NIC.
        site: Site,
        /// How many bits.
        bits: u32,
    },
    /// More than a context header holds.
    #[error("{bits} bits of live metadata would travel to `{to}`; a context header carries {max}", max = wire::CONTEXT2_MAX_BITS)]
    TooMuchLive {
        /// Where control goes on.
        to: String,
        /// How many bits.
        bits: u32,
    },
    /// Packets meet a stateful thing over different ways.
    #[error(
        "packets would reach {thing} over different servers ({ways}), and its state depends on their order"
    )]
    History {
        /// The table or object.
        thing: String,
        /// The different stays.
        ways: String,
    },
    /// Packets of one flow would be sent over different servers.
    #[error(
        "after `{node}`, which may part packets of one flow, the ways visit different servers ({ways}), so the packets could change their order"
    )]
    Reorder {
        /// The node that parts them.
        node: String,
        /// The different stays.
        ways: String,
    },
}

/// The stays of packets: servers, in order.
type Stays = BTreeSet<Vec<ServerId>>;

/// An edge from a NIC's node to another device, by way of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NicExit {
    pub server: ServerId,
    pub from: NodeId,
    pub to: NodeId,
    /// Live metadata that the NIC has set.
    pub carried: BTreeSet<MetaId>,
    /// Live metadata that it has set on some ways only, though the value from before matters.
    pub mixed: BTreeSet<MetaId>,
}

/// All broken rules, in a fixed order; empty if the assignment is legal.
pub fn check(facts: &Facts, assignment: &Assignment) -> Vec<Violation> {
    let checker = Checker { facts, assignment };
    let mut found = Vec::new();
    checker.shared(&mut found);
    checker.crossings(&mut found);
    checker.reparses(&mut found);
    checker.nic_reads(&mut found);
    checker.nic_exits(&mut found);
    checker.histories(&mut found);
    checker.reorder(&mut found);
    found
}

/// Whether packets are left to one host whole because nobody else may parse them
/// ([`Clean::only_whole`](crate::analysis::Clean::only_whole)): the switch must pass them on unparsed.
pub(crate) fn left_whole(facts: &Facts, assignment: &Assignment) -> bool {
    let mut sites = facts.sited().map(|node| assignment.site(node));
    facts.clean.only_whole()
        && sites
            .next()
            .is_some_and(|first| matches!(first, Site::Host(_)) && sites.all(|s| s == first))
}

/// The metadata that travels to the device where the pipeline begins, if that is not the switch. A switch that does not
/// parse the packet knows nothing that the parser sets; the other device finds that out by itself.
pub(crate) fn entry_live(
    facts: &Facts,
    assignment: &Assignment,
    entry: NodeId,
) -> BTreeSet<MetaId> {
    let mut live = facts.live_in(entry).clone();
    if left_whole(facts, assignment) {
        live.retain(|meta| !facts.initial_known(*meta));
    }
    live
}

struct Checker<'a, 'f> {
    facts: &'a Facts<'f>,
    assignment: &'a Assignment,
}

impl Checker<'_, '_> {
    fn name(&self, node: NodeId) -> String {
        self.facts.program.control.nodes[node].name.clone()
    }
    fn kind(&self, node: NodeId) -> &NodeKind {
        &self.facts.program.control.nodes[node].kind
    }
    /// Where a node runs, coming from `before`: `Emit` on the switch, `Drop` where the packet is.
    fn site(&self, node: NodeId, before: Site) -> Site {
        match self.kind(node) {
            NodeKind::Emit => Site::Switch,
            NodeKind::Drop => before,
            _ => self.assignment.site(node),
        }
    }
    fn edges(&self) -> impl Iterator<Item = (NodeId, Site, NodeId, Site)> + '_ {
        self.facts.graph.edges().map(|(a, b)| {
            let from = self.assignment.site(a);
            (a, from, b, self.site(b, from))
        })
    }
    fn shared(&self, found: &mut Vec<Violation>) {
        for (thing, users) in &self.facts.shared {
            let Some((&a, rest)) = users.split_first() else {
                continue;
            };
            let site_a = self.assignment.site(a);
            if let Some(&b) = rest.iter().find(|b| self.assignment.site(**b) != site_a) {
                found.push(Violation::Shared {
                    thing: self.facts.name_of(*thing),
                    a: self.name(a),
                    site_a,
                    b: self.name(b),
                    site_b: self.assignment.site(b),
                });
            }
        }
    }
    fn crossings(&self, found: &mut Vec<Violation>) {
        let mut wide = BTreeSet::new();
        let whole = left_whole(self.facts, self.assignment);
        let obstacle = |node| self.facts.clean.obstacle(self.facts.program, node);
        if let Some(entry) = self.facts.program.control.entry
            && let to = self.site(entry, Site::Switch)
            && to != Site::Switch
            && !whole
            && let Some(why) = obstacle(entry)
        {
            found.push(Violation::Unclean {
                from: "parser".to_owned(),
                site_from: Site::Switch,
                to: self.name(entry),
                site_to: to,
                why,
            });
        }
        for (a, from, b, to) in self.edges().filter(|(_, from, _, to)| from != to) {
            let sent = matches!(self.kind(b), NodeKind::Emit);
            if !(whole && sent)
                && let Some(why) = obstacle(b)
            {
                found.push(Violation::Unclean {
                    from: self.name(a),
                    site_from: from,
                    to: self.name(b),
                    site_to: to,
                    why,
                });
            }
            wide.insert(b);
        }
        for node in wide {
            let bits = self.facts.live_bits(node);
            if bits > wire::CONTEXT2_MAX_BITS {
                found.push(Violation::TooMuchLive {
                    to: self.name(node),
                    bits,
                });
            }
        }
    }
    fn reparses(&self, found: &mut Vec<Violation>) {
        for node in self.facts.sited() {
            let site = self.assignment.site(node);
            if matches!(self.kind(node), NodeKind::Reparse(_)) && !matches!(site, Site::Host(_)) {
                found.push(Violation::Reparse {
                    node: self.name(node),
                    site,
                });
            }
        }
    }
    fn nic_reads(&self, found: &mut Vec<Violation>) {
        for (node, known) in nic_knowledge(self.facts, self.assignment) {
            let site = self.assignment.site(node);
            self.nic_reads_at(node, site, &known, found);
            // A packet dropped here needs its reason here.
            let after = known.after(self.facts, node);
            for &next in self.facts.graph.succs(node) {
                if matches!(self.kind(next), NodeKind::Drop) {
                    self.nic_reads_at(next, site, &after, found);
                }
            }
        }
    }
    fn nic_reads_at(&self, node: NodeId, site: Site, known: &Known, found: &mut Vec<Violation>) {
        for meta in self.facts.metas_read(node) {
            if !known.knows(self.facts, meta) {
                found.push(Violation::NicReads {
                    node: self.name(node),
                    meta: self.facts.program.metas[meta].name.clone(),
                    site,
                });
            }
        }
    }
    fn nic_exits(&self, found: &mut Vec<Violation>) {
        let mut seen = BTreeSet::new();
        for exit in nic_exits(self.facts, self.assignment) {
            let site = Site::Nic(exit.server);
            for meta in &exit.mixed {
                seen.insert(Violation::NicMixes {
                    to: self.name(exit.to),
                    meta: self.facts.program.metas[*meta].name.clone(),
                    site,
                });
            }
            let bits: u32 = exit
                .carried
                .iter()
                .map(|m| self.facts.program.metas[*m].width)
                .sum();
            if bits > wire::META_BITS {
                seen.insert(Violation::NicCarries {
                    to: self.name(exit.to),
                    site,
                    bits,
                });
            }
        }
        found.extend(seen);
    }
    fn histories(&self, found: &mut Vec<Violation>) {
        let behind = self.stays_behind();
        for (thing, users) in &self.facts.shared {
            if !self.facts.order_matters(*thing) {
                continue;
            }
            let ways: Stays = users
                .iter()
                .flat_map(|n| behind[n.index()].iter().cloned())
                .collect();
            if ways.len() > 1 {
                found.push(Violation::History {
                    thing: self.facts.name_of(*thing),
                    ways: show(&ways),
                });
            }
        }
    }
    /// By node index: the stays of packets that reach the node, the present one included.
    fn stays_behind(&self) -> Vec<Stays> {
        let mut behind: Vec<Stays> = vec![Stays::new(); self.facts.effects.len()];
        if let Some(entry) = self.facts.program.control.entry {
            let site = self.site(entry, Site::Switch);
            behind[entry.index()].insert(stay(Site::Switch, site).into_iter().collect());
        }
        for (a, from, b, to) in self.edges() {
            let stay = stay(from, to);
            let ways: Vec<Vec<ServerId>> = behind[a.index()]
                .iter()
                .map(|way| way.iter().copied().chain(stay).collect())
                .collect();
            behind[b.index()].extend(ways);
        }
        behind
    }
    fn reorder(&self, found: &mut Vec<Violation>) {
        let mut ahead: Vec<Stays> = vec![Stays::new(); self.facts.effects.len()];
        for &node in self.facts.graph.order.iter().rev() {
            if matches!(self.kind(node), NodeKind::Emit) {
                ahead[node.index()].insert(Vec::new());
                continue;
            }
            let from = self.assignment.site(node);
            let mut ways = Stays::new();
            for next in self.facts.graph.living_succs(node) {
                let stay = stay(from, self.site(next, from));
                ways.extend(
                    ahead[next.index()]
                        .iter()
                        .map(|way| stay.into_iter().chain(way.iter().copied()).collect()),
                );
            }
            if ways.len() > 1 && self.facts.purity.splits_flows(node) {
                found.push(Violation::Reorder {
                    node: self.name(node),
                    ways: show(&ways),
                });
            }
            ahead[node.index()] = ways;
        }
    }
}

/// The stay that begins when a packet goes from one site to another.
pub(crate) fn stay(from: Site, to: Site) -> Option<ServerId> {
    match (from, to) {
        (Site::Nic(a), Site::Nic(b) | Site::Host(b)) if a == b => None,
        (Site::Host(a), Site::Host(b)) if a == b => None,
        (_, to) => to.server(),
    }
}

fn show(ways: &Stays) -> String {
    let texts: Vec<String> = ways
        .iter()
        .map(|way| {
            if way.is_empty() {
                "none".to_owned()
            } else {
                let servers: Vec<String> = way.iter().map(|s| s.0.to_string()).collect();
                servers.join(" then ")
            }
        })
        .collect();
    texts.join("; ")
}

/// What a NIC knows about metadata at the entry of one of its nodes.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Set since the packet came in, on all ways.
    always: BTreeSet<MetaId>,
    /// Set since the packet came in, on some way.
    sometimes: BTreeSet<MetaId>,
    /// May still have a value that another device has set.
    stale: BTreeSet<MetaId>,
}

impl Known {
    fn knows(&self, facts: &Facts, meta: MetaId) -> bool {
        !self.stale.contains(&meta) && (self.always.contains(&meta) || facts.initial_known(meta))
    }
    fn after(&self, facts: &Facts, node: NodeId) -> Self {
        let mut after = self.clone();
        let own = facts.effects(node);
        for slot in &own.writes {
            if let Slot::Meta(meta) = slot {
                after.sometimes.insert(*meta);
            }
        }
        for meta in &own.kills {
            after.always.insert(*meta);
            after.stale.remove(meta);
        }
        after
    }
    fn join(&mut self, other: &Self) {
        self.always.retain(|m| other.always.contains(m));
        self.sometimes.extend(other.sometimes.iter().copied());
        self.stale.extend(other.stale.iter().copied());
    }
}

/// What NICs know at the entry of their nodes.
fn nic_knowledge(facts: &Facts, assignment: &Assignment) -> BTreeMap<NodeId, Known> {
    let mut at: BTreeMap<NodeId, Known> = BTreeMap::new();
    for node in facts.sited() {
        let site = assignment.site(node);
        if !matches!(site, Site::Nic(_)) {
            continue;
        }
        let mut ways: Vec<Known> = Vec::new();
        if facts.program.control.entry == Some(node) {
            ways.push(Known::default());
        }
        for &before in facts.graph.preds(node) {
            ways.push(match at.get(&before) {
                Some(known) if assignment.site(before) == site => known.after(facts, before),
                _ => Known {
                    stale: facts.set_after(before),
                    ..Known::default()
                },
            });
        }
        let joined = ways.into_iter().reduce(|mut a, b| {
            a.join(&b);
            a
        });
        at.insert(node, joined.unwrap_or_default());
    }
    at
}

/// All edges from NIC nodes to other devices, with the metadata that the NIC tells the host.
pub(crate) fn nic_exits(facts: &Facts, assignment: &Assignment) -> Vec<NicExit> {
    let mut knowledge = nic_knowledge(facts, assignment);
    let mut exits = Vec::new();
    for node in facts.sited() {
        let site = assignment.site(node);
        let (Site::Nic(server), Some(known)) = (site, knowledge.remove(&node)) else {
            continue;
        };
        let known = known.after(facts, node);
        for &next in facts.graph.succs(node) {
            let leaves = match facts.program.control.nodes[next].kind {
                NodeKind::Drop => false,
                NodeKind::Emit => true,
                _ => assignment.site(next) != site,
            };
            if !leaves {
                continue;
            }
            let live = facts.live_in(next);
            let carried: BTreeSet<MetaId> = live.intersection(&known.sometimes).copied().collect();
            let mixed = carried
                .iter()
                .copied()
                .filter(|m| !known.knows(facts, *m))
                .collect();
            exits.push(NicExit {
                server,
                from: node,
                to: next,
                carried,
                mixed,
            });
        }
    }
    exits
}
