//! The worker: claims a job, takes it through its stages, and settles how it ended.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::budget::ENDED;
use super::calibration::leave_rate_open;
use super::crash::{self, Place};
use super::generation_files::refuse_unusable;
use super::pace::Pace;
use super::place;
use super::recover;
use super::root::Root;
use super::stages::Replayed;
use super::trainings;
use super::writers::LoadedWriter;
use crate::endpoint::{Endpoint, EndpointOptions};
use seald_core::clock::Clock;
use seald_core::domain::document::{Document, DocumentState};
use seald_core::domain::ids::{DocumentId, GenerationId};
use seald_core::domain::job::{Event, Job, JobKind, JobState, Stage};
use seald_core::domain::progress::Progress;
use seald_core::error::{Error, Kind, Result};
use seald_ingest::PassageSize;
use seald_learn::comprehension::Comprehension;
use seald_learn::consolidate::ConsolidateOptions;
use seald_learn::gate::GateOptions;
use seald_learn::options::LearnOptions;
use seald_learn::rehearsal::{self, Rehearsal};
use seald_learn::session::{Answered, Session};
use seald_learn::work::{OnWork, Tally};
use seald_learn::writer::WriterOptions;
use seald_learn::{Adapter, Model};
use seald_store::{Dropped, NewEvent, RolledBack, Store};

/// Seconds that a claimed job is the worker's without a sign of life.
const LEASE_SECONDS: i64 = 900;

/// How documents are learned and judged.
#[derive(Debug, Clone, Default)]
pub struct WorkerOptions {
    /// Learning.
    pub learn: LearnOptions,
    /// Another model that writes the self-edits; off by default.
    pub writer: EndpointOptions,
    /// Judging.
    pub gate: GateOptions,
    /// Consolidation.
    pub consolidate: ConsolidateOptions,
    /// Rounds that train the writer.
    pub writer_rounds: WriterOptions,
    /// The folder that files of the inbox are moved to; none where there is no inbox.
    pub done: Option<PathBuf>,
    /// Memory that training may take, bytes; none: what the machine has free.
    pub max_memory: Option<u64>,
    /// Where the time comes from.
    pub clock: Clock,
    /// Who is told how far the work is.
    pub on_work: Option<OnWork>,
    /// Time between two savings of a training under way; none: a minute.
    pub checkpoint_every: Option<Duration>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// What it was for.
    pub kind: JobKind,
    /// The document that it learned or forgot; none where it was about no single one.
    pub document: Option<DocumentId>,
    /// What became of a document that was to be learned.
    pub state: Option<DocumentState>,
    /// Seconds in all.
    pub seconds: f64,
    /// What that went to.
    pub cost: Tally,
}

impl Finished {
    /// The document that the job learned, or tried to.
    pub fn learned(&self) -> Option<DocumentId> {
        self.document.filter(|_| self.kind == JobKind::Learn)
    }
}

/// Where stages tell what happens.
pub(super) type Tell<'t> = &'t mut dyn FnMut(Progress);

/// One model at work on the jobs of one root.
#[derive(Debug)]
pub struct Worker<'m> {
    pub(super) root: Root,
    pub(super) store: Store,
    pub(super) session: Session<'m>,
    pub(super) rehearsal: Rehearsal,
    pub(super) remote: Option<Endpoint>,
    pub(super) consolidate: ConsolidateOptions,
    pub(super) writer_rounds: WriterOptions,
    pub(super) done: Option<PathBuf>,
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) rate_is_open: bool,
    pub(super) live: Option<(GenerationId, Adapter)>,
    /// What a generation answered to the controls: the next document's judgement needs the same.
    pub(super) controls: Option<(GenerationId, Vec<Answered>)>,
    /// Questions about other texts in sight, with what the base answers once that is known.
    pub(super) reading: Option<Comprehension>,
    pub(super) writer: Option<LoadedWriter>,
}

