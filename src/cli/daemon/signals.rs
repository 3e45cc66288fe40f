//! The signals that stop pald.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use super::notify;

/// Returns a future that is ready at the first SIGTERM, SIGINT or SIGHUP.
pub(in crate::cli) fn shutdown_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Under nohup(1) it is ignored, and must stay ignored.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut hang_up = match ignores_hang_up(&status) {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = hung_up(hang_up.as_mut()) => "SIGHUP",
        };
        info!(signal = name, "Stopping");
        notify::stopping();
    })
}

/// Waits for SIGHUP; forever if it is ignored.
async fn hung_up(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Returns whether a process with this status was started with SIGHUP ignored.
///
/// The mask is described in proc_pid_status(5); bit 0 is signal 1.
fn ignores_hang_up(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn the_lowest_bit_of_the_mask_is_of_hang_up() {
        let rows = [
            ("SigIgn:\t0000000000000001\n", true),
            ("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001001\n", true),
            ("SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n", false),
            ("SigIgn:\t0000000000000000\n", false),
            ("", false),
        ];
        for (status, expected) in rows {
            assert_eq!(ignores_hang_up(status), expected, "{status}");
        }
    }

    #[test]
    fn what_is_ignored_never_comes() {
        assert_eq!(pin!(hung_up(None)).now_or_never(), None);
    }
}
