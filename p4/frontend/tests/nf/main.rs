//! Stories of the network functions of the library: rules in text, a packet, and what becomes of it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test"
)]

mod frame;
mod story;

mod firewall;
mod forwarder;
mod ids;
mod limiter;
mod load_balancer;
mod monitor;
mod nat;
mod normaliser;
mod tunnel;
