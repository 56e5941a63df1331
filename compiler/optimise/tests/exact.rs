//! The optimum is what an exhaustive search finds, and what is proven is true.

#![allow(clippy::unwrap_used, clippy::panic)]

use trisect_optimise::arbitrary::{Shape, rack};
use trisect_optimise::{
    BEST, Class, Goal, Learnt, Limits, NoSolution, Outcome, Problem, Row, Var, Ways, bounds,
    conflict, evaluate, greedy, rates, search, solve,
};
use trisect_place::Rng;

/// All assignments with what they come to.
fn all(problem: &Problem) -> Vec<(Vec<usize>, Outcome)> {
    let mut choice = vec![0; problem.units.len()];
    let mut found = Vec::new();
    loop {
        let outcome = evaluate(problem, &choice).unwrap();
        found.push((choice.clone(), outcome));
        let mut unit = 0;
        loop {
            if unit == choice.len() {
                return found;
            }
            choice[unit] += 1;
            if choice[unit] < problem.units[unit].choices.len() {
                break;
            }
            choice[unit] = 0;
            unit += 1;
        }
    }
}

/// What the goals of [`BEST`] minimise.
fn values(outcome: &Outcome) -> [f64; 4] {
    [
        1.0 / outcome.scale,
        outcome.cores,
        outcome.header_bytes,
        outcome.bounces,
    ]
}

/// Less than 0 if `a` is better than `b` by more than the solver's rounding.
fn compare(a: &Outcome, b: &Outcome) -> i32 {
    for (a, b) in values(a).into_iter().zip(values(b)) {
        let room = 1e-5 * a.abs().max(b.abs());
        if a < b - room {
            return -1;
        }
        if a > b + room {
            return 1;
        }
    }
    0
}

/// The problem with nothing said about latency.
fn patient(problem: &Problem) -> Problem {
    let mut patient = problem.clone();
    patient.ways.clear();
    patient
}

#[test]
fn the_longest_way_decides() {
    let (mut worse, mut impossible) = (0, 0);
    for seed in (0..400).step_by(2) {
        let problem = small(seed, true);
        let free = solve(
            &patient(&problem),
            &BEST,
            Limits::default(),
            None,
            &mut accept,
        );
        let kept = solve(&problem, &BEST, Limits::default(), None, &mut accept);
        match (free, kept) {
            (Ok(free), Ok(kept)) => {
                // All ways at once, written out one by one.
                for (ways, ns) in problem.ways.iter().zip(&kept.outcome.longest_ns) {
                    let longest = one_by_one(&problem, ways, &kept.choice);
                    assert!((longest - ns).abs() < 1e-6, "seed {seed}: {longest} {ns}");
                    assert!(*ns <= ways.most * (1.0 + 1e-6), "seed {seed}");
                }
                worse += i32::from(compare(&free.outcome, &kept.outcome) < 0);
            }
            (Ok(_), Err(_)) => impossible += 1,
            _ => {}
        }
    }
    assert!(worse > 3 && impossible > 5, "{worse} {impossible}");
}

/// The longest way, by walking all of them.
fn one_by_one(problem: &Problem, ways: &Ways, choice: &[usize]) -> f64 {
    fn from(problem: &Problem, ways: &Ways, choice: &[usize], at: Option<usize>) -> f64 {
        let site = |point: usize| {
            let unit = ways.points[point].unit;
            problem.units[unit].choices[choice[unit]].site
        };
        let own = at.map_or(0.0, |point| {
            let takes = ways.points[point].takes.iter();
            takes
                .filter(|(s, _)| *s == site(point))
                .map(|(_, ns)| ns)
                .sum()
        });
        let next = ways
            .steps
            .iter()
            .filter(|step| step.from == at)
            .map(|step| {
                let entered = step.enters.iter().filter(|(region, _)| {
                    problem.inside(*region, Some(site(step.to)))
                        && !problem.inside(*region, at.map(site))
                });
                let enters: f64 = entered.map(|(_, ns)| ns).sum();
                enters + from(problem, ways, choice, Some(step.to))
            });
        let behind = next.fold(f64::NEG_INFINITY, f64::max);
        let ends = at.is_some_and(|point| ways.points[point].ends);
        own + if ends { behind.max(0.0) } else { behind }
    }
    from(problem, ways, choice, None).max(0.0)
}

