//! Notices to the service manager (sd_notify(3)); without one, they do nothing.

use sd_notify::NotifyState;
use tracing::warn;

/// Longer than pald waits for its port.
const MORE_TIME_MICROSECONDS: u32 = 120_000_000;

/// Reports that pald serves.
pub(in crate::cli) fn ready() {
    notify(NotifyState::Ready);
}

/// Reports why pald does not serve yet, and asks for more time.
pub(in crate::cli) fn waits(why: &str) {
    notify(NotifyState::Status(why));
    notify(NotifyState::ExtendTimeoutUsec(MORE_TIME_MICROSECONDS));
}

/// Reports that pald waits no longer.
pub(in crate::cli) fn goes_on() {
    notify(NotifyState::Status(""));
}

/// Reports that pald is stopping, and finishes open requests first.
pub(in crate::cli) fn stopping() {
    notify(NotifyState::Stopping);
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "Can't notify the service manager");
    }
}
