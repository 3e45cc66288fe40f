//! `pald serve`, and `pald` without a command: serves in the foreground.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use actix_web::rt::System;
use clap::Args;
use rustix::fs::Mode;
use tracing::{info, warn};

use crate::cli::daemon::descriptors::Descriptors;
use crate::cli::daemon::signals::shutdown_signal;
use crate::cli::daemon::{Locks, ServeError, log, notify, ownership, threads};
use crate::cli::{Exit, Failure, Session};
use crate::config::{Config, ConfigError};
use crate::files::Shown;
use crate::files::ownership::check_links;
use crate::http::guard::{Guard, Hosts};
use crate::http::{self, About, ListenError, Listeners};
use crate::port::Port;
use crate::printable::Printable;
use crate::probe::{self, Overlap};
use crate::registry::{OpenError, Registry, RegistryOptions};
use crate::store;

/// Serve in the foreground until Ctrl-C, as without a command
#[derive(Debug, Default, Args)]
#[command(after_help = "Example:\n  RUST_LOG=pald=debug pald serve\n  pald serve --check")]
pub(in crate::cli) struct Serve {
    /// Only check the configuration
    #[arg(long)]
    check: bool,
    /// End with 0 where only a person can help, since launchd starts again what ends otherwise
    #[arg(long, hide = true)]
    launchd: bool,
}

impl Serve {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        if self.check {
            return Ok(check(session)?);
        }
        start(session).map_err(|failure| Failure { exit: self.exit(failure.exit), ..failure })
    }

    fn exit(&self, exit: Exit) -> Exit {
        if self.launchd && exit.needs_a_person() { Exit::GivenUp } else { exit }
    }
}

/// Serves with a log.
fn start(session: &Session) -> Result<(), Failure> {
    // The log needs a thread too.
    threads::check_room().map_err(ServeError::Threads)?;
    let _log = threads::caught(log::start)?;
    Ok(serve(session)?)
}

/// Checks the configuration; creates and opens nothing else.
fn check(session: &Session) -> Result<(), ConfigError> {
    let config = session.config()?;
    for variable in &config.unknown_variables {
        session.terminal.warn(&format!("Unknown setting {variable}"));
    }
    session.terminal.note("The configuration is valid");
    Ok(())
}

/// Serves until a signal; on return everything is on disk.
fn serve(session: &Session) -> Result<(), ServeError> {
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let sources = session.sources();
    let mut config = Config::load(&sources)?;
    for variable in &config.unknown_variables {
        warn!("Unknown setting {}", Printable(variable));
    }
    let own_folder = sources.paths.own_folder();
    own_folder.as_deref().map_or(Ok(()), ownership::tighten)?;
    config.dump_file = check_links(&config.dump_file)?;
    ownership::check(&config)?;
    let is_store = store::exists(&config.data_dir).map_err(OpenError::Store)?;
    let _locks = Locks::acquire(&config)?;
    // Folders may be new, and what others put into a shared one too.
    ownership::check(&config)?;
    let folders = own_folder.iter().chain(is_store.then_some(&config.data_dir));
    folders.map(PathBuf::as_path).try_for_each(ownership::tighten)?;
    let started_at = Instant::now();
    let listeners = listen(config.port_listen)?;
    let guard = guard(&config);
    let descriptors = Descriptors::divide();
    if descriptors.connections == 0 {
        return Err(ServeError::Descriptors);
    }
    descriptors.make_room(config.port_range.size());
    let overlap = probe::overlap(config.port_range, config.port_listen);
    // Later `pald doctor` says so.
    if let Some(overlap) = overlap.as_ref().filter(|_| !is_store) {
        warn!("{}", overlap_warning(&config, overlap));
    }
    let registry = Arc::new(open_registry(&config, descriptors)?);
    let about = About {
        started_at,
        addresses: listeners.addresses(),
        data_dir: config.data_dir.clone(),
        dump_file: config.dump_file.clone(),
        overlap,
    };
    let serve = async {
        let signal = shutdown_signal()?;
        if let Some(lacks) = probe::LACKS {
            info!("{lacks}");
        }
        log_serving(&config, &about, registry.len());
        notify::ready();
        let registry = Arc::clone(&registry);
        http::serve(registry, about, guard, listeners, descriptors.connections, signal).await
    };
    let served = threads::caught(|| System::new().block_on(serve));
    registry.close();
    info!("Stopped");
    served?.map_err(ServeError::Http)
}

/// Listens on pald's port, and says so if it has to wait for it.
fn listen(port: Port) -> Result<Listeners, ListenError> {
    let mut has_waited = false;
    let listeners = Listeners::bind(port, |why| {
        warn!("{why}; trying again for 75 s");
        notify::waits(&why.to_string());
        has_waited = true;
    });
    if has_waited && listeners.is_ok() {
        notify::goes_on();
    }
    listeners
}

