//! Services whose folder is not there, and what is asked about the names of services.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The services whose folder is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GoneServices {
    /// The services, in the order of their ports.
    pub services: Vec<GoneService>,
}

/// A service whose folder is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GoneService {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// The folder of the checkout that registered it, percent-encoded.
    pub folder: String,
    /// Why it is kept; null if it is released by a prune.
    pub kept: Option<KeptCode>,
    /// The same for people.
    pub reason: Option<String>,
}

/// Why a service is kept, although its folder is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeptCode {
    /// Something uses its port.
    InUse,
    /// A file or a link is in the folder's place.
    Replaced,
    /// The folder above is missing too.
    NothingAbove,
    /// The folder was right below the root, which is there in each container too.
    BelowRoot,
    /// The folder above is empty and not for pald's user to change: a disk may not be mounted.
    NothingMounted,
    /// The system does not let pald look.
    NotVisible,
    /// A reason that only a newer pald knows.
    #[serde(other)]
    Other,
}

/// Another name for a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameRequest {
    /// The name: 1 to 255 letters, digits and `. _ -`.
    pub name: String,
}

/// Services to release, as one change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceNames {
    /// Their names.
    pub services: Vec<String>,
}

/// What a prune has released, and what it has kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// The names of those that are released.
    pub released: Vec<String>,
    /// Those that were asked for and that are kept, with the reason. A service whose folder is there
    /// again is not among them.
    pub kept: Vec<GoneService>,
}
