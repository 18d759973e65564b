//! Consolidations: an adapter trained anew, compared, and put in the live one's place.

use rusqlite::{Row, params};

use super::Store;
use super::columns::{Json, MaybeNan, all, first, run};
use super::stages::Next;
use super::{NewGeneration, evaluations, generations, jobs};
use seald_core::clock::Timestamp;
use seald_core::domain::consolidation::{Comparison, Consolidation, Proof, Retraining};
use seald_core::domain::evaluation::Evaluation;
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{GenerationId, JobId};
use seald_core::domain::job::{Job, JobKind, Stage};
use seald_core::error::Result;

/// Who answers after a swap.
#[derive(Debug, Clone, PartialEq)]
pub enum Swapped {
    /// A generation whose files lie in place, with its answers to the bank.
    To(NewGeneration, Vec<Evaluation>),
    /// The base: nothing that was learned is left.
    Base,
    /// Whoever answered before.
    Unchanged,
}

impl Store {
    /// Stores what was trained, in place of an earlier attempt's; none where there was nothing to train.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more, here and below.
    pub fn finish_retrain(&mut self, job: &Job, retraining: Option<&Retraining>) -> Result<Job> {
        self.finish_job(job, Stage::Retrain, |db, job| {
            run(db, "DELETE FROM consolidations WHERE job = ?", [job.id])?;
            let Some(retraining) = retraining else { return Ok(Next::Advance) };
            let Retraining { against, documents, rows, learning_rate, steps, tokens, seconds, loss } = retraining;
            let sql = "INSERT INTO consolidations (job, against, documents, training_rows, learning_rate, steps, tokens,
                       seconds, loss) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
            run(db, sql, params![job.id, against, documents, rows, learning_rate, steps, tokens, seconds, loss])?;
            Ok(Next::Advance)
        })
    }

    /// Ends a job that had nothing to train.
    ///
    /// # Errors
    /// As [`Store::finish_retrain`].
    pub fn finish_without_retraining(&mut self, job: &Job) -> Result<Job> {
        self.finish_job(job, Stage::Retrain, |_, _| Ok(Next::End))
    }

    /// Stores how the retrained adapter compared, and for a document that is forgotten how its questions were answered. A consolidation that
    /// was not accepted ends here; a document is forgotten whatever that costs others.
    ///
    /// # Errors
    /// As [`Store::finish_retrain`].
    pub fn finish_compare(
        &mut self,
        job: &Job,
        comparison: Option<&Comparison>,
        proof: Option<&Proof>,
        now: Timestamp,
    ) -> Result<Job> {
        self.finish_job(job, Stage::Compare, |db, job| {
            let ends = job.kind == JobKind::Consolidate && comparison.is_none_or(|c| !c.accepted);
            if let Some(comparison) = comparison {
                let Comparison { asked, right_before, right_after, lost, below_base, .. } = comparison;
                let Comparison { drift_before, drift_after, accepted, reasons, .. } = comparison;
                let sql = "UPDATE consolidations SET asked = ?, right_before = ?, right_after = ?, lost = ?, below_base = ?,
                           drift_before = ?, drift_after = ?, accepted = ?, reasons = ?, ended_at = ? WHERE job = ?";
                let ended = ends.then_some(now.0);
                let numbers = params![asked, right_before, right_after, lost, below_base, drift_before, drift_after,
                                      accepted, Json(reasons), ended, job.id];
                run(db, sql, numbers)?;
            }
            if let Some(Proof { asked, right_base, right_before, right_after }) = proof {
                let sql = "UPDATE forgettings SET asked = ?, right_base = ?, right_before = ?, right_after = ? WHERE job = ?";
                run(db, sql, params![asked, right_base, right_before, right_after, job.id])?;
            }
            Ok(if ends { Next::End } else { Next::Advance })
        })
    }

    /// Lets the retrained adapter answer. What was half learned on the one before begins again.
    ///
    /// # Errors
    /// As [`Store::finish_retrain`]; [`seald_core::Kind::Conflict`] also where another generation is live than it was compared
    /// with.
    pub fn finish_swap(&mut self, job: &Job, swapped: &Swapped, now: Timestamp) -> Result<Job> {
        self.finish_job(job, Stage::Swap, |db, job| {
            let live = match swapped {
                Swapped::Unchanged => return Ok(Next::Advance),
                Swapped::Base => {
                    generations::set_live(db, GenerationId::BASE, now)?;
                    GenerationId::BASE
                }
                Swapped::To(generation, answers) => {
                    generations::insert(db, generation, Origin::Consolidated)?;
                    evaluations::replace_replay(db, generation.id, answers)?;
                    generation.id
                }
            };
            let sql = "UPDATE consolidations SET generation = ?, ended_at = ? WHERE job = ?";
            run(db, sql, params![live, now.0, job.id])?;
            jobs::restart_after_change(db, Some(job.id))?;
            Ok(Next::Advance)
        })
    }

    /// The newest retrainings, newest first, at most `limit`.
    ///
    /// # Errors
    /// Those of the database alone, here and below.
    pub fn consolidations(&self, limit: usize) -> Result<Vec<Consolidation>> {
        let sql = "SELECT c.*, j.reason FROM consolidations c JOIN jobs j ON j.id = c.job ORDER BY c.job DESC LIMIT ?";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("the consolidations", |db| all(db, sql, [limit], row))
    }

    /// The retraining of a job; none before it was trained.
    ///
    /// # Errors
    /// As [`Store::consolidations`].
    pub fn consolidation(&self, job: JobId) -> Result<Option<Consolidation>> {
        let sql = "SELECT c.*, j.reason FROM consolidations c JOIN jobs j ON j.id = c.job WHERE c.job = ?";
        self.read(format_args!("the consolidation of job {job}"), |db| first(db, sql, [job], row))
    }

    /// How many generations of the live chain learned a document since the last that was trained anew; all of them where none was.
    ///
    /// # Errors
    /// As [`Store::consolidations`].
    pub fn learned_since_consolidation(&self) -> Result<usize> {
        self.read("the live generation", |db| {
            let chain = generations::chain(db, generations::live_id(db)?)?;
            Ok(chain.iter().rev().take_while(|g| g.origin == Origin::Learned).count())
        })
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<Consolidation> {
    let retraining = Retraining {
        against: row.get("against")?,
        documents: row.get("documents")?,
        rows: row.get("training_rows")?,
        learning_rate: row.get("learning_rate")?,
        steps: row.get("steps")?,
        tokens: row.get("tokens")?,
        seconds: row.get("seconds")?,
        loss: row.get::<_, MaybeNan>("loss")?.0,
    };
    let comparison = match row.get::<_, Option<bool>>("accepted")? {
        None => None,
        Some(accepted) => Some(Comparison {
            asked: row.get("asked")?,
            right_before: row.get("right_before")?,
            right_after: row.get("right_after")?,
            lost: row.get("lost")?,
            below_base: row.get("below_base")?,
            drift_before: row.get::<_, MaybeNan>("drift_before")?.0,
            drift_after: row.get::<_, MaybeNan>("drift_after")?.0,
            accepted,
            reasons: row.get::<_, Json<_>>("reasons")?.0,
        }),
    };
    Ok(Consolidation {
        job: row.get("job")?,
        reason: row.get::<_, Option<String>>("reason")?.unwrap_or_default(),
        retraining,
        comparison,
        generation: row.get::<_, Option<i64>>("generation")?.map(GenerationId),
        ended_at: row.get::<_, Option<i64>>("ended_at")?.map(Timestamp),
    })
}
