//! What one server can have: its units one after the other, each outside or at one of the server's sites.

use super::rows::{Amounts, SharedRows, parts};
use crate::milp::{ROOM, summed};
use crate::problem::{Crossing, Demand, Problem, Row, Var};
use std::collections::BTreeMap;

/// How many limits of a server are looked at; further ones are left out, and bounds hold all the same.
pub(super) const LIMITS: usize = 8;
/// How many units' places are remembered at once. What would need more costs or forbids nothing; bounds hold all the same.
const REMEMBERED: usize = 9;

/// By limit, in parts of what there is.
pub(super) type Uses = [f64; LIMITS];
/// Where units are that are remembered: the position of a unit's choice, or outside.
type State = Vec<Option<usize>>;

/// Something that a search has decided.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision {
    /// A unit is at a site of the smaller problem, or is not.
    At(usize, usize, bool),
    /// Two units are on the same server, or are not.
    Together(usize, usize, bool),
    /// A unit is on a server of which everything is decided.
    Done(usize),
}

impl Decision {
    /// The opposite; what is done has none.
    pub fn not(self) -> Self {
        match self {
            Self::At(unit, site, is) => Self::At(unit, site, !is),
            Self::Together(a, b, are) => Self::Together(a, b, !are),
            done @ Self::Done(_) => done,
        }
    }
    /// Whether a unit may be here: at a site, or, with `None`, on another server or none.
    pub fn allows(self, unit: usize, site: Option<usize>) -> bool {
        match self {
            Self::At(u, s, true) => u != unit || site.is_none_or(|site| site == s),
            Self::At(u, s, false) => u != unit || site != Some(s),
            Self::Together(..) => true,
            Self::Done(u) => u != unit || site.is_none(),
        }
    }
}

/// Something that a server has.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    quantity: usize,
    /// Whether it is about the least rates.
    least: bool,
    /// Whether what is used of it is in proportion to the rates.
    pub grows: bool,
    /// What is used anyhow, in parts of what there is.
    pub base: f64,
}

impl Limit {
    /// What part of the demands of a class is about it, of the parts that count for the scale and at the least rate.
    fn part(&self, [counted, least]: [f64; 2]) -> f64 {
        match (self.least, self.grows) {
            (true, _) => least,
            (false, true) => counted,
            (false, false) => 1.0,
        }
    }
}

/// One more unit.
pub(super) struct Step {
    pub unit: usize,
    /// By state before.
    pub from: Vec<Vec<Move>>,
}

/// A unit put somewhere.
pub(super) struct Move {
    /// Position of the choice in the unit's; `None`: outside.
    pub choice: Option<usize>,
    /// The state after.
    pub to: usize,
    pub uses: Uses,
    pub rows: Amounts,
}

/// A set of units that fits on a server.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Units with the positions of their choices, ascending.
    pub at: Vec<(usize, usize)>,
    pub rows: Amounts,
    /// What it uses, without what is used anyhow.
    pub uses: Uses,
    /// The part that it uses of what grows with the rates, at the offered rates.
    pub part: f64,
}

impl Pattern {
    /// The position of a unit's choice, if the unit is in the set.
    pub fn choice(&self, unit: usize) -> Option<usize> {
        let place = self.at.binary_search_by_key(&unit, |(u, _)| *u);
        place.ok().map(|place| self.at[place].1)
    }
}

/// One server's side of a problem.
pub(super) struct Server {
    pub limits: Vec<Limit>,
    pub steps: Vec<Step>,
}

/// What a server is made from.
pub(super) struct Frame<'a> {
    pub problem: &'a Problem,
    /// `None`: all that is no server's.
    pub server: Option<usize>,
    /// The quantities that only this server uses.
    pub own: &'a [usize],
    pub shared: &'a SharedRows<'a>,
    /// Rules about this server only. Those about more than two units are not looked at.
    pub rules: &'a [Row],
}

