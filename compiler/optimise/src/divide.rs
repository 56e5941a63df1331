//! How what is on equal servers divides among them: the largest scale, with a proof that sees that each server is full by itself.
//!
//! Whether everything fits if a part `t` of what grows is used is a question about *patterns*, sets of units that fit on one
//! server: is there one for each server, and one of what is no server's, so that each unit is in one of them? (A switch divides
//! like a server: fractions of sets of tables that fit say more than fractions of tables.) Allowing fractions of
//! patterns this is a linear program with very many columns (Dantzig and Wolfe), far nearer to the truth than that with
//! equal servers as one, and equal servers are one in it all the same. What it makes least is the part that servers use in the
//! mean, which is more than `t` only if that is too little. It is solved by its dual, to which patterns are added that
//! are worth more than they may be (`price.rs`), until either a bound (Lagrange's) shows that nothing fits, or the fractions do. In the
//! latter case `tree.rs` decides where a unit is, or whether two are together, both ways (branch and price).
//!
//! What is left out of the patterns (edges and rules over too long distances, rules about many units) only makes more possible: what is
//! proven holds.

mod dual;
mod fractions;
mod label;
mod look;
mod price;
mod rows;
mod server;
#[cfg(test)]
mod tests;
mod tree;

use crate::both::both;
use crate::problem::{Problem, Row};
use crate::relax::Relaxed;
use crate::symmetry::{equal_servers, outside_quantities, own_quantities};
use look::{Done, Look, Node};
use microlp::SolveOutcome;
use price::Multipliers;
use rows::SharedRows;
use server::{Frame, LIMITS, Pattern, is_limit};
use std::time::Instant;

/// A pattern that is looked at: its group and its place there.
type Taken = (usize, usize);

/// What a sum of units left over counts as nothing.
const NOTHING: f64 = 1e-6;

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
    effort: Effort,
    made: u64,
}

/// Servers that are equal, or one that has no equal; or all that is no server's, as if it were one.
struct Group<'a> {
    /// The servers; `None` is what is no server's.
    servers: Vec<Option<usize>>,
    frame: Frame<'a>,
    /// All that were found.
    patterns: Vec<Pattern>,
    multipliers: Multipliers,
}

impl Group<'_> {
    /// Whether it is what is no server's.
    fn is_outside(&self) -> bool {
        self.frame.server.is_none()
    }
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
    let own: Vec<Vec<usize>> = groups.iter().map(|group| own(real, group[0])).collect();
    let shared = SharedRows::new(&relaxed.problem, &own, &relaxed.rows(rules));
    let alone =
        |group: &Vec<Option<usize>>| group[0].map_or(Vec::new(), |s| relaxed.alone(s, rules));
    let alone: Vec<Vec<Row>> = groups.iter().map(alone).collect();
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
    let mut division = Division {
        real,
        relaxed: &relaxed.problem,
        shared: &shared,
        groups: groups.collect(),
        effort,
        made: 0,
    };
    division.run(known, accept)
}

/// All servers, those that are equal together, and what is no server's.
fn groups(real: &Problem) -> Vec<Vec<Option<usize>>> {
    let mut groups = equal_servers(real);
    let mut servers: Vec<usize> = real.sites.iter().filter_map(|site| site.server).collect();
    servers.sort_unstable();
    servers.dedup();
    servers.retain(|server| !groups.iter().any(|group| group.contains(server)));
    groups.extend(servers.into_iter().map(|server| vec![server]));
    let groups = groups.into_iter();
    let mut groups: Vec<Vec<Option<usize>>> = groups
        .map(|group| group.into_iter().map(Some).collect())
        .collect();
    if real.sites.iter().any(|site| site.server.is_none()) {
        groups.push(vec![None]);
    }
    groups
}

/// The quantities that only a server uses, or only what is no server's.
fn own(real: &Problem, server: Option<usize>) -> Vec<usize> {
    match server {
        Some(server) => own_quantities(real, server),
        // The others stay with what servers share.
        None => {
            let limited = |q: &usize| is_limit(real, *q);
            outside_quantities(real)
                .into_iter()
                .filter(limited)
                .take(LIMITS / 2)
                .collect()
        }
    }
}

impl Division<'_> {
    fn run<E>(&mut self, known: Known, accept: &mut Accept<'_, E>) -> Result<Divided, E> {
        let bound = self.bound(known);
        let known = Known { bound, ..known };
        let (choice, value, done) = self.search(known, accept)?;
        let bound = match done {
            true => bound.max(value * (1.0 - known.gap)),
            false => bound,
        };
        Ok(Divided { choice, bound })
    }
    /// The largest part of which it is proven, without deciding anything, that less does not do.
    fn bound(&mut self, known: Known) -> f64 {
        let (mut least, mut most) = (known.bound, known.value);
        let mut taken = [Node::default(), Node::default()];
        while most - least > known.gap.max(1e-3) * most && !self.is_over(0) {
            let parts = [1.0, 2.0].map(|k| least + k / 3.0 * (most - least));
            let test = |k: usize| {
                let mut look = Look::new(self, taken[k].clone(), parts[k]);
                (look.test(), look.done())
            };
            let ((first, one), (second, two)) = both(|| test(0), || test(1));
            taken = [self.keep(one), self.keep(two)];
            for (verdict, part) in [(second, parts[1]), (first, parts[0])] {
                if verdict != Verdict::Nothing {
                    most = part;
                } else {
                    least = least.max(part);
                }
            }
        }
        least
    }
    /// Whether no more may be done, after this many more partial sets.
    fn is_over(&self, more: u64) -> bool {
        let until = self.effort.until;
        let late = until.is_some_and(|until| Instant::now() >= until);
        late || self.made.saturating_add(more) >= self.effort.labels
    }
    /// Keeps what a look at a node has found, though others may have been kept since it began.
    fn keep(&mut self, done: Done) -> Node {
        let mut node = done.node;
        self.made = self.made.saturating_add(done.made);
        for (g, (news, multipliers)) in done.news.into_iter().zip(done.multipliers).enumerate() {
            let known = &mut self.groups[g];
            let (then, now) = (done.known[g], known.patterns.len());
            for (group, p) in &mut node.taken {
                if *group == g && *p >= then {
                    *p += now - then;
                }
            }
            known.patterns.extend(news);
            known.multipliers = multipliers;
        }
        node
    }
}

/// The solution of a linear program.
fn solved(outcome: Result<SolveOutcome, microlp::Error>) -> Option<microlp::Solution> {
    match outcome {
        Ok(SolveOutcome::Solution(solution)) => Some(solution),
        _ => None,
    }
}
