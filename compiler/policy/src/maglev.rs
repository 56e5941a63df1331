//! Maglev's consistent hashing: from a list of backends to a look-up table of prime size.
//!
//! The table is populated as in Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
//! Balancer", NSDI 2016, section 3.4: each backend has a permutation of the slots, given by an
//! offset and a skip that are hashes of its name; the backends take turns and each takes the next
//! free slot of its permutation. Weights give a backend several turns per round.

/// One backend of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// Name; its hashes decide the slots, so that a renamed backend moves.
    pub name: String,
    /// Turns per round, at least 1.
    pub weight: u32,
}

/// Whether `n` is a prime number.
pub fn is_prime(n: u32) -> bool {
    let n = u64::from(n);
    n >= 2 && (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

/// For each of `size` slots the index of its backend. Empty if there are no backends; `size` must be
/// prime, else a permutation may not reach every slot and the table stays empty.
pub fn table(backends: &[Backend], size: u32) -> Vec<u32> {
    if backends.is_empty() || !is_prime(size) || backends.len() > size as usize {
        return Vec::new();
    }
    let slots = u64::from(size);
    let mut walks: Vec<Walk> = backends.iter().map(|b| Walk::new(&b.name, slots)).collect();
    let mut table: Vec<Option<u32>> = vec![None; size as usize];
    let mut free = table.len();
    while free > 0 {
        for (index, walk) in walks.iter_mut().enumerate() {
            for _ in 0..backends[index].weight.max(1) {
                if free == 0 {
                    break;
                }
                let slot = walk.next_free(&table);
                table[slot] = Some(index as u32);
                free -= 1;
            }
        }
    }
    table.into_iter().flatten().collect()
}

/// One backend's permutation: `(offset + j * skip) mod slots` for j = 0, 1, ...
struct Walk {
    next: u64,
    skip: u64,
    slots: u64,
}

impl Walk {
    fn new(name: &str, slots: u64) -> Walk {
        let offset = hash(name, 0) % slots;
        let skip = if slots > 2 {
            hash(name, 1) % (slots - 1) + 1
        } else {
            1
        };
        Walk {
            next: offset,
            skip,
            slots,
        }
    }

    /// Only called while a slot is free: the walk visits every slot, as `slots` is prime.
    fn next_free(&mut self, table: &[Option<u32>]) -> usize {
        loop {
            let slot = self.next as usize;
            self.next = (self.next + self.skip) % self.slots;
            if table[slot].is_none() {
                return slot;
            }
        }
    }
}

/// FNV-1a, 64 bits, over a seed byte and the name, with the finaliser of SplitMix64 for its weak
/// low bits. It must never change: it decides which backend holds which flow.
fn hash(name: &str, seed: u8) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in std::iter::once(seed).chain(name.bytes()) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(names: &[&str]) -> Vec<Backend> {
        names
            .iter()
            .map(|name| Backend {
                name: name.to_string(),
                weight: 1,
            })
            .collect()
    }

    fn shares(table: &[u32], backends: usize) -> Vec<usize> {
        let mut shares = vec![0; backends];
        table
            .iter()
            .for_each(|&backend| shares[backend as usize] += 1);
        shares
    }

    #[test]
    fn backends_share_evenly() {
        let table = table(&pool(&["a", "b", "c", "d", "e"]), 4093);
        assert_eq!(table.len(), 4093);
        let shares = shares(&table, 5);
        assert!(
            shares.iter().all(|&share| share == 818 || share == 819),
            "{shares:?}"
        );
    }

    #[test]
    fn weights_count() {
        let mut backends = pool(&["a", "b"]);
        backends[1].weight = 3;
        assert_eq!(shares(&table(&backends, 251), 2), [63, 188]);
    }

    #[test]
    fn losing_a_backend_moves_few_other_flows() {
        let all = table(&pool(&["a", "b", "c", "d", "e", "f", "g", "h"]), 4093);
        let less = table(&pool(&["a", "b", "c", "d", "e", "f", "g"]), 4093);
        let moved = all
            .iter()
            .zip(&less)
            .filter(|(x, y)| **x != 7 && x != y)
            .count();
        // The paper's figure 12 shows a few per cent at this ratio of slots to backends.
        assert!(moved < 4093 / 20, "{moved} of 4093 moved");
    }

    #[test]
    fn unusable_sizes_give_no_table() {
        assert!(table(&pool(&["a"]), 100).is_empty());
        assert!(table(&[], 251).is_empty());
        assert!(table(&pool(&["a", "b", "c"]), 2).is_empty());
        assert_eq!(table(&pool(&["a"]), 2), [0, 0]);
    }

    #[test]
    fn primes() {
        let found: Vec<u32> = (0..30).filter(|&n| is_prime(n)).collect();
        assert_eq!(found, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
        assert!(is_prime(65537) && !is_prime(65535) && is_prime(4_294_967_291));
    }
}
