//! The JSON that programs and pald exchange under `/v1`: types, and how some of them read in a
//! sentence. No rule lives here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod problem;
mod prune;
mod text;

pub use problem::{Candidate, LineProblem, Problem, ProblemType};
pub use prune::{GoneService, GoneServices, KeptCode, Pruned, RenameRequest, ServiceNames};
pub use text::{names, with_candidates};

/// All services, or those whose names match the pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Services {
    /// The services, in the order of their ports.
    pub services: Vec<Service>,
    /// The range of ports that pald gives out.
    #[serde(rename = "pool")]
    pub range: RangeUsage,
    /// How many batches of changes have been stored so far.
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
    /// The addresses noted for it; pald does not use them.
    pub addresses: Vec<String>,
    /// When it was registered (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Whether pald may hold its port, so that nothing else takes it.
    pub hold: bool,
    /// The folder of the checkout that registered it, percent-encoded; null for all others, and for who
    /// may not make changes.
    #[serde(default)]
    pub folder: Option<String>,
    /// What its port is used for; null if that was not looked up, as in the reply to a change.
    pub state: Option<State>,
    /// Why it is blocked or unknown, or that it is idle and held, for people; else null, and for who may
    /// not make changes.
    pub reason: Option<String>,
    /// The same for programs.
    pub reason_code: Option<ReasonCode>,
    /// What uses its port, if something does and pald can tell; null for who may not make changes.
    pub holder: Option<Holder>,
    /// All that use its port, of which `holder` is the first: the oldest process first, and last a
    /// service manager that only keeps the socket.
    #[serde(default)]
    pub holders: Vec<Holder>,
    /// Whose the listener on its port is; null if nothing listens, if that was not looked up, and for who
    /// may not make changes.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Whether pald holds its port now.
    #[serde(default)]
    pub held: bool,
}

/// Whose the listener on a service's port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The service's: it works in the folder of the service's checkout, or was started there by `pald run`.
    /// For a service without a folder only the latter counts, and only for that service.
    Own,
    /// Another one's: it works in another checkout, or was started for a service of one.
    Foreign,
    /// pald can't tell: nothing is known of it, as of another user's process.
    #[serde(other)]
    Unknown,
}

#[cfg(test)]
impl Service {
    /// A service as the reply to a change shows it, registered on 2026-11-22.
    pub(crate) fn sample(name: &str, port: u16) -> Self {
        Self {
            name: name.to_owned(),
            port,
            addresses: Vec::new(),
            created_at: "2026-11-22T10:00:00Z".to_owned(),
            hold: true,
            folder: None,
            state: None,
            reason: None,
            reason_code: None,
            holder: None,
            holders: Vec::new(),
            verdict: None,
            held: false,
        }
    }
}

/// An address.
#[derive(Debug, ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_.:-]{1,2048}$")]
pub struct Address(pub String);

/// What a port is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing uses it.
    Idle,
    /// A server listens on it.
    Running,
    /// No server listens, but something else is in the way.
    Blocked,
    /// pald can't tell.
    Unknown,
}

/// Why a port is blocked or unknown, or what its being idle means.
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
    /// Blocked: connections to it are neither answered nor refused, as where a firewall drops them.
    Swallowed,
    /// Blocked: pald's user may not bind it.
    Forbidden,
    /// Blocked: a TCP socket has it, of which nothing more is known.
    Tcp,
    /// Idle: pald holds it for its service, and nothing listens.
    Held,
    /// Unknown: pald can't ask this system.
    Unsupported,
    /// Unknown: the kernel did not list its sockets.
    NotListed,
    /// Unknown: there is no socket, but a connection failed.
    NotConnected,
    /// Unknown: something answers that pald's user may not see.
    Hidden,
    /// Unknown: there are too many ports to look at all of them at once.
    NoTime,
    /// A reason that only a newer pald knows.
    #[serde(other)]
    Other,
}

/// What uses a port: a process and its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holder {
    /// The process, if pald can see it.
    pub pid: Option<u32>,
    /// The short name of the process.
    pub process: Option<String>,
    /// The beginning of its command line.
    #[serde(default)]
    pub command: Option<String>,
    /// The user's name, or number if there is no name; or `a user outside this namespace`.
    pub user: String,
    /// When the process started (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// Its working folder, percent-encoded; null where pald can't tell, as for another user's process.
    #[serde(default)]
    pub folder: Option<String>,
    /// The service for which `pald run` started it, or a process above it.
    #[serde(default)]
    pub service: Option<String>,
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
    /// How many are neither registered nor pald's own; other programs may use some of them.
    pub free: usize,
}

/// How to register a service. What is left out stays as it is, or is up to pald for a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// The port, 1 to 65535; if left out, the lowest free one of the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    pub port: Option<u64>,
    /// Addresses to note, at most 2048 bytes in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Address>>)]
    pub addresses: Option<Vec<String>>,
    /// Whether pald may hold the port; `true` for a new service if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
    /// Whether a service that is registered on another port moves to this one.
    #[serde(default, rename = "move", skip_serializing_if = "std::ops::Not::not")]
    pub is_move: bool,
}

