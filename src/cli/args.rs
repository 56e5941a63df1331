//! What the command line takes.

use super::p4::P4;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use trisect::own::EntriesFile;
use trisect_audit::cheat::Cheat;
use trisect_plan::cut::{Objective, Strategy};

/// Cut one network-function pipeline between a switch, SmartNICs and host cores.
#[derive(Debug, Parser)]
#[command(
    name = "trisect",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile a project, or your own P4 program, and play a capture through the embedded rack.
    Run(Run),
    /// Compile a project, or your own P4 program, into a plan and one folder of artifacts per device.
    Compile(Compile),
    /// Collect records of sampled packets, and say which ways these took.
    Collect(Collect),
    /// Hold the records of a run, and the bill, against what was agreed on.
    Audit(Audit),
    /// Make, sign and check what customer and provider agree on.
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Cut a project, or your own P4 program, by several strategies and show what each comes to.
    Compare(Compare),
    /// Say where each node of a plan runs and why, or print the page of a diagnostic code.
    Explain(Explain),
    /// Run a capture through a pipeline and write down what was counted and measured, for later compilations.
    Profile(Profile),
    /// Measure what packet I/O costs on this machine, and write it into a rack file or print it.
    Calibrate(Calibrate),
    /// List the targets, or show what one can do.
    Targets(Targets),
    /// List the network functions of the library, or show one.
    Nfs(Nfs),
    /// Run a P4 program by itself.
    #[command(subcommand)]
    P4(P4),
}

/// Reads the name of a strategy; help and errors list them all.
fn strategy() -> impl TypedValueParser<Value = Strategy> {
    let names = Strategy::ALL.map(|s| PossibleValue::new(s.name()).help(s.description()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Strategy>())
}

/// Reads the name of an objective; help and errors list them all.
fn objective() -> impl TypedValueParser<Value = Objective> {
    let names = Objective::ALL.map(|o| PossibleValue::new(o.name()).help(o.description()));
    PossibleValuesParser::new(names).try_map(|name| {
        let found = Objective::ALL.into_iter().find(|o| o.name() == name);
        found.ok_or_else(|| "there is no such objective".to_owned())
    })
}

/// Reads the name of a way to cheat; help and errors list them all.
fn cheat() -> impl TypedValueParser<Value = Cheat> {
    let names = Cheat::ALL.map(|c| PossibleValue::new(c.name()).help(c.description()));
    PossibleValuesParser::new(names).try_map(|name| {
        Cheat::find(&name).ok_or_else(|| "there is no such way to cheat".to_owned())
    })
}

/// How a cut is looked for.
#[derive(Debug, Args)]
pub struct Cutting {
    /// How the cut is chosen.
    #[arg(long, value_parser = strategy(), default_value = "best", value_name = "NAME")]
    pub strategy: Strategy,
    /// What the cut is to reach first, once every promise is kept.
    #[arg(long, value_parser = objective(), default_value = "scale", value_name = "NAME")]
    pub objective: Objective,
    /// Take the best cut that was found after so many seconds. Without it the search ends after so much
    /// work, at the same cut on every machine.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<f64>,
}

/// A positive number of seconds.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value < 1e9 => Ok(value),
        _ => Err("give a number of seconds above 0".to_owned()),
    }
}

/// Where the pipeline and the rack are.
#[derive(Debug, Args)]
pub struct Source {
    /// Folder with `policy.tri`, `rack.toml` and the files they name.
    #[arg(required_unless_present = "p4", conflicts_with = "p4")]
    pub project: Option<PathBuf>,
    /// Rack description to use instead of the project's `rack.toml`.
    #[arg(long, value_name = "FILE")]
    pub rack: Option<PathBuf>,
    /// What `trisect profile` wrote, instead of the project's `profile.toml`: measured cycles and counted
    /// shares in place of estimates.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Your own program.
    #[command(flatten)]
    pub own: Own,
}

