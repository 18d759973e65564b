//! What only onlookers read: counts, pages and answers side by side, each in one snapshot.

use rusqlite::types::ToSql;
use rusqlite::{Row, params_from_iter};

use super::Store;
use super::columns::{Json, Word, all, first};
use super::failure::not_found;
use super::generations;
use seald_core::clock::Timestamp;
use seald_core::domain::document::{DocumentFormat, DocumentState};
use seald_core::domain::evaluation::Evaluation;
use seald_core::domain::ids::{DocumentId, GenerationId, ProbeId};
use seald_core::error::Result;

/// Which documents to list, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DocumentFilter {
    /// Only those in this state; those that are being learned do not wait.
    pub state: Option<DocumentState>,
    /// Only those that came in this subfolder of the inbox.
    pub tag: Option<String>,
    /// Only those whose title, file name or text holds each of these words, the whole of it or in parts; large and small letters of ASCII are alike.
    pub words: Vec<String>,
}

/// A document without its text, and how its gate probes were answered.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// Its number.
    pub id: DocumentId,
    /// File name as the user knows it.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The subfolder of the inbox that it came in.
    pub tag: Option<String>,
    /// How it was read.
    pub format: DocumentFormat,
    /// What became of it; [`DocumentState::Learning`] while its job is under way.
    pub state: DocumentState,
    /// Why it was rejected or failed.
    pub reasons: Vec<String>,
    /// When it came.
    pub received_at: Timestamp,
    /// The newer version that takes its place.
    pub replaced_by: Option<DocumentId>,
    /// The newest generation of the live chain that learned it.
    pub generation: Option<GenerationId>,
    /// Share of its gate probes that were answered right before, 0 to 1; none if none were asked.
    pub before: Option<f64>,
    /// The same for the candidate that the gate judged.
    pub after: Option<f64>,
}

/// A retain probe put to a generation by replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetainedAnswer {
    /// Whose probe it is.
    pub document: DocumentId,
    /// The probe.
    pub probe: ProbeId,
    /// Whether the generation answered right.
    pub right: bool,
    /// Whether the base did when the document came; none if it was not asked.
    pub base: Option<bool>,
}

/// Differs whenever what the live generation knows may have changed: another is live, or replay asked it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnowledgeMark {
    live: GenerationId,
    answers: i64,
    newest: i64,
    right: i64,
}

/// Before a query: the live generation and those that it continues.
const CHAIN: &str = "WITH RECURSIVE chain (id) AS (
         SELECT generation FROM live WHERE generation IS NOT NULL
         UNION ALL SELECT g.parent FROM generations g JOIN chain ON g.id = chain.id WHERE g.parent IS NOT NULL)";
/// A document whose job is under way.
const UNDER_WAY: &str =
    "EXISTS (SELECT 1 FROM jobs j WHERE j.document = d.id AND j.kind = 'learn' AND j.state = 'running')";

/// What a document must be to fit the filter, with the values that this compares with. Only what is asked for stands in it, so that a count
/// by state needs nothing but its index.
fn fits(filter: &DocumentFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let DocumentFilter { state, tag, words } = filter;
    let mut conditions = vec!["1".to_string()];
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    match state {
        Some(DocumentState::Waiting) => conditions.push(format!("d.state = 'waiting' AND NOT {UNDER_WAY}")),
        Some(DocumentState::Learning) => conditions.push(format!("d.state = 'waiting' AND {UNDER_WAY}")),
        Some(state) => {
            conditions.push("d.state = ?".into());
            values.push(Box::new(state.as_str()));
        }
        None => {}
    }
    if let Some(tag) = tag {
        conditions.push("d.tag = ?".into());
        values.push(Box::new(tag.clone()));
    }
    for word in words {
        conditions.push("(d.title || char(10) || d.name || char(10) || d.text) LIKE ? ESCAPE '\\'".into());
        let word = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        values.push(Box::new(format!("%{word}%")));
    }
    (conditions.join(" AND "), values)
}

