//! Plans of the bundled examples: legal, complete, deterministic; the pieces, chained on the
//! interpreter, do what the uncut pipeline does.

#[path = "../compiler/plan/tests/common/mod.rs"]
mod common;
#[path = "../compiler/plan/tests/common/mock.rs"]
mod mock;

use std::path::Path;
use std::time::Instant;
use trisect::project::Project;
use trisect_plan::pgraph::Traffic;
use trisect_plan::{Input, Plan, Strategy};

const EXAMPLES: [&str; 3] = ["central-office", "l3-firewall", "nat-lb"];

fn project(name: &str) -> Project {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name);
    Project::load(&folder, None).expect("the examples load")
}

fn plan(project: &Project, strategy: Strategy) -> Plan {
    let registry = mock::registry();
    Plan::make(&Input {
        name: &project.name,
        policy: &project.policy,
        library: &project.library,
        programs: &project.programs,
        rack: &project.rack,
        registry: &registry,
        strategy,
        traffic: Traffic::default(),
    })
    .expect("there is a plan")
}

#[test]
fn better_strategies_leave_less_to_the_hosts() {
    for name in EXAMPLES {
        let project = project(name);
        let mut costs = Vec::new();
        for strategy in [Strategy::Host, Strategy::E2, Strategy::Best] {
            let start = Instant::now();
            let plan = plan(&project, strategy);
            println!(
                "{name} {strategy}: {} nodes, {:.1} cycles per packet, bound {:.1}, {:?}",
                plan.nodes.len(),
                plan.cost.cycles,
                plan.bound,
                start.elapsed()
            );
            costs.push(plan.cost.cycles);
        }
        assert!(costs[1] <= costs[0] && costs[2] <= costs[1], "{costs:?}");
    }
}
