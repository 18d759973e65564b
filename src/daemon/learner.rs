//! The learner: one thread that learns what waits, document by document, and does what must not happen meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use super::backoff::Backoff;
use super::hold::Hold;
use super::slot::ModelSlot;
use super::threads::apart;
use crate::pipeline::control::Reply;
use crate::pipeline::monitor::Monitor;
use crate::pipeline::{self, Replayed, Root, Worker, WorkerOptions};
use seald_core::clock::Clock;
use seald_core::domain::ids::GenerationId;
use seald_core::domain::job::{Job, JobKind, JobState};
use seald_core::domain::progress::Progress;
use seald_core::error::{Error, Kind, Result};
use seald_core::protocol::{Activity, Calibrating, Learning, ReplayView, RollbackView, Tending};
use seald_learn::Model;
use seald_learn::work::OnWork;
use seald_store::{NewEvent, RolledBack, Store};

/// Longest sleep while there is nothing to do: a beat for the watchdog.
const BEAT: Duration = Duration::from_secs(20);
/// What the log says of a rollback's documents.
const ROLLED_BACK: &str =
    "rolled back: the live model does not contain it any more; `sealctl retry` learns it again";

/// What the learner is asked for between two documents.
#[derive(Debug)]
pub(super) enum Work {
    /// There may be something to learn.
    Look,
    /// Do not wait out what kept it from learning.
    TryNow,
    /// Make another generation live.
    Rollback(GenerationId, Reply<RollbackView>),
    /// Ask the whole bank; who waits for what it finds, nobody where it is scheduled.
    Replay(Vec<Reply<ReplayView>>),
}

/// Puts work where its turn is: a rollback is not kept waiting by replays, and of these one waits at a time: whoever asks meanwhile is told what that
/// one finds.
fn enqueue(waiting: &mut VecDeque<Work>, work: Work) {
    match work {
        Work::Replay(mut asked) => match waiting.iter_mut().find_map(Work::replay) {
            Some(others) => others.append(&mut asked),
            None => waiting.push_back(Work::Replay(asked)),
        },
        work => {
            let replay = waiting.iter().position(|one| matches!(one, Work::Replay(_)));
            waiting.insert(replay.unwrap_or(waiting.len()), work);
        }
    }
}

impl Work {
    fn replay(&mut self) -> Option<&mut Vec<Reply<ReplayView>>> {
        match self {
            Self::Replay(asked) => Some(asked),
            _ => None,
        }
    }
}

/// What can change while the learner runs.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// How documents are learned and judged.
    pub(super) worker: WorkerOptions,
    /// How long a hold may last before the job under way is given back.
    pub(super) patience: Duration,
}

/// The thread that learns.
pub(super) struct Learner {
    pub(super) root: Root,
    pub(super) store: Store,
    pub(super) slot: Arc<ModelSlot>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) hold: Arc<Hold>,
    pub(super) settings: Arc<RwLock<Settings>>,
    pub(super) work: Receiver<Work>,
    pub(super) clock: Clock,
    /// Work that came and is not done.
    pub(super) waiting: VecDeque<Work>,
    pub(super) trouble: Backoff,
}

impl Learner {
    /// Learns until the daemon stops.
    pub(super) fn run(mut self) -> Result<()> {
        while !self.hold.is_stopping() {
            self.hold.beat.fetch_add(1, Ordering::Relaxed);
            self.gather();
            let replay = self.first(|work| matches!(work, Work::Replay(_))).is_some();
            let learn = self.hold.held().is_none() && self.is_work_left()?;
            if (replay || learn) && self.trouble.may_try(&self.clock) {
                let tried = apart(|| self.warm());
                self.settle(tried);
            } else {
                self.cold()?;
            }
        }
        Ok(())
    }

    /// Whether a job waits; or an error stopped one between two of its steps, and nobody works at it now; or one ended and the error was that this could not be noted.
    fn is_work_left(&self) -> Result<bool> {
        let waits = self.trouble.is_on() || self.store.next_job()?.is_some();
        Ok(waits || !self.store.jobs(Some(JobState::Running))?.is_empty())
    }

    /// What came of an attempt to work: trouble is shown and waited out, a stop or an interruption is none.
    fn settle(&mut self, tried: Result<()>) {
        self.monitor.turn_to(Activity::Idle);
        match tried {
            Ok(()) => self.trouble.is_over(&self.monitor),
            Err(error) if error.kind() == Kind::Cancelled => {
                self.hold.clear_interrupt();
            }
            Err(error) => {
                tracing::error!(%error, "cannot learn now");
                self.trouble.begins(&error, &self.clock, &self.monitor);
            }
        }
    }

