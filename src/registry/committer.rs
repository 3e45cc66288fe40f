//! The one thread that changes the registry: it gathers waiting changes into batches, and each
//! batch is one transaction and one sync.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use tracing::{error, info};

use super::holds::Holds;
use super::view::SharedView;
use super::{
    Answer, ChangeError, Import, Imported, RegisterOptions, Registered, RegistryOptions, Target,
};
use crate::dump_file::Refresher;
use crate::port::{Port, PortRange};
use crate::probe::{Claimer, Hold};
use crate::registration::Registration;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::{Change, Store, StoreError};

mod ahead;
mod batch;
mod import;
mod inbox;
mod skips;

pub(super) use inbox::{Inbox, Message};

use ahead::{Gathered, gather_during};
use batch::{Batch, Outcome};
use skips::Skips;

/// Why changes are refused, once the store has failed.
pub(super) type Failure = Arc<OnceLock<Arc<str>>>;

/// How many requests are gathered for a batch at the most, so that none waits without end.
const MAX_REQUESTS: usize = 256;
/// With how many requests a batch takes no more while it is decided: they are worth their sync, and
/// what arrives later is gathered for the next one.
const ENOUGH: usize = 32;
/// For fewer changes than these, a second thread that gathers meanwhile costs more than it saves.
const FEWEST_TO_GATHER: usize = 16;

/// What the committer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// A port for the service, or other options for one that has a port.
    Register { service: ServiceName, options: RegisterOptions, answer: Answer<Registered> },
    /// An end to a registration.
    Release { target: Target, answer: Answer<Arc<Registration>> },
    /// A dump to be taken over.
    Import { import: Import, answer: Answer<Imported> },
}

impl Request {
    /// Whether a port is claimed for it, if its service has none yet.
    fn wants_port(&self) -> bool {
        matches!(self, Self::Register { options: RegisterOptions { port: None, .. }, .. })
    }
}

/// Gives an answer once it is known whether the batch is on disk.
type Decision = Box<dyn FnOnce(Result<(), Arc<str>>)>;

/// Owns the store and all writing to it.
pub(super) struct Committer {
    port_range: PortRange,
    port_listen: Port,
    store: Store,
    view: Arc<SharedView>,
    holds: Holds,
    claimer: Claimer,
    skips: Skips,
    refresher: Refresher,
    inbox: Inbox,
    failure: Failure,
}

impl Committer {
    pub(super) fn new(
        options: &RegistryOptions,
        store: Store,
        view: Arc<SharedView>,
        holds: Holds,
        refresher: Refresher,
        inbox: Inbox,
        failure: Failure,
    ) -> Self {
        let RegistryOptions { port_range, port_listen, .. } = *options;
        Self {
            port_range,
            port_listen,
            store,
            view,
            holds,
            claimer: Claimer::default(),
            skips: Skips::default(),
            refresher,
            inbox,
            failure,
        }
    }

    /// Commits batch after batch until the registry is closed.
    pub(super) fn run(mut self) {
        let mut gathered = Gathered::default();
        while let Some(next) = std::mem::take(&mut gathered).or_wait(&self.inbox) {
            self.commit_or_stop(|committer| gathered = committer.commit(next));
        }
    }

