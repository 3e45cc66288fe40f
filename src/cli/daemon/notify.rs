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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::testing::run_alone;

    #[test]
    fn the_service_manager_gets_each_notice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let name = concat!(module_path!(), "::the_service_manager_gets_each_notice");
        let variables = [("NOTIFY_SOCKET", path.to_str().unwrap())];
        if run_alone(name, &variables).is_none() {
            ready();
            waits("why");
            goes_on();
            return stopping();
        }
        manager.set_nonblocking(true).unwrap();
        let notices: Vec<_> = std::iter::from_fn(|| {
            let mut notice = [0; 100];
            let length = manager.recv(&mut notice).ok()?;
            Some(String::from_utf8(notice[..length].to_vec()).unwrap())
        })
        .collect();
        let expected =
            ["READY=1", "STATUS=why", "EXTEND_TIMEOUT_USEC=120000000", "STATUS=", "STOPPING=1"];
        assert_eq!(notices, expected.map(|line| format!("{line}\n")));
    }
}
