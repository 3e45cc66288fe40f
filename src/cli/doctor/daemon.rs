//! Whether pald answers, on both loopback addresses, and is of this version.

use std::net::SocketAddr;

use super::Finding;
use crate::api::Health;
use crate::cli::explain::Explain as _;
use crate::client::{Client, ClientError, Url};
use crate::probe::Holder;

const SUBJECT: &str = "daemon";
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The addresses on which this pald says that it listens, and another program answers.
pub(super) fn strangers(health: &Health) -> Vec<&str> {
    let is_own = |address: &&String| {
        let url = Url::parse(format!("http://{address}")).ok();
        let answer = url.and_then(|url| Client::new(url).health().ok());
        answer.is_some_and(|it| it.pid == health.pid)
    };
    health.addresses.iter().filter(|address| !is_own(address)).map(String::as_str).collect()
}

/// The pald that answers.
pub(super) fn examine(health: &Health, strangers: &[&str], restart: &str) -> Vec<Finding> {
    let Health { version, pid, addresses, .. } = health;
    let strange = strangers.iter().map(|address| {
        let port = address.rsplit(':').next().unwrap_or_default();
        let text =
            format!("{address} is not answered by pald (pid {pid}), although it listens there");
        Finding::fault(SUBJECT, text, format!("See with `pald who {port}` who does, and stop it"))
    });
    let ips = addresses
        .iter()
        .map(|address| address.rsplit_once(':').map_or(address.as_str(), |it| it.0));
    let on = ips.collect::<Vec<_>>().join(" and ");
    let own = match version == OWN_VERSION {
        _ if !strangers.is_empty() => None,
        true => Some(Finding::ok(SUBJECT, format!("{version}, pid {pid}, on {on}"))),
        false => {
            let text = format!("{version}, pid {pid}, on {on}; this program is {OWN_VERSION}");
            Some(Finding::warn(SUBJECT, text, restart))
        }
    };
    own.into_iter().chain(strange).collect()
}

/// No pald answers, or not in full.
pub(super) fn silent(error: &ClientError) -> Finding {
    let hint = error.hint().unwrap_or_else(|| "pald status".to_owned());
    Finding::fault(SUBJECT, error.to_string(), hint)
}

/// Somebody else is where pald would listen.
pub(super) fn taken(address: SocketAddr, holder: &Holder) -> Finding {
    let hint = "Stop it, or set another `port_listen`, and then `pald start`";
    Finding::fault(SUBJECT, format!("{address} is in use by {holder}"), hint)
}
