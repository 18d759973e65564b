//! The stages of consolidation, and of forgetting on request but the last: everything that is to be kept is trained anew, compared with the live
//! model, and put in its place.

use std::collections::{HashMap, HashSet};

use super::crash::{self, Place};
use super::publish::{self, point_live};
use super::questions::closed;
use super::stages::{CANDIDATE, TRIAL, evaluations};
use super::worker::{Tell, Worker};
use seald_core::domain::consolidation::{Proof, Retraining};
use seald_core::domain::evaluation::{Evaluation, Subject};
use seald_core::domain::ids::{DocumentId, GenerationId, ProbeId};
use seald_core::domain::job::{Job, JobKind, Stage};
use seald_core::domain::probe::{Probe, Role};
use seald_core::domain::progress::{Progress, Task};
use seald_core::error::Result;
use seald_core::files::StagedDir;
use seald_learn::Adapter;
use seald_learn::consolidate::{self, BankAnswer};
use seald_learn::session::Answered;
use seald_store::{Lesson, NewGeneration, Swapped};

/// What is to be kept and what is to go.
struct Keeping {
    /// Documents that are forgotten; empty in a consolidation.
    gone: Vec<DocumentId>,
    /// Whether the live model learned one of them.
    known: bool,
    /// What stays.
    lessons: Vec<Lesson>,
}

impl Keeping {
    /// Whether there is something to train: nothing for a document that nobody learned.
    fn trains(&self, kind: JobKind) -> bool {
        !self.lessons.is_empty() && (kind == JobKind::Consolidate || self.known)
    }

    /// Whether nothing that was learned stays, so that the base answers.
    fn empties(&self) -> bool {
        self.known && self.lessons.is_empty()
    }
}

