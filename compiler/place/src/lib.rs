//! Which instance of a network function runs on which server of a rack.
//!
//! The problem is E2's (Palkar et al., *E2: A Framework for NFV Applications*, SOSP 2015, sections
//! 4.2 to 4.4): instances have loads, traffic flows between them and the switch's external ports, and
//! traffic between instances on different servers takes the servers' links to the switch. A placement
//! is as good as the factor by which all offered rates can grow before a pool of cores, a link or an
//! external port is full ([`evaluate()`]).
//!
//! | function | what it does | work |
//! |---|---|---|
//! | [`random`] | a server by chance for each instance, as E2's strawman | linear |
//! | [`packing()`] | fills one server after the other, depth first along the traffic | linear, but for sorting neighbours |
//! | [`e2`] | from the packing, the best moves and swaps that lessen the traffic between servers and overbook neither cores nor links | near linear |
//! | [`Incremental`] | places added instances one by one, and moves none | linear in neighbours and servers |
//! | [`best()`] | from these, local search on the growth itself, with [`upper_bound`] | bounded by [`Effort`] |
//!
//! Everything is deterministic: the same problem and seed give the same placement.

mod best;
mod bound;
mod connectivity;
mod evaluate;
mod exact;
mod incremental;
mod packing;
mod problem;
mod refine;
mod rng;
mod search;
mod state;
#[cfg(test)]
mod tests;

pub use best::{Answer, Effort, at_best_load, best};
pub use bound::upper_bound;
pub use evaluate::{Evaluation, Resource, evaluate};
pub use incremental::{Exchange, Incremental};
pub use packing::{packing, packing_growth, random};
pub use problem::{End, Flow, Placement, Port, Problem, ProblemError, Server};
pub use refine::e2;
pub use rng::Rng;
