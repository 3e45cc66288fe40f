//! `pald who`: shows what uses a port.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::api::{self, State};
use crate::cli::completion::Takes;
use crate::cli::error::CommandError;
use crate::cli::holder::{in_full, port};
use crate::cli::mistyped::suggest;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session};
use crate::client::Client;
use crate::port::Port;
use crate::service_name::ServiceName;

/// Show what uses a port, or the port of a service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald who 3000
  pald who web")]
pub(in crate::cli) struct Who {
    /// The port, registered or not; or a service: in a project one of its own, or a full name
    #[arg(value_name = "PORT|NAME", allow_hyphen_values = true, add = Takes::Service)]
    port: OsString,
    #[command(flatten)]
    scope: Scope,
    /// Print JSON, as /v1/ports returns it
    #[arg(long)]
    json: bool,
}

impl Who {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let answer = client.port(self.port(session, &client)?)?;
        if self.json {
            session.terminal.answer_json(&answer)?;
        }
        let sentences = sentences(&answer)?;
        if !self.json {
            session.terminal.answer(sentences)?;
        }
        Ok(())
    }

    /// Returns the port, or that of the service.
    fn port(&self, session: &Session, client: &Client) -> Result<Port, Failure> {
        let is_name = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
        if !self.port.as_bytes().first().is_some_and(is_name) {
            return Ok(Port::parse(self.port.as_bytes())?);
        }
        let name = ServiceName::parse(self.port.as_bytes())?;
        let name = self.scope.full_name(session, &name)?;
        let known = client.registered_service(&name);
        let known = known.map_err(|error| suggest(client, &name, error))?;
        Ok(Port::try_from(u64::from(known.port))?)
    }
}

/// Says what uses the port, in a sentence for each holder; an unused port is an error.
fn sentences(answer: &api::Port) -> Result<Vec<String>, CommandError> {
    let port = port(answer.port, answer.service.as_deref());
    let holders = answer.all_holders().into_iter().map(in_full);
    let reason = answer.reason.as_deref().unwrap_or_default();
    let (sentences, otherwise): (Vec<_>, _) = match answer.state {
        State::Running => (
            holders.map(|holder| format!("{holder} listens on port {port}")).collect(),
            format!("A process that is not visible listens on port {port}"),
        ),
        State::Blocked => (
            holders.map(|holder| format!("{holder} blocks port {port}: {reason}")).collect(),
            format!("Port {port} is blocked: {reason}"),
        ),
        State::Idle => {
            return Err(match &answer.service {
                Some(service) if answer.held => {
                    CommandError::Held { port: answer.port, service: service.clone() }
                }
                _ => CommandError::Unused { port },
            });
        }
        State::Unknown => {
            return Err(CommandError::UnknownUse { port, reason: reason.to_owned() });
        }
    };
    Ok(if sentences.is_empty() { vec![otherwise] } else { sentences })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Holder;

    #[test]
    fn each_state_of_a_port_has_its_sentences() {
        let holder = |pid| Holder {
            pid: Some(pid),
            process: Some("node".to_owned()),
            command: None,
            user: "ann".to_owned(),
            since: None,
            folder: None,
            service: None,
        };
        let of = |state, service: Option<&str>, holders: &[Holder]| api::Port {
            port: 7,
            state,
            reason: Some("why".to_owned()),
            reason_code: None,
            service: service.map(str::to_owned),
            holder: None,
            holders: holders.to_vec(),
            verdict: None,
            held: false,
        };
        let held = api::Port { held: true, ..of(State::Idle, Some("web"), &[]) };
        let rows: [(api::Port, Result<&[&str], &str>); 9] = [
            (
                of(State::Running, None, &[holder(1), holder(2)]),
                Ok(&[
                    "node (pid 1) of user ann listens on port 7",
                    "node (pid 2) of user ann listens on port 7",
                ]),
            ),
            (
                of(State::Running, Some("web"), &[]),
                Ok(&["A process that is not visible listens on port 7 (web)"]),
            ),
            (
                of(State::Blocked, Some("web"), &[holder(1)]),
                Ok(&["node (pid 1) of user ann blocks port 7 (web): why"]),
            ),
            (of(State::Blocked, None, &[]), Ok(&["Port 7 is blocked: why"])),
            (of(State::Unknown, None, &[]), Err("Can't tell what uses port 7: why")),
            (of(State::Idle, None, &[]), Err("Nothing uses port 7")),
            (of(State::Idle, Some("web"), &[]), Err("Nothing uses port 7 (web)")),
            (held.clone(), Err("Port 7 is held for web; nothing listens")),
            (api::Port { service: None, ..held }, Err("Nothing uses port 7")),
        ];
        for (answer, expected) in rows {
            let found = sentences(&answer).map_err(|error| error.to_string());
            let expected = expected.map(|lines| lines.iter().map(|it| (*it).to_owned()).collect());
            assert_eq!(found, expected.map_err(str::to_owned), "{answer:?}");
        }
    }
}
