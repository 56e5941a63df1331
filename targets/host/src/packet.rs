//! Packet descriptors: what compiled code works on.

#![allow(unsafe_code)]

use std::fmt;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not processed yet.
    Pending,
    /// It leaves on `egress_port`.
    Emit,
    /// It is dropped for the reason with this number (`drop` metadata).
    Drop(u16),
}

pub(crate) const PENDING: u8 = 0;
pub(crate) const EMIT: u8 = 1;
pub(crate) const DROP: u8 = 2;

/// Bytes in front of the frame in a new packet: room for what a pipeline usually puts in front
/// (outer Ethernet, NSH with context, IPv4, UDP, VXLAN).
pub const HEADROOM: usize = 128;

/// A packet: a buffer with the frame somewhere in it, and what the device knows beside the frame.
///
/// # Invariants
///
/// `data` points to `len` initialised bytes, which lie in a live allocation of `capacity` bytes
/// that begins `headroom` bytes before `data` and that this packet owns. Compiled code relies on it.
#[repr(C)]
pub struct Packet {
    pub(crate) data: *mut u8,
    pub(crate) len: u32,
    pub(crate) headroom: u32,
    pub(crate) capacity: u32,
    /// Port that it came in on.
    pub port: u16,
    pub(crate) egress_port: u16,
    /// Arrival at the rack in nanoseconds.
    pub time_ns: u64,
    /// MARK from the NIC, and what the program leaves there.
    pub mark: u32,
    /// META from the NIC, and what the program leaves there.
    pub meta: u32,
    /// The NIC's number for the packet's flow, by which its entries may be found sooner; 0 for none
    /// ([`crate::HostProgram::clear_hint`]).
    pub hint: u32,
    pub(crate) drop_reason: u16,
    pub(crate) outcome: u8,
}

// SAFETY: the buffer is owned by the packet alone, so it may move and be shared between threads as a
// `Box<[u8]>` may.
unsafe impl Send for Packet {}
// SAFETY: as above; a shared reference gives only shared access to the buffer.
unsafe impl Sync for Packet {}

