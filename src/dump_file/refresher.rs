//! The thread that writes the dump again soon after each change.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use tracing::{error, info};

use crate::files::{self, Shown};
use crate::timestamp::Timestamp;

/// How long a change waits for others, so that a burst of them is one write: at least so long, and
/// for a large dump, which takes longer to write, so many times longer than that, up to a bound.
const GATHERING: Duration = Duration::from_millis(300);
const GATHERING_PER_WRITE: u32 = 40;
const LONGEST_GATHERING: Duration = Duration::from_millis(700);
/// How long after a failure the dump is tried again: the first time, and at the most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Writes the dump in a thread of its own: within a second of a change, and once more at the end.
///
/// A dump that can't be written is logged and tried again; nobody waits for it.
#[derive(Debug)]
pub struct Refresher {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    requested: Mutex<Requested>,
    changed: Condvar,
    status: Mutex<DumpStatus>,
}

/// How the dump on disk is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpStatus {
    /// When it was last written by this process.
    pub written_at: Option<Timestamp>,
    /// Why the last attempt to write it failed, if it did.
    pub error: Option<String>,
}

/// Tells how the dump is, from any thread.
#[derive(Debug, Clone)]
pub struct DumpWatch(Arc<State>);

impl DumpWatch {
    /// How the dump is now.
    pub fn status(&self) -> DumpStatus {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Requested {
    /// There are changes that no snapshot was taken of yet.
    write: bool,
    stop: bool,
}

impl Refresher {
    /// Starts the thread; `snapshot` gives the text of the dump as it should be now.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(
        path: PathBuf,
        snapshot: impl Fn() -> String + Send + 'static,
    ) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let writer = Writer { path, snapshot, state: Arc::clone(&state), has_failed: false };
        let thread = thread::Builder::new().name("dump".into()).spawn(|| writer.run())?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// To ask how the dump is.
    pub fn watch(&self) -> DumpWatch {
        DumpWatch(Arc::clone(&self.state))
    }

    /// Says that the dump on disk is behind; returns at once.
    pub fn refresh(&self) {
        let mut requested = self.state.requested.lock().unwrap_or_else(PoisonError::into_inner);
        // Who has the requested already gathers changes, and is not to be woken up by each of them.
        if !std::mem::replace(&mut requested.write, true) {
            self.state.changed.notify_one();
        }
    }

    /// Writes the dump if it is behind and ends the thread.
    pub fn stop(&mut self) {
        self.state.update(|requested| requested.stop = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("The thread that writes the dump has panicked");
        }
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn update(&self, change: impl FnOnce(&mut Requested)) {
        change(&mut self.requested.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// Waits until the dump is to be written or all ends.
    fn wait(&self) -> Requested {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |requested: &mut Requested| !requested.write && !requested.stop;
        *self.changed.wait_while(requested, idle).unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how an attempt to write went.
    fn note(&self, written: &io::Result<()>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.error = written.as_ref().err().map(ToString::to_string);
        if written.is_ok() {
            status.written_at = Some(Timestamp::now());
        }
    }

    /// Takes the requested to write, if there is one: changes from here on are a new requested.
    fn take_write(&self) -> bool {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut requested.write)
    }

    /// Waits for the end of all, for `time` at the most.
    fn pause(&self, time: Duration) {
        let requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        // However the wait ends, by time or by the end of all, the caller goes on.
        let _ = self.changed.wait_timeout_while(requested, time, |requested| !requested.stop);
    }
}

struct Writer<F> {
    path: PathBuf,
    snapshot: F,
    state: Arc<State>,
    has_failed: bool,
}

impl<F: Fn() -> String> Writer<F> {
    fn run(mut self) {
        let mut retry = FIRST_RETRY;
        let mut gathering = GATHERING;
        loop {
            let Requested { write, stop } = self.state.wait();
            if write && !stop {
                self.state.pause(gathering);
            }
            let started = Instant::now();
            let is_current = !self.state.take_write() || self.write();
            gathering =
                (started.elapsed() * GATHERING_PER_WRITE).clamp(GATHERING, LONGEST_GATHERING);
            if stop {
                if !is_current {
                    error!(dump = %Shown(&self.path), "Ending without the newest changes in the dump");
                }
                return;
            }
            if is_current {
                retry = FIRST_RETRY;
            } else {
                self.state.update(|requested| requested.write = true);
                self.state.pause(retry);
                retry = LAST_RETRY.min(retry * 2);
            }
        }
    }

    fn write(&mut self) -> bool {
        let written = files::replace(&self.path, (self.snapshot)().as_bytes());
        self.state.note(&written);
        match written {
            Ok(()) if self.has_failed => {
                info!(dump = %Shown(&self.path), "The dump is written again");
                self.has_failed = false;
                true
            }
            Ok(()) => true,
            Err(cause) => {
                if !self.has_failed {
                    error!(dump = %Shown(&self.path), %cause, "Can't write the dump; trying again");
                }
                self.has_failed = true;
                false
            }
        }
    }
}
