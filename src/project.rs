//! A project: a folder with a policy, a rack and the files that the policy names; or a program of the
//! user's own, which is the whole pipeline ([`crate::own`]).
//!
//! ```text
//! policy.tri            the policy
//! rack.toml             the rack
//! NAME.nf.toml, *.p4    network functions of the project's own, looked up before the library
//! *.entries, ...        configuration that the policy names
//! profile.toml          what `trisect profile` counted and measured
//! traffic/PORT.pcap     bundled traffic by ingress port
//! ```

use crate::problems::Problems;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use trisect_ir::Program;
use trisect_ir::diag::{Diagnostic, Severity, Span};
use trisect_p4::{Compiled, Options};
use trisect_plan::Source;
use trisect_plan::cut::{Objective, Strategy};
use trisect_plan::pgraph::Traffic;
use trisect_plan::plan::Input;
use trisect_policy::nf::ConfigKind;
use trisect_policy::policy::NfInstance;
use trisect_policy::{NfDescription, Policy, Profile, Rack};
use trisect_target::Registry;
use trisect_target::Whole;

/// A project that was read, checked and whose network functions are compiled and configured.
#[derive(Clone, Debug)]
pub struct Project {
    /// Name: that of the folder.
    pub name: String,
    /// The folder.
    pub folder: PathBuf,
    /// What packets go through.
    pub pipeline: Pipeline,
    /// The rack.
    pub rack: Rack,
    /// What was counted and measured, if the project was profiled.
    pub profile: Option<Profile>,
    /// What is worth knowing but stops nothing.
    pub warnings: Problems,
}

/// Name of the file with a project's profile.
pub const PROFILE_FILE: &str = "profile.toml";

/// What packets go through.
#[derive(Clone, Debug)]
pub enum Pipeline {
    /// The network functions of a policy.
    Policy {
        /// The policy.
        policy: Policy,
        /// Descriptions by function name.
        library: BTreeMap<String, NfDescription>,
        /// Configured programs by instance name.
        programs: BTreeMap<String, Program>,
    },
    /// One program, configured.
    Program(Box<Program>),
    /// One program, configured, that copies packets.
    Whole(Box<(Program, Whole)>),
}