#[test]
fn latencies_that_cannot_be_kept_are_named() {
    let mut problem = small(2, true);
    for class in &mut problem.classes {
        class.min = 0.0;
    }
    problem.ways[0].most = 1.0;
    // Only hosts are left, and they take longer.
    let hosts: Vec<bool> = problem
        .sites
        .iter()
        .map(|s| s.name.starts_with("host"))
        .collect();
    for unit in &mut problem.units {
        unit.choices.retain(|c| hosts[c.site]);
    }
    for ways in &mut problem.ways[1..] {
        ways.most = 1e9;
    }
    let named = conflict(&problem, Limits::default()).unwrap();
    assert_eq!(named, Some(vec![trisect_optimise::Promise::Latency(0)]));
}

fn accept(_: &[usize]) -> Learnt {
    Learnt::default()
}

fn small(seed: u64, promises: bool) -> Problem {
    let mut random = Rng::new(seed);
    let shape = Shape {
        units: 2 + random.below(4),
        servers: 1 + random.below(2),
        length: 1 + random.below(4),
        promises,
    };
    rack(shape, seed)
}

#[test]
fn exhaustive_search_finds_nothing_better() {
    let mut feasible = 0;
    for seed in 0..2000 {
        let problem = small(seed, seed % 2 == 0);
        let fitting = all(&problem).into_iter().filter(|(_, o)| o.feasible());
        let best = fitting.min_by(|(_, a), (_, b)| compare(a, b).cmp(&0));
        match (
            best,
            solve(&problem, &BEST, Limits::default(), None, &mut accept),
        ) {
            (Some((_, best)), Ok(solved)) => {
                feasible += 1;
                assert!(solved.outcome.feasible(), "seed {seed}");
                assert_eq!(
                    compare(&best, &solved.outcome),
                    0,
                    "seed {seed}: {:?} against {:?}",
                    values(&best),
                    values(&solved.outcome)
                );
                assert!(solved.gap(1e-5) <= 1e-5 && !solved.stopped, "seed {seed}");
            }
            (None, Err(NoSolution::Infeasible { .. })) => {}
            (best, solved) => panic!("seed {seed}: {best:?} against {solved:?}"),
        }
    }
    assert!(feasible > 1500, "{feasible}");
}

/// The same with classes that grow up to a most only, some below what is offered.
#[test]
fn exhaustive_search_finds_nothing_better_where_rates_stop_growing() {
    let (mut limited, mut endless) = (0, 0);
    for seed in 0..300 {
        let mut problem = small(seed, seed % 2 == 0);
        let mut random = Rng::new(seed);
        for class in &mut problem.classes {
            if random.below(3) > 0 {
                class.max = class.offered * [0.3, 0.9, 1.2, 2.0][random.below(4)];
            }
        }
        let free = Problem {
            classes: problem
                .classes
                .iter()
                .cloned()
                .map(|c| Class {
                    max: f64::INFINITY,
                    ..c
                })
                .collect(),
            ..problem.clone()
        };
        let fitting = all(&problem).into_iter().filter(|(_, o)| o.feasible());
        let best = fitting.min_by(|(_, a), (_, b)| compare(a, b).cmp(&0));
        match (
            best,
            solve(&problem, &BEST, Limits::default(), None, &mut accept),
        ) {
            (Some((choice, best)), Ok(solved)) => {
                let (a, b) = (values(&best), values(&solved.outcome));
                assert_eq!(
                    compare(&best, &solved.outcome),
                    0,
                    "seed {seed}: {a:?} against {b:?}"
                );
                assert!(solved.gap(2e-5) == 0.0, "seed {seed}: {:?}", solved.reached);
                let proven = bounds(&problem, &BEST, &a, Limits::default()).unwrap();
                assert!(
                    proven[0] <= a[0] * (1.0 + 1e-6) + 1e-12,
                    "seed {seed}: {proven:?}, {a:?}"
                );
                // What is said of the scale is so: with each class at its rate there, something is full.
                let scale = best.scale.min(1e6);
                let grown = at_scale(&free, &problem, scale);
                let full = evaluate(&grown, &choice).unwrap().scale;
                match best.scale.is_finite() {
                    true => assert!((full - 1.0).abs() < 1e-6, "seed {seed}: {full}"),
                    false => assert!(full >= 1.0 - 1e-6, "seed {seed}: {full}"),
                }
                let unlimited = evaluate(&free, &choice).unwrap().scale;
                assert!(best.scale >= unlimited * (1.0 - 1e-9));
                limited += u32::from(best.scale > unlimited * 1.001);
                endless += u32::from(best.scale.is_infinite());
            }
            (None, Err(NoSolution::Infeasible { .. })) => {}
            (best, solved) => panic!("seed {seed}: {best:?} against {solved:?}"),
        }
    }
    assert!(limited > 100 && endless > 10, "{limited}, {endless}");
}

