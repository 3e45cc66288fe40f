//! The log: lines on stderr, never in the way of the service.

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What is logged where RUST_LOG says nothing: pald's own words, and warnings of its libraries, but
/// not actix's line for each request that is no HTTP, by which anybody could flood the log.
const DEFAULT_FILTER: &str = "warn,pald=info,actix_http=off";
/// How many lines may wait for a reader of stderr; further ones are dropped. Each costs 32 bytes even
/// while none waits.
const MAX_WAITING_LINES: usize = 8192;

/// Sends the log to stderr; under journald without time and colour, which it adds itself.
///
/// Lines are written by a thread of their own, so that a reader of stderr who has stopped reading
/// stops nothing else. Dropping the guard writes what is left.
pub(in crate::cli) fn start() -> WorkerGuard {
    let lines = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING_LINES);
    let (stderr, guard) = lines.finish(std::io::stderr());
    let is_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    let (filter, mistake) = filter();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(!is_journald && std::io::stderr().is_terminal())
        .with_target(false)
        // Without this, a log that can't be written would end the daemon.
        .log_internal_errors(false);
    // A second start, in one process, would keep the first log; there is none.
    let _ = match is_journald {
        true => lines.without_time().try_init(),
        false => lines.try_init(),
    };
    if let Some(mistake) = mistake {
        tracing::warn!(RUST_LOG = %mistake, "RUST_LOG is not understood; logging as usual");
    }
    guard
}

fn filter() -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(DEFAULT_FILTER);
    match std::env::var("RUST_LOG") {
        Ok(request) if !request.is_empty() => {
            let parsed = EnvFilter::builder()
                .with_default_directive(LevelFilter::WARN.into())
                .parse(&request);
            match parsed {
                Ok(filter) => (filter, None),
                Err(error) => (default(), Some(error.to_string())),
            }
        }
        _ => (default(), None),
    }
}
