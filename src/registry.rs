//! The targets of this build, one line each.

use trisect_target::{DuplicateTarget, Registry};

/// All targets.
///
/// # Errors
/// Two targets of one name.
pub fn registry() -> Result<Registry, DuplicateTarget> {
    Registry::new(vec![
        Box::new(trisect_bmv2::Bmv2),
        Box::new(trisect_rte_flow::RteFlow),
        Box::new(trisect_host::HostTarget),
    ])
}
