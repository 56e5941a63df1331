//! One way of a packet through a program: where the state decides, a choice is made, and what it takes is asserted.
//!
//! A run follows a list of choices and goes on with the first that is possible; the others are left for later runs, which begin
//! anew. So nothing has to be put back, and a run reads like the interpreter (`trisect_interp`), whose meaning it has.

use std::collections::BTreeMap;

use trisect_ir::{
    ActionCall, ActionId, BinOp, Bits, Expr, HashAlgorithm, HeaderId, Index, KeySet, LValue,
    MatchKind, NodeId, NodeKind, ObjectId, ObjectKind, Op, Program, StdMeta, Successors, Table,
    TableId,
};
use z3::ast::{Array, BV, Bool};
use z3::{SatResult, Solver, Sort};

use super::packet::Packet;
use super::value::{Byte, Doubt, Value, binary, bits_at, hashed, known_bytes, ones_sum, unary};
use crate::reach::Reach;

/// Width in which cells of registers are counted.
const INDEX_BITS: u32 = 32;

/// Why a run ends early.
#[derive(Debug)]
pub(super) enum Stop {
    /// What is asserted cannot be.
    Impossible,
    /// It cannot be told.
    Doubt(&'static str),
}

impl From<Doubt> for Stop {
    fn from(doubt: Doubt) -> Stop {
        Stop::Doubt(doubt.0)
    }
}

pub(super) type Result<T, E = Stop> = std::result::Result<T, E>;

/// What becomes of the packet.
pub(super) enum End {
    Emit { port: Value, bytes: Vec<Byte> },
    Drop,
}

/// A register: its cells at first, and now.
struct Cells {
    first: Array,
    now: Array,
}

/// An action with its arguments.
struct Call {
    action: ActionId,
    args: Vec<Value>,
}

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Miss,
    Entry,
    Flow,
}

/// A look-up and its result.
struct Lookup {
    table: TableId,
    key: Vec<Value>,
    found: Found,
}

/// What the operations that run belong to.
struct Context<'a> {
    args: &'a [Value],
    lookup: Option<&'a Lookup>,
}

/// A flow entry that was met: there with these arguments, or not there.
#[derive(Clone)]
enum Met {
    There(ActionId, Vec<Value>),
    /// It was added, if there was room.
    Added(ActionId, Vec<Value>),
    Absent,
}

pub(super) struct Run<'a> {
    pub program: &'a Program,
    pub reach: &'a Reach,
    pub solver: &'a Solver,
    pub packet: Packet,
    /// Choices to make first.
    pub given: &'a [usize],
    pub chosen: Vec<usize>,
    /// Choices that would have been possible, too.
    pub others: Vec<Vec<usize>>,
    registers: BTreeMap<ObjectId, Cells>,
    flows: BTreeMap<(TableId, Vec<Bits>), Met>,
}

