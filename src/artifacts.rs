//! What each device of a plan is configured with.

use trisect_plan::error::PlanError;
use trisect_plan::machines::Machines;
use trisect_plan::plan::Plan;
use trisect_plan::site::Site;
use trisect_target::{Artifact, LowerError, Registry};

/// Why there are no artifacts.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The plan's rack does not fit the targets of this build.
    #[error(transparent)]
    Rack(#[from] PlanError),
    /// A device refuses its piece.
    #[error("device {device}: {error}")]
    Lower {
        /// The device.
        device: String,
        /// Why.
        error: Box<LowerError>,
    },
}

/// One device's artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceArtifacts {
    /// Where the device stands in the plan.
    pub site: Site,
    /// Its name, which is also the name of its folder.
    pub device: String,
    /// Its files.
    pub files: Vec<Artifact>,
}

/// The artifacts of all devices that the plan gives a piece: the switch first, then NIC and host of
/// each server.
///
/// # Errors
/// See [`ArtifactError`].
pub fn all(plan: &Plan, registry: &Registry) -> Result<Vec<DeviceArtifacts>, ArtifactError> {
    let machines = Machines::new(&plan.rack, registry)?;
    let mut all = Vec::new();
    for site in machines.sites() {
        let (Some(device), Some(piece)) = (machines.device(site), plan.pieces.at(site)) else {
            continue;
        };
        let name = machines.name(site);
        let files = match &plan.whole {
            Some(whole) => device.lower_whole(piece, whole),
            None => device.lower(piece),
        };
        let files = files.map_err(|error| ArtifactError::Lower {
            device: name.clone(),
            error: Box::new(error),
        })?;
        all.push(DeviceArtifacts {
            site,
            device: name,
            files,
        });
    }
    Ok(all)
}
