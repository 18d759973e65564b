//! Forgetting on request: which document, what contains it, and the removal of its rows.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{all, first, run};
use super::failure::{conflict, not_found};
use super::stages::Next;
use super::{documents, jobs};
use seald_core::clock::Timestamp;
use seald_core::domain::consolidation::{Forgetting, Proof};
use seald_core::domain::ids::{DocumentId, GenerationId, JobId, WriterId};
use seald_core::domain::job::{Job, JobKind, JobState, Stage};
use seald_core::error::Result;

impl Store {
    /// Queues the job that forgets a document with its earlier versions; the one that is queued already, if there is one.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is no such document; [`seald_core::Kind::Conflict`] where a newer version took
    /// its place.
    pub fn forget(&mut self, document: DocumentId, keep_history: bool) -> Result<Job> {
        self.write(format_args!("forget document {document}"), |db| {
            documents::find(db, document)?;
            if let Some(newer) = documents::newer(db, document)? {
                let text = format!(
                    "document {newer} is a newer version of it: forget that one, and both are forgotten"
                );
                return Err(conflict(text));
            }
            let job = jobs::queue(db, JobKind::Forget, Some(document), "asked for")?;
            let sql = "INSERT OR IGNORE INTO forgettings (job, document, keep_history) VALUES (?, ?, ?)";
            run(db, sql, params![job.id, document, keep_history])?;
            Ok(job)
        })
    }

    /// What a job is to forget, or forgot.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where the job forgets nothing.
    pub fn forgetting(&self, job: JobId) -> Result<Forgetting> {
        self.read(format_args!("what job {job} forgets"), |db| {
            first(db, "SELECT * FROM forgettings WHERE job = ?", [job], row)?
                .ok_or_else(|| not_found(format!("job {job} forgets nothing")))
        })
    }

    /// The newest forgotten documents, newest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the database alone, here and below.
    pub fn forgettings(&self, limit: usize) -> Result<Vec<Forgetting>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("what was forgotten", |db| {
            all(db, "SELECT * FROM forgettings ORDER BY job DESC LIMIT ?", [limit], row)
        })
    }

    /// A document and its earlier versions.
    ///
    /// # Errors
    /// As [`Store::forgettings`].
    pub fn versions(&self, document: DocumentId) -> Result<Vec<DocumentId>> {
        let sql = "WITH RECURSIVE versions AS (
                       SELECT id FROM documents WHERE id = ?
                       UNION SELECT d.id FROM documents d JOIN versions v ON d.replaced_by = v.id)
                   SELECT id FROM versions ORDER BY id";
        self.read(format_args!("the versions of document {document}"), |db| {
            all(db, sql, [document], |row| row.get(0))
        })
    }

    /// Generations that learned one of the documents, or stand on one that did; but those that `job` made without them.
    ///
    /// # Errors
    /// As [`Store::forgettings`].
    pub fn generations_with(&self, documents: &[DocumentId], job: JobId) -> Result<Vec<GenerationId>> {
        self.read("the generations", |db| {
            let sql = "SELECT generation FROM consolidations WHERE job = ? AND generation IS NOT NULL";
            let without: HashSet<GenerationId> = all(db, sql, [job], |row| row.get(0))?.into_iter().collect();
            let mut found = BTreeSet::new();
            for document in documents {
                let sql = "WITH RECURSIVE those AS (
                               SELECT generation AS id FROM generation_documents WHERE document = ?
                               UNION SELECT g.id FROM generations g JOIN those t ON g.parent = t.id)
                           SELECT id FROM those";
                found.extend(all(db, sql, [document], |row| row.get::<_, GenerationId>(0))?);
            }
            Ok(found.into_iter().filter(|id| !without.contains(id)).collect())
        })
    }

    /// Writers that were trained on self-edits about one of the documents.
    ///
    /// # Errors
    /// As [`Store::forgettings`].
    pub fn writers_with(&self, documents: &[DocumentId]) -> Result<Vec<WriterId>> {
        self.read("the writers", |db| writers_with(db, documents))
    }

    /// Files of the inbox that one of the documents came from and no other, by their path beneath `done`.
    ///
    /// # Errors
    /// As [`Store::forgettings`].
    pub fn files_of(&self, documents: &[DocumentId]) -> Result<Vec<PathBuf>> {
        self.read("the files of the inbox", |db| {
            let mut found = BTreeSet::new();
            for document in documents {
                let sql = "SELECT path FROM inbox_files WHERE document = ?";
                let paths: Vec<Vec<u8>> = all(db, sql, [document], |row| row.get(0))?;
                for path in paths {
                    let sql = "SELECT document FROM inbox_files WHERE path = ?";
                    let of: Vec<DocumentId> = all(db, sql, [&path], |row| row.get(0))?;
                    if of.iter().all(|one| documents.contains(one)) {
                        found.insert(PathBuf::from(std::ffi::OsString::from_vec(path)));
                    }
                }
            }
            Ok(found.into_iter().collect())
        })
    }

    /// Removes all rows of the documents, and whatever was made of them; the present writer gives way to the newest that was not trained on
    /// them. What replay asked about others while they were learned stays. The text is overwritten in the file.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more, or one of the documents is being learned.
    pub fn finish_purge(&mut self, job: &Job, documents: &[DocumentId], now: Timestamp) -> Result<Job> {
        let knew = self.generations_with(documents, job.id)?;
        let done = self.finish_job(job, Stage::Purge, |db, job| {
            retire_writers(db, documents)?;
            blank_answers(db, &knew)?;
            for document in documents {
                purge(db, *document)?;
            }
            // Full-text search keeps words of removed rows until its parts are merged.
            run(db, "INSERT INTO lookup (lookup) VALUES ('optimize')", [])?;
            run(db, "UPDATE forgettings SET ended_at = ? WHERE job = ?", params![now.0, job.id])?;
            Ok(Next::Advance)
        })?;
        // The log of changes holds earlier pages until it is written back. Readers may keep it from being cut now; the next does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(done)
    }
}

