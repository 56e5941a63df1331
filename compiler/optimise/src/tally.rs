//! What an assignment uses, kept up to date as units move.

use crate::problem::{Class, Crossing, Demand, Edge, Kind, Problem};
use crate::ways::Ways;
use serde::{Deserialize, Serialize};

/// Relative excess over a capacity that counts as rounding.
pub(crate) const ROUNDING: f64 = 1e-9;

/// What an assignment comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// By quantity: what is used at the offered rates.
    pub loads: Vec<f64>,
    /// The largest factor by which all offered rates can grow, each up to its most, before a quantity that grows with
    /// them is used up; below 1 if not all that is offered can be carried. Infinite if nothing limits.
    pub scale: f64,
    /// The quantity that is used up first.
    pub bottleneck: Option<usize>,
    /// Cores' worth of work at the offered rates.
    pub cores: f64,
    /// Whole cores that this takes, pool by pool.
    pub whole_cores: f64,
    /// Bytes of outer headers per second.
    pub header_bytes: f64,
    /// Times per second that packets go from the switch to a server.
    pub bounces: f64,
    /// The largest expected latency of a class, in nanoseconds.
    pub latency_ns: f64,
    /// Quantities of which more is used than there is, whatever the rates.
    pub over: Vec<usize>,
    /// Quantities of which there is too little to carry the least rates of all classes at once.
    pub unmet: Vec<usize>,
    /// By [`Problem::ways`]: the latency of the longest one, in nanoseconds.
    pub longest_ns: Vec<f64>,
    /// Ways of which the longest takes more than is promised.
    pub late: Vec<usize>,
}

impl Outcome {
    /// Whether everything fits, all least rates can be carried and no way is too long. Rules are not looked
    /// at.
    pub fn feasible(&self) -> bool {
        self.over.is_empty() && self.unmet.is_empty() && self.late.is_empty()
    }
}

/// A running tally.
#[derive(Clone)]
pub(crate) struct Tally<'a> {
    pub problem: &'a Problem,
    /// By unit: position of its choice.
    pub choice: Vec<usize>,
    /// By quantity, at offered rates.
    pub loads: Vec<f64>,
    /// By quantity, at the least rates of all classes.
    least: Vec<f64>,
    /// By quantity, as it counts for the scale.
    counted: Vec<f64>,
    /// By class: least over offered rate.
    part: Vec<f64>,
    /// By unit: the edges at it.
    edges: Vec<Vec<usize>>,
    /// By site, with one more for what is at none, and by region: whether it is inside.
    inside: Vec<bool>,
}

