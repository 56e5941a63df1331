//! Random actions, tables and control.

use super::Maker;
use crate::{
    Action, ActionCall, ActionId, BinOp, CountUnit, Entity, Entry, Expr, FlowTable, HashAlgorithm,
    HeaderId, Index, Key, KeySet, LValue, MatchKind, NodeId, NodeKind, ObjectId, ObjectKind, Op,
    Origin, Param, Place, Selector, StdMeta, Successors, Table, TableId,
};

/// What a table's actions may use.
struct Owner {
    table: TableId,
    flow: bool,
    /// The action that entries of the flow table run.
    hit: Option<ActionId>,
    direct: Vec<ObjectId>,
}

/// Where operations stand.
struct Site<'a> {
    params: &'a [Param],
    owner: Option<&'a Owner>,
}

impl Maker<'_, '_> {
    /// Nodes in topological order: each goes on to later ones; `Emit` and `Drop` come last.
    pub(super) fn control(&mut self) {
        let count = 1 + self.c.below(self.shape.max_nodes);
        let (emit, drop) = (NodeId::new(count), NodeId::new(count + 1));
        for i in 0..count {
            let next = NodeId::new(i + 1);
            let kind = match self.c.below(8) {
                0 | 1 => {
                    let place = Site {
                        params: &[],
                        owner: None,
                    };
                    let ops = self.ops(&place, 2);
                    NodeKind::Exec(ops, next)
                }
                2 if self.shape.reparse => NodeKind::Reparse(next),
                3 | 4 => {
                    let frame = self.frame_clean;
                    let cond = self.expr(1, 3, &[], frame);
                    NodeKind::Branch(cond, next, self.later(i, count))
                }
                _ => self.apply(i, count, next),
            };
            self.node(format!("n{i}"), kind);
        }
        debug_assert_eq!(self.p.control.nodes.len(), emit.index());
        self.node("emit".into(), NodeKind::Emit);
        self.node("drop".into(), NodeKind::Drop);
        debug_assert_eq!(self.p.control.nodes.len(), drop.index() + 1);
        self.p.control.entry = Some(NodeId::new(0));
    }

    fn later(&mut self, node: usize, count: usize) -> NodeId {
        NodeId::new(node + 1 + self.c.below(count + 1 - node))
    }

    fn apply(&mut self, node: usize, count: usize, next: NodeId) -> NodeKind {
        let table = self.table(node);
        let successors = match self.c.below(3) {
            0 => Successors::Always(next),
            1 => Successors::HitMiss {
                hit: next,
                miss: self.later(node, count),
            },
            _ => {
                let actions = self.p.tables[table].actions.clone();
                let cases = actions
                    .into_iter()
                    .take(2)
                    .map(|a| (a, self.later(node, count)))
                    .collect();
                Successors::ByAction {
                    cases,
                    default: next,
                }
            }
        };
        NodeKind::Apply(table, successors)
    }

    fn table(&mut self, node: usize) -> TableId {
        let flow = self.shape.flow_tables && self.c.one_in(3);
        let table = TableId::new(self.p.tables.len());
        let keys = self.keys(flow);
        // Everything that is looked up was read before the actions write.
        let mut owner = Owner {
            table,
            flow,
            hit: None,
            direct: self.direct(node),
        };
        let clean = self.frame_clean;
        let mut actions = Vec::new();
        for i in 0..1 + self.c.below(3) {
            self.frame_clean = clean;
            let action = self.action(node, i, &owner);
            owner.hit = owner.hit.or(Some(action));
            actions.push(action);
        }
        self.frame_clean = clean && !self.p.tables_write_headers(&actions);
        let default = self.call(&actions);
        // Evaluated with the keys.
        self.frame_clean = clean;
        let selector = (!flow && self.shape.selectors && self.c.one_in(4)).then(|| self.selector());
        self.frame_clean = clean && !self.p.tables_write_headers(&actions);
        let keyed: Vec<(MatchKind, u32)> = keys
            .iter()
            .map(|k: &Key| (k.kind, self.p.width(&k.expr, &[])))
            .collect();
        let mut entries = Vec::new();
        if !keyed.is_empty() {
            for _ in 0..self.c.below(7) {
                let mut entry = self.entry(&keyed, &actions);
                if selector.is_some() {
                    for _ in 0..self.c.below(4) {
                        entry.members.push(self.call(&actions));
                    }
                }
                entries.push(entry);
            }
        }
        let size = entries.len() as u32 + 1 + self.c.below(3) as u32;
        let flow = flow.then(|| FlowTable {
            timeouts_ns: vec![300, 1000],
        });
        self.p.tables.push(Table {
            name: format!("table {node}"),
            keys,
            actions,
            default,
            const_default: self.c.one_in(2),
            entries,
            size,
            flow,
            selector,
        })
    }

