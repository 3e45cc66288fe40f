//! How a pald is restarted.

use super::Failure;
use super::service::{self, Manager};
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
    command(service::manager().ok().as_deref(), client, pid)
}

fn command(manager: Option<&dyn Manager>, client: &Client, pid: u32) -> Option<String> {
    let is_its = |manager: &&dyn Manager| manager.state().is_ok_and(|state| state.pid == Some(pid));
    match manager.filter(is_its) {
        Some(manager) => Some(manager.restart_line()),
        None if client.unknown_user().is_some() => None,
        None => Some(format!("kill {pid}, then start pald again")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::service::stand_in::{Home, NO_PROCESS, answer, systemd_saying};
    use crate::client::Url;
    use crate::probe;
    use crate::users::Users;

    #[test]
    fn a_service_is_restarted_by_its_manager_and_any_other_pald_by_hand() {
        let home = Home::new();
        let client = home.session().client().unwrap();
        let restart = |manager: Option<&dyn Manager>| command(manager, &client, 7).unwrap();
        let systemd = systemd_saying("MainPID=7");
        assert_eq!(restart(Some(&systemd)), systemd.restart_line());
        let by_hand = "kill 7, then start pald again";
        assert_eq!(restart(Some(&systemd_saying("MainPID=8"))), by_hand);
        assert_eq!(restart(None), by_hand);
    }

    #[test]
    fn only_a_pald_that_is_too_old_is_to_be_restarted() {
        let url = Url::of_port(answer(NO_PROCESS));
        let client = Client::new(url.clone(), Users::default());
        let too_old = explain(&client, ClientError::TooOld { url: url.clone(), lacks: "is old" });
        let by_hand = format!("Restart pald: kill {NO_PROCESS}, then start pald again");
        // Where it is unknown whose pald answers, its process is not believed.
        let hint = if probe::TELLS_USERS { &by_hand } else { UNKNOWN };
        assert_eq!(too_old.hint.as_deref(), Some(hint));
        let slow = || ClientError::Slow { url: url.clone() };
        assert_eq!(explain(&client, slow()).hint, Failure::from(slow()).hint);
    }
}
