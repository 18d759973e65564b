//! The gate's decisions: the results of the fourth stage.

use rusqlite::{Connection, params};

use super::columns::{MaybeNan, Word, all, first, run};
use super::stages::Next;
use super::{Store, evaluations};
use seald_core::domain::decision::{Decision, Finding};
use seald_core::domain::evaluation::Evaluation;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::{Job, Stage};
use seald_core::error::Result;

impl Store {
    /// Stores what the gate asked and decided, in place of an earlier decision. Accepted: the job goes on to publish.
    /// Not: the document is rejected for the decision's reasons, and the job is done.
    ///
    /// An evaluation of the same probe, subject and generation that the probes stage stored is replaced.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more.
    pub fn finish_gate(&mut self, job: &Job, asked: &[Evaluation], decision: &Decision) -> Result<Job> {
        self.finish(job, Stage::Gate, |db, document| {
            asked.iter().try_for_each(|one| evaluations::insert(db, document, one))?;
            insert(db, document, decision)?;
            Ok(if decision.accepted { Next::Advance } else { Next::Reject(decision.reasons()) })
        })
    }

    /// What the gate said of a document's candidate; none before it did.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn decision(&self, document: DocumentId) -> Result<Option<Decision>> {
        self.read(format_args!("the decision on document {document}"), |db| {
            let sql =
                "SELECT rule, holds, value, bound, words FROM findings WHERE document = ? ORDER BY position";
            let findings = all(db, sql, [document], |row| {
                Ok(Finding {
                    rule: row.get::<_, Word<_>>(0)?.0,
                    holds: row.get(1)?,
                    value: row.get::<_, MaybeNan>(2)?.0,
                    bound: row.get::<_, MaybeNan>(3)?.0,
                    words: row.get(4)?,
                })
            })?;
            first(db, "SELECT accepted, scale FROM decisions WHERE document = ?", [document], |row| {
                Ok(Decision { accepted: row.get(0)?, findings, scale: row.get(1)? })
            })
        })
    }
}

/// Whether the gate accepted a document's candidate.
pub(super) fn accepted(db: &Connection, document: DocumentId) -> Result<bool> {
    let found = first(db, "SELECT accepted FROM decisions WHERE document = ?", [document], |row| row.get(0))?;
    Ok(found.unwrap_or(false))
}

fn insert(db: &Connection, document: DocumentId, decision: &Decision) -> Result<()> {
    let Decision { accepted, findings, scale } = decision;
    run(db, "DELETE FROM decisions WHERE document = ?", [document])?;
    let sql = "INSERT INTO decisions (document, accepted, scale) VALUES (?, ?, ?)";
    run(db, sql, params![document, accepted, scale])?;
    for (position, Finding { rule, holds, value, bound, words }) in findings.iter().enumerate() {
        let sql = "INSERT INTO findings (document, position, rule, holds, value, bound, words)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        run(db, sql, params![document, position, rule.as_str(), holds, value, bound, words])?;
    }
    Ok(())
}
