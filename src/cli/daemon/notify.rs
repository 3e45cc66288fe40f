//! What a service manager is told about pald's life (sd_notify(3)); without one, nothing is.

use sd_notify::NotifyState;
use tracing::warn;

/// pald serves.
pub(in crate::cli) fn ready() {
    tell(NotifyState::Ready);
}

/// pald was asked to end and finishes what it has begun.
pub(in crate::cli) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        warn!(%error, "The service manager can't be told how pald is");
    }
}
