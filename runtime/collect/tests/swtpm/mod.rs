//! The software TPM swtpm, for tests; also those of the command line.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A software TPM on the loopback interface; it ends with this.
pub struct Software {
    process: Child,
    /// How it is reached, as the variable TCTI says it.
    pub tcti: String,
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
    pub fn start() -> Option<Software> {
        let state = tempfile::tempdir().expect("a folder");
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
        let first = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = first.local_addr().expect("a free port").port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}
