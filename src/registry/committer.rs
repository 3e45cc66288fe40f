//! The one thread that changes the registry.
//!
//! It takes the requests that wait, decides them as one batch, stores the batch with one transaction
//! and one sync, shows it to readers, and answers. Only then come the dump and the log.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, mpsc};

use tracing::{error, info, warn};

use super::batch::{Batch, Outcome, Request};
use super::claims::Claims;
use super::holds::Holds;
use super::model::{Model, Readers};
use super::remembered::Remembered;
use super::{ChangeError, OpenError, PortSet, RegistryOptions, start};
use crate::dump_file::Refresher;
use crate::files::FileState;
use crate::port::{Port, PortRange};
use crate::probe::{Claimer, Hold, Knocks, Occupied};
use crate::registration::Registration;
use crate::store::{DbRecord, Operation, RecordFile, Store, StoreError, record_place};

/// How many requests a batch takes at most, so that none waits without end: one for each connection
/// that pald serves. More can wait only for clients that have gone away.
const MAX_REQUESTS: usize = 256;

/// From how many operations on the whole registry is stored anew, which then takes less memory.
const MANY: usize = 512;

/// How many skipped ports the log names at a time.
const MAX_NAMED: usize = 3;

/// Why changes are refused, once the store has failed.
pub(super) type Failure = Arc<OnceLock<Arc<str>>>;

/// Owns the store and all writing to it.
pub(super) struct Committer {
    port_range: PortRange,
    port_listen: Port,
    requests: mpsc::Receiver<Request>,
    /// An import that starts the next batch.
    import: Option<Request>,
    /// Ahead of the store while a batch is decided and stored; never read again after a failure.
    model: Model,
    /// As far ahead as the model.
    remembered: Remembered,
    store: Store,
    record: Arc<RecordFile>,
    pub(super) readers: Arc<Readers>,
    claimer: Claimer,
    pub(super) holds: Holds,
    /// Ports in use by others that the log has named: each is named once for as long as pald runs.
    named_occupied: PortSet,
    pub(super) refresher: Refresher,
    pub(super) failure: Failure,
}

impl Committer {
    /// Opens the store and what depends on it; the sender is where requests go.
    ///
    /// # Errors
    /// The store or the dump can't be used as it is, or the system has no thread left.
    pub(super) fn open(
        options: &RegistryOptions,
        knocks: Arc<Knocks>,
    ) -> Result<(Self, mpsc::Sender<Request>), OpenError> {
        let start::Started { store, contents, found, record, own_dump } =
            start::open_store(options)?;
        let model = Model::new(contents.registrations, contents.seal);
        let remembered = Remembered::new(contents.remembered, &model);
        check_listen(&model, options.port_listen, found.whole())?;
        let record = DbRecord { port_listen: Some(options.port_listen), ..record };
        let record = RecordFile::create(&options.data_dir, record).map_err(|source| {
            let path = record_place(&options.data_dir);
            StoreError::Io { path, source }
        })?;
        let record = Arc::new(record);
        let to_hold = model.registrations().filter(|registration| registration.hold);
        let holds = Holds::start(to_hold.map(|registration| registration.port), options.max_holds)
            .map_err(OpenError::Thread)?;
        let readers = Arc::new(Readers::new(model.clone()));
        let refresher = start_refresher(options, own_dump, &readers, &record)?;
        let (sender, requests) = mpsc::channel();
        let committer = Self {
            port_range: options.port_range,
            port_listen: options.port_listen,
            requests,
            import: None,
            model,
            remembered,
            store,
            record,
            readers,
            claimer: Claimer::new(knocks),
            holds,
            named_occupied: PortSet::default(),
            refresher,
            failure: Failure::default(),
        };
        Ok((committer, sender))
    }

    /// Commits batch after batch until the registry is closed.
    pub(super) fn run(mut self) {
        while let Some(requests) = self.next_requests() {
            self.commit_or_fail(requests);
        }
    }

    /// Waits for a request, and takes what else waits by then. An import is the first of its batch,
    /// so that what it is compared with is on disk; others may follow it.
    fn next_requests(&mut self) -> Option<Vec<Request>> {
        let first = self.import.take().or_else(|| self.requests.recv().ok())?;
        let mut requests = vec![first];
        while requests.len() < MAX_REQUESTS
            && let Ok(request) = self.requests.try_recv()
        {
            if matches!(request, Request::Import { .. }) {
                self.import = Some(request);
                break;
            }
            requests.push(request);
        }
        Some(requests)
    }

    /// Commits a batch. A panic is treated like a failure of the store: what was stored and what was
    /// not is unknown. The requests are dropped with it, which tells those who wait that there is no
    /// answer.
    fn commit_or_fail(&mut self, requests: Vec<Request>) {
        if catch_unwind(AssertUnwindSafe(|| self.commit(requests))).is_err() {
            self.fail("internal error; pald's log says more".into());
        }
    }

