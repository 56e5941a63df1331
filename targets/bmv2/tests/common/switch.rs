//! BMv2's simple_switch, run with packets from a named pipe: what it sends is waited for every few packets, since
//! its queues are short.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::thrift::Client;

/// Packets in flight at most: queues of simple_switch hold 64.
const CHUNK: usize = 32;
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, from `TRISECT_SIMPLE_SWITCH` or the path; says so if there is none.
pub fn find() -> Option<PathBuf> {
    let named = std::env::var_os("TRISECT_SIMPLE_SWITCH").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("simple_switch"));
    let found = named.into_iter().chain(on_path).find(|file| file.is_file());
    if found.is_none() {
        eprintln!(
            "SKIPPED: no simple_switch in TRISECT_SIMPLE_SWITCH or on the PATH; nothing was run on BMv2"
        );
    }
    found
}

/// A running switch.
pub struct Switch {
    folder: TempDir,
    child: Child,
    input: File,
    /// What was read of each port's output: offset in the file, and the packets.
    sent: BTreeMap<u16, (u64, Vec<Vec<u8>>)>,
    time_us: u32,
    control_port: u16,
}

impl Switch {
    /// Starts the switch with a program; packets come in on one port and go out on these.
    pub fn start(program: &Path, json: &str, ingress: u16, ports: &[u16]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("switch.json");
        std::fs::write(&file, json).expect("the program can be written");
        let pipe = folder.path().join(format!("p{ingress}_in.pcap"));
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let mut all: Vec<u16> = ports.to_vec();
        all.push(ingress);
        all.sort_unstable();
        all.dedup();
        let mut command = Command::new(program);
        for port in &all {
            let stem = folder.path().join(format!("p{port}"));
            command.arg("-i").arg(format!("{port}@{}", stem.display()));
            if *port != ingress {
                let empty = folder.path().join(format!("p{port}_in.pcap"));
                std::fs::write(empty, header()).expect("an empty capture");
            }
        }
        let control_port = free_port();
        let log = File::create(folder.path().join("log")).expect("a log file");
        let log_too = log.try_clone().expect("the log file again");
        command
            .args(["--use-files", "0", "--log-console", "-L", "warn"])
            .args(["--thrift-port", &control_port.to_string()])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too);
        let mut child = command.spawn().expect("simple_switch starts");
        let input = open_pipe(&pipe, &mut child, folder.path());
        let mut switch = Self {
            folder,
            child,
            input,
            sent: all.iter().map(|port| (*port, (24, Vec::new()))).collect(),
            time_us: 0,
            control_port,
        };
        switch.write(&header());
        switch
    }

    /// The control plane.
    pub fn control(&self) -> Client {
        Client::connect(self.control_port)
    }

    fn write(&mut self, bytes: &[u8]) {
        let written = self.input.write_all(bytes);
        if written.is_err() {
            panic!("simple_switch ended: {}", self.log());
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sends packets, and waits until as many as are expected came out.
    pub fn run(&mut self, packets: &[(Vec<u8>, bool)]) {
        for chunk in packets.chunks(CHUNK) {
            let mut bytes = Vec::new();
            for (packet, _) in chunk {
                self.time_us += 1;
                let length = packet.len() as u32;
                for word in [0, self.time_us, length, length] {
                    bytes.extend(word.to_le_bytes());
                }
                bytes.extend(packet);
            }
            let expected = chunk.iter().filter(|(_, sent)| *sent).count();
            let before = self.count();
            self.write(&bytes);
            self.wait_for(before + expected);
        }
    }

    fn count(&self) -> usize {
        self.sent.values().map(|(_, packets)| packets.len()).sum()
    }

    fn wait_for(&mut self, expected: usize) {
        let start = Instant::now();
        loop {
            self.read();
            if self.count() >= expected {
                return;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("simple_switch ended with {status}: {}", self.log());
            }
            if start.elapsed() > PATIENCE.min(Duration::from_secs(5)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn read(&mut self) {
        for (port, (offset, packets)) in &mut self.sent {
            let file = self.folder.path().join(format!("p{port}_out.pcap"));
            let Ok(mut file) = File::open(file) else {
                continue;
            };
            let mut bytes = Vec::new();
            let at_offset = file.seek(SeekFrom::Start(*offset));
            if at_offset.is_err() || file.read_to_end(&mut bytes).is_err() {
                continue;
            }
            let mut rest = &bytes[..];
            while let Some(length) = rest.get(8..12) {
                let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
                let Some(packet) = rest.get(16..16 + length) else {
                    break;
                };
                packets.push(packet.to_vec());
                rest = &rest[16 + length..];
                *offset += 16 + length as u64;
            }
        }
    }

    /// Waits a little for what should not come out.
    pub fn settle(&mut self) {
        std::thread::sleep(Duration::from_millis(30));
        self.read();
    }

    /// All that came out, by port.
    pub fn finish(mut self) -> BTreeMap<u16, Vec<Vec<u8>>> {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter()
            .map(|(port, (_, packets))| (port, packets))
            .filter(|(_, packets)| !packets.is_empty())
            .collect()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The header of a capture of Ethernet frames.
fn header() -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xa1b2_c3d4_u32.to_le_bytes());
    out.extend([2, 0, 4, 0]);
    for word in [0_u32, 0, 262_144, 1] {
        out.extend(word.to_le_bytes());
    }
    out
}

/// A TCP port of the loopback interface that nobody uses.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Opens the pipe for writing as soon as the switch reads it; without the switch, opening would wait for ever.
fn open_pipe(pipe: &Path, child: &mut Child, folder: &Path) -> File {
    let (sender, receiver) = std::sync::mpsc::channel();
    let path = pipe.to_path_buf();
    std::thread::spawn(move || {
        let _ = sender.send(File::options().write(true).open(path));
    });
    let start = Instant::now();
    loop {
        if let Ok(opened) = receiver.recv_timeout(Duration::from_millis(5)) {
            return opened.expect("the pipe opens");
        }
        let ended = child.try_wait().ok().flatten();
        if ended.is_some() || start.elapsed() > PATIENCE {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let _ = child.kill();
            panic!("simple_switch does not load the program ({ended:?}): {log}");
        }
    }
}
