//! Partial sets from the first unit on, and from the last one back, until they meet.

use super::price::{Found, PATTERNS, Question, ROOM, Values, View, dot};
use super::server::{LIMITS, Server, Uses};
use std::time::Instant;

/// How many sets are compared with each.
const RIVALS: usize = 64;
/// Pairs looked at where the ends meet, at most.
const PAIRS: u64 = 200_000_000;

/// What the search of partial sets came to.
pub(super) struct Labelled {
    /// The best of what is worth more than what was known.
    pub found: Vec<Found>,
    /// What was left out for want of space or time is worth no more.
    pub lost: f64,
    /// How many partial sets were made, or could have been in the time.
    pub made: u64,
}

/// Whole sets that are worth more than `least`. The first of `views` counts nothing; the others have the same multipliers but for what
/// they count.
pub(super) fn label(
    server: &Server,
    values: &Values,
    question: &Question<'_>,
    views: &[View],
    least: f64,
) -> Labelled {
    // The fewer limits a set has to carry, the more of them are looked at in a second.
    match server.limits.len() {
        0..=2 => Labelling::<2>::new(server, values, question, views, least).run(),
        3..=4 => Labelling::<4>::new(server, values, question, views, least).run(),
        _ => Labelling::<LIMITS>::new(server, values, question, views, least).run(),
    }
}

/// A partial set.
#[derive(Clone, Copy)]
struct Label<const N: usize> {
    value: f64,
    /// What it is worth, less what it uses at the multipliers.
    reduced: f64,
    uses: [f64; N],
    /// What it can become is worth no more.
    bound: f64,
    /// The set that it came from: position and state, with the move.
    before: u32,
    state: u32,
    moved: u8,
}

/// A move, with what it is worth.
#[derive(Clone, Copy)]
struct Moved<const N: usize> {
    to: usize,
    value: f64,
    reduced: f64,
    uses: [f64; N],
}

/// What one view says about a step.
struct Sight<'v> {
    /// By state and cells left: what can be won.
    table: &'v [f64],
    cells: usize,
    /// What is counted, how much there is of it, and how many cells an amount of 1 is.
    limit: usize,
    all: f64,
    per_cell: f64,
    /// The multiplier that the view does without.
    price: f64,
    /// What all that there is costs.
    room: f64,
}

/// By state.
type Labels<const N: usize> = Vec<Vec<Label<N>>>;

struct Labelling<'a, const N: usize> {
    /// By step and state before it.
    moves: Vec<Vec<Vec<Moved<N>>>>,
    room: [f64; N],
    w: [f64; N],
    views: &'a [View],
    /// How many sets are kept per step at most.
    most: usize,
    until: Option<Instant>,
    /// What is known to be possible, or asked for.
    least: f64,
    /// By step: sets of the units before it.
    front: Vec<Labels<N>>,
    /// Sets of the units from a step on; the last step first.
    back: Vec<Labels<N>>,
    lost: f64,
    made: u64,
}

fn cut<const N: usize>(uses: &Uses) -> [f64; N] {
    std::array::from_fn(|l| uses[l])
}

