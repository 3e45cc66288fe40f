//! One layer of the configuration, a file or the environment, and the checks of its values.

use std::collections::BTreeMap;
use std::path::Path;

use config::{File, FileFormat, Source};
use toml::de::DeValue;

use super::key::{KEYS, Key, Kind};
use super::{ConfigError, FILE_VARIABLE, URL_VARIABLE};
use crate::port::Port;
use crate::quoted::Quoted;
use crate::service_name::ServiceName;
use crate::toml_file::{Mistake, Place, TomlFile, port};

/// Variables that are known and set nothing.
const NO_SETTINGS: [&str; 3] = [FILE_VARIABLE, URL_VARIABLE, ServiceName::VARIABLE];

/// The settings of one file or of the environment.
pub(super) struct Layer {
    places: BTreeMap<&'static str, Place>,
    content: Content,
}

enum Content {
    File(String),
    Environment(Vec<(&'static Key, String)>),
}

impl Layer {
    /// Parses and checks the content of a file.
    pub(super) fn of_file(path: &Path, content: &[u8]) -> Result<Self, ConfigError> {
        let file = TomlFile::new(path, content)?;
        let places = places(&file)?;
        Ok(Self { places, content: Content::File(file.text().to_owned()) })
    }

    /// Checks the settings of the environment; also returns the names of unknown ones.
    pub(super) fn of_environment(
        variables: BTreeMap<String, String>,
    ) -> Result<(Self, Vec<String>), ConfigError> {
        let (mut places, mut known, mut unknown) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (variable, value) in variables {
            match KEYS.iter().find(|key| key.variable() == variable) {
                Some(key) => {
                    check_variable(key, &variable, &value)?;
                    places.insert(key.name, Place::Variable(variable));
                    known.push((key, value));
                }
                None if NO_SETTINGS.contains(&variable.as_str()) => {}
                None => unknown.push(variable),
            }
        }
        Ok((Self { places, content: Content::Environment(known) }, unknown))
    }

    /// Returns where this layer sets a key, if it does.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        self.places.get(name).cloned()
    }

    /// Returns the layer for the `config` crate.
    pub(super) fn source(&self) -> Result<Box<dyn Source + Send + Sync>, config::ConfigError> {
        Ok(match &self.content {
            Content::File(text) => Box::new(File::from_str(text, FileFormat::Toml)),
            Content::Environment(known) => Box::new(environment(known)?),
        })
    }
}

fn check_variable(key: &'static Key, variable: &str, value: &str) -> Result<(), Mistake> {
    let is_valid = match key.kind {
        Kind::Port => Port::parse(value).is_ok(),
        Kind::Switch => matches!(value, "true" | "false"),
        // Paths and lists are checked after the layers are merged.
        Kind::Path | Kind::Users | Kind::User | Kind::Hosts => true,
    };
    match is_valid {
        true => Ok(()),
        false => Err(Mistake::Value {
            place: Place::Variable(variable.to_owned()),
            name: key.name.into(),
            value: Quoted::new(value).to_string().into(),
            allowed: key.kind.allowed(),
            hint: None,
        }),
    }
}

/// Returns the environment's settings for the `config` crate, whose own parser would read a list of
/// one number as a number.
fn environment(known: &[(&'static Key, String)]) -> Result<config::Config, config::ConfigError> {
    let mut builder = config::Config::builder();
    for (key, value) in known {
        builder = match key.kind.is_list() {
            true => builder.set_override(key.name, value.split(',').collect::<Vec<_>>())?,
            false => builder.set_override(key.name, value.as_str())?,
        };
    }
    builder.build()
}

/// Checks a file's settings; returns where it sets each key.
fn places(file: &TomlFile<'_>) -> Result<BTreeMap<&'static str, Place>, Mistake> {
    let mut places = BTreeMap::new();
    for (name, value) in &file.parse()? {
        let key = Key::by_name(name.get_ref());
        let key = key.ok_or_else(|| file.unknown_key(name, KEYS.iter().map(|key| key.name)))?;
        if !is_valid(key.kind, value.get_ref()) {
            return Err(file.wrong_value(key.name, value, key.kind.allowed()));
        }
        places.insert(key.name, file.place(value.span()));
    }
    Ok(places)
}

fn is_valid(kind: Kind, value: &DeValue<'_>) -> bool {
    match (kind, value) {
        (Kind::Port, value) => port(value).is_some(),
        (Kind::Path, DeValue::String(_)) => true,
        (Kind::User, DeValue::String(_) | DeValue::Integer(_)) => true,
        (Kind::Switch, DeValue::Boolean(_)) => true,
        (Kind::Users, DeValue::Array(items)) => {
            let is_user = |item: &DeValue<'_>| item.is_str() || item.is_integer();
            items.iter().all(|item| is_user(item.get_ref()))
        }
        (Kind::Hosts, DeValue::Array(items)) => items.iter().all(|item| item.get_ref().is_str()),
        _ => false,
    }
}
