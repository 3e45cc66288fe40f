//! The configuration: defaults, the system's file, the user's file or the one named instead, and
//! the environment, each overriding the one before. Errors name the place of the wrong value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::files::{self, Links};
use crate::paths::Paths;
use crate::port::{Port, PortRange};
use crate::quoted::Quoted;
use crate::toml_file::{Mistake, PORTS, Place};
use crate::users::{UserError, Users};

mod error;
mod key;
mod layer;

pub use error::ConfigError;
pub use key::{KEYS, Key};

use layer::Layer;

/// The maximum size of a configuration file, in bytes.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// The variable with the address of the pald to ask; only the command line reads it.
pub const URL_VARIABLE: &str = "PALD_URL";
/// The variable that names a file to read instead of the user's.
const FILE_VARIABLE: &str = "PALD_CONFIG";

/// The checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The port on the loopback addresses where pald listens.
    pub port_listen: Port,
    /// The ports that pald gives out; at least one of them is not `port_listen`.
    pub port_range: PortRange,
    /// The dump, an absolute path.
    pub dump_file: PathBuf,
    /// The folder of the store, an absolute path.
    pub data_dir: PathBuf,
    /// Whether ports are held for their services.
    pub hold_ports: bool,
    /// Who may change the registry besides the user who runs pald and root.
    pub allow_users: Users,
    /// Names to answer to besides those of the loopback addresses.
    pub allowed_hosts: Vec<String>,
    /// The user whose pald the commands believe, besides this user's and root's; at most one.
    pub daemon_user: Users,
    /// Variables that look like settings, but are unknown.
    pub unknown_variables: Vec<String>,
}

/// Where the layers of the configuration come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The default places.
    pub paths: Paths,
    /// The file named by `--config`.
    pub file: Option<PathBuf>,
    /// The environment's variables, all of them or those that start with `PALD_`.
    pub variables: Vec<(OsString, OsString)>,
}

/// The merged values of all layers: types are checked, paths not yet expanded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    port_listen: u16,
    port_min: u16,
    port_max: u16,
    dump_file: String,
    data_dir: String,
    hold_ports: bool,
    allow_users: Vec<String>,
    allowed_hosts: Vec<String>,
    daemon_user: String,
}

impl Config {
    /// Reads and checks all layers.
    ///
    /// # Errors
    /// The first error, with its place.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let variables = own_variables(&sources.variables)?;
        let mut layers = Vec::new();
        let system_file = &sources.paths.system_file;
        layers.extend(file_layer(system_file)?);
        let named = match (&sources.file, variables.get(FILE_VARIABLE)) {
            (Some(file), _) => Some(file.clone()),
            // A shell expands ~ in an argument, but not in the value of `env VAR=~/...`.
            (None, Some(file)) if file.starts_with("~/") => sources.paths.expand(file).ok(),
            (None, file) => file.map(PathBuf::from),
        };
        match (named, sources.paths.user_file()) {
            (Some(file), _) => {
                let layer = file_layer(&file)?.ok_or(ConfigError::NoFile { path: file })?;
                layers.push(layer);
            }
            (None, Some(file)) => layers.extend(file_layer(&file)?),
            (None, None) => {}
        }
        let (environment, unknown_variables) = Layer::of_environment(variables)?;
        layers.push(environment);
        Merged::new(&layers, &sources.paths)?.into_config(unknown_variables)
    }

    /// Checks the content of one file over the defaults, as [`Config::load`] does.
    ///
    /// Opens nothing: `path` only names the file in errors.
    ///
    /// # Errors
    /// The first error, with its place.
    pub fn of_file(path: &Path, content: &[u8], paths: &Paths) -> Result<Self, ConfigError> {
        let layer = Layer::of_file(path, content)?;
        Merged::new(&[layer], paths)?.into_config(Vec::new())
    }
}

/// Returns the variables that start with `PALD_`. Only those that pald reads must be UTF-8.
fn own_variables(
    variables: &[(OsString, OsString)],
) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut own = BTreeMap::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PALD_")) else { continue };
        let is_read = name == FILE_VARIABLE || KEYS.iter().any(|key| key.variable() == name);
        let value = match value.to_str() {
            None if is_read => return Err(ConfigError::NotText { variable: name.to_owned() }),
            other => other.unwrap_or_default(),
        };
        own.insert(name.to_owned(), value.to_owned());
    }
    Ok(own)
}

/// Reads the settings of a file; `None` if there is no such file.
fn file_layer(path: &Path) -> Result<Option<Layer>, ConfigError> {
    let read = files::read(path, MAX_FILE_BYTES, Links::Follow);
    let Some(bytes) = read.map_err(ConfigError::Read)? else {
        return Ok(None);
    };
    Layer::of_file(path, &bytes).map(Some)
}

/// The merged layers, with the place of each value.
struct Merged<'a> {
    values: Values,
    layers: &'a [Layer],
    paths: &'a Paths,
}

impl<'a> Merged<'a> {
    fn new(layers: &'a [Layer], paths: &'a Paths) -> Result<Self, ConfigError> {
        let mut builder = config::Config::builder();
        for key in KEYS {
            builder = match key.kind.is_list() {
                true => builder.set_default(key.name, Vec::<String>::new())?,
                false => builder.set_default(key.name, key.default)?,
            };
        }
        for layer in layers {
            builder = builder.add_source(vec![layer.source()?]);
        }
        let values = builder.build()?.try_deserialize()?;
        Ok(Self { values, layers, paths })
    }

