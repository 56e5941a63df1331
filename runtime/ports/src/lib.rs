//! Packet ports: capture files and memory, with fault and trace wrappers.
