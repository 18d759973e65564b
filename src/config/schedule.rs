//! What is done by the clock.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::quiet::QuietHours;
use super::{in_range, invalid};
use seald_core::error::Result;

/// Options of the schedule. Times are local. The five expressions are for the `cron` crate: second, minute, hour, day of the
/// month, month, day of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleOptions {
    /// When everything that was learned is asked again: second, minute, hour, day of the month, month, day of the week.
    /// "0 30 4 * * Mon-Fri" is half past four on working days. Empty: never.
    pub replay: String,
    /// When everything that was learned since the last time is trained anew in one adapter ("sleep"); written as `replay`. See
    /// `consolidate`. Empty: never by the clock.
    pub consolidate: String,
    /// When the writer of self-edits is trained on its winners; written as `replay`. See `writer_rounds`. Empty: never by the clock.
    pub writer_round: String,
    /// When old generations and old backups are removed; written as `replay`. Empty: never.
    pub prune: String,
    /// When the database is copied to `state/backups`; written as `replay`. Empty: never.
    pub backup: String,
    /// Times of day without learning, for instance ["22:00-07:00"] (past midnight) or ["09:00-12:00", "13:00-17:00"]. Questions
    /// are answered. Empty: none.
    pub quiet_hours: Vec<String>,
    /// Backups that are kept, the newest, 1 to 1,000.
    pub keep_backups: usize,
    /// Generations that are kept, the newest and the live one, 1 to 100,000.
    pub keep_generations: usize,
}

impl Default for ScheduleOptions {
    fn default() -> Self {
        Self {
            replay: "0 0 4 * * *".into(),
            consolidate: "0 0 2 * * Sun".into(),
            writer_round: "0 0 1 * * Sun".into(),
            prune: "0 30 4 * * Sun".into(),
            backup: "0 0 3 * * *".into(),
            quiet_hours: Vec::new(),
            keep_backups: 7,
            keep_generations: 20,
        }
    }
}

impl ScheduleOptions {
    /// Checks every expression and range.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] naming the option.
    pub fn validate(&self) -> Result<()> {
        let Self {
            replay,
            consolidate,
            writer_round,
            prune,
            backup,
            quiet_hours: _,
            keep_backups,
            keep_generations,
        } = self;
        let times = [
            ("replay", replay),
            ("consolidate", consolidate),
            ("writer_round", writer_round),
            ("prune", prune),
            ("backup", backup),
        ];
        for (name, text) in times {
            if !text.is_empty() {
                check_expression(name, text)?;
            }
        }
        self.quiet()?;
        in_range("keep_backups", *keep_backups, 1, 1_000)?;
        in_range("keep_generations", *keep_generations, 1, 100_000)
    }

    /// The times of day without learning.
    ///
    /// # Errors
    /// [`seald_core::error::Kind::Invalid`] as [`QuietHours::parse`]; never after [`Self::validate`].
    pub fn quiet(&self) -> Result<QuietHours> {
        QuietHours::parse(&self.quiet_hours)
    }
}

fn check_expression(name: &str, text: &str) -> Result<()> {
    let Err(error) = cron::Schedule::from_str(text) else { return Ok(()) };
    let why = match text.split_whitespace().count() {
        5 => format!("the seconds are missing: write \"0 {}\"", text.trim()),
        6 | 7 => one_line(&error.to_string()),
        _ => "it needs second, minute, hour, day of the month, month, day of the week".to_string(),
    };
    invalid(format!(
        "{name} is {text:?}: {why} (for instance \"0 0 4 * * *\": every day at 04:00; \"\": never)"
    ))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
