//! `pald start`: starts the installed service.

use clap::Args;

use crate::cli::service::{self, Manager, ServiceError, Step};
use crate::cli::{Failure, Session};

/// Start the service that `pald install` set up
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald start")]
pub(in crate::cli) struct Start {}

impl Start {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        self.run_with(service::manager()?.as_ref(), session)
    }

    fn run_with(self, manager: &dyn Manager, session: &Session) -> Result<(), Failure> {
        let state = manager.state().map_err(service::explain_start)?;
        if !state.is_installed {
            return Err(ServiceError::NotInstalled.into());
        }
        let config = session.config()?;
        service::refuse_foreground(manager, state, &config)?;
        manager.run(Step::Start)?;
        service::wait_for_answer(manager, &config)?;
        let answer = if state.is_active { "pald is already running" } else { "pald started" };
        Ok(session.terminal.answer([answer])?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::service::stand_in::Home;
    use crate::cli::terminal::kept;

    #[test]
    fn only_an_installed_service_is_started() {
        let home = Home::new();
        let start = || Start {}.run_with(&home.systemd(), &home.session());
        assert_eq!(start().unwrap_err().lines, ["pald is not installed as a service"]);
        let unit = home.path(".config/systemd/user/pald.service");
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, "").unwrap();
        home.asked("systemctl");
        for answer in ["pald started\n", "pald is already running\n"] {
            start().unwrap();
            assert_eq!(kept::take()[0], answer);
            assert_eq!(home.asked("systemctl")[1..], ["start pald.service"]);
        }
    }
}
