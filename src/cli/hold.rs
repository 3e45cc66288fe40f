//! What is said when a service's port is held from now on, or no longer.

use super::Terminal;
use crate::api::Service;
use crate::client::Client;
use crate::service_name::ServiceName;

/// Returns whether a registered service has another hold than this. One that is new has none yet.
pub(super) fn differs(client: &Client, service: &ServiceName, hold: bool) -> bool {
    client.registered_service(service).is_ok_and(|service| service.hold != hold)
}

/// Says what has changed, and how it is changed back.
pub(super) fn say(terminal: Terminal, service: &Service) {
    let Service { name, port, hold, .. } = service;
    let (now, back) = match hold {
        true => ("held for it", "--no-hold"),
        false => ("not held", "--hold"),
    };
    terminal.say(&format!(
        "{port} ({name}) is {now} from now on; `pald set {name} {back}` undoes that"
    ));
}
