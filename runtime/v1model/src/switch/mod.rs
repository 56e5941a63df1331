//! The switch around a program, as BMv2's simple_switch is one: what becomes of a packet between parser,
//! ingress, egress and deparser.
//!
//! A program that needs one pass is run as it is. One with a [`Bridge`] is run pass by pass; between the
//! passes, in this order (the facts are those of `simple_switch.cpp`):
//!
//! - after ingress: clone the packet as it was received; resubmit it; or multicast it; or drop it if
//!   `egress_spec` is 511; or send it to `egress_spec`;
//! - after egress: clone the packet as it is; drop it if `egress_spec` is 511; else deparse it, and
//!   recirculate or send it, cut to what `truncate` said.
//!
//! Clones, resubmitted and recirculated packets start with all metadata 0 (`ingress_port` and
//! timestamps, too) but for the field list that they keep. Copies forget a `truncate` and a
//! `recirculate` of before; a unicast packet takes both from ingress to egress.

mod bridged;
mod replication;
#[cfg(test)]
mod tests;

use crate::engine::{Engine, EngineError, EngineKind, Fate};
use bridged::{Bridged, Layout};
use std::collections::VecDeque;
use trisect_ir::bridge::{Bridge, BridgeError, CLONE_VALID, DROP_PORT, Role, instance, step};
use trisect_ir::state::State;
use trisect_ir::{KeySet, Program, ValueSets};

pub use replication::{Copy, Replication, ReplicationError, Session};

/// How many passes a packet and its copies may take altogether. What needs more is a loop.
pub const MAX_PASSES: u32 = 10_000;
/// How many bytes a frame may have on its way.
pub const MAX_BYTES: usize = 1 << 20;

/// A v1model program, compiled.
#[derive(Clone, Debug)]
pub struct CompiledV1 {
    /// The program.
    pub program: Program,
    /// Set if the program is to be run pass by pass.
    pub bridge: Option<Bridge>,
    /// The value sets of its parser.
    pub value_sets: ValueSets,
}

/// A packet that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The port.
    pub port: u16,
    /// The frame.
    pub bytes: Vec<u8>,
}

/// Why the switch stopped.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The bridge does not fit the program.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// A packet loops.
    #[error("the packet and its copies are still in the switch after {MAX_PASSES} passes")]
    Loop,
    /// A packet grows without end.
    #[error("the packet grew beyond {MAX_BYTES} bytes")]
    TooLong,
    /// A pass lost its packet.
    #[error("pass {0} of the program gave no packet with a bridge")]
    Lost(u64),
}

/// A switch with a program and its state.
pub struct Switch {
    program: Program,
    value_sets: ValueSets,
    layout: Option<Layout>,
    kind: EngineKind,
    /// Absent after a change of the program, until the next packet.
    engine: Option<Box<dyn Engine>>,
    /// What the next packet finds, if that is not what the engine has.
    state: Option<State>,
    now_ns: u64,
    /// Multicast groups and mirror sessions.
    pub replication: Replication,
}

impl Switch {
    /// A switch in its initial state.
    ///
    /// # Errors
    ///
    /// If the bridge does not fit the program.
    pub fn new(compiled: &CompiledV1, kind: EngineKind) -> Result<Self, SwitchError> {
        let layout = match &compiled.bridge {
            Some(bridge) => {
                bridge.check(&compiled.program)?;
                Some(Layout::new(bridge, &compiled.program))
            }
            None => None,
        };
        Ok(Self {
            program: compiled.program.clone(),
            value_sets: compiled.value_sets.clone(),
            layout,
            kind,
            engine: None,
            state: None,
            now_ns: 0,
            replication: Replication::default(),
        })
    }

    /// The program with what the control plane has changed.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The value sets of its parser, with their members.
    pub fn value_sets(&self) -> &ValueSets {
        &self.value_sets
    }

    /// Gives a value set other members ([`ValueSets::fill`]).
    pub fn fill_value_set(&mut self, which: usize, members: Vec<Vec<KeySet>>) {
        self.change();
        self.value_sets.fill(&mut self.program, which, members);
    }

    /// The state now.
    pub fn state(&self) -> State {
        match (&self.state, &self.engine) {
            (Some(state), _) => state.clone(),
            (None, Some(engine)) => engine.state(self.now_ns),
            (None, None) => State::default(),
        }
    }

    /// Program and state, to be changed. The header types and instances must stay.
    pub fn change(&mut self) -> (&mut Program, &mut State) {
        let now = self.state();
        self.engine = None;
        (&mut self.program, self.state.insert(now))
    }

    /// The state, to be changed, and the program, which costs no new engine.
    pub fn change_state(&mut self) -> (&Program, &mut State) {
        let now = self.state();
        (&self.program, self.state.insert(now))
    }

