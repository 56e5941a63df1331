//! Whether packets took the agreed way: all that went in came out or was dropped by a function, nothing else came out,
//! and what left one element is what came to the next.

use trisect_rack::INNER;
use trisect_sample::{Elements, Hop, Point, Trajectory};

use crate::manifest::Manifest;
use crate::report::{Check, Outcome, Part};
use crate::stats::least_alarming;

/// On which way a packet passed the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Entry,
    Exit,
}

/// Looks at one trajectory after the other.
pub(crate) struct PathCheck {
    shim: Option<u16>,
    whole: Check,
    vanished: Check,
    injected: Check,
    clock: Check,
}

impl PathCheck {
    pub fn new(manifest: &Manifest, elements: &Elements) -> PathCheck {
        let check = |name: &str| {
            let mut check = Check::new(Part::Functional, name, "");
            check.sampled_at(manifest.sampling.rate());
            check
        };
        PathCheck {
            shim: elements.find(&manifest.records.shim),
            whole: check("path"),
            vanished: check("vanished"),
            injected: check("injected"),
            clock: check("clock"),
        }
    }

    pub fn look(&mut self, trajectory: &Trajectory, elements: &Elements) {
        for check in [
            &mut self.whole,
            &mut self.vanished,
            &mut self.injected,
            &mut self.clock,
        ] {
            check.examined += 1;
        }
        self.times(trajectory, elements);
        if trajectory.whole {
            return;
        }
        let way = || {
            format!(
                "packet {:016x}: {}",
                trajectory.id,
                trajectory.path(elements)
            )
        };
        let (first, last) = (trajectory.hops.first(), trajectory.hops.last());
        let entered = first.is_some_and(|h| self.side(h) == Some(Side::Entry));
        let left = last.is_some_and(|h| self.side(h) == Some(Side::Exit));
        let dropped = last.is_some_and(|h| h.point == Point::Drop);
        let gap = trajectory.hops.iter().position(|h| h.gap);
        if !entered {
            self.injected
                .violated(|| format!("{}: did not come in at the shim", way()));
        } else if !left && !dropped {
            self.vanished
                .violated(|| format!("{}: neither left nor was dropped", way()));
        } else {
            let before = gap.and_then(|at| trajectory.hops.get(at.checked_sub(1)?));
            let after = gap.and_then(|at| trajectory.hops.get(at));
            let what = before
                .zip(after)
                .map(|(from, to)| between(from, to, elements));
            let what = what.unwrap_or_else(|| "a record of a visit is missing".into());
            self.whole.violated(|| format!("{}: {what}", way()));
        }
    }

    /// Whether an observation is of the shim, and on which way.
    fn side(&self, hop: &Hop) -> Option<Side> {
        let inner = hop.port & INNER != 0;
        (Some(hop.element) == self.shim).then_some(match (hop.point, inner) {
            (Point::In, false) | (Point::Out, true) => Side::Entry,
            _ => Side::Exit,
        })
    }

    /// Nothing leaves an element before it came.
    fn times(&mut self, trajectory: &Trajectory, elements: &Elements) {
        for pair in trajectory.hops.windows(2) {
            if let [came, went] = pair
                && (came.element, came.visit) == (went.element, went.visit)
                && went.time_ns < came.time_ns
            {
                self.clock.violated(|| {
                    format!(
                        "packet {:016x} left {} {} ns before it came",
                        trajectory.id,
                        elements.name(came.element),
                        came.time_ns - went.time_ns
                    )
                });
            }
        }
    }

    /// The answers; `loss` is the part of packets that may get lost.
    pub fn done(mut self, manifest: &Manifest, loss: f64) -> Vec<Check> {
        tolerate(
            &mut self.whole,
            manifest.records.loss,
            "records may be lost",
        );
        tolerate(&mut self.vanished, loss, "packets may get lost");
        [self.whole, self.vanished, self.injected, self.clock]
            .map(Check::done)
            .into()
    }
}

/// Takes back a failure that so much agreed loss explains.
fn tolerate(check: &mut Check, part: f64, what: &str) {
    if part > 0.0 {
        check.note = format!("{} of all {what}", part);
        let alarming = least_alarming(check.examined, part);
        if alarming.is_none_or(|n| check.violations < n) {
            check.outcome = Outcome::Passed;
        }
    }
}

fn between(from: &Hop, to: &Hop, elements: &Elements) -> String {
    let (a, b) = (elements.name(from.element), elements.name(to.element));
    if from.element == to.element && from.visit == to.visit {
        return format!("a record of {a} is missing");
    }
    match (from.point, to.point) {
        (Point::Out, Point::In) => {
            format!("what left {a} is not what came to {b}, or records between them are missing")
        }
        _ => format!("records between {a} and {b} are missing"),
    }
}
