//! Where each node runs, why, and why not elsewhere.

mod company;
mod fix;

pub use fix::Fix;

use crate::cut::{Problem, Search, Solution};
use crate::facts::Facts;
use crate::legal;
use crate::machines::Machines;
use crate::plan::Plan;
use crate::site::{Assignment, Site};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use trisect_ir::{Entity, NodeId};
use trisect_optimise::Outcome;
use trisect_target::{Refusal, Resources, Shortage, Verdict};

/// A node of the uncut program in the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The NF instance that it comes from; empty for what the compiler put in.
    pub nf: String,
    /// Where it runs.
    pub site: Site,
    /// That device's name.
    pub device: String,
    /// Expected part of all packets that reach it.
    pub frequency: f64,
    /// What it uses there.
    pub uses: Resources,
    /// Host cycles per execution; 0 off the hosts.
    pub cycles: u64,
    /// Nodes that must be on the same device, by name: they share state, or the headers between
    /// them are not as a parser would find them.
    pub with: Vec<String>,
    /// The other sites that came into question.
    pub elsewhere: Vec<Alternative>,
}

/// A site where a node does not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The site.
    pub site: Site,
    /// That device's name.
    pub device: String,
    /// Why not there.
    pub why: WhyNot,
    /// The nearest change that would take away what stands in the way, or why there is none.
    pub fix: Fix,
}

/// Why a node does not run at a site, all else being as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// The device cannot do it.
    Unable(Vec<Refusal>),
    /// A node that must be on the same device cannot be there.
    Companion {
        /// That node's name.
        node: String,
        /// What the device says to it.
        refusals: Vec<Refusal>,
    },
    /// A rule of the cut forbids it.
    Rule(String),
    /// There is no room.
    Full {
        /// What lacks.
        shortage: Shortage,
        /// Who holds most of it, with the amounts.
        holders: Vec<(String, u64)>,
    },
    /// It fits, but promises could not be kept: the least rates of all classes, or a latency.
    Promise(Vec<String>),
    /// It would be no gain.
    Loses(Loss),
}

/// What would be different if a node were elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// By how much all offered rates could grow, now and then.
    pub scale: (f64, f64),
    /// Cores' worth of work more.
    pub cores: f64,
    /// Host cycles per packet of the rack more.
    pub cycles: f64,
    /// Microseconds of the largest expected latency of a class more.
    pub latency_us: f64,
    /// Microseconds of the longest way of a class more.
    #[serde(default)]
    pub longest_us: f64,
    /// Bytes of outer headers per packet of the rack more.
    pub header_bytes: f64,
}

/// All nodes of a plan with their reasons.
pub(crate) fn nodes(
    facts: &Facts,
    search: &Search<'_>,
    machines: &Machines,
    solution: &Solution,
) -> Vec<NodePlan> {
    let problem = &search.problem;
    let context = Context {
        facts,
        search,
        problem,
        machines,
        assignment: &solution.assignment,
        solution,
    };
    // A group's reasons are those of all its nodes; they are found once.
    let mut groups: Vec<Vec<Moved>> = (0..problem.groups.len())
        .map(|g| context.group(g))
        .collect();
    context.prove(&mut groups);
    facts
        .sited()
        .filter_map(|node| {
            let g = problem.group_of(node)?;
            Some(context.node(node, g, &groups[g]))
        })
        .collect()
}

/// What would be if a group were at another of its sites, with what would help, unless that depends on the node.
struct Moved {
    site: Site,
    why: WhyNot,
    fix: Option<Fix>,
}

struct Context<'a, 'f> {
    facts: &'a Facts<'f>,
    search: &'a Search<'a>,
    problem: &'a Problem,
    machines: &'a Machines,
    assignment: &'a Assignment,
    solution: &'a Solution,
}

