//! `pald mv`: renames a service.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::api::ProblemType;
use crate::cli::completion::Takes;
use crate::cli::here::Missing;
use crate::cli::mistyped::{is_not_found, suggest};
use crate::cli::names::is_short;
use crate::cli::scope::Scope;
use crate::cli::{Failure, Session, restart};
use crate::client::{Client, ClientError};
use crate::files::Shown;
use crate::service_name::ServiceName;

/// Rename a service; its port and all else stay
///
/// In a project a NEW without a dot takes the place of the last part of the name. Rename it in pald.toml
/// too, or the next `pald set` registers the old name anew.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pald mv web frontend\n  pald mv shop.web store.web")]
pub(in crate::cli) struct Mv {
    /// The service: in a project one of its own, or a full name such as shop.web
    #[arg(add = Takes::Service)]
    old: OsString,
    /// Its new name
    new: OsString,
    #[command(flatten)]
    scope: Scope,
    /// Print the service as JSON
    #[arg(long)]
    json: bool,
}

impl Mv {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let mut old = ServiceName::parse(self.old.as_bytes())?;
        let mut new = ServiceName::parse(self.new.as_bytes())?;
        let here = self.scope.here(session, [old.as_str(), new.as_str()])?;
        if let Some(here) = &here {
            if is_short(old.as_str()) {
                let known = here.service(old.as_str(), Missing::Refuse("pald set"))?;
                old = ServiceName::parse(known.full_name)?;
            }
            if let Some((checkout, _)) = old.as_str().rsplit_once('.')
                && is_short(new.as_str())
            {
                new = ServiceName::parse(format!("{checkout}.{new}"))?;
            }
        }
        let client = session.client()?;
        let renamed = client.rename(&old, &new).map_err(|error| explain(&client, &old, error))?;
        if self.json {
            return Ok(session.terminal.answer_json(&renamed)?);
        }
        session.terminal.say(&format!("{old} is now {new}, on {}", renamed.port));
        let listed = here.as_ref().zip(self.old.to_str());
        if let Some(file) = listed.and_then(|(here, old)| here.project.file_with(old)) {
            let (old, file) = (self.old.display(), Shown(&file.path));
            session.terminal.hint(&format!("Rename {old} in {file} too"));
        }
        Ok(())
    }
}

fn explain(client: &Client, old: &ServiceName, error: ClientError) -> Failure {
    let taken = match &error {
        ClientError::Problem(problem) if problem.kind == ProblemType::NameTaken => {
            Some(problem.service.as_ref().and_then(|name| ServiceName::parse(name).ok()))
        }
        _ => None,
    };
    let hint = match taken {
        None if is_not_found(&error) => return suggest(client, old, error),
        None => return restart::explain(client, error),
        Some(Some(name)) => format!("Release it with `pald del {name}`, or choose another name"),
        Some(None) => "`pald list` shows the names of its checkout's other services".to_owned(),
    };
    Failure { hint: Some(hint), ..error.into() }
}