impl<'m> Worker<'m> {
    /// A worker on `root`, whose lock the caller holds. Takes up what an earlier process left: jobs it had under way are queued again, files
    /// without rows are removed.
    ///
    /// # Errors
    /// From the database and the engine; as [`Endpoint::open`]; [`Kind::Conflict`] where the generations belong to another base model; [`Kind::Corrupt`] for a
    /// generation whose files are gone.
    pub fn open(
        root: Root,
        mut store: Store,
        model: &'m Model,
        options: WorkerOptions,
        cancel: &'m AtomicBool,
    ) -> Result<Self> {
        let WorkerOptions {
            learn,
            writer,
            gate,
            consolidate,
            writer_rounds,
            done,
            max_memory,
            clock,
            on_work,
            checkpoint_every,
        } = options;
        let remote = writer.is_on().then(|| Endpoint::open(&writer)).transpose()?;
        let rate_is_open = leave_rate_open(&learn);
        let mut session = Session::new(model, learn, cancel)?;
        (session.max_memory, session.work.on_work) = (max_memory, on_work);
        session.checkpoints.every = checkpoint_every;
        session.gate = gate;
        recover::reconcile(&root, &mut store, model, clock.now())?;
        let samples = match store.base_samples(&model.fingerprint, rehearsal::RECIPE)? {
            Some(samples) => samples,
            None => {
                let samples = rehearsal::draw(&session)?;
                store.keep_base_samples(&model.fingerprint, rehearsal::RECIPE, &samples)?;
                samples
            }
        };
        let rehearsal = Rehearsal::new(&session, &samples)?;
        let pace = Pace::of(&session, &store)?;
        let (live, controls, reading, writer) = (None, None, None, None);
        let mut worker = Self {
            root,
            store,
            session,
            rehearsal,
            remote,
            consolidate,
            writer_rounds,
            done,
            clock,
            pace,
            rate_is_open,
            live,
            controls,
            reading,
            writer,
        };
        worker.use_kept_calibration()?;
        worker.load_live()?;
        worker.load_writer()?;
        worker.say_last_word()?;
        Ok(worker)
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The database, to take documents in.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Jobs that are not finished.
    ///
    /// # Errors
    /// From the database.
    pub fn waiting(&self) -> Result<usize> {
        Ok(self.store.jobs(Some(JobState::Queued))?.len())
    }

    /// The model at work.
    pub fn session(&self) -> &Session<'m> {
        &self.session
    }

    /// Seconds that learning takes for each token of a text, about; none where nothing foretells it.
    pub fn seconds_a_token(&self) -> Option<f64> {
        self.pace.seconds(1)
    }

    /// The live generation's adapter; none while the base answers.
    pub fn live(&self) -> Option<&Adapter> {
        self.live.as_ref().map(|(_, adapter)| adapter)
    }

    pub(super) fn live_id(&self) -> GenerationId {
        self.live.as_ref().map_or(GenerationId::BASE, |(id, _)| *id)
    }

    /// Makes another generation live, or the base.
    ///
    /// # Errors
    /// As [`Store::roll_back`]; [`Kind::NotFound`] where the generation's files are gone; [`Kind::Corrupt`] where they are damaged.
    pub fn roll_back(&mut self, to: GenerationId, why: &str) -> Result<RolledBack> {
        refuse_unusable(&self.root, &self.store, to)?;
        let done = self.store.roll_back(to, Dropped::Rejected, why, self.clock.now())?;
        self.load_live()?;
        Ok(done)
    }

    /// Asks the live generation the whole bank, and stores that as its row of the forgetting matrix. None where the base is live.
    ///
    /// # Errors
    /// From the engine and the database; [`Kind::Cancelled`].
    pub fn replay_all(&mut self) -> Result<Option<Replayed>> {
        let live = self.live_id();
        if live == GenerationId::BASE {
            return Ok(None);
        }
        let bank = self.store.bank(usize::MAX, self.session.options.seed)?;
        let (replayed, evaluations) = self.ask_bank(&bank, &self.store.replay_row(live)?)?;
        self.store.keep_replay(live, &evaluations)?;
        Ok(Some(replayed))
    }

