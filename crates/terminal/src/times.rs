//! Points in time as people say them: how long ago, in how long, at what o'clock.

use chrono::{DateTime, Datelike, Local, NaiveDateTime, Utc};

use seald_core::clock::Timestamp;

/// Whose clock is on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// This machine's.
    Local,
    /// Universal time.
    Utc,
}

/// Tells times as they look from now.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// Now.
    pub now: Timestamp,
    /// Whose clock.
    pub zone: Zone,
}

impl Times {
    /// `just now`, `5 min ago`, `3 days ago`.
    pub fn ago(self, at: Timestamp) -> String {
        match self.seconds_since(at) {
            ..=9 => "just now".to_string(),
            seconds => format!("{} ago", span(seconds)),
        }
    }

    /// `now`, `in 5 min`, `in 3 days`.
    pub fn until(self, at: Timestamp) -> String {
        match -self.seconds_since(at) {
            ..=0 => "now".to_string(),
            seconds => format!("in {}", span(seconds)),
        }
    }

    /// `5 min`: how long it has lasted.
    pub fn lasted(self, since: Timestamp) -> String {
        span(self.seconds_since(since).max(0))
    }

    /// `17:40`, or `Tue 25 Nov 17:40` on another day, or `2027-01-05 17:40` in another year.
    pub fn clock(self, at: Timestamp) -> String {
        let (Some(time), Some(now)) = (self.wall(at), self.wall(self.now)) else { return at.to_string() };
        let format = if time.date() == now.date() {
            "%H:%M"
        } else if time.year() == now.year() {
            "%a %-d %b %H:%M"
        } else {
            "%Y-%m-%d %H:%M"
        };
        time.format(format).to_string()
    }

    /// `17:40:05`.
    pub fn second(self, at: Timestamp) -> String {
        self.wall(at).map_or_else(|| at.to_string(), |time| time.format("%H:%M:%S").to_string())
    }

    /// `2026-11-22 17:40:05`.
    pub fn stamp(self, at: Timestamp) -> String {
        self.wall(at).map_or_else(|| at.to_string(), |time| time.format("%Y-%m-%d %H:%M:%S").to_string())
    }

    /// Whole seconds from then to now.
    pub fn seconds_since(self, at: Timestamp) -> i64 {
        self.now.0.saturating_sub(at.0) / 1000
    }

    fn wall(self, at: Timestamp) -> Option<NaiveDateTime> {
        let time = DateTime::<Utc>::from_timestamp_millis(at.0)?;
        Some(match self.zone {
            Zone::Local => time.with_timezone(&Local).naive_local(),
            Zone::Utc => time.naive_utc(),
        })
    }
}

/// `40 s`, `5 min`, `3 h 12 min`, `12 days`.
fn span(seconds: i64) -> String {
    match seconds {
        ..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min", seconds / 60),
        3600..=172_799 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        // 2026-11-22 17:40:00 UTC, a Sunday.
        let now = Timestamp(1_795_369_200_000);
        let times = Times { now, zone: Zone::Utc };
        let ago = [9, 10, 61, 3_660, 172_800].map(|s| times.ago(now.plus_seconds(-s)));
        assert_eq!(ago, ["just now", "10 s ago", "1 min ago", "1 h 01 min ago", "2 days ago"]);
        assert_eq!([0, 59].map(|s| times.until(now.plus_seconds(s))), ["now", "in 59 s"]);
        let clock = [0, 86_400, 86_400 * 60].map(|s| times.clock(now.plus_seconds(s)));
        assert_eq!(clock, ["17:40", "Mon 23 Nov 17:40", "2027-01-21 17:40"]);
        assert_eq!(times.second(now), "17:40:00");
        assert_eq!(times.ago(now.plus_seconds(60)), "just now", "clocks may differ a little");
    }
}
