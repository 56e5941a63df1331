//! The simulation itself.

use std::collections::BTreeMap;

use trisect_plan::split::Pieces;
use trisect_sample::{Point, Record, Sampler, Used, Work, digest, state_bytes};
use trisect_target::wire;

use crate::event::Calendar;
use crate::queue::Fifo;
use crate::shim::Towards;
use crate::{
    Arrival, At, DeviceReport, Ended, EndedHow, Engine, EngineError, Fate, Frame, LinkSpec, Period,
    Provider, QueueReport, Report, Role, ServerSpec, Shim, SwitchSpec, Tags, Witness,
};

mod periods;

pub use periods::Periods;

/// A server with what it runs.
pub struct Server {
    /// What it is.
    pub spec: ServerSpec,
    /// The NIC's rules.
    pub nic: Box<dyn Engine>,
    /// The host's code.
    pub host: Box<dyn Engine>,
}

/// A rack with what it runs.
pub struct Rack {
    /// What the switch is.
    pub switch: SwitchSpec,
    /// The switch's program.
    pub pipeline: Box<dyn Engine>,
    /// The servers.
    pub servers: Vec<Server>,
    /// Records sampled packets at every device, if there.
    pub sampler: Option<Sampler>,
    /// Where packets carry the tag by which they are sampled; the others are hashed at every device.
    pub tags: Tags,
    /// Puts into the records of sampled packets what is needed to audit them, if there.
    pub recorder: Option<Recorder>,
    /// The customer's shim in front of the rack, if there.
    pub shim: Option<Shim>,
    /// The report periods into which runs are divided, if they are.
    pub periods: Option<Periods>,
    /// Whoever runs the rack, if not honestly.
    pub provider: Option<Box<dyn Provider>>,
}

/// What makes records that can be audited.
pub struct Recorder {
    /// How many bytes of a packet are recorded, at most.
    pub snap: usize,
    /// One per device: switch, then NIC and host of each server; `None` for a device without piece.
    pub witnesses: Vec<Option<Witness>>,
}

impl Recorder {
    /// Records packets whole, and watches the pieces of a cut.
    #[must_use]
    pub fn new(pieces: &Pieces) -> Recorder {
        let mut witnesses = vec![Some(Witness::new(&pieces.switch))];
        for (nic, host) in pieces.nics.iter().zip(&pieces.hosts) {
            witnesses.extend([nic, host].map(|piece| piece.as_ref().map(Witness::new)));
        }
        Recorder {
            snap: usize::MAX,
            witnesses,
        }
    }
}

/// Why a run stopped. Never because of a packet: these are bugs of the plan or of a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RackError {
    /// A device failed.
    #[error("{device} failed at packet {packet} of the run: {source}")]
    Engine {
        /// Its name.
        device: String,
        /// Which packet, from 1.
        packet: usize,
        /// What it says.
        #[source]
        source: EngineError,
    },
    /// A packet goes round between devices.
    #[error("packet {packet} of the run goes round: {limit} devices, last {device}")]
    Loop {
        /// Name of the last device.
        device: String,
        /// Which packet, from 1.
        packet: usize,
        /// How many visits were allowed.
        limit: u32,
    },
    /// NIC or host sent to a port that it does not have.
    #[error("{device} sent packet {packet} of the run to its port {port}, which leads nowhere")]
    NoSuchPort {
        /// Name of the device.
        device: String,
        /// Which packet, from 1.
        packet: usize,
        /// The port.
        port: u16,
    },
    /// Arrivals are not in the order of time.
    #[error("packet {packet} of the run arrives before the one in front of it")]
    Order {
        /// Which packet, from 1.
        packet: usize,
    },
    /// The run lasts for more report periods than there are.
    #[error("packet {packet} of the run arrives in report period {period}, and there are {most}")]
    Periods {
        /// Which packet, from 1.
        packet: usize,
        /// Its period, from 1.
        period: usize,
        /// How many there are.
        most: usize,
    },
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Packets that have arrived.
    pub arrived: usize,
    /// Packets in all.
    pub total: usize,
}

/// Visits of devices after which a packet is taken to go round. A plan visits each site once, and a
/// rack has far fewer.
const MOST_VISITS: u32 = 256;
/// How many arrivals lie between two calls for progress.
const PROGRESS_STEP: usize = 1024;
/// Why a packet ended with which the provider made away.
const VANISHED: &str = "made away with";

