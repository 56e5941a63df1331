//! Strategies: what each leaves free, and what it wants first.

use super::model::number;
use super::{CLOSE, NotFound, Proof, Search, Solution, Wish};
use crate::error::PlanError;
use crate::site::{ServerId, Site};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use trisect_optimise::{BEST, Goal, Outcome, Promise, Role, Var, conflict, greedy};

/// How the cut is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Nothing is offloaded: the switch classifies and steers.
    Host,
    /// Every group wants a device at random; the nearest cut that keeps the rules. The same each time.
    Random,
    /// Nothing is offloaded, and servers are filled one after the other.
    Packing,
    /// Every group in turn wants the device that is best at that moment; the nearest cut that keeps the
    /// rules.
    Greedy,
    /// As many nodes on the switch as possible, then on NICs.
    SwitchFirst,
    /// As many nodes on NICs as possible, then on the switch.
    NicFirst,
    /// The fewest visits of servers.
    MinBounce,
    /// E2's opportunistic step (section 4.5): an NF goes to the switch, whole, if it is the first or
    /// last of its chains and the switch can run it.
    E2,
    /// The optimum over all nodes and devices: scale, then cores, header bytes and visits.
    #[default]
    Best,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Host,
        Self::Random,
        Self::Packing,
        Self::Greedy,
        Self::SwitchFirst,
        Self::NicFirst,
        Self::MinBounce,
        Self::E2,
        Self::Best,
    ];
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Random => "random",
            Self::Packing => "packing",
            Self::Greedy => "greedy",
            Self::SwitchFirst => "switch-first",
            Self::NicFirst => "nic-first",
            Self::MinBounce => "min-bounce",
            Self::E2 => "e2",
            Self::Best => "best",
        }
    }
}

/// What a cut is to reach first, once every promise is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The largest factor by which all offered rates can grow.
    #[default]
    Scale,
    /// The largest weighted sum of rates above the least ones, each class's rate being free between its least and its most.
    Rates,
}

