//! What a program can choose when it asks for a change.

/// Whether a service may be there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stands, and gets what is wished for.
    Accept,
    /// It is refused.
    Refuse,
}

/// What becomes of services that an imported dump does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// They stay.
    Merge,
    /// They go.
    Replace,
}

/// Whether an import is done or only looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is done.
    Change,
    /// It is only said what would change.
    DryRun,
}
