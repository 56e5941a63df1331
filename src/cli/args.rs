//! What the command line takes.

use super::p4::P4;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

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
    /// Compile a project and play a capture through the embedded rack.
    Run(Run),
    /// Compile a project into a plan and one folder of artifacts per device.
    Compile(Compile),
    /// Say where each node of a plan runs and why, or print the page of a diagnostic code.
    Explain(Explain),
    /// List the targets, or show what one can do.
    Targets(Targets),
    /// List the network functions of the library, or show one.
    Nfs(Nfs),
    /// Run a P4 program by itself.
    #[command(subcommand)]
    P4(P4),
}

/// How the cut is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyArg {
    /// Nothing is offloaded: the switch only steers packets to servers.
    Host,
    /// E2's opportunistic step: an NF goes to the switch, whole, if it touches a switch port and fits.
    E2,
    /// The optimum over switch, NIC and host for every node (mixed integer program).
    Best,
}

/// Where the project is and how it is compiled.
#[derive(Debug, Args)]
pub struct Source {
    /// Folder with `policy.tri`, `rack.toml` and the files they name.
    pub project: PathBuf,
    /// How the cut is chosen.
    #[arg(long, value_enum, default_value = "best", value_name = "NAME")]
    pub strategy: StrategyArg,
    /// Rack description to use instead of the project's `rack.toml`.
    #[arg(long, value_name = "FILE")]
    pub rack: Option<PathBuf>,
}

/// `trisect run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The project.
    #[command(flatten)]
    pub source: Source,
    /// Capture to play (pcap or pcapng, Ethernet) instead of the project's `traffic/PORT.pcap` files.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// External port that all packets of --pcap come in on. By default each packet takes a port of the
    /// first traffic class that accepts it, by a hash of its flow.
    #[arg(long, value_name = "PORT", requires = "pcap")]
    pub ingress: Option<String>,
    /// Write one capture per egress port into this folder.
    #[arg(long, short, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Also run the uncut pipeline on the reference interpreter and compare packets, order and state.
    /// Exit status 1 if anything differs.
    #[arg(long)]
    pub check: bool,
    /// Sample one packet in N, by the hash of its invariant fields.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `trisect compile`.
#[derive(Debug, Args)]
pub struct Compile {
    /// The project.
    #[command(flatten)]
    pub source: Source,
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
    /// A target; all of them if absent.
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
            Self::Explain(args) => args.json,
            Self::Targets(args) => args.json,
            Self::Nfs(args) => args.json,
            Self::P4(command) => command.json(),
        }
    }
}
