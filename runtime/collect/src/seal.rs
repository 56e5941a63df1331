//! Records that cannot be changed afterwards: chained by hashes per element, and signed.
//!
//! Every record has a *link*, the first 16 bytes of SHA-256 over its canonical text (the line of
//! [`trisect_sample::files`]). The head of the chain after a record is SHA-256 over the head before it and its
//! link; the first head is 32 zeroes. From time to time the element signs the head with Ed25519 (RFC 8032): a
//! [`Seal`], which also has the links, so that the collector sees *which* record was removed, inserted, changed
//! or moved. Whoever has the seals of all records can be asked for some of the records later, and cannot make up
//! others then: see [`crate::disclosure`].

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, Signer};
pub use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use trisect_sample::Record;

/// What is signed begins with this, so that the signature says nothing else.
const DOMAIN: &[u8] = b"trisect seal of records, version 1";

/// The link of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Link([u8; 16]);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::hex::text(&self.0))
    }
}

impl From<Link> for String {
    fn from(link: Link) -> String {
        crate::hex::text(&link.0)
    }
}

impl TryFrom<String> for Link {
    type Error = crate::hex::NotHex;
    fn try_from(text: String) -> Result<Link, crate::hex::NotHex> {
        crate::hex::bytes(&text).map(Link)
    }
}

impl Link {
    /// The link of a record.
    ///
    /// # Errors
    /// If the record has no text, which its types exclude.
    pub fn of(record: &Record) -> Result<Link, serde_json::Error> {
        Ok(Link::of_line(&serde_json::to_vec(record)?))
    }

    /// The link of a record that is in a file, by its line without the end. A record of which somebody has changed only the text
    /// has another link.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Link {
        let hash: [u8; 32] = Sha256::digest(line).into();
        let mut link = [0; 16];
        link.copy_from_slice(hash.split_at(16).0);
        Link(link)
    }
}

/// The head of a chain.
type Head = [u8; 32];

fn next(head: &Head, link: &Link) -> Head {
    Sha256::new()
        .chain_update(head)
        .chain_update(link.0)
        .finalize()
        .into()
}

/// What an element signs: some of its records, next to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The element.
    pub element: String,
    /// Number of the first of these records among all of the element, from 0.
    pub first: u64,
    /// Their links, in order.
    pub links: Vec<Link>,
    /// The head of the chain after them, as hexadecimal digits.
    pub head: String,
    /// The signature of the fields before it, as hexadecimal digits.
    pub signature: String,
}

impl Seal {
    /// The bytes that are signed: a constant; the element's name after its length (8 bytes); `first`, the number
    /// of links (8 bytes each); the head. Numbers are big-endian.
    fn message(element: &str, first: u64, links: usize, head: &Head) -> Vec<u8> {
        let mut out = DOMAIN.to_vec();
        out.extend((element.len() as u64).to_be_bytes());
        out.extend(element.as_bytes());
        out.extend(first.to_be_bytes());
        out.extend((links as u64).to_be_bytes());
        out.extend(head);
        out
    }
}

/// Chains and signs the records of one element.
pub struct Sealer {
    key: SigningKey,
    element: String,
    head: Head,
    first: u64,
    links: Vec<Link>,
}

impl Sealer {
    /// At the beginning of an element's records.
    #[must_use]
    pub fn new(element: &str, key: SigningKey) -> Sealer {
        Sealer {
            key,
            element: element.to_owned(),
            head: [0; 32],
            first: 0,
            links: Vec::new(),
        }
    }

    /// Appends a record; says how many wait for a seal.
    ///
    /// # Errors
    /// See [`Link::of`].
    pub fn append(&mut self, record: &Record) -> Result<usize, serde_json::Error> {
        let link = Link::of(record)?;
        self.head = next(&self.head, &link);
        self.links.push(link);
        Ok(self.links.len())
    }

    /// Signs what was appended since the last time.
    pub fn seal(&mut self) -> Seal {
        let links = std::mem::take(&mut self.links);
        let first = self.first;
        self.first += links.len() as u64;
        let message = Seal::message(&self.element, first, links.len(), &self.head);
        let signature = self.key.sign(&message);
        Seal {
            element: self.element.clone(),
            first,
            links,
            head: crate::hex::text(&self.head),
            signature: crate::hex::text(&signature.to_bytes()),
        }
    }
}

/// What is wrong with an element's records. Positions are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// A seal is not signed with the element's key, or says what was not signed.
    Forged {
        /// Which seal.
        seal: usize,
    },
    /// Seals are missing in front of this one, or their order is wrong.
    Missing {
        /// Which seal.
        seal: usize,
        /// The record that it should begin with.
        expected: u64,
        /// The record that it begins with.
        found: u64,
    },
    /// A sealed record is not there.
    Removed {
        /// Its number among the sealed ones.
        sealed: u64,
    },
    /// A record is there that was not sealed.
    Inserted {
        /// Its number among those that are there.
        record: u64,
    },
    /// Another record is there in place of a sealed one.
    Changed {
        /// Its number among the sealed ones.
        sealed: u64,
        /// Its number among those that are there.
        record: u64,
    },
    /// A record is there at another place.
    Moved {
        /// Its number among the sealed ones.
        sealed: u64,
    },
}