/// A program instead of a project.
#[derive(Debug, Args)]
#[command(next_help_heading = "Your own P4 program instead of a project")]
pub struct Own {
    /// P4 program (v1model or PNA) that is the whole pipeline: packets of all external ports go through
    /// it, and it chooses the port by which each leaves. Its port numbers are the positions of the
    /// external ports in the rack file, from 0; port 511 drops, as on v1model switches. If it copies packets, the
    /// switch runs it whole.
    #[arg(long, value_name = "FILE", requires = "rack")]
    pub p4: Option<PathBuf>,
    /// Entries for a table of the program, as many times as there are tables to fill. Without TABLE the
    /// file is named for its table: ipv4_lpm.entries.
    #[arg(long, value_name = "[TABLE=]FILE", requires = "p4", value_parser = entries_file)]
    pub entries: Vec<EntriesFile>,
    /// Where the copies go of a program that clones or multicasts packets: a file with the commands
    /// mirroring_add, mirroring_add_mc, mc_mgrp_create, mc_node_create and mc_node_associate.
    #[arg(long, value_name = "FILE", requires = "p4")]
    pub copies: Option<PathBuf>,
    /// Folder in which `#include` looks.
    #[arg(short = 'I', value_name = "DIR", requires = "p4")]
    pub include: Vec<PathBuf>,
    /// Macro for the preprocessor; without a text it is 1.
    #[arg(short = 'D', value_name = "NAME[=TEXT]", requires = "p4", value_parser = define)]
    pub define: Vec<(String, String)>,
}

/// `[TABLE=]FILE`.
fn entries_file(text: &str) -> Result<EntriesFile, String> {
    let (table, path) = match text.split_once('=') {
        Some((table, path)) => (table.to_owned(), PathBuf::from(path)),
        None => {
            let path = PathBuf::from(text);
            let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
            (stem.unwrap_or_default(), path)
        }
    };
    match table.is_empty() || path.as_os_str().is_empty() {
        true => Err("name a table and a file: ipv4_lpm=routes.txt".to_owned()),
        false => Ok(EntriesFile { table, path }),
    }
}

/// `NAME[=TEXT]`, as compilers of C take it.
fn define(text: &str) -> Result<(String, String), String> {
    let (name, text) = text.split_once('=').unwrap_or((text, "1"));
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        Ok((name.to_owned(), text.to_owned()))
    } else {
        Err("a macro's name is a letter or _, then letters, digits and _".to_owned())
    }
}

