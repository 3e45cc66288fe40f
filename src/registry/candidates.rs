//! Which services a full range may do without: what its error names.

use std::cmp::Reverse;
use std::sync::Arc;

use super::gone;
use super::{Age, Registry};
use crate::registration::Registration;
use crate::timestamp::Timestamp;

/// How many services are named.
const MAX_NAMED: usize = 3;
/// How many of the oldest services are looked at.
const MAX_LOOKED_AT: usize = 32;
/// After how many seconds a service counts as registered long ago: 30 days.
const LONG_AGO: u64 = 30 * 24 * 60 * 60;

/// Services that nobody may need any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// Their folders are gone, and nothing runs on their ports: a prune releases them.
    Gone(Vec<Arc<Registration>>),
    /// They were registered long ago, the oldest first, and nothing runs on their ports now.
    Old(Vec<Arc<Registration>>),
}

impl Registry {
    /// Returns a few services that nobody may need any more: those whose folder is gone, or else those
    /// registered long ago.
    ///
    /// Blocks on the disk, and for milliseconds; not for an async worker.
    pub fn candidates(&self) -> Candidates {
        let in_range = |it: &Arc<Registration>| self.port_range().contains(it.port);
        let gone = self.gone().into_iter().filter(|it| it.kept.is_none());
        let gone: Vec<_> =
            gone.map(|it| it.registration).filter(in_range).take(MAX_NAMED).collect();
        if !gone.is_empty() {
            return Candidates::Gone(gone);
        }
        let mut old = self.snapshot().registrations;
        let now = Timestamp::now().unix_seconds();
        let age = |it: &Arc<Registration>| now.saturating_sub(it.created_at.unix_seconds());
        old.retain(|it| in_range(it) && age(it) >= LONG_AGO);
        old.sort_by_key(|it| Reverse(age(it)));
        old.truncate(MAX_LOOKED_AT);
        let ports: Vec<_> = old.iter().map(|it| it.port).collect();
        let states = self.states(&ports, Age::UpToASecond);
        old.retain(|it| gone::is_idle(states.get(it.port)));
        old.truncate(MAX_NAMED);
        Candidates::Old(old)
    }
}