/// Holds the records of an element against its seals; nothing is found if all are there, as they were.
///
/// # Errors
/// See [`Link::of`].
pub fn verify(
    element: &str,
    records: &[Record],
    seals: &[Seal],
    key: &VerifyingKey,
) -> Result<Vec<Finding>, serde_json::Error> {
    let there: Result<Vec<Link>, _> = records.iter().map(Link::of).collect();
    Ok(verify_links(element, &there?, seals, key))
}

/// Like [`verify`], where only the links of the records are there.
#[must_use]
pub fn verify_links(
    element: &str,
    there: &[Link],
    seals: &[Seal],
    key: &VerifyingKey,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sealed: Vec<Link> = Vec::new();
    let mut head = [0; 32];
    for (i, seal) in seals.iter().enumerate() {
        let expected = sealed.len() as u64;
        if seal.first != expected {
            let found = seal.first;
            findings.push(Finding::Missing {
                seal: i,
                expected,
                found,
            });
        }
        head = seal.links.iter().fold(head, |head, link| next(&head, link));
        if !is_signed(element, seal, &head, key) {
            findings.push(Finding::Forged { seal: i });
        }
        // One missing seal is told once: the chain goes on from what the seal says.
        head = crate::hex::bytes(&seal.head).unwrap_or(head);
        sealed.extend(&seal.links);
    }
    compare(&sealed, there, &mut findings);
    findings
}

fn is_signed(element: &str, seal: &Seal, head: &Head, key: &VerifyingKey) -> bool {
    let Ok(signature) = crate::hex::bytes(&seal.signature) else {
        return false;
    };
    let message = Seal::message(&seal.element, seal.first, seal.links.len(), head);
    let signature = Signature::from_bytes(&signature);
    seal.element == element
        && seal.head == crate::hex::text(head)
        && key.verify_strict(&message, &signature).is_ok()
}

/// How often each link is still to come.
fn counts(links: &[Link]) -> BTreeMap<Link, usize> {
    let mut counts = BTreeMap::new();
    for link in links {
        *counts.entry(*link).or_default() += 1;
    }
    counts
}

fn is_left(counts: &BTreeMap<Link, usize>, link: &Link) -> bool {
    counts.get(link).is_some_and(|n| *n > 0)
}

fn take(counts: &mut BTreeMap<Link, usize>, link: &Link) {
    if let Some(n) = counts.get_mut(link) {
        *n = n.saturating_sub(1);
    }
}

/// The differences between what was sealed and what is there, in one walk over both.
fn compare(sealed: &[Link], there: &[Link], findings: &mut Vec<Finding>) {
    // Nearly always all are there; nothing need be counted of those in front that are as they should be.
    let alike = sealed.iter().zip(there).take_while(|(a, b)| a == b).count();
    let left = |links: &[Link]| counts(links.get(alike..).unwrap_or_default());
    let (mut sealed_left, mut there_left) = (left(sealed), left(there));
    // Those of which the sealed one was met already, at another place.
    let mut moved: BTreeMap<Link, usize> = BTreeMap::new();
    let (mut i, mut j) = (alike, alike);
    loop {
        let (a, b) = (sealed.get(i), there.get(j));
        let (at, record) = (i as u64, j as u64);
        if let Some(b) = b.filter(|b| is_left(&moved, b)) {
            take(&mut moved, b);
            take(&mut there_left, b);
            j += 1;
            continue;
        }
        match (a, b) {
            (None, None) => return,
            (Some(a), Some(b)) if a == b => {
                take(&mut sealed_left, a);
                take(&mut there_left, b);
                (i, j) = (i + 1, j + 1);
            }
            (a, b) => {
                let lost = a.filter(|a| !is_left(&there_left, a));
                let new = b.filter(|b| !is_left(&sealed_left, b));
                match (lost, new, a) {
                    (Some(a), Some(b), _) => {
                        findings.push(Finding::Changed { sealed: at, record });
                        take(&mut sealed_left, a);
                        take(&mut there_left, b);
                        (i, j) = (i + 1, j + 1);
                    }
                    (Some(a), None, _) => {
                        findings.push(Finding::Removed { sealed: at });
                        take(&mut sealed_left, a);
                        i += 1;
                    }
                    (None, Some(b), _) => {
                        findings.push(Finding::Inserted { record });
                        take(&mut there_left, b);
                        j += 1;
                    }
                    (None, None, Some(a)) => {
                        findings.push(Finding::Moved { sealed: at });
                        take(&mut sealed_left, a);
                        *moved.entry(*a).or_default() += 1;
                        i += 1;
                    }
                    // More of one link than were sealed.
                    (None, None, None) => {
                        findings.push(Finding::Inserted { record });
                        j += 1;
                    }
                }
            }
        }
    }
}
