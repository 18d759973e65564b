//! Rollback: another generation becomes live, and documents are what that makes them.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::Store;
use super::failure::conflict;
use super::{documents, generations, jobs, lineages};
use seald_core::clock::Timestamp;
use seald_core::domain::document::DocumentState;
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::job::JobState;
use seald_core::error::Result;

/// What becomes of documents that the live model does not contain any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// They are rejected, until somebody asks for them again.
    Rejected,
    /// They wait to be learned again.
    LearnedAgain,
}

/// What a rollback did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// What was live.
    pub from: GenerationId,
    /// Documents that the live model does not contain any more.
    pub dropped: Vec<DocumentId>,
    /// Documents that it contains again.
    pub regained: Vec<DocumentId>,
}

impl Store {
    /// Makes a generation live, or the base ([`GenerationId::BASE`]). Documents that the live model then does not
    /// contain any more are rejected, with `why`, or wait again, as `then` says; those that it contains again are accepted. A document that is half
    /// learned begins again, as its trials continued another adapter.
    ///
    /// # Errors
    /// [`seald_core::Kind::NotFound`] where there is no such generation; [`seald_core::Kind::Conflict`] where it is live already or stands on another base model, a
    /// job is running, or a document that it contains waits to be learned again.
    pub fn roll_back(
        &mut self,
        to: GenerationId,
        then: Dropped,
        why: &str,
        now: Timestamp,
    ) -> Result<RolledBack> {
        self.write(format_args!("roll back to {}", to.folder()), |db| {
            let from = generations::live_id(db)?;
            if from == to {
                return Err(conflict(format!("{} is live already", to.folder())));
            }
            if let Some(job) = jobs::all_of(db, JobState::Running)?.first() {
                return Err(conflict(format!("job {} is under way ({})", job.id, job.kind)));
            }
            lineages::refuse_other_base(db, to)?;
            let learned = |id| -> Result<BTreeSet<DocumentId>> {
                Ok(generations::chain(db, id)?.into_iter().flat_map(|g| g.documents).collect())
            };
            let (before, after) = (learned(from)?, learned(to)?);
            generations::set_live(db, to, now)?;
            let dropped: Vec<_> = before.difference(&after).copied().collect();
            let regained: Vec<_> = after.difference(&before).copied().collect();
            for id in &regained {
                accept_again(db, *id, to)?;
            }
            jobs::restart_after_change(db, None)?;
            for id in &dropped {
                documents::set_state(db, *id, DocumentState::Rejected, &[why.to_string()])?;
                if then == Dropped::LearnedAgain {
                    jobs::retry(db, *id)?;
                }
            }
            Ok(RolledBack { from, dropped, regained })
        })
    }
}

fn accept_again(db: &Connection, id: DocumentId, to: GenerationId) -> Result<()> {
    let job = jobs::find_of(db, id)?;
    match job.state {
        JobState::Done | JobState::Failed => documents::set_state(db, id, DocumentState::Learned, &[]),
        JobState::Queued | JobState::Running => Err(conflict(format!(
            "{} contains document {id}, which waits to be learned again: let it finish first",
            to.folder()
        ))),
    }
}
