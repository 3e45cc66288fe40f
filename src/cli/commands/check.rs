//! `pald check`: checks that a service's own server listens on its port.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::cli::completion::Takes;
use crate::cli::mistyped::suggest;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session, listener};
use crate::service_name::ServiceName;

/// Check that a service runs, and is not another checkout's
///
/// Ends with 0 if something listens on its port and is not another checkout's, with 1 if nothing
/// listens, and with 4 if what listens is another checkout's or another service's.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald check web && npm test
  pald check shop.web --json")]
pub(in crate::cli) struct Check {
    /// The service: in a project one of its own, or a full name such as shop.web
    #[arg(add = Takes::Service)]
    name: OsString,
    #[command(flatten)]
    scope: Scope,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let name = ServiceName::parse(self.name.as_bytes())?;
        let full_name = self.scope.full_name(session, &name)?;
        let client = session.client()?;
        let service =
            client.service(&full_name).map_err(|error| suggest(&client, &full_name, error))?;
        if self.json {
            session.terminal.answer_json(&service)?;
            return Ok(listener::check(&service)?);
        }
        listener::check(&service)?;
        listener::print(session.terminal, name.as_str(), &service)
    }
}
