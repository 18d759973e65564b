//! What the daemon is doing now: the learner writes it, everyone may read it or listen.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use seald_core::clock::{Clock, Timestamp};
use seald_core::domain::ids::{DocumentId, JobId};
use seald_core::domain::progress::{Progress, Work};
use seald_core::protocol::{
    Activity, Calibrating, EventView, Held, Learning, NextRun, RefusedFiles, ServingView, Tending,
    TrialProgress,
};

/// Events that a slow listener may lag behind before it loses some.
const BACKLOG: usize = 1024;

/// The present, as far as it is not in the database.
#[derive(Debug, Clone, Default)]
pub struct Now {
    /// What is being done.
    pub activity: Activity,
    /// How far a piece of it is, if that is known.
    pub work: Option<Work>,
    /// Since when the stage under way is; none where none is, or nobody saw it begin.
    pub stage_since: Option<Timestamp>,
    /// Seconds that the model in memory takes to learn a token of text, as far as anything foretells it.
    pub seconds_a_token: Option<f64>,
    /// Whether a person, the clock or other programs keep it from learning.
    pub held: Option<Held>,
    /// What went wrong where it tried to learn, and when it tries again.
    pub trouble: Option<Held>,
    /// Facts about the base model; the last known ones where it is not in memory.
    pub model: Option<ModelFacts>,
    /// Whether the base model is in memory.
    pub loaded: bool,
    /// Scheduled work, soonest first.
    pub next: Vec<NextRun>,
    /// Servers that are to answer with the live generation, in the order of the configuration.
    pub serve_to: Vec<ServingView>,
    /// Files that could not be read.
    pub refused: RefusedFiles,
    /// Most passages of a document that is learned, as the configuration has it now.
    pub max_passages: Option<usize>,
    /// What a person should look at, by what it is about.
    pub problems: BTreeMap<&'static str, String>,
}

impl Now {
    /// Why nothing is learned, if so: as long as it is held, nothing is tried again, whatever went wrong before.
    pub fn why_held(&self) -> Option<&Held> {
        self.held.as_ref().or(self.trouble.as_ref())
    }
}

/// What is known of a base model once it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelFacts {
    /// Parameters.
    pub parameters: u64,
    /// Longest text, tokens.
    pub context: usize,
}

/// The present and its listeners.
#[derive(Debug)]
pub struct Monitor {
    now: Mutex<Now>,
    events: broadcast::Sender<EventView>,
    clock: Clock,
}

impl Monitor {
    /// Idle, with nobody listening.
    pub fn new(clock: Clock) -> Self {
        Self { now: Mutex::default(), events: broadcast::Sender::new(BACKLOG), clock }
    }

    /// The present.
    pub fn now(&self) -> Now {
        self.lock().clone()
    }

    /// Events from now on: passing progress, without number; and one of kind `logged` each time that the database has
    /// new ones, which [`seald_store::Store::events_after`] tells.
    pub fn listen(&self) -> broadcast::Receiver<EventView> {
        self.events.subscribe()
    }

    /// Changes the present.
    pub fn update(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.lock());
    }

    /// Turns to something else: no work of it has been told yet.
    pub fn turn_to(&self, activity: Activity) {
        self.update(|now| (now.activity, now.work, now.stage_since) = (activity, None, None));
    }

    /// Tells how far a piece of the activity is.
    pub fn work(&self, work: Work) {
        let mut document = None;
        self.update(|now| {
            now.work = (work.done < work.of).then_some(work);
            match &mut now.activity {
                Activity::Learning(learning) => document = Some(learning.document),
                // Between its trainings it asks.
                Activity::Calibrating(calibrating) => calibrating.trial = None,
                _ => {}
            }
        });
        self.tell(document, None, &Progress::Working(work));
    }

    /// Says that something about `what` needs a person, or that it no longer does.
    pub fn problem(&self, what: &'static str, words: Option<String>) {
        self.update(|now| match words {
            Some(words) => drop(now.problems.insert(what, words)),
            None => drop(now.problems.remove(what)),
        });
    }

    /// Tells of progress, with the job and the document that it is about, if it is about one.
    pub fn progress(&self, document: Option<DocumentId>, job: Option<JobId>, progress: &Progress) {
        self.update(|now| {
            note(&mut now.activity, progress);
            now.work = None;
            if matches!(progress, Progress::Stage { .. }) {
                now.stage_since = Some(self.clock.now());
            }
        });
        self.tell(document, job, progress);
    }

    fn tell(&self, document: Option<DocumentId>, job: Option<JobId>, progress: &Progress) {
        let body = serde_json::to_value(progress).unwrap_or_default();
        self.send(EventView { id: None, at: self.clock.now(), job, document, kind: "progress".into(), body });
    }

    /// Tells that the database has new events.
    pub fn logged(&self) {
        let (id, job, document) = (None, None, None);
        let body = serde_json::Value::Null;
        self.send(EventView { id, at: self.clock.now(), job, document, kind: "logged".into(), body });
    }

    fn send(&self, event: EventView) {
        // Nobody may be listening.
        let _ = self.events.send(event);
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        // A panic while it was held leaves at worst a stale word.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What progress changes in what is being done.
fn note(activity: &mut Activity, progress: &Progress) {
    if let (Activity::Calibrating(now), Progress::Calibrating { seconds }) = (&mut *activity, progress) {
        now.seconds = *seconds;
    }
    if let (Activity::Learning(now), Progress::Started { seconds, .. }) = (&mut *activity, progress) {
        now.seconds = *seconds;
    }
    let (now, under_way) = match activity {
        Activity::Learning(Learning { stage, trial, .. })
        | Activity::Tending(Tending { stage, trial, .. }) => (Some(stage), trial),
        Activity::Calibrating(Calibrating { trial, .. }) => (None, trial),
        _ => return,
    };
    match progress {
        Progress::Stage { stage } => {
            *under_way = None;
            if let Some(now) = now {
                *now = *stage;
            }
        }
        Progress::Step { trial, step, steps, loss } => {
            let (name, step, steps, loss) = (trial.clone(), *step, *steps, *loss);
            *under_way = Some(TrialProgress { name, step, steps, loss });
        }
        _ => {}
    }
}
