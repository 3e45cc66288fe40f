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
        (None, _) => Err(CommandError::Silent { port: port_of(service), waited: None }),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::explain::Explain as _;

    fn node(pid: u32, folder: Option<&str>) -> Holder {
        Holder {
            pid: Some(pid),
            process: Some("node".to_owned()),
            command: None,
            user: "ann".to_owned(),
            since: None,
            folder: folder.map(str::to_owned),
            service: None,
        }
    }

    fn service(state: State, verdict: Option<Verdict>, holders: &[Holder]) -> Service {
        let (state, holders) = (Some(state), holders.to_vec());
        Service { state, holders, verdict, ..Service::sample("web", 7) }
    }

    #[test]
    fn a_listener_is_relied_on_unless_it_is_foreign() {
        const SILENT: &str = "Nothing listens on port 7 (web)";
        let why = Some("why".to_owned());
        let of = |state, verdict| service(state, verdict, &[]);
        let rows = [
            (of(State::Running, Some(Verdict::Own)), None),
            (of(State::Running, Some(Verdict::Unknown)), None),
            (of(State::Running, None), None),
            (
                of(State::Running, Some(Verdict::Foreign)),
                Some("Port 7 (web) is used by a process that is not visible"),
            ),
            (of(State::Idle, None), Some(SILENT)),
            (of(State::Blocked, None), Some(SILENT)),
            (
                of(State::Unknown, None),
                Some("Can't tell what uses port 7 (web): pald does not say why"),
            ),
            (
                Service { reason: why, ..of(State::Unknown, None) },
                Some("Can't tell what uses port 7 (web): why"),
            ),
        ];
        for (service, expected) in rows {
            let error = check(&service).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), expected, "{service:?}");
        }
    }

    #[test]
    fn what_runs_is_named_by_where_it_comes_from() {
        let at = Timestamp::now().to_string();
        let since = time_of_day(Timestamp::parse(&at).unwrap());
        let started = Holder { since: Some(at), ..node(1, Some("/src")) };
        let of = |holders: &[Holder]| service(State::Running, None, holders);
        let rows = [
            (of(&[node(1, None)]), "node (pid 1) of user ann".to_owned()),
            (of(&[started]), format!("node (pid 1) in /src, since {since}")),
            (
                of(&[node(1, Some("/a")), node(2, Some("/b")), node(3, Some("/a"))]),
                "node (pid 1) and node (pid 3) in /a; node (pid 2) in /b".to_owned(),
            ),
            (of(&[]), "a process that is not visible".to_owned()),
            (Service { reason: Some("a socket".to_owned()), ..of(&[]) }, "a socket".to_owned()),
        ];
        for (service, expected) in rows {
            assert_eq!(runs("shop", &service), format!("shop runs: {expected}"));
        }
    }

    #[test]
    fn the_process_to_end_is_named_if_there_is_one_place_to_look() {
        let used = |holders: &[Holder]| used(&service(State::Running, None, holders)).hint();
        let rows: [(&[Holder], &str); 3] = [
            (
                &[node(8, Some("/a")), node(9, Some("/a"))],
                "Stop it with `kill 8`, or see `pald who 7`",
            ),
            (&[node(8, Some("/a")), node(9, Some("/b"))], "See `pald who 7`"),
            (&[], "See `pald who 7`"),
        ];
        for (holders, expected) in rows {
            assert_eq!(used(holders).as_deref(), Some(expected));
        }
    }
}
