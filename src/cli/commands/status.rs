//! `pald status`: shows the daemon's state, and how it runs.

use clap::Args;

use crate::api::{Health, HealthStatus};
use crate::cli::duration::{duration, elapsed};
use crate::cli::service::{self, State};
use crate::cli::{Failure, Session};
use crate::client::Url;
use crate::files::Shown;
use crate::timestamp::Timestamp;

/// Show the daemon's state, and how it runs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pald status\n  pald status --json | jq .pid")]
pub(in crate::cli) struct Status {
    /// Print JSON, as /v1/health returns it
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.client()?;
        let health = client.health()?;
        match self.json {
            true => session.terminal.answer_json(&health)?,
            false => {
                let found = service::manager()
                    .and_then(|manager| Ok((manager.kind(), manager.state()?)))
                    .ok();
                session.terminal.answer(lines(&health, client.url(), &run_as(&health, found)))?;
            }
        }
        Ok(())
    }
}

/// Describes how this pald was started, by the state of the service, if there is a service manager.
fn run_as(health: &Health, found: Option<(&str, State)>) -> String {
    match found {
        Some((kind, State { pid, is_enabled, .. })) if pid == Some(health.pid) => {
            match is_enabled {
                true => format!("{kind}, started at each login"),
                false => format!("{kind}, not started at login"),
            }
        }
        // It was not started by a service manager, or there is none.
        _ => "a program, not a service".to_owned(),
    }
}

/// Shows where something is, if pald tells it.
fn place(path: Option<&str>) -> String {
    path.map_or("not shown".to_owned(), |path| Shown(path).to_string())
}

fn lines(health: &Health, url: &Url, run_as: &str) -> Vec<String> {
    let Health { version, pid, services, revision, store, dump, .. } = health;
    let changes = match (health.status, &store.error) {
        (HealthStatus::Ok, _) => "accepts changes".to_owned(),
        (HealthStatus::Failed, None) => "accepts no changes".to_owned(),
        (HealthStatus::Failed, Some(error)) => format!("accepts no changes: {error}"),
    };
    let written = dump.written_at.as_deref().and_then(Timestamp::parse);
    let written = match (&dump.error, written) {
        (Some(error), _) => format!("can't be written: {error}"),
        (None, Some(time)) => format!("written {}", elapsed(time, Timestamp::now())),
        (None, None) => "not written yet".to_owned(),
    };
    let rows = [
        ("pald", format!("{version}, pid {pid}, up {}", duration(health.uptime_s))),
        ("runs as", run_as.to_owned()),
        ("url", format!("{url}, on {}", health.addresses.join(" and "))),
        ("services", format!("{services}, revision {revision}; {changes}")),
        ("store", place(store.path.as_deref())),
        ("dump", format!("{}, {written}", place(dump.path.as_deref()))),
    ];
    rows.iter().map(|(name, value)| format!("{name:<9} {value}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn health(edit: impl FnOnce(&mut Health)) -> Health {
        let mut health = serde_json::from_value(json!({
            "status": "ok", "version": "1.2.3", "pid": 7, "uptime_s": 130, "revision": 5,
            "services": 3, "addresses": ["127.0.0.1:49200", "[::1]:49200"],
            "store": { "path": "/s", "error": null },
            "dump": { "path": "/d", "written_at": null, "error": null },
            "holds": { "max": 9, "held": 1, "missing": [], "refused": [] },
            "overlap": null, "warnings": [],
        }))
        .unwrap();
        edit(&mut health);
        health
    }

    #[test]
    fn the_state_of_a_daemon_is_shown_line_by_line() {
        let url = Url::parse("http://localhost:49200").unwrap();
        let shown = |edit: fn(&mut Health)| lines(&health(edit), &url, "a program");
        assert_eq!(
            shown(|_| ()),
            [
                "pald      1.2.3, pid 7, up 2 min",
                "runs as   a program",
                "url       http://localhost:49200, on 127.0.0.1:49200 and [::1]:49200",
                "services  3, revision 5; accepts changes",
                "store     /s",
                "dump      /d, not written yet",
            ]
        );
        // (what is different, the line that shows it)
        let rows: [(fn(&mut Health), &str); 6] = [
            (|it| it.status = HealthStatus::Failed, "services  3, revision 5; accepts no changes"),
            (
                |it| {
                    it.status = HealthStatus::Failed;
                    it.store.error = Some("why".to_owned());
                },
                "services  3, revision 5; accepts no changes: why",
            ),
            (|it| it.store.path = None, "store     not shown"),
            (|it| it.dump.error = Some("why".to_owned()), "dump      /d, can't be written: why"),
            (|it| it.dump.path = None, "dump      not shown, not written yet"),
            (
                |it| it.dump.written_at = Some("9999-01-01T00:00:00Z".to_owned()),
                "dump      /d, written in the future",
            ),
        ];
        for (edit, line) in rows {
            let lines = shown(edit);
            assert!(lines.iter().any(|it| it == line), "{line}: {lines:?}");
        }
    }

    #[test]
    fn only_the_process_of_the_service_runs_as_one() {
        let health = health(|_| ());
        let state = |pid, is_enabled| State { pid, is_enabled, ..State::default() };
        let rows = [
            (None, "a program, not a service"),
            (Some(state(None, true)), "a program, not a service"),
            (Some(state(Some(8), true)), "a program, not a service"),
            (Some(state(Some(7), true)), "a service, started at each login"),
            (Some(state(Some(7), false)), "a service, not started at login"),
        ];
        for (found, expected) in rows {
            assert_eq!(run_as(&health, found.map(|state| ("a service", state))), expected);
        }
    }
}
