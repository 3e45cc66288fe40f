//! The one thread that changes the registry: it gathers waiting changes into batches, and each
//! batch is one transaction and one sync.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};

use tracing::{error, info};

use super::holds::Holds;
use super::view::SharedView;
use super::{Answer, ChangeError, RegistryOptions};
use crate::dump_file::Refresher;
use crate::port::{Port, PortRange};
use crate::probe::Hold;
use crate::seal::Seal;
use crate::service_name::ServiceName;
use crate::store::{Change, Store};

mod batch;
mod skips;

use batch::{Batch, Outcome};
use skips::Skips;

/// How many changes may join the first of a batch.
const MAX_JOINING: usize = 256;

/// What the committer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// The service's port, or a new one for it.
    Allocate { service: ServiceName, answer: Answer<Port> },
    /// This very port for the service.
    Pin { service: ServiceName, port: Port, answer: Answer<Port> },
    /// An end to the registration of the port.
    Release { port: Port, answer: Answer<ServiceName> },
    /// No more changes.
    Close,
}

/// An answer that may be given once the batch is on disk.
enum Decision {
    Allocated(Answer<Port>, Result<Port, ChangeError>),
    Released(Answer<ServiceName>, Result<ServiceName, ChangeError>),
}

/// Owns the store and all writing to it.
pub(super) struct Committer {
    port_range: PortRange,
    port_listen: Port,
    store: Store,
    view: Arc<SharedView>,
    holds: Holds,
    skips: Skips,
    refresher: Refresher,
    requests: mpsc::Receiver<Request>,
    /// Why changes are refused, once the store has failed.
    failure: Option<Arc<str>>,
}

impl Committer {
    pub(super) fn new(
        options: &RegistryOptions,
        store: Store,
        view: Arc<SharedView>,
        holds: Holds,
        refresher: Refresher,
        requests: mpsc::Receiver<Request>,
    ) -> Self {
        let RegistryOptions { port_range, port_listen, .. } = *options;
        Self {
            port_range,
            port_listen,
            store,
            view,
            holds,
            skips: Skips::default(),
            refresher,
            requests,
            failure: None,
        }
    }

    /// Commits batch after batch until the registry is closed.
    pub(super) fn run(mut self) {
        while let Ok(first) = self.requests.recv() {
            let joining = self.requests.try_iter().take(MAX_JOINING);
            let mut requests: Vec<_> = std::iter::once(first).chain(joining).collect();
            let open = requests.iter().position(|request| matches!(request, Request::Close));
            requests.truncate(open.unwrap_or(requests.len()));
            self.commit_or_stop(|committer| committer.commit(requests));
            if open.is_some() {
                return;
            }
        }
    }

    /// Treats a panic on the way to the disk like a failure of the store: what was stored and what
    /// was not is unknown. Whoever waits for an answer is told that there is none.
    fn commit_or_stop(&mut self, commit: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| commit(self))).is_err() {
            let reason = "pald has made a mistake; its log says more";
            error!(%reason, "The committer panicked; changes are refused until pald is restarted");
            self.failure = Some(reason.into());
        }
    }

    /// Decides, stores, shows, and answers, in this order.
    fn commit(&mut self, requests: Vec<Request>) {
        let view = self.view.read();
        let mut batch = Batch::new(&view, self.port_range, self.port_listen);
        let decisions: Vec<_> =
            requests.into_iter().filter_map(|r| decide(r, &mut batch)).collect();
        let Outcome { changes, seal, mut holds, skipped } = batch.finish();
        drop(view);
        if !changes.is_empty() {
            if let Err(reason) = self.store_batch(&changes, seal) {
                return decisions.into_iter().for_each(|decision| decision.refuse(&reason));
            }
            self.view.publish(&changes, seal);
            self.refresher.refresh();
            for change in &changes {
                self.follow(change, &mut holds);
                log(change);
            }
        }
        decisions.into_iter().for_each(Decision::answer);
        self.skips.tell(skipped);
    }

    /// Holds what is registered now, and gives up what is not.
    fn follow(&self, change: &Change, holds: &mut HashMap<Port, Hold>) {
        match change {
            Change::Insert(allocation) if allocation.hold => {
                self.holds.keep(allocation.port, holds.remove(&allocation.port));
            }
            Change::Insert(_) => {}
            Change::Remove(allocation) => self.holds.release(allocation.port),
        }
    }

    /// Puts the changes on disk. After a failure nothing is stored any more: what is in sled's
    /// memory may differ from what is on disk, and only a restart can tell.
    fn store_batch(&mut self, changes: &[Change], seal: Seal) -> Result<(), Arc<str>> {
        if let Some(reason) = &self.failure {
            return Err(Arc::clone(reason));
        }
        self.store.commit(changes, seal).map_err(|cause| {
            let reason: Arc<str> = cause.with_causes().into();
            error!(%reason, "The store failed; changes are refused until pald is restarted");
            self.failure.insert(reason).clone()
        })
    }
}

fn decide(request: Request, batch: &mut Batch<'_>) -> Option<Decision> {
    match request {
        Request::Allocate { service, answer } => {
            let decided = batch.allocate(service);
            Some(Decision::Allocated(answer, decided))
        }
        Request::Pin { service, port, answer } => {
            let decided = batch.pin(service, port);
            Some(Decision::Allocated(answer, decided))
        }
        Request::Release { port, answer } => {
            let decided = batch.release(port);
            Some(Decision::Released(answer, decided))
        }
        Request::Close => None,
    }
}

impl Decision {
    /// Tells the client, who may have gone away meanwhile.
    fn answer(self) {
        match self {
            Self::Allocated(answer, decided) => drop(answer.send(decided)),
            Self::Released(answer, decided) => drop(answer.send(decided)),
        }
    }

    fn refuse(self, reason: &Arc<str>) {
        let error = ChangeError::Storage(Arc::clone(reason));
        match self {
            Self::Allocated(answer, _) => drop(answer.send(Err(error))),
            Self::Released(answer, _) => drop(answer.send(Err(error))),
        }
    }
}

fn log(change: &Change) {
    match change {
        Change::Insert(allocation) => {
            info!(service = %allocation.service, port = %allocation.port, "allocated");
        }
        Change::Remove(allocation) => {
            info!(service = %allocation.service, port = %allocation.port, "released");
        }
    }
}

#[cfg(test)]
mod tests;
