//! Errors as programs get them: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Port;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The type of the problem. Programs decide by this and never by a text.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// The type in a few words, always the same.
    pub title: String,
    /// The status of the reply.
    pub status: u16,
    /// What happened, in one sentence with the values.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The service that is not registered, or is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The port of that service, or the port that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Of an exhausted range: the first 3 ports that others use, and what uses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub occupied: Vec<Port>,
    /// Of an exhausted range: up to 3 services that nobody may need any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What is wrong with a dump, line by line: the first 20 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineProblem>,
}

/// A service that nobody may need any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// When it was registered (RFC 3339, UTC).
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Whether its folder is gone, so that a prune releases it; else it was registered long ago, and
    /// nothing runs on its port.
    pub gone: bool,
}

/// What is wrong with one line of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineProblem {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, in words.
    pub reason: String,
}

/// The types of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ProblemType {
    /// The service or the port is not registered, or the path does not exist.
    #[serde(rename = "urn:pald:error:not-found")]
    NotFound,
    /// The name of the service is not legal.
    #[serde(rename = "urn:pald:error:name-invalid")]
    NameInvalid,
    /// The service is already registered, or has another port.
    #[serde(rename = "urn:pald:error:name-taken")]
    NameTaken,
    /// Another service has the port, or pald itself.
    #[serde(rename = "urn:pald:error:port-taken")]
    PortTaken,
    /// The port is not a number from 1 to 65535.
    #[serde(rename = "urn:pald:error:port-out-of-range")]
    PortOutOfRange,
    /// All ports of the range are registered or in use.
    #[serde(rename = "urn:pald:error:pool-exhausted")]
    RangeExhausted,
    /// pald does not answer to this Host.
    #[serde(rename = "urn:pald:error:host-not-allowed")]
    HostNotAllowed,
    /// The request comes from a web page of another site, or a browser made it on its own.
    #[serde(rename = "urn:pald:error:cross-site")]
    CrossSite,
    /// The user may not change the registry.
    #[serde(rename = "urn:pald:error:user-not-allowed")]
    UserNotAllowed,
    /// The store can't accept the change.
    #[serde(rename = "urn:pald:error:storage")]
    Storage,
    /// The dump can't be imported.
    #[serde(rename = "urn:pald:error:dump-invalid")]
    DumpInvalid,
    /// Nothing more than the status says (RFC 9457 section 4.2.1): the request is wrong, or pald
    /// failed.
    #[serde(rename = "about:blank", other)]
    Blank,
}
