//! The registry: which service has which port, and the rules by which that changes.

use std::cell::LazyCell;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::thread::JoinHandle;

use tracing::error;

use crate::dump_file::{DumpStatus, DumpWatch};
use crate::folder::Folder;
use crate::port::{Port, PortRange};
use crate::probe::{Knocks, Look, PortState};
use crate::registration::Registration;
use crate::service_name::ServiceName;

mod batch;
mod candidates;
mod change;
mod claims;
mod committer;
mod decide;
mod error;
mod gone;
mod holds;
mod import;
mod model;
mod pending;
mod plan;
mod port_set;
mod project_set;
mod remembered;
mod start;
mod survey;
mod verdict;

pub use crate::dump_file::Snapshot;
pub use candidates::Candidates;
pub use change::{
    Existing, Import, ImportMode, Imported, ProjectService, ProjectSet, RegisterOptions,
    Registered, RegisteredSet, Target,
};
pub use error::{ChangeError, DumpProblem, ImportConflict, OccupiedCount, OpenError};
pub use gone::{Gone, Kept};
pub use holds::{HoldError, HoldsStatus};
pub use pending::Pending;
pub use port_set::PortSet;
pub use survey::{Age, States};
pub use verdict::{Checkouts, Verdict};

use batch::Request;
use committer::{Committer, Failure};
use holds::HoldsWatch;
use model::Readers;
use pending::Sender;
use survey::Surveyor;

/// What a registry needs to open.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// The ports that pald gives out.
    pub port_range: PortRange,
    /// The port where pald itself listens; it is never given out.
    pub port_listen: Port,
    /// The folder of the store.
    pub data_dir: PathBuf,
    /// The most ports to hold, one descriptor each; 0 holds none.
    pub max_holds: usize,
    /// The dump: imported at the first start, refreshed after changes.
    pub dump_file: PathBuf,
}

/// The registry of a running pald.
///
/// Lookups read memory and never wait for the disk. Changes go to one committer thread.
#[derive(Debug)]
pub struct Registry {
    port_range: PortRange,
    port_listen: Port,
    readers: Arc<Readers>,
    surveyor: Surveyor,
    knocks: Arc<Knocks>,
    holds: HoldsWatch,
    dump: DumpWatch,
    failure: Failure,
    /// Where the committer takes requests from; `None` once the registry is closed.
    requests: Mutex<Option<mpsc::Sender<Request>>>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

/// The health of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Why changes are refused, if they are.
    pub failure: Option<Arc<str>>,
    /// How many batches of changes were stored so far.
    pub revision: u64,
    /// How many services are registered.
    pub services: usize,
    /// The state of the dump.
    pub dump: DumpStatus,
    /// The state of the holds.
    pub holds: HoldsStatus,
}

impl Registry {
    /// Opens the store, or makes it from the dump, and starts the threads.
    ///
    /// # Errors
    /// The store or the dump can't be taken as it is. A dump is never changed then.
    pub fn open(options: RegistryOptions) -> Result<Self, OpenError> {
        let knocks = Arc::new(Knocks::new(options.port_listen));
        let (committer, requests) = Committer::open(&options, Arc::clone(&knocks))?;
        let (readers, failure) = (Arc::clone(&committer.readers), Arc::clone(&committer.failure));
        let (holds, dump) = (committer.holds.watch(), committer.refresher.watch());
        let thread = thread::Builder::new()
            .name("committer".into())
            .spawn(|| committer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self {
            port_range: options.port_range,
            port_listen: options.port_listen,
            readers,
            surveyor: Surveyor::new(holds.clone(), Arc::clone(&knocks)),
            knocks,
            holds,
            dump,
            failure,
            requests: Mutex::new(Some(requests)),
            committer: Mutex::new(Some(thread)),
        })
    }

    /// The port of a service; an illegal name has none.
    pub fn lookup(&self, service: impl AsRef<[u8]>) -> Option<Port> {
        self.readers.read().of_service(service.as_ref()).map(|registration| registration.port)
    }

    /// The registration of a service.
    pub fn service(&self, service: &ServiceName) -> Option<Arc<Registration>> {
        self.readers.read().of_service(service.as_ref()).cloned()
    }

    /// The registration of the service that has a port.
    pub fn service_at(&self, port: Port) -> Option<Arc<Registration>> {
        self.readers.read().at_port(port).cloned()
    }

    /// All services at one moment.
    pub fn snapshot(&self) -> Snapshot {
        self.readers.snapshot()
    }

    /// The ports that pald gives out.
    pub fn port_range(&self) -> PortRange {
        self.port_range
    }

    /// Where pald itself listens.
    pub fn port_listen(&self) -> Port {
        self.port_listen
    }

    /// What these ports are used for.
    ///
    /// Blocks for milliseconds; not for an async worker.
    pub fn states(&self, ports: &[Port], age: Age) -> Arc<States> {
        self.surveyor.states(ports, age)
    }

    /// Whose the listener on the port of a service is, by what uses that port.
    pub fn verdict(&self, of: &Registration, state: &PortState) -> Option<Verdict> {
        if *state == PortState::Free {
            return None;
        }
        let all = self.snapshot().registrations;
        let checkouts = Checkouts::around(state, all.iter().map(|it| &**it));
        checkouts.verdict(&of.service, of.folder.as_ref(), state)
    }

    /// What any port is used for, right now; pald's own hold counts as nothing.
    ///
    /// Blocks for milliseconds; not for an async worker.
    pub fn state(&self, port: Port, look: Look) -> PortState {
        self.surveyor.state(port, look)
    }

