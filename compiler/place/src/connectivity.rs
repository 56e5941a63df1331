//! How much traffic each unit has with each server: the gain structure of the local searches.

use crate::problem::Problem;

/// A server that some of a unit's neighbours are on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tie {
    pub(crate) server: u32,
    /// How many neighbours are there. When it falls to zero the tie goes, so that no rounding
    /// error of `rate` is left.
    neighbours: u32,
    /// Traffic with them, both directions.
    pub(crate) rate: f64,
}

/// For each unit its [`Tie`]s, in a table of the shape of the graph's rows: a unit has at most as
/// many as it has neighbours, and in a good placement few. (The per-vertex tables of multilevel
/// graph partitioners, as in Karypis and Kumar, *Multilevel k-way partitioning scheme for irregular
/// graphs*, 1998.)
#[derive(Debug)]
pub(crate) struct Connectivity {
    ties: Vec<Tie>,
    /// By unit: where its ties start, and how many there are.
    rows: Vec<(u32, u32)>,
}

impl Connectivity {
    pub(crate) fn new(problem: &Problem, at: &[u32]) -> Self {
        let units = problem.units() as u32;
        let rows: Vec<(u32, u32)> = (0..units)
            .map(|u| (problem.range(u).start as u32, 0))
            .collect();
        let size = units.checked_sub(1).map_or(0, |u| problem.range(u).end);
        let mut table = Self {
            ties: vec![Tie::default(); size],
            rows,
        };
        for u in 0..units {
            for (v, rate) in problem.row(u) {
                table.add(u, at[v as usize], rate);
            }
        }
        table
    }
    pub(crate) fn of(&self, unit: u32) -> &[Tie] {
        let (start, count) = self.rows[unit as usize];
        &self.ties[start as usize..(start + count) as usize]
    }
    /// Traffic between a unit and the other units of a server.
    pub(crate) fn rate(&self, unit: u32, server: u32) -> f64 {
        self.of(unit)
            .iter()
            .find(|t| t.server == server)
            .map_or(0.0, |t| t.rate)
    }
    /// A neighbour of `unit` moves from one server to another.
    pub(crate) fn neighbour_moved(&mut self, unit: u32, from: u32, to: u32, rate: f64) {
        self.remove(unit, from, rate);
        self.add(unit, to, rate);
    }
    fn add(&mut self, unit: u32, server: u32, rate: f64) {
        let (start, count) = self.rows[unit as usize];
        let row = &mut self.ties[start as usize..];
        for tie in &mut row[..count as usize] {
            if tie.server == server {
                tie.neighbours += 1;
                tie.rate += rate;
                return;
            }
        }
        row[count as usize] = Tie {
            server,
            neighbours: 1,
            rate,
        };
        self.rows[unit as usize].1 += 1;
    }
    fn remove(&mut self, unit: u32, server: u32, rate: f64) {
        let (start, count) = self.rows[unit as usize];
        let row = &mut self.ties[start as usize..(start + count) as usize];
        let Some(position) = row.iter().position(|t| t.server == server) else {
            return;
        };
        row[position].neighbours -= 1;
        row[position].rate -= rate;
        if row[position].neighbours == 0 {
            row.swap(position, count as usize - 1);
            self.rows[unit as usize].1 -= 1;
        }
    }
}