fn open_registry(config: &Config, descriptors: Descriptors) -> Result<Registry, OpenError> {
    Registry::open(RegistryOptions {
        port_range: config.port_range,
        port_listen: config.port_listen,
        max_holds: max_holds(config.hold_ports, descriptors),
        data_dir: config.data_dir.clone(),
        dump_file: config.dump_file.clone(),
    })
}

fn log_serving(config: &Config, about: &About, services: usize) {
    let urls = about.addresses.iter().map(|address| format!("http://{address}"));
    let urls = urls.collect::<Vec<_>>().join(" and ");
    info!(
        range = %config.port_range,
        store = %Shown(&config.data_dir),
        dump = %Shown(&config.dump_file),
        services,
        "Serving at {urls}"
    );
}

/// Returns the guard for this configuration.
fn guard(config: &Config) -> Guard {
    Guard::new(Hosts::new(config.allowed_hosts.clone()), config.allow_users.clone().with_own())
}

/// Returns how many ports may be held: none if that is switched off or impossible.
fn max_holds(hold_ports: bool, descriptors: Descriptors) -> usize {
    // On other systems a bound socket would block servers too.
    let is_wanted = hold_ports && probe::HOLDS_PORTS;
    if is_wanted && descriptors.holds == 0 {
        warn!("The limit on open files is too low to hold ports; raise `ulimit -n`");
    }
    if is_wanted { descriptors.holds } else { 0 }
}

/// Says that the kernel may take ports of the range, and how to prevent it.
fn overlap_warning(config: &Config, overlap: &Overlap) -> String {
    let (range, ephemeral) = (config.port_range, overlap.ephemeral);
    let tcp = match config.hold_ports {
        _ if !probe::HOLDS_PORTS => "neither TCP nor UDP is protected",
        true => {
            "TCP ports are held once they are registered, but not against Docker's dynamic ports \
             (`-p 0:80`), and UDP is not protected"
        }
        false => "neither TCP nor UDP is protected, since `hold_ports` is off",
    };
    let how = if probe::RESERVES_PORTS { "To reserve the range: " } else { "" };
    let command = overlap.command();
    format!("{range} overlaps the kernel's ephemeral range {ephemeral}: {tcp}. {how}{command}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::service::stand_in::Home;

    #[test]
    fn as_many_ports_are_held_as_there_are_descriptors_for_unless_that_is_switched_off() {
        let of = |holds| Descriptors { connections: 9, holds };
        let rows = [(true, 7, 7), (true, 0, 0), (false, 7, 0)];
        for (hold_ports, holds, expected) in rows {
            let expected = if probe::HOLDS_PORTS { expected } else { 0 };
            assert_eq!(max_holds(hold_ports, of(holds)), expected, "{hold_ports} {holds}");
        }
    }

    #[test]
    fn launchd_is_told_to_give_up_where_only_a_person_can_help() {
        let rows = [
            (true, Exit::Config, Exit::GivenUp),
            (true, Exit::Temporary, Exit::Temporary),
            (false, Exit::Config, Exit::Config),
        ];
        for (launchd, exit, expected) in rows {
            assert_eq!(Serve { launchd, ..Serve::default() }.exit(exit), expected, "{exit:?}");
        }
    }

    #[test]
    fn a_check_reads_the_configuration_and_opens_nothing() {
        let home = Home::new();
        let check = || Serve { check: true, ..Serve::default() }.run(&home.session());
        check().unwrap();
        assert!(!home.path("db").exists());
        fs::write(home.path("config.toml"), "port_listen = 0").unwrap();
        assert_eq!(check().unwrap_err().exit, Exit::Config);
    }

    #[test]
    fn a_warning_of_an_overlap_says_what_is_protected() {
        let mut config = Home::new().session().config().unwrap();
        let range = config.port_range;
        let to_reserve = [(range.min().number(), range.max().number())].into_iter().collect();
        let overlap = Overlap { ephemeral: range, to_reserve };
        for (hold_ports, held) in [(true, "held once"), (false, "since `hold_ports` is off")] {
            config.hold_ports = hold_ports;
            let expected = if probe::HOLDS_PORTS { held } else { "neither TCP nor UDP" };
            let warning = overlap_warning(&config, &overlap);
            let start = format!("{range} overlaps the kernel's ephemeral range {range}: ");
            assert!(warning.starts_with(&start), "{warning}");
            assert!(warning.contains(expected), "{warning}");
            assert!(warning.ends_with(&overlap.command()), "{warning}");
        }
    }
}
