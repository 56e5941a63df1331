//! Made-up problems, for tests and benches.

use crate::problem::{
    Choice, Class, Crossing, Demand, Edge, Kind, Problem, Quantity, Region, Role, Site, Unit, Way,
};
use crate::ways::{Point, Step, Ways};
use trisect_place::Rng;

/// The shape of a made-up rack and its load.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// How many units.
    pub units: usize,
    /// Servers, each with a NIC.
    pub servers: usize,
    /// Units per pipeline; each pipeline is a class of its own.
    pub length: usize,
    /// Whether classes have promises: least rates of some, longest ways, and three times what is offered as the most of all.
    pub promises: bool,
}

/// Host cycles per second of a server, and of one core.
const SERVER: (f64, f64) = (7.0 * 2.4e9, 2.4e9);
/// Nanoseconds that a visit of a server takes, without what is done there.
const ENTERING: f64 = 1062.5;
/// Bits of a frame, with its outer headers.
const FRAME: f64 = 8.0 * 540.0;

/// Pipelines over one switch and servers with a NIC each. A third of the units can be on the switch (tables that
/// use its memory), half on a NIC (they use rules), all on every host; a pipeline may branch and
/// join. Crossing to a server costs a link and cycles, from its NIC to its host a bus.
pub fn rack(shape: Shape, seed: u64) -> Problem {
    let mut random = Rng::new(seed);
    let mut problem = Problem::default();
    let (memory, rules) = (0, 1);
    problem
        .quantities
        .push(quantity("memory", 100.0, Kind::Space));
    for s in 0..shape.servers {
        problem
            .quantities
            .push(quantity(&format!("rules {s}"), 1000.0, Kind::Space));
    }
    let per_server = problem.quantities.len();
    for s in 0..shape.servers {
        let work = Kind::Work { per_core: SERVER.1 };
        problem
            .quantities
            .push(quantity(&format!("cores {s}"), SERVER.0, work));
        problem
            .quantities
            .push(quantity(&format!("link {s}"), 40e9, Kind::Rate));
        problem
            .quantities
            .push(quantity(&format!("bus {s}"), 50e9, Kind::Rate));
    }
    let header = problem.quantities.len();
    problem
        .quantities
        .push(quantity("header", f64::INFINITY, Kind::HeaderBytes));
    let bounces = problem.quantities.len();
    problem
        .quantities
        .push(quantity("bounces", f64::INFINITY, Kind::Bounces));
    problem.sites.push(site("switch", Role::Switch, None));
    for s in 0..shape.servers {
        problem
            .sites
            .push(site(&format!("nic {s}"), Role::Nic, Some(s)));
        problem
            .sites
            .push(site(&format!("host {s}"), Role::Host, Some(s)));
    }
    let (nic, host) = (|s: usize| 1 + 2 * s, |s: usize| 2 + 2 * s);
    for s in 0..shape.servers {
        problem.regions.push(Region {
            sites: vec![nic(s), host(s)],
        });
        problem.regions.push(Region {
            sites: vec![host(s)],
        });
    }
    while problem.units.len() < shape.units {
        let class = problem.classes.len();
        let pps = between(&mut random, 0.5e6, 4e6);
        let mut rest = pps;
        let first = problem.units.len();
        let length = shape.length.min(shape.units - first);
        let mut ways = Ways {
            name: format!("latency of p{class}"),
            most: f64::INFINITY,
            ..Ways::default()
        };
        for k in 0..length {
            let cycles = between(&mut random, 50.0, 3000.0).round();
            let mut choices = Vec::new();
            if random.below(3) == 0 {
                let blocks = between(&mut random, 1.0, 30.0).round();
                choices.push(Choice {
                    site: 0,
                    demands: vec![demand(memory, class, blocks)],
                });
            }
            let on_nic = random.below(2) == 0;
            let used = between(&mut random, 10.0, 500.0).round();
            for s in 0..shape.servers {
                if on_nic {
                    choices.push(Choice {
                        site: nic(s),
                        demands: vec![demand(rules + s, class, used)],
                    });
                }
                choices.push(Choice {
                    site: host(s),
                    demands: vec![demand(per_server + 3 * s, class, rest * cycles)],
                });
            }
            problem.units.push(Unit {
                name: format!("p{class}.{k}"),
                choices,
            });
            let bytes = 24.0 + 4.0 * random.below(6) as f64;
            let from = match k {
                0 => None,
                // A branch beside the unit before it.
                _ if k > 1 && random.below(4) == 0 => Some(first + k - 2),
                _ => Some(first + k - 1),
            };
            let unit = first + k;
            ways.points.push(Point {
                unit,
                takes: (0..shape.servers)
                    .map(|s| (host(s), 1e9 * cycles / SERVER.1))
                    .collect(),
                ends: true,
            });
            let enters = (0..shape.servers).map(|s| (2 * s, ENTERING));
            ways.steps.push(Step {
                from: from.map(|u| u - first),
                to: k,
                enters: enters.collect(),
            });
            problem.edges.push(edge(
                from,
                Some(unit),
                class,
                rest,
                bytes,
                shape.servers,
                per_server,
                header,
                bounces,
            ));
            if random.below(5) == 0 {
                rest *= between(&mut random, 0.5, 0.95);
            }
        }
        let last = Some(problem.units.len() - 1);
        problem.edges.push(edge(
            last,
            None,
            class,
            rest,
            24.0,
            shape.servers,
            per_server,
            header,
            bounces,
        ));
        for step in &ways.steps {
            if let Some(from) = step.from {
                ways.points[from].ends = false;
            }
        }
        if shape.promises {
            // Of its own, so that all else is the same as without promises.
            let mut random = Rng::new(seed ^ problem.ways.len() as u64 ^ 0x1a7e);
            if random.below(2) == 0 {
                let takes = ways.points.iter().filter_map(|p| p.takes.first());
                let on_hosts: f64 = takes.map(|(_, ns)| ns).sum();
                ways.most = between(&mut random, 0.4, 1.6) * (on_hosts + ENTERING);
            }
            problem.ways.push(ways);
        }
        let promised = shape.promises && random.below(2) == 0;
        problem.classes.push(Class {
            name: format!("p{class}"),
            offered: pps,
            min: if promised {
                pps * between(&mut random, 0.05, 0.4)
            } else {
                0.0
            },
            max: if shape.promises {
                3.0 * pps
            } else {
                f64::INFINITY
            },
            weight: 1.0,
            counted: 1.0,
        });
    }
    problem
}

