//! actix's server around the app, with pald's own connections in it.

use std::future::{Future, ready};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _};
use actix_service::{apply_fn_factory, fn_service, map_config};
use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, RequestHead, Server};
use actix_web::rt::net::TcpStream;
use futures_util::TryFutureExt as _;
use futures_util::future::Either;
use rustix::net::{listen, sockopt};

use super::REQUEST_TIME;
use super::connection::Connection;
use super::guard::Guard;
use super::listen::Listeners;
use super::seats::Seats;
use crate::probe::OwnEnd;

/// How long requests in flight may take once pald is told to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;
/// How long a client may take to close its end.
const DISCONNECT_TIME: Duration = Duration::from_secs(1);
/// The maximum number of threads that answer requests: a request costs microseconds.
const MAX_WORKERS: usize = 2;
/// How much the kernel may keep of what a client sends, and again of what it does not read, in bytes:
/// by itself it would grow this to megabytes.
const KERNEL_BUFFER: usize = 64 * 1024;
/// How long the kernel keeps what a client does not read: longer than pald waits, since the kernel
/// does not tell the client that it has given up.
#[cfg(all(target_os = "linux", not(feature = "portable")))]
const UNREAD_MILLISECONDS: u32 = 20_000;
/// How many connections can wait to be accepted. In a flood of them, a short line makes clients wait
/// for a second.
const BACKLOG: i32 = 4096;

/// Serves an app until `shutdown` is ready, and then finishes the requests in flight. What `at_once`
/// answers does not reach the app.
///
/// At most `max_connections` are open at once; further ones wait until one is closed. Of these, other
/// users may have a part only, and further ones of theirs are closed.
///
/// # Errors
/// The system refuses a thread or a socket.
pub(super) async fn run<F, I, S>(
    app: F,
    at_once: impl Fn(&RequestHead) -> Option<HttpResponse> + Send + Clone + 'static,
    guard: Arc<Guard>,
    listeners: Listeners,
    max_connections: usize,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<BoxBody>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
{
    let seats = Arc::new(Seats::new(Arc::clone(&guard), max_connections));
    let workers = workers();
    let mut server = Server::build()
        .workers(workers)
        // actix counts the connections of each worker.
        .max_concurrent_connections((max_connections / workers).max(1))
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .shutdown_signal(shutdown);
    let is_shutting_down = server.graceful_shutdown_signal();
    for listener in listeners.into_sockets() {
        prepare(&listener)?;
        let local = listener.local_addr()?;
        let (app, at_once) = (app.clone(), at_once.clone());
        let is_shutting_down = is_shutting_down.clone();
        let (guard, seats) = (Arc::clone(&guard), Arc::clone(&seats));
        server = server.listen("pald", listener, move || {
            let is_shutting_down = is_shutting_down.clone();
            let app =
                map_config(app().into_factory().map_err(|error| error.error_response()), |_| {
                    AppConfig::default()
                });
            let at_once = at_once.clone();
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let signal = is_shutting_down.clone();
                    async move { signal.notified().await }
                })
                .client_request_timeout(REQUEST_TIME)
                .client_disconnect_timeout(DISCONNECT_TIME)
                // The connection itself ends when it is idle.
                .keep_alive(KeepAlive::Os)
                .on_connect_ext(Connection::introduce)
                .h1(apply_fn_factory(app, move |request: Request, app| {
                    match at_once(request.head()) {
                        Some(response) => Either::Left(ready(Ok(response.into()))),
                        None => Either::Right(app.call(request).map_ok(Into::into)),
                    }
                }));
            let (guard, seats) = (Arc::clone(&guard), Arc::clone(&seats));
            fn_service(move |stream: TcpStream| ready(admit(&guard, &seats, local, stream)))
                .and_then(http)
        })?;
    }
    server.run().await
}

/// Sets what the kernel keeps for each connection of a listener.
fn prepare(listener: &TcpListener) -> io::Result<()> {
    listen(listener, BACKLOG)?;
    sockopt::set_socket_send_buffer_size(listener, KERNEL_BUFFER)?;
    sockopt::set_socket_recv_buffer_size(listener, KERNEL_BUFFER)?;
    // Else the kernel would keep an unread answer for minutes after pald has closed the connection.
    #[cfg(all(target_os = "linux", not(feature = "portable")))]
    sockopt::set_tcp_user_timeout(listener, UNREAD_MILLISECONDS)?;
    Ok(())
}

/// Takes a new connection up, if it is not one too many.
fn admit(
    guard: &Guard,
    seats: &Arc<Seats>,
    local: SocketAddr,
    stream: TcpStream,
) -> Result<(Connection, Option<SocketAddr>), DispatchError> {
    let peer = stream.peer_addr()?;
    if !guard.tells_users_apart() {
        return Ok((Connection::new(stream, None), Some(peer)));
    }
    let own_end = Arc::new(OwnEnd::of(&stream, local, peer)?);
    let seat = seats.take(&own_end).ok_or(io::Error::from(io::ErrorKind::QuotaExceeded))?;
    Ok((Connection::new(stream, Some((own_end, seat))), Some(peer)))
}

/// Returns how many threads answer requests: half of the CPUs, since each client needs one too.
///
/// On two CPUs, a second thread makes 16 clients with fresh connections a tenth faster, and takes an
/// eighth more CPU time for each lookup on kept ones (bar: 1.15 of the bare server).
pub fn workers() -> usize {
    let cpus = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (cpus / 2).clamp(1, MAX_WORKERS)
}
