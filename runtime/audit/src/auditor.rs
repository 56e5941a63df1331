//! The audit: records in, a report out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::resume_unwind;

use trisect_collect::hex;
use trisect_collect::seal::{self, Finding, Link, Seal, VerifyingKey};
use trisect_rack::{INNER, ShimReport};
use trisect_sample::{
    Clocks, Delays, Elements, Joiner, Observation, Point, Record, Sampler, TooManyElements,
    Topology, Trajectory, Verdict, digest, measure, sort,
};

use crate::accounting::{Minimality, Uses};
use crate::bill::Bill;
use crate::functional::{Continuity, Judged, describe, judge};
use crate::manifest::{Element, Manifest, Measure, Metric};
use crate::paths::PathCheck;
use crate::performance::{Control, Measured, metrics};
use crate::reference::Reference;
use crate::report::{Check, Outcome, Part, Report};

/// Visits that are run again together.
const BATCH: usize = 8192;
/// Most threads that run visits again.
const MOST_THREADS: usize = 16;

/// Why records cannot be audited.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// There are too many elements.
    #[error(transparent)]
    Elements(#[from] TooManyElements),
    /// A record has no text, which its types exclude.
    #[error(transparent)]
    Text(#[from] serde_json::Error),
}

/// What there is beside records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evidence {
    /// What the customer's shim saw.
    pub shim: Option<ShimReport>,
    /// The provider's bill.
    pub bill: Option<Bill>,
    /// The seals of records, by element.
    pub seals: BTreeMap<String, Vec<Seal>>,
    /// What was measured of the elements' images, by element.
    pub images: BTreeMap<String, String>,
}

/// Takes records, those of one element in the order in which the element made them.
pub struct Auditor {
    manifest: Manifest,
    looker: Looker,
    /// One reference per thread.
    references: Vec<Reference>,
    elements: Elements,
    observations: Vec<Observation>,
    /// Arrivals whose departure has not come.
    pending: HashMap<(u16, u64), Record>,
    batch: Vec<(Record, Record)>,
    links: BTreeMap<String, Vec<Link>>,
    uses: Uses,
    /// How many sampled packets went in at the shim.
    entries: u64,
    /// When the first and the last of them did.
    entered: Option<(u64, u64)>,
    minimality: Minimality,
    continuity: BTreeMap<String, Continuity>,
    checks: Functional,
}

/// The checks that grow with the records.
struct Functional {
    contents: Check,
    unknown: Check,
    snapshot: BTreeMap<String, Check>,
    blackbox: BTreeMap<String, Check>,
    state: BTreeMap<String, Check>,
}

/// Looks at each record by itself, on any core.
#[derive(Clone)]
pub struct Looker {
    sampler: Sampler,
    /// The elements that seal their records.
    sealing: BTreeSet<String>,
}

/// A record, and what was found out about it by itself.
pub struct Looked {
    record: Record,
    link: Option<Link>,
    /// Of a packet that was recorded whole: whether the digest is its digest, and whether it is sampled.
    packet: Option<(bool, Verdict)>,
}

impl Looker {
    /// Looks at a record, and at its line in the file that it comes from ([`trisect_sample::files::map`]).
    #[must_use]
    pub fn line(&self, record: Record, line: &[u8]) -> Looked {
        let sealed = self.sealing.contains(&record.element);
        self.looked(record, sealed.then(|| Link::of_line(line)))
    }

    /// Looks at a record that comes from elsewhere.
    fn record(&self, record: Record) -> Result<Looked, serde_json::Error> {
        let sealed = self.sealing.contains(&record.element);
        let link = sealed.then(|| Link::of(&record)).transpose()?;
        Ok(self.looked(record, link))
    }

    fn looked(&self, record: Record, link: Option<Link>) -> Looked {
        let whole = record.packet.len() == record.len as usize;
        let packet = whole.then(|| {
            let same = digest(&record.packet) == record.digest;
            (same, self.sampler.look(&record.packet))
        });
        Looked {
            record,
            link,
            packet,
        }
    }
}