/// Services, in the order in which they were named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProjectServices {
    /// The services.
    pub services: Vec<Service>,
}

/// A set of services of a project to register as one change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectRequest {
    /// The folder of the checkout, percent-encoded as in a dump.
    pub folder: String,
    /// The project: 1 to 100 letters, digits, `_` and `-`.
    pub project: String,
    /// The labels that the checkout may get, the best first; an empty one is the main checkout's.
    pub labels: Vec<String>,
    /// The services.
    pub services: Vec<ProjectServiceRequest>,
    /// Whether registered services move to the ports that they prefer, where these can be had.
    #[serde(default, rename = "move", skip_serializing_if = "std::ops::Not::not")]
    pub is_move: bool,
}

/// A service of such a set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectServiceRequest {
    /// Its short name: 1 to 100 letters, digits, `_` and `-`.
    pub name: String,
    /// Whether it is one service for all checkouts, which remembers no folder.
    #[serde(default)]
    pub shared: bool,
    /// The port to get in the main checkout, if it can be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<u16>,
    /// Whether pald may hold the port; `true` for a new service if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
    /// Addresses to note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
}

/// One port, registered or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Port {
    /// The port.
    #[schema(minimum = 1, maximum = 65535)]
    pub port: u16,
    /// What it is used for.
    pub state: State,
    /// Why it is blocked or unknown, or that it is idle and held, for people; else null, and for who may
    /// not make changes.
    pub reason: Option<String>,
    /// The same for programs.
    pub reason_code: Option<ReasonCode>,
    /// The service that it is registered to.
    pub service: Option<String>,
    /// What uses it, if something does and pald can tell; null for who may not make changes.
    pub holder: Option<Holder>,
    /// All that use it, of which `holder` is the first: the oldest process first, and last a service
    /// manager that only keeps the socket.
    #[serde(default)]
    pub holders: Vec<Holder>,
    /// Whose the listener on it is; null if nothing listens, if no service has it, and for who may not
    /// make changes.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// Whether pald holds it for its service now.
    #[serde(default)]
    pub held: bool,
}

/// What an import changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Imported {
    /// Services that were not registered.
    pub added: Vec<String>,
    /// Services whose registration is different now.
    pub changed: Vec<String>,
    /// Services that are no longer registered.
    pub removed: Vec<String>,
    /// How many services are unchanged.
    pub kept: usize,
    /// The revision of the registry.
    pub revision: u64,
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
}

/// The health of pald.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Whether changes are accepted.
    pub status: HealthStatus,
    /// The version of pald.
    pub version: String,
    /// The process id.
    pub pid: u32,
    /// How long it has been running, in whole seconds.
    pub uptime_s: u64,
    /// How many batches of changes have been stored so far.
    pub revision: u64,
    /// How many services are registered.
    pub services: usize,
    /// The addresses on which it listens.
    pub addresses: Vec<String>,
    /// The store.
    pub store: StoreHealth,
    /// The dump.
    pub dump: DumpHealth,
    /// The holds on registered ports.
    pub holds: HoldsHealth,
    /// How the range overlaps the kernel's ephemeral range, if it does.
    pub overlap: Option<Overlap>,
    /// What failed when pald last looked at the machine; it is tried again when it is next needed.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Whether changes are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Changes are accepted.
    Ok,
    /// The store failed and changes are refused; lookups go on.
    Failed,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreHealth {
    /// Its folder; null for who may not make changes.
    pub path: Option<String>,
    /// Why it refuses changes; null while it accepts them, and for who may not make any.
    pub error: Option<String>,
}

/// The dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DumpHealth {
    /// The file; null for who may not make changes.
    pub path: Option<String>,
    /// When it was last written or found up to date (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub written_at: Option<String>,
    /// Why the last write failed; null if it did not, and for who may not make changes.
    pub error: Option<String>,
}

/// The holds on registered ports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HoldsHealth {
    /// How many ports pald can hold: what the limit on open files leaves, or 0 if it holds none.
    pub max: usize,
    /// How many ports are held.
    pub held: usize,
    /// Registered ports that pald tried to hold and could not: others use them, or the system
    /// refused.
    pub missing: Vec<u16>,
    /// Those of them that the system refused; they are held as soon as it does not.
    #[serde(default)]
    pub refused: Vec<RefusedHold>,
}

/// A port that the system did not let pald hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RefusedHold {
    /// The port.
    pub port: u16,
    /// Why.
    pub cause: RefusalCause,
    /// What the system said.
    pub error: String,
}

/// Why the system refuses something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCause {
    /// The limit on open files is reached.
    OpenFiles,
    /// pald's user may not do that.
    NotPermitted,
    /// Another cause.
    #[serde(other)]
    Other,
}

/// The overlap of the range and the kernel's ephemeral range, from which it gives ports to
/// connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overlap {
    /// The kernel's range for people, such as `32768-60999`.
    pub ephemeral: String,
    /// The first port of the kernel's range.
    pub ephemeral_min: u16,
    /// The last port of the kernel's range.
    pub ephemeral_max: u16,
    /// The command that makes the kernel leave pald's range alone; where there is none, what to do.
    pub reserve: String,
}
