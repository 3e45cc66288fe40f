//! The client's connections, which are checked before anything is sent and before anything is read.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::RecvFlags;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Error, Timeout};

use super::server_user::{Checked, ServerCheck};

/// Makes connections whose other end is believed.
#[derive(Debug)]
pub(super) struct CheckedConnector(pub(super) Arc<ServerCheck>);

impl Connector<()> for CheckedConnector {
    type Out = Connection;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Connection>, Error> {
        let deadline = details.timeout.not_zero().map(|timeout| Instant::now() + *timeout);
        let (stream, address) = connect(&details.addrs, deadline).or_else(|error| {
            details.addrs.iter().try_for_each(|address| self.0.check_unanswered(*address))?;
            Err(error)
        })?;
        stream.set_nodelay(true)?;
        let checked = self.0.check(&stream, address)?;
        let config = details.config;
        let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
        Ok(Some(Connection { stream, buffers, checked, check: Arc::clone(&self.0) }))
    }
}

/// Connects to the first address that answers; each gets an equal part of the time that is left.
fn connect(
    addresses: &[SocketAddr],
    deadline: Option<Instant>,
) -> Result<(TcpStream, SocketAddr), Error> {
    let mut failed = Error::HostNotFound;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        let connected = match deadline {
            None => TcpStream::connect(address),
            Some(deadline) => match deadline.saturating_duration_since(Instant::now()) / left {
                Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
                timeout => TcpStream::connect_timeout(address, timeout),
            },
        };
        failed = match connected {
            // The kernel may give the very port to our end, which is then connected to itself.
            Ok(stream) if stream.local_addr().is_ok_and(|own| own == *address) => {
                io::Error::from(io::ErrorKind::ConnectionRefused).into()
            }
            Ok(stream) => return Ok((stream, *address)),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                Error::Timeout(Timeout::Connect)
            }
            Err(error) => error.into(),
        };
    }
    Err(failed)
}

/// A connection to pald.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffers: LazyBuffers,
    checked: Checked,
    check: Arc<ServerCheck>,
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let timeout = timeout.for_write();
        self.stream.set_write_timeout(timeout.not_zero().map(|timeout| *timeout))?;
        let output = &self.buffers.output()[..amount];
        self.stream.write_all(output).map_err(|error| of_io(error, timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        self.stream.set_read_timeout(timeout.not_zero().map(|timeout| *timeout))?;
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| of_io(error, timeout))?,
            }
        };
        if let Checked::Waiting(connection) = self.checked {
            self.check.check_accepted(connection)?;
            self.checked = Checked::Accepted;
        }
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        // An idle connection has nothing to read, not even its end.
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        rustix::net::recv(&self.stream, &mut [0; 1], flags) == Err(rustix::io::Errno::AGAIN)
    }
}

/// Returns a failed read or write as ureq's error, which names the time limit that was reached.
fn of_io(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}
