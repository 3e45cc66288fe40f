//! Errors in the lines of a dump, and their messages.

use std::fmt;

use thiserror::Error;

use crate::addresses::AddressesError;
use crate::port::{Port, PortError};
use crate::quoted::Quoted;
use crate::service_name::{ServiceName, ServiceNameError};

/// A line that can't be imported.
#[derive(Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line number, from 1.
    pub number: usize,
    /// What is wrong with the line.
    pub error: LineError,
}

/// Why a line of a dump can't be imported. The messages continue after `file:line: `.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LineError {
    /// The line is longer than 64 KiB.
    #[error("the line is {bytes} bytes long; at most 65536 are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The line contains a byte above 127.
    #[error("{0} contains bytes that are not ASCII")]
    NotAscii(Quoted),
    /// The line has only a name.
    #[error("no port after {0}; a line has a name, a port and, if there are any, addresses")]
    NoPort(Quoted),
    /// The line has more fields than name, port and addresses.
    #[error("unexpected {0} after the addresses; a comment starts with #")]
    FourthField(Quoted),
    /// The first field is not a legal name.
    #[error("{}", uncapitalized(.0))]
    Name(#[from] ServiceNameError),
    /// The second field is not a port.
    #[error("{}", uncapitalized(.0))]
    Port(#[from] PortError),
    /// The third field is not a legal list of addresses.
    #[error("{}", uncapitalized(.0))]
    Addresses(#[from] AddressesError),
    /// One of pald's own words occurs twice, or has a value that pald never writes.
    #[error("{0} in the comment is invalid or repeated")]
    Comment(Quoted),
    /// The comment has only some of revision, entries and check, or an id without them.
    #[error(
        "the comment has only some of `revision`, `entries` and `check`, which belong together"
    )]
    PartOfSeal,
    /// An earlier line has the name with another port.
    #[error("service {service} is already on port {port} in line {line}")]
    NameTwice {
        /// The name.
        service: ServiceName,
        /// The port on that line.
        port: Port,
        /// The first line with that name.
        line: usize,
    },
    /// An earlier line has the port with another name.
    #[error("port {port} already belongs to {service} in line {line}")]
    PortTwice {
        /// The port.
        port: Port,
        /// The service on that line.
        service: ServiceName,
        /// The first line with that port.
        line: usize,
    },
    /// An earlier line has the same name and port, but other addresses or another comment.
    #[error("service {service} is already in line {line}, with other addresses or another comment")]
    Differs {
        /// The name.
        service: ServiceName,
        /// The first line with that name.
        line: usize,
    },
}

/// Turns a message that stands alone into the rest of a sentence.
fn uncapitalized(message: &impl fmt::Display) -> String {
    let mut text = message.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}
