//! Black-box equivalence: whether some state explains what became of a packet, where only packets were recorded.
//!
//! The packet is run on the reference with nothing in its state. Where it misses a flow table that other packets can have
//! filled, an entry may have been there; its arguments are found by experiment: with an argument changed, the bytes of the
//! output change that it goes to, and what those bytes are in the recorded output is its value; of a narrow argument that
//! goes elsewhere, all values are tried. So the search needs
//! a few runs per entry, not one per value. It ends with an explanation, with the certainty that there is none, or, where the
//! outcome depends on state that it does not search (registers, meters, random numbers), without an answer. A number that an
//! allocator handed out is found like an argument. Where the search has no answer, an SMT solver is asked (the feature `z3`).

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::state::{FlowState, State, Touched};
use trisect_ir::{Bits, ObjectKind, Program};
use trisect_rack::{Fate, Frame, Seen, Witness};
use trisect_sample::{Found, Point, Record, digest};
use trisect_wire::get_bits;

use crate::reach::{Added, Reach};

/// Most flow entries that a packet may have met.
const MOST_ENTRIES: usize = 4;
/// Up to which width all values of an argument are tried that does not go to the packet as it is.
const MOST_TRIED_BITS: u32 = 10;
/// Most values of an entry's arguments that are tried.
const MOST_TRIED: usize = 4096;
/// The idle timeout of assumed entries: none that ends.
const FOREVER_NS: u64 = u64::MAX;

/// What the search found.
pub(crate) enum Explained {
    /// A state that explains it; what the packet used in it.
    By(Seen),
    /// No state does: what would have become of the packet in an empty state.
    Not(Fate, Seen),
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// The width of an argument, and its value where that is a constant.
type Argument = (u32, Option<Bits>);

struct Search<'a> {
    witness: &'a mut Witness,
    arrival: &'a Record,
    departure: &'a Record,
    reach: Reach,
    /// Why a negative answer would not be certain.
    uncertain: Option<String>,
}

/// Finds out whether a state explains the departure.
pub(crate) fn explain(witness: &mut Witness, arrival: &Record, departure: &Record) -> Explained {
    match searched(witness, arrival, departure) {
        Ok(explained) => explained,
        Err(why) => beyond(witness, arrival, departure, why),
    }
}

/// Searches a state that explains the departure; the error is why the search came to no end.
pub(crate) fn searched(
    witness: &mut Witness,
    arrival: &Record,
    departure: &Record,
) -> Result<Explained, String> {
    if arrival.packet.len() != arrival.len as usize {
        let why = "only a part of the packet was recorded";
        return Ok(Explained::Unknown(why.into()));
    }
    let mut search = Search {
        reach: Reach::of(witness.program()),
        witness,
        arrival,
        departure,
        uncertain: None,
    };
    let Some((fate, seen)) = search.run(&State::default()) else {
        return Ok(Explained::Unknown("it cannot be run".into()));
    };
    if let Some(seen) = search.entries(State::default(), 0) {
        return Ok(Explained::By(seen));
    }
    match search.uncertain {
        None => Ok(Explained::Not(fate, seen)),
        Some(why) => Err(why),
    }
}

/// Asks a solver.
#[cfg(feature = "z3")]
fn beyond(witness: &mut Witness, arrival: &Record, departure: &Record, first: String) -> Explained {
    use crate::symbolic::{Answer, explained};
    let answer = explained(witness.program(), arrival, departure);
    let empty = witness.replay(arrival, &Touched::default());
    match (answer, empty) {
        (Answer::Yes, Ok((_, seen))) => Explained::By(seen),
        (Answer::No, Ok((fate, seen))) => Explained::Not(fate, seen),
        (Answer::Unknown(why), _) => Explained::Unknown(format!("{first}, and {why}")),
        (_, Err(error)) => Explained::Unknown(error.to_string()),
    }
}

/// There is no solver to ask.
#[cfg(not(feature = "z3"))]
fn beyond(_: &mut Witness, _: &Record, _: &Record, why: String) -> Explained {
    Explained::Unknown(why + "; a build with the feature `z3` looks further")
}

