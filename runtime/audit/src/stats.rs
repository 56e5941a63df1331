//! The statistics of an audit.
//!
//! Every test has an error probability of [`ALPHA`]: an honest provider fails one of them less often than once in a
//! million times, whatever its packets look like. So bounds are used that hold for every distribution, at the price of
//! finding less in few samples; what they would have found is said with each verdict.

use statrs::distribution::{Binomial, DiscreteCDF};

/// The probability with which one test raises a false alarm, at most.
pub const ALPHA: f64 = 1e-6;

/// The probability of at least `seen` successes in `of` independent trials that succeed with `probability` each.
#[must_use]
pub fn at_least(seen: u64, of: u64, probability: f64) -> f64 {
    if seen == 0 {
        return 1.0;
    }
    let probability = probability.clamp(0.0, 1.0);
    // Only what is no probability is no binomial distribution.
    Binomial::new(probability, of).map_or(1.0, |b| b.sf(seen - 1))
}

/// The least number of successes in `of` trials that [`ALPHA`] does not explain; `None` if no number does.
#[must_use]
pub fn least_alarming(of: u64, probability: f64) -> Option<u64> {
    let alarming = |seen: u64| at_least(seen, of, probability) < ALPHA;
    if !alarming(of) {
        return None;
    }
    let (mut low, mut high) = (0, of);
    while low < high {
        let middle = low + (high - low) / 2;
        if alarming(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// How far the mean of independent values can be from what is expected, but with probability [`ALPHA`]: the empirical
/// Bernstein bound (Maurer and Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009,
/// theorem 4). `range` is how far two values can be apart, sampled or not. Infinite for less than two values.
#[must_use]
pub fn mean_error(values: &[f64], range: f64) -> f64 {
    let n = values.len() as f64;
    if values.len() < 2 {
        return f64::INFINITY;
    }
    let mean = mean(values);
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = (2.0 / ALPHA).ln();
    let range = range.max(high - low);
    (2.0 * variance * log / n).sqrt() + 7.0 * range * log / (3.0 * (n - 1.0))
}

/// The mean; 0 of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// The value that a part `q` of the sorted values does not exceed (nearest rank); 0 of nothing.
#[must_use]
pub fn quantile(sorted: &[u64], q: f64) -> u64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    let at = rank.clamp(1, sorted.len().max(1)) - 1;
    sorted.get(at).copied().unwrap_or(0)
}

/// What a sample says about a total.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimated total.
    pub total: f64,
    /// How far the true total can be away, but with probability [`ALPHA`].
    pub error: f64,
}

/// Estimates a total over `packets` packets from sampled groups of packets, each with its number of packets and its
/// part of the total. A group is what is sampled together: packets whose hashed fields are the same.
///
/// It is the ratio estimator of cluster sampling (Cochran, "Sampling Techniques", 1977, section 9A.2): packets times the
/// sampled total per sampled packet, with the bound of [`mean_error`] on the groups' differences from that ratio. `most` is
/// what a packet can have for its part, also one that is not sampled.
#[must_use]
pub fn total(groups: &[(u64, f64)], packets: u64, most: f64) -> Estimate {
    let sampled: u64 = groups.iter().map(|(n, _)| n).sum();
    if sampled == 0 {
        return Estimate {
            total: 0.0,
            error: f64::INFINITY,
        };
    }
    let ratio = groups.iter().map(|(_, part)| part).sum::<f64>() / sampled as f64;
    let away: Vec<f64> = groups
        .iter()
        .map(|(n, part)| part - ratio * *n as f64)
        .collect();
    let largest = groups.iter().map(|(n, _)| *n).max().unwrap_or(0) as f64;
    let error = match sampled < packets {
        true => {
            mean_error(&away, most * largest) * groups.len() as f64 / sampled as f64
                * packets as f64
        }
        // Of a sample of all nothing has to be estimated.
        false => 0.0,
    };
    Estimate {
        total: ratio * packets as f64,
        error,
    }
}

/// Of how many misbehaving packets one is sampled with a probability of 99.9 %, at a sampling rate: the least k with
/// (1 - rate)^k at most 0.001. `None` if nothing is sampled.
#[must_use]
pub fn caught_from(rate: f64) -> Option<u64> {
    if rate <= 0.0 {
        return None;
    }
    if rate >= 1.0 {
        return Some(1);
    }
    Some((0.001f64.ln() / (1.0 - rate).ln()).ceil() as u64)
}

/// The probability that none of `packets` misbehaving packets was sampled.
#[must_use]
pub fn missed(rate: f64, packets: u64) -> f64 {
    (1.0 - rate.clamp(0.0, 1.0)).powf(packets as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomial_tails() {
        assert!((at_least(1, 10, 0.5) - (1.0 - 0.5f64.powi(10))).abs() < 1e-12);
        assert!((at_least(10, 10, 0.5) - 0.5f64.powi(10)).abs() < 1e-12);
        assert_eq!(at_least(0, 10, 0.0), 1.0);
        assert_eq!(at_least(1, 10, 0.0), 0.0);
        // One in a million is 20 heads of 20, not 19.
        assert_eq!(least_alarming(20, 0.5), Some(20));
        assert_eq!(least_alarming(19, 0.5), None);
        assert_eq!(least_alarming(5, 0.0), Some(1));
    }

    #[test]
    fn quantiles_by_nearest_rank() {
        let values = [1, 2, 3, 4];
        assert_eq!(quantile(&values, 0.5), 2);
        assert_eq!(quantile(&values, 0.51), 3);
        assert_eq!(quantile(&values, 1.0), 4);
        assert_eq!(quantile(&values, 0.0), 1);
        assert_eq!(quantile(&[], 0.5), 0);
    }

    #[test]
    fn power() {
        assert_eq!(caught_from(0.01), Some(688));
        assert_eq!(caught_from(1.0), Some(1));
        assert_eq!(caught_from(0.0), None);
        assert!(missed(0.01, 688) <= 0.001 && missed(0.01, 687) > 0.001);
    }

    #[test]
    fn totals() {
        // Ten packets that are alike say little of those that were not sampled.
        let groups = vec![(2, 20.0); 10];
        let found = total(&groups, 1000, 10.0);
        assert_eq!(found.total, 10_000.0);
        assert!(found.error > found.total, "{found:?}");
        let groups = vec![(2, 20.0); 10_000];
        assert!(total(&groups, 100_000, 10.0).error < 5000.0);
        assert_eq!(total(&[], 10, 1.0).error, f64::INFINITY);
        let all = [(1, 1.0), (1, 5.0)];
        assert_eq!(total(&all, 2, 5.0).error, 0.0);
        assert!(total(&all, 3, 5.0).error > 0.0);
    }

    /// The bound holds: in 2,000 samples of skewed values it is never exceeded, and it shrinks.
    #[test]
    fn the_error_is_not_exceeded() {
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        let all: Vec<f64> = (0..20_000).map(|_| 1.0 / (0.02 + random())).collect();
        let truth = all.iter().sum::<f64>();
        for _ in 0..2000 {
            let groups: Vec<(u64, f64)> = all
                .iter()
                .filter(|_| random() < 0.05)
                .map(|v| (1, *v))
                .collect();
            let found = total(&groups, all.len() as u64, 50.0);
            assert!((found.total - truth).abs() < found.error);
            assert!(found.error < truth);
        }
    }
}
