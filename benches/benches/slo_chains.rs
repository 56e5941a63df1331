//! Chains with promises across a programmable switch and a server.
//!
//!     cargo bench -p trisect-benches --bench slo_chains
//!
//! Four chains: [shaper, NAT, IPv4 forward], [AES-CBC, VLAN push, IPv4 forward], [shaper, ACL, IPv4 forward] and
//! [VLAN pop, AES-CBC decrypt, IPv4 forward], with least rates of 1.1, 1.1, 0.3 and 0.3 Gbit/s; a server with one 40 Gbit/s
//! NIC and 16 cores of 1.7 GHz behind the switch; packets of 1,500 bytes. Cycles per packet are the published
//! ones of this set-up: ACL 985, NAT 519, VLAN push 289, VLAN pop 230, AES-CBC 44,263, decrypt 62,994, shaper
//! 20, and for forwarding what TTL takes, 60. Shaper and ciphers run on cores only, the others on the switch, too;
//! what is free is where, and the rate of each chain. The sum of the rates above the least ones is maximised.
//! Rows: the least rates times a factor, so that the cores become scarce. `free` is an optimum over all
//! choices and rates at once; the others fix where things run, and get the best rates for that.

use std::time::Instant;
use trisect_optimise::{
    Choice, Class, Crossing, Demand, Edge, Goal, Kind, Learnt, Limits, Problem, Quantity, Region,
    Role, Site, Unit, Way, solve,
};

/// Name, cycles per packet, and whether the switch can run it.
const NFS: [(&str, f64, bool); 8] = [
    ("shaper", 20.0, false),
    ("nat", 519.0, true),
    ("forward", 60.0, true),
    ("aes", 44_263.0, false),
    ("vlan-push", 289.0, true),
    ("acl", 985.0, true),
    ("vlan-pop", 230.0, true),
    ("aes-decrypt", 62_994.0, false),
];
/// NFs, and the least rate in Gbit/s.
const CHAINS: [(&[usize], f64); 4] = [
    (&[0, 1, 2], 1.1),
    (&[3, 4, 2], 1.1),
    (&[0, 5, 2], 0.3),
    (&[6, 7, 2], 0.3),
];
const CORES: f64 = 16.0;
const HZ: f64 = 1.7e9;
const NIC_GBPS: f64 = 40.0;
/// Packets per second of 1 Gbit/s.
const PPS: f64 = 1e9 / (8.0 * 1500.0);

fn problem(factor: f64) -> Problem {
    let quantity = |name: &str, capacity, kind| Quantity {
        name: name.to_owned(),
        capacity,
        kind,
        base: Vec::new(),
    };
    let site = |name: &str, role, server| Site {
        name: name.to_owned(),
        role,
        server,
    };
    let mut problem = Problem {
        sites: vec![
            site("switch", Role::Switch, None),
            site("host", Role::Host, Some(0)),
        ],
        quantities: vec![
            quantity("cores", CORES * HZ, Kind::Work { per_core: HZ }),
            quantity("link", NIC_GBPS, Kind::Rate),
            quantity("bounces", f64::INFINITY, Kind::Bounces),
        ],
        regions: vec![Region { sites: vec![1] }],
        ..Problem::default()
    };
    for (class, (chain, least)) in CHAINS.iter().enumerate() {
        // Offered: 1 Gbit/s, so that demands are per Gbit/s.
        problem.classes.push(Class {
            name: format!("chain {}", class + 1),
            offered: 1.0,
            min: least * factor,
            max: 100.0,
            weight: 1.0,
            counted: 1.0,
        });
        let demand = |quantity, amount| Demand {
            quantity,
            class,
            amount,
        };
        let mut from = None;
        for nf in *chain {
            let (name, cycles, switch) = NFS[*nf];
            let mut choices = vec![Choice {
                site: 1,
                demands: vec![demand(0, PPS * cycles)],
            }];
            if switch {
                choices.push(Choice {
                    site: 0,
                    demands: Vec::new(),
                });
            }
            problem.units.push(Unit {
                name: format!("{name}.{}", class + 1),
                choices,
            });
            let to = Some(problem.units.len() - 1);
            problem.edges.push(Edge {
                from,
                to,
                crossings: vec![Crossing {
                    region: 0,
                    way: Way::Enter,
                    demands: vec![demand(1, 1.0), demand(2, PPS)],
                }],
            });
            from = to;
        }
    }
    problem
}

/// Leaves each unit the one choice that a strategy takes.
fn fixed(problem: &Problem, strategy: &str) -> Problem {
    let mut fixed = problem.clone();
    let mut on_host = false;
    for (u, unit) in fixed.units.iter_mut().enumerate() {
        if u % 3 == 0 {
            on_host = false;
        }
        let switch = unit.choices.iter().position(|c| c.site == 0);
        let choice = match (strategy, switch) {
            ("hardware-first", Some(switch)) => switch,
            // Stays where the packet is: no further visit.
            ("min-bounce", Some(switch)) if !on_host => switch,
            // What is cheap in cycles is not worth the switch.
            ("greedy", Some(switch)) if unit.choices[0].demands[0].amount > PPS * 250.0 => switch,
            _ => 0,
        };
        on_host = unit.choices[choice].site == 1;
        unit.choices = vec![unit.choices[choice].clone()];
    }
    fixed
}

fn main() {
    let strategies = [
        "free",
        "greedy",
        "hardware-first",
        "software-first",
        "min-bounce",
    ];
    println!(
        "Gbit/s above the least rates (gap to the optimum; ms to solve), by factor of the least rates\n"
    );
    print!("{:>6}", "factor");
    for strategy in strategies {
        print!(" | {strategy:^27}");
    }
    println!();
    for factor in [1.0, 2.0, 3.0, 4.0, 4.5, 4.7, 4.8, 4.9] {
        print!("{factor:>6}");
        let problem = problem(factor);
        let mut optimum = None;
        for strategy in strategies {
            let chosen = match strategy {
                "free" => problem.clone(),
                _ => fixed(&problem, strategy),
            };
            let began = Instant::now();
            let goals = [Goal::Marginal, Goal::Bounces];
            let answer = solve(&chosen, &goals, Limits::default(), None, &mut |_| {
                Learnt::default()
            });
            let ms = began.elapsed().as_secs_f64() * 1e3;
            match answer {
                Ok(solved) => {
                    let sum = -solved.reached[0].value;
                    let bound = *optimum.get_or_insert(-solved.reached[0].bound);
                    let gap = 100.0 * (bound - sum).max(0.0) / bound.abs().max(1e-9);
                    print!(" | {sum:>8.3} ({gap:>6.3} %; {ms:>5.1})");
                }
                Err(_) => print!(" | {:>27}", "promises cannot be kept"),
            }
        }
        println!();
    }
}
