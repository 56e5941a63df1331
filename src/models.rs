//! Models of switches and NICs that a rack names as files of the user's own.

use crate::problems::{CANNOT_READ, Problems};
use crate::registry::registry;
use std::collections::BTreeSet;
use std::path::Path;
use trisect_ir::diag::Diagnostic;
use trisect_ir::toml_text::{Step, span_at};
use trisect_policy::Rack;
use trisect_policy::rack::is_model_file;
use trisect_target::TargetKind;

/// Reads the model files that a rack names, each by a path relative to the rack's file, and keeps their texts
/// in the rack.
///
/// # Errors
/// Files that cannot be read, or that are no models: one diagnostic for each impossible field.
pub fn read(rack: &mut Rack, file: &Path, text: &str) -> Result<(), Problems> {
    let mut named: Vec<(TargetKind, String, Vec<Step<'_>>)> = Vec::new();
    let key = |k| Step::Key(k);
    for (i, switch) in rack.switches.iter().enumerate() {
        let place = vec![key("switch"), Step::Index(i), key("model")];
        named.push((TargetKind::Switch, switch.model.clone(), place));
    }
    for (i, server) in rack.servers.iter().enumerate() {
        for (n, nic) in server.nics.iter().enumerate() {
            let place = [key("server"), Step::Index(i), key("nic"), Step::Index(n)];
            let place = place.into_iter().chain([key("model")]).collect();
            named.push((TargetKind::Nic, nic.model.clone(), place));
        }
    }
    let mut problems = Problems::default();
    let registry = registry()
        .map_err(|error| Problems::error(CANNOT_READ, error.to_string(), "", "rename a target"))?;
    let mut seen = BTreeSet::new();
    for (kind, model, place) in named {
        if !is_model_file(&model) || !seen.insert((kind, model.clone())) {
            continue;
        }
        let path = file.parent().unwrap_or(Path::new("")).join(&model);
        let own = match std::fs::read_to_string(&path) {
            Ok(own) => own,
            Err(error) => {
                let rack_file = file.display().to_string();
                let message = format!("cannot read {}", path.display());
                let found = Diagnostic::error(
                    CANNOT_READ,
                    rack_file.clone(),
                    span_at(text, &place),
                    message,
                )
                .reason(error.to_string())
                .help("paths of models are relative to the rack's file");
                problems.extend(Problems::of(vec![found], &rack_file, text));
                continue;
            }
        };
        let shown = path.display().to_string();
        let targets = registry.iter().filter(|target| target.kind() == kind);
        let read = targets
            .filter_map(|target| target.read_model(&own, &shown))
            .next();
        match read {
            Some(Ok(_)) => {
                rack.model_texts.insert(model, own);
            }
            Some(Err(found)) => problems.extend(Problems::of(found, &shown, &own)),
            None => {
                let message = format!("no target takes the model of a {kind} from a file");
                let help = "name one of the models that `trisect targets` shows";
                problems.extend(Problems::error(CANNOT_READ, message, "", help));
            }
        }
    }
    match problems.has_errors() {
        true => Err(problems),
        false => Ok(()),
    }
}