/// A packet under way.
#[derive(Clone)]
struct Flight {
    arrival: usize,
    visits: u32,
    frame: Frame,
    /// Number of the visit at the device that it is in.
    visit: u64,
    /// The tag that it has there, if it carries one.
    tag: Option<u64>,
    /// What that device did with it, if it is sampled and records are to say so.
    work: Option<Box<Work>>,
    /// Nanoseconds for which the provider holds it back there.
    hold_ns: u64,
    /// The provider has made away with it there.
    vanished: bool,
}

enum Event {
    /// At the switch, on this port.
    Switch(u16, Flight),
    /// At a server's NIC, from the switch.
    Nic(usize, Flight),
    /// At a server's host.
    Host(usize, Flight),
    /// A server's host is done with it.
    HostDone(usize, Flight, Fate),
    /// At a server's NIC, from the host.
    NicOut(usize, Flight),
}

/// What is counted per device.
#[derive(Default, Clone)]
struct Tally {
    packets: u64,
    bytes: u64,
    ended: u64,
    drops: BTreeMap<String, u64>,
    cycles: u64,
    /// By arrival: whether it has been here.
    seen: Vec<bool>,
}

/// The queues of one server: link down and up, bus down and up, host.
#[derive(Default, Clone)]
struct ServerQueues {
    down: Fifo,
    up: Fifo,
    bus_down: Fifo,
    bus_up: Fifo,
    host: Fifo,
}

struct Run<'a> {
    rack: &'a mut Rack,
    arrivals: &'a [Arrival],
    calendar: Calendar<Event>,
    /// Switch, then NIC and host of each server.
    tallies: Vec<Tally>,
    ports: BTreeMap<u16, Fifo>,
    queues: Vec<ServerQueues>,
    ended: Vec<Ended>,
    /// Records with their periods.
    records: Vec<(Record, u32)>,
    periods: Vec<Period>,
    /// Samplers of report periods, the newest first.
    samplers: Vec<(usize, Sampler)>,
}

const SWITCH: usize = 0;

fn nic_of(server: usize) -> usize {
    1 + 2 * server
}

fn host_of(server: usize) -> usize {
    2 + 2 * server
}

impl Rack {
    /// Plays the arrivals through the rack; `progress` is called now and then. The engines' state
    /// goes on from where it was.
    ///
    /// # Errors
    /// See [`RackError`].
    pub fn run(
        &mut self,
        arrivals: &[Arrival],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Report, RackError> {
        let servers = self.servers.len();
        let tally = Tally {
            seen: vec![false; arrivals.len()],
            ..Tally::default()
        };
        let mut run = Run {
            calendar: Calendar::new(),
            tallies: vec![tally; 1 + 2 * servers],
            ports: BTreeMap::new(),
            queues: vec![ServerQueues::default(); servers],
            ended: Vec::with_capacity(arrivals.len()),
            records: Vec::new(),
            periods: Vec::new(),
            samplers: Vec::new(),
            arrivals,
            rack: self,
        };
        let mut clock = 0;
        for (i, arrival) in arrivals.iter().enumerate() {
            if arrival.time_ns < clock {
                return Err(RackError::Order { packet: i + 1 });
            }
            clock = arrival.time_ns;
            // What was under way at this time already goes first.
            run.until(clock)?;
            let frame = Frame::new(arrival.bytes.clone());
            let (number, most) = (run.number(i), run.most_periods());
            if number >= most {
                return Err(RackError::Periods {
                    packet: i + 1,
                    period: number + 1,
                    most,
                });
            }
            let period = run.period(i);
            period.packets += 1;
            period.bytes += frame.bytes.len() as u64;
            run.pass_shim(clock, arrival.port, Towards::Rack, &frame.bytes, (i, None));
            run.at_switch(
                clock,
                arrival.port,
                Flight {
                    arrival: i,
                    visits: 0,
                    frame,
                    visit: 0,
                    tag: None,
                    work: None,
                    hold_ns: 0,
                    vanished: false,
                },
            )?;
            if i % PROGRESS_STEP == 0 {
                progress(Progress {
                    arrived: i,
                    total: arrivals.len(),
                });
            }
        }
        run.until(u64::MAX)?;
        progress(Progress {
            arrived: arrivals.len(),
            total: arrivals.len(),
        });
        let first = arrivals.first().map_or(0, |a| a.time_ns);
        Ok(run.report((first, clock)))
    }

    fn device(&self, index: usize) -> (&str, Role) {
        match index.checked_sub(1) {
            None => (&self.switch.name, Role::Switch),
            Some(i) if i % 2 == 0 => (&self.servers[i / 2].spec.nic, Role::Nic),
            Some(i) => (&self.servers[i / 2].spec.host.name, Role::Host),
        }
    }

    fn engine(&mut self, index: usize) -> &mut dyn Engine {
        match index.checked_sub(1) {
            None => &mut *self.pipeline,
            Some(i) if i % 2 == 0 => &mut *self.servers[i / 2].nic,
            Some(i) => &mut *self.servers[i / 2].host,
        }
    }
}

impl Run<'_> {
    /// Lets happen what happens up to and at `time_ns`.
    fn until(&mut self, time_ns: u64) -> Result<(), RackError> {
        while self.calendar.next_time().is_some_and(|t| t <= time_ns) {
            let Some((now, event)) = self.calendar.take() else {
                break;
            };
            match event {
                Event::Switch(port, flight) => self.at_switch(now, port, flight)?,
                Event::Nic(server, flight) => self.at_nic(now, server, flight)?,
                Event::Host(server, flight) => self.at_host(now, server, flight)?,
                Event::HostDone(server, flight, fate) => {
                    self.host_done(now, server, flight, fate)?;
                }
                Event::NicOut(server, flight) => self.nic_out(now, server, flight),
            }
        }
        Ok(())
    }