impl<'a, const N: usize> Labelling<'a, N> {
    fn new(
        server: &Server,
        values: &Values,
        question: &Question<'_>,
        views: &'a [View],
        least: f64,
    ) -> Self {
        let limits = server.limits.len();
        let room = |l: usize| {
            if l < limits {
                question.room[l] + ROOM
            } else {
                f64::INFINITY
            }
        };
        let w: [f64; N] = cut(&views[0].w);
        let moves = server.steps.iter().zip(values).map(|(step, values)| {
            let states = step.from.iter().zip(values).map(|(moves, values)| {
                let moves = moves.iter().zip(values).map(|(moved, value)| {
                    let uses = cut(&moved.uses);
                    Moved {
                        to: moved.to,
                        value: *value,
                        reduced: value - dot(&w, &uses),
                        uses,
                    }
                });
                moves.collect()
            });
            states.collect()
        });
        let nothing = Label {
            value: 0.0,
            reduced: 0.0,
            uses: [0.0; N],
            bound: f64::INFINITY,
            before: 0,
            state: 0,
            moved: 0,
        };
        let ends = views[0].ahead[server.steps.len()].len();
        Self {
            moves: moves.collect(),
            room: std::array::from_fn(room),
            w,
            views,
            most: question.labels,
            until: question.until,
            least,
            front: vec![vec![vec![nothing]]],
            back: vec![vec![vec![nothing]; ends]],
            lost: f64::NEG_INFINITY,
            made: 0,
        }
    }
    fn run(mut self) -> Labelled {
        let count = |labels: &[Labels<N>]| -> usize {
            labels
                .last()
                .map_or(0, |states| states.iter().map(Vec::len).sum())
        };
        while self.front.len() + self.back.len() < self.moves.len() + 2 {
            if self.until.is_some_and(|until| Instant::now() >= until) {
                return Labelled {
                    found: Vec::new(),
                    lost: f64::INFINITY,
                    made: self.made,
                };
            }
            match count(&self.front) <= count(&self.back) {
                true => self.forward(),
                false => self.backward(),
            }
        }
        let found = self.joined();
        Labelled {
            found,
            lost: self.lost,
            made: self.made,
        }
    }
    fn forward(&mut self) {
        let k = self.front.len() - 1;
        let sights = self.sights(|view| &view.ahead[k + 1]);
        let states = self.views[0].ahead[k + 1].len();
        let mut next: Labels<N> = vec![Vec::new(); states];
        for (s, labels) in self.front[k].iter().enumerate() {
            for (m, moved) in self.moves[k][s].iter().enumerate() {
                for (l, label) in labels.iter().enumerate() {
                    if let Some(to) = self.with(label, moved, &sights, moved.to) {
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
        let k = self.moves.len() - self.back.len();
        let after = &self.back[self.back.len() - 1];
        let sights = self.sights(|view| &view.behind[k]);
        let mut next: Labels<N> = vec![Vec::new(); self.moves[k].len()];
        for (s, moves) in self.moves[k].iter().enumerate() {
            for (m, moved) in moves.iter().enumerate() {
                for (l, label) in after[moved.to].iter().enumerate() {
                    if let Some(to) = self.with(label, moved, &sights, s) {
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
    /// What the views say about a step, of which `table` is what they say.
    fn sights<'v>(&self, table: impl Fn(&'v View) -> &'v Vec<f64>) -> Vec<Sight<'v>>
    where
        'a: 'v,
    {
        let views: &'a [View] = self.views;
        views
            .iter()
            .map(|view| {
                let (limit, all, cell) = view.counted.unwrap_or((0, 0.0, 0.0));
                Sight {
                    table: table(view),
                    cells: view.cells,
                    limit,
                    all,
                    per_cell: if cell > 0.0 { 1.0 / cell } else { 0.0 },
                    price: self.w[limit] - view.w[limit],
                    room: view.room,
                }
            })
            .collect()
    }
    /// A set with one more move; `None` if that does not fit or cannot become better than what is known.
    #[inline(always)]
    fn with(
        &self,
        label: &Label<N>,
        moved: &Moved<N>,
        sights: &[Sight<'_>],
        state: usize,
    ) -> Option<Label<N>> {
        let uses: [f64; N] = std::array::from_fn(|l| label.uses[l] + moved.uses[l]);
        if (0..N).any(|l| uses[l] > self.room[l]) {
            return None;
        }
        let reduced = label.reduced + moved.reduced;
        let mut bound = f64::INFINITY;
        for sight in sights {
            let left = (sight.all - uses[sight.limit]) * sight.per_cell;
            let left = (left as usize).min(sight.cells - 1);
            let won = sight.table[state * sight.cells + left];
            bound = bound.min(reduced + sight.price * uses[sight.limit] + won + sight.room);
            if bound <= self.least + ROOM {
                return None;
            }
        }
        Some(Label {
            value: label.value + moved.value,
            reduced,
            uses,
            bound,
            ..*label
        })
    }
    /// Without sets that another beats in everything, and not too many.
    fn thinned(&mut self, mut states: Labels<N>) -> Labels<N> {
        for labels in &mut states {
            // Whoever beats another can become worth more.
            let mut order: Vec<(f64, u32)> = labels.iter().map(|l| l.bound).zip(0..).collect();
            order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let mut kept: Vec<Label<N>> = Vec::with_capacity(labels.len());
            for (_, position) in order {
                let label = &labels[position as usize];
                let beats = |rival: &Label<N>| {
                    rival.value >= label.value && (0..N).all(|l| rival.uses[l] <= label.uses[l])
                };
                if !kept.iter().take(RIVALS).any(beats) {
                    kept.push(*label);
                }
            }
            *labels = kept;
        }
        let count: usize = states.iter().map(Vec::len).sum();
        self.made += count as u64;
        if count > self.most {
            let mut bounds: Vec<f64> = states.iter().flatten().map(|l| l.bound).collect();
            let (_, most, _) = bounds.select_nth_unstable_by(self.most, |a, b| b.total_cmp(a));
            let most = *most;
            self.lost = self.lost.max(most);
            for labels in &mut states {
                labels.retain(|label| label.bound > most);
            }
        }
        states
    }
    /// The best of what fits together.
    fn joined(&mut self) -> Vec<Found> {
        let room = self.views[0].room;
        let (front, back) = (self.front.len() - 1, self.back.len() - 1);
        let mut best: Vec<(f64, usize, usize, usize)> = Vec::new();
        let mut least = self.least;
        let mut pairs = 0;
        for state in 0..self.front[front].len() {
            let firsts = by_worth(&self.front[front][state]);
            let seconds = by_worth(&self.back[back][state]);
            let Some((_, most)) = seconds.first() else {
                continue;
            };
            for (position, label) in &firsts {
                if pairs > PAIRS {
                    self.lost = self.lost.max(label.reduced + most.reduced + room);
                    break;
                }
                let left: [f64; N] = std::array::from_fn(|l| self.room[l] - label.uses[l]);
                for (other_position, other) in &seconds {
                    if label.reduced + other.reduced + room <= least + ROOM {
                        break;
                    }
                    pairs += 1;
                    let value = label.value + other.value;
                    if value > least + ROOM && (0..N).all(|l| other.uses[l] <= left[l]) {
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
        let mut path = Vec::with_capacity(self.moves.len());
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

/// Sets by what they are worth less what they use, with their positions.
fn by_worth<const N: usize>(labels: &[Label<N>]) -> Vec<(usize, Label<N>)> {
    let mut sorted: Vec<(usize, Label<N>)> = labels.iter().copied().enumerate().collect();
    sorted.sort_by(|a, b| b.1.reduced.total_cmp(&a.1.reduced));
    sorted
}
