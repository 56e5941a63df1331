//! Sampling around a host's code, as a driver does it.

use trisect_host::{BatchSampler, Chosen, HostProgram, Outcome, Packet};
use trisect_sample::{Arrival, Beside, Log, Sampler};

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
/// records, and which is to be emptied between batches, as soon as it has [`Tap::FULL`] bytes.
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
    /// Bytes from which on the log is to be emptied: so many are still in a core's caches, beside packets, when they are
    /// written again.
    pub const FULL: usize = 16 << 10;

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
                let says = self.tags.say_something();
                let says = says.then_some(|frame: &[u8]| self.tags.says(frame));
                self.sampler.choose(packets, says, &mut self.chosen);
            }
            Queue::Plain => self.chosen.clear(),
        }
        self.arrivals.clear();
        if self.log.snap() < usize::MAX {
            self.identify(packets);
        }
        for chosen in &self.chosen {
            let packet = &packets[chosen.at];
            let arrival = Arrival {
                id: chosen.id,
                tagged: chosen.tagged,
                visit: self.visits + chosen.at as u64,
                time_ns: packet.time_ns,
                beside: beside(packet, packet.port),
            };
            self.arrivals
                .push(self.log.arrival(&arrival, packet.frame()));
        }
        code.run_batch(packets);
        for (chosen, arrival) in self.chosen.iter().zip(&self.arrivals) {
            let packet = &packets[chosen.at];
            let port = packet.egress_port().unwrap_or(0);
            let beside = beside(packet, port);
            match packet.outcome() {
                Outcome::Emit => self.log.departure(*arrival, &beside, packet.frame()),
                Outcome::Drop(_) => self.log.dropped(*arrival, &beside),
                // Only what was not run.
                Outcome::Pending => {}
            }
        }
        self.visits += packets.len() as u64;
    }

    /// Finds out who those are of which the log will not keep enough to tell.
    fn identify(&mut self, packets: &[Packet]) {
        let (sampler, snap) = (self.sampler.sampler(), self.log.snap());
        self.chosen.retain_mut(|chosen| {
            let frame = packets[chosen.at].frame();
            if chosen.id.is_some() || sampler.is_enough(frame, snap) {
                return true;
            }
            let verdict = sampler.look(frame);
            chosen.id = Some(verdict.id);
            verdict.sampled
        });
    }

    /// What was noted since the log was last emptied.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// What packets are chosen by.
    #[must_use]
    pub fn sampler(&self) -> &Sampler {
        self.sampler.sampler()
    }
}

#[inline]
fn beside(packet: &Packet, port: u16) -> Beside {
    Beside {
        port,
        mark: packet.mark,
        meta: packet.meta,
    }
}
