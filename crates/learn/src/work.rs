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

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            generation_seconds: self.generation_seconds + other.generation_seconds,
            training_seconds: self.training_seconds + other.training_seconds,
            scoring_seconds: self.scoring_seconds + other.scoring_seconds,
            generated_tokens: self.generated_tokens + other.generated_tokens,
            trained_tokens: self.trained_tokens + other.trained_tokens,
            scored_tokens: self.scored_tokens + other.scored_tokens,
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
    pub fn doing<T>(&self, task: Task, work: impl FnOnce() -> T) -> T {
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

/// How far rows are that are written side by side and end where the model ends them. What a row may write at most foretells nothing: brief answers take a
/// tenth of it. Those that have ended do, as far as they are many: the first to end are the briefest, and say little about the others.
#[derive(Debug)]
pub(super) struct RowsDone {
    /// Tokens of each row, and whether it has ended.
    rows: Vec<(u64, bool)>,
}

/// Parts that a row counts as.
const PARTS: u64 = 100;
/// Parts that count as done, at most, of a row that is still written.
const MAX_PARTS: u64 = 80;

impl RowsDone {
    /// So many, of which nothing is written yet.
    pub(super) fn of(rows: usize) -> Self {
        Self { rows: vec![(0, false); rows] }
    }

    /// A token of a row, its last one or not.
    pub(super) fn token(&mut self, row: usize, last: bool) {
        if let Some((tokens, ended)) = self.rows.get_mut(row) {
            *tokens += 1;
            *ended |= last;
        }
    }

    /// What is done of how much. Nothing, while no row has ended.
    pub(super) fn so_far(&self) -> (u64, u64) {
        let ended = self.rows.iter().filter(|row| row.1);
        let (count, tokens) = ended.fold((0, 0), |(count, sum), row| (count + 1, sum + row.0));
        let usual = tokens.checked_div(count).map(|mean| mean.max(1));
        let rows = self.rows.len() as u64;
        let part = |&(tokens, ended): &(u64, bool)| match usual {
            _ if ended => PARTS,
            Some(usual) => (tokens * PARTS / usual).min(MAX_PARTS) * count / rows.max(1),
            None => 0,
        };
        (self.rows.iter().map(part).sum(), rows * PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_far_as_those_that_ended_foretell() {
        let mut rows = RowsDone::of(4);
        (0..4).for_each(|row| rows.token(row, false));
        assert_eq!(rows.so_far(), (0, 400), "nothing foretells yet how long they become");
        rows.token(0, false);
        rows.token(0, false);
        rows.token(0, true);
        assert_eq!(
            rows.so_far(),
            (100 + 3 * (25 / 4), 400),
            "the others have one token of four, as far as one of four tells"
        );
        (0..40).for_each(|_| rows.token(1, false));
        assert_eq!(
            rows.so_far(),
            (100 + 80 / 4 + 2 * (25 / 4), 400),
            "a long one is not done before it ends"
        );
        (1..4).for_each(|row| rows.token(row, true));
        assert_eq!(rows.so_far(), (400, 400));
    }

    #[test]
    fn one_brief_answer_does_not_foretell_that_all_are_nearly_done() {
        let mut rows = RowsDone::of(20);
        (0..20).for_each(|row| rows.token(row, false));
        rows.token(0, true);
        (1..20).for_each(|row| (0..9).for_each(|_| rows.token(row, false)));
        let (done, of) = rows.so_far();
        assert!(done * 10 <= of, "{done} of {of}");
    }
}
