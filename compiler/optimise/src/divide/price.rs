//! The set of units that is worth most on one server.
//!
//! Each unit has a price, what servers share has one, and the server has so much and no more. Without what the server
//! has this would be a longest path over the units. Multipliers (Lagrange's) put a price on that, too, and make
//! the longest path a bound. What is left open is searched from both ends at once (bidirectional labelling, as for
//! shortest paths with limited resources: Righini and Salani 2006): partial sets that cannot become
//! better than what is known, or that another one beats in everything, are left out; where the ends meet, what fits together is joined.

use super::rows::cost;
use super::server::{LIMITS, Move, Pattern, Server, Uses};

/// Steps towards the best multipliers.
const STEPS: usize = 60;
/// Of how many things that the server has what is left is counted for a bound of its own; the dearest first.
const COUNTED: usize = 2;
/// Into how many cells each is divided for that.
const CELLS: usize = 128;
/// How many sets are compared with each.
const RIVALS: usize = 64;
/// How many sets are handed back at most.
const PATTERNS: usize = 30;
/// How many moves are looked at, on the way to multipliers, in the time of a partial set.
const MOVES: u64 = 16;
/// Pairs looked at where the ends meet, at most.
const PAIRS: u64 = 200_000_000;
/// Room for rounding, in parts of what there is and in prices.
const ROOM: f64 = 1e-9;

/// What is asked for.
pub(super) struct Question<'q> {
    /// By unit: what it is worth.
    pub units: &'q [f64],
    /// By shared row: what an amount of 1 costs.
    pub rows: &'q [f64],
    pub room: Uses,
    /// Only what is worth more than this counts.
    pub more: f64,
    /// How many partial sets are kept per step at most.
    pub labels: usize,
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
type Found = (f64, Vec<u8>);
/// By step, state and move: what it is worth.
type Values = Vec<Vec<Vec<f64>>>;
/// By step and state.
type ByState = Vec<Vec<f64>>;

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
        let mut labelling = Labelling::new(server, &values, question, &views, least);
        labelling.meet();
        found.extend(labelling.joined());
        priced.made += labelling.made + (COUNTED * CELLS / 4 * server.moves()) as u64 / MOVES;
        priced.whole = labelling.lost == f64::NEG_INFINITY;
        let best = found.iter().map(|(value, _)| *value).fold(least, f64::max);
        priced.most = best.max(labelling.lost).min(bound);
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
                unit - cost(&m.rows, question.rows)
            };
            let states = step.from.iter();
            states
                .map(|moves| moves.iter().map(worth).collect())
                .collect()
        })
        .collect()
}

