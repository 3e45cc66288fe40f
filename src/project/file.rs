//! `pald.toml`: its services, their variables, and texts that are made of ports.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::refused::{self, is_refused};
use super::{ProjectError, ShortName, Text};
use crate::config;
use crate::port::Port;
use crate::suggest::nearest;
use crate::toml_file::{self, Mistake, PORTS, TomlFile};
use crate::variable_name::VariableName;

/// The name of a project's file.
pub const FILE_NAME: &str = "pald.toml";
/// The placeholder for the port of the service that a command is run for.
pub const PORT: &str = "port";
/// The placeholder for the name of the checkout.
pub const CHECKOUT: &str = "checkout";

const NAMES: &str = "1 to 100 letters, digits, _ and -";
const SERVICE_NAMES: &str = "1 to 100 letters, digits, _ and -, and neither `port` nor `checkout`";
const TABLE: &str = "a table";
const SERVICE: &str =
    "a port that it prefers, or a table such as { prefer = 8080, env = \"API\" }, or {}";
const SWITCH: &str = "true or false";
const VARIABLE: &str = "a variable's name: letters, digits and _, no digit first";
const TEXT: &str = "a string without control characters";
const KEYS: [&str; 3] = ["project", "services", "env"];
const SERVICE_KEYS: [&str; 3] = ["prefer", "env", "shared"];

/// A project as its file describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// The file.
    pub path: PathBuf,
    /// The name of the project.
    pub project: ShortName,
    /// The services, in the order of the file.
    pub services: Vec<ProjectService>,
    /// Further variables, in the order of the file.
    pub texts: Vec<(VariableName, Text)>,
}

/// A service of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectService {
    /// Its short name.
    pub name: ShortName,
    /// The port that it gets in the main checkout, if that can be had.
    pub prefer: Option<Port>,
    /// The variable that carries its port.
    pub variable: VariableName,
    /// Whether it is one for all checkouts.
    pub is_shared: bool,
}

impl ProjectFile {
    /// Parses the content of a file. `above` are the files of the folders above it in the same
    /// checkout, whose services its texts may name too.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(path: &Path, content: &[u8], above: &[Self]) -> Result<Self, ProjectError> {
        let file = TomlFile::new(path, content)?;
        let table = file.parse()?;
        let entries = in_order(&table);
        if let Some((key, _)) =
            entries.iter().find(|(key, _)| !KEYS.contains(&key.get_ref().as_ref()))
        {
            return Err(unknown_key(&file, key).into());
        }
        let value =
            |name: &str| entries.iter().find(|(key, _)| key.get_ref() == name).map(|it| it.1);
        let project = value("project").ok_or_else(|| ProjectError::Missing {
            path: path.to_owned(),
            key: "project",
            allowed: NAMES,
        })?;
        let reader = Reader { file, above };
        let project = reader.project(project)?;
        let services =
            value("services").map_or_else(|| Ok(Vec::new()), |it| reader.services(it))?;
        let texts = match value("env") {
            None => Vec::new(),
            Some(value) => reader.texts(value, &project, &services)?,
        };
        let services = services.into_iter().map(|(service, _)| service).collect();
        Ok(Self { path: path.to_owned(), project, services, texts })
    }

    /// Returns the service with a short name.
    pub fn service(&self, name: &str) -> Option<&ProjectService> {
        self.services.iter().find(|service| service.name.as_str() == name)
    }
}

/// A service and where it is.
type Placed = (ProjectService, Range<usize>);
type Key<'a, 'd> = &'a Spanned<std::borrow::Cow<'d, str>>;
type Value<'a, 'd> = &'a Spanned<DeValue<'d>>;

/// Returns the keys and values of a table in the order of the file.
fn in_order<'a, 'd>(table: &'a DeTable<'d>) -> Vec<(Key<'a, 'd>, Value<'a, 'd>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A file that is being read.
struct Reader<'a> {
    file: TomlFile<'a>,
    above: &'a [ProjectFile],
}

