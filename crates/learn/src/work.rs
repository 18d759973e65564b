//! What work costs, and how far it is.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seald_core::domain::progress::{Task, Work};

/// What the work cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tally {
    /// Seconds of writing text.
    pub generation_seconds: f64,
    /// Seconds of training.
    pub training_seconds: f64,
    /// Seconds of computing probabilities of given text.
    pub scoring_seconds: f64,
    /// Tokens written.
    pub generated_tokens: u64,
    /// Tokens trained on, counting repetitions.
    pub trained_tokens: u64,
    /// Tokens whose probability was computed, with their contexts.
    pub scored_tokens: u64,
}

impl Tally {
    /// What was spent since `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            generation_seconds: self.generation_seconds - earlier.generation_seconds,
            training_seconds: self.training_seconds - earlier.training_seconds,
            scoring_seconds: self.scoring_seconds - earlier.scoring_seconds,
            generated_tokens: self.generated_tokens - earlier.generated_tokens,
            trained_tokens: self.trained_tokens - earlier.trained_tokens,
            scored_tokens: self.scored_tokens - earlier.scored_tokens,
        }
    }
}

/// Most often that work is told: a person sees a bar move.
const BETWEEN_WORK: Duration = Duration::from_millis(250);

/// Who is told how far the work is.
#[derive(Clone)]
pub struct OnWork(Arc<dyn Fn(Work) + Send + Sync>);

impl OnWork {
    /// Calls `tell` a few times a second, between two passes of the model.
    pub fn new(tell: impl Fn(Work) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }
}

impl std::fmt::Debug for OnWork {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnWork")
    }
}

/// Tells how far the work of a session is.
#[derive(Debug, Default)]
pub struct Reporter {
    /// Who is told; none: nobody.
    pub on_work: Option<OnWork>,
    task: Cell<Task>,
    told: Cell<Option<Instant>>,
}

impl Reporter {
    /// Does something that is told of as `task`.
    pub(super) fn doing<T>(&self, task: Task, work: impl FnOnce() -> T) -> T {
        let before = self.task.replace(task);
        let done = work();
        self.task.set(before);
        done
    }

    /// Tells how much is done of how much since the work began, unless that was told just now.
    pub(super) fn tell(&self, done: u64, of: u64, since: Instant) {
        let Some(OnWork(tell)) = &self.on_work else { return };
        if done < of && self.told.get().is_some_and(|told| told.elapsed() < BETWEEN_WORK) {
            return;
        }
        self.told.set(Some(Instant::now()));
        tell(Work { task: self.task.get(), done, of: of.max(1), seconds: since.elapsed().as_secs_f64() });
    }
}
