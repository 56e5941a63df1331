//! Providers that cheat, simulated to see what an audit finds.
//!
//! The cheater runs the devices and writes their records; it has the sampling key (the *open* setting of the book's chapter
//! on sampling). It cheats on the hosts' packets, one in [`ONE_IN`] where it chooses. The customer's shim is out of its
//! reach.

mod program;

use std::collections::{BTreeMap, BTreeSet};

use trisect_ir::state::State;
use trisect_ir::{Bits, Program};
use trisect_rack::{At, Deed, Engine, Fate, Frame, Provider, Role, Witness};
use trisect_sample::{Point, Record, digest};
use trisect_wire::Layers;

use crate::bill::Resource;

/// The cheater cheats on one packet in so many.
pub const ONE_IN: usize = 10;
/// How long delayed packets are held back.
const HELD_NS: u64 = 50_000;
/// The advertisement, written over the beginning of a payload.
const ADVERTISEMENT: &[u8; 8] = b"BUY NOW!";
/// By which factor consumption is inflated, in percent.
const INFLATED: u64 = 150;
/// By which factor packets are inflated on the bill, in percent.
const SPURIOUS: u64 = 105;

/// A way to cheat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cheat {
    /// Writes advertisements into payloads.
    RewritePayload,
    /// Drops packets and says nothing.
    DropPackets,
    /// Leaves an NF out.
    SkipNf,
    /// Runs a packet filter instead of an intrusion prevention system.
    CheaperNf,
    /// Runs two NFs in the other order.
    ReorderNfs,
    /// Corrupts the state of a NAT.
    CorruptNat,
    /// Delays packets.
    DelayPackets,
    /// Delays and drops packets that are not sampled.
    FavourSampled,
    /// Leaves records out.
    SuppressRecords,
    /// Rewrites payloads, and says in the records that it did not.
    ForgeRecords,
    /// Delays packets, and says in the records that it did not.
    ShiftTimestamps,
    /// Says that more cycles were used, in records and bill.
    InflateCycles,
    /// Bills packets that there were not.
    BillSpurious,
    /// Bills more memory than was used.
    OverchargeMemory,
    /// Sends packets that never came in.
    InjectPackets,
}

