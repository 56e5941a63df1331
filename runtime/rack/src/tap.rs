//! Sampling around a host's code, as a driver does it.

use trisect_host::{BatchSampler, Chosen, HostProgram, Outcome, Packet};
use trisect_sample::{Log, Point, Sampler, Sighting};

use crate::Tags;

/// From which of the NIC's queues a batch comes (`trisect_rte_flow::sampling`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Packets may be sampled: the NIC does not choose, or this is its queue of those that are.
    Any,
    /// No packet is sampled: the NIC has hashed them, or seen what the switch says.
    Plain,
}

/// What stands in front of a host's code and behind it: notes sampled packets as they come in and as they go out.
///
/// A batch is looked at where it lies. What is noted stays in [`Tap::log`], from which somebody else makes
/// records, and which is to be emptied between batches, before it grows beyond what caches hold.
pub struct Tap {
    sampler: BatchSampler,
    tags: Tags,
    log: Log,
    visits: u64,
    chosen: Vec<Chosen>,
    /// Where the arrivals of those are in the log.
    arrivals: Vec<usize>,
}

impl Tap {
    /// A tap of a host; `tags` says what frames say. It keeps so many bytes of a packet, at most.
    #[must_use]
    pub fn new(sampler: Sampler, tags: Tags, snap: usize) -> Tap {
        Tap {
            sampler: BatchSampler::new(sampler),
            tags,
            log: Log::new(snap),
            visits: 0,
            chosen: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// Runs a batch.
    pub fn run(&mut self, code: &mut HostProgram, packets: &mut [Packet], queue: Queue) {
        match queue {
            Queue::Any => {
                let says = |frame: &[u8]| self.tags.says(frame);
                self.sampler.choose(packets, says, &mut self.chosen);
            }
            Queue::Plain => self.chosen.clear(),
        }
        self.arrivals.clear();
        for chosen in &self.chosen {
            let packet = &packets[chosen.at];
            let sighting = sighting(chosen, self.visits, packet, packet.port);
            let place = self.log.note(Point::In, sighting, packet.frame());
            self.arrivals.push(place);
        }
        code.run_batch(packets);
        for (chosen, arrival) in self.chosen.iter().zip(&self.arrivals) {
            let packet = &packets[chosen.at];
            let port = packet.egress_port().unwrap_or(0);
            let sighting = sighting(chosen, self.visits, packet, port);
            match packet.outcome() {
                Outcome::Emit => {
                    self.log.note(Point::Out, sighting, packet.frame());
                }
                Outcome::Drop(_) => self.log.note_drop(sighting, *arrival),
                // Only what was not run.
                Outcome::Pending => {}
            }
        }
        self.visits += packets.len() as u64;
    }

    /// What was noted since the log was last emptied.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }
}

#[inline]
fn sighting(chosen: &Chosen, before: u64, packet: &Packet, port: u16) -> Sighting {
    Sighting {
        id: chosen.id,
        tagged: chosen.tagged,
        visit: before + chosen.at as u64,
        time_ns: packet.time_ns,
        port,
        mark: packet.mark,
        meta: packet.meta,
    }
}