    /// Whether this is not for now: scheduled work, while learning is held.
    fn must_wait(&self, work: &Work) -> bool {
        matches!(work, Work::Replay(asked) if asked.is_empty()) && self.hold.held().is_some()
    }

    /// The place of the first work of a kind that need not wait.
    fn first(&self, kind: impl Fn(&Work) -> bool) -> Option<usize> {
        self.waiting.iter().position(|work| kind(work) && !self.must_wait(work))
    }

    /// Takes up what came, without waiting.
    fn gather(&mut self) {
        while let Ok(work) = self.work.try_recv() {
            self.accept(work);
        }
    }

    fn accept(&mut self, work: Work) {
        match work {
            Work::Look => {}
            Work::TryNow => self.trouble.try_now(),
            work => enqueue(&mut self.waiting, work),
        }
    }

    /// Without the model: what needs none, then sleep until there may be more.
    fn cold(&mut self) -> Result<()> {
        self.hold.clear_interrupt();
        if let Some(place) = self.first(|work| matches!(work, Work::Rollback(..)))
            && let Some(Work::Rollback(to, reply)) = self.waiting.remove(place)
        {
            self.store.return_running()?;
            let done = pipeline::roll_back(&self.root, &mut self.store, to, ROLLED_BACK, self.clock.now());
            self.tell_rollback(to, done, reply);
            return Ok(());
        }
        let wait = self.trouble.wait(&self.clock).unwrap_or(BEAT).min(BEAT);
        match self.work.recv_timeout(wait) {
            Ok(work) => self.accept(work),
            Err(RecvTimeoutError::Timeout) => {}
            // Whoever could ask has gone: the daemon stops.
            Err(RecvTimeoutError::Disconnected) => self.hold.stop(),
        }
        Ok(())
    }

