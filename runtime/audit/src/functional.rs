//! Whether an element did with a packet what it should: the visit is run again.

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::Bits;
use trisect_ir::state::Touched;
use trisect_rack::{Fate, Frame, Seen};
use trisect_sample::{Found, Lookup, Point, Record, Used, Work, digest, state_bytes};
use trisect_wire::{FlowKey, diff};

use crate::blackbox::{self, Explained};
use crate::reference::{Piece, function_of};

/// What was found out about a visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// The functions that had a part in it.
    pub functions: BTreeSet<String>,
    /// What is wrong, and of which function; nothing if all is as it should be.
    pub wrong: Option<(String, String)>,
    /// Why it could not be told.
    pub unknown: Option<String>,
    /// Whether the packets alone were to be explained.
    pub blackbox: bool,
    /// What it should have used up.
    pub used: Used,
}

/// Runs a visit again on the element's piece.
pub(crate) fn judge(piece: &mut Piece, arrival: &Record, departure: &Record) -> Judged {
    let mut judged = Judged::default();
    let expected = match (&mut piece.witness, &departure.work) {
        (None, _) => Ok((pass_through(arrival), Seen::default())),
        (Some(witness), Some(work)) => witness
            .replay(arrival, &work.state)
            .map_err(|e| e.to_string()),
        (Some(witness), None) => {
            judged.blackbox = true;
            match blackbox::explain(witness, arrival, departure) {
                Explained::By(seen) => Ok((claimed(departure), seen)),
                Explained::Not(fate, seen) => Ok((fate, seen)),
                Explained::Unknown(why) => {
                    judged.unknown = Some(why);
                    return judged;
                }
            }
        }
    };
    let (fate, seen) = match expected {
        Ok(expected) => expected,
        Err(why) => {
            judged.wrong = Some((
                arrival.element.clone(),
                format!("cannot be run again: {why}"),
            ));
            return judged;
        }
    };
    let tables = seen.lookups.iter().map(|l| function_of(&l.table));
    judged.functions = tables.map(str::to_owned).collect();
    judged.used = used(piece.cycles, arrival, &fate, &seen.state);
    judged.wrong = wrong(arrival, departure, &fate, &seen);
    judged
}

/// What a NIC without rules does.
fn pass_through(arrival: &Record) -> Fate {
    let frame = Frame {
        bytes: arrival.packet.clone(),
        mark: arrival.mark,
        meta: arrival.meta,
        flow: 0,
    };
    let port = trisect_rack::NIC_TO_HOST;
    Fate::Emit { port, frame }
}

/// What a record says became of the packet.
fn claimed(departure: &Record) -> Fate {
    match departure.point {
        Point::Out => Fate::Emit {
            port: departure.port,
            frame: Frame {
                bytes: departure.packet.clone(),
                mark: departure.mark,
                meta: departure.meta,
                flow: 0,
            },
        },
        Point::In | Point::Drop => Fate::Drop {
            reason: departure
                .work
                .as_ref()
                .map_or_else(String::new, |w| w.reason.clone()),
        },
    }
}

fn used(cycles: u64, arrival: &Record, fate: &Fate, state: &Touched) -> Used {
    let left = match fate {
        Fate::Emit { frame, .. } => frame.bytes.len() as u64,
        Fate::Copies(frames) => frames.iter().map(|(_, f)| f.bytes.len() as u64).sum(),
        Fate::Drop { .. } => 0,
    };
    Used {
        cycles,
        bytes: u64::from(arrival.len) + left,
        memory: state_bytes(&state.after),
    }
}

