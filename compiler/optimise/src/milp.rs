//! Mixed integer programs, and the solvers for them.

use std::time::Duration;

/// A program: minimise `objective`, subject to `rows`, over columns between bounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Milp {
    /// Lower and upper bound of each column, and whether it takes whole numbers only.
    pub columns: Vec<(f64, f64, bool)>,
    /// Sparse rows, each at most its right side. No column twice in a row.
    pub rows: Vec<(Vec<(usize, f64)>, f64)>,
    /// Sparse rows, each equal to its right side.
    pub equal: Vec<(Vec<(usize, f64)>, f64)>,
    /// What is minimised. No column twice.
    pub objective: Vec<(usize, f64)>,
}

impl Milp {
    /// A new column.
    pub fn column(&mut self, least: f64, most: f64, whole: bool) -> usize {
        self.columns.push((least, most, whole));
        self.columns.len() - 1
    }
    /// A new row; what is given twice is added up.
    pub fn row(&mut self, terms: Vec<(usize, f64)>, most: f64) {
        self.rows.push((summed(terms), most));
    }
}

impl Milp {
    /// Whether these values keep all bounds and rows, but for rounding: what is relatively below `room`.
    pub fn holds(&self, values: &[f64], room: f64) -> bool {
        let room = |right: f64| room * right.abs().max(1.0);
        let columns = self.columns.iter().zip(values);
        let within = |((least, most, _), value): (&(f64, f64, bool), &f64)| {
            *value >= least - room(*least) && *value <= most + room(*most)
        };
        columns.into_iter().all(within)
            && self
                .rows
                .iter()
                .all(|(terms, most)| self::value(terms, values) <= most + room(*most))
            && self
                .equal
                .iter()
                .all(|(terms, right)| (self::value(terms, values) - right).abs() <= room(*right))
    }
}

/// Terms with each column once, without zeros.
pub(crate) fn summed(mut terms: Vec<(usize, f64)>) -> Vec<(usize, f64)> {
    terms.sort_by_key(|(column, _)| *column);
    let mut sum: Vec<(usize, f64)> = Vec::with_capacity(terms.len());
    for (column, factor) in terms {
        match sum.last_mut() {
            Some((last, total)) if *last == column => *total += factor,
            _ => sum.push((column, factor)),
        }
    }
    sum.retain(|(_, factor)| *factor != 0.0);
    sum
}

/// Makes a program smaller that has the same solutions: what rows fix is fixed, rows that say nothing more and
/// rows that are there twice are left out. `None` if there is no solution.
pub(crate) fn reduced(milp: &Milp) -> Option<Milp> {
    let mut less = milp.clone();
    while less.tighten()? {}
    let columns = &less.columns;
    let mut seen = std::collections::BTreeSet::new();
    less.rows.retain(|(terms, most)| {
        let key: Vec<(usize, u64)> = terms.iter().map(|(c, f)| (*c, f.to_bits())).collect();
        highest(columns, terms) > most + ROOM * most.abs().max(1.0)
            && seen.insert((key, most.to_bits()))
    });
    less.equal.retain(|(terms, _)| !terms.is_empty());
    Some(less)
}

/// What counts as rounding in rows.
pub(crate) const ROOM: f64 = 1e-9;

/// The largest sum that a row can have.
fn highest(columns: &[(f64, f64, bool)], terms: &[(usize, f64)]) -> f64 {
    terms
        .iter()
        .map(|(c, f)| {
            f * if *f > 0.0 {
                columns[*c].1
            } else {
                columns[*c].0
            }
        })
        .sum()
}

impl Milp {
    /// Takes fixed columns out of the rows, and fixes what rows with one column left fix. Whether anything was
    /// fixed; `None` if there is no solution.
    fn tighten(&mut self) -> Option<bool> {
        let mut news = false;
        let columns = &mut self.columns;
        let equal = self.equal.iter_mut().map(|row| (row, true));
        for ((terms, right), equal) in self.rows.iter_mut().map(|row| (row, false)).chain(equal) {
            terms.retain(|(c, f)| {
                let (least, most, _) = columns[*c];
                if least == most {
                    *right -= f * least;
                }
                least != most
            });
            let room = ROOM * right.abs().max(1.0);
            match terms[..] {
                [] if *right < -room || (equal && *right > room) => return None,
                // A whole number between 0 and 1 that cannot be one of them is the other.
                [(c, f)] => {
                    let (least, most, whole) = &mut columns[c];
                    if !*whole && f > 0.0 && !equal {
                        *most = most.min((*right / f).max(*least));
                        news |= least == most;
                    }
                    if !*whole || (*least, *most) != (0.0, 1.0) {
                        continue;
                    }
                    let fits = |value: f64| {
                        f * value <= *right + room && (!equal || f * value >= *right - room)
                    };
                    match (fits(0.0), fits(1.0)) {
                        (true, true) => continue,
                        (true, false) => *most = 0.0,
                        (false, true) => *least = 1.0,
                        (false, false) => return None,
                    }
                    news = true;
                }
                _ => {}
            }
        }
        Some(news)
    }
}

