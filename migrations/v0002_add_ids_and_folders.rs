//! Adds the tree of remembered ports, and the second pair of trees for the registry, which is used in
//! the place of the first when many services change at once. From this version on, the seal has the registry's id and a
//! service can have a folder; older records are read as they are and written anew when they change.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration { version: 2, apply };

fn apply(db: &sled::Db) -> sled::Result<()> {
    for tree in ["remembered", "services.2", "ports.2"] {
        db.open_tree(tree)?;
    }
    Ok(())
}
