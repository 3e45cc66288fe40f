//! `pald set`: registers a service.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::addresses::Addresses;
use crate::api::RegisterRequest;
use crate::cli::{Failure, Session};
use crate::port::Port;
use crate::registry::Existing;
use crate::service_name::ServiceName;

/// Register a service, unless it is registered, and print its port
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald set shop.web\n  pald set shop.db --port 5432")]
pub(in crate::cli) struct Set {
    /// The service: 1 to 255 letters, digits and . _ -
    name: OsString,
    /// Ask for this port
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    port: Option<OsString>,
    /// Store an address with the service; may be repeated
    #[arg(long, value_name = "A")]
    addr: Vec<OsString>,
    /// Fail if the service is already registered
    #[arg(long)]
    new: bool,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

impl Set {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let service = ServiceName::parse(self.name.as_bytes())?;
        let request = self.request()?;
        let existing = if self.new { Existing::Refuse } else { Existing::Accept };
        let answer = session.client()?.register(&service, &request, existing)?;
        match self.json {
            true => session.terminal.answer_json(&answer)?,
            false => session.terminal.answer([answer.port.to_string()])?,
        }
        Ok(())
    }

    fn request(&self) -> Result<RegisterRequest, Failure> {
        let port = self.port.as_ref().map(|port| Port::parse(port.as_bytes())).transpose()?;
        let addresses = self.addr.join(OsStr::new(","));
        let addresses = Addresses::parse(addresses.as_bytes())?;
        Ok(RegisterRequest {
            port: port.map(|port| port.number().into()),
            addresses: (!self.addr.is_empty())
                .then(|| addresses.iter().map(str::to_owned).collect()),
            hold: None,
        })
    }
}
