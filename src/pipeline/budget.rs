//! What follows from a finished job: when everything is trained anew, when an earlier generation becomes live again, and what is told of work
//! that learned no document.

use std::collections::{HashMap, HashSet};

use super::worker::Worker;
use seald_core::domain::consolidation::{Consolidation, Proof};
use seald_core::domain::generation::Origin;
use seald_core::domain::ids::{GenerationId, ProbeId};
use seald_core::domain::job::{Job, JobKind, JobState};
use seald_core::domain::probe::Role;
use seald_core::domain::progress::Progress;
use seald_core::error::Result;
use seald_learn::consolidate::over_budget;
use seald_store::{Dropped, NewEvent, Store};

/// What the log says at the end of work that learned no document.
pub(super) const ENDED: &str = "ended";
/// What the log says of a rollback that the budget asked for, and to which generation.
const FOR_BUDGET: &str = "rolled_back_for_budget";

impl Worker<'_> {
    /// Queues a consolidation where enough was learned since the last, or too much forgotten; where the last one did not help, goes back.
    pub(super) fn see_to_budget(&mut self, job: &Job) -> Result<()> {
        match job.kind {
            JobKind::Learn => self.queue_consolidation(),
            JobKind::Consolidate => self.go_back_if_needed(job),
            JobKind::WriterRound | JobKind::Forget => Ok(()),
        }
    }

    /// Queues a consolidation if one is due by the documents learned or by what was forgotten.
    ///
    /// # Errors
    /// From the database.
    pub fn queue_consolidation(&mut self) -> Result<()> {
        // One that was lost against the very model that is live now would be lost again.
        let last = self.store.consolidations(1)?.pop();
        if last.is_some_and(|last| last.generation.is_none() && last.retraining.against == self.live_id()) {
            return Ok(());
        }
        let (after, learned) = (self.consolidate.after_documents, self.store.learned_since_consolidation()?);
        let reason = match self.broken_budget()? {
            Some(reason) => reason,
            None if after > 0 && learned >= after => {
                format!("{learned} documents were learned since everything was last trained anew")
            }
            None => return Ok(()),
        };
        self.store.queue(JobKind::Consolidate, None, &reason).map(drop)
    }

    /// Why the forgetting budget is exceeded, if it is.
    fn broken_budget(&self) -> Result<Option<String>> {
        let (known, lost) = forgotten(&self.store, self.live_id())?;
        Ok(over_budget(known, lost, self.consolidate.forgetting_budget))
    }

    /// After a consolidation that the live model won: where it is over the budget still, the newest generation that meets it becomes live, and what
    /// that drops is learned again, once.
    fn go_back_if_needed(&mut self, job: &Job) -> Result<()> {
        let done = self.store.consolidation(job.id)?;
        if done.is_none_or(|done| done.generation.is_some()) {
            return Ok(());
        }
        let Some(why) = self.broken_budget()? else { return Ok(()) };
        let chain = self.store.chain(self.live_id())?;
        let mut to = GenerationId::BASE;
        for generation in chain.iter().rev().skip(1) {
            let (known, lost) = forgotten(&self.store, generation.id)?;
            let there = self.root.generation(generation.id).is_dir();
            if there && over_budget(known, lost, self.consolidate.forgetting_budget).is_none() {
                to = generation.id;
                break;
            }
        }
        let again = !self.store.has_event(FOR_BUDGET, "to", &to.folder())?;
        let then = if again { Dropped::LearnedAgain } else { Dropped::Rejected };
        let why = format!("{why}, and training everything anew did not help");
        let now = self.clock.now();
        let dropped = self.store.roll_back(to, then, &why, now)?.dropped.len();
        tracing::warn!(to = to.0, dropped, again, "{why}: an earlier generation is live again");
        let body =
            serde_json::json!({"to": to.folder(), "why": why, "dropped": dropped, "learned_again": again});
        self.store.log(&[NewEvent {
            at: now,
            job: Some(job.id),
            document: None,
            kind: FOR_BUDGET.into(),
            body,
        }])?;
        self.load_live()
    }

    /// Says what came of the newest job that learned no document, where a kill between its last stage and its last word left that unsaid: somebody may
    /// wait for it.
    pub(super) fn say_last_word(&mut self) -> Result<()> {
        let ended =
            |job: &Job| job.kind != JobKind::Learn && matches!(job.state, JobState::Done | JobState::Failed);
        let Some(job) = self.store.jobs(None)?.into_iter().rfind(ended) else { return Ok(()) };
        if self.store.event_of(job.id, ENDED)?.is_none() {
            let told = self.ended(&job, 0.0)?;
            self.note(&job, ENDED, serde_json::to_value(&told).unwrap_or_default())?;
        }
        Ok(())
    }

    /// What is told of work that learned no document, at its end.
    pub(super) fn ended(&self, job: &Job, seconds: f64) -> Result<Progress> {
        let kind = job.kind;
        if job.state == JobState::Failed {
            let outcome = job.error.clone().unwrap_or_else(|| "it failed".into());
            return Ok(Progress::Ended { kind, done: false, outcome, seconds });
        }
        let (done, outcome) = match kind {
            JobKind::Forget => self.forgetting_words(job)?,
            JobKind::WriterRound => self.round_words(job)?,
            _ => match self.store.consolidation(job.id)? {
                Some(done) => (done.generation.is_some(), consolidation_words(&done)),
                None => (false, "nothing is learned yet: there is nothing to train anew".into()),
            },
        };
        Ok(Progress::Ended { kind, done, outcome, seconds })
    }

    fn forgetting_words(&self, job: &Job) -> Result<(bool, String)> {
        let forgetting = self.store.forgetting(job.id)?;
        let mut words = format!("document {} is forgotten", forgetting.document);
        if let Some(Proof { asked, right_base, right_before, right_after }) =
            forgetting.proof.filter(|p| p.asked > 0)
        {
            words += &format!(
                ": of {asked} questions about it {right_after} are answered right, {right_before} before, {right_base} by the base"
            );
        }
        if let Some(compared) = self.store.consolidation(job.id)?.and_then(|done| done.comparison) {
            words += &format!(
                "; of {} about everything else {}, {} before",
                compared.asked, compared.right_after, compared.right_before
            );
        }
        Ok((true, words))
    }
}

