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
    /// What the true total does not exceed, but with probability [`ALPHA`].
    pub at_most: f64,
}

/// How many weights the bound of [`total`] is tried with, and by which factor one is smaller than the one before.
const WEIGHTS: i32 = 20;
const FINER: f64 = 0.56;

/// Estimates a total over `packets` packets from sampled groups of packets, each with its number of packets and its
/// part of the total. A group is what is sampled together: packets whose hashed fields are the same. Groups are sampled
/// independently, each with probability `rate`. `most` is what a packet can have for its part, also one that is not sampled.
///
/// The estimate is that of the ratio (Cochran, "Sampling Techniques", 1977, section 9A.2): packets times the sampled total per
/// sampled packet. The bound rests on what packets leave unused, `y = most * packets - part` of a group, which is not
/// negative, however large the group. For a weight w > 0 let `f(y) = ln((exp(w y) - (1 - rate)) / rate)`. Then
/// `exp(sum of f(y) over the sampled groups - w * sum of y over all)` has the expectation 1, since each group gives the factor
/// `exp(-w y) * ((1 - rate) + rate * exp(f(y))) = 1`. So (Markov) with probability 1 - a all groups leave at least
/// `(sum of f(y) over the sampled ones - ln(1 / a)) / w` unused, and the total is at most `most * packets` less that. It holds for
/// any distribution of parts and sizes of groups; several weights share [`ALPHA`]. (Bounds of this kind: Howard, Ramdas, McAuliffe
/// and Sekhon, "Time-uniform Chernoff bounds via nonnegative supermartingales", Probability Surveys 17, 2020.)
#[must_use]
pub fn total(groups: &[(u64, f64)], packets: u64, most: f64, rate: f64) -> Estimate {
    let sampled: u64 = groups.iter().map(|(n, _)| n).sum();
    let part: f64 = groups.iter().map(|(_, part)| part).sum();
    let unused = |(n, part): &(u64, f64)| most * *n as f64 - part;
    // More than a packet can have: then nothing is known of the others.
    let exceeded = groups.iter().any(|group| unused(group) < 0.0);
    if sampled == 0 {
        return Estimate {
            total: 0.0,
            at_most: f64::INFINITY,
        };
    }
    let total = part / sampled as f64 * packets as f64;
    // Of a sample of all nothing has to be estimated.
    let at_most = match (sampled < packets, exceeded) {
        (false, _) => total,
        (true, true) => f64::INFINITY,
        (true, false) if most <= 0.0 => 0.0,
        (true, false) => {
            let log = (f64::from(WEIGHTS) / ALPHA).ln();
            let bounds = (0..WEIGHTS).map(|k| {
                let weight = 3.0 * FINER.powi(k) / most;
                let credit = |group| {
                    let y = unused(group);
                    // ln(exp(w y) - (1 - rate)), also where exp(w y) is too large.
                    weight * y + (-(1.0 - rate) * (-weight * y).exp()).ln_1p() - rate.ln()
                };
                let all: f64 = groups.iter().map(credit).sum();
                most * packets as f64 - (all - log) / weight
            });
            bounds.fold(most * packets as f64, f64::min)
        }
    };
    Estimate { total, at_most }
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
        let found = total(&groups, 1000, 20.0, 0.02);
        assert_eq!(found.total, 10_000.0);
        assert!(found.at_most > 15_000.0, "{found:?}");
        let groups = vec![(2, 20.0); 10_000];
        let found = total(&groups, 100_000, 20.0, 0.2);
        assert!(found.at_most < 1.06 * found.total, "{found:?}");
        assert_eq!(total(&[], 10, 1.0, 0.5).at_most, f64::INFINITY);
        let all = [(1, 1.0), (1, 5.0)];
        assert_eq!(total(&all, 2, 5.0, 1.0).at_most, 6.0);
        assert!(total(&all, 3, 5.0, 0.5).at_most > 9.0);
        // What was agreed to be the most is not.
        assert_eq!(total(&all, 3, 4.0, 0.5).at_most, f64::INFINITY);
    }

    /// The bound holds: in 2,000 samples of skewed values, some in large groups, it is never exceeded, and it is of use.
    #[test]
    fn the_bound_holds() {
        let mut state = 1u64;
        let mut random = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1u32 << 31)
        };
        let group = |at: u64, random: f64| {
            let packets = if at.is_multiple_of(1000) { 200 } else { 1 };
            (packets, packets as f64 / (0.02 + random))
        };
        let all: Vec<(u64, f64)> = (0..20_000).map(|at| group(at, random())).collect();
        let packets = all.iter().map(|(n, _)| n).sum();
        let truth: f64 = all.iter().map(|(_, part)| part).sum();
        let mut excess = 0.0;
        for _ in 0..2000 {
            let sampled = all.iter().copied().filter(|_| random() < 0.05);
            let groups: Vec<(u64, f64)> = sampled.collect();
            let found = total(&groups, packets, 50.0, 0.05);
            assert!(truth < found.at_most, "{found:?}");
            excess += found.at_most / truth - 1.0;
        }
        // The mean is a thirteenth of the most.
        assert!(excess / 2000.0 < 6.0, "{excess}");
    }

    /// What is nearly alike is nearly known, though some of it is in groups of dozens.
    #[test]
    fn groups_cost_little() {
        let group = |at: u64| match at {
            0..20 => (40, 40.0 * 60.0),
            _ => (1, 60.0 + (at % 25) as f64),
        };
        let all: Vec<(u64, f64)> = (0..24_000).map(group).collect();
        let packets = all.iter().map(|(n, _)| n).sum();
        let truth: f64 = all.iter().map(|(_, part)| part).sum();
        let tenth: Vec<(u64, f64)> = all.iter().copied().step_by(10).collect();
        let found = total(&tenth, packets, 170.0, 0.1);
        assert!(found.at_most < 1.3 * truth, "{found:?}");
    }
}
