//! `pald stop`: ends the pald that serves, however it was started.

use clap::Args;

use crate::cli::daemon::Locks;
use crate::cli::service::{self, Manager, ServiceError, Step};
use crate::cli::{Failure, Session};
use crate::client::{Client, ClientError, Url};
use crate::config::Config;
use crate::port::Port;

/// Stop the pald that serves, however it was started
///
/// A service stays stopped until `pald start` or your next login.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald stop")]
pub(in crate::cli) struct Stop {}

impl Stop {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        self.run_with(service::manager()?.as_ref(), session)
    }

    fn run_with(self, manager: &dyn Manager, session: &Session) -> Result<(), Failure> {
        let config = session.config()?;
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
        is_stopped |= end(&config, Url::of_port(config.port_listen), None)?;
        // `port_listen` may have changed since it was started.
        if let (false, Some((pid, url))) = (is_stopped, Locks::last_holder(&config)) {
            is_stopped = end(&config, url, Some(pid))?;
        }
        let answer = if is_stopped { "pald stopped" } else { "pald is not running" };
        Ok(session.terminal.answer([answer])?)
    }
}

/// Ends the pald that answers there, if it is this process; returns whether it is ended.
fn end(config: &Config, url: Url, pid: Option<u32>) -> Result<bool, ServiceError> {
    let Some(port) = Port::new(url.port()) else { return Ok(false) };
    match Client::new(url, config.daemon_user.clone()).health() {
        Ok(health) if pid.is_some_and(|pid| pid != health.pid) => Ok(false),
        Ok(health) => service::end(health.pid, port).map(|()| true),
        Err(error @ ClientError::OtherUser(_)) if pid.is_none() => {
            Err(ServiceError::OtherUser(error))
        }
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::service::stand_in::{Home, NO_PROCESS, answer};
    use crate::cli::terminal::kept;

    #[test]
    fn an_installed_service_is_stopped() {
        let home = Home::new();
        let unit = home.path(".config/systemd/user/pald.service");
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        let stop = || {
            Stop {}.run_with(&home.systemd(), &home.session()).unwrap();
            (kept::take()[0].clone(), home.asked("systemctl")[1..].join(", "))
        };
        let (stopped, not_running) = ("pald stopped\n", "pald is not running\n");
        assert_eq!(stop(), (not_running.to_owned(), String::new()));
        fs::write(&unit, "").unwrap();
        fs::write(home.path("active"), "").unwrap();
        for answer in [stopped, not_running] {
            let asked = "stop pald.socket pald.service";
            assert_eq!(stop(), (answer.to_owned(), asked.to_owned()));
        }
        // Without a session it is no service.
        fs::remove_file(home.path("session")).unwrap();
        assert_eq!(stop(), (not_running.to_owned(), String::new()));
    }

    #[test]
    fn the_pald_that_answers_is_ended_if_it_is_the_one_that_is_meant() {
        let home = Home::new();
        let config = home.session().config().unwrap();
        let nobody = Url::of_port(config.port_listen);
        assert!(!end(&config, nobody, None).unwrap());
        let answering = Url::of_port(answer(NO_PROCESS));
        assert!(!end(&config, answering.clone(), Some(7)).unwrap());
        for pid in [None, Some(NO_PROCESS)] {
            let ended = end(&config, answering.clone(), pid);
            assert!(matches!(ended, Err(ServiceError::NotOurs { pid: NO_PROCESS })), "{ended:?}");
        }
    }

    #[test]
    fn a_mistake_in_the_settings_is_told_before_anything_is_done() {
        let home = Home::new();
        let config = home.path("config.toml");
        fs::write(&config, "port_listen = 0").unwrap();
        let lines = Stop {}.run(&home.session()).unwrap_err().lines;
        assert!(lines[0].contains("port_listen"), "{lines:?}");
    }
}