fn consolidation_words(done: &Consolidation) -> String {
    let numbers = done.comparison.as_ref().map_or(String::new(), |c| {
        format!("{} of {} questions right, {} before", c.right_after, c.asked, c.right_before)
    });
    match done.generation {
        Some(id) => {
            format!("{} takes the place of {}: {numbers}", id.folder(), done.retraining.against.folder())
        }
        None => {
            let reasons = done.comparison.as_ref().map(|c| c.reasons.join("; ")).unwrap_or_default();
            format!("{} stays: {reasons}", done.retraining.against.folder())
        }
    }
}

/// Of the answers to retain probes that were right when replay first asked after their document was learned, or since everything was last trained
/// anew, how many that generation's row of the matrix has asked again, and how many of those are wrong there.
fn forgotten(store: &Store, generation: GenerationId) -> Result<(usize, usize)> {
    let mut was_right: HashMap<ProbeId, bool> = HashMap::new();
    for ancestor in store.chain(generation)? {
        let row = store.replay_row(ancestor.id)?;
        let mut own = HashSet::new();
        for document in &ancestor.documents {
            own.extend(store.probes(*document, Some(Role::Retain))?.into_iter().map(|probe| probe.id));
        }
        for asked in row {
            let known = was_right.contains_key(&asked.probe);
            if own.contains(&asked.probe) || (known && ancestor.origin == Origin::Consolidated) {
                was_right.insert(asked.probe, asked.right);
            }
        }
    }
    let row = store.replay_row(generation)?;
    let again: Vec<bool> =
        row.iter().filter(|e| was_right.get(&e.probe) == Some(&true)).map(|e| e.right).collect();
    Ok((again.len(), again.iter().filter(|right| !**right).count()))
}
