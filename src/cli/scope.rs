//! Whether names are short ones of the project here, or full ones.

use clap::Args;

use super::error::CommandError;
use super::here::{Here, Missing};
use super::names::is_short;
use super::{Failure, Session};
use crate::project::Location;
use crate::service_name::ServiceName;

/// The option of all commands that take names of services.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Scope {
    /// Take all names as full ones, also in a project
    #[arg(short, long)]
    global: bool,
}

impl Scope {
    pub(super) fn is_global(self) -> bool {
        self.global
    }

    /// Returns the project here if one of these names needs it: a full name never does.
    pub(super) fn here<'a>(
        self,
        session: &Session,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Here>, Failure> {
        match !self.global && names.into_iter().any(is_short) {
            true => Ok(session.here()?.ok()),
            false => Ok(None),
        }
    }

    /// Returns the full name of a registered service: in a project a short name is one of its own.
    pub(super) fn full_name(
        self,
        session: &Session,
        name: &ServiceName,
    ) -> Result<ServiceName, Failure> {
        let Some(here) = self.here(session, [name.as_str()])? else { return Ok(name.clone()) };
        let known = here.service(name.as_str(), Missing::Refuse("pald set"))?;
        Ok(ServiceName::parse(known.full_name)?)
    }

    /// Returns the project here, for a command without names.
    ///
    /// # Errors
    /// There is none, or `-g` asks for names.
    pub(super) fn project(self, session: &Session, command: &'static str) -> Result<Here, Failure> {
        if self.global {
            return Err(CommandError::NoName { command }.into());
        }
        let here = session.here()?;
        here.map_err(|Location { from, to, .. }| {
            CommandError::NoProject { command, from, to }.into()
        })
    }
}
