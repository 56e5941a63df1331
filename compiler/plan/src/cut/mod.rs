//! The cut: which node runs where.
//!
//! - [`problem`](Problem): nodes that must share a site are one group; what each site says to each
//!   group, what that uses, how often it runs.
//! - `model` and `rules` state this for `trisect_optimise`; `learn` holds each proposed cut against what
//!   they do not state, and gives what is wrong back as a rule.
//! - A [`Strategy`] is what it leaves free, and what it wants first.

mod implied;
mod learn;
mod look_ups;
mod model;
mod numbers;
mod possible;
mod problem;
mod rules;
mod strategy;
mod updates;
mod ways;

pub(crate) use implied::Implications;
pub use look_ups::Numbered;
pub use model::Places;
pub(crate) use possible::Possible;
pub(crate) use problem::frequency;
pub use problem::{Cost, Group, Problem};
pub(crate) use strategy::compare;
pub use strategy::{Objective, Strategy, UnknownStrategy};

use crate::error::PlanError;
use crate::facts::Facts;
use crate::flows::ServerFlows;
use crate::machines::Machines;
use crate::merge::Merged;
use crate::pgraph::PGraph;
use crate::place::Placement;
use crate::site::{Assignment, Site};
use crate::split::Pieces;
use learn::{Accepted, Checker};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;
use trisect_optimise as optimise;
use trisect_optimise::{BEST, Goal, Learnt, Limits, NoSolution, Outcome, Reached};
use trisect_policy::rack::Rack;

/// A cut that keeps all rules and fits.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Where each node runs.
    pub assignment: Assignment,
    /// The programs of the devices.
    pub pieces: Pieces,
    /// Host cycles per packet, and what they consist of.
    pub cost: Cost,
    /// What the cut uses of everything.
    pub outcome: Outcome,

    /// How near it is to what the strategy allows.
    pub proof: Proof,
    /// The strategy that found it. Where the rules or the devices leave `best` nothing, or less,
    /// it is another one's.
    pub found_by: Strategy,
    /// By server whose host has flow tables: whether its NIC numbers flows for it.
    pub flows: Vec<ServerFlows>,
}

/// What a cut reaches, in the order in which it is wanted, and what is proven: no cut that the strategy
/// allows and that is as good in what comes before is better than the bound. Without a bound nothing
/// is proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// Where the rates of the classes are the objective: the weighted sum of those above the least ones, in Gbit/s; more is better. Then
    /// nothing is proven of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Proven>,
    /// By how much all offered rates can grow; more is better.
    pub scale: Proven,
    /// Cores' worth of work.
    pub cores: Proven,
    /// Bytes of outer headers per second.
    pub header_bytes: Proven,
    /// Visits of servers per second.
    pub bounces: Proven,
    /// Whether the search ended at its limit.
    pub stopped: bool,
}

/// A figure with its bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Proven {
    /// What is reached.
    pub value: f64,
    /// What cannot be bettered.
    pub bound: Option<f64>,
}

impl Proven {
    /// The relative gap; 1 if nothing is proven.
    pub fn gap(&self) -> f64 {
        match self.bound {
            None => 1.0,
            Some(bound) if self.value == bound => 0.0,
            Some(bound) => {
                let room = (self.value - bound).abs();
                (room / self.value.abs().max(bound.abs()).max(f64::MIN_POSITIVE)).min(1.0)
            }
        }
    }
}

