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
            false => session.terminal.answer(lines(&health, client.url(), &run_as(&health)))?,
        }
        Ok(())
    }
}

/// Describes how this pald was started.
fn run_as(health: &Health) -> String {
    let found = service::manager().and_then(|manager| Ok((manager.kind(), manager.state()?)));
    match found {
        Ok((kind, State { pid, is_enabled, .. })) if pid == Some(health.pid) => match is_enabled {
            true => format!("{kind}, started at each login"),
            false => format!("{kind}, not started at login"),
        },
        // It was not started by a service manager, or there is none.
        _ => "a program in the foreground".to_owned(),
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
