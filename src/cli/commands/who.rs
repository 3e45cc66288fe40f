//! `pald who`: shows what uses a port.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::api::{self, State};
use crate::cli::error::CommandError;
use crate::cli::holder::{in_full, port};
use crate::cli::{Failure, Session};
use crate::port::Port;

/// Show what uses a port
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald who 3000")]
pub(in crate::cli) struct Who {
    /// The port, registered or not
    #[arg(allow_hyphen_values = true)]
    port: OsString,
    /// Print JSON, as /v1/ports returns it
    #[arg(long)]
    json: bool,
}

impl Who {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let port = Port::parse(self.port.as_bytes())?;
        let answer = session.client()?.port(port)?;
        if self.json {
            session.terminal.answer_json(&answer)?;
        }
        let sentences = sentences(&answer)?;
        if !self.json {
            session.terminal.answer(sentences)?;
        }
        Ok(())
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
