//! Jobs with what came of them: what was trained anew, what was forgotten.

use seald_core::domain::ids::JobId;
use seald_core::domain::job::{Job, JobKind};
use seald_core::domain::progress::Progress;
use seald_core::error::Result;
use seald_core::protocol::{ConsolidationView, ConsolidationsView, ForgottenView, JobOutcome};
use seald_store::Store;

/// Consolidations that are listed.
const CONSOLIDATIONS: usize = 100;

/// A job with what came of it.
pub(in crate::api) fn job(store: &Store, id: JobId) -> Result<JobOutcome> {
    let Job { kind, document, stage, state, attempts, error, .. } = store.job(id)?;
    let (done, outcome, seconds) = match ended(store, id)? {
        Some((done, outcome, seconds)) => (Some(done), Some(outcome), Some(seconds)),
        None => (None, None, None),
    };
    let forgotten = match kind {
        JobKind::Forget => Some(ForgottenView::from(store.forgetting(id)?)),
        _ => None,
    };
    Ok(JobOutcome {
        job: id,
        kind,
        // The row is gone once it is forgotten.
        document: document.or(forgotten.as_ref().map(|gone| gone.document)),
        state,
        stage,
        attempts,
        reason: store.job_reason(id)?,
        error,
        done,
        outcome,
        seconds,
        consolidation: store.consolidation(id)?.map(ConsolidationView::from),
        forgotten,
    })
}

/// What the log tells of the end of a job that learned no document.
fn ended(store: &Store, id: JobId) -> Result<Option<(bool, String, f64)>> {
    let told = store.event_of(id, "ended")?.and_then(|row| serde_json::from_value(row.event.body).ok());
    Ok(match told {
        Some(Progress::Ended { done, outcome, seconds, .. }) => Some((done, outcome, seconds)),
        _ => None,
    })
}

/// The newest retrainings, newest first.
pub(in crate::api) fn consolidations(store: &Store) -> Result<ConsolidationsView> {
    let found = store.consolidations(CONSOLIDATIONS)?;
    Ok(ConsolidationsView {
        consolidations: found.into_iter().map(ConsolidationView::from).collect(),
        learned_since: store.learned_since_consolidation()?,
    })
}
