//! The thread that writes the dump after changes.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use tracing::{error, info};

use super::writer::{Snapshot, Writer};
use crate::files::{FileState, Shown};
use crate::seal::Seal;
use crate::timestamp::Timestamp;

/// The delay between a change and the write, so that a burst of changes is one write: as many times
/// as long as the last write took, within these bounds.
const MIN_DELAY: Duration = Duration::from_millis(300);
const DELAY_PER_WRITE: u32 = 40;
const MAX_DELAY: Duration = Duration::from_millis(700);
/// The pause before a failed write is tried again: it starts here and doubles.
const MIN_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(60);

/// Writes the dump in its own thread: within a second of a change, and when it is stopped.
///
/// A failed write is logged and tried again; no change waits for it.
#[derive(Debug)]
pub struct Refresher {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    requests: Mutex<Requests>,
    changed: Condvar,
    status: Mutex<DumpStatus>,
}

/// The state of the dump on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpStatus {
    /// When this process last wrote the dump.
    pub written_at: Option<Timestamp>,
    /// Why the last write failed, if it did.
    pub error: Option<String>,
}

/// Gives any thread the status of the dump.
#[derive(Debug, Clone)]
pub struct DumpWatch(Arc<State>);

impl DumpWatch {
    /// Returns the current status.
    pub fn status(&self) -> DumpStatus {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the thread is asked to do.
#[derive(Debug, Default, Clone, Copy)]
struct Requests {
    /// Some changes are in no snapshot yet.
    write: bool,
    stop: bool,
}

impl Refresher {
    /// Writes the dump, then starts the thread. A failed write does not keep it from starting.
    ///
    /// `own` is what may be overwritten, as it was found: whatever else is at `path` is kept aside if
    /// it says anything else than the registry. `snapshot` returns all services in port order, and
    /// `written` is told what is on disk.
    ///
    /// # Errors
    /// The system can't start a thread.
    pub fn start(
        path: PathBuf,
        own: Option<FileState>,
        snapshot: impl Fn() -> Snapshot + Send + 'static,
        written: impl Fn(Seal) + Send + 'static,
    ) -> io::Result<Self> {
        let state = Arc::new(State::default());
        let writer = Writer::new(path, own);
        let mut task =
            Task { writer, snapshot, written, state: Arc::clone(&state), has_failed: false };
        if !task.write() {
            state.update(|requests| requests.write = true);
        }
        let thread = thread::Builder::new().name("dump".into()).spawn(|| task.run())?;
        Ok(Self { state, thread: Some(thread) })
    }

    /// Returns a handle to ask for the status.
    pub fn watch(&self) -> DumpWatch {
        DumpWatch(Arc::clone(&self.state))
    }

    /// Asks for a write; returns at once.
    pub fn refresh(&self) {
        let mut requests = self.state.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that has the request already is in its delay: waking it for each change is wasted.
        if !std::mem::replace(&mut requests.write, true) {
            self.state.changed.notify_one();
        }
    }

    /// Writes the dump if there are changes, then ends the thread.
    pub fn stop(&mut self) {
        self.state.update(|requests| requests.stop = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("The dump thread panicked");
        }
    }
}

impl Drop for Refresher {
    fn drop(&mut self) {
        self.stop();
    }
}

impl State {
    fn update(&self, change: impl FnOnce(&mut Requests)) {
        change(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }

    /// Waits for a request.
    fn wait(&self) -> Requests {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |requests: &mut Requests| !requests.write && !requests.stop;
        *self.changed.wait_while(requests, idle).unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the outcome of a write.
    fn note(&self, written: &io::Result<()>) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.error = written.as_ref().err().map(ToString::to_string);
        if written.is_ok() {
            status.written_at = Some(Timestamp::now());
        }
    }

    /// Takes the request to write, if there is one; later changes make a new one.
    fn take_write(&self) -> bool {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut requests.write)
    }

    /// Waits for `time`, or until the request to stop.
    fn pause(&self, time: Duration) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        // The caller goes on either way, and a poisoned lock changes nothing about that.
        let _ = self.changed.wait_timeout_while(requests, time, |requests| !requests.stop);
    }
}

/// What the thread does.
struct Task<F, G> {
    writer: Writer,
    snapshot: F,
    written: G,
    state: Arc<State>,
    has_failed: bool,
}

impl<F: Fn() -> Snapshot, G: Fn(Seal)> Task<F, G> {
    fn run(mut self) {
        let mut retry = MIN_RETRY;
        let mut delay = MIN_DELAY;
        loop {
            let Requests { write, stop } = self.state.wait();
            if write && !stop {
                self.state.pause(delay);
            }
            let started = Instant::now();
            let is_current = !self.state.take_write() || self.write();
            delay = (started.elapsed() * DELAY_PER_WRITE).clamp(MIN_DELAY, MAX_DELAY);
            if stop {
                if !is_current {
                    error!(dump = %Shown(self.writer.path()), "Stopping without the newest changes in the dump");
                }
                return;
            }
            if is_current {
                retry = MIN_RETRY;
            } else {
                self.state.update(|requests| requests.write = true);
                self.state.pause(retry);
                retry = MAX_RETRY.min(retry * 2);
            }
        }
    }

