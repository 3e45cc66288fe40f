//! The registry: which service has which port, and the rules by which that changes.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::{io, thread};

use thiserror::Error;
use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::dump;
use crate::dump_file::{DumpFileError, Refresher};
use crate::files::Shown;
use crate::port::{Port, PortRange};
use crate::service_name::ServiceName;
use crate::store::{StoreError, note_place};

mod committer;
mod holds;
mod port_set;
mod recovery;
mod view;

pub use port_set::PortSet;

use committer::{Committer, Request};
use holds::Holds;
use view::SharedView;

/// What a registry is made of.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// The ports that may be allocated.
    pub port_range: PortRange,
    /// Where pald itself listens: never allocated.
    pub port_listen: Port,
    /// Where the last pald on this store listened, if that is known.
    pub port_listen_before: Option<Port>,
    /// The folder of the store.
    pub data_dir: PathBuf,
    /// How many ports may be held at the most, one descriptor each; 0 for none.
    pub max_holds: usize,
    /// The dump, imported where there is no store yet and refreshed after changes.
    pub dump_file: PathBuf,
}

/// The registry of a running pald.
///
/// Lookups read memory and never wait for the disk. Changes go to one committer thread.
#[derive(Debug)]
pub struct Registry {
    view: Arc<SharedView>,
    requests: mpsc::Sender<Request>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl Registry {
    /// Opens the store, or makes it from the dump, and starts the threads.
    ///
    /// # Errors
    /// The store or the dump can't be taken as it is. A dump is never changed then.
    pub fn open(options: RegistryOptions) -> Result<Self, OpenError> {
        let (store, contents) = recovery::open_store(&options)?;
        if let Some(allocation) =
            contents.allocations.iter().find(|a| a.port == options.port_listen)
        {
            let (service, port) = (&allocation.service, allocation.port);
            // An import may have brought it; but nobody moves pald onto a port that is taken.
            if options.port_listen_before.is_some_and(|before| before != port) {
                return Err(OpenError::ListenRegistered { port, service: service.clone() });
            }
            warn!(%service, %port, "Keeping a service registered on the port where pald listens");
        }
        let to_hold = contents.allocations.iter().filter(|allocation| allocation.hold);
        let holds = Holds::start(to_hold.map(|allocation| allocation.port), options.max_holds)
            .map_err(OpenError::Thread)?;
        let view = Arc::new(SharedView::new(contents.allocations, contents.seal));
        let refresher = Refresher::start(options.dump_file.clone(), dump_of(Arc::clone(&view)))
            .map_err(OpenError::Thread)?;
        refresher.refresh();
        let (requests, waiting) = mpsc::channel();
        let committer =
            Committer::new(&options, store, Arc::clone(&view), holds, refresher, waiting);
        let thread = thread::Builder::new()
            .name("committer".into())
            .spawn(|| committer.run())
            .map_err(OpenError::Thread)?;
        Ok(Self { view, requests, committer: Mutex::new(Some(thread)) })
    }

    /// The port of a service.
    pub fn lookup(&self, service: &ServiceName) -> Option<Port> {
        self.view.read().port_of(service)
    }

    /// How many services are registered.
    pub fn len(&self) -> usize {
        self.view.read().len()
    }

    /// Whether no service is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the service the port that it has, or else the lowest free port of the range.
    ///
    /// When the answer comes, it is on disk.
    pub fn allocate(&self, service: ServiceName) -> Pending<Port> {
        if let Some(port) = self.lookup(&service) {
            return Pending::ready(Ok(port));
        }
        self.request(|answer| Request::Allocate { service, answer })
    }

    /// Gives the service this very port, inside or outside the range, and whoever runs on it.
    ///
    /// When the answer comes, it is on disk.
    pub fn pin(&self, service: ServiceName, port: Port) -> Pending<Port> {
        if self.lookup(&service) == Some(port) {
            return Pending::ready(Ok(port));
        }
        self.request(|answer| Request::Pin { service, port, answer })
    }

    /// Takes the port from the service that has it; the answer names the service.
    ///
    /// When the answer comes, it is on disk.
    pub fn release(&self, port: Port) -> Pending<ServiceName> {
        self.request(|answer| Request::Release { port, answer })
    }

    /// Finishes what is waiting, writes the dump, and closes the store. Later changes are refused.
    pub fn close(&self) {
        // A committer that has ended already has done all that.
        let _ = self.requests.send(Request::Close);
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            error!("The committer has panicked");
        }
    }

    fn request<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Pending<T> {
        let (answer, pending) = oneshot::channel();
        // If the committer has ended, the answer is dropped here, and `pending` says so.
        let _ = self.requests.send(request(answer));
        Pending(pending)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.close();
    }
}

/// The dump of what the view shows at the time of the call.
fn dump_of(view: Arc<SharedView>) -> impl Fn() -> String {
    move || {
        let (allocations, seal) = view.read().snapshot();
        dump::render(allocations.iter().map(Arc::as_ref), seal)
    }
}

