//! What a node takes of a pipeline of match-action stages, in the model's units.

use std::collections::BTreeSet;

use trisect_ir::analysis::node_effects;
use trisect_ir::halfsiphash;
use trisect_ir::{
    Expr, HashAlgorithm, HeaderId, Index, Key, MatchKind, NodeId, NodeKind, ObjectId, ObjectKind,
    Op, ParserOp, Place, Program, TableId, Transition,
};
use trisect_target::{Resources, resource};

use crate::model::{HEADER_BITS, PARSER_ENTRIES, SwitchModel};
use crate::walk;

/// A quantity that each stage has a part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    /// Blocks of SRAM: exact matches, action data, counters, meters, registers.
    Sram,
    /// Blocks of TCAM: other matches.
    Tcam,
    /// Hashes computed: one per exact match, one per hash expression.
    HashUnits,
    /// Units that write a field, of up to 32 bits each.
    ActionUnits,
    /// Actions that are there to be chosen from.
    ActionSlots,
    /// Bytes of keys of exact matches.
    ExactCrossbar,
    /// Bytes of keys of other matches.
    TernaryCrossbar,
    /// Tables.
    TableIds,
    /// Meters and registers.
    StatefulUnits,
    /// Counters.
    CounterUnits,
}

impl Quantity {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Sram,
        Self::Tcam,
        Self::HashUnits,
        Self::ActionUnits,
        Self::ActionSlots,
        Self::ExactCrossbar,
        Self::TernaryCrossbar,
        Self::TableIds,
        Self::StatefulUnits,
        Self::CounterUnits,
    ];

    /// Its name in budgets, uses and refusals of a switch of this model.
    pub fn name(self, model: &SwitchModel) -> &'static str {
        match self {
            Self::Sram if model.memory("sram").counts_bits() => resource::SRAM_BITS,
            Self::Sram => "sram_blocks",
            Self::Tcam if model.memory("tcam").counts_bits() => resource::TCAM_BITS,
            Self::Tcam => "tcam_blocks",
            Self::HashUnits => "hash_units",
            Self::ActionUnits => "action_units",
            Self::ActionSlots => "action_slots",
            Self::ExactCrossbar => "exact_crossbar_bytes",
            Self::TernaryCrossbar => "ternary_crossbar_bytes",
            Self::TableIds => "table_ids",
            Self::StatefulUnits => "stateful_units",
            Self::CounterUnits => "counter_units",
        }
    }

    /// How much of it a stage of this model has; `None`: any amount.
    pub fn available(self, model: &SwitchModel) -> Option<u64> {
        match self {
            Self::Sram => model.memory("sram").blocks,
            Self::Tcam => model.memory("tcam").blocks,
            _ => model.per_stage(self.name(model)),
        }
    }
}

/// An amount of each quantity, in the order of [`Quantity::ALL`].
pub(crate) type Amounts = [u64; Quantity::ALL.len()];

/// Bits of a counter cell (packets and bytes) and of a meter cell.
const CELL_BITS: u64 = 128;
/// Bits of action data that say which action.
const ACTION_BITS: u64 = 8;

/// What a node takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// In every stage in which a part of it lies; no memory.
    pub each: Amounts,
    /// Blocks of SRAM for objects, which lie whole in one stage.
    pub objects: u64,
    /// The entries of its table.
    pub table: Option<Entries>,
    /// Stages that follow one another in which it computes; the others are as the first.
    pub depth: u64,
    /// Whether it takes a stage at all. A condition does not: the stage that it guards evaluates it.
    pub in_a_stage: bool,
}

/// Entries of a table, which may lie in several stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entries {
    /// How many.
    pub count: u64,
    /// Bits of the key in TCAM; 0 for exact matches.
    ternary: u64,
    /// Bits of an entry in SRAM: action data, and the key of an exact match.
    sram: u64,
    /// Cells of direct counters and meters per entry.
    cells: u64,
}

impl Entries {
    /// Blocks of SRAM and TCAM for so many of them.
    pub fn blocks(&self, model: &SwitchModel, count: u64) -> (u64, u64) {
        let (sram, tcam) = (model.memory("sram"), model.memory("tcam"));
        let cells = sram.needed(count.saturating_mul(self.cells), CELL_BITS);
        (
            sram.needed(count, self.sram).saturating_add(cells),
            tcam.needed(count, self.ternary),
        )
    }
}

