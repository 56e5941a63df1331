//! CRC-32 (ISO 3309, IEEE 802.3), which PSAMP allows for selection (RFC 5475, section 6.2.3.1).

/// The remainders of all bytes, for the reflected polynomial.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// The CRC of `input`.
#[must_use]
pub fn crc32(input: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let at = usize::from(crc as u8 ^ byte);
        // A byte is always within a table of 256.
        (crc >> 8) ^ TABLE.get(at).copied().unwrap_or(0)
    };
    !input.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_value() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn the_table_is_the_definition(input in prop::collection::vec(any::<u8>(), 0..80)) {
            let slow = trisect_ir::hash::compute(&trisect_ir::HashAlgorithm::Crc32, &input);
            prop_assert_eq!(crc32(&input), slow);
        }
    }
}
