//! How what is on equal servers divides among them: the largest scale, with a proof that sees that each server is full by itself.
//!
//! Whether everything fits if a part `t` of what grows is used is a question about *patterns*, sets of units that fit on one
//! server: is there one for each server, so that each unit is in one of them or in a place that is no server's? Allowing fractions of
//! patterns this is a linear program with very many columns (Dantzig and Wolfe), far nearer to the truth than that with
//! equal servers as one, and equal servers are one in it all the same. It is solved by its dual, to which patterns are added that
//! are worth more than they may be (`price.rs`), until either a bound (Lagrange's) shows that nothing fits, or the fractions do. In the
//! latter case `tree.rs` decides where a unit is, or whether two are together, both ways (branch and price).
//!
//! What is left out of the patterns (edges and rules over too long distances, rules about many units) only makes more possible: what is
//! proven holds.

mod price;
mod rows;
mod server;
#[cfg(test)]
mod tests;
mod tree;

use crate::problem::{Problem, Row};
use crate::relax::Relaxed;
use crate::symmetry::{equal_servers, own_quantities};
use microlp::{ComparisonOp, OptimizationDirection, SolveOutcome, Variable};
use price::{Multipliers, Priced, Question, price};
use rows::{Amounts, SharedRows, cost};
use server::{Decision, Frame, Pattern, Server};
use std::time::Instant;

/// A pattern that is looked at: its group and its place there.
type Taken = (usize, usize);

/// What a sum of units left over counts as nothing.
const NOTHING: f64 = 1e-6;
/// The highest price of an amount of 1 of what servers share.
const DEAR: f64 = 1e3;
/// Which part of what is left over patterns have to gain, to be looked for.
const GAIN: f64 = 0.8;
/// Partial sets per step at first, how many times more next, and at most.
const LABELS: (usize, usize, usize) = (2_000, 8, 1_024_000);
/// By how much a pattern has to be worth more than it may be.
const BROKEN: f64 = 1e-7;
/// How many patterns the dual gets at once.
const AT_ONCE: usize = 8;
/// How often patterns are looked for in one test.
const ROUNDS: usize = 1_000;

/// How much may be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Partial sets that may be made, with other work counted in them: the same on every machine.
    pub labels: u64,
    /// When to stop in any case.
    pub until: Option<Instant>,
}

/// What a division comes to.
#[derive(Clone, Debug)]
pub(crate) struct Divided {
    /// The best that was found, if it is better than what was known.
    pub choice: Option<Vec<usize>>,
    /// The fullest of what grows is used at least in this part by every assignment.
    pub bound: f64,
}

/// What is known before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// An assignment uses this part.
    pub value: f64,
    /// None uses less than this.
    pub bound: f64,
    /// By how much, relatively, they may differ.
    pub gap: f64,
}

/// Whether what is asked for exists.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// It is proven that it does not.
    Nothing,
    /// Fractions of patterns do it.
    Fractions,
    /// The search for patterns came to no end.
    Unknown,
}

/// Says what part of what grows an assignment uses, if it holds.
type Accept<'a, E> = dyn FnMut(&[usize]) -> Result<Option<f64>, E> + 'a;

/// A division of work among servers.
pub(crate) struct Division<'a> {
    real: &'a Problem,
    relaxed: &'a Problem,
    shared: &'a SharedRows<'a>,
    groups: Vec<Group<'a>>,
    /// By unit: its choices that are no server's, by position, with what they take.
    outside: Vec<Vec<(usize, Amounts)>>,
    effort: Effort,
    made: u64,
}

/// Servers that are equal, or one that has no equal.
struct Group<'a> {
    /// The servers.
    servers: Vec<usize>,
    frame: Frame<'a>,
    /// All that were found.
    patterns: Vec<Pattern>,
    multipliers: Multipliers,
}

