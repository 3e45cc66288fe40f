//! `pald install`: installs pald as a service that starts at each login.

use std::ffi::OsString;
use std::mem;

use clap::Args;

use crate::cli::service::{self, Manager, Program, ServiceError, State, Step};
use crate::cli::{Failure, Session, Terminal};
use crate::client::Url;
use crate::config::{Config, KEYS, Sources};
use crate::files::ownership;
use crate::port::Port;

/// Install pald as your user service, started now and at each login
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald install && pald status")]
pub(in crate::cli) struct Install {}

impl Install {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        self.run_with(service::manager()?.as_ref(), session)
    }

    fn run_with(self, manager: &dyn Manager, session: &Session) -> Result<(), Failure> {
        let mut sources = session.sources();
        // The service does not inherit this environment.
        warn_of_variables(session.terminal, &mem::take(&mut sources.variables));
        let config = Config::load(&sources)?;
        let state = manager.state().map_err(service::explain_start)?;
        service::refuse_foreground(manager, state, &config)?;
        let program = program(&sources, config.port_listen)?;
        let answer = match install(manager, state, &program)? {
            true => {
                service::wait_for_answer(manager, &config)?;
                let url = Url::of_port(config.port_listen);
                format!("pald is installed as {}, and serves at {url}", manager.kind())
            }
            false => format!("pald is already installed as {}", manager.kind()),
        };
        Ok(session.terminal.answer([answer])?)
    }
}

/// Warns of settings in this environment, which the service will not see.
fn warn_of_variables(terminal: Terminal, variables: &[(OsString, OsString)]) {
    let is_set = |name: &String| variables.iter().any(|(variable, _)| variable == name.as_str());
    let names = KEYS.iter().map(|key| key.variable()).chain(["PALD_CONFIG".to_owned()]);
    for name in names.filter(is_set) {
        terminal.warn(&format!("{name} is set here, but the service will not see it"));
    }
}

/// Returns this program as the service will start it.
fn program(sources: &Sources, port_listen: Port) -> Result<Program, ServiceError> {
    let path = std::env::current_exe().map_err(ServiceError::Program)?;
    // Whoever can change it would run what they like as this user.
    ownership::check_path(&path).map_err(ServiceError::UnsafeProgram)?;
    let config = sources.file.as_ref().map(std::path::absolute).transpose();
    let config = config.map_err(ServiceError::Program)?;
    Ok(Program { path, config, port_listen })
}

/// Writes missing files and starts the service; returns whether there was anything to do.
fn install(manager: &dyn Manager, state: State, program: &Program) -> Result<bool, ServiceError> {
    let mut is_changed = false;
    for file in manager.files(Some(program))? {
        is_changed |= file.apply()?;
    }
    if is_changed {
        manager.run(Step::Reload)?;
    }
    let State { is_enabled, is_active, .. } = state;
    if is_changed && (is_enabled || is_active) {
        manager.run(Step::Restart)?;
    } else if is_enabled && !is_active {
        manager.run(Step::Start)?;
    }
    if !is_enabled {
        manager.run(Step::Enable)?;
    }
    Ok(is_changed || !is_enabled || !is_active)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Globals;
    use crate::cli::service::stand_in::Home;
    use crate::cli::terminal::kept;

    const SHOW: &str = "show pald.service --property=LoadState,UnitFileState,ActiveState,MainPID";
    const RELOAD: &str = "daemon-reload";
    const RESTART: &str = "restart pald.service";
    const START: &str = "start pald.service";
    const ENABLE: &str = "enable --now pald.service";

    #[test]
    fn only_what_is_missing_is_done() {
        let program = Program { path: "/opt/pald".into(), config: None, port_listen: Port::MIN };
        // (whether a file is missing, enabled, active, what systemctl is asked for)
        let rows: [(bool, bool, bool, &[&str]); 8] = [
            (true, false, false, &[RELOAD, ENABLE]),
            (true, false, true, &[RELOAD, RESTART, ENABLE]),
            (true, true, false, &[RELOAD, RESTART]),
            (true, true, true, &[RELOAD, RESTART]),
            (false, false, false, &[ENABLE]),
            (false, false, true, &[ENABLE]),
            (false, true, false, &[START]),
            (false, true, true, &[]),
        ];
        for (is_missing, is_enabled, is_active, expected) in rows {
            let home = Home::new();
            let systemd = home.systemd();
            for file in systemd.files(Some(&program)).unwrap().iter().skip(usize::from(is_missing))
            {
                file.apply().unwrap();
            }
            let state = State { is_enabled, is_active, ..State::default() };
            let is_done = install(&systemd, state, &program).unwrap();
            assert_eq!(is_done, !expected.is_empty(), "{expected:?}");
            assert_eq!(home.asked("systemctl"), expected);
        }
    }

    #[test]
    fn an_installed_service_is_told_and_not_installed_again() {
        let home = Home::new();
        let (systemd, session) = (home.systemd(), home.session());
        let port = session.config().unwrap().port_listen;
        let installed = format!(
            "pald is installed as a systemd user service, and serves at http://127.0.0.1:{port}\n"
        );
        let already = "pald is already installed as a systemd user service\n".to_owned();
        for (answer, asked) in [(installed, &[SHOW, RELOAD, ENABLE][..]), (already, &[SHOW])] {
            Install {}.run_with(&systemd, &session).unwrap();
            assert_eq!(kept::take()[0], answer);
            assert_eq!(home.asked("systemctl"), asked);
        }
        let unit = std::fs::read_to_string(home.path(".config/systemd/user/pald.service"));
        let config = format!(" --config {}\n", home.path("config.toml").display());
        assert!(unit.unwrap().contains(&config));
    }

    #[test]
    fn settings_that_the_service_will_not_see_are_warned_of() {
        let set = ["PALD_PORT_MIN", "PALD_CONFIG", "PALD_URL", "PATH"];
        let variables = set.map(|name| (name.into(), "7".into()));
        warn_of_variables(Terminal::new(&Globals::default()), &variables);
        let expected = "\
warning: PALD_PORT_MIN is set here, but the service will not see it
warning: PALD_CONFIG is set here, but the service will not see it
";
        assert_eq!(kept::take()[1], expected);
    }

    #[test]
    fn a_mistake_in_the_settings_is_told_before_anything_is_done() {
        let home = Home::new();
        let config = home.path("config.toml");
        std::fs::write(&config, "port_listen = 0").unwrap();
        let lines = Install {}.run(&home.session()).unwrap_err().lines;
        assert!(lines[0].contains("port_listen"), "{lines:?}");
    }
}
