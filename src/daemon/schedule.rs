//! Scheduled work: when each kind is due, by cron expressions in local time.

use std::str::FromStr;

use chrono::{DateTime, TimeZone};

use seald_core::clock::Timestamp;
use seald_core::error::{Context, Kind, Result};

/// One kind of scheduled work.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// What: `replay`, `consolidate`, `writer_round`, `prune`, `backup`.
    pub(super) what: &'static str,
    when: cron::Schedule,
}

impl Entry {
    /// Work at the times of a cron expression, seconds first; none for an empty one.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for one that cannot be read.
    pub(super) fn new(what: &'static str, expression: &str) -> Result<Option<Self>> {
        if expression.trim().is_empty() {
            return Ok(None);
        }
        let when = cron::Schedule::from_str(expression)
            .doing(Kind::Invalid, || format!("schedule.{what} = {expression:?} is no cron expression"))?;
        Ok(Some(Self { what, when }))
    }

    /// The first time after `last`, in the time zone's local time; none if there is none.
    pub(super) fn after<Z: TimeZone>(&self, last: Timestamp, zone: &Z) -> Option<Timestamp> {
        let last: DateTime<Z> = zone.timestamp_millis_opt(last.0).single()?;
        self.when.after(&last).next().map(|next| Timestamp(next.timestamp_millis()))
    }

    /// Whether it is due: its time has come since it was last done. Several times that passed meanwhile (the machine
    /// was off) make it due once. A last time in the future (the clock was set back) counts as now.
    pub(super) fn due<Z: TimeZone>(&self, last: Timestamp, now: Timestamp, zone: &Z) -> bool {
        self.after(last.min(now), zone).is_some_and(|next| next <= now)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, Utc};

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn work_is_due_once_however_long_the_machine_was_off() {
        let daily = Entry::new("replay", "0 0 4 * * *").unwrap().unwrap();
        let last = at("2026-11-20T04:00:00Z");
        assert!(!daily.due(last, at("2026-11-21T03:59:59Z"), &Utc));
        assert!(daily.due(last, at("2026-11-21T04:00:00Z"), &Utc));
        let late = at("2026-12-24T15:00:00Z");
        assert!(daily.due(last, late, &Utc));
        assert!(!daily.due(late, late.plus_seconds(60), &Utc), "caught up once");
        assert_eq!(daily.after(late, &Utc), Some(at("2026-12-25T04:00:00Z")));
    }

    #[test]
    fn the_hour_is_the_local_one_and_moves_with_the_zone() {
        let daily = Entry::new("replay", "0 0 4 * * *").unwrap().unwrap();
        let east = FixedOffset::east_opt(9 * 3600).unwrap();
        let last = at("2026-11-20T12:00:00Z");
        assert_eq!(daily.after(last, &east), Some(at("2026-11-21T04:00:00+09:00")));
        assert_eq!(daily.after(last, &Utc), Some(at("2026-11-21T04:00:00Z")));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_it() {
        let hourly = Entry::new("backup", "0 0 * * * *").unwrap().unwrap();
        let (last, now) = (at("2030-01-01T00:00:00Z"), at("2026-11-20T12:30:00Z"));
        assert!(!hourly.due(last, now, &Utc));
        assert_eq!(hourly.after(last.min(now), &Utc), Some(at("2026-11-20T13:00:00Z")));
    }

    #[test]
    fn nothing_is_no_schedule_and_nonsense_an_error() {
        assert!(Entry::new("prune", " ").unwrap().is_none());
        let e = Entry::new("prune", "every day").unwrap_err();
        assert!(e.kind() == Kind::Invalid && e.to_string().contains("prune"), "{e}");
    }
}
