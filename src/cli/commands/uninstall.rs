//! `pald uninstall`: removes what `pald install` wrote.

use clap::Args;

use crate::cli::service::{self, Manager, ServiceError, Step};
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
        self.run_with(service::manager()?.as_ref(), session)
    }

    fn run_with(self, manager: &dyn Manager, session: &Session) -> Result<(), Failure> {
        let must_ask = !self.yes;
        if must_ask && !session.terminal.can_ask() {
            return Err(ServiceError::Unconfirmed.into());
        }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::service::stand_in::Home;
    use crate::cli::terminal::kept;

    const SHOW: &str = "show pald.service --property=LoadState,UnitFileState,ActiveState,MainPID";
    const DISABLE: &str = "disable --now pald.socket pald.service";
    const REMOVED: &str = "pald is no longer a service; the registry is unchanged";
    const OURS: &str = "# Written by `pald install`; `pald remove` takes it away.\n";

    #[test]
    fn only_what_is_there_is_removed() {
        // (the unit, whether enabled, whether active, what systemctl is asked for, the answer)
        let rows: [(Option<&str>, bool, bool, &[&str], &str); 6] = [
            (None, false, false, &[SHOW], NOT_INSTALLED),
            (None, true, false, &[SHOW, DISABLE], REMOVED),
            (None, false, true, &[SHOW, DISABLE], REMOVED),
            (Some(OURS), false, false, &[SHOW, "daemon-reload"], REMOVED),
            (Some(OURS), true, true, &[SHOW, DISABLE, "daemon-reload"], REMOVED),
            (Some("[Service]\n"), false, false, &[SHOW], NOT_INSTALLED),
        ];
        for (text, is_enabled, is_active, asked, answer) in rows {
            let home = Home::new();
            let unit = home.path(".config/systemd/user/pald.service");
            fs::create_dir_all(unit.parent().unwrap()).unwrap();
            for (path, is_there) in [("enabled", is_enabled), ("active", is_active)] {
                if is_there {
                    fs::write(home.path(path), "").unwrap();
                }
            }
            if let Some(text) = text {
                fs::write(&unit, text).unwrap();
            }
            Uninstall { yes: true }.run_with(&home.systemd(), &home.session()).unwrap();
            assert_eq!(kept::take(), [format!("{answer}\n"), String::new()]);
            assert_eq!(home.asked("systemctl"), asked);
            assert_eq!(unit.exists(), text.is_some_and(|text| text != OURS));
        }
    }

    #[test]
    fn nothing_is_removed_without_a_yes() {
        let home = Home::new();
        fs::write(home.path("enabled"), "").unwrap();
        let uninstall = |answer: Option<&str>| {
            kept::give(answer);
            let ran = Uninstall { yes: false }.run_with(&home.systemd(), &home.session());
            (ran.map_err(|failure| failure.lines), home.asked("systemctl").join(", "), kept::take())
        };
        let refused = |line: &str| Err(vec![line.to_owned()]);
        let asked = format!("{QUESTION} [y/N] ");
        let silent = [String::new(), String::new()];
        assert!(Uninstall { yes: false }.run(&home.session()).is_err());
        let unconfirmed = refused("`pald uninstall` can't ask for confirmation here");
        assert_eq!(uninstall(None), (unconfirmed, String::new(), silent));
        let declined =
            (refused("Nothing was removed"), SHOW.to_owned(), [String::new(), asked.clone()]);
        assert_eq!(uninstall(Some("n\n")), declined);
        let done = (Ok(()), format!("{SHOW}, {DISABLE}"), [format!("{REMOVED}\n"), asked]);
        assert_eq!(uninstall(Some("y\n")), done);
    }

    #[test]
    fn without_a_session_only_files_say_that_there_may_be_a_service() {
        let home = Home::new();
        fs::remove_file(home.path("session")).unwrap();
        let uninstall = || Uninstall { yes: true }.run_with(&home.systemd(), &home.session());
        uninstall().unwrap();
        assert_eq!(kept::take()[0], format!("{NOT_INSTALLED}\n"));
        let unit = home.path(".config/systemd/user/pald.service");
        fs::create_dir_all(unit.parent().unwrap()).unwrap();
        fs::write(&unit, OURS).unwrap();
        let lines = uninstall().unwrap_err().lines;
        let line = "Can't reach the service manager of your login session: Failed to connect to bus: No medium found";
        assert_eq!(lines, [line]);
        assert!(unit.exists());
    }
}
