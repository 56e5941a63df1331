//! Messages over TCP and UDP (RFC 7011, section 10), and from files (RFC 5655).

use std::io::{self, Read, Write};
use std::net::{ToSocketAddrs, UdpSocket};

use trisect_sample::Record;

use crate::ipfix::{Decoder, MAX_MESSAGE, ReadError};

/// Why messages could not be received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The connection or file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is not IPFIX.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Sends messages over a stream (TCP, or a file), one after the other.
///
/// # Errors
/// If the stream fails.
pub fn send_stream(stream: &mut impl Write, messages: &[Vec<u8>]) -> io::Result<()> {
    for message in messages {
        stream.write_all(message)?;
    }
    stream.flush()
}

/// Sends messages as datagrams; what is longer than a datagram over this path can be is an error of the system.
///
/// # Errors
/// If a datagram cannot be sent.
pub fn send_datagrams(
    socket: &UdpSocket,
    to: impl ToSocketAddrs + Copy,
    messages: &[Vec<u8>],
) -> io::Result<()> {
    for message in messages {
        socket.send_to(message, to)?;
    }
    Ok(())
}

/// Reads messages from a stream to its end; the records of each are given to `each`.
///
/// # Errors
/// If the stream fails or ends within a message, or a message cannot be read. After that a stream cannot be
/// understood any more.
pub fn receive_stream(
    stream: &mut impl Read,
    decoder: &mut Decoder,
    mut each: impl FnMut(Vec<Record>),
) -> Result<(), ReceiveError> {
    let mut message = Vec::new();
    loop {
        message.clear();
        stream.by_ref().take(4).read_to_end(&mut message)?;
        if message.is_empty() {
            return Ok(());
        }
        let length = Decoder::message_length(&message)?.unwrap_or(4);
        let rest = length.saturating_sub(message.len()) as u64;
        stream.by_ref().take(rest).read_to_end(&mut message)?;
        each(decoder.message(&message)?);
    }
}

/// Reads datagrams until none has come for the socket's read timeout; the records of each are given to
/// `each`, and what cannot be read to `bad`: anybody can send a datagram.
///
/// # Errors
/// If the socket fails.
pub fn receive_datagrams(
    socket: &UdpSocket,
    decoder: &mut Decoder,
    mut each: impl FnMut(Vec<Record>),
    mut bad: impl FnMut(ReadError),
) -> io::Result<()> {
    let mut buffer = vec![0; MAX_MESSAGE];
    loop {
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        match decoder.message(buffer.get(..length).unwrap_or_default()) {
            Ok(records) => each(records),
            Err(error) => bad(error),
        }
    }
}