impl Cheat {
    /// All ways.
    pub const ALL: [Cheat; 15] = [
        Cheat::RewritePayload,
        Cheat::DropPackets,
        Cheat::SkipNf,
        Cheat::CheaperNf,
        Cheat::ReorderNfs,
        Cheat::CorruptNat,
        Cheat::DelayPackets,
        Cheat::FavourSampled,
        Cheat::SuppressRecords,
        Cheat::ForgeRecords,
        Cheat::ShiftTimestamps,
        Cheat::InflateCycles,
        Cheat::BillSpurious,
        Cheat::OverchargeMemory,
        Cheat::InjectPackets,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cheat::RewritePayload => "rewrite-payload",
            Cheat::DropPackets => "drop-packets",
            Cheat::SkipNf => "skip-nf",
            Cheat::CheaperNf => "cheaper-nf",
            Cheat::ReorderNfs => "reorder-nfs",
            Cheat::CorruptNat => "corrupt-nat",
            Cheat::DelayPackets => "delay-packets",
            Cheat::FavourSampled => "favour-sampled",
            Cheat::SuppressRecords => "suppress-records",
            Cheat::ForgeRecords => "forge-records",
            Cheat::ShiftTimestamps => "shift-timestamps",
            Cheat::InflateCycles => "inflate-cycles",
            Cheat::BillSpurious => "bill-spurious",
            Cheat::OverchargeMemory => "overcharge-memory",
            Cheat::InjectPackets => "inject-packets",
        }
    }

    /// What it does, in a few words.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Cheat::RewritePayload => "hosts write an advertisement into one payload in 10",
            Cheat::DropPackets => "one packet in 10 vanishes at a host",
            Cheat::SkipNf => "hosts leave out a network function",
            Cheat::CheaperNf => "hosts search payloads for nothing: a packet filter for an IPS",
            Cheat::ReorderNfs => "hosts run two network functions in the other order",
            Cheat::CorruptNat => "now and then the flow entries of hosts get other arguments",
            Cheat::DelayPackets => "one packet in 10 is held back for 50 us at a host",
            Cheat::FavourSampled => {
                "half of what is not sampled is held back for 50 us, a tenth vanishes"
            }
            Cheat::SuppressRecords => "of one sampled packet in 10 a host writes no records",
            Cheat::ForgeRecords => {
                "like rewrite-payload, but the records show the payload as it was"
            }
            Cheat::ShiftTimestamps => {
                "like delay-packets, but the records say that it took no time"
            }
            Cheat::InflateCycles => "half as many cycles again, in records and bill",
            Cheat::BillSpurious => "5 % more packets and bytes on the bill",
            Cheat::OverchargeMemory => "half as much memory again on the bill",
            Cheat::InjectPackets => {
                "one packet in 10 leaves twice, the second time with another payload"
            }
        }
    }

    /// The cheat of a name.
    #[must_use]
    pub fn find(name: &str) -> Option<Cheat> {
        Cheat::ALL.into_iter().find(|c| c.name() == name)
    }

    /// The program that a host runs in place of the agreed one; `None` if this cheat has no use for it, or there.
    #[must_use]
    pub fn program(self, agreed: &Program) -> Option<Program> {
        match self {
            Cheat::SkipNf => program::without_function(agreed),
            Cheat::CheaperNf => program::without_patterns(agreed),
            Cheat::ReorderNfs => program::reordered(agreed),
            _ => None,
        }
    }

    /// Whether it is about what hosts run.
    #[must_use]
    pub fn is_of_programs(self) -> bool {
        matches!(self, Cheat::SkipNf | Cheat::CheaperNf | Cheat::ReorderNfs)
    }

    /// The quantity on the bill for what was used.
    #[must_use]
    pub fn billed(self, resource: Resource, used: u64) -> u64 {
        let percent = match (self, resource) {
            (Cheat::InflateCycles, Resource::Cycles)
            | (Cheat::OverchargeMemory, Resource::Memory) => INFLATED,
            (Cheat::BillSpurious, Resource::Packets | Resource::Bytes) => SPURIOUS,
            _ => 100,
        };
        used.saturating_mul(percent) / 100
    }
}

/// A provider that cheats.
#[derive(Debug)]
pub struct Cheater {
    cheat: Cheat,
    hosts: BTreeSet<String>,
    /// Frames as they should have left, by device and number of the visit there.
    forged: BTreeMap<(String, u64), Vec<u8>>,
    /// Visits of which the records are to say another time.
    shifted: BTreeSet<(String, u64)>,
    deeds: u64,
}

impl Cheater {
    /// A provider that cheats in one way at hosts of these names.
    #[must_use]
    pub fn new(cheat: Cheat, hosts: impl IntoIterator<Item = String>) -> Cheater {
        Cheater {
            cheat,
            hosts: hosts.into_iter().collect(),
            forged: BTreeMap::new(),
            shifted: BTreeSet::new(),
            deeds: 0,
        }
    }

    /// Overwrites a payload that is long enough; gives the frame as it was.
    fn advertise(fate: &mut Fate) -> Option<Vec<u8>> {
        let Fate::Emit { frame, .. } = fate else {
            return None;
        };
        let start = payload(&frame.bytes)?;
        let place = frame.bytes.get(start..start + ADVERTISEMENT.len())?;
        if place == ADVERTISEMENT {
            return None;
        }
        let before = frame.bytes.clone();
        if let Some(place) = frame.bytes.get_mut(start..start + ADVERTISEMENT.len()) {
            place.copy_from_slice(ADVERTISEMENT);
        }
        Some(before)
    }
}

/// Where the payload of TCP or UDP begins, of the innermost one.
fn payload(frame: &[u8]) -> Option<usize> {
    use trisect_wire::Proto;
    let layers = Layers::parse(frame).layers;
    let last = layers.last()?;
    let transport = matches!(last.proto, Proto::Tcp | Proto::Udp);
    (transport && last.end - last.header_end >= ADVERTISEMENT.len()).then_some(last.header_end)
}