/// The problem with all demands as they are when rates have grown by a scale, each up to its most.
fn at_scale(free: &Problem, limited: &Problem, scale: f64) -> Problem {
    let mut problem = free.clone();
    let growth: Vec<f64> = limited
        .classes
        .iter()
        .map(|c| scale.min(c.max / c.offered))
        .collect();
    let grows: Vec<bool> = free.quantities.iter().map(|q| q.kind.grows()).collect();
    let units = problem
        .units
        .iter_mut()
        .flat_map(|u| &mut u.choices)
        .flat_map(|c| &mut c.demands);
    let edges = problem
        .edges
        .iter_mut()
        .flat_map(|e| &mut e.crossings)
        .flat_map(|c| &mut c.demands);
    for demand in units.chain(edges) {
        if grows[demand.quantity] {
            demand.amount *= growth[demand.class];
        }
    }
    problem
}

/// Adds rules that treat all servers alike: pairs of units that no server may have on its host and NIC,
/// units that are on a NIC only if another one is, too, and one that depends on all servers.
fn with_rules(problem: &mut Problem, random: &mut Rng) {
    let servers = problem.sites.len() / 2;
    let (nic, host) = (|s: usize| 1 + 2 * s, |s: usize| 2 + 2 * s);
    let row = |terms: &[(usize, usize, f64)], most: f64| Row {
        terms: terms
            .iter()
            .map(|(u, s, f)| (Var::At(*u, *s), *f))
            .collect(),
        most,
    };
    for unit in 1..problem.units.len() {
        let (before, which) = (random.below(unit), random.below(4));
        for s in 0..servers {
            problem.rules.rows.extend(match which {
                0 | 1 => Some(row(&[(before, host(s), 1.0), (unit, nic(s), 1.0)], 1.0)),
                2 => Some(row(&[(unit, nic(s), 1.0), (before, nic(s), -1.0)], 0.0)),
                _ => None,
            });
        }
    }
    let on_nics: Vec<_> = (0..servers).map(|s| (0, nic(s), 1.0)).collect();
    problem
        .rules
        .rows
        .push(row(&[&on_nics[..], &[(1, 0, 1.0)]].concat(), 1.0));
}

fn holds(problem: &Problem, choice: &[usize]) -> bool {
    let value = |(var, factor): &(Var, f64)| match var {
        Var::At(u, s) if problem.units[*u].choices[choice[*u]].site == *s => *factor,
        _ => 0.0,
    };
    let mut rows = problem.rules.rows.iter();
    rows.all(|row| row.terms.iter().map(value).sum::<f64>() <= row.most)
}

#[test]
fn equal_servers_are_one_at_first_but_for_what_rules_say_of_each() {
    let mut bound_met = 0;
    for seed in 0..150 {
        let shape = Shape {
            units: 4,
            servers: 2 + seed as usize % 2,
            length: 3,
            promises: false,
        };
        let mut problem = rack(shape, seed);
        with_rules(&mut problem, &mut Rng::new(seed));
        let fitting = all(&problem).into_iter();
        let best = fitting
            .filter(|(choice, o)| o.feasible() && holds(&problem, choice))
            .min_by(|(_, a), (_, b)| compare(a, b).cmp(&0));
        let solved = solve(&problem, &BEST, Limits::default(), None, &mut accept);
        let (Some((_, best)), Ok(solved)) = (&best, &solved) else {
            assert!(
                best.is_none() && solved.is_err(),
                "seed {seed}: {best:?} {solved:?}"
            );
            continue;
        };
        assert!(holds(&problem, &solved.choice), "seed {seed}");
        assert_eq!(compare(best, &solved.outcome), 0, "seed {seed}");
        let proven = bounds(&problem, &BEST, &values(best), Limits::default()).unwrap();
        for (bound, value) in proven.iter().zip(values(best)) {
            assert!(
                *bound <= value * (1.0 + 1e-5) + 1e-9,
                "seed {seed}: {proven:?} {best:?}"
            );
        }
        bound_met += i32::from(proven[0] >= values(best)[0] * (1.0 - 1e-5));
    }
    assert!(bound_met > 0, "{bound_met}");
}

