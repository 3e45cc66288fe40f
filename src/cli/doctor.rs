//! The checks of `pald doctor`, one file for each subject.
//!
//! They ask the daemon, the system and the files, and never open the store, so that they can run at
//! any time.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::restart;
use super::{Failure, Session};
use crate::api::{Health, RangeUsage};
use crate::client::{Client, ClientError, UnknownUser, Url};
use crate::config::Config;
use crate::port::{Port, PortRange};
use crate::probe;
use crate::timestamp::Timestamp;

mod daemon;
mod files;
mod finding;
mod losses;
mod ports;
mod range;
mod settings;
mod store;

pub(super) use finding::{Finding, Level};

/// Returns all findings, in the order in which they are printed.
///
/// # Errors
/// `--url` or PALD_URL is wrong, so it is unclear which pald to ask; or a program of another user
/// answers in pald's place.
pub(super) fn examine(session: &Session) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    let config = match session.config() {
        Ok(config) => {
            findings.extend(settings::unknown(&config));
            Some(config)
        }
        Err(error) => {
            findings.push(settings::wrong(error.into()));
            None
        }
    };
    match session.client() {
        Ok(client) => findings.extend(check(&client, config.as_ref())?),
        // Without a configuration, pald's address is unknown; that is a finding already.
        Err(_) if config.is_none() => {}
        Err(failure) => return Err(failure),
    }
    findings.extend(probe::LACKS.map(system));
    Ok(findings)
}

/// Reports what pald can't do on this system.
fn system(lacks: &'static str) -> Finding {
    let hint = "Use pald where you trust all users, with a range that the system leaves alone";
    Finding::warn("system", lacks, hint)
}

/// Runs all checks with the daemon at this address, or without it if it does not answer.
fn check(client: &Client, config: Option<&Config>) -> Result<Vec<Finding>, ClientError> {
    let mut findings = Vec::new();
    match client.health() {
        Ok(health) => findings.extend(check_running(client, &health, config)?),
        Err(error @ ClientError::OtherUser(_)) => return Err(error),
        Err(error) => findings.extend(check_down(client, &error, config)),
    }
    if let Some(config) = config {
        findings.extend(losses::examine(&config.data_dir));
        findings.extend(files::examine(config));
    }
    Ok(findings)
}

fn check_running(
    client: &Client,
    health: &Health,
    config: Option<&Config>,
) -> Result<Vec<Finding>, ClientError> {
    let restart = restart::restart(client, health.pid);
    let restart = restart.unwrap_or_else(|| restart::UNKNOWN.to_owned());
    let foreign = daemon::foreign_addresses(health, client);
    let mut findings = daemon::examine(health, &foreign, &restart);
    findings
        .extend(client.unknown_user().map(|reason| daemon::unknown_user(client.url(), &reason)));
    findings.extend(daemon::warnings(health));
    match client.services(None) {
        Err(error @ ClientError::OtherUser(_)) => return Err(error),
        Ok(services) => {
            findings.extend(store::examine(health, &services, Timestamp::now(), &restart));
            findings.extend(overlap(client, health, services.range));
            findings.extend(ports::examine(&services));
            let wants_holds = config.is_none_or(|config| config.hold_ports);
            findings.extend(ports::holds(health, wants_holds));
        }
        Err(error) => findings.push(daemon::unreachable(&error)),
    }
    Ok(findings)
}

fn check_down(client: &Client, error: &ClientError, config: Option<&Config>) -> Vec<Finding> {
    let Some(config) = config else { return vec![daemon::unreachable(error)] };
    let in_use = |ip| {
        let address = SocketAddr::new(ip, config.port_listen.number());
        probe::listener_on(address).map(|holder| daemon::in_use(address, &holder))
    };
    // That another program has the address says more than that pald does not answer.
    let is_asked = *client.url() == Url::of_port(config.port_listen);
    let instead = if is_asked { in_use(Ipv4Addr::LOCALHOST.into()) } else { None };
    let mut findings = vec![instead.unwrap_or_else(|| daemon::unreachable(error))];
    findings.extend(in_use(Ipv6Addr::LOCALHOST.into()).filter(|_| is_asked));
    findings.extend(store::check_dump(&config.dump_file, Timestamp::now()));
    findings.extend(own_overlap(config.port_range, config.port_listen, config.hold_ports));
    findings
}

/// Finds how the range of the pald that answers overlaps the ephemeral range of its machine.
fn overlap(client: &Client, health: &Health, range: RangeUsage) -> Option<Finding> {
    let is_held = health.holds.max > 0;
    if client.unknown_user() == Some(UnknownUser::Elsewhere) {
        let overlap = health.overlap.as_ref()?;
        let ephemeral = (overlap.ephemeral_min, overlap.ephemeral_max);
        let reserve = "Reserve it on that machine, in net.ipv4.ip_local_reserved_ports";
        return Some(range::examine((range.min, range.max), ephemeral, reserve, is_held));
    }
    // The command is made here: nothing that a daemon says is to be pasted into a root shell.
    let range = PortRange::new(Port::new(range.min)?, Port::new(range.max)?)?;
    own_overlap(range, Port::new(client.url().port())?, is_held)
}

/// Finds how a range overlaps the ephemeral range of this machine.
fn own_overlap(range: PortRange, port_listen: Port, is_held: bool) -> Option<Finding> {
    let overlap = probe::overlap(range, port_listen)?;
    let ends = |range: PortRange| (range.min().number(), range.max().number());
    Some(range::examine(ends(range), ends(overlap.ephemeral), &overlap.command(), is_held))
}

#[cfg(test)]
mod tests;
