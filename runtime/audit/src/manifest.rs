//! The verification manifest: what customer and provider agree on, and sign.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trisect_sample::{Algorithm, Field, HashRange, SampleSpec};

use trisect_collect::disclosure::PeriodKey;
use trisect_collect::hex;
use trisect_plan::cut::Objective;

use crate::bill::Price;

/// The version of the format.
pub const VERSION: u32 = 1;

/// Most report periods of a manifest.
pub const MOST_PERIODS: u32 = 65536;

/// What is agreed. As TOML; see the book's chapter on the audit for an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// The project that is run, as a path from the manifest's folder.
    pub project: String,
    /// By which strategy its plan was made.
    pub strategy: String,
    /// What was wanted first of it.
    #[serde(default, skip_serializing_if = "Objective::is_default")]
    pub objective: Objective,
    /// The digest of the plan ([`digest`] of its JSON), so that both parties have the same one.
    pub plan: String,
    /// Nanoseconds of a report period: records, seals and bill of the packets that arrived in it are handed over after it. 0 if all
    /// is handed over at once.
    #[serde(default)]
    pub period_ns: u64,
    /// For how many report periods this is agreed; 0 if all is handed over at once.
    #[serde(default)]
    pub periods: u32,
    /// How packets are selected.
    pub sampling: Sampling,
    /// What is recorded.
    pub records: Records,
    /// The elements, by name.
    #[serde(default)]
    pub element: BTreeMap<String, Element>,
    /// The reference implementations of the network functions.
    #[serde(default)]
    pub function: Vec<Function>,
    /// What performance is agreed.
    #[serde(default)]
    pub metric: Vec<Metric>,
    /// What is paid.
    #[serde(default)]
    pub billed: Vec<Price>,
}

/// How packets are selected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The hash.
    pub hash: Algorithm,
    /// One packet in so many is sampled.
    pub one_in: u32,
    /// What is hashed, in this order.
    pub fields: Vec<Field>,
    /// What binds the key or keys, which the provider may learn late.
    pub commitment: Commitment,
}

/// What binds the keys of the sampling hash before they are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Commitment {
    /// The digest ([`digest`]) of the one key, which is that of all periods.
    Key(String),
    /// The end of a chain with a key for each report period ([`trisect_collect::disclosure`]): `chain:` and 64 hexadecimal digits.
    Chain(PeriodKey),
}

/// How [`Commitment::Chain`] begins.
const CHAIN: &str = "chain:";

impl From<Commitment> for String {
    fn from(commitment: Commitment) -> String {
        match commitment {
            Commitment::Key(digest) => digest,
            Commitment::Chain(end) => format!("{CHAIN}{}", hex::text(&end)),
        }
    }
}

impl TryFrom<String> for Commitment {
    type Error = String;
    fn try_from(text: String) -> Result<Commitment, String> {
        let digits = |prefix| text.strip_prefix(prefix).map(hex::bytes::<32>);
        match (digits(DIGEST), digits(CHAIN)) {
            (Some(Ok(_)), _) => Ok(Commitment::Key(text)),
            (_, Some(Ok(end))) => Ok(Commitment::Chain(end)),
            _ => Err(format!(
                "`{text}` is no commitment: `{DIGEST}` or `{CHAIN}` and 64 hexadecimal digits"
            )),
        }
    }
}

impl Sampling {
    /// What the devices agree on, with the key.
    #[must_use]
    pub fn spec(&self, key: &[u8]) -> SampleSpec {
        SampleSpec {
            hash: self.hash,
            key: key.to_vec(),
            range: HashRange::one_in(self.one_in),
            fields: self.fields.clone(),
        }
    }

    /// The sampled part of many different packets.
    #[must_use]
    pub fn rate(&self) -> f64 {
        1.0 / f64::from(self.one_in.max(1))
    }
}

/// What is recorded of a sampled packet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// How much.
    pub granularity: Granularity,
    /// The customer's shim, as an element.
    pub shim: String,
    /// Of which part of the sampled packets records may be missing.
    #[serde(default)]
    pub loss: f64,
}

/// How much is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Granularity {
    /// Packets, look-ups, state and what was used up: every visit can be run again.
    Snapshot,
    /// Packets only.
    Packet,
}

/// What is known of an element.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// The key under which its records are sealed, as hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The digest of what is loaded into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// A network function's reference implementation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function {
    /// The NF's name in the policy.
    pub name: String,
    /// The program: the name of one in the library, or a file.
    pub program: String,
    /// The digest of the program as configured.
    pub digest: String,
}

/// Of what a performance metric is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Measure {
    /// Time from the shim through the rack and back to the shim, in nanoseconds.
    Latency,
    /// Of that, the time between elements.
    Network,
    /// Time within an element, in nanoseconds.
    Processing(String),
    /// The part of packets that get lost.
    Loss,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Latency => f.write_str("latency"),
            Measure::Network => f.write_str("network"),
            Measure::Processing(element) => write!(f, "processing {element}"),
            Measure::Loss => f.write_str("loss"),
        }
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> String {
        measure.to_string()
    }
}

