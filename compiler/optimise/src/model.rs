//! A problem as a mixed integer program.
//!
//! Columns: `x[unit, choice]`, 0 or 1; one per crossing whose ends are both open, in 0..=1; the helpers
//! of the rules; one per point of ways that something is promised about ([`crate::ways`]), in 0..=1; and either `part`, the part of the fullest growing quantity that is used at the offered
//! rates (the inverse of the scale), or, for [`Goal::Marginal`], the rate of each class and, by unit,
//! choice and class, the rate that goes there: the product of rate and `x`, exactly, as the sum over the
//! choices is the rate and each is 0 where `x` is.

use crate::milp::{Milp, summed};
use crate::problem::{Class, Demand, Kind, Problem, Row, Var, Way};
use crate::relax::{Apart, Relaxed};
use crate::solve::Goal;
use crate::tally::Tally;
use crate::ways::{Point, Ways};
use std::collections::BTreeMap;

/// A sum of columns and a constant.
#[derive(Clone, Debug, Default)]
struct Sum {
    terms: Vec<(usize, f64)>,
    constant: f64,
}

impl Sum {
    fn add(&mut self, other: &Self, factor: f64) {
        self.terms
            .extend(other.terms.iter().map(|(c, f)| (*c, f * factor)));
        self.constant += factor * other.constant;
    }
    fn is_nothing(&self) -> bool {
        self.terms.is_empty() && self.constant == 0.0
    }
}

/// What a crossing is made from, so that a hint can state it.
struct Crossed {
    column: usize,
    edge: usize,
    region: usize,
    way: Way,
}

/// The program of a problem.
pub(crate) struct Model<'a> {
    problem: &'a Problem,
    /// The program, without objective.
    pub milp: Milp,
    /// By unit and choice: its column; `None` if the choice is forbidden.
    x: Vec<Vec<Option<usize>>>,
    helpers: Vec<usize>,
    crossed: Vec<Crossed>,
    /// By ways and point, for those of which something is promised: when a packet gets there, as a part of that.
    arrivals: Vec<(&'a Ways, Vec<usize>)>,
    part: Option<usize>,
    /// By class, with variable rates: the column of its rate, as a part of what is offered.
    rates: Vec<usize>,
    /// With variable rates, by unit, choice and class: what goes there, as a part of what is offered.
    flows: BTreeMap<(usize, usize, usize), usize>,
    loads: Vec<Sum>,
}

/// How often its offered rate a class goes, where nothing limits it.
const MOST_RATE: f64 = 1e6;

