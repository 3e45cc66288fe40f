//! How a pald is restarted.

use super::{Failure, service};
use crate::client::{Client, ClientError};

/// What to do where the process of a pald is unknown.
pub(super) const UNKNOWN: &str = "Restart pald where it runs";

/// Explains why a request failed; if the pald is too old for it, with the command that restarts it.
pub(super) fn explain(client: &Client, error: ClientError) -> Failure {
    let is_too_old = matches!(error, ClientError::TooOld { .. });
    let health = if is_too_old { client.health().ok() } else { None };
    let mut failure = Failure::from(error);
    if let Some(health) = health {
        let command = restart(client, health.pid);
        failure.hint =
            Some(command.map_or(UNKNOWN.to_owned(), |command| format!("Restart pald: {command}")));
    }
    failure
}

/// Returns the command that restarts this pald, if its process is known.
pub(super) fn restart(client: &Client, pid: u32) -> Option<String> {
    let of_service = service::manager()
        .ok()
        .filter(|manager| manager.state().is_ok_and(|state| state.pid == Some(pid)));
    match of_service {
        Some(manager) => Some(manager.restart_line()),
        None if client.unknown_user().is_some() => None,
        None => Some(format!("kill {pid}, then start pald again")),
    }
}