impl TryFrom<String> for Measure {
    type Error = String;
    fn try_from(text: String) -> Result<Measure, String> {
        match (text.as_str(), text.split_once(' ')) {
            ("latency", _) => Ok(Measure::Latency),
            ("network", _) => Ok(Measure::Network),
            ("loss", _) => Ok(Measure::Loss),
            (_, Some(("processing", element))) => Ok(Measure::Processing(element.to_owned())),
            _ => Err(format!(
                "`{text}` is none of latency, network, processing ELEMENT, loss"
            )),
        }
    }
}

/// Which figure of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The median.
    P50,
    /// What 90 % do not exceed.
    P90,
    /// What 99 % do not exceed.
    P99,
}

impl Statistic {
    /// The part of values that do not exceed it; `None` for the mean.
    #[must_use]
    pub fn part(self) -> Option<f64> {
        match self {
            Statistic::Mean => None,
            Statistic::P50 => Some(0.5),
            Statistic::P90 => Some(0.9),
            Statistic::P99 => Some(0.99),
        }
    }

    /// As manifests write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Mean => "mean",
            Statistic::P50 => "p50",
            Statistic::P90 => "p90",
            Statistic::P99 => "p99",
        }
    }
}

/// A performance metric: what the reference run reached, and by how much it may be exceeded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Of what.
    pub measure: Measure,
    /// Which figure; for a loss, the mean.
    pub statistic: Statistic,
    /// What the reference run reached: nanoseconds, or a part of 1 for a loss.
    pub reference: f64,
    /// By which part of `reference` it may be exceeded; for a loss, by which part of all packets.
    pub slack: f64,
}

impl Metric {
    /// What must not be exceeded.
    #[must_use]
    pub fn limit(&self) -> f64 {
        match self.measure {
            Measure::Loss => self.reference + self.slack,
            _ => self.reference * (1.0 + self.slack),
        }
    }
}

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is no manifest.
    #[error("{0}")]
    Syntax(String),
    /// A field says what cannot be.
    #[error("{field}: {reason}")]
    Field {
        /// Which, as a path.
        field: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// All fields that say what cannot be, or why it is no manifest.
    pub fn parse(text: &str) -> Result<Manifest, Vec<ManifestError>> {
        let manifest: Manifest =
            toml::from_str(text).map_err(|e| vec![ManifestError::Syntax(e.to_string())])?;
        let wrong = manifest.wrong();
        if wrong.is_empty() {
            Ok(manifest)
        } else {
            Err(wrong)
        }
    }

    /// The manifest as text.
    ///
    /// # Errors
    /// If it has no text, which its types exclude.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// All fields that say what cannot be.
    fn wrong(&self) -> Vec<ManifestError> {
        let mut wrong = Vec::new();
        let mut check = |holds: bool, field: String, reason: &'static str| {
            if !holds {
                wrong.push(ManifestError::Field { field, reason });
            }
        };
        check(
            self.version == VERSION,
            "version".into(),
            "this is not a version that can be read",
        );
        check(
            self.sampling.one_in > 0,
            "sampling.one_in".into(),
            "one packet in 0 is none",
        );
        check(
            !self.sampling.fields.is_empty(),
            "sampling.fields".into(),
            "without fields every packet has the same hash",
        );
        let divided = self.period_ns > 0;
        check(
            divided || !matches!(self.sampling.commitment, Commitment::Chain(_)),
            "sampling.commitment".into(),
            "a chain of keys is for report periods, and `period_ns` is 0",
        );
        check(
            divided == (self.periods > 0) && self.periods <= MOST_PERIODS,
            "periods".into(),
            "must be 1 to 65536 with `period_ns`, and 0 without",
        );
        let part = |n: f64| (0.0..=1.0).contains(&n);
        let amount = |n: f64| n.is_finite() && n >= 0.0;
        check(
            part(self.records.loss),
            "records.loss".into(),
            "a part of packets is between 0 and 1",
        );
        for (i, metric) in self.metric.iter().enumerate() {
            let field = |name: &str| format!("metric[{i}].{name}");
            check(
                amount(metric.reference),
                field("reference"),
                "must be a number that is not negative",
            );
            check(
                amount(metric.slack),
                field("slack"),
                "must be a number that is not negative",
            );
            let loss = metric.measure == Measure::Loss;
            check(
                !loss || metric.statistic == Statistic::Mean,
                field("statistic"),
                "a loss has a mean only",
            );
        }
        let mut billed = BTreeSet::new();
        for (i, price) in self.billed.iter().enumerate() {
            let field = |name: &str| format!("billed[{i}].{name}");
            check(
                billed.insert(price.resource),
                field("resource"),
                "is billed twice",
            );
            let per = price.per.is_finite() && price.per > 0.0;
            check(per, field("per"), "must be a number above 0");
            for (name, n) in [
                ("price", price.price),
                ("fixed", price.fixed),
                ("slack", price.slack),
                ("most", price.most),
            ] {
                check(
                    amount(n),
                    field(name),
                    "must be a number that is not negative",
                );
            }
        }
        wrong
    }
}

/// How a digest begins.
const DIGEST: &str = "sha256:";

/// A digest, as manifests write it: `sha256:` and 64 hexadecimal digits.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("{DIGEST}{}", hex::text(&Sha256::digest(bytes)))
}
