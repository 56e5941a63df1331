//! What the cut needs to know about a program: effects of nodes, live metadata, where headers are
//! clean, what is decided purely by the flow.

mod clean;
mod effects;
mod flow;
mod graph;
mod purity;

pub use clean::Clean;
pub use effects::{Effects, Slot};
pub use flow::flow_fields;
pub use graph::Graph;
pub use purity::Purity;
