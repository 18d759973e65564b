//! Waiting for a job that was asked for: its progress on stderr, what came of it on stdout.

use std::process::ExitCode;
use std::time::Duration;

use sealctl::client::{self, Client, Failure, Stream, parse, routes};
use seald_core::domain::ids::JobId;
use seald_core::domain::job::JobState;
use seald_core::domain::progress::Progress;
use seald_core::protocol::{EventView, Held, JobOutcome, JobStarted, StatusView};
use seald_terminal::words::kind_words;
use seald_terminal::{Look, jobs, status};

use crate::event_printer::{self, EventPrinter};
use crate::output::{self, times};

/// Between two looks at the job itself, for ends that the stream did not tell of.
const LOOK: Duration = Duration::from_secs(2);

/// What is known while waiting.
struct Wait<'a> {
    client: &'a Client,
    job: JobId,
    printer: EventPrinter,
    /// The last event seen: where to go on after a break.
    last: Option<i64>,
    /// Why nothing is begun, as it was said last.
    held: Option<Held>,
    /// Whether it was found over before the log told what came of it, which follows at once unless the daemon died between.
    untold: bool,
}

/// Waits until the job is over, tells how it goes, and prints what came of it. Exit code 1 where it failed.
pub(crate) async fn until_over(
    client: &Client,
    started: JobStarted,
    stream: Stream<EventView>,
    json: bool,
) -> Result<ExitCode, Failure> {
    let JobStarted { job, kind } = started;
    let printer = EventPrinter::new(Look::of_stderr());
    let mut wait = Wait { client, job, printer, last: None, held: None, untold: false };
    wait.printer.say(&format!("{} is job {job}; Ctrl-C ends the waiting, not the job", kind_words(kind)));
    let (bytes, outcome) = wait.follow(stream).await?;
    if json {
        output::json(&bytes)?;
    } else {
        output::text(&jobs::render(&outcome, &Look::of_stdout()))?;
    }
    Ok(if outcome.state == JobState::Failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Wait<'_> {
    /// Tells what happens until the job is over: what came of it, and the JSON that says so.
    async fn follow(&mut self, mut stream: Stream<EventView>) -> Result<(Vec<u8>, JobOutcome), Failure> {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let look = tokio::select! {
                event = stream.next() => match event {
                    Ok(Some((event, _))) => self.event(&event),
                    Ok(None) | Err(Failure::Unreachable(_)) => {
                        self.printer.say("the daemon went away; waiting for it to come back");
                        stream = event_printer::come_back(self.client, self.last).await?.0;
                        true
                    }
                    Err(failure) => return Err(failure),
                },
                _ = looks.tick() => true,
            };
            if look && let Some(over) = self.look().await? {
                return Ok(over);
            }
        }
    }

    /// Tells an event of the job; whether it says that the job is over.
    fn event(&mut self, event: &EventView) -> bool {
        self.last = event.id.or(self.last);
        if event.job != Some(self.job) {
            return false;
        }
        let progress = client::progress(event);
        let lines = self.printer.tell(event, progress.as_ref());
        if !lines.is_empty() {
            self.printer.say(&lines);
        }
        matches!(progress, Some(Progress::Ended { .. }))
    }

    /// The job, if it is over. Else says what keeps it from being begun. A daemon that is away is waited for by the stream.
    async fn look(&mut self) -> Result<Option<(Vec<u8>, JobOutcome)>, Failure> {
        let path = routes::job(self.job);
        let bytes = match self.client.get(&path).await {
            Ok(bytes) => bytes,
            Err(Failure::Unreachable(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let outcome: JobOutcome = parse(&bytes, &path)?;
        if outcome.is_over() {
            if outcome.outcome.is_some() || self.untold {
                return Ok(Some((bytes.to_vec(), outcome)));
            }
            self.untold = true;
            return Ok(None);
        }
        if outcome.state == JobState::Queued {
            match self.client.read::<StatusView>(routes::STATUS).await {
                Ok(view) => self.say_held(&view),
                Err(Failure::Unreachable(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    fn say_held(&mut self, view: &StatusView) {
        if !event_printer::same_hold(self.held.as_ref(), view.held.as_ref()) {
            if let Some(words) = view.held.as_ref().map(|held| status::held_words(held, times())) {
                self.printer.say(&format!("it waits: {words}"));
            }
            self.held = view.held.clone();
        }
    }
}
