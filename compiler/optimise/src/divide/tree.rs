//! Branch and price: where fractions of patterns do, a decision that they do not keep is taken both ways.

use super::server::{Decision, Pattern};
use super::{Accept, Division, Known, Taken, Verdict, solved};
use microlp::{ComparisonOp, OptimizationDirection, Variable};
use std::collections::BTreeMap;

/// What counts as a fraction.
const FRACTION: f64 = 1e-5;

/// What was found, the part that it or what was known uses, and whether less is impossible, but for the gap.
type Searched = (Option<Vec<usize>>, f64, bool);

/// Fractions of patterns and of choices that are no server's.
struct Fractions<'p> {
    /// Patterns and how much of each.
    patterns: Vec<(Taken, &'p Pattern, f64)>,
    /// By unit: choices by position, and how much of each.
    outside: Vec<Vec<(usize, f64)>>,
}

impl Division<'_> {
    /// Looks for assignments that use less than what is known, until there are none.
    pub(super) fn search<E>(
        &mut self,
        known: Known,
        accept: &mut Accept<'_, E>,
    ) -> Result<Searched, E> {
        let mut value = known.value;
        let mut best = None;
        // What was decided, with patterns to begin with.
        let mut open: Vec<(Vec<Decision>, Vec<Taken>)> = vec![Default::default()];
        while let Some((decided, mut taken)) = open.pop() {
            let part = value * (1.0 - known.gap);
            if part <= known.bound {
                return Ok((best, value, true));
            }
            match self.test(part, &decided, &mut taken) {
                Verdict::Nothing => continue,
                Verdict::Unknown => return Ok((best, value, false)),
                Verdict::Fractions => {}
            }
            let Some(fractions) = self.fractions(part, &decided, &taken) else {
                return Ok((best, value, false));
            };
            taken = fractions
                .patterns
                .iter()
                .map(|(taken, ..)| *taken)
                .collect();
            if let Some(decision) = self.undecided(&fractions) {
                for decision in [decision.not(), decision] {
                    let decided = decided.iter().copied().chain([decision]);
                    open.push((decided.collect(), taken.clone()));
                }
                continue;
            }
            let choice = self.whole(&fractions);
            let used = match &choice {
                Some(choice) => accept(choice)?,
                None => None,
            };
            match used {
                // The same decisions may have room for less.
                Some(used) if used <= part * (1.0 + 1e-9) => {
                    (value, best) = (used, choice);
                    open.push((decided, taken));
                }
                // It breaks what patterns do not see.
                _ => return Ok((best, value, false)),
            }
        }
        Ok((best, value, true))
    }
    /// Fractions that do, of patterns that are known.
    fn fractions(&self, part: f64, decided: &[Decision], taken: &[Taken]) -> Option<Fractions<'_>> {
        let mut program = microlp::Problem::new(OptimizationDirection::Minimize);
        let right = self.shared.right(part);
        let mut rows: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); right.len()];
        let mut units: Vec<Vec<(Variable, f64)>> = Vec::new();
        for _ in 0..self.outside.len() {
            let mut slack = |sign| (program.add_var(1.0, (0.0, f64::INFINITY)), sign);
            units.push(vec![slack(1.0), slack(-1.0)]);
        }
        let mut outside: Vec<Vec<(usize, Variable)>> = Vec::new();
        for (u, choices) in self.outside.iter().enumerate() {
            let choices = choices.iter().filter(|(c, _)| self.allows(u, *c, decided));
            let columns = choices.map(|(c, amounts)| {
                let column = program.add_var(0.0, (0.0, 1.0));
                units[u].push((column, 1.0));
                for (row, amount) in amounts {
                    rows[*row].push((column, *amount));
                }
                (*c, column)
            });
            outside.push(columns.collect());
        }
        for amounts in &self.shared.helpers {
            let column = program.add_var(0.0, (0.0, 1.0));
            for (row, amount) in amounts {
                rows[*row].push((column, *amount));
            }
        }
        let mut patterns = Vec::new();
        let mut times: Vec<Vec<(Variable, f64)>> = vec![Vec::new(); self.groups.len()];
        for (g, p) in taken {
            let pattern = &self.groups[*g].patterns[*p];
            let column = program.add_var(0.0, (0.0, f64::INFINITY));
            times[*g].push((column, 1.0));
            for (unit, _) in &pattern.at {
                units[*unit].push((column, 1.0));
            }
            for (row, amount) in &pattern.rows {
                rows[*row].push((column, *amount));
            }
            patterns.push(((*g, *p), pattern, column));
        }
        for (group, times) in self.groups.iter().zip(times) {
            let servers = group.servers.len() as f64;
            program.add_constraint(times, ComparisonOp::Le, servers);
        }
        for (terms, right) in rows.into_iter().zip(right) {
            program.add_constraint(terms, ComparisonOp::Le, right);
        }
        for terms in units {
            program.add_constraint(terms, ComparisonOp::Eq, 1.0);
        }
        let solution = solved(program.solve())?;
        let patterns = patterns
            .into_iter()
            .map(|(g, p, column)| (g, p, solution[column]));
        let outside = outside.into_iter().map(|choices| {
            choices
                .into_iter()
                .map(|(choice, column)| (choice, solution[column]))
                .collect()
        });
        Some(Fractions {
            patterns: patterns
                .filter(|(.., much)| *much > FRACTION * 0.1)
                .collect(),
            outside: outside.collect(),
        })
    }
    /// The decision about large units of which the fractions are furthest from either; `None` if they are none.
    fn undecided(&self, fractions: &Fractions<'_>) -> Option<Decision> {
        let mut much: BTreeMap<(usize, usize, bool), f64> = BTreeMap::new();
        for (u, choices) in fractions.outside.iter().enumerate() {
            for (choice, part) in choices {
                let site = self.real.units[u].choices[*choice].site;
                *much.entry((u, site, false)).or_default() += part;
            }
        }
        for (_, pattern, part) in &fractions.patterns {
            for (k, (unit, choice)) in pattern.at.iter().enumerate() {
                let site = self.real.units[*unit].choices[*choice].site;
                *much.entry((*unit, site, false)).or_default() += part;
                for (other, _) in &pattern.at[k + 1..] {
                    *much.entry((*unit, *other, true)).or_default() += part;
                }
            }
        }
        let mut best: Option<(f64, Decision)> = None;
        for ((a, b, pair), part) in much {
            let open = part.min(1.0 - part);
            let (size, decision) = match pair {
                true => (
                    0.5 * (self.size(a) + self.size(b)),
                    Decision::Together(a, b, true),
                ),
                false => (self.size(a), Decision::At(a, b, true)),
            };
            let score = open * size;
            if open > FRACTION && best.is_none_or(|(known, _)| score > known) {
                best = Some((score, decision));
            }
        }
        best.map(|(_, decision)| decision)
    }
    /// The largest part of anything that a unit takes.
    fn size(&self, unit: usize) -> f64 {
        let demands = self.real.units[unit]
            .choices
            .iter()
            .flat_map(|choice| &choice.demands);
        let parts = demands.map(|demand| {
            let capacity = self.real.quantities[demand.quantity].capacity;
            let limited = capacity.is_finite() && capacity > 0.0;
            if limited {
                demand.amount / capacity
            } else {
                0.0
            }
        });
        0.1 + parts.fold(0.0, f64::max)
    }
    /// The assignment that whole patterns make; `None` if they leave out a unit.
    fn whole(&self, fractions: &Fractions<'_>) -> Option<Vec<usize>> {
        let mut choice: Vec<Option<usize>> = vec![None; self.real.units.len()];
        for (u, choices) in fractions.outside.iter().enumerate() {
            let taken = choices.iter().find(|(_, part)| *part > 0.5);
            choice[u] = taken.map(|(choice, _)| *choice);
        }
        let mut next = vec![0; self.groups.len()];
        for ((g, _), pattern, part) in &fractions.patterns {
            // A pattern may be taken more than once only if it is empty.
            if *part < 0.5 || pattern.at.is_empty() {
                continue;
            }
            let servers = &self.groups[*g].servers;
            let server = *servers.get(next[*g])?;
            next[*g] += 1;
            for (unit, c) in &pattern.at {
                let site = self.real.units[*unit].choices[*c].site;
                let twin = crate::symmetry::twin(self.real, site, server)?;
                choice[*unit] = self.real.choice_of(*unit, twin);
            }
        }
        choice.into_iter().collect()
    }
}
