//! Literals that the policy, entries and descriptions share.

/// A decimal, `0x`, `0b` or `0o` number, `_` allowed between digits.
pub(crate) fn number(text: &str) -> Option<u128> {
    let (digits, radix) = match text.get(..2) {
        Some("0x" | "0X") => (&text[2..], 16),
        Some("0b" | "0B") => (&text[2..], 2),
        Some("0o" | "0O") => (&text[2..], 8),
        _ => (text, 10),
    };
    if !digits.starts_with(|c: char| c.is_digit(radix)) || digits.ends_with('_') {
        return None;
    }
    u128::from_str_radix(&digits.replace('_', ""), radix).ok()
}

/// Six hexadecimal bytes of one or two digits, separated by colons.
pub(crate) fn mac(text: &str) -> Option<u64> {
    let mut address = 0u64;
    let mut bytes = 0;
    for part in text.split(':') {
        if part.is_empty() || part.len() > 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        address = address << 8 | u64::from_str_radix(part, 16).ok()?;
        bytes += 1;
        if bytes > 6 {
            return None;
        }
    }
    (bytes == 6).then_some(address)
}
