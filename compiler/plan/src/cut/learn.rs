//! What a proposed cut is held against that the rules do not state: chains of dependent nodes longer than
//! the pipeline, rules that depend on ways through the program, and what each device says to its piece.
//! What is wrong comes back as a rule.

use super::model::number;
use super::problem::Problem;
use crate::analysis::Slot;
use crate::error::PlanError;
use crate::facts::Facts;
use crate::legal;
use crate::machines::Machines;
use crate::site::{Assignment, Site};
use crate::split::{Pieces, split};
use std::collections::BTreeSet;
use trisect_ir::{MetaId, NodeId};
use trisect_optimise::{Learnt, Row, Var};
use trisect_target::wire::META_BITS;
use trisect_target::{LowerError, Shortage, resource};

/// Not all of these choices at once, unless that other one is made, too.
#[derive(Clone, Debug, Default)]
struct NeverAgain {
    choices: Vec<(usize, Site)>,
    unless: Option<(usize, Site)>,
}

impl NeverAgain {
    fn row(&self) -> Row {
        let term = |(g, site): &(usize, Site), factor| (Var::At(*g, number(*site)), factor);
        let choices = self.choices.iter().map(|c| term(c, 1.0));
        Row {
            terms: choices
                .chain(self.unless.iter().map(|c| term(c, -1.0)))
                .collect(),
            most: self.choices.len() as f64 - 1.0,
        }
    }
}

/// Which device refuses its piece, why, and which choices must not come again.
type Refused = (Site, String, Vec<(usize, Site)>);

/// A rule that excludes only what is not allowed.
fn certainly(row: Row) -> Learnt {
    Learnt {
        rows: vec![row],
        certain: true,
    }
}

/// A cut that was accepted.
pub(crate) struct Accepted {
    pub sites: Vec<Site>,
    pub assignment: Assignment,
    pub pieces: Pieces,
}

/// Looks at proposed cuts.
pub(crate) struct Checker<'a, 'f> {
    facts: &'a Facts<'f>,
    machines: &'a Machines,
    problem: &'a Problem,
    /// Stages that nodes on the switch may take.
    stages: u64,
    /// What the last refused cut broke.
    pub last: String,
    /// The last cut that was accepted.
    pub accepted: Option<Accepted>,
    /// What ended the search.
    pub failed: Option<PlanError>,
}

