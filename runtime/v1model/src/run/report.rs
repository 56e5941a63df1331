//! What came of a packet test.

use crate::engine::EngineKind;
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;
use trisect_ir::state::State;

/// What came of a packet test. Lines are those of the script, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The name of the script.
    pub script: String,
    /// Whether every run agrees with the script, and all runs with each other.
    pub passed: bool,
    /// One per engine.
    pub runs: Vec<Run>,
    /// Where engines differ in packets or in the state that is left, each a sentence.
    pub disagreements: Vec<String>,
}

/// What came of a packet test on one engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The engine.
    pub engine: EngineKind,
    /// Whether it agrees with the script.
    pub passed: bool,
    /// The packets that were expected, by line.
    pub expectations: Vec<Expectation>,
    /// Packets that left on a port of the test's after all that were expected there.
    pub unexpected: Vec<Arrival>,
    /// Counters, registers, `no_packet`, and assertions of the program that do not hold.
    pub checks: Vec<Check>,
    /// What commands were asked to read, and what else is of interest.
    pub notes: Vec<Note>,
    /// The state that is left.
    pub state: State,
}

/// An `expect` and what came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Its line.
    pub line: u32,
    /// The port.
    pub port: u16,
    /// Its digits as they are written; empty where any packet will do.
    pub expected: String,
    /// What came; nothing if the packet is missing.
    pub received: Option<Arrival>,
    /// Whether it is what was expected.
    pub ok: bool,
    /// Where it differs, the first place first.
    pub differences: Vec<String>,
}

/// A packet that left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The line of the packet that it comes from.
    pub packet_line: u32,
    /// The port.
    pub port: u16,
    /// The frame, in hexadecimal digits where it is serialised.
    #[serde(serialize_with = "hex", deserialize_with = "unhex")]
    pub bytes: Vec<u8>,
}

/// A check of a counter, a register, that nothing left, or an assertion of the program that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its line.
    pub line: u32,
    /// What it says.
    pub statement: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was found.
    pub found: String,
}

/// Something of interest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The line that it comes from.
    pub line: u32,
    /// What it is.
    pub text: String,
}

/// Hexadecimal digits of bytes.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&digits(bytes))
}

fn unhex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || serde::de::Error::custom("a frame is pairs of hexadecimal digits");
    if text.len() % 2 != 0 {
        return Err(wrong());
    }
    (0..text.len())
        .step_by(2)
        .map(|at| {
            let pair = text.get(at..at + 2).ok_or_else(wrong)?;
            u8::from_str_radix(pair, 16).map_err(|_| wrong())
        })
        .collect()
}

impl fmt::Display for Report {
    /// For people: what differs, then a line that sums up.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in &self.runs {
            // What all engines get wrong alike is said once.
            let first = self.runs.first();
            let same = first
                .is_some_and(|first| first.engine != run.engine && self.disagreements.is_empty());
            if !same {
                write!(f, "{run}")?;
            }
        }
        for disagreement in &self.disagreements {
            writeln!(f, "engines differ: {disagreement}")?;
        }
        let engines: Vec<String> = self.runs.iter().map(|r| r.engine.to_string()).collect();
        let verdict = if self.passed { "passed" } else { "FAILED" };
        let (expected, checks) = self
            .runs
            .first()
            .map_or((0, 0), |r| (r.expectations.len(), r.checks.len()));
        writeln!(
            f,
            "{}: {verdict} on {} ({expected} packets expected, {checks} checks)",
            self.script,
            engines.join(" and ")
        )
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine;
        for wrong in self.expectations.iter().filter(|e| !e.ok) {
            let (line, port) = (wrong.line, wrong.port);
            match &wrong.received {
                None => writeln!(
                    f,
                    "line {line}: a packet is missing on port {port} ({engine})\n  expected {}",
                    wrong.expected
                )?,
                Some(received) => {
                    writeln!(
                        f,
                        "line {line}: the packet on port {port} differs ({engine})\n  expected {}\n  \
                         received {}  (from the packet of line {})",
                        wrong.expected,
                        digits(&received.bytes),
                        received.packet_line
                    )?;
                }
            }
            for difference in &wrong.differences {
                writeln!(f, "  {difference}")?;
            }
        }
        for arrival in &self.unexpected {
            writeln!(
                f,
                "line {}: a packet that was not expected left on port {} ({engine})\n  received {}",
                arrival.packet_line,
                arrival.port,
                digits(&arrival.bytes)
            )?;
        }
        for check in self.checks.iter().filter(|c| !c.ok) {
            writeln!(
                f,
                "line {}: {} does not hold ({engine})\n  found {}",
                check.line, check.statement, check.found
            )?;
        }
        for note in &self.notes {
            writeln!(f, "line {}: {}", note.line, note.text)?;
        }
        Ok(())
    }
}