fn columns() -> String {
    let share = |subject: &str| {
        format!(
            "(SELECT avg(e.correct) FROM evaluations e JOIN probes p ON p.id = e.probe
              WHERE e.asked_for = d.id AND p.document = d.id AND p.role = 'gate' AND e.subject = '{subject}')"
        )
    };
    let (before, after) = (share("before"), share("candidate"));
    format!(
        "d.id, d.name, d.title, d.tag, d.format, d.reasons, d.received_at, d.replaced_by,
         CASE WHEN d.state = 'waiting' AND {UNDER_WAY} THEN 'learning' ELSE d.state END AS state,
         (SELECT max(g.generation) FROM generation_documents g
          WHERE g.document = d.id AND g.generation IN (SELECT id FROM chain)) AS generation,
         {before} AS before, {after} AS after"
    )
}

impl Store {
    /// How many documents there are of each state; states that none is in are left out.
    ///
    /// # Errors
    /// Those of the database alone, here and wherever no others are named.
    pub fn count_documents(&self) -> Result<Vec<(DocumentState, usize)>> {
        let sql = "SELECT state, count(*) FROM documents GROUP BY state";
        self.read("the documents", |db| {
            all(db, sql, [], |row| Ok((row.get::<_, Word<_>>(0)?.0, row.get(1)?)))
        })
    }