impl<'a> Model<'a> {
    /// The program for some goals.
    pub fn new(problem: &'a Problem, goals: &[Goal]) -> Self {
        let mut model = Self {
            problem,
            milp: Milp::default(),
            x: Vec::new(),
            helpers: Vec::new(),
            crossed: Vec::new(),
            arrivals: Vec::new(),
            part: None,
            rates: Vec::new(),
            flows: BTreeMap::new(),
            loads: vec![Sum::default(); problem.quantities.len()],
        };
        model.choices();
        if goals.contains(&Goal::Marginal) {
            model.variable_rates();
        }
        model.units();
        model.edges();
        model.helpers = problem
            .rules
            .helpers
            .iter()
            .map(|binary| model.milp.column(0.0, 1.0, *binary))
            .collect();
        model.capacities(goals.contains(&Goal::Scale));
        model.ways();
        for row in &problem.rules.rows {
            model.rule(row);
        }
        model
    }
    fn choices(&mut self) {
        for unit in &self.problem.units {
            let columns: Vec<Option<usize>> = unit
                .choices
                .iter()
                .map(|_| Some(self.milp.column(0.0, 1.0, true)))
                .collect();
            let sum = columns.iter().flatten().map(|c| (*c, 1.0)).collect();
            self.milp.equal.push((sum, 1.0));
            self.x.push(columns);
        }
    }
    /// Rates of classes, and the flow of each class through each choice of a unit that it uses.
    fn variable_rates(&mut self) {
        for (c, class) in self.problem.classes.iter().enumerate() {
            let offered = class.offered.max(f64::MIN_POSITIVE);
            let most = (class.max / offered)
                .min(self.problem.room(c))
                .min(MOST_RATE);
            let least = class.min / offered;
            self.rates
                .push(self.milp.column(least, most.max(least), false));
        }
        for (u, unit) in self.problem.units.iter().enumerate() {
            let mut classes: Vec<usize> = unit
                .choices
                .iter()
                .flat_map(|c| &c.demands)
                .filter(|d| self.grows(d))
                .map(|d| d.class)
                .chain(self.edge_classes(u))
                .collect();
            classes.sort_unstable();
            classes.dedup();
            for class in classes {
                let (_, most, _) = self.milp.columns[self.rates[class]];
                let mut sum = vec![(self.rates[class], -1.0)];
                for (c, x) in self.x[u].clone().into_iter().enumerate() {
                    let Some(x) = x else { continue };
                    let flow = self.milp.column(0.0, most, false);
                    self.milp.row(vec![(flow, 1.0), (x, -most)], 0.0);
                    sum.push((flow, 1.0));
                    self.flows.insert((u, c, class), flow);
                }
                self.milp.equal.push((summed(sum), 0.0));
            }
        }
    }
    fn edge_classes(&self, unit: usize) -> impl Iterator<Item = usize> + '_ {
        let edges = self.problem.edges.iter();
        edges
            .filter(move |e| e.from == Some(unit) || e.to == Some(unit))
            .flat_map(|e| &e.crossings)
            .flat_map(|c| &c.demands)
            .filter(|d| self.grows(d))
            .map(|d| d.class)
    }
    fn grows(&self, demand: &Demand) -> bool {
        self.problem.quantities[demand.quantity].kind.grows()
    }
    fn units(&mut self) {
        for (q, quantity) in self.problem.quantities.iter().enumerate() {
            for (class, amount) in &quantity.base {
                match self.rates.get(*class) {
                    Some(rate) if quantity.kind.grows() => {
                        self.loads[q].terms.push((*rate, *amount));
                    }
                    _ => self.loads[q].constant += amount,
                }
            }
        }
        for (u, unit) in self.problem.units.iter().enumerate() {
            for (c, choice) in unit.choices.iter().enumerate() {
                for demand in &choice.demands {
                    let flow = self.flows.get(&(u, c, demand.class)).copied();
                    let column = match self.grows(demand) {
                        true if !self.rates.is_empty() => flow,
                        _ => self.x[u][c],
                    };
                    if let Some(column) = column {
                        self.loads[demand.quantity]
                            .terms
                            .push((column, demand.amount));
                    }
                }
            }
        }
    }
    /// 1 if the unit is inside the region; with a class, its rate if so.
    fn inside(&self, unit: Option<usize>, region: usize, class: Option<usize>) -> Sum {
        let mut sum = Sum::default();
        let Some(u) = unit else { return sum };
        for (c, choice) in self.problem.units[u].choices.iter().enumerate() {
            if !self.problem.inside(region, Some(choice.site)) {
                continue;
            }
            let column = match class {
                Some(class) => self.flows.get(&(u, c, class)).copied(),
                None => self.x[u][c],
            };
            sum.terms.extend(column.map(|column| (column, 1.0)));
        }
        sum
    }
    fn edges(&mut self) {
        for (e, edge) in self.problem.edges.iter().enumerate() {
            if edge.from == edge.to {
                continue;
            }
            for crossing in &edge.crossings {
                // With variable rates, one crossing per class, since each has its own rate.
                let mut by_class: BTreeMap<Option<usize>, Vec<Demand>> = BTreeMap::new();
                for demand in &crossing.demands {
                    let variable = !self.rates.is_empty() && self.grows(demand);
                    let class = variable.then_some(demand.class);
                    by_class.entry(class).or_default().push(*demand);
                }
                for (class, demands) in by_class {
                    let from = self.inside(edge.from, crossing.region, class);
                    let to = self.inside(edge.to, crossing.region, class);
                    let (mut into, out) = match crossing.way {
                        Way::Enter => (to, from),
                        Way::Leave => (from, to),
                    };
                    if into.is_nothing() {
                        continue;
                    }
                    if !out.is_nothing() {
                        let most = class.map_or(1.0, |c| self.milp.columns[self.rates[c]].1);
                        let column = self.milp.column(0.0, most, false);
                        into.add(&out, -1.0);
                        into.terms.push((column, -1.0));
                        self.milp.row(into.terms, -into.constant);
                        if class.is_none() {
                            self.crossed.push(Crossed {
                                column,
                                edge: e,
                                region: crossing.region,
                                way: crossing.way,
                            });
                        }
                        into = Sum {
                            terms: vec![(column, 1.0)],
                            constant: 0.0,
                        };
                    }
                    for demand in demands {
                        self.loads[demand.quantity].add(&into, demand.amount);
                    }
                }
            }
        }
    }
    /// No way takes longer than promised.
    fn ways(&mut self) {
        let problem = self.problem;
        for ways in problem.ways.iter().filter(|w| w.most.is_finite()) {
            let points = ways.points.iter();
            let columns: Vec<usize> = points.map(|_| self.milp.column(0.0, 1.0, false)).collect();
            // By point: when a packet leaves it.
            let leaves: Vec<Sum> = (0..columns.len())
                .map(|point| self.leaves(ways, point, columns[point]))
                .collect();
            for (point, leaves) in ways.points.iter().zip(&leaves) {
                if point.ends {
                    self.milp.row(leaves.terms.clone(), 1.0);
                }
            }
            for step in &ways.steps {
                let mut later = step.from.map_or_else(Sum::default, |p| leaves[p].clone());
                later.terms.push((columns[step.to], -1.0));
                self.milp.row(later.terms.clone(), 0.0);
                for (region, ns) in &step.enters {
                    let from = step.from.map(|p| ways.points[p].unit);
                    let to = Some(ways.points[step.to].unit);
                    let mut entered = later.clone();
                    entered.add(&self.inside(to, *region, None), ns / ways.most);
                    entered.add(&self.inside(from, *region, None), -ns / ways.most);
                    self.milp.row(entered.terms, 0.0);
                }
            }
            self.arrivals.push((ways, columns));
        }
    }
    /// When a packet leaves a point at which it arrives at the time of this column.
    fn leaves(&self, ways: &Ways, point: usize, arrives: usize) -> Sum {
        let Point { unit, takes, .. } = &ways.points[point];
        let mut sum = Sum::default();
        sum.terms.push((arrives, 1.0));
        for (site, ns) in takes {
            let column = self.var(Var::At(*unit, *site));
            sum.terms.extend(column.map(|c| (c, ns / ways.most)));
        }
        sum
    }
    /// No quantity is over-booked. Rows are in parts of the capacity, so that figures stay small.
    fn capacities(&mut self, scale: bool) {
        let part = scale.then(|| self.milp.column(0.0, f64::INFINITY, false));
        self.part = part;
        let counted: Vec<f64> = self.problem.classes.iter().map(|c| c.counted).collect();
        let whole = counted.iter().all(|part| *part == 1.0);
        let scaled_loads = match part {
            Some(_) if !whole => self.weighted(&counted),
            _ => self.loads.clone(),
        };
        for (q, quantity) in self.problem.quantities.iter().enumerate() {
            if !quantity.capacity.is_finite() {
                continue;
            }
            let load = &self.loads[q];
            let unit = match quantity.capacity > 0.0 {
                true => quantity.capacity,
                false => 1.0,
            };
            let scaled = |terms: &[(usize, f64)]| -> Vec<(usize, f64)> {
                terms.iter().map(|(c, f)| (*c, f / unit)).collect()
            };
            let most = (quantity.capacity - load.constant) / unit;
            if !quantity.kind.grows() || !self.rates.is_empty() {
                let positive: f64 = load.terms.iter().map(|(_, f)| f.max(0.0) / unit).sum();
                if positive > most || !self.rates.is_empty() {
                    self.milp.row(scaled(&load.terms), most);
                }
                continue;
            }
            if let Some(part) = part
                && quantity.capacity > 0.0
            {
                let load = &scaled_loads[q];
                let mut terms = scaled(&load.terms);
                terms.push((part, -1.0));
                self.milp.row(terms, -load.constant / unit);
            }
        }
        if self.rates.is_empty() {
            self.least_rates();
        }
    }
    /// The least rates of all classes can be carried at once.
    fn least_rates(&mut self) {
        let classes = self.problem.classes.iter();
        let part: Vec<f64> = classes.map(Class::least_part).collect();
        if part.iter().all(|p| *p == 0.0) {
            return;
        }
        let sums = self.weighted(&part);
        for (quantity, sum) in self.problem.quantities.iter().zip(sums) {
            if quantity.kind.grows() && quantity.capacity.is_finite() {
                let unit = quantity.capacity.max(f64::MIN_POSITIVE);
                let terms = sum.terms.iter().map(|(c, f)| (*c, f / unit)).collect();
                self.milp
                    .row(terms, (quantity.capacity - sum.constant) / unit);
            }
        }
    }
    /// The loads again, with these parts of each class's demands.
    fn weighted(&self, part: &[f64]) -> Vec<Sum> {
        let mut sums: Vec<Sum> = self
            .problem
            .quantities
            .iter()
            .map(|q| Sum {
                terms: Vec::new(),
                constant: q.base.iter().map(|(c, a)| a * part[*c]).sum(),
            })
            .collect();
        for (u, unit) in self.problem.units.iter().enumerate() {
            for (c, choice) in unit.choices.iter().enumerate() {
                let Some(x) = self.x[u][c] else { continue };
                for d in &choice.demands {
                    sums[d.quantity].terms.push((x, d.amount * part[d.class]));
                }
            }
        }
        let crossings: BTreeMap<(usize, usize, bool), usize> = self
            .crossed
            .iter()
            .map(|c| ((c.edge, c.region, c.way == Way::Enter), c.column))
            .collect();
        for (e, edge) in self.problem.edges.iter().enumerate() {
            for crossing in &edge.crossings {
                let key = (e, crossing.region, crossing.way == Way::Enter);
                let terms = match crossings.get(&key) {
                    Some(column) => vec![(*column, 1.0)],
                    None if edge.from == edge.to => continue,
                    None => {
                        let end = match crossing.way {
                            Way::Enter => edge.to,
                            Way::Leave => edge.from,
                        };
                        self.inside(end, crossing.region, None).terms
                    }
                };
                for d in &crossing.demands {
                    let factor = d.amount * part[d.class];
                    let scaled = terms.iter().map(|(c, f)| (*c, f * factor));
                    sums[d.quantity].terms.extend(scaled);
                }
            }
        }
        sums
    }
    fn var(&self, var: Var) -> Option<usize> {
        match var {
            Var::At(unit, site) => {
                let choice = self.problem.choice_of(unit, site)?;
                self.x[unit][choice]
            }
            Var::Helper(h) => self.helpers.get(h).copied(),
        }
    }
    /// The program of a problem with equal servers as one.
    pub fn relaxed(relaxed: &'a Relaxed, goals: &[Goal]) -> Self {
        let mut model = Self::new(&relaxed.problem, goals);
        for apart in &relaxed.apart {
            model.apart(apart);
        }
        model
    }
    /// Adds a rule.
    pub fn rule(&mut self, row: &Row) {
        let terms = row
            .terms
            .iter()
            .filter_map(|(var, factor)| Some((self.var(*var)?, *factor)))
            .collect();
        self.milp.row(terms, row.most);
    }
    /// A border is crossed where both ends of an edge are in these places.
    fn apart(&mut self, apart: &Apart) {
        let here = |c: &&Crossed| c.edge == apart.edge && c.region == apart.region;
        let columns: Vec<usize> = self.crossed.iter().filter(here).map(|c| c.column).collect();
        for column in columns {
            let ends = apart.ends.iter().filter_map(|end| self.var(*end));
            let mut terms: Vec<(usize, f64)> = ends.map(|end| (end, 1.0)).collect();
            if terms.len() == 2 {
                terms.push((column, -1.0));
                self.milp.row(terms, 1.0);
            }
        }
    }
    /// What a goal minimises, and its constant.
    pub fn objective(&self, goal: &Goal) -> (Vec<(usize, f64)>, f64) {
        let mut sum = Sum::default();
        let mut loads = |wanted: &dyn Fn(Kind) -> Option<f64>| {
            for (load, quantity) in self.loads.iter().zip(&self.problem.quantities) {
                if let Some(unit) = wanted(quantity.kind) {
                    sum.add(load, 1.0 / unit);
                }
            }
        };
        match goal {
            Goal::Scale => sum.terms.extend(self.part.map(|p| (p, 1.0))),
            Goal::Cores => loads(&|kind| match kind {
                Kind::Work { per_core } => Some(per_core),
                _ => None,
            }),
            Goal::HeaderBytes => loads(&|kind| (kind == Kind::HeaderBytes).then_some(1.0)),
            Goal::Bounces => loads(&|kind| (kind == Kind::Bounces).then_some(1.0)),
            Goal::Marginal => {
                for (class, rate) in self.problem.classes.iter().zip(&self.rates) {
                    sum.terms.push((*rate, -class.weight * class.offered));
                    sum.constant += class.weight * class.min;
                }
            }
            Goal::Sum(terms) | Goal::Prefer(terms) => {
                let columns = terms.iter().filter_map(|(v, f)| Some((self.var(*v)?, *f)));
                sum.terms.extend(columns);
            }
        }
        (summed(sum.terms), sum.constant)
    }
    /// The assignment that a solution states.
    pub fn choice(&self, values: &[f64]) -> Vec<usize> {
        self.x
            .iter()
            .map(|columns| {
                let value = |c: &Option<usize>| c.map_or(0.0, |c| values[c]);
                let best = columns
                    .iter()
                    .enumerate()
                    .max_by(|(i, a), (j, b)| value(a).total_cmp(&value(b)).then(j.cmp(i)));
                best.map_or(0, |(i, _)| i)
            })
            .collect()
    }
    /// By class: the rate that a solution gives it, where rates are variable.
    pub fn rates(&self, values: &[f64]) -> Vec<f64> {
        let classes = self.problem.classes.iter();
        let rates = self.rates.iter().map(|column| values[*column]);
        classes
            .zip(rates)
            .map(|(c, part)| c.offered * part)
            .collect()
    }
    /// The values of all columns, if an assignment decides all: without helpers, and with rates in proportion.
    pub fn decided(&self, choice: &[usize]) -> Option<Vec<f64>> {
        if !self.helpers.is_empty() || !self.rates.is_empty() {
            return None;
        }
        let mut values = vec![0.0; self.milp.columns.len()];
        for (column, value) in self.hint(choice) {
            values[column] = value;
        }
        Some(values)
    }
    /// Values of the columns that an assignment decides: all but those of helpers and of rates.
    pub fn hint(&self, choice: &[usize]) -> Vec<(usize, f64)> {
        let tally = Tally::new(self.problem, choice);
        let mut hint = Vec::new();
        for (columns, chosen) in self.x.iter().zip(choice) {
            for (c, column) in columns.iter().enumerate() {
                let value = f64::from(u8::from(c == *chosen));
                hint.extend(column.map(|column| (column, value)));
            }
        }
        if !self.rates.is_empty() {
            return hint;
        }
        let site =
            |unit: Option<usize>| unit.map(|u| self.problem.units[u].choices[choice[u]].site);
        for crossed in &self.crossed {
            let edge = &self.problem.edges[crossed.edge];
            let inside = |unit| self.problem.inside(crossed.region, site(unit));
            let crosses = crossed.way.crosses(inside(edge.from), inside(edge.to));
            hint.push((crossed.column, f64::from(u8::from(crosses))));
        }
        for (ways, columns) in &self.arrivals {
            let at = tally.arrivals(ways).into_iter();
            hint.extend(columns.iter().copied().zip(at.map(|ns| ns / ways.most)));
        }
        // A little above, for rounding.
        hint.extend(self.part.map(|part| (part, tally.most() * (1.0 + 1e-12))));
        hint
    }
}