    fn write(&mut self) -> bool {
        let snapshot = (self.snapshot)();
        let written = self.writer.write(&snapshot);
        self.state.note(&written);
        let dump = Shown(self.writer.path());
        match written {
            Ok(()) => {
                (self.written)(snapshot.seal);
                if std::mem::take(&mut self.has_failed) {
                    info!(%dump, "Writing the dump works again");
                }
                true
            }
            Err(cause) => {
                if !self.has_failed {
                    error!(%dump, %cause, "Can't write the dump; pald keeps trying");
                }
                self.has_failed = true;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;
    use crate::dump;

    /// A refresher of a registry that the test changes, and the seals that are said to be on disk.
    struct Bench {
        registry: Arc<Mutex<String>>,
        written: mpsc::Receiver<Seal>,
        refresher: Refresher,
    }

    fn snapshot(dump: &str) -> Snapshot {
        let registrations = dump::parse(dump.as_bytes()).unwrap().registrations();
        let seal = Seal::of(1, &registrations);
        Snapshot { registrations: registrations.into_iter().map(Arc::new).collect(), seal }
    }

    impl Bench {
        fn start(path: &Path, dump: &str) -> Self {
            let registry = Arc::new(Mutex::new(dump.to_owned()));
            let (sender, written) = mpsc::channel();
            let refresher = Refresher::start(
                path.to_owned(),
                None,
                {
                    let registry = Arc::clone(&registry);
                    move || snapshot(&registry.lock().unwrap())
                },
                move |seal| sender.send(seal).unwrap(),
            );
            Self { registry, written, refresher: refresher.unwrap() }
        }

        fn change(&self, dump: &str) {
            *self.registry.lock().unwrap() = dump.to_owned();
            self.refresher.refresh();
        }

        /// Waits until a registry is said to be on disk.
        fn wait_for(&self, dump: &str) {
            let seal = self.written.recv_timeout(Duration::from_secs(30)).unwrap();
            assert_eq!(seal.entries, snapshot(dump).seal.entries);
        }
    }

    /// The services that the dump at `path` names.
    fn services_in(path: &Path) -> Vec<String> {
        let dump = dump::parse(&fs::read(path).unwrap()).unwrap();
        dump.entries.iter().map(|entry| entry.service.to_string()).collect()
    }

    #[test]
    fn the_dump_is_written_at_the_start_after_a_change_and_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump");
        let mut bench = Bench::start(&path, "a 1\n");
        // On return the first is on disk.
        assert_eq!(services_in(&path), ["a"]);
        bench.wait_for("a 1\n");
        let status = bench.refresher.watch().status();
        assert!(status.written_at.is_some() && status.error.is_none(), "{status:?}");

        bench.change("a 1\nb 2\n");
        bench.wait_for("a 1\nb 2\n");
        assert_eq!(services_in(&path), ["a", "b"]);
        bench.change("c 3\n");
        bench.refresher.stop();
        assert_eq!(services_in(&path), ["c"]);
        bench.wait_for("c 3\n");
        assert!(bench.written.try_recv().is_err());
    }

    #[test]
    fn a_burst_of_changes_is_few_writes() {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench::start(&folder.path().join("dump"), "");
        for _ in 0..1000 {
            bench.change("a 1\n");
        }
        bench.refresher.stop();
        // One each for the start and for the end, and every 300 ms at most.
        let writes = bench.written.try_iter().count();
        assert!((2..500).contains(&writes), "{writes}");
    }

    #[test]
    fn a_write_that_fails_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later").join("dump");
        let mut bench = Bench::start(&path, "a 1\n");
        let watch = bench.refresher.watch();
        let status = watch.status();
        assert!(status.written_at.is_none() && status.error.is_some(), "{status:?}");
        assert!(bench.written.try_recv().is_err());

        fs::create_dir(folder.path().join("later")).unwrap();
        // Nobody asks for it again.
        bench.wait_for("a 1\n");
        assert_eq!(services_in(&path), ["a"]);
        bench.refresher.stop();
        let status = watch.status();
        assert!(status.written_at.is_some() && status.error.is_none(), "{status:?}");
    }

    #[test]
    fn a_refresher_that_cannot_write_ends_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench::start(&folder.path().join("none").join("dump"), "a 1\n");
        bench.refresher.stop();
        assert!(bench.written.try_recv().is_err());
        assert!(bench.refresher.watch().status().error.is_some());
    }
}
