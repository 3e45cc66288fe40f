//! Why a request to pald fails.

use std::io;

use thiserror::Error;
use ureq::Timeout;

use super::{OtherUser, Url};
use crate::api::Problem;

/// Why a request has no answer, or not the one asked for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nothing listens there.
    #[error("Nothing answers at {url}")]
    NotListening {
        /// The URL of pald.
        url: Url,
    },
    /// The system can't connect, for a reason other than that nothing listens.
    #[error("Can't reach {url}")]
    Unreachable {
        /// The URL of pald.
        url: Url,
        /// What the system says.
        source: io::Error,
    },
    /// Something listens there and does not answer in time.
    #[error("{url} accepts connections but does not answer in time")]
    Slow {
        /// The URL of pald.
        url: Url,
    },
    /// Something listens there and closed the connection.
    #[error("{url} closed the connection without a complete answer")]
    Ended {
        /// The URL of pald.
        url: Url,
        /// What the system says.
        source: io::Error,
    },
    /// A program of a user who is not believed has the address; what it says was not read.
    #[error(transparent)]
    OtherUser(OtherUser),
    /// The answer is not one of pald's.
    #[error("The program that answers at {url} is not pald")]
    NotPald {
        /// The URL of pald.
        url: Url,
    },
    /// The pald that answers is older than this program.
    #[error("The pald that answers at {url} is older than this program, and {lacks}")]
    TooOld {
        /// The URL of pald.
        url: Url,
        /// What it lacks, as in "knows no projects".
        lacks: &'static str,
    },
    /// pald refused or failed.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
}

impl ClientError {
    pub(super) fn of(error: ureq::Error, url: &Url) -> Self {
        let url = url.clone();
        match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Self::NotListening { url }
            }
            ureq::Error::Timeout(_) => Self::Slow { url },
            ureq::Error::Io(source) => match source.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable => Self::NotListening { url },
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => Self::Ended { url, source },
                _ => Self::Unreachable { url, source },
            },
            ureq::Error::Other(error) => match error.downcast() {
                Ok(other) => Self::OtherUser(*other),
                Err(_) => Self::NotPald { url },
            },
            _ => Self::NotPald { url },
        }
    }
}
