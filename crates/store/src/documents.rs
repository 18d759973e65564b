//! Documents, their passages, and the questions that came with them.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Json, Word, all, first, run};
use super::failure::not_found;
use super::jobs;
use super::probes::{self, SuppliedProbe};
use seald_core::clock::Timestamp;
use seald_core::domain::document::{Document, DocumentFormat, DocumentState, Passage};
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::job::{Job, JobKind, JobState};
use seald_core::error::{Error, Kind, Result};

/// A document that was read and has no row yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// BLAKE3 of title and text, hexadecimal.
    pub hash: String,
    /// File name as the user knows it.
    pub name: String,
    /// Title, one line, not empty.
    pub title: String,
    /// Clean text.
    pub text: String,
    /// How it was read.
    pub format: DocumentFormat,
    /// The subfolder of the inbox that it came in.
    pub tag: Option<String>,
}

/// What became of a document that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It has a row now, and a job that learns it.
    New(DocumentId, JobId),
    /// The same content was handed in before.
    Known(DocumentId),
}

const COLUMNS: &str = "id, hash, name, title, text, format, state, reasons, received_at";

impl Store {
    /// Takes in a document with the questions that came with it, and queues its job; or finds that its hash is known,
    /// and then changes nothing.
    ///
    /// # Errors
    /// [`seald_core::Kind::Busy`] while a document of that content waits to be forgotten.
    pub fn receive(
        &mut self,
        document: &NewDocument,
        supplied: &[SuppliedProbe],
        now: Timestamp,
    ) -> Result<Received> {
        self.write(format_args!("take in {}", document.name), |db| receive(db, document, supplied, now))
    }

    /// Makes a document that was rejected, or failed, wait again, with these questions in place of those that it came with.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] without such a document; [`seald_core::Kind::Conflict`] where its job is under way, or where
    /// the live model knows it.
    pub fn retry_with(&mut self, id: DocumentId, supplied: &[SuppliedProbe]) -> Result<Job> {
        self.write(format_args!("learn document {id} again"), |db| retry_with(db, id, supplied))
    }

    /// A document.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is none of that number.
    pub fn document(&self, id: DocumentId) -> Result<Document> {
        self.read(format_args!("document {id}"), |db| find(db, id))
    }

    /// Puts passages in place of a document's, with all that was made from the earlier ones, if they differ from them;
    /// the passages as they are then.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more.
    pub fn cut(&mut self, job: &Job, passages: &[String]) -> Result<Vec<Passage>> {
        self.keep(job, JobKind::Learn.first(), |db, document| {
            let stored = passages_of(db, document)?;
            if stored.iter().map(|p| &p.text).eq(passages) {
                return Ok(stored);
            }
            probes::clear(db, document)?;
            run(db, "DELETE FROM passages WHERE document = ?", [document])?;
            for (position, text) in passages.iter().enumerate() {
                let sql = "INSERT INTO passages (document, position, text) VALUES (?, ?, ?)";
                run(db, sql, params![document, position, text])?;
            }
            passages_of(db, document)
        })
    }

    /// Says that a document is the newest version of its name: others of that name and tag are replaced by it, and it
    /// by none. The replaced ones.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is no such document.
    pub fn replace_versions(&mut self, id: DocumentId) -> Result<Vec<DocumentId>> {
        self.write(format_args!("mark the versions of document {id}"), |db| replace_versions(db, id))
    }

    /// A document's passages, in the order of its text; none before it is learned.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn passages(&self, document: DocumentId) -> Result<Vec<Passage>> {
        self.read(format_args!("the passages of document {document}"), |db| passages_of(db, document))
    }

    /// The questions that came with a document, in their order.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn supplied_probes(&self, document: DocumentId) -> Result<Vec<SuppliedProbe>> {
        self.read(format_args!("the questions that came with document {document}"), |db| {
            supplied_of(db, document)
        })
    }
}

/// What waits to be forgotten goes with its files: the same content that came since would go with it, unseen.
fn refuse_forgotten(db: &Connection, id: DocumentId) -> Result<()> {
    let sql = "WITH RECURSIVE newer AS (
                   SELECT ? AS id
                   UNION SELECT d.replaced_by FROM documents d JOIN newer n ON d.id = n.id WHERE d.replaced_by IS NOT NULL)
               SELECT 1 FROM forgettings f JOIN jobs j ON j.id = f.job
               WHERE f.document IN (SELECT id FROM newer) AND j.state IN ('queued', 'running')";
    match first(db, sql, [id], |row| row.get::<_, i64>(0))? {
        None => Ok(()),
        Some(_) => {
            let text = format!(
                "it has the content of document {id}, which is being forgotten: it is taken in after that"
            );
            Err(Error::new(Kind::Busy, text))
        }
    }
}

