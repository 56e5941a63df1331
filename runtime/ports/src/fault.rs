//! A bad line in front of a port.

use std::collections::VecDeque;

use crate::{Packet, Port};

/// How often each fault happens, in parts per million of the packets received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultSpec {
    /// Seed: the same seed and packets give the same faults.
    pub seed: u64,
    /// The packet is lost.
    pub drop_ppm: u32,
    /// One bit of the packet is flipped.
    pub corrupt_ppm: u32,
    /// The packet arrives twice.
    pub duplicate_ppm: u32,
    /// The packet is overtaken by the next one.
    pub reorder_ppm: u32,
}

/// How many packets met which fault.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Lost.
    pub dropped: u64,
    /// One bit flipped.
    pub corrupted: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Overtaken.
    pub reordered: u64,
}

/// Wraps a port: what is received from it is dropped, damaged, duplicated or reordered at random, as
/// the seed decides. What is sent passes untouched.
#[derive(Debug, Clone)]
pub struct Faults<P> {
    inner: P,
    spec: FaultSpec,
    random: u64,
    ready: VecDeque<Packet>,
    /// How many packets met which fault so far.
    pub counts: FaultCounts,
}

impl<P: Port> Faults<P> {
    /// Puts the bad line in front of `inner`.
    pub fn new(inner: P, spec: FaultSpec) -> Faults<P> {
        let counts = FaultCounts::default();
        Faults {
            inner,
            spec,
            random: spec.seed,
            ready: VecDeque::new(),
            counts,
        }
    }

    /// The port behind the bad line.
    pub fn into_inner(self) -> P {
        self.inner
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn happens(&mut self, ppm: u32) -> bool {
        self.next_random() % 1_000_000 < u64::from(ppm)
    }

    fn flip_one_bit(&mut self, packet: &mut Packet) {
        let at = self.next_random();
        let bits = packet.data.len() as u64 * 8;
        if let Some(byte) = at
            .checked_rem(bits)
            .and_then(|b| packet.data.get_mut(b as usize / 8))
        {
            *byte ^= 1 << (at % 8);
            self.counts.corrupted += 1;
        }
    }
}

impl<P: Port> Port for Faults<P> {
    fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Some(packet);
            }
            let mut packet = self.inner.receive()?;
            if self.happens(self.spec.drop_ppm) {
                self.counts.dropped += 1;
                continue;
            }
            if self.happens(self.spec.corrupt_ppm) {
                self.flip_one_bit(&mut packet);
            }
            if self.happens(self.spec.reorder_ppm)
                && let Some(next) = self.inner.receive()
            {
                // They swap places; each place keeps its time, because time does not run back.
                let (first, second) = (packet.time_ns, next.time_ns);
                self.ready.push_back(Packet {
                    time_ns: first,
                    ..next
                });
                packet.time_ns = second;
                self.counts.reordered += 1;
            }
            if self.happens(self.spec.duplicate_ppm) {
                self.ready.push_back(packet.clone());
                self.counts.duplicated += 1;
            }
            self.ready.push_back(packet);
        }
    }

    fn send(&mut self, packet: Packet) {
        self.inner.send(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryPort;

    fn line(spec: FaultSpec) -> (Vec<Packet>, FaultCounts) {
        let packets = (0..1000u64).map(|i| Packet {
            time_ns: i,
            data: i.to_be_bytes().to_vec(),
        });
        let mut port = Faults::new(
            MemoryPort {
                incoming: packets.collect(),
                outgoing: vec![],
            },
            spec,
        );
        let out = std::iter::from_fn(|| port.receive()).collect();
        (out, port.counts)
    }

    #[test]
    fn no_faults_change_nothing() {
        let (out, counts) = line(FaultSpec {
            seed: 1,
            ..FaultSpec::default()
        });
        assert_eq!(out.len(), 1000);
        assert!(out.iter().all(|p| p.data == p.time_ns.to_be_bytes()));
        assert_eq!(counts, FaultCounts::default());
    }

    #[test]
    fn same_seed_same_faults_and_all_are_counted() {
        let spec = FaultSpec {
            seed: 7,
            drop_ppm: 100_000,
            corrupt_ppm: 50_000,
            duplicate_ppm: 50_000,
            reorder_ppm: 50_000,
        };
        let (out, counts) = line(spec);
        assert_eq!(line(spec), (out.clone(), counts));
        assert_ne!(line(FaultSpec { seed: 8, ..spec }).0, out);
        assert_eq!(out.len() as u64, 1000 - counts.dropped + counts.duplicated);
        assert!(counts.dropped > 50 && counts.corrupted > 20 && counts.reordered > 20);
        assert!(
            out.windows(2).all(|w| w[0].time_ns <= w[1].time_ns),
            "time runs forward"
        );
    }
}
