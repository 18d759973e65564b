//! Whether learning is held, and for how long: by a person, by quiet hours, by other programs. Whoever computes asks between two steps.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seald_core::protocol::Held;

/// Longest that a question keeps training from its next step.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);
/// Between two looks while waiting.
const LOOK: Duration = Duration::from_millis(250);

/// Shared by the clerk, who says so, and the threads that compute.
#[derive(Debug, Default)]
pub(super) struct Hold {
    held: Mutex<Option<Held>>,
    changed: Condvar,
    answering: AtomicUsize,
    /// Raised to end what is being computed at the next step.
    pub(super) interrupt: AtomicBool,
    /// Raised when the daemon is on its way down.
    pub(super) stopping: AtomicBool,
    /// Counts up while the learner lives.
    pub(super) beat: AtomicU64,
}

impl Hold {
    /// Why learning is held, if it is.
    pub(super) fn held(&self) -> Option<Held> {
        self.lock().clone()
    }

    /// Says why learning is held, or that it is not.
    pub(super) fn set(&self, held: Option<Held>) {
        *self.lock() = held;
        self.changed.notify_all();
    }

    /// Whether the daemon is on its way down.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on nothing is to be ended, unless the daemon is on its way down.
    pub(super) fn clear_interrupt(&self) {
        self.interrupt.store(false, Ordering::Relaxed);
        if self.is_stopping() {
            self.interrupt.store(true, Ordering::Relaxed);
        }
    }

    /// Ends everything at its next step.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.interrupt.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    /// While the guard lives, training waits before its next step.
    pub(super) fn answer(&self) -> Answering<'_> {
        self.answering.fetch_add(1, Ordering::Relaxed);
        Answering(self)
    }

    /// Called between two steps of training: waits while learning is held or a question is being answered. A hold that
    /// lasts longer than `patience` raises the interrupt, so that the job is given back and the memory with it.
    pub(super) fn between_steps(&self, patience: Duration) {
        let started = Instant::now();
        let mut held = self.lock();
        self.beat.fetch_add(1, Ordering::Relaxed);
        loop {
            let answering = self.answering.load(Ordering::Relaxed) > 0 && started.elapsed() < LONGEST_ANSWER;
            if self.interrupt.load(Ordering::Relaxed) || !(held.is_some() || answering) {
                return;
            }
            if held.is_some() && started.elapsed() >= patience {
                self.interrupt.store(true, Ordering::Relaxed);
                return;
            }
            held = match self.changed.wait_timeout(held, LOOK) {
                Ok((held, _)) => held,
                Err(poisoned) => poisoned.into_inner().0,
            };
            self.beat.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question is being answered.
pub(super) struct Answering<'h>(&'h Hold);

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::clock::Timestamp;

    #[test]
    fn steps_wait_while_held_and_go_on_when_it_ends() {
        let hold = Hold::default();
        hold.between_steps(Duration::ZERO);
        assert!(!hold.interrupt.load(Ordering::Relaxed), "nothing is held");
        hold.set(Some(Held::Paused { since: Timestamp(1), until: None }));
        std::thread::scope(|scope| {
            let step = scope.spawn(|| hold.between_steps(Duration::from_secs(600)));
            while hold.beat.load(Ordering::Relaxed) < 3 {
                std::thread::yield_now();
            }
            assert!(!step.is_finished());
            hold.set(None);
            step.join().unwrap();
        });
        assert!(!hold.interrupt.load(Ordering::Relaxed));
    }

    #[test]
    fn a_long_hold_gives_the_job_back() {
        let hold = Hold::default();
        hold.set(Some(Held::Paused { since: Timestamp(1), until: None }));
        hold.between_steps(Duration::ZERO);
        assert!(hold.interrupt.load(Ordering::Relaxed));
    }

    #[test]
    fn training_waits_for_an_answer() {
        let hold = Hold::default();
        let answering = hold.answer();
        std::thread::scope(|scope| {
            let step = scope.spawn(|| hold.between_steps(Duration::ZERO));
            while hold.beat.load(Ordering::Relaxed) < 2 {
                std::thread::yield_now();
            }
            assert!(!step.is_finished());
            drop(answering);
            step.join().unwrap();
        });
        assert!(!hold.interrupt.load(Ordering::Relaxed), "an answer is no reason to give the job back");
    }
}
