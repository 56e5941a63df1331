//! Random programs and packets that use all of the IR.

mod build;

pub use build::program;

use trisect_ir::Bits;

/// A small deterministic source of numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n.max(1)
    }
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
    /// Values that meet: few distinct bytes.
    pub fn bits(&mut self, width: u32) -> Bits {
        let bytes: Vec<u8> = (0..width.div_ceil(8)).map(|_| self.byte()).collect();
        Bits::from_be_bytes(width, &bytes)
    }
    pub fn byte(&mut self) -> u8 {
        match self.below(6) {
            0 => 0,
            1 => 0xff,
            2 => 1,
            3 => 0x80,
            4 => self.below(4) as u8,
            _ => self.next() as u8,
        }
    }
    pub fn width(&mut self) -> u32 {
        match self.below(12) {
            0 => 1,
            1 => 8,
            2 => 16,
            3 => 32,
            4 => 48,
            5 => 63 + self.below(3) as u32,
            6 => 128,
            7 => 60 + self.below(220) as u32,
            _ => 1 + self.below(40) as u32,
        }
    }
}

/// A frame of up to `most` bytes.
pub fn frame(random: &mut Random, most: usize) -> Vec<u8> {
    let len = random.below(most + 1);
    (0..len).map(|_| random.byte()).collect()
}
