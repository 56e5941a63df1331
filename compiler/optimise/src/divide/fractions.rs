//! Fractions of patterns that do, and what is to be decided about them.

use super::look::Look;
use super::server::{Decision, Pattern};
use super::{Taken, solved};
use crate::problem::Demand;
use microlp::{ComparisonOp, OptimizationDirection, Variable};
use std::collections::BTreeMap;

/// What counts as a fraction.
const FRACTION: f64 = 1e-5;
/// What a unit left over counts, in parts of all servers.
const SLACK: f64 = 100.0;
/// What counts as a large part of a server, at least: it is added to all sizes.
const SIZE: f64 = 0.1;
/// How much more what crossing borders takes decides than what a unit takes.
const CROSSING: f64 = 2.0;

/// Fractions of patterns.
pub(super) struct Fractions<'p> {
    /// Patterns and how much of each.
    pub patterns: Vec<(Taken, &'p Pattern, f64)>,
}

impl Look<'_> {
    /// Fractions that do, of patterns that are looked at, on as few servers as can be.
    pub fn fractions(&self) -> Option<Fractions<'_>> {
        let division = self.division;
        let mut program = microlp::Problem::new(OptimizationDirection::Minimize);
        let right = self.right();
        let mut rows: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); right.len()];
        let mut units: Vec<Vec<(Variable, f64)>> = Vec::new();
        for _ in 0..division.real.units.len() {
            let mut slack = |sign| (program.add_var(SLACK, (0.0, f64::INFINITY)), sign);
            units.push(vec![slack(1.0), slack(-1.0)]);
        }
        for amounts in &division.shared.helpers {
            let column = program.add_var(0.0, (0.0, 1.0));
            for (row, amount) in amounts {
                rows[*row].push((column, *amount));
            }
        }
        let servers = program.add_var(1.0, (0.0, 1.0));
        let mut patterns = Vec::new();
        let mut times: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); division.groups.len()];
        for taken in &self.node.taken {
            let pattern = self.pattern(*taken);
            let column = program.add_var(0.0, (0.0, f64::INFINITY));
            times[taken.0].push((column, 1.0));
            for (unit, _) in &pattern.at {
                units[*unit].push((column, 1.0));
            }
            for (row, amount) in &pattern.rows {
                rows[*row].push((column, *amount));
            }
            patterns.push((*taken, pattern, column));
        }
        for (group, mut times) in times.into_iter().enumerate() {
            let left = self.left(group) as f64;
            match division.groups[group].is_outside() {
                true => program.add_constraint(times, ComparisonOp::Le, left),
                false => {
                    times.push((servers, -left));
                    program.add_constraint(times, ComparisonOp::Le, 0.0);
                }
            }
        }
        for (terms, right) in rows.into_iter().zip(right) {
            program.add_constraint(terms, ComparisonOp::Le, right);
        }
        let units = units.into_iter().enumerate();
        for (_, terms) in units.filter(|(u, _)| !self.is_done(*u)) {
            program.add_constraint(terms, ComparisonOp::Eq, 1.0);
        }
        let solution = solved(program.solve())?;
        let patterns = patterns
            .into_iter()
            .map(|(taken, pattern, column)| (taken, pattern, solution[column]));
        Some(Fractions {
            patterns: patterns
                .filter(|(.., much)| *much > FRACTION * 0.1)
                .collect(),
        })
    }
    /// The decision of which the fractions are furthest from either, by how much it is about: about the place of a unit, or whether
    /// units between which packets go are together. That decides how often borders are crossed, which bounds see; only if all
    /// of it is decided, whether others are together. `None` if there are no fractions.
    pub fn undecided(&self, fractions: &Fractions<'_>) -> Option<Decision> {
        let units = &self.division.real.units;
        let mut places: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        let mut pairs: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        for ((group, _), pattern, part) in &fractions.patterns {
            let outside = self.division.groups[*group].is_outside();
            for (k, (unit, choice)) in pattern.at.iter().enumerate() {
                let site = units[*unit].choices[*choice].site;
                *places.entry((*unit, site)).or_default() += part;
                for (other, _) in pattern.at[k + 1..].iter().filter(|_| !outside) {
                    *pairs.entry((*unit, *other)).or_default() += part;
                }
            }
        }
        let crossings = self.crossings();
        let places = places
            .into_iter()
            .map(|((u, site), part)| (part, self.size(u), Decision::At(u, site, true)));
        let near = pairs.iter().filter_map(|((a, b), part)| {
            let size = crossings.get(&(*a, *b))?;
            Some((*part, CROSSING * size, Decision::Together(*a, *b, true)))
        });
        let far = pairs.iter().map(|((a, b), part)| {
            let size = 0.5 * (self.size(*a) + self.size(*b));
            (*part, size, Decision::Together(*a, *b, true))
        });
        furthest(places.chain(near)).or_else(|| furthest(far))
    }
    /// By pair of units, the smaller number first: the largest part of anything that crossing a border between them takes.
    fn crossings(&self) -> BTreeMap<(usize, usize), f64> {
        let real = self.division.real;
        let mut sizes = BTreeMap::new();
        for edge in &real.edges {
            if let (Some(a), Some(b)) = (edge.from, edge.to) {
                let demands = edge.crossings.iter().flat_map(|crossing| &crossing.demands);
                let size: &mut f64 = sizes.entry((a.min(b), a.max(b))).or_default();
                *size = size.max(self.largest(demands));
            }
        }
        sizes
    }
    /// The largest part of anything that a unit takes.
    fn size(&self, unit: usize) -> f64 {
        let choices = &self.division.real.units[unit].choices;
        self.largest(choices.iter().flat_map(|choice| &choice.demands))
    }
    fn largest<'d>(&self, demands: impl Iterator<Item = &'d Demand>) -> f64 {
        let parts = demands.map(|demand| {
            let capacity = self.division.real.quantities[demand.quantity].capacity;
            let limited = capacity.is_finite() && capacity > 0.0;
            if limited {
                demand.amount / capacity
            } else {
                0.0
            }
        });
        SIZE + parts.fold(0.0, f64::max)
    }
    /// The assignment that whole patterns make; `None` if they leave out a unit.
    pub fn whole(&self, fractions: &Fractions<'_>) -> Option<Vec<usize>> {
        let (real, groups) = (self.division.real, &self.division.groups);
        let mut choice: Vec<Option<usize>> = vec![None; real.units.len()];
        let mut next = vec![0; groups.len()];
        let decided = self.node.servers.iter();
        let decided = decided.map(|taken| (*taken, self.pattern(*taken), 1.0));
        for ((g, _), pattern, part) in decided.chain(fractions.patterns.iter().copied()) {
            // A pattern may be taken more than once only if it is empty.
            if part < 0.5 || pattern.at.is_empty() {
                continue;
            }
            let servers = &groups[g].servers;
            let server = *servers.get(next[g])?;
            next[g] += 1;
            for (unit, c) in &pattern.at {
                let site = real.units[*unit].choices[*c].site;
                let twin = match server {
                    Some(server) => crate::symmetry::twin(real, site, server)?,
                    None => site,
                };
                choice[*unit] = real.choice_of(*unit, twin);
            }
        }
        choice.into_iter().collect()
    }
}

/// The decision, of those with how much speaks for it and how much it is about, that is furthest from either.
fn furthest(decisions: impl Iterator<Item = (f64, f64, Decision)>) -> Option<Decision> {
    let mut best: Option<(f64, Decision)> = None;
    for (part, size, decision) in decisions {
        let open = part.min(1.0 - part);
        let score = open * size;
        if open > FRACTION && best.is_none_or(|(known, _)| score > known) {
            best = Some((score, decision));
        }
    }
    best.map(|(_, decision)| decision)
}