    fn at_switch(&mut self, now: u64, port: u16, flight: Flight) -> Result<(), RackError> {
        let (flight, fate) = self.process(now, SWITCH, port, flight)?;
        let out_at = now + self.rack.switch.latency_ns + flight.hold_ns;
        for (port, flight) in self.leave(out_at, SWITCH, flight, fate) {
            self.send_from_switch(out_at, port, flight);
        }
        Ok(())
    }

    fn send_from_switch(&mut self, out_at: u64, port: u16, flight: Flight) {
        if let Some(server) = self
            .rack
            .servers
            .iter()
            .position(|s| s.spec.switch_port == port)
        {
            let link = self.rack.servers[server].spec.link;
            let queue = &mut self.queues[server].down;
            let at = send(queue, link, out_at, flight.frame.bytes.len());
            self.calendar.put(at, Event::Nic(server, flight));
            return;
        }
        // A port that the rack file does not name still takes packets, at no cost: the pipeline
        // means what it means, and the uncut one would send there as well.
        let none = LinkSpec {
            bits_per_second: 0,
            latency_ns: 0,
        };
        let link = self.rack.switch.ports.get(&port).copied().unwrap_or(none);
        let queue = self.ports.entry(port).or_default();
        let time_ns = send(queue, link, out_at, flight.frame.bytes.len());
        let (bytes, which) = (&flight.frame.bytes, (flight.arrival, flight.tag));
        self.pass_shim(time_ns, port, Towards::Outside, bytes, which);
        self.tallies[SWITCH].ended += 1;
        let how = EndedHow::Left {
            port,
            bytes: flight.frame.bytes,
        };
        self.ended.push(Ended {
            arrival: flight.arrival,
            time_ns,
            how,
        });
    }

    fn at_nic(&mut self, now: u64, server: usize, flight: Flight) -> Result<(), RackError> {
        let device = nic_of(server);
        let (flight, fate) = self.process(now, device, 0, flight)?;
        let spec = &self.rack.servers[server].spec;
        let (out_at, bus) = (now + spec.nic_latency_ns + flight.hold_ns, spec.bus);
        for (port, flight) in self.leave(out_at, device, flight, fate) {
            if port != wire::NIC_TO_HOST {
                return Err(self.no_such_port(device, &flight, port));
            }
            let queue = &mut self.queues[server].bus_down;
            let at = send(queue, bus, out_at, flight.frame.bytes.len());
            self.calendar.put(at, Event::Host(server, flight));
        }
        Ok(())
    }

