//! `pald stop`: stops the installed service.

use clap::Args;

use crate::cli::service::{self, Step};
use crate::cli::{Failure, Session};

/// Stop the service until `pald start` or your next login
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald stop")]
pub(in crate::cli) struct Stop {}

impl Stop {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let manager = service::manager()?;
        let state = manager.state()?;
        service::refuse_foreground(manager.as_ref(), state, &session.config()?)?;
        // A service that its socket could start again is not active.
        if state.is_installed {
            manager.run(Step::Stop)?;
        }
        let answer = if state.is_active { "pald stopped" } else { "pald is not running" };
        Ok(session.terminal.answer([answer])?)
    }
}
