//! Messages to the control plane, and random numbers.

use crate::limbs;
use std::collections::VecDeque;
use trisect_ir::{Bits, MESSAGE_LIMIT, random};

/// Messages that wait for the control plane. See [`trisect_ir::ObjectKind::Message`].
#[derive(Clone, Debug)]
pub struct Messages {
    widths: Vec<u32>,
    waiting: VecDeque<Box<[u64]>>,
}

impl Messages {
    /// None, of values of these widths.
    pub fn new(widths: impl IntoIterator<Item = u32>) -> Self {
        Self {
            widths: widths.into_iter().collect(),
            waiting: VecDeque::new(),
        }
    }
    /// Sends one: the limbs of its values, one value after the other.
    pub fn send(&mut self, words: &[u64]) {
        if self.waiting.len() >= MESSAGE_LIMIT {
            self.waiting.pop_front();
        }
        self.waiting.push_back(words.into());
    }
    /// Makes these the ones that wait.
    pub fn load(&mut self, messages: Vec<Vec<Bits>>) {
        let words = |values: Vec<Bits>| values.iter().flat_map(limbs::from_bits).collect();
        self.waiting = messages.into_iter().map(words).collect();
    }
    /// Those that wait, in the order of sending.
    pub fn waiting(&self) -> Vec<Vec<Bits>> {
        self.waiting
            .iter()
            .map(|words| self.values(words))
            .collect()
    }
    fn values(&self, mut words: &[u64]) -> Vec<Bits> {
        let mut value = |width: &u32| {
            let (value, rest) = words.split_at(limbs::count(*width).min(words.len()));
            words = rest;
            limbs::to_bits(*width, value)
        };
        self.widths.iter().map(&mut value).collect()
    }
}

/// A source of random numbers. See [`trisect_ir::random`].
#[derive(Clone, Copy, Debug)]
pub struct Random {
    /// Where the sequence starts.
    pub seed: u64,
    /// How many numbers were drawn.
    pub draws: u64,
}

impl Random {
    /// Draws a number.
    pub fn draw(&mut self, lo: &Bits, hi: &Bits) -> Bits {
        let number = random::draw(self.seed, self.draws, lo, hi);
        self.draws = self.draws.wrapping_add(1);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_messages_the_oldest_are_dropped() {
        let mut messages = Messages::new([17, 65]);
        for n in 0..MESSAGE_LIMIT as u64 + 3 {
            messages.send(&[n, 0, 1]);
        }
        let waiting = messages.waiting();
        assert_eq!(waiting.len(), MESSAGE_LIMIT);
        let high = Bits::new(65, 1u128 << 64);
        assert_eq!(waiting[0], [Bits::new(17, 3u32), high]);
        let mut again = Messages::new([17, 65]);
        again.load(waiting.clone());
        assert_eq!(again.waiting(), waiting);
    }
}