/// `trisect run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The project.
    #[command(flatten)]
    pub source: Source,
    /// How it is cut.
    #[command(flatten)]
    pub cutting: Cutting,
    /// Capture to play (pcap or pcapng, Ethernet) instead of the project's `traffic/PORT.pcap` files; a
    /// program of your own has none of these.
    #[arg(long, value_name = "FILE", required_unless_present = "project")]
    pub pcap: Option<PathBuf>,
    /// External port that all packets of --pcap come in on. By default each packet takes a port of the
    /// first traffic class that accepts it (for a program of your own: any), by a hash of its flow.
    #[arg(long, value_name = "PORT", requires = "pcap")]
    pub ingress: Option<String>,
    /// Write one capture per egress port into this folder.
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Also run the uncut pipeline on the reference interpreter and compare packets, order and state.
    /// Exit status 1 if anything differs.
    #[arg(long)]
    pub check: bool,
    /// Sample one packet in N, by the hash of its invariant fields. Absent: as the project's manifest says where
    /// records are written, else as its rack file says, else 64.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Write what is needed to audit the run into this folder: the records of sampled packets, one file per
    /// device, with their bytes, the entries and state that they used, and what they cost; seals, the
    /// customer's counts, and the bill.
    #[arg(long, value_name = "DIR")]
    pub records: Option<PathBuf>,
    /// Record and bill as this manifest says, instead of the project's own `manifest.toml`.
    #[arg(long, value_name = "FILE", requires = "records")]
    pub manifest: Option<PathBuf>,
    /// Under which key a device seals its records: a file with 64 hexadecimal digits, or tpm:HANDLE[+PCR,PCR...].
    #[arg(long, value_name = "DEVICE=KEY", value_parser = of_element, requires = "records")]
    pub seal_key: Vec<(String, String)>,
    /// Simulate a provider that cheats, to see what `trisect audit` finds; `--cheat list` names the ways.
    #[arg(long, value_name = "KIND", value_parser = cheat(), requires = "records")]
    pub cheat: Option<Cheat>,
    /// Send the records of sampled packets as IPFIX to tcp:HOST:PORT or udp:HOST:PORT, or write them to a
    /// file. Without --records they say nothing of entries and state.
    #[arg(long, value_name = "PLACE")]
    pub export: Option<String>,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// What was agreed on. Its signatures are in the file of the same name with `.sig` behind it.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// Folder that `trisect run --records` wrote.
    #[arg(long, value_name = "DIR")]
    pub records: PathBuf,
    /// The provider's bill, instead of DIR/bill.json. Where there are report periods, for the one of --period.
    #[arg(long, value_name = "FILE")]
    pub bill: Option<PathBuf>,
    /// Only this report period of those in DIR.
    #[arg(long, value_name = "N")]
    pub period: Option<usize>,
    /// File with the key of the sampling hash as hexadecimal digits, instead of DIR/sampling.key. The key of a
    /// report period gives those of the periods before.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Also show the integrity checks that passed, and all checks of all report periods.
    #[arg(long)]
    pub all: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect manifest`.
#[derive(Debug, Subcommand)]
pub enum ManifestCommand {
    /// Make a manifest of a project: its plan, programs and images as they are, its performance as a run of its
    /// own traffic shows it, and prices to be negotiated.
    New(Box<NewManifest>),
    /// Sign a manifest: the signature goes into FILE.sig.
    Sign(SignManifest),
    /// Check the signatures of a manifest.
    Verify(VerifyManifest),
    /// Print the public key of a signing key, as manifests write it, or make one in a TPM.
    Key(ShowKey),
}

/// `trisect manifest new`.
#[derive(Debug, Args)]
pub struct NewManifest {
    /// The project.
    #[command(flatten)]
    pub source: Source,
    /// How it is cut.
    #[command(flatten)]
    pub cutting: Cutting,
    /// Sample one packet in N.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// By which part performance may be worse than in the reference run.
    #[arg(long, value_name = "PART", default_value_t = 0.25, value_parser = part)]
    pub slack: f64,
    /// Seconds of a report period: after each, records, seals and a bill are handed over. Each has a sampling key of its own, unless
    /// a key is compiled into the devices.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub period: Option<f64>,
    /// For how many report periods.
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "period", value_parser = clap::value_parser!(u32).range(1..=i64::from(trisect_audit::manifest::MOST_PERIODS)))]
    pub periods: u32,
    /// What is recorded of sampled packets.
    #[arg(long, value_enum, default_value = "snapshot")]
    pub granularity: Granularity,
    /// Under which key a device seals its records: a file with 64 hexadecimal digits, or tpm:HANDLE[+PCR,PCR...]. Others have
    /// keys of the embedded rack, which are no secret.
    #[arg(long, value_name = "DEVICE=KEY", value_parser = of_element)]
    pub seal_key: Vec<(String, String)>,
    /// Write it into this file instead of printing it.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Granularity {
    /// Packets, look-ups, state and what was used up.
    Snapshot,
    /// Packets only.
    Packet,
}

impl From<Granularity> for trisect_audit::Granularity {
    fn from(granularity: Granularity) -> Self {
        match granularity {
            Granularity::Snapshot => Self::Snapshot,
            Granularity::Packet => Self::Packet,
        }
    }
}

/// A number that is not negative.
fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        _ => Err("give a part, like 0.25 for a quarter".to_owned()),
    }
}

/// `trisect manifest sign`.
#[derive(Debug, Args)]
pub struct SignManifest {
    /// The manifest.
    pub manifest: PathBuf,
    /// Who signs: `customer`, `provider`.
    #[arg(long, value_name = "NAME")]
    pub party: String,
    /// The party's Ed25519 key: a file with 64 hexadecimal digits, or tpm:HANDLE[+PCR,PCR...].
    #[arg(long, value_name = "KEY")]
    pub key: String,
}

/// `trisect manifest key`.
#[derive(Debug, Args)]
pub struct ShowKey {
    /// A file with 64 hexadecimal digits, or tpm:HANDLE[+PCR,PCR...].
    pub key: String,
    /// Draw a new key in the TPM, and seal it there: bound to these platform configuration registers as they are now.
    #[arg(long)]
    pub new: bool,
}

/// An element and the place of its key.
fn of_element(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((element, key)) if !element.is_empty() => Ok((element.to_owned(), key.to_owned())),
        _ => Err("give DEVICE=KEY, like s1=s1.key or s1=tpm:0x81010001".to_owned()),
    }
}

/// `trisect manifest verify`.
#[derive(Debug, Args)]
pub struct VerifyManifest {
    /// The manifest.
    pub manifest: PathBuf,
}

/// `trisect collect`.
#[derive(Debug, Args)]
pub struct Collect {
    /// Where records come from: a folder that `trisect run --records` wrote, a file of IPFIX messages,
    /// tcp:HOST:PORT (one connection, to its end), or udp:HOST:PORT.
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// How many seconds a UDP port may be silent before its records are taken to be complete.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub idle: u64,
    /// Also keep the records, as an Apache Parquet file.
    #[arg(long, value_name = "FILE")]
    pub parquet: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect compile`.
