//! `pald list`: lists services and what uses their ports.

use clap::Args;
use glob::Pattern;

use crate::api::{Service, State};
use crate::cli::completion::Takes;
use crate::cli::duration::duration;
use crate::cli::error::CommandError;
use crate::cli::in_use_by::in_use_by;
use crate::cli::{Failure, Session, table};
use crate::quoted::Quoted;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

/// List services and what uses their ports
///
/// A listener of another checkout has a `!` before it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald list --here
  pald list 'shop.*' --running
  pald list --json | jq '.services[].port'")]
pub(in crate::cli) struct List {
    /// Only services whose whole name matches this pattern: *, ? and [...]
    #[arg(add = Takes::FullName)]
    glob: Option<String>,
    /// Only services of this checkout, but not those that its project shares with others
    #[arg(long)]
    here: bool,
    /// Only services on whose port something listens
    #[arg(long)]
    running: bool,
    /// Print JSON, as /v1/services returns it
    #[arg(long)]
    json: bool,
}

impl List {
    pub(in crate::cli) fn run(self, session: &Session) -> Result<(), Failure> {
        let glob = self.glob.as_deref();
        glob.map(Pattern::new).transpose().map_err(|error| CommandError::Pattern {
            pattern: Quoted::new(glob.unwrap_or_default()),
            reason: error.msg,
        })?;
        let folder = self.here.then(|| session.checkout("pald list --here")).transpose()?;
        let mut services = session.client()?.services(glob)?;
        if let Some(folder) = folder {
            let is_here = |it: &Service| it.folder.as_deref() == Some(folder.as_str());
            services.services.retain(is_here);
        }
        if self.running {
            services.services.retain(|it| it.state == Some(State::Running));
        }
        match self.json {
            true => session.terminal.answer_json(&services)?,
            false => session.terminal.answer(lines(&services.services, Timestamp::now()))?,
        }
        if let Some(name) = glob.filter(|_| services.services.is_empty() && !self.json)
            && ServiceName::parse(name).is_ok()
        {
            let text = format!("{name} is no service's full name; try `pald list '*{name}*'`");
            session.terminal.hint(&text);
        }
        Ok(())
    }
}

/// The minimum widths of the columns, so that they stay in place as processes come and go.
const MIN_WIDTHS: [usize; 5] = [5, 4, 12, 7, 0];

fn lines(services: &[Service], now: Timestamp) -> Vec<String> {
    let mut rows = vec![["PORT", "NAME", "IN USE BY", "UP", "REGISTERED"].map(str::to_owned)];
    let uses = in_use_by(services);
    rows.extend(services.iter().zip(uses).map(|(service, in_use_by)| row(service, in_use_by, now)));
    table::lines(&rows, MIN_WIDTHS)
}

fn row(service: &Service, in_use_by: String, now: Timestamp) -> [String; 5] {
    // The date ends at the T (RFC 3339).
    let date = service.created_at.split('T').next().unwrap_or_default().to_owned();
    [service.port.to_string(), service.name.clone(), in_use_by, up(service, now), date]
}

/// How long the server on the port of a service has been up.
fn up(service: &Service, now: Timestamp) -> String {
    let first = service.all_holders().first().copied();
    let since = first.and_then(|holder| Timestamp::parse(holder.since.as_deref()?));
    let since = since.filter(|_| service.state == Some(State::Running));
    let seconds = since.map(|since| now.unix_seconds().saturating_sub(since.unix_seconds()));
    seconds.map_or_else(|| "-".to_owned(), duration)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Holder;

    fn service(name: &str, port: u16, holder: Option<Holder>) -> Service {
        let state = if holder.is_some() { State::Running } else { State::Idle };
        Service { state: Some(state), holder, ..Service::sample(name, port) }
    }

    fn holder(since: Option<&str>) -> Option<Holder> {
        Some(Holder {
            pid: Some(8812),
            process: Some("node".to_owned()),
            command: None,
            user: "root".to_owned(),
            since: since.map(str::to_owned),
            folder: None,
            service: None,
        })
    }

    #[test]
    fn a_row_tells_what_uses_the_port_and_for_how_long() {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let table_of = |services: &[Service]| {
            lines(services, now).iter().map(|line| format!("{line}\n")).collect::<String>()
        };
        let rows = [
            service("db", 80, None),
            service("shop.web", 49201, holder(Some("2026-11-22T09:59:59Z"))),
            service("a", 49202, holder(None)),
            // Clocks are set back.
            service("b", 49203, holder(Some("2026-11-22T12:00:01Z"))),
        ];
        assert_eq!(
            table_of(&rows[..2]),
            "PORT   NAME      IN USE BY     UP       REGISTERED\n\
             80     db        -             -        2026-11-22\n\
             49201  shop.web  node (8812)   2 h      2026-11-22\n"
        );
        assert_eq!(
            table_of(&rows[2..]),
            "PORT   NAME  IN USE BY     UP       REGISTERED\n\
             49202  a     node (8812)   -        2026-11-22\n\
             49203  b     node (8812)   0 s      2026-11-22\n"
        );
        assert_eq!(
            table_of(&[service("a\u{1b}\n", 1, None), service("b", 2, None)]),
            "PORT   NAME       IN USE BY     UP       REGISTERED\n\
             1      a\\u{1b}\\n  -             -        2026-11-22\n\
             2      b          -             -        2026-11-22\n"
        );
        assert_eq!(table_of(&[]), "PORT   NAME  IN USE BY     UP       REGISTERED\n");
    }
}
