//! Loading a [`State`] into an engine: names and texts become entities, and everything is checked
//! against the program, before anything of the engine changes.

use crate::analysis::direct_owners;
use crate::meter::MeterState;
use crate::state::{Cell, Count, FlowState, State};
use crate::{
    ActionCall, Bits, MESSAGE_LIMIT, Object, ObjectId, ObjectKind, PrimaryMap, Program, Table,
    TableId,
};

/// Why a state cannot be loaded into a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// There is no such flow table.
    #[error("the program has no flow table `{0}`")]
    NoFlowTable(String),
    /// There is no such object of this kind.
    #[error("the program has no {kind} `{name}`")]
    NoObject {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// The text of a key is not one of the table's.
    #[error("`{key}` is not a key of table `{table}`")]
    Key {
        /// The table.
        table: String,
        /// The text.
        key: String,
    },
    /// The table does not have the action.
    #[error("table `{table}` has no action `{action}`")]
    NoAction {
        /// The table.
        table: String,
        /// The action.
        action: String,
    },
    /// The arguments are not the action's parameters.
    #[error("flow {key} of table `{table}` does not have the arguments of action `{action}`")]
    Arguments {
        /// The table.
        table: String,
        /// The flow's key.
        key: String,
        /// The action.
        action: String,
    },
    /// There are more flow entries than the table holds.
    #[error("table `{table}` holds {size} flow entries, not {entries}")]
    Full {
        /// The table.
        table: String,
        /// How many it holds.
        size: u32,
        /// How many there are.
        entries: usize,
    },
    /// There is no such cell.
    #[error("`{object}` has no cell `{cell}`")]
    NoCell {
        /// The object.
        object: String,
        /// The cell.
        cell: String,
    },
    /// A value has another width than the register.
    #[error("`{object}` has cells of {width} bits, but [{index}] is {value}")]
    Width {
        /// The register.
        object: String,
        /// Its width in bits.
        width: u32,
        /// The cell.
        index: u32,
        /// The value.
        value: Bits,
    },
    /// A message does not have the values of its object.
    #[error("message {number} of `{object}` does not have the values of its fields")]
    Message {
        /// The object.
        object: String,
        /// Its position.
        number: usize,
    },
    /// Numbers are handed out in order, and one is missing.
    #[error("`{object}` hands out its numbers in order, so {number} is not in use yet")]
    Number {
        /// The allocator.
        object: String,
        /// The number.
        number: u64,
    },
}

/// A cell by entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CellAt {
    /// By index, below the size.
    Index(u32),
    /// Of the entry at this position of its table.
    Entry(u32),
    /// Of the flow entry of this table with this key, which [`Contents::flows`] has.
    Flow(TableId, Vec<Bits>),
}

/// A flow entry by entities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The table.
    pub table: TableId,
    /// Its key.
    pub key: Vec<Bits>,
    /// What it runs.
    pub call: ActionCall,
    /// Time of the last hit in nanoseconds.
    pub last_hit_ns: u64,
    /// Idle timeout in nanoseconds.
    pub timeout_ns: u64,
}

/// A [`State`] by entities of one program, checked: loading it cannot fail. What is not in it has its
/// initial value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Live flow entries: at most as many per table as it holds.
    pub flows: Vec<Flow>,
    /// Counters that are not 0.
    pub counters: Vec<(ObjectId, CellAt, Count)>,
    /// Registers.
    pub registers: Vec<(ObjectId, u32, Bits)>,
    /// Meters that were executed.
    pub meters: Vec<(ObjectId, CellAt, MeterState)>,
    /// By allocator the last uses in nanoseconds of its first numbers.
    pub allocators: Vec<(ObjectId, Vec<u64>)>,
    /// Messages that are waiting: at most [`MESSAGE_LIMIT`] of an object.
    pub messages: Vec<(ObjectId, Vec<Vec<Bits>>)>,
    /// Numbers drawn.
    pub draws: Vec<(ObjectId, u64)>,
}

impl State {
    /// What the state is in a (verified) program at time `now_ns`. Flow entries that have expired by then
    /// are left out, with their direct cells.
    ///
    /// # Errors
    ///
    /// The first name or cell that the program does not have, or value that does not fit; see
    /// [`RestoreError`].
    pub fn contents(&self, program: &Program, now_ns: u64) -> Result<Contents, RestoreError> {
        if self.is_empty() {
            return Ok(Contents::default());
        }
        let loader = Loader {
            program,
            state: self,
            owners: direct_owners(program),
            now_ns,
        };
        Ok(Contents {
            flows: loader.flows()?,
            counters: loader.counters()?,
            registers: loader.registers()?,
            meters: loader.meters()?,
            allocators: loader.allocators()?,
            messages: loader.messages()?,
            draws: loader.draws()?,
        })
    }
}

