//! What can be wrong with a line of a dump, in words.

use std::fmt;

use thiserror::Error;

use crate::addresses::AddressesError;
use crate::port::{Port, PortError};
use crate::quoted::Quoted;
use crate::service_name::{ServiceName, ServiceNameError};

/// A line that is not as it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub error: LineError,
}

/// Why a line of a dump can't be taken. The texts go on after `file:line: `.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LineError {
    /// The line has more than 64 KiB.
    #[error("the line is {bytes} bytes long; at most 65536 are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The line contains a byte above 127.
    #[error("{0} contains bytes that are not ASCII")]
    NotAscii(Quoted),
    /// There is a name and nothing else.
    #[error("no port follows {0}; a line is a name, a port and, if need be, addresses")]
    NoPort(Quoted),
    /// There are more fields than name, port and addresses.
    #[error("unexpected {0} after the addresses; a comment starts with #")]
    FourthField(Quoted),
    /// The first field is not a legal name.
    #[error("{}", uncapitalized(.0))]
    Name(#[from] ServiceNameError),
    /// The second field is not a port.
    #[error("{}", uncapitalized(.0))]
    Port(#[from] PortError),
    /// The third field is not a list of addresses.
    #[error("{}", uncapitalized(.0))]
    Addresses(#[from] AddressesError),
    /// A word that pald writes itself has a value that it never writes, or occurs twice.
    #[error("{0} in the comment is not what pald writes")]
    Comment(Quoted),
    /// Only one or two of revision, entries and check are there.
    #[error("the comment has only a part of `revision`, `entries` and `check`")]
    PartOfSeal,
    /// The name was on another port before.
    #[error("service {service} is already on port {port} in line {line}")]
    NameTwice {
        /// The name.
        service: ServiceName,
        /// Its port there.
        port: Port,
        /// The first line with that name.
        line: usize,
    },
    /// The port was another service's before.
    #[error("port {port} already belongs to {service} in line {line}")]
    PortTwice {
        /// The port.
        port: Port,
        /// Its service there.
        service: ServiceName,
        /// The first line with that port.
        line: usize,
    },
    /// Name and port are as before, but not addresses or comment.
    #[error("service {service} is in line {line} already, with other addresses or another comment")]
    Differs {
        /// The name.
        service: ServiceName,
        /// The first line with that name.
        line: usize,
    },
}

/// A message of its own as the rest of a sentence.
fn uncapitalized(message: &impl fmt::Display) -> String {
    let mut text = message.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
