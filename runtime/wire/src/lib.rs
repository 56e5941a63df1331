//! Packet views: checked constructors, then accessors that cannot panic.
