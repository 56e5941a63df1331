//! The ways of each class's packets through the program, for the latency of the longest one: from where the
//! program begins to `Emit`. Ways that end in `Drop` reach no external port and have no latency. What a way takes is
//! that of hosts' cycles and of visits of servers, as for the expected latency.

use super::model::{Sources, number, visit_ns};
use crate::site::{ServerId, Site};
use std::collections::{BTreeMap, BTreeSet};
use trisect_ir::{NodeId, NodeKind};
use trisect_optimise::{Point, Step, Ways};

/// By class: its ways.
pub(super) fn ways(sources: &Sources<'_, '_>) -> Vec<Ways> {
    let classes = sources.graph.pipelines.iter().zip(&sources.problem.starts);
    classes
        .map(|(pipeline, start)| {
            let most = pipeline.slo.max_latency_us;
            let mut builder = Builder {
                sources,
                nodes: nodes_of(sources, *start),
                ways: Ways {
                    name: format!("latency of {}", pipeline.name),
                    most: most.map_or(f64::INFINITY, |us| 1e3 * us),
                    ..Ways::default()
                },
                point_of: BTreeMap::new(),
            };
            builder.build();
            builder.ways
        })
        .collect()
}

/// The nodes on ways of a class that end in `Emit`: those behind its start, which only its packets reach, and
/// those before.
fn nodes_of(sources: &Sources<'_, '_>, start: NodeId) -> BTreeSet<NodeId> {
    let (facts, graph) = (sources.facts, &sources.facts.graph);
    if facts.is_terminal(start) {
        return BTreeSet::new();
    }
    let mut nodes = graph.descendants(start);
    nodes.extend(graph.ancestors(start));
    nodes.insert(start);
    nodes.retain(|n| !facts.is_terminal(*n) && graph.emits(*n));
    nodes
}

struct Builder<'a, 'f> {
    sources: &'a Sources<'a, 'f>,
    nodes: BTreeSet<NodeId>,
    ways: Ways,
    point_of: BTreeMap<NodeId, usize>,
}

impl Builder<'_, '_> {
    fn build(&mut self) {
        let facts = self.sources.facts;
        for &node in &facts.graph.order {
            if !self.nodes.contains(&node) {
                continue;
            }
            let Some(unit) = self.sources.problem.group_of(node) else {
                continue;
            };
            let point = match self.goes_on(node, unit) {
                Some(point) => point,
                None => {
                    self.ways.points.push(Point {
                        unit,
                        ..Point::default()
                    });
                    self.ways.points.len() - 1
                }
            };
            self.point_of.insert(node, point);
            self.takes(node, point);
            let ends = facts.graph.succs(node).iter();
            let mut ends = ends.map(|n| &facts.program.control.nodes[*n].kind);
            self.ways.points[point].ends = ends.any(|kind| matches!(kind, NodeKind::Emit));
        }
        self.steps();
    }
    /// The point of the only node before this one, if that is on the same device whatever is chosen and
    /// every way from it leads here: the two are one point.
    fn goes_on(&self, node: NodeId, unit: usize) -> Option<usize> {
        let graph = &self.sources.facts.graph;
        let mut before = graph.preds(node).iter().filter(|n| self.nodes.contains(n));
        let (only, None) = (*before.next()?, before.next()) else {
            return None;
        };
        let ways = graph.living_succs(only);
        // A way to `Emit` counts, too; one to another class does not.
        let ways = ways.filter(|n| self.nodes.contains(n) || self.sources.facts.is_terminal(*n));
        let same = self.sources.problem.group_of(only) == Some(unit) && ways.count() == 1;
        same.then(|| self.point_of.get(&only).copied())?
    }
    /// Adds what a node takes on hosts to its point.
    fn takes(&mut self, node: NodeId, point: usize) {
        for (s, server) in self.sources.machines.servers.iter().enumerate() {
            let site = Site::Host(ServerId(s as u16));
            let cycles = self
                .sources
                .problem
                .used(node, site)
                .map_or(0, |u| u.cycles);
            if cycles == 0 {
                continue;
            }
            let ns = 1e9 * cycles as f64 / server.hz;
            let takes = &mut self.ways.points[point].takes;
            match takes.iter_mut().find(|(at, _)| *at == number(site)) {
                Some((_, sum)) => *sum += ns,
                None => takes.push((number(site), ns)),
            }
        }
    }
    fn steps(&mut self) {
        let facts = self.sources.facts;
        let mut steps: BTreeSet<(Option<usize>, usize)> = BTreeSet::new();
        if let Some(entry) = facts.program.control.entry
            && let Some(to) = self.point_of.get(&entry)
        {
            steps.insert((None, *to));
        }
        for (a, b) in facts.graph.edges() {
            if let (Some(from), Some(to)) = (self.point_of.get(&a), self.point_of.get(&b))
                && from != to
            {
                steps.insert((Some(*from), *to));
            }
        }
        for (from, to) in steps {
            let enters = self.enters(from, to);
            self.ways.steps.push(Step { from, to, enters });
        }
    }
    /// The servers that a step may enter, with what that takes.
    fn enters(&self, from: Option<usize>, to: usize) -> Vec<(usize, f64)> {
        let unit = self.ways.points[to].unit;
        if from.is_some_and(|p| self.ways.points[p].unit == unit) {
            return Vec::new();
        }
        let sites = &self.sources.problem.groups[unit].sites;
        (0..self.sources.machines.servers.len())
            .filter(|s| {
                let server = Some(ServerId(*s as u16));
                sites.iter().any(|site| site.server() == server)
            })
            .map(|s| {
                let cycles = self.sources.problem.longest_visit(ServerId(s as u16));
                (s, visit_ns(self.sources, s, cycles))
            })
            .collect()
    }
}