impl Auditor {
    /// Audits under a manifest; `key` is that of the sampling hash.
    #[must_use]
    pub fn new(manifest: Manifest, key: &[u8], reference: &Reference) -> Auditor {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let sealing = manifest.element.iter().filter(|(_, e)| e.key.is_some());
        let looker = Looker {
            sampler: Sampler::new(manifest.sampling.spec(key)),
            sealing: sealing.map(|(name, _)| name.clone()).collect(),
        };
        Auditor {
            looker,
            references: vec![reference.clone(); threads.min(MOST_THREADS)],
            elements: Elements::default(),
            observations: Vec::new(),
            pending: HashMap::new(),
            batch: Vec::new(),
            links: BTreeMap::new(),
            uses: Uses::default(),
            entries: 0,
            entered: None,
            minimality: Minimality::default(),
            continuity: BTreeMap::new(),
            checks: Functional {
                contents: Check::new(Part::Integrity, "contents", ""),
                unknown: Check::new(Part::Integrity, "elements", ""),
                snapshot: BTreeMap::new(),
                blackbox: BTreeMap::new(),
                state: BTreeMap::new(),
            },
            manifest,
        }
    }

    /// Takes records.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn push(&mut self, records: Vec<Record>) -> Result<(), AuditError> {
        for record in records {
            let looked = self.looker.record(record)?;
            self.take(looked)?;
        }
        Ok(())
    }

    /// What looks at records before [`Auditor::take_all`] takes them.
    #[must_use]
    pub fn looker(&self) -> Looker {
        self.looker.clone()
    }

    /// Takes records that were looked at.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn take_all(&mut self, all: Vec<Looked>) -> Result<(), AuditError> {
        all.into_iter().try_for_each(|looked| self.take(looked))
    }

    fn take(&mut self, looked: Looked) -> Result<(), AuditError> {
        let Looked {
            record,
            link,
            packet,
        } = looked;
        let observation = self.elements.observe(&record)?;
        self.observations.push(observation);
        if let Some(link) = link {
            match self.links.get_mut(&record.element) {
                Some(links) => links.push(link),
                None => drop(self.links.insert(record.element.clone(), vec![link])),
            }
        }
        self.contents(&record, packet);
        if record.element == self.manifest.records.shim {
            if record.point == Point::Out && record.port & INNER != 0 {
                self.uses.went_in(record.id);
                let (first, last) = self.entered.get_or_insert((u64::MAX, 0));
                (*first, *last) = ((*first).min(record.time_ns), (*last).max(record.time_ns));
                self.entries += 1;
            }
            return Ok(());
        }
        let known = self.references.first();
        let known = known.is_some_and(|r| r.pieces.contains_key(&record.element));
        self.checks.unknown.examined += 1;
        if !known {
            let element = &record.element;
            self.checks
                .unknown
                .violated(|| format!("{element} has no part in the chain"));
            return Ok(());
        }
        let visit = (observation.element, record.visit);
        match record.point {
            Point::In => {
                self.pending.insert(visit, record);
            }
            Point::Out | Point::Drop => {
                // Without its arrival a departure says nothing; that it is missing shows in the path.
                if let Some(arrival) = self.pending.remove(&visit) {
                    self.batch.push((arrival, record));
                }
            }
        }
        if self.batch.len() >= BATCH {
            self.flush();
        }
        Ok(())
    }

    /// A record is of a sampled packet, and its digest is that of its packet.
    fn contents(&mut self, record: &Record, packet: Option<(bool, Verdict)>) {
        let Some((same, verdict)) = packet else {
            return;
        };
        // What leaves the rack has brought its tag to the shim, and shows it no more.
        let at_exit = record.element == self.manifest.records.shim
            && (record.port & INNER != 0) == (record.point == Point::In);
        let check = &mut self.checks.contents;
        check.examined += 1;
        if !same {
            check.violated(|| describe(record, "its digest is not that of the recorded packet"));
        } else if record.tag.is_none() && !at_exit && !verdict.sampled {
            check.violated(|| describe(record, "the recorded packet is not one that is sampled"));
        } else if !at_exit && record.tag.unwrap_or(verdict.id) != record.id {
            check.violated(|| describe(record, "its identity is not that of the recorded packet"));
        }
    }

    /// Runs the visits of the batch again.
    fn flush(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let part = batch.len().div_ceil(self.references.len().max(1)).max(1);
        let judged: Vec<Judged> = std::thread::scope(|scope| {
            let parts = batch.chunks(part).zip(&mut self.references);
            let threads: Vec<_> = parts
                .map(|(visits, reference)| scope.spawn(move || judge_all(visits, reference)))
                .collect();
            let joined = threads
                .into_iter()
                .flat_map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect()
        });
        for ((arrival, departure), judged) in batch.iter().zip(&judged) {
            self.note(arrival, departure, judged);
        }
    }

    fn note(&mut self, arrival: &Record, departure: &Record, judged: &Judged) {
        let rate = self.manifest.sampling.rate();
        let checks = match judged.blackbox {
            true => &mut self.checks.blackbox,
            false => &mut self.checks.snapshot,
        };
        let name = if judged.blackbox {
            "black box"
        } else {
            "snapshot"
        };
        let of = |checks: &mut BTreeMap<String, Check>, function: &str| {
            if let Some(check) = checks.get_mut(function) {
                check.examined += 1;
                return;
            }
            let mut check = Check::new(Part::Functional, name, function);
            check.sampled_at(rate);
            check.examined = 1;
            checks.insert(function.to_owned(), check);
        };
        match judged.functions.is_empty() {
            true => of(checks, &arrival.element),
            false => judged.functions.iter().for_each(|f| of(checks, f)),
        }
        if let Some((function, what)) = &judged.wrong {
            // Several functions that answer together, or one that should not have had a part in it.
            if !judged.functions.contains(function) {
                of(checks, function);
            }
            if let Some(check) = checks.get_mut(function) {
                check.violated(|| what.clone());
            }
        }
        if let Some(why) = &judged.unknown {
            let element = &arrival.element;
            if let Some(check) = checks.get_mut(element) {
                check.note = format!("not every visit can be told: {why}");
                if check.outcome == Outcome::Passed {
                    check.outcome = Outcome::Undecided;
                }
            }
        }
        let Some(work) = departure.work.as_deref() else {
            return;
        };
        self.uses.visit(arrival.id, work.used);
        let prices = &self.manifest.billed;
        if judged.wrong.is_none() {
            self.minimality
                .visit(arrival, &work.used, &judged.used, prices);
        }
        if !self.continuity.contains_key(&arrival.element) {
            let element = arrival.element.clone();
            self.continuity.insert(element, Continuity::default());
        }
        let Some(continuity) = self.continuity.get_mut(&arrival.element) else {
            return;
        };
        let before = continuity.examined;
        let broken = continuity.visit(arrival, work);
        let met = continuity.examined - before;
        if met > 0 || broken.is_some() {
            let tables = work.lookups.iter().map(|l| &l.table);
            let function = match &broken {
                Some((function, _)) => function.clone(),
                None => tables
                    .filter(|t| work.state.before.flows.contains_key(*t))
                    .map(|t| crate::reference::function_of(t).to_owned())
                    .next()
                    .unwrap_or_default(),
            };
            let check = self.checks.state.entry(function.clone());
            let check = check.or_insert_with(|| {
                let mut check = Check::new(Part::Functional, "state", &function);
                check.power =
                    "changes of flow entries that sampled packets meet before and after".into();
                check
            });
            check.examined += met;
            if let Some((_, what)) = broken {
                check.violated(|| what);
            }
        }
    }

    /// Ends the audit.
    #[must_use]
    pub fn finish(mut self, evidence: &Evidence) -> Report {
        self.flush();
        let rate = self.manifest.sampling.rate();
        let mut checks = self.integrity(evidence);
        let snapshots = std::mem::take(&mut self.checks.snapshot).into_values();
        let blackboxes = std::mem::take(&mut self.checks.blackbox).into_values();
        let states = std::mem::take(&mut self.checks.state).into_values();
        checks.extend(snapshots.chain(blackboxes).chain(states).map(Check::done));

        let topology = self.topology();
        let elements = std::mem::take(&mut self.elements);
        let mut paths = PathCheck::new(&self.manifest, &elements);
        let mut measured = Measured::default();
        let shim = elements.find(&self.manifest.records.shim);
        let mut packets = 0;
        each_trajectory(
            &mut self.observations,
            topology,
            elements.len(),
            |trajectory| {
                packets += 1;
                paths.look(trajectory, &elements);
                measured.look(trajectory, shim, &elements);
            },
        );
        measured.sort();
        let loss = self.manifest.metric.iter();
        let loss = loss
            .filter(|m| m.measure == Measure::Loss)
            .map(Metric::limit);
        checks.extend(paths.done(&self.manifest, loss.fold(0.0, f64::max)));
        checks.extend(self.manifest.metric.iter().map(|m| measured.check(m)));
        checks.extend(self.with_shim(evidence, &measured));
        checks.extend(std::mem::take(&mut self.minimality).done(rate));
        checks.sort_by_key(|c| c.part);
        Report {
            records: self.observations.len() as u64,
            packets,
            rate,
            checks,
        }
    }

    fn topology(&self) -> Topology {
        let shim = &self.manifest.records.shim;
        let reference = self.references.first();
        reference.map_or_else(Topology::default, |r| r.topology(shim, &self.elements))
    }

    /// The checks for which the shim's own figures are needed.
    fn with_shim(&mut self, evidence: &Evidence, measured: &Measured) -> Vec<Check> {
        let missing = |part, name: &str, what: &str| {
            let mut check = Check::new(part, name, "");
            check.note = format!("there is no {what}");
            check.done()
        };
        let Some(shim) = &evidence.shim else {
            return vec![
                missing(Part::Performance, "control", "control sample of the shim"),
                missing(Part::Accounting, "consistency", "count of the shim"),
            ];
        };
        let control = Control::new(&shim.control);
        let mut checks = measured.control(&control, &self.manifest.metric);
        match &evidence.bill {
            Some(bill) => {
                let prices = &self.manifest.billed;
                let rate = self.manifest.sampling.rate();
                checks.extend(self.uses.consistency(bill, prices, &shim.totals, rate));
            }
            None if self.manifest.billed.is_empty() => {}
            None => checks.push(missing(Part::Accounting, "bill", "bill")),
        }
        checks
    }

    /// Whether the packets went in within one report period, by the shim's clock.
    fn period(&self) -> Check {
        let mut check = Check::new(Part::Integrity, "period", "");
        check.examined = self.entries;
        let (first, last) = self.entered.unwrap_or_default();
        let (span, agreed) = (last - first, self.manifest.period_ns);
        if span >= agreed {
            check.violated(|| format!("packets of {span} ns, a period has {agreed}"));
        }
        check
    }

    fn integrity(&mut self, evidence: &Evidence) -> Vec<Check> {
        let take = |check: &mut Check| std::mem::replace(check, Check::new(check.part, "", ""));
        let mut checks = vec![
            take(&mut self.checks.contents),
            take(&mut self.checks.unknown),
        ];
        if self.manifest.period_ns > 0 {
            checks.push(self.period());
        }
        let links = &self.links;
        let element = |(name, agreed): (&String, &Element)| {
            let sealed = agreed.key.as_ref().map(|key| {
                let seals = evidence.seals.get(name).map_or(&[][..], Vec::as_slice);
                let links = links.get(name).map_or(&[][..], Vec::as_slice);
                seals_of(name, key, seals, links)
            });
            let image = agreed.image.as_ref();
            let image = image.map(|image| image_of(name, image, evidence.images.get(name)));
            [sealed, image]
        };
        // Every record is in a chain of hashes, one per element.
        let elements: Vec<_> = std::thread::scope(|scope| {
            let elements = self.manifest.element.iter();
            let threads: Vec<_> = elements.map(|e| scope.spawn(move || element(e))).collect();
            let joined = threads.into_iter();
            let joined = joined.map(|t| t.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect()
        });
        checks.extend(elements.into_iter().flatten().flatten());
        checks.into_iter().map(Check::done).collect()
    }
}

