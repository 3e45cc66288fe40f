//! `pald run`: runs a command with the ports of its services.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;
use rustix::io::Errno;

use crate::api::{ReasonCode, RegisterRequest, Service, State};
use crate::cli::assignment::{Assigned, Assignment, check_distinct};
use crate::cli::completion::Takes;
use crate::cli::error::CommandError;
use crate::cli::here::Missing;
use crate::cli::hold;
use crate::cli::holder::port_of;
use crate::cli::names::{Names, is_short, say_new};
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session, Terminal, listener, place};
use crate::files::InShell;
use crate::project;
use crate::quoted::Quoted;
use crate::registry::Existing;
use crate::service_name::ServiceName;
use crate::variable_name::VariableName;

/// Run a command with the ports of its services
///
/// The services of the project, and NAME, are registered if they are not yet. PORT is set to the port of
/// NAME, and {port} in the command's arguments is replaced by it. In a project all its variables are set
/// too, and {name} is replaced by the port of its service NAME. The command replaces pald, so signals and
/// the exit code are its own.
///
/// Quote '{port}' where a > follows it: zsh takes {port} >log for a file descriptor.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald run web -- vite --port {port} --strictPort
  pald run -- docker compose up
  pald run shop.web -e DB_PORT=shop.db -- npm start
  pald run shop.web -e URL=http://localhost:{port}/ -- npm start")]
pub(in crate::cli) struct Run {
    #[command(flatten)]
    scope: Scope,
    /// Don't hold this service's port, now or later: for servers that can't bind a held port
    #[arg(long, requires = "name")]
    no_hold: bool,
    /// The service that the command runs; without it, only the variables are set
    #[arg(add = Takes::Service)]
    name: Option<OsString>,
    /// Set another variable to a service's port, or to a text with {name} in it; may be repeated
    #[arg(short, value_name = "[VAR=]NAME", add = Takes::Assignment)]
    env: Vec<OsString>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Where npm and Python's venv put the programs of a project.
const OWN_PROGRAMS: [&str; 2] = ["node_modules/.bin", ".venv/bin"];

impl Run {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let mut command = self.command(session)?;
        let error = command.exec();
        Err(exec_error(command.get_program(), error).into())
    }

    /// Registers the services, and returns the command with their ports.
    pub(in crate::cli) fn command(&self, session: &Session) -> Result<Command, Failure> {
        let name =
            self.name.as_ref().map(|name| ServiceName::parse(name.as_bytes())).transpose()?;
        let assignments = Assignment::parse_all(&self.env)?;
        let mut names = self.names(session, name.as_ref(), &assignments)?;
        let variables = assignments.iter().map(|it| names.variable(it));
        let port = name.as_ref().map(|_| VariableName::port());
        check_distinct(port.into_iter().chain(variables).collect::<Vec<_>>().iter())?;
        for assignment in &assignments {
            let checked = names.check(assignment, name.as_ref());
            checked.map_err(|failure| with_hint_for_text(failure, assignment))?;
        }
        let own = match &name {
            None => None,
            Some(name) => Some(self.own(session, &mut names, name)?),
        };
        // A full name is no part of the project here.
        let is_of_project = name.as_ref().is_none_or(|name| is_short(name.as_str()));
        let mut environment = BTreeMap::new();
        if let Some(here) = names.here.as_ref().filter(|_| is_of_project) {
            environment.extend(names.of_file(here, here.project.file())?);
        }
        for assignment in &assignments {
            let (variable, value) = names.assigned(assignment)?;
            environment.insert(variable, value);
        }
        let (program, arguments) = self.command.split_first().expect("clap requires a command");
        let mut command = Command::new(program);
        // They say what another command is run for.
        command.env_remove(VariableName::port().as_str()).env_remove(ServiceName::VARIABLE);
        command.envs(environment.iter().map(|(name, value)| (name.as_str(), value.to_text())));
        if let Some((service, port)) = own {
            command.env(VariableName::port().as_str(), port.to_string());
            command.env(ServiceName::VARIABLE, service.as_str());
        }
        for argument in arguments {
            command.arg(with_ports(&names, is_of_project, argument)?);
        }
        Ok(command)
    }