/// What is wrong with a visit, and of which function.
fn wrong(
    arrival: &Record,
    departure: &Record,
    fate: &Fate,
    seen: &Seen,
) -> Option<(String, String)> {
    let none = Work::default();
    let work = departure.work.as_deref().unwrap_or(&none);
    let recorded = departure.work.is_some();
    if recorded && let Some((function, what)) = other_lookup(&work.lookups, &seen.lookups) {
        return Some((function, describe(arrival, &what)));
    }
    if recorded && let Some((function, what)) = other_state(&work.state, &seen.state) {
        return Some((function, describe(arrival, &what)));
    }
    let what = other_fate(departure, work, fate)?;
    // The functions of the visit answer for it together: which of them wrote what, nobody recorded.
    let mut functions: Vec<&str> = Vec::new();
    for lookup in &seen.lookups {
        let function = function_of(&lookup.table);
        if !functions.contains(&function) {
            functions.push(function);
        }
    }
    let function = match functions.is_empty() {
        true => arrival.element.clone(),
        false => functions.join("+"),
    };
    Some((function, describe(arrival, &what)))
}

fn other_lookup(recorded: &[Lookup], expected: &[Lookup]) -> Option<(String, String)> {
    let at =
        (0..recorded.len().max(expected.len())).find(|i| recorded.get(*i) != expected.get(*i))?;
    let text = |lookup: Option<&Lookup>| match lookup {
        None => "no look-up".to_owned(),
        Some(l) => {
            let found = match l.found {
                Found::Miss => "miss".to_owned(),
                Found::Entry(i) => format!("entry {i}"),
                Found::Flow => "flow entry".to_owned(),
            };
            format!("{}({}) = {found}, {}", l.table, l.key, l.action)
        }
    };
    let (is, should) = (recorded.get(at), expected.get(at));
    let table = should.or(is).map_or("", |l| l.table.as_str());
    let what = format!(
        "look-up {}: {}, should be {}",
        at + 1,
        text(is),
        text(should)
    );
    Some((function_of(table).to_owned(), what))
}

/// The first place of the state that is not as it should be afterwards.
fn other_state(recorded: &Touched, expected: &Touched) -> Option<(String, String)> {
    if recorded == expected {
        return None;
    }
    let flat = |touched: &Touched| {
        let json = serde_json::to_value(&touched.after).unwrap_or_default();
        let mut all = BTreeMap::new();
        for kind in json.as_object().into_iter().flatten().map(|(_, v)| v) {
            for (name, cells) in kind.as_object().into_iter().flatten() {
                let cells = cells.as_object().into_iter().flatten();
                all.extend(cells.map(|(key, v)| ((name.clone(), key.clone()), v.to_string())));
            }
        }
        all
    };
    let (is, should) = (flat(recorded), flat(expected));
    let keys: BTreeSet<_> = is.keys().chain(should.keys()).collect();
    for (name, key) in keys {
        let at = (name.clone(), key.clone());
        let (is, should) = (is.get(&at), should.get(&at));
        if is != should {
            let text = |v: Option<&String>| v.map_or_else(|| "nothing".to_owned(), Clone::clone);
            // Cells by index have brackets of their own.
            let key = key.trim_start_matches('[').trim_end_matches(']');
            let what = format!("{name}[{key}] is {}, should be {}", text(is), text(should));
            return Some((function_of(name).to_owned(), what));
        }
    }
    Some((
        String::new(),
        "the state before is not what was read".to_owned(),
    ))
}

fn other_fate(departure: &Record, work: &Work, fate: &Fate) -> Option<String> {
    match (fate, departure.point) {
        (Fate::Drop { reason }, Point::Drop) => (departure.work.is_some()
            && *reason != work.reason)
            .then(|| format!("dropped for `{}`, should be for `{reason}`", work.reason)),
        (Fate::Drop { reason }, _) => Some(format!("should have been dropped for `{reason}`")),
        // Programs that copy packets are not sampled.
        (Fate::Copies(_), _) => Some("should have left more than once".to_owned()),
        (Fate::Emit { port, .. }, Point::Drop) => Some(format!(
            "dropped for `{}`, should have left on port {port}",
            work.reason
        )),
        (Fate::Emit { port, frame }, _) => {
            if *port != departure.port {
                let is = departure.port;
                return Some(format!(
                    "left on port {is}, should have left on port {port}"
                ));
            }
            if (frame.mark, frame.meta) != (departure.mark, departure.meta) {
                return Some(format!(
                    "left with mark {} and meta {:#x}, should have had {} and {:#x}",
                    departure.mark, departure.meta, frame.mark, frame.meta
                ));
            }
            if digest(&frame.bytes) == departure.digest {
                return None;
            }
            let differences = diff(&departure.packet, &frame.bytes);
            let shown: Vec<String> = differences
                .iter()
                .take(3)
                .map(ToString::to_string)
                .collect();
            Some(format!(
                "left as another packet than it should: {}",
                shown.join("; ")
            ))
        }
    }
}

