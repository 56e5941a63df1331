//! Where things run: units over the sites of a rack, so that nothing is over-booked, all promises are
//! kept and the rack carries the most.
//!
//! A [`Problem`] has sites (switch, NICs, hosts), quantities of which there is so much and no more, units
//! with the sites that each can have and what it uses there, edges between units with what crossing a
//! border costs, classes of traffic with what is promised to them, the ways that their packets go, and further
//! linear rules. [`solve`] finds
//! the best assignment, goal after goal, as a mixed integer program, and says what is proven;
//! [`search`] finds good ones fast, without a proof and without rules; [`evaluate`] says what an assignment comes to.
//!
//! Nothing here knows programs or packets. `trisect-plan` makes problems from them; the benches make them up.

mod anneal;
pub mod arbitrary;
mod both;
mod conflict;
mod divide;
mod marginal;
mod milp;
mod model;
mod problem;
mod relax;
mod search;
mod share;
mod solve;
mod spread;
mod symmetry;
mod tally;
mod ways;

pub use conflict::{Promise, conflict};
pub use milp::{Limits, solver};
pub use problem::{
    Choice, Class, Crossing, Demand, Edge, Kind, Malformed, Problem, Quantity, Region, Role, Row,
    Rules, Site, Unit, Var, Way,
};
pub use search::{greedy, search};
pub use solve::{BEST, Goal, Learnt, NoSolution, Reached, Solved, bounds, rates, solve};
pub use tally::{Outcome, evaluate};
pub use ways::{Point, Step, Ways};
