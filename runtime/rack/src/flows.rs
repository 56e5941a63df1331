//! The host's driver of a NIC that numbers flows: which flows get a rule, and what their numbers stand for.
//!
//! A packet that comes without number and finds entries in flow tables is of a flow that is worth one: the driver notes
//! in which slots they were and asks the NIC for a rule. When numbers run out, one whose packets found nothing since the
//! driver last came by is given away (second chance, also called clock). With each rule, the driver looks whether the
//! entries behind some others are gone, and takes their rules away.
//!
//! None of this can change what becomes of a packet: see [`trisect_host::Packet::hint`].

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use trisect_host::HostProgram;
use trisect_ir::state::State;
use trisect_rte_flow::{Change, Flow, FlowMatcher, NicModel, RuleError};

use crate::{Engine, EngineError, Fate, Frame};

/// Nanoseconds that a NIC may be behind with its changes before the driver asks for no more: a flow is as likely to go on
/// later as now.
const MOST_BEHIND_NS: u64 = 1_000_000;
/// Numbers at which the driver looks for one to give away.
const LOOKED_AT: u32 = 16;
/// Numbers at which it looks, per new rule, whether their flows are gone.
const SWEPT: u32 = 2;

/// What a driver has seen and done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    /// Packets that came with a number.
    pub numbered: u64,
    /// Look-ups that found their entry where the number said.
    pub hits: u64,
    /// All look-ups in tables for which numbers stand.
    pub lookups: u64,
    /// Rules that the NIC was asked for.
    pub inserted: u64,
    /// Rules whose removal it was asked for.
    pub removed: u64,
    /// Packets whose flow got no number, as all were in use or the NIC was too far behind.
    pub refused: u64,
}

/// A NIC that its host's driver can ask for rules.
#[derive(Debug, Clone)]
pub struct SharedNic(Rc<RefCell<NicModel>>);

impl SharedNic {
    /// A NIC with its rules.
    #[must_use]
    pub fn new(nic: NicModel) -> SharedNic {
        SharedNic(Rc::new(RefCell::new(nic)))
    }
}

impl Engine for SharedNic {
    fn process(
        &mut self,
        port: u16,
        time_ns: u64,
        frame: Frame,
    ) -> Result<(Fate, u64), EngineError> {
        let mut nic = self.0.borrow_mut();
        nic.advance(time_ns);
        nic.process(port, time_ns, frame)
    }

    fn state(&self, now_ns: u64) -> State {
        Engine::state(&*self.0.borrow(), now_ns)
    }
}

/// The driver.
#[derive(Debug)]
pub struct FlowDriver {
    nic: SharedNic,
    matcher: FlowMatcher,
    most: u32,
    numbers: HashMap<Flow, u32>,
    /// By number less one: the flow that has it.
    flows: Vec<Option<Flow>>,
    free: Vec<u32>,
    /// Where it looks next for a number to give away, and for flows that are gone.
    hand: u32,
    swept: u32,
    report: FlowReport,
}

impl FlowDriver {
    /// A driver for a NIC; `None` if the NIC's rules have no template for flows.
    #[must_use]
    pub fn new(nic: &SharedNic) -> Option<FlowDriver> {
        let model = nic.0.borrow();
        let rules = model.flow_rules()?;
        Some(FlowDriver {
            nic: nic.clone(),
            matcher: FlowMatcher::new(rules, model.capabilities()),
            most: rules.most,
            numbers: HashMap::new(),
            flows: Vec::new(),
            free: Vec::new(),
            hand: 0,
            swept: 0,
            report: FlowReport::default(),
        })
    }

    /// What has been seen and done.
    pub(crate) fn report(&self, code: &HostProgram) -> FlowReport {
        let counts = code.hint_counts();
        FlowReport {
            hits: counts.hits,
            lookups: counts.lookups,
            ..self.report
        }
    }

    /// The number by which slots are noted of a flow that has none: the first that was never given, so that there are lines
    /// for those in use only.
    fn spare(&self) -> u32 {
        self.flows.len() as u32 + 1
    }

    /// The hint of a frame that the NIC has handed over, and its flow if that has no number.
    pub(crate) fn arrives(&mut self, code: &mut HostProgram, frame: &Frame) -> (u32, Option<Flow>) {
        if frame.flow != 0 {
            self.report.numbered += 1;
            return (frame.flow, None);
        }
        let Some(flow) = self.matcher.flow(&frame.bytes) else {
            return (0, None);
        };
        // A rule may be asked for that the NIC has not got to.
        if let Some(number) = self.numbers.get(&flow) {
            return (*number, None);
        }
        let spare = self.spare();
        code.clear_hint(spare);
        (spare, Some(flow))
    }

    /// The program has run over a packet of a flow that has no number.
    pub(crate) fn departs(
        &mut self,
        code: &mut HostProgram,
        flow: Flow,
        now_ns: u64,
    ) -> Result<(), RuleError> {
        let spare = self.spare();
        if !code.hint_known(spare) {
            return Ok(());
        }
        let behind_ns = self.nic.0.borrow().busy_until_ns();
        if behind_ns.saturating_sub(now_ns) > MOST_BEHIND_NS {
            self.report.refused += 1;
            return Ok(());
        }
        let Some(number) = self.take(code, now_ns)? else {
            self.report.refused += 1;
            return Ok(());
        };
        code.copy_hint(spare, number);
        self.ask(Change::Insert(flow.clone(), number), now_ns)?;
        self.report.inserted += 1;
        self.flows[number as usize - 1] = Some(flow.clone());
        self.numbers.insert(flow, number);
        self.sweep(code, now_ns)
    }

    fn ask(&mut self, change: Change, now_ns: u64) -> Result<(), RuleError> {
        self.nic.0.borrow_mut().change(now_ns, change).map(|_| ())
    }

    /// A number that is in use no more.
    fn take(&mut self, code: &mut HostProgram, now_ns: u64) -> Result<Option<u32>, RuleError> {
        if let Some(number) = self.free.pop() {
            return Ok(Some(number));
        }
        if (self.flows.len() as u64) < u64::from(self.most) {
            self.flows.push(None);
            return Ok(Some(self.flows.len() as u32));
        }
        for _ in 0..LOOKED_AT.min(self.most) {
            self.hand = self.hand % self.most + 1;
            if !code.hint_used(self.hand) {
                self.remove(self.hand, now_ns)?;
                return Ok(Some(self.hand));
            }
        }
        Ok(None)
    }

    /// Takes the rule of a number away, if it has one.
    fn remove(&mut self, number: u32, now_ns: u64) -> Result<(), RuleError> {
        if let Some(flow) = self.flows[number as usize - 1].take() {
            self.numbers.remove(&flow);
            self.ask(Change::Remove(number), now_ns)?;
            self.report.removed += 1;
        }
        Ok(())
    }

    /// Takes rules away behind which there is nothing.
    fn sweep(&mut self, code: &HostProgram, now_ns: u64) -> Result<(), RuleError> {
        for _ in 0..SWEPT {
            self.swept = self.swept % self.flows.len() as u32 + 1;
            let number = self.swept;
            let taken = self.flows[number as usize - 1].is_some();
            if taken && !code.hint_live(number, now_ns) {
                self.remove(number, now_ns)?;
                self.free.push(number);
            }
        }
        Ok(())
    }
}
