//! Whether performance is as agreed.

use std::collections::{BTreeMap, BTreeSet};

use trisect_sample::{Elements, Point, Record, Trajectory};

use crate::manifest::{Measure, Metric, Statistic};
use crate::report::{Check, Outcome, Part};
use crate::stats::{ALPHA, at_least, least_alarming, mean, mean_error, quantile};

/// What was measured of the sampled packets. Of packets that are sampled together (the same hashed fields) the first
/// one counts, so that the values are independent of each other.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    seen: BTreeSet<u64>,
    values: BTreeMap<Measure, Vec<u64>>,
    /// Packets, and those of them that got lost.
    packets: u64,
    lost: u64,
    /// Packets that were seen to be dropped.
    dropped: u64,
}

impl Measured {
    pub fn look(&mut self, trajectory: &Trajectory, shim: Option<u16>, elements: &Elements) {
        if !self.seen.insert(trajectory.id) {
            return;
        }
        self.packets += 1;
        let (Some(first), Some(last)) = (trajectory.hops.first(), trajectory.hops.last()) else {
            return;
        };
        let back = Some(last.element) == shim && trajectory.hops.len() > 2;
        self.dropped += u64::from(last.point == Point::Drop);
        self.lost += u64::from(!back && last.point != Point::Drop);
        let mut inside = 0;
        for pair in trajectory.hops.windows(2) {
            if let [came, went] = pair
                && (came.element, came.visit) == (went.element, went.visit)
                && Some(came.element) != shim
            {
                let took = went.time_ns.saturating_sub(came.time_ns);
                inside += took;
                let element = elements.name(came.element).to_owned();
                self.note(Measure::Processing(element), took);
            }
        }
        if trajectory.whole && back && Some(first.element) == shim {
            let latency = last.time_ns.saturating_sub(first.time_ns);
            self.note(Measure::Latency, latency);
            self.note(Measure::Network, latency.saturating_sub(inside));
        }
    }

    fn note(&mut self, measure: Measure, value: u64) {
        self.values.entry(measure).or_default().push(value);
    }

    /// Sorts what was measured.
    pub fn sort(&mut self) {
        self.values.values_mut().for_each(|v| v.sort_unstable());
    }

    fn of(&self, measure: &Measure) -> &[u64] {
        self.values.get(measure).map_or(&[], Vec::as_slice)
    }

    /// Holds a metric against what was measured and sorted.
    pub fn check(&self, metric: &Metric) -> Check {
        if metric.measure == Measure::Loss {
            return loss(metric, self.packets, self.lost);
        }
        time(metric, self.of(&metric.measure), "")
    }

    /// The control sample: the same, of packets that the provider could not know to be looked at.
    pub fn control(&self, control: &Control, metrics: &[Metric]) -> Vec<Check> {
        let mut checks: Vec<Check> = metrics
            .iter()
            .filter(|m| m.measure == Measure::Latency)
            .map(|m| time(m, &control.latencies, "control "))
            .collect();
        checks.push(self.preferred(control));
        checks
    }

    /// Whether packets of the control sample get lost more often than the sampled ones: Fisher's exact test.
    fn preferred(&self, control: &Control) -> Check {
        let mut check = Check::new(Part::Performance, "control loss", "");
        let gone = self.dropped + self.lost;
        check.examined = control.packets;
        let odds = exceeding(control.packets, control.gone, self.packets, gone);
        check.note = format!(
            "{} of {} packets of the control sample did not come back, {gone} of {} sampled ones",
            control.gone, control.packets, self.packets
        );
        if odds < ALPHA {
            check.violated(|| format!("by chance, with a probability of {odds:.1e}"));
            check.violations = control.gone;
        }
        check.power = "packets that are treated worse while the sampled ones are not".into();
        check.done()
    }
}

/// The probability of at least `hits` of the `all` hits in `of` draws out of `of` + `others`.
fn exceeding(of: u64, hits: u64, others: u64, other_hits: u64) -> f64 {
    use statrs::distribution::{DiscreteCDF, Hypergeometric};
    if hits == 0 {
        return 1.0;
    }
    let all = Hypergeometric::new(of + others, hits + other_hits, of);
    all.map_or(1.0, |all| all.sf(hits - 1))
}

/// What the shim saw of its control sample.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Nanoseconds through the rack, sorted.
    latencies: Vec<u64>,
    packets: u64,
    gone: u64,
}

