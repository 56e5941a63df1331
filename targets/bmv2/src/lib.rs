//! BMv2 target: packet programs as v1model P4-16 and table entries.
