//! What a program can choose when it asks for a change.

pub use crate::registry::{Existing, ImportMode};

/// Whether an import is done or only looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is done.
    Change,
    /// It is only said what would change.
    DryRun,
}
