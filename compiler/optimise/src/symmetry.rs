//! Servers that are the same.

use crate::problem::{Kind, Problem};
use crate::ways::Ways;
use std::collections::{BTreeMap, BTreeSet};

/// What tells one server from another: by sites in the order of roles, what units use there with
/// names of quantities replaced by their place among the server's own; those quantities; and the borders around its sites, with times on ways.
type Signature = (Uses, Vec<(u64, String)>, Vec<Vec<String>>);
/// By site, with its role: what each unit uses there.
type Uses = Vec<(u8, Vec<(usize, Vec<(Own, usize, u64)>)>)>;

/// A quantity: one of the server's own, or one that several servers share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Own {
    Own(usize),
    Shared(usize),
}

/// Groups of servers about which a problem says the same to the last bit, but for its rules; by number.
pub(crate) fn equal_servers(problem: &Problem) -> Vec<Vec<usize>> {
    let servers: BTreeSet<usize> = problem.sites.iter().filter_map(|s| s.server).collect();
    let shared = shared(problem);
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for server in servers {
        let (signature, _) = signature(problem, server, &shared);
        groups.entry(signature).or_default().push(server);
    }
    groups.into_values().filter(|g| g.len() > 1).collect()
}

/// The quantities that only this server uses.
pub(crate) fn own_quantities(problem: &Problem, server: usize) -> Vec<usize> {
    signature(problem, server, &shared(problem)).1
}

/// The quantities that only choices of sites that are no server's use, and borders of those only.
pub(crate) fn outside_quantities(problem: &Problem) -> Vec<usize> {
    let outside = |site: usize| problem.sites[site].server.is_none();
    let mut own: BTreeSet<usize> = BTreeSet::new();
    let mut others: BTreeSet<usize> = BTreeSet::new();
    for choice in problem.units.iter().flat_map(|unit| &unit.choices) {
        let of = if outside(choice.site) {
            &mut own
        } else {
            &mut others
        };
        of.extend(choice.demands.iter().map(|demand| demand.quantity));
    }
    for crossing in problem.edges.iter().flat_map(|edge| &edge.crossings) {
        let mut sites = problem.regions[crossing.region].sites.iter();
        let of = if sites.all(|site| outside(*site)) {
            &mut own
        } else {
            &mut others
        };
        of.extend(crossing.demands.iter().map(|demand| demand.quantity));
    }
    own.difference(&others).copied().collect()
}

/// The sites of a server, those of equal servers in the same order.
pub(crate) fn sites_of(problem: &Problem, server: usize) -> Vec<usize> {
    let mut sites: Vec<usize> = (0..problem.sites.len())
        .filter(|s| problem.sites[*s].server == Some(server))
        .collect();
    sites.sort_by_key(|s| (problem.sites[*s].role, *s));
    sites
}

/// The site of `server` that is what `site` is to its own server, if these are equal.
pub(crate) fn twin(problem: &Problem, site: usize, server: usize) -> Option<usize> {
    let own = sites_of(problem, problem.sites[site].server?);
    let place = own.iter().position(|s| *s == site)?;
    sites_of(problem, server).get(place).copied()
}

/// A server's signature, and its own quantities.
fn signature(
    problem: &Problem,
    server: usize,
    shared: &BTreeSet<usize>,
) -> (Signature, Vec<usize>) {
    let sites = sites_of(problem, server);
    let mut own: BTreeMap<usize, usize> = BTreeMap::new();
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
        for (w, ways) in promised(problem) {
            for (k, step) in ways.steps.iter().enumerate() {
                let enters = step.enters.iter().filter(|(region, _)| *region == r);
                border.extend(enters.map(|(_, ns)| format!("way {w} {k} {}", ns.to_bits())));
            }
        }
        borders.push(border);
    }
    // What packets take on the server on their ways.
    let mut takes = Vec::new();
    for (w, ways) in promised(problem) {
        for (k, point) in ways.points.iter().enumerate() {
            for (site, ns) in &point.takes {
                let place = sites.iter().position(|own| own == site);
                takes.extend(place.map(|place| format!("way {w} {k} {place} {}", ns.to_bits())));
            }
        }
    }
    borders.push(takes);
    let mut quantities: Vec<(usize, usize)> =
        own.into_iter().map(|(q, place)| (place, q)).collect();
    quantities.sort_unstable();
    let own: Vec<usize> = quantities.into_iter().map(|(_, q)| q).collect();
    let quantities = own
        .iter()
        .map(|q| {
            let quantity = &problem.quantities[*q];
            let what = format!("{:?} {:?}", quantity.kind, quantity.base);
            (quantity.capacity.to_bits(), what)
        })
        .collect();
    ((uses, quantities, borders), own)
}

/// The ways about whose latency something is promised.
fn promised(problem: &Problem) -> impl Iterator<Item = (usize, &Ways)> {
    let ways = problem.ways.iter().enumerate();
    ways.filter(|(_, ways)| ways.most.is_finite())
}

/// Quantities that sites or borders of more than one server use, or of none; latencies, which do not add
/// up, count as shared.
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
            problem.quantities[*q].kind == Kind::Latency || !users.get(q).is_some_and(alone)
        })
        .collect()
}