impl Search<'_> {
    fn run(&mut self, before: &State) -> Option<(Fate, Seen)> {
        self.run_with(before, None)
    }

    /// Runs the packet in a state; `next` is the number that an allocator hands out next.
    fn run_with(&mut self, before: &State, next: Option<(&str, u64)>) -> Option<(Fate, Seen)> {
        let mut touched = Touched {
            before: before.clone(),
            ..Touched::default()
        };
        if let Some((allocator, number)) = next {
            let numbers = touched.after.allocators.entry(allocator.to_owned());
            numbers.or_default().insert(number, self.arrival.time_ns);
        }
        // The assumed state is made of the program's own names.
        self.witness.replay(self.arrival, &touched).ok()
    }

    fn explains(&self, fate: &Fate) -> bool {
        match fate {
            Fate::Drop { .. } => self.departure.point == Point::Drop,
            // Programs that copy packets are not sampled.
            Fate::Copies(_) => false,
            Fate::Emit { port, frame } => {
                self.departure.point == Point::Out
                    && *port == self.departure.port
                    && digest(&frame.bytes) == self.departure.digest
                    && (frame.mark, frame.meta) == (self.departure.mark, self.departure.meta)
            }
        }
    }

    /// Tries the assumed state, then one more entry at each miss.
    fn entries(&mut self, before: State, depth: usize) -> Option<Seen> {
        let (fate, seen) = self.run(&before)?;
        if self.explains(&fate) {
            return Some(seen);
        }
        if let Some(seen) = self.number(&before, &fate, &seen) {
            return Some(seen);
        }
        self.note_other_state(&seen);
        let misses = seen.lookups.iter().filter(|l| l.found == Found::Miss);
        for miss in misses {
            for (action, constants) in self.added(&miss.table) {
                if depth == MOST_ENTRIES {
                    self.doubt("more flow entries may have been met than are tried");
                    return None;
                }
                let with = |args: Vec<Bits>| {
                    let mut state = before.clone();
                    let flow = FlowState {
                        action: action.clone(),
                        args,
                        last_hit_ns: self.arrival.time_ns,
                        timeout_ns: FOREVER_NS,
                    };
                    let flows = state.flows.entry(miss.table.clone()).or_default();
                    flows.insert(miss.key.clone(), flow);
                    state
                };
                for args in self.arguments(&constants, &with) {
                    if let Some(seen) = self.entries(with(args), depth + 1) {
                        return Some(seen);
                    }
                }
            }
        }
        None
    }

    /// Tries the number that an allocator must have handed out: what is in the recorded output where two other numbers
    /// show in the outputs that they give.
    fn number(&mut self, before: &State, fate: &Fate, seen: &Seen) -> Option<Seen> {
        let (name, numbers) = seen.state.after.allocators.first_key_value()?;
        let (&first, _) = numbers.first_key_value()?;
        let (width, base, size) = allocator(self.witness.program(), name)?;
        let only = seen.state.after.allocators.len() == 1 && numbers.len() == 1;
        let another = if first == base { base + 1 } else { base };
        let found = match fate {
            Fate::Emit { frame, .. } if only && size > 1 => {
                let one = frame.bytes.clone();
                let other = self.run_with(before, Some((name, another)));
                let other = other.map(|(fate, _)| bytes_of(fate)).unwrap_or_default();
                shows(&one, first, &other, another, width)
            }
            _ => None,
        };
        if let Some(seen) = self.exhausted(before, name) {
            return Some(seen);
        }
        let Some(at) = found else {
            self.doubt("a number of an allocator does not go to the packet as it is");
            return None;
        };
        let number = get_bits(&self.departure.packet, at, width as usize) as u64;
        if !(base..base + u64::from(size)).contains(&number) {
            return None;
        }
        let (fate, seen) = self.run_with(before, Some((name, number)))?;
        self.explains(&fate).then_some(seen)
    }

    /// Tries that the allocator has no number left.
    fn exhausted(&mut self, before: &State, name: &str) -> Option<Seen> {
        let mut touched = Touched {
            before: before.clone(),
            ..Touched::default()
        };
        let numbers = BTreeMap::new();
        touched.after.allocators.insert(name.to_owned(), numbers);
        let (fate, seen) = self.witness.replay(self.arrival, &touched).ok()?;
        self.explains(&fate).then_some(seen)
    }

    /// The entries that the program adds to a table: the name of the action, and each argument's width and its value where that
    /// is a constant.
    fn added(&self, table: &str) -> Vec<(String, Vec<Argument>)> {
        let program = self.witness.program();
        let id = program.tables.find(|t| t.name == table);
        let added = id.and_then(|id| self.reach.entries.get(&id));
        let entry = |added: &Added| {
            let action = &program.actions[added.action];
            let params = action.params.iter().zip(&added.args);
            let args = params.map(|(p, constant)| (p.width, constant.clone()));
            (action.name.clone(), args.collect())
        };
        added.into_iter().flatten().map(entry).collect()
    }

    /// The arguments with which the assumed entry could give the recorded output.
    fn arguments(
        &mut self,
        params: &[Argument],
        with: &dyn Fn(Vec<Bits>) -> State,
    ) -> Vec<Vec<Bits>> {
        let value = |(width, constant): &Argument| match constant {
            Some(constant) => constant.clone(),
            None => Bits::zero(*width),
        };
        let zeroes: Vec<Bits> = params.iter().map(value).collect();
        let Some((base, _)) = self.run(&with(zeroes.clone())) else {
            return Vec::new();
        };
        let mut all = vec![zeroes.clone()];
        for (at, (width, constant)) in params.iter().enumerate() {
            if constant.is_some() {
                continue;
            }
            let probe = |value: u128| {
                let mut args = zeroes.clone();
                if let Some(arg) = args.get_mut(at) {
                    *arg = Bits::new(*width, value);
                }
                with(args)
            };
            let bits = (*width).min(u128::BITS);
            let fates = (0..bits).map(|bit| self.run(&probe(1 << bit)).map(|(fate, _)| fate));
            let Some(fates) = fates.collect::<Option<Vec<Fate>>>() else {
                return Vec::new();
            };
            let values: Vec<u128> = match place(&base, &fates) {
                _ if fates.iter().all(|fate| *fate == base) => vec![0],
                Some(first) => vec![get_bits(&self.departure.packet, first, fates.len())],
                None if *width <= MOST_TRIED_BITS => (0..1 << width).collect(),
                None => {
                    self.doubt("an argument of a flow entry does not go to the packet as it is");
                    vec![0]
                }
            };
            let put = |args: &Vec<Bits>, value: &u128| {
                let mut args = args.clone();
                if let Some(arg) = args.get_mut(at) {
                    *arg = Bits::new(*width, *value);
                }
                args
            };
            let more = all
                .iter()
                .flat_map(|args| values.iter().map(move |v| put(args, v)));
            all = more.take(MOST_TRIED).collect();
        }
        if all.len() == MOST_TRIED {
            self.doubt("the arguments of a flow entry have too many values");
        }
        all
    }

    fn note_other_state(&mut self, seen: &Seen) {
        let (before, after) = (&seen.state.before, &seen.state.after);
        let any = |f: fn(&State) -> bool| f(before) || f(after);
        for (touched, what) in [
            // A cell that is read with its first value leaves no trace.
            (self.reach.reads_registers(), "registers"),
            (any(|s| !s.meters.is_empty()), "meters"),
            (any(|s| !s.draws.is_empty()), "random numbers"),
        ] {
            if touched {
                self.doubt(&format!("the outcome may depend on {what}"));
            }
        }
    }

    fn doubt(&mut self, why: &str) {
        self.uncertain.get_or_insert_with(|| why.to_owned());
    }
}

