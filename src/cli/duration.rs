//! Durations and times of day, as people read and write them.

use std::time::Duration;

use time::{OffsetDateTime, UtcOffset};

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

/// Parses a number of seconds, or of what follows it: ms, s, min or h.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    match &text[end..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

/// Formats a time of today as `14:02`, and of another day as `2026-11-22 14:02`, in the zone of this
/// machine, or else in UTC, and says so.
pub(super) fn time_of_day(time: Timestamp) -> String {
    let utc = |time: Timestamp| {
        let seconds = i64::try_from(time.unix_seconds()).ok();
        seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
    };
    let (Some(time), Some(now)) = (utc(time), utc(Timestamp::now())) else {
        return time.to_string();
    };
    match UtcOffset::local_offset_at(time) {
        Ok(zone) => in_zone(time.to_offset(zone), now.to_offset(zone)),
        Err(_) => format!("{} UTC", in_zone(time, now)),
    }
}

fn in_zone(time: OffsetDateTime, now: OffsetDateTime) -> String {
    let of_day = format!("{:02}:{:02}", time.hour(), time.minute());
    match time.date() == now.date() {
        true => of_day,
        false => format!("{} {of_day}", time.date()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        let rows = [
            ("30s", Some(30_000)),
            ("30", Some(30_000)),
            ("0", Some(0)),
            ("250ms", Some(250)),
            ("2min", Some(120_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("", None),
            ("s", None),
            ("1.5s", None),
            ("-1", None),
            ("3 s", None),
            ("99999999999999999999", None),
            ("9999999999999999999h", None),
        ];
        for (text, milliseconds) in rows {
            assert_eq!(parse(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let zone = UtcOffset::from_hms(2, 0, 0).unwrap();
        let now = at(1_795_788_000).to_offset(zone);
        let rows = [
            (at(1_795_788_000 - 3600), "15:00"),
            (at(1_795_788_000 - 16 * 3600), "00:00"),
            (at(1_795_788_000 - 16 * 3600 - 1), "2026-11-26 23:59"),
        ];
        for (time, expected) in rows {
            assert_eq!(in_zone(time.to_offset(zone), now), expected);
        }
    }

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