impl Frame<'_> {
    fn local(&self, site: usize) -> bool {
        self.problem.sites[site].server == self.server
    }
    /// Whether the border that is crossed is within this server.
    fn holds(&self, crossing: &Crossing) -> bool {
        let mut sites = self.problem.regions[crossing.region].sites.iter();
        sites.all(|site| self.local(*site))
    }
    fn site(&self, unit: usize, choice: Option<usize>) -> Option<usize> {
        choice.map(|c| self.problem.units[unit].choices[c].site)
    }
    /// By unit: where it can be here.
    fn options(&self, decided: &[Decision]) -> Vec<State> {
        let units = self.problem.units.iter().enumerate();
        units
            .map(|(u, unit)| {
                let choices = unit.choices.iter().enumerate();
                let here = choices
                    .filter(|(_, c)| self.local(c.site))
                    .map(|(c, _)| Some(c));
                let allowed = |choice: &Option<usize>| {
                    let site = self.site(u, *choice);
                    decided.iter().all(|d| d.allows(u, site))
                        && self.near(u, site, decided)
                        && self.alone(u, site)
                };
                std::iter::once(None).chain(here).filter(allowed).collect()
            })
            .collect()
    }
    /// Whether a unit may be here, though it is to be together with others: on a server, that is.
    fn near(&self, unit: usize, site: Option<usize>, decided: &[Decision]) -> bool {
        let apart = self.server.is_some() || site.is_none();
        let together =
            |d: &Decision| matches!(d, Decision::Together(a, b, true) if *a == unit || *b == unit);
        apart || !decided.iter().any(together)
    }
    /// Whether rules about one unit allow a place.
    fn alone(&self, unit: usize, site: Option<usize>) -> bool {
        let about = |rule: &&Row| units_of(rule) == Some((unit, unit));
        let mut rules = self.rules.iter().filter(about);
        rules.all(|rule| keeps(rule, &[(unit, site)]))
    }
}

/// The one or two units that a rule is about, in their order; `None` if it is about more, or about helpers.
fn units_of(rule: &Row) -> Option<(usize, usize)> {
    let mut units = Vec::new();
    for (var, _) in &rule.terms {
        let Var::At(unit, _) = var else { return None };
        units.push(*unit);
    }
    let (least, most) = (units.iter().min()?, units.iter().max()?);
    units
        .iter()
        .all(|u| u == least || u == most)
        .then_some((*least, *most))
}

/// Whether a rule holds where units are at these sites.
fn keeps(rule: &Row, places: &[(usize, Option<usize>)]) -> bool {
    let sum = rule.of_places(|unit, site| places.contains(&(unit, Some(site))));
    sum <= rule.most + ROOM
}

/// What has to be known of units before, when a unit is put somewhere.
struct Memory {
    /// By unit: the edges of which it is the later end here.
    edges: Vec<Vec<usize>>,
    /// By unit: rules with an earlier one.
    rules: Vec<Vec<(usize, usize)>>,
    /// By unit: earlier ones that are, or are not, to be together with it.
    pairs: Vec<Vec<(usize, bool)>>,
    /// By unit: the last unit for which its place counts, and for which it counts whether it is here.
    place_until: Vec<usize>,
    here_until: Vec<usize>,
}

impl Memory {
    fn new(frame: &Frame<'_>, decided: &[Decision], open: &[bool]) -> Self {
        let units = frame.problem.units.len();
        let mut memory = Self {
            edges: vec![Vec::new(); units],
            rules: vec![Vec::new(); units],
            pairs: vec![Vec::new(); units],
            place_until: (0..units).collect(),
            here_until: (0..units).collect(),
        };
        for (e, edge) in frame.problem.edges.iter().enumerate() {
            let ends = [edge.from, edge.to].into_iter().flatten();
            let ends: Vec<usize> = ends.filter(|unit| open[*unit]).collect();
            let seen = edge.crossings.iter().any(|crossing| frame.holds(crossing));
            let (true, Some(later)) = (edge.from != edge.to && seen, ends.iter().copied().max())
            else {
                continue;
            };
            memory.edges[later].push(e);
            for end in ends {
                memory.place_until[end] = memory.place_until[end].max(later);
            }
        }
        for (r, rule) in frame.rules.iter().enumerate() {
            if let Some((a, b)) = units_of(rule)
                && a != b
                && open[a]
                && open[b]
            {
                memory.rules[b].push((r, a));
                memory.place_until[a] = memory.place_until[a].max(b);
            }
        }
        for decision in decided {
            if let Decision::Together(a, b, are) = *decision
                && frame.server.is_some()
                && open[a]
                && open[b]
            {
                let (a, b) = (a.min(b), a.max(b));
                memory.pairs[b].push((a, are));
                memory.here_until[a] = memory.here_until[a].max(b);
            }
        }
        memory
    }
    /// The units to remember behind a unit.
    fn kept(&self, known: &[usize], unit: usize) -> Vec<usize> {
        let until = |u: usize| self.place_until[u].max(self.here_until[u]);
        let units = known.iter().copied().chain([unit]);
        let mut kept: Vec<usize> = units.filter(|u| until(*u) > unit).collect();
        while kept.len() > REMEMBERED {
            // What would have to be remembered for longest makes way.
            let longest = (0..kept.len()).max_by_key(|k| until(kept[*k]));
            kept.remove(longest.unwrap_or(0));
        }
        kept
    }
}