impl Demand {
    /// What a node of the program takes.
    pub fn of(program: &Program, node: NodeId, model: &SwitchModel) -> Self {
        match &program.control.nodes[node].kind {
            NodeKind::Apply(table, _) => Self::table(program, *table, node, model),
            NodeKind::Exec(ops, _) => {
                let mut demand = Self::default();
                demand.actions(program, node, &[ops.as_slice()], model);
                demand
            }
            NodeKind::Branch(..) | NodeKind::Reparse(_) | NodeKind::Emit | NodeKind::Drop => {
                Self::default()
            }
        }
    }

    fn table(program: &Program, id: TableId, node: NodeId, model: &SwitchModel) -> Self {
        let table = &program.tables[id];
        let mut demand = Self::default();
        let actions = table.actions.iter().chain([&table.default.action]);
        let ops: BTreeSet<_> = actions.collect();
        let ops: Vec<&[Op]> = ops.into_iter().map(|a| &*program.actions[*a].ops).collect();
        let direct = demand.actions(program, node, &ops, model);
        if table.keys.is_empty() {
            return demand;
        }
        let width = |key: &Key| u64::from(program.width(&key.expr, &[]));
        let exact = table.keys.iter().all(|key| key.kind == MatchKind::Exact);
        // Each bit of a range key takes two of TCAM, so that any range is a few entries at most.
        let in_tcam = |key: &Key| width(key) * if key.kind == MatchKind::Range { 2 } else { 1 };
        let key_bits: u64 = table.keys.iter().map(in_tcam).sum();
        let key_bytes: u64 = table.keys.iter().map(|key| width(key).div_ceil(8)).sum();
        let params = |action: &trisect_ir::ActionId| {
            let params = program.actions[*action].params.iter();
            params.map(|p| u64::from(p.width)).sum::<u64>()
        };
        let data_bits = table.actions.iter().map(params).max().unwrap_or(0) + ACTION_BITS;
        let crossbar = match exact {
            true => Quantity::ExactCrossbar,
            false => Quantity::TernaryCrossbar,
        };
        demand.each[crossbar as usize] += key_bytes;
        demand.each[Quantity::HashUnits as usize] += u64::from(exact);
        demand.table = Some(Entries {
            count: u64::from(table.size).max(table.entries.len() as u64),
            ternary: if exact { 0 } else { key_bits },
            sram: data_bits + if exact { key_bits } else { 0 },
            cells: direct,
        });
        demand
    }

    /// Adds what these operations take; answers with the number of direct objects among them.
    fn actions(
        &mut self,
        program: &Program,
        node: NodeId,
        lists: &[&[Op]],
        model: &SwitchModel,
    ) -> u64 {
        self.in_a_stage = true;
        self.depth = lists
            .iter()
            .map(|ops| depth(program, ops))
            .max()
            .unwrap_or(0);
        self.each[Quantity::TableIds as usize] = 1;
        self.each[Quantity::ActionSlots as usize] = lists.len() as u64;
        self.each[Quantity::ActionUnits as usize] = written(program, node);
        let all = lists.iter().flat_map(|ops| walk::all(ops));
        let (mut indexed, mut direct) = (BTreeSet::new(), BTreeSet::new());
        for op in all {
            let hashes = op.exprs().into_iter().map(hashes_in).sum::<u64>();
            self.each[Quantity::HashUnits as usize] += hashes;
            let by_entry = matches!(
                op,
                Op::Count(_, Index::Entry)
                    | Op::Meter {
                        index: Index::Entry,
                        ..
                    }
            );
            let objects = if by_entry { &mut direct } else { &mut indexed };
            objects.extend(op.object());
        }
        for object in indexed.union(&direct) {
            let unit = match program.objects[*object].kind {
                ObjectKind::Counter { .. } => Quantity::CounterUnits,
                _ => Quantity::StatefulUnits,
            };
            self.each[unit as usize] += 1;
        }
        for object in &indexed {
            self.objects += blocks_of(program, *object, model);
        }
        direct.len() as u64
    }

    /// What it takes in all if it is alone in the pipeline, by the names of the model; `stages` as it
    /// was packed.
    pub fn resources(&self, model: &SwitchModel, stages: u64) -> Resources {
        let mut amounts = self.each.map(|n| n.saturating_mul(stages.max(1)));
        amounts[Quantity::Sram as usize] = self.objects;
        let mut used = Resources::new();
        if let Some(table) = &self.table {
            let (sram, tcam) = table.blocks(model, table.count);
            amounts[Quantity::Sram as usize] += sram;
            amounts[Quantity::Tcam as usize] = tcam;
            used = used.with(resource::ENTRIES, table.count);
        }
        for quantity in Quantity::ALL {
            let amount = amounts[quantity as usize];
            let memory = matches!(quantity, Quantity::Sram | Quantity::Tcam);
            let counts = match memory {
                true => self.in_a_stage,
                false => amount > 0 && quantity.available(model).is_some(),
            };
            if counts {
                used = used.with(quantity.name(model), amount);
            }
        }
        if self.in_a_stage {
            used = used.with(resource::STAGES, stages);
        }
        used
    }
}

