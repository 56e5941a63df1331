//! What rules imply: that a group cannot be at a site at all.

use std::collections::BTreeMap;
use trisect_optimise::{Problem, Var};

/// Rows that are looked at before nothing counts as implied.
const STEPS: usize = 20_000;
/// By how much a range has to be smaller to be news.
const FINE: f64 = 1e-6;
/// What counts as rounding in rows.
const ROOM: f64 = 1e-9;

/// The rules of a problem over numbered variables, each 0 or 1 or, for some of the rules' own, between.
pub(crate) struct Implications {
    number: BTreeMap<Var, usize>,
    /// Whether a variable is 0 or 1 only.
    whole: Vec<bool>,
    rows: Vec<(Vec<(usize, f64)>, f64)>,
    /// By variable: the rows in which it is.
    of: Vec<Vec<usize>>,
}

impl Implications {
    /// The rules, and that every unit has one site.
    pub fn new(problem: &Problem) -> Self {
        let mut all = Self {
            number: BTreeMap::new(),
            whole: Vec::new(),
            rows: Vec::new(),
            of: Vec::new(),
        };
        for (u, unit) in problem.units.iter().enumerate() {
            let sites = unit.choices.iter().map(|choice| Var::At(u, choice.site));
            let terms: Vec<(usize, f64)> =
                sites.map(|var| (all.variable(var, true), 1.0)).collect();
            all.row(terms.iter().map(|(v, _)| (*v, -1.0)).collect(), -1.0);
            all.row(terms, 1.0);
        }
        for (h, whole) in problem.rules.helpers.iter().enumerate() {
            all.variable(Var::Helper(h), *whole);
        }
        for row in &problem.rules.rows {
            let mut sum: BTreeMap<usize, f64> = BTreeMap::new();
            for (var, factor) in &row.terms {
                // A unit is nowhere that it cannot be.
                if let Some(known) = all.number.get(var) {
                    *sum.entry(*known).or_default() += factor;
                }
            }
            all.row(sum.into_iter().collect(), row.most);
        }
        all
    }
    fn variable(&mut self, var: Var, whole: bool) -> usize {
        let next = self.whole.len();
        self.number.insert(var, next);
        self.whole.push(whole);
        self.of.push(Vec::new());
        next
    }
    fn row(&mut self, terms: Vec<(usize, f64)>, most: f64) {
        for (var, _) in &terms {
            self.of[*var].push(self.rows.len());
        }
        self.rows.push((terms, most));
    }
    /// Whether the rules, one after the other, leave nothing if a unit is at a site. That they leave something proves
    /// nothing.
    pub fn never(&self, unit: usize, site: usize) -> bool {
        let Some(first) = self.number.get(&Var::At(unit, site)) else {
            return true;
        };
        let mut range: Vec<(f64, f64)> = vec![(0.0, 1.0); self.whole.len()];
        range[*first] = (1.0, 1.0);
        let mut open = self.of[*first].clone();
        for _ in 0..STEPS {
            let Some(row) = open.pop() else {
                return false;
            };
            let (terms, most) = &self.rows[row];
            let least: f64 = terms
                .iter()
                .map(|(v, f)| f * if *f > 0.0 { range[*v].0 } else { range[*v].1 })
                .sum();
            let room = most - least + ROOM * most.abs().max(1.0);
            if room < 0.0 {
                return true;
            }
            for (v, factor) in terms {
                let (least, most) = range[*v];
                // By how much it can be off what makes the row the least.
                let far = room / factor.abs();
                if (most - least) - far <= FINE {
                    continue;
                }
                range[*v] = match (*factor > 0.0, self.whole[*v]) {
                    (true, true) => (least, least),
                    (true, false) => (least, least + far),
                    (false, true) => (most, most),
                    (false, false) => (most - far, most),
                };
                open.extend(&self.of[*v]);
            }
        }
        false
    }
}