/// Where a network function's program is found.
#[derive(Clone, Debug)]
enum Origin {
    Library(&'static str),
    File(PathBuf),
}

impl Project {
    /// Reads a project's folder; `rack` replaces its `rack.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the policy, the rack, the programs and their configuration.
    pub fn load(folder: &Path, rack: Option<&Path>) -> Result<Self, Problems> {
        const NEEDED: &str = "a project is a folder with policy.tri and rack.toml";
        let (policy_file, policy_text) = read(&folder.join("policy.tri"), NEEDED)?;
        let rack_path = rack.map_or_else(|| folder.join("rack.toml"), Path::to_path_buf);
        let (rack_file, rack_text) = read(&rack_path, NEEDED)?;

        let mut problems = Problems::default();
        let rack = Rack::from_toml(&rack_text, &rack_file);
        let rack = keep(rack, &mut problems, &rack_file, &rack_text);
        let policy = trisect_policy::parse_policy(&policy_text, &policy_file);
        let policy = keep(policy, &mut problems, &policy_file, &policy_text);
        let functions = functions(folder, &mut problems);
        let (Some(mut rack), Some(policy)) = (rack, policy) else {
            return Err(problems);
        };
        if let Err(found) = crate::models::read(&mut rack, &rack_path, &rack_text) {
            problems.extend(found);
        }

        let library: BTreeMap<String, NfDescription> = functions
            .iter()
            .map(|(name, (nf, _))| (name.clone(), nf.clone()))
            .collect();
        let found = policy.check(&policy_file, &library, &rack);
        problems.extend(Problems::of(found, &policy_file, &policy_text));
        if problems.has_errors() {
            return Err(problems);
        }

        let mut programs = BTreeMap::new();
        for instance in &policy.nfs {
            let Some((description, origin)) = functions.get(&instance.function.value) else {
                continue; // reported by `check`
            };
            let place = Place {
                folder,
                policy_file: &policy_file,
                policy_text: &policy_text,
            };
            match place.program(instance, description, origin, &mut problems) {
                Ok(program) => {
                    programs.insert(instance.name.value.clone(), program);
                }
                Err(found) => problems.extend(found),
            }
        }
        if problems.has_errors() {
            return Err(problems);
        }
        let name = folder
            .canonicalize()
            .ok()
            .and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()))
            .unwrap_or_else(|| "project".to_owned());
        let folder = folder.to_path_buf();
        Ok(Self {
            name,
            folder,
            pipeline: Pipeline::Policy {
                policy,
                library,
                programs,
            },
            rack,
            profile: None,
            warnings: problems,
        })
    }

    /// The project with a profile: this file, else the folder's own, if there is one.
    ///
    /// # Errors
    /// A file that is named but not there, or holds no profile.
    pub fn with_profile(mut self, file: Option<&Path>) -> Result<Self, Problems> {
        let own = self.folder.join(PROFILE_FILE);
        let path = match file {
            Some(path) => path,
            // A program of one's own has no folder.
            None if self.folder.as_os_str().is_empty() || !own.exists() => return Ok(self),
            None => &own,
        };
        let (file, text) = read(path, "write one with `trisect profile`")?;
        let profile = Profile::from_toml(&text, &file);
        self.profile = Some(profile.map_err(|found| Problems::of(found, &file, &text))?);
        Ok(self)
    }

    /// The project with one packet in so many sampled, if sampling is compiled into its devices: all of them choose alike
    /// only if they are compiled for the same rate.
    #[must_use]
    pub fn sampling_one_in(mut self, one_in: u32) -> Self {
        if let Some(sampling) = &mut self.rack.sampling {
            sampling.one_in = one_in;
        }
        self
    }

    /// What a plan is made from.
    pub fn source(&self) -> Source<'_> {
        match &self.pipeline {
            Pipeline::Policy {
                policy,
                library,
                programs,
            } => Source::Policy {
                policy,
                library,
                programs,
            },
            Pipeline::Program(program) => Source::Program {
                name: &self.name,
                program,
            },
            Pipeline::Whole(own) => Source::Whole {
                name: &self.name,
                program: &own.0,
                whole: &own.1,
            },
        }
    }

    /// What a plan of the project is made from, by this strategy and without a limit of time.
    pub fn input<'a>(&'a self, registry: &'a Registry, strategy: Strategy) -> Input<'a> {
        Input {
            name: &self.name,
            source: self.source(),
            rack: &self.rack,
            registry,
            strategy,
            traffic: Traffic::default(),
            objective: Objective::default(),
            time_limit: None,
            profile: self.profile.as_ref(),
        }
    }

    /// The bundled captures by ingress port, sorted by the port's name. Empty if there are none.
    ///
    /// # Errors
    /// The folder cannot be listed, or a file is not named for an external port of the rack.
    pub fn traffic(&self) -> Result<Vec<(u16, PathBuf)>, Problems> {
        let folder = self.folder.join("traffic");
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let help = "name each capture for an external port of the rack: traffic/p0.pcap";
        let listing =
            std::fs::read_dir(&folder).map_err(|e| Problems::unreadable(&folder, &e, help))?;
        let mut files: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
        files.sort();
        let mut captures = Vec::new();
        for path in files {
            let port = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
            let number = self.rack.port_number(port).ok_or_else(|| {
                let missing =
                    std::io::Error::other(format!("the rack has no external port `{port}`"));
                Problems::unreadable(&path, &missing, help)
            })?;
            captures.push((number, path));
        }
        Ok(captures)
    }
}

/// The policy's folder and text, for what its instances name.
struct Place<'a> {
    folder: &'a Path,
    policy_file: &'a str,
    policy_text: &'a str,
}

impl Place<'_> {
    /// Compiles an instance's program, whose warnings go to `warnings`, and configures it.
    fn program(
        &self,
        instance: &NfInstance,
        description: &NfDescription,
        origin: &Origin,
        warnings: &mut Problems,
    ) -> Result<Program, Problems> {
        let options = self.options(instance, description)?;
        let mut program = compile(origin, &options, warnings)?;
        let mut problems = Problems::default();
        for setting in &instance.config {
            let Some(item) = description.config_item(&setting.name) else {
                continue;
            };
            if matches!(item.kind, ConfigKind::Parameter { .. }) {
                continue;
            }
            let path = self.folder.join(&setting.value.value);
            match std::fs::read_to_string(&path) {
                Err(error) => problems.extend(self.unreadable(&setting.value.span, &path, &error)),
                Ok(text) => {
                    let file = path.display().to_string();
                    if let Err(found) =
                        trisect_policy::configure(&mut program, &item.kind, &text, &file)
                    {
                        problems.extend(Problems::of(found, &file, &text));
                    }
                }
            }
        }
        if problems.has_errors() {
            Err(problems)
        } else {
            Ok(program)
        }
    }

    /// Parameters become defines.
    fn options(
        &self,
        instance: &NfInstance,
        description: &NfDescription,
    ) -> Result<Options, Problems> {
        let mut options = Options::default().with_include_dir(self.folder);
        for item in &description.config {
            let ConfigKind::Parameter {
                define, default, ..
            } = &item.kind
            else {
                continue;
            };
            let given = instance.config.iter().find(|s| s.name.value == item.name);
            let (value, span) = match (given, default) {
                (Some(setting), _) => (setting.value.value.as_str(), setting.value.span),
                (None, Some(default)) => (default.as_str(), instance.name.span),
                (None, None) => continue, // reported by `check` if it was needed
            };
            let literal = item.kind.parameter_literal(value).map_err(|reason| {
                let message = format!(
                    "`{value}` cannot be the {} of {}",
                    item.name, description.name
                );
                let code = trisect_policy::codes::BAD_CONFIG;
                let found = Diagnostic::error(code, self.policy_file, span, message).reason(reason);
                Problems::of(vec![found], self.policy_file, self.policy_text)
            })?;
            options = options.with_define(define, literal);
        }
        Ok(options)
    }

    fn unreadable(&self, span: &Span, path: &Path, error: &std::io::Error) -> Problems {
        let message = format!("cannot read {}", path.display());
        let found = Diagnostic::error(
            crate::problems::CANNOT_READ,
            self.policy_file,
            *span,
            message,
        )
        .reason(error.to_string())
        .help("paths are relative to the policy's folder");
        Problems::of(vec![found], self.policy_file, self.policy_text)
    }
}

