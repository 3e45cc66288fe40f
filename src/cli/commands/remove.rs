//! `pald remove`: takes away what `pald install` made.

use clap::Args;

use crate::cli::service::{self, ServiceError, Step};
use crate::cli::{Failure, Session};

/// Stop the service and take away what `pald install` made; the registry stays
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald remove --yes")]
pub(in crate::cli) struct Remove {
    /// Don't ask
    #[arg(long)]
    yes: bool,
}

const QUESTION: &str = "Stop pald and start it no more? The registry stays.";

impl Remove {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let must_ask = !self.yes;
        if must_ask && !session.terminal.can_ask() {
            return Err(ServiceError::Unconfirmed.into());
        }
        let manager = service::manager()?;
        let state = manager.state()?;
        if must_ask && !session.terminal.agree(QUESTION) {
            return Err(ServiceError::Declined.into());
        }
        if state.is_enabled || state.is_active {
            service::take(manager.as_ref(), Step::Disable)?;
        }
        let mut is_changed = false;
        for file in manager.files(None)? {
            is_changed |= file.put()?;
        }
        if is_changed {
            service::take(manager.as_ref(), Step::Reload)?;
        }
        let answer = match is_changed || state.is_enabled || state.is_active {
            true => "pald is no service any more; the registry stays as it is\n",
            false => "pald is not installed as a service\n",
        };
        Ok(session.terminal.answer(answer)?)
    }
}