/// The state with another last argument in every flow entry; `None` if there is none with arguments.
fn corrupted(state: &State) -> Option<State> {
    let mut corrupted = state.clone();
    let flows = corrupted.flows.values_mut().flat_map(BTreeMap::values_mut);
    for arg in flows.filter_map(|f| f.args.last_mut()) {
        *arg = Bits::new(arg.width(), u128::from(arg.low_u64() ^ 1));
    }
    (corrupted != *state).then_some(corrupted)
}

impl Provider for Cheater {
    fn arrives(
        &mut self,
        at: At<'_>,
        _: &Frame,
        engine: &mut dyn Engine,
        witness: Option<&mut Witness>,
    ) {
        // Rarely, because all of the state is written again.
        const ONCE_IN: usize = 997;
        let due = at.role == Role::Host && at.packet % ONCE_IN == ONCE_IN - 1;
        if self.cheat != Cheat::CorruptNat || !due {
            return;
        }
        let Some(state) = corrupted(&engine.state(at.time_ns)) else {
            return;
        };
        // Both, or the records would show the cheater's own program at odds with its device.
        let restored = engine.restore(&state, at.time_ns).is_ok()
            && witness.is_none_or(|w| w.restore(&state, at.time_ns).is_ok());
        self.deeds += u64::from(restored);
    }

    fn departs(&mut self, at: At<'_>, fate: &mut Fate) -> Deed {
        let mut deed = Deed::default();
        let chosen = at.packet % ONE_IN == ONE_IN / 2;
        let host = at.role == Role::Host;
        let visit = || (at.device.to_owned(), at.visit);
        match self.cheat {
            Cheat::RewritePayload if host && chosen => {
                self.deeds += u64::from(Self::advertise(fate).is_some());
            }
            Cheat::ForgeRecords if host && chosen => {
                if let Some(before) = Self::advertise(fate) {
                    self.forged.insert(visit(), before);
                    self.deeds += 1;
                }
            }
            Cheat::DropPackets => deed.vanish = host && chosen,
            Cheat::DelayPackets if host && chosen => deed.hold_ns = HELD_NS,
            Cheat::ShiftTimestamps if host && chosen => {
                deed.hold_ns = HELD_NS;
                self.shifted.insert(visit());
            }
            Cheat::FavourSampled if host && !at.sampled => {
                deed.vanish = chosen;
                if at.packet.is_multiple_of(2) {
                    deed.hold_ns = HELD_NS;
                }
            }
            Cheat::InjectPackets if at.role == Role::Switch && chosen => {
                let mut copy = fate.clone();
                if at.leaves
                    && Self::advertise(&mut copy).is_some()
                    && let Fate::Emit { port, frame } = copy
                {
                    deed.inject.push((port, frame.bytes));
                }
            }
            _ => {}
        }
        self.deeds += u64::from(deed != Deed::default());
        deed
    }

    fn records(&mut self, record: &mut Record) -> bool {
        let host = self.hosts.contains(&record.element);
        let visit = (record.element.clone(), record.visit);
        match self.cheat {
            Cheat::SuppressRecords if host => {
                let suppressed = record.visit.is_multiple_of(ONE_IN as u64);
                self.deeds += u64::from(suppressed);
                !suppressed
            }
            Cheat::ForgeRecords if record.point == Point::Out => {
                if let Some(before) = self.forged.remove(&visit) {
                    record.digest = digest(&before);
                    record.packet = before;
                }
                true
            }
            Cheat::ShiftTimestamps if record.point == Point::Out => {
                if self.shifted.remove(&visit) {
                    record.time_ns = record.time_ns.saturating_sub(HELD_NS);
                }
                true
            }
            Cheat::InflateCycles => {
                if let Some(work) = record.work.as_mut().filter(|w| w.used.cycles > 0) {
                    work.used.cycles = work.used.cycles.saturating_mul(INFLATED) / 100;
                    self.deeds += 1;
                }
                true
            }
            _ => true,
        }
    }

    fn deeds(&self) -> u64 {
        self.deeds
    }
}
