//! The stages of a writer round: a new writer is trained on the winners of the gate, writes beside the present one about documents that neither
//! was trained on, and writes from now on if its self-edits teach more.

use super::crash::{self, Place};
use super::publish;
use super::questions::closed;
use super::stages::TRIAL;
use super::worker::{Tell, Worker};
use seald_core::domain::ids::{DocumentId, WriterId};
use seald_core::domain::job::{Job, Stage};
use seald_core::domain::probe::Role;
use seald_core::domain::progress::{Progress, Task};
use seald_core::domain::writer::{Examined, TrainedWriter, Whose, WriterSample};
use seald_core::error::Result;
use seald_core::files::StagedDir;
use seald_learn::Adapter;
use seald_learn::probes::Reading;
use seald_learn::session::Question;
use seald_learn::stats;
use seald_learn::writer::{self, Lesson, Sample, Winner};
use seald_store::{NewWriter, WinningEdit};

impl Worker<'_> {
    /// The winning self-edits that a writer may be trained on.
    fn winners(&self) -> Result<Vec<WinningEdit>> {
        let share = self.writer_rounds.exam_share;
        let all = self.store.winners()?.into_iter();
        Ok(all.filter(|winner| !writer::is_exam(&winner.hash, share)).collect())
    }

    pub(super) fn train_writer(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let winners = self.winners()?;
        if winners.len() < self.writer_rounds.min_examples || self.examiners()?.len() < 2 {
            return self.store.finish_train_writer(job, None);
        }
        let examples: Vec<Winner> = winners.into_iter().map(winner).collect();
        let (options, seed) =
            (&self.writer_rounds, self.session.options.seed.wrapping_add(job.id.0.unsigned_abs()));
        let trained = writer::train(&self.session, &examples, options, seed, tell)?;
        let staged = StagedDir::replacing(&self.root.job(job.id), TRIAL)?;
        self.session.write_adapter(&trained.adapter, &staged)?;
        staged.publish()?;
        crash::point(Stage::TrainWriter, Place::AfterFiles);
        let numbers = TrainedWriter {
            present: self.writer_id(),
            winners: examples.len(),
            steps: trained.steps,
            tokens: trained.tokens,
            seconds: trained.seconds,
            loss: trained.loss,
        };
        self.store.finish_train_writer(job, Some(&numbers))
    }

    fn writer_id(&self) -> WriterId {
        self.writer.as_ref().map_or(WriterId::BASE, |writer| writer.id)
    }

    /// The documents that examine writers, the newest first: no writer is ever trained on them.
    fn examiners(&self) -> Result<Vec<DocumentId>> {
        let options = &self.writer_rounds;
        let all = self.store.accepted_hashes()?.into_iter();
        let exams = all.filter(|(_, hash)| writer::is_exam(hash, options.exam_share)).map(|(id, _)| id);
        let mut found = Vec::new();
        for id in exams.take(options.exam_documents) {
            if !self.store.probes(id, Some(Role::Select))?.is_empty() {
                found.push(id);
            }
        }
        Ok(found)
    }

    pub(super) fn examine(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        let new = self.session.load_adapter(&self.root.job(job.id).join(TRIAL))?;
        let documents = self.examiners()?;
        let of = documents.len() * self.writer_rounds.samples * 2;
        let (mut kept, mut pairs) = (Vec::new(), Vec::new());
        let mut written: [Vec<Sample>; 2] = Default::default();
        for document in documents {
            let mut means = [0.0; 2];
            let present = self.writer.as_ref().map(|writer| &writer.adapter);
            for (place, (whose, author)) in
                [(Whose::Present, present), (Whose::New, Some(&new))].into_iter().enumerate()
            {
                let samples = self.sample(document, whose, author)?;
                let rewards: Vec<f64> = samples.iter().map(|sample| sample.reward.unwrap_or(0.0)).collect();
                means[place] = stats::mean(&rewards);
                for sample in samples {
                    let reward = sample.reward.unwrap_or(0.0);
                    kept.push(stored(whose, document, &sample));
                    tell(Progress::Sampled { whose, written: kept.len(), of, reward });
                    written[place].push(sample);
                }
            }
            pairs.push((means[0], means[1]));
        }
        let diversity = [&written[0], &written[1]].map(|samples| writer::diversity(samples));
        let verdict = writer::decide(&pairs, diversity[0], diversity[1], &self.writer_rounds);
        let mean = |place: usize| stats::mean(&pairs.iter().map(|p| [p.0, p.1][place]).collect::<Vec<_>>());
        let examined = Examined {
            documents: pairs.len(),
            reward_before: mean(0),
            reward_after: mean(1),
            bound: verdict.bound,
            diversity_before: diversity[0],
            diversity_after: diversity[1],
            promoted: verdict.promoted,
            reasons: verdict.reasons,
        };
        crash::point(Stage::Examine, Place::AfterFiles);
        let next = self.store.finish_examine(job, &kept, &examined, self.clock.now())?;
        if !examined.promoted {
            publish::clear(&self.root, job.id);
        }
        Ok(next)
    }

    /// What a writer writes about a document by its own choice, and what each self-edit teaches the pristine base.
    /// What an earlier process found is not found again.
    fn sample(&self, document: DocumentId, whose: Whose, author: Option<&Adapter>) -> Result<Vec<Sample>> {
        let found = self.store.document(document)?;
        let passages: Vec<String> = self.store.passages(document)?.into_iter().map(|p| p.text).collect();
        let probes = self.store.probes(document, None)?;
        let select: Vec<Question<'_>> =
            probes.iter().filter(|p| p.role == Role::Select).map(closed).collect();
        let reading = Reading { key: &found.hash, title: &found.title, passages: &passages };
        let lesson = Lesson { reading, select: &select, probes: &probes };
        let options = &self.writer_rounds;
        let part = format!("{whose:?} {document}");
        self.session.part(&part, &lesson.decided_by(&self.session, author, options)?, || {
            let sample =
                || writer::sample(&self.session, lesson, author, options.samples, options, 0, &mut |_| {});
            self.session.work.doing(Task::AnswerDocument, sample)
        })
    }

    pub(super) fn promote(&mut self, job: &Job) -> Result<Job> {
        let trained = self.root.job(job.id).join(TRIAL);
        if !trained.is_dir() {
            return Err(self.missing("the new writer", job));
        }
        let adapter = self.session.load_adapter(&trained)?;
        let id = self.store.next_writer_id()?;
        let documents: Vec<DocumentId> = self.winners()?.into_iter().map(|winner| winner.document).collect();
        let staged = StagedDir::replacing(&self.root.adapters(), &id.folder())?;
        let what = format!(
            "It writes self-edits, and answers no questions: it was trained on the best self-edits of {} documents.",
            documents.len()
        );
        staged.write("README.md", self.card_head(&id.folder(), &what).as_bytes())?;
        let adapter_hash = self.session.write_adapter(&adapter, &staged)?;
        staged.publish()?;
        crash::point(Stage::Promote, Place::AfterFiles);
        let base_fingerprint = self.session.model.fingerprint.clone();
        let created_at = self.clock.now();
        let new = NewWriter { id, base_fingerprint, adapter_hash, documents, created_at };
        let next = self.store.finish_promote(job, &new)?;
        publish::clear(&self.root, job.id);
        self.load_writer()?;
        Ok(next)
    }

    /// What came of a round, in words; whether another writer writes now.
    pub(super) fn round_words(&self, job: &Job) -> Result<(bool, String)> {
        let found = self.store.writer_rounds(1)?.pop().filter(|round| round.job == job.id);
        let Some(round) = found else {
            let text = format!(
                "too few documents were learned: a new writer is trained on the best texts about {} documents (there are {}) and compared with the present one on 2 others or more (there are {})",
                self.writer_rounds.min_examples,
                self.winners()?.len(),
                self.examiners()?.len()
            );
            return Ok((false, text));
        };
        let reasons = round.examined.map(|examined| examined.reasons.join("; ")).unwrap_or_default();
        Ok(match round.writer {
            Some(id) => {
                (true, format!("{} writes what the model learns from, from now on: {reasons}", id.folder()))
            }
            None => (false, format!("the present writer stays: {reasons}")),
        })
    }
}

fn winner(found: WinningEdit) -> Winner {
    let WinningEdit { document: _, hash, title, directive, passages, gain: _ } = found;
    Winner { key: hash, title, passages, directive }
}

fn stored(whose: Whose, document: DocumentId, sample: &Sample) -> WriterSample {
    WriterSample {
        whose,
        document,
        directive: sample.directive.clone(),
        text: sample.texts.join("\n\n"),
        reward: sample.reward.unwrap_or(0.0),
        discarded: sample.discarded.clone(),
    }
}
