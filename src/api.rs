//! What programs and pald say to each other under `/v1`, as JSON. Types alone: no rule lives here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod problem;

pub use problem::{LineProblem, Problem, ProblemType};

/// All services, or those whose names were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Services {
    /// In the order of their ports.
    pub services: Vec<Service>,
    /// The range of ports that pald gives out.
    #[serde(rename = "pool")]
    pub range: RangeUsage,
    /// How many changes were committed so far.
    pub revision: u64,
}

/// A registered service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// Its name: 1 to 255 letters, digits and `. _ -`.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,255}$")]
    pub name: String,
    /// Its port.
    #[schema(minimum = 1, maximum = 65535)]
    pub port: u16,
    /// The addresses that were noted for it; pald makes no use of them.
    pub addresses: Vec<String>,
    /// When it was registered (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Whether its port may be held against other uses of the machine.
    pub hold: bool,
    /// What its port is used for; null where nobody has looked, as in the answer to a change.
    pub state: Option<State>,
    /// Why it is blocked or unknown, for people; else null.
    pub reason: Option<String>,
    /// The same for programs.
    pub reason_code: Option<ReasonCode>,
    /// Who uses its port, if anybody does and that can be told.
    pub holder: Option<Holder>,
}

/// The form of an address.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_.:-]{1,2048}$")]
pub struct Address(pub String);

/// What a port is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody uses it.
    Idle,
    /// A server listens on it.
    Running,
    /// Nobody listens, and something is in the way.
    Blocked,
    /// It can't be told.
    Unknown,
}

/// Why a port is blocked or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// Blocked: a TCP socket is bound to it and does not listen.
    Bound,
    /// Blocked: a UDP socket has it.
    Udp,
    /// Blocked: it is one end of a connection.
    Connection,
    /// Blocked: the kernel keeps the rest of a closed connection, for up to 60 s.
    TimeWait,
    /// Blocked: a firewall rule leads it elsewhere, such as for a container's published port.
    Redirect,
    /// Unknown: pald can't ask this system.
    Unsupported,
    /// Unknown: the kernel did not list its sockets.
    NotListed,
    /// Unknown: there is no socket, but a connection was neither accepted nor refused.
    NotConnected,
    /// A reason that only a newer pald knows.
    #[serde(other)]
    Other,
}

/// Who uses a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holder {
    /// The process, where it is visible to pald.
    pub pid: Option<u32>,
    /// The short name of the process.
    pub process: Option<String>,
    /// The user, by name or else by number.
    pub user: String,
    /// When the process started (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub since: Option<String>,
}

/// The range of ports that pald gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RangeUsage {
    /// The first port of the range.
    pub min: u16,
    /// The last port of the range.
    pub max: u16,
    /// How many ports of the range are registered.
    pub used: usize,
    /// How many are neither registered nor where pald listens; others may be on some of them.
    pub free: usize,
}

/// What is to be registered; what is left out is up to pald.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// This very port, 1 to 65535; else the lowest free one of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<u64>,
    /// Addresses to note, 2048 bytes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Address>>)]
    pub addresses: Option<Vec<String>>,
    /// Whether the port may be held; `true` for a new service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
}

/// One port, registered or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Port {
    /// The port.
    #[schema(minimum = 1, maximum = 65535)]
    pub port: u16,
    /// What it is used for.
    pub state: State,
    /// Why it is blocked or unknown, for people; else null.
    pub reason: Option<String>,
    /// The same for programs.
    pub reason_code: Option<ReasonCode>,
    /// The service that it is registered to.
    pub service: Option<String>,
    /// Who uses it, if anybody does and that can be told.
    pub holder: Option<Holder>,
}

/// What an import has changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Services that were not registered.
    pub added: Vec<String>,
    /// Services that were registered otherwise.
    pub changed: Vec<String>,
    /// Services that are registered no longer.
    pub removed: Vec<String>,
    /// How many services stand as they were.
    pub kept: usize,
    /// The revision of the registry now.
    pub revision: u64,
    /// Whether it was only looked at what would change.
    pub dry_run: bool,
}

/// How pald is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether changes are accepted.
    pub status: HealthStatus,
    /// The version of pald.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// For how many whole seconds it has run.
    pub uptime_s: u64,
    /// How many changes were committed so far.
    pub revision: u64,
    /// How many services are registered.
    pub services: usize,
    /// Where it listens.
    pub addresses: Vec<String>,
    /// The store.
    pub store: StoreHealth,
    /// The dump.
    pub dump: DumpHealth,
    /// The holds on registered ports.
    pub holds: HoldsHealth,
    /// How the range lies in the kernel's own range, if it does.
    pub overlap: Option<Overlap>,
}

/// Whether changes are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// They are.
    Ok,
    /// They are not, since the store has failed; lookups go on.
    Failed,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// Its folder.
    pub path: String,
    /// Why it takes no changes; null while it does.
    pub error: Option<String>,
}

/// The dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DumpHealth {
    /// The file.
    pub path: String,
    /// When it was last written or found to be up to date (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub written_at: Option<String>,
    /// Why it could not be written; null if it was.
    pub error: Option<String>,
}

/// The holds on registered ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldsHealth {
    /// How many ports may be held: what the limit on open files leaves, and 0 where ports are not
    /// held at all.
    pub max: usize,
    /// How many are.
    pub held: usize,
    /// Registered ports that pald has tried to hold and can't: others are on them.
    pub missing: Vec<u16>,
}

/// How the range lies in the range that the kernel gives to connections by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overlap {
    /// The kernel's range for people, such as `32768-60999`.
    pub ephemeral: String,
    /// The first port of the kernel's range.
    pub ephemeral_min: u16,
    /// The last port of the kernel's range.
    pub ephemeral_max: u16,
    /// The command that takes our range out of it.
    pub reserve: String,
}
