//! From a policy, a rack and NF programs to a plan: policy graph, instance graph, placement, cut,
//! one program per device.
pub mod analysis;
pub mod facts;
pub mod legal;
pub mod site;
pub mod split;