/// Compiles a network function; its warnings go to `warnings`.
fn compile(
    origin: &Origin,
    options: &Options,
    warnings: &mut Problems,
) -> Result<Program, Problems> {
    match origin {
        Origin::Library(name) => {
            let source = trisect_p4::library::find(name).map_or("", |nf| nf.source);
            let file = format!("{name}.p4");
            let of = |found| Problems::of(found, &file, source);
            let mut compiled =
                trisect_p4::compile_passes_str(&file, source, options).map_err(of)?;
            warnings.extend(of(std::mem::take(&mut compiled.warnings)));
            compiled.single_pass(&file).map_err(of)
        }
        Origin::File(path) => {
            let help = "the NF's description names its program";
            let compiled = compile_file(path, options, help, warnings)?;
            let file = path.to_string_lossy();
            compiled.single_pass(&file).map_err(Problems::in_files)
        }
    }
}

/// Compiles a P4 file; its warnings go to `warnings`, and `help` is for one that cannot be read.
pub(crate) fn compile_file(
    path: &Path,
    options: &Options,
    help: &str,
    warnings: &mut Problems,
) -> Result<Compiled, Problems> {
    // The front end would report this, too, but at a place in a file that is not there.
    std::fs::read(path).map_err(|error| Problems::unreadable(path, &error, help))?;
    let mut compiled =
        trisect_p4::compile_passes_file(path, options).map_err(Problems::in_files)?;
    warnings.extend(Problems::in_files(std::mem::take(&mut compiled.warnings)));
    Ok(compiled)
}

/// The library's functions, and before them those of the folder, by name.
fn functions(folder: &Path, problems: &mut Problems) -> BTreeMap<String, (NfDescription, Origin)> {
    let mut functions = BTreeMap::new();
    for nf in trisect_p4::library::library() {
        let file = format!("{}.nf.toml", nf.name);
        let description = NfDescription::from_toml(nf.description, &file);
        if let Some(description) = keep(description, problems, &file, nf.description) {
            functions.insert(nf.name.to_owned(), (description, Origin::Library(nf.name)));
        }
    }
    let Ok(listing) = std::fs::read_dir(folder) else {
        return functions;
    };
    let mut own: Vec<PathBuf> = listing
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".nf.toml"))
        .collect();
    own.sort();
    for path in own {
        match read(&path, "it describes a network function of this project") {
            Err(found) => problems.extend(found),
            Ok((file, text)) => {
                let description = NfDescription::from_toml(&text, &file);
                if let Some(description) = keep(description, problems, &file, &text) {
                    let program = folder.join(&description.program);
                    functions.insert(
                        description.name.clone(),
                        (description, Origin::File(program)),
                    );
                }
            }
        }
    }
    functions
}

/// The value, or nothing and its diagnostics among the problems.
pub(crate) fn keep<T>(
    result: Result<T, Vec<Diagnostic>>,
    problems: &mut Problems,
    file: &str,
    text: &str,
) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(found) => {
            debug_assert!(found.iter().any(|d| d.severity == Severity::Error));
            problems.extend(Problems::of(found, file, text));
            None
        }
    }
}

/// Name and text of a file.
pub(crate) fn read(path: &Path, help: &str) -> Result<(String, String), Problems> {
    let text =
        std::fs::read_to_string(path).map_err(|error| Problems::unreadable(path, &error, help))?;
    Ok((path.display().to_string(), text))
}
