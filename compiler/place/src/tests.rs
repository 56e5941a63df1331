//! Small problems against hand figures, plain recomputation and exhaustive search.

use crate::connectivity::Connectivity;
use crate::packing::{depth_first, grow};
use crate::problem::{End, Flow, Port, Problem, ProblemError, Server};
use crate::search::Search;
use crate::state::{State, carried};
use crate::{
    Effort, Exchange, Incremental, Resource, Rng, at_best_load, best, e2, evaluate, packing,
    packing_growth, random, upper_bound,
};
use std::collections::BTreeSet;

fn server(cycles: f64, link: f64) -> Server {
    Server {
        cycles,
        into: link,
        out: link,
    }
}

fn flow(from: End, to: End, rate: f64) -> Flow {
    Flow { from, to, rate }
}

use End::{Instance as I, Port as P};

const WIDE: Port = Port {
    into: f64::INFINITY,
    out: f64::INFINITY,
};

/// Loads, flows and servers, so that tests can look at them.
struct Case {
    loads: Vec<f64>,
    flows: Vec<Flow>,
    servers: Vec<Server>,
    ports: Vec<Port>,
}

impl Case {
    fn random(rng: &mut Rng, instances: usize, servers: usize) -> Self {
        let loads = (0..instances).map(|_| 1.0 + 4.0 * rng.unit()).collect();
        let mut flows = Vec::new();
        for a in 0..instances as u32 {
            for b in 0..instances as u32 {
                if rng.below(3) == 0 {
                    flows.push(flow(I(a), I(b), rng.unit()));
                }
            }
            if rng.below(2) == 0 {
                flows.push(flow(P(rng.below(2) as u32), I(a), rng.unit()));
            }
            if rng.below(2) == 0 {
                flows.push(flow(I(a), P(rng.below(2) as u32), rng.unit()));
            }
        }
        // From core-bound to link-bound, alike or not.
        let link = 0.2 + 4.0 * rng.unit();
        let alike = rng.below(2) == 0;
        let servers = (0..servers)
            .map(|_| {
                let part = if alike { 1.0 } else { 0.5 + rng.unit() };
                server(part * 8.0, part * link)
            })
            .collect();
        Self {
            loads,
            flows,
            servers,
            ports: vec![WIDE; 2],
        }
    }
    fn problem(&self) -> Problem {
        Problem::new(&self.loads, &self.flows, &[], &self.servers, &self.ports).unwrap()
    }
    /// By server: load, traffic from and to the switch.
    fn carried(&self, placement: &[u32]) -> Vec<[f64; 3]> {
        let mut used = vec![[0.0; 3]; self.servers.len()];
        for (i, load) in self.loads.iter().enumerate() {
            used[placement[i] as usize][0] += load;
        }
        let place = |end| match end {
            I(i) => Some(placement[i as usize]),
            P(_) => None,
        };
        for f in &self.flows {
            let (from, to) = (place(f.from), place(f.to));
            if from != to {
                if let Some(s) = from {
                    used[s as usize][2] += f.rate;
                }
                if let Some(s) = to {
                    used[s as usize][1] += f.rate;
                }
            }
        }
        used
    }
    /// The growth as the definition says it.
    fn growth(&self, placement: &[u32]) -> f64 {
        let used = self.carried(placement);
        let most = used
            .iter()
            .zip(&self.servers)
            .flat_map(|(u, s)| [u[0] / s.cycles, u[1] / s.into, u[2] / s.out])
            .fold(0.0, f64::max);
        1.0 / most
    }
    /// The largest growth of all placements.
    fn exhaustive(&self) -> f64 {
        let (n, k) = (self.loads.len(), self.servers.len());
        let mut placement = vec![0_u32; n];
        let mut most: f64 = 0.0;
        loop {
            most = most.max(self.growth(&placement));
            let Some(next) = placement.iter().position(|s| (*s as usize) < k - 1) else {
                return most;
            };
            placement[next] += 1;
            placement[..next].fill(0);
        }
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

#[test]
fn bottlenecks_of_all_kinds() {
    let problem = |cycles, into, out, port: Port| {
        let server = Server { cycles, into, out };
        let flows = [
            flow(P(0), I(0), 3.0),
            flow(I(0), I(1), 2.0),
            flow(I(1), P(0), 1.0),
        ];
        Problem::new(&[4.0, 8.0], &flows, &[], &[server; 2], &[port]).unwrap()
    };
    let found = |problem, placement: [u32; 2]| {
        let e = evaluate(&problem, &placement);
        (e.growth, e.bottleneck.unwrap(), e.crossing)
    };
    let none = f64::INFINITY;
    assert_eq!(
        found(problem(24.0, none, none, WIDE), [0, 1]),
        (3.0, Resource::Cores(1), 2.0)
    );
    assert_eq!(
        found(problem(24.0, none, none, WIDE), [1, 1]),
        (2.0, Resource::Cores(1), 0.0)
    );
    assert_eq!(
        found(problem(none, 6.0, none, WIDE), [0, 1]),
        (2.0, Resource::LinkInto(0), 2.0)
    );
    assert_eq!(
        found(problem(none, none, 1.0, WIDE), [0, 1]),
        (0.5, Resource::LinkOut(0), 2.0)
    );
    assert_eq!(
        found(problem(none, none, 1.0, WIDE), [0, 0]),
        (1.0, Resource::LinkOut(0), 0.0)
    );
    let narrow = Port {
        into: 4.5,
        out: 0.5,
    };
    assert_eq!(
        found(problem(none, none, none, narrow), [0, 0]),
        (0.5, Resource::PortOut(0), 0.0)
    );
    let idle = Problem::new(&[0.0], &[], &[], &[server(0.0, 0.0)], &[]).unwrap();
    let e = evaluate(&idle, &[0]);
    assert_eq!((e.growth, e.bottleneck), (f64::INFINITY, None));
    assert_eq!(upper_bound(&idle), f64::INFINITY);
    assert_eq!(best(&idle, Effort::default()).gap(), 0.0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let servers = [server(1.0, 1.0)];
    let new = |loads: &[f64], flows: &[Flow], servers: &[Server]| {
        Problem::new(loads, flows, &[], servers, &[WIDE]).unwrap_err()
    };
    assert_eq!(new(&[1.0], &[], &[]), ProblemError::NoServer);
    let refused = new(&[1.0, f64::NAN], &[], &servers).to_string();
    assert!(
        refused.starts_with("instance 1 has the figure NaN"),
        "{refused}"
    );
    let refused = new(&[1.0], &[flow(P(0), I(0), -1.0)], &servers).to_string();
    assert!(refused.starts_with("flow 0 has the figure -1"), "{refused}");
    assert_eq!(
        new(&[1.0], &[flow(P(1), I(0), 1.0)], &servers),
        ProblemError::Missing {
            what: "port",
            index: 1,
            count: 1
        }
    );
    let groups = [BTreeSet::from([0, 3])];
    assert_eq!(
        Problem::new(&[1.0], &[], &groups, &servers, &[]).unwrap_err(),
        ProblemError::Missing {
            what: "instance",
            index: 3,
            count: 1
        }
    );
}

#[test]
fn groups_that_share_an_instance_are_one_unit() {
    let groups = [
        BTreeSet::from([1, 3]),
        BTreeSet::from([3, 4]),
        BTreeSet::new(),
    ];
    let flows = [
        flow(I(1), I(4), 9.0),
        flow(I(0), I(3), 1.0),
        flow(I(4), I(0), 2.0),
    ];
    let problem = Problem::new(&[1.0; 5], &flows, &groups, &[server(4.0, 1.0); 2], &[]).unwrap();
    assert_eq!((problem.instances(), problem.units()), (5, 3));
    assert_eq!(problem.load, [1.0, 3.0, 1.0]);
    assert_eq!(problem.row(0).collect::<Vec<_>>(), [(1, 3.0)]);
    assert_eq!(evaluate(&problem, &[0, 1, 0, 1, 1]).crossing, 3.0);
    for placement in [
        random(&problem, 3),
        packing(&problem, 1.0),
        e2(&problem, 1.0),
        best(&problem, Effort::default()).placement,
    ] {
        assert_eq!(placement[1], placement[3]);
        assert_eq!(placement[3], placement[4]);
    }
    let refused = Incremental::new(&problem, &[0; 5], 1.0).split(3);
    assert_eq!(refused, Err(ProblemError::Grouped(3)));
}

#[test]
fn neighbours_come_together_within_capacity() {
    let flows = [
        flow(I(0), I(3), 10.0),
        flow(I(1), I(2), 10.0),
        flow(I(0), I(1), 1.0),
    ];
    let servers = [server(4.0, 1.0); 2];
    let problem = Problem::new(&[2.0; 4], &flows, &[], &servers, &[]).unwrap();
    assert_eq!(evaluate(&problem, &e2(&problem, 1.0)).crossing, 1.0);
    // What fits nowhere goes where most room is.
    let problem = Problem::new(&[3.0; 3], &[], &[], &servers, &[]).unwrap();
    assert_eq!(packing(&problem, 1.0), [0, 1, 0]);
    // As far as two on one server can grow, to the digits that are promised.
    let growth = packing_growth(&problem);
    assert!(growth <= 2.0 / 3.0 && growth > 2.0 / 3.0 - 1e-5);
}

#[test]
fn what_is_kept_up_to_date_is_what_is_computed_anew() {
    let mut rng = Rng::new(7);
    for _ in 0..20 {
        let case = Case::random(&mut rng, 12, 3);
        let problem = case.problem();
        let start = random(&problem, rng.next_u64());
        assert!(near(evaluate(&problem, &start).growth, case.growth(&start)));
        let mut state = State::new(&problem, start);
        for _ in 0..60 {
            state.shift(rng.below(12) as u32, rng.below(3) as u32);
        }
        for (kept, anew) in state.carried.iter().zip(carried(&problem, &state.at)) {
            assert!(near(kept.load, anew.load));
            assert!(near(kept.into, anew.into) && near(kept.out, anew.out));
        }
        let anew = Connectivity::new(&problem, &state.at);
        for unit in 0..12 {
            assert_eq!(state.connectivity.of(unit).len(), anew.of(unit).len());
            for tie in anew.of(unit) {
                assert!(near(state.connectivity.rate(unit, tie.server), tie.rate));
            }
        }
        for server in 0..3 {
            let mut members: Vec<u32> = state.members(server).collect();
            members.sort_unstable();
            let there = (0..12).filter(|u| state.at[*u as usize] == server);
            assert_eq!(members, there.collect::<Vec<_>>());
        }
        let growth = case.growth(&state.at);
        assert!(near(evaluate(&problem, &state.at).growth, growth));
    }
}

#[test]
fn e2_ends_where_no_move_or_swap_helps() {
    let mut rng = Rng::new(8);
    for _ in 0..100 {
        let case = Case::random(&mut rng, 10, 3);
        let problem = case.problem();
        let growth = packing_growth(&problem);
        let packed = packing(&problem, growth);
        let placed = e2(&problem, growth);
        let crossing = |p: &[u32]| evaluate(&problem, p).crossing;
        let fits = |p: &[u32]| {
            let mut servers = case.carried(p).into_iter().zip(&case.servers);
            servers.all(|([load, ..], server)| load <= server.cycles / growth * (1.0 + 1e-9))
        };
        assert!(fits(&packed) && fits(&placed));
        let grows = |p: &[u32]| case.growth(p);
        assert!(grows(&placed) >= grows(&packed).min(growth) * (1.0 - 1e-9));
        let least = crossing(&placed);
        let improves = |p: &[u32]| {
            // But for what rounding decides: within the room, and no link fuller than it is.
            let links = case.carried(p).into_iter().zip(case.carried(&placed));
            let takes = links.zip(&case.servers).all(|((new, now), server)| {
                let room = [server.cycles, server.into, server.out].map(|r| r / growth);
                new[0] < room[0] * (1.0 - 1e-9)
                    && (1..3).all(|i| new[i] < room[i].max(now[i]) * (1.0 - 1e-9))
            });
            takes && crossing(p) < least - 1e-6
        };
        for a in 0..10 {
            for s in 0..3 {
                let mut moved = placed.clone();
                moved[a] = s;
                assert!(!improves(&moved), "{a} to {s}");
            }
            for b in 0..a {
                let mut swapped = placed.clone();
                swapped.swap(a, b);
                assert!(!improves(&swapped), "{a} and {b}");
            }
        }
    }
}

#[test]
fn links_are_capacities_as_cores_are() {
    let flows = [
        flow(P(0), I(0), 6.0),
        flow(P(0), I(1), 6.0),
        flow(I(0), I(1), 1.0),
    ];
    let place = |link, growth| {
        let servers = [server(4.0, link); 2];
        let problem = Problem::new(&[2.0; 2], &flows, &[], &servers, &[WIDE]).unwrap();
        e2(&problem, growth)
    };
    // Both on one server take 12 of its link; apart, 6 and 7.
    assert_eq!(place(12.0, 1.0), [0, 0]);
    assert_ne!(place(11.0, 1.0), [0, 0]);
    assert_eq!(place(11.0, 0.9), [0, 0]);
    // No step takes a link further beyond what it has room for, and what cannot be relieved stays.
    assert_ne!(place(5.0, 1.0), [0, 0]);
    assert_eq!(place(0.0, 1.0), [0, 0]);
}

#[test]
fn relief_of_links_lets_more_through() {
    let mut rng = Rng::new(13);
    let (mut with, mut without) = (0.0, 0.0);
    for _ in 0..60 {
        let mut case = Case::random(&mut rng, 20, 4);
        let problem = case.problem();
        with += at_best_load(&problem, e2).1.growth;
        for server in &mut case.servers {
            (server.into, server.out) = (f64::INFINITY, f64::INFINITY);
        }
        let wide = case.problem();
        without += at_best_load(&problem, |_, growth| e2(&wide, growth))
            .1
            .growth;
        // With traffic alone to lessen, there is never more than the packing has.
        let crossing = |p: &[u32]| evaluate(&wide, p).crossing;
        assert!(crossing(&e2(&wide, 1.0)) <= crossing(&packing(&wide, 1.0)) + 1e-9);
    }
    assert!(with > 1.05 * without, "{with} {without}");
}

#[test]
fn orders_have_every_unit_once() {
    let mut rng = Rng::new(9);
    let problem = Case::random(&mut rng, 30, 4).problem();
    for start in [0, 7, 29] {
        let mut order = depth_first(&problem, start);
        order.sort_unstable();
        assert_eq!(order, (0..30).collect::<Vec<_>>());
    }
    assert!(grow(&problem, 3, 100.0).iter().all(|s| *s < 4));
}

#[test]
fn exhaustive_search_finds_what_best_finds() {
    let mut rng = Rng::new(10);
    for round in 0..120 {
        let (n, k) = [(7, 3), (8, 2), (6, 3), (9, 2)][round % 4];
        let case = Case::random(&mut rng, n, k);
        let problem = case.problem();
        let most = case.exhaustive();
        assert!(
            upper_bound(&problem) >= most * (1.0 - 1e-9),
            "round {round}"
        );
        let answer = best(&problem, Effort::default());
        assert!(near(answer.evaluation.growth, most), "round {round}");
        assert_eq!(answer.gap(), 0.0);
        for heuristic in [packing, e2] {
            let (placement, found) = at_best_load(&problem, heuristic);
            assert!(near(found.growth, case.growth(&placement)));
            assert!(answer.evaluation.growth >= found.growth);
        }
    }
}

#[test]
fn without_the_exact_search_most_small_problems_are_still_solved() {
    let mut rng = Rng::new(10);
    let mut optimal = 0;
    for round in 0..60 {
        let (n, k) = [(7, 3), (8, 2), (6, 3), (9, 2)][round % 4];
        let case = Case::random(&mut rng, n, k);
        let problem = case.problem();
        let start = random(&problem, 1);
        let mut search = Search::new(State::new(&problem, start), 0.0, 20_000);
        search.run(&mut Rng::new(1));
        let growth = evaluate(&problem, &search.state.at).growth;
        let most = case.exhaustive();
        assert!(growth <= most * (1.0 + 1e-9), "round {round}");
        optimal += usize::from(near(growth, most));
    }
    assert!(optimal >= 54, "{optimal} of 60");
}

#[test]
fn same_problem_and_seed_same_placement() {
    let mut rng = Rng::new(11);
    let problem = Case::random(&mut rng, 40, 5).problem();
    let effort = Effort::default();
    assert_eq!(best(&problem, effort), best(&problem, effort));
    assert_eq!(random(&problem, 5), random(&problem, 5));
    assert_ne!(random(&problem, 5), random(&problem, 6));
}

#[test]
fn an_added_instance_goes_to_its_neighbours_and_moves_none() {
    let servers = [server(10.0, 1.0); 3];
    let flows = [flow(I(0), I(1), 1.0)];
    let problem = Problem::new(&[6.0, 6.0, 2.0], &flows, &[], &servers, &[WIDE]).unwrap();
    let mut rack = Incremental::new(&problem, &[0, 1, 2], 1.0);
    let exchange = |with, received, sent| Exchange {
        with,
        received,
        sent,
    };
    let exchanges = [
        exchange(I(1), 2.0, 1.0),
        exchange(I(0), 0.0, 2.0),
        exchange(P(0), 3.0, 0.0),
    ];
    assert_eq!(rack.add(3.0, &exchanges), Ok(1));
    // Server 1 is full now; of the others, the one with traffic.
    assert_eq!(rack.add(3.0, &exchanges), Ok(0));
    assert_eq!(rack.add(3.0, &exchanges), Ok(2));
    // No room anywhere: the emptiest is overbooked.
    assert_eq!(rack.add(9.0, &exchanges), Ok(2));
    assert!(rack.add(f64::NAN, &[]).is_err());
    assert!(rack.add(1.0, &[exchange(I(7), 1.0, 0.0)]).is_err());
    assert!(rack.split(7).is_err());
    let (grown, placement) = rack.snapshot();
    assert_eq!(placement, [0, 1, 2, 1, 0, 2, 2]);
    let e = evaluate(&grown, &placement);
    // Of each added instance what goes elsewhere, and the flow that was there.
    assert_eq!(e.crossing, 1.0 + 2.0 + 3.0 + 5.0 + 5.0);
}

#[test]
fn a_split_halves_load_and_traffic() {
    let mut rng = Rng::new(12);
    for _ in 0..20 {
        let mut case = Case::random(&mut rng, 10, 3);
        let problem = case.problem();
        let start = e2(&problem, 1.0);
        let mut rack = Incremental::new(&problem, &start, 1.0);
        for _ in 0..15 {
            let old = rng.below(case.loads.len()) as u32;
            rack.split(old).unwrap();
            // The same on the flows themselves.
            let new = case.loads.len() as u32;
            case.loads[old as usize] /= 2.0;
            case.loads.push(case.loads[old as usize]);
            for i in 0..case.flows.len() {
                let f = case.flows[i];
                if f.from == f.to || (f.from != I(old) && f.to != I(old)) {
                    continue;
                }
                case.flows[i].rate /= 2.0;
                let swap = |end| if end == I(old) { I(new) } else { end };
                case.flows
                    .push(flow(swap(f.from), swap(f.to), f.rate / 2.0));
            }
        }
        let (grown, placement) = rack.snapshot();
        assert_eq!(placement[..10], start);
        let e = evaluate(&grown, &placement);
        assert!(near(e.growth, case.growth(&placement)));
        assert!(near(e.growth, evaluate(&case.problem(), &placement).growth));
    }
}