/// Units for the fields that a node writes.
fn written(program: &Program, node: NodeId) -> u64 {
    const UNIT_BITS: u32 = 32;
    let effects = node_effects(program, node);
    let metas = effects.metas_written.iter();
    let metas = metas.map(|meta| program.metas[*meta].width);
    let fields = effects.fields_written.iter();
    let fields = fields.map(|field| program.width(&Expr::Field(*field), &[]));
    metas
        .chain(fields)
        .map(|bits| u64::from(bits.div_ceil(UNIT_BITS)))
        .sum()
}

/// Stages in a row that operations take: one, but for what no hash unit computes. A round of HalfSipHash has two
/// steps, one behind the other, of an addition and of a rotation with exclusive or; a word more is mixed in before.
fn depth(program: &Program, ops: &[Op]) -> u64 {
    let mut most = 1;
    for op in walk::all(ops) {
        for expr in op.exprs() {
            expr.walk(&mut |e| {
                if let Expr::Hash(HashAlgorithm::HalfSipHash(_), inputs) = e {
                    let bits = inputs
                        .iter()
                        .map(|input| program.width(input, &[]).next_multiple_of(8));
                    let words = u64::from(bits.sum::<u32>()) / 32 + 1;
                    let rounds = words * u64::from(halfsiphash::COMPRESSION_ROUNDS)
                        + u64::from(halfsiphash::FINAL_ROUNDS);
                    most = most.max(4 * rounds + words);
                }
            });
        }
    }
    most
}

fn hashes_in(expr: &Expr) -> u64 {
    let mut hashes = 0;
    expr.walk(&mut |e| hashes += u64::from(matches!(e, Expr::Hash(..))));
    hashes
}

fn blocks_of(program: &Program, object: ObjectId, model: &SwitchModel) -> u64 {
    let (cells, width) = match program.objects[object].kind {
        ObjectKind::Counter { size, .. } | ObjectKind::Meter { size, .. } => {
            (size.unwrap_or(0), CELL_BITS)
        }
        ObjectKind::Register { width, size, .. } => (size, u64::from(width)),
        ObjectKind::PatternSet { .. }
        | ObjectKind::Allocator { .. }
        | ObjectKind::Message { .. }
        | ObjectKind::Random { .. } => (0, 0),
    };
    model.memory("sram").needed(u64::from(cells), width)
}

/// What a piece takes of the whole pipeline: parser and header vector.
pub(crate) fn of_parser(program: &Program) -> Resources {
    let states = &program.parser.states;
    let rows = |next: &Transition| match next {
        Transition::Goto(_) => 1,
        Transition::Select(_, cases) => cases.len().max(1),
    };
    let entries: usize = states.values().map(|state| rows(&state.next)).sum();
    Resources::new()
        .with(resource::PARSER_STATES, states.len() as u64)
        .with(PARSER_ENTRIES, entries as u64)
        .with(HEADER_BITS, carried_bits(program))
}

/// Bits of the headers that the parser or the control makes valid, without varbits, and of the
/// metadata that is read or written.
fn carried_bits(program: &Program) -> u64 {
    let mut headers: BTreeSet<HeaderId> = BTreeSet::new();
    let mut metas = BTreeSet::new();
    for op in program.parser.states.values().flat_map(|state| &state.ops) {
        if let ParserOp::Extract { header, .. } = op {
            headers.insert(*header);
        }
        headers.extend(op.written_header());
        if let ParserOp::Set(to, _) = op
            && let Place::Meta(meta) = to.place
        {
            metas.insert(meta);
        }
    }
    for node in trisect_ir::analysis::topological(program) {
        let effects = node_effects(program, node);
        headers.extend(effects.validity_written);
        metas.extend(effects.metas_read.union(&effects.metas_written));
    }
    let of_headers = headers.iter();
    let of_headers = of_headers.map(|h| u64::from(program.header_type(*h).fixed_bits()));
    let of_metas = metas.iter().map(|m| u64::from(program.metas[*m].width));
    of_headers.chain(of_metas).sum()
}
