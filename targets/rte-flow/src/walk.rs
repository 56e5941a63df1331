//! From a point of the control graph to a decision list.
//!
//! The lowering runs the program with what is known when the rules are made: validity of headers,
//! and metadata as constants or fields of the packet. Where the packet decides, the run splits, and
//! the pattern that decides is written down ([`crate::decide`]). A run ends at the host, in a
//! drop, or in another group, which is named by a node together with what is known there: so
//! metadata costs no register, it is in the number of the group.

use crate::caps::Capabilities;
use crate::decide::{self, Cube, List, Matcher, condition, cubes};
use crate::effects::effects;
use crate::refuse::{Answer, Why};
use crate::rule::Action;
use crate::shape::{Facts, Set, Shapes, Std, set, standard_headers, std_named};
use crate::symbolic::{Context, Known, Piece, State, pieces};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use trisect_ir::state::Cell;
use trisect_ir::{
    ActionCall, ActionId, BinOp, Bits, Entity, Expr, FieldRef, HeaderId, Index, KeySet, LValue,
    MatchKind, MetaId, NodeId, NodeKind, ObjectId, Op, Place, PrimaryMap, Program, StdMeta,
    Successors, Table, TableId,
};
use trisect_target::wire;

/// Patterns that a branch in the middle of a group may add before it gets a group of its own.
const INLINE: usize = 32;
/// Branches in a row that are looked at for that.
const DEPTH: u32 = 3;
/// Above this many entries of one priority order, every entry gets a rank of its own.
const LEVELLED: usize = 1024;

/// What becomes of a packet at the end of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// On in the group of this node.
    Goto(NodeId, Known),
    /// To the host, with MARK and META.
    Host {
        /// The mark, 0 for none.
        mark: u32,
        /// The metadata.
        meta: u32,
    },
    /// Dropped, for the reason with this number.
    Drop(u16),
}

/// A count that a rule makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counted {
    /// The object.
    pub object: ObjectId,
    /// Its cell.
    pub cell: Cell,
    /// Bytes of each packet that do not count.
    pub overhead: u32,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Changes to the packet.
    pub changes: Vec<Action>,
    /// Headers that the pattern must name for them.
    pub need: Set,
    /// Counts.
    pub counts: Vec<Counted>,
    /// The end.
    pub fate: Fate,
}

/// A run, up to some point.
#[derive(Clone, Debug, Default)]
struct Way {
    state: State,
    counts: Vec<Counted>,
    depth: u32,
    /// The pattern so far looks at NSH: branches on anything else get their own group, because
    /// testpmd's text can match NSH fields only at a pattern's end.
    on_nsh: bool,
}

/// Where an operation stands.
#[derive(Clone, Copy)]
struct Site<'a> {
    args: &'a [Bits],
    entry: Option<u32>,
}

type Then<'a> = &'a dyn Fn(Way) -> Answer<List<Leaf>>;

/// The lowering of one program.
pub struct Walker<'a> {
    /// The program.
    pub program: &'a Program,
    /// The NIC.
    pub caps: &'a Capabilities,
    /// The parse graph.
    pub shapes: &'a Shapes,
    /// The program's standard headers.
    pub headers: BTreeMap<HeaderId, Std>,
    /// Judging single nodes of an uncut program: successors are not followed, and metadata of these
    /// ids counts as known.
    trial: Option<BTreeSet<MetaId>>,
    live: PrimaryMap<NodeId, BTreeSet<MetaId>>,
    relevant: PrimaryMap<NodeId, Set>,
    nothing: BTreeSet<MetaId>,
}

impl<'a> Walker<'a> {
    /// For a piece.
    pub fn new(program: &'a Program, caps: &'a Capabilities, shapes: &'a Shapes) -> Self {
        let headers = standard_headers(program);
        let (live, relevant) = crate::live::analyse(program, &headers, shapes);
        Self {
            program,
            caps,
            shapes,
            headers,
            trial: None,
            live,
            relevant,
            nothing: BTreeSet::new(),
        }
    }