/// Divides what is on servers among them. `rules` are all rules of the real problem, and `accept` says what part of what
/// grows an assignment uses, if it holds.
pub(crate) fn divide<E>(
    real: &Problem,
    relaxed: &Relaxed,
    rules: &[Row],
    known: Known,
    effort: Effort,
    accept: &mut Accept<'_, E>,
) -> Result<Divided, E> {
    let groups = groups(real);
    let firsts: Vec<usize> = groups.iter().map(|group| group[0]).collect();
    let own: Vec<Vec<usize>> = firsts.iter().map(|s| own_quantities(real, *s)).collect();
    let shared = SharedRows::new(&relaxed.problem, &own, &relaxed.rows(rules));
    let alone: Vec<Vec<Row>> = firsts.iter().map(|s| relaxed.alone(*s, rules)).collect();
    let frames = groups.into_iter().zip(own.iter().zip(&alone));
    let groups = frames.map(|(servers, (own, rules))| Group {
        frame: Frame {
            problem: real,
            server: servers[0],
            own,
            shared: &shared,
            rules,
        },
        servers,
        patterns: Vec::new(),
        multipliers: Multipliers::default(),
    });
    let outside = real.units.iter().enumerate().map(|(u, unit)| {
        let choices = unit.choices.iter().enumerate();
        let outside = choices.filter(|(_, choice)| real.sites[choice.site].server.is_none());
        outside
            .map(|(c, choice)| (c, shared.choice(u, choice)))
            .collect()
    });
    let mut division = Division {
        real,
        relaxed: &relaxed.problem,
        shared: &shared,
        groups: groups.collect(),
        outside: outside.collect(),
        effort,
        made: 0,
    };
    division.run(known, accept)
}

/// All servers, those that are equal together.
fn groups(real: &Problem) -> Vec<Vec<usize>> {
    let mut groups = equal_servers(real);
    let mut servers: Vec<usize> = real.sites.iter().filter_map(|site| site.server).collect();
    servers.sort_unstable();
    servers.dedup();
    servers.retain(|server| !groups.iter().any(|group| group.contains(server)));
    groups.extend(servers.into_iter().map(|server| vec![server]));
    groups
}