    /// Takes the next waiting job to its end; none if nothing waits. Before the first document the model is calibrated, if that was left to us.
    ///
    /// # Errors
    /// As [`Self::calibrate`]; [`Kind::Cancelled`] on request, the job waiting again; what keeps every job from going on (a full disk, a broken database). A job that
    /// fails is no error: its document says why.
    pub fn run_next(&mut self, tell: Tell<'_>) -> Result<Option<Finished>> {
        if self.is_to_be_calibrated()? {
            self.calibrate(tell)?;
        }
        let Some(mut job) = self.store.claim_next(self.clock.now(), LEASE_SECONDS)? else { return Ok(None) };
        let (started, spent) = (Instant::now(), self.session.tally());
        let (kind, document) = (job.kind, job.document);
        if kind == JobKind::Learn {
            // Left by one that was asked for again and stopped.
            trainings::clear_calibration(&self.root);
        }
        let tell = &mut place::noting(&self.root, job.id, tell);
        self.tell_start(&job, tell)?;
        while job.state == JobState::Running {
            job = self.attempt(job, tell)?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let (event, finished, state) = match (kind, document) {
            (JobKind::Learn, Some(document)) => self.learned(document, seconds)?,
            _ => (ENDED, self.ended(&job, seconds)?, None),
        };
        // As it was told, so that who was away reads the same, and who was not reads it once.
        self.note(&job, event, serde_json::to_value(&finished).unwrap_or_default())?;
        tell(finished);
        self.see_to_budget(&job)?;
        let cost = self.session.tally().since(&spent);
        Ok(Some(Finished { kind, document, state, seconds, cost }))
    }

    /// The document's text in passages that fit the model.
    pub(super) fn cut(&self, document: &Document) -> Vec<String> {
        let (least, most) = self.session.passage_tokens();
        // What the tokenizer refuses counts as its bytes: too many rather than too few.
        let count = |text: &str| self.session.tokens(text).unwrap_or(text.len());
        seald_ingest::passages(&document.text, &count, PassageSize { least, most })
    }

    /// One stage, and what follows from how it ends.
    fn attempt(&mut self, job: Job, tell: Tell<'_>) -> Result<Job> {
        let stage = job.stage;
        tell(Progress::Stage { stage });
        crash::point(stage, Place::BeforeWork);
        let lease_until = self.clock.now().plus_seconds(LEASE_SECONDS);
        let job = self.store.apply(job.id, Event::Renewed { lease_until })?;
        self.keep_trainings(&job);
        let done = self.stage(&job, tell);
        self.session.checkpoints.folder = None;
        let error = match done {
            Ok(next) => {
                trainings::clear(&self.root, job.id);
                crash::point(stage, Place::AfterCommit);
                return Ok(next);
            }
            Err(error) => error,
        };
        if error.kind() == Kind::Cancelled {
            self.store.apply(job.id, Event::Returned)?;
            return Err(error);
        }
        // Said aloud by whoever handles it; here for the log.
        tracing::info!(job = job.id.0, stage = stage.as_str(), %error, "a stage failed");
        self.note(&job, "failed", serde_json::json!({"stage": stage, "error": error.to_string()}))?;
        let said = error.to_string();
        let event = match self.is_of_the_machine(stage, &error) {
            true => Event::Hindered { error: said },
            false => Event::Failed { error: said, passing: may_pass(&error) },
        };
        let job = self.store.apply(job.id, event)?;
        match job.state {
            // Tried again by the next claim; a job that waits for a retry must not stand in the way of the error.
            JobState::Queued => {
                Err(error.context(format!("{} waits to be tried again", self.name_of(&job)?)))
            }
            _ => {
                trainings::clear(&self.root, job.id);
                Ok(job)
            }
        }
    }

    fn stage(&mut self, job: &Job, tell: Tell<'_>) -> Result<Job> {
        match job.stage {
            Stage::Probes => self.make_probes(job, &self.document_of(job)?, tell),
            Stage::SelfEdits => self.write_self_edits(job, &self.document_of(job)?, tell),
            Stage::Trials => self.run_trials(job, &self.document_of(job)?, tell),
            Stage::Gate => self.judge(job, &self.document_of(job)?, tell),
            Stage::Publish => self.publish(job, &self.document_of(job)?, tell),
            Stage::Replay => self.replay(job, tell),
            Stage::Retrain => self.retrain(job, tell),
            Stage::Compare => self.compare(job, tell),
            Stage::Swap => self.swap(job, tell),
            Stage::Purge => self.purge(job, tell),
            Stage::TrainWriter => self.train_writer(job, tell),
            Stage::Examine => self.examine(job, tell),
            Stage::Promote => self.promote(job),
        }
    }

    /// Whether the operating system refused what any job would have asked of it. A server remote may refuse what one document makes us ask.
    fn is_of_the_machine(&self, stage: Stage, error: &Error) -> bool {
        let asks = self.remote.is_some() && matches!(stage, Stage::Probes | Stage::SelfEdits);
        error.kind() == Kind::Io && !asks
    }

    fn document_of(&self, job: &Job) -> Result<Document> {
        let gone = || Error::new(Kind::NotFound, format!("the document of job {} is gone", job.id));
        self.store.document(job.document.ok_or_else(gone)?)
    }

    /// What a person calls a job.
    fn name_of(&self, job: &Job) -> Result<String> {
        Ok(match (job.kind, job.document) {
            (JobKind::Learn, Some(document)) => self.store.document(document)?.name,
            (kind, _) => format!("job {} ({kind})", job.id),
        })
    }

    pub(super) fn note(&mut self, job: &Job, kind: &str, body: serde_json::Value) -> Result<()> {
        let (job, document) = (Some(job.id), job.document);
        self.store.log(&[NewEvent { at: self.clock.now(), job, document, kind: kind.into(), body }])
    }
}

/// Whether another attempt could end otherwise.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind(), Kind::Io | Kind::Memory | Kind::Conflict)
}