    /// For single nodes of an uncut program. Metadata of which any assignment is no constant, field
    /// or parameter counts as unknown.
    pub fn trial(program: &'a Program, caps: &'a Capabilities, shapes: &'a Shapes) -> Self {
        Self {
            trial: Some(crate::live::simple_metas(program)),
            program,
            caps,
            shapes,
            headers: standard_headers(program),
            live: PrimaryMap::new(),
            relevant: PrimaryMap::new(),
            nothing: BTreeSet::new(),
        }
    }

    /// What is known where the program starts.
    pub fn start(&self) -> Known {
        let mut metas = BTreeMap::new();
        let parsed = crate::live::parser_metas(self.program);
        for (id, _) in self.program.metas.iter() {
            if parsed.contains(&id) {
                metas.insert(id, Expr::Meta(id));
                continue;
            }
            let standard = StdMeta::ALL.iter().any(|(std, ..)| std.id() == id);
            let zero = [StdMeta::EgressPort.id(), StdMeta::Drop.id()].contains(&id);
            if (standard && !zero) || (!standard && self.trial.is_some()) {
                metas.insert(id, Expr::Meta(id));
            }
        }
        Known {
            facts: Facts::default(),
            metas,
        }
    }

    /// Metadata that may have any value in a trial: what other nodes set.
    fn free(&self) -> &BTreeSet<MetaId> {
        self.trial.as_ref().unwrap_or(&self.nothing)
    }