impl<'a> Run<'a> {
    pub fn new(
        program: &'a Program,
        reach: &'a Reach,
        solver: &'a Solver,
        packet: Packet,
        given: &'a [usize],
    ) -> Run<'a> {
        Run {
            program,
            reach,
            solver,
            packet,
            given,
            chosen: Vec::new(),
            others: Vec::new(),
            registers: BTreeMap::new(),
            flows: BTreeMap::new(),
        }
    }

    /// Goes through the program.
    pub fn run(&mut self) -> Result<End> {
        super::parse::parse(self)?;
        let mut next = self.program.control.entry;
        while let Some(node) = next {
            next = match &self.program.control.nodes[node].kind {
                NodeKind::Apply(table, successors) => Some(self.apply(*table, successors)?),
                NodeKind::Branch(cond, yes, no) => Some(match self.holds(cond, &[])? {
                    true => *yes,
                    false => *no,
                }),
                NodeKind::Exec(ops, next) => {
                    let context = Context {
                        args: &[],
                        lookup: None,
                    };
                    self.perform_all(ops, &context)?;
                    Some(*next)
                }
                NodeKind::Reparse(next) => {
                    self.packet.frame = self.packet.deparse(self.program);
                    super::parse::parse(self)?;
                    Some(*next)
                }
                NodeKind::Emit => {
                    return Ok(End::Emit {
                        port: self.packet.metas[StdMeta::EgressPort.id()].clone(),
                        bytes: self.packet.deparse(self.program),
                    });
                }
                NodeKind::Drop => break,
            };
        }
        Ok(End::Drop)
    }

    /// Chooses one of these conditions, of which exactly one can be asked to hold.
    pub fn choose(&mut self, options: &[Bool]) -> Result<usize> {
        let made = self.chosen.len();
        let choice = match self.given.get(made) {
            Some(choice) => *choice,
            None => {
                let mut possible = Vec::new();
                for (at, option) in options.iter().enumerate() {
                    if self.is_possible(option) {
                        possible.push(at);
                    }
                }
                let Some((first, others)) = possible.split_first() else {
                    return Err(Stop::Impossible);
                };
                for other in others {
                    let mut choices = self.chosen.clone();
                    choices.push(*other);
                    self.others.push(choices);
                }
                *first
            }
        };
        self.chosen.push(choice);
        if let Some(option) = options.get(choice) {
            self.solver.assert(option);
        }
        Ok(choice)
    }

    /// Where the solver gives up, it is taken to be.
    fn is_possible(&self, condition: &Bool) -> bool {
        if let Some(known) = condition.as_bool() {
            return known;
        }
        self.solver.push();
        self.solver.assert(condition);
        let answer = self.solver.check();
        self.solver.pop(1);
        answer != SatResult::Unsat
    }

    /// Whether a value of width 1 is 1.
    pub fn decide(&mut self, value: &Value) -> Result<bool> {
        match value {
            Value::Known(bits) => Ok(!bits.is_zero()),
            Value::Open(_) => {
                let holds = value.is_one();
                let no = holds.not();
                Ok(self.choose(&[holds, no])? == 0)
            }
        }
    }

    fn holds(&mut self, cond: &Expr, args: &[Value]) -> Result<bool> {
        let value = self.eval(cond, args)?;
        self.decide(&value)
    }

    /// A value that the state decides.
    fn open(&self, name: &str, width: u32) -> Value {
        match width {
            0 => Value::zero(0),
            _ => Value::Open(BV::fresh_const(name, width)),
        }
    }

    pub fn eval(&self, expr: &Expr, args: &[Value]) -> Result<Value, Doubt> {
        let header = |id: &HeaderId| self.packet.header(*id);
        let varbit = |id: &HeaderId| header(id).map_or(&[][..], |h| &h.varbit);
        Ok(match expr {
            Expr::Const(bits) => Value::Known(bits.clone()),
            Expr::Field(field) => match header(&field.header) {
                Some(header) => header.fields[field.field as usize].clone(),
                None => Value::zero(self.program.field_width(*field)),
            },
            Expr::Meta(meta) => self.packet.metas[*meta].clone(),
            Expr::Param(index) => args[*index as usize].clone(),
            Expr::Valid(id) => Value::Known(Bits::bool(header(id).is_some())),
            Expr::Unary(op, a) => unary(*op, &self.eval(a, args)?),
            Expr::Binary(op, a, b) => binary(*op, &self.eval(a, args)?, &self.eval(b, args)?),
            Expr::Resize(a, width) => self.eval(a, args)?.resize(*width),
            Expr::SignResize(a, width) => self.eval(a, args)?.sign_resize(*width),
            Expr::Slice(a, hi, lo) => self.eval(a, args)?.slice(*hi, *lo),
            Expr::Concat(parts) => {
                let mut all = Value::zero(0);
                for part in parts {
                    all = all.concat(&self.eval(part, args)?);
                }
                all
            }
            Expr::Mux(cond, a, b) => {
                let (a, b) = (self.eval(a, args)?, self.eval(b, args)?);
                match self.eval(cond, args)? {
                    Value::Known(cond) if cond.is_zero() => b,
                    Value::Known(_) => a,
                    open @ Value::Open(_) => a.or_else(&open.is_one(), &b),
                }
            }
            Expr::Lookahead { offset, width } => {
                let at = self.packet.cursor * 8 + *offset as usize;
                let bits = bits_at(&self.packet.frame, at, *width);
                bits.unwrap_or_else(|| Value::zero(*width))
            }
            Expr::Frame { offset, len } => {
                let offset = self.eval(offset, args)?;
                let offset = offset.known().ok_or(Doubt("where the frame is read"))?;
                let width = u32::from(*len) * 8;
                let at = offset.to_u64().and_then(|at| usize::try_from(at).ok());
                let bits = at.and_then(|at| bits_at(&self.packet.frame, at.checked_mul(8)?, width));
                bits.unwrap_or_else(|| Value::zero(width))
            }
            Expr::FrameLen => Value::num(32, self.packet.frame.len() as u64),
            Expr::Hash(algorithm, inputs) => self.hash(algorithm, inputs, args)?,
            Expr::VarbitLen(id) => Value::num(32, varbit(id).len() as u64 * 8),
            Expr::VarbitEq(a, b) => {
                let (a, b) = (varbit(a), varbit(b));
                let doubt = Doubt("options of a header are compared");
                let a = known_bytes(a).ok_or(doubt.clone())?;
                let b = known_bytes(b).ok_or(doubt)?;
                Value::Known(Bits::bool(a == b))
            }
            Expr::Varbit(_) | Expr::Payload => Value::zero(0),
            Expr::OnesSum(init, terms) => {
                let mut values = Vec::new();
                for term in terms {
                    values.push((term, self.eval(&term.value, args)?));
                }
                ones_sum(self.eval(init, args)?, &values)
            }
        })
    }

    fn hash(
        &self,
        algorithm: &HashAlgorithm,
        inputs: &[Expr],
        args: &[Value],
    ) -> Result<Value, Doubt> {
        let mut data = Vec::new();
        for input in inputs {
            match input {
                Expr::Varbit(id) => {
                    let header = self.packet.header(*id);
                    data.extend_from_slice(header.map_or(&[][..], |h| &h.varbit));
                }
                Expr::Payload => data.extend_from_slice(self.packet.payload()),
                _ => data.extend(self.eval(input, args)?.bytes()),
            }
        }
        hashed(algorithm, &data)
    }

    fn apply(&mut self, id: TableId, successors: &Successors) -> Result<NodeId> {
        let program = self.program;
        let keys = program.tables[id].keys.iter();
        let key: Result<Vec<Value>, Doubt> = keys.map(|k| self.eval(&k.expr, &[])).collect();
        let key = key?;
        let (found, call) = self.look_up(id, &key)?;
        let lookup = Lookup {
            table: id,
            key,
            found,
        };
        let context = Context {
            args: &call.args,
            lookup: Some(&lookup),
        };
        self.perform_all(&program.actions[call.action].ops, &context)?;
        Ok(match successors {
            Successors::Always(next) => *next,
            Successors::HitMiss { hit, .. } if found != Found::Miss => *hit,
            Successors::HitMiss { miss, .. } => *miss,
            Successors::ByAction { cases, default } => cases
                .iter()
                .find(|(action, _)| *action == call.action)
                .map_or(*default, |(_, next)| *next),
        })
    }

    fn look_up(&mut self, id: TableId, key: &[Value]) -> Result<(Found, Call)> {
        let table = &self.program.tables[id];
        if let Some(call) = self.entry(table, key)? {
            return Ok((Found::Entry, call));
        }
        if table.flow.is_some()
            && let Some(call) = self.flow_entry(id, key)?
        {
            return Ok((Found::Flow, call));
        }
        Ok((Found::Miss, known_call(&table.default)))
    }

    /// The entry of the program or control plane that wins. Entries with the same action are one choice; which of them it is
    /// decides about the arguments only.
    fn entry(&mut self, table: &Table, key: &[Value]) -> Result<Option<Call>> {
        let mut candidates: Vec<(Bool, Call)> = Vec::new();
        let mut certain = false;
        for at in ranked(table) {
            let entry = &table.entries[at];
            let sets = entry.keys.iter().zip(key);
            let matches: Vec<Bool> = sets.map(|(set, key)| contains(set, key)).collect();
            let matches = z3::ast::Ast::simplify(&Bool::and(&matches));
            if matches.as_bool() == Some(false) {
                continue;
            }
            let call = match &table.selector {
                None => &entry.call,
                Some(selector) => {
                    let hash = self.hash(&selector.algorithm, &selector.inputs, &[])?;
                    let doubt = Doubt("which member of a group is chosen");
                    entry.member(hash.known().ok_or(doubt)?.low_u64())
                }
            };
            certain = matches.as_bool() == Some(true);
            candidates.push((matches, known_call(call)));
            if certain {
                break;
            }
        }
        if certain && candidates.len() == 1 {
            return Ok(candidates.pop().map(|(_, call)| call));
        }
        if candidates.is_empty() {
            return Ok(None);
        }
        self.one_of(candidates, certain)
    }

    /// The first of these that matches; with `certain` the last one does.
    fn one_of(&mut self, candidates: Vec<(Bool, Call)>, certain: bool) -> Result<Option<Call>> {
        let mut actions: Vec<ActionId> = candidates.iter().map(|(_, c)| c.action).collect();
        actions.sort_unstable();
        actions.dedup();
        // Of each candidate, that it is the first that matches.
        let mut first: Vec<Bool> = Vec::new();
        let mut before = Bool::from_bool(true);
        for (matches, _) in &candidates {
            first.push(Bool::and(&[before.clone(), matches.clone()]));
            before = Bool::and(&[before, matches.not()]);
        }
        let of = |action: ActionId| {
            let all = candidates.iter().zip(&first);
            let all = all.filter(move |((_, call), _)| call.action == action);
            all.map(|((_, call), is)| (call, is))
        };
        let any = |action: &ActionId| {
            Bool::or(&of(*action).map(|(_, is)| is.clone()).collect::<Vec<_>>())
        };
        let mut options: Vec<Bool> = actions.iter().map(any).collect();
        if !certain {
            options.push(before);
        }
        let chosen = self.choose(&options)?;
        let Some(action) = actions.get(chosen).copied() else {
            return Ok(None);
        };
        let mut args: Vec<Value> = Vec::new();
        for (call, is) in of(action) {
            args = match args.is_empty() {
                true => call.args.clone(),
                false => {
                    let both = call.args.iter().zip(&args);
                    both.map(|(this, others)| this.or_else(is, others))
                        .collect()
                }
            };
        }
        Ok(Some(Call { action, args }))
    }

    /// A flow entry, if one is taken to be there.
    fn flow_entry(&mut self, id: TableId, key: &[Value]) -> Result<Option<Call>> {
        let known: Option<Vec<Bits>> = key.iter().map(|k| k.known().cloned()).collect();
        let at = match known {
            Some(key) => (id, key),
            // Nothing is ever there.
            None if !self.reach.entries.contains_key(&id) => return Ok(None),
            None => return Err(Stop::Doubt("which flow entry is looked up")),
        };
        let yes = || Bool::from_bool(true);
        match self.flows.get(&at).cloned() {
            Some(Met::There(action, args)) => return Ok(Some(Call { action, args })),
            Some(Met::Absent) => return Ok(None),
            Some(Met::Added(action, args)) => {
                let there = self.choose(&[yes(), yes()])? == 0;
                return Ok(there.then_some(Call { action, args }));
            }
            None => {}
        }
        let reach = self.reach;
        let added = reach.entries.get(&id).map_or(&[][..], Vec::as_slice);
        let options: Vec<Bool> = (0..=added.len()).map(|_| yes()).collect();
        let chosen = self.choose(&options)?;
        let Some(entry) = chosen.checked_sub(1).and_then(|i| added.get(i)) else {
            self.flows.insert(at, Met::Absent);
            return Ok(None);
        };
        let action = entry.action;
        let params = self.program.actions[action].params.iter();
        let args = params
            .zip(&entry.args)
            .map(|(param, constant)| match constant {
                Some(constant) => Value::Known(constant.clone()),
                None => self.open(&param.name, param.width),
            });
        let args: Vec<Value> = args.collect();
        self.flows.insert(at, Met::There(action, args.clone()));
        Ok(Some(Call { action, args }))
    }

    fn perform_all(&mut self, ops: &[Op], context: &Context<'_>) -> Result<()> {
        ops.iter().try_for_each(|op| self.perform(op, context))
    }

    fn perform(&mut self, op: &Op, context: &Context<'_>) -> Result<()> {
        match op {
            Op::Set(to, expr) => {
                let value = self.eval(expr, context.args)?;
                self.packet.assign(to, &value);
            }
            Op::SetValid(header) => self.packet.set_valid(self.program, *header),
            Op::SetInvalid(header) => self.packet.set_header(*header, None),
            Op::Copy { dst, src } => self.packet.copy(*dst, *src),
            Op::CopyVarbit { dst, src } => self.packet.copy_varbit(*dst, *src),
            Op::If(cond, yes, no) => {
                let ops = match self.holds(cond, context.args)? {
                    true => yes,
                    false => no,
                };
                self.perform_all(ops, context)?;
            }
            Op::Meter {
                object,
                index,
                color,
                dst,
            } => self.meter(*object, index, color.as_ref(), dst, context)?,
            Op::Read { object, index, dst } => {
                let index = self.eval(index, context.args)?;
                let value = self.read(*object, &index);
                self.packet.assign(dst, &value);
            }
            Op::Write {
                object,
                index,
                value,
            } => {
                let index = self.eval(index, context.args)?;
                let value = self.eval(value, context.args)?;
                self.write(*object, &index, &value);
            }
            Op::Search { object, after, dst } => {
                let found = self.search(*object, *after)?;
                self.packet.assign(dst, &found);
            }
            Op::Allocate { object, ok, value } => self.allocate(*object, ok, value)?,
            Op::Random { lo, hi, dst, .. } => {
                let lo = self.eval(lo, context.args)?;
                let hi = self.eval(hi, context.args)?;
                let drawn = self.draw(&lo, &hi);
                self.packet.assign(dst, &drawn);
            }
            Op::AddEntry {
                table,
                action,
                args,
                ..
            } => self.add_entry(*table, *action, args, context)?,
            // What these change no packet sees but a later one.
            Op::Count(..) | Op::Touch(..) | Op::Notify(..) | Op::SetExpire { .. } => {}
        }
        Ok(())
    }

    /// A meter can have come to any colour that it can give to a packet of this size.
    fn meter(
        &mut self,
        object: ObjectId,
        index: &Index,
        color: Option<&Expr>,
        dst: &LValue,
        context: &Context<'_>,
    ) -> Result<()> {
        let there = match index {
            Index::Entry => context.lookup.is_some_and(|l| l.found != Found::Miss),
            Index::At(expr) => {
                let size = match self.program.objects[object].kind {
                    ObjectKind::Meter { size, .. } => size.unwrap_or(0),
                    _ => 0,
                };
                let index = self.eval(expr, context.args)?;
                let below = self.below(&index, size);
                self.decide(&Value::holds(&below))?
            }
        };
        let so_far = match color {
            Some(expr) => self.eval(expr, context.args)?,
            None => Value::zero(8),
        };
        let colour = self.open("colour", 8);
        if there {
            // Never a better one than so far; all above 2 is red.
            let least = binary(BinOp::Lt, &so_far, &Value::num(so_far.width(), 2));
            let least = so_far.resize(8).or_else(&least.is_one(), &Value::num(8, 2));
            let red = Value::num(8, u64::from(trisect_ir::meter::RED));
            self.solver
                .assert(binary(BinOp::Ge, &colour, &least).is_one());
            self.solver
                .assert(binary(BinOp::Le, &colour, &red).is_one());
            self.packet.assign(dst, &colour);
        } else {
            self.packet
                .assign(dst, &Value::num(8, u64::from(trisect_ir::meter::GREEN)));
        }
        Ok(())
    }

    /// That an index is below a size.
    fn below(&self, index: &Value, size: u32) -> Bool {
        let wide = index.width().max(INDEX_BITS);
        binary(
            BinOp::Lt,
            &index.resize(wide),
            &Value::num(wide, u64::from(size)),
        )
        .is_one()
    }

    /// Width and size of a register, and its cells.
    fn cells(&mut self, object: ObjectId) -> (u32, u32, &mut Cells) {
        let (width, size) = match self.program.objects[object].kind {
            ObjectKind::Register { width, size, .. } => (width, size),
            // A verified program reads and writes registers only.
            _ => (1, 0),
        };
        let cells = self.registers.entry(object).or_insert_with(|| {
            let (index, value) = (Sort::bitvector(INDEX_BITS), Sort::bitvector(width));
            let first = Array::fresh_const("register", &index, &value);
            let now = first.clone();
            Cells { first, now }
        });
        (width, size, cells)
    }

    fn read(&mut self, object: ObjectId, index: &Value) -> Value {
        let at = index.resize(INDEX_BITS).term();
        let (width, size, cells) = self.cells(object);
        let select = |from: &Array| from.select(&at).as_bv();
        let (Some(first), Some(now)) = (select(&cells.first), select(&cells.now)) else {
            return Value::zero(width);
        };
        if let Some(Some(values)) = self.reach.values.get(&object) {
            let first = Value::Open(first);
            let equal = values
                .iter()
                .map(|v| first.is_equal(&Value::Known(v.clone())));
            self.solver.assert(Bool::or(&equal.collect::<Vec<_>>()));
        }
        let below = self.below(index, size);
        Value::of(now).or_else(&below, &Value::zero(width))
    }

    fn write(&mut self, object: ObjectId, index: &Value, value: &Value) {
        let at = index.resize(INDEX_BITS).term();
        let (width, size, _) = self.cells(object);
        let below = self.below(index, size);
        let value = value.resize(width).term();
        let (_, _, cells) = self.cells(object);
        let stored = cells.now.store(&at, &value);
        cells.now = below.ite(&stored, &cells.now);
    }

    fn search(&self, object: ObjectId, after: HeaderId) -> Result<Value> {
        let ObjectKind::PatternSet { patterns } = &self.program.objects[object].kind else {
            return Ok(Value::zero(16));
        };
        let Some(data) = self.packet.bytes_after(self.program, after) else {
            return Ok(Value::zero(16));
        };
        let data = known_bytes(&data);
        let data = data.ok_or(Stop::Doubt("what a payload is searched for"))?;
        let occurs = |pattern: &Vec<u8>| data.windows(pattern.len().max(1)).any(|w| w == pattern);
        let found = patterns.iter().position(occurs);
        Ok(Value::num(16, found.map_or(0, |at| at as u64 + 1)))
    }

    /// Any number may be handed out, or all may be in use.
    fn allocate(&mut self, object: ObjectId, ok: &LValue, value: &LValue) -> Result<()> {
        let ObjectKind::Allocator {
            width, base, size, ..
        } = self.program.objects[object].kind
        else {
            return Ok(());
        };
        let yes = || Bool::from_bool(true);
        let some = size > 0 && self.choose(&[yes(), yes()])? == 0;
        self.packet.assign(ok, &Value::Known(Bits::bool(some)));
        let number = match some {
            false => Value::zero(width),
            true => {
                let last = base.saturating_add(u64::from(size) - 1);
                self.draw(&Value::num(width, base), &Value::num(width, last))
            }
        };
        self.packet.assign(value, &number);
        Ok(())
    }

    /// A number of a range; the least one if it is empty.
    fn draw(&self, lo: &Value, hi: &Value) -> Value {
        let drawn = self.open("number", lo.width());
        if lo.width() == 0 {
            return drawn;
        }
        let within = [
            binary(BinOp::Le, lo, &drawn).is_one(),
            binary(BinOp::Le, &drawn, hi).is_one(),
        ];
        let empty = binary(BinOp::Gt, lo, hi).is_one();
        let least = Bool::and(&[empty, drawn.is_equal(lo)]);
        self.solver.assert(Bool::or(&[Bool::and(&within), least]));
        drawn
    }

    fn add_entry(
        &mut self,
        table: TableId,
        action: ActionId,
        args: &[Expr],
        context: &Context<'_>,
    ) -> Result<()> {
        let Some(lookup) = context.lookup else {
            return Ok(());
        };
        if lookup.table != table || lookup.found != Found::Miss {
            return Ok(());
        }
        let args: Result<Vec<Value>, Doubt> =
            args.iter().map(|a| self.eval(a, context.args)).collect();
        let key: Option<Vec<Bits>> = lookup.key.iter().map(|k| k.known().cloned()).collect();
        // With a key that is not known the look-up was no flow entry's.
        if let Some(key) = key {
            self.flows.insert((table, key), Met::Added(action, args?));
        }
        Ok(())
    }
}

