//! Packing nodes into the stages of a pipeline, so that no stage is over-booked.
//!
//! List scheduling by dependency level (Jose et al., "Compiling Packet Programs to Reconfigurable Switches",
//! NSDI 2015): a node comes behind the stages of those that it depends on, and takes the first stage in
//! which there is room. A table may go on in later stages; objects lie whole in one stage, and so does a table
//! whose actions use one. Three orders are tried: longest chain behind first, control flow, largest first. That
//! none of them succeeds does not prove that nothing fits; the refusal names what was short.

use std::collections::BTreeSet;

use trisect_ir::analysis::{dependencies, graph};
use trisect_ir::{NodeId, NodeKind, Program};
use trisect_target::Refusal;

use crate::codes;
use crate::demand::{Amounts, Demand, Quantity};
use crate::model::SwitchModel;

/// What was short when the node of `unit` was to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    /// The node.
    pub node: NodeId,
    /// Why.
    pub refusal: Refusal,
}

/// Nodes that are one thing in the pipeline: one node, or the nodes that apply one table on ways that exclude
/// each other.
struct Unit {
    nodes: Vec<NodeId>,
    demand: Demand,
    /// Units that must be done before.
    after: BTreeSet<usize>,
    /// Stages of the longest chain that begins here.
    height: u64,
}

/// The stages so far: what each holds of each unit.
#[derive(Default)]
struct Stages {
    held: Vec<Vec<(usize, Amounts)>>,
}

impl Stages {
    fn used(&self, stage: u64, quantity: usize) -> u64 {
        let held = usize::try_from(stage).ok().and_then(|s| self.held.get(s));
        held.map_or(0, |held| {
            held.iter().map(|(_, amounts)| amounts[quantity]).sum()
        })
    }

    fn put(&mut self, stage: u64, unit: usize, amounts: Amounts) {
        let stage = stage as usize;
        if self.held.len() <= stage {
            self.held.resize_with(stage + 1, Vec::new);
        }
        self.held[stage].push((unit, amounts));
    }
}

/// Packs a piece; answers with the number of stages that it takes.
///
/// # Errors
/// The first node for which there was no room, in the order that came furthest.
pub(crate) fn pack(program: &Program, model: &SwitchModel) -> Result<u64, Box<NoRoom>> {
    let packer = Packer::new(program, model);
    let mut best: Option<(usize, NoRoom)> = None;
    for order in Order::ALL {
        match packer.run(order) {
            Ok(stages) => return Ok(stages.held.len() as u64),
            Err((placed, why)) => {
                if best.as_ref().is_none_or(|(most, _)| placed > *most) {
                    best = Some((placed, why));
                }
            }
        }
    }
    match best {
        Some((_, why)) => Err(Box::new(why)),
        None => Ok(0),
    }
}

/// The stages that a node takes in an empty pipeline.
///
/// # Errors
/// What there is too little of, even so.
pub(crate) fn alone(name: &str, demand: &Demand, model: &SwitchModel) -> Result<u64, Refusal> {
    if !demand.in_a_stage {
        return Ok(0);
    }
    let packer = Packer {
        model,
        available: available(model),
        units: Vec::new(),
        names: vec![name.to_owned()],
    };
    packer.place(&mut Stages::default(), 0, demand, 0)
}

fn available(model: &SwitchModel) -> [Option<u64>; Quantity::ALL.len()] {
    Quantity::ALL.map(|quantity| quantity.available(model))
}

/// In which order units that could come next do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The one with the longest chain behind it.
    Height,
    /// As control flows.
    Control,
    /// The one with the most blocks.
    Size,
}

impl Order {
    const ALL: [Self; 3] = [Self::Height, Self::Control, Self::Size];
}

struct Packer<'a> {
    model: &'a SwitchModel,
    available: [Option<u64>; Quantity::ALL.len()],
    units: Vec<Unit>,
    /// By unit: the name of its first node.
    names: Vec<String>,
}

impl<'a> Packer<'a> {
    fn new(program: &Program, model: &'a SwitchModel) -> Self {
        let units = units(program, model);
        let name = |unit: &Unit| program.control.nodes[unit.nodes[0]].name.clone();
        Self {
            model,
            available: available(model),
            names: units.iter().map(name).collect(),
            units,
        }
    }

