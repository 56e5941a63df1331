//! Cuts with and without numbers for flows (`flows`): what they change counts in all figures of a plan.

use super::look_ups::Numbered;
use super::{Search, Solution, Sources, Strategy, model};
use crate::error::PlanError;
use crate::flows::{self, Numbering, Numbers};

/// How often its offered rate a class is taken to go where nothing limits it.
const MOST_GROWTH: f64 = 1e6;

/// Searches: without numbers, with them taken for granted, and for what is proven.
const SEARCHES: u32 = 3;

/// A cut with what it was looked for in.
type Found<'a> = (Search<'a>, Solution);

/// The cut of a strategy. Where NICs could number flows, `best` looks for one with numbers taken for granted, too, if
/// the one without would be better with them, and takes the better of the two with the numbers that each is left. What is
/// proven then is of a problem in which numbers save the most that they can in any cut.
pub(super) fn with_numbers(
    mut sources: Sources<'_>,
    strategy: Strategy,
) -> Result<Found<'_>, PlanError> {
    let search = Search::new(sources)?;
    let Some((expected, most)) = flows::expected(search.flow_sources()) else {
        let found = search.strategy(strategy)?;
        return Ok(search.decided(found));
    };
    // All searches together have the time that is allowed.
    sources.time_limit = sources.time_limit.map(|time| time / SEARCHES);
    let search = Search { sources, ..search };
    let (expected, most) = (search.with(expected), search.with(most));
    let found = search.strategy(strategy)?;
    let hint = search.sites(&found.assignment);
    let promising = search.better(&expected.judged(found.clone()), &found);
    let mut best = search.decided(found);
    if strategy == Strategy::Best
        && promising
        && let Ok(found) = expected.best_from(Some(&hint))
    {
        let other = search.decided(found);
        if search.better(&other.1, &best.1) {
            best = other;
        }
    }
    let (search, mut solution) = best;
    let bounds = match strategy {
        Strategy::Best => most.best_from(Some(&hint)).ok(),
        other => most.strategy(other).ok(),
    };
    solution.proof = solution
        .proof
        .within(bounds.as_ref().map(|found| &found.proof));
    if strategy == Strategy::Best {
        most.prove(&mut solution);
    }
    Ok((search, solution))
}

impl<'a> Search<'a> {
    fn flow_sources(&self) -> flows::Sources<'_, 'a> {
        flows::Sources {
            facts: self.sources.facts,
            problem: &self.problem,
            machines: self.sources.machines,
            graph: self.sources.graph,
        }
    }
    /// The same with what numbers change.
    fn with(&self, numbers: Vec<Option<Numbered>>) -> Self {
        let problem = self.problem.with_numbers(numbers);
        let (model, places) = model::model(&self.sources.model(&problem));
        Self {
            sources: self.sources,
            problem,
            model,
            places,
            full: None,
            forward: self.forward.clone(),
        }
    }
    /// A cut that was found with or without numbers, in the light of those that its NICs can give; server after server,
    /// as long as that makes nothing worse.
    fn decided(&self, found: Solution) -> Found<'a> {
        let (mut flows, numbers) =
            flows::flows(self.flow_sources(), &found.assignment, &found.pieces);
        let plain = self.judged(found);
        let none: Vec<Option<Numbering>> = numbers.iter().map(|_| None).collect();
        let (mut kept, mut best) = (none, (self.with(Vec::new()), plain));
        for (server, numbering) in numbers.iter().enumerate() {
            let Some(numbering) = numbering else { continue };
            let mut more = kept.clone();
            more[server] = Some(numbering.clone());
            let search = best.0.numbering(&more, &best.1);
            let solution = search.judged(best.1.clone());
            if solution.outcome.feasible() && !search.better(&best.1, &solution) {
                (kept, best) = (more, (search, solution));
                continue;
            }
            for of_server in flows
                .iter_mut()
                .filter(|f| usize::from(f.server.0) == server)
            {
                if let Numbers::Yes(gain) = of_server.numbers {
                    of_server.numbers = Numbers::Worse(gain);
                }
            }
        }
        best.1.flows = flows;
        best
    }
    /// The same with these numbers: as they are at the offered load, and for what can be carried as they are when so
    /// much is, as a NIC changes so many rules in a second and no more.
    fn numbering(&self, numbers: &[Option<Numbering>], solution: &Solution) -> Self {
        let grow = self.problem.changes_grow();
        let at = |growth: &[f64]| -> Vec<Option<Numbered>> {
            let numbers = numbers.iter();
            numbers
                .map(|n| Some(n.as_ref()?.at(growth, grow)))
                .collect()
        };
        let even = at(&vec![1.0; self.model.classes.len()]);
        let search = self.with(even.clone());
        let full = at(&search.growth(solution));
        if full == even {
            return search;
        }
        let parts = even.iter().zip(full).map(|(even, full)| {
            let (even, full) = (even.clone()?, full?);
            // What rules hold is set aside at the offered load.
            Some(Numbered {
                holds: even.holds,
                ..full
            })
        });
        let full = self.problem.with_numbers(parts.collect());
        let (full, _) = model::model(&self.sources.model(&full));
        Self {
            full: Some(full),
            ..search
        }
    }
    /// By class: how often its offered rate goes where as much is carried as can be; at least once, so that there are never
    /// more numbers than at the offered load.
    fn growth(&self, solution: &Solution) -> Vec<f64> {
        let classes = self.model.classes.iter();
        let growth: Vec<f64> = match solution.proof.rates {
            Some(_) => {
                let rates = self.rates(&solution.assignment);
                let pairs = classes.zip(rates);
                pairs.map(|(class, rate)| rate / class.offered).collect()
            }
            None => {
                let scale = self.outcome(&solution.assignment).scale;
                classes
                    .map(|class| scale.min(class.max / class.offered))
                    .collect()
            }
        };
        // What is no number is that of a class of which nothing is offered.
        let growth = growth.iter().map(|g| if g.is_nan() { 1.0 } else { *g });
        growth.map(|g| g.clamp(1.0, MOST_GROWTH)).collect()
    }
    /// A cut with its figures here.
    fn judged(&self, found: Solution) -> Solution {
        let outcome = self.outcome(&found.assignment);
        let mut proof = found.proof;
        let values = [
            (&mut proof.scale, outcome.scale.min(f64::MAX)),
            (&mut proof.cores, outcome.cores),
            (&mut proof.header_bytes, outcome.header_bytes),
            (&mut proof.bounces, outcome.bounces),
        ];
        for (figure, value) in values {
            figure.value = value;
        }
        if let Some(rates) = &mut proof.rates {
            rates.value = self.above_least(&self.rates(&found.assignment));
        }
        Solution {
            cost: self.problem.cost(self.sources.facts, &found.assignment),
            proof,
            outcome,
            ..found
        }
    }
}
