//! A mutator that works on tokens: bytes changed at random seldom make a program again.

/// A small generator of random numbers (xorshift): the seed decides everything.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or(0) % limit.max(1)
    }
}

/// Changes the first `size` bytes of `data` and gives the new size, at most `max_size`. New tokens come from `words`.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32, words: &[&str]) -> usize {
    let mut random = Random(u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    if random.below(4) == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut tokens: Vec<Vec<u8>> = split(&data[..size]);
    for _ in 0..=random.below(4) {
        change(&mut tokens, &mut random, words);
    }
    let mut out = tokens.concat();
    out.truncate(max_size.min(data.len()));
    data[..out.len()].copy_from_slice(&out);
    out.len()
}

fn change(tokens: &mut Vec<Vec<u8>>, random: &mut Random, words: &[&str]) {
    let at = random.below(tokens.len() + 1);
    let pick = |random: &mut Random| {
        let word = words[random.below(words.len())];
        format!(" {word} ").into_bytes()
    };
    if at == tokens.len() || random.below(6) == 0 {
        let new = pick(random);
        tokens.insert(at, new);
        return;
    }
    match random.below(6) {
        0 => {
            tokens.remove(at);
        }
        1 => {
            let copy = tokens[at].clone();
            tokens.insert(at, copy);
        }
        2 => {
            let other = random.below(tokens.len());
            tokens.swap(at, other);
        }
        3 => tokens[at] = pick(random),
        // A run of tokens from one place to another.
        4 => {
            let end = (at + 1 + random.below(24)).min(tokens.len());
            let run: Vec<Vec<u8>> = tokens[at..end].to_vec();
            let to = random.below(tokens.len() + 1);
            tokens.splice(to..to, run);
        }
        // A run of tokens is lost.
        _ => {
            let end = (at + 1 + random.below(24)).min(tokens.len());
            tokens.drain(at..end);
        }
    }
}

/// Words, numbers, runs of blanks and single other bytes.
fn split(data: &[u8]) -> Vec<Vec<u8>> {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => 0,
        b' ' | b'\t' | b'\r' | b'\n' => 1,
        _ => 2,
    };
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for &byte in data {
        match tokens.last_mut() {
            Some(last)
                if kind(byte) < 2 && last.first().is_some_and(|b| kind(*b) == kind(byte)) =>
            {
                last.push(byte);
            }
            _ => tokens.push(vec![byte]),
        }
    }
    tokens
}