#[derive(Debug, Args)]
pub struct Compile {
    /// The project.
    #[command(flatten)]
    pub source: Source,
    /// How it is cut.
    #[command(flatten)]
    pub cutting: Cutting,
    /// Folder to write plan.json, plan.svg and one folder per device into.
    #[arg(long, short, value_name = "DIR", required_unless_present = "emit")]
    pub output: Option<PathBuf>,
    /// Print one stage of the compilation instead.
    #[arg(long, value_enum, value_name = "STAGE")]
    pub emit: Option<Stage>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect compare`.
#[derive(Debug, Args)]
pub struct Compare {
    /// The project.
    #[command(flatten)]
    pub source: Source,
    /// Strategies to compare, with commas between; all of them if absent.
    #[arg(long, value_parser = strategy(), value_name = "NAMES", value_delimiter = ',')]
    pub strategies: Vec<Strategy>,
    /// What cuts are to reach first, once every promise is kept.
    #[arg(long, value_parser = objective(), default_value = "scale", value_name = "NAME")]
    pub objective: Objective,
    /// Per strategy: take the best cut that was found after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub time_limit: Option<f64>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Stages of the compilation that can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stage {
    /// The policy as it was understood.
    Policy,
    /// The policy graph.
    Pgraph,
    /// The instance graph.
    Igraph,
    /// Which instance is on which server.
    Placement,
    /// The merged, uncut packet program.
    Ir,
    /// Which node is on which device.
    Cut,
    /// The plan.
    Plan,
}

/// `trisect profile`.
#[derive(Debug, Args)]
pub struct Profile {
    /// Folder with `policy.tri`, `rack.toml` and the files they name.
    #[arg(required_unless_present = "p4", conflicts_with = "p4")]
    pub project: Option<PathBuf>,
    /// Rack description to use instead of the project's `rack.toml`.
    #[arg(long, value_name = "FILE")]
    pub rack: Option<PathBuf>,
    /// Your own program.
    #[command(flatten)]
    pub own: Own,
    /// Capture to run (pcap or pcapng, Ethernet) instead of the project's `traffic/PORT.pcap` files; a
    /// program of your own has none of these.
    #[arg(long, value_name = "FILE", required_unless_present = "project")]
    pub pcap: Option<PathBuf>,
    /// External port that all packets of --pcap come in on. By default each packet takes a port of the
    /// first traffic class that accepts it (for a program of your own: any), by a hash of its flow.
    #[arg(long, value_name = "PORT", requires = "pcap")]
    pub ingress: Option<String>,
    /// File to write instead of the project's `profile.toml`.
    #[arg(long, short, value_name = "FILE", required_unless_present = "project")]
    pub output: Option<PathBuf>,
    /// Print the profile as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect calibrate`.
#[derive(Debug, Args)]
pub struct Calibrate {
    /// Rack description in which `ghz` and `io_cycles` of a server are replaced; else they are printed.
    #[arg(long, value_name = "FILE", requires = "server")]
    pub rack: Option<PathBuf>,
    /// The server that this machine is.
    #[arg(long, value_name = "NAME", requires = "rack")]
    pub server: Option<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A plan (`build/plan.json`), or a diagnostic code (`E0206`).
    pub subject: String,
    /// A node, NF or device of the plan; all nodes if absent.
    pub node: Option<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect targets`.
#[derive(Debug, Args)]
pub struct Targets {
    /// A target, or a file with a model of a switch or NIC (FILE.toml), which is checked and shown; all
    /// targets if absent.
    pub name: Option<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect nfs`.
#[derive(Debug, Args)]
pub struct Nfs {
    /// A network function; all of them if absent.
    pub name: Option<String>,
    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Command {
    /// Whether the answer is wanted as JSON.
    pub fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.json,
            Self::Compile(args) => args.json,
            Self::Audit(args) => args.json,
            Self::Manifest(_) => false,
            Self::Collect(args) => args.json,
            Self::Compare(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Profile(args) => args.json,
            Self::Calibrate(args) => args.json,
            Self::Targets(args) => args.json,
            Self::Nfs(args) => args.json,
            Self::P4(command) => command.json(),
        }
    }
}
