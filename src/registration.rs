//! One entry of the registry.

use crate::addresses::Addresses;
use crate::folder::Folder;
use crate::port::Port;
use crate::service_name::ServiceName;
use crate::timestamp::Timestamp;

/// The fact that a port belongs to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The service; it has no other port.
    pub service: ServiceName,
    /// The port; no other service has it.
    pub port: Port,
    /// The addresses noted for the service.
    pub addresses: Addresses,
    /// When the service was registered, or imported from a dump without dates.
    pub created_at: Timestamp,
    /// Whether pald may hold the port for the service.
    pub hold: bool,
    /// The folder of the checkout that registered the service, if one did.
    pub folder: Option<Folder>,
}
