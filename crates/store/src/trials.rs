//! Trials: the results of the third stage.

use rusqlite::{Connection, Row, params};

use super::Store;
use super::columns::{MaybeNan, all, run};
use super::failure::not_found;
use super::stages::Next;
use seald_core::domain::ids::{DocumentId, SelfEditId, TrialId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::trial::Trial;
use seald_core::error::Result;

/// A trial that has no row yet, of the job's document. At most one of them is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTrial {
    /// Short name.
    pub name: String,
    /// The self-edits it trained on, of the same document.
    pub self_edits: Vec<SelfEditId>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Rung that it reached, from 0.
    pub rung: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Tokens trained on, counting repetitions.
    pub tokens: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// Loss of the last step, nats a token; NaN is kept.
    pub loss: f64,
    /// Mean gain of log p(answer), nats a question; NaN is kept.
    pub gain: f64,
    /// Share of the select probes answered right, 0 to 1.
    pub accuracy: Option<f64>,
    /// Whether it became the candidate that the gate judges.
    pub chosen: bool,
}

impl Store {
    /// Stores the trials of a document in place of earlier ones.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more; [`seald_core::Kind::NotFound`] where a trial
    /// names a self-edit that is not the document's.
    pub fn finish_trials(&mut self, job: &Job, trials: &[NewTrial]) -> Result<Job> {
        self.finish(job, Stage::Trials, |db, document| {
            run(db, "DELETE FROM trials WHERE document = ?", [document])?;
            for trial in trials {
                insert(db, document, trial)?;
            }
            Ok(Next::Advance)
        })
    }

    /// A document's trials, in the order in which they were stored.
    ///
    /// # Errors
    /// Those of the database alone.
    pub fn trials(&self, document: DocumentId) -> Result<Vec<Trial>> {
        self.read(format_args!("the trials of document {document}"), |db| {
            let mut trials = all(db, "SELECT * FROM trials WHERE document = ? ORDER BY id", [document], row)?;
            for trial in &mut trials {
                let sql = "SELECT self_edit FROM trial_self_edits WHERE trial = ? ORDER BY position";
                trial.self_edits = all(db, sql, [trial.id], |row| row.get(0))?;
            }
            Ok(trials)
        })
    }
}

fn insert(db: &Connection, document: DocumentId, trial: &NewTrial) -> Result<()> {
    let NewTrial { name, self_edits, learning_rate, rung, steps, tokens, .. } = trial;
    let NewTrial { seconds, loss, gain, accuracy, chosen, .. } = trial;
    let sql = "INSERT INTO trials (document, name, learning_rate, rung, steps, tokens, seconds, loss, gain, accuracy,
               chosen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let values =
        params![document, name, learning_rate, rung, steps, tokens, seconds, loss, gain, accuracy, chosen];
    run(db, sql, values)?;
    let id = TrialId(db.last_insert_rowid());
    for (position, self_edit) in self_edits.iter().enumerate() {
        let sql = "INSERT INTO trial_self_edits (trial, position, self_edit)
                   SELECT ?, ?, id FROM self_edits WHERE id = ? AND document = ?";
        if run(db, sql, params![id, position, self_edit, document])? == 0 {
            let text = format!(
                "trial {name:?} names self-edit {self_edit}, which document {document} does not have"
            );
            return Err(not_found(text));
        }
    }
    Ok(())
}

fn row(row: &Row<'_>) -> rusqlite::Result<Trial> {
    Ok(Trial {
        id: row.get("id")?,
        document: row.get("document")?,
        name: row.get("name")?,
        self_edits: Vec::new(),
        learning_rate: row.get("learning_rate")?,
        rung: row.get("rung")?,
        steps: row.get("steps")?,
        tokens: row.get("tokens")?,
        seconds: row.get("seconds")?,
        loss: row.get::<_, MaybeNan>("loss")?.0,
        gain: row.get::<_, MaybeNan>("gain")?.0,
        accuracy: row.get("accuracy")?,
        chosen: row.get("chosen")?,
    })
}
