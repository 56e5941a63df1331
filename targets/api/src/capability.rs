//! What a model can do, as a list for people.

use serde::{Deserialize, Serialize};

/// How far something is supported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Support {
    /// Fully.
    Yes,
    /// Not at all.
    No,
    /// Under a condition, stated in a few words.
    Limited(String),
}

/// One line of a model's listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Group: `match`, `action`, `state`, `parser`, `hand-over`.
    pub group: String,
    /// What: `lpm`, `set IPv4 source`, `meter`.
    pub name: String,
    /// How far.
    pub support: Support,
}

impl Capability {
    /// A line.
    pub fn new(group: &str, name: &str, support: Support) -> Self {
        Self {
            group: group.to_owned(),
            name: name.to_owned(),
            support,
        }
    }
}
