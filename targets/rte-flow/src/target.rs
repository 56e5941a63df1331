//! The target `rte-flow`.

use crate::caps::Capabilities;
use crate::flows::with_numbers;
use crate::lower::{estimate, lower, node_name, uses};
use crate::rule::RuleSet;
use crate::testpmd;
use trisect_ir::diag::Diagnostic;
use trisect_ir::{NodeId, Program};
use trisect_target::{
    Artifact, Capability, Device, DeviceError, DeviceSpec, FlowNumbers, LowerError, Model, Refusal,
    Resources, Target, TargetKind, Use, Verdict, resource,
};

/// Name of the artifact with the rules as data.
pub const RULES_JSON: &str = "rules.json";
/// Name of the artifact with the rules as lines for testpmd.
pub const RULES_TESTPMD: &str = "rules.testpmd";

/// NICs that are programmed by DPDK's rte_flow.
#[derive(Clone, Copy, Debug, Default)]
pub struct RteFlow;

impl Target for RteFlow {
    fn name(&self) -> &'static str {
        "rte-flow"
    }
    fn kind(&self) -> TargetKind {
        TargetKind::Nic
    }
    fn description(&self) -> &'static str {
        "flow rules of a SmartNIC, by DPDK's rte_flow"
    }
    fn models(&self) -> Vec<Model> {
        Capabilities::builtin().into_iter().map(listed).collect()
    }
    fn read_model(&self, text: &str, file: &str) -> Option<Result<Model, Vec<Diagnostic>>> {
        Some(Capabilities::parse(text, file).map(listed))
    }
    fn capabilities(&self, model: &str) -> Vec<Capability> {
        Capabilities::named(model).map_or_else(Vec::new, |caps| caps.listing())
    }
    fn device(&self, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError> {
        Ok(Box::new(Nic::new(spec)?))
    }
}

fn listed(caps: Capabilities) -> Model {
    Model {
        budget: caps.budget(),
        name: caps.name,
        description: caps.description,
    }
}

/// One NIC of a rack.
#[derive(Clone, Debug)]
pub struct Nic {
    caps: Capabilities,
    budget: Resources,
}

impl Nic {
    /// The NIC that a rack file describes.
    ///
    /// # Errors
    /// An unknown model, or one of the user's own that cannot be.
    pub fn new(spec: &DeviceSpec) -> Result<Self, DeviceError> {
        let caps = match &spec.text {
            Some(text) => Capabilities::parse(text, &spec.model)
                .map_err(|found| DeviceError::bad_model(&spec.model, found))?,
            None => Capabilities::named(&spec.model).ok_or_else(|| DeviceError::UnknownModel {
                target: RteFlow.name().to_owned(),
                model: spec.model.clone(),
                known: Capabilities::builtin()
                    .into_iter()
                    .map(|c| c.name)
                    .collect(),
            })?,
        };
        let budget = caps.budget().overridden_by(&spec.limits);
        Ok(Self {
            caps: caps.limited(&budget),
            budget,
        })
    }

    /// What it can do, with the limits of the rack file.
    pub fn capabilities(&self) -> &Capabilities {
        &self.caps
    }
}

impl Device for Nic {
    fn budget(&self) -> Resources {
        self.budget.clone()
    }

    fn check(&self, program: &Program, node: NodeId) -> Verdict {
        let unable = |why: crate::refuse::Why| Verdict::Unable(vec![why.refusal(program)]);
        if !self.caps.matching.nsh_fields {
            return unable(crate::refuse::Why::NshFields);
        }
        match estimate(program, &self.caps, node) {
            Ok(resources) => Verdict::Able(Use {
                resources,
                cycles: 0,
            }),
            Err(why) => unable(why),
        }
    }

    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>> {
        match lower(piece, &self.caps) {
            Ok(rules) => Ok(Use {
                resources: uses(&rules),
                cycles: 0,
            }),
            Err(why) => Err(vec![why.refusal(piece)]),
        }
    }

    fn flow_numbers(&self, piece: Option<&Program>) -> Option<Result<FlowNumbers, Refusal>> {
        let empty = Program::new("");
        let piece = piece.unwrap_or(&empty);
        let rules =
            lower(piece, &self.caps).and_then(|rules| with_numbers(&rules, &self.caps, u32::MAX));
        Some(match rules {
            Ok(rules) => Ok(FlowNumbers {
                flows: rules.flows.map_or(0, |flows| u64::from(flows.most)),
                per_second: self.budget.get(resource::INSERTIONS),
            }),
            Err(why) => Err(why.refusal(piece)),
        })
    }

    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError> {
        let rules = lower(piece, &self.caps).map_err(|why| LowerError::Refused {
            node: node_name(piece, why.node()),
            refusal: why.refusal(piece),
        })?;
        artifacts(&rules)
    }
}

/// The files with these rules.
///
/// # Errors
/// A fault of the serialiser.
pub fn artifacts(rules: &RuleSet) -> Result<Vec<Artifact>, LowerError> {
    let mut json = serde_json::to_string_pretty(rules).map_err(|e| LowerError::Internal {
        target: RteFlow.name().to_owned(),
        message: e.to_string(),
    })?;
    json.push('\n');
    Ok(vec![
        Artifact::text(RULES_JSON, json),
        Artifact::text(RULES_TESTPMD, testpmd::render(rules)),
    ])
}