    /// Treats a panic on the way to the disk like a failure of the store: what was stored and what
    /// was not is unknown. Whoever waits for an answer is told that there is none.
    fn commit_or_stop(&mut self, commit: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| commit(self))).is_err() {
            let reason = "pald has made a mistake; its log says more";
            error!(%reason, "The committer panicked; changes are refused until pald is restarted");
            self.failure.get_or_init(|| reason.into());
        }
    }

    /// Decides, stores, shows, and answers, in this order; what was gathered meanwhile.
    fn commit(&mut self, Gathered { requests, claims }: Gathered) -> Gathered {
        let view = self.view.read();
        let (port_range, port_listen) = (self.port_range, self.port_listen);
        let mut batch = Batch::new(&view, port_range, port_listen, &mut self.claimer, claims);
        let decisions = decide_all(requests, &self.inbox, &mut batch);
        let Outcome { changes, seal, holds, skipped, claimable } = batch.finish();
        drop(view);
        let store = || self.store_and_answer(&changes, seal, holds, decisions);
        let gathered = match changes.len() {
            FEWEST_TO_GATHER.. if self.failure.get().is_none() => {
                gather_during(&self.inbox, claimable, store)
            }
            _ => {
                store();
                Gathered::default()
            }
        };
        self.skips.tell(skipped);
        gathered
    }

    fn store_and_answer(
        &self,
        changes: &[Change],
        seal: Seal,
        mut holds: HashMap<Port, Hold>,
        decisions: Vec<Decision>,
    ) {
        if !changes.is_empty() {
            if let Err(reason) = self.store_batch(changes, seal) {
                return decisions.into_iter().for_each(|answer| answer(Err(Arc::clone(&reason))));
            }
            self.view.publish(changes, seal);
            changes.iter().for_each(|change| self.follow(change, &mut holds));
        }
        decisions.into_iter().for_each(|answer| answer(Ok(())));
        // Nobody waits for the rest.
        if !changes.is_empty() {
            if let Err(cause) = self.store.note(seal.revision) {
                self.fail(&cause);
            }
            self.store.reserve();
            self.refresher.refresh();
            changes.iter().for_each(log);
        }
    }

    /// Holds what is registered now, and gives up what is not.
    fn follow(&self, change: &Change, holds: &mut HashMap<Port, Hold>) {
        match change {
            Change::Insert(registration) if registration.hold => {
                self.holds.keep(registration.port, holds.remove(&registration.port));
            }
            Change::Insert(_) => {}
            Change::Update(before, after) if before.hold == after.hold => {}
            Change::Update(_, after) if after.hold => self.holds.keep(after.port, None),
            Change::Update(_, after) => self.holds.release(after.port),
            Change::Remove(registration) => self.holds.release(registration.port),
        }
    }

    /// Puts the changes on disk. After a failure nothing is stored any more: what is in sled's
    /// memory may differ from what is on disk, and only a restart can tell.
    fn store_batch(&self, changes: &[Change], seal: Seal) -> Result<(), Arc<str>> {
        if let Some(reason) = self.failure.get() {
            return Err(Arc::clone(reason));
        }
        self.store.commit(changes, seal).map_err(|cause| self.fail(&cause))
    }

    /// Refuses changes from here on, and says why.
    fn fail(&self, cause: &StoreError) -> Arc<str> {
        let reason: Arc<str> = cause.with_causes().into();
        error!(%reason, "The store failed; changes are refused until pald is restarted");
        Arc::clone(self.failure.get_or_init(|| reason))
    }
}

/// Decides these requests, and those that arrive meanwhile until they are enough: the sync that all
/// of them wait for takes no longer for many than for one.
fn decide_all(requests: Vec<Request>, inbox: &Inbox, batch: &mut Batch<'_>) -> Vec<Decision> {
    let (mut decisions, mut waiting) = (Vec::new(), requests);
    while !waiting.is_empty() {
        decisions.extend(waiting.into_iter().map(|request| decide(request, batch)));
        let room = ENOUGH.saturating_sub(decisions.len());
        waiting = inbox.waiting().take(room).collect();
    }
    decisions
}

fn decide(request: Request, batch: &mut Batch<'_>) -> Decision {
    match request {
        Request::Register { service, options, answer } => {
            decision(answer, batch.register(service, options))
        }
        Request::Release { target, answer } => decision(answer, batch.release(target)),
        Request::Import { import, answer } => decision(answer, batch.import(import)),
    }
}

fn decision<T: 'static>(answer: Answer<T>, decided: Result<T, ChangeError>) -> Decision {
    Box::new(move |stored| {
        let result = stored.map_err(ChangeError::Storage).and(decided);
        // The client may have gone away meanwhile.
        drop(answer.send(result));
    })
}

fn log(change: &Change) {
    match change {
        Change::Insert(registration) => {
            info!(service = %registration.service, port = %registration.port, "registered");
        }
        Change::Update(_, after) => {
            let Registration { service, port, addresses, hold, .. } = after.as_ref();
            info!(%service, %port, %addresses, hold, "changed");
        }
        Change::Remove(registration) => {
            info!(service = %registration.service, port = %registration.port, "released");
        }
    }
}

#[cfg(test)]
mod tests;
