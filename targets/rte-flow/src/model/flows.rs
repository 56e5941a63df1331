//! Rules that are inserted while packets run ([`crate::flows`]): one after the other, each when the NIC has got to it.

use super::parse::{self, Depth};
use super::{Check, NicModel, RuleError, Template};
use crate::caps::Capabilities;
use crate::flows::{Flow, FlowRules};
use std::collections::{BTreeMap, VecDeque};

/// A change of the rules that number flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Packets of a flow get a number.
    Insert(Flow, u32),
    /// Those that have this number get none any more.
    Remove(u32),
}

/// What a NIC holds for such rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Inserted {
    /// The template, if the NIC has one.
    rules: Option<FlowRules>,
    /// How many rules there are beside these.
    fixed: usize,
    /// By number, the position of its rule, as it will be when nothing is waiting.
    at: BTreeMap<u32, usize>,
    /// What is not done, with the times at which it is.
    waiting: VecDeque<(u64, Step)>,
    /// Positions of rules that are gone.
    free: Vec<usize>,
    busy_until_ns: u64,
}

/// What a change does to the rule at a position.
#[derive(Clone, Copy, Debug)]
enum Step {
    Activate(usize),
    Deactivate(usize),
}

impl NicModel {
    /// Takes the template, which must be one of this NIC's.
    pub(super) fn take_template(&mut self, rules: Option<&FlowRules>) -> Result<(), RuleError> {
        self.inserted.rules = rules.cloned();
        self.inserted.fixed = self.rules.len();
        let Some(rules) = rules else {
            return Ok(());
        };
        for pattern in 0..rules.patterns.len() {
            let values = Vec::new();
            let rule = rules.rule(&Flow { pattern, values }, 1);
            self.check(self.inserted.fixed, &rule)?;
        }
        Ok(())
    }

    /// The template for rules that are inserted while packets run.
    pub fn flow_rules(&self) -> Option<&FlowRules> {
        self.inserted.rules.as_ref()
    }

    /// Asks for a change at a time in nanoseconds, which must not go back. It is done at the time that is returned: a NIC
    /// makes so many changes in a second, one after the other. A removal counts as an insertion does.
    ///
    /// # Errors
    /// There is no template or no room, the number is in use, or names nothing. Nothing has changed then.
    pub fn change(&mut self, now_ns: u64, change: Change) -> Result<u64, RuleError> {
        let step = match change {
            Change::Insert(flow, number) => Step::Activate(self.prepare(&flow, number)?),
            Change::Remove(number) => match self.inserted.at.remove(&number) {
                Some(position) => Step::Deactivate(position),
                None => return Err(RuleError::Number(number, "is that of no flow")),
            },
        };
        let took_ns = match self.caps.rates.insertions_per_second {
            Some(rate) => 1_000_000_000u64.div_ceil(rate.max(1)),
            None => 0,
        };
        let inserted = &mut self.inserted;
        let done = now_ns.max(inserted.busy_until_ns).saturating_add(took_ns);
        inserted.busy_until_ns = done;
        inserted.waiting.push_back((done, step));
        Ok(done)
    }

    /// The position of the rule that gives a flow a number.
    fn prepare(&mut self, flow: &Flow, number: u32) -> Result<usize, RuleError> {
        let inserted = &self.inserted;
        let Some(rules) = &inserted.rules else {
            return Err(RuleError::NoTemplate);
        };
        if inserted.at.contains_key(&number) {
            return Err(RuleError::Number(number, "is that of another flow"));
        }
        let n = inserted.fixed + inserted.at.len();
        if inserted.at.len() as u64 >= u64::from(rules.most) {
            return Err(RuleError::Full(n, "rules for flows", rules.most));
        }
        let rule = rules.rule(flow, number);
        self.check(n, &rule)?;
        let free = self.inserted.free.pop();
        let position = free.unwrap_or(self.rules.len());
        self.put(position, rule);
        self.inserted.at.insert(number, position);
        Ok(position)
    }

    /// When all changes that were asked for are done.
    pub fn busy_until_ns(&self) -> u64 {
        self.inserted.busy_until_ns
    }

    /// Makes the changes that are done at a time in nanoseconds. Call before packets are received then.
    pub fn advance(&mut self, now_ns: u64) {
        while let Some((done, step)) = self.inserted.waiting.front().copied()
            && done <= now_ns
        {
            self.inserted.waiting.pop_front();
            match step {
                Step::Activate(position) => self.activate(position),
                Step::Deactivate(position) => self.deactivate(position),
            }
        }
    }

    /// A rule that was checked decides packets from now on.
    fn activate(&mut self, position: usize) {
        let rule = self.rules[position].clone();
        if let Ok(checks) = self.checks(position, &rule.pattern) {
            self.index(position, &rule, checks);
        }
    }

    fn deactivate(&mut self, position: usize) {
        self.inserted.free.push(position);
        let rule = self.rules[position].clone();
        let Ok(checks) = self.checks(position, &rule.pattern) else {
            return;
        };
        let key: Vec<u128> = checks.iter().map(|check| check.spec).collect();
        let here = (rule.priority, position);
        for template in self.groups.get_mut(&rule.group).into_iter().flatten() {
            if template.is_of(&rule, &checks) && template.exact.get(&key) == Some(&here) {
                template.exact.remove(&key);
            }
        }
    }
}

/// Tells the flows of frames apart as the rules of a template do: for the driver that asks for them.
#[derive(Clone, Debug)]
pub struct FlowMatcher {
    templates: Vec<Template>,
    depth: Depth,
}

impl FlowMatcher {
    /// For a template, on a NIC of this model.
    pub fn new(rules: &FlowRules, caps: &Capabilities) -> Self {
        let templates = rules.patterns.iter().map(|pattern| {
            let fields = pattern.iter().enumerate().flat_map(|(index, item)| {
                let fields = item.mask.iter();
                fields.filter_map(move |(name, mask)| Some((index, item.kind.field(name)?, mask.0)))
            });
            let checks: Vec<Check> = fields
                .map(|(item, field, mask)| Check {
                    item,
                    field,
                    mask,
                    spec: 0,
                    last: None,
                })
                .collect();
            Template::new(pattern, &checks, 0)
        });
        Self {
            templates: templates.collect(),
            depth: Depth::of(caps),
        }
    }

    /// The flow of a frame; `None` if no pattern takes it.
    pub fn flow(&self, frame: &[u8]) -> Option<Flow> {
        let layers = parse::parse(frame, self.depth);
        let mut templates = self.templates.iter().enumerate();
        templates.find_map(|(pattern, template)| {
            let values = template.values(frame, &layers)?;
            Some(Flow { pattern, values })
        })
    }
}