impl Division<'_> {
    fn run<E>(&mut self, known: Known, accept: &mut Accept<'_, E>) -> Result<Divided, E> {
        // A part is for the bound, should the search come to no end.
        let all = self.effort;
        self.effort.labels -= all.labels / 4;
        self.effort.until = all.until.map(|until| {
            let now = Instant::now();
            now + until.saturating_duration_since(now).mul_f64(0.75)
        });
        let (choice, value, done) = self.search(known, accept)?;
        self.effort = all;
        let bound = match done {
            true => value * (1.0 - known.gap),
            false => self.bound(Known { value, ..known }),
        };
        let bound = bound.max(known.bound);
        Ok(Divided { choice, bound })
    }
    /// The largest part of which it is proven, without deciding anything, that less does not do.
    fn bound(&mut self, known: Known) -> f64 {
        let (mut least, mut most) = (known.bound, known.value);
        let mut taken = Vec::new();
        while most - least > known.gap.max(1e-3) * most {
            let part = 0.5 * (least + most);
            match self.test(part, &[], &mut taken) {
                Verdict::Nothing => least = part,
                Verdict::Fractions => most = part,
                Verdict::Unknown => most = part,
            }
            if self.is_over() {
                break;
            }
        }
        least
    }
    fn is_over(&self) -> bool {
        let late = self
            .effort
            .until
            .is_some_and(|until| Instant::now() >= until);
        late || self.made >= self.effort.labels
    }
    /// Whether units may be divided so that this part is used of what grows, with what was decided. `taken` are patterns to
    /// begin with, and then those that were looked at.
    fn test(&mut self, part: f64, decided: &[Decision], taken: &mut Vec<Taken>) -> Verdict {
        let groups = self.groups.iter();
        let servers: Vec<Server> = groups
            .map(|group| Server::new(&group.frame, decided))
            .collect();
        let moves: usize = servers.iter().map(Server::moves).sum();
        self.made += moves as u64;
        let right = self.shared.right(part);
        taken.retain(|(g, p)| self.is_open(&self.groups[*g].patterns[*p], part, decided));
        let Some(mut dual) = Dual::new(self, &right, decided, taken) else {
            return Verdict::Unknown;
        };
        for _ in 0..ROUNDS {
            let over = dual.solution.objective();
            if over <= NOTHING {
                return Verdict::Fractions;
            }
            if self.is_over() {
                return Verdict::Unknown;
            }
            let (units, prices) = (dual.values(&dual.units), dual.values(&dual.rows));
            let worth = dual.values(&dual.servers);
            let mut news = self.broken(part, decided, &units, &prices, &worth);
            if news.is_empty() {
                // The bound is what is left over, less what patterns could still gain.
                let mut bound = self.without_servers(&units, &prices, &right, decided);
                let times: usize = self.groups.iter().map(|group| group.servers.len()).sum();
                let gain = GAIN * over / times as f64;
                for (g, server) in servers.iter().enumerate() {
                    let question = Question {
                        units: &units,
                        rows: &prices,
                        room: server.room(part),
                        more: worth[g].max(0.0) + gain,
                        labels: LABELS.0,
                    };
                    let priced = self.priced(g, server, question);
                    bound -= self.groups[g].servers.len() as f64 * priced.most.max(0.0);
                    self.groups[g].patterns.extend(priced.patterns);
                }
                if bound > NOTHING {
                    return Verdict::Nothing;
                }
                news = self.broken(part, decided, &units, &prices, &worth);
                if news.is_empty() {
                    return Verdict::Unknown;
                }
            }
            for (g, p) in news {
                dual = match dual.with(g, &self.groups[g].patterns[p]) {
                    Some(dual) => dual,
                    None => return Verdict::Unknown,
                };
                taken.push((g, p));
            }
        }
        Verdict::Unknown
    }
    /// The known patterns that are worth most more than they may be.
    fn broken(
        &self,
        part: f64,
        decided: &[Decision],
        units: &[f64],
        prices: &[f64],
        worth: &[f64],
    ) -> Vec<Taken> {
        let mut broken: Vec<(f64, Taken)> = Vec::new();
        for (g, group) in self.groups.iter().enumerate() {
            for (p, pattern) in group.patterns.iter().enumerate() {
                let sum: f64 = pattern.at.iter().map(|(unit, _)| units[*unit]).sum();
                let over = sum - cost(&pattern.rows, prices) - worth[g];
                if over > BROKEN && self.is_open(pattern, part, decided) {
                    broken.push((over, (g, p)));
                }
            }
        }
        broken.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        broken.truncate(AT_ONCE);
        broken.into_iter().map(|(_, taken)| taken).collect()
    }
    /// New patterns of a group that are worth more than asked for, with ever more partial sets until there
    /// are some or it is certain that there are none.
    fn priced(&mut self, group: usize, server: &Server, mut question: Question<'_>) -> Priced {
        loop {
            let known = &mut self.groups[group];
            let mut priced = price(server, &question, &mut known.multipliers);
            priced
                .patterns
                .retain(|new| known.patterns.iter().all(|old| old.at != new.at));
            self.made += priced.made;
            let end = question.labels >= LABELS.2 || self.is_over();
            if !priced.patterns.is_empty() || priced.whole || end {
                return priced;
            }
            question.labels *= LABELS.1;
        }
    }
    /// What is left over at these prices if servers take nothing.
    fn without_servers(
        &self,
        units: &[f64],
        prices: &[f64],
        right: &[f64],
        decided: &[Decision],
    ) -> f64 {
        let limits: f64 = prices
            .iter()
            .zip(right)
            .map(|(price, right)| price * right)
            .sum();
        let mut left = units.iter().sum::<f64>() - limits;
        for (u, choices) in self.outside.iter().enumerate() {
            let choices = choices.iter().filter(|(c, _)| self.allows(u, *c, decided));
            let worth = choices.map(|(_, amounts)| units[u] - cost(amounts, prices));
            left -= worth.fold(0.0, f64::max);
        }
        let helpers = self.shared.helpers.iter();
        left - helpers
            .map(|amounts| (-cost(amounts, prices)).max(0.0))
            .sum::<f64>()
    }
    /// Whether a choice that is no server's is open.
    fn allows(&self, unit: usize, choice: usize, decided: &[Decision]) -> bool {
        let site = self.real.units[unit].choices[choice].site;
        decided
            .iter()
            .all(|decision| decision.allows_outside(unit, site))
    }
    /// Whether a pattern fits and keeps what was decided.
    fn is_open(&self, pattern: &Pattern, part: f64, decided: &[Decision]) -> bool {
        let site = |unit: usize, choice: usize| self.real.units[unit].choices[choice].site;
        let keeps = |decision: &Decision| match *decision {
            Decision::At(unit, ..) => pattern
                .choice(unit)
                .is_none_or(|choice| decision.allows(unit, Some(site(unit, choice)))),
            Decision::Together(a, b, are) => {
                let (a, b) = (pattern.choice(a).is_some(), pattern.choice(b).is_some());
                if are { a == b } else { !(a && b) }
            }
        };
        pattern.part <= part + 1e-12 && decided.iter().all(keeps)
    }
}

