//! Why bytes are not the header they were taken for.

/// Why a checked constructor refused some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Fewer bytes than the fixed part of the header.
    #[error("{proto}: header needs {need} bytes, {have} are there")]
    Short {
        /// Protocol name as in [`crate::Proto::name`].
        proto: &'static str,
        /// Bytes the header needs.
        need: usize,
        /// Bytes that are there.
        have: usize,
    },
    /// A field holds a value that the protocol does not allow or that contradicts another field.
    #[error("{proto}: field {field} is {value}, {reason}")]
    Field {
        /// Protocol name as in [`crate::Proto::name`].
        proto: &'static str,
        /// Field name as in the protocol's `FIELDS`.
        field: &'static str,
        /// The value found.
        value: u64,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// `Ok(())` if at least `need` bytes are there.
pub(crate) fn at_least(proto: &'static str, buf: &[u8], need: usize) -> Result<(), Error> {
    if buf.len() < need {
        return Err(Error::Short {
            proto,
            need,
            have: buf.len(),
        });
    }
    Ok(())
}