fn judge_all(visits: &[(Record, Record)], reference: &mut Reference) -> Vec<Judged> {
    let judged = visits.iter().map(|(arrival, departure)| {
        // Records of other elements are not kept.
        let piece = reference.pieces.get_mut(&arrival.element);
        piece.map_or_else(Judged::default, |piece| judge(piece, arrival, departure))
    });
    judged.collect()
}

fn seals_of(name: &str, key: &str, seals: &[Seal], links: &[Link]) -> Check {
    let mut check = Check::new(Part::Integrity, "seals", name);
    check.examined = links.len() as u64;
    check.power = "every record is looked at".into();
    let key = hex::bytes(key)
        .ok()
        .and_then(|k| VerifyingKey::from_bytes(&k).ok());
    let Some(key) = key else {
        check.violated(|| "the manifest's key is no Ed25519 key".into());
        return check;
    };
    if seals.is_empty() && !links.is_empty() {
        check.violated(|| "no seal was handed over".into());
        return check;
    }
    for finding in seal::verify_links(name, links, seals, &key) {
        check.violated(|| match finding {
            Finding::Forged { seal } => format!("seal {seal} is not signed by the element"),
            Finding::Missing {
                expected, found, ..
            } => {
                format!("the seal of records {expected} to {found} is missing")
            }
            Finding::Removed { sealed } => format!("sealed record {sealed} is not there"),
            Finding::Inserted { record } => format!("record {record} was not sealed"),
            Finding::Changed { sealed, .. } => format!("sealed record {sealed} was changed"),
            Finding::Moved { sealed } => format!("sealed record {sealed} is at another place"),
        });
    }
    check
}