    /// Packs in one order: the stages, or how many units had been placed when one did not fit.
    fn run(&self, order: Order) -> Result<Stages, (usize, NoRoom)> {
        let mut stages = Stages::default();
        let mut end: Vec<Option<u64>> = vec![None; self.units.len()];
        for placed in 0..self.units.len() {
            let ready = (0..self.units.len()).filter(|u| {
                let after = &self.units[*u].after;
                end[*u].is_none() && after.iter().all(|a| end[*a].is_some())
            });
            let blocks = |unit: &Unit| {
                let table = unit.demand.table.map(|t| t.blocks(self.model, t.count));
                table.map_or(unit.demand.objects, |(sram, tcam)| sram.max(tcam))
            };
            let next = ready.min_by_key(|u| {
                let unit = &self.units[*u];
                let first = match order {
                    Order::Height => unit.height,
                    Order::Control => 0,
                    Order::Size => blocks(unit),
                };
                (std::cmp::Reverse(first), *u)
            });
            // Units are acyclic: one is ready as long as one is left.
            let Some(next) = next else { break };
            let unit = &self.units[next];
            let ends = unit.after.iter().filter_map(|a| end[*a]);
            let start = ends.max().unwrap_or(0);
            let at = match unit.demand.in_a_stage {
                false => Ok(start),
                true => self.place(&mut stages, next, &unit.demand, start),
            };
            match at {
                Ok(behind) => end[next] = Some(behind),
                Err(refusal) => {
                    let node = unit.nodes[0];
                    return Err((placed, NoRoom { node, refusal }));
                }
            }
        }
        Ok(stages)
    }

    /// Puts a unit into the first stages from `start` on that have room for it: the stage behind its last.
    fn place(
        &self,
        stages: &mut Stages,
        unit: usize,
        demand: &Demand,
        start: u64,
    ) -> Result<u64, Refusal> {
        let limit = self.model.stages().unwrap_or(u64::MAX);
        if demand.depth > 1 {
            return self.place_deep(stages, unit, demand, start, limit);
        }
        let whole = demand.table.map_or(0, |table| table.count);
        let may_spread = demand.objects == 0;
        let mut left = whole;
        let mut stage = start;
        loop {
            if stage >= limit {
                return Err(self.refuse(stages, unit, demand, start, limit, left));
            }
            let fits = |count: u64| {
                self.short(stages, stage, &self.amounts(demand, count))
                    .is_none()
            };
            let count = match left {
                0 => Some(0).filter(|_| fits(0)),
                _ if fits(left) => Some(left),
                _ if may_spread => most(left, fits),
                _ => None,
            };
            if let Some(count) = count {
                stages.put(stage, unit, self.amounts(demand, count));
                left -= count;
                if left == 0 {
                    return Ok(stage + 1);
                }
            } else if stages.held.len() as u64 <= stage {
                // Not even an empty stage has room, and all that follow are empty.
                return Err(self.refuse(stages, unit, demand, start, stage + 1, left));
            }
            stage += 1;
        }
    }

    /// Puts a unit without entries into as many stages in a row as it needs: the stage behind its last.
    fn place_deep(
        &self,
        stages: &mut Stages,
        unit: usize,
        demand: &Demand,
        start: u64,
        limit: u64,
    ) -> Result<u64, Refusal> {
        let amounts = self.amounts(demand, 0);
        let last = limit.saturating_sub(demand.depth);
        let room = |at: &u64| {
            (*at..at + demand.depth).all(|stage| self.short(stages, stage, &amounts).is_none())
        };
        let most = last.min(start.max(stages.held.len() as u64));
        let Some(at) = (start..=most).find(room) else {
            return Err(self.refuse(stages, unit, demand, start, limit, 0));
        };
        for stage in at..at + demand.depth {
            stages.put(stage, unit, amounts);
        }
        Ok(at + demand.depth)
    }

    /// What a unit takes in a stage that holds so many of its entries.
    fn amounts(&self, demand: &Demand, count: u64) -> Amounts {
        let mut amounts = demand.each;
        amounts[Quantity::Sram as usize] += demand.objects;
        if let Some(table) = &demand.table {
            let (sram, tcam) = table.blocks(self.model, count);
            amounts[Quantity::Sram as usize] += sram;
            amounts[Quantity::Tcam as usize] += tcam;
        }
        amounts
    }

    /// The quantity of which a stage lacks most, as a part of what it has: with what is free.
    fn short(&self, stages: &Stages, stage: u64, amounts: &Amounts) -> Option<(Quantity, u64)> {
        let lacking = Quantity::ALL.into_iter().filter_map(|quantity| {
            let all = self.available[quantity as usize]?;
            let free = all.saturating_sub(stages.used(stage, quantity as usize));
            let missing = amounts[quantity as usize].checked_sub(free)?;
            (missing > 0).then(|| (missing as f64 / all.max(1) as f64, quantity, free))
        });
        let worst = lacking.max_by(|a, b| a.0.total_cmp(&b.0));
        worst.map(|(_, quantity, free)| (quantity, free))
    }