    fn selector(&mut self) -> Selector {
        let frame = self.frame_clean;
        loop {
            if let Expr::Hash(algorithm, inputs) = self.special(1, &[], frame) {
                return Selector { algorithm, inputs };
            }
            if self.c.is_empty() {
                return Selector {
                    algorithm: HashAlgorithm::Crc16,
                    inputs: vec![StdMeta::PacketLength.get()],
                };
            }
        }
    }

    fn direct(&mut self, node: usize) -> Vec<ObjectId> {
        let mut direct = Vec::new();
        if !self.shape.direct_objects {
            return direct;
        }
        if self.c.one_in(2) {
            let unit = CountUnit::PacketsAndBytes;
            let kind = ObjectKind::Counter { size: None, unit };
            direct.push(self.object(&format!("direct counter {node}"), kind));
        }
        if self.shape.meters && self.c.one_in(3) {
            let kind = ObjectKind::Meter {
                size: None,
                unit: CountUnit::Bytes,
                default: self.rates(),
                cells: Default::default(),
            };
            direct.push(self.object(&format!("direct meter {node}"), kind));
        }
        direct
    }

    fn keys(&mut self, flow: bool) -> Vec<Key> {
        let kinds: &[MatchKind] = match self.c.below(5) {
            _ if flow => &[MatchKind::Exact, MatchKind::Exact],
            0 => &[MatchKind::Exact, MatchKind::Exact],
            1 => &[MatchKind::Lpm, MatchKind::Exact],
            2 => &[MatchKind::Ternary, MatchKind::Range, MatchKind::Optional],
            3 => &[MatchKind::Ternary, MatchKind::Lpm],
            _ => &[],
        };
        let count = kinds.len().min(1 + self.c.below(3));
        let mut keys = Vec::new();
        for (i, kind) in kinds.iter().take(count).enumerate() {
            let header = self.any_header();
            let place = self.field_of(header);
            let frame = self.frame_clean;
            let expr = match place.place {
                Place::Field(field) if !self.c.one_in(3) => Expr::Field(field),
                _ => {
                    let width = self.width();
                    self.expr(width, 2, &[], frame)
                }
            };
            keys.push(Key {
                name: format!("k{i}"),
                expr,
                kind: *kind,
                signed: false,
            });
        }
        keys
    }

    fn entry(&mut self, keys: &[(MatchKind, u32)], actions: &[ActionId]) -> Entry {
        let keys = keys
            .iter()
            .map(|(kind, width)| self.key_set(*kind, *width))
            .collect();
        let origins = [Origin::Const, Origin::Static, Origin::Control];
        Entry {
            keys,
            priority: self.c.below(4) as u32,
            call: self.call(actions),
            members: Vec::new(),
            origin: self.c.pick(&origins).copied().unwrap_or(Origin::Const),
        }
    }

    fn key_set(&mut self, kind: MatchKind, width: u32) -> KeySet {
        let value = self.c.bits(width);
        match kind {
            MatchKind::Exact => KeySet::Exact(value),
            MatchKind::Lpm => {
                let len = self.c.below(width as usize + 1) as u32;
                KeySet::Prefix(value, len)
            }
            MatchKind::Ternary if self.c.one_in(6) => KeySet::Any,
            MatchKind::Ternary => KeySet::Mask(value, self.c.bits(width)),
            MatchKind::Range => {
                let other = self.c.bits(width);
                if value <= other {
                    KeySet::Range(value, other)
                } else {
                    KeySet::Range(other, value)
                }
            }
            MatchKind::Optional if self.c.one_in(2) => KeySet::Any,
            MatchKind::Optional => KeySet::Exact(value),
        }
    }

