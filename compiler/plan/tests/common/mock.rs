//! Simple targets for tests of the planner: what they can do is stated in a few lines.
#![allow(dead_code)]

use trisect_ir::diag::Code;
use trisect_ir::{Entity, Expr, NodeId, NodeKind, Op, Program};
use trisect_plan::analysis::{Effects, Slot};
use trisect_target::{
    Artifact, Capability, Device, DeviceError, DeviceSpec, LowerError, Model, Refusal, Registry,
    Resources, Target, TargetKind, Use, Verdict, resource,
};

/// A target of one kind.
pub struct Mock(pub TargetKind);

struct MockDevice {
    kind: TargetKind,
    budget: Resources,
}

/// A registry with a switch called `bmv2`, a NIC and a host.
pub fn registry() -> Registry {
    Registry::new(vec![
        Box::new(Mock(TargetKind::Switch)),
        Box::new(Mock(TargetKind::Nic)),
        Box::new(Mock(TargetKind::Host)),
    ])
    .expect("different names")
}

impl Target for Mock {
    fn name(&self) -> &'static str {
        match self.0 {
            TargetKind::Switch => "bmv2",
            TargetKind::Nic => "mock-nic",
            TargetKind::Host => "mock-host",
        }
    }
    fn kind(&self) -> TargetKind {
        self.0
    }
    fn description(&self) -> &'static str {
        "for tests"
    }
    fn models(&self) -> Vec<Model> {
        vec![Model {
            name: "generic".into(),
            description: String::new(),
            budget: Resources::new(),
        }]
    }
    fn capabilities(&self, _: &str) -> Vec<Capability> {
        vec![]
    }
    fn device(&self, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError> {
        Ok(Box::new(MockDevice {
            kind: self.0,
            budget: spec.limits.clone(),
        }))
    }
}

fn unable(what: &str) -> Verdict {
    Verdict::Unable(vec![Refusal {
        code: Code(499),
        operation: what.into(),
        capability: "the mock cannot do it".into(),
        hint: String::new(),
    }])
}

fn actions(program: &Program, node: NodeId) -> Vec<&Op> {
    match &program.control.nodes[node].kind {
        NodeKind::Exec(ops, _) => ops.iter().collect(),
        NodeKind::Apply(table, _) => {
            let t = &program.tables[*table];
            t.actions
                .iter()
                .chain([&t.default.action])
                .flat_map(|a| &program.actions[*a].ops)
                .collect()
        }
        _ => vec![],
    }
}

impl Device for MockDevice {
    fn budget(&self) -> Resources {
        self.budget.clone()
    }
    fn check(&self, program: &Program, node: NodeId) -> Verdict {
        let effects = Effects::of_node(program, node);
        let kind = &program.control.nodes[node].kind;
        if self.kind == TargetKind::Host {
            let cycles = match kind {
                NodeKind::Apply(..) => 60,
                NodeKind::Reparse(_) => 40,
                _ if effects.stateful => 500,
                _ => 8,
            };
            return Verdict::Able(Use {
                resources: Resources::new(),
                cycles,
            });
        }
        if effects.stateful || matches!(kind, NodeKind::Reparse(_)) {
            return unable("state or payload");
        }
        if effects.reads_raw_frame || effects.reads.contains(&Slot::Frame) {
            return unable("frame bytes");
        }
        if self.kind == TargetKind::Nic {
            let simple = |op: &&Op| {
                matches!(
                    op,
                    Op::Set(_, Expr::Const(_) | Expr::Param(_)) | Op::Count(..)
                )
            };
            if !actions(program, node).iter().all(simple) || !effects.objects.is_empty() {
                return unable("arithmetic");
            }
        }
        let mut resources = Resources::new();
        if let NodeKind::Apply(table, _) = kind {
            let entries = program.tables[*table].entries.len().max(1) as u64;
            resources = match self.kind {
                TargetKind::Switch => resources
                    .with(resource::STAGES, 1)
                    .with(resource::ENTRIES, entries),
                _ => resources.with(resource::RULES, entries),
            };
        }
        Verdict::Able(Use {
            resources,
            cycles: 0,
        })
    }
    fn fit(&self, piece: &Program) -> Result<Use, Vec<Refusal>> {
        let mut used = Use::default();
        if self.kind != TargetKind::Host {
            let mut seen = std::collections::BTreeSet::new();
            for (_, node) in piece.control.nodes.iter() {
                if let NodeKind::Apply(table, _) = node.kind
                    && seen.insert(table)
                {
                    let entries = piece.tables[table].entries.len().max(1) as u64;
                    let name = match self.kind {
                        TargetKind::Switch => resource::ENTRIES,
                        _ => resource::RULES,
                    };
                    used.resources.add(&Resources::new().with(name, entries));
                }
            }
        }
        let _ = NodeId::new(0);
        Ok(used)
    }
    fn lower(&self, piece: &Program) -> Result<Vec<Artifact>, LowerError> {
        Ok(vec![Artifact::text("piece.tri", piece.to_string())])
    }
}
