//! Which packets of a batch are sampled, in as little time as a host can find that out.
//!
//! What frames say themselves comes first; only those that say nothing are hashed. What is hashed of a usual frame lies at
//! known places ([`Layouts`](trisect_sample::Layouts)), so that a processor with AVX2 puts it together by shuffling the
//! headers' bytes. The Toeplitz hash of that is a sum of carry-less products; HalfSipHash is computed for many packets at once, one
//! in each lane of vectors (`x86`). On other processors, and for other frames and hashes, it is [`Sampler::look`] that says; the
//! result is always the same.

#[cfg(target_arch = "x86_64")]
mod x86;

use crate::Packet;
use trisect_sample::Sampler;

/// What a frame itself says about sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Nothing: whoever wants to know must look at it.
    Nothing,
    /// That it is not sampled: whoever sent it has looked at it.
    NotSampled,
    /// That it is sampled, by its own fields.
    Sampled,
    /// The tag by which it is known.
    Tag(u64),
}

/// A sampled packet of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its place in the batch.
    pub at: usize,
    /// Its identity, if that is the tag which it carries; else [`Sampler::look`] finds it.
    pub id: Option<u64>,
    /// Whether it carries a tag.
    pub tagged: bool,
}

impl Chosen {
    fn untagged(at: usize) -> Self {
        Self {
            at,
            id: None,
            tagged: false,
        }
    }
}

/// A [`Sampler`] for batches of packets.
#[derive(Clone, Debug)]
pub struct BatchSampler {
    sampler: Sampler,
    #[cfg(target_arch = "x86_64")]
    fast: Option<x86::Fast>,
    /// Places of packets that say nothing.
    open: Vec<usize>,
}

impl BatchSampler {
    /// Prepares the key.
    #[must_use]
    pub fn new(sampler: Sampler) -> Self {
        Self {
            #[cfg(target_arch = "x86_64")]
            fast: x86::Fast::new(&sampler),
            sampler,
            open: Vec::new(),
        }
    }

    /// The sampler.
    #[must_use]
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// Puts the sampled packets into `chosen`, in their order; `carried` gives what a frame itself says, if frames say anything.
    pub fn choose(
        &mut self,
        packets: &[Packet],
        carried: Option<impl Fn(&[u8]) -> Carried>,
        chosen: &mut Vec<Chosen>,
    ) {
        chosen.clear();
        self.open.clear();
        match carried {
            None => self.open.extend(0..packets.len()),
            Some(carried) => self.ask(packets, carried, chosen),
        }
        if !self.open.is_empty() {
            self.hash(packets, chosen);
            chosen.sort_unstable_by_key(|chosen| chosen.at);
        }
    }

    /// Puts those that say that they are sampled into `chosen`, and finds those that say nothing.
    #[inline]
    fn ask(
        &mut self,
        packets: &[Packet],
        carried: impl Fn(&[u8]) -> Carried,
        chosen: &mut Vec<Chosen>,
    ) {
        for (at, packet) in packets.iter().enumerate() {
            match carried(packet.frame()) {
                Carried::NotSampled => {}
                Carried::Nothing => self.open.push(at),
                Carried::Sampled => chosen.push(Chosen::untagged(at)),
                Carried::Tag(tag) => {
                    let verdict = self.sampler.tagged(tag);
                    chosen.extend(verdict.sampled.then_some(Chosen {
                        at,
                        id: Some(verdict.id),
                        tagged: true,
                    }));
                }
            }
        }
    }

    /// Puts those of the packets that say nothing into `chosen` that are sampled, in any order.
    fn hash(&self, packets: &[Packet], chosen: &mut Vec<Chosen>) {
        #[cfg(target_arch = "x86_64")]
        if let (Some(fast), Some(layouts)) = (&self.fast, self.sampler.layouts()) {
            fast.choose(&self.sampler, layouts, packets, &self.open, chosen);
            return;
        }
        chosen.extend(self.open.iter().copied().filter_map(|at| {
            let verdict = self.sampler.look(packets.get(at)?.frame());
            verdict.sampled.then_some(Chosen::untagged(at))
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use trisect_sample::{Algorithm, Field, HashRange, SampleSpec};

    /// IPv4 or IPv6 in Ethernet, now and then with a broken byte.
    fn frame() -> impl Strategy<Value = Vec<u8>> {
        let any_bytes = prop::collection::vec(any::<u8>(), 40..90);
        let broken = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
        (any_bytes, any::<bool>(), 0..3usize, broken).prop_map(|(rest, six, protocol, broken)| {
            let ethertype = if six { [0x86, 0xdd] } else { [8, 0] };
            let mut frame = [&[2; 12][..], &ethertype, &rest].concat();
            let protocol = [6, 17, 1][protocol];
            match six {
                true => (frame[14], frame[20]) = (0x60, protocol),
                false => (frame[14], frame[20], frame[21], frame[23]) = (0x45, 0, 0, protocol),
            }
            if let Some((at, byte)) = broken {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
            frame
        })
    }

    proptest! {
        #[test]
        fn a_batch_is_looked_at_as_single_frames(
            frames in prop::collection::vec(frame(), 0..40),
            seed in any::<u64>(),
            fields in prop::sample::subsequence(&Field::ALL[..], 1..=10).prop_shuffle(),
            one_in in 1..4u32,
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
            hash in prop::sample::select(&Algorithm::ALL[..]),
        ) {
            let mut spec = SampleSpec::new(seed, HashRange::one_in(one_in), fields).with_hash(hash);
            spec.key = key.unwrap_or(spec.key);
            let mut batched = BatchSampler::new(Sampler::new(spec));
            // Some say something, by their last byte.
            let carried = |frame: &[u8]| match frame.last() {
                Some(b) if *b < 16 => Carried::Tag(u64::from(*b) << 36),
                Some(16..32) => Carried::NotSampled,
                Some(32..40) => Carried::Sampled,
                _ => Carried::Nothing,
            };
            let packets: Vec<Packet> = frames.iter().map(|f| Packet::new(f)).collect();
            let mut chosen = Vec::new();
            batched.choose(&packets, Some(carried), &mut chosen);
            let sampler = batched.sampler();
            let all = frames.iter().enumerate().filter_map(|(at, frame)| {
                let (sampled, id) = match carried(frame) {
                    Carried::Tag(tag) => {
                        let verdict = sampler.tagged(tag);
                        (verdict.sampled, Some(verdict.id))
                    }
                    Carried::Nothing => (sampler.look(frame).sampled, None),
                    Carried::NotSampled => (false, None),
                    Carried::Sampled => (true, None),
                };
                let tagged = id.is_some();
                sampled.then_some(Chosen { at, id, tagged })
            });
            let expected: Vec<Chosen> = all.collect();
            prop_assert_eq!(chosen, expected);
        }
    }
}