impl<'a, 'f> Checker<'a, 'f> {
    pub fn new(facts: &'a Facts<'f>, machines: &'a Machines, problem: &'a Problem) -> Self {
        let budget = problem.budgets.get(&Site::Switch);
        let stages = budget.and_then(|b| b.get(resource::STAGES));
        Self {
            facts,
            machines,
            problem,
            stages: stages.unwrap_or(u64::MAX),
            last: String::new(),
            accepted: None,
            failed: None,
        }
    }
    /// Accepts a cut, or says what is wrong with it.
    pub fn check(&mut self, sites: &[Site]) -> Learnt {
        if self.accepted.as_ref().is_some_and(|a| a.sites == sites) {
            return Learnt::default();
        }
        let law = self.law(sites);
        if !law.rows.is_empty() {
            return law;
        }
        let assignment = self.problem.assignment(sites);
        if let Some(row) = self.too_long(&assignment) {
            return certainly(row);
        }
        let pieces = match split(self.facts, &assignment, &self.machines.ports) {
            Ok(pieces) => pieces,
            Err(error) => return self.fail(error.into()),
        };
        match self.refused(&pieces, sites) {
            Err(error) => self.fail(error),
            Ok(None) => {
                self.accepted = Some(Accepted {
                    sites: sites.to_vec(),
                    assignment,
                    pieces,
                });
                Learnt::default()
            }
            Ok(Some(refused)) => {
                let rows = self.learn(refused, &assignment, &pieces);
                // What a device refuses is excluded by guess.
                Learnt {
                    rows,
                    certain: false,
                }
            }
        }
    }
    /// What a cut breaks of the law, whatever devices have room for.
    pub fn law(&mut self, sites: &[Site]) -> Learnt {
        let assignment = self.problem.assignment(sites);
        let broken = legal::check(self.facts, &assignment).into_iter().next();
        let Some(violation) = broken else {
            return Learnt::default();
        };
        self.last = violation.to_string();
        certainly(self.involved(&violation, &assignment, sites).row())
    }
    /// Ends the search: nothing is left.
    fn fail(&mut self, error: PlanError) -> Learnt {
        self.failed = Some(error);
        let sites = self.problem.groups.first().map(|g| g.sites.clone());
        let terms = sites.unwrap_or_default().into_iter();
        Learnt {
            rows: vec![Row {
                terms: terms.map(|s| (Var::At(0, number(s)), 1.0)).collect(),
                most: 0.0,
            }],
            certain: false,
        }
    }
    /// A rule against a chain that takes more stages than there are.
    fn too_long(&mut self, assignment: &Assignment) -> Option<Row> {
        let chain = self.problem.too_long(self.facts, assignment, self.stages)?;
        self.last = format!("the nodes on the switch have {} stages", self.stages);
        let switch = number(Site::Switch);
        Some(Row {
            terms: chain
                .into_iter()
                .map(|(g, stages)| (Var::At(g, switch), stages as f64))
                .collect(),
            most: self.stages as f64,
        })
    }
    fn learn(
        &mut self,
        (site, why, learnt): Refused,
        assignment: &Assignment,
        pieces: &Pieces,
    ) -> Vec<Row> {
        self.last = why;
        let (_, depth) = self.problem.longest_chain(self.facts, assignment);
        // Dispatch and exits take stages, too: the nodes have to do with fewer.
        if site == Site::Switch && depth > 1 && self.too_deep(pieces) {
            self.stages = depth - 1;
            let why = std::mem::take(&mut self.last);
            let row = self.too_long(assignment);
            self.last = why;
            return row.into_iter().collect();
        }
        let never = learnt.into_iter().map(|(g, site)| Row {
            terms: vec![(Var::At(g, number(site)), 1.0)],
            most: 0.0,
        });
        never.collect()
    }
    /// The choices that a violation depends on.
    fn involved(
        &self,
        violation: &legal::Violation,
        assignment: &Assignment,
        sites: &[Site],
    ) -> NeverAgain {
        let nodes = &self.facts.program.control.nodes;
        let named = |name: &str| nodes.find(|n| n.name == *name);
        let cone: BTreeSet<NodeId> = match violation {
            legal::Violation::NicCarries { to, site, .. } => {
                return self.too_much_from_nic(to, *site, assignment);
            }
            legal::Violation::NicMixes { to, meta, site } => {
                let exit = legal::nic_exits(self.facts, assignment)
                    .into_iter()
                    .find(|e| nodes[e.to].name == *to && Site::Nic(e.server) == *site);
                let writers = named(to).map(|n| self.writers(n, meta)).unwrap_or_default();
                writers.into_iter().chain(exit.map(|e| e.from)).collect()
            }
            legal::Violation::NicReads { node, meta, .. } => {
                let reader = named(node);
                let writers = reader.map(|n| self.writers(n, meta)).unwrap_or_default();
                writers.into_iter().chain(reader).collect()
            }
            legal::Violation::Reorder { node, .. } => match named(node) {
                Some(node) => {
                    let mut cone = self.facts.graph.descendants(node);
                    cone.insert(node);
                    cone
                }
                None => nodes.keys().collect(),
            },
            legal::Violation::History { thing, .. } => self
                .facts
                .shared
                .iter()
                .filter(|(t, _)| self.facts.name_of(**t) == *thing)
                .flat_map(|(_, users)| users)
                .flat_map(|n| {
                    let mut cone = self.facts.graph.ancestors(*n);
                    cone.insert(*n);
                    cone
                })
                .collect(),
            _ => nodes.keys().collect(),
        };
        let groups: BTreeSet<usize> = cone
            .iter()
            .filter_map(|n| self.problem.group_of(*n))
            .filter(|g| self.problem.groups[*g].sites.len() > 1)
            .collect();
        NeverAgain {
            choices: groups.into_iter().map(|g| (g, sites[g])).collect(),
            unless: None,
        }
    }
    /// The nodes before this one that assign a metadata field.
    fn writers(&self, node: NodeId, meta: &str) -> Vec<NodeId> {
        let Some(meta) = self.facts.program.meta_named(meta) else {
            return Vec::new();
        };
        let before = self.facts.graph.ancestors(node);
        before
            .into_iter()
            .filter(|n| self.facts.effects(*n).writes.contains(&Slot::Meta(meta)))
            .collect()
    }
    /// An exit from a NIC with more live metadata than META carries: as few writers as are too many
    /// must not be on the NIC together with the exit's source, unless its target is, too.
    fn too_much_from_nic(&self, to: &str, nic: Site, assignment: &Assignment) -> NeverAgain {
        let program = self.facts.program;
        let bits = |metas: &BTreeSet<MetaId>| -> u32 {
            metas.iter().map(|m| program.metas[*m].width).sum()
        };
        let exit = legal::nic_exits(self.facts, assignment)
            .into_iter()
            .find(|e| {
                program.control.nodes[e.to].name == to
                    && Site::Nic(e.server) == nic
                    && bits(&e.carried) > META_BITS
            });
        let Some(exit) = exit else {
            return NeverAgain::default();
        };
        let mut widest: Vec<MetaId> = exit.carried.into_iter().collect();
        widest.sort_by_key(|m| (std::cmp::Reverse(program.metas[*m].width), *m));
        let mut before = self.facts.graph.ancestors(exit.from);
        before.insert(exit.from);
        let mut nodes = BTreeSet::from([exit.from]);
        let mut sum = 0;
        for meta in widest {
            let writer = before.iter().find(|n| {
                assignment.site(**n) == nic
                    && self.facts.effects(**n).writes.contains(&Slot::Meta(meta))
            });
            nodes.extend(writer.copied());
            sum += program.metas[meta].width;
            if sum > META_BITS {
                break;
            }
        }
        let groups: BTreeSet<usize> = nodes
            .iter()
            .filter_map(|n| self.problem.group_of(*n))
            .collect();
        NeverAgain {
            choices: groups.into_iter().map(|g| (g, nic)).collect(),
            unless: self.problem.group_of(exit.to).map(|g| (g, nic)),
        }
    }
    /// Whether a switch with as many stages as needed would take the piece.
    fn too_deep(&self, pieces: &Pieces) -> bool {
        self.machines.deep_switch().fit(&pieces.switch).is_ok()
    }
    /// What a device says to its piece: why it refuses, and which choices must not come again.
    fn refused(&self, pieces: &Pieces, sites: &[Site]) -> Result<Option<Refused>, PlanError> {
        for site in self.machines.sites() {
            let (Some(piece), Some(device)) = (pieces.at(site), self.machines.device(site)) else {
                continue;
            };
            let refusals = match device.fit(piece) {
                Ok(used) => {
                    let short: Vec<Shortage> = used.resources.exceeding(&device.budget());
                    if short.is_empty() {
                        continue;
                    }
                    short.iter().map(ToString::to_string).collect::<Vec<_>>()
                }
                Err(refusals) => refusals.iter().map(ToString::to_string).collect(),
            };
            let why = format!("{}: {}", self.machines.name(site), refusals.join("; "));
            // A target that can tell the node helps: only that one goes elsewhere.
            let culprit = match device.lower(piece) {
                Err(LowerError::Refused { node, .. }) => self
                    .facts
                    .program
                    .control
                    .nodes
                    .find(|n| n.name == node)
                    .and_then(|n| self.problem.group_of(n))
                    .filter(|g| sites[*g] == site),
                _ => None,
            };
            let mut learnt: Vec<(usize, Site)> = match culprit {
                Some(group) => vec![(group, site)],
                None => (0..sites.len())
                    .filter(|g| sites[*g] == site)
                    .map(|g| (g, site))
                    .collect(),
            };
            learnt.retain(|(g, _)| self.problem.groups[*g].sites.len() > 1);
            // The largest user goes first, so that as much as possible stays.
            if culprit.is_none()
                && let Some(largest) = learnt
                    .iter()
                    .copied()
                    .max_by_key(|(g, s)| (self.problem.weight(*g, *s), std::cmp::Reverse(*g)))
            {
                learnt = vec![largest];
            }
            if learnt.is_empty() {
                return Err(PlanError::NoCut(why));
            }
            return Ok(Some((site, why, learnt)));
        }
        Ok(None)
    }
}
