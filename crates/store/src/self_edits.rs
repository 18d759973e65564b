//! Self-edits: the results of the second stage.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Json, Word, all, run};
use super::stages::Next;
use seald_core::domain::ids::{DocumentId, PassageId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::self_edit::{Directive, DroppedLine, RowText, SelfEdit};
use seald_core::error::Result;

/// A self-edit that has no row yet, of the job's document. One for each candidate and passage.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSelfEdit {
    /// The passage it was written from.
    pub passage: PassageId,
    /// Its candidate, from 0.
    pub candidate: usize,
    /// How to train on it.
    pub directive: Directive,
    /// Hash of the prompt it was written with.
    pub prompt_version: String,
    /// Content hash of the writer adapter, or `MODEL at URL` of a model elsewhere; none for the base.
    pub writer: Option<String>,
    /// What the model wrote, word for word.
    pub text: String,
    /// The training rows made of it; empty if it was discarded.
    pub rows: Vec<RowText>,
    /// Why it was not tried.
    pub discarded: Option<String>,
    /// Lines left out of the rows, each with its reason.
    pub dropped: Vec<DroppedLine>,
}

impl Store {
    /// Stores the self-edits of a document in place of earlier ones (whose trials go with them).
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more.
    pub fn finish_self_edits(&mut self, job: &Job, self_edits: &[NewSelfEdit]) -> Result<Job> {
        self.finish(job, Stage::SelfEdits, |db, document| {
            run(db, "DELETE FROM trials WHERE document = ?", [document])?;
            run(db, "DELETE FROM self_edits WHERE document = ?", [document])?;
            for one in self_edits {
                insert(db, document, one)?;
            }
            Ok(Next::Advance)
        })
    }

    /// A document's self-edits, in the order in which they were stored.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn self_edits(&self, document: DocumentId) -> Result<Vec<SelfEdit>> {
        let sql = "SELECT * FROM self_edits WHERE document = ? ORDER BY id";
        self.read(format_args!("the self-edits of document {document}"), |db| all(db, sql, [document], row))
    }
}

fn insert(db: &Connection, document: DocumentId, one: &NewSelfEdit) -> Result<()> {
    let NewSelfEdit { passage, candidate, directive, prompt_version, writer, text, rows, discarded, dropped } =
        one;
    let Directive { format, learning_rate, epochs } = directive;
    let sql =
        "INSERT INTO self_edits (document, passage, candidate, format, learning_rate, epochs, prompt_version,
               writer, text, training_rows, discarded, dropped) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let format = format.as_str();
    let values = params![
        document,
        passage,
        candidate,
        format,
        learning_rate,
        epochs,
        prompt_version,
        writer,
        text,
        Json(rows),
        discarded,
        Json(dropped)
    ];
    run(db, sql, values).map(drop)
}

fn row(row: &Row<'_>) -> rusqlite::Result<SelfEdit> {
    Ok(SelfEdit {
        id: row.get("id")?,
        document: row.get("document")?,
        passage: row.get("passage")?,
        candidate: row.get("candidate")?,
        directive: Directive {
            format: row.get::<_, Word<_>>("format")?.0,
            learning_rate: row.get("learning_rate")?,
            epochs: row.get("epochs")?,
        },
        prompt_version: row.get("prompt_version")?,
        writer: row.get("writer")?,
        text: row.get("text")?,
        rows: row.get::<_, Json<_>>("training_rows")?.0,
        discarded: row.get("discarded")?,
        dropped: row.get::<_, Json<_>>("dropped")?.0,
    })
}
