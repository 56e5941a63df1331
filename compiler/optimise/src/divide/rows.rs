//! What servers share: quantities of which all use, and rules about more than one server.

use crate::problem::{Demand, Problem, Row, Var};
use std::collections::BTreeMap;

/// Amounts of rows, each row once.
pub(super) type Amounts = Vec<(usize, f64)>;

/// A row: the sum of the amounts is at most `grows` times the part that is used of what grows, plus `fixed`.
struct Shared {
    grows: f64,
    fixed: f64,
}

/// The rows that concern more than one server, of the problem with equal servers as one.
pub(super) struct SharedRows<'a> {
    problem: &'a Problem,
    rows: Vec<Shared>,
    /// By quantity: its row, and its row at the least rates.
    of: Vec<[Option<usize>; 2]>,
    /// By class: the part that counts for the scale, and the least rate as a part of what is offered.
    parts: Vec<[f64; 2]>,
    /// By unit and site: the rows of rules, with factors.
    places: BTreeMap<(usize, usize), Amounts>,
    /// By helper of the rules.
    pub helpers: Vec<Amounts>,
}

impl<'a> SharedRows<'a> {
    /// Of all quantities but those in `own`, and of rules.
    pub fn new(problem: &'a Problem, own: &[Vec<usize>], rules: &[Row]) -> Self {
        let mut shared = Self {
            problem,
            rows: Vec::new(),
            of: vec![[None; 2]; problem.quantities.len()],
            parts: parts(problem),
            places: BTreeMap::new(),
            helpers: vec![Vec::new(); problem.rules.helpers.len()],
        };
        for q in 0..problem.quantities.len() {
            if problem.quantities[q].capacity.is_finite() && !own.iter().any(|own| own.contains(&q))
            {
                shared.quantity(q);
            }
        }
        for rule in rules {
            shared.rule(rule);
        }
        shared
    }
    fn quantity(&mut self, q: usize) {
        let quantity = &self.problem.quantities[q];
        let full = if quantity.capacity > 0.0 { 1.0 } else { 0.0 };
        let grows = quantity.kind.grows();
        let base = |part: &dyn Fn(usize) -> f64| -> f64 {
            let sum: f64 = quantity.base.iter().map(|(c, a)| a * part(*c)).sum();
            sum / unit(quantity.capacity)
        };
        self.of[q][0] = Some(self.rows.len());
        self.rows.push(Shared {
            grows: if grows { full } else { 0.0 },
            fixed: if grows { 0.0 } else { full }
                - base(&|class| if grows { self.parts[class][0] } else { 1.0 }),
        });
        if grows && self.parts.iter().any(|[_, least]| *least > 0.0) {
            self.of[q][1] = Some(self.rows.len());
            let fixed = full - base(&|class| self.parts[class][1]);
            self.rows.push(Shared { grows: 0.0, fixed });
        }
    }
    fn rule(&mut self, rule: &Row) {
        let row = self.rows.len();
        self.rows.push(Shared {
            grows: 0.0,
            fixed: rule.most,
        });
        for (var, factor) in &rule.terms {
            let of = match var {
                Var::At(unit, site) => self.places.entry((*unit, *site)).or_default(),
                Var::Helper(h) => &mut self.helpers[*h],
            };
            of.push((row, *factor));
        }
    }
    /// The right sides, where this part is used of what grows.
    pub fn right(&self, part: f64) -> Vec<f64> {
        self.rows
            .iter()
            .map(|row| row.grows * part + row.fixed)
            .collect()
    }
    /// Adds what a demand takes.
    pub fn demand(&self, demand: &Demand, out: &mut Amounts) {
        let [all, least] = self.of[demand.quantity];
        let quantity = &self.problem.quantities[demand.quantity];
        let amount = demand.amount / unit(quantity.capacity);
        let [counted, at_least] = self.parts[demand.class];
        let part = if quantity.kind.grows() { counted } else { 1.0 };
        out.extend(all.map(|row| (row, amount * part)));
        out.extend(least.map(|row| (row, amount * at_least)));
    }
    /// Adds what a unit at a site means to rules.
    pub fn place(&self, unit: usize, site: usize, out: &mut Amounts) {
        out.extend(self.places.get(&(unit, site)).into_iter().flatten());
    }
}

/// By class: the part of its demands that counts for the scale, and the least rate as a part of what is offered.
pub(super) fn parts(problem: &Problem) -> Vec<[f64; 2]> {
    let classes = problem.classes.iter();
    classes
        .map(|class| [class.counted, class.least_part()])
        .collect()
}

/// What amounts are counted in: parts of the capacity, where there is one.
fn unit(capacity: f64) -> f64 {
    if capacity > 0.0 { capacity } else { 1.0 }
}

/// What amounts of rows cost at these prices.
pub(super) fn cost(amounts: &[(usize, f64)], prices: &[f64]) -> f64 {
    amounts
        .iter()
        .map(|(row, amount)| prices[*row] * amount)
        .sum()
}
