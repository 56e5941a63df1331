//! TCP (RFC 9293).

use crate::error::at_least;
use crate::view::Extent;
use crate::{Error, checksum};

protocol! {
    /// View over a TCP segment.
    "tcp", fixed 20, check check;
    /// Source port.
    sport / set_sport: u16 = 0, 16, Dec;
    /// Destination port.
    dport / set_dport: u16 = 16, 16, Dec;
    /// Sequence number.
    seq / set_seq: u32 = 32, 32, Dec;
    /// Acknowledgment number.
    ack / set_ack: u32 = 64, 32, Dec;
    /// Header length in 32-bit words, 5 to 15.
    data_offset / set_data_offset: u8 = 96, 4, Dec;
    /// Reserved bits, 0.
    reserved / set_reserved: u8 = 100, 4, Hex;
    /// CWR ECE URG ACK PSH RST SYN FIN, from the highest bit.
    flags / set_flags: u8 = 104, 8, Hex;
    /// Receive window.
    window / set_window: u16 = 112, 16, Dec;
    /// Checksum over pseudo header and segment.
    checksum / set_checksum: u16 = 128, 16, Hex;
    /// Urgent pointer.
    urgent / set_urgent: u16 = 144, 16, Dec;
}

/// Bits of [`Packet::flags`].
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo.
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced.
    pub const CWR: u8 = 0x80;
}

fn check(buf: &[u8]) -> Result<Extent, Error> {
    at_least("tcp", buf, FIXED)?;
    let words = crate::get_bits(buf, 96, 4) as u64;
    if words < 5 {
        let reason = "below 5 words";
        return Err(Error::Field {
            proto: "tcp",
            field: "data_offset",
            value: words,
            reason,
        });
    }
    at_least("tcp", buf, words as usize * 4)?;
    Ok(Extent::open(buf, words as usize * 4))
}

/// The flags as tcpdump writes them: `S`, `F`, `P`, `R`, `.` (ACK), `U`, `E`, `W`.
#[must_use]
pub fn flags_text(flags: u8) -> String {
    const LETTERS: [(u8, char); 8] = [
        (flag::FIN, 'F'),
        (flag::SYN, 'S'),
        (flag::RST, 'R'),
        (flag::PSH, 'P'),
        (flag::ACK, '.'),
        (flag::URG, 'U'),
        (flag::ECE, 'E'),
        (flag::CWR, 'W'),
    ];
    let text: String = LETTERS
        .iter()
        .filter(|(m, _)| flags & m != 0)
        .map(|(_, c)| *c)
        .collect();
    if text.is_empty() { "none".into() } else { text }
}

impl Repr {
    /// A header without options, window 65535; the checksum is 0 until [`Repr::fill_checksum`].
    #[must_use]
    pub fn new(sport: u16, dport: u16, seq: u32, ack: u32, flags: u8) -> Repr {
        Repr {
            sport,
            dport,
            seq,
            ack,
            data_offset: 5,
            reserved: 0,
            flags,
            window: 0xffff,
            checksum: 0,
            urgent: 0,
            options: Vec::new(),
        }
    }

    /// Computes the checksum over a pseudo header's sum, this header and the payload.
    pub fn fill_checksum(&mut self, pseudo: u16, payload: &[u8]) {
        self.checksum = 0;
        // Header length is a multiple of 4, so the payload starts on a word.
        self.checksum = !checksum::sum(checksum::sum(pseudo, &self.emit()), payload);
    }
}
