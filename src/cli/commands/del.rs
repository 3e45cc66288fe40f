//! `pald del`: releases a service.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::{ArgGroup, Args};

use crate::cli::mistyped::suggest;
use crate::cli::{Failure, Session};
use crate::port::Port;
use crate::service_name::ServiceName;

/// Release a service and its port
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true),
    after_help = "Example:\n  pald del shop.web\n  pald del --port 49201"
)]
pub(in crate::cli) struct Del {
    /// The service
    #[arg(group = "what")]
    name: Option<OsString>,
    /// The service's port, instead of its name
    #[arg(long, value_name = "N", group = "what", allow_hyphen_values = true)]
    port: Option<OsString>,
}

impl Del {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        if let Some(name) = self.name {
            let service = ServiceName::parse(name.as_bytes())?;
            let client = session.client()?;
            client.release(&service).map_err(|error| suggest(&client, &service, error))?;
            session.terminal.note(&format!("Released {service}"));
        }
        if let Some(port) = self.port {
            let port = Port::parse(port.as_bytes())?;
            session.client()?.release_port(port)?;
            session.terminal.note(&format!("Released port {port}"));
        }
        Ok(())
    }
}