impl Context<'_, '_> {
    fn name(&self, node: NodeId) -> String {
        self.facts.program.control.nodes[node].name.clone()
    }
    /// The group's other possible sites, with what stands against them.
    fn group(&self, g: usize) -> Vec<Moved> {
        let group = &self.problem.groups[g];
        let Some(first) = group.nodes.first() else {
            return Vec::new();
        };
        let here = self.assignment.site(*first);
        group
            .sites
            .iter()
            .filter(|s| **s != here)
            .map(|site| {
                let (why, fix) = self.moved(g, *site);
                let site = *site;
                Moved { site, why, fix }
            })
            .collect()
    }
    /// What would be if the group were at another site.
    fn moved(&self, g: usize, site: Site) -> (WhyNot, Option<Fix>) {
        let moved = self.moved_to(&[(g, site)]);
        if let Some(violation) = legal::check(self.facts, &moved).into_iter().next() {
            let rule = WhyNot::Rule(violation.to_string());
            return (rule, Some(self.company(g, site)));
        }
        if let Some(shortage) = self.short(&moved, site) {
            let holders = self.holders(site, &shortage.quantity);
            return (WhyNot::Full { shortage, holders }, None);
        }
        let then = self.search.outcome(&moved);
        if !then.feasible() {
            let model = &self.search.model;
            let short = then.unmet.iter().chain(&then.over);
            let short = short.map(|q| format!("{} is too little", model.quantities[*q].name));
            let late = then.late.iter().map(|w| {
                let (ways, us) = (&model.ways[*w], then.longest_ns[*w] / 1e3);
                format!(
                    "{} would be {us:.2} us of {:.2}",
                    ways.name,
                    ways.most / 1e3
                )
            });
            let broken = WhyNot::Promise(short.chain(late).collect());
            return (broken, Some(self.promise(&moved, &then)));
        }
        let (now, pps) = (&self.solution.outcome, self.problem.pps.max(1.0));
        let cost = self.problem.cost(self.facts, &moved);
        let loss = Loss {
            scale: (now.scale.min(f64::MAX), then.scale.min(f64::MAX)),
            cores: then.cores - now.cores,
            cycles: cost.cycles - self.solution.cost.cycles,
            latency_us: (then.latency_ns - now.latency_ns) / 1e3,
            longest_us: (longest(&then) - longest(now)) / 1e3,
            header_bytes: (then.header_bytes - now.header_bytes) / pps,
        };
        (WhyNot::Loses(loss), Some(self.worth(g, site, &then)))
    }
    /// What a site would have too little of.
    fn short(&self, assignment: &Assignment, site: Site) -> Option<Shortage> {
        let uses = self.problem.uses(self.facts, assignment, site);
        let budget = self.problem.budgets.get(&site)?;
        uses.exceeding(budget).into_iter().next()
    }
    /// The largest users of a quantity at a site.
    fn holders(&self, site: Site, quantity: &str) -> Vec<(String, u64)> {
        let mut holders: Vec<(String, u64)> = self
            .problem
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| {
                let first = group.nodes.first();
                first.is_some_and(|n| self.assignment.site(*n) == site)
            })
            .filter_map(|(g, group)| {
                let amount = self.problem.group_use(self.facts, g, site).get(quantity)?;
                Some((self.name(*group.nodes.first()?), amount))
            })
            .filter(|(_, amount)| *amount > 0)
            .collect();
        holders.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        holders.truncate(5);
        holders
    }
    fn node(&self, node: NodeId, g: usize, group: &[Moved]) -> NodePlan {
        let site = self.assignment.site(node);
        let mates = &self.problem.groups[g].nodes;
        let verdicts = &self.problem.verdicts[node.index()];
        let used = verdicts.get(&site).and_then(Verdict::able).cloned();
        let used = used.unwrap_or_default();
        let elsewhere = verdicts
            .iter()
            .filter(|(s, _)| **s != site)
            .filter_map(|(other, verdict)| {
                let (why, fix) = match verdict {
                    Verdict::Unable(refusals) => (WhyNot::Unable(refusals.clone()), None),
                    Verdict::Able(_) => match group.iter().find(|moved| moved.site == *other) {
                        Some(moved) => (moved.why.clone(), moved.fix.clone()),
                        None => (self.companion(mates, *other)?, None),
                    },
                };
                Some(Alternative {
                    site: *other,
                    device: self.machines.name(*other),
                    fix: fix.unwrap_or_else(|| self.fix(node, *other, &why)),
                    why,
                })
            })
            .collect();
        NodePlan {
            node,
            name: self.name(node),
            nf: self.facts.program.control.nodes[node].nf.clone(),
            site,
            device: self.machines.name(site),
            frequency: self.problem.frequency[node.index()],
            uses: used.resources,
            cycles: match site {
                Site::Host(server) => self.problem.mean_cycles(node, server).round() as u64,
                Site::Switch | Site::Nic(_) => 0,
            },
            with: mates
                .iter()
                .filter(|n| **n != node)
                .map(|n| self.name(*n))
                .collect(),
            elsewhere,
        }
    }
    fn companion(&self, mates: &[NodeId], site: Site) -> Option<WhyNot> {
        mates.iter().find_map(|mate| {
            let verdict = self.problem.verdicts[mate.index()].get(&site)?;
            let Verdict::Unable(refusals) = verdict else {
                return None;
            };
            Some(WhyNot::Companion {
                node: self.name(*mate),
                refusals: refusals.clone(),
            })
        })
    }
}

/// Nanoseconds of the longest way of all classes.
fn longest(outcome: &Outcome) -> f64 {
    outcome.longest_ns.iter().copied().fold(0.0, f64::max)
}

fn join(refusals: &[Refusal]) -> String {
    let texts: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    texts.join("; ")
}

