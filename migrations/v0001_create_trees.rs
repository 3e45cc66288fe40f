//! Creates the three trees: service to port, port to service, and what the store says of itself.

use super::Migration;

pub(super) const MIGRATION: Migration = Migration { version: 1, apply };

fn apply(db: &sled::Db) -> sled::Result<()> {
    for tree in ["services", "ports", "meta"] {
        db.open_tree(tree)?;
    }
    Ok(())
}
