//! Whether a service's port has a listener that a command may rely on, and how it is named.

use super::Failure;
use super::duration::time_of_day;
use super::error::CommandError;
use super::holder::{folder, named, origins, port_of, with_origins};
use crate::api::{Holder, Service, State, Verdict};
use crate::timestamp::Timestamp;

/// Checks that something listens on the port of a service, and is not foreign.
///
/// # Errors
/// Nothing listens, nobody can tell, or what listens is another checkout's.
pub(super) fn check(service: &Service) -> Result<(), CommandError> {
    match (service.verdict, service.state) {
        (Some(Verdict::Foreign), _) => Err(used(service)),
        // Only who may make changes is told the verdict.
        (Some(Verdict::Own | Verdict::Unknown), _) | (None, Some(State::Running)) => Ok(()),
        (None, Some(State::Unknown)) => {
            let reason = service.reason.clone().unwrap_or_else(|| "pald does not say why".into());
            Err(CommandError::UnknownUse { port: port_of(service), reason })
        }
        (None, _) => Err(CommandError::Silent { port: port_of(service), seconds: None }),
    }
}

/// Says that the port of a service is used, by what, and where that comes from.
pub(super) fn used(service: &Service) -> CommandError {
    let holders = service.all_holders();
    let by = with_origins(&holders).unwrap_or_else(|| "a process that is not visible".to_owned());
    let pid = match &origins(&holders)[..] {
        [group] => group[0].pid,
        _ => None,
    };
    CommandError::Used { port: port_of(service), number: service.port, by, pid }
}

/// Says what runs: `web runs: node (pid 8812) in ~/src/shop, since 14:02`.
pub(super) fn runs(name: &str, service: &Service) -> String {
    let groups = origins(&service.all_holders()).into_iter().map(|group| described(&group));
    let groups: Vec<_> = groups.collect();
    let what = match (groups.is_empty(), &service.reason) {
        (false, _) => groups.join("; "),
        (true, Some(reason)) => reason.clone(),
        (true, None) => "a process that is not visible".to_owned(),
    };
    format!("{name} runs: {what}")
}

/// Names processes that come from one place.
fn described(group: &[&Holder]) -> String {
    let at = folder(group[0]).map(|folder| format!(" in {folder}")).unwrap_or_default();
    let since = group[0].since.as_deref().and_then(Timestamp::parse);
    let since = since.map(|since| format!(", since {}", time_of_day(since))).unwrap_or_default();
    format!("{}{at}{since}", named(group))
}

/// Prints what runs, after a check that succeeded.
pub(super) fn print(
    terminal: super::Terminal,
    name: &str,
    service: &Service,
) -> Result<(), Failure> {
    if service.verdict != Some(Verdict::Own) {
        terminal.say("can't tell whose server this is");
    }
    Ok(terminal.answer([runs(name, service)])?)
}
