//! `pald get`: prints the port of a service.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::cli::completion::Takes;
use crate::cli::here::Missing;
use crate::cli::mistyped::suggest_or_set;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session};
use crate::service_name::ServiceName;

/// Print the port of a service
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  curl localhost:$(pald get web)
  pald get shop.web --json")]
pub(in crate::cli) struct Get {
    /// The service: in a project one of its own, or a full name such as shop.web
    #[arg(add = Takes::Service)]
    name: OsString,
    #[command(flatten)]
    scope: Scope,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

impl Get {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let mut service = ServiceName::parse(self.name.as_bytes())?;
        if let Some(here) = self.scope.here(session, [service.as_str()])? {
            let known = here.service(service.as_str(), Missing::Refuse("pald set"))?;
            if !self.json {
                return Ok(session.terminal.answer([known.port.to_string()])?);
            }
            service = ServiceName::parse(known.full_name)?;
        }
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
