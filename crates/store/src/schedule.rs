//! What the daemon was told, and when it last did what: kept over restarts.

use rusqlite::params;

use super::Store;
use super::columns::{all, first, run};
use seald_core::clock::Timestamp;
use seald_core::error::Result;

/// Somebody wants nothing to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Until when; none: until somebody resumes.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// The pause at a moment before its beginning: the clock was set back, and it lasts as long from now as it would have.
    pub fn seen_at(self, now: Timestamp) -> Self {
        let ahead = self.since.0.saturating_sub(now.0).max(0);
        let moved = |time: Timestamp| Timestamp(time.0.saturating_sub(ahead));
        Self { since: moved(self.since), until: self.until.map(moved) }
    }
}

/// A kind of scheduled work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// What: `replay`, `consolidate`, `writer_round`, `prune`, `backup`.
    pub what: String,
    /// Since when its next time is looked for.
    pub since: Timestamp,
    /// When it was last done; none if never.
    pub last_run: Option<Timestamp>,
}

impl Store {
    /// The pause, if there is one; one that is over counts until [`Store::set_pause`] takes it away.
    ///
    /// # Errors
    /// Those of the database alone, here and below.
    pub fn pause(&self) -> Result<Option<Pause>> {
        self.read("the pause", |db| {
            first(db, "SELECT since, until FROM pause", [], |row| {
                Ok(Pause {
                    since: Timestamp(row.get(0)?),
                    until: row.get::<_, Option<i64>>(1)?.map(Timestamp),
                })
            })
        })
    }

    /// Begins a pause in place of any other, or ends it.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub fn set_pause(&mut self, pause: Option<Pause>) -> Result<()> {
        self.write("store the pause", |db| {
            run(db, "DELETE FROM pause", [])?;
            if let Some(Pause { since, until }) = pause {
                let sql = "INSERT INTO pause (only, since, until) VALUES (1, ?, ?)";
                run(db, sql, params![since.0, until.map(|t| t.0)])?;
            }
            Ok(())
        })
    }

    /// Scheduled work, by its name.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub fn scheduled(&self) -> Result<Vec<Scheduled>> {
        self.read("the schedule", |db| {
            all(db, "SELECT what, since, last_run FROM schedule ORDER BY what", [], |row| {
                let last_run = row.get::<_, Option<i64>>(2)?.map(Timestamp);
                Ok(Scheduled { what: row.get(0)?, since: Timestamp(row.get(1)?), last_run })
            })
        })
    }

    /// Looks for the next time of scheduled work from `since` on.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub fn schedule_from(&mut self, what: &str, since: Timestamp) -> Result<()> {
        self.write(format_args!("schedule {what}"), |db| {
            let sql = "INSERT INTO schedule (what, since) VALUES (?, ?) ON CONFLICT DO UPDATE SET since = excluded.since";
            run(db, sql, params![what, since.0]).map(drop)
        })
    }

    /// Says that scheduled work was done; its next time is looked for from now on.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub fn ran(&mut self, what: &str, at: Timestamp) -> Result<()> {
        self.write(format_args!("note the run of {what}"), |db| {
            let sql = "INSERT OR REPLACE INTO schedule (what, since, last_run) VALUES (?, ?2, ?2)";
            run(db, sql, params![what, at.0]).map(drop)
        })
    }
}
