//! `pald start`: starts the installed service.

use clap::Args;

use crate::cli::service::{self, ServiceError, Step};
use crate::cli::{Failure, Session};

/// Start the service that `pald install` set up
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald start")]
pub(in crate::cli) struct Start {}

impl Start {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let manager = service::manager()?;
        let state = manager.state().map_err(service::explain_start)?;
        if !state.is_installed {
            return Err(ServiceError::NotInstalled.into());
        }
        let config = session.config()?;
        service::refuse_foreground(manager.as_ref(), state, &config)?;
        manager.run(Step::Start)?;
        service::wait_for_answer(manager.as_ref(), &config)?;
        let answer = if state.is_active { "pald is already running" } else { "pald started" };
        Ok(session.terminal.answer([answer])?)
    }
}
