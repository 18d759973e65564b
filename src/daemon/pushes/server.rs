//! One server of `serve_to`: what it has, what is to be done with it next, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::{Serving, ServingOptions};
use seald_core::clock::Timestamp;
use seald_core::domain::ids::GenerationId;
use seald_core::error::{Error, Result};
use seald_core::protocol::ServingView;

/// Between two looks at whether a server still has what it took: it may have been started again.
const CHECK: Duration = Duration::from_secs(60);
/// Until the first new attempt; each next pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What is done with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::daemon) enum Attempt {
    /// It is given this generation.
    Push(GenerationId),
    /// It is asked whether it still has it.
    Check(GenerationId),
}

impl Attempt {
    pub(super) fn generation(self) -> GenerationId {
        let (Self::Push(id) | Self::Check(id)) = self;
        id
    }
}

/// What the log of events is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ServingChange {
    /// The server took another generation, or is well again.
    Served,
    /// From now on attempts fail.
    Failing,
}

/// What is known of one server.
pub(super) struct Server {
    /// The way to it.
    pub(super) serving: Arc<Serving>,
    /// What is shown of it.
    pub(super) view: ServingView,
    /// What it has, as far as we know.
    has: Option<GenerationId>,
    /// What it was given last, whether or not it took it.
    given: Option<GenerationId>,
    /// An attempt is under way.
    pub(super) under_way: bool,
    /// When something is due by itself.
    pub(super) due: Instant,
    /// Attempts that failed in a row.
    failures: u32,
}

impl Server {
    /// Nothing is sent yet.
    pub(super) fn new(options: &ServingOptions) -> Result<Self> {
        let view =
            ServingView { url: options.url.clone(), name: options.name.clone(), ..ServingView::default() };
        let serving = Arc::new(Serving::open(options).map_err(|e| e.context("serve_to"))?);
        let (has, given, under_way, due, failures) = (None, None, false, Instant::now(), 0);
        Ok(Self { serving, view, has, given, under_way, due, failures })
    }

    /// What is to be done with it now, if anything. A generation that it was not given yet goes out at once, whatever pause
    /// an earlier one's failure left.
    pub(super) fn next(&self, live: GenerationId, now: Instant) -> Option<Attempt> {
        let due = now >= self.due;
        match self.has == Some(live) {
            _ if self.under_way => None,
            true => due.then_some(Attempt::Check(live)),
            false => (due || self.given != Some(live)).then_some(Attempt::Push(live)),
        }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, live: GenerationId) {
        (self.under_way, self.given) = (true, Some(live));
    }

    /// Takes up how an attempt ended.
    pub(super) fn done(
        &mut self,
        attempt: Attempt,
        outcome: Result<bool>,
        now: Instant,
        at: Timestamp,
    ) -> Option<ServingChange> {
        self.under_way = false;
        match (attempt, outcome) {
            (Attempt::Push(id), Ok(_)) => {
                let name = (id != GenerationId::BASE).then(|| id.folder());
                let another = self.view.at.is_none() || self.view.generation != name;
                (self.view.generation, self.view.at, self.has) = (name, Some(at), Some(id));
                let recovered = self.is_well(now);
                (another || recovered).then_some(ServingChange::Served)
            }
            (Attempt::Check(_), Ok(true)) => self.is_well(now).then_some(ServingChange::Served),
            (Attempt::Check(_), Ok(false)) => {
                tracing::info!(url = self.view.url, name = self.view.name, "a server lost what it had");
                (self.has, self.due) = (None, now);
                None
            }
            (_, Err(error)) => {
                if matches!(attempt, Attempt::Push(_)) {
                    self.has = None;
                }
                self.fails(&error, now, at)
            }
        }
    }

    /// All is well; whether it was not before.
    fn is_well(&mut self, now: Instant) -> bool {
        (self.view.error, self.view.again_at, self.due) = (None, None, now + CHECK);
        std::mem::take(&mut self.failures) > 0
    }