    fn matcher(&self) -> Matcher<'_> {
        Matcher {
            program: self.program,
            free: self.free(),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            program: self.program,
            headers: &self.headers,
            shapes: self.shapes,
        }
    }

    /// The decision list of a group: a node, and what is known there.
    ///
    /// # Errors
    /// Why the node, or one behind it that needs no group of its own, cannot become rules.
    pub fn group(&self, node: NodeId, known: &Known) -> Answer<List<Leaf>> {
        let way = Way {
            state: State {
                known: known.clone(),
                fields: BTreeMap::new(),
            },
            ..Way::default()
        };
        Ok(self.expand(way, node)?.trimmed())
    }

    /// The list of a node, tests included.
    fn expand(&self, way: Way, node: NodeId) -> Answer<List<Leaf>> {
        self.expand_kind(way, node).map_err(|why| why.at(node))
    }

    fn expand_kind(&self, way: Way, node: NodeId) -> Answer<List<Leaf>> {
        match &self.program.control.nodes[node].kind {
            NodeKind::Emit | NodeKind::Drop => self.end(way, node),
            NodeKind::Reparse(_) => Err(Why::Operation(
                "parsing anew".to_owned(),
                "a NIC parses a packet once",
            )),
            NodeKind::Exec(ops, next) => {
                let site = Site {
                    args: &[],
                    entry: None,
                };
                self.run(way, ops, site, &|way| self.walk(way, *next))
            }
            NodeKind::Branch(cond, yes, no) => {
                let cond = self.context().simplify(cond, &way.state, &[]);
                self.decide(way, cond, &|way, holds| {
                    self.walk(way, if holds { *yes } else { *no })
                })
            }
            NodeKind::Apply(table, next) => self.apply(way, *table, next),
        }
    }

    /// Goes to a node from another one: on in the same group where that is cheap.
    fn walk(&self, mut way: Way, node: NodeId) -> Answer<List<Leaf>> {
        if self.trial.is_some() {
            return self.goto(way, node);
        }
        let kind = &self.program.control.nodes[node].kind;
        let inline = match kind {
            NodeKind::Emit | NodeKind::Drop => return self.end(way, node),
            NodeKind::Exec(..) => true,
            NodeKind::Branch(cond, ..) => {
                let cond = self.context().simplify(cond, &way.state, &[]);
                matches!(cond, Expr::Const(_)) || !way.on_nsh || self.only_nsh(&cond)
            }
            NodeKind::Apply(table, _) => self.keys_are_constant(&way, *table),
            NodeKind::Reparse(_) => false,
        };
        let deep = way.depth >= DEPTH && !way.on_nsh && !self.needs_no_test(&way, node);
        if !inline || deep {
            return self.goto(way, node);
        }
        let dispatch = way.on_nsh && matches!(kind, NodeKind::Branch(..));
        let most = match (dispatch, way.on_nsh) {
            (true, _) => usize::MAX,
            (false, true) => 1,
            (false, false) => INLINE,
        };
        let elsewhere = way.clone();
        way.depth += 1;
        let list = self.expand(way, node)?.trimmed();
        if list.0.len() <= most {
            return Ok(list);
        }
        self.goto(elsewhere, node)
    }

    fn needs_no_test(&self, way: &Way, node: NodeId) -> bool {
        match &self.program.control.nodes[node].kind {
            NodeKind::Branch(cond, ..) => matches!(
                self.context().simplify(cond, &way.state, &[]),
                Expr::Const(_)
            ),
            NodeKind::Exec(ops, _) => !ops.iter().any(|op| matches!(op, Op::If(..))),
            _ => true,
        }
    }

    fn keys_are_constant(&self, way: &Way, table: TableId) -> bool {
        self.program.tables[table].keys.iter().all(|key| {
            matches!(
                self.context().simplify(&key.expr, &way.state, &[]),
                Expr::Const(_)
            )
        })
    }

    fn looks_at_nsh(&self, expr: &Expr) -> bool {
        let nsh = std_named(wire::NSH);
        let mut found = false;
        expr.walk(&mut |e| {
            if let Expr::Field(FieldRef { header, .. }) = e {
                found |= self.headers.get(header).copied() == nsh;
            }
        });
        found
    }

    fn only_nsh(&self, expr: &Expr) -> bool {
        let nsh = std_named(wire::NSH);
        let mut only = true;
        expr.walk(&mut |e| match e {
            Expr::Field(FieldRef { header, .. }) | Expr::Valid(header) => {
                only &= self.headers.get(header).copied() == nsh;
            }
            _ => {}
        });
        only
    }

    /// Runs `then` with the header valid and with it invalid.
    fn split(&self, way: Way, header: HeaderId, then: Then<'_>) -> Answer<List<Leaf>> {
        let Some(std) = self.headers.get(&header) else {
            return Err(Why::NoItem(header));
        };
        let (mut valid, mut invalid) = (way.clone(), way);
        valid.state.known.facts.yes |= set(*std);
        invalid.state.known.facts.no |= set(*std);
        self.context().settle(&mut valid.state);
        self.context().settle(&mut invalid.state);
        Ok(List::split(set(*std), then(valid)?, then(invalid)?))
    }

    /// Runs `then` with what a condition says.
    fn decide(
        &self,
        mut way: Way,
        cond: Expr,
        then: &dyn Fn(Way, bool) -> Answer<List<Leaf>>,
    ) -> Answer<List<Leaf>> {
        if let Expr::Const(bits) = &cond {
            return then(way, !bits.is_zero());
        }
        if let Some(header) = self.context().undecided(&cond, way.state.known.facts) {
            return self.split(way, header, &|way| {
                let fresh = State {
                    known: Known {
                        facts: way.state.known.facts,
                        metas: identity(self.program),
                    },
                    fields: BTreeMap::new(),
                };
                let cond = self.context().simplify(&cond, &fresh, &[]);
                self.decide(way, cond, then)
            });
        }
        way.on_nsh |= self.looks_at_nsh(&cond);
        condition(self.matcher(), &cond)?.then(|holds| then(way.clone(), holds))
    }

    fn apply(&self, way: Way, id: TableId, next: &Successors) -> Answer<List<Leaf>> {
        let table = &self.program.tables[id];
        if table.flow.is_some() {
            return Err(Why::FlowTable(id));
        }
        if table.selector.is_some() {
            let what = format!("choosing among the members of entries in `{}`", table.name);
            return Err(Why::Operation(what, "rules hash for queues only"));
        }
        let keys: Vec<Expr> = table
            .keys
            .iter()
            .map(|key| self.context().simplify(&key.expr, &way.state, &[]))
            .collect();
        for (index, key) in keys.iter().enumerate() {
            let matters = table
                .entries
                .iter()
                .any(|e| !matches!(e.keys.get(index), Some(KeySet::Any)));
            let undecided = self.context().undecided(key, way.state.known.facts);
            if let (true, Some(header)) = (matters, undecided) {
                return self.split(way, header, &|way| self.apply(way, id, next));
            }
        }
        let (order, levels) = precedence(table);
        let mut entries = Vec::with_capacity(order.len());
        let mut ranks = Vec::with_capacity(order.len());
        for (position, index) in order.iter().enumerate() {
            let mut patterns = vec![Cube::default()];
            for (key, set) in keys.iter().zip(&table.entries[*index].keys) {
                let mut next = Vec::new();
                for base in &patterns {
                    next.extend(cubes(self.matcher(), base, key, set)?);
                }
                patterns = next;
            }
            if !patterns.is_empty() {
                entries.push((patterns, Some(*index)));
                ranks.push(levels.as_ref().map_or(position as u32, |l| l[position]));
            }
        }
        let list = if levels.is_none() && entries.len() <= LEVELLED {
            decide::ordered(entries, None)
        } else {
            decide::from_levels(entries, &ranks, None)
        };
        // Entries with the same action and arguments go the same way.
        let mut memo: HashMap<(ActionId, Vec<Bits>, bool), List<Leaf>> = HashMap::new();
        list.then(|index| {
            let call = index.map_or(&table.default, |i| &table.entries[i].call);
            let direct = self
                .program
                .actions
                .get(call.action)
                .is_some_and(|a| a.ops.iter().any(uses_entry));
            if direct {
                return self.hit(&way, table, index, next);
            }
            let key = (call.action, call.args.clone(), index.is_some());
            if let Some(list) = memo.get(&key) {
                return Ok(list.clone());
            }
            let list = self.hit(&way, table, index, next)?;
            memo.insert(key, list.clone());
            Ok(list)
        })
    }

    /// What an entry of a table does (or the default action).
    fn hit(
        &self,
        way: &Way,
        table: &Table,
        index: Option<usize>,
        next: &Successors,
    ) -> Answer<List<Leaf>> {
        let call: &ActionCall = match index {
            Some(index) => &table.entries[index].call,
            None => &table.default,
        };
        let Some(action) = self.program.actions.get(call.action) else {
            return Err(Why::Operation(
                format!("table `{}`", table.name),
                "an entry names an action that there is not",
            ));
        };
        let target = successor(next, call.action, index.is_some());
        let site = Site {
            args: &call.args,
            entry: index.map(|i| i as u32),
        };
        self.run(way.clone(), &action.ops, site, &|way| {
            self.walk(way, target)
        })
    }

    fn run(&self, mut way: Way, ops: &[Op], at: Site<'_>, then: Then<'_>) -> Answer<List<Leaf>> {
        for (i, op) in ops.iter().enumerate() {
            match op {
                Op::Set(target, value) => {
                    let value = self.context().simplify(value, &way.state, at.args);
                    let facts = way.state.known.facts;
                    let undecided = match target.place {
                        Place::Field(f) => match self.context().validity(f.header, facts) {
                            Some(false) => continue,
                            Some(true) => self.context().undecided(&value, facts),
                            None => Some(f.header),
                        },
                        Place::Meta(_) => None,
                    };
                    if let Some(header) = undecided {
                        return self.split(way, header, &|way| self.run(way, &ops[i..], at, then));
                    }
                    self.assign(&mut way, target, value);
                }
                Op::If(cond, yes, no) => {
                    let cond = self.context().simplify(cond, &way.state, at.args);
                    return self.decide(way, cond, &|way, holds| {
                        let mut rest = if holds { yes.clone() } else { no.clone() };
                        rest.extend_from_slice(&ops[i + 1..]);
                        self.run(way, &rest, at, then)
                    });
                }
                Op::Count(object, index) => self.count(&mut way, *object, index, at)?,
                other => return Err(self.unsupported(other)),
            }
        }
        then(way)
    }

    fn assign(&self, way: &mut Way, target: &LValue, value: Expr) {
        let whole = match target.place {
            Place::Field(field) => Expr::Field(field),
            Place::Meta(meta) => Expr::Meta(meta),
        };
        let width = self.program.width(&whole, &[]);
        let value = match target.slice {
            None => value,
            Some((hi, lo)) => {
                let old = self.context().simplify(&whole, &way.state, &[]);
                let mut parts = Vec::new();
                if hi + 1 < width {
                    parts.push(Expr::Slice(Box::new(old.clone()), width - 1, hi + 1));
                }
                parts.push(value);
                if lo > 0 {
                    parts.push(Expr::Slice(Box::new(old), lo - 1, 0));
                }
                let fresh = State {
                    known: Known {
                        facts: way.state.known.facts,
                        metas: identity(self.program),
                    },
                    fields: BTreeMap::new(),
                };
                self.context().simplify(&Expr::Concat(parts), &fresh, &[])
            }
        };
        match target.place {
            Place::Field(field) => {
                way.state.fields.insert(field, value);
            }
            Place::Meta(meta) if matches!(&value, Expr::Const(c) if c.is_zero()) => {
                way.state.known.metas.remove(&meta);
            }
            Place::Meta(meta) => {
                way.state.known.metas.insert(meta, value);
            }
        }
    }

    fn count(&self, way: &mut Way, object: ObjectId, index: &Index, at: Site<'_>) -> Answer<()> {
        let name = || format!("count in `{}`", self.program.objects[object].name);
        let cell = match index {
            Index::Entry => match at.entry {
                Some(entry) => Cell::Entry(entry),
                None => return Ok(()),
            },
            Index::At(expr) => {
                let expr = self.context().simplify(expr, &way.state, at.args);
                match &expr {
                    Expr::Const(bits) => match u32::try_from(bits.value()) {
                        Ok(index) if index < cells(self.program, object) => Cell::Index(index),
                        _ => return Ok(()),
                    },
                    _ if self.is_free(&expr) => Cell::Index(0),
                    _ => return Err(Why::NotConstant(name())),
                }
            }
        };
        let length = Expr::Meta(StdMeta::PacketLength.id());
        let length = self.context().simplify(&length, &way.state, &[]);
        let overhead = overhead(&length).ok_or_else(|| Why::NotConstant(name()))?;
        way.counts.push(Counted {
            object,
            cell,
            overhead,
        });
        Ok(())
    }

    fn is_free(&self, expr: &Expr) -> bool {
        pieces(self.program, expr).iter().all(|piece| match piece {
            Piece::Const(_) => true,
            Piece::Other(Expr::Meta(meta), ..) => self.free().contains(meta),
            _ => false,
        })
    }

    fn unsupported(&self, op: &Op) -> Why {
        let object = |id: &ObjectId| self.program.objects[*id].name.clone();
        let (what, why) = match op {
            Op::SetValid(h) | Op::SetInvalid(h) | Op::Copy { dst: h, .. } => (
                format!(
                    "adding or removing header `{}`",
                    self.program.headers[*h].name
                ),
                "rte_flow pushes and pops the outermost headers, which are the encapsulation here",
            ),
            Op::Meter { object: id, .. } => (
                format!("meter `{}`", object(id)),
                "meters of rte_flow follow other rates and colours than RFC 2698 in exact arithmetic",
            ),
            Op::Read { object: id, .. } | Op::Write { object: id, .. } => (
                format!("register `{}`", object(id)),
                "rules have no registers that outlive a packet",
            ),
            Op::Search { object: id, .. } => (
                format!("search in `{}`", object(id)),
                "rules do not see the payload",
            ),
            Op::Allocate { object: id, .. } | Op::Touch(id, _) => (
                format!("allocator `{}`", object(id)),
                "rules cannot allocate numbers",
            ),
            Op::CopyVarbit { dst, .. } => (
                format!(
                    "copying a variable part to `{}`",
                    self.program.headers[*dst].name
                ),
                "rules know fields of fixed width",
            ),
            Op::Notify(id, _) => (
                format!("message `{}`", object(id)),
                "rules send nothing to the control plane",
            ),
            Op::Random { object: id, .. } => (
                format!("random numbers from `{}`", object(id)),
                "rules cannot draw numbers",
            ),
            Op::AddEntry { table, .. } | Op::SetExpire { table, .. } => (
                format!("adding entries to `{}`", self.program.tables[*table].name),
                "rules are inserted by the host, not by packets",
            ),
            Op::Set(..) | Op::If(..) | Op::Count(..) => {
                ("an operation".to_owned(), "it is out of place")
            }
        };
        Why::Operation(what, why)
    }

    /// Emit or Drop.
    fn end(&self, way: Way, node: NodeId) -> Answer<List<Leaf>> {
        let constant = |meta: MetaId, what: &str| {
            let value = self.context().simplify(&Expr::Meta(meta), &way.state, &[]);
            match value {
                Expr::Const(bits) => Ok(bits.low_u64()),
                _ if self.trial.is_some() => Ok(0),
                _ => Err(Why::NotConstant(what.to_owned())),
            }
        };
        let fate = match self.program.control.nodes[node].kind {
            NodeKind::Drop => Fate::Drop(constant(StdMeta::Drop.id(), "the drop reason")? as u16),
            _ if self.trial.is_some() => return Err(Why::NotToHost),
            _ => {
                let port = constant(StdMeta::EgressPort.id(), "the output port")?;
                if port != u64::from(wire::NIC_TO_HOST) {
                    return Err(Why::NotToHost);
                }
                let named = |name: &str| match self.program.meta_named(name) {
                    Some(meta) => constant(meta, name).map(|v| v as u32),
                    None => Ok(0),
                };
                Fate::Host {
                    mark: named(wire::MARK)?,
                    meta: named(wire::META)?,
                }
            }
        };
        self.leaf(way, fate)
    }

    /// On in another group, with what of the knowledge matters there.
    fn goto(&self, way: Way, node: NodeId) -> Answer<List<Leaf>> {
        if self.trial.is_some() {
            return self.leaf(way, Fate::Goto(node, Known::default()));
        }
        let changed = &way.state.fields;
        let mut known = way.state.known.clone();
        known.metas.retain(|meta, _| self.live[node].contains(meta));
        for (meta, value) in &mut known.metas {
            // Values are over the fields as they were; behind this group they are as changed.
            let moved = changed
                .iter()
                .find(|(_, new)| *new == value && !matches!(new, Expr::Const(_)));
            let stale = {
                let mut stale = false;
                value.walk(&mut |e| {
                    stale |= matches!(e, Expr::Field(f) if changed.contains_key(f));
                });
                stale
            };
            match moved {
                Some((field, _)) => *value = Expr::Field(*field),
                None if stale => *value = Expr::Meta(*meta),
                None => {}
            }
        }
        known.facts.yes &= self.relevant[node];
        known.facts.no &= self.relevant[node];
        self.leaf(way, Fate::Goto(node, known))
    }

    fn leaf(&self, way: Way, fate: Fate) -> Answer<List<Leaf>> {
        // What is done to a packet that is dropped does not show.
        let changes = match fate {
            Fate::Drop(_) => crate::effects::Effects::default(),
            _ => effects(self.program, &self.headers, self.free(), &way.state.fields)?,
        };
        Ok(List::always(Leaf {
            changes: changes.actions,
            need: changes.need,
            counts: way.counts,
            fate,
        }))
    }
}

