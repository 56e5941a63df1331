//! Policy language, packet filters, NF and rack descriptions.

mod check;
pub mod codes;
pub mod filter;
mod lex;
pub mod maglev;
pub mod nf;
mod parse;
pub mod policy;
pub mod rack;
mod syntax;
mod toml_text;

pub use check::parse_policy;
pub use filter::Filter;
pub use nf::NfDescription;
pub use policy::Policy;
pub use rack::Rack;
