//! What a client can choose for a change.

pub use crate::registry::{Existing, ImportMode};

/// Whether an import changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It changes the registry.
    Change,
    /// It only says what would change.
    DryRun,
}
