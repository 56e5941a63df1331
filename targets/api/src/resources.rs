//! Named quantities: budgets and uses.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Names of quantities. A target may use others.
pub mod names {
    /// Match-action stages of a pipeline; along a chain of dependent nodes, not in sum.
    pub const STAGES: &str = "stages";
    /// Bits of SRAM.
    pub const SRAM_BITS: &str = "sram_bits";
    /// Bits of TCAM.
    pub const TCAM_BITS: &str = "tcam_bits";
    /// Bits of SRAM in each stage: only in the limits of a device.
    pub const STAGE_SRAM_BITS: &str = "stage_sram_bits";
    /// Bits of TCAM in each stage: only in the limits of a device.
    pub const STAGE_TCAM_BITS: &str = "stage_tcam_bits";
    /// Table entries in all.
    pub const ENTRIES: &str = "entries";
    /// States of the parser.
    pub const PARSER_STATES: &str = "parser_states";
    /// Bytes of a server's memory.
    pub const MEMORY_BYTES: &str = "memory_bytes";
    /// Flow rules.
    pub const RULES: &str = "rules";
    /// Flow groups.
    pub const GROUPS: &str = "groups";
    /// Table entries that the control plane changes in a second. No device knows that of a piece: the plan
    /// counts it.
    pub const UPDATES: &str = "updates_per_second";
    /// The same for flow rules: insertions in a second.
    pub const INSERTIONS: &str = "insertions_per_second";
}

/// Quantities by name. In a budget, what is not named is unbounded; in a use, it is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resources(BTreeMap<String, u64>);

/// A quantity of which a budget has too little.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{quantity}: needs {needed}, has {available}")]
pub struct Shortage {
    /// Its name.
    pub quantity: String,
    /// How much is needed.
    pub needed: u64,
    /// How much there is.
    pub available: u64,
}

impl Resources {
    /// Nothing (as a use); everything (as a budget).
    pub fn new() -> Self {
        Self::default()
    }
    /// This with one quantity set.
    #[must_use]
    pub fn with(mut self, name: &str, amount: u64) -> Self {
        self.0.insert(name.to_owned(), amount);
        self
    }
    /// The amount, if named.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
    /// Names and amounts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, amount)| (name.as_str(), *amount))
    }
    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Adds another use, saturating.
    pub fn add(&mut self, other: &Self) {
        for (name, amount) in other.iter() {
            let sum = self.0.entry(name.to_owned()).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    /// This budget with the other's quantities in place of its own.
    #[must_use]
    pub fn overridden_by(mut self, other: &Self) -> Self {
        self.0.extend(other.0.clone());
        self
    }
    /// Every quantity of this use that exceeds the budget; empty if it fits.
    pub fn exceeding(&self, budget: &Self) -> Vec<Shortage> {
        self.iter()
            .filter_map(|(name, needed)| {
                let available = budget.get(name)?;
                (needed > available).then(|| Shortage {
                    quantity: name.to_owned(),
                    needed,
                    available,
                })
            })
            .collect()
    }
}

impl FromIterator<(String, u64)> for Resources {
    fn from_iter<I: IntoIterator<Item = (String, u64)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl fmt::Display for Resources {
    /// `entries 512, stages 3`; `nothing` if empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (i, (name, amount)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{name} {amount}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_exceeds_only_what_the_budget_names() {
        let budget = Resources::new().with("stages", 4).with("entries", 10);
        let mut used = Resources::new().with("stages", 3).with("rules", 1000);
        assert_eq!(used.exceeding(&budget), []);
        used.add(&Resources::new().with("stages", 2));
        assert_eq!(used.to_string(), "rules 1000, stages 5");
        let short = used.exceeding(&budget);
        assert_eq!(short.len(), 1);
        assert_eq!(short[0].to_string(), "stages: needs 5, has 4");
    }

    #[test]
    fn the_rack_file_overrides_the_model() {
        let model = Resources::new().with("stages", 12).with("entries", 10);
        let rack = Resources::new().with("stages", 4);
        assert_eq!(
            model.overridden_by(&rack).to_string(),
            "entries 10, stages 4"
        );
        assert_eq!(Resources::new().to_string(), "nothing");
    }

    #[test]
    fn sums_saturate() {
        let mut used = Resources::new().with("rules", u64::MAX);
        used.add(&Resources::new().with("rules", 1));
        assert_eq!(used.get("rules"), Some(u64::MAX));
    }
}
