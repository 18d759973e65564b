//! What keeps every document from being learned: shown, and waited out with growing pauses.

use std::time::Duration;

use crate::pipeline::monitor::Monitor;
use seald_core::clock::{Clock, Timestamp};
use seald_core::error::Error;
use seald_core::protocol::Held;

/// Seconds until the first new attempt; each next one waits twice as long.
const FIRST_PAUSE: i64 = 10;
/// Longest pause, seconds.
const LONGEST_PAUSE: i64 = 900;
/// What the monitor files it under.
const ABOUT: &str = "learning";

/// What keeps the learner from learning, if something does.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    again_at: Option<Timestamp>,
    pause: i64,
}

impl Backoff {
    /// Whether there is one.
    pub(super) fn is_on(&self) -> bool {
        self.again_at.is_some()
    }

    /// Whether it is time to try.
    pub(super) fn may_try(&self, clock: &Clock) -> bool {
        self.wait(clock).is_none()
    }

    /// How long to wait before the next attempt; none: try. Never longer than the pause, whatever the clock did.
    pub(super) fn wait(&self, clock: &Clock) -> Option<Duration> {
        let left = self.again_at?.0.saturating_sub(clock.now().0).min(self.pause * 1000);
        (left > 0).then(|| Duration::from_millis(left as u64))
    }

    /// Somebody says that it is worth another attempt now.
    pub(super) fn try_now(&mut self) {
        self.again_at = self.again_at.map(|_| Timestamp(0));
    }

    /// An attempt failed.
    pub(super) fn begins(&mut self, error: &Error, clock: &Clock, monitor: &Monitor) {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let again_at = clock.now().plus_seconds(self.pause);
        self.again_at = Some(again_at);
        let reason = error.reason_first();
        monitor.problem(ABOUT, Some(reason.clone()));
        monitor.update(|now| now.trouble = Some(Held::Trouble { reason, again_at }));
    }

    /// An attempt went well.
    pub(super) fn is_over(&mut self, monitor: &Monitor) {
        if self.again_at.take().is_some() {
            self.pause = 0;
            monitor.problem(ABOUT, None);
            monitor.update(|now| now.trouble = None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::error::Kind;

    #[test]
    fn pauses_grow_and_end_with_success() {
        let clock = Clock::at(Timestamp(1_000_000));
        let (monitor, mut trouble) = (Monitor::new(clock.clone()), Backoff::default());
        assert!(trouble.may_try(&clock));
        let error = Error::new(Kind::Io, "the disk is full");
        let mut waits = Vec::new();
        for _ in 0..9 {
            trouble.begins(&error, &clock, &monitor);
            waits.push(trouble.wait(&clock).unwrap().as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert!(matches!(monitor.now().why_held(), Some(Held::Trouble { .. })));
        trouble.try_now();
        assert!(trouble.may_try(&clock) && matches!(monitor.now().why_held(), Some(Held::Trouble { .. })));
        let paused = Held::Paused { since: Timestamp(1), until: None };
        monitor.update(|now| now.held = Some(paused.clone()));
        trouble.begins(&error, &clock, &monitor);
        assert_eq!(monitor.now().why_held(), Some(&paused), "nothing is tried again before that ends");
        monitor.update(|now| now.held = None);
        assert!(matches!(monitor.now().why_held(), Some(Held::Trouble { .. })));
        trouble.is_over(&monitor);
        assert!(
            trouble.may_try(&clock)
                && monitor.now().why_held().is_none()
                && monitor.now().problems.is_empty()
        );
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_make_it_wait_for_ever() {
        let clock = Clock::at(Timestamp(1_000_000_000));
        let (monitor, mut trouble) = (Monitor::new(clock.clone()), Backoff::default());
        trouble.begins(&Error::new(Kind::Io, "x"), &clock, &monitor);
        let Clock::Set(time) = &clock else { unreachable!() };
        time.store(0, std::sync::atomic::Ordering::Relaxed);
        assert!(trouble.wait(&clock).unwrap() <= Duration::from_secs(10));
    }
}
