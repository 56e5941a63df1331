//! The dual of the program of patterns.

use super::look::Look;
use super::server::Pattern;
use super::{NOTHING, solved};
use microlp::{ComparisonOp, OptimizationDirection, Variable};

/// The highest price of an amount of 1 of what servers share.
const DEAR: f64 = 1e3;

/// What is least where not all fits.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Measure {
    /// The servers that are missing, each group growing in proportion. Units left over count as all servers each.
    Servers,
    /// The units that are left over, or there too often.
    Units,
}

/// The dual of the program of patterns: prices of units and of what servers share, under which no pattern is worth more
/// than its server, and what is left over is the most.
pub(super) struct Dual {
    pub units: Vec<Variable>,
    pub rows: Vec<Variable>,
    /// By group: what one of its servers is worth.
    pub servers: Vec<Variable>,
    pub solution: microlp::Solution,
    measure: Measure,
    /// The price of a unit is at most so high, up or down.
    dearest: f64,
    left: f64,
}

impl Dual {
    pub fn new(look: &Look<'_>, right: &[f64], measure: Measure) -> Option<Self> {
        let division = look.division;
        let mut program = microlp::Problem::new(OptimizationDirection::Maximize);
        let left: Vec<f64> = (0..division.groups.len())
            .map(|g| look.left(g) as f64)
            .collect();
        let all: f64 = left.iter().sum();
        let dearest = match measure {
            Measure::Servers => all,
            Measure::Units => 1.0,
        };
        let units: Vec<Variable> = (0..division.relaxed.units.len())
            .map(|u| match look.is_done(u) {
                true => program.add_var(0.0, (0.0, 0.0)),
                false => program.add_var(1.0, (-dearest, dearest)),
            })
            .collect();
        let rows: Vec<Variable> = right
            .iter()
            .map(|right| program.add_var(-right, (0.0, DEAR)))
            .collect();
        let servers: Vec<Variable> = left
            .iter()
            .map(|left| {
                let cost = match measure {
                    Measure::Servers => 0.0,
                    Measure::Units => -left,
                };
                program.add_var(cost, (0.0, f64::INFINITY))
            })
            .collect();
        if measure == Measure::Servers {
            let terms: Vec<(Variable, f64)> = servers.iter().copied().zip(left).collect();
            program.add_constraint(terms, ComparisonOp::Le, all);
        }
        for (u, choices) in division.outside.iter().enumerate() {
            for (c, amounts) in choices {
                if look.allows(u, *c) {
                    let mut terms = vec![(units[u], 1.0)];
                    terms.extend(amounts.iter().map(|(row, a)| (rows[*row], -a)));
                    program.add_constraint(terms, ComparisonOp::Le, 0.0);
                }
            }
        }
        for amounts in &division.shared.helpers {
            let helper = program.add_var(-1.0, (0.0, f64::INFINITY));
            let mut terms = vec![(helper, -1.0)];
            terms.extend(amounts.iter().map(|(row, a)| (rows[*row], -a)));
            program.add_constraint(terms, ComparisonOp::Le, 0.0);
        }
        for (g, p) in &look.node.taken {
            let terms = terms(look.pattern((*g, *p)), &units, &rows, servers[*g]);
            program.add_constraint(terms, ComparisonOp::Le, 0.0);
        }
        let solution = solved(program.solve())?;
        Some(Self {
            units,
            rows,
            servers,
            solution,
            measure,
            dearest,
            left: all,
        })
    }
    /// With one more pattern; `None` if the solver fails.
    pub fn with(self, group: usize, pattern: &Pattern) -> Option<Self> {
        let terms = terms(pattern, &self.units, &self.rows, self.servers[group]);
        let solution = solved(self.solution.add_constraint(terms, ComparisonOp::Le, 0.0))?;
        Some(Self { solution, ..self })
    }
    /// What is left over, in servers or in units.
    pub fn over(&self) -> f64 {
        match self.measure {
            Measure::Servers => self.solution.objective() - self.left,
            Measure::Units => self.solution.objective(),
        }
    }
    /// Whether units may be left over though no servers are missing.
    pub fn hides(&self) -> bool {
        let dear = |unit: &Variable| self.solution[*unit].abs() > self.dearest - NOTHING;
        self.measure == Measure::Servers && self.units.iter().any(dear)
    }
    pub fn values(&self, variables: &[Variable]) -> Vec<f64> {
        variables
            .iter()
            .map(|variable| self.solution[*variable])
            .collect()
    }
}

/// What a pattern is worth, less what it costs and its server.
fn terms(
    pattern: &Pattern,
    units: &[Variable],
    rows: &[Variable],
    server: Variable,
) -> Vec<(Variable, f64)> {
    let units = pattern.at.iter().map(|(unit, _)| (units[*unit], 1.0));
    let rows = pattern
        .rows
        .iter()
        .map(|(row, amount)| (rows[*row], -amount));
    units.chain(rows).chain([(server, -1.0)]).collect()
}
