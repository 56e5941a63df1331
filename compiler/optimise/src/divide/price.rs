//! The set of units that is worth most on one server.
//!
//! Each unit has a price, what servers share has one, and the server has so much and no more. Without what the server
//! has this would be a longest path over the units. Multipliers (Lagrange's) put a price on that, too, and make
//! the longest path a bound. What is left open is searched from both ends at once (bidirectional labelling, as for
//! shortest paths with limited resources: Righini and Salani 2006): partial sets that cannot become
//! better than what is known, or that another one beats in everything, are left out; where the ends meet, what fits together is joined.

use super::label::label;
use super::rows::cost;
use super::server::{LIMITS, Move, Pattern, Server, Uses};
use std::time::Instant;

/// Steps towards the best multipliers.
const STEPS: usize = 60;
/// Of how many things that the server has what is left is counted for a bound of its own; the dearest first.
const COUNTED: usize = 2;
/// Into how many cells each is divided for that.
const CELLS: usize = 1024;
/// How many sets are handed back at most.
pub(super) const PATTERNS: usize = 30;
/// How many moves are looked at, on the way to multipliers, in the time of a partial set.
const MOVES: u64 = 16;
/// Room for rounding, in parts of what there is and in prices.
pub(super) const ROOM: f64 = 1e-9;

/// What is asked for.
pub(super) struct Question<'q> {
    /// By unit: what it is worth.
    pub units: &'q [f64],
    /// By shared row: what an amount of 1 costs.
    pub rows: &'q [f64],
    /// By limit: what an amount of 1 of what the server has costs.
    pub limits: &'q Uses,
    pub room: Uses,
    /// Only what is worth more than this counts.
    pub more: f64,
    /// How many partial sets are kept per step at most.
    pub labels: usize,
    /// When to stop in any case.
    pub until: Option<Instant>,
}

/// What a search came to.
pub(super) struct Priced {
    /// What was found, the best first.
    pub patterns: Vec<Pattern>,
    /// Nothing is worth more than this or what was asked for.
    pub most: f64,
    /// Whether nothing was left out.
    pub whole: bool,
    /// How many partial sets were made, or could have been in the time.
    pub made: u64,
}

/// A whole set: what it is worth, and its moves.
pub(super) type Found = (f64, Vec<u8>);
/// By step, state and move: what it is worth.
pub(super) type Values = Vec<Vec<Vec<f64>>>;
/// By step and state.
pub(super) type ByState = Vec<Vec<f64>>;

/// The multipliers of an earlier search, to begin with.
#[derive(Clone, Copy, Default)]
pub(super) struct Multipliers(Uses);

/// The sets that are worth most.
pub(super) fn price(server: &Server, question: &Question<'_>, known: &mut Multipliers) -> Priced {
    let values = values(server, question);
    let mut found = Vec::new();
    let search = Multiply {
        server,
        values: &values,
        more: question.more,
    };
    let bound = search.run(&question.room, STEPS, &mut known.0, &mut found);
    let mut priced = Priced {
        patterns: Vec::new(),
        most: bound,
        whole: true,
        made: (STEPS * server.moves()) as u64 / MOVES,
    };
    if bound > question.more {
        let w = known.0;
        let mut views = vec![View::new(server, &values, w, None, &question.room)];
        let mut limits: Vec<usize> = (0..server.limits.len()).collect();
        let dear = |limit: &usize| w[*limit] * question.room[*limit];
        limits.sort_by(|a, b| dear(b).total_cmp(&dear(a)));
        for limit in limits.into_iter().take(COUNTED) {
            let counted = View::new(server, &values, w, Some(limit), &question.room);
            views.push(counted);
        }
        let least = found
            .iter()
            .map(|(value, _)| *value)
            .fold(question.more, f64::max);
        let labelled = label(server, &values, question, &views, least);
        found.extend(labelled.found);
        priced.made += labelled.made + (COUNTED * CELLS / 4 * server.moves()) as u64 / MOVES;
        priced.whole = labelled.lost == f64::NEG_INFINITY;
        let best = found.iter().map(|(value, _)| *value).fold(least, f64::max);
        priced.most = best.max(labelled.lost).min(bound);
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    found.dedup_by(|a, b| a.1 == b.1);
    found.truncate(PATTERNS);
    priced.patterns = found.iter().map(|(_, path)| server.pattern(path)).collect();
    priced
}

fn values(server: &Server, question: &Question<'_>) -> Values {
    let steps = server.steps.iter();
    steps
        .map(|step| {
            let worth = |m: &Move| {
                let unit = if m.choice.is_some() {
                    question.units[step.unit]
                } else {
                    0.0
                };
                unit - cost(&m.rows, question.rows) - dot(&m.uses, question.limits)
            };
            let states = step.from.iter();
            states
                .map(|moves| moves.iter().map(worth).collect())
                .collect()
        })
        .collect()
}

pub(super) fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What all that there is costs at these multipliers.
fn worth(server: &Server, w: &Uses, room: &Uses) -> f64 {
    (0..server.limits.len())
        .map(|limit| w[limit] * room[limit])
        .sum()
}

/// The search for multipliers, by subgradients.
struct Multiply<'a> {
    server: &'a Server,
    values: &'a Values,
    more: f64,
}