    fn call(&mut self, actions: &[ActionId]) -> ActionCall {
        let action = self.c.pick(actions).copied().unwrap_or(ActionId(0));
        let widths: Vec<u32> = self.p.actions[action]
            .params
            .iter()
            .map(|p| p.width)
            .collect();
        ActionCall {
            action,
            args: widths.into_iter().map(|w| self.c.bits(w)).collect(),
        }
    }

    fn action(&mut self, node: usize, number: usize, owner: &Owner) -> ActionId {
        let mut params = Vec::new();
        for i in 0..self.c.below(3) {
            let width = self.width();
            params.push(Param {
                name: format!("p{i}"),
                width,
            });
        }
        let place = Site {
            params: &params,
            owner: Some(owner),
        };
        let ops = self.ops(&place, 2);
        self.p.actions.push(Action {
            name: format!("act {node}.{number}"),
            params,
            ops,
        })
    }

    fn ops(&mut self, place: &Site<'_>, depth: u32) -> Vec<Op> {
        let mut ops = Vec::new();
        for _ in 0..1 + self.c.below(4) {
            if let Some(op) = self.op(place, depth) {
                ops.push(op);
            }
        }
        ops
    }

    fn value(&mut self, width: u32, place: &Site<'_>) -> Expr {
        let frame = self.frame_clean;
        self.expr(width, 3, place.params, frame)
    }

    /// An assignment whose value is read before its target counts as written.
    fn set(&mut self, place: &Site<'_>) -> Op {
        let clean = self.frame_clean;
        let to = self.target();
        let width = self.p.lvalue_width(&to);
        let value = self.expr(width, 3, place.params, clean);
        Op::Set(to, value)
    }

    fn meta(&self, name: &str) -> LValue {
        LValue::meta(self.p.meta_named(name).unwrap_or(StdMeta::Drop.id()))
    }

    fn object_named(&self, name: &str) -> Option<ObjectId> {
        self.p.objects.find(|o| o.name == name)
    }

    fn op(&mut self, place: &Site<'_>, depth: u32) -> Option<Op> {
        Some(match self.c.below(18) {
            6 | 7 if self.shape.structural => self.structural(),
            8 if depth > 0 => {
                let cond = self.value(1, place);
                let clean = self.frame_clean;
                let yes = self.ops(place, depth - 1);
                let after_yes = std::mem::replace(&mut self.frame_clean, clean);
                let no = if self.c.one_in(2) {
                    self.ops(place, depth - 1)
                } else {
                    Vec::new()
                };
                self.frame_clean &= after_yes;
                Op::If(cond, yes, no)
            }
            9 => Op::Count(
                self.object_named("counts")?,
                Index::At(self.value(4, place)),
            ),
            10 => Op::Meter {
                object: self.object_named("meters")?,
                index: Index::At(self.value(3, place)),
                color: self.c.one_in(2).then(|| Expr::num(8, 1)),
                dst: self.meta("u8"),
            },
            11 => self.register(place)?,
            12 => {
                let object = self.object_named("patterns")?;
                Op::Search {
                    object,
                    after: self.any_header(),
                    dst: self.meta("node"),
                }
            }
            13 => {
                let object = self.object_named("numbers")?;
                if self.c.one_in(3) {
                    let number = Expr::binary(
                        BinOp::Add,
                        Expr::num(16, 1024),
                        Expr::Resize(Box::new(self.value(2, place)), 16),
                    );
                    Op::Touch(object, number)
                } else {
                    let (ok, value) = (self.meta("flag"), self.meta("node"));
                    Op::Allocate { object, ok, value }
                }
            }
            14 => self.direct_op(place)?,
            15 => self.flow_op(place)?,
            16 => self.notify(place)?,
            17 => {
                let object = self.object_named("dice")?;
                let to = self.target();
                let width = self.p.lvalue_width(&to);
                Op::Random {
                    object,
                    lo: self.value(width, place),
                    hi: self.value(width, place),
                    dst: to,
                }
            }
            _ => self.set(place),
        })
    }