/// What a model that knew the document answered about others may hold its words; so may what a candidate answered that continued it. Answers that are word for word what
/// was asked for hold the other document's alone. How each was judged stays.
fn blank_answers(db: &Connection, knew: &[GenerationId]) -> Result<()> {
    if knew.is_empty() {
        return Ok(());
    }
    run(db, "UPDATE evaluations SET answer = '' WHERE exact = 0 AND subject = 'candidate'", [])?;
    for generation in knew {
        run(db, "UPDATE evaluations SET answer = '' WHERE exact = 0 AND generation = ?", [generation])?;
    }
    Ok(())
}

fn purge(db: &Connection, document: DocumentId) -> Result<()> {
    let sql = "SELECT state FROM jobs WHERE document = ? AND kind = 'learn' AND state = ?";
    let running = first(db, sql, params![document, JobState::Running.as_str()], |_| Ok(()))?;
    if running.is_some() {
        return Err(conflict(format!("document {document} is being learned")));
    }
    let sql =
        "UPDATE OR REPLACE evaluations SET asked_for = (SELECT p.document FROM probes p WHERE p.id = probe)
               WHERE asked_for = ?1 AND subject = 'replay'
               AND probe IN (SELECT id FROM probes WHERE document <> ?1)";
    run(db, sql, [document])?;
    run(db, "DELETE FROM generation_documents WHERE document = ?", [document])?;
    run(db, "DELETE FROM jobs WHERE document = ? AND kind = 'learn'", [document])?;
    // The log names it in what others did, too: a rollback lists the titles that it dropped.
    let sql = "DELETE FROM events WHERE document = ?1
               OR instr(body, (SELECT json_quote(title) FROM documents WHERE id = ?1)) > 0";
    run(db, sql, [document])?;
    run(db, "DELETE FROM probes WHERE document = ?", [document])?;
    run(db, "DELETE FROM documents WHERE id = ?", [document]).map(drop)
}

fn writers_with(db: &Connection, documents: &[DocumentId]) -> Result<Vec<WriterId>> {
    let mut found = BTreeSet::new();
    for document in documents {
        let sql = "SELECT writer FROM writer_documents WHERE document = ?";
        found.extend(all(db, sql, [document], |row| row.get::<_, WriterId>(0))?);
    }
    Ok(found.into_iter().collect())
}

fn retire_writers(db: &Connection, documents: &[DocumentId]) -> Result<()> {
    let gone = writers_with(db, documents)?;
    let writer: Option<Option<WriterId>> = first(db, "SELECT writer FROM live", [], |row| row.get(0))?;
    if let Some(Some(present)) = writer
        && gone.contains(&present)
    {
        let ids: Vec<WriterId> =
            all(db, "SELECT id FROM writers WHERE id < ? ORDER BY id DESC", [present], |row| row.get(0))?;
        let next = ids.into_iter().find(|id| !gone.contains(id));
        run(db, "UPDATE live SET writer = ?", [next])?;
    }
    Ok(())
}

fn row(row: &Row<'_>) -> rusqlite::Result<Forgetting> {
    let proof = match row.get::<_, Option<usize>>("asked")? {
        None => None,
        Some(asked) => Some(Proof {
            asked,
            right_base: row.get("right_base")?,
            right_before: row.get("right_before")?,
            right_after: row.get("right_after")?,
        }),
    };
    Ok(Forgetting {
        job: row.get("job")?,
        document: row.get("document")?,
        keep_history: row.get("keep_history")?,
        proof,
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(Timestamp),
    })
}
