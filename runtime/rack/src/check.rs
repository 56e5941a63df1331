//! The law, checked: the cut rack against the uncut pipeline on the reference interpreter.
//!
//! For every packet of the run the same fate is demanded (port and bytes of each copy that leaves, or reason
//! of the drop), for every flow (of the packets as they came in) and every port the same order, and at the end
//! the same state.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use trisect_interp::Interpreter;
use trisect_ir::Program;
use trisect_ir::state::State;
use trisect_wire::{FlowKey, Layers, decode, describe, diff};

use crate::engine::fate;
use crate::{Arrival, EndedHow, Engine, EngineError, Fate, Frame, Report};

/// What the uncut pipeline does with a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    /// Port and bytes of all copies, by port and in the order in which they leave it.
    Left(Vec<(u16, Vec<u8>)>),
    Dropped(String),
}

impl Meant {
    fn new(fate: Fate) -> Self {
        let frames = match fate {
            Fate::Drop { reason } => return Self::Dropped(reason),
            Fate::Emit { port, frame } => vec![(port, frame)],
            Fate::Copies(frames) => frames,
        };
        let frames = frames.into_iter().map(|(port, frame)| (port, frame.bytes));
        Self::Left(by_port(frames.collect()))
    }

    /// What the rack did with a packet; `None` if it has no fate, or several that do not go together.
    fn found(ends: &[&EndedHow]) -> Option<Self> {
        if let [EndedHow::Dropped { reason, .. }] = ends {
            return Some(Self::Dropped(reason.clone()));
        }
        let left = ends.iter().map(|how| match how {
            EndedHow::Left { port, bytes } => Some((*port, bytes.clone())),
            EndedHow::Dropped { .. } => None,
        });
        let left: Vec<(u16, Vec<u8>)> = left.collect::<Option<_>>()?;
        (!left.is_empty()).then(|| Self::Left(by_port(left)))
    }

    /// How many fates it stands for.
    fn count(&self) -> usize {
        match self {
            Self::Left(frames) => frames.len(),
            Self::Dropped(_) => 1,
        }
    }
}

/// Frames by port; ports have their own pace, so that only the order of each port's counts.
fn by_port(mut frames: Vec<(u16, Vec<u8>)>) -> Vec<(u16, Vec<u8>)> {
    frames.sort_by_key(|(port, _)| *port);
    frames
}

/// What the uncut pipeline does with all packets.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// By arrival.
    fates: Vec<Meant>,
    /// At the end.
    state: State,
    /// How many packets each node saw: name, visits.
    visits: Vec<(String, u64)>,
}

impl Expected {
    /// How many packets each node of the uncut program saw, by the node's name.
    #[must_use]
    pub fn visits(&self) -> &[(String, u64)] {
        &self.visits
    }

    /// The state at the end.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Drops by reason.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<&str, u64> {
        let mut out = BTreeMap::new();
        for fate in &self.fates {
            if let Meant::Dropped(reason) = fate {
                *out.entry(reason.as_str()).or_default() += 1;
            }
        }
        out
    }
}

/// Runs the uncut pipeline on the reference interpreter.
#[must_use]
pub fn expect(program: &Program, arrivals: &[Arrival]) -> Expected {
    let mut interpreter = Interpreter::new(program);
    let run = |a: &Arrival| {
        let packet = trisect_interp::Packet::new(a.port, a.time_ns, &a.bytes[..]);
        Meant::new(fate(program, interpreter.run(packet), None, None))
    };
    let fates = arrivals.iter().map(run).collect();
    let nodes = program.control.nodes.values();
    let visits = nodes
        .zip(interpreter.visits().values())
        .map(|(n, v)| (n.name.clone(), *v))
        .collect();
    Expected {
        fates,
        visits,
        state: interpreter.state(last(arrivals)),
    }
}

/// Runs the uncut pipeline on an engine, which does not tell how many packets each node saw.
///
/// # Errors
/// If the engine failed.
pub fn expect_of(engine: &mut dyn Engine, arrivals: &[Arrival]) -> Result<Expected, EngineError> {
    let mut fates = Vec::with_capacity(arrivals.len());
    for a in arrivals {
        let (fate, _) = engine.process(a.port, a.time_ns, Frame::new(a.bytes.clone()))?;
        fates.push(Meant::new(fate));
    }
    Ok(Expected {
        fates,
        visits: Vec::new(),
        state: engine.state(last(arrivals)),
    })
}

/// When the last packet arrives.
fn last(arrivals: &[Arrival]) -> u64 {
    arrivals.last().map_or(0, |a| a.time_ns)
}

