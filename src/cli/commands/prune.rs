//! `pald prune`: releases the services whose folder is gone.

use clap::Args;

use crate::api::GoneService;
use crate::cli::error::CommandError;
use crate::cli::{Failure, Session, Terminal, restart, table};
use crate::files::Shown;
use crate::folder::Folder;
use crate::service_name::ServiceName;

/// How many names a hint puts into a command.
const MAX_NAMED: usize = 9;

/// List the services whose folder is gone, and release them
///
/// A folder is gone if it is not there while the one above it is, and if nothing runs on the port. What
/// may be needed still is kept: the last column says why.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  pald prune\n  pald prune --yes")]
pub(in crate::cli) struct Prune {
    /// Release them, all in one change; without it pald asks at a terminal, and elsewhere only lists
    /// them
    #[arg(long)]
    yes: bool,
    /// Print JSON, as /v1/prune returns it
    #[arg(long)]
    json: bool,
}

impl Prune {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let (client, terminal) = (session.client()?, session.terminal);
        let explain = |error| restart::explain(&client, error);
        let found = client.gone().map_err(explain)?;
        let (kept, gone): (Vec<_>, Vec<_>) =
            found.services.iter().partition(|service| service.kept.is_some());
        let gone: Vec<String> = gone.into_iter().map(|service| service.name.clone()).collect();
        if self.json {
            match self.yes {
                true => terminal.answer_json(&client.prune(gone).map_err(explain)?)?,
                false => terminal.answer_json(&found)?,
            }
            return Ok(());
        }
        match found.services.is_empty() {
            true => terminal.say("no service's folder is gone"),
            false => terminal.answer(lines(&found.services))?,
        }
        hint_of_kept(&kept).iter().for_each(|hint| terminal.hint(hint));
        if gone.is_empty() || !self.is_confirmed(terminal, gone.len())? {
            return Ok(());
        }
        let pruned = client.prune(gone.clone()).map_err(explain)?;
        for name in gone.iter().filter(|name| !pruned.released.contains(name)) {
            terminal.warn(&format!("{name} was kept: it has changed meanwhile"));
        }
        terminal.say(&format!("released {}", services(pruned.released.len())));
        Ok(())
    }

    /// Returns whether to release so many services; without a terminal says how.
    fn is_confirmed(&self, terminal: Terminal, count: usize) -> Result<bool, CommandError> {
        let count = services(count);
        if !self.yes && !terminal.can_ask() {
            terminal.hint(&format!("`pald prune --yes` releases {count}"));
            return Ok(false);
        }
        match self.yes || terminal.confirm(&[], &format!("Release {count}?")) {
            true => Ok(true),
            false => Err(CommandError::NotReleased),
        }
    }
}

fn lines(services: &[GoneService]) -> Vec<String> {
    let heading = ["PORT", "NAME", "FOLDER", "KEPT BECAUSE"].map(str::to_owned);
    let rows = services.iter().map(|service| {
        let folder = Folder::parse(&service.folder).map(|it| Shown(&it.path()).to_string());
        let folder = folder.unwrap_or_else(|_| service.folder.clone());
        let reason = service.reason.clone().unwrap_or_else(|| "-".to_owned());
        [service.port.to_string(), service.name.clone(), folder, reason]
    });
    table::lines(&[heading].into_iter().chain(rows).collect::<Vec<_>>(), [0; 4])
}

/// Names the command that releases what is kept.
fn hint_of_kept(kept: &[&GoneService]) -> Option<String> {
    // They become part of a command.
    let names = kept.iter().map(|it| &*it.name).filter(|name| ServiceName::parse(name).is_ok());
    let names = match kept.len() {
        0 => return None,
        1..=MAX_NAMED => names.collect::<Vec<_>>().join(" "),
        _ => "NAME...".to_owned(),
    };
    let what = if kept.len() == 1 { "what is kept" } else { "those that are kept" };
    Some(format!("`pald del {names}` releases {what}"))
}

fn services(count: usize) -> String {
    if count == 1 { "1 service".to_owned() } else { format!("{count} services") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str) -> GoneService {
        GoneService {
            name: name.to_owned(),
            port: 7,
            folder: "/gone".to_owned(),
            kept: None,
            reason: None,
        }
    }

    #[test]
    fn what_is_kept_is_released_by_its_names() {
        let hint = |names: &[&str]| {
            let kept: Vec<_> = names.iter().map(|name| kept(name)).collect();
            hint_of_kept(&kept.iter().collect::<Vec<_>>())
        };
        // (kept, the names in the command, what it releases)
        let rows: [(&[&str], &str, &str); 4] = [
            (&["web"], "web", "what is kept"),
            (&["web", "db"], "web db", "those that are kept"),
            (&["web", "; evil"], "web", "those that are kept"),
            (&["a"; MAX_NAMED + 1], "NAME...", "those that are kept"),
        ];
        for (names, named, what) in rows {
            assert_eq!(
                hint(names),
                Some(format!("`pald del {named}` releases {what}")),
                "{names:?}"
            );
        }
        assert_eq!(hint(&[]), None);
        assert_eq!([0, 1, 2].map(services), ["0 services", "1 service", "2 services"]);
    }

    #[test]
    fn folders_and_reasons_stand_in_a_table() {
        let service = GoneService { reason: Some("why".to_owned()), ..kept("web") };
        let lines = lines(&[service, GoneService { folder: "no folder".to_owned(), ..kept("db") }]);
        let words: Vec<Vec<_>> = lines
            .iter()
            .map(|line| line.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect())
            .collect();
        assert_eq!(words[0], ["PORT", "NAME", "FOLDER", "KEPT BECAUSE"]);
        assert_eq!(words[1], ["7", "web", "/gone", "why"]);
        assert_eq!(words[2], ["7", "db", "no folder", "-"]);
    }
}
