//! Objects, and tables with their entries.

use super::super::Random;
use super::{CONTROL, Generator, Here, VARBITS};
use std::collections::BTreeMap;
use trisect_ir::*;

impl Generator<'_> {
    pub(super) fn objects(&mut self) {
        let unit = |r: &mut Random| {
            r.pick(&[
                CountUnit::Packets,
                CountUnit::Bytes,
                CountUnit::PacketsAndBytes,
            ])
        };
        for i in 0..3u32 {
            let size = (i > 0).then_some(1 + self.random.below(20) as u32);
            let kind = ObjectKind::Counter {
                size,
                unit: unit(self.random),
            };
            let id = self.object(format!("counter{i}"), kind);
            self.counters.push(id);
            let kind = ObjectKind::Meter {
                size,
                unit: self.random.pick(&[CountUnit::Packets, CountUnit::Bytes]),
                default: self.rates(),
                cells: BTreeMap::from([(0, self.rates())]),
            };
            let id = self.object(format!("meter{i}"), kind);
            self.meters.push(id);
            let width = self.random.width();
            let kind = ObjectKind::Register {
                width,
                size: 1 + self.random.below(9) as u32,
                init: self.random.bits(width),
            };
            let id = self.object(format!("register{i}"), kind);
            self.registers.push(id);
        }
        let patterns = (0..self.random.below(6))
            .map(|_| {
                (0..1 + self.random.below(3))
                    .map(|_| self.random.byte())
                    .collect()
            })
            .collect();
        let id = self.object("patterns".into(), ObjectKind::PatternSet { patterns });
        self.patterns.push(id);
        let kind = ObjectKind::Allocator {
            width: 16,
            base: 1000,
            size: 1 + self.random.below(6) as u32,
            idle_ns: self.random.below(3000) as u64,
        };
        let id = self.object("allocator".into(), kind);
        self.allocators.push(id);
        for i in 0..2 {
            let fields = (0..self.random.below(4))
                .map(|f| (format!("f{f}"), self.random.width()))
                .collect();
            let kind = ObjectKind::Message {
                kind: MessageKind::Log,
                text: String::new(),
                fields,
            };
            let id = self.object(format!("message{i}"), kind);
            self.messages.push(id);
            let seed = self.random.next();
            let id = self.object(format!("random{i}"), ObjectKind::Random { seed });
            self.randoms.push(id);
        }
    }
    fn object(&mut self, name: String, kind: ObjectKind) -> ObjectId {
        self.program.objects.push(Object { name, kind })
    }
    fn rates(&mut self) -> MeterConfig {
        MeterConfig {
            cir: 1_000_000 * self.random.below(50) as u64,
            cbs: self.random.below(200) as u64,
            pir: 1_000_000 * self.random.below(90) as u64,
            pbs: self.random.below(400) as u64,
        }
    }
    /// Tables, each with its own actions; the last ones are flow tables.
    pub(super) fn tables(&mut self, structural: bool) {
        for t in 0..5u32 {
            let id = TableId(t);
            let flow = t >= 3;
            let count = 1 + self.random.below(3);
            let first = self.program.actions.len() as u32;
            let actions: Vec<ActionId> = (0..count as u32).map(|i| ActionId(first + i)).collect();
            let params: Vec<Vec<Param>> = (0..count)
                .map(|_| {
                    (0..self.random.below(4))
                        .map(|p| Param {
                            name: format!("p{p}"),
                            width: self.random.width(),
                        })
                        .collect()
                })
                .collect();
            for (i, p) in params.iter().enumerate() {
                // Actions that exist so far can be added by flow tables.
                self.program.actions.push(Action {
                    name: format!("t{t}.a{i}"),
                    params: p.clone(),
                    ops: vec![],
                });
            }
            for action in &actions {
                let table = Some((id, flow, t == 0 || t == 3, &actions[..]));
                let params = self.program.actions[*action].params.clone();
                let here = Here {
                    params: &params,
                    parser: false,
                    clean: self.read_only,
                };
                let ops = self.ops(3, 2, table, structural, here);
                if let Some(a) = self.program.actions.get_mut(*action) {
                    a.ops = ops;
                }
            }
            let table = self.table(t, flow, actions);
            self.program.tables.push(table);
        }
    }
    fn table(&mut self, t: u32, flow: bool, actions: Vec<ActionId>) -> Table {
        let kinds: Vec<MatchKind> = if flow {
            vec![MatchKind::Exact; 1 + self.random.below(3)]
        } else {
            let mut kinds: Vec<MatchKind> = (0..self.random.below(4))
                .map(|_| {
                    self.random.pick(&[
                        MatchKind::Exact,
                        MatchKind::Ternary,
                        MatchKind::Range,
                        MatchKind::Optional,
                    ])
                })
                .collect();
            if self.random.one_in(2) {
                if self.random.one_in(2) {
                    kinds.fill(MatchKind::Exact);
                }
                kinds.push(MatchKind::Lpm);
            }
            kinds
        };
        let widths: Vec<u32> = kinds.iter().map(|_| self.random.width()).collect();
        let here = Here {
            clean: self.read_only,
            ..CONTROL
        };
        let keys = kinds
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(i, (kind, width))| Key {
                name: format!("k{i}"),
                expr: self.expr(*width, 1, here),
                kind: *kind,
                signed: false,
            })
            .collect();
        let selector = (!flow && self.random.one_in(3)).then(|| Selector {
            algorithm: self
                .random
                .pick(&[HashAlgorithm::Crc16, HashAlgorithm::Identity]),
            inputs: (0..1 + self.random.below(2))
                .map(|_| match self.random.below(3) {
                    0 => Expr::Payload,
                    1 => Expr::Varbit(self.random.pick(&VARBITS)),
                    _ => self.expr(16, 1, here),
                })
                .collect(),
        });
        let entries: Vec<Entry> = (0..self.random.below(if flow { 3 } else { 16 }))
            .map(|_| Entry {
                keys: kinds
                    .iter()
                    .zip(&widths)
                    .map(|(k, w)| self.set(Some(*k), *w))
                    .collect(),
                priority: self.random.below(5) as u32,
                call: self.action_call(&actions),
                members: match &selector {
                    Some(_) => (0..self.random.below(3))
                        .map(|_| self.action_call(&actions))
                        .collect(),
                    None => vec![],
                },
                origin: Origin::Control,
            })
            .collect();
        Table {
            name: format!("t{t}"),
            keys,
            default: self.action_call(&actions),
            actions,
            const_default: false,
            size: entries.len() as u32 + self.random.below(5) as u32,
            entries,
            flow: flow.then(|| FlowTable {
                timeouts_ns: vec![500, 3000, 100_000],
            }),
            selector,
        }
    }
    fn action_call(&mut self, actions: &[ActionId]) -> ActionCall {
        let action = self.random.pick(actions);
        let params = self.program.actions[action].params.clone();
        ActionCall {
            action,
            args: params.iter().map(|p| self.random.bits(p.width)).collect(),
        }
    }
    pub(super) fn set(&mut self, kind: Option<MatchKind>, width: u32) -> KeySet {
        let v = |r: &mut Random| r.bits(width);
        let shape = match kind {
            Some(MatchKind::Exact) => 0,
            Some(MatchKind::Lpm) => self.random.pick(&[0, 1, 2, 2, 2]),
            Some(MatchKind::Ternary) => self.random.pick(&[0, 1, 3, 3, 3]),
            Some(MatchKind::Range) => self.random.pick(&[0, 1, 4, 4, 4]),
            Some(MatchKind::Optional) => self.random.below(2),
            None => self.random.below(5),
        };
        match shape {
            0 => KeySet::Exact(v(self.random)),
            1 => KeySet::Any,
            2 => KeySet::Prefix(v(self.random), self.random.below(width as usize + 1) as u32),
            3 => KeySet::Mask(v(self.random), v(self.random)),
            _ => {
                let (a, b) = (v(self.random), v(self.random));
                KeySet::Range(a.clone().min(b.clone()), a.max(b))
            }
        }
    }
}
