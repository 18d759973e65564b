//! Quiet hours: times of day at which nothing is learned.

use chrono::{NaiveDateTime, TimeDelta, Timelike};

use super::invalid;
use seald_core::error::Result;

/// Minutes of a day.
const DAY: usize = 24 * 60;

/// Times of day without learning, in local time, to the minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// For each minute of the day, whether it is quiet. Never all of them.
    minutes: Vec<bool>,
}

impl QuietHours {
    /// Reads spans such as `22:00-07:00`: from the first time until just before the second, past midnight where that is
    /// earlier. `24:00` is the end of the day.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] where one is no span, is empty, or together they leave no minute of the day.
    pub fn parse<S: AsRef<str>>(spans: &[S]) -> Result<Self> {
        let mut minutes = vec![false; DAY];
        for span in spans {
            let span = span.as_ref();
            let Some((from, to)) = span.split_once('-').and_then(|(a, b)| Some((minute(a)?, minute(b)?)))
            else {
                let text = format!("quiet_hours has {span:?}: write it like \"22:00-07:00\"");
                return invalid(text);
            };
            let from = from % DAY;
            if from == to {
                return invalid(format!("quiet_hours has {span:?}: give two different times"));
            }
            let length = (to + DAY - from - 1) % DAY + 1;
            (from..from + length).for_each(|minute| minutes[minute % DAY] = true);
        }
        if minutes.iter().all(|quiet| *quiet) {
            return invalid("quiet_hours is the whole day: leave a time for learning".to_string());
        }
        Ok(Self { minutes })
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        !self.minutes.contains(&true)
    }

    /// Where `local` is quiet, the time on the local clock at which it no longer is; none where it is not. Before a clock
    /// that is put back or forward ask again: this knows no time zones.
    pub fn quiet_until(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let now = local.hour() as usize * 60 + local.minute() as usize;
        let left = (0..DAY).find(|ahead| !self.minutes[(now + ahead) % DAY]).filter(|left| *left > 0)?;
        let whole = local.with_second(0)?.with_nanosecond(0)?;
        whole.checked_add_signed(TimeDelta::minutes(left as i64))
    }
}

/// `07:30` as a minute of the day, 0 to 1440.
fn minute(text: &str) -> Option<usize> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |part: &str| !part.is_empty() && part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(hours) || minutes.len() != 2 || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (usize, usize) = (hours.parse().ok()?, minutes.parse().ok()?);
    let whole = hours * 60 + minutes;
    (minutes < 60 && whole <= DAY).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    fn until(spans: &[&str], now: &str) -> Option<String> {
        let quiet = QuietHours::parse(spans).unwrap();
        quiet.quiet_until(at(now)).map(|end| end.format("%dT%H:%M:%S").to_string())
    }

    #[test]
    fn a_span_holds_from_its_first_minute_until_before_its_last() {
        let lunch = ["12:00-13:00"];
        assert_eq!(until(&lunch, "2026-03-10T11:59:59"), None);
        assert_eq!(until(&lunch, "2026-03-10T12:00:00").as_deref(), Some("10T13:00:00"));
        assert_eq!(until(&lunch, "2026-03-10T12:59:59.5").as_deref(), Some("10T13:00:00"));
        assert_eq!(until(&lunch, "2026-03-10T13:00:00"), None);
    }

    #[test]
    fn a_night_passes_midnight_and_the_end_of_the_year() {
        let night = ["22:00-07:00"];
        assert_eq!(until(&night, "2026-12-31T22:00:00").as_deref(), Some("01T07:00:00"));
        assert_eq!(until(&night, "2027-01-01T06:59:00").as_deref(), Some("01T07:00:00"));
        assert_eq!(until(&night, "2027-01-01T07:00:00"), None);
        assert_eq!(until(&["18:00-24:00"], "2026-03-10T23:59:59").as_deref(), Some("11T00:00:00"));
        assert_eq!(until(&["24:00-01:00"], "2026-03-10T00:59:59").as_deref(), Some("10T01:00:00"));
    }

    #[test]
    fn spans_that_meet_are_one() {
        let two = ["22:00-02:00", "1:30-07:00"];
        assert_eq!(until(&two, "2026-03-10T23:00:00").as_deref(), Some("11T07:00:00"));
        assert_eq!(until(&[], "2026-03-10T23:00:00"), None);
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for wrong in ["22-7", "22:00", "25:00-07:00", "22:60-07:00", "a-b", "22:00-22:00", "", "+2:00-3:00"] {
            let error = QuietHours::parse(&[wrong]).unwrap_err().to_string();
            assert!(error.starts_with("quiet_hours has"), "{wrong}: {error}");
        }
        let whole = QuietHours::parse(&["00:00-12:00", "12:00-24:00"]).unwrap_err();
        assert!(whole.to_string().contains("whole day"), "{whole}");
        assert!(QuietHours::parse(&["00:00-24:00"]).is_err());
    }
}
