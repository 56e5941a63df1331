//! A look at one node of the search: whether fractions of patterns do what is asked for, with what was decided.

use super::dual::{Dual, Measure};
use super::price::{Multipliers, Priced, Question, dot, price};
use super::rows::cost;
use super::server::{Decision, Pattern, Server, Uses};
use super::{Division, NOTHING, Taken, Verdict};

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

/// What is decided.
#[derive(Clone, Default)]
pub(super) struct Node {
    pub decided: Vec<Decision>,
    /// The patterns of servers of which everything is decided.
    pub servers: Vec<Taken>,
    /// Patterns to begin with, and then those that were looked at.
    pub taken: Vec<Taken>,
}

/// A look at a node. It changes nothing of the division, so that there may be several at once.
pub(super) struct Look<'a> {
    pub division: &'a Division<'a>,
    pub node: Node,
    /// The part that is used of what grows.
    pub part: f64,
    /// By group: patterns that were found, which are numbered on from those that are known.
    news: Vec<Vec<Pattern>>,
    multipliers: Vec<Multipliers>,
    made: u64,
}

/// What a look at a node leaves behind.
pub(super) struct Done {
    pub node: Node,
    /// By group: how many patterns were known before.
    pub known: Vec<usize>,
    pub news: Vec<Vec<Pattern>>,
    pub multipliers: Vec<Multipliers>,
    pub made: u64,
}