impl Worker<'_> {
    fn keeping(&self, job: &Job) -> Result<Keeping> {
        let gone = match (job.kind, job.document) {
            (JobKind::Forget, Some(document)) => self.store.versions(document)?,
            _ => Vec::new(),
        };
        let chain = self.store.chain(self.live_id())?;
        let known = chain.iter().flat_map(|g| &g.documents).any(|d| gone.contains(d));
        let mut lessons = self.store.curriculum()?;
        lessons.retain(|lesson| !gone.contains(&lesson.document));
        Ok(Keeping { gone, known, lessons })
    }

    pub(super) fn retrain(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let keeping = self.keeping(job)?;
        if !keeping.trains(job.kind) {
            crash::point(Stage::Retrain, Place::AfterFiles);
            return match job.kind {
                JobKind::Forget => self.store.finish_retrain(job, None),
                _ => self.store.finish_without_retraining(job),
            };
        }
        let rows = self.rows_of(&keeping.lessons)?;
        let learning_rate = median(keeping.lessons.iter().map(|lesson| lesson.learning_rate).collect());
        let (count, key) = (rows.len(), format!("job {}", job.id));
        let done = consolidate::retrain(
            &self.session,
            &rows,
            &self.rehearsal,
            learning_rate,
            &self.consolidate,
            &key,
            tell,
        )?;
        let staged = StagedDir::replacing(&self.root.job(job.id), TRIAL)?;
        self.session.write_adapter(&done.adapter, &staged)?;
        staged.publish()?;
        crash::point(Stage::Retrain, Place::AfterFiles);
        let retraining = Retraining {
            against: self.live_id(),
            documents: keeping.lessons.len(),
            rows: count,
            learning_rate,
            steps: done.steps,
            tokens: done.tokens,
            seconds: done.seconds,
            loss: done.loss,
        };
        self.store.finish_retrain(job, Some(&retraining))
    }

    pub(super) fn compare(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let keeping = self.keeping(job)?;
        let retrained = match self.store.consolidation(job.id)? {
            Some(_) => Some(self.session.load_adapter(&self.root.job(job.id).join(TRIAL))?),
            None => None,
        };
        let comparison = match &retrained {
            Some(adapter) => Some(self.compare_with(job, adapter, &keeping)?),
            None => None,
        };
        let after = match &retrained {
            Some(adapter) => Some(adapter),
            None if keeping.empties() => None,
            None => self.live(),
        };
        let proof = match job.kind {
            JobKind::Forget => Some(self.proof(&keeping.gone, after)?),
            _ => None,
        };
        crash::point(Stage::Compare, Place::AfterFiles);
        let next = self.store.finish_compare(job, comparison.as_ref(), proof.as_ref(), self.clock.now())?;
        if next.stage != Stage::Swap {
            publish::clear(&self.root, job.id);
        }
        if let Some(comparison) = comparison {
            let reasons = comparison.reasons.clone();
            tell(Progress::Compared {
                asked: comparison.asked,
                before: comparison.right_before,
                after: comparison.right_after,
                accepted: comparison.accepted,
                reasons,
            });
        }
        Ok(next)
    }

    /// Puts the whole bank, but what is about documents that go, to the live and to the retrained model. The answers of the second are kept
    /// beside its adapter for the forgetting matrix.
    fn compare_with(
        &self,
        job: &Job,
        adapter: &Adapter,
        keeping: &Keeping,
    ) -> Result<seald_core::domain::consolidation::Comparison> {
        let mut bank = self.store.bank(usize::MAX, self.session.options.seed)?;
        bank.retain(|probe| probe.document.is_none_or(|document| !keeping.gone.contains(&document)));
        let questions: Vec<_> = bank.iter().map(closed).collect();
        let before = self.session.ask_as(Task::AnswerEarlier, &questions, self.live())?;
        let after = self.session.ask_as(Task::AnswerEarlier, &questions, Some(adapter))?;
        let base = self.right_by_base(&bank)?;
        let answers: Vec<BankAnswer> = bank
            .iter()
            .zip(before.iter().zip(&after))
            .map(|(probe, (before, after))| BankAnswer {
                document: probe.document.filter(|_| probe.role == Role::Retain),
                right_base: base.get(&probe.id).copied().unwrap_or(false),
                right_before: before.grade.right,
                right_after: after.grade.right,
            })
            .collect();
        let drift = |adapter| {
            let work = || self.rehearsal.drift(&self.session, adapter);
            self.session.work.doing(Task::LabelBaseSamples, work)
        };
        let drift = (drift(self.live())?, drift(Some(adapter))?);
        let staged = StagedDir::replacing(&self.root.job(job.id), CANDIDATE)?;
        staged.write(ANSWERS, &kept_answers(&bank, &after)?)?;
        staged.publish()?;
        Ok(consolidate::compare(&answers, drift, self.session.gate.budget()))
    }

    /// What the base answered to the probes of learned documents when they came.
    fn right_by_base(&self, bank: &[Probe]) -> Result<HashMap<ProbeId, bool>> {
        let documents: HashSet<DocumentId> = bank.iter().filter_map(|probe| probe.document).collect();
        let mut found = HashMap::new();
        for document in documents {
            let asked = self.store.evaluations(document, Subject::Base)?;
            found.extend(asked.into_iter().map(|one| (one.probe, one.right)));
        }
        Ok(found)
    }

    /// The questions about the documents that go, put to the base, to the live model, and to the one that takes its place.
    fn proof(&self, gone: &[DocumentId], after: Option<&Adapter>) -> Result<Proof> {
        let mut probes = Vec::new();
        for document in gone {
            let own = self.store.probes(*document, None)?;
            probes.extend(own.into_iter().filter(|probe| probe.role != Role::Preserve));
        }
        let questions: Vec<_> = probes.iter().map(closed).collect();
        let right = |adapter| -> Result<usize> {
            let answered = self.session.ask_as(Task::AnswerDocument, &questions, adapter)?;
            Ok(answered.iter().filter(|a| a.grade.right).count())
        };
        Ok(Proof {
            asked: probes.len(),
            right_base: right(None)?,
            right_before: right(self.live())?,
            right_after: right(after)?,
        })
    }

    pub(super) fn swap(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let keeping = self.keeping(job)?;
        let swapped = match self.store.consolidation(job.id)? {
            Some(_) => {
                let (id, answers) = (self.store.next_generation_id()?, self.answers_of(job)?);
                let answers = answers.into_iter().map(|one| Evaluation { generation: id, ..one }).collect();
                Swapped::To(self.publish_retrained(job, id, &keeping)?, answers)
            }
            None if keeping.empties() => Swapped::Base,
            None => Swapped::Unchanged,
        };
        crash::point(Stage::Swap, Place::AfterFiles);
        let next = self.store.finish_swap(job, &swapped, self.clock.now())?;
        self.load_live()?;
        publish::clear(&self.root, job.id);
        point_live(&self.root, self.live_id())?;
        if let Swapped::To(generation, _) = swapped {
            tell(Progress::Live { generation: generation.id.folder() });
        }
        Ok(next)
    }

    fn publish_retrained(&self, job: &Job, id: GenerationId, keeping: &Keeping) -> Result<NewGeneration> {
        let trained = self.root.job(job.id).join(TRIAL);
        if !trained.is_dir() {
            return Err(self.missing("the retrained adapter", job));
        }
        let adapter = self.session.load_adapter(&trained)?;
        let staged = StagedDir::replacing(&self.root.adapters(), &id.folder())?;
        staged.write("README.md", self.consolidated_card(id, &keeping.lessons)?.as_bytes())?;
        let adapter_hash = self.session.write_adapter(&adapter, &staged)?;
        staged.publish()?;
        Ok(NewGeneration {
            id,
            parent: self.live_id(),
            base_fingerprint: self.session.model.fingerprint.clone(),
            adapter_hash,
            created_at: self.clock.now(),
        })
    }

    /// The answers that were kept beside the retrained adapter.
    fn answers_of(&self, job: &Job) -> Result<Vec<Evaluation>> {
        let path = self.root.job(job.id).join(CANDIDATE).join(ANSWERS);
        let bytes = std::fs::read(&path).map_err(|e| seald_core::files::io_error("read", &path, e))?;
        serde_json::from_slice(&bytes)
            .map_err(|e| self.missing("the answers to the bank", job).with_source(e))
    }
}

/// Where the retrained adapter's answers lie, beside it.
const ANSWERS: &str = "answers.json";

fn kept_answers(bank: &[Probe], answered: &[Answered]) -> Result<Vec<u8>> {
    let kept = evaluations(bank, answered, Subject::Replay, GenerationId::BASE);
    serde_json::to_vec(&kept).map_err(|e| {
        seald_core::error::Error::new(
            seald_core::error::Kind::Internal,
            "cannot write the answers to the bank",
        )
        .with_source(e)
    })
}

/// The middle value; of two the lower one. 0 for none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_value() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0]), 1.0);
        assert_eq!(median(vec![]), 0.0);
    }
}