impl Reader<'_> {
    fn project(&self, value: Value<'_, '_>) -> Result<ShortName, Mistake> {
        let text = value.get_ref().as_str().unwrap_or_default();
        ShortName::parse(text)
            .ok_or_else(|| near(self.file.wrong_value("project", value, NAMES), text))
    }

    fn services(&self, value: Value<'_, '_>) -> Result<Vec<Placed>, ProjectError> {
        let wrong = || self.file.wrong_value("services", value, TABLE);
        let table = value.get_ref().as_table().ok_or_else(wrong)?;
        let mut services: Vec<Placed> = Vec::new();
        for (key, value) in in_order(table) {
            let service = self.service(key, value)?;
            let twin = services.iter().find(|(other, _)| other.variable == service.variable);
            if let Some((twin, _)) = twin {
                return Err(self.twice(
                    &twin.name,
                    service.name.as_str(),
                    key.span(),
                    &service.variable,
                ));
            }
            services.push((service, key.span()));
        }
        Ok(services)
    }

    fn service(&self, key: Key<'_, '_>, value: Value<'_, '_>) -> Result<ProjectService, Mistake> {
        let name = self.service_name(key)?;
        let mut service = ProjectService {
            variable: VariableName::of_service(name.as_str()),
            name,
            prefer: toml_file::port(value.get_ref()),
            is_shared: false,
        };
        let at = |key: &str| format!("services.{}{key}", service.name);
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in in_order(table) {
                    match key.get_ref().as_ref() {
                        "prefer" => {
                            let port = toml_file::port(value.get_ref());
                            let wrong = || self.file.wrong_value(at(".prefer"), value, PORTS);
                            service.prefer = Some(port.ok_or_else(wrong)?);
                        }
                        "env" => service.variable = self.variable(at(".env"), value)?,
                        "shared" => {
                            let switch = value.get_ref().as_bool();
                            let wrong = || self.file.wrong_value(at(".shared"), value, SWITCH);
                            service.is_shared = switch.ok_or_else(wrong)?;
                        }
                        _ => return Err(self.file.unknown_key(key, SERVICE_KEYS.into_iter())),
                    }
                }
            }
            _ if service.prefer.is_some() => {}
            // An integer that is no port.
            DeValue::Integer(_) => return Err(self.file.wrong_value(at(""), value, PORTS)),
            _ => return Err(self.file.wrong_value(at(""), value, SERVICE)),
        }
        match is_refused(&service.variable) {
            true => Err(self.refused(at(".env"), &service.variable, value.span())),
            false => Ok(service),
        }
    }

    fn service_name(&self, key: Key<'_, '_>) -> Result<ShortName, Mistake> {
        let text = key.get_ref().as_ref();
        let name = ShortName::parse(text).filter(|name| ![PORT, CHECKOUT].contains(&name.as_str()));
        name.ok_or_else(|| {
            let value = Spanned::new(key.span(), DeValue::String(text.into()));
            let mistake = self.file.wrong_value("a service's name", &value, SERVICE_NAMES);
            if ShortName::parse(text).is_some() { mistake } else { near(mistake, text) }
        })
    }

    fn variable(&self, at: String, value: Value<'_, '_>) -> Result<VariableName, Mistake> {
        let variable = value.get_ref().as_str().and_then(VariableName::parse);
        variable.ok_or_else(|| self.file.wrong_value(at, value, VARIABLE))
    }

    fn texts(
        &self,
        value: Value<'_, '_>,
        project: &ShortName,
        services: &[Placed],
    ) -> Result<Vec<(VariableName, Text)>, ProjectError> {
        let wrong = || self.file.wrong_value("env", value, TABLE);
        let table = value.get_ref().as_table().ok_or_else(wrong)?;
        let mut texts = Vec::new();
        for (key, value) in in_order(table) {
            let variable = self.variable_of_text(key)?;
            let twin = services.iter().find(|(service, _)| service.variable == variable);
            if let Some((twin, _)) = twin {
                let second = format!("env.{variable}");
                return Err(self.twice(&twin.name, &second, key.span(), &variable));
            }
            let text = self.text(&variable, value)?;
            self.check_names(&text, &variable, value, project, services)?;
            texts.push((variable, text));
        }
        Ok(texts)
    }

    fn variable_of_text(&self, key: Key<'_, '_>) -> Result<VariableName, Mistake> {
        let name = Spanned::new(key.span(), DeValue::String(key.get_ref().clone()));
        let variable = self.variable("a variable of env".to_owned(), &name)?;
        match is_refused(&variable) {
            true => Err(self.refused("a variable of env".to_owned(), &variable, key.span())),
            false => Ok(variable),
        }
    }

    fn text(&self, variable: &VariableName, value: Value<'_, '_>) -> Result<Text, Mistake> {
        let at = format!("env.{variable}");
        let text = value.get_ref().as_str().filter(|text| !text.contains(char::is_control));
        match text.map(Text::parse) {
            Some(Some(text)) => Ok(text),
            Some(None) => Err(self.file.wrong_value(at, value, Text::ALLOWED)),
            None if value.get_ref().is_str() => Err(self.file.wrong_value(at, value, TEXT)),
            None => {
                let hint = "If it is a service, put it below `[services]`";
                Err(with_hint(self.file.wrong_value(at, value, TEXT), hint.to_owned()))
            }
        }
    }

    fn check_names(
        &self,
        text: &Text,
        variable: &VariableName,
        value: Value<'_, '_>,
        project: &ShortName,
        services: &[Placed],
    ) -> Result<(), ProjectError> {
        let own = services.iter().map(|(service, _)| service);
        let above = self.above.iter().flat_map(|file| &file.services);
        let known = own.chain(above).map(|service| service.name.as_str()).chain([CHECKOUT]);
        match text.names().find(|name| !known.clone().any(|it| it == *name)) {
            None => Ok(()),
            Some(name) => Err(ProjectError::UnknownName {
                place: self.file.place(value.span()),
                variable: variable.clone(),
                name: name.into(),
                project: project.as_str().into(),
                nearest: nearest(name, known).map(Into::into),
            }),
        }
    }

    fn twice(
        &self,
        first: &ShortName,
        second: &str,
        span: Range<usize>,
        variable: &VariableName,
    ) -> ProjectError {
        ProjectError::VariableTwice {
            place: self.file.place(span),
            first: first.to_string(),
            second: second.to_owned(),
            variable: variable.clone(),
        }
    }

    fn refused(&self, at: String, variable: &VariableName, span: Range<usize>) -> Mistake {
        let value = Spanned::new(span, DeValue::String(variable.as_str().into()));
        self.file.wrong_value(at, &value, refused::ALLOWED)
    }
}

/// Adds the nearest legal name to a mistake.
fn near(mistake: Mistake, text: &str) -> Mistake {
    match ShortName::nearest(text) {
        Some(name) => with_hint(mistake, format!("Try `{name}`")),
        None => mistake,
    }
}

fn with_hint(mistake: Mistake, hint: String) -> Mistake {
    match mistake {
        Mistake::Value { place, name, value, allowed, .. } => {
            Mistake::Value { place, name, value, allowed, hint: Some(hint) }
        }
        other => other,
    }
}

fn unknown_key(file: &TomlFile<'_>, key: Key<'_, '_>) -> Mistake {
    let is_setting = config::KEYS.iter().any(|setting| setting.name == key.get_ref());
    match file.unknown_key(key, KEYS.into_iter()) {
        Mistake::UnknownKey { place, name, .. } if is_setting => {
            let hint = "It is a setting of the daemon, which belongs in ~/.pald/config.toml";
            Mistake::UnknownKey { place, name, hint: hint.to_owned() }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
