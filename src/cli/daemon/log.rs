//! The log on stderr, which never blocks the service.

use std::io::IsTerminal as _;

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The filter if RUST_LOG is not set: pald's own lines and the libraries' warnings, but not actix's
/// line for each malformed request, with which anyone could flood the log.
const DEFAULT_FILTER: &str = "warn,pald=info,actix_http=off";
/// How many lines may wait for stderr's reader; further ones are dropped. Each costs 32 bytes even
/// while the queue is empty.
const MAX_WAITING_LINES: usize = 8192;

/// Sends the log to stderr; under journald without time and colour, which journald adds.
///
/// A separate thread writes the lines, so that a stalled reader of stderr stalls nothing else.
/// Dropping the guard writes the remaining lines.
pub(in crate::cli) fn start() -> WorkerGuard {
    let lines = NonBlockingBuilder::default().buffered_lines_limit(MAX_WAITING_LINES);
    let (stderr, guard) = lines.finish(std::io::stderr());
    let is_journald = std::env::var_os("JOURNAL_STREAM").is_some();
    let (filter, mistake) = filter(std::env::var("RUST_LOG").ok().as_deref());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(!is_journald && std::io::stderr().is_terminal())
        .with_target(false)
        // Otherwise a log that can't be written would end the daemon.
        .log_internal_errors(false);
    // This fails only if the process already has a log, and it starts one only once.
    let _ = match is_journald {
        true => lines.without_time().try_init(),
        false => lines.try_init(),
    };
    if let Some(mistake) = mistake {
        tracing::warn!(RUST_LOG = %mistake, "Can't parse RUST_LOG; using the default");
    }
    guard
}

/// Returns the filter that is asked for, or the default one and what is wrong with the request.
fn filter(request: Option<&str>) -> (EnvFilter, Option<String>) {
    let default = || EnvFilter::new(DEFAULT_FILTER);
    match request {
        Some(request) if !request.is_empty() => {
            let parsed = EnvFilter::builder()
                .with_default_directive(LevelFilter::WARN.into())
                .parse(request);
            match parsed {
                Ok(filter) => (filter, None),
                Err(error) => (default(), Some(error.to_string())),
            }
        }
        _ => (default(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::run_alone;

    /// journald adds the time itself.
    #[test]
    fn under_journald_the_log_has_no_time() {
        let name = concat!(module_path!(), "::under_journald_the_log_has_no_time");
        let variables = [("RUST_LOG", "pald=nonsense"), ("JOURNAL_STREAM", "8:7")];
        let Some(said) = run_alone(name, &variables) else {
            let _log = start();
            tracing::info!("for the test");
            return;
        };
        let (mistake, line) = said.split_once('\n').unwrap();
        assert!(
            mistake.starts_with(" WARN Can't parse RUST_LOG; using the default RUST_LOG="),
            "{said}"
        );
        assert_eq!(line, " INFO for the test\n");
    }

    #[test]
    fn a_filter_that_is_none_is_told_and_not_used() {
        let default = EnvFilter::new(DEFAULT_FILTER).to_string();
        // (RUST_LOG, the filter, whether something is wrong)
        let rows = [
            (None, default.as_str(), false),
            (Some(""), &default, false),
            (Some("pald=debug"), "pald=debug", false),
            (Some("pald=nonsense"), &default, true),
        ];
        for (request, expected, is_wrong) in rows {
            let (found, mistake) = filter(request);
            let sorted = |text: &str| {
                let mut parts: Vec<_> = text.split(',').map(str::to_owned).collect();
                parts.sort_unstable();
                parts
            };
            assert_eq!(sorted(&found.to_string()), sorted(expected), "{request:?}");
            assert_eq!(mistake.is_some(), is_wrong, "{request:?}");
        }
    }
}
