//! `pald get`: prints the port of a service.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::cli::mistyped::suggest_or_set;
use crate::cli::{Failure, Session};
use crate::service_name::ServiceName;

/// Print the port of a service
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  curl localhost:$(pald get shop.web)")]
pub(in crate::cli) struct Get {
    /// The service
    name: OsString,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

impl Get {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let service = ServiceName::parse(self.name.as_bytes())?;
        let client = session.client()?;
        let explain = |error| suggest_or_set(&client, &service, error);
        if self.json {
            let answer = client.service(&service).map_err(explain)?;
            return Ok(session.terminal.answer_json(&answer)?);
        }
        let answer = client.registered_service(&service).map_err(explain)?;
        Ok(session.terminal.answer([answer.port.to_string()])?)
    }
}
