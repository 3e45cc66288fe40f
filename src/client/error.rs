//! What can go wrong between a program and pald.

use std::io;

use thiserror::Error;
use ureq::Timeout;

use super::Url;
use crate::api::Problem;

/// Why there is no answer, or not the one that was asked for.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error("Nothing answers at {url}")]
    Nobody {
        /// Where.
        url: Url,
    },
    /// The way there is closed, or the host has no address.
    #[error("Can't reach {url}")]
    Unreachable {
        /// Where.
        url: Url,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody listens there and takes too long.
    #[error("{url} takes connections and gives no answer in time")]
    Slow {
        /// Where.
        url: Url,
    },
    /// Somebody listens there and has hung up.
    #[error("The connection to {url} ended before the answer came")]
    Ended {
        /// Where.
        url: Url,
        /// What the system said.
        source: io::Error,
    },
    /// The answer is none that pald gives.
    #[error("What answers at {url} is not pald")]
    NotPald {
        /// Where.
        url: Url,
    },
    /// pald says no, or that it can't.
    #[error("{}", .0.detail)]
    Problem(Box<Problem>),
}

impl ClientError {
    pub(super) fn of(error: ureq::Error, url: &Url) -> Self {
        let url = url.clone();
        match error {
            ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => Self::Nobody { url },
            ureq::Error::Timeout(_) => Self::Slow { url },
            ureq::Error::Io(source) => match source.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable => Self::Nobody { url },
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => Self::Ended { url, source },
                _ => Self::Unreachable { url, source },
            },
            _ => Self::NotPald { url },
        }
    }
}