    pub(super) fn structural(&mut self) -> Op {
        self.frame_clean = false;
        let header = match self.any_varbit() {
            Some(header) if self.c.one_in(3) => header,
            _ => self.any_header(),
        };
        match self.c.below(4) {
            3 if !self.in_parser => match self.copy_varbit() {
                Some(op) => op,
                None => Op::SetValid(header),
            },
            0 => Op::SetValid(header),
            1 => Op::SetInvalid(header),
            _ => {
                let ty = self.p.headers[header].ty;
                let same: Vec<_> = self
                    .p
                    .headers
                    .iter()
                    .filter(|(_, h)| h.ty == ty)
                    .map(|(id, _)| id)
                    .collect();
                let src = self.c.pick(&same).copied().unwrap_or(header);
                Op::Copy { dst: header, src }
            }
        }
    }

    fn copy_varbit(&mut self) -> Option<Op> {
        let dst = self.any_varbit()?;
        let max = |maker: &Self, header| maker.p.header_type(header).varbit();
        let same: Vec<HeaderId> = self.p.headers.keys().collect();
        let same: Vec<HeaderId> = same
            .into_iter()
            .filter(|h| max(self, *h) == max(self, dst))
            .collect();
        let src = *self.c.pick(&same)?;
        Some(Op::CopyVarbit { dst, src })
    }

    fn register(&mut self, place: &Site<'_>) -> Option<Op> {
        let name = if self.c.one_in(2) {
            "more registers"
        } else {
            "registers"
        };
        let object = self.object_named(name)?;
        let ObjectKind::Register { width, .. } = self.p.objects[object].kind else {
            return None;
        };
        let index = self.value(3, place);
        if self.c.one_in(2) {
            let value = self.value(width, place);
            return Some(Op::Write {
                object,
                index,
                value,
            });
        }
        let fits = self.p.metas.iter().skip(1).find(|(_, m)| m.width == width);
        let dst = LValue::meta(fits?.0);
        // Standard metadata that others rely on stays as it is.
        let own = matches!(dst.place, Place::Meta(m) if m.0 > 5 || m.0 == 1);
        own.then_some(Op::Read { object, index, dst })
    }

    fn notify(&mut self, place: &Site<'_>) -> Option<Op> {
        let object = self.object_named("news")?;
        let ObjectKind::Message { fields, .. } = &self.p.objects[object].kind else {
            return None;
        };
        let widths: Vec<u32> = fields.iter().map(|f| f.1).collect();
        let values = widths.into_iter().map(|w| self.value(w, place)).collect();
        Some(Op::Notify(object, values))
    }

    fn direct_op(&mut self, place: &Site<'_>) -> Option<Op> {
        let direct = &place.owner?.direct;
        let object = *self.c.pick(direct)?;
        Some(match self.p.objects[object].kind {
            ObjectKind::Counter { .. } => Op::Count(object, Index::Entry),
            _ => Op::Meter {
                object,
                index: Index::Entry,
                color: None,
                dst: self.meta("u8"),
            },
        })
    }

    fn flow_op(&mut self, place: &Site<'_>) -> Option<Op> {
        let owner = place.owner.filter(|o| o.flow)?;
        let profile = Expr::num(8, self.c.below(3) as u64);
        let table = owner.table;
        let Some(action) = owner.hit else {
            return Some(Op::SetExpire { table, profile });
        };
        let widths: Vec<u32> = self.p.actions[action]
            .params
            .iter()
            .map(|p| p.width)
            .collect();
        let args = widths.into_iter().map(|w| self.value(w, place)).collect();
        Some(Op::AddEntry {
            table,
            action,
            args,
            profile,
        })
    }
}

impl crate::Program {
    /// Whether any of these actions may write a header.
    fn tables_write_headers(&self, actions: &[ActionId]) -> bool {
        actions
            .iter()
            .any(|a| crate::analysis::op_effects(self, &self.actions[*a].ops).writes_headers())
    }
}