impl Loss {
    /// What differs, in words, losses and gains.
    fn parts(&self) -> (Vec<String>, Vec<String>) {
        let (mut losses, mut gains) = (Vec::new(), Vec::new());
        let (now, then) = self.scale;
        if (then - now).abs() > 0.005 * now.abs() {
            let list = if then < now { &mut losses } else { &mut gains };
            let shown = |scale: f64| match scale < f64::MAX {
                true => format!("{scale:.2}"),
                false => "unlimited".to_owned(),
            };
            list.push(format!(
                "{} times the offered load instead of {}",
                shown(then),
                shown(now)
            ));
        }
        let mut differs = |value: f64, least: f64, what: &str| {
            if value.abs() > least {
                let list = if value > 0.0 { &mut losses } else { &mut gains };
                let word = if value > 0.0 { "more" } else { "less" };
                list.push(format!("{:.2} {what} {word}", value.abs()));
            }
        };
        differs(self.cores, 0.005, "cores");
        differs(self.cycles, 0.05, "host cycles per packet");
        differs(self.latency_us, 0.005, "µs");
        differs(self.longest_us, 0.005, "µs on the longest way");
        differs(self.header_bytes, 0.05, "header bytes per packet");
        (losses, gains)
    }
}

impl std::fmt::Display for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.parts() {
            (losses, gains) if losses.is_empty() && gains.is_empty() => {
                f.write_str("not worth it: it would change nothing")
            }
            (losses, gains) if losses.is_empty() => write!(
                f,
                "would be better ({}), but the strategy does not try it, or a device refuses the whole",
                gains.join(", ")
            ),
            (losses, gains) if gains.is_empty() => {
                write!(f, "not worth it: {}", losses.join(", "))
            }
            (losses, gains) => write!(
                f,
                "not worth it: {}, though {}",
                losses.join(", "),
                gains.join(", ")
            ),
        }
    }
}

impl std::fmt::Display for WhyNot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unable(refusals) => write!(f, "unable: {}", join(refusals)),
            Self::Companion { node, refusals } => write!(
                f,
                "must be with `{node}`, for which it is unable: {}",
                join(refusals)
            ),
            Self::Rule(rule) => write!(f, "forbidden: {rule}"),
            Self::Full { shortage, holders } => {
                write!(f, "does not fit: {shortage}")?;
                if !holders.is_empty() {
                    let texts: Vec<String> =
                        holders.iter().map(|(n, a)| format!("`{n}` {a}")).collect();
                    write!(f, "; held by {}", texts.join(", "))?;
                }
                Ok(())
            }
            Self::Promise(broken) => {
                write!(f, "would break a promise: {}", broken.join(", "))
            }
            Self::Loses(loss) => write!(f, "{loss}"),
        }
    }
}

/// The reasons for all nodes, or for those that `subject` names (a node, an NF or a device), as
/// text; empty if it names nothing.
pub fn text(plan: &Plan, subject: Option<&str>) -> String {
    let mut out = String::new();
    let mut shown = select(plan, subject).peekable();
    if subject.is_none() && shown.peek().is_some() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "strategy {}{}: {:.1} host cycles per packet, gap to the best {:.2} %; bottleneck {}\n",
            plan.strategy,
            if plan.found_by == plan.strategy {
                String::new()
            } else {
                format!(" (the cut is that of {})", plan.found_by)
            },
            plan.cost.cycles,
            100.0 * plan.gap(),
            plan.prediction.limit(),
        );
        for latency in &plan.prediction.latencies {
            let _ = writeln!(out, "{latency}");
        }
        let _ = writeln!(out, "{}", plan.sampling.text());
    }
    for flows in &plan.flows {
        let lines = flows.text(subject);
        if !lines.is_empty() {
            let _ = writeln!(out, "{lines}");
        }
    }
    for node in shown {
        let of = if node.nf.is_empty() {
            String::new()
        } else {
            format!(" of {}", node.nf)
        };
        let _ = writeln!(out, "{}{of}: on {}", node.name, node.device);
        let cycles = match node.cycles {
            0 => String::new(),
            cycles => format!(", {cycles} cycles"),
        };
        let _ = writeln!(
            out,
            "    reached by {:.1} % of packets; uses {}{cycles}",
            100.0 * node.frequency,
            node.uses
        );
        if !node.with.is_empty() {
            let mut with = node.with.clone();
            let more = with.len().saturating_sub(6);
            with.truncate(6);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            let _ = writeln!(out, "    together with {}{more}", with.join(", "));
        }
        for other in &node.elsewhere {
            let _ = writeln!(out, "    not {}: {}", other.device, other.why);
            let _ = writeln!(out, "        nearest fix: {}", other.fix);
        }
    }
    out
}

/// The nodes that `subject` names: a node, an NF instance or a device; all if there is none.
pub fn select<'a>(
    plan: &'a Plan,
    subject: Option<&'a str>,
) -> impl Iterator<Item = &'a NodePlan> + 'a {
    plan.nodes.iter().filter(move |node| {
        subject.is_none_or(|s| node.name == s || node.nf == s || node.device == s)
    })
}
