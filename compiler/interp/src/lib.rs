//! Reference interpreter of the packet-program IR.