    /// Why a unit found no room in the stages from `start` to before `limit`.
    fn refuse(
        &self,
        stages: &Stages,
        unit: usize,
        demand: &Demand,
        start: u64,
        limit: u64,
        left: u64,
    ) -> Refusal {
        let name = self.names.get(unit).map_or("the node", String::as_str);
        let amounts = self.amounts(demand, left);
        // The stage that lacks least is the one worth looking at.
        let candidates = (start..limit.min(start.saturating_add(stages.held.len() as u64 + 1)))
            .filter_map(|stage| {
                let (quantity, free) = self.short(stages, stage, &amounts)?;
                Some((amounts[quantity as usize] - free, stage, quantity, free))
            });
        let Some((missing, stage, quantity, free)) = candidates.min() else {
            return Refusal {
                code: codes::RESOURCES,
                operation: format!("`{name}` in stage {}", start + 1),
                capability: format!(
                    "the switch has {limit}, and those before are taken by what it depends on{}",
                    self.chain(unit)
                ),
                hint: "shorten the chain of dependent nodes, or take a switch with more stages"
                    .to_owned(),
            };
        };
        let all = self.available[quantity as usize].unwrap_or(u64::MAX);
        let of_name = quantity.name(self.model);
        let holders = self.holders(stages, stage, quantity);
        Refusal {
            code: codes::RESOURCES,
            operation: format!(
                "`{name}` in stage {}: {} {of_name}",
                stage + 1,
                amounts[quantity as usize]
            ),
            capability: format!("{free} of {all} are free, {missing} too few{holders}"),
            hint: "make the table smaller, or take a larger switch".to_owned(),
        }
    }

    /// The units that hold a quantity in a stage, the largest first.
    fn holders(&self, stages: &Stages, stage: u64, quantity: Quantity) -> String {
        let held = usize::try_from(stage).ok().and_then(|s| stages.held.get(s));
        let mut holders: Vec<(u64, &str)> = held
            .into_iter()
            .flatten()
            .map(|(unit, amounts)| (amounts[quantity as usize], self.names[*unit].as_str()))
            .filter(|(amount, _)| *amount > 0)
            .collect();
        holders.sort_by_key(|(amount, name)| (std::cmp::Reverse(*amount), *name));
        let list: Vec<String> = holders
            .iter()
            .map(|(amount, name)| format!("`{name}` {amount}"))
            .collect();
        match list.is_empty() {
            true => String::new(),
            false => format!("; held by {}", list.join(", ")),
        }
    }

    /// What a unit depends on directly, for people.
    fn chain(&self, unit: usize) -> String {
        let Some(unit) = self.units.get(unit) else {
            return String::new();
        };
        let names: Vec<String> = unit
            .after
            .iter()
            .filter(|a| self.units[**a].demand.in_a_stage)
            .map(|a| format!("`{}`", self.names[*a]))
            .collect();
        match names.is_empty() {
            true => String::new(),
            false => format!(": {}", names.join(", ")),
        }
    }
}

/// The largest number from 1 to `left` that fits, if 1 does.
fn most(left: u64, fits: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, left);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    (low > 0).then_some(low)
}

/// The units of a piece, each behind those that it depends on.
fn units(program: &Program, model: &SwitchModel) -> Vec<Unit> {
    let deps = dependencies(program, |_| true);
    let position = |node: NodeId| deps.iter().position(|(n, _)| *n == node);
    let after: Vec<BTreeSet<usize>> = deps
        .iter()
        .map(|(_, after)| after.iter().filter_map(|n| position(*n)).collect())
        .collect();
    let unit_of = merge_tables(program, &deps, &after);
    let mut units: Vec<Unit> = Vec::new();
    let mut number = vec![None; deps.len()];
    for (at, (node, _)) in deps.iter().enumerate() {
        let leader = unit_of[at];
        if let Some(unit) = number[leader] {
            let unit: &mut Unit = &mut units[unit];
            unit.nodes.push(*node);
        } else {
            number[leader] = Some(units.len());
            units.push(Unit {
                nodes: vec![*node],
                demand: Demand::of(program, *node, model),
                after: BTreeSet::new(),
                height: 0,
            });
        }
    }
    for (at, before) in after.iter().enumerate() {
        let before: BTreeSet<usize> = before.iter().filter_map(|b| number[unit_of[*b]]).collect();
        if let Some(unit) = number[unit_of[at]] {
            units[unit].after.extend(before);
        }
    }
    heights(&mut units, model);
    units
}