impl Multiply<'_> {
    /// The lowest bound found, beginning with multipliers `w`, which are then those of that bound, and what can be won
    /// from each state of each step on. Paths that fit and are worth more than asked for go to `found`.
    fn run(&self, room: &Uses, steps: usize, w: &mut Uses, found: &mut Vec<Found>) -> f64 {
        let limits = self.server.limits.len();
        let mut best = (f64::INFINITY, *w);
        let (mut size, mut stale) = (1.0, 0);
        for _ in 0..steps {
            let ahead = self.ahead(w);
            let bound = ahead[0][0] + worth(self.server, w, room);
            if bound == f64::NEG_INFINITY {
                // What was decided leaves no set at all.
                return bound;
            }
            let (path, value, uses) = self.longest(w, &ahead);
            let fits = (0..limits).all(|limit| uses[limit] <= room[limit] + ROOM);
            if fits && value > self.more + ROOM {
                found.push((value, path));
            }
            if bound < best.0 - 1e-12 {
                best = (bound, *w);
                stale = 0;
            } else {
                stale += 1;
                if stale > 4 {
                    (size, stale) = (0.5 * size, 0);
                    *w = best.1;
                }
            }
            if best.0 <= self.more {
                break;
            }
            let slope: Uses =
                std::array::from_fn(|l| if l < limits { room[l] - uses[l] } else { 0.0 });
            let norm = dot(&slope, &slope);
            if norm < 1e-18 {
                break;
            }
            let known = found
                .iter()
                .map(|(value, _)| *value)
                .fold(self.more, f64::max);
            let step = size * (bound - known.max(bound - 1.0)).max(1e-6) / norm;
            for limit in 0..limits {
                w[limit] = (w[limit] - step * slope[limit]).max(0.0);
            }
        }
        *w = best.1;
        best.0
    }
    /// By step and state before it: the most that can be won from there on, less what it costs.
    fn ahead(&self, w: &Uses) -> ByState {
        let ends = self.server.states().last().copied().unwrap_or(1);
        let mut ahead = vec![vec![0.0; ends]];
        for (step, values) in self.server.steps.iter().zip(self.values).rev() {
            let next = &ahead[ahead.len() - 1];
            let reach = |(m, value): (&Move, &f64)| value - dot(w, &m.uses) + next[m.to];
            let states = step.from.iter().zip(values);
            let here = states.map(|(moves, values)| {
                moves
                    .iter()
                    .zip(values)
                    .map(reach)
                    .fold(f64::NEG_INFINITY, f64::max)
            });
            let here = here.collect();
            ahead.push(here);
        }
        ahead.reverse();
        ahead
    }
    /// The longest path: its moves, what it is worth and what it uses.
    fn longest(&self, w: &Uses, ahead: &ByState) -> (Vec<u8>, f64, Uses) {
        let (mut path, mut value, mut uses, mut state) = (Vec::new(), 0.0, [0.0; LIMITS], 0);
        for (k, step) in self.server.steps.iter().enumerate() {
            let mut best = (f64::NEG_INFINITY, 0);
            for (m, moved) in step.from[state].iter().enumerate() {
                let reach = self.values[k][state][m] - dot(w, &moved.uses) + ahead[k + 1][moved.to];
                if reach > best.0 {
                    best = (reach, m);
                }
            }
            let moved = &step.from[state][best.1];
            value += self.values[k][state][best.1];
            for (sum, used) in uses.iter_mut().zip(moved.uses) {
                *sum += used;
            }
            path.push(best.1 as u8);
            state = moved.to;
        }
        (path, value, uses)
    }
}