struct Loader<'a> {
    program: &'a Program,
    state: &'a State,
    owners: PrimaryMap<ObjectId, Option<TableId>>,
    now_ns: u64,
}

type Result<T, E = RestoreError> = std::result::Result<T, E>;

impl Loader<'_> {
    fn flows(&self) -> Result<Vec<Flow>> {
        let mut all = Vec::new();
        for (name, flows) in &self.state.flows {
            let id = self.program.tables.find(|t| t.name == *name);
            let id = id
                .filter(|id| self.program.tables[*id].flow.is_some())
                .ok_or_else(|| RestoreError::NoFlowTable(name.clone()))?;
            let before = all.len();
            for (key, flow) in flows {
                let loaded = self.flow(id, key, flow)?;
                if flow.is_live(self.now_ns) {
                    all.push(loaded);
                }
            }
            let (entries, size) = (all.len() - before, self.program.tables[id].size);
            if entries > size as usize {
                let table = name.clone();
                return Err(RestoreError::Full {
                    table,
                    size,
                    entries,
                });
            }
        }
        Ok(all)
    }

    fn flow(&self, id: TableId, key: &str, flow: &FlowState) -> Result<Flow> {
        let table = &self.program.tables[id];
        let name = |action: &&crate::ActionId| self.program.actions[**action].name == flow.action;
        let action = *table
            .actions
            .iter()
            .find(name)
            .ok_or_else(|| RestoreError::NoAction {
                table: table.name.clone(),
                action: flow.action.clone(),
            })?;
        let params = self.program.actions[action].params.iter().map(|p| p.width);
        if !params.eq(flow.args.iter().map(Bits::width)) {
            return Err(RestoreError::Arguments {
                table: table.name.clone(),
                key: key.to_owned(),
                action: flow.action.clone(),
            });
        }
        Ok(Flow {
            table: id,
            key: self.key(table, key)?,
            call: ActionCall {
                action,
                args: flow.args.clone(),
            },
            last_hit_ns: flow.last_hit_ns,
            timeout_ns: flow.timeout_ns,
        })
    }

    /// The values that [`key_text`](crate::state::key_text) wrote.
    fn key(&self, table: &Table, text: &str) -> Result<Vec<Bits>> {
        let values: Option<Vec<Bits>> = text.split(',').map(|v| v.parse().ok()).collect();
        let widths = || {
            let keys = table.keys.iter();
            keys.map(|key| self.program.width(&key.expr, &[]))
        };
        values
            .filter(|values| widths().eq(values.iter().map(Bits::width)))
            .ok_or_else(|| RestoreError::Key {
                table: table.name.clone(),
                key: text.to_owned(),
            })
    }

    /// The object of this name, if `part` finds in it what it looks for.
    fn object<T>(
        &self,
        kind: &'static str,
        name: &str,
        part: impl Fn(&Object) -> Option<T>,
    ) -> Result<(ObjectId, T)> {
        let id = self.program.objects.find(|o| o.name == name);
        id.and_then(|id| Some((id, part(&self.program.objects[id])?)))
            .ok_or_else(|| RestoreError::NoObject {
                kind,
                name: name.to_owned(),
            })
    }

    /// The cell of an object of this size, or `None` if it belongs to a flow entry that has expired.
    fn cell(&self, id: ObjectId, size: Option<u32>, cell: &Cell) -> Result<Option<CellAt>> {
        let object = &self.program.objects[id].name;
        let missing = || RestoreError::NoCell {
            object: object.clone(),
            cell: cell.clone().into(),
        };
        let owner = || self.owners[id].ok_or_else(missing);
        match (cell, size) {
            (Cell::Index(i), Some(size)) if *i < size => Ok(Some(CellAt::Index(*i))),
            (Cell::Entry(i), None) => {
                let entries = self.program.tables[owner()?].entries.len();
                let there = (*i as usize) < entries;
                there.then_some(Some(CellAt::Entry(*i))).ok_or_else(missing)
            }
            (Cell::Flow(key), None) => {
                let table = owner()?;
                let flows = self.state.flows.get(&self.program.tables[table].name);
                let flow = flows.and_then(|f| f.get(key)).ok_or_else(missing)?;
                let key = self.key(&self.program.tables[table], key)?;
                let live = flow.is_live(self.now_ns);
                Ok(live.then_some(CellAt::Flow(table, key)))
            }
            _ => Err(missing()),
        }
    }

    fn counters(&self) -> Result<Vec<(ObjectId, CellAt, Count)>> {
        let mut all = Vec::new();
        for (name, cells) in &self.state.counters {
            let (id, size) = self.object("counter", name, |o| match o.kind {
                ObjectKind::Counter { size, .. } => Some(size),
                _ => None,
            })?;
            for (cell, count) in cells {
                let at = self.cell(id, size, cell)?;
                if *count != Count::default() {
                    all.extend(at.map(|at| (id, at, *count)));
                }
            }
        }
        Ok(all)
    }

    fn meters(&self) -> Result<Vec<(ObjectId, CellAt, MeterState)>> {
        let mut all = Vec::new();
        for (name, cells) in &self.state.meters {
            let (id, size) = self.object("meter", name, |o| match o.kind {
                ObjectKind::Meter { size, .. } => Some(size),
                _ => None,
            })?;
            for (cell, meter) in cells {
                all.extend(self.cell(id, size, cell)?.map(|at| (id, at, *meter)));
            }
        }
        Ok(all)
    }

    fn registers(&self) -> Result<Vec<(ObjectId, u32, Bits)>> {
        let mut all = Vec::new();
        for (name, cells) in &self.state.registers {
            let (id, (width, size)) = self.object("register", name, |o| match o.kind {
                ObjectKind::Register { width, size, .. } => Some((width, size)),
                _ => None,
            })?;
            for (&index, value) in cells {
                self.cell(id, Some(size), &Cell::Index(index))?;
                if value.width() != width {
                    return Err(RestoreError::Width {
                        object: name.clone(),
                        width,
                        index,
                        value: value.clone(),
                    });
                }
                all.push((id, index, value.clone()));
            }
        }
        Ok(all)
    }

    fn allocators(&self) -> Result<Vec<(ObjectId, Vec<u64>)>> {
        let mut all = Vec::new();
        for (name, numbers) in &self.state.allocators {
            let (id, (base, size)) = self.object("allocator", name, |o| match o.kind {
                ObjectKind::Allocator { base, size, .. } => Some((base, size)),
                _ => None,
            })?;
            for (offset, &number) in (0..).zip(numbers.keys()) {
                if offset >= u64::from(size) || number != base + offset {
                    let object = name.clone();
                    return Err(RestoreError::Number { object, number });
                }
            }
            all.push((id, numbers.values().copied().collect()));
        }
        Ok(all)
    }

    fn messages(&self) -> Result<Vec<(ObjectId, Vec<Vec<Bits>>)>> {
        let mut all = Vec::new();
        for (name, messages) in &self.state.messages {
            let (id, widths) = self.object("message", name, |o| match &o.kind {
                ObjectKind::Message { fields, .. } => {
                    Some(fields.iter().map(|f| f.1).collect::<Vec<u32>>())
                }
                _ => None,
            })?;
            let fits = |values: &Vec<Bits>| values.iter().map(Bits::width).eq(widths.clone());
            if let Some(number) = messages.iter().position(|m| !fits(m)) {
                let object = name.clone();
                return Err(RestoreError::Message { object, number });
            }
            // The oldest go first.
            let dropped = messages.len().saturating_sub(MESSAGE_LIMIT);
            all.push((id, messages[dropped..].to_vec()));
        }
        Ok(all)
    }

    fn draws(&self) -> Result<Vec<(ObjectId, u64)>> {
        let mut all = Vec::new();
        for (name, draws) in &self.state.draws {
            let is_random = |o: &Object| match o.kind {
                ObjectKind::Random { .. } => Some(()),
                _ => None,
            };
            let (id, ()) = self.object("source of random numbers", name, is_random)?;
            all.push((id, *draws));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn program() -> Program {
        let program: Program = "program p
            type t { k: 8 } header h: t
            counter c size 2 packets
            counter each direct both
            meter m size 1 packets { default cir 1 cbs 1 pir 1 pbs 1 }
            register r size 2 width 4 init 4w0x0
            allocator a width 16 base 10 size 2 idle 5
            message said log said { x: 8 }
            random dice seed 3
            action go(port: 16) { $egress_port = %port count(each, entry) }
            table flows {
                key k: h.k exact
                actions { go }
                default go(16w0x0)
                size 1
                flow { 100 }
                entry const (8w0x1) priority 0 -> go(16w0x1)
            }
            entry look
            node look: apply flows -> out
            node out: emit"
            .parse()
            .unwrap();
        crate::verify(&program).unwrap();
        program
    }

    fn one<K: Ord, V>(name: &str, key: K, value: V) -> BTreeMap<String, BTreeMap<K, V>> {
        BTreeMap::from([(name.to_owned(), BTreeMap::from([(key, value)]))])
    }

    fn flow(last_hit_ns: u64) -> FlowState {
        FlowState {
            action: "go".into(),
            args: vec![Bits::new(16, 7u32)],
            last_hit_ns,
            timeout_ns: 100,
        }
    }

    const COUNT: Count = Count {
        packets: 1,
        bytes: 60,
    };

    #[test]
    fn an_expired_flow_goes_with_its_cells() {
        let state = State {
            flows: one("flows", "8w0x2".to_owned(), flow(50)),
            counters: one("each", Cell::Flow("8w0x2".into()), COUNT),
            ..State::default()
        };
        let program = program();
        let live = state.contents(&program, 149).unwrap();
        assert_eq!((live.flows.len(), live.counters.len()), (1, 1));
        assert_eq!(live.flows[0].key, [Bits::new(8, 2u32)]);
        assert_eq!(state.contents(&program, 150), Ok(Contents::default()));
    }

    #[test]
    fn what_the_program_does_not_have_is_an_error() {
        let program = program();
        let check = |want: RestoreError, change: &dyn Fn(&mut State)| {
            let mut state = State::default();
            change(&mut state);
            assert_eq!(state.contents(&program, 0), Err(want));
        };
        let cell = |object: &str, cell: &str| RestoreError::NoCell {
            object: object.into(),
            cell: cell.into(),
        };
        let key = || "8w0x2".to_owned();
        check(RestoreError::NoFlowTable("other".into()), &|s| {
            s.flows = one("other", key(), flow(0));
        });
        let no_object = RestoreError::NoObject {
            kind: "counter",
            name: "r".into(),
        };
        check(no_object, &|s| s.counters = one("r", Cell::Index(0), COUNT));
        let bad_key = |key: &str| RestoreError::Key {
            table: "flows".into(),
            key: key.into(),
        };
        for text in ["9w0x2", "8w0x2,8w0x2", ""] {
            check(bad_key(text), &|s| {
                s.flows = one("flows", text.to_owned(), flow(0));
            });
        }
        let no_action = RestoreError::NoAction {
            table: "flows".into(),
            action: "stay".into(),
        };
        check(no_action, &|s| {
            let action = "stay".to_owned();
            s.flows = one("flows", key(), FlowState { action, ..flow(0) });
        });
        let arguments = RestoreError::Arguments {
            table: "flows".into(),
            key: key(),
            action: "go".into(),
        };
        check(arguments, &|s| {
            let args = vec![Bits::zero(8)];
            s.flows = one("flows", key(), FlowState { args, ..flow(0) });
        });
        let full = RestoreError::Full {
            table: "flows".into(),
            size: 1,
            entries: 2,
        };
        check(full, &|s| {
            s.flows = one("flows", key(), flow(0));
            let flows = s.flows.entry("flows".into()).or_default();
            flows.insert("8w0x3".into(), flow(0));
        });
        check(cell("c", "[2]"), &|s| {
            s.counters = one("c", Cell::Index(2), COUNT);
        });
        check(cell("c", "entry 0"), &|s| {
            s.counters = one("c", Cell::Entry(0), COUNT);
        });
        check(cell("each", "entry 1"), &|s| {
            s.counters = one("each", Cell::Entry(1), COUNT);
        });
        check(cell("each", "flow 8w0x2"), &|s| {
            s.counters = one("each", Cell::Flow(key()), COUNT);
        });
        check(cell("m", "[1]"), &|s| {
            let full = MeterState::full(&crate::MeterConfig::default());
            s.meters = one("m", Cell::Index(1), full);
        });
        check(cell("r", "[2]"), &|s| {
            s.registers = one("r", 2, Bits::zero(4));
        });
        let width = RestoreError::Width {
            object: "r".into(),
            width: 4,
            index: 1,
            value: Bits::zero(5),
        };
        check(width, &|s| s.registers = one("r", 1, Bits::zero(5)));
        let wrong = RestoreError::Message {
            object: "said".into(),
            number: 1,
        };
        check(wrong, &|s| {
            let messages = vec![vec![Bits::zero(8)], vec![Bits::zero(9)]];
            s.messages = BTreeMap::from([("said".to_owned(), messages)]);
        });
        let no_source = RestoreError::NoObject {
            kind: "source of random numbers",
            name: "said".into(),
        };
        check(no_source, &|s| {
            s.draws = BTreeMap::from([("said".to_owned(), 1)]);
        });
        for number in [9, 11, 12] {
            let object = "a".to_owned();
            check(RestoreError::Number { object, number }, &|s| {
                s.allocators = one("a", number, 0);
            });
        }
    }
}