impl Server {
    pub fn new(frame: &Frame<'_>, decided: &[Decision]) -> Self {
        let parts = parts(frame.problem);
        let mut server = Self {
            limits: limits(frame, &parts),
            steps: Vec::new(),
        };
        let options = frame.options(decided);
        let open: Vec<bool> = options
            .iter()
            .map(|o| o.iter().any(Option::is_some))
            .collect();
        let memory = Memory::new(frame, decided, &open);
        let mut known: Vec<usize> = Vec::new();
        let mut states: Vec<State> = vec![Vec::new()];
        for unit in (0..options.len()).filter(|u| open[*u]) {
            let kept = memory.kept(&known, unit);
            let mut after: BTreeMap<State, usize> = BTreeMap::new();
            let mut from = Vec::new();
            for state in &states {
                let mut moves = Vec::new();
                for choice in &options[unit] {
                    let place = |u: usize| -> Option<Option<usize>> {
                        match u == unit {
                            true => Some(*choice),
                            false if !open[u] => Some(None),
                            false => known.iter().position(|k| *k == u).map(|k| state[k]),
                        }
                    };
                    if !allowed(frame, &memory, unit, &place) {
                        continue;
                    }
                    let (uses, rows) = server.taken(frame, &parts, unit, *choice, &memory, &place);
                    let places = kept.iter().map(|k| {
                        let place = place(*k).flatten();
                        // For who is together it only counts whether a unit is here.
                        let whole = memory.place_until[*k] > unit;
                        if whole { place } else { place.map(|_| 0) }
                    });
                    let next = after.len();
                    let to = *after.entry(places.collect()).or_insert(next);
                    moves.push(Move {
                        choice: *choice,
                        to,
                        uses,
                        rows,
                    });
                }
                from.push(moves);
            }
            states = vec![Vec::new(); after.len()];
            for (state, number) in after {
                states[number] = state;
            }
            known = kept;
            server.steps.push(Step { unit, from });
        }
        server
    }
    /// What a unit takes at a place, with the edges to those before.
    fn taken(
        &self,
        frame: &Frame<'_>,
        parts: &[[f64; 2]],
        unit: usize,
        choice: Option<usize>,
        memory: &Memory,
        place: &dyn Fn(usize) -> Option<Option<usize>>,
    ) -> (Uses, Amounts) {
        let (mut uses, mut rows) = ([0.0; LIMITS], Vec::new());
        let mut add = |demands: &[Demand]| {
            for demand in demands {
                for (limit, used) in self.limits.iter().zip(&mut uses) {
                    if limit.quantity == demand.quantity {
                        let part = limit.part(parts[demand.class]);
                        let capacity = frame.problem.quantities[demand.quantity].capacity;
                        *used += part * demand.amount / capacity;
                    }
                }
                frame.shared.demand(demand, &mut rows);
            }
        };
        if let Some(c) = choice {
            add(&frame.problem.units[unit].choices[c].demands);
        }
        for e in &memory.edges[unit] {
            let edge = &frame.problem.edges[*e];
            let site = |end: Option<usize>| match end {
                None => Some(None),
                Some(u) => place(u).map(|choice| frame.site(u, choice)),
            };
            let (Some(from), Some(to)) = (site(edge.from), site(edge.to)) else {
                continue;
            };
            for crossing in &edge.crossings {
                let inside = |site| frame.problem.inside(crossing.region, site);
                if frame.holds(crossing) && crossing.way.crosses(inside(from), inside(to)) {
                    add(&crossing.demands);
                }
            }
        }
        if let Some(site) = frame.site(unit, choice) {
            frame.shared.place(unit, site, &mut rows);
        }
        (uses, summed(rows))
    }
    /// How many moves there are, over all states.
    pub fn moves(&self) -> usize {
        let states = self.steps.iter().flat_map(|step| &step.from);
        states.map(Vec::len).sum()
    }
    /// What there is, where this part is used of what grows.
    pub fn room(&self, part: f64) -> Uses {
        let mut room = [f64::INFINITY; LIMITS];
        for (room, limit) in room.iter_mut().zip(&self.limits) {
            *room = if limit.grows { part } else { 1.0 } - limit.base;
        }
        room
    }
    /// By step, the number of states before it; with one more for the end.
    pub fn states(&self) -> Vec<usize> {
        let ends = self.steps.last().map_or(1, |step| {
            let moves = step.from.iter().flatten();
            moves.map(|m| m.to + 1).max().unwrap_or(1)
        });
        self.steps
            .iter()
            .map(|step| step.from.len())
            .chain([ends])
            .collect()
    }
    /// The set that these moves make.
    pub fn pattern(&self, path: &[u8]) -> Pattern {
        let (mut at, mut rows) = (Vec::new(), Vec::new());
        let (mut uses, mut state) = ([0.0; LIMITS], 0);
        for (step, m) in self.steps.iter().zip(path) {
            let moved = &step.from[state][usize::from(*m)];
            at.extend(moved.choice.map(|choice| (step.unit, choice)));
            rows.extend_from_slice(&moved.rows);
            for (sum, used) in uses.iter_mut().zip(moved.uses) {
                *sum += used;
            }
            state = moved.to;
        }
        let limits = self
            .limits
            .iter()
            .zip(uses)
            .filter(|(limit, _)| limit.grows);
        let part = limits
            .map(|(limit, used)| used + limit.base)
            .fold(0.0, f64::max);
        Pattern {
            at,
            rows: summed(rows),
            uses,
            part,
        }
    }
}

