//! Where groups could be at all: what rules alone leave, whatever devices have room for.

use super::implied::Implications;
use super::learn::Checker;
use super::model::number;
use super::{NODES, Search};
use crate::site::{Assignment, Site};
use std::collections::{BTreeMap, BTreeSet};
use trisect_optimise::{Goal, Limits, Var, solve};

/// How often cuts are looked for that have more of the groups there.
const ROUNDS: usize = 4;
/// The part of the nodes of a search for a cut that this has.
const FEWER: u64 = 5;

/// Whether a group could be somewhere.
#[derive(Clone, Debug)]
pub(crate) enum Possible {
    /// It is there in this cut.
    In(Assignment),
    /// In no cut that keeps the rules.
    Never,
}

impl Search<'_> {
    /// Of these groups: what is known about being at a site, all at a time. The search begins with a cut.
    pub(crate) fn possible(
        &self,
        implied: &Implications,
        known: &Assignment,
        site: Site,
        groups: &[usize],
    ) -> BTreeMap<usize, Possible> {
        let mut hint = self.choice(known);
        let (never, mut open): (BTreeSet<usize>, BTreeSet<usize>) = groups
            .iter()
            .partition(|g| implied.never(**g, number(site)));
        let mut known: BTreeMap<usize, Possible> =
            never.into_iter().map(|g| (g, Possible::Never)).collect();
        if open.is_empty() {
            return known;
        }
        let mut model = self.model.clone();
        for quantity in &mut model.quantities {
            quantity.capacity = f64::INFINITY;
        }
        for class in &mut model.classes {
            class.min = 0.0;
        }
        model.ways.clear();
        let limits = Limits {
            nodes: Some(NODES / FEWER),
            ..Limits::default()
        };
        for _ in 0..ROUNDS {
            let there = open.iter().map(|g| (Var::At(*g, number(site)), -1.0));
            let goals = [Goal::Sum(there.collect())];
            let mut checker =
                Checker::new(self.sources.facts, self.sources.machines, &self.problem);
            let sites_of = |choice: &[usize]| -> Vec<Site> {
                let groups = self.problem.groups.iter().zip(choice);
                groups.map(|(group, c)| group.sites[*c]).collect()
            };
            let mut check = |choice: &[usize]| checker.law(&sites_of(choice));
            let Ok(solved) = solve(&model, &goals, limits, Some(&hint), &mut check) else {
                break;
            };
            let sites = sites_of(&solved.choice);
            let found: Vec<usize> = open.iter().copied().filter(|g| sites[*g] == site).collect();
            if found.is_empty() {
                // Less than one of them: none.
                if solved.reached.first().is_some_and(|r| r.bound > -0.999) {
                    known.extend(open.iter().map(|g| (*g, Possible::Never)));
                }
                break;
            }
            let cut = self.problem.assignment(&sites);
            hint = solved.choice;
            for g in found {
                open.remove(&g);
                known.insert(g, Possible::In(cut.clone()));
            }
            if open.is_empty() {
                break;
            }
        }
        known
    }
    /// Why the devices refuse a cut, if they do.
    pub(crate) fn refusal(&self, assignment: &Assignment) -> Option<String> {
        let mut checker = Checker::new(self.sources.facts, self.sources.machines, &self.problem);
        let refused = !checker.check(&self.sites(assignment)).rows.is_empty();
        refused.then_some(checker.last)
    }
}
