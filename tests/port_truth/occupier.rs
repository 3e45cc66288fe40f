//! The ways in which others can have a port, and some that only look like it.

use std::io::{self, Read as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;

use socket2::{Domain, Socket, Type};

use super::network::{ELSEWHERE, LAN, LAN_V6, Network, sysctl};
use super::redirect::redirect;

/// One way.
pub(super) struct Occupier {
    pub(super) name: &'static str,
    /// Whether a port must not be handed out while this is on it.
    pub(super) occupies: bool,
    occupy: fn(&Network, u16) -> io::Result<Vec<OwnedFd>>,
}

impl Occupier {
    /// Occupies a port until all that is returned is dropped, or the namespace ends.
    ///
    /// The error is `Unsupported` where a tool is missing, and `AddrNotAvailable` where there is
    /// no such address.
    pub(super) fn occupy(&self, network: &Network, port: u16) -> io::Result<Vec<OwnedFd>> {
        (self.occupy)(network, port)
    }
}

const fn row(
    name: &'static str,
    occupies: bool,
    occupy: fn(&Network, u16) -> io::Result<Vec<OwnedFd>>,
) -> Occupier {
    Occupier { name, occupies, occupy }
}

pub(super) const OCCUPIERS: &[Occupier] = &[
    row("nobody", false, |_, _| Ok(Vec::new())),
    row("TCP listener on 127.0.0.1", true, |_, port| listen("127.0.0.1", port, plain)),
    row("TCP listener on 0.0.0.0", true, |_, port| listen("0.0.0.0", port, plain)),
    row("TCP listener on ::1", true, |_, port| listen("::1", port, plain)),
    row("TCP listener on [::], dual", true, |_, port| listen("::", port, dual)),
    row("TCP listener on [::], IPv6 only", true, |_, port| listen("::", port, only_v6)),
    row("TCP listener on 127.0.0.2", true, |_, port| listen("127.0.0.2", port, plain)),
    row("TCP listener on a LAN address", true, |_, port| listen(LAN, port, plain)),
    row("TCP listener on an IPv6 LAN address", true, |_, port| listen(LAN_V6, port, plain)),
    row("TCP listener on ::ffff:127.0.0.1", true, |_, port| listen("::ffff:127.0.0.1", port, dual)),
    row("TCP listener with SO_REUSEPORT", true, |_, port| {
        listen("127.0.0.1", port, |socket| socket.set_reuse_port(true))
    }),
    row("TCP listener with SO_BINDTODEVICE", true, |_, port| {
        listen("0.0.0.0", port, |socket| socket.bind_device(Some(b"lo")))
    }),
    row("TCP socket bound to 127.0.0.1", true, |_, port| bound("127.0.0.1", port, plain)),
    row("TCP socket bound to 0.0.0.0", true, |_, port| bound("0.0.0.0", port, plain)),
    row("TCP socket bound to ::1", true, |_, port| bound("::1", port, plain)),
    row("TCP socket bound to [::]", true, |_, port| bound("::", port, dual)),
    row("TCP socket bound with SO_REUSEADDR", true, |_, port| {
        bound("127.0.0.1", port, |socket| socket.set_reuse_address(true))
    }),
    row("hold of another pald", true, |_, port| {
        let socket = socket(Type::STREAM, address("::", port), dual)?;
        socket.set_reuse_address(true)?;
        Ok(vec![socket.into()])
    }),
    row("outbound connection", true, |_, port| outbound("127.0.0.1", port)),
    row("outbound connection, IPv6", true, |_, port| outbound("::1", port)),
    row("outbound connection, bound by the kernel", true, |_, port| outbound_by_kernel(port)),
    row("TIME_WAIT of a client", true, |_, port| left_by_client("127.0.0.1", port)),
    row("TIME_WAIT of a client, IPv6", true, |_, port| left_by_client("::1", port)),
    row("TIME_WAIT of a server", true, |_, port| left_by_server("127.0.0.1", port)),
    row("TIME_WAIT of a server, IPv6", true, |_, port| left_by_server("::1", port)),
    row("UDP on 127.0.0.1", true, |_, port| udp("127.0.0.1", port, plain)),
    row("UDP on 0.0.0.0", true, |_, port| udp("0.0.0.0", port, plain)),
    row("UDP on ::1", true, |_, port| udp("::1", port, plain)),
    row("UDP on [::], dual", true, |_, port| udp("::", port, dual)),
    row("UDP on [::], IPv6 only", true, |_, port| udp("::", port, only_v6)),
    row("UDP on 127.0.0.2", true, |_, port| udp("127.0.0.2", port, plain)),
    row("UDP on a LAN address", true, |_, port| udp(LAN, port, plain)),
    row("UDP on an IPv6 LAN address", true, |_, port| udp(LAN_V6, port, plain)),
    row("UDP on ::ffff:127.0.0.1", true, |_, port| udp("::ffff:127.0.0.1", port, dual)),
    row("TCP listener in another namespace", false, |network, port| {
        network.run_elsewhere(|| listen("127.0.0.1", port, plain))
    }),
    row("redirect without a socket", true, |network, port| {
        let kept = network.run_elsewhere(|| listen(ELSEWHERE, port, plain))?;
        redirect(port)?;
        Ok(kept)
    }),
];

type Prepare = fn(&Socket) -> io::Result<()>;

fn plain(_: &Socket) -> io::Result<()> {
    Ok(())
}

fn dual(socket: &Socket) -> io::Result<()> {
    socket.set_only_v6(false)
}

fn only_v6(socket: &Socket) -> io::Result<()> {
    socket.set_only_v6(true)
}

fn address(ip: &str, port: u16) -> SocketAddr {
    (ip.parse::<IpAddr>().unwrap(), port).into()
}

fn socket(kind: Type, address: SocketAddr, prepare: Prepare) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    prepare(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A listener as most servers have it, with SO_REUSEADDR.
fn listener(ip: &str, port: u16, prepare: Prepare) -> io::Result<Socket> {
    let address = address(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    prepare(&socket)?;
    socket.bind(&address.into())?;
    // Nobody accepts here; the queue must not fill up however often pald knocks.
    socket.listen(4_096)?;
    Ok(socket)
}

fn listen(ip: &str, port: u16, prepare: Prepare) -> io::Result<Vec<OwnedFd>> {
    Ok(vec![listener(ip, port, prepare)?.into()])
}

fn bound(ip: &str, port: u16, prepare: Prepare) -> io::Result<Vec<OwnedFd>> {
    Ok(vec![socket(Type::STREAM, address(ip, port), prepare)?.into()])
}

fn udp(ip: &str, port: u16, prepare: Prepare) -> io::Result<Vec<OwnedFd>> {
    Ok(vec![socket(Type::DGRAM, address(ip, port), prepare)?.into()])
}

/// The far end's port of a connection from or to `port`, outside of what pald hands out.
fn peer(port: u16) -> u16 {
    port - 20_000
}

/// The client and the server of a connection, both on `ip` and on these ports.
fn connection(ip: &str, client: u16, server: u16) -> io::Result<(TcpStream, TcpStream)> {
    let listener = listener(ip, server, plain)?;
    let client = socket(Type::STREAM, address(ip, client), plain)?;
    client.connect(&address(ip, server).into())?;
    let (server, _) = listener.accept()?;
    Ok((client.into(), server.into()))
}

fn outbound(ip: &str, port: u16) -> io::Result<Vec<OwnedFd>> {
    let (client, server) = connection(ip, port, peer(port))?;
    Ok(vec![client.into(), server.into()])
}

/// A connection whose source the kernel has chosen; the choice is made to be `port`.
fn outbound_by_kernel(port: u16) -> io::Result<Vec<OwnedFd>> {
    let range = sysctl("ipv4/ip_local_port_range", &format!("{port} {port}"));
    let connected = connection("127.0.0.1", 0, peer(port));
    sysctl("ipv4/ip_local_port_range", &range);
    let (client, server) = connected?;
    assert_eq!(client.local_addr()?.port(), port);
    Ok(vec![client.into(), server.into()])
}

fn left_by_client(ip: &str, port: u16) -> io::Result<Vec<OwnedFd>> {
    let (client, server) = connection(ip, port, peer(port))?;
    close(client, server)?;
    Ok(Vec::new())
}

fn left_by_server(ip: &str, port: u16) -> io::Result<Vec<OwnedFd>> {
    let (client, server) = connection(ip, peer(port), port)?;
    close(server, client)?;
    Ok(Vec::new())
}

/// Closes a connection so that `first`, and it alone, is left in TIME_WAIT on return.
pub(super) fn close(mut first: TcpStream, mut second: TcpStream) -> io::Result<()> {
    first.shutdown(Shutdown::Write)?;
    second.read_to_end(&mut Vec::new())?;
    drop(second);
    first.read_to_end(&mut Vec::new())?;
    Ok(())
}
