//! `pald stop`: stops the service that `pald install` made.

use clap::Args;

use crate::cli::service::{self, Step};
use crate::cli::{Failure, Session};

/// Stop the service until it is started again or you log in again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald stop")]
pub(in crate::cli) struct Stop {}

impl Stop {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let manager = service::manager()?;
        let state = manager.state()?;
        service::refuse_foreground(manager.as_ref(), state, session.config()?.port_listen)?;
        // A service that is about to be started again by a connection is not active.
        if state.is_known {
            service::take(manager.as_ref(), Step::Stop)?;
        }
        let answer = if state.is_active { "pald has ended\n" } else { "pald does not run\n" };
        Ok(session.terminal.answer(answer)?)
    }
}
