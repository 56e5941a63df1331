//! Keys in a TPM, against the software TPM swtpm, where it is installed.

#![cfg(feature = "tpm")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test fails by panicking

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use tempfile::TempDir;
use trisect_collect::keys::{KeyPlace, TpmPlace};
use trisect_collect::seal::{Sealer, verify};
use trisect_collect::tpm::{Tpm, TpmError};
use trisect_sample::{Point, Record};
use tss_esapi::handles::PcrHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{Digest, DigestValues};
use tss_esapi::{Context, tcti_ldr::TctiNameConf};

/// A software TPM on the loopback interface; it ends with this.
struct Software {
    process: Child,
    tcti: String,
    _state: TempDir,
}

impl Drop for Software {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Software {
    /// Starts one; `None` if there is no swtpm.
    fn start() -> Option<Software> {
        let state = tempfile::tempdir().unwrap();
        let port = free_ports();
        let on = |kind: &str, port: u16| {
            [
                format!("--{kind}"),
                format!("type=tcp,port={port},bindaddr=127.0.0.1"),
            ]
        };
        let started = Command::new("swtpm")
            .args(["socket", "--tpm2", "--tpmstate"])
            .arg(format!("dir={}", state.path().display()))
            .args(on("server", port))
            .args(on("ctrl", port + 1))
            .args(["--flags", "not-need-init,startup-clear"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let process = match started {
            Ok(process) => process,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => panic!("swtpm does not start: {e}"),
        };
        let mut software = Software {
            process,
            tcti: format!("swtpm:host=127.0.0.1,port={port}"),
            _state: state,
        };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port + 1)).is_ok() {
                return Some(software);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("swtpm does not listen: {:?}", software.process.try_wait());
    }
}

/// A port that is free, with the next one.
fn free_ports() -> u16 {
    loop {
        let first = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

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
