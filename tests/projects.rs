//! The bundled examples load: policies, racks, programs and their configuration fit together.

use std::path::Path;
use trisect::project::{Pipeline, Project};

#[test]
fn every_example_loads_without_a_warning() {
    for name in ["central-office", "l3-firewall", "nat-lb"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples")
            .join(name);
        let project = Project::load(&folder, None).unwrap_or_else(|problems| panic!("{problems}"));
        assert!(project.warnings.is_empty(), "{}", project.warnings);
        let Pipeline::Policy {
            policy, programs, ..
        } = &project.pipeline
        else {
            panic!("{name} has a policy");
        };
        assert_eq!(programs.len(), policy.nfs.len());
        assert!(!project.traffic().unwrap().is_empty());
    }
}
