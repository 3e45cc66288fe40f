//! The registry: which service has which port, and the rules by which that changes.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tracing::{error, warn};

use crate::dump;
use crate::dump_file::Refresher;
use crate::port::{Port, PortRange};
use crate::service_name::ServiceName;

mod committer;
mod error;
mod holds;
mod port_set;
mod recovery;
mod view;

pub use error::{ChangeError, OpenError, Remedy};
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
