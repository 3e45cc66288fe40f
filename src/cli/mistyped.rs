//! Suggests registered names for names that are not registered, and commands for words that are none.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Failure;
use crate::api::{ProblemType, Service};
use crate::client::{Client, ClientError};
use crate::service_name::ServiceName;
use crate::suggest::nearest;

/// Words for commands that have another name, and are not near to it.
const OTHER_WORDS: [(&str, &str); 12] = [
    ("rename", "mv"),
    ("move", "mv"),
    ("delete", "del"),
    ("release", "del"),
    ("unset", "del"),
    ("add", "set"),
    ("register", "set"),
    ("port", "get"),
    ("ps", "list"),
    ("show", "list"),
    ("clean", "prune"),
    ("gc", "prune"),
];

/// Suggests the command that somebody means by another word.
pub(super) fn suggest_command(mut error: clap::Error) -> clap::Error {
    let typed = match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
        (ErrorKind::InvalidSubcommand, Some(ContextValue::String(typed))) => typed.clone(),
        _ => return error,
    };
    if let Some((_, command)) = OTHER_WORDS.iter().find(|(word, _)| *word == typed) {
        let suggested = ContextValue::Strings(vec![(*command).to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, suggested);
    }
    error
}

/// Explains an error about a service; if it is not registered, suggests the nearest name.
pub(super) fn suggest(client: &Client, service: &ServiceName, error: ClientError) -> Failure {
    let nearest = if is_not_found(&error) { nearest_to(client, service) } else { None };
    let mut failure = Failure::from(error);
    if let Some(nearest) = nearest {
        failure.hint = Some(format!("Did you mean {nearest}?"));
    }
    failure
}

/// Explains an error like [`suggest`]; also names the command that registers the name as typed.
pub(super) fn suggest_or_set(
    client: &Client,
    service: &ServiceName,
    error: ClientError,
) -> Failure {
    let is_not_found = is_not_found(&error);
    let mut failure = suggest(client, service, error);
    if is_not_found {
        let nearest = failure.hint.map(|hint| format!("{hint} ")).unwrap_or_default();
        failure.hint = Some(format!("{nearest}`pald set {service}` registers it"));
    }
    failure
}

pub(super) fn is_not_found(error: &ClientError) -> bool {
    matches!(error, ClientError::Problem(problem) if problem.kind == ProblemType::NotFound)
}

/// Returns the registered service with the nearest name.
///
/// An error here means no suggestion: the error being explained matters more.
fn nearest_to(client: &Client, service: &ServiceName) -> Option<String> {
    nearest_of(client.registered_services(None).ok()?.iter(), service.as_str()).map(str::to_owned)
}

/// Returns the name of the service with the nearest name.
pub(super) fn nearest_of<'a>(
    services: impl Iterator<Item = &'a Service>,
    name: &str,
) -> Option<&'a str> {
    // The user may paste the name into a command.
    let names = services.map(|service| &*service.name);
    nearest(name, names.filter(|name| ServiceName::parse(name).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_can_be_pasted_into_a_command_are_suggested() {
        let service = |name: &str| Service::sample(name, 7);
        let services = ["shop.web", "shop;web", "other"].map(service);
        let nearest = |name| nearest_of(services.iter(), name);
        assert_eq!(nearest("shop.wbe"), Some("shop.web"));
        assert_eq!(nearest("shop:web"), Some("shop.web"));
        assert_eq!(nearest("something"), None);
        assert_eq!(nearest_of(services[1..2].iter(), "shop.web"), None);
    }
}
