//! Bills: what a provider wants to be paid for, and the agreed prices.

use serde::{Deserialize, Serialize};
use trisect_rack::Totals;
use trisect_sample::Used;

/// What is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resource {
    /// Packets handed to the provider.
    Packets,
    /// Bytes of these.
    Bytes,
    /// Cycles of host cores ([`Used::cycles`]), summed over all visits.
    Cycles,
    /// Bytes of state that packets leave behind where they read or wrote ([`Used::memory`]), summed over all visits.
    Memory,
}

impl Resource {
    /// All.
    pub const ALL: [Resource; 4] = [
        Resource::Packets,
        Resource::Bytes,
        Resource::Cycles,
        Resource::Memory,
    ];

    /// As manifests write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Resource::Packets => "packets",
            Resource::Bytes => "bytes",
            Resource::Cycles => "cycles",
            Resource::Memory => "memory",
        }
    }

    /// Whether the shim counts it, so that nothing has to be estimated.
    #[must_use]
    pub fn counted(self, totals: &Totals) -> Option<u64> {
        match self {
            Resource::Packets => Some(totals.packets_in),
            Resource::Bytes => Some(totals.bytes_in),
            Resource::Cycles | Resource::Memory => None,
        }
    }

    /// How much of it a visit used up; 0 for what is counted per packet.
    #[must_use]
    pub fn of(self, used: &Used) -> u64 {
        match self {
            Resource::Cycles => used.cycles,
            Resource::Memory => used.memory,
            Resource::Packets | Resource::Bytes => 0,
        }
    }
}

/// The agreed price of a resource. A period costs `fixed + price * quantity / per`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// What is paid for.
    pub resource: Resource,
    /// Price of `per` units.
    pub price: f64,
    /// How many units cost `price`.
    pub per: f64,
    /// What is paid in any case.
    #[serde(default)]
    pub fixed: f64,
    /// By which part the quantity may be above what was used.
    pub slack: f64,
    /// What one packet can use, at most: how far the sampled packets can be from the others. Of what the shim counts it does not
    /// matter.
    #[serde(default)]
    pub most: f64,
}

impl Price {
    /// What so much costs.
    #[must_use]
    pub fn amount(&self, quantity: u64) -> f64 {
        self.fixed + self.price * quantity as f64 / self.per
    }
}

/// A line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What is to be paid for.
    pub resource: Resource,
    /// How much of it was used.
    pub quantity: u64,
    /// What that costs.
    pub amount: f64,
}

/// The bill of a period.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bill {
    /// The lines, each resource once.
    pub items: Vec<Item>,
    /// The sum of their amounts.
    pub total: f64,
}

impl Bill {
    /// A bill of these quantities.
    #[must_use]
    pub fn new(prices: &[Price], quantity: impl Fn(Resource) -> u64) -> Bill {
        let item = |price: &Price| {
            let quantity = quantity(price.resource);
            Item {
                resource: price.resource,
                quantity,
                amount: price.amount(quantity),
            }
        };
        let items: Vec<Item> = prices.iter().map(item).collect();
        let total = items.iter().map(|i| i.amount).sum();
        Bill { items, total }
    }
}
