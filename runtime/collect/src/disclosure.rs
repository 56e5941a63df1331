//! Keys that are told late.
//!
//! Whoever knows the sampling key knows which packets are looked at. So the customer commits to a chain of keys,
//! one per period, and tells each key after its period, when the provider has handed over the seals of all its
//! records ([`crate::seal`]) and can only hand over the sampled records that these seals have. The chain is that
//! of TESLA (RFC 4082, section 3.2): the key of a period is the hash of the next one's, so that one commitment
//! binds all of them, a told key shows no later one, and a period whose key was not told is made good by any
//! later one.

use sha2::{Digest, Sha256};

/// A key of a period.
pub type PeriodKey = [u8; 32];

/// The keys of all periods, as the customer has them.
#[derive(Clone)]
pub struct KeyChain {
    keys: Vec<PeriodKey>,
}

impl KeyChain {
    /// The keys of `periods` periods, from a secret that is drawn at random.
    #[must_use]
    pub fn new(secret: &[u8; 32], periods: usize) -> KeyChain {
        let mut keys: Vec<PeriodKey> = vec![*secret; periods + 1];
        for at in (0..periods).rev() {
            let later = keys.get(at + 1).copied().unwrap_or(*secret);
            if let Some(key) = keys.get_mut(at) {
                *key = before(&later);
            }
        }
        KeyChain { keys }
    }

    /// What is told at the beginning, and binds all keys.
    #[must_use]
    pub fn commitment(&self) -> PeriodKey {
        self.keys.first().copied().unwrap_or_default()
    }

    /// The key of a period, from 1; `None` after the last.
    #[must_use]
    pub fn key(&self, period: usize) -> Option<PeriodKey> {
        self.keys.get(period).filter(|_| period > 0).copied()
    }
}

fn before(key: &PeriodKey) -> PeriodKey {
    let hash = Sha256::new().chain_update(b"trisect key chain, version 1");
    hash.chain_update(key).finalize().into()
}

/// Of which of the first `periods` periods (from 1) this is the key, by the commitment; `None` if of none.
#[must_use]
pub fn period_of(key: &PeriodKey, commitment: &PeriodKey, periods: usize) -> Option<usize> {
    let mut keys = std::iter::successors(Some(*key), |key| Some(before(key)));
    keys.by_ref()
        .take(periods + 1)
        .position(|key| key == *commitment)
        .filter(|period| *period > 0)
}

/// The key of a period that is so many periods before that of `key`.
#[must_use]
pub fn earlier(key: &PeriodKey, periods: usize) -> PeriodKey {
    (0..periods).fold(*key, |key, _| before(&key))
}

/// The key of the sampling hash in a period: `len` bytes that show nothing of other periods' keys.
#[must_use]
pub fn sampling_key(key: &PeriodKey, len: usize) -> Vec<u8> {
    let block = |counter: u32| -> [u8; 32] {
        let hash = Sha256::new().chain_update(b"trisect sampling key, version 1");
        hash.chain_update(key)
            .chain_update(counter.to_be_bytes())
            .finalize()
            .into()
    };
    (0u32..).flat_map(block).take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_commitment_binds_every_period() {
        let chain = KeyChain::new(&[7; 32], 5);
        let commitment = chain.commitment();
        for period in 1..=5 {
            let key = chain.key(period).unwrap();
            assert_eq!(period_of(&key, &commitment, 5), Some(period));
            assert_eq!(period_of(&key, &commitment, period - 1), None);
            for before in 1..period {
                let lost = chain.key(period - before).unwrap();
                assert_eq!(earlier(&key, before), lost);
            }
            let mut other = key;
            other[31] ^= 1;
            assert_eq!(period_of(&other, &commitment, 5), None);
        }
        assert_eq!((chain.key(0), chain.key(6)), (None, None));
        assert_eq!(period_of(&commitment, &commitment, 5), None);
    }

    #[test]
    fn sampling_keys_differ_from_period_to_period() {
        let chain = KeyChain::new(&[7; 32], 2);
        let [one, two] = [1, 2].map(|p| sampling_key(&chain.key(p).unwrap(), 80));
        assert_eq!(one.len(), 80);
        assert_ne!(one, two);
        assert_ne!(one[..32], one[32..64]);
    }
}