#[test]
fn a_large_rack_of_equal_servers_is_proven() {
    let shape = Shape {
        units: 200,
        servers: 4,
        length: 10,
        promises: false,
    };
    let problem = rack(shape, 1);
    let limits = Limits {
        gap: 5e-3,
        nodes: Some(200),
        ..Limits::default()
    };
    let solved = solve(&problem, &[Goal::Scale], limits, None, &mut accept).unwrap();
    assert!(
        solved.outcome.feasible() && solved.gap(5e-3) == 0.0,
        "{:?}",
        solved.reached
    );
}

#[test]
fn what_is_found_fast_is_never_better_than_the_optimum_and_mostly_as_good() {
    let mut equal = 0;
    for seed in 0..200 {
        let problem = small(seed, false);
        let solved = solve(&problem, &BEST, Limits::default(), None, &mut accept).unwrap();
        let fast = search(&problem, &BEST, &[], 2_000, seed).unwrap();
        let first = greedy(&problem, &BEST).unwrap();
        let fast = evaluate(&problem, &fast).unwrap();
        let first = evaluate(&problem, &first).unwrap();
        assert!(compare(&fast, &solved.outcome) >= 0, "seed {seed}");
        if first.feasible() {
            assert!(
                compare(&first, &fast) >= 0,
                "seed {seed}: search begins with greedy"
            );
        }
        equal += i32::from(fast.feasible() && compare(&fast, &solved.outcome) == 0);
    }
    assert!(equal >= 190, "{equal} of 200");
}

#[test]
fn a_hint_changes_nothing_but_time() {
    for seed in 0..50 {
        let problem = small(seed, false);
        let free = solve(&problem, &BEST, Limits::default(), None, &mut accept).unwrap();
        let hint = search(&problem, &BEST, &[], 500, 1).unwrap();
        let hinted = solve(&problem, &BEST, Limits::default(), Some(&hint), &mut accept).unwrap();
        assert_eq!(compare(&free.outcome, &hinted.outcome), 0, "seed {seed}");
    }
}

#[test]
fn rules_that_are_learnt_on_the_way_hold() {
    // Whoever checks allows at most one unit on hosts; said only when it is broken.
    let mut refused = 0;
    for seed in 0..100 {
        let problem = small(seed, false);
        let on_host = |choice: &[usize]| -> Vec<(usize, usize)> {
            let units = problem.units.iter().zip(choice).enumerate();
            units
                .map(|(u, (unit, c))| (u, unit.choices[*c].site))
                .filter(|(_, site)| problem.sites[*site].name.starts_with("host"))
                .collect()
        };
        let mut check = |choice: &[usize]| {
            let there = on_host(choice);
            let mut learnt = Learnt {
                certain: true,
                ..Learnt::default()
            };
            if there.len() > 1 {
                let terms = there.iter().map(|(u, s)| (Var::At(*u, *s), 1.0)).collect();
                learnt.rows.push(Row {
                    terms,
                    most: there.len() as f64 - 1.0,
                });
            }
            learnt
        };
        let fitting = all(&problem).into_iter();
        let best = fitting
            .filter(|(choice, o)| o.feasible() && on_host(choice).len() <= 1)
            .min_by(|(_, a), (_, b)| compare(a, b).cmp(&0));
        let solved = solve(&problem, &BEST, Limits::default(), None, &mut check);
        match (best, solved) {
            (Some((_, best)), Ok(solved)) => {
                assert!(on_host(&solved.choice).len() <= 1, "seed {seed}");
                assert_eq!(compare(&best, &solved.outcome), 0, "seed {seed}");
            }
            (None, Err(NoSolution::Infeasible { .. })) => refused += 1,
            (best, solved) => panic!("seed {seed}: {best:?} against {solved:?}"),
        }
    }
    assert!(refused > 0);
}

