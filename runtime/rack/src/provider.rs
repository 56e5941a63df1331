//! What whoever runs the rack may do otherwise than was agreed.
//!
//! An honest rack has no [`Provider`]. A dishonest one is simulated to find out what an audit of its records finds:
//! the provider sees every packet before and after each device, and every record before it is written. It cannot
//! reach the [`crate::Shim`], which is the customer's.

use trisect_sample::Record;

use crate::{Engine, Fate, Frame, Role, Witness};

/// Where a packet is.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The device's name.
    pub device: &'a str,
    /// What the device is.
    pub role: Role,
    /// Number of the packet in the run, from 0.
    pub packet: usize,
    /// Number of the visit at the device.
    pub visit: u64,
    /// Whether it leaves the rack here; known of a packet that departs.
    pub leaves: bool,
    /// Now, in nanoseconds.
    pub time_ns: u64,
    /// Whether the packet is sampled. A provider that has the key knows.
    pub sampled: bool,
}

/// What the provider does to a packet that leaves a device, beside changing it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deed {
    /// Nanoseconds for which it is held back.
    pub hold_ns: u64,
    /// It vanishes, and nothing says so.
    pub vanish: bool,
    /// Frames that leave the switch beside it, by external port.
    pub inject: Vec<(u16, Vec<u8>)>,
}

/// Whoever runs the devices. By default it does nothing.
pub trait Provider {
    /// A packet is about to be processed by a device; `witness` writes the device's part of the records.
    fn arrives(
        &mut self,
        at: At<'_>,
        frame: &Frame,
        engine: &mut dyn Engine,
        witness: Option<&mut Witness>,
    ) {
        let _ = (at, frame, engine, witness);
    }

    /// A device has processed a packet.
    fn departs(&mut self, at: At<'_>, fate: &mut Fate) -> Deed {
        let _ = (at, fate);
        Deed::default()
    }

    /// A record is about to be written; `false` if it is not.
    fn records(&mut self, record: &mut Record) -> bool {
        let _ = record;
        true
    }

    /// How often it has not done what was agreed.
    fn deeds(&self) -> u64 {
        0
    }
}