    /// What leaves because of a packet, in order; the time is in nanoseconds.
    ///
    /// # Errors
    ///
    /// See [`SwitchError`].
    pub fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: &[u8],
    ) -> Result<Vec<Sent>, SwitchError> {
        self.now_ns = time_ns;
        let mut engine = match (self.engine.take(), &self.state) {
            (Some(engine), None) => engine,
            (Some(mut engine), Some(state)) => {
                engine.restore(state, time_ns)?;
                engine
            }
            (None, state) => {
                let state = state.clone().unwrap_or_default();
                self.kind.start(&self.program, &state, time_ns)?
            }
        };
        self.state = None;
        let sent = match &self.layout {
            None => Ok(match engine.run(port, time_ns, frame) {
                Fate::Emit { port, bytes } => vec![Sent { port, bytes }],
                Fate::Drop(_) => Vec::new(),
            }),
            Some(layout) => Journey {
                layout,
                engine: &mut *engine,
                replication: &self.replication,
                time_ns,
                ingress: VecDeque::new(),
                egress: VecDeque::new(),
                sent: Vec::new(),
                passes: 0,
            }
            .run(port, frame),
        };
        self.engine = Some(engine);
        sent
    }
}

impl std::fmt::Debug for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Switch")
            .field("program", &self.program.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A packet that waits for ingress.
struct ToIngress {
    packet: Bridged,
    /// The port that its ancestor came in on.
    port: u16,
    /// Its length for counters.
    counted: u64,
}

/// A packet that waits for egress.
struct ToEgress {
    packet: Bridged,
    out: u16,
    port: u16,
    counted: u64,
    /// Its length as egress sees it.
    length: u64,
    truncate: Truncation,
}

/// The least length that `truncate` was called with.
#[derive(Clone, Copy, Default)]
struct Truncation(Option<u64>);

impl Truncation {
    /// Takes what a pass left: 0, or a length plus one.
    fn and(self, role: u64) -> Self {
        let said = role.checked_sub(1);
        Self(self.0.into_iter().chain(said).min())
    }
}

/// A packet and all its copies on their way through the switch.
struct Journey<'a> {
    layout: &'a Layout,
    engine: &'a mut dyn Engine,
    replication: &'a Replication,
    time_ns: u64,
    ingress: VecDeque<ToIngress>,
    egress: VecDeque<ToEgress>,
    sent: Vec<Sent>,
    passes: u32,
}

