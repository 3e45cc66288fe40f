//! What a command ends with that has not done what it was asked for.

use anyhow::Error;

use super::daemon::ServeError;
use super::error::CommandError;
use super::exit::Exit;
use super::service::ServiceError;
use crate::addresses::AddressesError;
use crate::client::ClientError;
use crate::config::ConfigError;
use crate::port::PortError;
use crate::service_name::ServiceNameError;

/// An error on its way to the user: what happened, why, and what to do.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    /// What to do about it.
    pub hint: Option<String>,
    /// The code that the process ends with.
    pub exit: Exit,
}

impl Failure {
    /// The error and its causes, as a sentence.
    pub fn sentence(&self) -> String {
        let causes: Vec<_> = self.error.chain().map(ToString::to_string).collect();
        causes.join(": ")
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self { hint: error.hint(), exit: Exit::from(&error), error: error.into() }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self { hint: error.hint(), exit: Exit::from(&error), error: error.into() }
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self { hint: error.hint(), exit: Exit::from(&error), error: error.into() }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Self { hint: error.hint(), exit: Exit::from(&error), error: error.into() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self { hint: error.hint(), exit: Exit::Config, error: error.into() }
    }
}

impl From<ServiceNameError> for Failure {
    fn from(error: ServiceNameError) -> Self {
        Self { hint: error.hint(), exit: Exit::Usage, error: error.into() }
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self { hint: None, exit: Exit::Usage, error: error.into() }
    }
}

impl From<AddressesError> for Failure {
    fn from(error: AddressesError) -> Self {
        Self { hint: None, exit: Exit::Usage, error: error.into() }
    }
}
