//! Evaluations: who answered what, the results of replay, and the counts of the forgetting matrix.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{Word, all, first, run};
use super::failure::conflict;
use super::generations;
use super::stages::Next;
use seald_core::domain::evaluation::{Evaluation, Subject};
use seald_core::domain::ids::{DocumentId, GenerationId, ProbeId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::probe::Role;
use seald_core::error::{Error, Kind, Result};

/// An evaluation of a probe that has no row yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvaluation {
    /// Who answered.
    pub subject: Subject,
    /// The generation that answered.
    pub generation: GenerationId,
    /// The answer, greedy.
    pub answer: String,
    /// Whether it counts as right.
    pub right: bool,
    /// Share of the accepted answer's words that it holds, 0 to 1.
    pub recall: f64,
    /// F1 of the words, 0 to 1.
    pub f1: f64,
    /// Equal after normalisation.
    pub exact: bool,
    /// Sum of ln p of the first accepted answer.
    pub log_prob: f64,
    /// How far it is preferred to wrong ones, nats; none where it was not compared.
    pub margin: Option<f64>,
}

impl NewEvaluation {
    /// The evaluation, once its probe has a row.
    pub fn of(self, probe: ProbeId) -> Evaluation {
        let Self { subject, generation, answer, right, recall, f1, exact, log_prob, margin } = self;
        Evaluation { probe, subject, generation, answer, right, recall, f1, exact, log_prob, margin }
    }
}

const COLUMNS: &str = "probe, subject, generation, answer, correct, recall, f1, exact, log_prob, margin";

impl Store {
    /// Stores what replay asked after a generation went live, and ends the job.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the job is not the caller's any more; [`Kind::Internal`] where a subject is not
    /// [`Subject::Replay`].
    pub fn finish_replay(&mut self, job: &Job, asked: &[Evaluation]) -> Result<Job> {
        self.finish(job, Stage::Replay, |db, document| {
            for one in asked {
                if one.subject != Subject::Replay {
                    let text = format!("probe {} was asked as {}, not as replay", one.probe, one.subject);
                    return Err(Error::new(Kind::Internal, text));
                }
                insert(db, document, one)?;
            }
            Ok(Next::Advance)
        })
    }

    /// Stores what replay asked the live generation, in place of what it was asked about the same probes when it last
    /// answered them.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where another generation is live.
    pub fn keep_replay(&mut self, generation: GenerationId, asked: &[Evaluation]) -> Result<()> {
        self.write(format_args!("store the replay of generation {generation}"), |db| {
            let live = generations::live_id(db)?;
            if live != generation {
                return Err(conflict(format!("generation {live} is live now, not {generation}")));
            }
            replace_replay(db, generation, asked)
        })
    }

    /// What was asked while `document` was learned, its own probes and others', by the order of probes.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn evaluations(&self, document: DocumentId, subject: Subject) -> Result<Vec<Evaluation>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM evaluations WHERE asked_for = ? AND subject = ? ORDER BY probe, generation"
        );
        self.read(format_args!("the evaluations of document {document}"), |db| {
            all(db, &sql, params![document, subject.as_str()], row)
        })
    }

    /// What replay asked a generation, by the order of probes.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn replay_row(&self, generation: GenerationId) -> Result<Vec<Evaluation>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM evaluations WHERE generation IS ? AND subject = 'replay' ORDER BY probe, asked_for"
        );
        self.read(format_args!("the replay of generation {generation}"), |db| {
            all(db, &sql, [generation], row)
        })
    }

    /// Right answers and questions asked, of a document's own probes of one role, while it was learned.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn right_of_asked(
        &self,
        document: DocumentId,
        role: Role,
        subject: Subject,
    ) -> Result<(usize, usize)> {
        let sql =
            "SELECT ifnull(sum(e.correct), 0), count(*) FROM evaluations e JOIN probes p ON p.id = e.probe
                   WHERE e.asked_for = ?1 AND p.document = ?1 AND p.role = ?2 AND e.subject = ?3";
        self.read(format_args!("the answers about document {document}"), |db| {
            let params = params![document, role.as_str(), subject.as_str()];
            let found = first(db, sql, params, |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(found.unwrap_or_default())
        })
    }
}

/// Stores what replay asked a generation, in place of earlier answers to the same probes. They stand with the document that
/// the generation learned; where it learned none, each with its probe's own.
pub(super) fn replace_replay(db: &Connection, generation: GenerationId, asked: &[Evaluation]) -> Result<()> {
    let sql = "SELECT document FROM generation_documents WHERE generation = ? ORDER BY document LIMIT 1";
    let learned: Option<DocumentId> = first(db, sql, [generation], |row| row.get(0))?;
    for one in asked {
        let sql = "DELETE FROM evaluations WHERE probe = ? AND subject = 'replay' AND generation IS ?";
        run(db, sql, params![one.probe, generation])?;
        let own = || first(db, "SELECT document FROM probes WHERE id = ?", [one.probe], |row| row.get(0));
        if let Some(document) = learned.map_or_else(|| Ok(own()?.flatten()), |id| Ok::<_, Error>(Some(id)))? {
            insert(db, document, one)?;
        }
    }
    Ok(())
}

/// Stores an evaluation in place of one of the same probe, subject and generation for the same document.
pub(super) fn insert(db: &Connection, asked_for: DocumentId, one: &Evaluation) -> Result<()> {
    let Evaluation { probe, subject, generation, answer, right, recall, f1, exact, log_prob, margin } = one;
    let sql = "INSERT INTO evaluations
               (asked_for, probe, subject, generation, answer, correct, recall, f1, exact, log_prob, margin)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (asked_for, probe, subject, ifnull(generation, 0)) DO UPDATE SET answer = excluded.answer,
               correct = excluded.correct, recall = excluded.recall, f1 = excluded.f1, exact = excluded.exact,
               log_prob = excluded.log_prob, margin = excluded.margin";
    let subject = subject.as_str();
    run(
        db,
        sql,
        params![asked_for, probe, subject, generation, answer, right, recall, f1, exact, log_prob, margin],
    )
    .map(drop)
    .map_err(|e| e.context(format!("evaluation of probe {probe} by {subject}")))
}

pub(super) fn row(row: &Row<'_>) -> rusqlite::Result<Evaluation> {
    Ok(Evaluation {
        probe: row.get("probe")?,
        subject: row.get::<_, Word<_>>("subject")?.0,
        generation: row.get("generation")?,
        answer: row.get("answer")?,
        right: row.get("correct")?,
        recall: row.get("recall")?,
        f1: row.get("f1")?,
        exact: row.get("exact")?,
        log_prob: row.get("log_prob")?,
        margin: row.get("margin")?,
    })
}