    /// Decides, stores, shows, and answers, in this order.
    fn commit(&mut self, requests: Vec<Request>) {
        if let Some(reason) = self.failure.get() {
            let refused = ChangeError::Storage(Arc::clone(reason));
            return requests.into_iter().for_each(|request| request.refuse(refused.clone()));
        }
        let Outcome { operations, holds, occupied, answers } = self.decide(requests);
        if !operations.is_empty() {
            if let Err(cause) = self.store(&operations) {
                let failed = ChangeError::Storage(self.fail(cause.with_causes().into()));
                return answers.into_iter().for_each(|answer| answer(Err(failed.clone())));
            }
            self.readers.replay(&operations);
            self.hold(&operations, holds);
        }
        answers.into_iter().for_each(|answer| answer(Ok(())));
        if !operations.is_empty() {
            self.after_answers(&operations);
        }
        self.log_occupied(occupied);
    }

    fn decide(&mut self, requests: Vec<Request>) -> Outcome {
        let claims = Claims::new(
            &self.model,
            self.port_range,
            self.port_listen,
            &mut self.claimer,
            &mut self.remembered,
        );
        let mut batch = Batch::new(&mut self.model, claims);
        requests.into_iter().for_each(|request| batch.decide(request));
        batch.finish()
    }

    /// Stores a batch as one change.
    fn store(&mut self, operations: &[Operation]) -> Result<(), StoreError> {
        let (seal, remembered) = (self.model.seal(), self.remembered.take_changes());
        if operations.len() < MANY {
            return self.store.commit(operations, &remembered, seal);
        }
        let registrations: Vec<_> = self.model.registrations().cloned().collect();
        self.store.replace_all(&registrations, &remembered, seal)
    }

    /// Holds the ports that are registered now, and releases those that are not.
    fn hold(&self, operations: &[Operation], mut claimed: HashMap<Port, Hold>) {
        for operation in operations {
            match operation {
                Operation::Insert(after) if after.hold => {
                    self.holds.keep(after.port, claimed.remove(&after.port));
                }
                Operation::Insert(_) => {}
                Operation::Update(before, after) if before.hold == after.hold => {}
                Operation::Update(_, after) if after.hold => self.holds.keep(after.port, None),
                Operation::Update(before, _) | Operation::Remove(before) => {
                    self.holds.release(before.port);
                }
            }
        }
    }

    /// Says of each port that was skipped why, and only once.
    fn log_occupied(&mut self, mut occupied: Vec<(Port, Occupied)>) {
        occupied.retain(|(port, _)| !self.named_occupied.contains(*port));
        for (port, reason) in occupied.iter().take(MAX_NAMED) {
            info!(%port, %reason, "Skipped a port");
        }
        if let Some(more) = occupied.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            info!(more, "Skipped more ports");
        }
        occupied.iter().for_each(|(port, _)| self.named_occupied.insert(*port));
    }

    /// What nobody waits for: the record beside the store, the dump, the log.
    fn after_answers(&self, operations: &[Operation]) {
        if let Err(cause) = self.record.committed(self.model.seal().revision) {
            self.fail(format!("Can't write the record beside the store: {cause}").into());
        }
        self.refresher.refresh();
        if operations.len() >= MANY
            && let Err(cause) = self.store.remove_replaced()
        {
            self.fail(cause.with_causes().into());
        }
        operations.iter().for_each(log);
    }

    /// Refuses changes from here on: sled's memory and the disk may differ, and only a restart can
    /// tell.
    fn fail(&self, reason: Arc<str>) -> Arc<str> {
        error!(%reason, "The store failed; changes are refused until pald is restarted");
        Arc::clone(self.failure.get_or_init(|| reason))
    }
}

/// Starts to write the dump, from what readers see.
fn start_refresher(
    options: &RegistryOptions,
    own_dump: Option<FileState>,
    readers: &Arc<Readers>,
    record: &Arc<RecordFile>,
) -> Result<Refresher, OpenError> {
    let (readers, record) = (Arc::clone(readers), Arc::clone(record));
    let written = move |seal| {
        if let Err(cause) = record.dump_written(seal) {
            warn!(%cause, "Can't note beside the store that the dump was written");
        }
    };
    let snapshot = move || readers.snapshot();
    Refresher::start(options.dump_file.clone(), own_dump, snapshot, written)
        .map_err(OpenError::Thread)
}

/// Refuses a changed `port_listen` that belongs to a service. An unchanged one may: the dump of a first
/// start can have brought a service there.
fn check_listen(
    model: &Model,
    port_listen: Port,
    before: Option<&DbRecord>,
) -> Result<(), OpenError> {
    let Some(registration) = model.at_port(port_listen) else { return Ok(()) };
    let (service, port) = (&registration.service, registration.port);
    if before.and_then(|record| record.port_listen).is_some_and(|before| before != port) {
        return Err(OpenError::ListenRegistered { port, service: service.clone() });
    }
    warn!(%service, %port, "Keeping a service registered on the port where pald listens");
    Ok(())
}

fn log(operation: &Operation) {
    match operation {
        Operation::Insert(after) => {
            info!(service = %after.service, port = %after.port, "registered");
        }
        Operation::Update(before, after) if before.service != after.service => {
            info!(from = %before.service, to = %after.service, port = %after.port, "renamed");
        }
        Operation::Update(_, after) => {
            let Registration { service, port, addresses, hold, .. } = after.as_ref();
            info!(%service, %port, %addresses, hold, "changed");
        }
        Operation::Remove(before) => {
            info!(service = %before.service, port = %before.port, "released");
        }
    }
}

#[cfg(test)]
mod tests;
