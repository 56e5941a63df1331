//! The target `host`: everything runs here; the question is only how many cycles it takes.

use crate::program::{CompileError, HostProgram, Options};
use crate::{cost, memory};
use trisect_ir::{NodeId, NodeKind, Program, TableId};
use trisect_target::{
    Artifact, Capability, Device, DeviceError, DeviceSpec, HintCycles, LookUpCycles, LowerError,
    Model, Refusal, Resources, Support, Target, TargetKind, Use, Verdict, resource,
};

/// The only model: a core that Cranelift generates code for.
const MODEL: &str = "generic";

/// Host cores that run code compiled by Cranelift.
#[derive(Clone, Copy, Debug, Default)]
pub struct HostTarget;

/// One host.
#[derive(Clone, Debug)]
struct Host {
    budget: Resources,
    look_ups: Vec<LookUpCycles>,
}

impl Host {
    /// So many bytes, if memory is limited at all.
    fn memory(&self, bytes: u64) -> Resources {
        match self.budget.get(resource::MEMORY_BYTES) {
            Some(_) => Resources::new().with(resource::MEMORY_BYTES, bytes),
            None => Resources::new(),
        }
    }
    fn shortages(&self, used: &Resources) -> Vec<Refusal> {
        let short = used.exceeding(&self.budget).into_iter();
        short
            .map(|shortage| Refusal {
                code: trisect_ir::diag::Code(481),
                operation: format!("{} {}", shortage.needed, shortage.quantity),
                capability: format!("the server has {}", shortage.available),
                hint: "make tables smaller, or give the server more memory".to_owned(),
            })
            .collect()
    }
}

impl Target for HostTarget {
    fn name(&self) -> &'static str {
        "host"
    }
    fn kind(&self) -> TargetKind {
        TargetKind::Host
    }
    fn description(&self) -> &'static str {
        "server cores running code compiled by Cranelift, one function per piece and batch"
    }
    fn models(&self) -> Vec<Model> {
        vec![Model {
            name: MODEL.to_owned(),
            description: "any machine that Cranelift generates code for".to_owned(),
            budget: Resources::new(),
        }]
    }
    fn capabilities(&self, _model: &str) -> Vec<Capability> {
        let wide = format!("values up to {} bits", crate::program::MAX_WIDTH);
        [
            ("parser", "any, with loops and reparse", Support::Yes),
            (
                "match",
                "exact, lpm, ternary, range, optional",
                Support::Yes,
            ),
            ("match", "flow tables with idle timeout", Support::Yes),
            ("action", "all operations", Support::Yes),
            ("action", "arithmetic", Support::Limited(wide)),
            (
                "state",
                "counters, meters, registers, allocators",
                Support::Yes,
            ),
            ("state", "pattern search in the payload", Support::Yes),
            ("hand-over", "MARK and META from the NIC", Support::Yes),
        ]
        .into_iter()
        .map(|(group, name, support)| Capability::new(group, name, support))
        .collect()
    }
    fn device(&self, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError> {
        if spec.model != MODEL {
            return Err(DeviceError::UnknownModel {
                target: self.name().to_owned(),
                model: spec.model.clone(),
                known: vec![MODEL.to_owned()],
            });
        }
        Ok(Box::new(Host {
            budget: spec.limits.clone(),
            look_ups: spec.look_ups.clone(),
        }))
    }
}

impl Device for Host {
    fn budget(&self) -> Resources {
        self.budget.clone()
    }
    fn check(&self, program: &Program, node: NodeId) -> Verdict {
        let resources = self.memory(memory::of_node(program, node));
        match self.shortages(&resources) {
            short if short.is_empty() => Verdict::Able(Use {
                resources,
                cycles: cost::node(program, node, &self.look_ups),
            }),
            short => Verdict::Unable(short),
        }
    }
    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>> {
        let limits: Vec<Refusal> = crate::program::limits(piece)
            .into_iter()
            .map(|limit| Refusal {
                code: trisect_ir::diag::Code(480),
                operation: format!("{} = {}", limit.what, limit.amount),
                capability: format!("compiled code handles up to {}", limit.most),
                hint: "split the value into several fields".to_owned(),
            })
            .collect();
        let resources = self.memory(memory::of_program(piece));
        let refusals = [limits, self.shortages(&resources)].concat();
        if !refusals.is_empty() {
            return Err(refusals);
        }
        Ok(Use {
            resources,
            cycles: self.packet_cycles() + longest_path(piece, &self.look_ups),
        })
    }
    fn packet_cycles(&self) -> u64 {
        cost::PACKET
    }
    fn flow_hints(&self, program: &Program, table: TableId, flows: u64) -> Option<HintCycles> {
        cost::hints(program, table, flows, &self.look_ups)
    }
    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError> {
        let options = Options {
            keep_text: true,
            ..Options::default()
        };
        let compiled = HostProgram::compile(piece, &options).map_err(lower_error)?;
        let text = compiled.text();
        Ok(vec![
            Artifact::text("program.ir", piece.to_string()),
            Artifact::text("program.clif", text.clif),
            Artifact::text("program.asm", text.disassembly),
        ])
    }
}

