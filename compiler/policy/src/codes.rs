//! The diagnostic codes of this crate.

use trisect_ir::diag::Code;

/// The policy text does not follow the grammar.
pub const POLICY_SYNTAX: Code = Code(200);
/// An NF declaration names an NF that the library does not hold.
pub const UNKNOWN_NF: Code = Code(201);
/// A pipeline names something that was not declared.
pub const UNKNOWN_NAME: Code = Code(202);
/// A name is declared twice.
pub const DUPLICATE_NAME: Code = Code(203);
/// The pipeline's graph has a cycle.
pub const CYCLE: Code = Code(204);
/// No packet can reach a node of the pipeline.
pub const UNREACHABLE: Code = Code(205);
/// A filter can never match.
pub const NEVER_MATCHES: Code = Code(206);
/// An NF does not declare the attribute that a filter compares.
pub const UNKNOWN_ATTRIBUTE: Code = Code(207);
/// An attribute has no value of that name.
pub const UNKNOWN_VALUE: Code = Code(208);
/// The rack has no external port of that name.
pub const UNKNOWN_PORT: Code = Code(209);
/// A filter compares an attribute of an NF that is not upstream of the edge.
pub const NOT_UPSTREAM: Code = Code(210);
/// An NF's configuration does not fit its description.
pub const BAD_CONFIG: Code = Code(211);
/// A rate cannot be: fractions above 100 %, or outgoing rates above the incoming one.
pub const BAD_RATE: Code = Code(212);
/// An NF has no edge leaving it.
pub const DEAD_END: Code = Code(213);
/// The same edge is written twice.
pub const DUPLICATE_EDGE: Code = Code(214);
/// The objectives of a class contradict each other, or what is offered.
pub const BAD_SLO: Code = Code(215);
/// A packet filter does not follow pcap-filter's grammar.
pub const FILTER_SYNTAX: Code = Code(220);
/// A packet filter holds a value or primitive that cannot be used.
pub const FILTER_VALUE: Code = Code(221);
/// An NF description is not TOML of the expected shape.
pub const NF_SYNTAX: Code = Code(230);
/// An NF description contradicts itself.
pub const NF_INVALID: Code = Code(231);
/// A rack description is not TOML of the expected shape.
pub const RACK_SYNTAX: Code = Code(240);
/// A rack description contradicts itself.
pub const RACK_INVALID: Code = Code(241);
/// A profile is not TOML of the expected shape, or has an impossible figure.
pub const PROFILE: Code = Code(242);
/// An entries file does not follow the grammar.
pub const ENTRIES_SYNTAX: Code = Code(250);
/// An entry does not fit its table: number or kind of keys, action, arguments.
pub const ENTRY_MISMATCH: Code = Code(251);
/// A value does not fit its width.
pub const VALUE_WIDTH: Code = Code(252);
/// Two entries of one table have the same key.
pub const DUPLICATE_ENTRY: Code = Code(253);
/// A table takes no entries of this kind, or not so many.
pub const TABLE_LIMIT: Code = Code(254);
/// A backends file (Maglev generator) cannot be used.
pub const BACKENDS: Code = Code(260);
/// A patterns file cannot be used.
pub const PATTERNS: Code = Code(261);
