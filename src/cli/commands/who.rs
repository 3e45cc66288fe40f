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
        let sentence = sentence(&answer)?;
        if !self.json {
            session.terminal.answer([sentence])?;
        }
        Ok(())
    }
}

/// Says what uses the port; an unused port is an error.
fn sentence(answer: &api::Port) -> Result<String, CommandError> {
    let port = port(answer.port, answer.service.as_deref());
    let holder = answer.holder.as_ref().map(in_full);
    let reason = answer.reason.as_deref().unwrap_or_default();
    match (answer.state, holder) {
        (State::Running, Some(holder)) => Ok(format!("{holder} listens on port {port}")),
        (State::Running, None) => {
            Ok(format!("A process that is not visible listens on port {port}"))
        }
        (State::Blocked, Some(holder)) => Ok(format!("{holder} blocks port {port}: {reason}")),
        (State::Blocked, None) => Ok(format!("Port {port} is blocked: {reason}")),
        (State::Idle, _) => Err(CommandError::Unused { port }),
        (State::Unknown, _) => Err(CommandError::UnknownUse { port, reason: reason.to_owned() }),
    }
}