impl Proof {
    /// The gap of the first figure that has one, as a part of it; 0 if the cut is optimal.
    pub fn gap(&self) -> f64 {
        let gaps = self.figures().map(|(_, figure)| figure.gap());
        gaps.into_iter().find(|gap| *gap > CLOSE).unwrap_or(0.0)
    }
    /// The figures of which something is proven, in the order in which they are wanted, with their names.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, Proven)> {
        let scaled = [
            ("load that can be carried", self.scale),
            ("cores", self.cores),
            ("header bytes", self.header_bytes),
            ("visits of servers", self.bounces),
        ];
        let rates = self
            .rates
            .map(|rates| ("rates above the least ones", rates));
        let scaled = scaled.into_iter().filter(move |_| rates.is_none());
        rates.into_iter().chain(scaled)
    }
    /// What is wanted first.
    fn first(&self) -> Proven {
        self.rates.unwrap_or(self.scale)
    }
    /// Whether every figure has a bound, up to the first that is not the best.
    fn complete(&self) -> bool {
        let open = self.figures().find(|(_, figure)| figure.gap() > CLOSE);
        open.is_none_or(|(_, figure)| figure.bound.is_some())
    }
    /// The gap of this cut to the bounds of another, which hold for cuts as good as that in what comes
    /// before: the first figure that is worse than the bound.
    pub fn gap_to(&self, best: &Self) -> f64 {
        let pairs = self.figures().zip(best.figures());
        let mut gaps = pairs.map(|((_, own), (_, best))| {
            let bound = best.bound;
            Proven { bound, ..own }.gap()
        });
        gaps.find(|gap| *gap > CLOSE).unwrap_or(0.0)
    }
    /// The figures with what is proven of a problem in which nothing is worse; of a figure only if those before have the
    /// same bounds as values, as more is left to it else.
    fn within(&self, other: Option<&Self>) -> Self {
        let mut proof = self.clone();
        let other_rates = other.and_then(|other| other.rates);
        let others = other.map(|o| [o.scale, o.cores, o.header_bytes, o.bounces]);
        let mut holds = true;
        if let Some(rates) = &mut proof.rates {
            rates.bound = other_rates
                .and_then(|other| other.bound)
                .map(|b| b.max(rates.value));
            holds = false;
        }
        let own = [
            (&mut proof.scale, true),
            (&mut proof.cores, false),
            (&mut proof.header_bytes, false),
            (&mut proof.bounces, false),
        ];
        for (k, (figure, more)) in own.into_iter().enumerate() {
            let other = others.map(|others| others[k]).filter(|_| holds);
            let value = figure.value;
            figure.bound = other.and_then(|other| other.bound).map(|bound| match more {
                true => bound.max(value),
                false => bound.min(value),
            });
            // The other's search is behind what it reached itself.
            let near = |other: Proven| {
                Proven {
                    value,
                    bound: Some(other.value),
                }
                .gap()
                    <= CLOSE
            };
            holds = other.is_some_and(near);
        }
        proof
    }
    fn new(outcome: &Outcome, goals: &[Goal], reached: &[Reached], stopped: bool) -> Self {
        let bound = |goal: &Goal| {
            let at = goals.iter().position(|g| g == goal)?;
            let bound = reached.get(at)?.bound;
            // What earlier goals of another kind have decided is no proof.
            let before = goals[..at].iter().all(|g| BEST.contains(g));
            (bound.is_finite() && before).then_some(bound)
        };
        let proven = |value: f64, goal: &Goal| Proven {
            value,
            bound: bound(goal).map(|b| b.min(value)),
        };
        Self {
            rates: None,
            scale: Proven {
                value: outcome.scale.min(f64::MAX),
                bound: bound(&Goal::Scale).map(|part| match part > 0.0 {
                    true => (1.0 / part).max(outcome.scale).min(f64::MAX),
                    false => f64::MAX,
                }),
            },
            cores: proven(outcome.cores, &Goal::Cores),
            header_bytes: proven(outcome.header_bytes, &Goal::HeaderBytes),
            bounces: proven(outcome.bounces, &Goal::Bounces),
            stopped,
        }
    }
}

/// Relative gap below which a solution is taken for the best.
const CLOSE: f64 = 1e-5;
/// Nodes of the branch and bound per call of the solver, so that a search ends, and ends at the same cut on
/// every machine.
const NODES: u64 = 150;

