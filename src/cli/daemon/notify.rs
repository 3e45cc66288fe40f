//! Notices to the service manager (sd_notify(3)); without one, they do nothing.

use sd_notify::NotifyState;
use tracing::warn;

/// Reports that pald serves.
pub(in crate::cli) fn ready() {
    notify(NotifyState::Ready);
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
