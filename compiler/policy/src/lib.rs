//! Policy language, packet filters, NF and rack descriptions.

mod check;
pub mod codes;
pub mod config;
pub mod entries;
pub mod filter;
mod lex;
pub mod maglev;
pub mod nf;
mod parse;
pub mod patterns;
pub mod policy;
pub mod rack;
mod syntax;
mod toml_text;

pub use check::parse_policy;
pub use config::configure;
pub use entries::{Entries, parse_entries};
pub use filter::Filter;
pub use nf::NfDescription;
pub use patterns::parse_patterns;
pub use policy::Policy;
pub use rack::Rack;
