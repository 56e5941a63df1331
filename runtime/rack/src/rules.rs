//! A NIC that runs flow rules.

use trisect_ir::state::State;
use trisect_rte_flow::{NicModel, Verdict};
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
                let bytes = frame.bytes;
                Fate::Emit {
                    port: wire::NIC_TO_HOST,
                    frame: Frame { bytes, mark, meta },
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