/// Every metadata field as itself: for expressions that are simplified already.
fn identity(program: &Program) -> BTreeMap<MetaId, Expr> {
    program
        .metas
        .keys()
        .map(|id| (id, Expr::Meta(id)))
        .collect()
}

fn uses_entry(op: &Op) -> bool {
    match op {
        Op::Count(_, Index::Entry) => true,
        Op::If(_, a, b) => a.iter().chain(b).any(uses_entry),
        _ => false,
    }
}

fn cells(program: &Program, object: ObjectId) -> u32 {
    match program.objects[object].kind {
        trisect_ir::ObjectKind::Counter {
            size: Some(size), ..
        } => size,
        _ => 0,
    }
}

/// How many bytes less than the frame on the wire `packet_length` counts; `None` if unknown.
fn overhead(length: &Expr) -> Option<u32> {
    let whole = Expr::Meta(StdMeta::PacketLength.id());
    match length {
        e if *e == whole => Some(0),
        Expr::Binary(op, a, b) if **a == whole || **a == Expr::FrameLen => {
            let Expr::Const(by) = &**b else { return None };
            let by = u32::try_from(by.value()).ok()?;
            match op {
                BinOp::Sub => Some(by),
                BinOp::Add => Some(0u32.wrapping_sub(by)),
                _ => None,
            }
        }
        Expr::FrameLen => Some(0),
        _ => None,
    }
}

