//! `pald uninstall`: removes what `pald install` wrote.

use clap::Args;

use crate::cli::service::{self, ServiceError, Step};
use crate::cli::{Failure, Session};

/// Remove the service that `pald install` made; the registry stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald uninstall --yes")]
pub(in crate::cli) struct Uninstall {
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

const NOT_INSTALLED: &str = "pald is not installed as a service";
const QUESTION: &str = "Stop pald and remove its service? The registry stays.";

impl Uninstall {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let must_ask = !self.yes;
        if must_ask && !session.terminal.can_ask() {
            return Err(ServiceError::Unconfirmed.into());
        }
        let manager = service::manager()?;
        let state = match manager.state() {
            Err(ServiceError::NoTool { .. } | ServiceError::NoSession { .. })
                if !manager.may_be_installed()? =>
            {
                return Ok(session.terminal.answer([NOT_INSTALLED])?);
            }
            state => state?,
        };
        if must_ask && !session.terminal.confirm(&[], QUESTION) {
            return Err(ServiceError::Declined.into());
        }
        if state.is_enabled || state.is_active {
            manager.run(Step::Disable)?;
        }
        let mut is_changed = false;
        for file in manager.files(None)? {
            is_changed |= file.apply()?;
        }
        if is_changed {
            manager.run(Step::Reload)?;
        }
        let answer = match is_changed || state.is_enabled || state.is_active {
            true => "pald is no longer a service; the registry is unchanged",
            false => NOT_INSTALLED,
        };
        Ok(session.terminal.answer([answer])?)
    }
}