/// What a cut is made from.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The merged program and its facts.
    pub facts: &'a Facts<'a>,
    /// What is known about its nodes.
    pub merged: &'a Merged,
    /// The server of each instance.
    pub placement: &'a Placement,
    /// The devices.
    pub machines: &'a Machines,
    /// The rack.
    pub rack: &'a Rack,
    /// The policy graph.
    pub graph: &'a PGraph,
    /// Mean bytes of a frame.
    pub packet_bytes: u32,
    /// What is wanted first.
    pub objective: Objective,
    /// Wall-clock time after which the best cut so far is taken.
    pub time_limit: Option<Duration>,
}

/// Everything that a cut is looked for in.
pub struct Search<'a> {
    sources: Sources<'a>,
    /// The problem.
    pub problem: Problem,
    /// It as one of assignment; units are groups, choices the groups' sites.
    pub model: optimise::Problem,
    /// Where the model's quantities are.
    pub places: Places,
    /// The model as it is where as much is carried as can be, if that is another one.
    full: Option<optimise::Problem>,
    /// The model's rules with those of going forward only.
    forward: optimise::Rules,
}

/// What a strategy leaves free and wants.
struct Wish<'h> {
    /// Choices that it forbids.
    never: BTreeSet<(usize, Site)>,
    goals: Vec<Goal>,
    /// A cut to begin with.
    hint: Option<&'h [Site]>,
    /// Whether the time limit holds. It does not for what others begin with, so that there is always a
    /// plan.
    timed: bool,
}

/// No cut was found.
struct NotFound {
    error: PlanError,
    /// What is proven of the first goal all the same, as the optimiser states it.
    bound: f64,
}

/// Finds a cut.
///
/// # Errors
/// A node that can run nowhere, or no cut that keeps all rules and that all devices accept.
pub fn cut(sources: Sources<'_>, strategy: Strategy) -> Result<(Search<'_>, Solution), PlanError> {
    numbers::with_numbers(sources, strategy)
}

impl<'a> Sources<'a> {
    fn model<'p>(&self, problem: &'p Problem) -> model::Sources<'p, 'a>
    where
        'a: 'p,
    {
        model::Sources {
            facts: self.facts,
            problem,
            machines: self.machines,
            rack: self.rack,
            graph: self.graph,
            packet_bytes: self.packet_bytes,
        }
    }
}