impl<'a> Tally<'a> {
    /// The tally of an assignment: by unit, the position of its choice.
    pub fn new(problem: &'a Problem, choice: &[usize]) -> Self {
        let mut edges = vec![Vec::new(); problem.units.len()];
        for (e, edge) in problem.edges.iter().enumerate() {
            for end in [edge.from, edge.to].into_iter().flatten() {
                edges[end].push(e);
            }
        }
        for list in &mut edges {
            list.dedup();
        }
        let regions = problem.regions.len();
        let mut inside = vec![false; regions * (problem.sites.len() + 1)];
        for (r, region) in problem.regions.iter().enumerate() {
            for site in &region.sites {
                inside[*site * regions + r] = true;
            }
        }
        let part = problem.classes.iter().map(Class::least_part).collect();
        let mut tally = Self {
            problem,
            choice: choice.to_vec(),
            loads: vec![0.0; problem.quantities.len()],
            least: vec![0.0; problem.quantities.len()],
            counted: vec![0.0; problem.quantities.len()],
            part,
            edges,
            inside,
        };
        for (q, quantity) in problem.quantities.iter().enumerate() {
            for (class, amount) in &quantity.base {
                tally.add(q, *class, *amount);
            }
        }
        for unit in 0..problem.units.len() {
            tally.unit(unit, 1.0);
        }
        for edge in 0..problem.edges.len() {
            tally.edge(edge, 1.0);
        }
        tally
    }
    fn add(&mut self, quantity: usize, class: usize, amount: f64) {
        self.loads[quantity] += amount;
        self.least[quantity] += amount * self.part[class];
        self.counted[quantity] += amount * self.problem.classes[class].counted;
    }
    fn unit(&mut self, unit: usize, sign: f64) {
        let problem = self.problem;
        for demand in &problem.units[unit].choices[self.choice[unit]].demands {
            self.add(demand.quantity, demand.class, sign * demand.amount);
        }
    }
    fn at(&self, unit: usize) -> usize {
        self.problem.units[unit].choices[self.choice[unit]].site
    }
    /// Where an edge's ends are, as a place in `inside`.
    fn ends(&self, edge: &Edge) -> [usize; 2] {
        let regions = self.problem.regions.len();
        [edge.from, edge.to]
            .map(|unit| regions * unit.map_or(self.problem.sites.len(), |u| self.at(u)))
    }
    fn crosses(&self, crossing: &Crossing, [from, to]: [usize; 2]) -> bool {
        let inside = |end: usize| self.inside[end + crossing.region];
        crossing.way.crosses(inside(from), inside(to))
    }
    fn edge(&mut self, edge: usize, sign: f64) {
        let problem = self.problem;
        let edge = &problem.edges[edge];
        let ends = self.ends(edge);
        // Within one place no border is crossed.
        if ends[0] == ends[1] {
            return;
        }
        for crossing in &edge.crossings {
            if self.crosses(crossing, ends) {
                for demand in &crossing.demands {
                    self.add(demand.quantity, demand.class, sign * demand.amount);
                }
            }
        }
    }
    /// Moves a unit to another of its choices.
    pub fn set(&mut self, unit: usize, choice: usize) {
        if self.choice[unit] == choice {
            return;
        }
        for sign in [-1.0, 1.0] {
            self.unit(unit, sign);
            for k in 0..self.edges[unit].len() {
                self.edge(self.edges[unit][k], sign);
            }
            self.choice[unit] = choice;
        }
    }
    /// By how much, relative to capacities, things are over-booked, whatever the rates and at the least
    /// rates, and ways too long.
    pub fn excess(&self) -> f64 {
        let mut sum = 0.0;
        for (q, quantity) in self.problem.quantities.iter().enumerate() {
            let used = match quantity.kind.grows() {
                true => self.least[q],
                false => self.loads[q],
            };
            let over = used - quantity.capacity;
            if over > ROUNDING * quantity.capacity.max(1.0) {
                sum += over / quantity.capacity.max(1.0);
            }
        }
        for ways in self.problem.ways.iter().filter(|w| w.most.is_finite()) {
            let over = self.longest(ways) / ways.most - 1.0;
            if over > ROUNDING {
                sum += over;
            }
        }
        sum
    }
    /// The nanoseconds of the longest of these ways.
    fn longest(&self, ways: &Ways) -> f64 {
        ways.longest(
            |unit| self.at(unit),
            |region, site| self.inside[site * self.problem.regions.len() + region],
        )
    }
    /// By point of these ways: the nanoseconds of the longest way to it.
    pub fn arrivals(&self, ways: &Ways) -> Vec<f64> {
        ways.arrivals(
            |unit| self.at(unit),
            |region, site| self.inside[site * self.problem.regions.len() + region],
        )
    }
    /// By growing quantity with a capacity: the part of it that is used at the offered rates, as they count.
    pub fn parts(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let quantities = self.problem.quantities.iter().enumerate();
        quantities
            .filter(|(_, quantity)| quantity.kind.grows() && quantity.capacity.is_finite())
            .map(|(q, quantity)| {
                let used = self.counted[q] / quantity.capacity.max(f64::MIN_POSITIVE);
                (q, used)
            })
    }
    /// The largest of [`Self::parts`]; 0 if there is none.
    pub fn most(&self) -> f64 {
        self.parts().map(|(_, part)| part).fold(0.0, f64::max)
    }
    /// By growing quantity with a capacity: the factor by which all rates can grow, each up to its most, until it is used up.
    fn scales(&self) -> Vec<(usize, f64)> {
        let quantities = self.problem.quantities.iter().enumerate();
        let growing = quantities
            .filter(|(_, quantity)| quantity.kind.grows() && quantity.capacity.is_finite());
        let limited = self.problem.classes.iter().any(|c| c.growth().is_finite());
        let by_class = if limited { self.by_class() } else { Vec::new() };
        growing
            .map(|(q, quantity)| {
                let scale = match by_class.get(q) {
                    Some(loads) => self.scale_of(loads, quantity.capacity),
                    None if self.loads[q] > 0.0 => quantity.capacity / self.loads[q],
                    None => f64::INFINITY,
                };
                (q, scale)
            })
            .collect()
    }
    /// The factor by which rates can grow until the loads of all classes are a capacity. Loads are linear in the factor
    /// between those at which a class reaches its most.
    fn scale_of(&self, loads: &[f64], capacity: f64) -> f64 {
        let mut classes: Vec<(f64, f64)> = self
            .problem
            .classes
            .iter()
            .zip(loads)
            .map(|(class, load)| (class.growth(), *load))
            .collect();
        classes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut fixed = 0.0;
        for (k, (growth, load)) in classes.iter().enumerate() {
            let growing: f64 = classes[k..].iter().map(|(_, load)| load).sum();
            if growing > 0.0 && (capacity - fixed) / growing <= *growth {
                return ((capacity - fixed) / growing).max(0.0);
            }
            fixed += if *load > 0.0 { growth * load } else { 0.0 };
        }
        f64::INFINITY
    }
    /// By quantity and class: the load at the offered rate.
    fn by_class(&self) -> Vec<Vec<f64>> {
        let problem = self.problem;
        let mut loads = vec![vec![0.0; problem.classes.len()]; problem.quantities.len()];
        for (q, quantity) in problem.quantities.iter().enumerate() {
            for (class, amount) in &quantity.base {
                loads[q][*class] += amount;
            }
        }
        let mut add = |demands: &[Demand]| {
            for demand in demands {
                loads[demand.quantity][demand.class] += demand.amount;
            }
        };
        for (unit, choice) in problem.units.iter().zip(&self.choice) {
            add(&unit.choices[*choice].demands);
        }
        for edge in &problem.edges {
            let ends = self.ends(edge);
            for crossing in edge.crossings.iter().filter(|c| self.crosses(c, ends)) {
                add(&crossing.demands);
            }
        }
        loads
    }
    /// The sum of the loads of quantities of a kind, in cores for work.
    pub fn sum(&self, wanted: impl Fn(Kind) -> bool) -> f64 {
        let quantities = self.problem.quantities.iter().zip(&self.loads);
        quantities
            .filter(|(quantity, _)| wanted(quantity.kind))
            .map(|(quantity, load)| match quantity.kind {
                Kind::Work { per_core } => load / per_core,
                _ => *load,
            })
            .sum()
    }
    /// All of it.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome {
            loads: self.loads.clone(),
            scale: f64::INFINITY,
            bottleneck: None,
            cores: self.sum(|kind| matches!(kind, Kind::Work { .. })),
            whole_cores: 0.0,
            header_bytes: self.sum(|kind| kind == Kind::HeaderBytes),
            bounces: self.sum(|kind| kind == Kind::Bounces),
            latency_ns: 0.0,
            over: Vec::new(),
            unmet: Vec::new(),
            longest_ns: self.problem.ways.iter().map(|w| self.longest(w)).collect(),
            late: Vec::new(),
        };
        let ways = self.problem.ways.iter().zip(&outcome.longest_ns);
        let late = ways
            .enumerate()
            .filter(|(_, (ways, ns))| **ns > ways.most * (1.0 + ROUNDING));
        outcome.late = late.map(|(w, _)| w).collect();
        for (q, scale) in self.scales() {
            if scale < outcome.scale {
                (outcome.scale, outcome.bottleneck) = (scale, Some(q));
            }
        }
        for (q, quantity) in self.problem.quantities.iter().enumerate() {
            let limit = quantity.capacity + ROUNDING * quantity.capacity.max(1.0);
            match quantity.kind {
                Kind::Latency => outcome.latency_ns = outcome.latency_ns.max(self.loads[q]),
                Kind::Work { per_core } => {
                    outcome.whole_cores += (self.loads[q] / per_core - ROUNDING).ceil().max(0.0);
                }
                _ => {}
            }
            match quantity.kind.grows() {
                true if self.least[q] > limit => outcome.unmet.push(q),
                false if self.loads[q] > limit => outcome.over.push(q),
                _ => {}
            }
        }
        outcome
    }
}

/// What an assignment comes to: by unit, the position of its choice.
///
/// # Errors
/// A malformed problem, or an assignment that is not one of it.
pub fn evaluate(problem: &Problem, choice: &[usize]) -> Result<Outcome, crate::Malformed> {
    problem.validate()?;
    let fine = choice.len() == problem.units.len()
        && choice
            .iter()
            .zip(&problem.units)
            .all(|(c, u)| *c < u.choices.len());
    if !fine {
        return Err(crate::Malformed {
            place: "the assignment".to_owned(),
            reason: "not one choice for each unit".to_owned(),
        });
    }
    Ok(Tally::new(problem, choice).outcome())
}