/// Why a registry did not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The store can't be opened or made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The dump is to be imported and can't be.
    #[error(transparent)]
    Dump(#[from] DumpFileError),
    /// The store is missing or damaged, and the dump can't replace it.
    #[error("{problem}; and the dump {} can't replace it: {reason}", Shown(.dump))]
    NothingWhole {
        /// What is wrong with the store.
        problem: String,
        /// The store.
        store: PathBuf,
        /// The dump.
        dump: PathBuf,
        /// What is wrong with the dump.
        reason: String,
        /// What can be done.
        remedy: Remedy,
    },
    /// The registry would be larger than a dump of it may be.
    #[error("{} holds more than a dump of 16777216 bytes can; nothing was imported", Shown(.path))]
    TooMuch {
        /// The dump.
        path: PathBuf,
    },
    /// pald is told to listen on a service's port.
    #[error("port_listen is {port}, which is registered to {service}")]
    ListenRegistered {
        /// The port.
        port: Port,
        /// Whose it is.
        service: ServiceName,
    },
    /// The damaged store can't be moved aside.
    #[error("Can't move the damaged store {} aside", Shown(.path))]
    Quarantine {
        /// The store.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A copy of the dump can't be written.
    #[error("Can't keep a copy of {} beside it; nothing was changed", Shown(.path))]
    KeepDump {
        /// The dump.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no thread left.
    #[error("Can't start a thread")]
    Thread(#[source] io::Error),
}

impl OpenError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Dump(error) => Some(error.hint()),
            Self::NothingWhole { store, dump, remedy, .. } => Some(remedy.hint(store, dump)),
            Self::TooMuch { .. } => Some("Take services or addresses out of it".to_owned()),
            Self::ListenRegistered { service, .. } => Some(format!(
                "Set another `port_listen`, or start pald where it listened before and release {service}"
            )),
            Self::Quarantine { .. } | Self::KeepDump { .. } | Self::Thread(_) => None,
        }
    }
}

/// What can be done where neither the store nor the dump is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Only a backup helps.
    Backup,
    /// A backup helps; or the store, which has lost its end, is taken as it is.
    Accept,
    /// A backup helps; or the dump is taken as it is, if a person has edited it.
    TakeEdited,
}

impl Remedy {
    fn hint(self, store: &Path, dump: &Path) -> String {
        let note = note_place(store);
        let (store, dump, note) = (Shown(store), Shown(dump), Shown(&note));
        let backup =
            format!("Put a backup of the dump at {dump}, and move {store} away if it is there");
        match self {
            Self::Backup => backup,
            Self::Accept => format!("{backup}; or go on with what is left of the store: rm {note}"),
            Self::TakeEdited => format!(
                "{backup}; or if you have edited the dump yourself, take pald's comments out of it, \
                 sed -i 's/# pald:.*//' {dump}, and move {store} away"
            ),
        }
    }
}

/// Why a change was not made. Nothing of it is visible then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeError {
    /// Every port of the range is registered or somebody's.
    #[error(
        "No ports available: all {size} ports in {port_range} are registered ({}) or in use by \
         others ({occupied})",
        size - occupied
    )]
    Exhausted {
        /// The range.
        port_range: PortRange,
        /// How many of its ports may be allocated.
        size: usize,
        /// On how many of them others were found.
        occupied: usize,
        /// Who has the first few of these, in words.
        holders: Arc<str>,
    },
    /// Another service has the port that was asked for.
    #[error("Port {port} is already registered to {service}")]
    Taken {
        /// The port.
        port: Port,
        /// Whose it is.
        service: ServiceName,
    },
    /// The service has another port than the one that was asked for.
    #[error("{service} is already registered on port {port}")]
    HasAnother {
        /// The service.
        service: ServiceName,
        /// Its port.
        port: Port,
    },
    /// The port that was asked for is pald's own.
    #[error("Port {0} is where pald itself listens")]
    Listening(Port),
    /// The system does not let pald look whether a port is free.
    #[error("Can't tell whether port {port} is free: {reason}")]
    Probe {
        /// The port.
        port: Port,
        /// What the system said.
        reason: Arc<str>,
    },
    /// No service has the port.
    #[error("Port {0} is not registered")]
    NotRegistered(Port),
    /// The store failed, now or before; only a restart can mend that.
    #[error("Changes are not accepted, because the store failed: {0}")]
    Storage(Arc<str>),
    /// Nobody has answered; whether the change was made is not known.
    #[error("The change was not answered: pald is shutting down, or has made a mistake")]
    Unanswered,
}

impl ChangeError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exhausted { holders, .. } => {
                let way =
                    "Release one with `/del?port=PORT`, or raise `port_max` in the configuration";
                Some(match holders.is_empty() {
                    true => way.to_owned(),
                    false => format!("{way}; {holders}"),
                })
            }
            Self::Taken { port, .. } => Some(format!("`/del?port={port}` releases it")),
            Self::HasAnother { port, .. } => Some(format!(
                "Leave `port` out to accept it, or release it with `/del?port={port}`"
            )),
            Self::NotRegistered(_) | Self::Listening(_) | Self::Probe { .. } => None,
            Self::Storage(_) => Some("Make room or mend the disk, then restart pald".to_owned()),
            Self::Unanswered => Some("Look the service up once pald runs again".to_owned()),
        }
    }
}

type Answer<T> = oneshot::Sender<Result<T, ChangeError>>;

/// A change on its way to the disk: a future, or to be waited for by a thread.
#[derive(Debug)]
pub struct Pending<T>(oneshot::Receiver<Result<T, ChangeError>>);

impl<T> Pending<T> {
    fn ready(result: Result<T, ChangeError>) -> Self {
        let (answer, pending) = oneshot::channel();
        // The receiver is right here.
        let _ = answer.send(result);
        Self(pending)
    }

    /// Blocks the thread until the change is on disk; not for an async worker.
    ///
    /// # Errors
    /// The change was not made.
    pub fn wait(self) -> Result<T, ChangeError> {
        self.0.blocking_recv().unwrap_or(Err(ChangeError::Unanswered))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, ChangeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|sent| sent.unwrap_or(Err(ChangeError::Unanswered)))
    }
}
