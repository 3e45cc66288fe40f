//! Points in time, in whole seconds and UTC.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// The form for file names: it sorts by time and needs no quoting in a shell.
const COMPACT: StaticFormatDescription =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A second from 1970 to 9999, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

impl Timestamp {
    /// 9999-12-31T23:59:59Z, the last second that RFC 3339 can express.
    const MAX_SECONDS: u64 = 253_402_300_799;

    /// Returns the current time; a clock outside 1970 to 9999 is clamped to that.
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    /// Converts a system time, clamped to 1970 to 9999.
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self(seconds.min(Self::MAX_SECONDS))
    }

    /// Converts seconds since 1970-01-01T00:00:00Z; `None` after the year 9999.
    pub fn from_unix_seconds(seconds: u64) -> Option<Self> {
        (seconds <= Self::MAX_SECONDS).then_some(Self(seconds))
    }

    /// Returns the seconds since 1970-01-01T00:00:00Z.
    pub fn unix_seconds(self) -> u64 {
        self.0
    }

    /// Parses an RFC 3339 time such as `2026-11-22T10:00:00Z`; drops fractions of a second.
    pub fn parse(text: &str) -> Option<Self> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        u64::try_from(time.unix_timestamp()).ok().and_then(Self::from_unix_seconds)
    }

    /// Formats the time for a file name, as in `20261122T100000Z`.
    pub fn compact(self) -> String {
        self.date_time().format(COMPACT).expect("a year of four digits can be written")
    }

    fn date_time(self) -> OffsetDateTime {
        let seconds = i64::try_from(self.0).expect("bounded by MAX_SECONDS");
        OffsetDateTime::from_unix_timestamp(seconds).expect("bounded by MAX_SECONDS")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.date_time().format(&Rfc3339).expect("a year of four digits can be written");
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_back_as_rfc_3339() {
        let rows = [
            (0, "1970-01-01T00:00:00Z", "19700101T000000Z"),
            (1_795_341_600, "2026-11-22T10:00:00Z", "20261122T100000Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z", "99991231T235959Z"),
        ];
        for (seconds, text, compact) in rows {
            let timestamp = Timestamp::from_unix_seconds(seconds).unwrap();
            assert_eq!(timestamp.to_string(), text);
            assert_eq!(timestamp.compact(), compact);
            assert_eq!(Timestamp::parse(text), Some(timestamp));
        }
    }

    #[test]
    fn only_times_from_1970_to_9999_are_accepted() {
        assert_eq!(Timestamp::from_unix_seconds(253_402_300_800), None);
        for text in ["", "yesterday", "2026-11-22", "1969-12-31T23:59:59Z", "2026-13-01T00:00:00Z"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        let shifted = Timestamp::parse("2026-11-22T12:00:00.9+02:00").unwrap();
        assert_eq!(shifted.to_string(), "2026-11-22T10:00:00Z");
    }
}
