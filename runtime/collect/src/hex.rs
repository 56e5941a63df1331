//! Bytes as hexadecimal digits.

/// A text is not so many bytes as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the expected number of bytes in hexadecimal digits")]
pub struct NotHex(String);

/// The digits of bytes, in lower case.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The bytes of digits.
///
/// # Errors
/// If they are not `N` bytes.
pub fn bytes<const N: usize>(text: &str) -> Result<[u8; N], NotHex> {
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let all: Option<Vec<u8>> = text.as_bytes().chunks(2).map(pair).collect();
    all.and_then(|all| all.try_into().ok())
        .ok_or_else(|| NotHex(text.to_owned()))
}