fn dot(a: &Uses, b: &Uses) -> f64 {
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
struct View {
    w: Uses,
    /// The limit that is counted, with what there is of it and the size of a cell.
    counted: Option<(usize, f64, f64)>,
    /// How many numbers of cells can be left.
    cells: usize,
    /// By step, and by state and cells left: what can be won from there on, and until there, less what it costs.
    ahead: ByState,
    behind: ByState,
    /// What all that there is costs.
    room: f64,
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
    /// What a table of one step says about a state, where this much is used already.
    fn won(&self, table: &[f64], state: usize, uses: &Uses) -> f64 {
        let left = self
            .counted
            .map_or(0, |(limit, all, cell)| whole(all - uses[limit], cell));
        table[state * self.cells + left.min(self.cells - 1)]
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

/// A partial set.
#[derive(Clone, Copy)]
struct Label {
    value: f64,
    uses: Uses,
    /// What it can become is worth no more.
    bound: f64,
    /// The set that it came from: position and state, with the move.
    before: u32,
    state: u32,
    moved: u8,
}

/// By state.
type Labels = Vec<Vec<Label>>;

/// Partial sets from the first unit on, and from the last one back, until they meet.
struct Labelling<'a> {
    server: &'a Server,
    values: &'a Values,
    question: &'a Question<'a>,
    views: &'a [View],
    /// What is known to be possible, or asked for.
    least: f64,
    /// By step: sets of the units before it.
    front: Vec<Labels>,
    /// Sets of the units from a step on; the last step first.
    back: Vec<Labels>,
    /// What was left out for want of space is worth no more.
    lost: f64,
    made: u64,
}

impl<'a> Labelling<'a> {
    fn new(
        server: &'a Server,
        values: &'a Values,
        question: &'a Question<'a>,
        views: &'a [View],
        least: f64,
    ) -> Self {
        let nothing = Label {
            value: 0.0,
            uses: [0.0; LIMITS],
            bound: f64::INFINITY,
            before: 0,
            state: 0,
            moved: 0,
        };
        let ends = views[0].ahead[server.steps.len()].len();
        Self {
            server,
            values,
            question,
            views,
            least,
            front: vec![vec![vec![nothing]]],
            back: vec![vec![vec![nothing]; ends]],
            lost: f64::NEG_INFINITY,
            made: 0,
        }
    }
    fn meet(&mut self) {
        let count = |labels: &[Labels]| -> usize {
            labels
                .last()
                .map_or(0, |states| states.iter().map(Vec::len).sum())
        };
        while self.front.len() + self.back.len() < self.server.steps.len() + 2 {
            match count(&self.front) <= count(&self.back) {
                true => self.forward(),
                false => self.backward(),
            }
        }
    }
    fn forward(&mut self) {
        let k = self.front.len() - 1;
        let mut next: Labels = vec![Vec::new(); self.views[0].ahead[k + 1].len()];
        for (s, labels) in self.front[k].iter().enumerate() {
            for (l, label) in labels.iter().enumerate() {
                for (m, moved) in self.server.steps[k].from[s].iter().enumerate() {
                    let won =
                        |view: &View, uses: &Uses| view.won(&view.ahead[k + 1], moved.to, uses);
                    if let Some(to) = self.with(label, self.values[k][s][m], &moved.uses, won) {
                        let (before, state, moved_by) = (l as u32, s as u32, m as u8);
                        next[moved.to].push(Label {
                            before,
                            state,
                            moved: moved_by,
                            ..to
                        });
                    }
                }
            }
        }
        let next = self.thinned(next);
        self.front.push(next);
    }
    fn backward(&mut self) {
        let k = self.server.steps.len() - self.back.len();
        let after = &self.back[self.back.len() - 1];
        let mut next: Labels = vec![Vec::new(); self.server.steps[k].from.len()];
        for (s, moves) in self.server.steps[k].from.iter().enumerate() {
            for (m, moved) in moves.iter().enumerate() {
                for (l, label) in after[moved.to].iter().enumerate() {
                    let won = |view: &View, uses: &Uses| view.won(&view.behind[k], s, uses);
                    if let Some(to) = self.with(label, self.values[k][s][m], &moved.uses, won) {
                        let (before, state, moved_by) = (l as u32, moved.to as u32, m as u8);
                        next[s].push(Label {
                            before,
                            state,
                            moved: moved_by,
                            ..to
                        });
                    }
                }
            }
        }
        let next = self.thinned(next);
        self.back.push(next);
    }
    /// A set with one more move; `None` if that does not fit or cannot become better than what is known.
    fn with(
        &self,
        label: &Label,
        value: f64,
        uses: &Uses,
        won: impl Fn(&View, &Uses) -> f64,
    ) -> Option<Label> {
        let limits = self.server.limits.len();
        let mut to = Label {
            value: label.value + value,
            bound: f64::INFINITY,
            ..*label
        };
        let room = self.question.room.iter();
        for ((sum, used), room) in to.uses.iter_mut().zip(uses).zip(room).take(limits) {
            *sum += used;
            if *sum > room + ROOM {
                return None;
            }
        }
        for view in self.views {
            let used: f64 = (0..limits)
                .map(|limit| view.w[limit] * to.uses[limit])
                .sum();
            to.bound = to
                .bound
                .min(to.value - used + won(view, &to.uses) + view.room);
            if to.bound <= self.least + ROOM {
                return None;
            }
        }
        Some(to)
    }
    /// Without sets that another beats in everything, and not too many.
    fn thinned(&mut self, mut states: Labels) -> Labels {
        let limits = self.server.limits.len();
        for labels in &mut states {
            // Whoever beats another can become worth more.
            labels.sort_by(|a, b| b.bound.total_cmp(&a.bound));
            let mut kept: Vec<Label> = Vec::with_capacity(labels.len());
            for label in labels.drain(..) {
                let beats = |rival: &Label| {
                    rival.value >= label.value
                        && (0..limits).all(|limit| rival.uses[limit] <= label.uses[limit])
                };
                if !kept.iter().take(RIVALS).any(beats) {
                    kept.push(label);
                }
            }
            *labels = kept;
        }
        let count: usize = states.iter().map(Vec::len).sum();
        self.made += count as u64;
        if count > self.question.labels {
            let mut bounds: Vec<f64> = states.iter().flatten().map(|l| l.bound).collect();
            bounds.sort_by(|a, b| b.total_cmp(a));
            let most = bounds[self.question.labels];
            self.lost = self.lost.max(most);
            for labels in &mut states {
                labels.retain(|label| label.bound > most);
            }
        }
        states
    }
    /// The best of what fits together.
    fn joined(&mut self) -> Vec<Found> {
        let limits = self.server.limits.len();
        let view = &self.views[0];
        let (front, back) = (self.front.len() - 1, self.back.len() - 1);
        let mut best: Vec<(f64, usize, usize, usize)> = Vec::new();
        let mut least = self.least;
        let mut pairs = 0;
        for state in 0..self.front[front].len() {
            let firsts = by_worth(&self.front[front][state], &view.w);
            let seconds = by_worth(&self.back[back][state], &view.w);
            let Some((most, ..)) = seconds.first() else {
                continue;
            };
            for (worth, position, label) in &firsts {
                if pairs > PAIRS {
                    self.lost = self.lost.max(worth + most + view.room);
                    break;
                }
                let left: Uses =
                    std::array::from_fn(|l| self.question.room[l] + ROOM - label.uses[l]);
                for (other_worth, other_position, other) in &seconds {
                    if worth + other_worth + view.room <= least + ROOM {
                        break;
                    }
                    pairs += 1;
                    let value = label.value + other.value;
                    if value > least + ROOM && (0..limits).all(|l| other.uses[l] <= left[l]) {
                        best.push((value, state, *position, *other_position));
                        if best.len() >= 2 * PATTERNS {
                            best.sort_by(|a, b| b.0.total_cmp(&a.0));
                            best.truncate(PATTERNS);
                            least = best[PATTERNS - 1].0;
                        }
                    }
                }
            }
        }
        self.made += pairs / 64;
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(PATTERNS);
        let best = best.into_iter();
        best.map(|(value, state, a, b)| (value, self.path(state, a, b)))
            .collect()
    }
    /// The moves of two partial sets that meet in a state.
    fn path(&self, state: usize, front: usize, back: usize) -> Vec<u8> {
        let mut path = Vec::with_capacity(self.server.steps.len());
        let (mut s, mut l) = (state, front);
        for labels in self.front.iter().skip(1).rev() {
            let label = &labels[s][l];
            path.push(label.moved);
            (s, l) = (label.state as usize, label.before as usize);
        }
        path.reverse();
        (s, l) = (state, back);
        for labels in self.back.iter().skip(1).rev() {
            let label = &labels[s][l];
            path.push(label.moved);
            (s, l) = (label.state as usize, label.before as usize);
        }
        path
    }
}

/// Sets by what they are worth less what they use at these multipliers, with their positions.
fn by_worth(labels: &[Label], w: &Uses) -> Vec<(f64, usize, Label)> {
    let labels = labels.iter().enumerate();
    let mut sorted: Vec<(f64, usize, Label)> = labels
        .map(|(position, label)| (label.value - dot(w, &label.uses), position, *label))
        .collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    sorted
}