/// By node: the first node of its unit. A table that several nodes apply on ways that exclude each other is one
/// table, unless that would make it depend on itself.
fn merge_tables(
    program: &Program,
    deps: &[(NodeId, Vec<NodeId>)],
    after: &[BTreeSet<usize>],
) -> Vec<usize> {
    let mut unit_of: Vec<usize> = (0..deps.len()).collect();
    let table = |at: usize| match program.control.nodes[deps[at].0].kind {
        NodeKind::Apply(table, _) => Some(table),
        _ => None,
    };
    let acyclic = |unit_of: &[usize]| {
        let next = |unit: usize| -> Vec<usize> {
            let members = (0..unit_of.len()).filter(|m| unit_of[*m] == unit);
            let before = members.flat_map(|m| after[m].iter().map(|b| unit_of[*b]));
            before.collect()
        };
        let leaders: BTreeSet<usize> = unit_of.iter().copied().collect();
        let own = leaders.iter().any(|u| next(*u).contains(u));
        !own && graph::find_cycle(leaders, next).is_none()
    };
    for at in 0..deps.len() {
        let Some(applied) = table(at) else { continue };
        let earlier = (0..at).filter(|e| unit_of[*e] == *e && table(*e) == Some(applied));
        for leader in earlier.collect::<Vec<_>>() {
            unit_of[at] = leader;
            if acyclic(&unit_of) {
                break;
            }
            unit_of[at] = at;
        }
    }
    unit_of
}

fn heights(units: &mut [Unit], model: &SwitchModel) {
    let all: Vec<usize> = (0..units.len()).collect();
    let mut behind: Vec<Vec<usize>> = vec![Vec::new(); units.len()];
    for (at, unit) in units.iter().enumerate() {
        for before in &unit.after {
            behind[*before].push(at);
        }
    }
    let mut todo = all;
    // Each round settles at least the units all of whose successors are settled.
    let mut settled = vec![false; units.len()];
    while !todo.is_empty() {
        let (ready, rest): (Vec<usize>, Vec<usize>) = todo
            .into_iter()
            .partition(|u| behind[*u].iter().all(|b| settled[*b]));
        if ready.is_empty() {
            break;
        }
        for unit in ready {
            let below = behind[unit].iter().map(|b| units[*b].height).max();
            let own = alone("", &units[unit].demand, model).unwrap_or(1);
            units[unit].height = below.unwrap_or(0) + own;
            settled[unit] = true;
        }
        todo = rest;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic)] // a test fails by panicking

    use super::*;

    fn program(name: &str) -> Program {
        let nf = trisect_p4::library::find(name).expect("a function of the library");
        let options = trisect_p4::Options::default();
        let options = options.with_define("EXTERNAL_ADDRESS", "32w0xC0000201");
        nf.compile(&options).expect("the library compiles")
    }

    /// The first and last stage of each unit.
    fn spans(packer: &Packer<'_>, stages: &Stages) -> Vec<Option<(usize, usize)>> {
        let of = |unit: usize| {
            let here = |held: &Vec<(usize, Amounts)>| held.iter().any(|(u, _)| *u == unit);
            let first = stages.held.iter().position(here)?;
            Some((first, stages.held.iter().rposition(here)?))
        };
        (0..packer.units.len()).map(of).collect()
    }

    #[test]
    fn no_stage_is_over_booked_and_every_dependency_is_kept() {
        let mut checked = 0;
        for model in SwitchModel::builtin()
            .iter()
            .filter(|m| m.tables.is_empty())
        {
            for nf in [
                "firewall",
                "l3-forwarder",
                "monitor",
                "rate-limiter",
                "load-balancer",
            ] {
                let program = program(nf);
                let packer = Packer::new(&program, model);
                for order in Order::ALL {
                    let Ok(stages) = packer.run(order) else {
                        continue;
                    };
                    for (stage, quantity) in (0..stages.held.len() as u64)
                        .flat_map(|s| Quantity::ALL.map(|q| (s, q as usize)))
                    {
                        let most = packer.available[quantity].unwrap_or(u64::MAX);
                        assert!(stages.used(stage, quantity) <= most, "{} {nf}", model.name);
                    }
                    let spans = spans(&packer, &stages);
                    for (unit, found) in packer.units.iter().enumerate() {
                        for before in &found.after {
                            if let (Some(a), Some(b)) = (spans[*before], spans[unit]) {
                                assert!(a.1 < b.0, "{} {nf}: {before} {unit}", model.name);
                            }
                        }
                    }
                    checked += 1;
                }
            }
        }
        assert!(checked > 30, "{checked}");
    }
}
