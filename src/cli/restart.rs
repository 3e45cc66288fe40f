//! How a pald is restarted.

use super::service;
use crate::client::Client;

/// What to do where the process of a pald is unknown.
pub(super) const UNKNOWN: &str = "Restart pald where it runs";

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