fn successor(next: &Successors, action: ActionId, hit: bool) -> NodeId {
    match next {
        Successors::Always(node) => *node,
        Successors::HitMiss { hit: yes, miss } => {
            if hit {
                *yes
            } else {
                *miss
            }
        }
        Successors::ByAction { cases, default } => cases
            .iter()
            .find(|(a, _)| *a == action)
            .map_or(*default, |(_, node)| *node),
    }
}

/// Entries in order of precedence, and their ranks where they are plain to see: prefix lengths where
/// these decide, one rank for distinct exact keys.
fn precedence(table: &Table) -> (Vec<usize>, Option<Vec<u32>>) {
    let mut order: Vec<usize> = (0..table.entries.len()).collect();
    let has = |kinds: &[MatchKind]| table.keys.iter().any(|k| kinds.contains(&k.kind));
    let by_priority = has(&[MatchKind::Ternary, MatchKind::Range, MatchKind::Optional]);
    if has(&[MatchKind::Lpm]) && !by_priority {
        let length = |i: &usize| prefix_length(table, *i);
        order.sort_by_key(|i| (std::cmp::Reverse(length(i)), *i));
        let ranks = order
            .iter()
            .map(|i| u32::MAX / 2 - length(i))
            .collect::<Vec<_>>();
        let distinct = distinct_keys(table);
        return (order, distinct.then(|| dense(&ranks)));
    }
    order.sort_by_key(|i| (std::cmp::Reverse(table.entries[*i].priority), *i));
    let exact = !by_priority && distinct_keys(table);
    let ranks = exact.then(|| vec![0; order.len()]);
    (order, ranks)
}

fn distinct_keys(table: &Table) -> bool {
    let mut seen = std::collections::HashSet::new();
    table.entries.iter().all(|e| seen.insert(&e.keys))
}

fn prefix_length(table: &Table, entry: usize) -> u32 {
    table
        .keys
        .iter()
        .zip(&table.entries[entry].keys)
        .find(|(key, _)| key.kind == MatchKind::Lpm)
        .map_or(0, |(_, set)| match set {
            KeySet::Prefix(_, len) => *len,
            KeySet::Exact(value) => value.width(),
            _ => 0,
        })
}

/// Sorted ranks without gaps.
fn dense(ranks: &[u32]) -> Vec<u32> {
    let distinct: BTreeSet<u32> = ranks.iter().copied().collect();
    let index: HashMap<u32, u32> = distinct
        .into_iter()
        .enumerate()
        .map(|(i, r)| (r, i as u32))
        .collect();
    ranks.iter().map(|r| index[r]).collect()
}

/// All nodes, for analyses.
pub fn node_ids(program: &Program) -> impl Iterator<Item = NodeId> + use<> {
    (0..program.control.nodes.len()).map(NodeId::new)
}
