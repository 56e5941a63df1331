//! The embedded rack: switch, NIC and host models joined by links.