/// The dual of the program of patterns: prices of units and of what servers share, under which no pattern is worth more
/// than its server, and what is left over is the most.
struct Dual {
    units: Vec<Variable>,
    rows: Vec<Variable>,
    /// By group: what one of its servers is worth.
    servers: Vec<Variable>,
    solution: microlp::Solution,
}

impl Dual {
    fn new(
        division: &Division<'_>,
        right: &[f64],
        decided: &[Decision],
        taken: &[Taken],
    ) -> Option<Self> {
        let mut program = microlp::Problem::new(OptimizationDirection::Maximize);
        let count = division.relaxed.units.len();
        let units: Vec<Variable> = (0..count)
            .map(|_| program.add_var(1.0, (-1.0, 1.0)))
            .collect();
        let rows: Vec<Variable> = right
            .iter()
            .map(|right| program.add_var(-right, (0.0, DEAR)))
            .collect();
        let groups = division.groups.iter();
        let servers: Vec<Variable> = groups
            .map(|group| program.add_var(-(group.servers.len() as f64), (0.0, f64::INFINITY)))
            .collect();
        for (u, choices) in division.outside.iter().enumerate() {
            for (c, amounts) in choices {
                if division.allows(u, *c, decided) {
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
        for (g, p) in taken {
            let pattern = &division.groups[*g].patterns[*p];
            let terms = terms(pattern, &units, &rows, servers[*g]);
            program.add_constraint(terms, ComparisonOp::Le, 0.0);
        }
        let solution = solved(program.solve())?;
        Some(Self {
            units,
            rows,
            servers,
            solution,
        })
    }
    /// With one more pattern; `None` if the solver fails.
    fn with(self, group: usize, pattern: &Pattern) -> Option<Self> {
        let terms = terms(pattern, &self.units, &self.rows, self.servers[group]);
        let solution = solved(self.solution.add_constraint(terms, ComparisonOp::Le, 0.0))?;
        Some(Self { solution, ..self })
    }
    fn values(&self, variables: &[Variable]) -> Vec<f64> {
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

/// The solution of a linear program.
fn solved(outcome: Result<SolveOutcome, microlp::Error>) -> Option<microlp::Solution> {
    match outcome {
        Ok(SolveOutcome::Solution(solution)) => Some(solution),
        _ => None,
    }
}
