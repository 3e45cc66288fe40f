//! `pald stop`: ends the pald that serves, however it was started.

use clap::Args;

use crate::cli::service::{self, ServiceError, Step};
use crate::cli::{Failure, Session};
use crate::client::{Client, ClientError, Url};

/// Stop the pald that serves, however it was started
///
/// A service stays stopped until `pald start` or your next login.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald stop")]
pub(in crate::cli) struct Stop {}

impl Stop {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let config = session.config()?;
        let manager = service::manager()?;
        let state = match manager.state() {
            // Then it is no service.
            Err(ServiceError::NoTool { .. } | ServiceError::NoSession { .. }) => None,
            state => Some(state?),
        };
        let mut is_stopped = false;
        // A service that its socket could start again is not active. The request below may start it.
        if state.is_some_and(|state| state.is_installed) {
            manager.run(Step::Stop)?;
            is_stopped = state.is_some_and(|state| state.is_active);
        }
        let client = Client::new(Url::of_port(config.port_listen), config.daemon_user.clone());
        match client.health() {
            Ok(health) => {
                service::end(health.pid, config.port_listen)?;
                is_stopped = true;
            }
            Err(error @ ClientError::OtherUser(_)) => {
                return Err(ServiceError::OtherUser(error).into());
            }
            Err(_) => {}
        }
        let answer = if is_stopped { "pald stopped" } else { "pald is not running" };
        Ok(session.terminal.answer([answer])?)
    }
}
