//! Equal servers as one: a smaller problem of which every assignment of the real one is one, too, and no
//! dearer. What is proven of it is proven of the real problem.
//!
//! Of each group of equal servers the first stands for all: with the sum of what they have, and only
//! the border around all of them. Going from one to another costs nothing there, and what no server has room for
//! alone may fit into all of them.

use crate::problem::{Kind, Problem, Row, Var};
use crate::solve::Goal;
use crate::symmetry::{equal_servers, own_quantities, sites_of};
use std::collections::{BTreeMap, BTreeSet};

/// Terms of a rule.
type Terms = Vec<(Var, f64)>;

/// Rules by what they say about the first of equal servers: variables with the bits of their factors.
type Alike = BTreeMap<Vec<(Var, u64)>, Siblings>;

/// Rules that say the same about one server each.
struct Siblings {
    servers: BTreeSet<usize>,
    most: f64,
}

/// The smaller problem.
#[derive(Clone)]
pub(crate) struct Relaxed {
    pub problem: Problem,
    /// By site of the real problem: the site that stands for it.
    stands: Vec<usize>,
    /// By site: how many sites it stands for; 1 for those of servers that have no equal.
    times: Vec<usize>,
    /// What may be together on different servers only, and so crosses a border.
    pub apart: Vec<Apart>,
    /// The quantities that servers which are one have together.
    own: Vec<usize>,
}

/// Both ends of an edge that no server may have in these places: if they are there, they are on
/// different servers, and the edge crosses the border of one.
#[derive(Clone)]
pub(crate) struct Apart {
    pub edge: usize,
    pub region: usize,
    pub ends: [Var; 2],
}

