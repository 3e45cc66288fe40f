//! Telling the log which ports were skipped, and who has them.

use std::thread;

use tracing::{debug, info};

use super::batch::MAX_SHOWN;
use crate::port::Port;
use crate::probe::Who;
use crate::registry::PortSet;

/// The ports that the log has been told of. Each is told once for as long as pald runs: a busy range
/// would fill the log otherwise.
#[derive(Debug, Default)]
pub(super) struct Skips {
    told: PortSet,
}

impl Skips {
    /// Tells of ports that others were found on, as far as they are new. Finding out who has a port
    /// takes milliseconds, so it is done aside, and for a few of them only.
    pub(super) fn tell(&mut self, skipped: Vec<Port>) {
        let new: Vec<Port> =
            skipped.into_iter().filter(|port| !self.told.contains(*port)).collect();
        if new.is_empty() {
            return;
        }
        new.iter().for_each(|port| self.told.insert(*port));
        let started = thread::Builder::new().name("who".into()).spawn(move || {
            let mut who = Who::open();
            for port in new.iter().take(MAX_SHOWN) {
                info!(%port, state = %who.state(*port, &|_| false), "skipped");
            }
            if let Some(more) = new.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
                info!(more, "skipped more ports that others have");
            }
        });
        if let Err(cause) = started {
            debug!(%cause, "Nobody can be asked who has the skipped ports");
        }
    }
}
