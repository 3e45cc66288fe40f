//! `pald run`: runs a command with the port of its service.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use clap::Args;

use crate::api::{ReasonCode, RegisterRequest, Service, State, names};
use crate::cli::error::CommandError;
use crate::cli::holder::port_of;
use crate::cli::variable::{Assignment, Variable};
use crate::cli::{Failure, Session, Terminal};
use crate::client::Client;
use crate::quoted::Quoted;
use crate::registry::Existing;
use crate::service_name::ServiceName;

/// Run a command with a service's port; registers the service if needed
///
/// PORT is set to the port, and {port} in the command's arguments is replaced by it. The command
/// replaces pald, so signals and the exit code are its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald run shop.web -- vite --port {port} --strictPort
  pald run shop.web -e DB_PORT=shop.db -- npm start")]
pub(in crate::cli) struct Run {
    /// Don't hold this service's port, now or later: for servers that can't bind a held port
    #[arg(long)]
    no_hold: bool,
    /// The service that the command runs
    name: OsString,
    /// Set another variable to another service's port; may be repeated
    #[arg(short, value_name = "[VAR=]NAME")]
    env: Vec<OsString>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// The placeholder for the port in the arguments.
const PLACEHOLDER: &[u8] = b"{port}";

impl Run {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let service = ServiceName::parse(self.name.as_bytes())?;
        let mut assignments = Assignment::parse_all(&self.env)?;
        assignments.insert(0, Assignment { variable: Variable::port(), service: service.clone() });
        Assignment::check_distinct(&assignments)?;
        let client = session.client()?;
        // If the command is refused below, registering its service is the only change.
        client.register(&service, &RegisterRequest::default(), Existing::Accept)?;
        let port = check_free(&client, &service, session.terminal)?;
        if self.no_hold {
            // With the port: another client may have released the service since.
            let request = RegisterRequest {
                port: Some(port.into()),
                hold: Some(false),
                ..RegisterRequest::default()
            };
            client.register(&service, &request, Existing::Accept)?;
        }
        let mut variables = Vec::new();
        for Assignment { variable, service: assigned } in assignments {
            // The port that was checked is the one that the command gets, wherever it is named.
            let port = match assigned == service {
                true => port,
                false => {
                    let request = RegisterRequest::default();
                    client.register(&assigned, &request, Existing::Accept)?.port
                }
            };
            variables.push((variable, port.to_string()));
        }
        let (program, arguments) = self.command.split_first().expect("clap requires a command");
        let arguments = arguments.iter().map(|argument| with_port(argument, port));
        let mut command = Command::new(program);
        command.args(arguments);
        command.envs(variables.iter().map(|(variable, port)| (variable.as_str(), port)));
        Err(exec_error(program, command.exec()).into())
    }
}

/// Checks that nothing listens on the service's port; returns the port.
fn check_free(client: &Client, service: &ServiceName, terminal: Terminal) -> Result<u16, Failure> {
    let service = client.service(service)?;
    let port = port_of(&service);
    match &service {
        Service { state: Some(State::Running), .. } => {
            let holder = names(&service.all_holders());
            let holder = holder.unwrap_or_else(|| "a process that is not visible".to_owned());
            return Err(CommandError::InUse { port, holder }.into());
        }
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

/// Replaces each placeholder in an argument.
fn with_port(argument: &OsStr, port: u16) -> OsString {
    let port = port.to_string();
    let mut rest = argument.as_bytes();
    let mut replaced = Vec::new();
    while let Some(byte) = rest.first() {
        match rest.strip_prefix(PLACEHOLDER) {
            Some(after) => {
                replaced.extend_from_slice(port.as_bytes());
                rest = after;
            }
            None => {
                replaced.push(*byte);
                rest = &rest[1..];
            }
        }
    }
    OsString::from_vec(replaced)
}

fn exec_error(program: &OsStr, source: io::Error) -> CommandError {
    let program = Quoted::new(program.as_bytes());
    match source.kind() {
        io::ErrorKind::NotFound => CommandError::NoSuchCommand { program, source },
        _ => CommandError::NotRunnable { program, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_placeholder_in_an_argument_is_replaced() {
        let rows: [(&[u8], &[u8]); 6] = [
            (b"{port}", b"49201"),
            (b"--url=http://localhost:{port}/{port}", b"--url=http://localhost:49201/49201"),
            (b"{{port}}", b"{49201}"),
            (b"{PORT} { port } {port", b"{PORT} { port } {port"),
            (b"\xff{port}", b"\xff49201"),
            (b"", b""),
        ];
        for (argument, replaced) in rows {
            assert_eq!(with_port(OsStr::from_bytes(argument), 49201).as_bytes(), replaced);
        }
    }
}
