//! The cut: which node runs where.
//!
//! - [`problem`](Problem): nodes that must share a site are one group; what each site says to each
//!   group, what that uses, how often it runs.
//! - [`Strategy::Host`], [`Strategy::E2`] and [`Strategy::Best`] differ in what they leave free; what is
//!   free is decided by one mixed integer program (`milp`).
//! - What the program does not state (chains of dependent nodes longer than the pipeline, some
//!   order rules, what a device says to its whole piece) is checked afterwards, and comes back as
//!   a constraint.

mod milp;
mod problem;

pub(crate) use problem::frequency;
pub use problem::{Cost, Group, Problem};

use crate::analysis::Slot;
use crate::error::PlanError;
use crate::facts::Facts;
use crate::legal;
use crate::machines::Machines;
use crate::merge::Merged;
use crate::place::Placement;
use crate::site::{Assignment, Site};
use crate::split::{Pieces, split};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use trisect_ir::{MetaId, NodeId};
use trisect_target::wire::META_BITS;
use trisect_target::{LowerError, Shortage, resource};

/// How the cut is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nothing is offloaded: the switch classifies and steers.
    Host,
    /// E2's opportunistic step (section 4.5): an NF goes to the switch, whole, if it is the first or
    /// last of its chains and the switch can run it.
    E2,
    /// A mixed integer program over all nodes and sites.
    #[default]
    Best,
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::E2 => "e2",
            Self::Best => "best",
        })
    }
}

/// There is no such strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy `{0}`; there are host, e2 and best")]
pub struct UnknownStrategy(pub String);

impl FromStr for Strategy {
    type Err = UnknownStrategy;
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        match text {
            "host" => Ok(Self::Host),
            "e2" => Ok(Self::E2),
            "best" => Ok(Self::Best),
            other => Err(UnknownStrategy(other.to_owned())),
        }
    }
}

/// A cut that keeps all rules and fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Where each node runs.
    pub assignment: Assignment,
    /// The programs of the devices.
    pub pieces: Pieces,
    /// Host cycles per packet, and what they consist of.
    pub cost: Cost,
    /// What is proven: no cut that the strategy allows has a smaller objective ([`Cost`]).
    pub bound: f64,
    /// The strategy that found it. Where the rules or the devices leave `best` nothing, or less,
    /// it is another one's.
    pub found_by: Strategy,
}

/// No cut was found.
struct NotFound {
    error: PlanError,
    /// What is proven all the same.
    bound: f64,
}

/// Relative gap below which a solution is taken for the best.
const CLOSE: f64 = 2e-4;
/// How often a solution may come back with a new constraint before the next simpler strategy is
/// tried.
const MAX_ROUNDS: usize = 60;

/// Finds a cut.
///
/// # Errors
/// A node that can run nowhere, or no cut that keeps all rules and that all devices accept.
pub fn cut(
    facts: &Facts,
    merged: &Merged,
    placement: &Placement,
    machines: &Machines,
    strategy: Strategy,
) -> Result<(Problem, Solution), PlanError> {
    let problem = Problem::new(facts, merged, placement, machines)?;
    let search = Search {
        facts,
        machines,
        problem: &problem,
    };
    let mut solution = search.strategy(strategy)?;
    // The solver's arithmetic is inexact.
    solution.bound = solution.bound.min(solution.cost.objective);
    Ok((problem, solution))
}

/// Not all of these choices at once, unless that other one is made, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct NeverAgain {
    pub choices: Vec<(usize, Site)>,
    pub unless: Option<(usize, Site)>,
}

/// What a strategy leaves open, and what has been learnt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Restrictions {
    /// Sites that a group must not have.
    pub never: BTreeSet<(usize, Site)>,
    /// What must not come again.
    pub never_again: Vec<NeverAgain>,
    /// Chains of nodes on the switch with the stages that each takes and the most in sum.
    pub chains: Vec<(Vec<(usize, u64)>, u64)>,
    /// Whether packets may come back to a server that they have left.
    pub may_return: bool,
}

/// Which device refuses its piece, why, and which choices must not come again.
type Refused = (Site, String, Vec<(usize, Site)>);

struct Search<'a, 'f> {
    facts: &'a Facts<'f>,
    machines: &'a Machines,
    problem: &'a Problem,
}

