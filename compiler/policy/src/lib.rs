//! Policy language, packet filters, NF and rack descriptions.

pub mod codes;
mod lex;
pub mod maglev;
pub mod nf;
mod toml_text;

pub use nf::NfDescription;