#[test]
fn free_rates_reach_what_the_best_assignment_allows() {
    let (mut reached, mut contested) = (0, 0);
    for seed in 0..120 {
        let mut problem = small(seed, seed % 4 > 0);
        let mut random = Rng::new(seed);
        for class in &mut problem.classes {
            class.weight = [0.0, 0.5, 1.0, 1.0, 3.0][random.below(5)];
            class.max = class.max.min(20.0 * class.offered);
        }
        let worth = |rates: &[f64]| -> f64 {
            let classes = problem.classes.iter().zip(rates);
            classes.map(|(c, rate)| c.weight * (rate - c.min)).sum()
        };
        // For a fixed assignment the rates are a linear program.
        let of_all = all(&problem).into_iter();
        let fitting = of_all.filter(|(_, o)| o.over.is_empty() && o.late.is_empty());
        let values = fitting.filter_map(|(choice, _)| Some(worth(&rates(&problem, &choice).ok()?)));
        let best = values.reduce(f64::max);
        let goals = [Goal::Marginal, Goal::Cores];
        for nodes in [None, Some(1)] {
            let limits = Limits {
                nodes,
                ..Limits::default()
            };
            let solved = solve(&problem, &goals, limits, None, &mut accept);
            let (best, solved) = match (best, solved) {
                (Some(best), Ok(solved)) => (best, solved),
                (None, Err(NoSolution::Infeasible { .. })) => continue,
                (Some(_), Err(NoSolution::Stopped { .. })) if nodes.is_some() => continue,
                (best, solved) => panic!("seed {seed}: {best:?} against {solved:?}"),
            };
            let (got, first) = (worth(&solved.rates), solved.reached[0]);
            let room = 1e-5 * best.abs().max(1.0);
            assert!(-first.bound >= best - room, "seed {seed}: {first:?} {best}");
            assert!((got + first.value).abs() <= room && got <= best + room);
            if nodes.is_none() {
                assert!((got - best).abs() <= room, "seed {seed}: {got} {best}");
                assert!(solved.gap(1e-5) == 0.0, "seed {seed}: {:?}", solved.reached);
                reached += 1;
                let mut pairs = problem.classes.iter().zip(&solved.rates);
                let full = |(c, rate): (&Class, &f64)| c.weight == 0.0 || *rate >= c.max * 0.999;
                contested += u32::from(!pairs.all(full));
            }
            for (class, rate) in problem.classes.iter().zip(&solved.rates) {
                assert!(*rate >= class.min * (1.0 - 1e-6) && *rate <= class.max * (1.0 + 1e-6));
            }
        }
    }
    assert!(reached > 90 && contested > 40, "{reached}, {contested}");
}

#[test]
fn promises_that_cannot_be_kept_together_are_named() {
    let mut problem = rack(
        Shape {
            units: 6,
            servers: 1,
            length: 2,
            promises: false,
        },
        3,
    );
    let hosts: Vec<bool> = problem
        .sites
        .iter()
        .map(|s| s.name.starts_with("host"))
        .collect();
    for unit in &mut problem.units {
        unit.choices.retain(|c| hosts[c.site]);
    }
    assert_eq!(conflict(&problem, Limits::default()).unwrap(), None);
    // Two classes want more of the only server than it has; either alone could have it.
    let alone = |problem: &Problem, class: usize| {
        let mut one = problem.clone();
        for (c, other) in one.classes.iter_mut().enumerate() {
            other.min = if c == class { other.offered } else { 0.0 };
            other.max = if c == class { f64::INFINITY } else { 0.0 };
            other.weight = f64::from(u8::from(c == class));
        }
        let goals = [Goal::Marginal];
        let best = solve(&one, &goals, Limits::default(), None, &mut accept).unwrap();
        best.rates[class]
    };
    for class in [0, 1] {
        problem.classes[class].min = 0.9 * alone(&problem, class);
    }
    let named = conflict(&problem, Limits::default()).unwrap();
    use trisect_optimise::Promise::Rate;
    assert_eq!(named, Some(vec![Rate(0), Rate(1)]));
}

#[test]
fn a_malformed_problem_is_an_error() {
    let mut problem = small(1, false);
    problem.units[0].choices[0].site = 99;
    assert!(evaluate(&problem, &vec![0; problem.units.len()]).is_err());
    let answer = solve(&problem, &BEST, Limits::default(), None, &mut accept);
    assert!(matches!(answer, Err(NoSolution::Malformed(_))));
    let problem = small(1, false);
    assert!(evaluate(&problem, &[]).is_err());
    assert!(evaluate(&problem, &vec![77; problem.units.len()]).is_err());
    let answer = solve(
        &problem,
        &[Goal::Scale, Goal::Marginal],
        Limits::default(),
        None,
        &mut accept,
    );
    assert!(matches!(answer, Err(NoSolution::Malformed(_))));
}