/// A number in `from..to`.
fn between(random: &mut Rng, from: f64, to: f64) -> f64 {
    from + (to - from) * random.unit()
}

fn quantity(name: &str, capacity: f64, kind: Kind) -> Quantity {
    Quantity {
        name: name.to_owned(),
        capacity,
        kind,
        base: Vec::new(),
    }
}

fn site(name: &str, role: Role, server: Option<usize>) -> Site {
    Site {
        name: name.to_owned(),
        role,
        server,
    }
}

fn demand(quantity: usize, class: usize, amount: f64) -> Demand {
    Demand {
        quantity,
        class,
        amount,
    }
}

#[allow(clippy::too_many_arguments)]
fn edge(
    from: Option<usize>,
    to: Option<usize>,
    class: usize,
    pps: f64,
    bytes: f64,
    servers: usize,
    per_server: usize,
    header: usize,
    bounces: usize,
) -> Edge {
    let mut crossings = Vec::new();
    for s in 0..servers {
        let at = per_server + 3 * s;
        crossings.push(Crossing {
            region: 2 * s,
            way: Way::Enter,
            demands: vec![
                demand(at + 1, class, pps * (FRAME + 8.0 * bytes)),
                demand(header, class, pps * bytes),
                demand(bounces, class, pps),
            ],
        });
        crossings.push(Crossing {
            region: 2 * s + 1,
            way: Way::Enter,
            demands: vec![
                demand(at, class, pps * 150.0),
                demand(at + 2, class, pps * FRAME),
            ],
        });
    }
    Edge {
        from,
        to,
        crossings,
    }
}
