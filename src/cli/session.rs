//! What the commands share: the configuration, the client and the terminal.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::error::CommandError;
use super::here::Here;
use super::{Failure, Globals, Terminal, place};
use crate::client::{Client, Url};
use crate::config::{Config, ConfigError, Sources, URL_VARIABLE};
use crate::files::Shown;
use crate::folder::Folder;
use crate::project::Location;
use crate::users::Users;

/// One run of a command.
pub(super) struct Session {
    config: Option<PathBuf>,
    url: Option<OsString>,
    client: OnceLock<Client>,
    /// Where the output goes.
    pub(super) terminal: Terminal,
}

impl Session {
    pub(super) fn new(globals: Globals, terminal: Terminal) -> Self {
        Self { config: globals.config, url: globals.url, client: OnceLock::new(), terminal }
    }

    fn folder() -> Result<PathBuf, CommandError> {
        place::folder().map_err(CommandError::CurrentFolder)
    }

    /// Returns where the layers of the configuration come from.
    pub(super) fn sources(&self) -> Sources {
        Sources { paths: place::paths(), file: self.config.clone(), variables: place::variables() }
    }

    /// Returns a client of the pald that `--url`, PALD_URL or the configuration names; they share a
    /// connection.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = self.new_client()?;
        Ok(self.client.get_or_init(|| client).clone())
    }

    /// The first that is given of `--url`, PALD_URL and the configuration wins.
    fn new_client(&self) -> Result<Client, Failure> {
        if let Some(url) = &self.url {
            let url = Url::parse(url.as_bytes()).map_err(CommandError::UrlFlag)?;
            return Ok(Client::new(url, self.daemon_user()));
        }
        let variable = place::variable(URL_VARIABLE);
        if let Some(url) = variable {
            let url = Url::parse(url.as_bytes()).map_err(CommandError::UrlVariable)?;
            return Ok(Client::new(url, self.daemon_user()));
        }
        let config = self.config()?;
        for variable in &config.unknown_variables {
            self.terminal.warn(&format!("Unknown setting {variable}"));
        }
        Ok(Client::new(Url::of_port(config.port_listen), config.daemon_user))
    }

    /// Returns the checkout where the command runs, and the project's files there.
    pub(super) fn location(&self) -> Result<Location, Failure> {
        let folder = Self::folder()?;
        Ok(Location::of(&folder, place::paths().home.as_deref())?)
    }

    /// Returns the folder of the checkout where the command runs, which its services remember.
    pub(super) fn checkout(&self, command: &'static str) -> Result<Folder, Failure> {
        let location = self.location()?;
        let checkout = location.checkout()?;
        let Location { from, to, .. } = location;
        Ok(checkout.ok_or(CommandError::NoProject { command, from, to })?.folder)
    }

    /// Returns the project where the command runs, or else where it was looked for.
    pub(super) fn here(&self) -> Result<Result<Here, Location>, Failure> {
        let location = self.location()?;
        let Some(project) = location.load()? else { return Ok(Err(location)) };
        if let Some(file) = location.file().filter(|_| location.is_of_main) {
            self.terminal.say(&format!("this worktree has no pald.toml; using {}", Shown(file)));
        }
        Ok(Ok(Here::new(self, project)?))
    }

    /// Returns the user whose pald is believed at a given URL, which needs no configuration else.
    fn daemon_user(&self) -> Users {
        match self.config() {
            Ok(config) => config.daemon_user,
            Err(error) => {
                self.terminal.warn(&format!("`daemon_user` is unknown: {error}"));
                Users::default()
            }
        }
    }

    /// Loads the configuration as a pald started now would.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::service::stand_in::Home;
    use crate::cli::terminal::kept;

    #[test]
    fn a_given_url_needs_no_configuration_but_the_user_who_is_believed() {
        let home = Home::new();
        for (text, expected, warning) in [
            ("daemon_user = \"0\"", Users::one("0").unwrap(), ""),
            ("", Users::default(), ""),
            ("daemon = 7", Users::default(), "warning: `daemon_user` is unknown: "),
        ] {
            fs::write(home.path("config.toml"), text).unwrap();
            let session = Session { url: Some("http://localhost:7".into()), ..home.session() };
            assert_eq!(session.daemon_user(), expected, "{text}");
            let warned = kept::take()[1].clone();
            assert!(warned.starts_with(warning) && warned.is_empty() == warning.is_empty());
            assert_eq!(session.client().unwrap().url().to_string(), "http://localhost:7");
        }
    }
}
