//! The customer's shim: what the customer itself sees in front of the rack.
//!
//! A shim stands at all external ports, with a clock of its own. It records the sampled packets like any device of the
//! rack does, on their way in and on their way out; so a trajectory begins and ends at somebody who is trusted. It
//! counts all packets. And it has a second key that is told to nobody: packets that *it* selects are a control
//! sample, which a provider that knows the first key cannot treat better than others.

use serde::{Deserialize, Serialize};
use trisect_sample::{Point, Record, Sampler, digest};

/// What is added to the number of an external port for the shim's port on the side of the rack.
pub const INNER: u16 = 0x8000;

/// A shim.
pub struct Shim {
    /// Its name as an element.
    pub name: String,
    /// The control sample's selection.
    pub control: Sampler,
    /// How many bytes of a packet are recorded, at most.
    pub snap: usize,
    visits: u64,
    /// By report period.
    seen: Vec<ShimReport>,
}

/// What a shim saw beside the sampled packets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimReport {
    /// Its name as an element.
    pub name: String,
    /// All packets that it handed to the rack, and that it got back.
    pub totals: Totals,
    /// Records of the control sample, without packets.
    pub control: Vec<Record>,
}

/// Packets and bytes that went in and came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Packets that went in.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Packets that came out.
    pub packets_out: u64,
    /// Their bytes.
    pub bytes_out: u64,
    /// When the first one went in, in nanoseconds of the shim's clock.
    pub first_ns: u64,
    /// When the last one was seen.
    pub last_ns: u64,
}

/// In which direction a packet passes a shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Towards {
    Rack,
    Outside,
}

impl Shim {
    /// A shim that records packets whole.
    #[must_use]
    pub fn new(name: &str, control: Sampler) -> Shim {
        Shim {
            name: name.to_owned(),
            control,
            snap: usize::MAX,
            visits: 0,
            seen: Vec::new(),
        }
    }

    /// Notes a packet that passes at an external port, of a report period; gives the two records of its visit, with `id`, if it is
    /// sampled.
    pub(crate) fn pass(
        &mut self,
        period: usize,
        time_ns: u64,
        port: u16,
        towards: Towards,
        frame: &[u8],
        sampled: Option<u64>,
    ) -> Option<[Record; 2]> {
        let visit = self.visits;
        self.visits += 1;
        self.count(period, time_ns, towards, frame.len() as u64);
        let shown = frame.get(..self.snap).unwrap_or(frame);
        let control = self.control.look(frame);
        if control.sampled {
            let [came, went] = self.visit(control.id, visit, time_ns, port, towards, frame, &[]);
            self.seen(period).control.push(match towards {
                Towards::Rack => went,
                Towards::Outside => came,
            });
        }
        sampled.map(|id| self.visit(id, visit, time_ns, port, towards, frame, shown))
    }

    #[expect(clippy::too_many_arguments, reason = "a record has many fields")]
    fn visit(
        &self,
        id: u64,
        visit: u64,
        time_ns: u64,
        port: u16,
        towards: Towards,
        frame: &[u8],
        shown: &[u8],
    ) -> [Record; 2] {
        let inner = port | INNER;
        let (from, to) = match towards {
            Towards::Rack => (port, inner),
            Towards::Outside => (inner, port),
        };
        [(Point::In, from), (Point::Out, to)].map(|(point, port)| Record {
            id,
            element: self.name.clone(),
            visit,
            point,
            port,
            time_ns,
            len: frame.len() as u32,
            digest: digest(frame),
            mark: 0,
            meta: 0,
            tag: None,
            packet: shown.to_vec(),
            work: None,
        })
    }

    fn seen(&mut self, period: usize) -> &mut ShimReport {
        while self.seen.len() <= period {
            self.seen.push(ShimReport {
                name: self.name.clone(),
                ..ShimReport::default()
            });
        }
        &mut self.seen[period]
    }

    fn count(&mut self, period: usize, time_ns: u64, towards: Towards, bytes: u64) {
        let totals = &mut self.seen(period).totals;
        if totals.packets_in == 0 && towards == Towards::Rack {
            totals.first_ns = time_ns;
        }
        let (packets, all) = match towards {
            Towards::Rack => (&mut totals.packets_in, &mut totals.bytes_in),
            Towards::Outside => (&mut totals.packets_out, &mut totals.bytes_out),
        };
        *packets += 1;
        *all += bytes;
        totals.last_ns = totals.last_ns.max(time_ns);
    }

    /// What it has seen so far in so many periods; begins anew.
    pub(crate) fn report(&mut self, periods: usize) -> Vec<ShimReport> {
        if let Some(last) = periods.checked_sub(1) {
            self.seen(last);
        }
        std::mem::take(&mut self.seen)
    }
}