/// Where the rack differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// A packet (number in the run, from 1) has another fate.
    Fate {
        /// Which packet, from 1.
        packet: usize,
    },
    /// A packet has no fate, or more than one.
    Count {
        /// Which packet, from 1.
        packet: usize,
        /// How many fates it has.
        fates: usize,
    },
    /// Two packets of a flow left a port in the wrong order.
    Order {
        /// The port.
        port: u16,
        /// The packet that should have left first, from 1.
        first: usize,
        /// The packet that left before it, from 1.
        second: usize,
    },
    /// A part of the state.
    State {
        /// Which: `counters fw.hits [3]`.
        path: String,
    },
}

/// One difference between the rack and the uncut pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where.
    pub place: Place,
    /// What the uncut pipeline does.
    pub expected: String,
    /// What the rack did.
    pub found: String,
    /// The packet decoded, and which header fields differ; may have many lines.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Fate { packet } => write!(f, "packet {packet}")?,
            Place::Count { packet, .. } => write!(f, "packet {packet}")?,
            Place::Order {
                port,
                first,
                second,
            } => {
                write!(f, "order of packets {first} and {second} on port {port}")?;
            }
            Place::State { path } => write!(f, "state {path}")?,
        }
        write!(f, "\n  uncut: {}\n  rack:  {}", self.expected, self.found)?;
        for line in self.detail.lines() {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Packets compared.
    pub packets: usize,
    /// Flows whose order was compared (flow and port).
    pub flows: usize,
    /// Differences in all; 0 if the law holds.
    pub count: usize,
    /// The first of them: packets, then order, then state.
    pub differences: Vec<Difference>,
}

/// How many differences a report keeps.
const KEPT: usize = 20;

impl CheckReport {
    /// Whether the law holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, difference: impl FnOnce() -> Difference) {
        self.count += 1;
        if self.differences.len() < KEPT {
            self.differences.push(difference());
        }
    }
}

impl fmt::Display for CheckReport {
    /// One line, and the first differences if there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = format!(
            "{} packets, {} flows and the final state compared with the uncut pipeline",
            self.packets, self.flows
        );
        if self.holds() {
            return write!(f, "Check: {what}: no difference");
        }
        write!(f, "Check: {what}: {} differences", self.count)?;
        for difference in &self.differences {
            write!(f, "\n{difference}")?;
        }
        let more = self.count - self.differences.len();
        if more > 0 {
            write!(f, "\n... and {more} more")?;
        }
        Ok(())
    }
}

/// Compares a run of the rack with the uncut pipeline over the same arrivals.
#[must_use]
pub fn check(arrivals: &[Arrival], expected: &Expected, report: &Report) -> CheckReport {
    let mut out = CheckReport {
        packets: arrivals.len(),
        flows: 0,
        count: 0,
        differences: Vec::new(),
    };
    let mut fates: Vec<Vec<&EndedHow>> = vec![Vec::new(); arrivals.len()];
    for e in &report.ended {
        if let Some(f) = fates.get_mut(e.arrival) {
            f.push(&e.how);
        }
    }
    for (i, ((arrival, meant), ends)) in
        arrivals.iter().zip(&expected.fates).zip(&fates).enumerate()
    {
        match Meant::found(ends) {
            Some(found) if found == *meant => {}
            Some(found) if found.count() == meant.count() => {
                out.add(|| fate_difference(i + 1, arrival, meant, &found, ends));
            }
            _ => out.add(|| Difference {
                place: Place::Count {
                    packet: i + 1,
                    fates: ends.len(),
                },
                expected: meant_text(meant),
                found: ends_text(ends),
                detail: format!("came in: {}", describe(&arrival.bytes)),
            }),
        }
    }
    check_order(&mut out, arrivals, report);
    check_state(&mut out, &expected.state, &report.state());
    out
}

fn meant_text(meant: &Meant) -> String {
    match meant {
        Meant::Left(frames) => {
            let texts = frames.iter().map(|(port, bytes)| left_text(*port, bytes));
            texts.collect::<Vec<_>>().join("; ")
        }
        Meant::Dropped(reason) => format!("dropped: {reason}"),
    }
}

fn left_text(port: u16, bytes: &[u8]) -> String {
    format!("port {port}: {}", describe(bytes))
}

fn ends_text(ends: &[&EndedHow]) -> String {
    if ends.is_empty() {
        return "no fate".to_owned();
    }
    let texts = ends.iter().map(|how| match how {
        EndedHow::Left { port, bytes } => left_text(*port, bytes),
        EndedHow::Dropped { device, reason } => format!("dropped at {device}: {reason}"),
    });
    texts.collect::<Vec<_>>().join("; ")
}