fn known_call(call: &ActionCall) -> Call {
    Call {
        action: call.action,
        args: call.args.iter().cloned().map(Value::Known).collect(),
    }
}

/// That a set contains a value.
pub(super) fn contains(set: &KeySet, key: &Value) -> Bool {
    if let Value::Known(key) = key {
        return Bool::from_bool(set.contains(key));
    }
    let width = key.width();
    let masked = |want: &Bits, mask: &Bits| {
        let mask = Value::Known(mask.clone());
        let want = binary(BinOp::And, &Value::Known(want.clone()), &mask);
        binary(BinOp::And, key, &mask).is_equal(&want)
    };
    match set {
        KeySet::Any => Bool::from_bool(true),
        KeySet::Exact(want) => key.is_equal(&Value::Known(want.clone())),
        KeySet::Prefix(want, len) => masked(want, &Bits::prefix_mask(width, *len)),
        KeySet::Mask(want, mask) => masked(want, mask),
        KeySet::Range(lo, hi) => {
            let above = binary(BinOp::Le, &Value::Known(lo.clone()), key);
            let below = binary(BinOp::Le, key, &Value::Known(hi.clone()));
            Bool::and(&[above.is_one(), below.is_one()])
        }
    }
}

/// The entries, those first that win. A table without keys has none.
fn ranked(table: &Table) -> Vec<usize> {
    if table.keys.is_empty() {
        return Vec::new();
    }
    let by_priority = table.keys.iter().any(|k| {
        matches!(
            k.kind,
            MatchKind::Ternary | MatchKind::Range | MatchKind::Optional
        )
    });
    let prefix = table.keys.iter().position(|k| k.kind == MatchKind::Lpm);
    let prefix = prefix.filter(|_| !by_priority);
    let rank = |at: &usize| {
        let entry = &table.entries[*at];
        match prefix.and_then(|key| entry.keys.get(key)) {
            None => entry.priority,
            Some(KeySet::Prefix(_, len)) => *len,
            Some(KeySet::Exact(value)) => value.width(),
            Some(_) => 0,
        }
    };
    let mut all: Vec<usize> = (0..table.entries.len()).collect();
    all.sort_by_key(|at| std::cmp::Reverse(rank(at)));
    all
}