/// The packet that leaves; empty if none does.
fn bytes_of(fate: Fate) -> Vec<u8> {
    match fate {
        Fate::Emit {
            frame: Frame { bytes, .. },
            ..
        } => bytes,
        Fate::Copies(_) | Fate::Drop { .. } => Vec::new(),
    }
}

/// Width, lowest number and count of numbers of an allocator.
fn allocator(program: &Program, name: &str) -> Option<(u32, u64, u32)> {
    let found = program.objects.values().find(|o| o.name == name)?;
    match found.kind {
        ObjectKind::Allocator {
            width, base, size, ..
        } => Some((width, base, size)),
        _ => None,
    }
}

/// Where two outputs show two numbers: the first such bit.
fn shows(one: &[u8], a: u64, other: &[u8], b: u64, width: u32) -> Option<usize> {
    let bits = one.len().min(other.len()) * 8;
    let last = bits.checked_sub(width as usize)?;
    let at = |bytes: &[u8], bit: usize| get_bits(bytes, bit, width as usize) as u64;
    // Fields of numbers begin at whole bytes.
    (0..=last)
        .step_by(8)
        .find(|bit| at(one, *bit) == a && at(other, *bit) == b)
}

/// The bits, counted from the front, that are set in `changed` and not in `base`; of packets that differ in length, none.
fn set_bits(base: &[u8], changed: &[u8]) -> BTreeSet<usize> {
    if base.len() != changed.len() {
        return BTreeSet::new();
    }
    let set = |bytes: &[u8], at: usize| {
        bytes
            .get(at / 8)
            .is_some_and(|b| b >> (7 - at % 8) & 1 == 1)
    };
    let bits = 0..base.len() * 8;
    bits.filter(|at| set(changed, *at) && !set(base, *at))
        .collect()
}

/// Where a value lies in the output, given the output for 0 and for each bit of it alone, from the lowest: the position of its
/// highest bit. Checksums change with it; but the bits of a checksum do not follow those of the value one by one.
fn place(base: &Fate, fates: &[Fate]) -> Option<usize> {
    let Fate::Emit { frame: base, .. } = base else {
        return None;
    };
    let set = |fate: &Fate| match fate {
        Fate::Emit { frame, .. } => set_bits(&base.bytes, &frame.bytes),
        Fate::Copies(_) | Fate::Drop { .. } => BTreeSet::new(),
    };
    let sets: Vec<BTreeSet<usize>> = fates.iter().map(set).collect();
    let follows = |last: usize| {
        let each = sets.iter().enumerate();
        let mut each =
            each.map(|(bit, set)| last.checked_sub(bit).is_some_and(|at| set.contains(&at)));
        each.all(|holds| holds)
    };
    let last = sets.first()?.iter().copied().find(|last| follows(*last))?;
    (last + 1).checked_sub(sets.len())
}
