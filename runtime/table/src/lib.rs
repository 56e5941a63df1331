//! Match tables, flow tables, meters, allocators and pattern sets.
