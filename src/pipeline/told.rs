//! What is told of a job when it begins and when it ends.

use super::worker::{Tell, Worker};
use seald_core::domain::document::{Document, DocumentState};
use seald_core::domain::evaluation::Subject;
use seald_core::domain::ids::DocumentId;
use seald_core::domain::job::{Job, JobKind};
use seald_core::domain::probe::Role;
use seald_core::domain::progress::Progress;
use seald_core::error::Result;

impl Worker<'_> {
    /// What is told of a document at the end of its job.
    pub(super) fn learned(
        &mut self,
        document: DocumentId,
        seconds: f64,
    ) -> Result<(&'static str, Progress, Option<DocumentState>)> {
        let Document { state, reasons, text, title, .. } = self.store.document(document)?;
        let right = |subject| self.gate_share(document, subject);
        let (before, after) = (right(Subject::Before)?, right(Subject::Candidate)?);
        if after.is_some() {
            // It went all the way to the gate.
            self.pace.note(self.session.tokens(&text)?, seconds);
        }
        let verdict = match state {
            DocumentState::Learned => "learned",
            DocumentState::Rejected => "rejected",
            DocumentState::Failed => "failed",
            DocumentState::Waiting | DocumentState::Learning => "not learned yet",
        };
        let (duration_s, reason) = (seconds.round(), reasons.first());
        tracing::info!(
            document = document.0,
            title,
            verdict,
            reason,
            right_before = before,
            right_after = after,
            duration_s,
            "finished"
        );
        let told = Progress::Finished { verdict: state, reasons, before, after, seconds };
        Ok(("finished", told, Some(state)))
    }

    /// Share of the gate probes that were answered right; none if they were not asked.
    fn gate_share(&self, document: DocumentId, subject: Subject) -> Result<Option<f64>> {
        let (right, asked) = self.store.right_of_asked(document, Role::Gate, subject)?;
        Ok((asked > 0).then(|| right as f64 / asked as f64))
    }

    pub(super) fn tell_start(&self, job: &Job, tell: Tell<'_>) -> Result<()> {
        let (JobKind::Learn, Some(document)) = (job.kind, job.document) else {
            let reason = self.store.job_reason(job.id)?.unwrap_or_default();
            tell(Progress::Began { kind: job.kind, reason });
            return Ok(());
        };
        let document = &self.store.document(document)?;
        let passages = self.cut(document).len();
        let tokens = self.session.tokens(&document.text)?;
        let seconds = self.pace.seconds(tokens);
        tell(Progress::Started { document: document.title.clone(), tokens, passages, seconds });
        Ok(())
    }
}
