//! Keys in a TPM, against the software TPM swtpm, where it is installed.

#![cfg(feature = "tpm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

mod swtpm;

use std::str::FromStr;

use swtpm::Software;
use trisect_collect::keys::{KeyPlace, TpmPlace};
use trisect_collect::seal::{Sealer, verify};
use trisect_collect::tpm::{Tpm, TpmError};
use trisect_sample::{Point, Record};
use tss_esapi::handles::PcrHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{Digest, DigestValues};
use tss_esapi::{Context, tcti_ldr::TctiNameConf};

fn place(text: &str) -> TpmPlace {
    match KeyPlace::parse(text).unwrap() {
        KeyPlace::Tpm(place) => place,
        KeyPlace::File(file) => panic!("{}", file.display()),
    }
}

/// Extends a register, as a boot with another image does.
fn extend(tcti: &str) {
    let mut tpm = Context::new(TctiNameConf::from_str(tcti).unwrap()).unwrap();
    let mut values = DigestValues::new();
    let measured = Digest::try_from(vec![7; 32]).unwrap();
    values.set(HashingAlgorithm::Sha256, measured);
    tpm.execute_with_nullauth_session(|tpm| tpm.pcr_extend(PcrHandle::Pcr16, values))
        .unwrap();
}

#[test]
fn a_tpm_keeps_the_keys() {
    let Some(software) = Software::start() else {
        eprintln!("SKIPPED: swtpm is not installed, keys in a TPM are not tested");
        return;
    };
    let open = || Tpm::open(&software.tcti).unwrap();
    let (free, bound) = (place("tpm:0x81010001"), place("tpm:0x81010002+7,16"));

    // What is sealed under it holds against the public key that was told when it was made.
    let public = open().create(&free).unwrap().verifying_key();
    let key = open().unseal(&free).unwrap();
    assert_eq!(key.verifying_key(), public);
    let record = Record {
        id: 1,
        element: "s1".into(),
        visit: 0,
        point: Point::In,
        port: 0,
        time_ns: 0,
        len: 0,
        digest: 0,
        mark: 0,
        meta: 0,
        tag: None,
        packet: Vec::new(),
        work: None,
    };
    let mut sealer = Sealer::new("s1", key);
    sealer.append(&record).unwrap();
    let seal = sealer.seal();
    let wrong = verify("s1", &[record], &[seal], &public).unwrap();
    assert_eq!(wrong, []);

    // One place holds one key, and there are places without.
    assert!(open().create(&free).is_err());
    assert!(open().unseal(&place("tpm:0x81010003")).is_err());
    let no_place = open().unseal(&place("tpm:0x1"));
    assert!(matches!(no_place, Err(TpmError::Handle(1))));
    let no_pcr = open().create(&place("tpm:0x81010003+24"));
    assert!(matches!(no_pcr, Err(TpmError::NoPcr(24))));

    // A key that is bound to registers is given out while these are what they were, and to nobody who names others.
    let public = open().create(&bound).unwrap().verifying_key();
    assert_eq!(open().unseal(&bound).unwrap().verifying_key(), public);
    assert!(open().unseal(&place("tpm:0x81010002")).is_err());
    assert!(open().unseal(&place("tpm:0x81010002+7")).is_err());
    extend(&software.tcti);
    assert!(open().unseal(&bound).is_err());
    assert!(open().unseal(&free).is_ok());
}
