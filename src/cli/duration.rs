//! Formats durations for output.

use crate::timestamp::Timestamp;

/// Formats how long ago a time was, or returns "in the future".
pub(super) fn elapsed(time: Timestamp, now: Timestamp) -> String {
    match now.unix_seconds().checked_sub(time.unix_seconds()) {
        Some(seconds) => format!("{} ago", duration(seconds)),
        None => "in the future".to_owned(),
    }
}

/// Formats a number of seconds in the unit that leaves about two digits.
pub(super) fn duration(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / MINUTE),
        7200..172_800 => format!("{} h", seconds / HOUR),
        _ => format!("{} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_shown_in_a_fitting_unit() {
        let time = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let rows = [
            (0, "0 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7199, "119 min ago"),
            (7200, "2 h ago"),
            (172_800, "2 days ago"),
        ];
        for (seconds, expected) in rows {
            assert_eq!(elapsed(time(1000), time(1000 + seconds)), expected);
        }
        assert_eq!(elapsed(time(1001), time(1000)), "in the future");
    }
}