/// When to stop before the end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Nodes of the branch and bound per solver call: the same on every machine.
    pub nodes: Option<u64>,
    /// Wall-clock time in all: not the same on every machine.
    pub time: Option<Duration>,
    /// Relative gap at which a solution counts as optimal.
    pub gap: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: None,
            time: None,
            gap: 1e-6,
        }
    }
}

/// What a solver says.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// There is no solution.
    Infeasible,
    /// What it has got.
    Found {
        /// Values of the columns; none if it stopped before it found any.
        values: Option<Vec<f64>>,
        /// No solution's objective is below.
        bound: f64,
    },
    /// The solver itself failed.
    Failed(String),
}

/// Solves with the solver that is built in.
pub(crate) fn solve(milp: &Milp, limits: Limits, hint: &[(usize, f64)]) -> Answer {
    let Some(less) = reduced(milp) else {
        return Answer::Infeasible;
    };
    #[cfg(feature = "highs")]
    return with_highs(&less, limits, hint);
    #[cfg(not(feature = "highs"))]
    with_microlp(&less, limits, hint)
}

/// The name of the solver that is built in.
pub fn solver() -> &'static str {
    match cfg!(feature = "highs") {
        true => "HiGHS",
        false => "microlp",
    }
}

#[cfg(not(feature = "highs"))]
fn with_microlp(milp: &Milp, limits: Limits, hint: &[(usize, f64)]) -> Answer {
    use microlp::{
        ComparisonOp, Error, OptimizationDirection, Problem, SolveOptions, SolveOutcome,
    };
    let mut factors = vec![0.0; milp.columns.len()];
    for (column, factor) in &milp.objective {
        factors[*column] = *factor;
    }
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut columns = Vec::with_capacity(milp.columns.len());
    for ((least, most, whole), factor) in milp.columns.iter().zip(&factors) {
        columns.push(match whole {
            true => problem.add_integer_var(*factor, (*least as i32, *most as i32)),
            false => problem.add_var(*factor, (*least, *most)),
        });
    }
    for (terms, most) in &milp.rows {
        let terms: Vec<_> = terms.iter().map(|(c, f)| (columns[*c], *f)).collect();
        problem.add_constraint(terms, ComparisonOp::Le, *most);
    }
    for (terms, right) in &milp.equal {
        let terms: Vec<_> = terms.iter().map(|(c, f)| (columns[*c], *f)).collect();
        problem.add_constraint(terms, ComparisonOp::Eq, *right);
    }
    let mut options = SolveOptions::default();
    options.mip_gap = limits.gap;
    options.node_limit = limits.nodes;
    options.time_limit = limits.time;
    if !hint.is_empty() {
        options.warm_start = Some(hint.iter().map(|(c, v)| (columns[*c], *v)).collect());
    }
    match problem.solve_with(options) {
        Ok(outcome) => {
            let best = outcome.stats().best_bound;
            let values = match &outcome {
                SolveOutcome::Solution(solution) => {
                    Some(columns.iter().map(|c| solution[*c]).collect::<Vec<f64>>())
                }
                SolveOutcome::Interrupted(_) => None,
            };
            // Without whole numbers the solution is the bound.
            let linear = !milp.columns.iter().any(|(_, _, whole)| *whole);
            let bound = match (&values, best) {
                (Some(values), None) if linear => value(&milp.objective, values),
                (_, best) => best.unwrap_or(f64::NEG_INFINITY),
            };
            Answer::Found { values, bound }
        }
        Err(Error::Infeasible) => Answer::Infeasible,
        Err(other) => Answer::Failed(other.to_string()),
    }
}