impl<'a> Look<'a> {
    pub fn new(division: &'a Division<'a>, node: Node, part: f64) -> Self {
        let groups = division.groups.iter();
        Self {
            division,
            node,
            part,
            news: vec![Vec::new(); division.groups.len()],
            multipliers: groups.map(|group| group.multipliers).collect(),
            made: 0,
        }
    }
    pub fn done(self) -> Done {
        let groups = self.division.groups.iter();
        Done {
            node: self.node,
            known: groups.map(|group| group.patterns.len()).collect(),
            news: self.news,
            multipliers: self.multipliers,
            made: self.made,
        }
    }
    pub fn pattern(&self, (group, p): Taken) -> &Pattern {
        let known = &self.division.groups[group].patterns;
        known
            .get(p)
            .unwrap_or_else(|| &self.news[group][p - known.len()])
    }
    /// How many servers of a group are left.
    pub fn left(&self, group: usize) -> usize {
        let decided = self.node.servers.iter().filter(|(g, _)| *g == group);
        self.division.groups[group].servers.len() - decided.count()
    }
    /// What is left of what servers share.
    pub fn right(&self) -> Vec<f64> {
        let mut right = self.division.shared.right(self.part);
        for taken in &self.node.servers {
            for (row, amount) in &self.pattern(*taken).rows {
                right[*row] -= amount;
            }
        }
        right
    }
    /// Whether a unit is on a server of which everything is decided.
    pub fn is_done(&self, unit: usize) -> bool {
        let mut servers = self.node.servers.iter();
        servers.any(|taken| self.pattern(*taken).choice(unit).is_some())
    }
    fn is_over(&self) -> bool {
        self.division.is_over(self.made)
    }
    /// Whether units may be divided so.
    pub fn test(&mut self) -> Verdict {
        let groups = self.division.groups.iter();
        let servers: Vec<Server> = groups
            .map(|group| Server::new(&group.frame, &self.node.decided))
            .collect();
        let moves: usize = servers.iter().map(Server::moves).sum();
        self.made += moves as u64;
        let right = self.right();
        let mut taken = std::mem::take(&mut self.node.taken);
        taken.retain(|taken| self.is_open(taken.0, self.pattern(*taken)));
        self.node.taken = taken;
        let groups = 0..servers.len();
        let mut open: Vec<Taken> = groups.flat_map(|g| self.open(g, 0)).collect();
        let Some(mut dual) = Dual::new(self, &servers, &right, Measure::Part) else {
            return Verdict::Unknown;
        };
        for _ in 0..ROUNDS {
            let over = dual.over();
            if over <= NOTHING && dual.hides() {
                dual = match Dual::new(self, &servers, &right, Measure::Units) {
                    Some(dual) => dual,
                    None => return Verdict::Unknown,
                };
                continue;
            }
            if over <= NOTHING {
                return Verdict::Fractions;
            }
            if self.is_over() {
                return Verdict::Unknown;
            }
            let (units, prices) = (dual.values(&dual.units), dual.values(&dual.rows));
            let worth = dual.values(&dual.servers);
            let limits = dual.prices();
            let mut news = self.broken(&open, &units, &prices, &worth, &limits);
            if news.is_empty() {
                // The bound is what is left over, less what patterns could still gain.
                let mut bound = self.without_servers(&units, &prices, &right);
                let left: usize = (0..servers.len()).map(|g| self.left(g)).sum();
                let gain = GAIN * over / left.max(1) as f64;
                for (g, server) in servers.iter().enumerate() {
                    let question = Question {
                        units: &units,
                        rows: &prices,
                        limits: &limits[g],
                        room: server.room(self.part),
                        more: worth[g].max(0.0) + gain,
                        labels: LABELS.0,
                        until: self.division.effort.until,
                    };
                    let priced = self.priced(g, server, question);
                    let base = server.limits.iter().zip(&limits[g]);
                    let base: f64 = base.map(|(limit, price)| limit.base * price).sum();
                    bound -= self.left(g) as f64 * (priced.most.max(0.0) - base);
                    let known = self.division.groups[g].patterns.len() + self.news[g].len();
                    self.news[g].extend(priced.patterns);
                    open.extend(self.open(g, known));
                }
                if bound - dual.aim() > NOTHING {
                    return Verdict::Nothing;
                }
                news = self.broken(&open, &units, &prices, &worth, &limits);
                if news.is_empty() {
                    return Verdict::Unknown;
                }
            }
            for (g, p) in news {
                dual = match dual.with(g, self.pattern((g, p))) {
                    Some(dual) => dual,
                    None => return Verdict::Unknown,
                };
                self.node.taken.push((g, p));
            }
        }
        Verdict::Unknown
    }
    /// The patterns that are open and worth most more than they may be.
    fn broken(
        &self,
        open: &[Taken],
        units: &[f64],
        prices: &[f64],
        worth: &[f64],
        limits: &[Uses],
    ) -> Vec<Taken> {
        let over = |taken: Taken| {
            let pattern = self.pattern(taken);
            let sum: f64 = pattern.at.iter().map(|(unit, _)| units[*unit]).sum();
            let used = dot(&pattern.uses, &limits[taken.0]);
            (
                sum - cost(&pattern.rows, prices) - used - worth[taken.0],
                taken,
            )
        };
        let broken = open.iter().map(|taken| over(*taken));
        let mut broken: Vec<(f64, Taken)> = broken.filter(|(over, _)| *over > BROKEN).collect();
        broken.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        broken.truncate(AT_ONCE);
        broken.into_iter().map(|(_, taken)| taken).collect()
    }
    /// All patterns of a group from this one on that are open.
    fn open(&self, group: usize, from: usize) -> impl Iterator<Item = Taken> + '_ {
        let all = self.division.groups[group].patterns.len() + self.news[group].len();
        let patterns = (from..all).map(move |p| (group, p));
        patterns.filter(|taken| self.is_open(taken.0, self.pattern(*taken)))
    }
    /// New patterns of a group that are worth more than asked for, with ever more partial sets until there
    /// are some or it is certain that there are none.
    fn priced(&mut self, group: usize, server: &Server, mut question: Question<'_>) -> Priced {
        loop {
            let mut priced = price(server, &question, &mut self.multipliers[group]);
            let known = &self.division.groups[group].patterns;
            let is_new = |new: &Pattern| {
                let mut known = known.iter().chain(&self.news[group]);
                known.all(|old| old.at != new.at)
            };
            priced.patterns.retain(is_new);
            self.made += priced.made;
            let end = question.labels >= LABELS.2 || self.is_over();
            if !priced.patterns.is_empty() || priced.whole || end {
                return priced;
            }
            question.labels *= LABELS.1;
        }
    }
    /// What is left over at these prices if servers take nothing.
    fn without_servers(&self, units: &[f64], prices: &[f64], right: &[f64]) -> f64 {
        let limits: f64 = prices
            .iter()
            .zip(right)
            .map(|(price, right)| price * right)
            .sum();
        let left = units.iter().sum::<f64>() - limits;
        let helpers = self.division.shared.helpers.iter();
        left - helpers
            .map(|amounts| (-cost(amounts, prices)).max(0.0))
            .sum::<f64>()
    }
    /// Whether a pattern of a group fits and keeps what was decided.
    fn is_open(&self, group: usize, pattern: &Pattern) -> bool {
        let outside = self.division.groups[group].is_outside();
        let units = &self.division.real.units;
        let keeps = |decision: &Decision| match *decision {
            Decision::At(unit, ..) => pattern
                .choice(unit)
                .is_none_or(|choice| decision.allows(unit, Some(units[unit].choices[choice].site))),
            Decision::Together(a, b, are) => {
                let (a, b) = (pattern.choice(a).is_some(), pattern.choice(b).is_some());
                match are {
                    true if outside => !a && !b,
                    true => a == b,
                    false => outside || !(a && b),
                }
            }
            Decision::Done(unit) => pattern.choice(unit).is_none(),
        };
        pattern.part <= self.part + 1e-12 && self.node.decided.iter().all(keeps)
    }
}
