//! The targets that a build knows.

use crate::{Device, DeviceError, DeviceSpec, Target};

/// Targets by name.
pub struct Registry {
    targets: Vec<Box<dyn Target>>,
}

/// Two targets have the same name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two targets are called `{0}`")]
pub struct DuplicateTarget(pub String);

impl Registry {
    /// A registry of these targets, kept in the order of the list.
    ///
    /// # Errors
    /// Two targets of one name.
    pub fn new(targets: Vec<Box<dyn Target>>) -> Result<Self, DuplicateTarget> {
        for (i, target) in targets.iter().enumerate() {
            if targets[..i].iter().any(|t| t.name() == target.name()) {
                return Err(DuplicateTarget(target.name().to_owned()));
            }
        }
        Ok(Self { targets })
    }
    /// All targets, in order.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Target> {
        self.targets.iter().map(AsRef::as_ref)
    }
    /// The target of that name.
    pub fn get(&self, name: &str) -> Option<&dyn Target> {
        self.iter().find(|t| t.name() == name)
    }
    /// The device of that target.
    ///
    /// # Errors
    /// An unknown target, or what [`Target::device`] says.
    pub fn device(&self, target: &str, spec: &DeviceSpec) -> Result<Box<dyn Device>, DeviceError> {
        self.get(target)
            .ok_or_else(|| DeviceError::UnknownTarget {
                name: target.to_owned(),
                known: self.iter().map(|t| t.name().to_owned()).collect(),
            })?
            .device(spec)
    }
}
