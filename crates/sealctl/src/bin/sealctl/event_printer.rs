//! What comes over the event stream as lines, with a bar for the steps; and waiting for a daemon that went away.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sealctl::client::{Client, Failure, Stream, routes};
use seald_core::domain::progress::Progress;
use seald_core::protocol::{EventView, Held, StatusView};
use seald_terminal::feed::Feed;
use seald_terminal::words::{trial_words, work_words};
use seald_terminal::{Look, one_line};

use crate::output;

/// Between two attempts to reach a daemon that went away.
const PAUSE: Duration = Duration::from_millis(500);

/// Turns events into lines and moves the bar.
pub(crate) struct EventPrinter {
    feed: Feed,
    look: Look,
    /// Steps of the trial under way, where a person looks.
    bar: Option<ProgressBar>,
}

impl EventPrinter {
    /// For lines that go to a place of this look.
    pub(crate) fn new(look: Look) -> Self {
        Self { feed: Feed::new(look), look, bar: None }
    }

    /// Takes up what was under way when we came.
    pub(crate) fn join(&mut self, status: &StatusView) {
        self.feed.join(status);
    }

    /// The lines for an event, each with its end; often none.
    pub(crate) fn tell(&mut self, event: &EventView, progress: Option<&Progress>) -> String {
        self.step(progress);
        self.feed.tell(event, progress).iter().map(|line| format!("{line}\n")).collect()
    }

    /// Moves the bar, or takes it away.
    fn step(&mut self, progress: Option<&Progress>) {
        match progress {
            Some(Progress::Step { trial, step, steps, loss }) => {
                let bar = self.bar.get_or_insert_with(|| bar(&self.look));
                bar.set_length(*steps as u64);
                bar.set_position(*step as u64);
                bar.set_message(format!("(loss {loss:.2}; {})", trial_words(&one_line(trial))));
            }
            Some(Progress::Working(work)) if work.done < work.of => {
                let bar = self.bar.get_or_insert_with(|| bar(&self.look));
                bar.set_length(work.of);
                bar.set_position(work.done);
                bar.set_message(work_words(work));
            }
            Some(_) => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            None => {}
        }
    }

    /// Writes something where the bar does not overwrite it.
    pub(crate) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Says something on stderr.
    pub(crate) fn say(&self, words: &str) {
        self.above(|| output::say(words));
    }
}

/// Whether learning is held for the same reason: how long it will be is no other one, and need not be told again each second.
pub(crate) fn same_hold(before: Option<&Held>, now: Option<&Held>) -> bool {
    match (before, now) {
        (Some(Held::Trouble { reason: before, .. }), Some(Held::Trouble { reason: now, .. })) => {
            before == now
        }
        (Some(Held::Busy { .. }), Some(Held::Busy { .. })) => true,
        _ => before == now,
    }
}

/// A bar on stderr for the steps; nothing where nobody looks at both.
fn bar(look: &Look) -> ProgressBar {
    if !(look.bars && io::stdout().is_terminal() && io::stderr().is_terminal()) {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("    {bar:24} {pos:>3}/{len}  {wide_msg}") {
        bar.set_style(style.progress_chars(look.sign("━╸ ", "=> ")));
    }
    bar
}

/// Waits for the daemon to come back: what happens after the event with that number, and how it stands.
///
/// # Errors
/// What keeps it from being asked even though it is there.
pub(crate) async fn come_back(
    client: &Client,
    after: Option<i64>,
) -> Result<(Stream<EventView>, StatusView), Failure> {
    loop {
        tokio::time::sleep(PAUSE).await;
        match client.events(after).await {
            Ok(stream) => match client.read::<StatusView>(routes::STATUS).await {
                Ok(view) => return Ok((stream, view)),
                Err(Failure::Unreachable(_)) => {}
                Err(failure) => return Err(failure),
            },
            Err(Failure::Unreachable(_)) => {}
            // A daemon that is just starting or stopping.
            Err(Failure::Problem(problem)) if problem.status == 503 => {}
            Err(failure) => return Err(failure),
        }
    }
}
