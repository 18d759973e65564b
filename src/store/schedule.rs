//! What the daemon was told, and when it last did what: kept over restarts.

use rusqlite::params;

use super::Store;
use super::columns::{all, first, run};
use crate::clock::Timestamp;
use crate::error::Result;

/// Somebody wants nothing to be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// Until when; none: until somebody resumes.
    pub until: Option<Timestamp>,
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

    /// When each kind of scheduled work was last done.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub fn last_runs(&self) -> Result<Vec<(String, Timestamp)>> {
        self.read("the schedule", |db| {
            all(db, "SELECT what, last_run FROM schedule ORDER BY what", [], |row| {
                Ok((row.get(0)?, Timestamp(row.get(1)?)))
            })
        })
    }

    /// Says that scheduled work is done, or that its time begins now.
    ///
    /// # Errors
    /// As [`Store::pause`].
    pub fn ran(&mut self, what: &str, at: Timestamp) -> Result<()> {
        self.write(format_args!("note the run of {what}"), |db| {
            run(db, "INSERT OR REPLACE INTO schedule (what, last_run) VALUES (?, ?)", params![what, at.0])
                .map(drop)
        })
    }
}