    fn at_host(&mut self, now: u64, server: usize, flight: Flight) -> Result<(), RackError> {
        let device = host_of(server);
        let before = self.tallies[device].cycles;
        let (flight, fate) = self.process(now, device, wire::HOST_PORT, flight)?;
        let cycles = self.tallies[device].cycles - before;
        let hold_ns = flight.hold_ns;
        // The state has changed in the order of arrival, which is the order of service.
        let service_ns = self.rack.servers[server].spec.host.service_ns(cycles);
        let done = self.queues[server].host.serve(now, service_ns);
        let event = Event::HostDone(server, flight, fate);
        self.calendar.put(done + hold_ns, event);
        Ok(())
    }

    fn host_done(
        &mut self,
        now: u64,
        server: usize,
        flight: Flight,
        fate: Fate,
    ) -> Result<(), RackError> {
        let device = host_of(server);
        let bus = self.rack.servers[server].spec.bus;
        for (port, flight) in self.leave(now, device, flight, fate) {
            if port != wire::HOST_PORT {
                return Err(self.no_such_port(device, &flight, port));
            }
            let queue = &mut self.queues[server].bus_up;
            let at = send(queue, bus, now, flight.frame.bytes.len());
            self.calendar.put(at, Event::NicOut(server, flight));
        }
        Ok(())
    }

    /// The NIC's rules are for what comes in; what the host sends passes.
    fn nic_out(&mut self, now: u64, server: usize, mut flight: Flight) {
        let spec = &self.rack.servers[server].spec;
        let bytes = flight.frame.bytes.len();
        flight.frame.mark = 0;
        flight.frame.meta = 0;
        flight.frame.flow = 0;
        let at = send(
            &mut self.queues[server].up,
            spec.link,
            now + spec.nic_latency_ns,
            bytes,
        );
        self.calendar
            .put(at, Event::Switch(spec.switch_port, flight));
    }

    /// Runs a device's engine, and counts and samples what comes in.
    fn process(
        &mut self,
        now: u64,
        device: usize,
        port: u16,
        mut flight: Flight,
    ) -> Result<(Flight, Fate), RackError> {
        flight.visits += 1;
        let packet = flight.arrival + 1;
        if flight.visits > MOST_VISITS {
            let device = self.rack.device(device).0.to_owned();
            return Err(RackError::Loop {
                device,
                packet,
                limit: MOST_VISITS,
            });
        }
        flight.visit = self.tallies[device].packets;
        flight.tag = None;
        let sampled = self.sample(now, device, Point::In, port, &mut flight);
        self.tell_provider(now, device, &flight, sampled);
        let mut work = self.watch(now, device, port, &flight, sampled);
        let tally = &mut self.tallies[device];
        tally.packets += 1;
        tally.bytes += flight.frame.bytes.len() as u64;
        tally.seen[flight.arrival] = true;
        // If the packet is dropped, the record of that shows it as it came in.
        let frame = match self.rack.sampler {
            Some(_) => flight.frame.clone(),
            None => std::mem::take(&mut flight.frame),
        };
        let result = self.rack.engine(device).process(port, now, frame);
        let (mut fate, cycles) = result.map_err(|source| RackError::Engine {
            device: self.rack.device(device).0.to_owned(),
            packet,
            source,
        })?;
        self.tallies[device].cycles += cycles;
        self.period(flight.arrival).cycles += cycles;
        if let Some(work) = &mut work {
            work.used.cycles = cycles;
        }
        flight.work = work;
        self.ask_provider(now, device, &mut flight, sampled, &mut fate);
        Ok((flight, fate))
    }

    /// Lets the provider, if it is none of the honest ones, see a packet that a device is about to process.
    fn tell_provider(&mut self, now: u64, device: usize, flight: &Flight, sampled: bool) {
        let Some(mut provider) = self.rack.provider.take() else {
            return;
        };
        let mut recorder = self.rack.recorder.take();
        let (name, role) = self.rack.device(device);
        let name = name.to_owned();
        let at = At {
            device: &name,
            role,
            packet: flight.arrival,
            visit: flight.visit,
            leaves: false,
            time_ns: now,
            sampled,
        };
        let witness = recorder.as_mut().and_then(|r| r.witnesses.get_mut(device));
        let witness = witness.and_then(Option::as_mut);
        provider.arrives(at, &flight.frame, self.rack.engine(device), witness);
        self.rack.recorder = recorder;
        self.rack.provider = Some(provider);
    }

