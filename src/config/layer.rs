//! One layer of the configuration, a file or the environment, and the checks of its values.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use config::{File, FileFormat, Source};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::key::{KEYS, Key, Kind};
use super::{ConfigError, FILE_VARIABLE, MAX_LINE_BYTES, Place, URL_VARIABLE};
use crate::port::Port;
use crate::quoted::Quoted;
use crate::suggest::nearest;

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
        let content = Document { path, text: text_of(path, content)? };
        let places = content.places()?;
        Ok(Self { places, content: Content::File(content.text.to_owned()) })
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
                None if variable == FILE_VARIABLE || variable == URL_VARIABLE => {}
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

fn check_variable(key: &'static Key, variable: &str, value: &str) -> Result<(), ConfigError> {
    let is_valid = match key.kind {
        Kind::Port => Port::parse(value).is_ok(),
        Kind::Switch => matches!(value, "true" | "false"),
        // Paths and lists are checked after the layers are merged.
        Kind::Path | Kind::Users | Kind::User | Kind::Hosts => true,
    };
    match is_valid {
        true => Ok(()),
        false => Err(ConfigError::Value {
            place: Place::Variable(variable.to_owned()),
            name: key.name,
            value: Quoted::new(value).to_string(),
            allowed: key.kind.allowed(),
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

/// Returns the text of a file, if it is UTF-8 and no line is too long.
fn text_of<'a>(path: &Path, content: &'a [u8]) -> Result<&'a str, ConfigError> {
    let error = |line, column, reason: &str| {
        let place = Place::File { path: path.to_owned(), line, column };
        Err(ConfigError::Syntax { place, reason: reason.to_owned() })
    };
    for (line, number) in content.split(|&byte| byte == b'\n').zip(1..) {
        if line.len() > MAX_LINE_BYTES {
            return error(number, 1, "the line is longer than 65536 bytes");
        }
        if let Err(utf8) = std::str::from_utf8(line) {
            return error(number, utf8.valid_up_to() + 1, "the file is not UTF-8");
        }
    }
    Ok(std::str::from_utf8(content).expect("every line was checked"))
}

/// A configuration file that is being checked.
struct Document<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Document<'_> {
    /// Checks the file; returns where it sets each key.
    fn places(&self) -> Result<BTreeMap<&'static str, Place>, ConfigError> {
        let document = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            place: self.place(error.span().unwrap_or(0..0)),
            reason: error.message().replace('\n', "; "),
        })?;
        let mut places = BTreeMap::new();
        for (name, value) in document.get_ref() {
            let key = Key::by_name(name.get_ref()).ok_or_else(|| self.unknown_key(name))?;
            self.check(key, value)?;
            places.insert(key.name, self.place(value.span()));
        }
        Ok(places)
    }

    fn check(&self, key: &'static Key, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        let is_valid = match (key.kind, value.get_ref()) {
            (Kind::Port, DeValue::Integer(integer)) => {
                let number = u16::from_str_radix(integer.as_str(), integer.radix());
                number.is_ok_and(|number| Port::new(number).is_some())
            }
            (Kind::Path, DeValue::String(_)) => true,
            (Kind::User, DeValue::String(_) | DeValue::Integer(_)) => true,
            (Kind::Switch, DeValue::Boolean(_)) => true,
            (Kind::Users, DeValue::Array(items)) => {
                let is_user = |item: &DeValue<'_>| item.is_str() || item.is_integer();
                items.iter().all(|item| is_user(item.get_ref()))
            }
            (Kind::Hosts, DeValue::Array(items)) => {
                items.iter().all(|item| item.get_ref().is_str())
            }
            _ => false,
        };
        if is_valid {
            return Ok(());
        }
        let written = self.text.get(value.span()).unwrap_or_default();
        let shown = Quoted::new(written);
        let value_shown = match value.get_ref() {
            DeValue::String(text) => Quoted::new(text.as_ref()).to_string(),
            _ => format!("{shown:#}"),
        };
        Err(ConfigError::Value {
            place: self.place(value.span()),
            name: key.name,
            value: value_shown,
            allowed: key.kind.allowed(),
        })
    }

    fn unknown_key<T: AsRef<str>>(&self, name: &Spanned<T>) -> ConfigError {
        let text = name.get_ref().as_ref();
        ConfigError::UnknownKey {
            place: self.place(name.span()),
            name: format!("{:#}", Quoted::new(text)),
            nearest: nearest(text, KEYS.iter().map(|key| key.name)),
        }
    }

    /// Returns the line and column where a span starts.
    fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Place::File {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}
