//! Servers that are the same: of all the ways to name them, one is enough.

use crate::problem::{Kind, Problem, Row, Var};
use std::collections::{BTreeMap, BTreeSet};

/// What tells one server from another: by sites in the order of roles, what units use there with
/// names of quantities replaced by their place among the server's own.
type Signature = Vec<(u8, Vec<(usize, Vec<(Own, usize, u64)>)>)>;

/// A quantity: one of the server's own, or one that several servers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Own {
    Own(usize),
    Shared(usize),
}

/// Adds rules that keep, of assignments that differ only in which of several equal servers is which, one:
/// the first unit that is on any of them is on the first, and so on: unit `u` is on the `k`-th only if
/// a unit before it is on the one before that. Two servers are equal if everything that the problem says about them
/// is, to the last bit; rules that the problem has already must treat them alike.
///
/// Returns the groups of equal servers, by number.
pub fn break_symmetry(problem: &mut Problem) -> Vec<Vec<usize>> {
    let servers: BTreeSet<usize> = problem.sites.iter().filter_map(|s| s.server).collect();
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for server in servers {
        groups
            .entry(signature(problem, server))
            .or_default()
            .push(server);
    }
    let groups: Vec<Vec<usize>> = groups.into_values().filter(|g| g.len() > 1).collect();
    for group in &groups {
        for pair in group.windows(2) {
            order(problem, pair[0], pair[1]);
        }
    }
    groups
}

/// The same assignment with equal servers named as [`break_symmetry`] asks: by group, in the order in which
/// units come to them.
pub fn canonical(problem: &Problem, groups: &[Vec<usize>], choice: &[usize]) -> Vec<usize> {
    let server_of = |u: usize, c: usize| problem.sites[problem.units[u].choices[c].site].server;
    let mut named: BTreeMap<usize, usize> = BTreeMap::new();
    for group in groups {
        let mut free = group.iter();
        let used = choice
            .iter()
            .enumerate()
            .filter_map(|(u, c)| server_of(u, *c));
        for server in used.chain(group.iter().copied()) {
            if group.contains(&server) && !named.contains_key(&server) {
                named.extend(free.next().map(|name| (server, *name)));
            }
        }
    }
    let units = choice.iter().enumerate();
    units
        .map(|(u, c)| {
            let site = &problem.sites[problem.units[u].choices[*c].site];
            let name = site.server.and_then(|s| named.get(&s)).copied();
            let same = |other: &crate::Site| other.role == site.role && other.server == name;
            let at = problem.sites.iter().position(same);
            at.filter(|_| name.is_some())
                .and_then(|at| problem.choice_of(u, at))
                .unwrap_or(*c)
        })
        .collect()
}

/// A unit is on `second` only if one before it is on `first`.
fn order(problem: &mut Problem, first: usize, second: usize) {
    let sites_of = |server: usize| -> Vec<usize> {
        (0..problem.sites.len())
            .filter(|s| problem.sites[*s].server == Some(server))
            .collect()
    };
    let (first, second) = (sites_of(first), sites_of(second));
    let mut before: Vec<(Var, f64)> = Vec::new();
    let mut rows = Vec::new();
    for (u, unit) in problem.units.iter().enumerate() {
        let at = |sites: &[usize], factor: f64| -> Vec<(Var, f64)> {
            let there = unit.choices.iter().filter(|c| sites.contains(&c.site));
            there.map(|c| (Var::At(u, c.site), factor)).collect()
        };
        let mut terms = at(&second, 1.0);
        if !terms.is_empty() {
            terms.extend(&before);
            rows.push(Row { terms, most: 0.0 });
        }
        before.extend(at(&first, -1.0));
    }
    problem.rules.rows.extend(rows);
}

fn signature(
    problem: &Problem,
    server: usize,
) -> (Signature, Vec<(u64, String)>, Vec<Vec<String>>) {
    let mut sites: Vec<usize> = (0..problem.sites.len())
        .filter(|s| problem.sites[*s].server == Some(server))
        .collect();
    sites.sort_by_key(|s| (problem.sites[*s].role, *s));
    let mut own: BTreeMap<usize, usize> = BTreeMap::new();
    let shared = shared(problem);
    let mut name = |q: usize| {
        if shared.contains(&q) {
            return Own::Shared(q);
        }
        let next = own.len();
        Own::Own(*own.entry(q).or_insert(next))
    };
    let mut uses = Vec::new();
    for site in &sites {
        let mut by_unit = Vec::new();
        for (u, unit) in problem.units.iter().enumerate() {
            for choice in unit.choices.iter().filter(|c| c.site == *site) {
                let demands = choice.demands.iter();
                let demands = demands.map(|d| (name(d.quantity), d.class, d.amount.to_bits()));
                by_unit.push((u, demands.collect()));
            }
        }
        uses.push((problem.sites[*site].role as u8, by_unit));
    }
    // Borders around the server's sites, with what crossing them costs.
    let mut borders = Vec::new();
    for (r, region) in problem.regions.iter().enumerate() {
        if !region.sites.iter().any(|s| sites.contains(s)) {
            continue;
        }
        let places: Vec<String> = region
            .sites
            .iter()
            .map(|s| match sites.iter().position(|own| own == s) {
                Some(place) => format!("own {place}"),
                None => format!("other {s}"),
            })
            .collect();
        let mut border = vec![places.join(" ")];
        for (e, edge) in problem.edges.iter().enumerate() {
            for crossing in edge.crossings.iter().filter(|c| c.region == r) {
                let demands: Vec<_> = crossing
                    .demands
                    .iter()
                    .map(|d| (name(d.quantity), d.class, d.amount.to_bits()))
                    .collect();
                border.push(format!("{e} {:?} {demands:?}", crossing.way));
            }
        }
        borders.push(border);
    }
    let mut quantities: Vec<(usize, usize)> =
        own.into_iter().map(|(q, place)| (place, q)).collect();
    quantities.sort_unstable();
    let quantities = quantities
        .into_iter()
        .map(|(_, q)| {
            let quantity = &problem.quantities[q];
            let what = format!("{:?} {:?}", quantity.kind, quantity.base);
            (quantity.capacity.to_bits(), what)
        })
        .collect();
    (uses, quantities, borders)
}

/// Quantities that sites or borders of more than one server use, or of none; sums without a limit of their
/// own count as shared.
fn shared(problem: &Problem) -> BTreeSet<usize> {
    let mut users: BTreeMap<usize, BTreeSet<Option<usize>>> = BTreeMap::new();
    for unit in &problem.units {
        for choice in &unit.choices {
            for demand in &choice.demands {
                let server = problem.sites[choice.site].server;
                users.entry(demand.quantity).or_default().insert(server);
            }
        }
    }
    for edge in &problem.edges {
        for crossing in &edge.crossings {
            for demand in &crossing.demands {
                for site in &problem.regions[crossing.region].sites {
                    let server = problem.sites[*site].server;
                    users.entry(demand.quantity).or_default().insert(server);
                }
            }
        }
    }
    let alone = |u: &BTreeSet<Option<usize>>| u.len() == 1 && !u.contains(&None);
    (0..problem.quantities.len())
        .filter(|q| {
            matches!(
                problem.quantities[*q].kind,
                Kind::HeaderBytes | Kind::Bounces | Kind::Latency
            ) || !users.get(q).is_some_and(alone)
        })
        .collect()
}
