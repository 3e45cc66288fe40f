//! What the commands share: which configuration, which pald, and whom they speak to.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::error::CommandError;
use super::{Failure, Globals, Terminal};
use crate::client::{Client, Url};
use crate::config::{Config, ConfigError, Sources, URL_VARIABLE};
use crate::paths::Paths;

/// One run of a command.
pub(super) struct Session {
    config: Option<PathBuf>,
    url: Option<OsString>,
    /// Where answers and talk go.
    pub(super) terminal: Terminal,
}

impl Session {
    pub(super) fn new(globals: Globals, terminal: Terminal) -> Self {
        Self { config: globals.config, url: globals.url, terminal }
    }

    /// Where the layers of the configuration come from.
    pub(super) fn sources(&self) -> Sources {
        Sources {
            paths: Paths::of_this_user(),
            file: self.config.clone(),
            variables: std::env::vars_os().collect(),
        }
    }

    /// A client of the pald that is asked for: with `--url`, or PALD_URL, or by the configuration.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        if let Some(url) = &self.url {
            return Ok(Client::new(Url::parse(url.as_bytes()).map_err(CommandError::UrlFlag)?));
        }
        let variable = std::env::var_os(URL_VARIABLE).filter(|value| !value.is_empty());
        if let Some(url) = variable {
            return Ok(Client::new(Url::parse(url.as_bytes()).map_err(CommandError::UrlVariable)?));
        }
        let config = self.config()?;
        for variable in &config.unknown_variables {
            self.terminal.warn(&format!("{variable} is no setting of pald"));
        }
        Ok(Client::new(Url::of_port(config.port_listen)))
    }

    /// The configuration as a pald that is started now would have it.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        Config::load(&self.sources())
    }
}
