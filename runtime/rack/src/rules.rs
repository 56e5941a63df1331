//! A NIC that runs flow rules.

use trisect_ir::state::State;
use trisect_rte_flow::{Carrier, NicModel, Verdict};
use trisect_target::wire;

use crate::{Engine, EngineError, Fate, Frame};

impl Engine for NicModel {
    fn process(
        &mut self,
        _port: u16,
        _time_ns: u64,
        mut frame: Frame,
    ) -> Result<(Fate, u64), EngineError> {
        let fate = match self.receive(&mut frame.bytes) {
            Verdict::Host { mark, meta, .. } => {
                let carrier = self.flow_rules().map(|rules| rules.carrier);
                // What carries the flow's number carries nothing else.
                let (mark, meta, flow) = match carrier {
                    Some(Carrier::Mark) => (0, meta, mark),
                    Some(Carrier::Meta) => (mark, 0, meta),
                    None => (mark, meta, 0),
                };
                Fate::Emit {
                    port: wire::NIC_TO_HOST,
                    frame: Frame {
                        bytes: frame.bytes,
                        mark,
                        meta,
                        flow,
                    },
                }
            }
            Verdict::Dropped {
                rule: Some(_),
                reason,
            } => Fate::Drop {
                reason: self.drop_reason(reason).to_owned(),
            },
            Verdict::Dropped { rule: None, .. } => {
                return Err(EngineError(
                    "a packet went round in the NIC's groups".into(),
                ));
            }
            Verdict::Port(port) => {
                return Err(EngineError(format!(
                    "a rule sends packets out of port {port}, where nothing is connected"
                )));
            }
        };
        Ok((fate, 0))
    }

    fn state(&self, _now_ns: u64) -> State {
        NicModel::state(self)
    }
}
