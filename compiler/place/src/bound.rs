//! What no placement can exceed.

use crate::packing::capacity;
use crate::problem::Problem;
use crate::state::usage;

/// An upper bound of the growth of every placement. Each of its parts is necessary:
///
/// - All work on all cores.
/// - The largest unit on the largest server; and as one of `k` servers has at least `q + 1` of the
///   `q k + 1` largest units, the `q + 1` smallest of these on the largest server. The same for what
///   units receive from ports, and for what they send to ports, on the largest links.
/// - Each external port.
/// - Each unit's traffic, less what the neighbours that fit beside it on the largest server could keep
///   inside (a fractional knapsack), on the largest links.
/// - The traffic of all ports, and what must cross between servers, on all links. Crosses what, unit by
///   unit, does not fit beside it; and if a connected part of the graph needs `p` servers, the `p - 1`
///   lightest edges of its maximum spanning tree.
///
/// The last two depend on the growth, as fewer units fit on a server if all have grown; the bound is
/// the smallest growth from where on they are violated.
pub fn upper_bound(problem: &Problem) -> f64 {
    let simple = work(problem).min(sizes(problem)).min(ports(problem));
    let links = Links::new(problem);
    if simple <= 0.0 || links.allow(simple) {
        return simple;
    }
    let (mut possible, mut impossible) = (0.0, simple);
    if simple.is_infinite() {
        // Without finite work: traffic alone limits, so that some power of two is too much.
        impossible = 1.0;
        while links.allow(impossible) {
            possible = impossible;
            impossible *= 2.0;
        }
    }
    while impossible - possible > 1e-12 * impossible {
        let middle = f64::midpoint(possible, impossible);
        if links.allow(middle) {
            possible = middle;
        } else {
            impossible = middle;
        }
    }
    impossible
}

fn work(problem: &Problem) -> f64 {
    let load: f64 = problem.load.iter().sum();
    let cycles: f64 = problem.servers.iter().map(|s| s.cycles).sum();
    1.0 / usage(load, cycles)
}

fn sizes(problem: &Problem) -> f64 {
    let servers = &problem.servers;
    let count = servers.len();
    crowded(
        &problem.load,
        count,
        largest(servers.iter().map(|s| s.cycles)),
    )
    .min(crowded(
        &problem.from_ports,
        count,
        largest(servers.iter().map(|s| s.into)),
    ))
    .min(crowded(
        &problem.to_ports,
        count,
        largest(servers.iter().map(|s| s.out)),
    ))
}

/// What one of `servers` must take at least, if things of these sizes are spread over them, against
/// the largest capacity.
fn crowded(sizes: &[f64], servers: usize, capacity: f64) -> f64 {
    let mut sizes = sizes.to_vec();
    sizes.sort_by(|a, b| b.total_cmp(a));
    let together = (0..)
        .map(|q| (q, q * servers))
        .take_while(|(_, last)| *last < sizes.len())
        .map(|(q, last)| sizes[last - q..=last].iter().sum::<f64>());
    1.0 / usage(together.fold(0.0, f64::max), capacity)
}

fn ports(problem: &Problem) -> f64 {
    let into = problem.port_in.iter().zip(&problem.ports);
    let out = problem.port_out.iter().zip(&problem.ports);
    let used = into
        .map(|(rate, port)| usage(*rate, port.into))
        .chain(out.map(|(rate, port)| usage(*rate, port.out)));
    1.0 / used.fold(0.0, f64::max)
}

fn largest(figures: impl Iterator<Item = f64>) -> f64 {
    figures.fold(0.0, f64::max)
}

/// What the links must carry.
struct Links<'a> {
    problem: &'a Problem,
    /// Cycles per second of the largest server.
    cycles: f64,
    /// Both directions of the largest links together.
    link: f64,
    /// All links, each direction.
    into: f64,
    out: f64,
    /// Each unit's neighbours, those first that keep the most traffic inside by their load.
    rows: Vec<Vec<(f64, f64)>>,
    /// The connected parts.
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    units: Vec<u32>,
    load: f64,
    /// Sums of the lightest edges of a maximum spanning tree: of none, of one, of two ...
    lightest: Vec<f64>,
}

