//! Adds the tree of remembered ports. From this version on, the seal has the registry's id and a
//! service can have a folder; older records are read as they are and written anew when they change.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration { version: 2, apply };

fn apply(db: &sled::Db) -> sled::Result<()> {
    db.open_tree("remembered").map(drop)
}
