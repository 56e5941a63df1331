//! What the fuzz targets of the P4-16 front end and of packet tests check, and the mutator they share. See the README.

mod mutate;
mod p4;
mod stf;
mod words;

pub use mutate::mutate;
pub use p4::{check, lex, parse};
pub use stf::stf;
pub use words::{P4, STF};

/// A fuzz target: what it does with a text, and the words that inputs are made of.
#[macro_export]
macro_rules! target {
    ($check:path, $words:path) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $check(&String::from_utf8_lossy(data)));

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate(data, size, max_size, seed, &$words)
        });
    };
}
