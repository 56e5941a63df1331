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
        let (start, count) = &mut self.rows[unit as usize];
        let row = &mut self.ties[*start as usize..];
        let (mut old, mut new) = (None, None);
        for (i, tie) in row[..*count as usize].iter().enumerate() {
            if tie.server == from {
                old = Some(i);
            } else if tie.server == to {
                new = Some(i);
            }
        }
        let joined = match new {
            Some(i) => {
                row[i].neighbours += 1;
                row[i].rate += rate;
                None
            }
            None => Some(Tie {
                server: to,
                neighbours: 1,
                rate,
            }),
        };
        let Some(i) = old else { return };
        row[i].neighbours -= 1;
        row[i].rate -= rate;
        if row[i].neighbours == 0 {
            *count -= 1;
            row.swap(i, *count as usize);
        }
        if let Some(tie) = joined {
            row[*count as usize] = tie;
            *count += 1;
        }
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
}
