//! Host target: packet programs compiled by Cranelift.
