//! How long documents took to be learned, and how much waits: what foretells the time that is left.

use rusqlite::params;

use super::Store;
use super::columns::{all, first};
use seald_core::domain::ids::DocumentId;
use seald_core::error::Result;

/// How long learning a document took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningTime {
    /// The document.
    pub document: DocumentId,
    /// Bytes of its text.
    pub bytes: u64,
    /// Seconds from its beginning to its end.
    pub seconds: f64,
}

impl Store {
    /// What the present base model took for the documents that it learned last, or rejected after the same work, the newest first.
    ///
    /// # Errors
    /// Those of the database alone, here and wherever no others are named.
    pub fn learning_times(&self, limit: usize) -> Result<Vec<LearningTime>> {
        // What was never put to the gate took no such work.
        let sql = "SELECT d.id, octet_length(d.text), json_extract(e.body, '$.seconds')
                   FROM events e JOIN documents d ON d.id = e.document
                   WHERE e.kind = 'finished' AND json_extract(e.body, '$.after') IS NOT NULL
                     AND e.at >= (SELECT ifnull(max(left_at), 0) FROM lineages)
                   ORDER BY e.id DESC LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("how long documents took", |db| {
            all(db, sql, [limit], |row| {
                Ok(LearningTime { document: row.get(0)?, bytes: row.get(1)?, seconds: row.get(2)? })
            })
        })
    }

    /// Bytes of text that wait to be learned, those of the document under way counted, but not those of texts of more than `longest` bytes.
    ///
    /// # Errors
    /// As [`Store::learning_times`].
    pub fn bytes_waiting(&self, longest: u64) -> Result<u64> {
        let sql = "SELECT ifnull(sum(octet_length(text)), 0) FROM documents
                   WHERE state = 'waiting' AND octet_length(text) <= ?";
        let longest = i64::try_from(longest).unwrap_or(i64::MAX);
        self.read("what waits", |db| Ok(first(db, sql, params![longest], |row| row.get(0))?.unwrap_or(0)))
    }

    /// Bytes of a document's text; 0 where there is no such document.
    ///
    /// # Errors
    /// As [`Store::learning_times`].
    pub fn bytes_of(&self, document: DocumentId) -> Result<u64> {
        let sql = "SELECT octet_length(text) FROM documents WHERE id = ?";
        self.read(format_args!("document {document}"), |db| {
            Ok(first(db, sql, params![document], |row| row.get(0))?.unwrap_or(0))
        })
    }
}