#[cfg(feature = "highs")]
fn with_highs(milp: &Milp, limits: Limits, hint: &[(usize, f64)]) -> Answer {
    use highs::{HighsModelStatus, HighsSolutionStatus, RowProblem, Sense};
    let mut factors = vec![0.0; milp.columns.len()];
    for (column, factor) in &milp.objective {
        factors[*column] = *factor;
    }
    let mut problem = RowProblem::default();
    let mut columns = Vec::with_capacity(milp.columns.len());
    for ((least, most, whole), factor) in milp.columns.iter().zip(&factors) {
        columns.push(match whole {
            true => problem.add_integer_column(*factor, *least..=*most),
            false => problem.add_column(*factor, *least..=*most),
        });
    }
    for (terms, most) in &milp.rows {
        let terms: Vec<_> = terms.iter().map(|(c, f)| (columns[*c], *f)).collect();
        problem.add_row(..=*most, terms);
    }
    for (terms, right) in &milp.equal {
        let terms: Vec<_> = terms.iter().map(|(c, f)| (columns[*c], *f)).collect();
        problem.add_row(*right..=*right, terms);
    }
    let mut model = match problem.try_optimise(Sense::Minimise) {
        Ok(model) => model,
        Err(why) => return Answer::Failed(format!("HiGHS does not take the program: {why:?}")),
    };
    model.make_quiet();
    model.set_option("threads", 1);
    model.set_option("random_seed", 1);
    model.set_option("mip_rel_gap", limits.gap);
    // By default rows broken by 1e-6 and gaps of 1e-6 count as nothing: more than goals that were reached before
    // leave open.
    model.set_option("mip_abs_gap", ROOM);
    for tolerance in [
        "mip_feasibility_tolerance",
        "primal_feasibility_tolerance",
        "dual_feasibility_tolerance",
    ] {
        model.set_option(tolerance, ROOM);
    }
    if let Some(nodes) = limits.nodes {
        model.set_option("mip_max_nodes", i32::try_from(nodes).unwrap_or(i32::MAX));
    }
    if let Some(time) = limits.time {
        model.set_option("time_limit", time.as_secs_f64());
    }
    // The hint is not handed to HiGHS (1.16): after presolve it misjudges the objective of a solution it was given,
    // and calls that optimal. What is known is compared with what it finds instead.
    let solved = match model.try_solve() {
        Ok(solved) => solved,
        Err(why) => return Answer::Failed(format!("HiGHS: {why:?}")),
    };
    match solved.status() {
        HighsModelStatus::Infeasible => return Answer::Infeasible,
        HighsModelStatus::SolveError
        | HighsModelStatus::ModelError
        | HighsModelStatus::LoadError
        | HighsModelStatus::PresolveError
        | HighsModelStatus::PostsolveError
        | HighsModelStatus::Unbounded
        | HighsModelStatus::UnboundedOrInfeasible => {
            return Answer::Failed(format!("HiGHS: {:?}", solved.status()));
        }
        _ => {}
    }
    let mut values = None;
    if solved.primal_solution_status() == HighsSolutionStatus::Feasible {
        let mut found = solved.get_solution().columns().to_vec();
        for (value, (_, _, whole)) in found.iter_mut().zip(&milp.columns) {
            if *whole {
                *value = value.round();
            }
        }
        if !milp.holds(&found, 100.0 * ROOM) {
            return Answer::Failed("the solution of HiGHS breaks the program's rows".to_owned());
        }
        values = Some(found);
    }
    let objective = |values: &[f64]| value(&milp.objective, values);
    let linear = !milp.columns.iter().any(|(_, _, whole)| *whole);
    let optimal = solved.status() == HighsModelStatus::Optimal;
    let bound = match (&values, linear) {
        (Some(values), true) if optimal => objective(values),
        (_, true) => f64::NEG_INFINITY,
        (_, false) => solved
            .double_info_value(c"mip_dual_bound")
            .unwrap_or(f64::NEG_INFINITY),
    };
    if let Some(found) = &values {
        let (got, room) = (objective(found), 100.0 * ROOM);
        // An optimum whose own bound is further off than was asked for is none.
        if optimal && got - bound > limits.gap.max(room) * got.abs() + room {
            return Answer::Failed(format!(
                "HiGHS calls {got} optimal, with a bound of {bound}"
            ));
        }
    }
    if hint.len() == milp.columns.len() {
        let mut known = vec![0.0; milp.columns.len()];
        for (column, value) in hint {
            known[*column] = *value;
        }
        let better = |found: &Vec<f64>| objective(&known) < objective(found);
        if milp.holds(&known, ROOM) && values.as_ref().is_none_or(better) {
            values = Some(known);
        }
    }
    Answer::Found { values, bound }
}

/// The value of a sum of terms.
pub(crate) fn value(terms: &[(usize, f64)], values: &[f64]) -> f64 {
    terms.iter().map(|(c, f)| f * values[*c]).sum()
}