impl Control {
    /// From the shim's records: of identities that went in once.
    pub fn new(records: &[Record]) -> Control {
        let mut by_id: BTreeMap<u64, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        for record in records {
            let (went, came) = by_id.entry(record.id).or_default();
            let times = if record.point == Point::Out {
                went
            } else {
                came
            };
            times.push(record.time_ns);
        }
        let mut control = Control::default();
        for (went, came) in by_id.values() {
            if let ([went], came) = (went.as_slice(), came) {
                control.packets += 1;
                match came.as_slice() {
                    [] => control.gone += 1,
                    [came] => control.latencies.push(came.saturating_sub(*went)),
                    _ => {}
                }
            }
        }
        control.latencies.sort_unstable();
        control
    }
}

/// Whether times exceed their limit by more than chance.
fn time(metric: &Metric, sorted: &[u64], prefix: &str) -> Check {
    let name = format!("{prefix}{}", metric.statistic.name());
    let mut check = Check::new(Part::Performance, &name, &metric.measure.to_string());
    check.examined = sorted.len() as u64;
    let limit = metric.limit();
    match metric.statistic.part() {
        None => mean_time(&mut check, limit, sorted),
        Some(part) => quantile_time(&mut check, limit, part, sorted),
    }
    check.done()
}

fn mean_time(check: &mut Check, limit: f64, sorted: &[u64]) {
    let values: Vec<f64> = sorted.iter().map(|v| *v as f64).collect();
    // The mean is found too high by high values, and these were seen.
    let range = sorted.last().map_or(0.0, |v| *v as f64);
    let (found, error) = (mean(&values), mean_error(&values, range));
    if values.len() < 2 {
        check.outcome = Outcome::Undecided;
        check.note = format!("limit {}, too few packets", micros(limit));
        return;
    }
    check.note = format!(
        "{} with an error of {}, limit {}",
        micros(found),
        micros(error),
        micros(limit)
    );
    check.power = format!(
        "a mean of {} would have been noticed",
        micros(limit + error)
    );
    if found - error > limit {
        check.violated(|| format!("the mean is above {}", micros(limit)));
    } else if found > limit {
        check.outcome = Outcome::Undecided;
    }
}

fn quantile_time(check: &mut Check, limit: f64, part: f64, sorted: &[u64]) {
    let over = sorted.iter().filter(|v| **v as f64 > limit).count() as u64;
    let n = sorted.len() as u64;
    let found = quantile(sorted, part);
    check.note = format!(
        "{}, limit {}; {over} of {n} packets are above it",
        micros(found as f64),
        micros(limit)
    );
    check.power = match least_alarming(n, 1.0 - part) {
        Some(k) => format!("{k} packets above the limit would not have been chance"),
        None => "too few packets to notice anything".to_owned(),
    };
    if over > 0 && at_least(over, n, 1.0 - part) < ALPHA {
        let slowest = sorted.last().copied().unwrap_or(0);
        check.violated(|| format!("the slowest took {}", micros(slowest as f64)));
        check.violations = over;
    } else if least_alarming(n, 1.0 - part).is_none() {
        check.outcome = Outcome::Undecided;
    }
}

/// Whether more packets get lost than is agreed.
fn loss(metric: &Metric, packets: u64, lost: u64) -> Check {
    let mut check = Check::new(Part::Performance, "loss", "");
    check.examined = packets;
    let limit = metric.limit();
    check.note = format!("{lost} of {packets} packets, limit {limit} of all");
    check.power = match least_alarming(packets, limit) {
        Some(k) => format!("{k} lost packets would not have been chance"),
        None => "too few packets to notice anything".to_owned(),
    };
    if lost > 0 && at_least(lost, packets, limit) < ALPHA {
        check.violated(|| format!("{lost} packets neither left nor were dropped by a function"));
        check.violations = lost;
    }
    check.done()
}

fn micros(ns: f64) -> String {
    format!("{:.2} us", ns / 1000.0)
}

/// The metrics of a reference run, with this slack: what a manifest can agree on.
pub(crate) fn metrics(measured: &Measured, slack: f64) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (measure, sorted) in &measured.values {
        for statistic in [
            Statistic::Mean,
            Statistic::P50,
            Statistic::P90,
            Statistic::P99,
        ] {
            let values = || sorted.iter().map(|v| *v as f64).collect::<Vec<_>>();
            let reference = match statistic.part() {
                None => mean(&values()).ceil(),
                Some(part) => quantile(sorted, part) as f64,
            };
            metrics.push(Metric {
                measure: measure.clone(),
                statistic,
                reference,
                slack,
            });
        }
    }
    metrics.push(Metric {
        measure: Measure::Loss,
        statistic: Statistic::Mean,
        reference: 0.0,
        slack: 0.0,
    });
    metrics
}
