//! `pald list`: lists services and what uses their ports.

use clap::Args;
use glob::Pattern;

use crate::api::{Service, Services, State};
use crate::cli::error::CommandError;
use crate::cli::holder::in_column;
use crate::cli::{Failure, Session};
use crate::printable::Printable;
use crate::quoted::Quoted;

/// List services and what uses their ports
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pald list --here
  pald list 'shop.*'
  pald list --json | jq '.services[].port'")]
pub(in crate::cli) struct List {
    /// Only services whose whole name matches this pattern: *, ? and [...]
    glob: Option<String>,
    /// Only services of this checkout
    #[arg(long)]
    here: bool,
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
        match self.json {
            true => session.terminal.answer_json(&services)?,
            false => session.terminal.answer(table(&services))?,
        }
        Ok(())
    }
}

/// The minimum widths of the columns, so that they stay in place as processes come and go.
const MIN_WIDTHS: [usize; 4] = [5, 4, 12, 0];

fn table(services: &Services) -> Vec<String> {
    let mut rows = vec![["PORT", "NAME", "IN USE BY", "SINCE"].map(str::to_owned)];
    rows.extend(services.services.iter().map(row));
    let mut widths = MIN_WIDTHS;
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [port_width, name_width, use_width, _] = widths;
    let line = |[port, name, in_use_by, since]: &[String; 4]| {
        format!("{port:port_width$}  {name:name_width$}  {in_use_by:use_width$}  {since}")
    };
    rows.iter().map(line).collect()
}

fn row(service: &Service) -> [String; 4] {
    // The date ends at the T (RFC 3339).
    let date = service.created_at.split('T').next().unwrap_or_default();
    // The columns are as wide as what is shown.
    let [name, in_use_by, date] =
        [&service.name, &in_use_by(service), date].map(|cell: &str| Printable(cell).to_string());
    [service.port.to_string(), name, in_use_by, date]
}

fn in_use_by(service: &Service) -> String {
    match (service.state, in_column(&service.all_holders()), &service.reason) {
        (Some(State::Idle), _, _) => "-".to_owned(),
        (Some(State::Running | State::Blocked), Some(holders), _) => holders,
        (Some(State::Blocked), _, Some(reason)) => reason.clone(),
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Holder, RangeUsage};

    fn service(name: &str, port: u16, state: State) -> Service {
        Service {
            name: name.to_owned(),
            port,
            addresses: Vec::new(),
            created_at: "2026-11-22T10:00:00Z".to_owned(),
            hold: true,
            folder: None,
            state: Some(state),
            reason: None,
            reason_code: None,
            holder: None,
            holders: Vec::new(),
            held: false,
        }
    }

    fn holder(pid: Option<u32>) -> Option<Holder> {
        let process = pid.map(|_| "node".to_owned());
        Some(Holder { pid, process, user: "root".to_owned(), since: None })
    }

    #[test]
    fn each_use_of_a_port_is_shown() {
        let rows = [
            service("db", 80, State::Idle),
            Service { holder: holder(Some(8812)), ..service("shop.web", 49201, State::Running) },
            Service { holder: holder(None), ..service("a", 49202, State::Running) },
            Service {
                reason: Some("a UDP socket has it".to_owned()),
                ..service("b", 49203, State::Blocked)
            },
            Service { reason: Some("x".to_owned()), ..service("c", 49204, State::Unknown) },
        ];
        let table_of = |services: &[Service]| {
            let range = RangeUsage { min: 1, max: 2, used: 0, free: 2 };
            let lines = table(&Services { services: services.to_vec(), range, revision: 1 });
            lines.iter().map(|line| format!("{line}\n")).collect::<String>()
        };
        assert_eq!(
            table_of(&rows[1..3]),
            "PORT   NAME      IN USE BY     SINCE\n\
             49201  shop.web  node (8812)   2026-11-22\n\
             49202  a         user root     2026-11-22\n"
        );
        assert_eq!(
            table_of(&rows),
            "PORT   NAME      IN USE BY            SINCE\n\
             80     db        -                    2026-11-22\n\
             49201  shop.web  node (8812)          2026-11-22\n\
             49202  a         user root            2026-11-22\n\
             49203  b         a UDP socket has it  2026-11-22\n\
             49204  c         ?                    2026-11-22\n"
        );
        assert_eq!(
            table_of(&[service("a\u{1b}\n", 1, State::Idle), service("b", 2, State::Idle)]),
            "PORT   NAME       IN USE BY     SINCE\n\
             1      a\\u{1b}\\n  -             2026-11-22\n\
             2      b          -             2026-11-22\n"
        );
        assert_eq!(table_of(&[]), "PORT   NAME  IN USE BY     SINCE\n");
    }
}