    /// Returns where names are looked up. Without NAME there must be a project, or another variable.
    fn names<'a>(
        &self,
        session: &'a Session,
        name: Option<&ServiceName>,
        assignments: &[Assignment],
    ) -> Result<Names<'a>, Failure> {
        let here = match name {
            Some(name) => {
                let others = assignments.iter().flat_map(Assignment::names);
                let others = others.filter(|name| *name != project::PORT);
                self.scope.here(session, others.chain([name.as_str()]))?
            }
            None if assignments.is_empty() => Some(self.scope.project(session, "pald run")?),
            None if self.scope.is_global() => None,
            None => session.here()?.ok(),
        };
        let elsewhere = Missing::Refuse("pald set");
        Names::new(session, self.scope, here, Missing::Register, elsewhere)
    }

    /// Registers the service that the command is run for; returns its full name and its port, on which
    /// nothing listens.
    fn own(
        &self,
        session: &Session,
        names: &mut Names,
        name: &ServiceName,
    ) -> Result<(ServiceName, u16), Failure> {
        let here = names.here.as_ref().filter(|_| is_short(name.as_str()));
        let service = match here {
            Some(here) => {
                ServiceName::parse(here.service(name.as_str(), Missing::Register)?.full_name)?
            }
            None => {
                // If the command is refused below, registering its service is the only change.
                let request = RegisterRequest::default();
                let registered = names.client.register(name, &request, Existing::Accept)?;
                if registered.is_new {
                    say_new(session, self.scope, &names.client, &registered.service);
                }
                name.clone()
            }
        };
        let port = check_free(&names.client.service(&service)?, session.terminal)?;
        if self.no_hold {
            // With the port: another client may have released the service since.
            let request = RegisterRequest {
                port: Some(port.into()),
                hold: Some(false),
                ..RegisterRequest::default()
            };
            let is_changed = hold::differs(&names.client, &service, false);
            let registered = names.client.register(&service, &request, Existing::Accept)?;
            if is_changed {
                hold::say(session.terminal, &registered.service);
            }
        }
        // The port that was checked is the one that the command gets, wherever it is named.
        names.running = Some((name.clone(), port));
        Ok((service, port))
    }
}

/// Says how to set a variable to a plain text, as `-e` does elsewhere, unless a name is near.
fn with_hint_for_text(failure: Failure, assignment: &Assignment) -> Failure {
    match (&assignment.variable, &assignment.value, &failure.hint) {
        (Some(variable), Assigned::Port(name), Some(hint)) if !hint.contains('?') => {
            let text = format!("{hint}; for a plain text: `-- env {variable}={name} CMD`");
            Failure { hint: Some(text), ..failure }
        }
        _ => failure,
    }
}

/// Checks that nothing listens on the service's port; returns the port.
fn check_free(service: &Service, terminal: Terminal) -> Result<u16, Failure> {
    let port = port_of(service);
    match service {
        Service { state: Some(State::Running), .. } => return Err(listener::used(service).into()),
        // A restarted server finds connections in TIME_WAIT, and most servers start anyway.
        Service {
            state: Some(State::Blocked), reason_code: Some(ReasonCode::TimeWait), ..
        } => {}
        Service { state: Some(State::Blocked), reason: Some(reason), .. } => {
            terminal.warn(&format!("Port {port} is blocked: {reason}"));
        }
        _ => {}
    }
    Ok(service.port)
}

/// Replaces `{port}`, names of the project and registered full names in an argument.
fn with_ports(names: &Names, is_of_project: bool, argument: &OsStr) -> Result<OsString, Failure> {
    let mut ports = BTreeMap::new();
    for name in project::names_in(argument.as_bytes()) {
        if ports.contains_key(name) {
            continue;
        }
        let here = names.here.as_ref().filter(|_| is_of_project && is_short(name));
        let port = match (name, &names.running, here) {
            (project::PORT, Some((_, port)), _) => Some(*port),
            (_, _, Some(here)) if here.project.file_with(name).is_some() => Some(names.port(name)?),
            (_, _, Some(_)) => None,
            _ => names.port_if_registered(name)?,
        };
        ports.insert(name.to_owned(), port.map(|port| port.to_string()));
    }
    let replaced = project::replace_names(argument.as_bytes(), |name| ports.get(name)?.clone());
    Ok(OsString::from_vec(replaced))
}

