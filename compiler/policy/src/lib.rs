//! What the user says: policies, packet filters, NF and rack descriptions, and NF configuration.
//!
//! | text                | reader                       | chapter          |
//! |---------------------|------------------------------|------------------|
//! | policy              | [`parse_policy`]             | [`policy`]       |
//! | packet filter       | [`Filter::parse`]            | [`filter`]       |
//! | NF description      | [`NfDescription::from_toml`] | [`nf`]           |
//! | rack description    | [`Rack::from_toml`]          | [`rack`]         |
//! | entries of a table  | [`parse_entries`]            | [`entries`]      |
//! | members of a value set | [`parse_members`]         | [`members`]      |
//! | profile             | [`Profile::from_toml`]       | [`profile`]      |
//! | backends, patterns  | [`configure`]                | [`config`], [`patterns`] |
//!
//! Every reader takes a text and the name of its file and answers with the value or with
//! diagnostics ([`trisect_ir::diag`]): as many as it finds, each with a code of [`codes`], a place,
//! and a way out. No input panics. [`Policy::check`] holds a policy against the library and the rack.
//!
//! # Invariants
//! - What `Display` prints, the reader reads back to an equal value (filters, policies, racks).
//! - A [`Policy`] from [`parse_policy`] is acyclic, every NF of it is reachable from `in` and has an
//!   edge that leaves it, and every name that is no NF is a port.
//! - [`Filter::eval`] is libpcap's verdict; [`Filter::lower_to_frame`] is the same as an IR condition,
//!   and [`Filter::lower`] on every frame whose headers are what they are announced to be.

mod check;
pub mod codes;
pub mod config;
pub mod entries;
pub mod filter;
mod lex;
pub mod maglev;
pub mod members;
pub mod nf;
mod parse;
pub mod patterns;
pub mod policy;
pub mod profile;
pub mod rack;
mod syntax;

pub use check::parse_policy;
pub use config::configure;
pub use entries::{Entries, parse_entries};
pub use filter::Filter;
pub use members::parse_members;
pub use nf::NfDescription;
pub use patterns::parse_patterns;
pub use policy::Policy;
pub use profile::Profile;
pub use rack::Rack;
