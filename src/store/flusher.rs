//! sled's flush, made to end where it fails.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fmt, io};

use sled::Db;

/// How long a flush takes before its end is seen to, and how often that is done from then on.
const NUDGE_EVERY: Duration = Duration::from_secs(1);

/// Flushes a database. A flush whose write failed returns, late though it may be.
///
/// sled 0.34 notes the error of a write that fails, but not on every path does it wake the flush that
/// waits for it (`exit_reservation` in its `pagecache/logger.rs`). Any write that comes later meets
/// the note and wakes all who wait, so a thread of its own makes one while a flush takes long.
pub(super) struct Flusher {
    db: Db,
    /// Told of each flush twice, when it begins and when it ends; `None` ends the thread.
    flushes: Option<Sender<()>>,
    nudger: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system can't start a thread.
    pub(super) fn start(db: &Db) -> io::Result<Self> {
        let (sender, flushes) = mpsc::channel();
        let thread = thread::Builder::new().name("nudger".into());
        let nudger = thread.spawn({
            let db = db.clone();
            move || nudge_long_ones(&flushes, || nudge(&db))
        })?;
        Ok(Self { db: db.clone(), flushes: Some(sender), nudger: Some(nudger) })
    }

    /// Writes all applied changes to sled's files; they are on disk once the data file is synced.
    pub(super) fn flush(&self) -> sled::Result<()> {
        self.tell_nudger();
        let flushed = self.db.flush();
        self.tell_nudger();
        flushed.map(drop)
    }

    fn tell_nudger(&self) {
        if let Some(nudger) = &self.flushes {
            // Without the thread a flush is sled's.
            let _ = nudger.send(());
        }
    }
}

impl Drop for Flusher {
    /// The database is closed only when nobody has it any more.
    fn drop(&mut self) {
        drop(self.flushes.take());
        if let Some(nudger) = self.nudger.take() {
            let _ = nudger.join();
        }
    }
}

impl fmt::Debug for Flusher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Flusher").finish_non_exhaustive()
    }
}

/// Nudges for each flush that is still going on after a while, until it ends.
fn nudge_long_ones(flushes: &Receiver<()>, nudge: impl Fn()) {
    while let Ok(()) = flushes.recv() {
        while flushes.recv_timeout(NUDGE_EVERY) == Err(RecvTimeoutError::Timeout) {
            nudge();
        }
    }
}

/// Writes to the tree that each database of sled has and pald has no use for.
fn nudge(db: &Db) {
    let _ = db.insert("nudge", &[]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_ends_is_not_nudged() {
        let (flushes, begun_and_ended) = mpsc::channel();
        for _ in 0..2 * 100 {
            flushes.send(()).unwrap();
        }
        drop(flushes);
        nudge_long_ones(&begun_and_ended, || panic!("nudged"));
    }

    #[test]
    fn a_flush_that_goes_on_is_nudged_again_and_again() {
        let (flushes, begun_and_ended) = mpsc::channel();
        let (nudges, nudged) = mpsc::channel();
        let nudger = thread::spawn(move || {
            nudge_long_ones(&begun_and_ended, || nudges.send(()).unwrap());
        });
        flushes.send(()).unwrap();
        nudged.recv().unwrap();
        nudged.recv().unwrap();
        drop(flushes);
        nudger.join().unwrap();
    }

    #[test]
    fn a_nudge_leaves_what_pald_keeps_and_the_database_closes_with_its_flusher() {
        let folder = tempfile::tempdir().unwrap();
        let open = || sled::Config::new().path(folder.path().join("db")).open();
        let db = open().unwrap();
        let flusher = Flusher::start(&db).unwrap();
        db.open_tree("services").unwrap().insert("shop", "49201").unwrap();
        nudge(&db);
        flusher.flush().unwrap();
        drop((flusher, db));
        let db = open().unwrap();
        let services: Vec<_> = db.open_tree("services").unwrap().iter().flatten().collect();
        assert_eq!(services, [("shop".into(), "49201".into())]);
    }
}