fn exec_error(program: &OsStr, mut source: io::Error) -> CommandError {
    // Where a folder of PATH can't be searched, execvp(3) says so rather than that no program was found.
    if source.kind() == io::ErrorKind::PermissionDenied && !may_be_found(program) {
        source = Errno::NOENT.into();
    }
    let hint = hint_for_program(program);
    let program = Quoted::new(program.as_bytes());
    match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSuchCommand { program, hint, source },
        _ => CommandError::NotRunnable { program, source },
    }
}

/// Whether a program has a path, or is in one of the folders of PATH that can be searched.
fn may_be_found(program: &OsStr) -> bool {
    let is_in = |folders| std::env::split_paths(&folders).any(|it| it.join(program).exists());
    program.as_bytes().contains(&b'/') || place::variable("PATH").is_none_or(is_in)
}

/// What may be meant by a name that is no program in PATH: one of the project's own programs, or what
/// only a shell knows.
fn hint_for_program(name: &OsStr) -> Option<String> {
    if name.as_bytes().contains(&b'/') {
        return None;
    }
    let folder = place::folder().ok()?;
    let places = folder.ancestors().flat_map(|it| OWN_PROGRAMS.map(|own| it.join(own).join(name)));
    Some(match places.into_iter().find(|path| path.is_file()) {
        Some(path) => format!("Did you mean {}?", InShell(&path)),
        None => "It is not in PATH; a line for the shell goes into `sh -c '...'`".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::ExitCode;

    use super::*;
    use crate::cli::Globals;
    use crate::cli::place::own::{self, Place};
    use crate::cli::terminal::kept;
    use crate::paths::Paths;

    #[test]
    fn only_a_server_keeps_a_command_from_its_port() {
        let terminal = Terminal::new(&Globals::default());
        let service = |state, reason_code| Service {
            state: Some(state),
            reason: Some("why".to_owned()),
            reason_code,
            ..Service::sample("web", 7)
        };
        let other = Some(ReasonCode::Bound);
        let rows = [
            (service(State::Idle, None), ""),
            (service(State::Unknown, None), ""),
            (service(State::Blocked, Some(ReasonCode::TimeWait)), ""),
            (service(State::Blocked, other), "warning: Port 7 (web) is blocked: why\n"),
        ];
        for (service, warning) in rows {
            assert_eq!(check_free(&service, terminal).unwrap(), 7);
            assert_eq!(kept::take(), ["", warning], "{service:?}");
        }
        let used = check_free(&service(State::Running, None), terminal).unwrap_err();
        assert_eq!(used.lines, ["Port 7 (web) is used by a process that is not visible"]);
    }

    #[test]
    fn a_program_that_is_not_in_path_may_be_the_project_s_own() {
        let top = tempfile::tempdir().unwrap();
        let (program, folder) = (top.path().join(".venv/bin/my flask"), top.path().join("a/b"));
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(top.path().join("a/.venv/bin/ls")).unwrap();
        fs::write(&program, "").unwrap();
        let paths = Paths { system_file: top.path().join("none"), home: None };
        fs::write(top.path().join("tool"), "").unwrap();
        let variables = vec![("PATH".into(), top.path().into())];
        own::set(Some(Place { folder, paths, variables, program: "/none".into() }));
        let own = format!("Did you mean '{}'?", program.display());
        let shell = "It is not in PATH; a line for the shell goes into `sh -c '...'`";
        let (absent, denied) = (io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied);
        let rows = [
            ("my flask", absent, 127, Some(own.as_str())),
            ("ls", absent, 127, Some(shell)),
            ("./ls", absent, 127, None),
            ("./ls", denied, 126, None),
            // A folder of PATH may not be searched, and none of the others has it.
            ("my flask", denied, 127, Some(own.as_str())),
            ("ls", denied, 127, Some(shell)),
            ("tool", denied, 126, None),
        ];
        for (name, kind, code, hint) in rows {
            let failure = Failure::from(exec_error(OsStr::new(name), kind.into()));
            assert_eq!(failure.hint.as_deref(), hint, "{name}");
            assert_eq!(ExitCode::from(failure.exit), ExitCode::from(code), "{name}");
            assert!(
                failure.lines[0].starts_with(&format!("Can't run \"{name}\": ")),
                "{failure:?}"
            );
        }
        own::set(None);
    }
}