    fn into_config(self, unknown_variables: Vec<String>) -> Result<Config, ConfigError> {
        let Values { port_listen, port_min, port_max, .. } = self.values;
        let port = |name, number: u16| {
            Port::new(number).ok_or_else(|| self.wrong_value(name, number.to_string(), PORTS))
        };
        let port_listen = port("port_listen", port_listen)?;
        let (min, max) = (port("port_min", port_min)?, port("port_max", port_max)?);
        let port_range = PortRange::new(min, max).ok_or_else(|| ConfigError::EmptyRange {
            min: (min, self.place("port_min")),
            max: (max, self.place("port_max")),
        })?;
        if port_range.size() == 1 && min == port_listen {
            let place = self.place("port_min");
            return Err(ConfigError::OnlyListen { port_range, place });
        }
        let dump_file = self.path("dump_file", &self.values.dump_file)?;
        let data_dir = self.path("data_dir", &self.values.data_dir)?;
        if let Some(clash) = clash(&dump_file, &data_dir) {
            let place = self.place("dump_file");
            return Err(ConfigError::Clash { clash, dump_file, data_dir, place });
        }
        let allow_users = self.users()?;
        let allowed_hosts = self.hosts()?;
        let daemon_user = self.daemon_user()?;
        Ok(Config {
            port_listen,
            port_range,
            dump_file,
            data_dir,
            hold_ports: self.values.hold_ports,
            allow_users,
            allowed_hosts,
            daemon_user,
            unknown_variables,
        })
    }

    fn path(&self, name: &'static str, value: &str) -> Result<PathBuf, ConfigError> {
        self.paths.expand(value).map_err(|reason| ConfigError::Path {
            name,
            value: value.into(),
            reason,
            place: self.place(name),
        })
    }

    fn users(&self) -> Result<Users, ConfigError> {
        Users::parse(parts(&self.values.allow_users))
            .map_err(|error| self.refused_user("allow_users", error))
    }

    fn daemon_user(&self) -> Result<Users, ConfigError> {
        let user = self.values.daemon_user.trim();
        let user = Some(user).filter(|user| !user.is_empty());
        user.map_or(Ok(Users::default()), Users::one)
            .map_err(|error| self.refused_user("daemon_user", error))
    }

    fn refused_user(&self, name: &'static str, error: UserError) -> ConfigError {
        ConfigError::User { place: self.place(name), name, error }
    }

    fn hosts(&self) -> Result<Vec<String>, ConfigError> {
        let is_host = |name: &str| match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => {
                name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
                    || name.parse::<Ipv6Addr>().is_ok()
            }
        };
        let hosts = parts(&self.values.allowed_hosts);
        hosts
            .map(|host| match is_host(host) {
                // In a Host header, an IPv6 address has brackets.
                true if host.parse::<Ipv6Addr>().is_ok() => Ok(format!("[{host}]")),
                true => Ok(host.to_owned()),
                false => {
                    let value = Quoted::new(host).to_string();
                    Err(self.wrong_value("allowed_hosts", value, key::HOSTS))
                }
            })
            .collect()
    }

    /// Returns where the last layer that sets a key sets it.
    fn place(&self, name: &str) -> Place {
        self.layers.iter().rev().find_map(|layer| layer.place(name)).unwrap_or(Place::Default)
    }

    fn wrong_value(&self, name: &str, value: String, allowed: &'static str) -> ConfigError {
        let (place, name, value) = (self.place(name), name.into(), value.into());
        Mistake::Value { place, name, value, allowed, hint: None }.into()
    }
}

/// Returns the items of a list without blanks around them; drops empty ones.
fn parts(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(|part| part.trim()).filter(|part| !part.is_empty())
}

/// The suffixes of the store itself and of what pald, 0.1 too, creates beside it. After one that ends
/// in `-`, a time follows.
pub const BESIDE_STORE: [&str; 8] =
    ["", ".new", ".lock", ".record", ".record.new", ".record.kept-", ".damaged-", ".revision"];
/// The same for the dump.
const BESIDE_DUMP: [&str; 5] = ["", ".new", ".lock", ".kept-", ".imported-"];

/// Returns how the dump and the store would overwrite each other, if they would.
fn clash(dump_file: &Path, data_dir: &Path) -> Option<&'static str> {
    let of_store = BESIDE_STORE.map(|suffix| files::sibling(data_dir, suffix));
    let of_dump = BESIDE_DUMP.map(|suffix| files::sibling(dump_file, suffix));
    let meet = of_dump.iter().any(|path| is_one_of(path, data_dir, &BESIDE_STORE))
        || of_store.iter().any(|path| is_one_of(path, dump_file, &BESIDE_DUMP));
    if dump_file == data_dir {
        Some("are the same path")
    } else if meet {
        Some("would overwrite each other: pald adds suffixes such as .lock to both names")
    } else if of_store.iter().any(|path| dump_file.starts_with(path)) {
        Some("must not contain each other: dump_file is inside data_dir")
    } else if of_dump.iter().any(|path| data_dir.starts_with(path)) {
        Some("must not contain each other: data_dir is inside dump_file")
    } else {
        None
    }
}

/// Returns whether pald may create this path beside `own`, with one of these suffixes.
fn is_one_of(path: &Path, own: &Path, suffixes: &[&str]) -> bool {
    suffixes.iter().any(|suffix| {
        let name = files::sibling(own, suffix);
        let start = name.as_os_str().as_encoded_bytes();
        match suffix.ends_with('-') {
            true => path.as_os_str().as_encoded_bytes().starts_with(start),
            false => path == name,
        }
    })
}

#[cfg(test)]
mod tests;
