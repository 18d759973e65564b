//! The end of a stage: its results and the job's next step in one transaction, refused where the job is not the
//! caller's any more.

use rusqlite::Connection;

use super::Store;
use super::failure::conflict;
use super::{documents, jobs};
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::{Event, Job, JobState, Stage};
use seald_core::error::Result;

/// What comes after a stage whose results are stored.
pub(super) enum Next {
    /// The next stage, under the same lease.
    Advance,
    /// The document is rejected for these reasons, and the job is done.
    Reject(Vec<String>),
    /// There is nothing more to do: the job is done.
    End,
}

impl Store {
    /// Turns the document of a running job away, at any stage: rejected, with the reasons, and the job is done.
    ///
    /// # Errors
    /// [`seald_core::Kind::Conflict`] where the job is not the caller's any more.
    pub fn reject(&mut self, job: &Job, reasons: &[String]) -> Result<Job> {
        self.finish(job, job.stage, |_, _| Ok(Next::Reject(reasons.to_vec())))
    }

    /// Stores what `results` writes for the job's document within a stage, and leaves the job where it is.
    pub(super) fn keep<T>(
        &mut self,
        job: &Job,
        stage: Stage,
        results: impl FnOnce(&Connection, DocumentId) -> Result<T>,
    ) -> Result<T> {
        self.write(format_args!("store for stage {stage} of job {}", job.id), |db| {
            let stored = jobs::find(db, job.id)?;
            refuse_other_attempt(job, &stored, stage)?;
            results(db, document_of(&stored)?)
        })
    }

    /// Stores what `results` writes for the job's document, and moves the job on; the job as it is then.
    ///
    /// `job` is the caller's copy. Its stage and count of attempts say which attempt the results belong to.
    pub(super) fn finish(
        &mut self,
        job: &Job,
        stage: Stage,
        results: impl FnOnce(&Connection, DocumentId) -> Result<Next>,
    ) -> Result<Job> {
        self.finish_job(job, stage, |db, stored| {
            let document = document_of(stored)?;
            let next = results(db, document)?;
            if let Next::Reject(reasons) = &next {
                documents::set_state(db, document, DocumentState::Rejected, reasons)?;
            }
            Ok(next)
        })
    }

    /// The same for a job that need not be about a document.
    pub(super) fn finish_job(
        &mut self,
        job: &Job,
        stage: Stage,
        results: impl FnOnce(&Connection, &Job) -> Result<Next>,
    ) -> Result<Job> {
        self.write(format_args!("store stage {stage} of job {}", job.id), |db| {
            let stored = jobs::find(db, job.id)?;
            refuse_other_attempt(job, &stored, stage)?;
            let event = match results(db, &stored)? {
                Next::Advance => Event::Advanced,
                Next::Reject(_) | Next::End => Event::Finished,
            };
            jobs::step(db, &stored, event)
        })
    }
}

fn document_of(job: &Job) -> Result<DocumentId> {
    job.document.ok_or_else(|| conflict(format!("the document of job {} is gone", job.id)))
}

fn refuse_other_attempt(ours: &Job, stored: &Job, stage: Stage) -> Result<()> {
    let text = if stored.state != JobState::Running {
        format!("job {} is {}, not running", stored.id, stored.state)
    } else if stored.stage != stage {
        format!("job {} is at stage {}, not {stage}", stored.id, stored.stage)
    } else if (stored.attempts, stored.document) != (ours.attempts, ours.document) {
        format!(
            "job {} is at attempt {}, these are the results of attempt {}",
            stored.id, stored.attempts, ours.attempts
        )
    } else {
        return Ok(());
    };
    Err(conflict(format!("{text}: its worker lost it, drop the results")))
}
