//! The arithmetic of two-rate three-colour meters (RFC 2698), exact in integers so that every device
//! agrees.

use serde::{Deserialize, Serialize};

/// Rates of a meter cell, in units (bytes or packets) per second, and burst sizes in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterConfig {
    /// Committed information rate.
    pub cir: u64,
    /// Committed burst size.
    pub cbs: u64,
    /// Peak information rate.
    pub pir: u64,
    /// Peak burst size.
    pub pbs: u64,
}

/// Green, yellow, red.
pub const GREEN: u8 = 0;
/// See [`GREEN`].
pub const YELLOW: u8 = 1;
/// See [`GREEN`].
pub const RED: u8 = 2;

/// What a meter cell remembers: bucket levels in units of 10^-9 (so that a rate times nanoseconds is
/// exact) and the time of the last update in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterState {
    /// Tokens in the committed bucket, times 10^9.
    pub committed: u128,
    /// Tokens in the peak bucket, times 10^9.
    pub peak: u128,
    /// Time of the last update.
    pub last_ns: u64,
}

const SCALE: u128 = 1_000_000_000;

impl MeterState {
    /// Full buckets.
    pub fn full(config: &MeterConfig) -> Self {
        Self {
            committed: u128::from(config.cbs) * SCALE,
            peak: u128::from(config.pbs) * SCALE,
            last_ns: 0,
        }
    }
    /// Meters `units` at time `now_ns`; `color` is the colour so far (green for a colour-blind meter).
    /// Time that runs backwards adds no tokens.
    pub fn execute(&mut self, config: &MeterConfig, now_ns: u64, units: u64, color: u8) -> u8 {
        let elapsed = u128::from(now_ns.saturating_sub(self.last_ns));
        self.last_ns = self.last_ns.max(now_ns);
        let refill = |level: u128, rate: u64, burst: u64| {
            (level + elapsed * u128::from(rate)).min(u128::from(burst) * SCALE)
        };
        self.committed = refill(self.committed, config.cir, config.cbs);
        self.peak = refill(self.peak, config.pir, config.pbs);
        let need = u128::from(units) * SCALE;
        if color >= RED || self.peak < need {
            return RED;
        }
        self.peak -= need;
        if color == YELLOW || self.committed < need {
            return YELLOW;
        }
        self.committed -= need;
        GREEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_follow_the_two_buckets() {
        let config = MeterConfig {
            cir: 1_000,
            cbs: 100,
            pir: 2_000,
            pbs: 200,
        };
        let mut cell = MeterState::full(&config);
        assert_eq!(cell.execute(&config, 0, 100, GREEN), GREEN);
        assert_eq!(cell.execute(&config, 0, 100, GREEN), YELLOW);
        assert_eq!(cell.execute(&config, 0, 1, GREEN), RED);
        // 50 ms later: 50 committed and 100 peak tokens.
        assert_eq!(cell.execute(&config, 50_000_000, 50, GREEN), GREEN);
        assert_eq!(cell.execute(&config, 50_000_000, 50, GREEN), YELLOW);
        assert_eq!(cell.execute(&config, 40_000_000, 1, GREEN), RED);
    }
}