    /// Whether pald holds a port now.
    pub fn is_held(&self, port: Port) -> bool {
        self.holds.is_held(port)
    }

    /// What fails for all ports of this machine, for people.
    pub fn warnings(&self) -> Vec<String> {
        self.knocks.warnings()
    }

    /// How the registry is.
    pub fn health(&self) -> Health {
        let (services, revision) = {
            let model = self.readers.read();
            (model.len(), model.seal().revision)
        };
        let (dump, holds) = (self.dump.status(), self.holds.status());
        Health { failure: self.failure.get().cloned(), revision, services, dump, holds }
    }

    /// How many services are registered.
    pub fn len(&self) -> usize {
        self.readers.read().len()
    }

    /// Whether no service is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Registers the service on these options; one that is registered keeps its port.
    ///
    /// When the answer comes, it is on disk.
    pub fn register(&self, service: ServiceName, options: RegisterOptions) -> Pending<Registered> {
        match self.service(&service) {
            Some(registration) if options.are_met_by(&registration) => {
                Pending::ready(Ok(Registered { registration, is_new: false }))
            }
            _ => self.request(|sender| Request::Register { service, options, sender }),
        }
    }

    /// Registers services of a project for a checkout, all of them as one change, or none.
    ///
    /// When the answer comes, it is on disk.
    pub fn register_set(&self, set: ProjectSet) -> Pending<RegisteredSet> {
        self.request(|sender| Request::RegisterSet { set, sender })
    }

    /// Returns the preferred ports of a set on which processes of its checkout listen, and no others
    /// that are known.
    ///
    /// Blocks for milliseconds; not for an async worker.
    pub fn own_ports(&self, set: &ProjectSet) -> Vec<Port> {
        // To sort all services by their folders takes milliseconds where there are many.
        let snapshot = LazyCell::new(|| self.snapshot());
        let checkouts =
            LazyCell::new(|| Checkouts::of(snapshot.registrations.iter().map(|it| &**it)));
        let own_port = |service: &ProjectService| {
            // Only the main checkout, which has no label, gets preferred ports.
            let (port, name) = (service.prefer?, service.name.full(&set.project, None).ok()?);
            let state = self.state(port, Look::Quiet);
            let is_own =
                || checkouts.verdict(&name, Some(&set.folder), &state) == Some(Verdict::Own);
            (state != PortState::Free && is_own()).then_some(port)
        };
        set.services.iter().filter_map(own_port).collect()
    }

    /// Returns a folder that is gone, nothing runs on its ports, and its checkout has a label that a
    /// set would get otherwise: a checkout that was moved, or removed.
    ///
    /// Blocks for milliseconds; not for an async worker.
    pub fn gone_in_the_way(&self, set: &ProjectSet) -> Option<Folder> {
        let in_the_way = project_set::in_the_way(&self.readers.read(), set);
        let is_idle = |ports: &[Port]| {
            let states = self.states(ports, Age::Now);
            ports.iter().all(|port| gone::is_idle(states.get(*port)))
        };
        let mut gone = in_the_way.into_iter().filter(|(folder, _)| gone::is_gone(folder));
        gone.find(|(_, ports)| is_idle(ports)).map(|(folder, _)| folder)
    }

    /// Returns the services whose folder is not there, and why some of them are kept nevertheless.
    ///
    /// Blocks on the disk, and for milliseconds; not for an async worker.
    pub fn gone(&self) -> Vec<Gone> {
        let mut missing: Vec<_> = gone::missing(self.snapshot().registrations).collect();
        gone::keep_in_use(&mut missing, |ports| self.states(ports, Age::Now));
        missing
    }

    /// Gives a service another name; its port and all else stay.
    ///
    /// When the answer comes, it is on disk.
    pub fn rename(&self, service: ServiceName, to: ServiceName) -> Pending<Arc<Registration>> {
        self.request(|sender| Request::Rename { service, to, sender })
    }

    /// Ends registrations, all of them as one change, or none; the answer is what they were.
    ///
    /// When the answer comes, it is on disk.
    pub fn release(&self, targets: Vec<Target>) -> Pending<Vec<Arc<Registration>>> {
        self.request(|sender| Request::Release { targets, sender })
    }

    /// Ends those registrations that still are exactly like this, as one change; the answer is which.
    ///
    /// When the answer comes, it is on disk.
    pub fn prune(&self, gone: Vec<Arc<Registration>>) -> Pending<Vec<Arc<Registration>>> {
        self.request(|sender| Request::Prune { gone, sender })
    }

    /// Takes a dump over, all of it as one change, or nothing.
    ///
    /// When the answer comes, it is on disk.
    pub fn import(&self, import: Import) -> Pending<Imported> {
        self.request(|sender| Request::Import { import, sender })
    }

    /// Finishes what is waiting, writes the dump, and closes the store. Later changes are refused.
    pub fn close(&self) {
        // Without a sender, the committer ends once it has taken all requests. It is dropped then,
        // which writes the dump and closes the store.
        drop(lock(&self.requests).take());
        let thread = lock(&self.committer).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("Internal error: the committer panicked");
        }
    }

    fn request<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Pending<T> {
        let (sender, pending) = Pending::channel();
        if let Some(requests) = lock(&self.requests).as_ref() {
            // If the committer has ended, the sender is dropped here, and `pending` says so.
            let _ = requests.send(request(sender));
        }
        pending
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
