//! Why BMv2's v1model cannot run something: codes E0440 to E0459.

use trisect_ir::diag::Code;

/// Entries added from the data path, or expire times.
pub const FLOW_TABLE: Code = Code(440);
/// A look at the payload or at raw bytes of the frame.
pub const PAYLOAD: Code = Code(441);
/// An object that v1model does not have, or that is not the same on every device.
pub const OBJECT: Code = Code(442);
/// A second parse.
pub const REPARSE: Code = Code(443);
/// An operator that v1model does not have, or not for these operands.
pub const OPERATOR: Code = Code(444);
/// A direct counter or meter used otherwise than v1model's are.
pub const DIRECT: Code = Code(446);
/// A colour-aware meter.
pub const METER: Code = Code(447);
/// Something that v1model's parser cannot do.
pub const PARSER: Code = Code(448);
/// More of something than the device has.
pub const RESOURCES: Code = Code(449);
/// More than BMv2 itself can do, whatever program it runs.
pub const LIMIT: Code = Code(450);
/// A resource model has a figure that cannot be.
pub const MODEL: Code = Code(451);
/// A fixed pipeline has no table for it.
pub const FIXED: Code = Code(452);
