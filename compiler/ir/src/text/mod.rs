//! The text form: what [`Display`](std::fmt::Display) of a [`Program`](crate::Program) prints,
//! [`read`] reads back as the identical program.
//!
//! Everything is a flat list of declarations, each entity by its name; the order of the declarations of a kind is the
//! order of the entities. Comments run from `;` to the end of the line.
//!
//! ```text
//! program tiny
//!
//! type h_t { kind: 8  rest: varbit 64 }
//! header h: h_t
//! header "h with blanks": h_t          ; what is not a plain name is quoted
//! meta fw.verdict: 2                    ; standard metadata is always there: $ingress_port, ...
//! error BadKind                         ; after the core errors
//! reason "unwanted"                     ; $drop is its number, from 1
//! attribute verdict = $fw.verdict { no = 2w0x0, yes = 2w0x1 }
//!
//! counter hits size 16 packets          ; or bytes, both
//! counter per_entry direct both         ; one cell per table entry
//! meter rate size 4 bytes {
//!     default cir 1000 cbs 100 pir 2000 pbs 200
//!     cell 2 cir 1 cbs 1 pir 1 pbs 1
//! }
//! register seen size 8 width 32 init 32w0x0
//! patterns bad { "GET /" "\x00\xff" }
//! allocator ports width 16 base 1024 size 64 idle 1000    ; nanoseconds
//! message learned digest "new address" { address: 48  port: 9 }    ; or log, assert
//! random dice seed 7
//!
//! start first
//! state first {
//!     extract(h, ((lookahead(0, 8)[3:0] as 32) << 3w0x3))
//!     verify((h.kind != 8w0x0), BadKind)
//!     select(h.kind) { (8w0x1) => accept  (_) => reject }
//! }
//!
//! action out(port: 16) { $egress_port = %port  count(per_entry, entry) }
//! action none() { }
//! table acl {
//!     key kind: h.kind ternary
//!     actions { out, none }
//!     default const none()
//!     size 64
//!     selector crc16(h.kind)           ; chooses among the members of an entry
//!     entry const (8w0x1 &&& 8w0xf) priority 3 -> out(16w0x7) | out(16w0x8) | none()
//! }
//!
//! entry look
//! node look of fw: apply acl hit -> send miss -> away
//! node send: emit
//! node away: drop
//! deparser h
//! ```
//!
//! Expressions are fully parenthesised: `(a + b)`, `!a`, `-a`, `a[7:0]`, `(a as 16)` (zero-extend or
//! truncate), `(a sext 16)`, `concat(a, b)`, `mux(c, a, b)`, `valid(h)`, `lookahead(offset, width)`,
//! `frame(bytes, offset)`, `frame_length()`, `crc32(...)`, `crc16`, `csum16`, `xor16`, `identity`,
//! `toeplitz("key", ...)`, `crc(polynomial, init, reflect_in, reflect_out, xor_out, ...)`, inputs of these
//! also `varbit(h)` and `payload()`, `varbit_length(h)`, `varbit_equal(h, g)`, `ones_sum(init, +a, -b)`. Operators: `+ - * / % |+| |-| s|+| s|-| & | ^
//! << >> s>> == != < <= > >= s< s<= s> s>=`.
//!
//! Operations: `place = a`, `place[7:0] = a`, `set_valid(h)`, `set_invalid(h)`, `copy(to, from)`,
//! `copy_varbit(to, from)`,
//! `if a { ... } else { ... }`, `count(object, index)`, `place = meter(object, index)` or with a colour
//! so far `meter(object, index, colour)`, `place = read(object, index)`, `write(object, index, a)`,
//! `place = search(object, h)`, `ok, place = allocate(object)`, `touch(object, a)`,
//! `notify(object, a, b)`, `place = random(object, least, greatest)`,
//! `add_entry(table, action(a, b), profile)`, `set_expire(table, profile)`; an index is a value or
//! `entry`. In a parser: assignments, `set_valid`, `set_invalid`, `copy`, `extract(h)` or with the
//! varbit's length in bits `extract(h, a)`, `advance(a)`, `verify(a, Error)`.

mod lex;
mod print;
mod read;

#[cfg(test)]
mod tests;

pub use print::{expr_text, op_text, quoted};
pub use read::read;

use crate::diag::Code;

/// The text breaks the grammar.
pub const SYNTAX: Code = Code(1);
/// A name that nothing has.
pub const UNKNOWN_NAME: Code = Code(2);
/// A name that two entities of a kind have.
pub const DUPLICATE_NAME: Code = Code(3);