impl Packet {
    /// A packet with a copy of this frame.
    ///
    /// Frames are at most 2^31 bytes long; of a longer one the first 2^31 bytes are taken.
    pub fn new(frame: &[u8]) -> Self {
        let mut packet = Self {
            data: std::ptr::null_mut(),
            len: 0,
            headroom: 0,
            capacity: 0,
            port: 0,
            egress_port: 0,
            time_ns: 0,
            mark: 0,
            meta: 0,
            hint: 0,
            drop_reason: 0,
            outcome: PENDING,
        };
        packet.allocate(HEADROOM, frame);
        packet
    }
    /// With the port that it came in on.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
    /// With its arrival time in nanoseconds.
    #[must_use]
    pub fn at_time(mut self, time_ns: u64) -> Self {
        self.time_ns = time_ns;
        self
    }
    /// The frame.
    #[inline]
    pub fn frame(&self) -> &[u8] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: the type's invariant.
        unsafe { std::slice::from_raw_parts(self.data, self.len as usize) }
    }
    /// The frame, to change.
    #[inline]
    pub fn frame_mut(&mut self) -> &mut [u8] {
        if self.data.is_null() {
            return &mut [];
        }
        // SAFETY: the type's invariant; `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.len as usize) }
    }
    /// What became of it.
    pub fn outcome(&self) -> Outcome {
        match self.outcome {
            EMIT => Outcome::Emit,
            DROP => Outcome::Drop(self.drop_reason),
            _ => Outcome::Pending,
        }
    }
    /// Says what became of it, for what processes packets in other ways.
    #[inline]
    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = match outcome {
            Outcome::Pending => PENDING,
            Outcome::Emit => EMIT,
            Outcome::Drop(reason) => {
                self.drop_reason = reason;
                DROP
            }
        };
    }
    /// The port that it leaves on, if it does.
    pub fn egress_port(&self) -> Option<u16> {
        (self.outcome == EMIT).then_some(self.egress_port)
    }
    /// Puts another frame into the buffer and makes the packet pending.
    pub fn refill(&mut self, frame: &[u8]) {
        self.outcome = PENDING;
        self.replace(HEADROOM, frame);
    }
    /// Replaces the frame by `head` followed by what begins at `payload` bytes into the frame. The
    /// payload stays where it is if there is room in front of it.
    pub(crate) fn replace_head(&mut self, head: &[u8], payload: usize) {
        let payload = payload.min(self.len as usize);
        let room = self.headroom as usize + payload;
        if head.len() <= room {
            let shrink = payload as isize - head.len() as isize;
            // SAFETY: the new start lies between the buffer's start (head.len() <= room) and the
            // payload, so head.len() bytes from it lie inside the buffer; `head` is no part of the
            // buffer, since that is exclusively borrowed.
            unsafe {
                self.data = self.data.offset(shrink);
                std::ptr::copy_nonoverlapping(head.as_ptr(), self.data, head.len());
            }
            self.len = (self.len as usize - payload + head.len()) as u32;
            self.headroom = (room - head.len()) as u32;
        } else {
            let frame = [head, &self.frame()[payload..]].concat();
            self.replace(HEADROOM, &frame);
        }
    }
    /// Puts a frame into the buffer, or into a new one if there is no room.
    fn replace(&mut self, headroom: usize, frame: &[u8]) {
        if headroom + frame.len() > self.capacity as usize {
            self.release();
            self.allocate(headroom, frame);
            return;
        }
        // SAFETY: headroom + frame.len() <= capacity, so both the start and the copied bytes lie
        // inside the buffer, which begins `self.headroom` bytes before `data`.
        unsafe {
            self.data = self.data.sub(self.headroom as usize).add(headroom);
            std::ptr::copy(frame.as_ptr(), self.data, frame.len());
        }
        self.headroom = headroom as u32;
        self.len = frame.len() as u32;
    }
    fn allocate(&mut self, headroom: usize, frame: &[u8]) {
        let frame = &frame[..frame.len().min(1 << 31)];
        let mut buffer = vec![0u8; headroom + frame.len()].into_boxed_slice();
        buffer[headroom..].copy_from_slice(frame);
        self.capacity = buffer.len() as u32;
        let start = Box::into_raw(buffer).cast::<u8>();
        // SAFETY: `headroom` is at most the length of the allocation.
        self.data = unsafe { start.add(headroom) };
        self.headroom = headroom as u32;
        self.len = frame.len() as u32;
    }
    fn release(&mut self) {
        if self.data.is_null() {
            return;
        }
        // SAFETY: by the type's invariant this is the pointer and length that `allocate` took out of
        // a box; `data` is set to null so that nobody uses it again.
        unsafe {
            let start = self.data.sub(self.headroom as usize);
            let buffer = std::ptr::slice_from_raw_parts_mut(start, self.capacity as usize);
            drop(Box::from_raw(buffer));
        }
        self.data = std::ptr::null_mut();
        self.len = 0;
        self.headroom = 0;
        self.capacity = 0;
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        self.release();
    }
}

impl Clone for Packet {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.frame());
        copy.port = self.port;
        copy.egress_port = self.egress_port;
        copy.time_ns = self.time_ns;
        copy.mark = self.mark;
        copy.meta = self.meta;
        copy.hint = self.hint;
        copy.drop_reason = self.drop_reason;
        copy.outcome = self.outcome;
        copy
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("port", &self.port)
            .field("time_ns", &self.time_ns)
            .field("outcome", &self.outcome())
            .field("frame", &self.frame())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_grows_into_the_headroom_and_then_into_a_new_buffer() {
        let mut packet = Packet::new(b"abcpayload");
        packet.replace_head(b"0123456789", 3);
        assert_eq!(packet.frame(), b"0123456789payload");
        packet.replace_head(b"x", 10);
        assert_eq!(packet.frame(), b"xpayload");
        let long = [7; 500];
        packet.replace_head(&long, 1);
        assert_eq!(packet.frame(), [&long[..], b"payload"].concat());
        packet.replace_head(b"", 500);
        assert_eq!(packet.frame(), b"payload");
        packet.refill(b"new");
        assert_eq!(packet.frame(), b"new");
        assert_eq!(packet.clone().frame(), b"new");
        assert_eq!(packet.outcome(), Outcome::Pending);
    }
}
