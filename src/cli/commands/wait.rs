//! `pald wait`: waits until a service's own server listens on its port.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::completion::Takes;
use crate::cli::duration;
use crate::cli::error::CommandError;
use crate::cli::mistyped::suggest;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session, listener};
use crate::quoted::Quoted;
use crate::service_name::ServiceName;

/// How long to wait between two looks. One takes pald about a millisecond.
const PAUSE: Duration = Duration::from_millis(100);

/// Wait until a service runs
///
/// Ends as `pald check` does: with 0 as soon as something listens on its port and is not another
/// checkout's, with 4 as soon as it is, and with 1 when time is up. It looks at sockets alone and connects
/// to nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald wait web && npm test
  pald wait shop.db --timeout 2min")]
pub(in crate::cli) struct Wait {
    /// The service: in a project one of its own, or a full name such as shop.web
    #[arg(add = Takes::Service)]
    name: OsString,
    #[command(flatten)]
    scope: Scope,
    /// How long to wait: seconds, or a number with ms, s, min or h
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: OsString,
}

impl Wait {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let name = ServiceName::parse(self.name.as_bytes())?;
        let timeout = self.timeout.to_str().and_then(duration::parse);
        let timeout =
            timeout.ok_or_else(|| CommandError::Time(Quoted::new(self.timeout.as_bytes())))?;
        let full_name = self.scope.full_name(session, &name)?;
        let client = session.client()?;
        let started = Instant::now();
        loop {
            let service = client.service_by_sockets(&full_name);
            let service = service.map_err(|error| suggest(&client, &full_name, error))?;
            let left = timeout.saturating_sub(started.elapsed());
            match listener::check(&service) {
                Ok(()) => return listener::print(session.terminal, name.as_str(), &service),
                Err(CommandError::Silent { port, .. }) if left.is_zero() => {
                    return Err(CommandError::Silent { port, waited: Some(timeout) }.into());
                }
                Err(CommandError::Silent { .. } | CommandError::UnknownUse { .. })
                    if !left.is_zero() => {}
                Err(error) => return Err(error.into()),
            }
            thread::sleep(PAUSE.min(left));
        }
    }
}
