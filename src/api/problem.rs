//! Errors as programs get them: `application/problem+json` (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Port;

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What kind of problem it is. Programs decide by this, and never by a text.
    #[serde(rename = "type")]
    pub kind: ProblemType,
    /// The kind in a few words, always the same.
    pub title: String,
    /// The status of the reply.
    pub status: u16,
    /// What happened, with the values, in a sentence.
    pub detail: String,
    /// What to do about it, if anything can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The service that is in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The port that the service has, or that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Of an exhausted range: the first 3 ports that others use, and what uses them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub occupied: Vec<Port>,
    /// What is wrong with a dump, line by line: the first 20 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineProblem>,
}

/// What is wrong with one line of a dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineProblem {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong, in words.
    pub reason: String,
}

/// The kinds of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ProblemType {
    /// The service or the port is not registered, or the path does not exist.
    #[serde(rename = "urn:pald:error:not-found")]
    NotFound,
    /// The name of the service is not legal.
    #[serde(rename = "urn:pald:error:name-invalid")]
    NameInvalid,
    /// The service is registered already, or on another port.
    #[serde(rename = "urn:pald:error:name-taken")]
    NameTaken,
    /// Another service has the port, or pald itself.
    #[serde(rename = "urn:pald:error:port-taken")]
    PortTaken,
    /// The port is no number from 1 to 65535.
    #[serde(rename = "urn:pald:error:port-out-of-range")]
    PortOutOfRange,
    /// All ports of the range are registered or in use.
    #[serde(rename = "urn:pald:error:pool-exhausted")]
    RangeExhausted,
    /// The Host is none that pald answers to.
    #[serde(rename = "urn:pald:error:host-not-allowed")]
    HostNotAllowed,
    /// A web page of another site asks.
    #[serde(rename = "urn:pald:error:cross-site")]
    CrossSite,
    /// The user may not change the registry.
    #[serde(rename = "urn:pald:error:user-not-allowed")]
    UserNotAllowed,
    /// The store does not take changes.
    #[serde(rename = "urn:pald:error:storage")]
    Storage,
    /// The dump can't be imported.
    #[serde(rename = "urn:pald:error:dump-invalid")]
    DumpInvalid,
    /// Nothing more than the status says (RFC 9457 section 4.2.1): the request itself is wrong, or
    /// pald has made a mistake.
    #[serde(rename = "about:blank", other)]
    Blank,
}