fn fate_difference(
    packet: usize,
    arrival: &Arrival,
    meant: &Meant,
    found: &Meant,
    ends: &[&EndedHow],
) -> Difference {
    let mut detail = format!(
        "came in on port {}: {}\n",
        arrival.port,
        describe(&arrival.bytes)
    );
    if let (Meant::Left(want), Meant::Left(got)) = (meant, found) {
        for ((_, want), (_, got)) in want.iter().zip(got) {
            for d in diff(want, got) {
                detail.push_str(&format!("differs in {d}\n"));
            }
        }
    }
    detail.push_str(&decode(&arrival.bytes));
    Difference {
        place: Place::Fate { packet },
        expected: meant_text(meant),
        found: ends_text(ends),
        detail,
    }
}

/// Whether the frame holds a transport header. A datagram's first fragment does and its later ones do
/// not: to a pipeline that asks for ports these are two flows.
fn has_ports(frame: &[u8]) -> bool {
    Layers::parse(frame).first_transport().is_some()
}

/// The uncut pipeline is done with one packet before the next comes, so on each port the packets of
/// a flow leave in the order in which they came.
fn check_order(out: &mut CheckReport, arrivals: &[Arrival], report: &Report) {
    let mut last: BTreeMap<(u16, FlowKey, bool), usize> = BTreeMap::new();
    for e in &report.ended {
        let (EndedHow::Left { port, .. }, Some(arrival)) = (&e.how, arrivals.get(e.arrival)) else {
            continue;
        };
        let latest = last
            .entry((
                *port,
                FlowKey::of(&arrival.bytes),
                has_ports(&arrival.bytes),
            ))
            .or_insert(e.arrival);
        if *latest <= e.arrival {
            *latest = e.arrival;
            continue;
        }
        let (first, second) = (e.arrival + 1, *latest + 1);
        out.add(|| Difference {
            place: Place::Order {
                port: *port,
                first,
                second,
            },
            expected: format!("packet {first} before packet {second}"),
            found: format!("packet {second} before packet {first}"),
            detail: format!("came in: {}", describe(&arrival.bytes)),
        });
    }
    out.flows = last.len();
}

fn check_state(out: &mut CheckReport, expected: &State, found: &State) {
    check_cells(out, "flows", &expected.flows, &found.flows);
    check_cells(out, "counters", &expected.counters, &found.counters);
    check_cells(out, "registers", &expected.registers, &found.registers);
    check_cells(out, "meters", &expected.meters, &found.meters);
    check_cells(out, "allocators", &expected.allocators, &found.allocators);
    let (want, got) = (numbered(&expected.messages), numbered(&found.messages));
    check_cells(out, "messages", &want, &got);
    check_cells(
        out,
        "random",
        &BTreeMap::from([("draws".to_owned(), expected.draws.clone())]),
        &BTreeMap::from([("draws".to_owned(), found.draws.clone())]),
    );
}

/// Lists by position.
fn numbered<T: Clone>(lists: &BTreeMap<String, Vec<T>>) -> Cells<usize, T> {
    let by_number = |list: &Vec<T>| list.iter().cloned().enumerate().collect();
    let named = lists
        .iter()
        .map(|(name, list)| (name.clone(), by_number(list)));
    named.collect()
}

type Cells<K, V> = BTreeMap<String, BTreeMap<K, V>>;

fn check_cells<K, V>(out: &mut CheckReport, kind: &str, expected: &Cells<K, V>, found: &Cells<K, V>)
where
    K: Ord + Clone + fmt::Debug + Serialize,
    V: PartialEq + fmt::Debug,
{
    let none = BTreeMap::new();
    let mut names: Vec<&String> = expected.keys().chain(found.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (want, got) = (
            expected.get(name).unwrap_or(&none),
            found.get(name).unwrap_or(&none),
        );
        let mut keys: Vec<&K> = want.keys().chain(got.keys()).collect();
        keys.sort();
        keys.dedup();
        for key in keys.into_iter().filter(|k| want.get(*k) != got.get(*k)) {
            let show = |v: Option<&V>| v.map_or("as at the start".into(), |v| format!("{v:?}"));
            out.add(|| Difference {
                place: Place::State {
                    path: format!("{kind} {name} {}", key_text(key)),
                },
                expected: show(want.get(key)),
                found: show(got.get(key)),
                detail: String::new(),
            });
        }
    }
}

/// The key as its serialised text, which for all keys of a state is a string or a number.
fn key_text<K: Serialize + fmt::Debug>(key: &K) -> String {
    match serde_json::to_value(key) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) => value.to_string(),
        Err(_) => format!("{key:?}"),
    }
}