impl Search<'_, '_> {
    fn strategy(&self, strategy: Strategy) -> Result<Solution, PlanError> {
        match strategy {
            Strategy::Host => self
                .solve(self.only_hosts(&BTreeSet::new()))
                .map(|found| Solution {
                    found_by: Strategy::Host,
                    ..found
                })
                .map_err(|not| not.error),
            Strategy::E2 => self.e2(),
            Strategy::Best => {
                let (best, bound) = match self.solve(Restrictions::default()) {
                    Ok(best) if best.bound >= best.cost.objective * (1.0 - CLOSE) => {
                        return Ok(best);
                    }
                    Ok(best) => (Some(best.clone()), best.bound),
                    Err(not) => (None, not.bound),
                };
                // A device refused something on the way: the simpler strategy may have found better.
                let simple = self.e2();
                match (best, simple) {
                    (Some(best), Ok(simple)) if simple.cost.objective < best.cost.objective => {
                        Ok(Solution { bound, ..simple })
                    }
                    (Some(best), _) => Ok(best),
                    (None, simple) => simple.map(|s| Solution { bound, ..s }),
                }
            }
        }
    }
    /// NF nodes stay on hosts, but for those of the NFs that are offloaded: these go to the switch.
    fn only_hosts(&self, offloaded: &BTreeSet<String>) -> Restrictions {
        let mut restrictions = Restrictions::default();
        for (g, group) in self.problem.groups.iter().enumerate() {
            let nfs: BTreeSet<&str> = group
                .nodes
                .iter()
                .map(|n| self.facts.program.control.nodes[*n].nf.as_str())
                .filter(|nf| !nf.is_empty())
                .collect();
            let to_switch = !nfs.is_empty() && nfs.iter().all(|nf| offloaded.contains(*nf));
            for site in &group.sites {
                let keep = match site {
                    Site::Nic(_) => false,
                    Site::Switch => nfs.is_empty() || to_switch,
                    Site::Host(_) => !to_switch,
                };
                if !keep {
                    restrictions.never.insert((g, *site));
                }
            }
        }
        restrictions
    }
    /// Offloads one NF after the other, as long as a cut remains.
    fn e2(&self) -> Result<Solution, PlanError> {
        let mut offloaded = BTreeSet::new();
        let mut best = self
            .solve(self.only_hosts(&offloaded))
            .map_err(|not| not.error)?;
        for nf in self.touching_ports() {
            let mut more = offloaded.clone();
            more.insert(nf);
            let restrictions = self.only_hosts(&more);
            let possible = self.problem.groups.iter().enumerate().all(|(g, group)| {
                group
                    .sites
                    .iter()
                    .any(|s| !restrictions.never.contains(&(g, *s)))
            });
            if !possible {
                continue;
            }
            if let Ok(solution) = self.solve(restrictions) {
                (best, offloaded) = (solution, more);
            }
        }
        best.found_by = Strategy::E2;
        Ok(best)
    }
    /// NF instances that are first or last in all pipelines in which they are.
    fn touching_ports(&self) -> Vec<String> {
        let nodes = &self.facts.program.control.nodes;
        let mut order: Vec<&str> = Vec::new();
        let (mut not_first, mut not_last) = (BTreeSet::new(), BTreeSet::new());
        for &node in &self.facts.graph.order {
            let nf = nodes[node].nf.as_str();
            if nf.is_empty() {
                continue;
            }
            if !order.contains(&nf) {
                order.push(nf);
            }
            for (of, set) in [
                (self.facts.graph.ancestors(node), &mut not_first),
                (self.facts.graph.descendants(node), &mut not_last),
            ] {
                if of
                    .iter()
                    .any(|n| !nodes[*n].nf.is_empty() && nodes[*n].nf != nf)
                {
                    set.insert(nf);
                }
            }
        }
        order
            .into_iter()
            .filter(|nf| !not_first.contains(nf) || !not_last.contains(nf))
            .map(str::to_owned)
            .collect()
    }
    /// Solves; packets come back to a server only if there is no other way.
    fn solve(&self, restrictions: Restrictions) -> Result<Solution, NotFound> {
        self.solve_rounds(restrictions.clone()).or_else(|_| {
            self.solve_rounds(Restrictions {
                may_return: true,
                ..restrictions
            })
        })
    }
    /// Solves, checks, learns, until the solution holds.
    fn solve_rounds(&self, mut restrictions: Restrictions) -> Result<Solution, NotFound> {
        // What is learnt from rules excludes only what is illegal, so each round's bound holds. What a
        // device refuses is excluded by guess, so from then on bounds hold no more.
        let mut certain = true;
        let mut bound = 0.0_f64;
        let mut last = String::new();
        let budget = self.problem.budgets.get(&Site::Switch);
        let mut stages = budget
            .and_then(|b| b.get(resource::STAGES))
            .unwrap_or(u64::MAX);
        for _ in 0..MAX_ROUNDS {
            let solved =
                milp::solve(self.facts, self.problem, &restrictions).map_err(|why| NotFound {
                    // What the last cut broke says more than that there is no other.
                    error: PlanError::NoCut(match last.is_empty() {
                        true => why.to_string(),
                        false => last.clone(),
                    }),
                    bound,
                })?;
            if certain {
                bound = bound.max(solved.bound);
            }
            let assignment = self.problem.assignment(&solved.sites);
            if let Some(violation) = legal::check(self.facts, &assignment).into_iter().next() {
                last = violation.to_string();
                restrictions.never_again.push(self.involved(
                    &violation,
                    &assignment,
                    &solved.sites,
                ));
                continue;
            }
            if let Some(chain) = self.problem.too_long(self.facts, &assignment, stages) {
                last = format!("the nodes on the switch have {stages} stages");
                restrictions.chains.push((chain, stages));
                continue;
            }
            let failed = |error: PlanError| NotFound { error, bound };
            let pieces = split(self.facts, &assignment, &self.machines.ports)
                .map_err(|error| failed(error.into()))?;
            let (_, depth) = self.problem.longest_chain(self.facts, &assignment);
            let refused = self.refused(&pieces, &solved.sites).map_err(failed)?;
            certain &= refused.is_none();
            match refused {
                // Dispatch and exits take stages, too: the nodes have to do with fewer.
                Some((site, why, _))
                    if site == Site::Switch && self.too_deep(&pieces) && depth > 1 =>
                {
                    last = why;
                    stages = depth - 1;
                }
                Some((_, why, learnt)) => {
                    last = why;
                    restrictions.never.extend(learnt);
                }
                None => {
                    return Ok(Solution {
                        cost: self.problem.cost(self.facts, &assignment),
                        bound,
                        found_by: Strategy::Best,
                        assignment,
                        pieces,
                    });
                }
            }
        }
        Err(NotFound {
            error: PlanError::NoCut(last),
            bound,
        })
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
