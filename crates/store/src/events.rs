//! The log of what happened: append-only, bounded, for people and for clients that were away.

use rusqlite::{Row, params};

use super::Store;
use super::columns::{Json, all, first, run};
use seald_core::clock::Timestamp;
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::error::Result;

/// So many of the newest events are kept.
pub const EVENTS_KEPT: usize = 20_000;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When.
    pub at: Timestamp,
    /// During which job.
    pub job: Option<JobId>,
    /// To which document.
    pub document: Option<DocumentId>,
    /// One word for what it is.
    pub kind: String,
    /// The rest.
    pub body: serde_json::Value,
}

/// An event in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its number: later ones have higher ones, and none is used twice.
    pub id: i64,
    /// What happened.
    pub event: NewEvent,
}

impl Store {
    /// Appends events and forgets the oldest beyond [`EVENTS_KEPT`]. Each call waits for the disk: gather quick ones.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn log(&mut self, events: &[NewEvent]) -> Result<()> {
        self.log_keeping(events, EVENTS_KEPT)
    }

    fn log_keeping(&mut self, events: &[NewEvent], keep: usize) -> Result<()> {
        self.write("log events", |db| {
            for NewEvent { at, job, document, kind, body } in events {
                let sql = "INSERT INTO events (at, job, document, kind, body) VALUES (?, ?, ?, ?, ?)";
                run(db, sql, params![at.0, job, document, kind, Json(body)])?;
            }
            run(db, "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", [keep]).map(drop)
        })
    }

    /// Whether an event of that kind is kept whose body has `value` under `key`.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn has_event(&self, kind: &str, key: &str, value: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM events WHERE kind = ? AND json_extract(body, '$.' || ?) = ? LIMIT 1";
        self.read("the events", |db| Ok(first(db, sql, [kind, key, value], |_| Ok(()))?.is_some()))
    }

    /// Events after number `id` (0: from the oldest kept), oldest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn events_after(&self, id: i64, limit: usize) -> Result<Vec<EventRow>> {
        let sql = "SELECT id, at, job, document, kind, body FROM events WHERE id > ? ORDER BY id LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("the events", |db| all(db, sql, params![id, limit], row))
    }

    /// The newest kept event of that kind that a job left.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn event_of(&self, job: JobId, kind: &str) -> Result<Option<EventRow>> {
        let sql = "SELECT id, at, job, document, kind, body FROM events WHERE job = ? AND kind = ? ORDER BY id DESC LIMIT 1";
        self.read("the events", |db| first(db, sql, params![job, kind], row))
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<EventRow> {
    let event = NewEvent {
        at: Timestamp(row.get(1)?),
        job: row.get(2)?,
        document: row.get(3)?,
        kind: row.get(4)?,
        body: row.get::<_, Json<_>>(5)?.0,
    };
    Ok(EventRow { id: row.get(0)?, event })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_events_go_and_numbers_are_not_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&dir.path().join("seald.db")).unwrap();
        let event = |n: i64| NewEvent {
            at: Timestamp(n),
            job: Some(JobId(n)),
            document: None,
            kind: "step".into(),
            body: serde_json::json!({ "n": n }),
        };
        let events: Vec<_> = (1..=5).map(event).collect();
        store.log_keeping(&events, 3).unwrap();
        let kept = store.events_after(0, 10).unwrap();
        assert_eq!(kept.iter().map(|e| e.id).collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(kept[0].event, event(3));
        store.log_keeping(&[], 0).unwrap();
        store.log_keeping(&[event(6)], 3).unwrap();
        assert_eq!(store.events_after(5, 10).unwrap(), [EventRow { id: 6, event: event(6) }]);
    }
}
