//! Packet filters in tcpdump's syntax.
//!
//! A [`Filter`] is a condition on the bytes of an Ethernet frame, written as pcap-filter(7) describes.
//! Its meaning is libpcap's, verdict for verdict: feature `libpcap` holds a property test that
//! compares the two on generated and real frames. [`Filter::lower`] gives the condition as an IR
//! expression over parsed header fields.
//!
//! # Differences from libpcap
//!
//! Left out, with a diagnostic: names that would have to be resolved (hosts, networks, services),
//! `gateway`, `protochain`, `ip broadcast` (needs the netmask of a network that a policy does not
//! know), link types other than Ethernet, direction and interface (`inbound`, `ifname`), LLC and
//! AppleTalk numbers as `ether proto`, and incomplete addresses except behind `net`. A filter has at
//! most 2048 bytes.
//!
//! The verdict is that of libpcap's code as generated: its optimiser removes reads whose value is not
//! needed, so that an optimised filter may take a truncated frame that the plain one refuses. libpcap
//! refuses some divisions and shifts whose right operand only begins with a constant (`ip[0] >>
//! ip[40]`); they are taken here. All else is kept, also what looks like an oversight: `0 + ip[8] =
//! 64` does not ask for IPv4, while `ip[8] + 0 = 64` does.

pub mod ast;
mod compile;
mod frame;
mod lower;
mod parse;
mod relation;
mod satisfy;
pub mod test;

use std::fmt;

use serde::{Deserialize, Serialize};
use trisect_ir::diag::{Diagnostic, Span};

use crate::codes;
use ast::FilterExpr;
use test::Test;

pub use compile::CompileError;
pub use lower::{Lowered, View};

/// Longest text of a filter in bytes. It bounds the depth of the tree and the size of the frame form.
const MAX_LENGTH: usize = 2048;

/// A packet filter: its text form and its meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    expr: FilterExpr,
    test: Test,
}

impl Filter {
    /// The filter with this syntax tree.
    ///
    /// # Errors
    /// Where the tree has no meaning, such as `vlan` behind `mpls`.
    pub fn new(expr: FilterExpr) -> Result<Filter, CompileError> {
        let test = compile::compile(&expr)?;
        Ok(Filter { expr, test })
    }

    /// Reads a filter. `source` is the whole text of `file` and `span` where the filter stands in it.
    /// An empty filter takes every frame.
    ///
    /// # Errors
    /// A diagnostic that points into `source`.
    pub fn parse_in(source: &str, span: Span, file: &str) -> Result<Filter, Box<Diagnostic>> {
        let text = span.text(source);
        if text.trim().is_empty() {
            return Ok(Filter::everything());
        }
        if text.len() > MAX_LENGTH {
            let message = format!("a filter has at most {MAX_LENGTH} bytes");
            return Err(Box::new(
                Diagnostic::error(codes::FILTER_VALUE, file, span, message)
                    .help("split it into several edges or pipelines, or use a firewall"),
            ));
        }
        let expr = match parse::filter(text) {
            Ok((_, expr)) => expr,
            Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => {
                let inner = fault.span(text);
                let place = Span::new(
                    (span.start + inner.start) as usize,
                    (span.start + inner.end) as usize,
                );
                let code = if fault.value {
                    codes::FILTER_VALUE
                } else {
                    codes::FILTER_SYNTAX
                };
                let message = if fault.message.is_empty() {
                    "expected an operand"
                } else {
                    &fault.message
                };
                return Err(Box::new(
                    Diagnostic::error(code, file, place, message)
                        .reason("packet filters follow pcap-filter(7)")
                        .help(fault.help),
                ));
            }
            Err(nom::Err::Incomplete(_)) => {
                let message = "the filter ends too early";
                return Err(Box::new(Diagnostic::error(
                    codes::FILTER_SYNTAX,
                    file,
                    span,
                    message,
                )));
            }
        };
        Filter::new(expr).map_err(|error| {
            Box::new(
                Diagnostic::error(codes::FILTER_VALUE, file, span, error.to_string())
                    .help("reorder or remove that test"),
            )
        })
    }

    /// Reads a filter that stands alone.
    ///
    /// # Errors
    /// A diagnostic whose spans count from the start of `text`.
    pub fn parse(text: &str) -> Result<Filter, Box<Diagnostic>> {
        Filter::parse_in(text, Span::new(0, text.len()), "filter")
    }

    /// The filter that takes every frame; its text is empty.
    pub fn everything() -> Filter {
        let nothing = FilterExpr::Primitive(ast::Primitive::Greater(0));
        Filter {
            expr: nothing,
            test: Test::Const(true),
        }
    }

    /// Whether this is [`Filter::everything`].
    pub fn is_everything(&self) -> bool {
        self.test == Test::Const(true)
    }

    /// Whether a frame, from its Ethernet destination on and without FCS, passes.
    pub fn eval(&self, frame: &[u8]) -> bool {
        self.test.eval(frame).unwrap_or(false)
    }

    /// The syntax tree.
    pub fn expr(&self) -> &FilterExpr {
        &self.expr
    }

    /// The meaning.
    pub fn test(&self) -> &Test {
        &self.test
    }

    /// Whether it was shown that no frame passes; `false` where that is not known.
    pub fn never_matches(&self) -> bool {
        satisfy::is_contradiction(&[&self.test])
    }

    /// Whether it was shown that no frame passes both.
    pub fn excludes(&self, other: &Filter) -> bool {
        satisfy::is_contradiction(&[&self.test, &other.test])
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            Ok(())
        } else {
            write!(f, "{}", self.expr)
        }
    }
}

impl std::str::FromStr for Filter {
    type Err = Box<Diagnostic>;

    fn from_str(text: &str) -> Result<Filter, Box<Diagnostic>> {
        Filter::parse(text)
    }
}

impl TryFrom<String> for Filter {
    type Error = Box<Diagnostic>;

    fn try_from(text: String) -> Result<Filter, Box<Diagnostic>> {
        Filter::parse(&text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> String {
        filter.to_string()
    }
}