    /// Asks the provider, if it is none of the honest ones, what it does to a packet that a device has processed.
    fn ask_provider(
        &mut self,
        now: u64,
        device: usize,
        flight: &mut Flight,
        sampled: bool,
        fate: &mut Fate,
    ) {
        flight.hold_ns = 0;
        let Some(mut provider) = self.rack.provider.take() else {
            return;
        };
        let (name, role) = self.rack.device(device);
        let at = At {
            device: name,
            role,
            packet: flight.arrival,
            visit: flight.visit,
            leaves: device == SWITCH && self.leaves(fate),
            time_ns: now,
            sampled,
        };
        let deed = provider.departs(at, fate);
        self.rack.provider = Some(provider);
        flight.hold_ns = deed.hold_ns;
        flight.vanished = deed.vanish;
        for (port, bytes) in deed.inject {
            let which = (flight.arrival, flight.tag);
            self.pass_shim(now, port, Towards::Outside, &bytes, which);
        }
    }

    /// Whether what leaves the switch leaves the rack.
    fn leaves(&self, fate: &Fate) -> bool {
        let server = |to: u16| self.rack.servers.iter().any(|s| s.spec.switch_port == to);
        matches!(fate, Fate::Emit { port, .. } if !server(*port))
    }

    /// Lets the device's witness see a packet; begins to note what the device does with it, if that is
    /// to be recorded.
    fn watch(
        &mut self,
        now: u64,
        device: usize,
        port: u16,
        flight: &Flight,
        sampled: bool,
    ) -> Option<Box<Work>> {
        let frame = &flight.frame;
        let recorder = self.rack.recorder.as_mut()?;
        let mut work = Work::default();
        if let Some(Some(witness)) = recorder.witnesses.get_mut(device) {
            let seen = witness.watch(port, now, frame);
            work.lookups = seen.lookups;
            work.state = seen.state;
        }
        work.used = Used {
            cycles: 0,
            bytes: frame.bytes.len() as u64,
            memory: state_bytes(&work.state.after),
        };
        self.period(flight.arrival).memory += work.used.memory;
        sampled.then(|| Box::new(work))
    }

    /// Counts and samples what goes out at `now`; gives ports and flights of what goes on.
    fn leave(
        &mut self,
        now: u64,
        device: usize,
        mut flight: Flight,
        fate: Fate,
    ) -> Vec<(u16, Flight)> {
        if flight.vanished {
            self.end(now, device, flight.arrival, VANISHED);
            return Vec::new();
        }
        match fate {
            Fate::Emit { port, frame } => {
                flight.frame = frame;
                if let Some(work) = &mut flight.work {
                    work.used.bytes += flight.frame.bytes.len() as u64;
                }
                self.sample(now, device, Point::Out, port, &mut flight);
                vec![(port, flight)]
            }
            Fate::Copies(frames) => {
                let copy = |(port, frame)| {
                    let copy = flight.clone();
                    self.leave(now, device, copy, Fate::Emit { port, frame })
                };
                frames.into_iter().flat_map(copy).collect()
            }
            Fate::Drop { reason } => {
                if let Some(work) = &mut flight.work {
                    work.reason.clone_from(&reason);
                }
                self.sample(now, device, Point::Drop, 0, &mut flight);
                self.end(now, device, flight.arrival, &reason);
                Vec::new()
            }
        }
    }

    /// A packet ends at a device.
    fn end(&mut self, now: u64, device: usize, arrival: usize, reason: &str) {
        let name = self.rack.device(device).0.to_owned();
        let tally = &mut self.tallies[device];
        tally.ended += 1;
        *tally.drops.entry(reason.to_owned()).or_default() += 1;
        let how = EndedHow::Dropped {
            device: name,
            reason: reason.to_owned(),
        };
        self.ended.push(Ended {
            arrival,
            time_ns: now,
            how,
        });
    }

