//! Creates the trees: service to port, port to service, and `meta` for the schema version and seal.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration { version: 1, apply };

fn apply(db: &sled::Db) -> sled::Result<()> {
    for tree in ["services", "ports", "meta"] {
        db.open_tree(tree)?;
    }
    Ok(())
}
