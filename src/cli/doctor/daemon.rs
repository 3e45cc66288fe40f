//! Whether pald answers on both loopback addresses, and has this program's version.

use std::net::SocketAddr;

use super::Finding;
use crate::api::Health;
use crate::cli::explain::Explain as _;
use crate::client::{Client, ClientError, UnknownUser, Url};
use crate::probe::{Holder, TELLS_USERS};

const SUBJECT: &str = "daemon";
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the addresses on which pald says it listens, but another program answers.
pub(super) fn foreign_addresses(health: &Health, client: &Client) -> Vec<SocketAddr> {
    let is_own = |address: &SocketAddr| {
        let url = Url::parse(format!("http://{address}")).ok();
        let answer = url.and_then(|url| client.at(url).health().ok());
        answer.is_some_and(|it| it.pid == health.pid)
    };
    // pald listens on loopback addresses only; those of another machine are not to be asked here.
    let addresses = health.addresses.iter().filter_map(|address| address.parse().ok());
    let addresses = addresses.filter(|address: &SocketAddr| address.ip().is_loopback());
    match client.unknown_user() {
        Some(UnknownUser::Elsewhere) => Vec::new(),
        _ => addresses.filter(|address| !is_own(address)).collect(),
    }
}

/// Checks the version and the addresses of the pald that answers.
pub(super) fn examine(health: &Health, foreign: &[SocketAddr], restart: &str) -> Vec<Finding> {
    let Health { version, pid, addresses, .. } = health;
    let foreign_findings = foreign.iter().map(|address| {
        let port = address.port();
        let text = format!("Another program answers at {address}, where pald (pid {pid}) listens");
        Finding::fault(SUBJECT, text, format!("Find it with `pald who {port}`, and stop it"))
    });
    let ips = addresses
        .iter()
        .map(|address| address.rsplit_once(':').map_or(address.as_str(), |it| it.0));
    let on = ips.collect::<Vec<_>>().join(" and ");
    let own = match version == OWN_VERSION {
        _ if !foreign.is_empty() => None,
        true => Some(Finding::ok(SUBJECT, format!("{version}, pid {pid}, on {on}"))),
        false => {
            let text = format!("{version}, pid {pid}, on {on}; this program is {OWN_VERSION}");
            Some(Finding::warn(SUBJECT, text, restart))
        }
    };
    own.into_iter().chain(foreign_findings).collect()
}

/// Reports what failed when pald last looked at the machine.
pub(super) fn warnings(health: &Health) -> Vec<Finding> {
    let hint = "See pald's log; it is tried again when it is next needed";
    health.warnings.iter().map(|text| Finding::warn("machine", text, hint)).collect()
}

/// Reports that it is unknown whose program answers.
pub(super) fn unknown_user(url: &Url, reason: &UnknownUser) -> Finding {
    let port = url.port();
    let hint = match reason {
        UnknownUser::Elsewhere => "Make sure that you trust that address".to_owned(),
        _ if TELLS_USERS => format!("sudo ss -ltnp 'sport = :{port}'"),
        _ => format!("sudo lsof -nP -iTCP:{port} -sTCP:LISTEN"),
    };
    Finding::warn(SUBJECT, format!("can't tell whose program answers at {url}: {reason}"), hint)
}

/// Reports that pald does not answer, or not as it should.
pub(super) fn unreachable(error: &ClientError) -> Finding {
    let hint = error.hint().unwrap_or_else(|| "pald status".to_owned());
    Finding::fault(SUBJECT, error.to_string(), hint)
}

/// Reports that another program has pald's address.
pub(super) fn in_use(address: SocketAddr, holder: &Holder) -> Finding {
    let hint = "Stop it or set another `port_listen`, then run `pald start`";
    Finding::fault(SUBJECT, format!("{address} is in use by {holder}"), hint)
}
