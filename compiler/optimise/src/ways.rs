//! How long the longest way takes that a packet of a class can go: what is promised about latency.
//!
//! In the mixed integer program each point of the ways has a column, the time until a packet gets there as a part
//! of what is promised, and each step a row per border that it may cross: it is later at its end than at its
//! beginning by what the packet takes there, and by what entering takes if only the end is inside. Of the borders
//! around servers a step enters at most one, so this is exact.

use crate::problem::{Malformed, Problem};
use serde::{Deserialize, Serialize};

/// The ways of a class's packets, from where they come in to where they leave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ways {
    /// Name, for people: `latency of residential`.
    pub name: String,
    /// Nanoseconds that the longest way may take; infinite if nothing is promised.
    pub most: f64,
    /// Points on the ways; every step goes from one to a later one.
    pub points: Vec<Point>,
    /// Steps, those from earlier points first.
    pub steps: Vec<Step>,
}

/// A point on a way: a unit works on the packet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The unit, by position in [`Problem::units`].
    pub unit: usize,
    /// Nanoseconds that the packet takes here, by site of the unit; at sites that are not named, none.
    pub takes: Vec<(usize, f64)>,
    /// Whether packets leave from here.
    pub ends: bool,
}

/// A step of a way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From this point, by position; `None`: from outside, which is in no region.
    pub from: Option<usize>,
    /// To this one.
    pub to: usize,
    /// Nanoseconds that it takes to enter a region, by its position in [`Problem::regions`], if the step does.
    /// Regions do not overlap.
    pub enters: Vec<(usize, f64)>,
}

impl Ways {
    /// What the packet takes at a point if its unit is at this site.
    fn taken(&self, point: usize, site: usize) -> f64 {
        let takes = self.points[point].takes.iter();
        takes.filter(|(s, _)| *s == site).map(|(_, ns)| ns).sum()
    }
    /// By point: the nanoseconds of the longest way to it, without what it takes there. `site` is that of a
    /// unit, `inside` says whether a site is in a region.
    pub(crate) fn arrivals(
        &self,
        site: impl Fn(usize) -> usize,
        inside: impl Fn(usize, usize) -> bool,
    ) -> Vec<f64> {
        let mut at = vec![0.0f64; self.points.len()];
        for step in &self.steps {
            let to = site(self.points[step.to].unit);
            let from = step.from.map(|point| site(self.points[point].unit));
            let entered = step.enters.iter().filter(|(region, _)| {
                inside(*region, to) && !from.is_some_and(|from| inside(*region, from))
            });
            let behind = match (step.from, from) {
                (Some(point), Some(site)) => at[point] + self.taken(point, site),
                _ => 0.0,
            };
            let then = behind + entered.map(|(_, ns)| ns).sum::<f64>();
            at[step.to] = at[step.to].max(then);
        }
        at
    }
    /// The nanoseconds of the longest way.
    pub(crate) fn longest(
        &self,
        site: impl Fn(usize) -> usize,
        inside: impl Fn(usize, usize) -> bool,
    ) -> f64 {
        let ends = self.arrivals(&site, inside).into_iter().enumerate();
        ends.filter(|(point, _)| self.points[*point].ends)
            .map(|(point, ns)| ns + self.taken(point, site(self.points[point].unit)))
            .fold(0.0, f64::max)
    }
    /// Checks that positions are in range, that steps go forward in order, and that times can be.
    ///
    /// # Errors
    /// The first contradiction.
    pub(crate) fn validate(&self, problem: &Problem) -> Result<(), Malformed> {
        let wrong = |reason: &str| {
            Err(Malformed {
                place: format!("ways {}", self.name),
                reason: reason.to_owned(),
            })
        };
        if self.most.is_nan() || self.most <= 0.0 {
            return wrong("a promise that cannot be");
        }
        let time = |ns: f64| ns.is_finite() && ns >= 0.0;
        for point in &self.points {
            let fine = |(site, ns): &(usize, f64)| *site < problem.sites.len() && time(*ns);
            if point.unit >= problem.units.len() || !point.takes.iter().all(fine) {
                return wrong("a point that cannot be");
            }
        }
        let mut before = None;
        for step in &self.steps {
            let fine = |(region, ns): &(usize, f64)| *region < problem.regions.len() && time(*ns);
            let forward = step.to < self.points.len() && step.from < Some(step.to);
            if !forward || step.from < before || !step.enters.iter().all(fine) {
                return wrong("a step that cannot be");
            }
            before = step.from;
        }
        Ok(())
    }
}
