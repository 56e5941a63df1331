//! Report periods of a run, and the customer's shim, which tells them apart.

use trisect_sample::{SampleSpec, Sampler, Verdict};

use super::Run;
use crate::Period;
use crate::shim::Towards;

/// How a run is divided into report periods. A packet belongs to the period in which it arrives at the rack, and so
/// does all that becomes of it.
pub struct Periods {
    /// Nanoseconds from the beginning of one to that of the next; the first begins with the first arrival.
    pub length_ns: u64,
    /// By what packets are sampled in each period, in their order; in all of them by [`crate::Rack::sampler`] if this is empty.
    pub specs: Vec<SampleSpec>,
}

/// Report periods of a run: each takes a few hundred bytes.
const MOST_PERIODS: usize = 1 << 20;
/// Periods of which packets are under way at once, usually. A sampler has tables of some ten thousand bytes.
const RECENT: usize = 4;

impl Run<'_> {
    /// Number of the report period of an arrival, from 0.
    pub(super) fn number(&self, arrival: usize) -> usize {
        let time = |i: usize| self.arrivals.get(i).map_or(0, |a| a.time_ns);
        let length_ns = self.rack.periods.as_ref().map_or(0, |p| p.length_ns);
        let since = time(arrival).saturating_sub(time(0));
        since.checked_div(length_ns).unwrap_or(0) as usize
    }

    /// How many report periods there are, at most.
    pub(super) fn most_periods(&self) -> usize {
        let own = self.rack.periods.as_ref().map_or(0, |p| p.specs.len());
        if own > 0 { own } else { MOST_PERIODS }
    }

    /// The report period of an arrival.
    pub(super) fn period(&mut self, arrival: usize) -> &mut Period {
        let number = self.number(arrival);
        if self.periods.len() <= number {
            self.periods.resize_with(number + 1, Period::default);
        }
        &mut self.periods[number]
    }

    /// What sampling in a report period says of a packet, by its tag if it carries one.
    pub(super) fn look(
        &mut self,
        period: usize,
        tag: Option<u64>,
        bytes: &[u8],
    ) -> Option<Verdict> {
        let own = self.rack.periods.as_ref();
        let sampler = match own.filter(|p| !p.specs.is_empty()) {
            None => self.rack.sampler.as_ref()?,
            Some(own) => {
                if !self.samplers.iter().any(|(p, _)| *p == period) {
                    let sampler = Sampler::new(own.specs.get(period)?.clone());
                    self.samplers.truncate(RECENT - 1);
                    self.samplers.insert(0, (period, sampler));
                }
                let (_, sampler) = self.samplers.iter().find(|(p, _)| *p == period)?;
                sampler
            }
        };
        Some(match tag {
            Some(tag) => sampler.tagged(tag),
            None => sampler.look(bytes),
        })
    }

    /// A packet passes the shim at an external port: which one it is, and the tag that it carried to its last device and so brings
    /// to the shim.
    pub(super) fn pass_shim(
        &mut self,
        now: u64,
        port: u16,
        towards: Towards,
        bytes: &[u8],
        (arrival, tag): (usize, Option<u64>),
    ) {
        if self.rack.shim.is_none() {
            return;
        }
        let period = self.number(arrival);
        let verdict = self.look(period, tag, bytes);
        let id = verdict.filter(|v| v.sampled).map(|v| v.id);
        let shim = self.rack.shim.as_mut();
        let records = shim.and_then(|s| s.pass(period, now, port, towards, bytes, id));
        let records = records.into_iter().flatten();
        self.records.extend(records.map(|r| (r, period as u32)));
    }
}