impl Relaxed {
    /// The problem with equal servers as one; `None` if no servers are equal.
    pub fn of(real: &Problem) -> Option<Self> {
        let groups = equal_servers(real);
        if groups.is_empty() {
            return None;
        }
        let mut stands: Vec<usize> = (0..real.sites.len()).collect();
        let mut times = vec![1; real.sites.len()];
        let mut problem = real.clone();
        let mut own = Vec::new();
        for group in &groups {
            let first = sites_of(real, group[0]);
            for server in group {
                for (site, of_first) in sites_of(real, *server).into_iter().zip(&first) {
                    stands[site] = *of_first;
                    times[*of_first] = group.len();
                }
            }
            for q in own_quantities(real, group[0]) {
                own.push(q);
                let quantity = &mut problem.quantities[q];
                quantity.capacity *= group.len() as f64;
                for (_, amount) in &mut quantity.base {
                    *amount *= group.len() as f64;
                }
            }
        }
        let stays = |site: usize| stands[site] == site;
        for unit in &mut problem.units {
            unit.choices.retain(|choice| stays(choice.site));
        }
        let borders: Vec<bool> = real
            .regions
            .iter()
            .map(|region| region.sites.iter().all(|site| stays(*site)))
            .collect();
        for edge in &mut problem.edges {
            edge.crossings.retain(|crossing| borders[crossing.region]);
        }
        problem.rules.rows = Vec::new();
        let mut relaxed = Self {
            problem,
            stands,
            times,
            apart: Vec::new(),
            own,
        };
        relaxed.problem.rules.rows = relaxed.rows(&real.rules.rows);
        relaxed.apart = relaxed.apart(real);
        Some(relaxed)
    }
    /// The rules about a server alone that hold for each of those for which it stands.
    pub fn alone(&self, server: usize, real: &[Row]) -> Vec<Row> {
        let mut siblings = BTreeMap::new();
        for row in real {
            let of = |(var, _): &(Var, f64)| match var {
                Var::At(_, site) => self.problem.sites[*site].server,
                Var::Helper(_) => None,
            };
            let servers: BTreeSet<Option<usize>> = row.terms.iter().map(of).collect();
            if let (1, Some(Some(of))) = (servers.len(), servers.first().copied()) {
                self.note(&mut siblings, row.terms.iter().copied(), of, row.most);
            }
        }
        let here = |var: &Var| matches!(var, Var::At(_, site) if self.problem.sites[*site].server == Some(server));
        let rules = siblings.into_iter().filter(|(key, same)| {
            let all = key.iter().map(|(var, _)| self.count(*var)).max();
            all == Some(same.servers.len()) && key.iter().all(|(var, _)| here(var))
        });
        rules
            .map(|(key, same)| Row {
                terms: key
                    .into_iter()
                    .map(|(var, bits)| (var, f64::from_bits(bits)))
                    .collect(),
                most: same.most,
            })
            .collect()
    }
    /// Notes a rule about a server with those that say the same about its equals.
    fn note(
        &self,
        siblings: &mut Alike,
        terms: impl Iterator<Item = (Var, f64)>,
        server: usize,
        most: f64,
    ) {
        let mut key: Vec<(Var, u64)> = terms
            .map(|(var, factor)| (self.first(var), factor.to_bits()))
            .collect();
        key.sort_unstable();
        let known = siblings.entry(key).or_insert_with(|| Siblings {
            servers: BTreeSet::new(),
            most,
        });
        known.servers.insert(server);
        known.most = known.most.max(most);
    }
    /// The same with less space on servers that are one, by this part.
    pub fn with_less(&self, part: f64) -> Self {
        let mut less = self.clone();
        for q in &self.own {
            let quantity = &mut less.problem.quantities[*q];
            if quantity.kind == Kind::Space {
                quantity.capacity *= 1.0 - part;
            }
        }
        less
    }
    /// What rules of the real problem say about the smaller one. Those that treat equal servers alike,
    /// one after the other or all in one, keep a meaning; the others are left out.
    pub fn rows(&self, real: &[Row]) -> Vec<Row> {
        let mut rows = Vec::new();
        // Rules about one server of a group: by what they are for its first, with the servers for which
        // there is one.
        let mut siblings = BTreeMap::new();
        for row in real {
            let (kept, apart) = self.split(row);
            if apart.is_empty() {
                rows.push(Row {
                    terms: kept,
                    most: row.most,
                });
                continue;
            }
            let of = |var: &Var| match var {
                Var::At(_, site) => self.problem.sites[*site].server,
                Var::Helper(_) => None,
            };
            let servers: BTreeSet<Option<usize>> = apart.iter().map(|(var, _)| of(var)).collect();
            let (1, Some(Some(server))) = (servers.len(), servers.first().copied()) else {
                continue;
            };
            let terms = kept.iter().chain(&apart).copied();
            self.note(&mut siblings, terms, server, row.most);
        }
        for (key, Siblings { servers, most }) in siblings {
            let terms: Vec<(Var, f64)> = key
                .into_iter()
                .map(|(var, bits)| (var, f64::from_bits(bits)))
                .collect();
            let all = terms.iter().map(|(var, _)| self.count(*var)).max();
            if all != Some(servers.len()) {
                continue;
            }
            // The sum of the rules: what concerns all servers is in each of them.
            let all = servers.len() as f64;
            let summed = terms.into_iter().map(|(var, factor)| {
                let one = self.count(var) > 1;
                (var, if one { factor } else { factor * all })
            });
            rows.push(Row {
                terms: summed.collect(),
                most: most * all,
            });
        }
        rows
    }
    /// The pairs that rules of the real problem forbid on each of several equal servers.
    fn apart(&self, real: &Problem) -> Vec<Apart> {
        // By places of the smaller problem: the servers where the pair is forbidden.
        let mut pairs: BTreeMap<[Var; 2], BTreeSet<Option<usize>>> = BTreeMap::new();
        for row in &real.rules.rows {
            let [(a, 1.0), (b, 1.0)] = row.terms[..] else {
                continue;
            };
            let (Var::At(_, at), Var::At(_, to)) = (a, b) else {
                continue;
            };
            let server = real.sites[at].server;
            if row.most < 2.0 && server == real.sites[to].server {
                let mut ends = [self.first(a), self.first(b)];
                ends.sort_unstable();
                pairs.entry(ends).or_default().insert(server);
            }
        }
        let units = |ends: &[Var; 2]| {
            ends.map(|end| match end {
                Var::At(unit, _) => Some(unit),
                Var::Helper(_) => None,
            })
        };
        let mut apart = Vec::new();
        for (ends, servers) in pairs {
            if servers.len() < self.count(ends[0]).max(2) {
                continue;
            }
            let inside = |region: usize| {
                let sites = &real.regions[region].sites;
                let within = |end: &Var| matches!(end, Var::At(_, s) if sites.contains(s));
                ends.iter().all(within)
            };
            let both = units(&ends);
            for (e, edge) in self.problem.edges.iter().enumerate() {
                if both != [edge.from, edge.to] && both != [edge.to, edge.from] {
                    continue;
                }
                let regions = edge.crossings.iter().map(|c| c.region);
                apart.extend(regions.filter(|r| inside(*r)).map(|region| Apart {
                    edge: e,
                    region,
                    ends,
                }));
            }
        }
        apart
    }
    /// The terms that have a meaning as they are, and those about a part of a group's servers.
    fn split(&self, row: &Row) -> (Terms, Terms) {
        let mut kept = Vec::new();
        let mut parts: BTreeMap<(Var, u64), Vec<(Var, f64)>> = BTreeMap::new();
        for (var, factor) in &row.terms {
            match self.count(self.first(*var)) {
                1 => kept.push((*var, *factor)),
                _ => parts
                    .entry((self.first(*var), factor.to_bits()))
                    .or_default()
                    .push((*var, *factor)),
            }
        }
        let mut apart = Vec::new();
        for ((first, _), terms) in parts {
            let different: BTreeSet<Var> = terms.iter().map(|(var, _)| *var).collect();
            match different.len() == self.count(first) && terms.len() == different.len() {
                true => kept.push((first, terms[0].1)),
                false => apart.extend(terms),
            }
        }
        (kept, apart)
    }
    /// The variable that stands for this one.
    fn first(&self, var: Var) -> Var {
        match var {
            Var::At(unit, site) => Var::At(unit, self.stands[site]),
            helper @ Var::Helper(_) => helper,
        }
    }
    /// For how many a variable stands.
    fn count(&self, var: Var) -> usize {
        match var {
            Var::At(_, site) => self.times[site],
            Var::Helper(_) => 1,
        }
    }
    /// By unit, the choices of the real problem that are one here: those for which this one's stands.
    pub fn shared_out(&self, real: &Problem, choice: &[usize]) -> Vec<Vec<usize>> {
        let units = real.units.iter().zip(choice).enumerate();
        units
            .map(|(u, (unit, c))| {
                let site = self.problem.units[u].choices[*c].site;
                let choices = unit.choices.iter().enumerate();
                choices
                    .filter(|(_, choice)| self.stands[choice.site] == site)
                    .map(|(c, _)| c)
                    .collect()
            })
            .collect()
    }
    /// Goals of the real problem, here.
    pub fn goals(&self, goals: &[Goal]) -> Vec<Goal> {
        goals.iter().map(|goal| self.goal(goal)).collect()
    }
    fn goal(&self, goal: &Goal) -> Goal {
        let terms = |terms: &[(Var, f64)]| {
            // Of equal servers the cheapest counts.
            let mut least: BTreeMap<Var, f64> = BTreeMap::new();
            for (var, factor) in terms {
                let known = least.entry(self.first(*var)).or_insert(f64::INFINITY);
                *known = known.min(*factor);
            }
            least.into_iter().collect()
        };
        match goal {
            Goal::Sum(sum) => Goal::Sum(terms(sum)),
            Goal::Prefer(sum) => Goal::Prefer(terms(sum)),
            other => other.clone(),
        }
    }
}