    /// How many jobs are queued or under way.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn count_open_jobs(&self) -> Result<usize> {
        let sql = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')";
        self.read("the jobs", |db| Ok(first(db, sql, [], |row| row.get(0))?.unwrap_or(0)))
    }

    /// At most `limit` documents that fit the filter and are older than `before`, newest first; and how many fit it in
    /// all.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn document_rows(
        &self,
        filter: &DocumentFilter,
        before: Option<DocumentId>,
        limit: usize,
    ) -> Result<(Vec<DocumentRow>, usize)> {
        let (fits, mut values) = fits(filter);
        let page = format!(
            "{CHAIN} SELECT {} FROM documents d WHERE {fits} AND d.id < ? ORDER BY d.id DESC LIMIT ?",
            columns()
        );
        let count = format!("SELECT count(*) FROM documents d WHERE {fits}");
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("the documents", |db| {
            let total = first(db, &count, params_from_iter(&values), |row| row.get(0))?.unwrap_or(0);
            values.push(Box::new(before.unwrap_or(DocumentId(i64::MAX))));
            values.push(Box::new(limit));
            Ok((all(db, &page, params_from_iter(&values), row)?, total))
        })
    }

    /// One document as in a list.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is none of that number.
    pub fn document_row(&self, id: DocumentId) -> Result<DocumentRow> {
        let sql = format!("{CHAIN} SELECT {} FROM documents d WHERE d.id = ?", columns());
        self.read(format_args!("document {id}"), |db| {
            first(db, &sql, [id], row)?.ok_or_else(|| not_found(format!("there is no document {id}")))
        })
    }

    /// The newest document with this file name.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where no document has it.
    pub fn document_named(&self, name: &str) -> Result<DocumentId> {
        let sql = "SELECT max(id) FROM documents WHERE name = ?";
        self.read(format_args!("document {name}"), |db| {
            let found: Option<DocumentId> = first(db, sql, [name], |row| row.get(0))?.flatten();
            found.ok_or_else(|| {
                not_found(format!("no document is called {name:?}: give its number or whole name"))
            })
        })
    }

    /// Characters of a document's text, and passages that it was cut into.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is no such document.
    pub fn document_size(&self, id: DocumentId) -> Result<(usize, usize)> {
        let sql = "SELECT length(text), (SELECT count(*) FROM passages WHERE document = ?1)
                   FROM documents WHERE id = ?1";
        self.read(format_args!("document {id}"), |db| {
            let found = first(db, sql, [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.ok_or_else(|| not_found(format!("there is no document {id}")))
        })
    }

    /// Every answer that was ever given to a document's own probes, by probe, then in the order in which they were
    /// asked.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn answers_about(&self, document: DocumentId) -> Result<Vec<Evaluation>> {
        let sql = "SELECT e.probe, e.subject, e.generation, e.answer, e.correct, e.recall, e.f1, e.exact, e.log_prob, e.margin
                   FROM probes p JOIN evaluations e ON e.probe = p.id WHERE p.document = ? ORDER BY e.probe, e.rowid";
        self.read(format_args!("the answers about document {document}"), |db| {
            all(db, sql, [document], super::evaluations::row)
        })
    }

    /// Titles of the documents that each generation learned, by generation, then by document.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn learned_titles(&self) -> Result<Vec<(GenerationId, String)>> {
        let sql =
            "SELECT g.generation, d.title FROM generation_documents g JOIN documents d ON d.id = g.document
                   ORDER BY g.generation, g.document";
        self.read("the generations", |db| all(db, sql, [], |row| Ok((row.get(0)?, row.get(1)?))))
    }

    /// What replay asked a generation about learned documents, by probe; of two answers to one probe the later.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn retained(&self, generation: GenerationId) -> Result<Vec<RetainedAnswer>> {
        let sql = "SELECT p.document, e.probe, e.correct, (SELECT b.correct FROM evaluations b
                          WHERE b.probe = e.probe AND b.subject = 'base' AND b.asked_for = p.document)
                   FROM evaluations e JOIN probes p ON p.id = e.probe
                   WHERE e.generation IS ? AND e.subject = 'replay' AND p.role = 'retain' AND p.document IS NOT NULL
                   ORDER BY e.probe, e.asked_for DESC";
        let mut answers = self.read(format_args!("the replay of generation {generation}"), |db| {
            all(db, sql, [generation], |row| {
                let (document, probe) = (row.get(0)?, row.get(1)?);
                Ok(RetainedAnswer { document, probe, right: row.get(2)?, base: row.get(3)? })
            })
        })?;
        answers.dedup_by_key(|answer| answer.probe);
        Ok(answers)
    }

    /// The mark of what the live generation knows.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn knowledge_mark(&self) -> Result<KnowledgeMark> {
        // The weights make it unlikely that one answer lost and another won leave the sum as it was.
        let sql =
            "SELECT count(*), ifnull(max(rowid), 0), ifnull(sum(correct * (probe * 2654435761 % 1000003)), 0)
                   FROM evaluations WHERE generation IS ? AND subject = 'replay'";
        self.read("the live generation", |db| {
            let live = generations::live_id(db)?;
            let counts = first(db, sql, [live], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let (answers, newest, right) = counts.unwrap_or_default();
            Ok(KnowledgeMark { live, answers, newest, right })
        })
    }

    /// A number that changes whenever another connection has written.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn changes(&self) -> Result<i64> {
        self.read("its version", |db| Ok(db.query_row("PRAGMA data_version", [], |row| row.get(0))?))
    }

    /// The number of the newest event; 0 if there is none.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn last_event(&self) -> Result<i64> {
        let sql = "SELECT ifnull(max(id), 0) FROM events";
        self.read("the events", |db| Ok(first(db, sql, [], |row| row.get(0))?.unwrap_or(0)))
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        id: row.get("id")?,
        name: row.get("name")?,
        title: row.get("title")?,
        tag: row.get("tag")?,
        format: row.get::<_, Word<_>>("format")?.0,
        state: row.get::<_, Word<_>>("state")?.0,
        reasons: row.get::<_, Json<_>>("reasons")?.0,
        received_at: Timestamp(row.get("received_at")?),
        replaced_by: row.get("replaced_by")?,
        generation: Some(row.get("generation")?).filter(|generation| *generation != GenerationId::BASE),
        before: row.get("before")?,
        after: row.get("after")?,
    })
}
