//! Which services a full range may do without: what its error names.

use std::cmp::Reverse;
use std::sync::Arc;

use super::gone;
use super::{Age, Registry};
use crate::registration::Registration;
use crate::timestamp::Timestamp;

/// How many services are named.
const MAX_NAMED: usize = 3;
/// How many services, at most, have their ports looked at: of those whose folder is gone, and of the
/// oldest.
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
    /// Blocks on the disk, for as long as it takes to find each folder, and for milliseconds; not for an
    /// async worker.
    pub fn candidates(&self) -> Candidates {
        let mut old = self.snapshot().registrations;
        old.retain(|it| self.port_range().contains(it.port));
        let gone = gone::missing(old.iter().cloned()).filter(|it| it.kept.is_none());
        let mut gone: Vec<_> = gone.take(MAX_LOOKED_AT).collect();
        gone::keep_in_use(&mut gone, |ports| self.states(ports, Age::Now));
        gone.retain(|it| it.kept.is_none());
        if !gone.is_empty() {
            let named = gone.into_iter().take(MAX_NAMED);
            return Candidates::Gone(named.map(|it| it.registration).collect());
        }
        let now = Timestamp::now().unix_seconds();
        let age = |it: &Arc<Registration>| now.saturating_sub(it.created_at.unix_seconds());
        old.retain(|it| age(it) >= LONG_AGO);
        old.sort_by_key(|it| Reverse(age(it)));
        old.truncate(MAX_LOOKED_AT);
        let ports: Vec<_> = old.iter().map(|it| it.port).collect();
        let states = self.states(&ports, Age::UpToASecond);
        old.retain(|it| gone::is_idle(states.get(it.port)));
        old.truncate(MAX_NAMED);
        Candidates::Old(old)
    }
}
