//! Trajectory sampling: keyed hash, records, trajectories.
