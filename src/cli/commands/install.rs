//! `pald install`: installs pald as a service that starts at each login.

use clap::Args;

use crate::cli::service::{self, Manager, Program, ServiceError, State, Step};
use crate::cli::{Failure, Session};
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
        warn_of_variables(session);
        // The service does not inherit this environment.
        let sources = Sources { variables: Vec::new(), ..session.sources() };
        let config = Config::load(&sources)?;
        let manager = service::manager()?;
        let state = manager.state().map_err(service::explain_start)?;
        service::refuse_foreground(manager.as_ref(), state, &config)?;
        let program = program(&sources, config.port_listen)?;
        let answer = match install(manager.as_ref(), state, &program)? {
            true => {
                service::wait_for_answer(manager.as_ref(), &config)?;
                let url = Url::of_port(config.port_listen);
                format!("pald is installed as {}, and serves at {url}", manager.kind())
            }
            false => format!("pald is already installed as {}", manager.kind()),
        };
        Ok(session.terminal.answer([answer])?)
    }
}

/// Warns of settings in this environment, which the service will not see.
fn warn_of_variables(session: &Session) {
    let is_set = |name: &String| std::env::var_os(name).is_some();
    let names = KEYS.iter().map(|key| key.variable()).chain(["PALD_CONFIG".to_owned()]);
    for name in names.filter(is_set) {
        session.terminal.warn(&format!("{name} is set here, but the service will not see it"));
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