    fn fails(&mut self, error: &Error, now: Instant, at: Timestamp) -> Option<ServingChange> {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.view.failures += 1;
        self.due = now + pause;
        self.view.error = Some(error.to_string());
        self.view.again_at = Some(at.plus_seconds(pause.as_secs() as i64));
        (self.failures == 1).then_some(ServingChange::Failing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seald_core::error::Kind;

    const ONE: GenerationId = GenerationId(1);
    const TWO: GenerationId = GenerationId(2);
    const AT: Timestamp = Timestamp(1_000);

    fn server() -> Server {
        let url = "http://127.0.0.1:9".to_string();
        Server::new(&ServingOptions { url, ..ServingOptions::default() }).unwrap()
    }

    fn broken() -> Result<bool> {
        Err(Error::new(Kind::Io, "refuses the connection"))
    }

    #[test]
    fn what_is_live_is_pushed_once_and_then_looked_after() {
        let (mut server, now) = (server(), Instant::now());
        assert_eq!(server.next(ONE, now), Some(Attempt::Push(ONE)));
        server.begin(ONE);
        assert_eq!(server.next(TWO, now + LONGEST_PAUSE), None, "one at a time");
        assert_eq!(server.done(Attempt::Push(ONE), Ok(true), now, AT), Some(ServingChange::Served));
        assert_eq!((server.view.generation.as_deref(), server.view.at), (Some("gen-000001"), Some(AT)));
        assert_eq!(server.next(ONE, now), None);
        assert_eq!(server.next(ONE, now + CHECK), Some(Attempt::Check(ONE)));
        assert_eq!(server.done(Attempt::Check(ONE), Ok(true), now, AT), None);
        assert_eq!(server.next(TWO, now), Some(Attempt::Push(TWO)), "at once");
        assert_eq!(server.done(Attempt::Check(ONE), Ok(false), now, AT), None);
        assert_eq!(server.next(ONE, now), Some(Attempt::Push(ONE)), "it was started again");
        assert_eq!(server.done(Attempt::Push(ONE), Ok(true), now, AT), None, "no news");
        let base = Attempt::Push(GenerationId::BASE);
        assert_eq!(
            (server.done(base, Ok(true), now, AT), server.view.generation),
            (Some(ServingChange::Served), None)
        );
    }

    #[test]
    fn failures_are_told_once_and_tried_again_with_growing_pauses() {
        let (mut server, now) = (server(), Instant::now());
        let mut pauses = Vec::new();
        for failure in 0..11 {
            server.begin(ONE);
            let news = server.done(Attempt::Push(ONE), broken(), now, AT);
            assert_eq!(news, (failure == 0).then_some(ServingChange::Failing));
            assert_eq!(server.next(ONE, server.due - Duration::from_millis(1)), None);
            assert_eq!(server.next(ONE, server.due), Some(Attempt::Push(ONE)));
            pauses.push((server.due - now).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(server.view.again_at, Some(AT.plus_seconds(300)));
        assert_eq!(server.next(TWO, now), Some(Attempt::Push(TWO)), "the newest, and it alone");
        server.begin(TWO);
        assert_eq!(server.done(Attempt::Push(TWO), Ok(true), now, AT), Some(ServingChange::Served));
        assert_eq!((&server.view.error, server.view.again_at, server.view.failures), (&None, None, 11));
    }

    #[test]
    fn a_server_that_cannot_be_asked_keeps_what_it_has() {
        let (mut server, now) = (server(), Instant::now());
        server.begin(ONE);
        server.done(Attempt::Push(ONE), Ok(true), now, AT);
        assert_eq!(server.done(Attempt::Check(ONE), broken(), now, AT), Some(ServingChange::Failing));
        assert_eq!(
            server.next(ONE, server.due),
            Some(Attempt::Check(ONE)),
            "it is not loaded again for that"
        );
        assert_eq!(server.done(Attempt::Check(ONE), Ok(true), now, AT), Some(ServingChange::Served));
    }
}