    /// Records a packet if it is sampled; says whether it is.
    fn sample(
        &mut self,
        now: u64,
        device: usize,
        point: Point,
        port: u16,
        flight: &mut Flight,
    ) -> bool {
        let period = self.number(flight.arrival);
        let frame = &flight.frame;
        // What left with a tag came with it, or got it here. Frames from outside carry none, whatever they look like.
        let mut servers = self.rack.servers.iter();
        let inside = device != SWITCH || servers.any(|s| s.spec.switch_port == port);
        if inside && point != Point::Drop {
            flight.tag = self.rack.tags.carried(&frame.bytes).or(flight.tag);
        }
        let Some(verdict) = self.look(period, flight.tag, &frame.bytes) else {
            return false;
        };
        if verdict.sampled {
            let snap = self.rack.recorder.as_ref().map_or(0, |r| r.snap);
            let shown = frame.bytes.get(..snap).unwrap_or(&frame.bytes);
            let mut record = Record {
                id: verdict.id,
                element: self.rack.device(device).0.to_owned(),
                visit: flight.visit,
                point,
                port,
                time_ns: now,
                len: frame.bytes.len() as u32,
                digest: digest(&frame.bytes),
                mark: frame.mark,
                meta: frame.meta,
                tag: flight.tag.map(|_| verdict.id),
                packet: shown.to_vec(),
                work: flight.work.take(),
            };
            let provider = self.rack.provider.as_mut();
            if provider.is_none_or(|p| p.records(&mut record)) {
                self.records.push((record, period as u32));
            }
        }
        verdict.sampled
    }

    fn no_such_port(&self, device: usize, flight: &Flight, port: u16) -> RackError {
        let device = self.rack.device(device).0.to_owned();
        RackError::NoSuchPort {
            device,
            packet: flight.arrival + 1,
            port,
        }
    }

    fn report(mut self, span_ns: (u64, u64)) -> Report {
        self.ended.sort_by_key(|e| e.time_ns);
        self.records.sort_by_key(|(r, _)| r.time_ns);
        let end = self
            .ended
            .last()
            .map_or(span_ns.1, |e| e.time_ns.max(span_ns.1));
        let length = (end - span_ns.0).max(1) as f64;
        let arrived = self.tallies.first().map_or(0, |t| t.seen.len());
        let total = arrived.max(1) as f64;
        let devices = self.tallies.iter().enumerate().map(|(i, t)| {
            let (name, role) = self.rack.device(i);
            DeviceReport {
                name: name.to_owned(),
                role,
                packets: t.packets,
                bytes: t.bytes,
                ended: t.ended,
                drops: t.drops.clone(),
                cycles: t.cycles,
                flows: match role {
                    Role::Host => self.rack.servers[(i - 1) / 2].host.flows(),
                    Role::Switch | Role::Nic => None,
                },
                share: t.seen.iter().filter(|s| **s).count() as f64 / total,
            }
        });
        let queue = |name: String, q: &Fifo| QueueReport {
            name,
            packets: q.packets,
            max_depth: q.max_depth,
            max_wait_ns: q.max_wait_ns,
            utilisation: q.busy_ns as f64 / length,
        };
        let mut queues: Vec<QueueReport> = self
            .ports
            .iter()
            .map(|(n, q)| queue(format!("port {n}"), q))
            .collect();
        for (server, q) in self.rack.servers.iter().zip(&self.queues) {
            let (switch, spec) = (&self.rack.switch.name, &server.spec);
            let (nic, host) = (&spec.nic, &spec.host.name);
            queues.push(queue(format!("{switch} > {nic}"), &q.down));
            queues.push(queue(format!("{nic} > {host}"), &q.bus_down));
            queues.push(queue(host.clone(), &q.host));
            queues.push(queue(format!("{host} > {nic}"), &q.bus_up));
            queues.push(queue(format!("{nic} > {switch}"), &q.up));
        }
        queues.retain(|q| q.packets > 0);
        let mut states = vec![self.rack.pipeline.state(span_ns.1)];
        for s in &self.rack.servers {
            states.extend([s.nic.state(span_ns.1), s.host.state(span_ns.1)]);
        }
        let devices = devices.collect();
        self.periods
            .resize_with(self.periods.len().max(1), Period::default);
        if let Some(shim) = &mut self.rack.shim {
            let seen = shim.report(self.periods.len());
            for (period, seen) in self.periods.iter_mut().zip(seen) {
                period.shim = Some(seen);
            }
        }
        let (records, period_of) = self.records.into_iter().unzip();
        let ports = self.rack.servers.iter().map(|s| s.spec.switch_port);
        let server_ports = ports.collect();
        Report {
            devices,
            queues,
            states,
            ended: self.ended,
            records,
            period_of,
            periods: self.periods,
            span_ns,
            server_ports,
        }
    }
}

/// Sends a frame of `bytes` over a link at `now`: when it has arrived.
fn send(queue: &mut Fifo, link: LinkSpec, now: u64, bytes: usize) -> u64 {
    queue.serve(now, link.send_ns(bytes)) + link.latency_ns
}