impl Objective {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Scale, Self::Rates];
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scale => "scale",
            Self::Rates => "rates",
        }
    }
    /// One line for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::Scale => "the factor by which all offered rates can grow",
            Self::Rates => {
                "the sum of the classes' rates above their least ones, by their weights, each free up to its most"
            }
        }
    }
    /// The goals in their order.
    pub(super) fn goals(self) -> Vec<Goal> {
        match self {
            Self::Scale => BEST.to_vec(),
            Self::Rates => vec![Goal::Marginal, Goal::Cores],
        }
    }
    /// Whether this is what the plan is made for if nothing else is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Strategy {
    /// One line for people.
    pub fn description(self) -> &'static str {
        match self {
            Self::Host => "nothing is offloaded: the switch only steers packets to servers",
            Self::Random => {
                "every node wants a device at random, the same each time; a near cut that keeps the rules"
            }
            Self::Packing => "nothing is offloaded, and servers are filled one after the other",
            Self::Greedy => "every node in turn wants the device that is best at that moment",
            Self::SwitchFirst => "as much as possible on the switch, then on NICs",
            Self::NicFirst => "as much as possible on NICs, then on the switch",
            Self::MinBounce => "the fewest visits of servers",
            Self::E2 => {
                "E2's opportunistic step: an NF goes to the switch, whole, if it touches a switch port and fits"
            }
            Self::Best => {
                "the optimum over all devices for every node: the largest load, then the fewest cores, header bytes and visits"
            }
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such strategy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no strategy `{name}`; there are {}", Strategy::ALL.map(Strategy::name).join(", "))]
pub struct UnknownStrategy {
    /// What was asked for.
    pub name: String,
}

impl FromStr for Strategy {
    type Err = UnknownStrategy;
    fn from_str(text: &str) -> Result<Self, UnknownStrategy> {
        let named = Self::ALL.into_iter().find(|s| s.name() == text);
        named.ok_or_else(|| UnknownStrategy {
            name: text.to_owned(),
        })
    }
}

/// Below 0 if `a` is better in the order of [`BEST`], above if worse, by more than rounding.
pub(crate) fn compare(a: &Outcome, b: &Outcome) -> i32 {
    let values = |o: &Outcome| [1.0 / o.scale, o.cores, o.header_bytes, o.bounces];
    for (a, b) in values(a).into_iter().zip(values(b)) {
        let room = CLOSE * a.abs().max(b.abs());
        if a < b - room {
            return -1;
        }
        if a > b + room {
            return 1;
        }
    }
    0
}

impl Search<'_> {
    /// The cut of a strategy.
    pub(super) fn strategy(&self, strategy: Strategy) -> Result<Solution, PlanError> {
        let homes = || self.only_hosts(&BTreeSet::new());
        let found = match strategy {
            Strategy::Host => self.wanting(homes(), Vec::new()),
            Strategy::Random => self.near_host(vec![self.at_random()]),
            Strategy::Packing => self.wanting(self.packed(), Vec::new()),
            Strategy::Greedy => self.near_host(vec![self.greedily()]),
            Strategy::SwitchFirst => {
                self.near_host([Role::Switch, Role::Nic].map(|r| self.most_on(r)).to_vec())
            }
            Strategy::NicFirst => {
                self.near_host([Role::Nic, Role::Switch].map(|r| self.most_on(r)).to_vec())
            }
            Strategy::MinBounce => {
                self.beginning_with(self.e2(), BTreeSet::new(), vec![Goal::Bounces])
            }
            Strategy::E2 => self.e2(),
            Strategy::Best => {
                let mut best = self.best().map_err(|error| self.reason(error))?;
                self.prove(&mut best);
                return Ok(best);
            }
        };
        let found = found.map_err(|not| self.reason(not.error))?;
        Ok(Solution {
            found_by: strategy,
            ..found
        })
    }
    /// Why there is no cut: objectives that contradict each other say more than a search that found
    /// nothing.
    fn reason(&self, error: PlanError) -> PlanError {
        let asked = self.sources.graph.pipelines.iter();
        if asked.into_iter().all(|p| p.slo.is_empty()) {
            return error;
        }
        match conflict(&self.model, self.limits()) {
            Ok(Some(promises)) if !promises.is_empty() => PlanError::Objectives {
                demands: promises.iter().map(|p| self.demand(p)).collect(),
            },
            _ => error,
        }
    }
    fn demand(&self, promise: &Promise) -> String {
        let bits = 8.0 * f64::from(self.sources.packet_bytes);
        match promise {
            Promise::Rate(class) => {
                let class = &self.model.classes[*class];
                let gbps = class.min * bits / 1e9;
                format!("`{}` at least {gbps:.3} Gbit/s", class.name)
            }
            Promise::Latency(ways) => {
                let ways = &self.model.ways[*ways];
                format!("{} at most {:.3} us", ways.name, ways.most / 1e3)
            }
        }
    }
    /// The best cut of those that are left, but first for what is wanted first. What costs nothing is not
    /// offloaded for nothing.
    fn wanting(
        &self,
        never: BTreeSet<(usize, Site)>,
        first: Vec<Goal>,
    ) -> Result<Solution, NotFound> {
        self.solve(&Wish {
            never,
            goals: self.goals(first),
            hint: None,
            timed: false,
        })
    }
    /// Some cut of those that are left.
    fn any(&self, never: BTreeSet<(usize, Site)>) -> Result<Solution, NotFound> {
        self.solve(&Wish {
            never,
            goals: vec![Goal::Sum(Vec::new())],
            hint: None,
            timed: false,
        })
    }
    /// The best on the servers where instances were placed; the search begins with all on hosts.
    fn near_host(&self, first: Vec<Goal>) -> Result<Solution, NotFound> {
        let host = self.wanting(self.only_hosts(&BTreeSet::new()), Vec::new());
        self.beginning_with(host, self.away(), first)
    }
    /// The same, beginning with a cut, which stays if the search ends without a better one.
    fn beginning_with(
        &self,
        start: Result<Solution, NotFound>,
        never: BTreeSet<(usize, Site)>,
        first: Vec<Goal>,
    ) -> Result<Solution, NotFound> {
        let hint = start.as_ref().ok().map(|s| self.sites(&s.assignment));
        let found = self.solve(&Wish {
            never,
            goals: self.goals(first),
            hint: hint.as_deref(),
            timed: true,
        });
        found.or(start)
    }
    fn goals(&self, first: Vec<Goal>) -> Vec<Goal> {
        self.goals_of(self.sources.objective, first)
    }
    fn goals_of(&self, objective: Objective, mut first: Vec<Goal>) -> Vec<Goal> {
        for goal in objective.goals() {
            if !first.contains(&goal) {
                first.push(goal);
            }
        }
        first.push(self.least_offloaded());
        first
    }
    /// The fewest nodes off the hosts, by how often they run.
    fn least_offloaded(&self) -> Goal {
        let often = |g: usize| -> f64 {
            let nodes = self.problem.groups[g].nodes.iter();
            nodes
                .map(|n| self.problem.frequency[trisect_ir::Entity::index(*n)])
                .sum()
        };
        let mut terms = Vec::new();
        for (g, group) in self.problem.groups.iter().enumerate() {
            let off = group.sites.iter().filter(|s| !matches!(s, Site::Host(_)));
            terms.extend(off.map(|s| (Var::At(g, number(*s)), often(g))));
        }
        Goal::Prefer(terms)
    }
    /// The most nodes on devices of a role.
    fn most_on(&self, role: Role) -> Goal {
        let mut terms = Vec::new();
        for (g, group) in self.problem.groups.iter().enumerate() {
            for site in &group.sites {
                if self.model.sites[number(*site)].role == role {
                    terms.push((Var::At(g, number(*site)), -(group.nodes.len() as f64)));
                }
            }
        }
        Goal::Sum(terms)
    }
    fn at_random(&self) -> Goal {
        let mut random = trisect_place::Rng::new(1);
        let mut terms = Vec::new();
        for (g, group) in self.problem.groups.iter().enumerate() {
            let near = |s: &&Site| s.server().is_none_or(|s| s == group.home);
            let sites: Vec<&Site> = group.sites.iter().filter(near).collect();
            if let Some(wanted) = sites.get(random.below(sites.len())) {
                terms.push((Var::At(g, number(**wanted)), -1.0));
            }
        }
        Goal::Sum(terms)
    }
    fn greedily(&self) -> Goal {
        // The model was made from this problem, so it is not malformed.
        let goals = self.sources.objective.goals();
        let choice = greedy(&self.model, &goals).unwrap_or_default();
        let choices = choice.iter().zip(&self.model.units).enumerate();
        let terms = choices.map(|(g, (c, unit))| (Var::At(g, unit.choices[*c].site), -1.0));
        Goal::Sum(terms.collect())
    }
    /// Servers filled one after the other with what runs on hosts, group by group.
    fn packed(&self) -> BTreeSet<(usize, Site)> {
        let mut never = self.only_hosts(&BTreeSet::new());
        let servers = self.sources.machines.servers.len();
        let mut rest: Vec<f64> = (0..servers)
            .map(|s| self.model.quantities[self.places.work(ServerId(s as u16))].capacity)
            .collect();
        let mut at = 0;
        for (g, group) in self.problem.groups.iter().enumerate() {
            let on_host = |s: &Site| matches!(s, Site::Host(_));
            if !group
                .sites
                .iter()
                .any(|s| on_host(s) && !never.contains(&(g, *s)))
            {
                continue;
            }
            let work: f64 = self.model.units[g]
                .choices
                .iter()
                .filter(|c| self.model.sites[c.site].role == Role::Host)
                .take(1)
                .flat_map(|c| &c.demands)
                .filter(|d| {
                    let kind = self.model.quantities[d.quantity].kind;
                    matches!(kind, trisect_optimise::Kind::Work { .. })
                })
                .map(|d| d.amount)
                .sum();
            if work > rest[at] && at + 1 < servers {
                at += 1;
            }
            rest[at] -= work;
            let wanted = Site::Host(ServerId(at as u16));
            if group.sites.contains(&wanted) {
                for site in group.sites.iter().filter(|s| on_host(s)) {
                    never.insert((g, *site));
                }
                never.remove(&(g, wanted));
            }
        }
        never
    }
    /// All servers but those where instances were placed.
    fn away(&self) -> BTreeSet<(usize, Site)> {
        let groups = self.problem.groups.iter().enumerate();
        let sites = groups.flat_map(|(g, group)| group.sites.iter().map(move |s| (g, group, *s)));
        sites
            .filter(|(_, group, site)| site.server().is_some_and(|s| s != group.home))
            .map(|(g, _, site)| (g, site))
            .collect()
    }
    /// NF nodes stay on the hosts where their instances were placed, but for those of the NFs that are
    /// offloaded: these go to the switch.
    fn only_hosts(&self, offloaded: &BTreeSet<String>) -> BTreeSet<(usize, Site)> {
        let mut never = BTreeSet::new();
        for (g, group) in self.problem.groups.iter().enumerate() {
            let nfs: BTreeSet<&str> = group
                .nodes
                .iter()
                .map(|n| self.sources.facts.program.control.nodes[*n].nf.as_str())
                .filter(|nf| !nf.is_empty())
                .collect();
            let to_switch = !nfs.is_empty() && nfs.iter().all(|nf| offloaded.contains(*nf));
            let home = Site::Host(group.home);
            for site in &group.sites {
                let keep = match site {
                    Site::Nic(_) => false,
                    Site::Switch => nfs.is_empty() || to_switch,
                    Site::Host(_) => !to_switch && (*site == home || !group.sites.contains(&home)),
                };
                if !keep {
                    never.insert((g, *site));
                }
            }
        }
        never
    }
    /// Offloads one NF after the other, as long as a cut remains.
    fn e2(&self) -> Result<Solution, NotFound> {
        let mut offloaded = BTreeSet::new();
        let mut possible = self.any(self.only_hosts(&offloaded))?;
        for nf in self.touching_ports() {
            let mut more = offloaded.clone();
            more.insert(nf);
            if let Ok(cut) = self.any(self.only_hosts(&more)) {
                (possible, offloaded) = (cut, more);
            }
        }
        // What is possible stays, should a device refuse what would be better.
        let mut best = self
            .wanting(self.only_hosts(&offloaded), Vec::new())
            .unwrap_or(possible);
        best.found_by = Strategy::E2;
        Ok(best)
    }
    /// The optimum, beginning with what E2 would do; where rates are the objective, with the better of that and the best for
    /// rates that grow alike, which is found sooner.
    fn best(&self) -> Result<Solution, PlanError> {
        let mut simple = self.e2();
        if self.sources.objective == Objective::Rates {
            let hint = simple.as_ref().ok().map(|s| self.sites(&s.assignment));
            let alike = self.solve(&Wish {
                never: BTreeSet::new(),
                goals: self.goals_of(Objective::Scale, Vec::new()),
                hint: hint.as_deref(),
                timed: true,
            });
            simple = match (alike, simple) {
                (Ok(alike), Ok(simple)) if !self.better(&simple, &alike) => Ok(alike),
                (alike, simple) => simple.or(alike),
            };
        }
        let hint = simple.as_ref().ok().map(|s| self.sites(&s.assignment));
        match (self.best_from(hint.as_deref()), simple) {
            // A device refused something on the way: the simpler strategy may have found better.
            (Ok(best), Ok(simple)) if self.better(&simple, &best) => {
                let proof = proof_of(&simple, best.proof.first().bound, best.proof.stopped);
                Ok(Solution { proof, ..simple })
            }
            (Ok(best), _) => Ok(best),
            (Err(not), Ok(simple)) => {
                let bound = self.first_bound(not.bound);
                let proof = proof_of(&simple, bound, true);
                Ok(Solution { proof, ..simple })
            }
            (Err(not), Err(_)) => Err(not.error),
        }
    }
    /// The optimum over all nodes and devices, beginning with a cut.
    pub(super) fn best_from(&self, hint: Option<&[Site]>) -> Result<Solution, NotFound> {
        self.solve(&Wish {
            never: BTreeSet::new(),
            goals: self.goals(Vec::new()),
            hint,
            timed: true,
        })
    }
    /// Whether a cut is better than another one, by more than rounding.
    pub(super) fn better(&self, a: &Solution, b: &Solution) -> bool {
        if let (Some(a), Some(b)) = (a.proof.rates, b.proof.rates) {
            let room = CLOSE * a.value.abs().max(b.value.abs());
            if (a.value - b.value).abs() > room {
                return a.value > b.value;
            }
        }
        compare(&a.outcome, &b.outcome) < 0
    }
    /// NF instances that are first or last in all pipelines in which they are.
    fn touching_ports(&self) -> Vec<String> {
        let facts = self.sources.facts;
        let nodes = &facts.program.control.nodes;
        let mut order: Vec<&str> = Vec::new();
        let (mut not_first, mut not_last) = (BTreeSet::new(), BTreeSet::new());
        for &node in &facts.graph.order {
            let nf = nodes[node].nf.as_str();
            if nf.is_empty() {
                continue;
            }
            if !order.contains(&nf) {
                order.push(nf);
            }
            for (of, set) in [
                (facts.graph.ancestors(node), &mut not_first),
                (facts.graph.descendants(node), &mut not_last),
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
}

/// The proof of a cut when another search has shown no more than a bound of what is wanted first.
fn proof_of(solution: &Solution, bound: Option<f64>, stopped: bool) -> Proof {
    let mut proof = Proof::new(&solution.outcome, &[], &[], stopped);
    proof.rates = solution.proof.rates;
    let first = match &mut proof.rates {
        Some(rates) => rates,
        None => &mut proof.scale,
    };
    first.bound = bound.map(|b| b.max(first.value));
    proof
}