fn image_of(name: &str, agreed: &str, measured: Option<&String>) -> Check {
    let mut check = Check::new(Part::Integrity, "image", name);
    check.examined = 1;
    match measured {
        Some(measured) if measured == agreed => {}
        Some(measured) => check.violated(|| format!("is {measured}, should be {agreed}")),
        None => check.violated(|| "was not measured".into()),
    }
    check
}

/// Gives every trajectory to `each`; sorts the observations.
fn each_trajectory(
    observations: &mut [Observation],
    topology: Topology,
    elements: usize,
    each: impl FnMut(&Trajectory),
) -> Clocks {
    sort(observations);
    let mut delays = Delays::default();
    measure(observations, &topology, &mut delays);
    let clocks = delays.clocks(elements);
    Joiner::new(topology, clocks.clone()).join(observations, each);
    clocks
}

/// The metrics of a reference run, for a manifest: what its records show, with this slack.
///
/// # Errors
/// If there are too many elements.
pub fn reference_metrics(
    reference: &Reference,
    shim: &str,
    records: &[Record],
    slack: f64,
) -> Result<Vec<Metric>, TooManyElements> {
    let mut elements = Elements::default();
    let observed = records.iter().map(|r| elements.observe(r));
    let mut observations = observed.collect::<Result<Vec<_>, _>>()?;
    let topology = reference.topology(shim, &elements);
    let number = elements.find(shim);
    let mut measured = Measured::default();
    each_trajectory(&mut observations, topology, elements.len(), |trajectory| {
        measured.look(trajectory, number, &elements);
    });
    measured.sort();
    Ok(metrics(&measured, slack))
}
