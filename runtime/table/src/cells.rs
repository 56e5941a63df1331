//! Arrays of counters, meters and registers.

use crate::limbs;
use std::collections::BTreeMap;
use trisect_ir::meter::{GREEN, MeterState};
use trisect_ir::state::Count;
use trisect_ir::{Bits, MeterConfig};

/// Cells that are addressed by index, by entry of the program, or by flow entry.
#[derive(Clone, Debug)]
pub struct Cells<T> {
    /// Whether there is a cell per table entry instead of a number of cells.
    pub direct: bool,
    /// By index, or by entry.
    pub fixed: Vec<T>,
    /// By table, then by slot.
    pub flows: BTreeMap<u32, Vec<T>>,
}

impl<T: Clone + Default> Cells<T> {
    /// Default values: `size` cells, or for `None` one per table entry.
    pub fn new(size: Option<u32>) -> Self {
        Self {
            direct: size.is_none(),
            fixed: vec![T::default(); size.unwrap_or(0) as usize],
            flows: BTreeMap::new(),
        }
    }
    /// The cell of a flow entry, made if it is new.
    pub fn flow(&mut self, table: u32, slot: u32) -> &mut T {
        let cells = self.flows.entry(table).or_default();
        let at = slot as usize;
        if cells.len() <= at {
            cells.resize(at + 1, T::default());
        }
        &mut cells[at]
    }
    /// The cell of an entry of the program, made if it is new.
    pub fn entry(&mut self, entry: u32) -> &mut T {
        let at = entry as usize;
        if self.fixed.len() <= at {
            self.fixed.resize(at + 1, T::default());
        }
        &mut self.fixed[at]
    }
    /// Sets all cells back.
    pub fn clear(&mut self) {
        self.fixed.fill(T::default());
        self.flows.clear();
    }
    /// Sets a flow entry's cell back.
    pub fn reset_flow(&mut self, table: u32, slot: u32) {
        if let Some(cell) = self
            .flows
            .get_mut(&table)
            .and_then(|cells| cells.get_mut(slot as usize))
        {
            *cell = T::default();
        }
    }
}

/// Counts one packet.
pub fn count(cell: &mut Count, bytes: u64) {
    cell.packets = cell.packets.wrapping_add(1);
    cell.bytes = cell.bytes.wrapping_add(bytes);
}

/// Meters; a cell that was never executed holds nothing.
#[derive(Clone, Debug)]
pub struct Meters {
    /// The cells.
    pub cells: Cells<Option<MeterState>>,
    /// Rates of cells that are not in `configs`.
    pub default: MeterConfig,
    /// Rates by index.
    pub configs: BTreeMap<u32, MeterConfig>,
}

impl Meters {
    /// Runs a cell; a missing one is green.
    pub fn execute(
        cell: Option<&mut Option<MeterState>>,
        config: &MeterConfig,
        now: u64,
        units: u64,
        color: u8,
    ) -> u8 {
        match cell {
            Some(cell) => cell
                .get_or_insert_with(|| MeterState::full(config))
                .execute(config, now, units, color),
            None => GREEN,
        }
    }
    /// The rates of a cell.
    pub fn config(&self, index: u32) -> MeterConfig {
        self.configs.get(&index).copied().unwrap_or(self.default)
    }
}

/// An array of values of one width, each in whole limbs.
#[derive(Clone, Debug)]
pub struct Registers {
    width: u32,
    init: Bits,
    limbs: usize,
    /// Cell after cell.
    pub words: Vec<u64>,
}

impl Registers {
    /// All cells at their initial value.
    pub fn new(width: u32, size: u32, init: &Bits) -> Self {
        let init = init.resize(width);
        let limbs = limbs::count(width);
        let words = if init.is_zero() {
            vec![0; limbs * size as usize]
        } else {
            limbs::from_bits(&init).repeat(size as usize)
        };
        Self {
            width,
            init,
            limbs,
            words,
        }
    }
    /// Sets all cells back to their initial value.
    pub fn clear(&mut self) {
        let init = limbs::from_bits(&self.init);
        for cell in self.words.chunks_mut(self.limbs.max(1)) {
            cell.copy_from_slice(&init);
        }
    }
    /// Cells that do not hold their initial value.
    pub fn changed(&self) -> impl Iterator<Item = (u32, Bits)> {
        self.words
            .chunks(self.limbs.max(1))
            .enumerate()
            .map(|(i, cell)| (i as u32, limbs::to_bits(self.width, cell)))
            .filter(|(_, value)| *value != self.init)
    }
    /// A cell.
    pub fn get(&self, index: u64) -> Option<&[u64]> {
        let at = usize::try_from(index).ok()?.checked_mul(self.limbs)?;
        self.words.get(at..at.checked_add(self.limbs)?)
    }
    /// A cell to change.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut [u64]> {
        let at = usize::try_from(index).ok()?.checked_mul(self.limbs)?;
        self.words.get_mut(at..at.checked_add(self.limbs)?)
    }
}