    /// With the model: everything that waits, until nothing does or learning is held.
    fn warm(&mut self) -> Result<()> {
        self.monitor.turn_to(Activity::Opening);
        let model = self.slot.get()?;
        let hold = self.hold.clone();
        let monitor = self.monitor.clone();
        let on_work = Some(OnWork::new(move |work| monitor.work(work)));
        let options = WorkerOptions { on_work, ..self.read_settings().worker };
        let mut store = self.store.another()?;
        // Those of an earlier process were taken up at the start: what is left was ours, and the error not the job's.
        store.return_running()?;
        let mut worker = Worker::open(self.root.clone(), store, &model, options, &hold.interrupt)?;
        if let Some(unknown) = pipeline::unknown_in_words(&self.root)? {
            self.monitor.problem("adapters", Some(unknown));
        }
        self.monitor.logged();
        self.monitor.update(|now| now.seconds_a_token = worker.seconds_a_token());
        while !hold.is_stopping() {
            hold.beat.fetch_add(1, Ordering::Relaxed);
            hold.clear_interrupt();
            self.gather();
            match self.first(|_| true).and_then(|place| self.waiting.remove(place)) {
                Some(work) => self.serve(&mut worker, work)?,
                None if hold.held().is_some() => break,
                None => match self.learn_next(&mut worker, &model) {
                    Ok(true) => self.trouble.is_over(&self.monitor),
                    Ok(false) => break,
                    Err(error) if error.kind() == Kind::Cancelled && !hold.is_stopping() => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Ok(())
    }

    fn serve(&mut self, worker: &mut Worker<'_>, work: Work) -> Result<()> {
        match work {
            Work::Look | Work::TryNow => {}
            Work::Rollback(to, reply) => {
                let done = worker.roll_back(to, ROLLED_BACK);
                self.tell_rollback(to, done, reply);
            }
            Work::Replay(asked) => {
                let since = self.clock.now();
                self.monitor.turn_to(Activity::Replaying { since });
                let live = worker.store().live()?.map(|g| g.id.folder());
                let found = worker.replay_all();
                if found.is_ok() {
                    worker.queue_consolidation()?;
                }
                if let Err(error) = &found
                    && error.kind() == Kind::Cancelled
                {
                    // It is asked again once what interrupted it is done.
                    self.accept(Work::Replay(asked));
                    return Ok(());
                }
                let view = found.map(|found| {
                    let Replayed { asked, right, lost } =
                        found.unwrap_or(Replayed { asked: 0, right: 0, lost: 0 });
                    ReplayView { generation: live, asked, right, lost }
                });
                self.tell_replay(view, asked);
            }
        }
        Ok(())
    }

    /// Learns the next document; false if none waits.
    fn learn_next(&self, worker: &mut Worker<'_>, model: &Model) -> Result<bool> {
        let Some(job) = worker.store().next_job()? else { return Ok(false) };
        refuse_full_disk(&self.root, model)?;
        let patience = self.read_settings().patience;
        let (monitor, hold) = (self.monitor.clone(), self.hold.clone());
        let tell = |document, job, progress: &Progress| {
            monitor.progress(document, job, progress);
            hold.between_steps(patience);
        };
        if worker.is_to_be_calibrated()? {
            let since = self.clock.now();
            self.monitor.turn_to(Activity::Calibrating(Calibrating { since, seconds: None, trial: None }));
            let calibrated = worker.calibrate(&mut |progress| tell(None, None, &progress));
            self.monitor.turn_to(Activity::Idle);
            calibrated?;
        }
        let activity = self.activity(worker.store(), &job)?;
        self.monitor.turn_to(activity);
        let finished = worker.run_next(&mut |progress| tell(job.document, Some(job.id), &progress));
        self.monitor.turn_to(Activity::Idle);
        self.monitor.logged();
        finished.map(|one| one.is_some())
    }

    fn activity(&self, store: &Store, job: &Job) -> Result<Activity> {
        let (since, stage, trial) = (self.clock.now(), job.stage, None);
        Ok(match (job.kind, job.document) {
            (JobKind::Learn, Some(document)) => {
                let title = store.document(document)?.title;
                Activity::Learning(Learning { document, title, stage, since, seconds: None, trial })
            }
            (kind, _) => {
                let reason = store.job_reason(job.id)?.unwrap_or_default();
                Activity::Tending(Tending { job: job.id, kind, reason, stage, since, trial })
            }
        })
    }

    fn read_settings(&self) -> Settings {
        self.settings.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn tell_rollback(&mut self, to: GenerationId, done: Result<RolledBack>, reply: Reply<RollbackView>) {
        let view = done.and_then(|done| {
            let dropped: Vec<String> =
                done.dropped.iter().map(|id| Ok(self.store.document(*id)?.title)).collect::<Result<_>>()?;
            let folder = |id: GenerationId| (id != GenerationId::BASE).then(|| id.folder());
            Ok(RollbackView { from: folder(done.from), to: folder(to), dropped })
        });
        if let Ok(view) = &view {
            self.note("rolled_back", serde_json::json!(view));
        }
        // Whoever asked may have gone.
        let _ = reply.send(view);
    }

    fn tell_replay(&mut self, found: Result<ReplayView>, asked: Vec<Reply<ReplayView>>) {
        match &found {
            Ok(view) => self.note("replayed", serde_json::json!(view)),
            Err(error) => {
                tracing::error!(%error, "the replay failed");
                self.note("replay_failed", serde_json::json!({ "error": error.to_string() }));
            }
        }
        for reply in asked {
            let found = match &found {
                Ok(view) => Ok(view.clone()),
                Err(error) => Err(Error::new(error.kind(), error.to_string())),
            };
            // Whoever asked may have gone.
            let _ = reply.send(found);
        }
    }

    fn note(&mut self, kind: &str, body: serde_json::Value) {
        let event = NewEvent { at: self.clock.now(), job: None, document: None, kind: kind.into(), body };
        if let Err(error) = self.store.log(&[event]) {
            tracing::warn!(%error, "cannot log an event");
        }
        self.monitor.logged();
    }
}

/// Learning writes an adapter three times over: begun on a disk that is nearly full, it would be in vain.
fn refuse_full_disk(root: &Root, model: &Model) -> Result<()> {
    let Ok(disk) = rustix::fs::statvfs(root.path()) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let need = (64 << 20).max(model.decoder.config().parameter_count() / 16);
    if free >= need {
        return Ok(());
    }
    let text = format!(
        "the disk of {} is nearly full: {} MiB are free, learning needs {}: free some space",
        root.path().display(),
        free >> 20,
        need >> 20
    );
    Err(Error::new(Kind::Io, text))
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[test]
    fn one_replay_waits_at_a_time_and_rollbacks_go_before_it() {
        let mut waiting = VecDeque::new();
        let (first, mut told_first) = oneshot::channel();
        let (second, mut told_second) = oneshot::channel();
        enqueue(&mut waiting, Work::Replay(Vec::new()));
        enqueue(&mut waiting, Work::Replay(vec![first]));
        for to in [3, 4] {
            enqueue(&mut waiting, Work::Rollback(GenerationId(to), oneshot::channel().0));
        }
        enqueue(&mut waiting, Work::Replay(vec![second]));
        let order: Vec<_> = waiting
            .iter()
            .map(|work| match work {
                Work::Rollback(to, _) => to.0,
                _ => 0,
            })
            .collect();
        assert_eq!(order, [3, 4, 0]);
        let Some(Work::Replay(asked)) = waiting.pop_back() else { panic!("the replay is the last") };
        for reply in asked {
            reply.send(Ok(ReplayView { generation: None, asked: 1, right: 1, lost: 0 })).unwrap();
        }
        assert!(told_first.try_recv().is_ok() && told_second.try_recv().is_ok());
    }
}