/// A bound on what partial sets can become: all that the server has is priced by multipliers, but for at most one
/// limit, of which what is left is counted, in cells. Each move takes its whole cells only, so that the bound holds.
pub(super) struct View {
    pub w: Uses,
    /// The limit that is counted, with what there is of it and the size of a cell.
    pub counted: Option<(usize, f64, f64)>,
    /// How many numbers of cells can be left.
    pub cells: usize,
    /// By step, and by state and cells left: what can be won from there on, and until there, less what it costs.
    pub ahead: ByState,
    pub behind: ByState,
    /// What all that there is costs.
    pub room: f64,
}

impl View {
    fn new(
        server: &Server,
        values: &Values,
        mut w: Uses,
        counted: Option<usize>,
        room: &Uses,
    ) -> Self {
        if let Some(limit) = counted {
            w[limit] = 0.0;
        }
        let all = |limit: usize| (room[limit] + ROOM).max(0.0);
        let ends = server.states().last().copied().unwrap_or(1);
        let cells = counted.map_or(1, |_| CELLS + 1);
        let mut view = Self {
            w,
            counted: counted.map(|limit| (limit, all(limit), all(limit) / CELLS as f64)),
            cells,
            ahead: vec![vec![0.0; ends * cells]],
            behind: vec![vec![0.0; cells]],
            room: worth(server, &w, room),
        };
        for (step, values) in server.steps.iter().zip(values).rev() {
            let next = &view.ahead[view.ahead.len() - 1];
            let mut here = vec![f64::NEG_INFINITY; step.from.len() * cells];
            for (s, (moves, values)) in step.from.iter().zip(values).enumerate() {
                for (moved, value) in moves.iter().zip(values) {
                    view.reach(&mut here, s, next, moved.to, moved, *value);
                }
            }
            view.ahead.push(here);
        }
        view.ahead.reverse();
        for (k, (step, values)) in server.steps.iter().zip(values).enumerate() {
            let mut next = vec![f64::NEG_INFINITY; view.ahead[k + 1].len()];
            for (s, (moves, values)) in step.from.iter().zip(values).enumerate() {
                for (moved, value) in moves.iter().zip(values) {
                    view.reach(&mut next, moved.to, &view.behind[k], s, moved, *value);
                }
            }
            view.behind.push(next);
        }
        view
    }
    /// Raises what can be won in a state to what a move from another one makes of it, for all numbers of cells left.
    fn reach(
        &self,
        to: &mut [f64],
        state: usize,
        from: &[f64],
        other: usize,
        moved: &Move,
        value: f64,
    ) {
        let won = value - dot(&self.w, &moved.uses);
        let taken = self
            .counted
            .map_or(0, |(limit, _, cell)| whole(moved.uses[limit], cell));
        let to = to[state * self.cells..][..self.cells].iter_mut();
        let from = &from[other * self.cells..][..self.cells];
        for (to, from) in to.skip(taken).zip(from) {
            *to = f64::max(*to, won + from);
        }
    }
}

/// How many whole cells an amount is.
fn whole(amount: f64, cell: f64) -> usize {
    // A cell of nothing is of a server that has nothing.
    if cell > 0.0 {
        (amount / cell) as usize
    } else {
        0
    }
}