impl<'a> Search<'a> {
    fn new(sources: Sources<'a>) -> Result<Self, PlanError> {
        let problem = Problem::new(
            sources.facts,
            sources.merged,
            sources.placement,
            sources.machines,
            sources.graph,
        )?;
        let (model, places) = model::model(&sources.model(&problem));
        let rules = model.rules.clone();
        let forward = rules::forward_only(sources.facts, &problem, sources.machines, rules);
        Ok(Self {
            sources,
            problem,
            model,
            places,
            full: None,
            forward,
        })
    }
    fn limits(&self) -> Limits {
        Limits {
            nodes: Some(NODES),
            time: self.sources.time_limit,
            ..Limits::default()
        }
    }
    /// By group, the position of its site.
    pub(crate) fn choice(&self, assignment: &Assignment) -> Vec<usize> {
        let groups = self.problem.groups.iter();
        groups
            .map(|group| {
                let here = group.nodes.first().map(|n| assignment.site(*n));
                let at = group.sites.iter().position(|s| Some(*s) == here);
                at.unwrap_or(0)
            })
            .collect()
    }
    /// What an assignment comes to.
    pub fn outcome(&self, assignment: &Assignment) -> Outcome {
        let choice = self.choice(assignment);
        let mut outcome = evaluated(&self.model, &choice);
        if let Some(full) = &self.full {
            let full = evaluated(full, &choice);
            (outcome.scale, outcome.bottleneck) = (full.scale, full.bottleneck);
        }
        outcome
    }
    /// Solves; packets come back to a server that they have left only if there is no other way.
    fn solve(&self, wish: &Wish<'_>) -> Result<Solution, NotFound> {
        let mut forward = self.model.clone();
        forward.rules = self.forward.clone();
        self.solve_model(forward, wish)
            .or_else(|_| self.solve_model(self.model.clone(), wish))
    }
    fn solve_model(
        &self,
        mut model: optimise::Problem,
        wish: &Wish<'_>,
    ) -> Result<Solution, NotFound> {
        let mut allowed: Vec<Vec<Site>> = Vec::new();
        for (g, group) in self.problem.groups.iter().enumerate() {
            let keep = |site: &Site| !wish.never.contains(&(g, *site));
            let sites: Vec<Site> = group.sites.iter().copied().filter(keep).collect();
            let numbers: Vec<usize> = sites.iter().map(|s| model::number(*s)).collect();
            let unit = &mut model.units[g];
            unit.choices.retain(|c| numbers.contains(&c.site));
            if unit.choices.is_empty() {
                let why = format!("strategy leaves no device for `{}`", unit.name);
                return Err(NotFound {
                    error: PlanError::NoCut(why),
                    bound: 0.0,
                });
            }
            allowed.push(sites);
        }
        let hint: Option<Vec<usize>> = wish.hint.and_then(|sites| {
            let choices = sites.iter().zip(&allowed);
            choices
                .map(|(site, allowed)| allowed.iter().position(|s| s == site))
                .collect()
        });
        let mut limits = self.limits();
        limits.time = limits.time.filter(|_| wish.timed);
        let mut checker = Checker::new(self.sources.facts, self.sources.machines, &self.problem);
        let sites_of = |choice: &[usize]| -> Vec<Site> {
            let choices = choice.iter().zip(&allowed);
            choices.map(|(c, sites)| sites[*c]).collect()
        };
        let mut check = |choice: &[usize]| checker.check(&sites_of(choice));
        let solved = optimise::solve(&model, &wish.goals, limits, hint.as_deref(), &mut check);
        if let Some(error) = checker.failed {
            return Err(NotFound { error, bound: 0.0 });
        }
        let no_cut = |why: &str, last: String, bound: f64| NotFound {
            // What the last cut broke says more than that there is no other.
            error: PlanError::NoCut(match last.is_empty() {
                true => why.to_owned(),
                false => last,
            }),
            bound,
        };
        let solved = match solved {
            Ok(solved) => solved,
            Err(error) => {
                let bound = match error {
                    NoSolution::Infeasible { bound } | NoSolution::Stopped { bound } => bound,
                    _ => 0.0,
                };
                return Err(no_cut(&error.to_string(), checker.last, bound));
            }
        };
        let Some(Accepted {
            assignment, pieces, ..
        }) = checker.accepted
        else {
            return Err(no_cut("nothing was accepted", checker.last, 0.0));
        };
        let outcome = self.outcome(&assignment);
        let mut proof = Proof::new(&outcome, &wish.goals, &solved.reached, solved.stopped);
        if self.sources.objective == Objective::Rates {
            let first = wish.goals.first() == Some(&Goal::Marginal);
            let reached = solved.reached.first().filter(|_| first);
            let value = self.above_least(&self.rates(&assignment));
            proof.rates = Some(Proven {
                value,
                bound: reached
                    .and_then(|r| self.first_bound(r.bound))
                    .map(|b| b.max(value)),
            });
        }
        Ok(Solution {
            cost: self.problem.cost(self.sources.facts, &assignment),
            proof,
            outcome,
            found_by: Strategy::Best,
            flows: Vec::new(),
            assignment,
            pieces,
        })
    }
    /// By class: the rate that it can have beside the others with an assignment, in packets per second; nothing where the least rates cannot be carried.
    pub(crate) fn rates(&self, assignment: &Assignment) -> Vec<f64> {
        let model = self.full.as_ref().unwrap_or(&self.model);
        optimise::rates(model, &self.choice(assignment)).unwrap_or_default()
    }
    /// The weighted sum of rates above the least ones, in Gbit/s.
    pub(crate) fn above_least(&self, rates: &[f64]) -> f64 {
        let classes = self.model.classes.iter().zip(rates);
        let sum: f64 = classes.map(|(c, rate)| c.weight * (rate - c.min)).sum();
        self.gbps(sum)
    }
    /// Packets per second as Gbit/s.
    pub(crate) fn gbps(&self, pps: f64) -> f64 {
        pps * 8.0 * f64::from(self.sources.packet_bytes) / 1e9
    }
    /// What the optimiser's bound of the first goal says of what is wanted first.
    fn first_bound(&self, bound: f64) -> Option<f64> {
        match self.sources.objective {
            Objective::Scale => (bound > 0.0).then(|| 1.0 / bound),
            Objective::Rates => bound.is_finite().then(|| self.gbps(-bound)),
        }
    }
    /// Adds what can be proven of a cut in relation to all others, where a search has not proven it.
    fn prove(&self, solution: &mut Solution) {
        if solution.proof.complete() {
            return;
        }
        let mut model = self.model.clone();
        model.rules = self.forward.clone();
        let limits = self.limits();
        if let Some(rates) = &mut solution.proof.rates {
            let hint = self.choice(&solution.assignment);
            let mut all = |_: &[usize]| Learnt::default();
            let goals = [Goal::Marginal];
            let bound = match optimise::solve(&model, &goals, limits, Some(&hint), &mut all) {
                Ok(solved) => solved.reached.first().map(|reached| reached.bound),
                Err(NoSolution::Stopped { bound }) => Some(bound),
                Err(_) => None,
            };
            let bound = bound.and_then(|bound| self.first_bound(bound));
            rates.bound = rates.bound.or(bound.map(|b| b.max(rates.value)));
            return;
        }
        let outcome = &solution.outcome;
        let values = [
            1.0 / outcome.scale,
            outcome.cores,
            outcome.header_bytes,
            outcome.bounces,
        ];
        let Ok(bounds) = optimise::bounds(&model, &BEST, &values, limits) else {
            return;
        };
        let reached: Vec<Reached> = values
            .iter()
            .zip(bounds)
            .map(|(value, bound)| Reached {
                value: *value,
                bound,
            })
            .collect();
        let proven = Proof::new(outcome, &BEST, &reached, solution.proof.stopped);
        let known = &mut solution.proof;
        known.scale.bound = known.scale.bound.or(proven.scale.bound);
        known.cores.bound = known.cores.bound.or(proven.cores.bound);
        known.header_bytes.bound = known.header_bytes.bound.or(proven.header_bytes.bound);
        known.bounces.bound = known.bounces.bound.or(proven.bounces.bound);
    }
    /// The site of each group.
    fn sites(&self, assignment: &Assignment) -> Vec<Site> {
        let groups = self.problem.groups.iter();
        groups
            .map(|group| {
                let first = group.nodes.first();
                first.map_or(Site::Switch, |n| assignment.site(*n))
            })
            .collect()
    }
}

/// What an assignment comes to in a model that was made from its problem, and so is not malformed.
fn evaluated(model: &optimise::Problem, choice: &[usize]) -> Outcome {
    optimise::evaluate(model, choice).unwrap_or_else(|_| Outcome {
        loads: Vec::new(),
        scale: 0.0,
        bottleneck: None,
        cores: f64::INFINITY,
        whole_cores: f64::INFINITY,
        header_bytes: f64::INFINITY,
        bounces: f64::INFINITY,
        latency_ns: f64::INFINITY,
        over: Vec::new(),
        unmet: Vec::new(),
        longest_ns: Vec::new(),
        late: Vec::new(),
    })
}