fn lower_error(error: CompileError) -> LowerError {
    LowerError::Internal {
        target: "host".to_owned(),
        message: error.to_string(),
    }
}

/// Cycles of the dearest way through the control graph.
fn longest_path(piece: &Program, measured: &[LookUpCycles]) -> u64 {
    let mut cycles = vec![0; piece.control.nodes.len()];
    let order = crate::info::topological(piece);
    for node in order.iter().rev() {
        let kind: &NodeKind = &piece.control.nodes[*node].kind;
        let behind = kind
            .successors()
            .into_iter()
            .map(|next| cycles[next.0 as usize])
            .max()
            .unwrap_or(0);
        cycles[node.0 as usize] = behind + cost::node(piece, *node, measured);
    }
    order.first().map_or(0, |n| cycles[n.0 as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Box<dyn Device> {
        let spec = DeviceSpec {
            name: "s1".into(),
            model: MODEL.into(),
            text: None,
            look_ups: Vec::new(),
            limits: Resources::new(),
        };
        HostTarget.device(&spec).unwrap()
    }

    #[test]
    fn every_library_function_fits_and_lowers_to_the_same_text_twice() {
        let host = device();
        for nf in trisect_p4::library::library() {
            let program = nf.compile(&trisect_p4::Options::default()).unwrap();
            let used = host.fit(&program).unwrap();
            assert!(used.cycles > cost::PACKET, "{}: {used:?}", nf.name);
            let artifacts = host.lower(&program).unwrap();
            assert_eq!(artifacts.len(), 3);
            assert!(artifacts.iter().all(|a| !a.bytes.is_empty()));
            assert_eq!(artifacts, host.lower(&program).unwrap(), "{}", nf.name);
        }
    }

    #[test]
    fn a_payload_search_costs_more_than_everything_in_a_router() {
        let host = device();
        let cycles = |name: &str| {
            let nf = trisect_p4::library::find(name).unwrap();
            let program = nf.compile(&trisect_p4::Options::default()).unwrap();
            host.fit(&program).unwrap().cycles
        };
        assert!(cycles("ids") > cycles("l3-forwarder"));
        assert!(cycles("l3-forwarder") > cycles("ttl"));
    }

    #[test]
    fn state_takes_memory() {
        let nf = trisect_p4::library::find("source-nat").unwrap();
        let options = trisect_p4::Options::default();
        let options = options.with_define("EXTERNAL_ADDRESS", "32w0xC0000201");
        let program = nf.compile(&options).unwrap();
        let with = |bytes| {
            let limits = Resources::new().with(resource::MEMORY_BYTES, bytes);
            let spec = DeviceSpec {
                name: "s1".into(),
                model: MODEL.into(),
                text: None,
                look_ups: Vec::new(),
                limits,
            };
            HostTarget.device(&spec).unwrap().fit(&program)
        };
        let used = with(1 << 30).unwrap().resources.get(resource::MEMORY_BYTES);
        assert!(used.is_some_and(|bytes| bytes > 100_000), "{used:?}");
        let why = with(100_000).unwrap_err();
        assert_eq!(why[0].code.0, 481);
    }

    #[test]
    fn an_unknown_model_is_refused() {
        let spec = DeviceSpec {
            name: "s1".into(),
            model: "abacus".into(),
            text: None,
            look_ups: Vec::new(),
            limits: Resources::new(),
        };
        assert!(HostTarget.device(&spec).is_err());
    }
}
