//! First in, first out: links and hosts.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Bytes that Ethernet adds to a frame on the wire: preamble and start delimiter 8, frame check
/// sequence 4, smallest gap 12 (IEEE 802.3). A frame with its check sequence has at least 64.
#[must_use]
pub fn wire_bytes(frame: usize) -> u64 {
    (frame as u64 + 4).max(64) + 20
}

/// A link in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSpec {
    /// Bits per second; 0 for a link that takes no time to send.
    pub bits_per_second: u64,
    /// Nanoseconds from the last bit sent to the last bit received.
    pub latency_ns: u64,
}

impl LinkSpec {
    /// A link of so many Gbit/s.
    #[must_use]
    pub fn gbps(gbps: u64, latency_ns: u64) -> LinkSpec {
        LinkSpec {
            bits_per_second: gbps * 1_000_000_000,
            latency_ns,
        }
    }

    /// Nanoseconds to send a frame of so many bytes, rounded up.
    #[must_use]
    pub fn send_ns(&self, frame: usize) -> u64 {
        let bits = u128::from(wire_bytes(frame)) * 8 * 1_000_000_000;
        bits.div_ceil(u128::from(self.bits_per_second).max(1))
            .min(u128::from(u64::MAX)) as u64
            * u64::from(self.bits_per_second > 0)
    }
}

/// A server (in the sense of queueing theory) that does one thing after the other, with a queue
/// without bound in front of it that is measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fifo {
    /// When each of those in the system will be finished.
    finishing: VecDeque<u64>,
    /// Packets served.
    pub(crate) packets: u64,
    /// Nanoseconds spent serving.
    pub(crate) busy_ns: u64,
    /// Most packets that were there at once, the one in service included.
    pub(crate) max_depth: u64,
    /// Longest time from coming to being finished.
    pub(crate) max_wait_ns: u64,
}

impl Fifo {
    /// A packet comes at `now_ns` (never earlier than the one before) and takes `service_ns`; gives
    /// the time at which it is finished.
    pub(crate) fn serve(&mut self, now_ns: u64, service_ns: u64) -> u64 {
        while self.finishing.front().is_some_and(|t| *t <= now_ns) {
            self.finishing.pop_front();
        }
        let start = self.finishing.back().copied().unwrap_or(0).max(now_ns);
        let end = start.saturating_add(service_ns);
        self.finishing.push_back(end);
        self.packets += 1;
        self.busy_ns += service_ns;
        self.max_depth = self.max_depth.max(self.finishing.len() as u64);
        self.max_wait_ns = self.max_wait_ns.max(end - now_ns);
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_rate_of_small_frames() {
        // 14.88 million packets a second on 10 Gbit/s: 67.2 ns each.
        assert_eq!(LinkSpec::gbps(10, 0).send_ns(60), 68);
        assert_eq!(LinkSpec::gbps(1, 0).send_ns(1514), 12304);
        assert_eq!(
            LinkSpec {
                bits_per_second: 0,
                latency_ns: 5
            }
            .send_ns(1514),
            0
        );
    }

    #[test]
    fn waits_are_measured() {
        let mut q = Fifo::default();
        assert_eq!(q.serve(100, 10), 110);
        assert_eq!(q.serve(100, 10), 120);
        assert_eq!(q.serve(119, 10), 130);
        assert_eq!(q.serve(200, 10), 210);
        assert_eq!(
            (q.max_depth, q.max_wait_ns, q.busy_ns, q.packets),
            (2, 20, 40, 4)
        );
    }
}