impl Journey<'_> {
    fn run(mut self, port: u16, frame: &[u8]) -> Result<Vec<Sent>, SwitchError> {
        let layout = self.layout;
        let length = frame.len() as u64;
        let mut packet = Bridged::new(layout, frame);
        packet.set(layout, Role::IngressPort, port.into());
        packet.set(layout, Role::PacketLength, length);
        packet.set(layout, Role::IngressTimestamp, self.micros());
        self.ingress.push_back(ToIngress {
            packet,
            port,
            counted: length,
        });
        loop {
            if let Some(waiting) = self.egress.pop_front() {
                self.egress(waiting)?;
            } else if let Some(waiting) = self.ingress.pop_front() {
                self.ingress(waiting)?;
            } else {
                return Ok(self.sent);
            }
        }
    }

    fn micros(&self) -> u64 {
        self.time_ns / 1000
    }

    /// Runs the program over a packet.
    fn pass(&mut self, mut packet: Bridged, step: u64, port: u16) -> Result<Bridged, SwitchError> {
        self.passes += 1;
        if self.passes > MAX_PASSES {
            return Err(SwitchError::Loop);
        }
        packet.set(self.layout, Role::Step, step);
        let fate = self.engine.run(port, self.time_ns, packet.bytes());
        let Fate::Emit { bytes, .. } = fate else {
            return Err(SwitchError::Lost(step));
        };
        if bytes.len() > MAX_BYTES {
            return Err(SwitchError::TooLong);
        }
        Bridged::read(self.layout, bytes).ok_or(SwitchError::Lost(step))
    }

    fn ingress(&mut self, waiting: ToIngress) -> Result<(), SwitchError> {
        let layout = self.layout;
        let ToIngress {
            mut packet,
            port,
            counted,
        } = waiting;
        packet.set(layout, Role::CountedLength, counted);
        let received = Bridged::new(layout, packet.body());
        let received_length = received.body().len() as u64;
        let mut packet = self.pass(packet, step::INGRESS, port)?;
        let clone = packet.take(layout, Role::CloneSession);
        let clone_list = packet.take(layout, Role::CloneFieldList);
        let resubmit = packet.take(layout, Role::Resubmit);
        let truncate = Truncation::default().and(packet.take(layout, Role::Truncate));

        if let Some(session) = self.session(clone) {
            // The parser may look at the port, and sees nothing else.
            let mut copy = received.clone();
            copy.set(layout, Role::IngressPort, port.into());
            let mut copy = self.pass(copy, step::PARSE, port)?;
            copy.clear_metadata(layout);
            copy.keep(layout, clone_list, &packet);
            copy.set(layout, Role::InstanceType, instance::INGRESS_CLONE);
            let copy = ToEgress {
                packet: copy,
                out: 0,
                port,
                counted,
                length: received_length,
                truncate: Truncation::default(),
            };
            self.mirror(copy, session)?;
        }
        if resubmit != 0 {
            let mut again = received;
            again.keep(layout, resubmit, &packet);
            again.set(layout, Role::InstanceType, instance::RESUBMITTED);
            again.set(layout, Role::PacketLength, received_length);
            self.ingress.push_back(ToIngress {
                packet: again,
                port,
                counted,
            });
            return Ok(());
        }
        let group = packet.get(layout, Role::McastGrp) as u16;
        let out = packet.get(layout, Role::EgressSpec);
        let kind = match group {
            0 => instance::NORMAL,
            _ => instance::REPLICATION,
        };
        packet.set(layout, Role::InstanceType, kind);
        let length = packet.body().len() as u64;
        let leaving = ToEgress {
            packet,
            out: out as u16,
            port,
            counted,
            length,
            truncate,
        };
        if group != 0 {
            self.multicast(&leaving, group)
        } else if out == DROP_PORT {
            Ok(())
        } else {
            self.enqueue(leaving)
        }
    }

    fn egress(&mut self, waiting: ToEgress) -> Result<(), SwitchError> {
        let layout = self.layout;
        let ToEgress {
            mut packet,
            out,
            port,
            counted,
            length,
            truncate,
        } = waiting;
        packet.set(layout, Role::EgressPort, out.into());
        packet.set(layout, Role::EgressSpec, 0);
        packet.set(layout, Role::PacketLength, length);
        packet.set(layout, Role::CountedLength, counted);
        let micros = self.micros();
        packet.set(layout, Role::EnqTimestamp, micros);
        packet.set(layout, Role::EgressTimestamp, micros);
        for role in [Role::EnqQdepth, Role::DeqTimedelta, Role::DeqQdepth] {
            packet.set(layout, role, 0);
        }
        let mut packet = self.pass(packet, step::EGRESS, port)?;
        let clone = packet.take(layout, Role::CloneSession);
        let clone_list = packet.take(layout, Role::CloneFieldList);
        let recirculate = packet.take(layout, Role::Recirculate);
        let truncate = truncate.and(packet.take(layout, Role::Truncate));

        if let Some(session) = self.session(clone) {
            let mut copy = packet.clone();
            copy.clear_metadata(layout);
            copy.keep(layout, clone_list, &packet);
            copy.set(layout, Role::InstanceType, instance::EGRESS_CLONE);
            let length = copy.body().len() as u64;
            let copy = ToEgress {
                packet: copy,
                out: 0,
                port,
                counted,
                length,
                truncate: Truncation::default(),
            };
            self.mirror(copy, session)?;
        }
        if packet.get(layout, Role::EgressSpec) == DROP_PORT {
            return Ok(());
        }
        let deparsed = self.pass(packet.clone(), step::DEPARSE, port)?;
        if recirculate != 0 {
            let mut again = Bridged::new(layout, deparsed.body());
            let length = deparsed.body().len() as u64;
            again.keep(layout, recirculate, &packet);
            again.set(layout, Role::InstanceType, instance::RECIRCULATED);
            again.set(layout, Role::PacketLength, length);
            self.ingress.push_back(ToIngress {
                packet: again,
                port,
                counted: length,
            });
            return Ok(());
        }
        let mut bytes = deparsed.body().to_vec();
        if let Truncation(Some(most)) = truncate {
            bytes.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        self.sent.push(Sent { port: out, bytes });
        Ok(())
    }

    /// The session that a clone was asked for with, if it is set up.
    fn session(&self, clone: u64) -> Option<Session> {
        if clone & CLONE_VALID == 0 {
            return None;
        }
        self.replication.session((clone & !CLONE_VALID) as u16)
    }

    fn mirror(&mut self, copy: ToEgress, session: Session) -> Result<(), SwitchError> {
        match session {
            Session::Port(out) => self.enqueue(ToEgress { out, ..copy }),
            Session::Group(group) => self.multicast(&copy, group),
        }
    }

    fn multicast(&mut self, packet: &ToEgress, group: u16) -> Result<(), SwitchError> {
        for Copy { port, rid } in self.replication.copies(group) {
            let mut copy = packet.packet.clone();
            copy.set(self.layout, Role::EgressRid, rid.into());
            copy.set(self.layout, Role::Recirculate, 0);
            self.enqueue(ToEgress {
                packet: copy,
                out: port,
                truncate: Truncation::default(),
                ..*packet
            })?;
        }
        Ok(())
    }

    /// Every copy that waits will need a pass, so that what cannot be done is not kept.
    fn enqueue(&mut self, packet: ToEgress) -> Result<(), SwitchError> {
        if self.egress.len() as u32 + self.passes >= MAX_PASSES {
            return Err(SwitchError::Loop);
        }
        self.egress.push_back(packet);
        Ok(())
    }
}
