//! Tables: look-up, dispatch to actions, successors.

use super::actions::Running;
use super::expr::{Args, Place, Scope};
use super::value::Val;
use super::{Build, flags};
use crate::helpers::Helper;
use crate::info::Base;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, Value};
use std::collections::BTreeSet;
use trisect_ir::{
    ActionId, Entity, KeySet, MatchKind, NodeId, Selector, Successors, Table, TableId,
};
use trisect_table::key::KeyLayout;
use trisect_table::table::{MISS, arg_limbs, precedence};

/// Tables with at most this many entries become comparisons.
pub(crate) const INLINE_ENTRIES: usize = 8;

impl Build<'_, '_> {
    pub(super) fn apply(&mut self, id: TableId, next: &Successors) {
        let table = &self.program.tables[id];
        if table.keys.is_empty() || (table.entries.is_empty() && table.flow.is_none()) {
            self.run_default(id, next);
            return;
        }
        let keys: Vec<Val> = table
            .keys
            .iter()
            .map(|key| self.eval(&key.expr, Scope::NONE))
            .collect();
        let record = if table.flow.is_none() && table.entries.len() <= INLINE_ENTRIES {
            self.find_inline(id, &keys)
        } else {
            self.find(id, &keys)
        };
        let record = match &table.selector {
            Some(selector) => self.select_member(id, record, selector),
            None => record,
        };
        self.dispatch(id, record, next);
    }
    /// The record of the member that a hit runs.
    fn select_member(&mut self, id: TableId, record: Value, selector: &Selector) -> Value {
        let hash = self.hash(&selector.algorithm, &selector.inputs, Scope::NONE);
        let hash = self.index(&hash);
        let table = self.number(id.index() as u64);
        let context = self.context;
        self.call(Helper::Select, &[context, table, record, hash])
            .unwrap_or(record)
    }
    /// Every look-up misses: the default with constant arguments.
    fn run_default(&mut self, id: TableId, next: &Successors) {
        let call = &self.program.tables[id].default;
        let action = &self.program.actions[call.action];
        let running = Running {
            scope: Scope {
                params: &action.params,
                args: Args::Constant(&call.args),
            },
            table: Some(id),
            handle: None,
        };
        self.ops(&action.ops, running);
        let node = successor(next, call.action, false);
        self.go(Place::Node(node));
    }
    /// Few entries: comparisons, best entry first.
    fn find_inline(&mut self, id: TableId, keys: &[Val]) -> Value {
        let table = &self.program.tables[id];
        let layout = KeyLayout::new(keys.iter().map(|k| k.width));
        let kinds: Vec<MatchKind> = table.keys.iter().map(|k| k.kind).collect();
        let entries: Vec<(&[KeySet], u32)> = table
            .entries
            .iter()
            .map(|e| (&e.keys[..], e.priority))
            .collect();
        let records = self.base(Base::Records(id));
        let stride = self.record_bytes(table);
        let mut found = self.base(Base::Default(id));
        for entry in precedence(&layout, &kinds, &entries).into_iter().rev() {
            let record = self
                .b
                .ins()
                .iadd_imm_s(records, i64::from(entry) * stride as i64);
            found = match self.contains_all(&table.entries[entry as usize].keys, keys) {
                Some(matches) => self.b.ins().select(matches, record, found),
                None => record,
            };
        }
        found
    }
    fn record_bytes(&self, table: &Table) -> usize {
        let args = table
            .actions
            .iter()
            .chain([&table.default.action])
            .map(|a| arg_limbs(self.program, *a))
            .max()
            .unwrap_or(0);
        8 * (trisect_table::Record::HEAD + args)
    }
    /// Many entries: a look-up in the runtime.
    fn find(&mut self, id: TableId, keys: &[Val]) -> Value {
        let parts: Vec<Val> = keys.iter().map(|k| self.whole_bytes(k)).collect();
        let key = self.concat(&parts);
        let table = self.number(id.index() as u64);
        let now = self.now();
        let context = self.context;
        if let Some(position) = self.info.hinted.iter().position(|t| *t == id) {
            let position = self.number(position as u64);
            let at = self.big_endian(&key);
            let packet = self.b.use_var(self.packet);
            let args = [context, position, at, now, packet];
            return match self.call(Helper::LookupHinted, &args) {
                Some(record) => record,
                None => self.number(0),
            };
        }
        let record = match key.limbs[..] {
            [word] => self.call(Helper::LookupSmall, &[context, table, word, now]),
            [low, high] => self.call(Helper::LookupMedium, &[context, table, high, low, now]),
            _ => {
                let at = self.big_endian(&key);
                self.call(Helper::Lookup, &[context, table, at, now])
            }
        };
        match record {
            Some(record) => record,
            None => self.number(0),
        }
    }
    /// Runs the action of a record and goes on.
    fn dispatch(&mut self, id: TableId, record: Value, next: &Successors) {
        let table = &self.program.tables[id];
        let on_hit: BTreeSet<ActionId> = match table.flow {
            Some(_) => table.actions.iter().copied().collect(),
            None => BTreeSet::new(),
        };
        let on_hit: BTreeSet<ActionId> = on_hit
            .into_iter()
            .chain(
                table
                    .entries
                    .iter()
                    .flat_map(|e| e.calls().map(|c| c.action)),
            )
            .collect();
        let default = table.default.action;
        let mut actions: Vec<ActionId> = on_hit.iter().copied().collect();
        if !on_hit.contains(&default) {
            actions.push(default);
        }
        let before = self.facts.clone();
        let Some((last, others)) = actions.split_last() else {
            return;
        };
        let number = (!others.is_empty()).then(|| self.b.ins().load(I64, flags(), record, 0));
        for action in others {
            if let Some(number) = number {
                let run = self.b.create_block();
                let more = self.b.create_block();
                let this = self.number(action.index() as u64);
                let same = self.b.ins().icmp(IntCC::Equal, number, this);
                self.b.ins().brif(same, run, &[], more, &[]);
                self.switch(run);
                self.facts = before.clone();
                self.run_action(id, *action, record, next, &on_hit);
                self.switch(more);
            }
        }
        self.facts = before;
        self.run_action(id, *last, record, next, &on_hit);
    }
    fn run_action(
        &mut self,
        id: TableId,
        action: ActionId,
        record: Value,
        next: &Successors,
        on_hit: &BTreeSet<ActionId>,
    ) {
        let body = &self.program.actions[action];
        let may_hit = on_hit.contains(&action);
        let may_miss = self.program.tables[id].default.action == action;
        let needs_handle = uses_entry(&body.ops)
            || (may_hit && may_miss && matches!(next, Successors::HitMiss { .. }));
        // The handle is read before the action can add entries.
        let handle = (needs_handle && may_hit).then(|| self.b.ins().load(I64, flags(), record, 8));
        let running = Running {
            scope: Scope {
                params: &body.params,
                args: Args::Record(record),
            },
            table: Some(id),
            handle,
        };
        self.ops(&body.ops, running);
        match (next, handle) {
            (Successors::HitMiss { hit, miss }, Some(handle)) if may_hit && may_miss => {
                let none = self.number(MISS);
                let is_hit = self.b.ins().icmp(IntCC::NotEqual, handle, none);
                let facts = self.facts.clone();
                let hit = self.arrive(Place::Node(*hit), &facts);
                let miss = self.arrive(Place::Node(*miss), &facts);
                self.b.ins().brif(is_hit, hit, &[], miss, &[]);
            }
            _ => self.go(Place::Node(successor(next, action, may_hit))),
        }
    }
}

fn successor(next: &Successors, action: ActionId, hit: bool) -> NodeId {
    match next {
        Successors::Always(node) => *node,
        Successors::HitMiss { hit: node, .. } if hit => *node,
        Successors::HitMiss { miss, .. } => *miss,
        Successors::ByAction { cases, default } => cases
            .iter()
            .find(|(a, _)| *a == action)
            .map_or(*default, |(_, node)| *node),
    }
}

/// Whether operations use the cell of the entry that they run for.
fn uses_entry(ops: &[trisect_ir::Op]) -> bool {
    use trisect_ir::{Index, Op};
    ops.iter().any(|op| match op {
        Op::Count(_, index) | Op::Meter { index, .. } => *index == Index::Entry,
        Op::If(_, yes, no) => uses_entry(yes) || uses_entry(no),
        _ => false,
    })
}