/// What happened to a packet, for people.
pub(crate) fn describe(arrival: &Record, what: &str) -> String {
    let flow = FlowKey::of(&arrival.packet);
    format!(
        "{} visit {} ({flow}, {} bytes, packet {:016x}): {what}",
        arrival.element, arrival.visit, arrival.len, arrival.id
    )
}

/// Whether state stays what it was between sampled packets.
///
/// A flow entry that is alive keeps its action and its arguments, and is found; that it is alive is certain
/// where the time since the last packet that is known to have hit it is below its timeout. What no sampled packet
/// meets, nobody sees.
#[derive(Debug, Default)]
pub(crate) struct Continuity {
    /// By table, then by key.
    known: BTreeMap<String, BTreeMap<String, Known>>,
    /// Entries that were met again while they had to be alive.
    pub examined: u64,
}

#[derive(Debug)]
struct Known {
    visit: u64,
    action: String,
    args: Vec<Bits>,
    until_ns: u64,
}

impl Continuity {
    /// Takes a visit; says what is wrong with it, and of which function.
    pub fn visit(&mut self, arrival: &Record, work: &Work) -> Option<(String, String)> {
        let mut wrong = None;
        let hits = work.lookups.iter().filter(|l| !l.table.is_empty());
        for lookup in hits {
            let table = self.known.get(&lookup.table);
            let Some(known) = table.and_then(|t| t.get(&lookup.key)) else {
                continue;
            };
            if known.visit >= arrival.visit || known.until_ns <= arrival.time_ns {
                continue;
            }
            self.examined += 1;
            let flows = work.state.before.flows.get(&lookup.table);
            let now = flows.and_then(|f| f.get(&lookup.key));
            let same = now.is_some_and(|f| f.action == known.action && f.args == known.args);
            if !same && wrong.is_none() {
                let text = |action: &str, args: &[Bits]| {
                    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
                    format!("{action}({})", args.join(", "))
                };
                let is = now.map_or_else(|| "gone".to_owned(), |f| text(&f.action, &f.args));
                let what = format!(
                    "flow entry {}[{}] is {is}, was {} at visit {}",
                    lookup.table,
                    lookup.key,
                    text(&known.action, &known.args),
                    known.visit
                );
                let function = function_of(&lookup.table).to_owned();
                wrong = Some((function, describe(arrival, &what)));
            }
        }
        for (table, flows) in &work.state.after.flows {
            if !self.known.contains_key(table) {
                self.known.insert(table.clone(), BTreeMap::new());
            }
            let Some(entries) = self.known.get_mut(table) else {
                continue;
            };
            for (key, flow) in flows {
                let until_ns = flow.last_hit_ns.saturating_add(flow.timeout_ns);
                match entries.get_mut(key) {
                    Some(known) if known.action == flow.action && known.args == flow.args => {
                        (known.visit, known.until_ns) = (arrival.visit, until_ns);
                    }
                    _ => {
                        let known = Known {
                            visit: arrival.visit,
                            action: flow.action.clone(),
                            args: flow.args.clone(),
                            until_ns,
                        };
                        entries.insert(key.clone(), known);
                    }
                }
            }
        }
        wrong
    }
}