/// Whether what has to be known of units before allows a place. What is not remembered forbids nothing.
fn allowed(
    frame: &Frame<'_>,
    memory: &Memory,
    unit: usize,
    place: &dyn Fn(usize) -> Option<Option<usize>>,
) -> bool {
    let here = |u: usize| place(u).map(|choice| choice.is_some());
    let pairs = memory.pairs[unit]
        .iter()
        .all(|(other, are)| match (here(*other), here(unit)) {
            (Some(a), Some(b)) if *are => a == b,
            (Some(a), Some(b)) => !(a && b),
            _ => true,
        });
    let rules = memory.rules[unit].iter().all(|(rule, other)| {
        let (Some(a), Some(b)) = (place(*other), place(unit)) else {
            return true;
        };
        let places = [(*other, frame.site(*other, a)), (unit, frame.site(unit, b))];
        keeps(&frame.rules[*rule], &places)
    });
    pairs && rules
}

/// Whether there is some of a quantity and nothing gives some of it back.
pub(super) fn is_limit(problem: &Problem, quantity: usize) -> bool {
    let choices = problem.units.iter().flat_map(|unit| &unit.choices);
    let mut demands = choices
        .flat_map(|c| &c.demands)
        .filter(|d| d.quantity == quantity);
    let capacity = problem.quantities[quantity].capacity;
    let limited = capacity.is_finite() && capacity > 0.0;
    limited && demands.all(|demand| demand.amount >= 0.0)
}

/// What a server has, as far as nothing gives some of it back.
fn limits(frame: &Frame<'_>, parts: &[[f64; 2]]) -> Vec<Limit> {
    let promised = parts.iter().any(|[_, least]| *least > 0.0);
    let mut limits = Vec::new();
    for q in frame.own {
        let quantity = &frame.problem.quantities[*q];
        if !is_limit(frame.problem, *q) {
            continue;
        }
        let grows = quantity.kind.grows();
        for least in [false, true] {
            if least && !(grows && promised) {
                continue;
            }
            let mut limit = Limit {
                quantity: *q,
                least,
                grows: grows && !least,
                base: 0.0,
            };
            let base = quantity.base.iter();
            let sum: f64 = base.map(|(class, a)| a * limit.part(parts[*class])).sum();
            limit.base = sum / quantity.capacity;
            limits.push(limit);
        }
    }
    limits.truncate(LIMITS);
    limits
}