impl<'a> Links<'a> {
    fn new(problem: &'a Problem) -> Self {
        let units = 0..problem.units() as u32;
        let servers = &problem.servers;
        Self {
            cycles: largest(servers.iter().map(|s| s.cycles)),
            link: largest(servers.iter().map(|s| s.into)) + largest(servers.iter().map(|s| s.out)),
            into: servers.iter().map(|s| s.into).sum(),
            out: servers.iter().map(|s| s.out).sum(),
            rows: units.map(|u| by_density(problem, u)).collect(),
            parts: parts(problem),
            problem,
        }
    }
    /// Whether nothing here forbids a growth.
    fn allow(&self, growth: f64) -> bool {
        // Rounding errors must not make the bound too low.
        const SLACK: f64 = 1.0 + 1e-9;
        let problem = self.problem;
        let room = capacity(self.cycles, growth) * SLACK;
        let mut crossing = 0.0;
        for part in &self.parts {
            let mut torn = 0.0;
            for &unit in &part.units {
                let apart = self.apart(unit, room - problem.load[unit as usize]);
                let external = problem.from_ports[unit as usize] + problem.to_ports[unit as usize];
                if growth * (apart + external) > self.link * SLACK {
                    return false;
                }
                torn += apart / 2.0;
            }
            let servers = if part.load > 0.0 {
                part.load / room
            } else {
                0.0
            };
            let cuts = (servers.ceil().max(1.0) - 1.0) as usize;
            let last = part.lightest.len() - 1;
            crossing += f64::max(torn, part.lightest[cuts.min(last)]);
        }
        let received: f64 = problem.from_ports.iter().sum();
        let sent: f64 = problem.to_ports.iter().sum();
        growth * (received + crossing) <= self.into * SLACK
            && growth * (sent + crossing) <= self.out * SLACK
    }
    /// What a unit exchanges at least with other servers if neighbours of `room` load fit beside it.
    fn apart(&self, unit: u32, room: f64) -> f64 {
        let (mut room, mut apart) = (room.max(0.0), 0.0);
        for (load, rate) in &self.rows[unit as usize] {
            if *load <= room {
                room -= load;
            } else {
                apart += rate * (1.0 - room / load);
                room = 0.0;
            }
        }
        apart
    }
}

/// Load and traffic of a unit's neighbours, the most traffic by load first.
fn by_density(problem: &Problem, unit: u32) -> Vec<(f64, f64)> {
    let mut row: Vec<(f64, f64)> = problem
        .row(unit)
        .map(|(v, rate)| (problem.load[v as usize], rate))
        .collect();
    row.sort_by(|a, b| (b.1 * a.0).total_cmp(&(a.1 * b.0)));
    row
}

/// The connected parts, by Kruskal's algorithm with the heaviest edges first.
fn parts(problem: &Problem) -> Vec<Part> {
    let units = problem.units() as u32;
    let mut edges: Vec<(u32, u32, f64)> = (0..units)
        .flat_map(|u| problem.row(u).map(move |(v, rate)| (u, v, rate)))
        .filter(|(u, v, _)| u < v)
        .collect();
    edges.sort_by(|a, b| b.2.total_cmp(&a.2));
    let mut parent: Vec<u32> = (0..units).collect();
    let mut tree = Vec::new();
    for (u, v, rate) in edges {
        let (a, b) = (root(&mut parent, u), root(&mut parent, v));
        if a != b {
            parent[b as usize] = a;
            tree.push((u, rate));
        }
    }
    let mut parts: Vec<Part> = (0..units).map(|_| Part::default()).collect();
    for unit in 0..units {
        let part = &mut parts[root(&mut parent, unit) as usize];
        part.units.push(unit);
        part.load += problem.load[unit as usize];
        if part.lightest.is_empty() {
            part.lightest.push(0.0);
        }
    }
    // From the lightest edge to the heaviest, as the tree was built the other way round.
    for (unit, rate) in tree.into_iter().rev() {
        let part = &mut parts[root(&mut parent, unit) as usize];
        let sum = part.lightest.last().copied().unwrap_or(0.0);
        part.lightest.push(sum + rate);
    }
    parts.retain(|p| !p.units.is_empty());
    parts
}

/// The root of a union-find tree, with path halving.
pub(crate) fn root(parent: &mut [u32], mut i: u32) -> u32 {
    while parent[i as usize] != i {
        let up = parent[parent[i as usize] as usize];
        parent[i as usize] = up;
        i = up;
    }
    i
}
