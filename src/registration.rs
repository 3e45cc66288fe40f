//! One entry of the registry: a service and what is kept about it.

use crate::addresses::Addresses;
use crate::port::Port;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

/// The fact that a port belongs to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whose port it is.
    pub service: ServiceName,
    /// The port; no other service has it.
    pub port: Port,
    /// What a dump said of its addresses.
    pub addresses: Addresses,
    /// When the service was registered, or imported from a dump that did not say when.
    pub created_at: Timestamp,
    /// Whether the port may be held for the service against other uses of the machine.
    pub hold: bool,
}
