//! How a pald is restarted.

use super::service;
use crate::client::Client;

/// Returns the command that restarts this pald, or what to do where its process is unknown.
pub(super) fn restart(client: &Client, pid: u32) -> String {
    let of_service = service::manager()
        .ok()
        .filter(|manager| manager.state().is_ok_and(|state| state.pid == Some(pid)));
    match of_service {
        Some(manager) => manager.restart_line(),
        None if client.unknown_user().is_some() => "Restart pald where it runs".to_owned(),
        None => format!("kill {pid}, then start pald again"),
    }
}
