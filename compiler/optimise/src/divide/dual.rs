//! The dual of the program of patterns.

use super::look::Look;
use super::server::{LIMITS, Pattern, Server, Uses};
use super::{NOTHING, solved};
use microlp::{ComparisonOp, OptimizationDirection, Variable};

/// The highest price of an amount of 1 of what servers share.
const DEAR: f64 = 1e3;
/// What a unit left over counts, in parts that are used.
const LEFT_OVER: f64 = 4.0;

/// What is least where not all fits.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Measure {
    /// The part that is used, in the mean of servers. Units left over count much.
    Part,
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
    /// By group: what it costs to use what one of its servers has, by limit.
    pub limits: Vec<[Option<Variable>; LIMITS]>,
    pub solution: microlp::Solution,
    measure: Measure,
    /// The price of a unit is at most so high, up or down.
    dearest: f64,
    part: f64,
}

impl Dual {
    pub fn new(
        look: &Look<'_>,
        frames: &[Server],
        right: &[f64],
        measure: Measure,
    ) -> Option<Self> {
        let division = look.division;
        let mut program = microlp::Problem::new(OptimizationDirection::Maximize);
        let left: Vec<f64> = (0..division.groups.len())
            .map(|g| look.left(g) as f64)
            .collect();
        let dearest = match measure {
            Measure::Part => LEFT_OVER,
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
            .map(|left| program.add_var(-left, (0.0, f64::INFINITY)))
            .collect();
        let mut limits = vec![[None; LIMITS]; frames.len()];
        if measure == Measure::Part {
            let mut all = Vec::new();
            for ((frame, left), limits) in frames.iter().zip(&left).zip(&mut limits) {
                for (limit, price) in frame.limits.iter().zip(limits) {
                    if limit.grows && *left > 0.0 {
                        let variable = program.add_var(left * limit.base, (0.0, f64::INFINITY));
                        all.push((variable, *left));
                        *price = Some(variable);
                    }
                }
            }
            program.add_constraint(all, ComparisonOp::Le, 1.0);
        }
        for amounts in &division.shared.helpers {
            let helper = program.add_var(-1.0, (0.0, f64::INFINITY));
            let mut terms = vec![(helper, -1.0)];
            terms.extend(amounts.iter().map(|(row, a)| (rows[*row], -a)));
            program.add_constraint(terms, ComparisonOp::Le, 0.0);
        }
        for (g, p) in &look.node.taken {
            let terms = terms(
                look.pattern((*g, *p)),
                &units,
                &rows,
                servers[*g],
                &limits[*g],
            );
            program.add_constraint(terms, ComparisonOp::Le, 0.0);
        }
        let solution = solved(program.solve())?;
        Some(Self {
            units,
            rows,
            servers,
            limits,
            solution,
            measure,
            dearest,
            part: look.part,
        })
    }
    /// With one more pattern; `None` if the solver fails.
    pub fn with(self, group: usize, pattern: &Pattern) -> Option<Self> {
        let terms = terms(
            pattern,
            &self.units,
            &self.rows,
            self.servers[group],
            &self.limits[group],
        );
        let solution = solved(self.solution.add_constraint(terms, ComparisonOp::Le, 0.0))?;
        Some(Self { solution, ..self })
    }
    /// By how much the part that is used is over what is asked for, or how many units are left over.
    pub fn over(&self) -> f64 {
        match self.measure {
            Measure::Part => self.solution.objective() - self.part,
            Measure::Units => self.solution.objective(),
        }
    }
    /// Whether units may be left over though not more is used than is asked for.
    pub fn hides(&self) -> bool {
        let dear = |unit: &Variable| self.solution[*unit].abs() > self.dearest - NOTHING;
        self.measure == Measure::Part && self.units.iter().any(dear)
    }
    /// By group: what an amount of 1 of what one of its servers has costs.
    pub fn prices(&self) -> Vec<Uses> {
        let price = |price: &Option<Variable>| price.map_or(0.0, |p| self.solution[p].max(0.0));
        self.limits
            .iter()
            .map(|limits| std::array::from_fn(|l| price(&limits[l])))
            .collect()
    }
    /// What is asked for of what is measured.
    pub fn aim(&self) -> f64 {
        match self.measure {
            Measure::Part => self.part,
            Measure::Units => 0.0,
        }
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
    limits: &[Option<Variable>; LIMITS],
) -> Vec<(Variable, f64)> {
    let units = pattern.at.iter().map(|(unit, _)| (units[*unit], 1.0));
    let rows = pattern
        .rows
        .iter()
        .map(|(row, amount)| (rows[*row], -amount));
    let limits = limits.iter().zip(pattern.uses);
    let limits = limits.filter_map(|(price, used)| price.map(|price| (price, -used)));
    units
        .chain(rows)
        .chain(limits)
        .chain([(server, -1.0)])
        .collect()
}
