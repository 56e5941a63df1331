//! What is done to sealed records is found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use trisect_collect::seal::{Finding, Seal, Sealer, SigningKey, verify};
use trisect_sample::{Point, Record};

fn records(n: u64) -> Vec<Record> {
    let one = |i: u64| Record {
        id: i / 2,
        element: "tor".into(),
        visit: i / 2,
        point: if i.is_multiple_of(2) {
            Point::In
        } else {
            Point::Out
        },
        port: 0,
        time_ns: i,
        len: 60,
        digest: i,
        mark: 0,
        meta: 0,
        tag: None,
        packet: vec![],
        work: None,
    };
    (0..n).map(one).collect()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[3; 32])
}

fn seals(records: &[Record], every: usize) -> Vec<Seal> {
    let mut sealer = Sealer::new("tor", key());
    let mut seals = Vec::new();
    for record in records {
        if sealer.append(record).unwrap() == every {
            seals.push(sealer.seal());
        }
    }
    seals.push(sealer.seal());
    seals
}

fn found(records: &[Record], seals: &[Seal]) -> Vec<Finding> {
    verify("tor", records, seals, &key().verifying_key()).unwrap()
}

#[test]
fn nothing_is_found_if_nothing_was_done() {
    let all = records(25);
    let sealed = seals(&all, 8);
    assert_eq!(sealed.len(), 4);
    assert_eq!(found(&all, &sealed), []);
    let text = serde_json::to_string(&sealed).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Seal>>(&text).unwrap(), sealed);
    assert_eq!(found(&[], &seals(&[], 8)), []);
}

#[test]
fn removal_insertion_change_and_exchange_are_found_where_they_are() {
    let all = records(25);
    let sealed = seals(&all, 8);
    let mut some = all.clone();
    some.remove(9);
    assert_eq!(found(&some, &sealed), [Finding::Removed { sealed: 9 }]);
    let mut some = all.clone();
    some[12].time_ns += 1;
    let changed = Finding::Changed {
        sealed: 12,
        record: 12,
    };
    assert_eq!(found(&some, &sealed), [changed]);
    let mut some = all.clone();
    let mut new = all[3].clone();
    new.id = 99;
    some.insert(5, new);
    assert_eq!(found(&some, &sealed), [Finding::Inserted { record: 5 }]);
    let mut some = all.clone();
    some.insert(20, all[3].clone());
    assert_eq!(found(&some, &sealed), [Finding::Inserted { record: 20 }]);
    let mut some = all.clone();
    some.swap(3, 7);
    let moved = found(&some, &sealed);
    assert!(
        !moved.is_empty() && moved.iter().all(|f| matches!(f, Finding::Moved { .. })),
        "{moved:?}"
    );
    let mut some = all.clone();
    some.push(all[24].clone());
    some.truncate(24);
    assert_eq!(found(&some, &sealed), [Finding::Removed { sealed: 24 }]);
}

#[test]
fn seals_are_bound_to_element_order_and_key() {
    let all = records(25);
    let sealed = seals(&all, 8);
    let mut some = sealed.clone();
    some.remove(1);
    let kept: Vec<Record> = all
        .iter()
        .enumerate()
        .filter(|(i, _)| !(8..16).contains(i))
        .map(|(_, r)| r.clone())
        .collect();
    let findings = found(&kept, &some);
    assert!(
        findings.iter().any(|f| matches!(
            f,
            Finding::Missing {
                seal: 1,
                expected: 8,
                found: 16
            }
        )),
        "{findings:?}"
    );
    // Records and links changed alike do not fit the signature.
    let mut some = sealed.clone();
    some[0].links = seals(&records(25)[1..], 8)[0].links.clone();
    assert!(found(&all, &some).contains(&Finding::Forged { seal: 0 }));
    let other = SigningKey::from_bytes(&[4; 32]).verifying_key();
    assert_eq!(
        verify("tor", &all, &sealed, &other).unwrap().len(),
        sealed.len()
    );
    assert_eq!(
        verify("s1", &all, &sealed, &key().verifying_key())
            .unwrap()
            .len(),
        sealed.len()
    );
}

proptest! {
    #[test]
    fn any_deed_is_found(deeds in prop::collection::vec((0..3, any::<prop::sample::Index>()), 1..6)) {
        let all = records(40);
        let sealed = seals(&all, 16);
        let mut some = all.clone();
        for (what, at) in deeds {
            let at = at.index(some.len());
            match what {
                0 => drop(some.remove(at)),
                1 => some[at].digest ^= 0x8000_0000,
                _ => some.insert(at, all[at % 7].clone()),
            }
        }
        prop_assert_eq!(found(&some, &sealed).is_empty(), some == all);
    }
}