/// As [`Store::receive`].
pub(super) fn receive(
    db: &Connection,
    document: &NewDocument,
    supplied: &[SuppliedProbe],
    now: Timestamp,
) -> Result<Received> {
    let known = "SELECT id FROM documents WHERE hash = ?";
    if let Some(id) = first(db, known, [&document.hash], |row| row.get(0))? {
        refuse_forgotten(db, id)?;
        return Ok(Received::Known(id));
    }
    let id = insert(db, document, now)?;
    supply(db, id, supplied)?;
    let sql = "INSERT INTO jobs (kind, document, stage, state, attempts) VALUES ('learn', ?, ?, ?, 0)";
    run(db, sql, params![id, JobKind::Learn.first().as_str(), JobState::Queued.as_str()])?;
    Ok(Received::New(id, JobId(db.last_insert_rowid())))
}

/// As [`Store::retry_with`].
pub(super) fn retry_with(db: &Connection, id: DocumentId, supplied: &[SuppliedProbe]) -> Result<Job> {
    run(db, "DELETE FROM supplied_probes WHERE document = ?", [id])?;
    supply(db, id, supplied)?;
    jobs::retry(db, id)
}

/// As [`Store::replace_versions`].
pub(super) fn replace_versions(db: &Connection, id: DocumentId) -> Result<Vec<DocumentId>> {
    find(db, id)?;
    let sql = "SELECT o.id FROM documents o JOIN documents n ON n.id = ?1
               WHERE o.name = n.name AND o.tag IS n.tag AND o.id <> n.id AND o.replaced_by IS NOT n.id";
    let others: Vec<DocumentId> = all(db, sql, [id], |row| row.get(0))?;
    for other in &others {
        run(db, "UPDATE documents SET replaced_by = ? WHERE id = ?", params![id, other])?;
    }
    run(db, "UPDATE documents SET replaced_by = NULL WHERE id = ?", [id])?;
    Ok(others)
}

/// The questions that came with a document.
pub(super) fn supplied_of(db: &Connection, document: DocumentId) -> Result<Vec<SuppliedProbe>> {
    let sql = "SELECT question, answers FROM supplied_probes WHERE document = ? ORDER BY position";
    all(db, sql, [document], |row| {
        Ok(SuppliedProbe { question: row.get(0)?, answers: row.get::<_, Json<_>>(1)?.0 })
    })
}

fn passages_of(db: &Connection, document: DocumentId) -> Result<Vec<Passage>> {
    let sql = "SELECT id, document, position, text FROM passages WHERE document = ? ORDER BY position";
    all(db, sql, [document], |row| {
        Ok(Passage { id: row.get(0)?, document: row.get(1)?, index: row.get(2)?, text: row.get(3)? })
    })
}

fn supply(db: &Connection, id: DocumentId, supplied: &[SuppliedProbe]) -> Result<()> {
    for (position, SuppliedProbe { question, answers }) in supplied.iter().enumerate() {
        let sql = "INSERT INTO supplied_probes (document, position, question, answers) VALUES (?, ?, ?, ?)";
        run(db, sql, params![id, position, question, Json(answers)])?;
    }
    Ok(())
}

fn insert(db: &Connection, document: &NewDocument, now: Timestamp) -> Result<DocumentId> {
    let NewDocument { hash, name, title, text, format, tag } = document;
    let sql = "INSERT INTO documents (hash, name, title, text, format, tag, state, received_at)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let state = DocumentState::Waiting.as_str();
    run(db, sql, params![hash, name, title, text, format.as_str(), tag, state, now.0])?;
    Ok(DocumentId(db.last_insert_rowid()))
}

pub(super) fn find(db: &Connection, id: DocumentId) -> Result<Document> {
    let sql = format!("SELECT {COLUMNS} FROM documents WHERE id = ?");
    first(db, &sql, [id], row)?.ok_or_else(|| not_found(format!("there is no document {id}")))
}

/// The document that took this one's place, if one did.
pub(super) fn newer(db: &Connection, id: DocumentId) -> Result<Option<DocumentId>> {
    let sql = "SELECT replaced_by FROM documents WHERE id = ?";
    Ok(first(db, sql, [id], |row| row.get(0))?.flatten())
}

pub(super) fn set_state(
    db: &Connection,
    id: DocumentId,
    state: DocumentState,
    reasons: &[String],
) -> Result<()> {
    let sql = "UPDATE documents SET state = ?, reasons = ? WHERE id = ?";
    match run(db, sql, params![state.as_str(), Json(reasons), id])? {
        0 => Err(not_found(format!("there is no document {id}"))),
        _ => Ok(()),
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<Document> {
    Ok(Document {
        id: row.get("id")?,
        hash: row.get("hash")?,
        name: row.get("name")?,
        title: row.get("title")?,
        text: row.get("text")?,
        format: row.get::<_, Word<_>>("format")?.0,
        state: row.get::<_, Word<_>>("state")?.0,
        reasons: row.get::<_, Json<_>>("reasons")?.0,
        received_at: Timestamp(row.get("received_at")?),
    })
}
