//! Why a NIC cannot run something: codes E0460 to E0479.

use trisect_ir::diag::Code;

/// Metadata whose value the NIC does not have.
pub const METADATA: Code = Code(460);
/// A match on more than bits of fields and constants.
pub const NOT_MATCHABLE: Code = Code(461);
/// A comparison of two values of the packet.
pub const TWO_VALUES: Code = Code(462);
/// A header or field that no rte_flow item names.
pub const NO_ITEM: Code = Code(463);
/// An item or action that this NIC model does not have.
pub const NOT_IN_MODEL: Code = Code(464);
/// NSH fields, or header stacks deeper than this NIC model parses.
pub const NOT_SO_DEEP: Code = Code(465);
/// An operation that rte_flow does not have.
pub const OPERATION: Code = Code(466);
/// A table filled from the data path.
pub const FLOW_TABLE: Code = Code(467);
/// A value that is not known when the rules are made.
pub const NOT_CONSTANT: Code = Code(468);
/// A field that no action sets to such a value.
pub const NOT_SETTABLE: Code = Code(469);
/// A change without the checksum update that the NIC makes.
pub const CHECKSUM: Code = Code(470);
/// Emit to elsewhere than the host.
pub const NOT_TO_HOST: Code = Code(471);
/// Frames without NSH are not left alone.
pub const WITHOUT_NSH: Code = Code(472);
/// A header without its standard layout.
pub const NONSTANDARD: Code = Code(473);
/// Too many rules or groups.
pub const RESOURCES: Code = Code(474);
/// A capability file has a figure or a name that cannot be.
pub const MODEL: Code = Code(475);
