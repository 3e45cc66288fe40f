//! The migrations of the store's schema, one file each.
//!
//! Never edit a released migration: stores that it made exist. Add a new file at the end of the list,
//! and keep a store of the version before it under `tests/data`.

mod v0001_create_trees;
mod v0002_add_ids_and_folders;

/// A step from one schema version to the next.
pub(super) struct Migration {
    /// The schema version after this step.
    pub(super) version: u32,
    /// Applies the step. A crash may interrupt it at any point; it is then applied again.
    pub(super) apply: fn(&sled::Db) -> sled::Result<()>,
}

/// All migrations, in order; versions count up from 1.
pub(super) const MIGRATIONS: &[Migration] =
    &[v0001_create_trees::MIGRATION, v0002_add_ids_and_folders::MIGRATION];
