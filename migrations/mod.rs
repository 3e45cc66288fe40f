//! The versions of the store's schema, one file each, in the order in which they are applied.
//!
//! A released migration is never edited: stores made by it exist. A new one is a new file at the
//! end of the list, and a store folder made by the version before it is kept under `tests/data`.

mod v0001_create_trees;

/// One step from a schema version to the next.
pub(super) struct Migration {
    /// The version of a store after this step.
    pub(super) version: u32,
    /// Takes the step. It may be interrupted by a crash at any point and is then taken again.
    pub(super) apply: fn(&sled::Db) -> sled::Result<()>,
}

/// All steps; their versions count up from 1.
pub(super) const MIGRATIONS: &[Migration] = &[v0001_create_trees::MIGRATION];
