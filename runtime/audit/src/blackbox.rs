//! Black-box equivalence: whether some state explains what became of a packet, where only packets were recorded.
//!
//! The packet is run on the reference with nothing in its state. Where it misses a flow table that other packets can have
//! filled, an entry may have been there; its arguments are found by experiment: with an argument changed, the bytes of the
//! output change that it goes to, and what those bytes are in the recorded output is its value; of a narrow argument that
//! goes elsewhere, all values are tried. So the search needs
//! a few runs per entry, not one per value. It ends with an explanation, with the certainty that there is none, or, where the
//! outcome depends on state that it does not search (registers, meters, random numbers), without an answer. A number that an
//! allocator handed out is found like an argument.

use std::collections::BTreeSet;

use trisect_ir::state::{FlowState, State, Touched};
use trisect_ir::{Bits, ObjectKind, Program};
use trisect_rack::{Fate, Frame, Seen, Witness};
use trisect_sample::{Found, Point, Record, digest};
use trisect_wire::get_bits;

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

struct Search<'a> {
    witness: &'a mut Witness,
    arrival: &'a Record,
    departure: &'a Record,
    /// Why a negative answer would not be certain.
    uncertain: Option<String>,
}

/// Searches a state that explains the departure.
pub(crate) fn explain(witness: &mut Witness, arrival: &Record, departure: &Record) -> Explained {
    if arrival.packet.len() != arrival.len as usize {
        return Explained::Unknown("only a part of the packet was recorded".into());
    }
    let mut search = Search {
        witness,
        arrival,
        departure,
        uncertain: None,
    };
    let Some((fate, seen)) = search.run(&State::default()) else {
        return Explained::Unknown("it cannot be run".into());
    };
    if let Some(seen) = search.entries(State::default(), 0) {
        return Explained::By(seen);
    }
    match search.uncertain {
        Some(why) => Explained::Unknown(why),
        None => Explained::Not(fate, seen),
    }
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
            let program = self.witness.program().clone();
            for (action, widths) in flow_actions(&program, &miss.table) {
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
                for args in self.arguments(&widths, &with) {
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

    /// The arguments with which the assumed entry could give the recorded output.
    fn arguments(&mut self, widths: &[u32], with: &dyn Fn(Vec<Bits>) -> State) -> Vec<Vec<Bits>> {
        let zeroes: Vec<Bits> = widths.iter().map(|w| Bits::zero(*w)).collect();
        let Some((base, _)) = self.run(&with(zeroes.clone())) else {
            return Vec::new();
        };
        let mut all = vec![zeroes.clone()];
        for (at, width) in widths.iter().enumerate() {
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
            (any(|s| !s.registers.is_empty()), "registers"),
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

/// The actions that flow entries of a table may have, with the widths of their arguments; none if the table takes no
/// flow entries.
fn flow_actions(program: &Program, table: &str) -> Vec<(String, Vec<u32>)> {
    let found = program.tables.values().find(|t| t.name == table);
    let Some(table) = found.filter(|t| t.flow.is_some()) else {
        return Vec::new();
    };
    let actions = table.actions.iter().map(|a| &program.actions[*a]);
    actions
        .map(|a| {
            let widths = a.params.iter().map(|p| p.width).collect();
            (a.name.clone(), widths)
        })
        .collect()
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
