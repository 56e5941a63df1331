//! What an audit says.

use serde::Serialize;

use crate::stats::caught_from;

/// The answer of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing was found.
    Passed,
    /// There was not enough to tell.
    Undecided,
    /// The agreement was broken.
    Failed,
}

/// To which part of an audit a check belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// That the records are those of the elements, whole and unchanged.
    Integrity,
    /// That the functions did what they should.
    Functional,
    /// That performance is as agreed.
    Performance,
    /// That the bill is right.
    Accounting,
}

/// A check and its answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// Its part.
    pub part: Part,
    /// What was checked, like `snapshot`.
    pub name: String,
    /// Of what: an NF, an element, a metric, a resource; empty for the chain.
    pub of: String,
    /// The answer.
    pub outcome: Outcome,
    /// How many things were looked at.
    pub examined: u64,
    /// How many of them were wrong.
    pub violations: u64,
    /// Figures, and why it could not be decided.
    pub note: String,
    /// What it would have found.
    pub power: String,
    /// The first things that were wrong.
    pub examples: Vec<String>,
}

/// How many examples a check shows.
pub const EXAMPLES: usize = 3;

impl Check {
    /// A check that has looked at nothing.
    #[must_use]
    pub fn new(part: Part, name: &str, of: &str) -> Check {
        Check {
            part,
            name: name.to_owned(),
            of: of.to_owned(),
            outcome: Outcome::Passed,
            examined: 0,
            violations: 0,
            note: String::new(),
            power: String::new(),
            examples: Vec::new(),
        }
    }

    /// Something was wrong.
    pub fn violated(&mut self, example: impl FnOnce() -> String) {
        self.violations += 1;
        self.outcome = Outcome::Failed;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }

    /// Says of how many misbehaving packets one would have been seen, at a sampling rate.
    pub fn sampled_at(&mut self, rate: f64) {
        self.power = match caught_from(rate) {
            None => "nothing is sampled".to_owned(),
            Some(1) => "every packet is looked at".to_owned(),
            Some(k) => format!("{k} misbehaving packets would have been caught with 99.9 %"),
        };
    }

    /// Ends the check: without anything to look at, nothing is decided.
    #[must_use]
    pub fn done(mut self) -> Check {
        if self.examined == 0 && self.outcome == Outcome::Passed {
            self.outcome = Outcome::Undecided;
            if self.note.is_empty() {
                self.note = "there was nothing to look at".to_owned();
            }
        }
        self
    }
}

/// All answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Records read.
    pub records: u64,
    /// Sampled packets.
    pub packets: u64,
    /// The sampled part of packets.
    pub rate: f64,
    /// The checks, by part.
    pub checks: Vec<Check>,
}

impl Report {
    /// The report of a period of which nothing was handed over.
    #[must_use]
    pub fn of_nothing(rate: f64) -> Report {
        let mut check = Check::new(Part::Integrity, "handed over", "");
        check.violated(|| "there are no records of this period, and some of a later one".into());
        Report {
            records: 0,
            packets: 0,
            rate,
            checks: vec![check],
        }
    }

    /// The worst answer of any check.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let outcomes = self.checks.iter().map(|c| c.outcome);
        outcomes.max().unwrap_or(Outcome::Undecided)
    }
}
